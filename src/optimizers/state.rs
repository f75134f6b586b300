//! What optimizers remember of each parameter, by path.

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};

use super::group::Group;
use super::rule::UpdateRule;
use super::stepper::Name;
use crate::error::{Error, Result};
use crate::layers::{Param, matches};
use crate::tensor::layout::Dims;
use crate::tensor::{DType, Tensor};

/// The name under which the `F32` values of a 16-bit parameter are saved, among the tensors of its state.
pub(super) const MASTER: &str = "master";

/// What a run needs to go on after it was interrupted; see [`Optimizer::state`](super::Optimizer::state).
#[derive(Debug, Clone, Serialize, Deserialize)]
#[non_exhaustive]
pub struct OptimizerState {
    /// The kind of optimizer: `Adam`.
    pub optimizer: String,
    /// The learning rate, which a schedule may have changed.
    pub learning_rate: f64,
    /// By path, the parameters that were trained so far.
    pub parameters: BTreeMap<String, ParameterState>,
    /// How many steps were taken.
    #[serde(default)]
    pub steps: u64,
    /// What is remembered of all parameters together.
    #[serde(default)]
    pub shared: BTreeMap<String, Tensor>,
}

impl OptimizerState {
    /// The state of an optimizer that remembers nothing yet.
    #[must_use]
    pub fn new(optimizer: impl Into<String>, learning_rate: f64) -> Self {
        let (parameters, shared) = Default::default();
        Self { optimizer: optimizer.into(), learning_rate, parameters, steps: 0, shared }
    }
}

/// What an optimizer remembers of one parameter.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ParameterState {
    /// How often it was changed.
    pub steps: u64,
    /// The tensors, under PyTorch's names where it has them: `exp_avg`, `momentum_buffer` …
    pub tensors: BTreeMap<String, Tensor>,
}

impl ParameterState {
    /// The state of a parameter that was changed that often.
    #[must_use]
    pub fn new(steps: u64, tensors: BTreeMap<String, Tensor>) -> Self {
        Self { steps, tensors }
    }
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
    /// What the rule remembers, in the order in which it asked for it.
    pub(super) tensors: Vec<Tensor>,
    names: Vec<Name>,
    /// The values in `F32` of a parameter of 16 bits, which rounds most steps away. The rule changes these.
    pub(super) master: Option<Param>,
    /// Shape and type of the parameter that this state was made for; absent after it was loaded.
    made_for: Option<(Dims, DType)>,
    /// The pass over the model that came by last.
    seen: u64,
    /// The parameter of the last step, or one that it is a clone of.
    pub(super) origin: Option<u64>,
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
            names: Vec::new(),
            master: None,
            made_for: None,
            seen: 0,
            origin: None,
        };
        groups.iter().for_each(|group| entry.join(group));
        entry
    }

    /// The state for saving.
    pub(super) fn saved(&self) -> ParameterState {
        let names = self.names.iter().map(|name| name.to_string());
        let mut tensors = BTreeMap::new();
        tensors.extend(names.zip(self.tensors.iter().cloned()));
        tensors.extend(self.master.as_ref().map(|master| (MASTER.to_string(), master.detach())));
        ParameterState { steps: self.steps, tensors }
    }

    /// Takes over a saved state. Returns whether it has the tensors of these names, if they are known, and no others.
    /// Whether they fit the parameter shows when that is there.
    pub(super) fn load(&mut self, mut saved: ParameterState, names: Option<&'static [&'static str]>) -> bool {
        self.steps = saved.steps;
        self.master = saved.tensors.remove(MASTER).and_then(|values| Param::new(values).ok());
        self.made_for = None;
        let Some(names) = names else {
            (self.names, self.tensors) = saved.tensors.into_iter().map(|(name, x)| (Name::Owned(name), x)).unzip();
            return true;
        };
        self.names = names.iter().map(|name| Name::Borrowed(*name)).collect();
        self.tensors = names.iter().filter_map(|name| saved.tensors.remove(*name)).collect();
        self.tensors.len() == names.len() && saved.tensors.is_empty()
    }

    /// Lets go of what it remembers.
    pub(super) fn forget(&mut self) {
        (self.steps, self.master, self.made_for) = (0, None, None);
        (self.tensors, self.names) = (Vec::new(), Vec::new());
    }

    /// Sees to it that there is a state for the next step of `param`. Returns whether the one that is there fits.
    #[track_caller]
    pub(super) fn prepare(&mut self, rule: &dyn UpdateRule, param: &Param) -> Result<bool> {
        let kind = (param.layout().shape(), param.dtype());
        if self.steps > 0 && self.made_for.is_some() {
            let expected = rule.state_names_at(&self.path, param);
            let is_same =
                |names: &[&str]| names.len() == self.names.len() && self.names.iter().zip(names).all(|(a, b)| a == b);
            let fits = self.made_for == Some(kind) && expected.is_none_or(is_same);
            if fits {
                self.follow(param)?;
            }
            return Ok(fits);
        }
        if self.steps == 0 {
            self.master = wide(param)?;
        }
        let fresh = rule.init_at(&self.path, self.master.as_ref().unwrap_or(param))?;
        expect_names(rule, "init", &fresh)?;
        let names = rule.state_names_at(&self.path, param);
        let expected = names.unwrap_or(&[]);
        if names.is_some() && !fresh.iter().map(|(name, _)| name).eq(expected) {
            let names: Vec<_> = fresh.iter().map(|(name, _)| name).collect();
            let message = format!("init makes the tensors {names:?}, but state_names says {expected:?}");
            return Err(Error::state(rule.name(), message));
        }
        let (names, tensors): (Vec<&'static str>, Vec<Tensor>) = fresh.into_iter().unzip();
        if self.steps > 0 {
            let Some(tensors) = self.adopted(&names, &tensors, param) else { return Ok(false) };
            self.tensors = tensors;
            self.follow(param)?;
        } else {
            self.tensors = tensors.iter().map(Tensor::detach).collect();
        }
        self.names = names.into_iter().map(Name::Borrowed).collect();
        self.made_for = Some(kind);
        Ok(true)
    }

    /// The tensors that were loaded, in the order of the fresh ones, if they have the same names, shapes and types, and
    /// there are master weights just where the parameter needs them.
    fn adopted(&self, names: &[&'static str], fresh: &[Tensor], param: &Param) -> Option<Vec<Tensor>> {
        let wide = param.dtype().gradient().filter(|wide| *wide != param.dtype());
        let master = self.master.as_ref().map(|master| (master.shape(), master.dtype()));
        if self.tensors.len() != fresh.len() || master != wide.map(|wide| (param.shape(), wide)) {
            return None;
        }
        let loaded = |(name, fresh): (&&'static str, &Tensor)| {
            let at = self.names.iter().position(|own| own == name)?;
            let x = &self.tensors[at];
            (x.shape() == fresh.shape() && x.dtype() == fresh.dtype()).then(|| x.clone())
        };
        names.iter().zip(fresh).map(loaded).collect()
    }

    /// Where something else has changed the values of a 16-bit parameter, so do its master weights.
    #[track_caller]
    fn follow(&mut self, param: &Param) -> Result<()> {
        let Some(master) = &mut self.master else { return Ok(()) };
        let (values, own) = (param.detach(), master.detach());
        let is_same = own.to_dtype(values.dtype()).eq(&values)?;
        master.set(&is_same.where_(&own, &values.to_dtype(own.dtype()))?)
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

/// What a rule remembers is saved by name, so each name stands for one thing.
#[track_caller]
pub(super) fn expect_names(rule: &dyn UpdateRule, method: &str, tensors: &[(&'static str, Tensor)]) -> Result<()> {
    for (i, (name, _)) in tensors.iter().enumerate() {
        if *name == MASTER {
            let message =
                format!("{method} makes a tensor called `{MASTER}`, the name of the F32 values of 16-bit parameters");
            return Err(Error::state(rule.name(), message));
        }
        if tensors[..i].iter().any(|(other, _)| other == name) {
            return Err(Error::state(rule.name(), format!("{method} makes two tensors called `{name}`")));
        }
    }
    Ok(())
}

/// The values of a 16-bit parameter in the type of its gradient.
#[track_caller]
fn wide(param: &Param) -> Result<Option<Param>> {
    match param.dtype().gradient() {
        Some(wide) if wide != param.dtype() => Param::new(param.detach().to_dtype(wide)).map(Some),
        _ => Ok(None),
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
