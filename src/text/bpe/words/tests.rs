use super::*;

fn split(text: &str) -> Vec<&str> {
    words(text).collect()
}

#[test]
fn words_are_those_of_the_regular_expression() {
    assert_eq!(split("Hello world"), ["Hello", " world"]);
    assert_eq!(split("we'll  don't 'S"), ["we", "'ll", " ", " don", "'t", " '", "S"]);
    assert_eq!(split("a1 2b!?\"'s"), ["a", "1", " 2", "b", "!?\"'", "s"]);
    assert_eq!(split("a \n\n  b  "), ["a", " \n\n ", " b", "  "]);
    assert_eq!(split("x\t\ty\u{3000}z"), ["x", "\t", "\t", "y", "\u{3000}", "z"]);
    assert_eq!(split("हिन्दी Ⅷ½ ⓐ"), ["ह", "ि", "न", "्", "द", "ी", " Ⅷ½", " ⓐ"]);
    assert_eq!(split(""), [""; 0]);
    assert_eq!(split(" "), [" "]);
}
