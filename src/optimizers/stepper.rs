//! What all optimizers have in common.

mod config;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::panic::Location;

use super::Optimizer;
use super::clip::{Limit, Norm, prepared};
use super::divided::Divided;
use super::group::Group;
use super::options::{below_one, not_negative, positive};
use super::problem::{Problem, no_gradient, other_kind, other_model, quoted};
use super::rule::{StepGradients, StepInfo, UpdateRule, begin_info};
use super::state::{Entries, Entry, OptimizerState, expect_names};
use crate::autograd::Gradients;
use crate::error::{Error, Here, Result, meant};
use crate::layers::{Module, Param, Slot, SlotMut, Visitor, VisitorMut, matches};
use crate::tensor::Tensor;
use crate::tensor::exec::reduce::is_finite;

/// The name of a tensor of state: the rule's own, or one that was loaded.
pub(super) type Name = Cow<'static, str>;

#[derive(Debug, Clone, Copy)]
enum Clip {
    Value(f64),
    Norm(f64),
}

/// An optimizer with the update rule `R`. The methods here are the options of all optimizers.
///
/// [`Adam`](super::Adam), [`Sgd`](super::Sgd) and the others are names for this type with their rules.
///
/// The options, those of the rule among them, can be written and read with `serde`; the learning rate has to be there. What the
/// optimizer remembers is its [`state`](Optimizer::state).
#[derive(Debug, Clone)]
pub struct Stepper<R> {
    pub(super) rule: R,
    learning_rate: f64,
    weight_decay: f64,
    decay_matrices_only: bool,
    groups: Vec<Group>,
    clip: Option<Clip>,
    maximize: bool,
    allow_unused: bool,
    check_finite: bool,
    entries: Entries,
    /// How many steps were taken.
    steps: u64,
    /// What the rule remembers besides the states of parameters, from the first step on.
    shared: Vec<(Name, Tensor)>,
    /// Whether groups were added, or a state loaded, that no model was compared with yet.
    unchecked: bool,
    /// What a schedule has changed of the options.
    scheduled: Scheduled,
}

/// Options that were set during training. They are part of the state.
#[derive(Debug, Clone, Default)]
struct Scheduled {
    momentum: Option<f64>,
    /// By the patterns of the groups.
    scales: BTreeMap<String, f64>,
}

const MOMENTUM: &str = "scheduled.momentum";
const SCALE: &str = "scheduled.learning_rate_scale.";

impl Scheduled {
    fn save(&self, state: &mut OptimizerState) {
        let scales = self.scales.iter().map(|(pattern, scale)| (format!("{SCALE}{pattern}"), *scale));
        for (name, value) in scales.chain(self.momentum.map(|momentum| (MOMENTUM.to_string(), momentum))) {
            if let Ok(value) = Tensor::from_vec(vec![value], []) {
                state.shared.insert(name, value);
            }
        }
    }

    /// Takes them out of what a state shares.
    fn load(shared: &mut BTreeMap<String, Tensor>) -> Self {
        let mut found = Self::default();
        shared.retain(|name, value| {
            let (pattern, value) = (name.strip_prefix(SCALE), value.item());
            match (pattern, value) {
                (Some(pattern), Ok(value)) => drop(found.scales.insert(pattern.to_string(), value)),
                (None, Ok(value)) if name == MOMENTUM => found.momentum = Some(value),
                _ => return true,
            }
            false
        });
        found
    }
}

/// Options.
impl<R: UpdateRule> Stepper<R> {
    /// An optimizer with a rule of your own.
    #[must_use]
    pub fn with_rule(rule: R, learning_rate: f64) -> Self {
        let weight_decay = rule.default_weight_decay();
        Self {
            rule,
            learning_rate,
            weight_decay,
            decay_matrices_only: false,
            groups: Vec::new(),
            clip: None,
            maximize: false,
            allow_unused: false,
            check_finite: true,
            entries: Entries::default(),
            steps: 0,
            shared: Vec::new(),
            unchecked: false,
            scheduled: Scheduled::default(),
        }
    }

    /// How strongly parameters are pulled towards zero, at least 0: `weight_decay · p` is added to the gradient. In
    /// [`AdamW`](super::AdamW), [`Lion`](super::Lion), [`Lamb`](super::Lamb), [`Adafactor`](super::Adafactor) and
    /// [`Muon`](super::Muon) it is applied to the parameter itself. Default 0; of `AdamW` 0.01, of `Muon` 0.1.
    #[must_use]
    pub fn weight_decay(mut self, weight_decay: f64) -> Self {
        self.weight_decay = weight_decay;
        self
    }

    /// Other settings for some of the parameters.
    #[must_use]
    pub fn group(mut self, group: Group) -> Self {
        self.entries.iter_mut().for_each(|entry| entry.join(&group));
        self.groups.push(group);
        self.unchecked = true;
        self
    }

    /// No weight decay for parameters whose path matches `pattern`; short for a [`Group`].
    #[must_use]
    pub fn no_decay(self, pattern: impl Into<String>) -> Self {
        self.group(Group::new(pattern).weight_decay(0.0))
    }

    /// Keeps the weight decay off parameters with fewer than two dimensions: biases and the scales of norms, which have to
    /// be free to grow. The usual choice for transformers. A [`Group`] with a weight decay of its own keeps it.
    ///
    /// ```
    /// use demotic::optimizers::AdamW;
    ///
    /// let opt = AdamW::new(6e-4).betas(0.9, 0.95).weight_decay(0.1).decay_matrices_only().clip_norm(1.0);
    /// ```
    #[must_use]
    pub fn decay_matrices_only(mut self) -> Self {
        self.decay_matrices_only = true;
        self
    }

    /// Scales the gradients of the model's parameters together so that the root of the sum of their squares is at most
    /// `max_norm`, as [`clip::by_norm`](super::clip::by_norm) does. Replaces [`clip_value`](Self::clip_value).
    #[must_use]
    pub fn clip_norm(mut self, max_norm: f64) -> Self {
        self.clip = Some(Clip::Norm(max_norm));
        self
    }

    /// Brings every element of the gradients into `-limit ..= limit`, as [`clip::by_value`](super::clip::by_value) does. Replaces
    /// [`clip_norm`](Self::clip_norm).
    #[must_use]
    pub fn clip_value(mut self, limit: f64) -> Self {
        self.clip = Some(Clip::Value(limit));
        self
    }

    /// Whether to look for the largest value of the loss instead of the smallest. Default false.
    #[must_use]
    pub fn maximize(mut self, maximize: bool) -> Self {
        self.maximize = maximize;
        self
    }

    /// Passes over trainable parameters that the loss does not depend on. Without this, they are an error: usually,
    /// a part of the model was forgotten.
    #[must_use]
    pub fn allow_unused(mut self) -> Self {
        self.allow_unused = true;
        self
    }

    /// Whether a gradient with NaN or infinite values is an error, which leaves the model as it was. Default true; the
    /// check costs one more pass over the gradients.
    #[must_use]
    pub fn check_finite(mut self, check: bool) -> Self {
        self.check_finite = check;
        self
    }
}

impl<R: UpdateRule> Optimizer for Stepper<R> {
    #[track_caller]
    fn step(&mut self, model: &mut dyn Module, grads: &Gradients) -> Result<()> {
        self.step_of(model, grads, None)
    }

    #[track_caller]
    fn step_divided(&mut self, model: &mut dyn Module, grads: &Gradients, divided: &Divided<'_>) -> Result<()> {
        self.step_of(model, grads, Some(divided))
    }

    fn learning_rate(&self) -> f64 {
        self.learning_rate
    }

    fn set_learning_rate(&mut self, learning_rate: f64) {
        self.learning_rate = learning_rate;
    }

    #[track_caller]
    fn set_momentum(&mut self, momentum: f64) -> Result<()> {
        if !self.rule.set_momentum(momentum) {
            let message = format!("a momentum of {momentum} for an optimizer that has none");
            return Err(Error::argument(self.rule.name(), message));
        }
        self.scheduled.momentum = Some(momentum);
        Ok(())
    }

    #[track_caller]
    fn set_learning_rate_scale(&mut self, pattern: &str, scale: f64) -> Result<()> {
        if !self.groups.iter().any(|group| group.pattern == pattern) {
            let message = format!("a scale of {scale} for the group `{pattern}`, which the optimizer does not have");
            return Err(Error::argument(self.rule.name(), message)
                .with_help("add it to the optimizer: .group(optimizers::Group::new(pattern))"));
        }
        self.scheduled.scales.insert(pattern.to_string(), scale);
        self.set_scales();
        Ok(())
    }

    fn state(&self) -> OptimizerState {
        let parameters = self.entries.iter().filter(|entry| entry.steps > 0);
        let mut state = OptimizerState::new(self.rule.name(), self.learning_rate);
        state.parameters = parameters.map(|entry| (entry.path.clone(), entry.saved())).collect();
        state.steps = self.steps;
        state.shared = self.shared.iter().map(|(name, tensor)| (name.to_string(), tensor.clone())).collect();
        self.scheduled.save(&mut state);
        state
    }

    #[track_caller]
    fn load_state(&mut self, state: OptimizerState) -> Result<()> {
        let (name, names) = (self.rule.name(), self.rule.state_names());
        if state.optimizer != name {
            return Err(other_kind(name, &state.optimizer));
        }
        let steps = state.parameters.values().map(|p| p.steps).fold(state.steps, u64::max);
        let mut entries = Entries::default();
        for (path, saved) in state.parameters {
            let mut entry = Entry::new(&path, &self.groups);
            if !entry.load(saved, names) {
                let message =
                    format!("the state of {} does not have just the tensors {:?}", quoted(&path), names.unwrap_or(&[]));
                return Err(Error::state(name, message).with_help("was it saved with other options?"));
            }
            entries.add(entry);
        }
        let mut shared = state.shared;
        let scheduled = Scheduled::load(&mut shared);
        let mut own = Vec::new();
        if steps > 0 {
            for (expected, fresh) in self.rule.shared()? {
                match shared.remove(expected) {
                    Some(saved) if saved.shape() == fresh.shape() && saved.dtype() == fresh.dtype() => {
                        own.push((Name::Borrowed(expected), saved));
                    }
                    found => {
                        let (shape, dtype) = (fresh.shape(), fresh.dtype());
                        let found = found
                            .map_or("nothing of that name".into(), |x| format!("{:?} of {}", x.shape(), x.dtype()));
                        let message = format!("the rule shares `{expected}`, {shape:?} of {dtype}; saved was {found}");
                        return Err(Error::state(name, message).with_help("was it saved with other options?"));
                    }
                }
            }
        }
        if let Some(more) = shared.keys().next() {
            let message = format!("the state has `{more}`, which is none of the rule's");
            return Err(Error::state(name, message).with_help("was it saved with other options?"));
        }
        let unknown = |pattern: &&String| !self.groups.iter().any(|group| group.pattern == **pattern);
        if let Some(pattern) = scheduled.scales.keys().find(unknown) {
            let message = format!("the state has a learning rate of the group `{pattern}`, which there is not");
            return Err(Error::state(name, message).with_help("was it saved with other options?"));
        }
        if scheduled.momentum.is_some_and(|momentum| !self.rule.set_momentum(momentum)) {
            let message = "the state has a momentum, which this optimizer does not";
            return Err(Error::state(name, message).with_help("was it saved with other options?"));
        }
        (self.entries, self.learning_rate, self.unchecked) = (entries, state.learning_rate, true);
        (self.steps, self.shared, self.scheduled) = (steps, own, scheduled);
        self.set_scales();
        Ok(())
    }
}

impl<R> Stepper<R> {
    /// Hands scales that were set to the groups, and from there to the parameters.
    fn set_scales(&mut self) {
        let scales = &self.scheduled.scales;
        for group in &mut self.groups {
            group.learning_rate_scale = scales.get(&group.pattern).copied().or(group.learning_rate_scale);
        }
        let groups = &self.groups;
        self.entries.iter_mut().for_each(|entry| groups.iter().for_each(|group| entry.join(group)));
    }
}

/// Whether this process makes the step of a parameter.
fn is_own(divided: Option<&Divided<'_>>, path: &str) -> bool {
    divided.is_none_or(|divided| (divided.is_own)(path))
}

/// What a step has changed, as it was before.
#[derive(Default)]
struct Earlier {
    params: Vec<(String, Tensor)>,
    /// Place, number of steps, tensors and master weights.
    entries: Vec<(usize, u64, Vec<Tensor>, Option<Param>)>,
}

impl Earlier {
    fn put_back(self, model: &mut dyn Module, entries: &mut Entries) {
        let mut params = self.params.into_iter().peekable();
        // The visit comes by in the order of the step.
        let mut on_slot = |path: &str, slot: SlotMut<'_>| {
            if let (SlotMut::Param(param), Some((_, value))) = (slot, params.next_if(|(changed, _)| changed == path)) {
                param.put_back(value);
            }
        };
        VisitorMut::new(&mut on_slot).module(model.as_module_mut());
        for (place, steps, tensors, master) in self.entries {
            let entry = entries.get_mut(place);
            (entry.steps, entry.tensors, entry.master) = (steps, tensors, master);
        }
    }
}

/// The parts of a step.
impl<R: UpdateRule> Stepper<R> {
    #[track_caller]
    fn step_of(&mut self, model: &mut dyn Module, grads: &Gradients, divided: Option<&Divided<'_>>) -> Result<()> {
        let _timer = crate::profile::op(self.rule.name());
        self.check_options()?;
        let known = self.entries.len();
        let before = self.shared.clone();
        let done = self.attempt(model, grads, divided);
        match done {
            Ok(()) => self.steps = self.steps.saturating_add(1),
            Err(_) => {
                self.entries.truncate(known);
                self.shared = before;
            }
        }
        done
    }

    /// A step whose changes of entries and of what the rule shares are undone by the caller if it fails.
    #[track_caller]
    fn attempt(&mut self, model: &mut dyn Module, grads: &Gradients, divided: Option<&Divided<'_>>) -> Result<()> {
        let limit = self.survey(model, grads, divided)?;
        if self.steps == 0 {
            let shared = self.rule.shared()?;
            expect_names(&self.rule, "shared", &shared)?;
            self.shared = shared.into_iter().map(|(name, x)| (Name::Borrowed(name), x)).collect();
        }
        let mut shared: Vec<Tensor> = self.shared.iter().map(|(_, tensor)| tensor.clone()).collect();
        let info = begin_info(self.steps.saturating_add(1), self.learning_rate, self.weight_decay);
        self.rule.begin(&info, &StepGradients::new(model, grads, limit, self.maximize), &mut shared)?;
        self.update(model, grads, limit, &shared, divided)?;
        if let Some(divided) = divided {
            (divided.gather)(model).here()?;
        }
        self.shared.iter_mut().zip(shared).for_each(|((_, old), new)| *old = new.detach());
        Ok(())
    }

    #[track_caller]
    fn check_options(&self) -> Result<()> {
        let name = self.rule.name();
        self.rule.check()?;
        not_negative(name, "the learning rate", self.learning_rate)?;
        not_negative(name, "weight_decay", self.weight_decay)?;
        match self.clip {
            Some(Clip::Norm(max_norm)) => positive(name, "clip_norm", max_norm)?,
            Some(Clip::Value(limit)) => positive(name, "clip_value", limit)?,
            None => (),
        }
        for group in &self.groups {
            not_negative(name, "learning_rate_scale of a group", group.learning_rate_scale.unwrap_or(0.0))?;
            not_negative(name, "weight_decay of a group", group.weight_decay.unwrap_or(0.0))?;
            let (beta1, beta2) = group.betas.unwrap_or((0.0, 0.0));
            below_one(name, "beta1 of a group", beta1)?;
            below_one(name, "beta2 of a group", beta2)?;
            positive(name, "eps of a group", group.eps.unwrap_or(1.0))?;
            for (setting, is_there) in [("betas", group.betas.is_some()), ("eps", group.eps.is_some())] {
                if is_there && !self.rule.group_settings().contains(&setting) {
                    let message = format!("the group `{}` has {setting}, which this optimizer does not", group.pattern);
                    return Err(Error::argument(name, message));
                }
            }
        }
        Ok(())
    }

    /// Makes sure that the step can be done, before anything is changed. Returns how gradients are to be clipped.
    #[track_caller]
    fn survey(
        &mut self,
        model: &dyn Module,
        grads: &Gradients,
        divided: Option<&Divided<'_>>,
    ) -> Result<Option<Limit>> {
        let mut total = Norm::new(2.0);
        let (mut missing, mut problem, mut failed) = (Vec::new(), None, None);
        let (mut same, mut others) = (0, 0);
        self.entries.start_pass();
        let mut on_slot = |path: &str, slot: Slot<'_>| {
            let Slot::Param(param) = slot else { return };
            let place = match self.entries.find(path) {
                Some(place) => place,
                None => self.entries.add(Entry::new(path, &self.groups)),
            };
            if !self.entries.mark(place) {
                problem.get_or_insert_with(|| Problem::SamePath(path.to_string()));
            }
            if let Some(origin) = self.entries.get_mut(place).origin {
                let known = if origin == param.origin() { &mut same } else { &mut others };
                *known += 1;
            }
            if !param.is_trainable() {
                return;
            }
            let Some(grad) = grads.get(param) else {
                if !is_own(divided, path) {
                    self.entries.get_mut(place).forget();
                }
                match divided.and_then(|divided| divided.norms.get(path)) {
                    Some(norm) if self.check_finite && !norm.is_finite() => {
                        problem.get_or_insert_with(|| Problem::NotFinite(path.to_string()));
                    }
                    Some(norm) => total.add_norm(*norm),
                    None => missing.push(path.to_string()),
                }
                return;
            };
            let entry = self.entries.get_mut(place);
            if !is_own(divided, path) {
                // Of a checkpoint, which has the states of all.
                entry.forget();
            } else {
                match entry.prepare(&self.rule, param) {
                    Ok(true) => (),
                    Ok(false) => drop(problem.get_or_insert_with(|| Problem::Misfit(path.to_string()))),
                    Err(e) => drop(failed.get_or_insert(e)),
                }
            }
            let grad = grad.packed();
            if self.check_finite && !is_finite(&grad) {
                problem.get_or_insert_with(|| Problem::NotFinite(path.to_string()));
            }
            if let Some(Clip::Norm(_)) = self.clip {
                total.add(&grad);
            }
        };
        model.visit(&mut Visitor::new(&mut on_slot));
        // Where nothing is remembered, there is nothing to mix up.
        if others > 0 && same == 0 && self.remembers() {
            return Err(other_model(self.rule.name()));
        }
        if !missing.is_empty() && !self.allow_unused {
            return Err(no_gradient(self.rule.name(), &missing));
        }
        if let Some(problem) = problem {
            return Err(problem.explain(self.rule.name()));
        }
        if let Some(e) = failed {
            // The closure does not know the caller's line.
            return Err(e.at(Location::caller()));
        }
        if self.unchecked {
            self.check_paths()?;
        }
        Ok(match self.clip {
            Some(Clip::Value(limit)) => Some(Limit::Value(limit)),
            Some(Clip::Norm(max_norm)) => Limit::for_norm(total.value(), max_norm),
            None => None,
        })
    }

    #[track_caller]
    fn update(
        &mut self,
        model: &mut dyn Module,
        grads: &Gradients,
        limit: Option<Limit>,
        shared: &[Tensor],
        divided: Option<&Divided<'_>>,
    ) -> Result<()> {
        let mut result = Ok(());
        let mut earlier = Earlier::default();
        let keep = self.rule.can_fail();
        self.entries.start_pass();
        let mut on_slot = |path: &str, slot: SlotMut<'_>| {
            let SlotMut::Param(param) = slot else { return };
            if result.is_err() {
                return;
            }
            let Some(place) = self.entries.find(path) else { return };
            self.entries.get_mut(place).origin = Some(param.origin());
            let Some(grad) = grads.get(param).filter(|_| is_own(divided, path)) else { return };
            let grad = prepared(grad, limit, self.maximize);
            let entry = self.entries.get_mut(place);
            if keep {
                earlier.params.push((path.to_string(), param.value().clone()));
                earlier.entries.push((place, entry.steps, entry.tensors.clone(), entry.master.clone()));
            }
            entry.steps = entry.steps.saturating_add(1);
            let is_free = self.decay_matrices_only && param.rank() < 2;
            let step = StepInfo {
                number: entry.steps,
                learning_rate: self.learning_rate * entry.learning_rate_scale,
                weight_decay: entry.weight_decay.unwrap_or(if is_free { 0.0 } else { self.weight_decay }),
                betas: entry.betas,
                eps: entry.eps,
                path,
                shared,
            };
            result = match &mut entry.master {
                None => self.rule.update(&step, param, &grad, &mut entry.tensors),
                Some(master) => {
                    let done = self.rule.update(&step, master, &grad, &mut entry.tensors);
                    done.and_then(|()| param.set(&master.to_dtype(param.dtype())))
                }
            };
        };
        VisitorMut::new(&mut on_slot).module(model.as_module_mut());
        if result.is_err() {
            earlier.put_back(model, &mut self.entries);
        }
        result.outside()
    }

    /// Whether steps depend on the ones before.
    fn remembers(&self) -> bool {
        !self.shared.is_empty() || self.entries.iter().any(|entry| !entry.tensors.is_empty())
    }

    /// Every group should have a member, and every saved state a parameter.
    #[track_caller]
    fn check_paths(&mut self) -> Result<()> {
        let name = self.rule.name();
        let all = || self.entries.iter().filter(|entry| self.entries.is_seen(entry));
        let names = || all().map(|entry| entry.path.clone()).collect::<Vec<_>>();
        for group in &self.groups {
            if !all().any(|entry| matches(&group.pattern, &entry.path)) {
                let message = format!("no parameter matches the group `{}`", group.pattern);
                return Err(Error::parameter(name, message).with_help(meant(&group.pattern, "parameters", &names())));
            }
        }
        if let Some(entry) = self.entries.iter().find(|entry| !self.entries.is_seen(entry)) {
            let message = format!("there is a state for {}, which is not in the model", quoted(&entry.path));
            let help =
                format!("an optimizer serves one model, or its clones; {}", meant(&entry.path, "parameters", &names()));
            return Err(Error::parameter(name, message).with_help(help));
        }
        self.unchecked = false;
        Ok(())
    }
}
