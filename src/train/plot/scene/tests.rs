use super::*;

#[test]
fn there_is_a_font_and_texts_have_a_width() {
    assert!(font().is_some());
    // DejaVu Sans: an m is 1995 of 2048 units wide, an i 569.
    assert!((width("mi", 2048.0) - 2564.0).abs() < 1.0, "{}", width("mi", 2048.0));
    assert_eq!(width("中", 20.0), 20.0);
    assert_eq!(width("", 20.0), 0.0);
}

#[test]
fn texts_are_cut_to_a_width() {
    assert_eq!(fitting("short", 15.0, 1e3), "short");
    assert_eq!(fitting("a\nb\u{0}", 15.0, 1e3), "a b ");
    let cut = fitting(&"long ".repeat(1000), 15.0, 100.0);
    assert!(cut.ends_with('…') && width(&cut, 15.0) <= 100.0, "{cut}");
    assert_eq!(fitting("anything", 15.0, 0.0), "…");
}

#[test]
fn marks_differ_and_lie_within_their_circle() {
    for a in 0..7 {
        assert!(shape(a).iter().all(|p| p.0.hypot(p.1) < 1.06 && p.0.hypot(p.1) > 0.4), "{a}");
        for b in 0..a {
            assert_ne!(shape(a), shape(b));
            assert_ne!(dash(a), dash(b));
        }
    }
    assert_eq!((shape(7), dash(9)), (shape(0), dash(2)));
}
