use super::*;

#[test]
fn formats_in_letters_are_spelt_as_here() {
    for (given, here) in
        [("dd.mm.yyyy", "%d.%m.%Y"), ("DD/MM/YY", "%d/%m/%y"), ("yyyy-M-d", "%Y-%m-%d"), ("d mmmm yyyy", "%d %B %Y")]
    {
        assert_eq!(format_help(given), format!("this is written `{here}` here"));
    }
    for none in ["dd.mm", "day", "%d.%m.", "", "ddd.mm.yyyyy"] {
        assert_eq!(format_help(none), FORMATS);
    }
}

#[test]
fn days_that_do_not_exist_have_the_form() {
    let format = DateFormat::new("%d.%m.%Y").unwrap();
    for (text, fits) in [("31.02.2023", true), ("01.13.2023", true), ("2023-02-01", false), ("31.02.2023 x", false)] {
        assert_eq!((format.parse(text), format.fits(text)), (None, fits), "{text}");
    }
}

#[test]
fn patterns_that_are_none() {
    let message = |format: &str| DateFormat::new(format).unwrap_err();
    assert_eq!(message("%Q"), "the format `%Q` has `%Q`, which is no part of a date");
    assert_eq!(message("%Y-%"), "the format `%Y-%` has `%`, which is no part of a date");
    assert_eq!(message("%d.%m."), "the format `%d.%m.` has no year, or a day without a month");
    assert_eq!(message("%d %Y"), "the format `%d %Y` has no year, or a day without a month");
    assert_eq!(message("%Y-%m-%d %I:%M"), "the format `%Y-%m-%d %I:%M` has one of %I and %p without the other");
    assert_eq!(message(""), "the format `` has no year, or a day without a month");
}

#[test]
fn texts_that_are_no_dates() {
    for (format, text) in [
        ("iso", "2023-02-29"),
        ("iso", "2024-13-01"),
        ("iso", "2024-01-01 24:00"),
        ("iso", "2024-01-01x"),
        ("iso", "2024-01-01 10:00+25:00"),
        ("iso", "24-01-01"),
        ("iso", ""),
        ("iso", "２０２４-01-01"),
        ("%d.%m.%Y", "31.04.2024"),
        ("%d.%m.%Y", "1.2.24"),
        ("%d %b %Y", "1 Smarch 2024"),
        ("%m/%d/%Y %I:%M %p", "1/1/2024 13:00 PM"),
        ("%m/%d/%Y %I:%M %p", "1/1/2024 0:00 AM"),
        ("%d %b %Y", "1 é 2024"),
    ] {
        assert_eq!(DateFormat::new(format).unwrap().parse(text), None, "{format} {text}");
    }
}

#[test]
fn formats_are_guessed() {
    assert_eq!(guess(&["2024-01-31", "2024-02-01"]).as_deref(), Some("iso"));
    assert_eq!(guess(&["1.2.2024", "24.12.2023"]).as_deref(), Some("%d.%m.%Y"));
    assert_eq!(guess(&["1/2/2024", "12/24/2023"]).as_deref(), Some("%m/%d/%Y"));
    assert_eq!(guess(&["1/2/2024", "24/12/2023"]).as_deref(), Some("%d/%m/%Y"));
    assert_eq!(guess(&["1/2/24 3:04 PM"]).as_deref(), Some("%d/%m/%y %I:%M %p"));
    assert_eq!(guess(&["a", "b"]), None);
    assert_eq!(guess(&[]), None);
}
