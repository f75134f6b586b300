use super::*;

fn style(decimal: char, thousands: Option<char>, units: &[&str]) -> NumberStyle {
    NumberStyle::new(decimal, thousands, units.iter().map(|unit| unit.to_string()).collect())
}

#[test]
fn styles() {
    let plain = NumberStyle::default();
    let german = style(',', Some('.'), &["€", "%"]);
    let french = style(',', Some(' '), &[]);
    let english = style('.', Some(','), &["$", "USD"]);
    let scales = style(',', None, &["g", "kg", ""]);
    for (style, text, expected) in [
        (&plain, "1.5", Some(1.5)),
        (&plain, " -2e3 ", Some(-2000.0)),
        (&plain, "1,5", None),
        (&plain, "", None),
        (&german, "1.234.567,89", Some(1234567.89)),
        (&german, "-1.234,5 €", Some(-1234.5)),
        (&german, "€ 5", Some(5.0)),
        (&german, "-€5,25", Some(-5.25)),
        (&german, "12 %", Some(12.0)),
        (&german, "1,5e3", Some(1500.0)),
        (&german, "1.5", None),
        (&german, "12.34", None),
        (&german, "1.234.5", None),
        (&german, "1,2,3", None),
        (&german, "1,2.3", None),
        (&german, "€", None),
        (&french, "1\u{a0}234\u{202f}567,5", Some(1234567.5)),
        (&french, "1 234", Some(1234.0)),
        (&french, "12 34", None),
        (&english, "$1,234.50", Some(1234.5)),
        (&english, "+$1,234", Some(1234.0)),
        (&english, "1,23,456", Some(123456.0)),
        (&english, "1,2345", None),
        (&english, ",123", None),
        (&english, "USD 5 $", Some(5.0)),
        (&scales, "0,1242 kg", Some(0.1242)),
        (&scales, "152,5 g", Some(152.5)),
        (&scales, "-kg 3", Some(-3.0)),
        (&scales, "5 k", None),
        (&scales, "5 g g", None),
    ] {
        assert_eq!(style.parse(text).map(|parsed| parsed.value), expected, "{text:?} {style:?}");
    }
}

#[test]
fn units_and_zeros_in_front_are_told() {
    for units in [["g", "kg"], ["kg", "g"]] {
        let scales = style(',', None, &units);
        let unit = |text: &str| scales.parse(text).map(|parsed| scales.units_of(parsed.units));
        assert_eq!(unit("0,1242 kg").as_deref(), Some("kg"));
        assert_eq!(unit("152,5 g").as_deref(), Some("g"));
        assert_eq!(unit("7").as_deref(), Some(""));
        let zeros = |text: &str| scales.with_zeros(text);
        assert_eq!((zeros("01067"), zeros(" 007 g")), (Some("01067".into()), Some("007".into())));
        assert_eq!([zeros("0"), zeros("0,5"), zeros("10"), zeros("-01"), zeros("")], [const { None }; 5]);
    }
}

#[test]
fn units_with_factors_are_converted() {
    let factors =
        |all: &[(&str, f64)]| all.iter().map(|(unit, factor)| (unit.to_string(), *factor)).collect::<Vec<_>>();
    let known = factors(&[
        ("kg", 1000.0),
        ("%", 0.01),
        ("lb", 453.59237),
        ("k", 1e3),
        ("M", 1e6),
        ("DR", -1.0),
        ("dozen", 12.0),
    ]);
    let style = style(',', Some('.'), &["g", "€", "mg"]).converting(&known);
    for (text, value, whole) in [
        ("152,5 g", 152.5, None),
        ("0,1242 kg", 124.2, None),
        ("0,5kg", 500.0, Some(500)),
        ("1.234 kg", 1_234_000.0, Some(1_234_000)),
        ("kg 3", 3000.0, Some(3000)),
        ("-kg3", -3000.0, Some(-3000)),
        ("12 %", 0.12, None),
        ("8,5%", 0.085, None),
        ("100 %", 1.0, Some(1)),
        ("€ 12", 12.0, Some(12)),
        ("€ 1,5 M", 1_500_000.0, Some(1_500_000)),
        ("12 k€", 12_000.0, Some(12_000)),
        ("2 lb", 907.18474, None),
        ("3 dozen", 36.0, Some(36)),
        ("12,5 DR", -12.5, None),
        ("1,5e3 kg", 1_500_000.0, Some(1_500_000)),
        ("7 mg", 7.0, Some(7)),
        // More digits than an f64 has, and more than an i128.
        ("9007199254740993 k", 9007199254740993e3, Some(9_007_199_254_740_993_000)),
        ("0,3 kg%", 3.0, Some(3)),
    ] {
        let parsed = style.parse(text).unwrap_or_else(|| panic!("{text}"));
        assert_eq!((parsed.value, parsed.whole), (value, whole), "{text}");
    }
    assert_eq!(style.parse(&format!("{} k", "7".repeat(50))), None);
    assert_eq!(style.parse("3 kgs"), None);
    // Of units whose factors are known, none is told.
    let unit = |text: &str| style.parse(text).map(|parsed| style.units_of(parsed.units));
    assert_eq!([unit("1 kg"), unit("1 mg"), unit("€ 1 k")], ["", "mg", "€"].map(|unit| Some(unit.to_string())));
}

#[test]
fn whole_numbers_have_all_their_digits() {
    let plain = NumberStyle::default();
    let whole = |text: &str| plain.parse(text).map(|parsed| (parsed.whole, parsed.is_rounded()));
    assert_eq!(whole("9007199254740993"), Some((Some((1 << 53) + 1), true)));
    assert_eq!(whole("9007199254740993.0"), Some((Some((1 << 53) + 1), true)));
    assert_eq!(whole("9007199254740992"), Some((Some(1 << 53), false)));
    assert_eq!(whole("-18446744073709551615"), Some((Some(-i128::from(u64::MAX)), true)));
    assert_eq!(whole("1e300"), Some((None, false)));
    assert_eq!(whole("0.5"), Some((None, false)));
    assert_eq!(whole(&"7".repeat(50)), None, "more than an i128 holds");
}

#[test]
fn spellings_of_a_number_have_one_key() {
    let key = NumberKey::of("1");
    for same in ["01", "1.0", "+1", "1e0", " 1.00 ", "0.1e1"] {
        assert_eq!(NumberKey::of(same), key, "{same}");
    }
    assert_eq!(NumberKey::of("-0"), NumberKey::of("0.0"));
    assert_eq!(NumberKey::of("0.10"), NumberKey::of(".1"));
    assert_eq!(NumberKey::of("1e18"), NumberKey::of("1000000000000000000"));
    assert_ne!(NumberKey::of("9007199254740993"), NumberKey::of("9007199254740992"));
    assert_eq!((NumberKey::of("a"), NumberKey::of("inf"), NumberKey::of("nan")), (None, None, None));
}
