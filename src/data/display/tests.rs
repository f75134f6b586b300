use crate::data::{Column, CsvOptions, Table};

#[test]
fn long_and_wide_tables_show_their_ends() {
    let column = |scale: f64| Column::from((0..100).map(|i| f64::from(i) * scale).collect::<Vec<_>>());
    let table = Table::from_columns((0..30).map(|i| (format!("c{i}"), column(f64::from(i) / 3.0)))).unwrap();
    let text = table.to_string();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 13);
    assert!(lines[0].starts_with("    c0        c1        c2"), "{text}");
    assert!(lines[0].ends_with("c11  …      c26  c27      c28      c29"), "{text}");
    assert!(lines[1].starts_with("0    0         0         0"), "{text}");
    assert!(lines[5].starts_with("4    0   1.33333   2.66667"), "{text}");
    assert!(lines[6].starts_with("…    …         …         …"), "{text}");
    assert!(lines[11].starts_with("99   0        33        66"), "{text}");
    assert_eq!(lines[12], "[100 rows × 30 columns]");
}

#[test]
fn texts_are_aligned_cut_and_kept_on_a_line() {
    let long = "x".repeat(40);
    let table = Table::from_columns([
        ("区", Column::from(vec![Some("朝阳"), None, Some("a\nb"), Some(long.as_str())])),
        ("价", Column::from([1.0, f64::NAN, 1e300, -0.125])),
    ])
    .unwrap();
    let expected = format!(
        "   区                                   价\n\
         0  朝阳                                  1\n\
         1  –                                     –\n\
         2  a\\nb                              1e300\n\
         3  {}…  -0.125\n\
         [4 rows × 2 columns]",
        "x".repeat(30)
    );
    assert_eq!(table.to_string(), expected);
}

#[test]
fn whole_numbers_are_whole_and_dates_are_dates() {
    let text = "id,phone,day,share\n123456789,49171234567,11.09.2023,0.12345678\n123456788,1,1.2.2024,1e18\n";
    let table = CsvOptions::new().dates(["day"], "%d.%m.%Y").read_from(text.as_bytes()).unwrap();
    let expected = "          id        phone         day     share\n\
                    0  123456789  49171234567  2023-09-11  0.123457\n\
                    1  123456788            1  2024-02-01      1e18\n\
                    [2 rows × 4 columns]";
    assert_eq!(table.to_string(), expected);
    let time = Table::from_columns([("at", Column::from(["2024-02-29 12:30:05.5"]))]).unwrap();
    let time = time.parse_dates("at", "iso").unwrap().rows(&[0]).unwrap();
    assert_eq!(time.to_string(), "                    at\n0  2024-02-29 12:30:05\n[1 row × 1 column]");
    // So are the statistics of dates, in any order of the rows, and what several tables become; how far they are apart is a number.
    let all = table.describe().select(&["column", "mean", "std", "min", "max"]).unwrap();
    let last = all.rows(&[2, 0]).unwrap().to_string();
    let expected = "   column  mean                 std          min         max\n\
                    0  day     2023-11-21 12:00:00   8736450  2023-09-11  2024-02-01\n\
                    1  id                123457000  0.707107   123456788   123456789\n";
    let squeezed = |text: &str| text.split_whitespace().map(String::from).collect::<Vec<_>>();
    assert_eq!(squeezed(&last)[..squeezed(expected).len()], squeezed(expected)[..], "{last}");
    let twice = Table::concat(&[&table, &table.head(0), &table]).unwrap();
    assert!(twice.to_string().contains("2  123456789  49171234567  2023-09-11"), "{twice}");
    // What is made of dates are numbers.
    let later = time.map("at", |at| at.number().map(f64::floor)).unwrap();
    assert_eq!(later.to_string(), "           at\n0  1709209805\n[1 row × 1 column]");
}

#[test]
fn empty_tables_print() {
    assert_eq!(Table::default().to_string(), "\n[0 rows × 0 columns]");
    let table = Table::from_columns([("a", Column::from(Vec::<f64>::new()))]).unwrap();
    assert_eq!(table.to_string(), "  a\n[0 rows × 1 column]");
}
