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

/// How many names a message lists.
const LISTED: usize = 8;

/// The help for a pattern, in which `*` stands for any text, that matches none of the paths `names` of the `things`: the nearest pattern
/// that does, or what there is.
pub(crate) fn meant(pattern: &str, things: &str, names: &[String]) -> String {
    let word = pattern.trim_matches(['*', '.']);
    let mut found: Option<(usize, usize, String)> = None;
    for name in names.iter().filter(|_| !word.is_empty()) {
        let ends: Vec<usize> = name.match_indices('.').map(|(at, _)| at).collect();
        let inner = ends.iter().map(|end| (&name[..*end], format!("{}.*", &name[..*end])));
        let last = ends.last().map(|end| (&name[end + 1..], format!("*{}", &name[*end..])));
        for (part, candidate) in inner.chain(last).chain([(name.as_str(), name.clone())]) {
            if let Some(distance) = near(word, part).or_else(|| near_alike(word, part)) {
                let order = (distance, part.len(), candidate);
                found = Some(found.map_or_else(|| order.clone(), |best| best.min(order.clone())));
            }
        }
    }
    match (found, names.len()) {
        (Some((_, _, candidate)), _) => format!("did you mean `{candidate}`?"),
        (None, 0) => format!("there are no {things}"),
        (None, count) => {
            let shown = names[..count.min(LISTED)].join(", ");
            let more = if count > LISTED { format!(", and {} more", count - LISTED) } else { String::new() };
            format!("the {things} are {shown}{more}")
        }
    }
}

/// The same of words of one length: two letters may have changed places, and of two or three one may be another.
fn near_alike(word: &str, wanted: &str) -> Option<usize> {
    if word.len() != wanted.len() || word.len() > LONGEST {
        return None;
    }
    let others: Vec<(u8, u8)> = word.bytes().zip(wanted.bytes()).filter(|(a, b)| a != b).collect();
    let exchanged = matches!(*others, [(a, b), (c, d)] if a == d && b == c);
    (exchanged || others.len() == 1 && word.len() > 1).then_some(1)
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
