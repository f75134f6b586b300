use super::*;

fn all(text: &str, trim: bool) -> Result<Vec<Vec<String>>, Unclosed> {
    let mut records = Records::new(text, b',', trim, usize::MAX);
    let mut found = Vec::new();
    while records.advance()? {
        found.push(records.fields().map(|field| field.text.to_string()).collect());
    }
    Ok(found)
}

#[test]
fn every_kind_of_field() {
    for end in ["\n", "\r\n", "\r"] {
        for last in [end, ""] {
            for (text, expected) in [
                ("a,b", vec!["a", "b"]),
                ("a,", vec!["a", ""]),
                (",", vec!["", ""]),
                ("\"a\",b", vec!["a", "b"]),
                ("a,\"b\"", vec!["a", "b"]),
                ("\"\"", vec![""]),
                ("\"\",\"\"", vec!["", ""]),
                ("\"a,b\"", vec!["a,b"]),
                ("\"a\nb\r\nc\"", vec!["a\nb\r\nc"]),
                ("\"a\"\"b\"", vec!["a\"b"]),
                ("\"\"\"\"", vec!["\""]),
                ("\"\"\"a\"\"\",\"\"\"\"\"\"", vec!["\"a\"", "\"\""]),
                ("5\" disk,a\"b\"", vec!["5\" disk", "a\"b\""]),
                ("\"a\"b,c", vec!["ab", "c"]),
                ("\"a\"\"b\"c,d", vec!["a\"bc", "d"]),
                (" \"a\" ,\t\"b\"", vec!["a", "b"]),
                (" \" a \"", vec![" a "]),
            ] {
                let text = format!("{text}{end}x,y{last}");
                let expected: Vec<String> = expected.iter().map(|field| field.to_string()).collect();
                let next = ["x", "y"].map(String::from).to_vec();
                assert_eq!(all(&text, true), Ok(vec![expected, next]), "{text:?}");
            }
        }
    }
    let kept = ["  \"a\" ", "b "].map(String::from).to_vec();
    assert_eq!(all("  \"a\" ,b \n", false), Ok(vec![kept]));
}

#[test]
fn blank_lines_are_none() {
    let expected = Ok(vec![vec!["a".to_string()], vec!["b".to_string()]]);
    assert_eq!(all("\n\r\n  \n\r\ra\n\n \t \r\nb\n\n   ", true), expected);
    assert_eq!(all("", true), Ok(vec![]));
}

#[test]
fn the_quote_that_is_never_closed_is_found() {
    for (text, at) in [("\"", 0), ("a,\"b", 2), ("3,\"4\n5,6\n", 2), ("\"a\"\"", 0), ("\"a\"\n \"b\"\"\n", 5)] {
        assert_eq!(all(text, true), Err(Unclosed(at)), "{text:?}");
    }
}

#[test]
fn fields_beyond_the_limit_are_counted() {
    let mut records = Records::new("1,2,3,4\n5\n", b',', true, 2);
    assert_eq!(records.advance(), Ok(true));
    assert_eq!((records.len(), records.fields().len()), (4, 2));
    assert_eq!(records.advance(), Ok(true));
    assert_eq!((records.len(), records.lines()), (1, (2, 2)));
}
