//! What optimizers remember of each parameter, by path.

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};

use super::group::Group;
use crate::layers::matches;
use crate::tensor::Tensor;

/// What a run needs to go on after it was interrupted; see [`Optimizer::state`](super::Optimizer::state).
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct OptimizerState {
    /// The kind of optimizer: `Adam`.
    pub optimizer: String,
    /// The learning rate, which a schedule may have changed.
    pub learning_rate: f64,
    /// By path, the parameters that were trained so far.
    pub parameters: BTreeMap<String, ParameterState>,
}

/// What an optimizer remembers of one parameter.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ParameterState {
    /// How often it was changed.
    pub steps: u64,
    /// The tensors, of the parameter's shape and type, under PyTorch's names: `exp_avg`, `momentum_buffer` …
    pub tensors: BTreeMap<String, Tensor>,
}

/// The same while training, with the settings of the parameter's groups.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) path: String,
    pub(super) learning_rate_scale: f64,
    pub(super) weight_decay: Option<f64>,
    pub(super) betas: Option<(f64, f64)>,
    pub(super) eps: Option<f64>,
    pub(super) steps: u64,
    pub(super) tensors: Vec<Tensor>,
    /// The pass over the model that came by last.
    seen: u64,
}

impl Entry {
    pub(super) fn new(path: &str, groups: &[Group]) -> Self {
        let mut entry = Self {
            path: path.to_string(),
            learning_rate_scale: 1.0,
            weight_decay: None,
            betas: None,
            eps: None,
            steps: 0,
            tensors: Vec::new(),
            seen: 0,
        };
        groups.iter().for_each(|group| entry.join(group));
        entry
    }

    /// Takes over a group's settings, if the group is one of this parameter.
    pub(super) fn join(&mut self, group: &Group) {
        if matches(&group.pattern, &self.path) {
            self.learning_rate_scale = group.learning_rate_scale.unwrap_or(self.learning_rate_scale);
            self.weight_decay = group.weight_decay.or(self.weight_decay);
            self.betas = group.betas.or(self.betas);
            self.eps = group.eps.or(self.eps);
        }
    }
}

/// The entries of a model. Models show their parameters in the same order every time, so that the next entry is found by
/// one comparison.
#[derive(Debug, Clone, Default)]
pub(super) struct Entries {
    list: Vec<Entry>,
    places: HashMap<String, usize>,
    next: usize,
    pass: u64,
}

impl Entries {
    /// Begins a pass over the model.
    pub(super) fn start_pass(&mut self) {
        self.next = 0;
        self.pass += 1;
    }

    /// The place of the parameter that the pass has come to.
    pub(super) fn find(&mut self, path: &str) -> Option<usize> {
        let place = match self.list.get(self.next) {
            Some(entry) if entry.path == path => self.next,
            _ => *self.places.get(path)?,
        };
        self.next = place + 1;
        Some(place)
    }

    /// Adds a parameter and returns its place.
    pub(super) fn add(&mut self, entry: Entry) -> usize {
        let place = self.list.len();
        self.places.insert(entry.path.clone(), place);
        self.list.push(entry);
        self.next = place + 1;
        place
    }

    pub(super) fn len(&self) -> usize {
        self.list.len()
    }

    /// Forgets the parameters that were added after the first `len`.
    pub(super) fn truncate(&mut self, len: usize) {
        for entry in self.list.drain(len.min(self.list.len())..) {
            self.places.remove(&entry.path);
        }
    }

    /// Notes that the pass has come to a parameter; `false` if it had already.
    pub(super) fn mark(&mut self, place: usize) -> bool {
        std::mem::replace(&mut self.list[place].seen, self.pass) != self.pass
    }

    pub(super) fn get_mut(&mut self, place: usize) -> &mut Entry {
        &mut self.list[place]
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Entry> {
        self.list.iter()
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Entry> {
        self.list.iter_mut()
    }

    /// Whether the pass has come to an entry.
    pub(super) fn is_seen(&self, entry: &Entry) -> bool {
        entry.seen == self.pass
    }
}
