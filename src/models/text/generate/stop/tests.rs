use super::*;
use crate::Rng;

/// The first place where a sequence is complete, and the longest one there.
fn naive(text: &[u8], patterns: &[&[u8]]) -> Option<(usize, usize)> {
    (1..=text.len()).find_map(|end| {
        let longest = patterns.iter().filter(|p| text[..end].ends_with(p)).map(|p| p.len()).max();
        longest.map(|length| (end, length))
    })
}

#[test]
fn matches_are_those_of_a_naive_search() -> Result<()> {
    let mut rng = Rng::seed(1);
    for _ in 0..500 {
        let mut random = |longest| -> Vec<u8> { (0..=rng.below(longest)).map(|_| rng.below(2) as u8).collect() };
        let patterns: Vec<Vec<u8>> = (0..3).map(|_| random(7)).collect();
        let patterns: Vec<&[u8]> = patterns.iter().map(Vec::as_slice).collect();
        let text = random(40);
        let set = StopSet::new("pattern", patterns.iter().copied())?;
        let mut progress = set.start();
        let mut found = None;
        for (i, item) in text.iter().enumerate() {
            if let Some((_, length)) = set.push(&mut progress, item) {
                found = Some((i + 1, length));
                break;
            }
            let may_begin = |n: usize| patterns.iter().any(|p| n < p.len() && text[..=i].ends_with(&p[..n]));
            let held = (0..=i + 1).rev().find(|n| may_begin(*n)).unwrap();
            assert_eq!(progress.held(), held, "{:?} {patterns:?}", &text[..=i]);
        }
        assert_eq!(found, naive(&text, &patterns), "{text:?} {patterns:?}");
    }
    Ok(())
}
