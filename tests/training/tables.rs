//! Tables before, in and behind a model: files that are not quite right, operations, rules of preprocessing, every kind of target, and
//! pipelines that are asked about rows as they stand in a file.

use demotic::data::{
    Aggregate, Column, ColumnKind, ColumnOptions, CsvOptions, DatePart, Encoding, Impute, JoinKind, MissingCategory,
    Outliers, Ragged, Scaling, Smoothing, SortOrder, Unseen,
};
use demotic::models::{LinearRegression, Mlp};
use demotic::prelude::*;
use demotic::tensor;
use proptest::prelude::{Just, Strategy, any, prop, prop_assert_eq, prop_oneof, proptest};

#[track_caller]
fn fails<T>(result: Result<T>, message: &str, help: &str) {
    let Err(e) = result else { panic!("there is no error") };
    assert_eq!((e.message().as_str(), e.help().unwrap_or_default()), (message, help));
    assert!(e.to_string().contains("tests/training/tables.rs"), "not the caller's line: {e}");
}

fn one(name: &str, column: impl Into<Column>) -> Table {
    Table::from_columns([(name, column.into())]).unwrap()
}

fn read(options: &CsvOptions, text: &str) -> Result<Table> {
    options.read_from(text.as_bytes())
}

#[test]
fn ragged_rows() -> Result<()> {
    let text = "a,b,c\n1,x,2\n3,y\n4\n5,z,6,,\n7,w,8,9\n";
    let options = CsvOptions::new();
    fails(
        read(&options, text),
        "from_csv_reader: line 3: 2 fields, the header has 3",
        "CsvOptions::ragged says what to do with such rows: Ragged::Pad or Ragged::Skip",
    );
    // What has no column is never dropped.
    fails(
        read(&options.clone().ragged(Ragged::Pad), text),
        "from_csv_reader: line 6: 4 fields, the header has 3",
        "a field that contains the delimiter must stand in double quotes; Ragged::Skip leaves out such rows",
    );
    let (table, report) =
        options.clone().ragged(Ragged::Pad).read_from_with_report(&text.as_bytes()[..text.len() - 8])?;
    assert_eq!(table.column("a")?.numbers(), Some(&[1.0, 3.0, 4.0, 5.0][..]));
    assert_eq!((table.column("b")?.num_missing(), table.column("c")?.num_missing()), (1, 2));
    assert_eq!((report.padded, report.skipped, report.lines), (3, 0, vec![3, 4, 5]));
    let (table, report) = options.ragged(Ragged::Skip).read_from_with_report(text.as_bytes())?;
    assert_eq!(table.column("a")?.numbers(), Some(&[1.0][..]));
    assert_eq!((report.padded, report.skipped, report.lines), (0, 4, vec![3, 4, 5, 6]));
    Ok(())
}

#[test]
fn delimiters_are_found() -> Result<()> {
    for (text, delimiter, columns) in [
        ("a,b\n1,2\n", ',', 2),
        ("a;b\n1,5;2,5\n3,5;4,5\n", ';', 2),
        ("a\tb\tc\n1,2\t3\t4\n", '\t', 3),
        ("a|b\n1|2\n", '|', 2),
        ("\"a;x\",b\n1,2\n", ',', 2),
        ("a\n1\n2\n", ',', 1),
        ("note;price\nred, round;1\nblue;2\ngreen, large, old;3\n", ';', 2),
    ] {
        let (table, report) = CsvOptions::new().detect_delimiter().read_from_with_report(text.as_bytes())?;
        assert_eq!((report.delimiter, table.num_columns()), (delimiter, columns), "{text:?}");
    }
    Ok(())
}

#[test]
fn missing_values_of_any_spelling() -> Result<()> {
    let text = "a,b\n1,x\n-999,UNKNOWN\n?,unknown\n<NA>,y\n";
    let options = CsvOptions::new().also_missing(["?", "-999", "unknown"]);
    let table = read(&options, text)?;
    assert_eq!((table.column("a")?.num_missing(), table.column("b")?.num_missing()), (3, 1));
    let table = read(&options.missing_in_any_case(true), text)?;
    assert_eq!((table.column("a")?.num_missing(), table.column("b")?.num_missing()), (3, 2));
    // Of one column only.
    let only = CsvOptions::new().column("b", ColumnOptions::new().also_missing(["x"]).missing_in_any_case(true));
    assert_eq!(read(&only, "a,b\nx,X\n1,y\n")?.column("b")?.num_missing(), 1);
    assert_eq!(read(&only, "a,b\nx,X\n1,y\n")?.column("a")?.num_missing(), 0);
    Ok(())
}

#[cfg(feature = "gzip")]
mod packed {
    use std::io::Write;

    use super::*;

    fn packed(text: &[u8]) -> Vec<u8> {
        let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        out.write_all(text).unwrap();
        out.finish().unwrap()
    }

    #[test]
    fn files_are_read_as_what_is_in_them() -> Result<()> {
        let text = b"area,kind\n100,flat\n120,house\n";
        let expected = CsvOptions::new().read_from(&text[..])?;
        let folder = tempfile::tempdir().unwrap();
        // By what it holds, whatever it is called; and in several pieces, as `cat a.gz b.gz` makes them.
        let pieces = [packed(&text[..14]), packed(&text[14..])].concat();
        for (name, bytes) in [("t.csv.gz", packed(text)), ("t.csv", packed(text)), ("pieces.gz", pieces)] {
            let path = folder.path().join(name);
            std::fs::write(&path, bytes).unwrap();
            assert_eq!(Table::read_csv(&path)?, expected, "{name}");
        }
        assert_eq!(CsvOptions::new().read_from(packed(text).as_slice())?, expected);

        // Cut off, broken, and much more than there seems to be.
        let whole = packed(text);
        for length in 2..whole.len() {
            fails(
                CsvOptions::new().read_from(&whole[..length]),
                "from_csv_reader: not a CSV file: it seems to be a gzip archive",
                "the gzip archive ends too early",
            );
        }
        let mut broken = whole;
        let checksum = broken.len() - 6;
        broken[checksum] ^= 1;
        fails(
            CsvOptions::new().read_from(broken.as_slice()),
            "from_csv_reader: not a CSV file: it seems to be a gzip archive",
            "the gzip archive is damaged: corrupt gzip stream does not have a matching checksum",
        );
        fails(
            CsvOptions::new().max_bytes(1 << 20).read_from(packed(&vec![b'0'; 50 << 20]).as_slice()),
            "from_csv_reader: more than 1048576 bytes",
            "raise the limit with CsvOptions::max_bytes",
        );
        Ok(())
    }
}

#[cfg(not(feature = "gzip"))]
#[test]
fn packed_files_name_the_feature() {
    fails(
        CsvOptions::new().read_from(&[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 255, 254, 0][..]),
        "from_csv_reader: not a CSV file: it seems to be a gzip archive",
        "the feature `gzip` reads it as it is: cargo add demotic --features gzip; or unpack it first",
    );
}

/// Texts that look like something else, or like nothing.
fn hard_texts() -> impl Strategy<Value = String> {
    let piece = ["", "1", "01", "NA", "null", "1,5", "a;b", "\"", "\n", "\r", " x ", "\u{feff}", "2024-01-01", "区"];
    prop_oneof![prop::sample::select(piece.to_vec()).prop_map(String::from), "[a-z,;\"\n\r ]{0,6}", Just(String::new())]
}

proptest! {
    /// With quotes around all texts, what is written is read as it was, with every delimiter and decimal comma.
    #[test]
    fn what_is_written_comes_back(
        rows in prop::collection::vec((prop::option::of(hard_texts()), prop::option::of(any::<f64>().prop_filter("finite", |x| x.is_finite())), prop::option::of(any::<i64>())), 1..12),
        names in prop::collection::hash_set("[ -~]{1,5}", 3), delimiter in 0usize..4, comma: bool, columns in 1usize..4,
    ) {
        let names: Vec<String> = names.into_iter().collect();
        let texts: Column = rows.iter().map(|row| row.0.clone()).collect();
        let numbers: Column = rows.iter().map(|row| row.1).collect();
        let integers: Column = rows.iter().map(|row| row.2).collect();
        let all = names.iter().cloned().zip([texts, numbers, integers]).take(columns);
        let table = Table::from_columns(all).unwrap();
        let mut options = CsvOptions::new().delimiter([',', ';', '\t', '|'][delimiter]).quoted_texts(true);
        if comma && delimiter > 0 {
            options = options.decimal_comma();
        }
        for options in [options.clone(), options.header(false)] {
            let mut text = Vec::new();
            options.write_to(&table, &mut text).unwrap();
            let back = options.read_from(text.as_slice()).unwrap();
            prop_assert_eq!(back.num_rows(), table.num_rows());
            for ((_, a), (_, b)) in back.columns().zip(table.columns()) {
                // A column without a value is of any kind.
                if b.num_missing() < b.len() {
                    prop_assert_eq!(a, b, "{}", String::from_utf8_lossy(&text));
                }
            }
        }
    }
}

#[test]
fn files_that_could_not_be_read_again_are_not_written() {
    let table = one("a", [1.5]);
    fails(
        CsvOptions::new().decimal_comma().quoted_texts(true).write_to(&table, Vec::new()),
        "to_csv_writer: ',' is both the delimiter and the decimal comma of column `a`",
        "numbers would stand in quotes, which quoted_texts makes texts of: delimiter(';') is usual",
    );
    fails(
        CsvOptions::new().delimiter('"').write_to(&table, Vec::new()),
        "to_csv_writer: '\"' cannot be the delimiter",
        "use an ASCII character such as ',' or ';'",
    );
    fails(CsvOptions::new().write_to(&Table::default(), Vec::new()), "to_csv_writer: the table has no columns", "");
    // Without quotes around texts, numbers may stand in some.
    let mut text = Vec::new();
    CsvOptions::new().decimal_comma().write_to(&table, &mut text).unwrap();
    assert_eq!(String::from_utf8(text).unwrap(), "a\n\"1,5\"\n");
}

#[test]
fn operations_refuse_what_makes_no_sense() -> Result<()> {
    let table = Table::from_columns([
        ("id", Column::from([1.0, 2.0, 2.0])),
        ("kind", Column::from(["a", "b", "b"])),
        ("x", Column::from([1.0, f64::NAN, 3.0])),
    ])?;
    let columns = "the columns are id, kind, x";
    let nearly = format!("did you mean `kind`? {columns}");
    fails(table.rename(&[("kinds", "k")]), "rename: the table has no column `kinds`", &nearly);
    fails(table.rename(&[("id", "x")]), "rename: two columns are called `x`", "");
    fails(table.rename(&[("id", "a"), ("id", "b")]), "rename: column `id` is named twice", "");
    assert_eq!(table.rename(&[("id", "x"), ("x", "id")])?.column_names().collect::<Vec<_>>(), ["x", "kind", "id"]);
    fails(
        table.cast("kind", ColumnKind::Number),
        "cast: column `kind` has `a` in row 0, which is no number",
        "table.map(column, |value| ..) makes numbers of other texts; CsvOptions reads units and decimal commas",
    );
    let texts = table.cast("x", ColumnKind::Text)?;
    assert_eq!(texts.column("x")?.texts().unwrap().collect::<Vec<_>>(), [Some("1"), None, Some("3")]);
    assert_eq!(texts.cast("x", ColumnKind::Number)?, table);
    let ids = one("id", vec![(1i64 << 53) + 1, 5]);
    assert_eq!(ids.cast("id", ColumnKind::Text)?.cast("id", ColumnKind::Number)?, ids);

    fails(table.filter("y", |_| true), "filter: the table has no column `y`", columns);
    fails(table.filter_by(&["id", "y"], |_| true), "filter_by: the table has no column `y`", columns);
    let kept = table.filter_by(&["id", "x"], |values| values[0].number() == Some(2.0) && !values[1].is_missing())?;
    assert_eq!(kept.column("x")?.numbers(), Some(&[3.0][..]));
    fails(table.derive("z", &["y"], |_| 1.0), "derive: the table has no column `y`", columns);
    fails(table.sort(&["y"]), "sort: the table has no column `y`", columns);
    fails(
        table.sample(4, &mut Rng::seed(0)),
        "sample: 4 rows of a table with 3",
        "sample_with_replacement draws rows more than once",
    );
    fails(
        table.head(0).sample_with_replacement(1, &mut Rng::seed(0)),
        "sample_with_replacement: the table has no rows",
        "",
    );
    let huge = usize::MAX / 64;
    fails(
        table.sample_with_replacement(huge, &mut Rng::seed(0)),
        &format!("sample_with_replacement: there is no memory for {huge} rows"),
        "",
    );
    assert_eq!(table.sample_with_replacement(50, &mut Rng::seed(0))?.num_rows(), 50);
    let shuffled = table.sample(3, &mut Rng::seed(1))?;
    assert_eq!(shuffled.sort(&["id", "x"])?, table.sort(&["id", "x"])?);

    fails(
        Table::concat(&[&table, &table.clone().with_column("y", [1.0; 3])?]),
        "concat: table 1 has a column `y`, which the first one lacks",
        "select() or drop() leave the same columns",
    );
    fails(
        Table::concat(&[&table, &table.drop(&["kind"])?]),
        "concat: the table has no column `kind`",
        "the columns are id, x",
    );
    let other = table.cast("id", ColumnKind::Text)?;
    let cast = "table.cast(\"id\", ColumnKind::Text) makes texts of numbers";
    let mixed = "column `id` has numbers in one table and texts in another";
    fails(Table::concat(&[&table, &other]), &format!("concat: {mixed}"), cast);
    assert_eq!(Table::concat(&[])?.shape(), (0, 0));
    // Numbers with all digits beside others, and a column without values beside texts.
    let both = Table::concat(&[&ids, &one("id", [0.5])])?;
    assert_eq!(both.column("id")?.numbers().unwrap()[2], 0.5);
    let exact = Table::concat(&[&ids, &one("id", [7.0, f64::NAN])])?;
    assert_eq!(exact.column("id")?.integers().unwrap().next(), Some(Some((1 << 53) + 1)));
    let texts = Table::concat(&[&one("a", [f64::NAN]), &one("a", ["x"])])?;
    assert_eq!(texts.column("a")?.texts().unwrap().collect::<Vec<_>>(), [None, Some("x")]);

    fails(table.join(&other, &["id"], JoinKind::Left), &format!("join: {mixed}"), cast);
    fails(table.join(&table, &["y"], JoinKind::Left), "join: the table has no column `y`", columns);
    fails(
        table.join::<&str>(&table, &[], JoinKind::Left),
        "join: no columns are named by which rows belong together",
        "left.join(&right, &[\"id\"], JoinKind::Left)",
    );
    fails(
        table.clone().with_column("x_right", [0.0; 3])?.join(&table, &["id", "kind"], JoinKind::Inner),
        "join: two columns are called `x_right`",
        "",
    );
    // Missing values are equal to nothing.
    assert_eq!(table.join(&table, &["x"], JoinKind::Inner)?.num_rows(), 2);
    assert_eq!(table.join(&table, &["x"], JoinKind::Outer)?.num_rows(), 4);
    // A product of two columns of one value would be larger than any memory.
    let same = one("id", vec![1.0; 300_000]);
    let e = same.join(&same, &["id"], JoinKind::Inner).unwrap_err();
    assert_eq!(e.message(), "join: there is no memory for 90000300000 rows");

    fails(
        table.group_by(&["id"], &[("kind", Aggregate::Mean)]),
        "group_by: column `kind` has texts, of which there is no mean",
        "count, unique, first and last suit texts",
    );
    fails(
        table.group_by(&["id"], &[("x", Aggregate::Mean), ("x", Aggregate::Mean)]),
        "group_by: two columns are called `x_mean`",
        "",
    );
    fails(table.group_by(&["y"], &[]), "group_by: the table has no column `y`", columns);
    let whole = table.group_by::<&str>(&[], &[("x", Aggregate::Sum), ("kind", Aggregate::Unique)])?;
    assert_eq!(whole.columns().map(|(_, column)| column.numbers().unwrap()[0]).collect::<Vec<_>>(), [4.0, 2.0]);
    assert_eq!(table.head(0).group_by(&["id"], &[("x", Aggregate::Sum)])?.shape(), (0, 2));
    let ids = one("id", vec![(1i64 << 53) + 1, 1 << 53]).group_by::<&str>(&[], &[("id", Aggregate::Max)])?;
    assert_eq!(ids.column("id_max")?.integers().unwrap().next(), Some(Some((1 << 53) + 1)));

    fails(table.value_counts("y"), "value_counts: the table has no column `y`", columns);
    fails(one("count", [1.0]).value_counts("count"), "value_counts: two columns are called `count`", "");
    fails(table.drop_duplicates(&["y"]), "drop_duplicates: the table has no column `y`", columns);
    assert_eq!(table.sort_by(&[("x", SortOrder::Descending)])?.column("id")?.numbers(), Some(&[2.0, 1.0, 2.0][..]));
    fails(table.oversampled("y", &mut Rng::seed(0)), "factorize: the table has no column `y`", columns);
    fails(
        Table::from_columns([("a", Column::from([1.0])), ("a", Column::from([2.0]))]),
        "from_columns: two columns are called `a`",
        "",
    );
    Ok(())
}

#[test]
fn classes_of_equal_size() -> Result<()> {
    let mut rng = Rng::seed(3);
    let labels: Vec<i64> = [vec![0; 20], vec![1; 5], vec![3; 2]].concat();
    let x: Vec<f32> = (0..27).map(|i| i as f32).collect();
    let data = TensorDataset::new(Tensor::from_slice(&x, [27, 1])?, Tensor::from_slice(&labels, [27])?)?;
    let counts = |data: &TensorDataset| -> Result<[usize; 4]> {
        let y = data.y().to_vec::<i64>()?;
        Ok([0, 1, 2, 3].map(|class| y.iter().filter(|y| **y == class).count()))
    };
    let more = data.oversampled(&mut rng)?;
    assert_eq!(counts(&more)?, [20, 20, 0, 20]);
    // The samples themselves come first; every further one is one of its class.
    assert_eq!(more.x().to_vec::<f32>()?[..27], x);
    for (x, y) in more.x().to_vec::<f32>()?.iter().zip(more.y().to_vec::<i64>()?) {
        assert_eq!(labels[*x as usize], y);
    }
    let fewer = data.undersampled(&mut rng)?;
    assert_eq!(counts(&fewer)?, [2, 2, 0, 2]);
    assert!(fewer.x().to_vec::<f32>()?.windows(2).all(|pair| pair[0] < pair[1]));
    assert_eq!(data.class_weights()?.to_vec::<f32>()?, [0.45, 1.8, 0.0, 4.5]);
    // Zeros and ones of any type are two classes.
    let binary = TensorDataset::new(Tensor::zeros([4, 1])?, tensor![[0.0], [1.0], [0.0], [0.0]])?;
    assert_eq!(binary.class_weights()?.to_vec::<f32>()?, [4.0 / 6.0, 2.0]);
    let numbers = TensorDataset::new(Tensor::zeros([2, 1])?, tensor![[0.5], [1.0]])?;
    fails(
        numbers.class_weights(),
        "class_weights: y has shape [2, 1] and type f32, expected [n] class numbers of i64, or zeros and ones",
        "",
    );
    let far = TensorDataset::new(Tensor::zeros([2, 1])?, Tensor::from_slice(&[0, i64::MAX], [2])?)?;
    assert!(far.class_weights().is_err() && far.oversampled(&mut rng).is_err());
    Ok(())
}

fn streets() -> Table {
    Table::from_columns([
        ("street", Column::from(vec![Some("a"), Some("b"), None, Some("a")])),
        ("area", Column::from([1.0, 2.0, f64::NAN, 4.0])),
        ("price", Column::from([10.0, 20.0, 30.0, 60.0])),
    ])
    .unwrap()
}

#[test]
fn rules_that_do_not_fit() -> Result<()> {
    let rules = || Preprocessor::regression("price");
    let numbers = "fit: column `area` has numbers, and a rule for categories names it";
    let help = "categorical(&[\"area\"]) makes categories of its numbers";
    for rules in [
        rules().unseen_of("area", Unseen::Error),
        rules().missing_category_of("area", MissingCategory::MostFrequent),
        rules().limit_categories_of("area", 3),
    ] {
        fails(rules.fit(&streets()), numbers, help);
    }
    fails(
        rules().clip_outliers_of("street", Outliers::Iqr(1.5)).fit(&streets()),
        "fit: column `street` has categories, which are neither scaled nor imputed",
        "",
    );
    let missing = "table.drop_missing(&[\"street\"]) leaves out such rows";
    fails(
        rules().missing_category_of("street", MissingCategory::Error).fit(&streets()),
        "fit: column `street` has no value in row 2",
        missing,
    );
    for (outliers, shown) in [
        (Outliers::Iqr(-1.0), "Iqr(-1.0)"),
        (Outliers::Sigmas(f64::NAN), "Sigmas(NaN)"),
        (Outliers::Quantiles { low: 0.9, high: 0.1 }, "Quantiles { low: 0.9, high: 0.1 }"),
    ] {
        fails(
            rules().clip_outliers(outliers).fit(&streets()),
            &format!("fit: the bounds of outliers in column `area` are {shown}"),
            "a factor is positive, and quantiles lie between 0 and 1, the lower one first",
        );
    }
    fails(
        rules().encode(Encoding::Hashing { features: 0 }).fit(&streets()),
        "fit: hashing into 0 features, expected 1 to 65536",
        "",
    );
    fails(
        rules().encode(Encoding::Target(Smoothing::Rows(-1.0))).fit(&streets()),
        "fit: smoothing by -1 rows, expected a number from 0 on",
        "",
    );
    fails(
        Preprocessor::unsupervised().encode(Encoding::Target(Smoothing::Auto)).fit(&streets()),
        "fit: column `street` is to be encoded by the target, and there is none",
        "",
    );
    fails(
        rules().ordinal("street", &["a", "c"]).fit(&streets()),
        "fit: column `street` has `b`, which its order does not have",
        "the order is `a`, `c`",
    );
    fails(
        rules().ordinal("street", &["a", "a"]).fit(&streets()),
        "fit: the order of column `street` has `a` twice",
        "",
    );
    let encode = rules().encode(Encoding::Target(Smoothing::Auto));
    fails(
        encode.fit_transform(&streets(), &KFold::new(9)),
        "KFold: k is 9, more than the 4 rows there are",
        "every fold needs a row to test on",
    );
    fails(
        encode.clone().encode_of("price", Encoding::Ordinal).fit(&streets()),
        "fit: `price` is the target, a rule names it as a feature",
        "the target is no feature in any case: leave it out of the rule; target_scaling() scales it",
    );
    fails(
        rules().scaling(Scaling::BoxCox).fit(&streets().map("area", |x| x.number().map(|x| x - 2.0))?),
        "fit: column `area` has -1, and the powers of Box and Cox are of positive numbers; Scaling::YeoJohnson takes all",
        "",
    );
    let log = rules().scaling(Scaling::Log).ignore(&["street"]).fit(&streets())?;
    fails(
        log.transform_features(&one("area", [1.0, 0.0])),
        "transform_features: column `area` is 0e0 in row 1, only positive numbers have a logarithm",
        "",
    );
    Ok(())
}

#[test]
fn categories_that_are_unseen_rare_or_missing() -> Result<()> {
    let rules = Preprocessor::regression("price").ignore(&["area"]).scaling(Scaling::None);
    let encoded = |rules: &demotic::data::PreprocessorBuilder, street: Column| -> Result<Vec<f64>> {
        Ok(rules.fit(&streets())?.transform_features(&one("street", street))?.to_f64_vec())
    };
    let some = || Column::from(vec![Some("a"), Some("z"), None]);
    // a, b, and a missing one.
    assert_eq!(encoded(&rules, some())?, [1., 0., 0., 0., 0., 0., 0., 0., 1.]);
    assert_eq!(encoded(&rules.clone().encode(Encoding::Ordinal), some())?, [0., -1., 2.]);
    assert_eq!(encoded(&rules.clone().encode(Encoding::Frequency), some())?, [0.5, 0.0, 0.25]);
    assert_eq!(encoded(&rules.clone().encode(Encoding::Target(Smoothing::Rows(0.0))), some())?, [35.0, 30.0, 30.0]);
    // What is not known may be one of the rare ones.
    let rare = rules.clone().min_frequency(2).unseen(Unseen::Rare);
    assert_eq!(rare.fit(&streets())?.feature_names(), ["street=a", "street=(rare)", "street=(missing)"]);
    assert_eq!(encoded(&rare, some())?, [1., 0., 0., 0., 1., 0., 0., 0., 1.]);
    // Numbers that categories became are scaled as others are.
    let scaled = rules.clone().encode_of("street", Encoding::Frequency).scaling_of("street", Scaling::MinMax);
    assert_eq!(encoded(&scaled, some())?, [1.0, -1.0, 0.0]);
    fails(
        rules
            .clone()
            .unseen_of("street", Unseen::Error)
            .encode(Encoding::Ordinal)
            .fit(&streets())?
            .transform_features(&one("street", some())),
        "transform_features: column `street` has `z` in row 1, which did not occur when fitting",
        "known are `a`, `b`; Unseen::Zeros allows others",
    );
    // In place of a missing one; marked, and not.
    let fill = rules.clone().missing_category(MissingCategory::Constant("b".into()));
    assert_eq!(encoded(&fill, some())?, [1., 0., 0., 0., 0., 1.]);
    assert_eq!(encoded(&fill.missing_indicators(true).encode(Encoding::Ordinal), some())?, [0., 0., -1., 0., 1., 1.]);
    // Ordinal codes come back, means do not.
    let prep = rules.clone().ordinal("street", &["b", "a"]).fit(&streets())?;
    let back = prep.inverse_features(&tensor![[0.1], [0.9], [-1.0]])?;
    assert_eq!(back.column("street")?.texts().unwrap().collect::<Vec<_>>(), [Some("b"), Some("a"), None]);
    let prep = rules.encode(Encoding::Frequency).fit(&streets())?;
    assert_eq!(prep.inverse_features(&tensor![[0.5]])?.column("street")?.num_missing(), 1);
    // Of columns with many names, too.
    let names: Vec<String> = (0..500).map(|i| format!("{:b}", i + 1).replace('0', "x").replace('1', "y")).collect();
    let many = one("user", names).with_column("y", (0..500).map(f64::from).collect::<Column>())?;
    fails(
        Preprocessor::fit(&many, "y"),
        "fit: column `user` has 500 categories, more than 256",
        "leave the column out with ignore(&[\"user\"]), or raise max_categories",
    );
    for encoding in [Encoding::Frequency, Encoding::Target(Smoothing::Auto), Encoding::Ordinal] {
        assert_eq!(Preprocessor::regression("y").encode(encoding).fit(&many)?.num_features(), 1);
    }
    assert_eq!(Preprocessor::regression("y").encode(Encoding::Hashing { features: 8 }).fit(&many)?.num_features(), 8);
    assert_eq!(Preprocessor::regression("y").limit_categories(5).fit(&many)?.num_features(), 5);
    Ok(())
}

/// With one row for each category, a mean of the target is the target. Other folds know nothing of it.
#[test]
fn encoding_by_the_target_does_not_leak() -> Result<()> {
    let n = 60;
    let mut rng = Rng::seed(5);
    let y: Vec<f64> = (0..n).map(|_| rng.normal()).collect();
    let train = one("id", (0..n).map(|i| format!("n{i}")).collect::<Vec<_>>()).with_column("y", y.clone())?;
    let rules =
        Preprocessor::regression("y").encode_of("id", Encoding::Target(Smoothing::Rows(0.0))).scaling(Scaling::None);
    let leaking = rules.fit(&train)?;
    let x = leaking.transform(&train)?.x().to_f64_vec();
    assert!(x.iter().zip(&y).all(|(x, y)| (x - y).abs() < 1e-6));
    assert_eq!(
        leaking.notes(),
        [
            "`id` is encoded by the target of the same rows: fit_transform() makes the features of the training part from other rows"
        ]
    );
    let (prep, data) = rules.fit_transform(&train, &KFold::new(5).shuffle(&mut rng))?;
    // One number for each fold: the mean of the others.
    let mut x: Vec<i64> = data.x().to_f64_vec().iter().map(|x| (x * 1e6) as i64).collect();
    x.sort_unstable();
    x.dedup();
    assert!(x.len() <= 5, "{x:?}");
    assert!(prep.notes().is_empty());
    Ok(())
}

#[test]
fn two_classes() -> Result<()> {
    let table = one("x", [1.0, 2.0, 3.0, 4.0]).with_column("sick", vec!["no", "yes", "yes", "no"])?;
    let prep = Preprocessor::binary("sick").fit(&table)?;
    let y = prep.transform(&table)?.y().clone();
    assert_eq!((y.shape(), y.dtype(), y.to_vec::<f32>()?), (&[4, 1][..], DType::F32, vec![0.0, 1.0, 1.0, 0.0]));
    assert_eq!(prep.classes(), Some(&["no", "yes"].map(String::from)[..]));
    assert_eq!(prep.inverse(&tensor![0.2, 0.8])?.column("sick")?, &Column::from(["no", "yes"]));
    let other = Preprocessor::binary("sick").positive("no").fit(&table)?;
    assert_eq!(other.transform(&table)?.y().to_vec::<f32>()?, [1.0, 0.0, 0.0, 1.0]);
    let numbers = table.clone().with_column("sick", [0.0, 1.0, 1.0, 0.0])?;
    let back = Preprocessor::binary("sick").fit(&numbers)?.inverse(&tensor![[1.0], [0.0]])?;
    assert_eq!(back.column("sick")?.numbers(), Some(&[1.0, 0.0][..]));
    fails(
        Preprocessor::binary("x").fit(&table),
        "fit: the target `x` has 4 classes, expected 2: `1`, `2`, `3`, `4`",
        "Preprocessor::classification(\"x\") takes any number of them",
    );
    fails(
        Preprocessor::binary("sick").fit(&table.rows(&[0, 3])?),
        "fit: the target `sick` has a single class, `no`",
        "",
    );
    fails(
        Preprocessor::binary("sick").positive("maybe").fit(&table),
        "fit: the target `sick` has no class `maybe` to be the positive one",
        "the classes are `no`, `yes`",
    );
    fails(prep.inverse(&Tensor::zeros([2, 2])?), "inverse: the target has shape [2, 2], expected [n, 1] or [n]", "");
    fails(
        prep.inverse_target(&tensor![0.5]),
        "inverse_target: the target is a class, not a number",
        "class_names() turns class numbers into names",
    );
    let three = Preprocessor::classification("x").fit(&table)?;
    fails(
        three.inverse(&Tensor::zeros([2, 4])?),
        "inverse: the target has shape [2, 4], expected [n] class numbers",
        "logits.argmax(-1) gives the number of the likeliest class",
    );
    assert_eq!(three.inverse(&Tensor::from_slice(&[3i64, 0], [2])?)?.column("x")?.numbers(), Some(&[4.0, 1.0][..]));
    fails(three.inverse(&Tensor::from_slice(&[4i64], [1])?), "class_names: class 4, there are 4 classes", "");
    Ok(())
}

#[test]
fn several_labels() -> Result<()> {
    let table = one("x", [1.0, 2.0, 3.0])
        .with_column("rain", [0.0, 1.0, 1.0])?
        .with_column("wind", [1.0, 1.0, 0.0])?
        .with_column("tags", vec![Some("red; round"), None, Some("red;;large ")])?;
    let prep = Preprocessor::multi_label(&["wind", "rain"]).ignore(&["tags"]).fit(&table)?;
    assert_eq!((prep.target_name(), prep.target_names()), (None, vec!["wind", "rain"]));
    let y = prep.transform(&table)?.y().clone();
    assert_eq!((y.shape(), y.to_vec::<f32>()?), (&[3, 2][..], vec![1.0, 0.0, 1.0, 1.0, 0.0, 1.0]));
    assert_eq!(prep.inverse(&y)?, table.select(&["wind", "rain"])?);
    fails(prep.inverse(&tensor![1.0]), "inverse: the target has shape [1], expected [n, 2]", "");
    fails(
        prep.inverse_target(&tensor![1.0]),
        "inverse_target: the target is labels, not a number",
        "inverse() gives their columns",
    );
    let lists = Preprocessor::label_lists("tags", ";").ignore(&["rain", "wind"]).fit(&table)?;
    assert_eq!(lists.labels(), Some(&["large", "red", "round"].map(String::from)[..]));
    let back = lists.inverse(lists.transform(&table)?.y())?;
    let tags: Vec<Option<&str>> = back.column("tags")?.texts().unwrap().collect();
    assert_eq!(tags, [Some("red;round"), None, Some("large;red")]);

    let new = table.clone().with_column("tags", vec!["red", "blue", ""])?;
    assert_eq!(lists.transform(&new)?.y().to_vec::<f32>()?, [0., 1., 0., 0., 0., 0., 0., 0., 0.]);
    let strict = Preprocessor::label_lists("tags", ";").unseen(Unseen::Error).fit(&table)?;
    fails(
        strict.transform(&new),
        "transform: the target `tags` has `blue` in row 1, which did not occur when fitting",
        "the labels are `large`, `red`, `round`; Unseen::Zeros passes over others",
    );
    fails(
        Preprocessor::multi_label(&["rain", "x"]).fit(&table),
        "fit: the label `x` is `2` in row 1, expected 0 or 1",
        "table.map(\"x\", |value| ..) makes zeros and ones of other marks",
    );
    fails(
        Preprocessor::multi_label(&["rain"]).fit(&table.clone().with_column("rain", [0.0, f64::NAN, 1.0])?),
        "fit: column `rain` has no value in row 1",
        "table.drop_missing(&[\"rain\"]) leaves out such rows",
    );
    fails(Preprocessor::multi_label(&["rain", "rain"]).fit(&table), "fit: the label `rain` is named twice", "");
    fails(Preprocessor::multi_label::<&str>(&[]).fit(&table), "fit: no labels are named", "");
    fails(Preprocessor::label_lists("tags", "").fit(&table), "fit: nothing separates the labels of a list", "");
    let empty = table.clone().with_column("tags", vec![None::<&str>; 3])?;
    fails(Preprocessor::label_lists("tags", ";").fit(&empty), "fit: the target `tags` has no labels at all", "");
    fails(
        Preprocessor::label_lists("tags", ";").max_categories(2).fit(&table),
        "fit: the target `tags` has 3 labels, more than 2",
        "raise max_categories if there are so many",
    );
    let never = table.with_column("rain", [0.0; 3])?;
    let prep = Preprocessor::multi_label(&["rain", "wind"]).ignore(&["tags"]).fit(&never)?;
    assert_eq!(prep.notes(), ["the target `rain` is 0 in every row: there is nothing to learn from it"]);
    Ok(())
}

#[test]
fn targets_of_very_different_sizes() -> Result<()> {
    let prices = [1.0, 10.0, 100.0, 1000.0];
    let table = one("x", [1.0, 2.0, 3.0, 4.0]).with_column("price", prices)?;
    for scaling in [Scaling::Log, Scaling::Log1p, Scaling::BoxCox, Scaling::QuantileNormal, Scaling::Robust] {
        let prep = Preprocessor::regression("price").target_scaling(scaling).fit(&table)?;
        let y = prep.transform(&table)?.y().clone();
        let back = prep.inverse_target(&y)?;
        assert_eq!((back.shape(), back.dtype()), (&[4, 1][..], DType::F32));
        for (a, b) in back.to_f64_vec().iter().zip(prices) {
            assert!((a / b - 1.0).abs() < 1e-4, "{scaling:?}: {a} {b}");
        }
    }
    // The logarithms are as far apart as each other.
    let prep = Preprocessor::regression("price").target_scaling(Scaling::Log).fit(&table)?;
    let y = prep.transform(&table)?.y().to_f64_vec();
    assert!((y[1] - y[0] - (y[3] - y[2])).abs() < 1e-6 && y.iter().sum::<f64>().abs() < 1e-6);
    // A loss in the target's own units has gradients.
    let scaled = Tensor::from_slice(&[0.0f32, 1.0], [2, 1])?.tracked()?;
    let gradients = prep.inverse_target(&scaled)?.sum().backward()?;
    assert!(gradients.get(&scaled).is_some_and(|g| g.to_f64_vec().iter().all(|g| *g > 0.0)));
    fails(
        Preprocessor::regression("price")
            .target_scaling(Scaling::Log)
            .fit(&table.clone().with_column("price", [1.0, 0.0, 2.0, 3.0])?),
        "fit: column `price` has 0, and only positive numbers have a logarithm",
        "",
    );
    fails(
        prep.transform(&table.with_column("price", [1.0, -1.0, 2.0, 3.0])?),
        "transform: the target `price` is -1e0 in row 1, only positive numbers have a logarithm",
        "",
    );
    Ok(())
}

#[test]
fn targets_of_which_nothing_can_be_learnt() -> Result<()> {
    let table = |y: Column| one("x", [1.0, 2.0, 3.0]).with_column("y", y);
    let absent = "fit: the target `y` has no values at all";
    let help = "a row without a target teaches nothing; describe() counts them";
    for empty in [Column::from(vec![f64::NAN; 3]), Column::from(vec![None::<&str>; 3])] {
        fails(Preprocessor::classification("y").fit(&table(empty.clone())?), absent, help);
        fails(Preprocessor::fit(&table(empty)?, "y"), absent, help);
    }
    let constant = Preprocessor::fit(&table(Column::from([5.0; 3]))?, "y")?;
    assert_eq!(constant.notes(), ["the target `y` is 5 in every row: there is nothing to learn from it"]);
    assert_eq!(constant.transform(&table(Column::from([5.0; 3]))?)?.y().to_vec::<f32>()?, [0.0; 3]);
    fails(Preprocessor::fit(&table(Column::from(["a"; 3]))?, "y"), "fit: the target `y` has a single class, `a`", "");
    fails(
        table(Column::from(["a", "b", "a"]))?.split_stratified(0.5, "y", &mut Rng::seed(0)),
        "split_stratified: `b` in column `y` occurs in one row only, which cannot be on both sides",
        "leave that row out, or use split()",
    );
    Ok(())
}

#[test]
fn rows_must_have_the_columns_of_training() -> Result<()> {
    let train = streets().with_column("id", [7.0, 8.0, 9.0, 5.0])?;
    let prep = Preprocessor::regression("price").ignore(&["id"]).fit(&train)?;
    prep.check_columns(&train)?;
    prep.check_columns(&train.drop(&["id", "price"])?)?;
    fails(
        prep.check_columns(&train.drop(&["area"])?),
        "check_columns: the table has no column `area`",
        "the columns are street, price, id",
    );
    fails(
        prep.check_columns(&train.clone().with_column("colour", [1.0; 4])?),
        "check_columns: column `colour` was not there when fitting",
        "the features are street, area",
    );
    fails(
        prep.check_columns(&train.clone().with_column("area", ["large"; 4])?),
        "check_columns: column `area` has texts (`large` in row 0), it had numbers when fitting",
        "give a number, or read the text with the CsvOptions of the table that was fitted",
    );
    fails(
        prep.check_columns(&train.clone().with_column("street", [1.0; 4])?),
        "check_columns: column `street` has numbers, it had texts when fitting",
        "read the file with CsvOptions::new().text(&[\"street\"])",
    );
    let data = prep.transform(&train)?;
    let pipeline = Pipeline::new(prep, LinearRegression::fit(data.x(), data.y())?)?;
    let row = [("street", "a".into()), ("area", 2.0.into())];
    let price = pipeline.predict_row(&row)?;
    // What is known not to matter may be there.
    let more = [row[0], row[1], ("id", 1.0.into()), ("price", 0.0.into())];
    assert_eq!(pipeline.predict_row(&more)?, price);
    fails(
        pipeline.predict_row(&[row[0], row[1], ("colour", "red".into())]),
        "transform_features: column `colour` was not there when fitting",
        "the features are street, area",
    );
    fails(
        pipeline.predict_row(&row[..1]),
        "transform_features: the table has no column `area`",
        "the columns are street",
    );
    fails(
        pipeline.predict_row(&[("Street", "a".into()), row[1]]),
        "transform_features: column `Street` was not there when fitting",
        "did you mean `street`? the features are street, area",
    );
    let to_classes = "predict() gives numbers; Preprocessor::classification(target) makes classes of them";
    // What the target is, is said before what the row lacks.
    fails(pipeline.classify_row(&[]), "classify_row: the target is a number, not a class", to_classes);
    fails(
        pipeline.predict_row(&[row[0], ("area", "large".into())]),
        "transform_features: column `area` has texts (`large` in row 0), it had numbers when fitting",
        "give a number, or read the text with the CsvOptions of the table that was fitted",
    );
    Ok(())
}

const CARS: &str = "\
id;sold;fuel;doors;km;price;sick;tags
0017;24.03.2023;petrol;02;84.000 km;7.450,50 €;no;red
0018;02.05.2023;diesel;04;121.500 km;6.900 €;yes;red, old
0021;17.05.2023;petrol;04;?;9.990 €;no;
0022;30.06.2024;electric;02;12.000 km;24.300 €;yes;old
";

fn cars() -> CsvOptions {
    CsvOptions::new()
        .delimiter(';')
        .decimal_comma()
        .thousands('.')
        .strip(["€", "km"])
        .also_missing(["?"])
        .text(["id", "doors"])
        .number(["price"])
        .column("sold", ColumnOptions::new().date("%d.%m.%Y").parts([DatePart::Year]).cycles([DatePart::Month]))
}

fn saved(pipeline: &Pipeline) -> Result<Pipeline> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    pipeline.save(&path)?;
    Pipeline::open(&path)
}

/// A model of any kind of target, the rows as they stand in the file and as the table has them.
#[test]
fn pipelines_read_what_the_file_of_training_had() -> Result<()> {
    let folder = tempfile::tempdir().unwrap();
    let table = read(&cars(), CARS)?;
    let mut rng = Rng::seed(2);
    let ignored = ["id", "sick", "tags", "price"];
    let rest = |target: &str| ignored.iter().copied().filter(|name| *name != target).collect::<Vec<_>>();
    let put = |prep: Preprocessor, outputs: usize, rng: &mut Rng| -> Result<Pipeline> {
        let model = Mlp::new(&[prep.num_features(), 4, outputs], rng)?;
        Ok(Pipeline::new(prep, model)?.with_csv(cars()))
    };
    let row =
        [("sold", "17.05.2023".into()), ("fuel", "petrol".into()), ("doors", "04".into()), ("km", "121.500 km".into())];
    // The same row in a file without the columns that were ignored, and without the target.
    let path = folder.path().join("new.csv");
    std::fs::write(&path, "sold;fuel;doors;km\n17.05.2023;petrol;04;121.500 km\n").unwrap();
    let same = table.rows(&[2])?.with_column("km", [121_500.0])?;

    let prep = Preprocessor::regression("price").ignore(&rest("price")).fit(&table)?;
    assert_eq!(
        prep.feature_names()[..3],
        ["sold_year", "sold_month_sin", "sold_month_cos"],
        "{:?}",
        prep.feature_names()
    );
    let prices = saved(&put(prep, 1, &mut rng)?)?;
    let price = prices.predict(&same)?;
    assert_eq!(prices.predict_row(&row)?, price[0]);
    assert_eq!(prices.predict_csv(&path)?, price);
    // Numbers as numbers, and the parts of a date.
    let parts = [
        ("sold_year", 2023.into()),
        ("sold_month_sin", same.column("sold_month_sin")?.get(0).unwrap()),
        ("sold_month_cos", same.column("sold_month_cos")?.get(0).unwrap()),
        ("fuel", "petrol".into()),
        ("doors", "04".into()),
        ("km", 121_500.0.into()),
    ];
    assert_eq!(prices.predict_row(&parts)?, price[0]);
    fails(
        prices.predict_row(&[("sold", "2023-05-17".into())]),
        "predict_row: column `sold` has `2023-05-17`, which is no date in the format `%d.%m.%Y`",
        "the format `iso` suits it",
    );
    fails(
        prices.predict_row(&[("price", "dear".into())]),
        "predict_row: column `price` has `dear`, which is no number",
        "CsvOptions::missing names what stands for a missing value; strip, decimal_comma and thousands say how numbers are written",
    );
    fails(
        prices.predict_row(&[row[0], row[1], row[2], ("km", "far".into())]),
        "transform_features: column `km` has texts (`far` in row 0), it had numbers when fitting",
        "give a number, or read the text with the CsvOptions of the table that was fitted",
    );
    assert!(prices.predict_row(&[row[0], row[1], row[2], ("km", "?".into())])?.is_finite());
    // What was never there is told, a number in place of a text as well.
    let strange = [row[0], ("fuel", "Petrol".into()), ("doors", 5.0.into()), row[3]];
    assert_eq!(
        prices.unseen_row(&strange)?,
        [
            "`fuel` has `Petrol`, which did not occur when fitting: did you mean `petrol`?",
            "`doors` has `5`, which did not occur when fitting: known are `02`, `04`"
        ]
    );
    assert!(prices.unseen_row(&row)?.is_empty() && prices.preprocessor().unseen(&same).is_empty());
    // Columns are named as they are in the file, not by what they become.
    fails(
        prices.predict_row(&row[1..]),
        "transform_features: the table has no column `sold`",
        "the columns are fuel, doors, km",
    );
    fails(
        prices.predict_row(&[("Sold", "x".into()), row[1], row[2], row[3]]),
        "transform_features: column `Sold` was not there when fitting",
        "did you mean `sold`? the features are sold, fuel, doors, km",
    );
    fails(
        prices.label(&same),
        "label: the target is not labels",
        "predict() gives numbers, classify() classes; Preprocessor::multi_label(&targets) makes labels",
    );
    // A column that is needed is missed, by its name in the file.
    let short = folder.path().join("short.csv");
    std::fs::write(&short, "fuel;doors;km\npetrol;04;121.500 km\n").unwrap();
    let e = prices.predict_csv(&short).unwrap_err();
    assert_eq!(e.message(), "read_csv: the table has no column `sold`");

    let prep = Preprocessor::binary("sick").ignore(&rest("sick")).fit(&table)?;
    let sick = saved(&put(prep, 1, &mut rng)?)?;
    let found = sick.classify(&same)?;
    assert_eq!(sick.classify_row(&row)?, found[0]);
    assert_eq!(sick.classify_csv(&path)?, found);
    assert!((found[0].probability_of("yes").unwrap() + found[0].probability_of("no").unwrap() - 1.0).abs() < 1e-12);
    fails(sick.predict(&same), "predict: the target is a class, not a number", "classify() names the classes");
    fails(
        sick.predict_row(&row[1..]),
        "predict_row: the target is a class, not a number",
        "classify_row() names the classes",
    );

    let prep = Preprocessor::label_lists("tags", ",").ignore(&rest("tags")).fit(&table)?;
    let tags = saved(&put(prep, 2, &mut rng)?)?;
    let found = tags.label(&same)?;
    assert_eq!(tags.label_row(&row)?, found[0]);
    assert_eq!(tags.label_csv(&path)?, found);
    assert_eq!(found[0].probabilities().map(|(name, _)| name).collect::<Vec<_>>(), ["old", "red"]);
    let above = found[0].labels_above(0.0);
    assert_eq!((above, found[0].probability_of("blue")), (vec!["old", "red"], None));
    fails(tags.predict(&same), "predict: the target is labels, not a number", "label() names the labels");
    fails(
        tags.classify(&same),
        "classify: the target is labels, not a class",
        "predict() gives numbers; Preprocessor::classification(target) makes classes of them",
    );
    let wrong = Mlp::new(&[tags.preprocessor().num_features(), 3], &mut rng)?;
    fails(
        Pipeline::new(tags.preprocessor().clone(), wrong),
        "Pipeline::new: the model gives [1, 3], expected [n, 2]: a logit for each label",
        "",
    );
    Ok(())
}

/// What earlier versions wrote opens as it did.
#[test]
fn preprocessors_of_before() -> Result<()> {
    let json = r#"{"features":[
        {"Number":{"column":"area","scaler":{"center":3.0,"center_low":0.0,"scale":2.0,"offset":0.0,"clip":null},"fill":2.0,"fill_low":0.0,"indicator":true}},
        {"Category":{"column":"kind","categories":["flat","house"],"numeric":false,"missing":true,"drop_first":false,"unseen":"Zeros"}}],
        "target":{"Class":{"column":"y","classes":["a","b"]}}}"#;
    let prep = Preprocessor::from_json(json)?;
    let table = Table::from_columns([
        ("area", Column::from([5.0, f64::NAN])),
        ("kind", Column::from(vec![Some("house"), None])),
        ("y", Column::from(["b", "a"])),
        ("other", Column::from([1.0, 2.0])),
    ])?;
    let data = prep.transform(&table)?;
    assert_eq!(data.x().to_vec::<f32>()?, [1.0, 0.0, 0.0, 1.0, 0.0, -0.5, 1.0, 0.0, 0.0, 1.0]);
    assert_eq!(data.y().to_vec::<i64>()?, [1, 0]);
    // Which columns were ignored is not known, so any may be.
    prep.check_columns(&table)?;
    assert_eq!(prep.inverse(data.y())?.column("y")?, table.column("y")?);
    // What is new is only written where it is needed.
    let plain = serde_json::from_str::<serde_json::Value>(json).unwrap();
    let again = serde_json::from_str::<serde_json::Value>(&prep.to_json()?).unwrap();
    assert_eq!(again["features"], plain["features"]);
    let number = r#"{"features":[{"Number":{"column":"a","scaler":{"center":0.0,"scale":1.0},"fill":null,"indicator":false}}],"target":{"Number":{"column":"y","scaler":{"center":5.0,"scale":2.0}}}}"#;
    let prep = Preprocessor::from_json(number)?;
    assert_eq!(prep.inverse_target(&tensor![1.0])?.to_vec::<f32>()?, [7.0]);
    Ok(())
}

/// All kinds of features and targets.
fn preprocessors() -> Result<Vec<(Preprocessor, Table)>> {
    let table = streets().with_column("more", [1.0, 2.0, 2.0, 7.0])?.with_column("tag", ["p;q", "q", "", "p"])?;
    let scalings = [Scaling::Standard, Scaling::QuantileNormal, Scaling::YeoJohnson, Scaling::Log1p, Scaling::BoxCox];
    let encodings = [
        Encoding::OneHot,
        Encoding::Ordinal,
        Encoding::Hashing { features: 5 },
        Encoding::Target(Smoothing::Auto),
        Encoding::Frequency,
    ];
    let targets = [
        Preprocessor::regression("price"),
        Preprocessor::classification("more"),
        Preprocessor::binary("tag2"),
        Preprocessor::label_lists("tag", ";"),
    ];
    let table = table.with_column("tag2", ["a", "b", "b", "a"])?;
    let mut all = Vec::new();
    for (i, target) in targets.into_iter().enumerate() {
        for (scaling, encoding) in scalings.into_iter().zip(encodings) {
            let rules =
                target.clone().scaling(scaling).target_scaling(scaling).encode(encoding).missing_indicators(true);
            let rules =
                if i % 2 == 0 { rules.missing_category(MissingCategory::MostFrequent) } else { rules.min_frequency(2) };
            all.push((rules.clip_outliers(Outliers::Iqr(0.1)).fit(&table)?, table.clone()));
        }
    }
    Ok(all)
}

/// Numbers, lists and texts of a file changed at random: whatever is still a preprocessor, nothing panics.
#[test]
fn damaged_preprocessors_are_errors() -> Result<()> {
    use serde_json::Value as Json;

    /// Changes what is in place `at`, counted from the top.
    fn damage(json: &mut Json, at: &mut usize, how: usize) {
        if *at == 0 {
            let numbers = [-1.0, 0.0, 0.5, 1e300, 7.0];
            *json = match (&*json, how % 4) {
                (Json::Array(list), 0) => Json::Array(list[..list.len() / 2].to_vec()),
                (Json::Array(list), 1) => Json::Array([list.as_slice(), list].concat()),
                (Json::Array(list), 2) => Json::Array(list.iter().rev().cloned().collect()),
                (Json::Number(_), 0) => Json::from(u64::MAX >> how),
                (Json::Number(_), _) => Json::from(numbers[how % 5]),
                (Json::Bool(x), _) => Json::from(!x),
                (Json::String(_), _) => Json::from(["", "a", "b", "Zeros"][how % 4]),
                (Json::Null, _) => Json::from(how),
                (json, _) => (*json).clone(),
            };
        }
        *at = at.wrapping_sub(1);
        match json {
            Json::Array(list) => list.iter_mut().for_each(|json| damage(json, at, how)),
            Json::Object(map) => map.values_mut().for_each(|json| damage(json, at, how)),
            _ => {}
        }
    }
    let (mut alive, mut rng) = (0, Rng::seed(9));
    for (prep, table) in preprocessors()? {
        let json: Json = serde_json::from_str(&prep.to_json()?).unwrap();
        for place in 0..120 {
            let mut damaged = json.clone();
            damage(&mut damaged, &mut { place }, rng.below(20));
            let Ok(prep) = Preprocessor::from_json(&damaged.to_string()) else { continue };
            alive += 1;
            let _ = (prep.feature_names(), prep.check_columns(&table), prep.notes());
            let _ = prep.transform_features(&table).and_then(|x| prep.inverse_features(&x));
            let _ = prep.transform(&table).and_then(|data| prep.inverse(data.y()));
            let _ = prep.inverse_features(&Tensor::zeros([2, prep.num_features()])?);
        }
    }
    assert!(alive > 1000, "{alive}");
    let huge = r#"{"features":[{"Hashed":{"column":"a","features":99999999999}}],"target":null}"#;
    let e = Preprocessor::from_json(huge).unwrap_err();
    assert!(e.message().contains("hashing into 99999999999 features, expected 1 to 65536"), "{e}");
    Ok(())
}

/// A class that one of the labels or of the strata lacks, columns without values, numbers at both ends: errors, never panics.
#[test]
fn nothing_panics_with_any_rules() {
    let scalings = [
        Scaling::Standard,
        Scaling::Robust,
        Scaling::MaxAbs,
        Scaling::QuantileUniform,
        Scaling::QuantileNormal,
        Scaling::YeoJohnson,
        Scaling::BoxCox,
        Scaling::Log,
        Scaling::Log1p,
    ];
    let encodings = [
        Encoding::OneHot,
        Encoding::Ordinal,
        Encoding::Frequency,
        Encoding::Hashing { features: 3 },
        Encoding::Target(Smoothing::Auto),
        Encoding::Target(Smoothing::Rows(0.0)),
    ];
    let columns = [
        Column::from([1.0, 2.0, 3.0]),
        Column::from([f64::MAX, -f64::MAX, 0.0]),
        Column::from([1e-300, 2e-300, f64::NAN]),
        Column::from([5.0; 3]),
        Column::from([f64::NAN; 3]),
        Column::from([f64::INFINITY, 0.0, 1.0]),
        Column::from(vec![i64::MAX, i64::MAX - 1, i64::MIN]),
        Column::from(vec![Some("a"), None, Some("")]),
        Column::from(vec![None::<&str>; 3]),
    ];
    let mut fitted = 0;
    for x in &columns {
        for y in &columns {
            let table =
                one("x", x.clone()).with_column("y", y.clone()).unwrap().with_column("z", ["p", "q", "p"]).unwrap();
            for (i, scaling) in scalings.into_iter().enumerate() {
                // Each with each over the columns, not for each pair of columns.
                for encoding in [encodings[i % 6], encodings[(i + 3 + x.num_missing()) % 6]] {
                    for rules in [
                        Preprocessor::regression("y"),
                        Preprocessor::classification("y"),
                        Preprocessor::binary("y"),
                        Preprocessor::multi_label(&["y"]),
                        Preprocessor::label_lists("y", ","),
                    ] {
                        let rules = rules
                            .scaling(scaling)
                            .target_scaling(scaling)
                            .encode(encoding)
                            .clip_outliers(Outliers::Sigmas(1.0))
                            .impute(Impute::MostFrequent);
                        let Ok((prep, data)) = rules.fit_transform(&table, &KFold::new(2)) else { continue };
                        fitted += 1;
                        assert_eq!(data.len(), 3);
                        let x = prep.transform_features(&table).unwrap();
                        assert!(x.to_f64_vec().iter().all(|x| x.is_finite()));
                        prep.inverse_features(&x).unwrap();
                        prep.inverse(data.y()).unwrap();
                        assert_eq!(Preprocessor::from_json(&prep.to_json().unwrap()).unwrap(), prep);
                    }
                }
            }
        }
    }
    assert!(fitted > 1000, "{fitted}");
}
