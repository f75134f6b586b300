//! Tables against pandas, scikit-learn and exact fractions: `tests/golden/make_tables.py` made the numbers.

use std::collections::HashMap;

use demotic::data::{Column, ColumnKind, ColumnOptions, CsvOptions, DatePart, Scaling};
use demotic::prelude::*;
use serde_json::Value as Json;

fn load(name: &str) -> Json {
    let path = format!("{}/tests/golden/tables/{name}.json", concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn list(json: &Json) -> &[Json] {
    json.as_array().unwrap()
}

fn numbers(json: &Json) -> Vec<f64> {
    list(json).iter().map(|x| x.as_f64().unwrap()).collect()
}

#[track_caller]
fn close(got: &[f64], want: &[f64], tolerance: f64, what: &str) {
    assert_eq!(got.len(), want.len(), "{what}");
    for (i, (a, b)) in got.iter().zip(want).enumerate() {
        assert!((a - b).abs() <= tolerance * b.abs().max(1e-3), "{what}, {i}: {a:e}, not {b:e}");
    }
}

#[test]
fn means_deviations_and_scaling() -> Result<()> {
    let cases = load("moments");
    for case in list(&cases["cases"]) {
        let name = case["name"].as_str().unwrap();
        let values: Vec<&str> = list(&case["values"]).iter().map(|x| x.as_str().unwrap()).collect();
        let table = Table::from_csv_reader(format!("x\n{}\n", values.join("\n")).as_bytes(), &CsvOptions::new())?;
        let number = |key: &str| case[key].as_str().unwrap().parse::<f64>().unwrap();
        let statistics = table.describe();
        let cell = |name: &str| statistics.column(name).unwrap().numbers().unwrap()[0];
        let (mean, std) = (number("mean"), number("std"));
        assert!((cell("mean") - mean).abs() <= 4.0 * f64::EPSILON * mean.abs(), "{name}: {} {mean}", cell("mean"));
        assert!((cell("std") - std).abs() <= 1e-13 * std, "{name}: {} {std}", cell("std"));

        let scaled = |scaling| -> Result<Vec<f64>> {
            let prep = Preprocessor::unsupervised().scaling(scaling).fit(&table)?;
            let again = Preprocessor::from_json(&prep.to_json()?)?;
            assert_eq!(again, prep);
            Ok(again.transform_features(&table)?.to_f64_vec())
        };
        close(&scaled(Scaling::Standard)?, &numbers(&case["scaled"]), 3e-7, name);
        if !case["minmax"].is_null() {
            close(&scaled(Scaling::MinMax)?, &numbers(&case["minmax"]), 3e-7, name);
        }
    }
    Ok(())
}

fn columns_of(rows: &[Json]) -> Result<Table> {
    let rows: Vec<Vec<f64>> = rows.iter().map(numbers).collect();
    Table::from_columns(
        (0..rows[0].len()).map(|i| (format!("c{i}"), rows.iter().map(|row| row[i]).collect::<Column>())),
    )
}

#[test]
fn options_of_scalers_and_back() -> Result<()> {
    let file = load("scalers");
    let (train, test) = (columns_of(list(&file["train"]))?, columns_of(list(&file["test"]))?);
    for case in list(&file["cases"]) {
        let name = case["name"].as_str().unwrap();
        let scaling = match name {
            "standard" => Scaling::Standard,
            "center" => Scaling::Center,
            "deviation" => Scaling::Deviation,
            "minmax" => Scaling::MinMax,
            "range -1 1" => Scaling::Range { low: -1.0, high: 1.0, clip: false },
            "range 2 7 clip" => Scaling::Range { low: 2.0, high: 7.0, clip: true },
            "range 0 1 clip" => Scaling::Range { low: 0.0, high: 1.0, clip: true },
            _ => panic!("{name}"),
        };
        let prep = Preprocessor::unsupervised().scaling(scaling).fit(&train)?;
        let x = prep.transform_features(&test)?;
        let flat = |key: &str| list(&case[key]).iter().flat_map(numbers).collect::<Vec<_>>();
        close(&x.to_f64_vec(), &flat("scaled"), 1e-6, name);
        let back = prep.inverse_features(&x)?;
        let rows = back.num_rows();
        let got: Vec<f64> =
            (0..rows).flat_map(|row| back.columns().map(move |(_, column)| column.numbers().unwrap()[row])).collect();
        close(&got, &flat("back"), 1e-4, name);

        let target = Preprocessor::regression("c1").target_scaling(scaling).fit(&train)?;
        let y = target.transform(&train)?.y().clone();
        close(&target.inverse_target(&y)?.to_f64_vec(), train.column("c1")?.numbers().unwrap(), 1e-4, name);
    }
    for (low, high) in [(1.0, 1.0), (2.0, 1.0), (f64::NAN, 1.0), (0.0, f64::INFINITY), (-f64::MAX, f64::MAX)] {
        let e = Preprocessor::unsupervised().scaling(Scaling::Range { low, high, clip: true }).fit(&train).unwrap_err();
        let expected = format!("fit: the range of scaled numbers is {low} to {high}, expected a lower number first");
        assert_eq!(e.message(), expected);
    }
    Ok(())
}

#[test]
fn categories_come_back() -> Result<()> {
    let file = load("scalers");
    let letters = Table::from_columns([("letter", Column::from(["b", "a", "c"]))])?;
    let soft: Vec<Vec<f64>> = list(&file["soft"]).iter().map(numbers).collect();
    let x = Tensor::from_vec(soft.concat(), [soft.len(), 3])?;
    let back = Preprocessor::unsupervised().fit(&letters)?.inverse_features(&x)?;
    let got: Vec<Option<&str>> = back.column("letter")?.texts().unwrap().collect();
    assert_eq!(got, list(&file["categories"]).iter().map(Json::as_str).collect::<Vec<_>>());

    // Numbers as categories are numbers again, with all their digits; what was missing is missing again.
    let table = Table::from_columns([
        ("id", Column::from(vec![Some((1i64 << 53) + 1), Some(1 << 53), None, Some(7)])),
        ("half", Column::from([0.5, 1.0, 0.5, f64::NAN])),
        ("kind", Column::from(vec![Some("a"), None, Some("b"), Some("a")])),
        ("area", Column::from([1.0, f64::NAN, 3.0, 5.0])),
    ])?;
    for drop_first in [false, true] {
        let rules = Preprocessor::unsupervised().categorical(&["id", "half"]).drop_first(drop_first);
        let prep = rules.missing_indicators(true).fit(&table)?;
        let back = prep.inverse_features(&prep.transform_features(&table)?)?;
        for name in ["id", "half", "kind"] {
            assert_eq!(back.column(name)?, table.column(name)?, "{name} {drop_first}");
        }
        let area: Vec<Option<f64>> = back.column("area")?.iter().map(|value| value.number()).collect();
        assert!(area[1].is_none() && (area[2].unwrap() - 3.0).abs() < 1e-6, "{area:?}");
        let e = prep.inverse_features(&Tensor::zeros([2, 3])?).unwrap_err();
        assert_eq!(e.message(), format!("inverse_features: 3 features in [2, 3], there are {}", prep.num_features()));
        let e = prep.inverse_features(&Tensor::zeros([2])?).unwrap_err();
        let width = prep.num_features();
        assert_eq!(e.message(), format!("inverse_features: the features have shape [2], expected [n, {width}]"));
    }
    Ok(())
}

#[test]
fn dates_and_their_parts() -> Result<()> {
    let file = load("dates");
    let mut by_format: HashMap<&str, Vec<&Json>> = HashMap::new();
    for case in list(&file["cases"]) {
        by_format.entry(case["format"].as_str().unwrap()).or_default().push(case);
    }
    assert!(by_format.len() >= 12);
    use DatePart::{Day, DayOfYear, Hour, Minute, Month, Quarter, Second, Timestamp, Weekday, Year};
    let parts = [Year, Quarter, Month, Day, DayOfYear, Weekday, Hour, Minute, Second];
    for (format, cases) in by_format {
        let texts: Vec<&str> = cases.iter().map(|case| case["text"].as_str().unwrap()).collect();
        let seconds: Vec<f64> = cases.iter().map(|case| case["seconds"].as_f64().unwrap()).collect();
        let table = Table::from_columns([("d", Column::from(texts.clone()))])?.parse_dates("d", format)?;
        assert_eq!(table.column("d")?.numbers().unwrap(), seconds, "{format}");
        let whole = table
            .with_column("e", seconds.clone())?
            .date_parts("d", &parts)?
            .date_cycles("e", &[Month, Weekday, Day])?;
        for (row, case) in cases.iter().enumerate() {
            let cells: Vec<f64> = whole.columns().map(|(_, column)| column.numbers().unwrap()[row]).collect();
            assert_eq!(cells[..9], numbers(&case["parts"]), "{case}");
            close(&cells[9..], &numbers(&case["cycles"]), 1e-12, &case.to_string());
        }
        // The same from a file, in which a missing date has no parts.
        let csv =
            format!("d;x\n{}\n?;0\n", texts.iter().map(|text| format!("{text};1")).collect::<Vec<_>>().join("\n"));
        let read = CsvOptions::new()
            .delimiter(';')
            .missing(["?"])
            .column("d", ColumnOptions::new().date(format).parts([Timestamp, Year]).cycles([Hour]))
            .read_from(csv.as_bytes())?;
        let names: Vec<&str> = read.column_names().collect();
        assert_eq!(names, ["d_timestamp", "d_year", "d_hour_sin", "d_hour_cos", "x"]);
        let stamps = read.column("d_timestamp")?;
        assert_eq!(stamps.numbers().unwrap()[..seconds.len()], seconds);
        assert_eq!((stamps.num_missing(), read.column("d_hour_sin")?.num_missing()), (1, 1));
    }
    for case in list(&file["fractions"]) {
        let table = Table::from_columns([("d", Column::from([case["text"].as_str().unwrap()]))])?;
        assert_eq!(table.parse_dates("d", "iso")?.column("d")?.numbers().unwrap(), [case["seconds"].as_f64().unwrap()]);
    }
    Ok(())
}

#[test]
fn files_as_pandas_reads_them() -> Result<()> {
    let file = load("files");
    for case in list(&file["cases"]) {
        let name = case["name"].as_str().unwrap();
        let options = match name {
            "semicolons" => CsvOptions::new().delimiter(';').decimal_comma().thousands('.'),
            "thousands" => CsvOptions::new().thousands(','),
            "texts as asked" => CsvOptions::new().text(["a"]),
            "own mark" => CsvOptions::new().missing(["?"]),
            _ => CsvOptions::new(),
        };
        let text = case["text"].as_str().unwrap();
        // With the last line end and without.
        for text in [text, text.trim_end_matches(['\n', '\r'])] {
            let table = options.read_from(text.as_bytes())?;
            assert_eq!(table.num_columns(), list(&case["columns"]).len(), "{name}");
            for (got, want) in table.columns().zip(list(&case["columns"])) {
                assert_eq!(got.0, want["name"].as_str().unwrap(), "{name}");
                let kind = if want["number"] == true { ColumnKind::Number } else { ColumnKind::Text };
                assert_eq!(got.1.kind(), kind, "{name}");
                let values = list(&want["values"]);
                assert_eq!(got.1.len(), values.len(), "{name}");
                for (value, want) in got.1.iter().zip(values) {
                    match want.as_str() {
                        None => assert!(value.is_missing(), "{name}"),
                        Some(want) if kind == ColumnKind::Number && !want.contains(['.', 'e']) => {
                            assert_eq!(value.to_string(), want, "{name}");
                        }
                        Some(want) if kind == ColumnKind::Number => {
                            assert_eq!(value.number(), want.parse().ok(), "{name}")
                        }
                        Some(want) => assert_eq!(value.text(), Some(want), "{name}"),
                    }
                }
            }
        }
    }
    Ok(())
}
