//! Tables, preprocessing, splits and batches.

use approx::assert_relative_eq;
use demotic::data::{Column, CsvOptions};
use demotic::prelude::*;

fn csv(text: &[u8]) -> Result<Table> {
    Table::from_csv_reader(text, &CsvOptions::default())
}

#[test]
fn types_are_inferred() -> Result<()> {
    let table = csv("\u{feff}area,kind,price\n100,flat,2.5\n,\"a \"\"b\"\",\nand more\",3e2\n-7,,4\n".as_bytes())?;
    assert_eq!(table.shape(), (3, 3));
    assert_eq!(table.column_names().collect::<Vec<_>>(), ["area", "kind", "price"]);
    assert_eq!(table.column("price")?.numbers(), Some(&[2.5, 300.0, 4.0][..]));
    assert_eq!(table.column("area")?.num_missing(), 1);
    let kinds: Vec<Option<&str>> = table.column("kind")?.texts().unwrap().collect();
    assert_eq!(kinds, [Some("flat"), Some("a \"b\",\nand more"), None]);
    assert!(table.column("prize").is_err());
    Ok(())
}

#[test]
fn malformed_files_are_errors() {
    for (what, text) in [
        ("empty", &b""[..]),
        ("ragged", b"a,b\n1,2\n3\n"),
        ("duplicate names", b"a,a\n1,2\n"),
        ("not UTF-8", b"a,b\n1,\xff\xfe\n"),
    ] {
        let e = csv(text).expect_err(what);
        assert_eq!(e.kind(), ErrorKind::Format, "{what}: {e}");
    }
    assert_eq!(Table::read_csv("no/such/file.csv").unwrap_err().kind(), ErrorKind::Io);
    assert!(csv(b"a,b\n1,2\n3\n").unwrap_err().message().contains("line 3"));
}

#[test]
fn a_million_columns() {
    let names: Vec<String> = (0..1_000_000).map(|i| i.to_string()).collect();
    let text = format!("{}\n{}\n", names.join(","), vec!["1"; names.len()].join(","));
    // Either is fine; to panic or to take forever is not.
    if let Ok(table) = csv(text.as_bytes()) {
        assert_eq!(table.shape(), (1, 1_000_000));
    }
}

#[test]
fn what_is_written_is_read_again() -> Result<()> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("t.csv");
    let table = csv(b"x,y\n0.1,\"a,b\"\n,c\n")?;
    table.write_csv(&path)?;
    assert_eq!(Table::read_csv(&path)?, table);
    Ok(())
}

fn houses(prices: [f64; 4]) -> Result<Table> {
    Table::from_columns([
        ("area", Column::from([1.0, 2.0, f64::NAN, 9.0])),
        ("kind", Column::from(["flat", "house", "flat", "flat"])),
        ("same", Column::from([5.0; 4])),
        ("price", Column::from(prices)),
    ])
}

#[test]
fn preprocessing_learns_from_the_training_part_alone() -> Result<()> {
    let train = houses([10.0, 20.0, 30.0, 40.0])?;
    let prep = Preprocessor::fit(&train, "price")?;
    assert_eq!(prep.feature_names(), ["area", "kind=flat", "kind=house", "same"]);
    let x = prep.transform(&train)?.x().to_f64_vec();
    // The known areas are 1, 2 and 9, with mean 4, variance 38/3 and median 2, which the missing one becomes.
    let scaled = |area: f64| (area - 4.0) / (38f64 / 3.0).sqrt();
    for (row, area) in [1.0, 2.0, 2.0, 9.0].into_iter().enumerate() {
        assert!((x[4 * row] - scaled(area)).abs() < 1e-6, "{x:?}");
    }
    assert_eq!(x[3], 0.0, "a constant column");

    let other = Table::from_columns([
        ("area", Column::from([4.0])),
        ("kind", Column::from(["castle"])),
        ("same", Column::from([5.0])),
    ])?;
    assert_eq!(prep.transform_features(&other)?.to_vec::<f32>()?, [0.0, 0.0, 0.0, 0.0], "an unseen kind");
    assert_eq!(Preprocessor::from_json(&prep.to_json()?)?, prep);
    let prices = prep.inverse_target(prep.transform(&train)?.y())?.to_f64_vec();
    assert_relative_eq!(prices.as_slice(), [10.0, 20.0, 30.0, 40.0].as_slice(), max_relative = 1e-6);
    assert!(Preprocessor::fit(&train, "prize").is_err());
    assert!(Preprocessor::fit(&houses([10.0, f64::NAN, 1.0, 2.0])?, "price").is_err());
    Ok(())
}

#[test]
fn impossible_splits() -> Result<()> {
    let mut rng = Rng::seed(0);
    let table = houses([1.0, 2.0, 3.0, 4.0])?;
    assert!(table.split(0.0, &mut rng).is_err() && table.split(1.5, &mut rng).is_err());
    let e = KFold::new(5).split(4).unwrap_err();
    assert_eq!(e.message(), "KFold: k is 5, more than the 4 rows there are");
    assert!(KFold::new(1).split(4).is_err());
    Ok(())
}

#[test]
fn batches() -> Result<()> {
    let x = Tensor::arange(10)?.reshape([10, 1])?.to_dtype(DType::F32);
    let data = TensorDataset::new(x.clone(), x)?;
    let e = data.batches(0).next().unwrap().unwrap_err();
    assert_eq!(e.message(), "batches: the batch size is 0, expected at least 1");
    let sizes = |batches: demotic::data::Batches<TensorDataset>| -> Result<Vec<usize>> {
        batches.map(|batch| Ok(batch?.0.shape()[0])).collect()
    };
    assert_eq!(sizes(data.batches(4))?, [4, 4, 2]);
    assert_eq!(sizes(data.batches(4).drop_last())?, [4, 4]);
    let (first, _) = data.batches(4).next().unwrap()?;
    assert!(first.shares_storage(data.x()), "neighbours are a view");
    let order = |seed: u64| -> Result<Vec<f64>> {
        let mut all = Vec::new();
        for batch in data.batches(3).shuffle(&mut Rng::seed(seed)) {
            let (x, y) = batch?;
            assert_eq!(x.to_f64_vec(), y.to_f64_vec());
            all.extend(x.to_f64_vec());
        }
        Ok(all)
    };
    assert_eq!(order(1)?, order(1)?);
    assert_ne!(order(1)?, order(2)?);
    let mut sorted = order(1)?;
    sorted.sort_by(f64::total_cmp);
    assert_eq!(sorted, (0..10).map(f64::from).collect::<Vec<_>>());
    Ok(())
}
