//! Whether the results are what they should be: for continuous integration.

use demotic::{Error, Result};
use serde_json::Value;

/// Bits per character that a model of the default size is below.
const BITS: f64 = 1.0;
const BITS_QUICK: f64 = 2.5;

/// Shares that stories reach at least: known words, accepted sentences, sentences that fit their story, new sentences.
const SHARES: [(&str, f64, f64); 4] = [
    // What, after all steps, after those of a quick run.
    ("known_words", 0.99, 0.9),
    ("accepted_sentences", 0.9, 0.1),
    ("fitting_sentences", 0.8, 0.0),
    ("new_sentences", 0.5, 0.5),
];

pub fn all(results: &Value, quick: bool) -> Result<()> {
    let sentences = &results["sentences"];
    if !sentences.is_null() {
        expect(
            sentences["words_in_three_sentences"] == 3,
            "a word tokenizer makes three words of the three sentences",
        )?;
        let continued = sentences["continued"].as_array().map_or(&[][..], Vec::as_slice);
        expect(continued.len() == 3, "three sentences are continued")?;
        for sentence in continued {
            expect(sentence["exact"] == true, &format!("{} is continued as it was written", sentence["opening"]))?;
        }
    }
    let model = &results["language_model"];
    let number = |value: &Value| value.as_f64().unwrap_or(f64::NAN);
    let (before, after) = (number(&model["bits_per_character_before"]), number(&model["bits_per_character"]));
    let most = if quick { BITS_QUICK } else { BITS };
    expect(
        after < most && after < before,
        &format!("bits per character fall from {before} below {most}, got {after}"),
    )?;
    for (language, stories) in model["stories"].as_object().into_iter().flatten() {
        for (name, full, quickly) in SHARES {
            let (share, least) = (number(&stories[name]), if quick { quickly } else { full });
            expect(share >= least, &format!("{language}: {name} are at least {least}, got {share}"))?;
        }
        expect(stories["new_stories"] == stories["stories"], &format!("{language}: no story is in the corpus"))?;
    }
    eprintln!("all results are as they should be");
    Ok(())
}

fn expect(holds: bool, what: &str) -> Result<()> {
    if holds { Ok(()) } else { Err(Error::numeric("check", format!("not so: {what}"))) }
}
