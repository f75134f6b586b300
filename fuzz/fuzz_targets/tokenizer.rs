//! Any bytes as files of tokenizers: an error, or a tokenizer that encodes and decodes.
#![no_main]

use std::sync::Once;

use demotic::prelude::*;
use demotic::text::{self, HuggingFaceTokenizer, WordPieceTokenizer};
use libfuzzer_sys::fuzz_target;

fn used(tokenizer: &dyn Tokenizer) {
    for text in ["", "a", "The cat 猫 sat.\n", "\u{0}\u{fffd}👍🏽 ab"] {
        if let Ok(ids) = tokenizer.encode(text) {
            let _ = tokenizer.decode(&ids);
        }
    }
    let _ = tokenizer.decode(&[0, 1, 2, i64::MAX, -1]);
    let _ = tokenizer.vocab_size();
}

fuzz_target!(|bytes: &[u8]| {
    // Panics of the library that reads `tokenizer.json` are contained and become errors; libFuzzer's hook would end the run
    // before that. Those that get out still end it.
    static HOOK: Once = Once::new();
    HOOK.call_once(|| std::panic::set_hook(Box::new(|_| {})));
    if let Ok(json) = std::str::from_utf8(bytes)
        && let Ok(tokenizer) = HuggingFaceTokenizer::from_json(json)
    {
        used(&tokenizer);
    }
    demotic_fuzz::with_file(bytes, |path| {
        if let Ok(tokenizer) = text::load(path) {
            used(&*tokenizer);
        }
        if let Ok(tokenizer) = WordPieceTokenizer::from_vocab(path) {
            used(&tokenizer);
        }
    });
});
