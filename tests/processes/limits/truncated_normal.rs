//! Parts of the normal distribution, wherever they are, against the quantiles of `truncnorm.py`.

use demotic::Rng;
use demotic::layers::Init;

/// The share of a sample below a quantile differs from its level by the square root of the sample's size; five of its
/// deviations are exceeded once in two million comparisons. The seed is fixed.
#[test]
fn samples_have_the_quantiles_of_scipy() {
    const N: usize = 20_000;
    let mut lines = include_str!("truncnorm.csv").lines();
    let numbers = |line: &str, skip| -> Vec<f64> { line.split(',').skip(skip).map(|x| x.parse().unwrap()).collect() };
    let levels = numbers(lines.next().unwrap(), 2);
    let (mut rng, mut compared) = (Rng::seed(7), 0);
    for line in lines {
        let fields = numbers(line, 0);
        let (low, high, quantiles) = (fields[0], fields[1], &fields[2..]);
        // The tails on the left are told by their distances from the upper bound.
        let left = low.is_infinite() || high < 0.0;
        // In units that keep the digits of distances from the nearest bound: f32 has few of them far from 0.
        let bound = if left { high } else { low };
        for (std, mean) in [(1.0, -bound), (2.0, -2.0 * bound), (1e-3, -1e-3 * bound)] {
            let place = |x: f64| mean + std * x;
            let init = Init::TruncatedNormal { mean, std, low: place(low), high: place(high) };
            let sample = init.tensor(&[N], &mut rng).unwrap().to_f64_vec();
            assert!(sample.iter().all(|x| (place(low)..=place(high)).contains(x)), "{low} to {high}");
            for (&level, &quantile) in levels.iter().zip(quantiles) {
                let distance = |x: f64| if left { -x } else { x } / std;
                let below = sample.iter().filter(|x| distance(**x) < quantile).count() as f64 / N as f64;
                let level = if left { 1.0 - level } else { level };
                let deviation = (level * (1.0 - level) / N as f64).sqrt();
                assert!(
                    (below - level).abs() < 5.0 * deviation,
                    "{low} to {high}: {below} below {quantile}, not {level}"
                );
                compared += 1;
            }
        }
    }
    assert_eq!(compared, 24 * 3 * 7);
}

/// A single-precision number outside of the bounds is never given while there is one within.
#[test]
fn rounding_keeps_to_the_bounds() {
    let mut rng = Rng::seed(0);
    for (low, high) in [(1.0 + 1e-9, 1.5), (0.1, 0.100_000_001_5), (-3e38, 3e38), (1e30, f64::INFINITY), (0.0, 1e-44)] {
        for (mean, std) in [(0.0, 1.0), (1.0, 1e30), (1e30, 1e29), (0.1, 1e-3)] {
            let init = Init::TruncatedNormal { mean, std, low, high };
            let Ok(sample) = init.tensor(&[200], &mut rng) else { continue };
            for x in sample.to_f64_vec() {
                assert!((low..=high).contains(&x) && x.is_finite(), "{x} for {init:?}");
            }
        }
    }
    // Of nothing between the bounds, the nearest number.
    let init = Init::TruncatedNormal { mean: 0.0, std: 1.0, low: 1.0 + 1e-12, high: 1.0 + 2e-12 };
    assert_eq!(init.tensor(&[3], &mut rng).unwrap().to_f64_vec(), [1.0; 3]);
}
