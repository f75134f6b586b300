use super::*;

fn cut(text: &str, header: bool, records: usize) -> (String, Vec<String>) {
    let format = Format { delimiter: b',', trim: true, header };
    let (first, found) = pieces(&mut text.as_bytes(), format, records).unwrap();
    let part = |piece: &Piece| text[piece.at as usize..][..piece.length as usize].to_string();
    for piece in &found {
        let before = &text[..piece.at as usize];
        let lines = before.replace("\r\n", "\n").replace('\r', "\n").matches('\n').count();
        assert!(before.contains("\"") || piece.line == lines as u64 + 1, "{text:?}: {piece:?}");
    }
    (part(&first), found.iter().map(part).collect())
}

#[test]
fn records_stay_whole() {
    for end in ["\n", "\r\n", "\r"] {
        let text = |lines: &[&str]| lines.join(end);
        let (header, parts) = cut(&text(&["a,b", "1,2", "3,\"x", "y\"", "", "5,\"\"\"", "\"", "7,8"]), true, 2);
        assert_eq!(header, text(&["a,b", ""]));
        let wanted = [text(&["1,2", "3,\"x", "y\"", ""]), text(&["", "5,\"\"\"", "\"", "7,8"])];
        assert_eq!(parts, wanted, "{end:?}");
        let (header, parts) = cut(&text(&["1", "2", "3", ""]), false, 2);
        assert_eq!((header.as_str(), parts), ("", vec![text(&["1", "2", ""]), text(&["3", ""])]), "{end:?}");
    }
    assert_eq!(cut("", true, 3), (String::new(), vec![]));
    assert_eq!(cut("a", true, 3), ("a".to_string(), vec![]));
    // A quote that is never closed makes one record of the rest.
    assert_eq!(cut("a\n1\n\"2\n3\n4\n", true, 1).1, ["1\n", "\"2\n3\n4\n"]);
}
