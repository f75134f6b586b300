use super::*;

fn form(compatibility: bool, composed: bool, text: &str) -> String {
    NormalForm { compatibility, composed }.apply(text).unwrap_or_else(|| text.to_string())
}

#[test]
fn forms_are_those_of_the_standards_examples() {
    // Of Annex 15: singletons, the order of marks, what a mark in between keeps apart, Hangul.
    let cases = [
        ("\u{212B}", "A\u{30A}", "\u{C5}"),
        ("\u{1E0B}\u{323}", "d\u{323}\u{307}", "\u{1E0D}\u{307}"),
        ("q\u{307}\u{323}", "q\u{323}\u{307}", "q\u{323}\u{307}"),
        ("\u{AC01}\u{11A8}", "\u{1100}\u{1161}\u{11A8}\u{11A8}", "\u{AC01}\u{11A8}"),
        ("a\u{327}\u{30A}\u{301}", "a\u{327}\u{30A}\u{301}", "\u{1FB}\u{327}"),
        ("\u{958}", "\u{915}\u{93C}", "\u{915}\u{93C}"),
        ("plain", "plain", "plain"),
        ("", "", ""),
    ];
    for (text, decomposed, composed) in cases {
        assert_eq!(form(false, false, text), decomposed, "{text}");
        assert_eq!(form(false, true, text), composed, "{text}");
    }
    assert_eq!(form(true, true, "ﬁ①\u{1E9B}\u{323}"), "fi1\u{1E69}");
    assert_eq!(form(true, false, "ﬁ①\u{1E9B}\u{323}"), "fi1s\u{323}\u{307}");
}

#[test]
fn many_marks_take_no_time() {
    let text = format!("a{}", "\u{301}\u{323}".repeat(1 << 16));
    let normal = form(false, true, &text);
    assert_eq!(normal.chars().take(2).collect::<String>(), "\u{1EA1}\u{323}");
    assert_eq!(normal.chars().count(), 1 << 17);
}
