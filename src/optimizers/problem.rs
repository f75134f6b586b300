//! What can be wrong with a model or its gradients, in words.

use crate::error::Error;

/// Found while the model is visited; made an error afterwards, which then names the line that called the optimizer.
#[derive(Debug)]
pub(super) enum Problem {
    /// Two parameters have this path.
    SamePath(String),
    /// The state of the parameter with this path is not of its shape and type.
    Misfit(String),
    /// The gradient of the parameter with this path has NaN or infinite values.
    NotFinite(String),
}

impl Problem {
    #[track_caller]
    pub(super) fn explain(self, optimizer: &str) -> Error {
        match self {
            Self::SamePath(path) => Error::parameter(optimizer, format!("two parameters are called {}", quoted(&path)))
                .with_help("in Module::visit, every field needs a name of its own"),
            Self::Misfit(path) => {
                let message = format!("the optimizer's state does not fit the shape and type of {}", quoted(&path));
                Error::state(optimizer, message).with_help(
                    "an optimizer serves one model, or its clones, and keeps its options once it has taken a step",
                )
            }
            Self::NotFinite(path) => {
                let message = format!("the gradient of {} has NaN or infinite values", quoted(&path));
                Error::numeric(optimizer, message).with_help(
                    "lower the learning rate, or clip the gradients; look for a division by zero, log(0), or NaN in \
                     the data. The model is unchanged",
                )
            }
        }
    }
}

/// The error for a model none of whose parameters has a part in earlier steps.
#[track_caller]
pub(super) fn other_model(optimizer: &str) -> Error {
    Error::state(optimizer, "this is another model than that of the steps before").with_help(
        "an optimizer serves one model, or its clones: make a new one for another model; to go on with one that was opened from a \
         file, opt.load_state(opt.state())",
    )
}

/// The error for trainable parameters without a gradient.
#[track_caller]
pub(super) fn no_gradient(optimizer: &str, missing: &[String]) -> Error {
    const SHOWN: usize = 5;
    let mut names = missing.iter().take(SHOWN).map(|path| quoted(path)).collect::<Vec<_>>().join(", ");
    if missing.len() > SHOWN {
        names += &format!(" and {} more", missing.len() - SHOWN);
    }
    Error::gradient(optimizer, format!("the loss does not depend on {names}")).with_help(
        "compute the loss with the model that the optimizer gets, and use all of it; or freeze what is not to be \
         trained; or pass over it with .allow_unused()",
    )
}

/// The name of a parameter. The path to the root, which is a parameter itself then, is empty.
pub(super) fn quoted(path: &str) -> String {
    if path.is_empty() { "the parameter".to_string() } else { format!("`{path}`") }
}

/// What an optimizer says of the state of another one.
#[track_caller]
pub(super) fn other_kind(own: &str, saved: &str) -> Error {
    Error::state(own, format!("the state is of the optimizer `{saved}`"))
        .with_help("a run goes on with the kind of optimizer that it was saved with")
}
