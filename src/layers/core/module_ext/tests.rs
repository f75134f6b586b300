use super::matches;

#[test]
fn patterns() {
    for (pattern, path, expected) in [
        ("*", "a.b", true),
        ("a.*", "a.b", true),
        ("*.bias", "0.bias", true),
        ("*.bias", "0.weight", false),
        ("a.*.w", "a.b.c.w", true),
        ("a.w", "a.w", true),
        ("a", "a.w", false),
        ("ab*ba", "aba", false),
        ("", "", true),
        ("**", "x", true),
    ] {
        assert_eq!(matches(pattern, path), expected, "{pattern} on {path}");
    }
}
