//! Any bytes as JSON lines: an error, or a table that is written and read again with the same values.
#![no_main]

use demotic::prelude::*;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(table) = Table::from_json_lines(bytes) else { return };
    assert!(!table.to_string().is_empty());
    let mut written = Vec::new();
    if table.to_json_lines(&mut written).is_err() {
        return;
    }
    let again = Table::from_json_lines(&written[..]).expect("what was written is read");
    assert_eq!(again.num_rows(), table.num_rows());
    for (name, column) in again.columns() {
        let before = table.column(name).expect("a column of before");
        assert_eq!(before.num_missing(), column.num_missing(), "{name:?}");
    }
});
