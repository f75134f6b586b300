use super::*;
use crate::Rng;

/// Numbers with many equal ones.
fn numbers(n: usize, rng: &mut Rng) -> Vec<f64> {
    (0..n).map(|_| (rng.normal() * 4.0).round() / 4.0).collect()
}

#[test]
fn the_kth_largest_is_that_of_the_sorted_scores() {
    let mut rng = Rng::seed(3);
    let mut buffer = Vec::new();
    for n in [1, 2, 63, 64, 65, 500, 3000] {
        let mut scores = numbers(n, &mut rng);
        scores[n / 2] = f64::NEG_INFINITY;
        let mut sorted = scores.clone();
        sorted.sort_by(|a, b| b.total_cmp(a));
        for k in [1, 2, 5, 32, 33, n / 2, n].into_iter().filter(|k| (1..=n).contains(k)) {
            assert_eq!(kth_largest(&scores, k, &mut buffer), sorted[k - 1], "{k} of {n}");
        }
    }
}

#[test]
fn a_nucleus_is_that_of_the_sorted_candidates() {
    let mut rng = Rng::seed(4);
    let mut buffer = Vec::new();
    for n in [1, 2, 3, 10, 257] {
        let all: Vec<Candidate> =
            (0..).zip(numbers(n, &mut rng)).map(|(token, x)| Candidate { token, weight: x.exp2() }).collect();
        let total: f64 = all.iter().map(|c| c.weight).sum();
        for p in [1e-9, 0.1, 0.37, 0.5, 0.9, 0.999] {
            let mut expected = all.clone();
            expected.sort_by_key(Candidate::rank);
            let mut sum = 0.0;
            expected.retain(|c| {
                let wanted = sum < p * total;
                sum += c.weight;
                wanted
            });
            expected.sort_by_key(|c| c.token);
            let mut kept = all.clone();
            nucleus(&mut kept, p, &mut buffer);
            assert_eq!(kept, expected, "{p} of {n}");
        }
    }
}
