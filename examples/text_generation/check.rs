//! Whether the results are what they should be: for continuous integration.

use demotic::{Error, Result};
use serde_json::Value;

/// Bits per character that a GPT of the default size is below after its quick run on the tutorials.
const BITS: f64 = 5.0;

pub fn all(results: &Value) -> Result<()> {
    let article = &results["article"];
    expect(article["words_in_three_sentences"] == 3, "a word tokenizer makes three words of the three sentences")?;
    let continued = article["continued"].as_array().map_or(&[][..], Vec::as_slice);
    expect(continued.len() == 3, "three sentences are continued")?;
    for sentence in continued {
        expect(sentence["exact"] == true, &format!("{} is continued as it was written", sentence["opening"]))?;
    }
    let model = &results["language_model"];
    let number = |name: &str| model[name].as_f64().unwrap_or(f64::NAN);
    let (before, after) = (number("bits_per_character_before"), number("bits_per_character"));
    expect(
        after < BITS && after < before,
        &format!("bits per character fall from {before} below {BITS}, got {after}"),
    )?;
    eprintln!("all results are as they should be");
    Ok(())
}

fn expect(holds: bool, what: &str) -> Result<()> {
    if holds { Ok(()) } else { Err(Error::numeric("check", format!("not so: {what}"))) }
}
