use super::*;

fn sorted(parts: &[&[usize]]) -> Vec<usize> {
    let mut all = parts.concat();
    all.sort();
    all
}

#[test]
fn without_shuffling_folds_are_neighbours() {
    let folds: Vec<Fold> = KFold::new(3).split(7).unwrap().collect();
    assert_eq!(folds[0], Fold { test: vec![0, 1, 2], train: vec![3, 4, 5, 6] });
    assert_eq!(folds[1], Fold { test: vec![3, 4], train: vec![0, 1, 2, 5, 6] });
    assert_eq!(folds[2], Fold { test: vec![5, 6], train: vec![0, 1, 2, 3, 4] });
}

#[test]
fn shuffled_folds_are_random_and_repeatable() {
    let folds = |seed| KFold::new(5).shuffle(&mut Rng::seed(seed)).split(50).unwrap().collect::<Vec<_>>();
    assert_eq!(folds(1), folds(1));
    assert_ne!(folds(1), folds(2));
    assert_ne!(folds(1), KFold::new(5).split(50).unwrap().collect::<Vec<_>>());
}

#[test]
fn impossible_folds_are_errors() {
    let message = |k, n| KFold::new(k).split(n).unwrap_err().message();
    assert_eq!(message(1, 10), "KFold: k is 1, expected at least 2 folds");
    assert_eq!(message(0, 10), "KFold: k is 0, expected at least 2 folds");
    assert_eq!(message(11, 10), "KFold: k is 11, more than the 10 rows there are");
    assert_eq!(message(usize::MAX, 0), format!("KFold: k is {}, more than the 0 rows there are", usize::MAX));
    assert!(KFold::new(3).split_stratified(&[0, 1]).is_err());
    for n in [1 << 40, usize::MAX / 16, usize::MAX] {
        let expected = format!("KFold: there is no memory for {n} row numbers");
        assert_eq!(message(2, n), expected);
        assert_eq!(message(n, n), expected);
        assert_eq!(KFold::new(5).shuffle(&mut Rng::seed(0)).split(n).unwrap_err().message(), expected);
    }
}

#[test]
fn impossible_splits_are_errors() {
    let mut rng = Rng::seed(0);
    let mut message = |n, fraction| shuffled(n, fraction, &mut rng).unwrap_err().message();
    assert_eq!(message(10, 0.0), "split: the fraction is 0, expected a number between 0 and 1");
    assert_eq!(message(10, 1.0), "split: the fraction is 1, expected a number between 0 and 1");
    assert_eq!(message(10, f64::NAN), "split: the fraction is NaN, expected a number between 0 and 1");
    assert_eq!(message(1, 0.5), "split: 1 row cannot be divided into two parts");
    let e = stratified(&[0, 0, 1], 0.5, &mut rng, &|label| format!("class {label}")).unwrap_err();
    assert_eq!(e.message(), "split_stratified: class 1 occurs in one row only, which cannot be on both sides");
}

#[test]
fn sizes_are_rounded_and_never_zero() {
    let mut rng = Rng::seed(0);
    for (n, fraction, expected) in [(10, 0.8, 8), (100, 0.29, 29), (3, 0.01, 1), (3, 0.99, 2), (2, 0.5, 1)] {
        assert_eq!(shuffled(n, fraction, &mut rng).unwrap().0.len(), expected, "{fraction} of {n}");
    }
}

#[test]
fn every_row_is_somewhere_once() {
    let mut rng = Rng::seed(1);
    for _ in 0..256 {
        let (n, fraction) = (2 + rng.below(198), 0.01 + 0.98 * rng.uniform());
        let (a, b) = shuffled(n, fraction, &mut rng).unwrap();
        assert_eq!(sorted(&[&a, &b]), (0..n).collect::<Vec<_>>());
    }
}

#[test]
fn strata_keep_their_proportions() {
    let mut rng = Rng::seed(2);
    for _ in 0..256 {
        let counts: Vec<usize> = (0..1 + rng.below(5)).map(|_| 2 + rng.below(58)).collect();
        let fraction = 0.1 + 0.8 * rng.uniform();
        let labels: Vec<usize> = counts.iter().enumerate().flat_map(|(c, n)| vec![c; *n]).collect();
        let (a, b) = stratified(&labels, fraction, &mut rng, &|_| String::new()).unwrap();
        assert_eq!(sorted(&[&a, &b]), (0..labels.len()).collect::<Vec<_>>());
        for (class, count) in counts.iter().enumerate() {
            let got = a.iter().filter(|row| labels[**row] == class).count();
            let exact = *count as f64 * fraction;
            assert!((got as f64 - exact).abs() <= 1.0 && got >= 1 && got < *count, "{got} of {count}, {fraction}");
        }
    }
}

#[test]
fn folds_cover_everything_evenly() {
    let mut rng = Rng::seed(3);
    for _ in 0..256 {
        let n = 2 + rng.below(98);
        let k = 2 + rng.below(10.min(n - 1));
        let classes = 1 + rng.below(4);
        let labels: Vec<usize> = (0..n).map(|_| rng.below(classes)).collect();
        let kfold = KFold::new(k).shuffle(&mut rng);
        for (folds, stratified) in [(kfold.split(n).unwrap(), false), (kfold.split_stratified(&labels).unwrap(), true)]
        {
            assert_eq!(folds.len(), k);
            let folds: Vec<Fold> = folds.collect();
            let tests: Vec<&[usize]> = folds.iter().map(|fold| fold.test.as_slice()).collect();
            assert_eq!(sorted(&tests), (0..n).collect::<Vec<_>>());
            for fold in &folds {
                assert_eq!(sorted(&[&fold.train, &fold.test]), (0..n).collect::<Vec<_>>());
                assert!(fold.test.len() == n / k || fold.test.len() == n / k + 1);
                for class in 0..if stratified { classes } else { 0 } {
                    let all = labels.iter().filter(|label| **label == class).count();
                    let here = fold.test.iter().filter(|row| labels[**row] == class).count();
                    assert!(here == all / k || here == all.div_ceil(k));
                }
            }
        }
    }
}
