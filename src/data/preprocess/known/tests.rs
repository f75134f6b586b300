use super::*;

#[test]
fn by_text_then_by_value() {
    let categories = ["1", "02", "2.50", "a", "7", "07", "7.0"].map(String::from);
    let known = Known::new(&categories, &[]);
    for (text, expected) in [
        ("1", Match::Category(0)),
        ("1.0", Match::Category(0)),
        ("01", Match::Category(0)),
        ("2", Match::Category(1)),
        ("2.5", Match::Category(2)),
        ("a", Match::Category(3)),
        ("b", Match::Unknown),
        ("3", Match::Unknown),
        ("7", Match::Category(4)),
        ("07", Match::Category(5)),
        ("7.00", Match::Either(4, 5)),
    ] {
        assert_eq!(known.find(text), expected, "{text}");
    }
    assert!(known.has_numbers() && !Known::new(&categories[3..4], &[]).has_numbers());
}
