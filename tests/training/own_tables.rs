//! Tables of one's own: hostile files, other spellings, columns that are not what they seem, sizes that no memory holds.

use demotic::data::{Column, ColumnKind, ColumnOptions, CsvOptions, DatePart, NextTokens, Padding, Unseen};
use demotic::prelude::*;
use demotic::{tensor, text::TokenStream};
use proptest::prelude::{Just, Strategy, any, prop, prop_assert, prop_assert_eq, prop_oneof, proptest};

fn read(text: &str) -> Result<Table> {
    CsvOptions::new().read_from(text.as_bytes())
}

#[track_caller]
fn fails<T>(result: Result<T>, message: &str, help: &str) {
    let Err(e) = result else { panic!("there is no error") };
    assert_eq!((e.message().as_str(), e.help().unwrap_or_default()), (message, help));
    assert!(e.to_string().contains("tests/training/own_tables.rs"), "not the caller's line: {e}");
}

/// Units of one quantity in a column: each becomes what it is in the other, in files, rows and saved options; without a note.
#[test]
fn units_are_converted() -> Result<()> {
    let file = "weight;share;price;y\n152,5 g;12 %;€ 12;1\n0,1242 kg;8,5 %;1,5 k€;2\n-kg 2;100 %;-€5;3\n7;%50;;4\n";
    let options = CsvOptions::new().delimiter(';').decimal_comma().strip(["g", "€"]).unit("kg", 1000.0);
    let options = options.unit("%", 0.01).column("price", ColumnOptions::new().unit("k", 1000.0));
    let (table, report) = options.read_from_with_report(file.as_bytes())?;
    assert_eq!(table.column("weight")?.numbers(), Some(&[152.5, 124.2, -2000.0, 7.0][..]));
    assert_eq!(table.column("share")?.numbers(), Some(&[0.12, 0.085, 1.0, 0.5][..]));
    assert_eq!(table.column("price")?.numbers().map(|prices| &prices[..3]), Some(&[12.0, 1500.0, -5.0][..]));
    assert_eq!(report.notes, [""; 0]);
    assert_eq!(Preprocessor::fit(&table, "y")?.notes(), [""; 0]);

    // What is said of a column goes before what is said of all; what is only stripped is noted beside others of its kind.
    let pounds = ColumnOptions::new().unit("lb", 500.0);
    let options_of = |text: &str, options: CsvOptions| options.read_from_with_report(text.as_bytes());
    let all = CsvOptions::new().unit("lb", 453.59237).column("old", pounds);
    let (table, _) = options_of("old,new\n2 lb,2 lb\n", all)?;
    assert_eq!(
        [table.column("old")?.numbers(), table.column("new")?.numbers()],
        [Some(&[1000.0][..]), Some(&[907.18474][..])]
    );
    let (_, report) = options_of("w\n1 kg\n1 g\n1 mg\n", CsvOptions::new().strip(["g", "mg"]).unit("kg", 1000.0))?;
    assert!(
        matches!(report.notes.as_slice(), [one] if one.starts_with("`w` had numbers with different units, `g`, `mg`, "))
    );

    // Rows of a pipeline are read in the same way, also by another program.
    let data = Preprocessor::regression("y").ignore(&["share", "price"]).fit(&options.read_from(file.as_bytes())?)?;
    let model = Linear::new(data.num_features(), 1, &mut Rng::seed(0))?;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m.safetensors");
    Pipeline::new(data, model)?.with_csv(options).save(&path)?;
    let again = Pipeline::open(&path)?;
    let asked = |weight: Value<'_>| again.predict_row(&[("weight", weight)]);
    let grams = asked("250 g".into())?;
    assert_eq!((asked("0,25 kg".into())?, asked(250.0.into())?), (grams, grams));
    assert!((asked("0,3 kg".into())? - grams).abs() > 1e-6);

    for (options, message) in [
        (CsvOptions::new().unit("kg", 0.0), "the unit `kg` is to be 0, expected a finite number other than 0"),
        (CsvOptions::new().unit("kg", f64::NAN), "the unit `kg` is to be NaN, expected a finite number other than 0"),
        (
            CsvOptions::new().unit("kg", f64::INFINITY),
            "the unit `kg` is to be inf, expected a finite number other than 0",
        ),
        (CsvOptions::new().unit("", 2.0), "a unit without a name, which is to be 2"),
        (CsvOptions::new().column("w", ColumnOptions::new().unit(" ", 2.0)), "a unit without a name, which is to be 2"),
    ] {
        fails(options.read_from("w\n1 kg\n".as_bytes()), &format!("from_csv_reader: {message}"), "");
    }
    let twice = CsvOptions::new().unit("kg", 1000.0).unit("g", 1.0).unit("kg", 1.0);
    let help = "where a unit differs between columns, ColumnOptions::unit says what it is in one of them";
    fails(twice.read_from("w\n1 kg\n".as_bytes()), "from_csv_reader: the unit `kg` is to be 1000 and 1", help);
    // Said twice is not contradicted.
    let same = CsvOptions::new().unit("kg", 1000.0).unit("kg", 1000.0).read_from("w\n1 kg\n".as_bytes())?;
    assert_eq!(same.column("w")?.numbers(), Some(&[1000.0][..]));
    Ok(())
}

/// Texts that differ in case or white space alone are told, of features and of targets.
#[test]
fn twins_are_noted() -> Result<()> {
    let apples = |sorts: [&str; 6], grades: [&str; 6]| {
        let number = Column::from([1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
        Table::from_columns([("sort", Column::from(sorts)), ("weight", number), ("grade", Column::from(grades))])
    };
    let notes =
        |table: &Table| Ok::<_, demotic::Error>(Preprocessor::classification("grade").fit(table)?.notes().to_vec());
    let good = ["good", "bad", "good", "bad", "good", "bad"];
    let alone = "texts that differ in case or white space alone are categories of their own until Table::map brings them to one spelling";
    let table = apples(["Boskoop", "boskoop", "Boskoop ", "Elstar", "Gala", "Gala"], good)?;
    assert_eq!(notes(&table)?, [format!("`sort` has `Boskoop ` beside `Boskoop`, and 1 more: {alone}")]);
    let table =
        apples(["Boskoop", "Elstar", "Gala", "Elstar", "Gala", "Gala"], ["good", "bad", "Good", "bad", "good", "BAD"])?;
    assert_eq!(notes(&table)?, [format!("`grade` has `bad` beside `BAD`, and 1 more: {alone}")]);
    let one = table.map("grade", |value| value.text().map(str::to_lowercase))?;
    assert_eq!(notes(&one)?, [""; 0]);
    // What the training part has not is not its matter.
    assert_eq!(notes(&table.head(2))?, [""; 0]);

    // So does who reads a file; of other scripts, too.
    let file = "town,y\nÖrebro,1\nörebro,2\nNew  York,3\nNew York,4\n北京,5\n";
    let (_, report) = CsvOptions::new().read_from_with_report(file.as_bytes())?;
    assert_eq!(report.notes, [format!("`town` has `New York` beside `New  York`, and 1 more: {alone}")]);
    // Texts by the thousand are no categories.
    let many: String = (0..1200).map(|i| format!("{}{i}\n", if i % 2 == 0 { "a" } else { "A" })).collect();
    let (_, report) = CsvOptions::new().read_from_with_report(format!("name\n{many}a1\nA0\n").as_bytes())?;
    assert_eq!(report.notes, [""; 0]);
    Ok(())
}

/// A column of weights in grams, some in kilograms, some not known: the help names all of it, followed it is not given again, and what
/// became of the units is told.
fn mixed_units() -> Result<()> {
    let rows: String = (0..40)
        .map(|i| match i % 10 {
            3 => "k.A.".to_string(),
            5 => "-".to_string(),
            7 => format!("0,1{i} kg"),
            _ => format!("{},5 g", 150 + i),
        })
        .zip(0..)
        .map(|(weight, y)| format!("{weight};{y}\n"))
        .collect();
    let file = format!("weight;y\n{rows}");
    let read = |options: CsvOptions| options.delimiter(';').read_from(file.as_bytes());
    let help = |options: CsvOptions| {
        let e = Preprocessor::fit(&read(options)?, "y").unwrap_err();
        Ok::<_, demotic::Error>(e.help().unwrap_or_default().to_string())
    };
    let first = help(CsvOptions::new())?;
    let cure = "`150,5 g` is one of numbers with decimal commas and the units `g`, `kg`: read the file with \
                CsvOptions::new().decimal_comma().strip([\"g\", \"kg\"]).also_missing([\"-\", \"k.A.\"]); strip() leaves the numbers as \
                they are, so that 1 g and 1 kg become equal";
    assert!(first.starts_with(cure), "{first}");
    assert!(first.contains("say with .unit(\"kg\", ..) how many g one kg is"), "{first}");
    // Followed, with that.
    let options = CsvOptions::new().decimal_comma().strip(["g", "kg"]).also_missing(["-", "k.A."]).unit("kg", 1000.0);
    let table = read(options)?;
    assert_eq!(table.column("weight")?.numbers().unwrap()[6..8], [156.5, 170.0]);
    assert_eq!(Preprocessor::fit(&table, "y")?.notes(), [""; 0]);
    let second = help(CsvOptions::new().decimal_comma().strip(["g", "kg"]).also_missing(["-"]))?;
    let cure =
        "add .also_missing([\"k.A.\"]), if that stands for missing values: the others are numbers, as the file is read";
    assert!(second.contains(cure), "{second}");
    for units in [["g", "kg"], ["kg", "g"]] {
        let options = CsvOptions::new().delimiter(';').decimal_comma().strip(units).also_missing(["-", "k.A."]);
        let (table, report) = options.read_from_with_report(file.as_bytes())?;
        assert_eq!(table.column("weight")?.numbers().unwrap()[6..8], [156.5, 0.17]);
        assert_eq!(report.notes.len(), 1);
        assert!(
            report.notes[0].starts_with("`weight` had numbers with different units, `g`, `kg`, "),
            "{:?}",
            report.notes
        );
        assert_eq!(Preprocessor::fit(&table.head(30), "y")?.notes(), report.notes);
    }
    // One unit is none of that. Zeros in front are told, too.
    let (table, report) =
        CsvOptions::new().strip(["m²"]).read_from_with_report("a,zip\n1 m²,01067\n2,10115\n".as_bytes())?;
    assert_eq!(table.column("zip")?.numbers(), Some(&[1067.0, 10115.0][..]));
    assert_eq!(
        report.notes,
        ["`zip` had `01067`, which is the number 1067 now: CsvOptions::text([\"zip\"]) keeps the zeros of codes"]
    );
    Ok(())
}

/// A field as a correct writer may write it: in quotes where it must be, and where it need not be.
fn field(text: &str, quote: bool) -> String {
    let must =
        text.contains([',', '"', '\n', '\r']) || text.trim() != text || text.is_empty() || text.starts_with('\u{feff}');
    if quote || must { format!("\"{}\"", text.replace('"', "\"\"")) } else { text.to_string() }
}

/// Texts with everything that has a meaning in the format; none that is a number or a mark of a missing value.
fn texts() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("\"".to_string()),
        Just(",".to_string()),
        Just("\n".to_string()),
        Just("\r\n".to_string()),
        Just("\r".to_string()),
        Just(" ".to_string()),
        Just("\u{feff}".to_string()),
        Just("区".to_string()),
        "[a-z]{1,3}",
    ];
    prop::collection::vec(piece, 0..6).prop_map(|pieces| format!("{}x{}", pieces.concat(), pieces.concat()))
}

fn rows() -> impl Strategy<Value = Vec<(Option<String>, Option<f64>, i64)>> {
    let number = any::<f64>().prop_filter("finite", |x| x.is_finite());
    prop::collection::vec((prop::option::of(texts()), prop::option::of(number), any::<i64>()), 1..12)
}

proptest! {
    #[test]
    fn what_any_correct_writer_writes_is_read(
        rows in rows(), name in texts(), quote: bool, bom: bool, end in 0usize..3, last: bool, space: bool,
    ) {
        let end = ["\n", "\r\n", "\r"][end];
        let space = if space { " " } else { "" };
        let mut lines = vec![format!("{},{space}\"n\"{space},i", field(&name, quote))];
        for (text, number, integer) in &rows {
            let text = text.as_deref().map_or(String::new(), |text| field(text, quote));
            let number = number.map_or(String::new(), |x| format!("{x:e}"));
            lines.push(format!("{text},{space}{number}{space},{space}\"{integer}\""));
        }
        let text = format!("{}{}{}", if bom { "\u{feff}" } else { "" }, lines.join(end), if last { end } else { "" });
        let table = read(&text).unwrap();
        prop_assert_eq!(table.column_names().collect::<Vec<_>>(), [name.as_str(), "n", "i"]);
        prop_assert_eq!(table.num_rows(), rows.len());
        if rows.iter().any(|row| row.0.is_some()) {
            let expected: Column = rows.iter().map(|row| row.0.clone()).collect();
            prop_assert_eq!(table.column(&name).unwrap(), &expected);
        }
        prop_assert_eq!(table.column("n").unwrap(), &rows.iter().map(|row| row.1).collect::<Column>());
        let integers: Vec<Option<i128>> = table.column("i").unwrap().integers().unwrap().collect();
        prop_assert_eq!(integers, rows.iter().map(|row| Some(i128::from(row.2))).collect::<Vec<_>>());

        // And what the crate itself writes.
        let mut written = Vec::new();
        table.to_csv_writer(&mut written).unwrap();
        prop_assert_eq!(CsvOptions::new().read_from(written.as_slice()).unwrap(), table);
    }

    #[test]
    fn nothing_panics(
        bytes in prop::collection::vec(any::<u8>(), 0..80),
        picks in prop::collection::vec(0usize..16, 0..60),
        trim: bool, header: bool, delimiter in 0usize..5,
    ) {
        let pieces = [",", "\"", "\n", "\r", " ", ";", "\t", "1", "-", ".", "é", "2024-01-01", "€", "\u{feff}", "e", "a"];
        let text: String = picks.iter().map(|i| pieces[*i]).collect();
        let options = CsvOptions::new().trim(trim).header(header).delimiter([',', ';', '\t', ' ', '1'][delimiter]);
        for options in [options.clone(), options.decimal_comma().thousands('.').strip(["€", "-", ""]).missing(["", "-"])] {
            for input in [bytes.as_slice(), text.as_bytes()] {
                if let Ok(table) = options.read_from(input) {
                    let _ = (table.describe(), table.to_string());
                    let first = table.column_names().next().unwrap().to_string();
                    let _ = table.parse_dates(&first, "iso").and_then(|table| table.date_parts(&first, &[DatePart::Day]));
                    let prep = Preprocessor::unsupervised().fit(&table);
                    let _ = prep.and_then(|prep| prep.inverse_features(&prep.transform_features(&table)?));
                }
            }
        }
    }

    #[test]
    fn a_quote_that_stays_open_is_found(before in "[a-z,\n]{0,30}", after in "[a-z,\n]{0,30}") {
        let text = format!("h\n{before}\n\"{after}");
        let line = 2 + before.matches('\n').count() + 1;
        let e = CsvOptions::new().header(false).read_from(text.as_bytes()).unwrap_err();
        // A row of another length may come first.
        if !e.message().contains("field") {
            let expected = format!("from_csv_reader: line {line}: a quote is opened here and never closed");
            prop_assert_eq!(e.message(), expected);
        } else {
            prop_assert!(before.contains(','));
        }
    }
}

#[test]
fn memory_is_a_small_multiple_of_the_input() {
    let rows = |line: &str, bytes: usize| format!("a,b\n{}", format!("{line}\n").repeat(bytes / (line.len() + 1)));
    let distinct = |from: usize| (from..from + 120_000).map(|i| format!("{i:x}y,z{i:x}\n")).collect::<String>();
    for (what, text) in [
        ("commas", ",".repeat(1 << 21)),
        ("lines of commas", ",\n".repeat(1 << 20)),
        ("wide lines of commas", format!("{}\n", ",".repeat(999)).repeat(1 << 11)),
        ("short numbers", rows("1,2", 1 << 21)),
        ("long numbers", rows("12345678901234567890,1", 1 << 21)),
        ("short texts", rows("a,b", 1 << 21)),
        ("quoted texts", rows("\"a\"\"b\",\"c\"", 1 << 21)),
        ("different texts", format!("a,b\n{}", distinct(0))),
        ("blank lines", format!("a,b\n1,2\n{}", "\n".repeat(1 << 21))),
        ("one field", format!("a\n\"{}\"\n", "x\"\"y".repeat(1 << 19))),
        ("one open quote", format!("a\n\"{}", "x\"\"y".repeat(1 << 19))),
        ("a row of commas", format!("a,b\n{}\n", ",".repeat(1 << 21))),
    ] {
        let used = allocation_counter::measure(|| drop(read(&text))).bytes_max as usize;
        assert!(used < 16 * text.len() + (24 << 20), "{what}: {used} bytes for {}", text.len());
    }
    fails(
        read(&",".repeat(70_000)),
        "from_csv_reader: line 1: 70001 columns, more than 65536",
        "raise the limit with CsvOptions::max_columns",
    );
    let wide = CsvOptions::new().max_columns(100_000).read_from(",".repeat(70_000).as_bytes()).unwrap();
    assert_eq!(wide.num_columns(), 70_001);
}

#[test]
fn long_names_are_cut_in_messages() -> Result<()> {
    let long = "n".repeat(5_000_000);
    let table = Table::from_columns([
        (long.clone(), Column::from([1.0, f64::INFINITY])),
        ("y".into(), Column::from([1.0, 2.0])),
    ])?;
    let texts = Table::from_columns([
        (long.clone(), Column::from(vec![Some("a"), None])),
        ("y".into(), Column::from([1.0, 2.0])),
    ])?;
    let errors = [
        read(&format!("{long},{long}\n1,2\n")).unwrap_err(),
        CsvOptions::new().number(["a"]).read_from(format!("a\n{long}\n").as_bytes()).unwrap_err(),
        CsvOptions::new().dates(["a"], &long).read_from("a\n1\n".as_bytes()).unwrap_err(),
        CsvOptions::new().text([&long]).read_from("a\n1\n".as_bytes()).unwrap_err(),
        table.column("z").unwrap_err(),
        table.column(&format!("{long}m")).unwrap_err(),
        table.clone().with_column(long.clone(), [1.0]).unwrap_err(),
        table.date_parts(&long, &[DatePart::Year]).unwrap_err(),
        texts.parse_dates(&long, "iso").unwrap_err(),
        texts.factorize(&long).unwrap_err(),
        Preprocessor::fit(&table, "y").unwrap_err(),
        Preprocessor::fit(&table, &long).unwrap_err(),
        Preprocessor::fit(&texts, &long).unwrap_err(),
        Preprocessor::regression(&long).fit(&texts.head(1)).unwrap_err(),
        Preprocessor::fit(&texts, "y")?.transform(&table).unwrap_err(),
    ];
    for e in errors {
        assert!(e.to_string().len() < 1000, "{} bytes", e.to_string().len());
    }
    Ok(())
}

#[test]
fn categories_are_matched_by_value() -> Result<()> {
    let table = |column: Column| Table::from_columns([("c", column)]);
    let fit =
        |column: Column, unseen| Preprocessor::unsupervised().categorical(&["c"]).unseen(unseen).fit(&table(column)?);
    let encode =
        |prep: &Preprocessor, column: Column| Ok::<_, Error>(prep.transform_features(&table(column)?)?.to_f64_vec());
    let numbers = fit(Column::from([1.0, 2.0, 0.5]), Unseen::Zeros)?;
    let expected = [0., 1., 0., 0., 1., 0., 1., 0., 0., 0., 0., 1., 0., 0., 0.];
    for texts in [["1.0", "01", "0.50", "2e0", "x"], ["+1", "1", ".5", "2.00", "3"]] {
        assert_eq!(encode(&numbers, Column::from(texts))?, expected, "{texts:?}");
    }
    let strict = fit(Column::from([1.0, 2.0, 0.5]), Unseen::Error)?;
    assert_eq!(encode(&strict, Column::from(["2.0"]))?, [0., 0., 1.]);
    fails(
        strict.transform_features(&table(Column::from(["1.0", "3.0"]))?),
        "transform_features: column `c` has `3.0` in row 1, which did not occur when fitting",
        "known are `0.5`, `1`, `2`; Unseen::Zeros allows others",
    );
    fails(
        numbers.transform_features(&table(Column::from(["one", "two"]))?),
        "transform_features: column `c` has texts (`one` in row 0), it had numbers when fitting",
        "give a number, or read the text with the CsvOptions of the table that was fitted",
    );
    // The other way round, and between texts.
    let texts = fit(Column::from(["01", "2.0", "a"]), Unseen::Zeros)?;
    assert_eq!(encode(&texts, Column::from([1.0, 2.0, 3.0]))?, [1., 0., 0., 0., 1., 0., 0., 0., 0.]);
    assert_eq!(encode(&texts, Column::from(["1", "a", "2"]))?, [1., 0., 0., 0., 0., 1., 0., 1., 0.]);
    let both = fit(Column::from(["01", "1.0"]), Unseen::Zeros)?;
    assert_eq!(encode(&both, Column::from(["1.0"]))?, [0., 1.]);
    fails(
        both.transform_features(&table(Column::from([1.0]))?),
        "transform_features: column `c` has `1`, which is the same number as both `01` and `1.0`",
        "read both files with the same options: CsvOptions::text keeps the spelling",
    );
    // Ids that differ in the last digit are two categories, classes likewise.
    let near = [(1i64 << 53) + 1, 1 << 53];
    let ids = fit(Column::from(near.to_vec()), Unseen::Error)?;
    assert_eq!(ids.feature_names(), ["c=9007199254740992", "c=9007199254740993"]);
    assert_eq!(encode(&ids, Column::from(["9007199254740993"]))?, [0., 1.]);
    let labelled = Table::from_columns([("x", Column::from([1.0, 2.0])), ("y", Column::from(near.to_vec()))])?;
    let classes = Preprocessor::classification("y").fit(&labelled)?;
    assert_eq!(classes.transform(&labelled)?.y().to_vec::<i64>()?, [1, 0]);
    let texts = labelled.with_column("y", vec!["9007199254740992.0", "09007199254740993"])?;
    assert_eq!(classes.transform(&texts)?.y().to_vec::<i64>()?, [0, 1]);
    Ok(())
}

/// 200 different texts of each kind that is no category.
fn strange() -> Result<Table> {
    let column = |f: &dyn Fn(usize) -> String| Column::from((0..200).map(f).collect::<Vec<_>>());
    Table::from_columns([
        ("noise", column(&|i| if i == 7 { "?".into() } else { i.to_string() })),
        ("comma", column(&|i| format!("{i},5"))),
        ("unit", column(&|i| format!("{i} m²"))),
        ("thousands", column(&|i| format!("{},{:03}", i + 1, i))),
        ("date", column(&|i| format!("{}.{}.2024", i % 28 + 1, i / 28 + 1))),
        ("y", (0..200).map(f64::from).collect()),
    ])
}

#[test]
fn numbers_and_dates_that_were_read_as_texts() -> Result<()> {
    let one = |name: &str| Preprocessor::fit(&strange()?.select(&[name, "y"])?, "y").map(|_| ());
    let keeps = |name: &str, cure: &str| format!("{cure}; categorical(&[\"{name}\"]) keeps them as categories");
    let of = |name: &str, what: &str| format!("fit: column `{name}` has 200 different texts, which are {what}");
    fails(
        one("noise"),
        &of("noise", "numbers and other texts, such as `?`"),
        &keeps("noise", "most are numbers: is `?` in row 7 a missing value? CsvOptions::missing names its marks"),
    );
    fails(
        one("comma"),
        &of("comma", "numbers with decimal commas, such as `0,5`"),
        &keeps(
            "comma",
            "`0,5` is one of numbers with decimal commas: read the file with CsvOptions::new().decimal_comma()",
        ),
    );
    fails(
        one("unit"),
        &of("unit", "numbers with the unit `m²`, such as `0 m²`"),
        &keeps(
            "unit",
            "`0 m²` is one of numbers with the unit `m²`: read the file with CsvOptions::new().strip([\"m²\"])",
        ),
    );
    fails(
        one("thousands"),
        &of("thousands", "numbers with separators of thousands, such as `1,000`"),
        &keeps(
            "thousands",
            "`1,000` is one of numbers with separators of thousands: read the file with CsvOptions::new().thousands(',')",
        ),
    );
    fails(
        one("date"),
        &of("date", "dates, such as `1.1.2024`"),
        &keeps("date", "`1.1.2024` is a date: read the file with CsvOptions::new().dates([\"date\"], \"%d.%m.%Y\")"),
    );
    // All of them at once.
    let e = Preprocessor::fit(&strange()?, "y").unwrap_err();
    assert_eq!(
        e.message(),
        "fit: 5 columns are hardly categories: `noise` (200 numbers and other texts), `comma` (200 numbers with decimal commas), \
         `unit` (200 numbers with the unit `m²`), `thousands` (200 numbers with separators of thousands), `date` (200 dates)"
    );
    assert_eq!(e.help().unwrap().lines().count(), 5);
    // Asked for, they are categories.
    let names = ["noise", "comma", "unit", "thousands", "date"];
    assert_eq!(Preprocessor::regression("y").categorical(&names).fit(&strange()?)?.num_features(), 1000);
    // As the target too: neither 200 classes nor a mere complaint about texts.
    fails(
        Preprocessor::fit(&strange()?.select(&["y", "noise"])?, "noise"),
        "fit: the target `noise` has 200 different texts, which are numbers and other texts, such as `?`",
        "most are numbers: is `?` in row 7 a missing value? CsvOptions::missing names its marks",
    );
    fails(
        Preprocessor::regression("unit").fit(&strange()?.select(&["y", "unit"])?),
        "fit: the target `unit` has 200 different texts, which are numbers with the unit `m²`, such as `0 m²`",
        "`0 m²` is one of numbers with the unit `m²`: read the file with CsvOptions::new().strip([\"m²\"])",
    );
    // What the advice says cures it.
    let mut text = Vec::new();
    strange()?.to_csv_writer(&mut text).unwrap();
    let table = CsvOptions::new()
        .strip(["m²"])
        .missing(["?"])
        .column("comma", ColumnOptions::new().decimal_comma())
        .column("thousands", ColumnOptions::new().thousands(','))
        .dates(["date"], "%d.%m.%Y")
        .read_from(text.as_slice())?;
    assert!(table.columns().all(|(_, column)| column.kind() == ColumnKind::Number));
    assert_eq!(Preprocessor::fit(&table, "y")?.num_features(), 5);
    mixed_units()?;
    // A file without a header, and one that begins with a comment.
    let e = read("11.09.2023,Jonagold,\"152,5 g\"\n12.09.2023,Gala,\"140 g\"\n")?.column("kind").unwrap_err();
    assert_eq!(
        e.help(),
        Some(
            "the columns are 11.09.2023, Jonagold, 152,5 g: if these are values of a first row, read the file with \
             CsvOptions::new().header(false)"
        )
    );
    fails(
        read("# exported\na,b\n1,2\n"),
        "from_csv_reader: line 2: 2 fields, the header has 1",
        "line 1 seems to be a comment, not a header: take `# exported` out of the file",
    );
    // A few sizes, districts and names are categories.
    let few = Table::from_columns([
        ("size", Column::from((0..40).map(|i| format!("{} cm", 10 * (i % 4))).collect::<Vec<_>>())),
        (
            "district",
            Column::from((0..40).map(|i| format!("{}", i % 12)).chain(["x".into()]).take(40).collect::<Vec<_>>()),
        ),
        ("name", Column::from((0..40).map(|i| format!("n{i}")).collect::<Vec<_>>())),
    ])?;
    assert_eq!(Preprocessor::unsupervised().fit(&few)?.num_features(), 4 + 12 + 40);
    Ok(())
}

#[test]
fn options_that_contradict_and_values_that_do_not_fit() {
    let read = |options: CsvOptions, text: &str| options.read_from(text.as_bytes());
    fails(
        read(CsvOptions::new().decimal_comma().thousands(','), "a\n1\n"),
        "from_csv_reader: ',' is both the decimal point and the separator of thousands",
        "",
    );
    fails(
        read(CsvOptions::new().thousands('5'), "a\n1\n"),
        "from_csv_reader: '5' cannot be the separator of thousands",
        "",
    );
    fails(
        read(CsvOptions::new().column("a", ColumnOptions::new().parts([DatePart::Year])), "a\n1\n"),
        "from_csv_reader: parts of a date are asked for in a column without a format of dates",
        "ColumnOptions::new().date(\"iso\").parts([DatePart::Month])",
    );
    fails(
        read(CsvOptions::new().dates(["a"], "%d.%m"), "a\n1\n"),
        "from_csv_reader: the format `%d.%m` has no year, or a day without a month",
        "formats are `iso` and patterns such as `%d.%m.%Y` or `%m/%d/%Y %H:%M`",
    );
    fails(
        read(CsvOptions::new().dates(["a"], "iso"), "a\n2024-01-31\n31.1.2024\n"),
        "from_csv_reader: line 3: column `a` has `31.1.2024`, which is no date in the format `iso`",
        "the format `%d.%m.%Y` suits it",
    );
    fails(
        read(CsvOptions::new().number(["a"]), "a,b\n1,x\n\"1\n2\",y\n"),
        "from_csv_reader: line 3: column `a` has `1\\n2`, which is no number",
        "CsvOptions::missing names what stands for a missing value; strip, decimal_comma and thousands say how numbers are written",
    );
    fails(
        read(CsvOptions::new().number(["b"]), "a\n1\n"),
        "from_csv_reader: the table has no column `b`",
        "the columns are a",
    );
    let parts = ColumnOptions::new().date("iso").parts([DatePart::Year]);
    fails(
        read(CsvOptions::new().column("a", parts), "a,a_year\n2024-01-01,1\n"),
        "from_csv_reader: two columns are called `a_year`",
        "",
    );
    fails(
        read(CsvOptions::new(), "a,b\n1,2\n\"x\ny\",1,2\n"),
        "from_csv_reader: line 3: 3 fields, the header has 2",
        "there are line breaks in quotes up to line 4: is a quote opened by mistake?",
    );
    fails(
        read(CsvOptions::new(), "a,b\n3,\"4"),
        "from_csv_reader: line 2: a quote is opened here and never closed",
        "a quote inside a field in quotes is written twice: \"a \"\"b\"\"\"",
    );
}

#[test]
fn no_size_asks_for_more_memory_than_there_is() -> Result<()> {
    let mut rng = Rng::seed(0);
    let huge = 1usize << 40;
    let data = TensorDataset::new(Tensor::zeros([huge, 0])?, Tensor::zeros([huge, 0])?)?;
    let no_memory = |what: &str| format!("{what}: there is no memory for {huge} ");
    let e = data.batches(4).shuffle(&mut rng).next().unwrap().unwrap_err();
    assert_eq!(e.message(), no_memory("shuffle") + "sample numbers");
    assert!(e.to_string().contains("tests/training/own_tables.rs"), "{e}");
    assert_eq!(data.split(0.5, &mut rng).unwrap_err().message(), no_memory("split") + "row numbers");
    assert_eq!(KFold::new(2).split(huge).unwrap_err().message(), no_memory("KFold") + "row numbers");
    // Without an order, nothing is listed.
    assert_eq!(data.batches(huge).next().unwrap()?.0.shape(), [huge, 0]);

    for samples in [huge, usize::MAX] {
        let windows = NextTokens::new(TokenStream::from_ids((0..9).collect())?, 4)?.random(samples, &mut rng)?;
        assert!(windows.batches(2).shuffle(&mut rng).next().unwrap().is_err());
        assert!(windows.batches(huge).next().unwrap().is_err());
        assert!(windows.batch_range(0..huge, &mut rng).is_err());
        assert_eq!(windows.batches(2).next().unwrap()?.0.shape(), [2, 4]);
        assert_eq!(windows.batches(2).nth(huge / 4).unwrap()?.0.shape(), [2, 4]);
    }
    fails(
        Padding::new().width(huge).pad(&[Tensor::zeros([1, 4])?]),
        &format!("Padding: a tensor of shape [1, {huge}, 4] and type f32 does not fit into memory"),
        "",
    );
    assert!(Padding::new().width(usize::MAX).pad(&[Tensor::zeros([1])?]).is_err());
    assert!(Padding::new().width(huge).pad(&[Tensor::zeros([1, 0])?]).is_err(), "the mask");
    Ok(())
}

#[test]
fn sequences_of_numbers_are_padded() -> Result<()> {
    let path = format!("{}/tests/golden/tables/padded.json", concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    let file: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let numbers = |json: &serde_json::Value| -> Vec<f64> {
        json.as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect()
    };
    let mut sequences = Vec::new();
    for sequence in file["sequences"].as_array().unwrap() {
        let values = numbers(sequence);
        let steps = values.len() / 6;
        sequences.push(Tensor::from_vec(values, [steps, 2, 3])?);
    }
    for case in file["cases"].as_array().unwrap() {
        let padding = Padding::new().value(case["value"].as_f64().unwrap());
        let left = case["side"] == "left";
        let batch = if left { padding.left() } else { padding }.pad(&sequences)?;
        assert_eq!(batch.values.to_vec::<f64>()?, numbers(&case["values"]));
        assert_eq!(batch.values.shape(), [5, 5, 2, 3]);
        assert_eq!(batch.lengths, [3, 1, 5, 0, 4]);
        let mask = batch.mask.to_f64_vec();
        assert_eq!(mask[..5], if left { [0., 0., 1., 1., 1.] } else { [1., 1., 1., 0., 0.] });
        assert_eq!(mask[15..20], [0.0; 5]);
    }
    assert_eq!(Padding::new().width(6).pad(&sequences[..1])?.values.shape(), [1, 6, 2, 3]);
    fails(Padding::new().pad(&[]), "Padding: there are no sequences", "");
    fails(Padding::new().width(2).pad(&sequences[..1]), "Padding: sequence 0 has 3 steps, the width is 2", "");
    fails(
        Padding::new().pad(&[tensor![1.0, 2.0], tensor![[1.0, 2.0]]]),
        "Padding: sequence 1 has shape [1, 2], the first [2]: only `time` may differ",
        "",
    );
    let mixed = [tensor![1.0], Tensor::from_nested([1i64])?];
    fails(Padding::new().pad(&mixed), "Padding: sequence 1 is i64, the first f32", "");
    fails(Padding::new().pad(&[Tensor::scalar(1.0)]), "Padding: sequence 0 is a scalar, expected [time, ..]", "");

    let w = Param::new(tensor![1.0, 2.0])?;
    let batch = Padding::new().pad(&[w.value().clone(), tensor![5.0, 6.0, 7.0]])?;
    assert_eq!(batch.values.to_f64_vec(), [1., 2., 0., 5., 6., 7.]);
    Ok(())
}

/// White space between quotes is a part of a text, even where a text is nothing else; in a column of numbers it is no number.
#[test]
fn texts_of_white_space_survive() -> Result<()> {
    let blanks = [Some(" "), Some("x"), None, Some("\n\n"), Some(" NA "), Some("\t"), Some("\u{3000}")];
    let column: Column = blanks.into_iter().collect();
    let table = Table::from_columns([("a", column), ("b", Column::from([0.0; 7]))])?;
    let mut file = Vec::new();
    table.to_csv_writer(&mut file)?;
    for trim in [true, false] {
        let again = Table::from_csv_reader(&file[..], &CsvOptions::new().trim(trim))?;
        assert_eq!(again.column("a")?, table.column("a")?, "trim: {trim}");
    }
    let numbers = Table::from_csv_reader("a,b\n1,2\n\" \",3\n".as_bytes(), &CsvOptions::new())?;
    assert_eq!(numbers.column("a")?.num_missing(), 1);
    Ok(())
}
