//! The example `house_price` with files that no model can be made of, and some that look as if.

use std::fmt::Write as _;

use crate::options::Options;
use demotic::Result;
use serde_json::Value;

/// What the third part of the example makes of a file, in two epochs.
fn run(file: &[u8], target: &str) -> Result<Value> {
    run_with(file, target, &[])
}

fn run_with(file: &[u8], target: &str, more: &[&str]) -> Result<Value> {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("table.csv");
    std::fs::write(&data, file).unwrap();
    let args = ["--data", data.to_str().unwrap(), "--target", target, "--epochs", "2", "--quick"];
    let args = args.iter().chain(more).map(|arg| (*arg).to_string());
    let mut options = Options::from_args(args).unwrap().unwrap();
    options.out = dir.path().to_path_buf();
    crate::model::run(&options)
}

#[track_caller]
fn refused(file: impl AsRef<[u8]>, target: &str, message: &str, help: &str) {
    let Err(e) = run(file.as_ref(), target) else { panic!("there is no error") };
    // Messages about files begin with the path.
    let found = e.message();
    assert!(found.ends_with(message), "{found}");
    assert_eq!(e.help().unwrap_or_default(), help, "{found}");
}

/// `area`, `floor` and `price` for so many rows.
fn houses(rows: usize, row: impl Fn(usize) -> String) -> String {
    let mut text = String::from("area,floor,price\n");
    (0..rows).for_each(|i| writeln!(text, "{}", row(i)).unwrap());
    text
}

#[test]
fn files_that_are_no_tables() {
    let utf8 = "save the file as UTF-8; spreadsheets call it `CSV UTF-8`";
    refused("", "price", "table.csv: the file is empty", "");
    refused("area,floor,price\n", "price", "split: 0 rows cannot be divided into two parts", "");
    refused("area,floor,price\n1,2,3\n", "price", "split: 1 row cannot be divided into two parts", "");
    let ragged = "see --help: --ragged pad|skip";
    refused("area,floor,price\n1,2,3\n4,5\n", "price", "table.csv, line 3: 2 fields, the header has 3", ragged);
    refused(
        "area;price\n1;2\n3,5;4\n",
        "price",
        "table.csv, line 3: 2 fields, the header has 1",
        "the header seems to be separated by ';'; see --help: --separator C",
    );
    let broken = b"area,floor,price\n1,2,3\n4,\xff\xfe,6\n";
    refused(broken, "price", "table.csv, line 3, character 3: the text is not UTF-8", utf8);
    refused(b"\x00\x01\x02\xff", "price", "table.csv, line 1, character 4: the text is not UTF-8", utf8);
}

#[test]
fn targets_that_are_none() {
    let plain = houses(10, |i| format!("{i},2,{i}"));
    let known = "the columns are area, floor, price";
    refused(&plain, "prize", "fit: the table has no column `prize`", &format!("did you mean `price`? {known}"));
    refused(&plain, "", "fit: the table has no column ``", known);
    refused(
        houses(10, |i| format!("{i},2,p{i}")),
        "price",
        "fit: the target `price` has texts, expected numbers",
        "see --help: --target COLUMN, with a column of numbers",
    );
    refused(
        houses(10, |i| format!("{i},2,{}", if i == 3 { String::new() } else { i.to_string() })),
        "price",
        "fit: column `price` has no value in row 0",
        "see --help: --drop-missing",
    );
    refused("price\n1\n2\n3\n4\n5\n6\n7\n8\n", "price", "fit: no columns are left as features", "");
}

#[test]
fn tables_that_teach_little() -> Result<()> {
    // A constant column, an empty cell, a text among the features; and a target that is always the same.
    for text in [
        houses(12, |i| format!("{},2,{i}", ["low", "high", ""][i % 3])),
        houses(12, |i| format!("{},2,7", if i == 3 { String::new() } else { i.to_string() })),
    ] {
        let results = run(text.as_bytes(), "price")?;
        assert_eq!(results["same_after_loading"], true, "{text}");
    }
    Ok(())
}

/// A file as a spreadsheet in another language writes it, with a column that is none of the features.
#[test]
fn tables_in_another_spelling() -> Result<()> {
    let mut text = String::from("nr;sold;area;zip;price\n");
    (0..30).for_each(|i| {
        writeln!(
            text,
            "{i};{:02}.03.2024;{},5 m²;0{};{}.{:03},00 €",
            i % 28 + 1,
            40 + i,
            1000 + i % 3,
            1 + i % 4,
            10 * i
        )
        .unwrap()
    });
    text += "30;01.03.2024;50 m²;01000;?\n";
    let spelling = [
        ["--separator", ";", "--decimal-comma", "--thousands", "."].as_slice(),
        &["--strip", "€", "--strip", "m²", "--missing", "?", "--text", "zip", "--dates", "sold=%d.%m.%Y"],
        &["--ignore", "nr", "--drop-missing"],
    ]
    .concat();
    let results = run_with(text.as_bytes(), "price", &spelling)?;
    assert_eq!((&results["rows"], &results["same_after_loading"]), (&Value::from(30), &Value::from(true)));
    let without = |option: &str, values: usize| {
        let at = spelling.iter().position(|arg| *arg == option).unwrap();
        let rest = [&spelling[..at], &spelling[at + 1 + values..]].concat();
        let e = run_with(text.as_bytes(), "price", &rest).unwrap_err();
        let help = e.help().unwrap_or_default().to_string();
        assert!(!help.contains("CsvOptions"), "{help}");
        help
    };
    assert_eq!(without("--drop-missing", 0), "see --help: --drop-missing");
    assert!(without("--dates", 1).ends_with(".2024` is a date; see --help: --dates COLUMN=FORMAT"));
    assert!(without("--separator", 1).ends_with("see --help: --separator C"));
    let e = run_with(text.as_bytes(), "price", &[&spelling[..], &["--ignore", "number"]].concat()).unwrap_err();
    assert_eq!(e.message(), "drop: the table has no column `number`");
    Ok(())
}

#[test]
fn options_that_make_no_sense() {
    let fails = |args: &[&str]| {
        let e = Options::from_args(args.iter().map(|arg| (*arg).to_string())).err().unwrap();
        assert!(e.help().is_some_and(|help| help == "--help lists the options"));
        e.message()
    };
    assert_eq!(fails(&["--epochs"]), "house_price: --epochs takes a value");
    assert_eq!(fails(&["--epochs", "-1"]), "house_price: --epochs takes a whole number, not `-1`");
    assert_eq!(fails(&["--seed", "one"]), "house_price: --seed takes a whole number, not `one`");
    assert_eq!(fails(&["--separator", ";;"]), "house_price: --separator takes one character, not `;;`");
    assert_eq!(fails(&["--dates", "sold"]), "house_price: --dates takes COLUMN=FORMAT, not `sold`");
    assert_eq!(fails(&["--epoch", "1"]), "house_price: there is no option --epoch, did you mean --epochs?");
    let alone = "house_price: `house.csv` stands alone: options begin with --, as in --data FILE.csv --target COLUMN";
    assert_eq!(fails(&["house.csv"]), alone);
}
