//! Whether a text is well-formed markup, as far as one has to know to trust that texts in it are only that.

/// Checks that tags are closed in the order in which they were opened, attributes have quotes, and references are known.
pub fn check(text: &str) {
    let mut open: Vec<&str> = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find(['<', '&', '>']) {
        let from = &rest[at..];
        let context = || from.chars().take(80).collect::<String>();
        match from.as_bytes()[0] {
            b'&' => {
                let end = from.find(';').unwrap_or_else(|| panic!("reference without end: {}", context()));
                let name = &from[1..end];
                assert!(["amp", "lt", "gt", "quot", "#39"].contains(&name), "unknown reference: {}", context());
                rest = &from[end + 1..];
            }
            b'>' => panic!("a lonely >: {}", context()),
            _ if from.starts_with("<!DOCTYPE html>") => rest = &from["<!DOCTYPE html>".len()..],
            _ => {
                let inside = tag(from).unwrap_or_else(|| panic!("a tag without end: {}", context()));
                rest = &from[inside.len() + 2..];
                if let Some(name) = inside.strip_prefix('/') {
                    assert_eq!(open.pop(), Some(name), "closed in another order: {}", context());
                    continue;
                }
                let name = inside.split([' ', '\n', '/']).next().unwrap_or("");
                assert!(name.chars().all(|c| c.is_ascii_alphanumeric()) && !name.is_empty(), "no name: {}", context());
                attributes(inside[name.len()..].trim_end_matches('/'));
                if !inside.ends_with('/') {
                    open.push(name);
                }
                // What is between the tags of a style is no markup.
                if name == "style" {
                    rest = &rest[rest.find("</style>").expect("a style without end")..];
                }
            }
        }
    }
    assert!(open.is_empty(), "not closed: {open:?}");
    assert!(!text.chars().any(|c| c.is_control() && c != '\n' && c != '\t'), "control characters");
}

/// What is between `<` and the `>` that is not in quotes.
fn tag(text: &str) -> Option<&str> {
    let mut quoted = false;
    for (i, c) in text.char_indices().skip(1) {
        match c {
            '"' => quoted = !quoted,
            '>' if !quoted => return Some(&text[1..i]),
            '<' => return None,
            _ => {}
        }
    }
    None
}

fn attributes(mut text: &str) {
    while let Some(equals) = text.find('=') {
        let name = text[..equals].trim();
        assert!(name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | ':')), "attribute {name}");
        let value = text[equals + 1..].strip_prefix('"').unwrap_or_else(|| panic!("{name} without quotes"));
        let end = value.find('"').expect("quotes without end");
        text = &value[end + 1..];
    }
    assert!(text.trim().is_empty(), "an attribute without a value: {text}");
}

#[test]
fn what_is_not_well_formed_is_found() {
    check("<!DOCTYPE html><a b=\"&lt;\"><c/>x &amp; y</a>");
    for wrong in
        ["<a>", "<a></b>", "<a b=c></a>", "<a b></a>", "&nbsp", "&copy;", "a > b", "<a b=\"<\"></a>", "<a", "\u{1}"]
    {
        assert!(std::panic::catch_unwind(|| check(wrong)).is_err(), "{wrong}");
    }
}
