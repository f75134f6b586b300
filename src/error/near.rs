//! Which of the known words may have been meant.

/// The longest word that is compared.
const LONGEST: usize = 64;

/// How many letters have to be changed, added or taken away to make one word of the other, not counting case; `None` if it
/// is more than a third of the letters of `wanted`, or the words are too long to have been mistyped.
pub(crate) fn near(word: &str, wanted: &str) -> Option<usize> {
    if word.len().abs_diff(wanted.len()) > wanted.len() {
        return None;
    }
    let letters = |s: &str| s.chars().flat_map(char::to_lowercase).take(LONGEST + 1).collect::<Vec<_>>();
    let [word, wanted] = [letters(word), letters(wanted)];
    if wanted.len() > LONGEST {
        return None;
    }
    let distance = edits(&wanted, &word);
    (distance <= wanted.len() / 3).then_some(distance)
}

/// Levenshtein's distance.
fn edits(a: &[char], b: &[char]) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, y) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}
