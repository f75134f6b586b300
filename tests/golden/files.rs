//! Arrays, JSON lines, splits and series against NumPy, pandas and scikit-learn: `tests/golden/make_files.py` made them.

use demotic::DType;
use demotic::data::{
    self, Column, Fold, GroupKFold, Npz, Rolling, StratifiedGroupKFold, TimeFeatures, TimeSeriesSplit,
};
use demotic::prelude::*;
use serde_json::Value as Json;

fn path(name: &str) -> String {
    format!("{}/tests/golden/files/{name}", concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

fn expected() -> Json {
    serde_json::from_str(&std::fs::read_to_string(path("expected.json")).unwrap()).unwrap()
}

fn list(json: &Json) -> &[Json] {
    json.as_array().unwrap()
}

fn sizes(json: &Json) -> Vec<usize> {
    list(json).iter().map(|n| n.as_u64().unwrap() as usize).collect()
}

/// The narrowest type of ours that holds what the file has.
fn dtype_of(name: &str) -> DType {
    match name.trim_end_matches("_big") {
        "f4" | "empty" | "fortran" if name != "fortran" => DType::F32,
        "f2" => DType::F16,
        "i8" | "u4" | "u8" | "row" => DType::I64,
        "i4" | "i2" | "u2" => DType::I32,
        "i1" => DType::I8,
        "u1" => DType::U8,
        "b1" => DType::Bool,
        _ => DType::F64,
    }
}

#[test]
fn every_kind_of_array() -> Result<()> {
    let cases = expected()["arrays"].clone();
    let cases = cases.as_object().unwrap();
    assert_eq!(cases.len(), 28);
    for (name, case) in cases {
        let array = data::read_npy(path(&format!("{name}.npy")))?;
        assert_eq!(array.shape(), sizes(&case["shape"]), "{name}");
        let values: Vec<f64> = list(&case["values"]).iter().map(|x| x.as_f64().unwrap()).collect();
        assert_eq!(array.to_f64_vec(), values, "{name}");
        assert!(array.is_contiguous(), "{name}");
        assert_eq!(array.dtype(), dtype_of(name), "{name}");
        let bytes = std::fs::read(path(&format!("{name}.npy"))).unwrap();
        let again = data::read_npy_from(&bytes[..])?;
        assert_eq!((again.dtype(), again.to_f64_vec()), (array.dtype(), values), "{name}");
        // What is of a type of ours, in our order, is written as NumPy writes it, byte for byte.
        if !name.contains('_') && name != "fortran" && !["i2", "u2", "u4", "u8"].contains(&name.as_str()) {
            let mut written = Vec::new();
            data::write_npy_to(&mut written, &array)?;
            assert_eq!(written, bytes, "{name}");
        }
    }
    Ok(())
}

#[test]
fn arrays_that_are_no_numbers() {
    let message = |name: &str| data::read_npy(path(name)).unwrap_err().to_string();
    for (name, wrong, help) in [
        (
            "objects.npy",
            "elements of the type `|O`: Python objects, which only Python can read",
            "give the array a type of numbers before saving it: array.astype(numpy.float32)",
        ),
        ("records.npy", "an array of records", "save each field by itself: numpy.save(path, array[\"field\"])"),
        (
            "texts.npy",
            "elements of the type `<U2`: texts",
            "a table with texts is saved as CSV: pandas.DataFrame(..).to_csv(path)",
        ),
        ("complex.npy", "elements of the type `<c16`: complex numbers", "save array.real and array.imag"),
    ] {
        let said = message(name);
        assert!(said.starts_with(&format!("read_npy: {}: {wrong}\n", path(name))), "{said}");
        assert!(said.ends_with(&format!("help: {help}")), "{said}");
    }
}

#[test]
fn archives() -> Result<()> {
    let stored = Npz::open(path("stored.npz"))?;
    assert_eq!(stored.names().collect::<Vec<_>>(), ["x", "y"]);
    let cube = expected()["arrays"]["version_2"]["values"].clone();
    assert_eq!(stored.read("x")?.to_f64_vec(), list(&cube).iter().map(|x| x.as_f64().unwrap()).collect::<Vec<_>>());
    assert_eq!(stored.read("y")?.to_vec::<i64>()?, [0, 1, 2, 3]);
    let e = stored.read("z").unwrap_err();
    assert_eq!(e.help(), Some("the arrays are x, y"));
    let deflated = Npz::open(path("deflated.npz"))?;
    assert_eq!(deflated.names().collect::<Vec<_>>(), ["x", "y"]);
    #[cfg(feature = "gzip")]
    {
        assert_eq!(deflated.read("x")?.shape(), [50, 40]);
        assert_eq!(deflated.read("y")?.to_vec::<i64>()?, (0..400).map(|i| i / 7).collect::<Vec<_>>());
    }
    #[cfg(not(feature = "gzip"))]
    assert_eq!(
        deflated.read("x").unwrap_err().message(),
        format!(
            "Npz::read: {}: `x.npy`: the array is compressed: build demotic with the feature `gzip`, or save it with numpy.savez",
            path("deflated.npz")
        )
    );
    Ok(())
}

#[test]
fn json_lines_of_pandas() -> Result<()> {
    let table = Table::read_json_lines(path("table.jsonl"))?;
    assert_eq!(table.column_names().collect::<Vec<_>>(), ["area", "kind", "id", "sold"]);
    let area = table.column("area")?.numbers().unwrap();
    assert!(area[0] == 120.0 && area[1].is_nan() && area[2] == 95.5);
    assert_eq!(table.column("kind")?.texts().unwrap().collect::<Vec<_>>(), [Some("flat"), Some("house \"A\"\n"), None]);
    assert_eq!(table.column("id")?.integers().unwrap().next(), Some(Some(9007199254740993)));
    assert_eq!(table.column("sold")?.texts().unwrap().flatten().collect::<Vec<_>>(), ["true", "false", "true"]);
    Ok(())
}

fn same_folds(folds: impl Iterator<Item = Fold>, wanted: &Json, what: &str) {
    let got: Vec<_> = folds.map(|fold| (fold.train, fold.test)).collect();
    let wanted: Vec<_> = list(wanted).iter().map(|pair| (sizes(&pair[0]), sizes(&pair[1]))).collect();
    assert_eq!(got, wanted, "{what}");
}

#[test]
fn splits_of_scikit_learn() -> Result<()> {
    let cases = expected();
    for case in list(&cases["time"]) {
        let option = |name: &str| case["options"][name].as_u64().map(|n| n as usize);
        let mut split = TimeSeriesSplit::new(case["k"].as_u64().unwrap() as usize);
        if let Some(rows) = option("gap") {
            split = split.gap(rows);
        }
        if let Some(rows) = option("max_train_size") {
            split = split.max_train_size(rows);
        }
        if let Some(rows) = option("test_size") {
            split = split.test_size(rows);
        }
        same_folds(split.split(case["n"].as_u64().unwrap() as usize)?, &case["folds"], &case.to_string());
    }
    for case in list(&cases["groups"]) {
        let folds = GroupKFold::new(case["k"].as_u64().unwrap() as usize).split(&sizes(&case["groups"]))?;
        same_folds(folds, &case["folds"], "groups");
    }
    for case in list(&cases["stratified"]) {
        let split = StratifiedGroupKFold::new(case["k"].as_u64().unwrap() as usize);
        same_folds(split.split(&sizes(&case["labels"]), &sizes(&case["groups"]))?, &case["folds"], "stratified");
    }
    Ok(())
}

#[test]
fn series_of_pandas() -> Result<()> {
    let case = &expected()["series"];
    let numbers = |json: &Json| -> Vec<f64> { list(json).iter().map(|x| x.as_f64().unwrap_or(f64::NAN)).collect() };
    let shops: Vec<&str> = list(&case["shop"]).iter().map(|x| x.as_str().unwrap()).collect();
    let table = Table::from_columns([
        ("x", Column::from(numbers(&case["x"]))),
        ("shop", shops.iter().map(|shop| Some(*shop)).collect()),
    ])?;
    let all = [Rolling::Mean, Rolling::Std, Rolling::Min, Rolling::Max];
    let whole = TimeFeatures::new()
        .rolling("x", 1, &all)
        .rolling("x", 3, &all)
        .rolling("x", 8, &all)
        .lags("x", &[1, 7])
        .difference("x", 2);
    let grouped = TimeFeatures::new()
        .group("shop")
        .lags("x", &[2])
        .difference("x", 1)
        .rolling("x", 3, &[Rolling::Mean])
        .rolling_before("x", 4, &[Rolling::Max]);
    for (features, name) in [(whole, "whole"), (grouped, "grouped")] {
        let made = features.apply(&table)?;
        let wanted = case[name].as_object().unwrap();
        assert_eq!(made.num_columns(), 2 + wanted.len());
        for (column, values) in wanted {
            let got = made.column(column)?.numbers().unwrap();
            for (row, (a, b)) in got.iter().zip(numbers(values)).enumerate() {
                assert!(a.is_nan() == b.is_nan(), "{name} {column} {row}: {a} {b}");
                // pandas adds to and takes from a running sum, which costs it digits of a deviation.
                let tolerance = if column.contains("std") { 1e-9 } else { 1e-12 };
                assert!(a.is_nan() || (a - b).abs() <= tolerance * b.abs().max(1.0), "{name} {column} {row}: {a} {b}");
            }
        }
        let again: TimeFeatures = serde_json::from_str(&serde_json::to_string(&features).unwrap()).unwrap();
        assert_eq!(again, features);
    }
    Ok(())
}

#[cfg(feature = "parquet")]
fn same_columns(table: &Table, what: &str) {
    let expected = expected()["columns"].clone();
    let expected = expected.as_object().unwrap();
    assert_eq!((table.num_rows(), table.num_columns()), (3, expected.len()), "{what}");
    for (name, values) in expected {
        let column = table.column(name).unwrap();
        for (row, (got, wanted)) in column.iter().zip(list(values)).enumerate() {
            let place = format!("{what} {name} {row}: {got:?}, not {wanted}");
            match wanted {
                Json::Null => assert!(got.is_missing(), "{place}"),
                Json::String(text) => assert_eq!(got.text(), Some(text.as_str()), "{place}"),
                Json::Number(number) if number.is_f64() => {
                    let wanted = number.as_f64().unwrap();
                    assert!((got.number().unwrap() - wanted).abs() <= 1e-15 * wanted.abs(), "{place}");
                }
                number => assert_eq!(got.to_string(), number.to_string(), "{place}"),
            }
        }
    }
}

/// Dates look like dates, times of a day like numbers.
#[cfg(feature = "parquet")]
fn shows_dates(table: &Table) -> Result<()> {
    let shown = table.select(&["day", "ms", "us", "clock"])?;
    let lines: Vec<Vec<String>> =
        shown.to_string().lines().map(|line| line.split("  ").map(|cell| cell.trim().to_string()).collect()).collect();
    let line = |i: usize| lines[i].iter().filter(|cell| !cell.is_empty()).cloned().collect::<Vec<_>>();
    assert_eq!(line(1), ["0", "1969-12-31", "2001-02-03 04:05:06", "2001-02-03 04:05:06", "3723.5"]);
    assert_eq!(line(3), ["2", "2024-02-29", "1960-01-01", "1960-01-01", "0"]);
    let statistics = shown.describe();
    assert!(statistics.to_string().lines().nth(1).unwrap().contains("1969-12-31"), "{statistics}");
    assert_eq!(statistics.column("max")?.numbers().unwrap()[0], 1_709_164_800.0);
    Ok(())
}

#[cfg(feature = "parquet")]
#[test]
fn columnar_files_of_pyarrow() -> Result<()> {
    for name in ["none", "snappy", "gzip", "lz4"] {
        let table = Table::read_parquet(path(&format!("{name}.parquet")))?;
        same_columns(&table, name);
        shows_dates(&table)?;
        assert_eq!(table.column_names().next(), Some("i8"));
        // Two groups of rows are two blocks.
        let file = data::TableFile::open_parquet(path(&format!("{name}.parquet")))?;
        assert_eq!((file.num_rows(), file.num_blocks()), (3, 2));
        let blocks: Vec<Table> = file.blocks().collect::<Result<_>>()?;
        assert_eq!(Table::concat(&blocks.iter().collect::<Vec<_>>())?, table);
    }
    for name in ["uncompressed", "lz4"] {
        let table = Table::read_arrow(path(&format!("{name}.feather")))?;
        same_columns(&table, name);
        shows_dates(&table)?;
    }
    Ok(())
}

#[cfg(feature = "parquet")]
#[test]
fn columnar_files_that_are_no_tables() {
    let wrong = |name: &str, message: &str, help: Option<&str>| {
        let read =
            if name.ends_with("feather") { Table::read_arrow(path(name)) } else { Table::read_parquet(path(name)) };
        let e = read.unwrap_err();
        let op = if name.ends_with("feather") { "read_arrow" } else { "read_parquet" };
        assert_eq!(e.message(), format!("{op}: {}: {message}", path(name)));
        assert_eq!(e.help(), help, "{name}");
    };
    wrong(
        "nested.parquet",
        "column `b` has lists or structures, a table has numbers and texts",
        Some("leave it out, in Python: frame.drop(columns=[\"b\"])"),
    );
    wrong(
        "nested.feather",
        "column `b` has values of the type List(Int64), a table has numbers and texts",
        Some("leave it out, in Python: frame.drop(columns=[\"b\"])"),
    );
    wrong(
        "bytes.feather",
        "column `b` has values of the type Binary, a table has numbers and texts",
        Some("leave it out, in Python: frame.drop(columns=[\"b\"])"),
    );
    wrong(
        "zstd.parquet",
        "it is packed by ZSTD, which is not among those that are read (none, Snappy, gzip, LZ4)",
        Some("save it with another compression, in Python: frame.to_parquet(path, compression=\"snappy\")"),
    );
    wrong(
        "zstd.feather",
        "it is packed by ZSTD, which is not among those that are read (none, LZ4)",
        Some("save it with another compression, in Python: frame.to_feather(path, compression=\"lz4\")"),
    );
    let e = Table::read_parquet(path("table.jsonl")).unwrap_err();
    assert_eq!(e.kind(), ErrorKind::Format, "{e}");
    let e = Table::read_arrow(path("none.parquet")).unwrap_err();
    assert_eq!(
        e.message(),
        format!(
            "read_arrow: {}: not a file in Arrow's IPC format: it seems to be a Parquet file",
            path("none.parquet")
        )
    );
}

#[cfg(feature = "parquet")]
#[test]
fn tables_come_back_from_columnar_files() -> Result<()> {
    let folder = tempfile::tempdir().unwrap();
    let many = 70_000;
    let table = Table::from_columns([
        ("whole", (0..many).map(|i| (i % 7 != 0).then_some(i64::MAX - i)).collect()),
        ("wide", (0..many).map(|i| Some(i128::from(u64::MAX) - i128::from(i % 3) * (1 << 62))).collect()),
        ("number", (0..many).map(|i| (i % 5 != 0).then_some(i as f64 / 3.0)).collect()),
        ("text", (0..many).map(|i| (i % 11 != 0).then_some(["", "a", "ä\n"][i as usize % 3])).collect()),
        ("none", Column::from(vec![f64::NAN; many as usize])),
    ])?;
    let (parquet, arrow) = (folder.path().join("t.parquet"), folder.path().join("t.arrow"));
    table.write_parquet(&parquet)?;
    table.write_arrow(&arrow)?;
    for read in [Table::read_parquet(&parquet)?, Table::read_arrow(&arrow)?] {
        assert_eq!(read.drop(&["wide"])?, table.drop(&["wide"])?);
        // Beyond 64 bits there are doubles.
        assert_eq!(read.column("wide")?.numbers(), table.column("wide")?.numbers());
    }
    assert_eq!(data::TableFile::open_parquet(&parquet)?.num_blocks(), 2);
    let nobody = Column::from(Vec::<String>::new());
    let empty = Table::from_columns([("a\n\",b", Column::from(Vec::<f64>::new())), ("", nobody)])?;
    empty.write_arrow(&arrow)?;
    empty.write_parquet(&parquet)?;
    assert_eq!(Table::read_arrow(&arrow)?, empty);
    assert_eq!(Table::read_parquet(&parquet)?, empty);
    let file = data::TableFile::open_parquet(&parquet)?;
    assert_eq!((file.num_rows(), file.num_blocks()), (0, 0));
    let e = file.block(0).unwrap_err();
    assert_eq!(e.message(), "TableFile::block: block 0 of 0, counted from 0");
    let none = Table::default().write_parquet(&parquet).unwrap_err();
    assert_eq!(none.message(), "write_parquet: the table has no columns");
    Ok(())
}

/// Bytes that are changed at random, or cut: whatever comes of it, it is no panic.
#[test]
fn damaged_files_are_values_or_errors() {
    let folder = tempfile::tempdir().unwrap();
    let damaged = folder.path().join("damaged");
    let mut rng = Rng::seed(8);
    type Read = fn(&std::path::Path);
    let kinds: [(&str, Read); 5] = [
        ("npy", |path| drop(data::read_npy(path))),
        ("npz", |path| {
            if let Ok(arrays) = Npz::open(path) {
                arrays.names().for_each(|name| drop(arrays.read(name)));
            }
        }),
        ("jsonl", |path| drop(Table::read_json_lines(path))),
        #[cfg(feature = "parquet")]
        ("feather", |path| drop(Table::read_arrow(path))),
        #[cfg(feature = "parquet")]
        ("parquet", |path| {
            drop(Table::read_parquet(path));
            drop(data::TableFile::open_parquet(path).map(|file| file.blocks().count()));
        }),
        #[cfg(not(feature = "parquet"))]
        ("idx", |path| drop(data::read_idx(path))),
        #[cfg(not(feature = "parquet"))]
        ("csv", |path| drop(Table::read_csv(path))),
    ];
    for entry in std::fs::read_dir(path("")).unwrap() {
        let file = entry.unwrap().path();
        let Some((_, read)) = kinds.iter().find(|(kind, _)| file.extension().is_some_and(|own| own == *kind)) else {
            continue;
        };
        let whole = std::fs::read(&file).unwrap();
        for round in 0..60 {
            let mut bytes = whole.clone();
            for _ in 0..1 + rng.below(4) {
                let at = rng.below(bytes.len());
                bytes[at] = [0, 0xff, 0x7f, 0x80, rng.next_u64() as u8][rng.below(5)];
            }
            if round % 4 == 0 {
                bytes.truncate(rng.below(bytes.len()));
            }
            std::fs::write(&damaged, &bytes).unwrap();
            read(&damaged);
        }
    }
}
