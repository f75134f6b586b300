//! Any text as a fitted preprocessor: an error, or one that transforms a table, or refuses it, and is written and read again.
#![no_main]

use demotic::data::Column;
use demotic::prelude::*;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Ok(prep) = Preprocessor::from_json(text) else { return };
    let table = Table::from_columns([
        ("area", Column::from([1.0, f64::NAN, 3.0])),
        ("kind", Column::from(["flat", "house", "tent"])),
        ("price", Column::from([10.0, 20.0, 30.0])),
    ])
    .expect("a table");
    if let Ok(x) = prep.transform_features(&table) {
        let _ = prep.inverse_features(&x);
    }
    let _ = prep.transform(&table);
    let _ = prep.feature_names();
    if let Ok(json) = prep.to_json() {
        Preprocessor::from_json(&json).expect("what was written is read");
    }
});
