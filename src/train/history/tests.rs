use super::*;

fn record(epoch: usize, step: u64, loss: f64, validation: Option<f64>) -> Epoch {
    let metrics = validation.map(|loss| ("wurzel aus 误差".to_string(), loss.sqrt())).into_iter().collect();
    Epoch {
        epoch,
        step,
        train_loss: loss,
        validation_loss: validation,
        metrics,
        learning_rate: 0.0123456,
        seconds: 1.25,
    }
}

fn history(epochs: Vec<Epoch>, kept: usize) -> History {
    let steps = epochs.last().map_or(0, |last| last.step);
    let kept_step = epochs.iter().find(|e| e.epoch == kept).map_or(0, |e| e.step);
    History {
        epochs,
        evaluations: vec![],
        steps,
        kept_epoch: kept,
        kept_step,
        ended: Ended::Finished,
        by_steps: false,
        notes: vec![],
    }
}

#[test]
fn epochs_as_a_table() {
    let mut run = history(
        vec![
            record(1, 7, 123.456_789, Some(0.25)),
            record(2, 14, 1e-9, Some(0.04)),
            record(3, 21, f64::NAN, Some(1e12)),
        ],
        2,
    );
    run.ended = Ended::StoppedEarly;
    let expected = "\
epoch      loss  validation  wurzel aus 误差  learning rate  seconds
    1  123.4568      0.2500         0.5000         0.0123      1.2
    2  1.000e-9      0.0400         0.2000         0.0123      1.2 *
    3       NaN    1.000e12   1000000.0000         0.0123      1.2
3 epochs (stopped early), epoch 2 kept: loss 1.000e-9, validation 0.0400, wurzel aus 误差 0.2000";
    assert_eq!(run.to_string(), expected);
}

#[test]
fn steps_as_a_table() {
    let mut run = history(vec![record(1, 100, 3.0, None), record(2, 130, 2.0, None)], 1);
    run.evaluations = vec![record(1, 50, 4.0, Some(4.0)), record(1, 100, 2.0, Some(1.0))];
    (run.by_steps, run.ended) = (true, Ended::Interrupted);
    let expected = "\
step  epoch    loss  validation  wurzel aus 误差  learning rate  seconds
  50      1  4.0000      4.0000         2.0000         0.0123      1.2
 100      1  2.0000      1.0000         1.0000         0.0123      1.2 *
 130      2  2.0000                                    0.0123      1.2
130 steps (interrupted), step 100 kept: loss 2.0000, validation 1.0000, wurzel aus 误差 1.0000";
    assert_eq!(run.to_string(), expected);
    run.evaluations.clear();
    assert_eq!(run.to_string().lines().next_back(), Some("130 steps (interrupted), step 100 kept: loss 3.0000"));
}

#[test]
fn long_short_and_empty_ones() {
    let run = history((1..=1000).map(|i| record(i, i as u64, 1.0, None)).collect(), 500);
    let table = run.to_string();
    let firsts: Vec<&str> = table.lines().map(|line| line.split_whitespace().next().unwrap()).collect();
    assert_eq!(firsts.len(), 1 + FIRST + 1 + 1 + 1 + LAST + 1);
    assert_eq!(firsts[FIRST..FIRST + 5], ["10", "…", "500", "…", "981"]);
    assert_eq!(history(vec![record(1, 3, 0.5, None)], 1).summary(), "1 epoch, epoch 1 kept: loss 0.5000");
    assert_eq!(history(vec![], 0).to_string(), "no steps");
    let left = History { steps: 1, ended: Ended::Interrupted, ..history(vec![], 0) };
    assert_eq!(left.to_string(), "1 step (interrupted)");
}

#[test]
fn times() {
    let cases = [(0.0, 1), (1e-9, 6), (0.00021, 5), (0.014, 3), (0.1, 2), (0.99, 2), (1.0, 1), (3600.0, 1)];
    for (longest, expected) in cases {
        assert_eq!(decimals(longest), expected, "{longest}");
    }
    assert_eq!(decimals(f64::NAN), 1);
    let mut quick = record(1, 3, 0.5, None);
    quick.seconds = 0.00123;
    let table = history(vec![quick], 1).to_string();
    assert!(table.lines().nth(1).unwrap().ends_with("  0.0012 *"), "{table}");
}

#[test]
fn rates() {
    let shown = [0.0, 1e-3, 0.000_312_5, 5e-5, 1.0, 0.1 + 0.2, f64::NAN].map(short_rate);
    assert_eq!(shown, ["0", "0.001", "0.000313", "5.00e-5", "1", "0.3", "NaN"]);
}
