//! Any bytes as a Parquet and as an Arrow file: an error, or a table that is written and read again as the same one.
#![no_main]

use std::sync::Once;

use demotic::data::TableFile;
use demotic::prelude::*;
use demotic_fuzz::with_file;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    // Panics of the libraries that read the formats are contained and become errors; libFuzzer's hook would end the run before that.
    // Those that get out still end it.
    static HOOK: Once = Once::new();
    HOOK.call_once(|| std::panic::set_hook(Box::new(|_| {})));
    with_file(bytes, |path| {
        if let Ok(file) = TableFile::open_parquet(path) {
            for block in 0..file.num_blocks().min(4) {
                let _ = file.block(block);
            }
        }
        let again = path.with_extension("again");
        for table in [Table::read_parquet(path), Table::read_arrow(path)].into_iter().flatten() {
            assert!(!table.to_string().is_empty());
            if table.num_columns() == 0 {
                continue;
            }
            table.write_parquet(&again).expect("a table is written");
            let read = Table::read_parquet(&again).expect("what was written is read");
            assert_eq!((read.num_rows(), read.num_columns()), (table.num_rows(), table.num_columns()));
            table.write_arrow(&again).expect("a table is written");
            let read = Table::read_arrow(&again).expect("what was written is read");
            assert_eq!((read.num_rows(), read.num_columns()), (table.num_rows(), table.num_columns()));
        }
    });
});
