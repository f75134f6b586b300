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
