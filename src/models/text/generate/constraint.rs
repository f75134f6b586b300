//! What a continuation may be.

use std::fmt;
use std::sync::Arc;

/// What a continuation may be, token by token: a regular expression or JSON schema (`Constraint`, with the feature `constraint`), or any
/// automaton of your own.
///
/// A place is whatever the automaton makes of the tokens so far, as a number. See
/// [`GenerateOptions::constraint`](super::GenerateOptions::constraint).
///
/// ```
/// use demotic::models::{GenerateOptions, TokenConstraint};
///
/// /// Tokens that do not fall.
/// #[derive(Debug)]
/// struct Rising;
///
/// impl TokenConstraint for Rising {
///     fn start(&self) -> u64 {
///         0
///     }
///     fn forbidden(&self, place: u64, _vocab: usize, tokens: &mut Vec<i64>) {
///         tokens.extend(0..place as i64);
///     }
///     fn advance(&self, _place: u64, token: i64) -> u64 {
///         token as u64
///     }
///     fn may_end(&self, _place: u64) -> bool {
///         true
///     }
/// }
///
/// let options = GenerateOptions::new().constraint(Rising);
/// ```
pub trait TokenConstraint: fmt::Debug + Send + Sync {
    /// The place before the first token.
    fn start(&self) -> u64;

    /// Appends the tokens of a vocabulary of this size that cannot come next, each once. What is said of end tokens does not count.
    fn forbidden(&self, place: u64, vocab: usize, tokens: &mut Vec<i64>);

    /// The place after one more token, which was not forbidden.
    fn advance(&self, place: u64, token: i64) -> u64;

    /// Whether the continuation may end here.
    fn may_end(&self, place: u64) -> bool;
}

/// A constraint of some options.
#[derive(Debug, Clone)]
pub(super) struct Constrained(pub(super) Arc<dyn TokenConstraint>);

/// Constraints are equal if they are one.
impl PartialEq for Constrained {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}
