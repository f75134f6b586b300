use super::*;

#[test]
fn windows_are_what_they_are_when_computed_alone() {
    let mut rng = crate::rng::Rng::seed(3);
    for window in [1, 2, 3, 7, 19, 40, 41] {
        let mut values: Vec<f64> = (0..40).map(|_| 1e6 + rng.normal()).collect();
        values[11] = f64::NAN;
        let what = [Statistic::Mean, Statistic::Deviation, Statistic::Min, Statistic::Max];
        let found = rolling(&values, window, &what);
        for i in 0..40 {
            let Some(part) = (i + 1 >= window).then(|| &values[i + 1 - window..=i]) else {
                assert!(found.iter().all(|list| list[i].is_nan()), "{window} {i}");
                continue;
            };
            let mean = part.iter().sum::<f64>() / window as f64;
            let spread: f64 = part.iter().map(|x| (x - mean) * (x - mean)).sum();
            let deviation = (spread / (window as f64 - 1.0)).sqrt();
            let (min, max) = (
                part.iter().copied().fold(f64::INFINITY, f64::min),
                part.iter().copied().fold(f64::NEG_INFINITY, f64::max),
            );
            if mean.is_nan() {
                assert!(found.iter().all(|list| list[i].is_nan()), "{window} {i}");
                continue;
            }
            assert!((found[0][i] - mean).abs() < 1e-8, "{window} {i}");
            assert!(window == 1 || (found[1][i] - deviation).abs() < 1e-8, "{window} {i}");
            assert_eq!((found[2][i], found[3][i]), (min, max), "{window} {i}");
        }
    }
    assert!(rolling(&[], 3, &[Statistic::Mean])[0].is_empty());
}
