//! Small stories of our own making, in English and in Chinese: written by a grammar, and judged by it.
//!
//! Each story has a hero with a name and a character, a home, a wish, a thing that it needs, a trouble, a friend who knows
//! what to do, and an end. All of that is drawn once and holds for the whole story; only the way of saying it differs. So
//! there are more than 10²⁰ stories of a few hundred words, and what a language model makes of them can be judged without
//! reading: see [`Quality`].

mod chinese;
mod english;
mod grammar;
mod quality;

use demotic::{Error, Result, Rng};
pub use grammar::Grammar;
pub use quality::{Quality, sentences, words};

/// What stands behind a story.
pub const END: &str = "\n\n";

/// The languages that stories are written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    English,
    Chinese,
}

impl Language {
    pub const ALL: [Self; 2] = [Self::English, Self::Chinese];

    pub fn name(self) -> &'static str {
        match self {
            Self::English => "English",
            Self::Chinese => "Chinese",
        }
    }

    pub fn grammar(self) -> Result<Grammar> {
        Grammar::new(match self {
            Self::English => &english::SOURCE,
            Self::Chinese => &chinese::SOURCE,
        })
    }
}

/// Stories, divided by empty lines: at least so many bytes in each of the languages, which take turns.
///
/// # Errors
/// If `bytes` is more than a gigabyte: nobody needs it, and it would fill the memory.
pub fn corpus(languages: &[Language], bytes: usize, seed: u64) -> Result<String> {
    const MOST: usize = 1 << 30;
    if bytes > MOST {
        return Err(Error::argument("stories", format!("{bytes} bytes of stories are more than {MOST}")));
    }
    let mut rng = Rng::seed(seed);
    let grammars = languages.iter().map(|language| language.grammar()).collect::<Result<Vec<_>>>()?;
    let mut written = vec![0; grammars.len()];
    let mut text = String::new();
    while written.iter().any(|w| *w < bytes) {
        for (grammar, written) in grammars.iter().zip(&mut written) {
            if *written < bytes {
                let start = text.len();
                text.push_str(&grammar.story(&mut rng));
                text.push_str(END);
                *written += text.len() - start;
            }
        }
    }
    Ok(text)
}
