//! Metrics of texts that a model has written. Unlike those of tensors they are values that add up: `update` with each text, `merge`
//! with others, `value` at the end.

mod bleu;
mod chrf;
mod edit;
mod grams;
mod rouge;
mod tokens;

pub use bleu::{Bleu, BleuScore, Smoothing, bleu, sentence_bleu};
pub use chrf::{Chrf, chrf};
pub use edit::{ErrorRate, character_error_rate, edit_distance, exact_match_texts, word_error_rate};
pub use rouge::{Rouge, RougeKind, RougeScore, rouge};
pub use tokens::BleuTokens;

use crate::error::{Error, Result};

/// Checks that there are as many references as texts, and some.
#[track_caller]
fn same_number(name: &'static str, texts: usize, references: usize) -> Result<()> {
    if texts != references {
        return Err(Error::argument(name, format!("{texts} texts and references for {references}")));
    }
    match texts {
        0 => Err(no_texts(name)),
        _ => Ok(()),
    }
}

#[track_caller]
fn no_texts(name: &'static str) -> Error {
    Error::argument(name, "there are no texts")
}

#[track_caller]
fn some_references(name: &'static str, references: usize) -> Result<()> {
    match references {
        0 => Err(Error::argument(name, "a text without a reference")),
        _ => Ok(()),
    }
}
