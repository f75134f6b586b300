use super::*;

fn stripped(text: &str) -> String {
    let mut out = String::new();
    text.chars().for_each(|c| without_accents(c, |c| out.push(c)));
    out
}

#[test]
fn classes_are_unicodes_not_the_standard_librarys() {
    // A combining vowel sign is alphabetic, but a mark and no letter; Ⅷ is a number; ª is a letter.
    for (c, letter, number) in
        [('ि', false, false), ('Ⅷ', false, true), ('ª', true, false), ('½', false, true), ('ⓐ', false, false)]
    {
        assert_eq!((is_letter(c), is_number(c)), (letter, number), "{c}");
    }
    assert!('ि'.is_alphabetic() && 'ⓐ'.is_alphabetic() && 'Ⅷ'.is_alphabetic());
    for c in (0..128u8).map(char::from) {
        assert_eq!(is_letter(c), contains(Table::Letters, c));
        assert_eq!(is_number(c), contains(Table::Numbers, c));
        assert_eq!(is_word_character(c), contains(Table::Word, c));
        assert_eq!(is_control(c), contains(Table::Controls, c));
        assert_eq!(is_punctuation(c), contains(Table::Punctuation, c));
    }
    assert!(is_punctuation('$') && is_punctuation('。') && !is_punctuation('€'));
}

#[test]
fn accents_come_off() {
    assert_eq!(stripped("Älteste Größe, Việt Nam, e\u{301}\u{323}"), "Alteste Große, Viet Nam, e");
    // Composed of two vowel signs, which are spacing marks and stay.
    assert_eq!(stripped("\u{9CB}"), "\u{9C7}\u{9BE}");
    assert_eq!(stripped("한각"), "\u{1112}\u{1161}\u{11AB}\u{1100}\u{1161}\u{11A8}");
    assert_eq!(stripped("가"), "\u{1100}\u{1161}");
    // A singleton, and what has no canonical decomposition.
    assert_eq!(stripped("\u{212B}ﬁ①"), "Aﬁ①");
}
