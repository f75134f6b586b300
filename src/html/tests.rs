use super::*;

#[test]
fn nothing_of_a_text_is_markup() {
    assert_eq!(escape("a<b>\"'&amp;\u{0}\u{7f}\r\n中"), "a&lt;b&gt;&quot;&#39;&amp;amp;\u{fffd}\u{fffd}\u{fffd}\n中");
    let cells = table(&["<th>".into()], &[vec!["</table>".into()]], &[true]);
    assert!(cells.contains("&lt;th&gt;") && cells.contains("&lt;/table&gt;"), "{cells}");
    assert_eq!(preformatted(&"1 < 2"), "<pre style=\"font-family:monospace\">1 &lt; 2</pre>");
}

#[test]
#[cfg(feature = "plot")]
fn backticks_are_code() {
    assert_eq!(prose("`a<b>` and `c`, `d"), "<code>a&lt;b&gt;</code> and <code>c</code>, `d");
}

/// The examples of RFC 4648.
#[test]
#[cfg(feature = "plot")]
fn base_64() {
    let cases =
        [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="), ("foobar", "Zm9vYmFy")];
    for (text, expected) in cases {
        assert_eq!(base64(text.as_bytes()), expected);
    }
    assert_eq!(base64(&[0xff, 0xef, 0xbe]), "/+++");
}
