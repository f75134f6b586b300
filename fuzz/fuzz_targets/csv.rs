//! Any bytes as a table: an error, or a table that is written and read again as the same one, and that a preprocessor fits.
#![no_main]

use demotic::data::{CsvOptions, Ragged};
use demotic::prelude::*;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Some((&choice, bytes)) = bytes.split_first() else { return };
    let delimiter = [',', ';', '\t', '|'][usize::from(choice & 3)];
    let ragged = [Ragged::Error, Ragged::Pad, Ragged::Skip, Ragged::Pad][usize::from(choice >> 4 & 3)];
    let mut options =
        CsvOptions::new().delimiter(delimiter).header(choice & 4 == 0).trim(choice & 8 == 0).ragged(ragged);
    if choice & 64 != 0 {
        options = options.detect_delimiter();
    }
    options = options.quoted_texts(choice & 128 != 0);
    let Ok(table) = Table::from_csv_reader(bytes, &options) else { return };
    assert!(!table.to_string().is_empty());
    let mut written = Vec::new();
    table.to_csv_writer(&mut written).expect("a table can be written");
    if let Ok(again) = Table::from_csv_reader(&written[..], &CsvOptions::new()) {
        assert_eq!(again.num_columns(), table.num_columns());
    }
    let mut written = Vec::new();
    options.write_to(&table, &mut written).expect("a table can be written");
    let last = table.column_names().last().map(str::to_owned);
    if let Some(target) = last {
        if let Ok(fitted) = Preprocessor::fit(&table, target.as_str()) {
            let _ = fitted.transform(&table);
        }
    }
});
