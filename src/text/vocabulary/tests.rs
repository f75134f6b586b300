use super::*;

#[test]
fn special_tokens_cut_a_text() {
    let mut vocabulary = Vocabulary::new("new", ["a".to_string()]).unwrap();
    vocabulary.add_special("new", &["<e>", "<e>>", "a", "e>"]).unwrap();
    let pieces = |text| vocabulary.pieces(text);
    use Piece::{Special, Text};
    assert_eq!(pieces(""), []);
    assert_eq!(pieces("no"), [Text(0, "no")]);
    assert_eq!(pieces("é<e>é<e>>a"), [Text(0, "é"), Special(1), Text(5, "é"), Special(2), Special(0)]);
    assert_eq!(pieces("<e><e"), [Special(1), Text(3, "<e")]);
    assert_eq!(pieces("<<e>e>"), [Text(0, "<"), Special(1), Special(3)]);
}

#[test]
fn gaps_and_duplicates_are_errors() {
    let from = |ids: &[(&str, u64)]| {
        let ids = ids.iter().map(|(token, id)| (token.to_string(), *id));
        Vocabulary::from_ids("load", ids).unwrap_err().message()
    };
    assert_eq!(from(&[("a", 1), ("b", 0), ("c", 1)]), "load: the tokens `a` and `c` have the same id 1");
    assert_eq!(from(&[("a", 0), ("b", 2)]), "load: no token has the id 1, the ids go up to 2");
    assert_eq!(from(&[("a", u64::MAX)]), format!("load: no token has the id 0, the ids go up to {}", u64::MAX));
    let e = Vocabulary::new("load", ["a", "b", "a"].map(String::from)).unwrap_err();
    assert_eq!(e.message(), "load: the ids 0 and 2 have the same token `a`");
}
