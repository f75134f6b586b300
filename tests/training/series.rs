//! Series over time, and the folds that go with them: what goes wrong.

use demotic::data::{
    Column, GroupKFold, RepeatedKFold, Rolling, ShuffleSplit, StratifiedGroupKFold, TimeFeatures, TimeSeriesSplit,
    Windows,
};
use demotic::prelude::*;

fn series(n: usize) -> Result<Tensor> {
    Tensor::from_vec((0..2 * n).map(|i| i as f32).collect(), [n, 2])
}

#[test]
fn windows_of_several_series() -> Result<()> {
    let windows = Windows::of_series(&[series(5)?, series(2)?, series(4)?], 2, 1)?;
    assert_eq!(windows.len(), 3 + 2);
    let (x, y) = windows.batch(&[4, 2, 0], &mut Rng::seed(0))?;
    assert_eq!((x.shape(), y.shape()), (&[3, 2, 2][..], &[3, 1, 2][..]));
    // The last window of the third series begins at its second step.
    assert_eq!(x.to_vec::<f32>()?, [2., 3., 4., 5., 4., 5., 6., 7., 0., 1., 2., 3.]);
    assert_eq!(y.to_vec::<f32>()?, [6., 7., 8., 9., 4., 5.]);
    let strided = windows.clone().stride(2)?;
    assert_eq!(strided.len(), 2 + 1);
    assert_eq!(strided.batch(&[2], &mut Rng::seed(0))?.0.to_vec::<f32>()?, [0., 1., 2., 3.]);
    assert_eq!(windows.batch(&[5], &mut Rng::seed(0)).unwrap_err().message(), "Windows: window 5 of 5, counted from 0");
    Ok(())
}

#[test]
fn no_target_of_one_part_is_in_the_other() -> Result<()> {
    let n = 40;
    let steps = Tensor::from_vec((0..n).map(|i| i as f32).collect(), [n])?;
    for (input, horizon, fraction) in [(3, 1, 0.5), (5, 4, 0.7), (1, 1, 0.9), (7, 3, 0.33)] {
        let (train, test) = Windows::new(&steps, input, horizon)?.split(fraction)?;
        let targets = |part: &Windows| -> Result<Vec<f32>> {
            let indices: Vec<usize> = (0..part.len()).collect();
            let (x, y) = part.batch(&indices, &mut Rng::seed(0))?;
            assert_eq!(x.shape(), [part.len(), input, 1]);
            y.to_vec()
        };
        let border = (n as f64 * fraction).round() as f32;
        assert!(targets(&train)?.iter().all(|t| *t < border));
        let behind = targets(&test)?;
        assert!(behind.iter().all(|t| *t >= border));
        assert_eq!(behind.last(), Some(&(n as f32 - 1.0)));
        assert_eq!(behind[0], border.max(input as f32));
    }
    Ok(())
}

#[test]
fn impossible_windows() -> Result<()> {
    let message = |windows: Result<Windows>| windows.unwrap_err().message();
    assert_eq!(
        message(Windows::new(&series(4)?, 3, 2)),
        "Windows: a series of 4 steps, 3 of input and a horizon of 2 need 5"
    );
    assert_eq!(
        message(Windows::new(&series(4)?, usize::MAX, 2)),
        format!("Windows: a series of 4 steps, {} of input and a horizon of 2 need {}", usize::MAX, usize::MAX)
    );
    assert_eq!(
        message(Windows::new(&series(4)?, 0, 2)),
        "Windows: 0 steps of input and a horizon of 2, expected at least 1 of each"
    );
    assert_eq!(message(Windows::of_series(&[], 1, 1)), "Windows: there are no series");
    assert_eq!(
        message(Windows::of_series(&[series(4)?, Tensor::zeros([4, 3])?], 1, 1)),
        "Windows: series 1 has 3 features, the first 2"
    );
    assert_eq!(
        message(Windows::new(&Tensor::zeros([4, 3, 2])?, 1, 1)),
        "Windows: series 0 has shape [4, 3, 2], expected [time, features]"
    );
    let windows = Windows::new(&series(9)?, 2, 1)?;
    assert_eq!(message(windows.clone().stride(0)), "Windows: the stride is 0, expected at least 1");
    let e = windows.clone().targets(&["sales"]).unwrap_err();
    assert_eq!(e.message(), "Windows: the target `sales` is none of the features");
    assert_eq!(e.help(), Some("the features are 0, 1"));
    assert_eq!(
        windows.split(1.5).unwrap_err().message(),
        "split: the fraction is 1.5, expected a number between 0 and 1"
    );
    assert_eq!(windows.split(0.01).unwrap_err().message(), "split: the first part has no window of 2 and 1 steps");
    let table = Table::from_columns([
        ("x", Column::from([1.0, f64::NAN, 3.0])),
        ("large", Column::from([1.0, 1e300, 3.0])),
        ("kind", Column::from(["a", "b", "c"])),
    ])?;
    let of = |column: &str| message(Windows::from_table(&table, &[column], 1, 1));
    assert_eq!(of("x"), "Windows: column `x` has no value in row 1");
    assert_eq!(of("large"), "Windows: column `large` has a number beyond the range of f32 in row 1");
    assert_eq!(of("kind"), "Windows: column `kind` has texts, expected numbers");
    assert_eq!(of("y"), "Windows: the table has no column `y`");
    Ok(())
}

#[test]
fn impossible_features() -> Result<()> {
    let table = Table::from_columns([("x", Column::from([1.0, 2.0])), ("kind", Column::from(["a", "b"]))])?;
    let message = |features: TimeFeatures| features.apply(&table).unwrap_err().message();
    let new = TimeFeatures::new;
    assert_eq!(message(new().lags("kind", &[1])), "TimeFeatures: column `kind` has texts, expected numbers");
    assert_eq!(message(new().lags("x", &[1, 0])), "TimeFeatures: 0 rows of column `x`, expected at least 1");
    assert_eq!(
        message(new().rolling("x", 0, &[Rolling::Mean])),
        "TimeFeatures: 0 rows of column `x`, expected at least 1"
    );
    assert_eq!(message(new().lags("x", &[1, 1])), "TimeFeatures: two columns are called `x_lag_1`");
    assert_eq!(message(new().group("shop").lags("x", &[1])), "TimeFeatures: the table has no column `shop`");
    // Longer than the series, by any number.
    let far = new().lags("x", &[usize::MAX]).rolling("x", usize::MAX, &[Rolling::Std]).difference("x", usize::MAX);
    let made = far.apply(&table)?;
    assert!(made.columns().skip(2).all(|(_, column)| column.num_missing() == 2));
    Ok(())
}

#[test]
fn impossible_folds() {
    let message = |folds: Result<demotic::data::Folds>| folds.unwrap_err().message();
    let rng = &mut Rng::seed(0);
    assert_eq!(
        message(TimeSeriesSplit::new(5).split(5)),
        "TimeSeriesSplit: 5 rows for 5 folds with 1 rows to test on and a gap of 0"
    );
    assert_eq!(
        message(TimeSeriesSplit::new(2).gap(usize::MAX).split(50)),
        format!("TimeSeriesSplit: 50 rows for 2 folds with 16 rows to test on and a gap of {}", usize::MAX)
    );
    assert_eq!(message(TimeSeriesSplit::new(1).split(5)), "TimeSeriesSplit: k is 1, expected at least 2 folds");
    assert_eq!(
        message(TimeSeriesSplit::new(2).test_size(0).split(5)),
        "TimeSeriesSplit: a part of 0 rows, expected at least 1"
    );
    assert!(TimeSeriesSplit::new(usize::MAX).split(usize::MAX).is_err());
    assert_eq!(message(GroupKFold::new(3).split(&[1, 1, 2])), "GroupKFold: k is 3, more than the 2 groups there are");
    assert_eq!(
        message(StratifiedGroupKFold::new(2).split(&[1, 1], &[1])),
        "StratifiedGroupKFold: 2 classes and 1 groups"
    );
    assert_eq!(
        message(StratifiedGroupKFold::new(3).split(&[0, 0, 1, 1], &[1, 2, 3, 4])),
        "StratifiedGroupKFold: k is 3, more than the rows of any class"
    );
    assert_eq!(message(RepeatedKFold::new(2, 0, rng).split(9)), "RepeatedKFold: 0 repetitions, expected at least 1");
    assert_eq!(message(RepeatedKFold::new(9, 2, rng).split(3)), "KFold: k is 9, more than the 3 rows there are");
    assert!(RepeatedKFold::new(2, usize::MAX, rng).split(9).is_err());
    assert_eq!(message(ShuffleSplit::new(0, 0.5, rng).split(9)), "ShuffleSplit: 0 folds, expected at least 1");
    assert_eq!(
        message(ShuffleSplit::new(2, 1.0, rng).split(9)),
        "split: the fraction is 1, expected a number between 0 and 1"
    );
    assert_eq!(
        message(ShuffleSplit::new(2, 0.5, rng).split_stratified(&[4, 4, 9])),
        "split_stratified: class 9 occurs in one row only, which cannot be on both sides"
    );
    // The rare class is in one group: one fold has it nowhere to test on, the other nowhere to train on.
    let folds = StratifiedGroupKFold::new(2).split(&[0, 0, 0, 0, 8, 8], &[1, 2, 3, 4, 5, 5]).unwrap();
    let e = folds.with_all_classes(&[0, 0, 0, 0, 8, 8]).unwrap_err();
    assert_eq!(e.message(), "with_all_classes: fold 1 has no row of class 8 to train on");
    assert_eq!(e.help(), Some("use fewer folds, or stratified ones; or leave out or join classes that are this rare"));
}

#[test]
fn drawn_folds_keep_their_promises() -> Result<()> {
    let rng = &mut Rng::seed(5);
    let groups: Vec<usize> = (0..60).map(|_| rng.below(12)).collect();
    let labels: Vec<usize> = (0..60).map(|i| i % 3).collect();
    for fold in ShuffleSplit::new(5, 0.25, rng).split_groups(&groups)? {
        assert_eq!(fold.train.len() + fold.test.len(), 60);
        assert!(fold.test.iter().all(|row| fold.train.iter().all(|other| groups[*row] != groups[*other])));
    }
    for fold in ShuffleSplit::new(5, 0.25, rng).split_stratified(&labels)? {
        assert_eq!(fold.test.iter().filter(|row| labels[**row] == 1).count(), 5);
    }
    for kfold in [GroupKFold::new(4), GroupKFold::new(4).shuffle(rng)] {
        let folds: Vec<_> = kfold.split(&groups)?.collect();
        let mut all: Vec<usize> = folds.iter().flat_map(|fold| fold.test.clone()).collect();
        all.sort_unstable();
        assert_eq!(all, (0..60).collect::<Vec<_>>());
        for fold in &folds {
            assert!(fold.test.iter().all(|row| fold.train.iter().all(|other| groups[*row] != groups[*other])));
        }
    }
    let folds = RepeatedKFold::new(3, 4, rng).split_stratified(&labels)?;
    assert_eq!(folds.len(), 12);
    let folds: Vec<_> = folds.collect();
    for repeat in folds.chunks(3) {
        let mut all: Vec<usize> = repeat.iter().flat_map(|fold| fold.test.clone()).collect();
        all.sort_unstable();
        assert_eq!(all, (0..60).collect::<Vec<_>>());
    }
    assert_ne!(folds[0], folds[3]);
    Ok(())
}
