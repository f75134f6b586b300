use super::*;

/// The definition, word by word.
fn slowly(mut tokens: Vec<u32>, merges: &Merges) -> Vec<u32> {
    loop {
        let pairs = tokens.windows(2).enumerate();
        let best = pairs.filter_map(|(at, pair)| merges.get(&(pair[0], pair[1])).map(|m| (m.0, at, m.1))).min();
        let Some((_, at, merged)) = best else { return tokens };
        tokens.splice(at..at + 2, [merged]);
    }
}

#[test]
fn the_fast_way_gives_what_the_definition_gives() {
    let mut rng = crate::Rng::seed(3);
    for round in 0..200 {
        let mut merges = Merges::new();
        for rank in 0..30 {
            let pair = (rng.below(4 + rank) as u32, rng.below(4 + rank) as u32);
            merges.entry(pair).or_insert((rank as u32, 4 + rank as u32));
        }
        let word: Vec<u32> = (0..round % 40).map(|_| rng.below(4) as u32).collect();
        assert_eq!(merge(word.clone(), &merges), slowly(word, &merges));
    }
}

#[test]
fn a_long_word_takes_no_time() {
    let merges: Merges = (0..17).map(|i| ((i, i), (i, i + 1))).collect();
    assert_eq!(merge(vec![0; 1 << 17], &merges), [17]);
}
