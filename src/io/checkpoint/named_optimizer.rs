//! Further optimizers beside the one that a checkpoint has a place for: tasks with several take turns with them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Checkpoint;
use crate::error::{Error, Here, Result, short};
use crate::optimizers::{Optimizer, OptimizerState, ParameterState};
use crate::tensor::Tensor;

/// What is kept as JSON. The tensors are a group, in the order of the names here; what they are called in it says it to people, after
/// numbers by which they differ.
#[derive(Serialize, Deserialize)]
struct Description {
    optimizer: String,
    steps: u64,
    parameters: Vec<Parameter>,
    /// The names of the tensors that are no parameter's.
    shared: Vec<String>,
}

#[derive(Serialize, Deserialize)]
struct Parameter {
    path: String,
    steps: u64,
    tensors: Vec<String>,
}

/// Under which name it is kept: text, tensors and learning rate.
fn key(name: &str) -> String {
    format!("optimizer.{name}")
}

impl Checkpoint {
    /// The state of one of several optimizers.
    ///
    /// ```
    /// use demotic::io::Checkpoint;
    /// use demotic::optimizers::{Optimizer, Sgd};
    ///
    /// let saved = Checkpoint::new().named_optimizer("critic", &Sgd::new(0.5))?;
    /// let mut critic = Sgd::new(0.1);
    /// saved.restore_named_optimizer("critic", &mut critic)?;
    /// assert_eq!(critic.learning_rate(), 0.5);
    /// # Ok::<(), demotic::Error>(())
    /// ```
    ///
    /// # Errors
    /// If its state cannot be written.
    #[track_caller]
    pub fn named_optimizer(mut self, name: &str, optimizer: &(impl Optimizer + ?Sized)) -> Result<Self> {
        let OptimizerState { optimizer, learning_rate, parameters, steps, shared } = optimizer.state();
        let mut tensors = Vec::new();
        let mut described = Vec::new();
        for (path, parameter) in parameters {
            let names: Vec<String> = parameter.tensors.keys().cloned().collect();
            described.push(Parameter { path: path.clone(), steps: parameter.steps, tensors: names });
            for (name, tensor) in parameter.tensors {
                tensors.push((format!("{}:{path}:{name}", tensors.len()), tensor));
            }
        }
        let description =
            Description { optimizer, steps, parameters: described, shared: shared.keys().cloned().collect() };
        for (name, tensor) in shared {
            tensors.push((format!("{}:{name}", tensors.len()), tensor));
        }
        let mut metadata = self.get_metadata().clone();
        metadata.insert_json(key(name), &description)?;
        self = self.metadata(metadata).tensors(key(name), tensors).numbers(key(name), [learning_rate]);
        Ok(self)
    }

    /// Gives an optimizer, which must be of the same kind and have the same options, the state that
    /// [`named_optimizer`](Self::named_optimizer) added.
    ///
    /// # Errors
    /// If there is none of that name, or it is of another kind or has other options.
    #[track_caller]
    pub fn restore_named_optimizer(&self, name: &str, optimizer: &mut (impl Optimizer + ?Sized)) -> Result<()> {
        let key = key(name);
        let (Ok(&[learning_rate]), Ok(tensors)) = (self.get_numbers(&key), self.get_tensors(&key)) else {
            return Err(self.lacks("restore_named_optimizer", &format!("optimizer `{name}`")));
        };
        let description: Description = self.get_metadata().get_json(&key)?;
        let mut state = OptimizerState::new(description.optimizer, learning_rate);
        let mut tensors = tensors.iter();
        let mut named = |names: Vec<String>| -> Option<BTreeMap<String, Tensor>> {
            let named: Option<Vec<_>> = names.into_iter().map(|name| Some((name, tensors.next()?.1.clone()))).collect();
            named.map(crate::order::map)
        };
        let complete = description.parameters.into_iter().try_for_each(|Parameter { path, steps, tensors }| {
            state.parameters.insert(path, ParameterState::new(steps, named(tensors)?));
            Some(())
        });
        let (Some(()), Some(shared)) = (complete, named(description.shared)) else {
            let message = format!("{}: `{key}` has fewer tensors than it says", self.source());
            return Err(Error::format("restore_named_optimizer", message));
        };
        if let Some((more, _)) = tensors.next() {
            let message = format!("{}: `{key}` has more tensors than it says: `{}`", self.source(), short(more));
            return Err(Error::format("restore_named_optimizer", message));
        }
        (state.steps, state.shared) = (description.steps, shared);
        optimizer.load_state(state).here()
    }
}
