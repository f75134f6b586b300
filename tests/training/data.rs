//! Tables, preprocessing, splits and batches.

use approx::assert_relative_eq;
use demotic::data::{Column, CsvOptions, Impute, Scaling, Unseen};
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

#[test]
fn errors_of_files_name_the_place() {
    let message = |text: &[u8]| csv(text).unwrap_err().message();
    assert_eq!(message(b""), "from_csv_reader: the file is empty");
    assert_eq!(message(b"a,b\n1,2\n3\n"), "from_csv_reader: line 3: 1 field, the header has 2");
    // The row before takes two lines, because of the line break in quotes.
    assert_eq!(message(b"a,b\n\"x\ny\",2\n3,4,5\n"), "from_csv_reader: line 4: 3 fields, the header has 2");
    assert_eq!(message(b"a,b,a\n1,2,3\n"), "from_csv_reader: line 1: columns 1 and 3 are both called `a`");
    assert_eq!(message(b"a,b\n1,\xff\n"), "from_csv_reader: line 2, character 3: the text is not UTF-8");
    assert_eq!(message(b"\xff\xfea\0,\0b\0"), "from_csv_reader: the text is UTF-16, not UTF-8");
    assert!(message(b"a,b\n1,\"x\n2,3\n").starts_with("from_csv_reader: line 2: a quote is opened here"));
    assert!(Table::read_csv("no/such/file.csv").unwrap_err().message().contains("no/such/file.csv"));
}

#[test]
fn a_byte_order_mark_is_no_part_of_a_name() -> Result<()> {
    // With quotes, a mark that stayed would also turn the quotes into text.
    let table = csv("\u{feff}\"area\",price\r\n1,2\r\n".as_bytes())?;
    assert_eq!(table.column_names().collect::<Vec<_>>(), ["area", "price"]);
    assert_eq!(table.column("area")?.numbers(), Some(&[1.0][..]));
    Ok(())
}

#[test]
fn a_header_alone_is_a_table_without_rows() -> Result<()> {
    for text in [&b"a,b\n"[..], b"a,b"] {
        let table = csv(text)?;
        assert_eq!(table.shape(), (0, 2));
        assert_eq!(Preprocessor::fit(&table, "b").unwrap_err().message(), "fit: the training part has no rows");
    }
    Ok(())
}

#[test]
fn odd_texts_and_numbers_survive_a_file() -> Result<()> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("odd.csv");
    let table = Table::from_columns([
        ("x, \"y\"", Column::from([0.1, f64::MIN_POSITIVE, -1.7976931348623157e308, f64::NAN])),
        ("text", Column::from(vec![Some("two\nlines"), Some("a \"quote\""), None, Some("Zürich, 北京")])),
    ])?;
    table.write_csv(&path)?;
    assert_eq!(Table::read_csv(&path)?, table);
    // A second time, over the file that is there.
    let shorter = table.head(1);
    shorter.write_csv(&path)?;
    assert_eq!(Table::read_csv(&path)?, shorter);
    Ok(())
}

/// Three rows to train on, and two that are unlike them in every column.
fn parts() -> Result<(Table, Table)> {
    let table = Table::from_columns([
        ("area", Column::from([1.0, 2.0, 6.0, 1e6, f64::NAN])),
        ("kind", Column::from(["flat", "house", "flat", "castle", "house"])),
        ("price", Column::from([10.0, 20.0, 60.0, 9e6, 30.0])),
    ])?;
    Ok((table.rows(&[0, 1, 2])?, table.rows(&[3, 4])?))
}

#[test]
fn the_test_part_does_not_leak() -> Result<()> {
    let (train, test) = parts()?;
    let prep = Preprocessor::fit(&train, "price")?;
    assert_eq!(prep.feature_names(), ["area", "kind=flat", "kind=house"]);
    let data = prep.transform(&test)?;
    // Of the areas 1, 2 and 6 the mean is 3, the variance (4 + 1 + 9) / 3 and the median 2.
    let scaled = |area: f64| (area - 3.0) / (14f64 / 3.0).sqrt();
    let expected = [scaled(1e6), 0.0, 0.0, scaled(2.0), 0.0, 1.0];
    assert_relative_eq!(data.x().to_f64_vec().as_slice(), expected.as_slice(), max_relative = 1e-6);
    // Of the prices 10, 20 and 60 the mean is 30 and the variance (400 + 100 + 900) / 3.
    let expected = [(9e6 - 30.0) / (1400f64 / 3.0).sqrt(), 0.0];
    assert_relative_eq!(data.y().to_f64_vec().as_slice(), expected.as_slice(), max_relative = 1e-6);
    let prices = prep.inverse_target(data.y())?.to_f64_vec();
    assert_relative_eq!(prices.as_slice(), [9e6, 30.0].as_slice(), max_relative = 1e-6);
    Ok(())
}

#[test]
fn rules_of_preprocessing() -> Result<()> {
    let (train, test) = parts()?;
    let rules = Preprocessor::regression("price").scaling(Scaling::MinMax).target_scaling(Scaling::None);
    let prep = rules.clone().impute(Impute::Mean).ignore(&["kind"]).fit(&train)?;
    let data = prep.transform(&test)?;
    assert_relative_eq!(data.x().to_f64_vec().as_slice(), [(1e6 - 1.0) / 5.0, 0.4].as_slice(), max_relative = 1e-6);
    assert_eq!(data.y().to_vec::<f32>()?, [9e6, 30.0]);

    let prep = rules.clone().impute_of("area", Impute::Constant(11.0)).drop_first(true).fit(&train)?;
    assert_eq!(prep.feature_names(), ["area", "kind=house"]);
    assert_eq!(prep.transform(&test)?.x().to_f64_vec()[2..], [2.0, 1.0]);

    let e = rules.clone().impute(Impute::Error).fit(&train)?.transform(&test).unwrap_err();
    assert_eq!(e.message(), "transform: column `area` has no value in row 1");
    let e = rules.clone().unseen(Unseen::Error).fit(&train)?.transform(&test).unwrap_err();
    assert_eq!(e.message(), "transform: column `kind` has `castle` in row 0, which did not occur when fitting");
    assert_eq!(e.help(), Some("known are `flat`, `house`; Unseen::Zeros allows others"));
    let e = rules.categorical(&["rooms"]).fit(&train).unwrap_err();
    assert_eq!(e.message(), "fit: the table has no column `rooms`");
    Ok(())
}

#[test]
fn a_target_that_is_not_there() -> Result<()> {
    let (train, test) = parts()?;
    let e = Preprocessor::fit(&train, "prize").unwrap_err();
    assert_eq!(e.message(), "fit: the table has no column `prize`");
    assert_eq!(e.help(), Some("did you mean `price`? the columns are area, kind, price"));
    let prep = Preprocessor::fit(&train, "price")?;
    let unlabelled = test.drop(&["price"])?;
    assert_eq!(prep.transform(&unlabelled).unwrap_err().message(), "transform: the table has no column `price`");
    assert_eq!(prep.transform_features(&unlabelled)?.shape(), [2, 3]);
    Ok(())
}

#[test]
fn preprocessors_come_back_from_json() -> Result<()> {
    let (train, test) = parts()?;
    for prep in [Preprocessor::fit(&train, "price")?, Preprocessor::fit(&train, "kind")?] {
        let again = Preprocessor::from_json(&prep.to_json()?)?;
        assert_eq!(again, prep);
        let (a, b) = (prep.transform_features(&test)?, again.transform_features(&test)?);
        assert_eq!(a.to_vec::<f32>()?, b.to_vec::<f32>()?);
    }
    let classes = Preprocessor::fit(&train, "kind")?;
    assert_eq!(classes.classes(), Some(&["flat".to_string(), "house".to_string()][..]));
    assert_eq!(classes.transform(&train)?.y().to_vec::<i64>()?, [0, 1, 0]);
    for text in ["", "{}", "[1]", "{\"features\":1,\"target\":null}"] {
        assert_eq!(Preprocessor::from_json(text).unwrap_err().kind(), ErrorKind::Format, "{text}");
    }
    Ok(())
}

#[test]
fn fractions_lie_between_0_and_1() -> Result<()> {
    let mut rng = Rng::seed(0);
    let (table, _) = parts()?;
    let data = Preprocessor::fit(&table, "price")?.transform(&table)?;
    for fraction in [0.0, 1.0, -0.5, 1.5, f64::NAN, f64::INFINITY] {
        let expected = format!("split: the fraction is {fraction}, expected a number between 0 and 1");
        assert_eq!(table.split(fraction, &mut rng).unwrap_err().message(), expected);
        assert_eq!(data.split(fraction, &mut rng).unwrap_err().message(), expected);
        assert!(table.split_stratified(fraction, "kind", &mut rng).is_err());
    }
    let (first, second) = table.split(0.67, &mut rng)?;
    assert_eq!((first.num_rows(), second.num_rows()), (2, 1));
    Ok(())
}

#[test]
fn strata_keep_their_proportions() -> Result<()> {
    let kinds: Vec<&str> = [("a", 60), ("b", 30), ("c", 10)].into_iter().flat_map(|(k, n)| vec![k; n]).collect();
    let table = Table::from_columns([
        ("row", Column::from((0..100).map(f64::from).collect::<Vec<_>>())),
        ("kind", Column::from(kinds)),
    ])?;
    let count = |part: &Table, kind: &str| -> Result<usize> {
        Ok(part.column("kind")?.texts().into_iter().flatten().filter(|text| *text == Some(kind)).count())
    };
    let (first, second) = table.split_stratified(0.8, "kind", &mut Rng::seed(3))?;
    for (kind, expected) in [("a", (48, 12)), ("b", (24, 6)), ("c", (8, 2))] {
        assert_eq!((count(&first, kind)?, count(&second, kind)?), expected, "{kind}");
    }
    let mut rows = [first.column("row")?.numbers().unwrap(), second.column("row")?.numbers().unwrap()].concat();
    rows.sort_by(f64::total_cmp);
    assert_eq!(rows, (0..100).map(f64::from).collect::<Vec<_>>());

    let data = Preprocessor::classification("kind").fit(&table)?.transform(&table)?;
    let (first, _) = data.split_stratified(0.8, &mut Rng::seed(3))?;
    let labels = first.y().to_vec::<i64>()?;
    let counts = [0, 1, 2].map(|class| labels.iter().filter(|label| **label == class).count());
    assert_eq!(counts, [48, 24, 8]);

    let e = table.rows(&[0, 1, 99])?.split_stratified(0.5, "kind", &mut Rng::seed(0)).unwrap_err();
    let expected = "split_stratified: `c` in column `kind` occurs in one row only, which cannot be on both sides";
    assert_eq!(e.message(), expected);
    Ok(())
}

#[test]
fn folds_need_two_parts_and_a_row_for_each() {
    let message = |k, n| KFold::new(k).split(n).unwrap_err().message();
    assert_eq!(message(0, 4), "KFold: k is 0, expected at least 2 folds");
    assert_eq!(message(1, 4), "KFold: k is 1, expected at least 2 folds");
    assert_eq!(message(3, 0), "KFold: k is 3, more than the 0 rows there are");
    let e = KFold::new(3).split_stratified(&[0, 1]).unwrap_err();
    assert_eq!(e.message(), "KFold: k is 3, more than the 2 rows there are");
}

#[test]
fn folds_test_every_row_once() -> Result<()> {
    let mut rng = Rng::seed(5);
    for (n, k) in [(10, 3), (4, 4), (7, 2), (100, 7)] {
        for kfold in [KFold::new(k), KFold::new(k).shuffle(&mut rng)] {
            let mut tested = Vec::new();
            for fold in kfold.split(n)? {
                let mut all = [fold.train.as_slice(), &fold.test].concat();
                all.sort_unstable();
                assert_eq!(all, (0..n).collect::<Vec<_>>(), "{n} rows, {k} folds");
                assert!((n / k..=n.div_ceil(k)).contains(&fold.test.len()));
                tested.extend(fold.test);
            }
            tested.sort_unstable();
            assert_eq!(tested, (0..n).collect::<Vec<_>>(), "{n} rows, {k} folds");
        }
    }
    Ok(())
}

#[test]
fn batches_in_order_are_views_and_shuffled_ones_copies() -> Result<()> {
    let x = Tensor::arange(20)?.reshape([10, 2])?;
    let data = TensorDataset::new(x, Tensor::arange(10)?)?;
    for (i, batch) in data.batches(4).enumerate() {
        let (x, y) = batch?;
        assert!(x.shares_storage(data.x()) && y.shares_storage(data.y()), "batch {i}");
        assert_eq!(y.to_f64_vec()[0], 4.0 * i as f64);
        assert_eq!(x.to_f64_vec()[..2], [8.0 * i as f64, 8.0 * i as f64 + 1.0]);
    }
    for batch in data.batches(4).shuffle(&mut Rng::seed(0)) {
        let (x, y) = batch?;
        assert!(!x.shares_storage(data.x()) && !y.shares_storage(data.y()));
    }
    assert_eq!(data.batches(11).drop_last().count(), 0);
    assert_eq!(data.batches(usize::MAX).count(), 1);
    assert_eq!(data.batches(0).count(), 1, "the error, and nothing after it");
    Ok(())
}
