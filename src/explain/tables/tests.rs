use super::*;

fn table() -> Table {
    let x: Vec<f64> = (0..200).map(|i| f64::from(i % 20) - 9.5).collect();
    let z: Vec<f64> = (0..200).map(|i| f64::from(i * 7 % 13)).collect();
    let y: Vec<f64> = x.iter().zip(&z).map(|(x, z)| 3.0 * x + z).collect();
    let kind: Vec<&str> = (0..200).map(|i| if i % 4 == 0 { "b" } else { "a" }).collect();
    Table::from_columns([("x", x.into()), ("z", z.into()), ("kind", kind.into()), ("y", Column::from(y))]).unwrap()
}

fn predict(table: &Table) -> Result<Vec<f64>> {
    let numbers = |name| Ok::<_, Error>(table.column(name)?.numbers().unwrap_or_default().to_vec());
    let kinds: Vec<f64> =
        table.column("kind")?.iter().map(|kind| if kind.text() == Some("b") { 10.0 } else { 0.0 }).collect();
    Ok(numbers("x")?.iter().zip(numbers("z")?).zip(kinds).map(|((x, z), kind)| 3.0 * x + z + kind).collect())
}

fn score(table: &Table) -> Result<f64> {
    let y = table.column("y")?.numbers().unwrap_or_default().to_vec();
    let x = predict(table)?;
    Ok(-x.iter().zip(&y).map(|(p, y)| (p - y).powi(2)).sum::<f64>() / y.len() as f64)
}

/// Shuffling x adds, to the mean squared error, twice its variance times the square of its weight, in expectation.
#[test]
fn shuffling_costs_what_it_should() {
    let found = permutation_importance(&table(), &["x", "z"], 200, &mut Rng::seed(3), score).unwrap();
    let z: Vec<f64> = table().column("z").unwrap().numbers().unwrap().to_vec();
    let mean = z.iter().sum::<f64>() / 200.0;
    let variance = z.iter().map(|z| (z - mean).powi(2)).sum::<f64>() / 200.0;
    for (found, expected) in found.iter().zip([2.0 * 9.0 * 33.25, 2.0 * variance]) {
        assert!((found.mean / expected - 1.0).abs() < 0.05, "{}: {}, expected {expected}", found.column, found.mean);
        let [low, high] = found.interval();
        assert!(low < found.mean && found.mean < high && low > 0.5 * expected && high < 1.5 * expected);
    }
    assert_eq!(Importance { column: String::new(), mean: 0.0, losses: vec![4.0, 1.0] }.interval(), [1.075, 3.925]);
}

#[test]
fn dependence_of_numbers_and_texts() {
    let Effect::Numbers(points) = partial_dependence(&table(), "x", 5, "y", predict).unwrap().effect else { panic!() };
    // scipy.stats.mstats.mquantiles of the column at 0.05 and 0.95, and even steps between them.
    let expected = [-9.09, -4.545, 0.0, 4.545, 9.09];
    let rest = table().column("z").unwrap().numbers().unwrap().iter().sum::<f64>() / 200.0 + 2.5;
    for ((x, y), expected) in points.iter().zip(expected) {
        assert!((x - expected).abs() < 1e-12 && (y - (3.0 * x + rest)).abs() < 1e-9, "{x} {y}");
    }
    let Effect::Categories(means) = partial_dependence(&table(), "kind", 5, "y", predict).unwrap().effect else {
        panic!()
    };
    assert_eq!(means.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["a", "b"]);
    assert!((means[1].1 - means[0].1 - 10.0).abs() < 1e-9);
}

/// Where both percentiles are one number, and where numbers are as large as they can be.
#[test]
fn values_of_unusual_columns() {
    let mut rare = vec![0.0; 100];
    rare[..3].copy_from_slice(&[-1.0, 2.0, 3.0]);
    assert_eq!(grid("ice", "a", &rare, 3).unwrap(), [-1.0, 1.0, 3.0]);
    assert_eq!(grid("ice", "a", &rare, 5).unwrap(), [-1.0, 0.0, 2.0, 3.0]);
    assert_eq!(grid("ice", "a", &[7.0; 4], 2).unwrap(), [7.0]);
    let large = grid("ice", "a", &[f64::MAX, -f64::MAX, f64::NAN, f64::INFINITY], 2).unwrap();
    assert_eq!(large, [-f64::MAX, f64::MAX]);
}

#[test]
fn what_is_impossible_is_said() {
    let mut rng = Rng::seed(0);
    let mut importance = |columns: &[&str], repeats, score: fn(&Table) -> Result<f64>| {
        permutation_importance(&table(), columns, repeats, &mut rng, score).unwrap_err().message()
    };
    assert_eq!(importance(&["x"], 0, score), "permutation_importance: repeats is 0, expected at least 1");
    assert_eq!(importance(&["q"], 1, score), "column: the table has no column `q`");
    let message = "permutation_importance: the score of the table as it is is NaN";
    assert_eq!(importance(&["x"], 1, |_| Ok(f64::NAN)), message);
    let dependence = |column, points, predict: fn(&Table) -> Result<Vec<f64>>| {
        partial_dependence(&table(), column, points, "y", predict).unwrap_err().message()
    };
    assert_eq!(dependence("x", 1, predict), "partial_dependence: 1 points, expected 2 to 10,000");
    assert_eq!(dependence("x", 3, |_| Ok(vec![1.0])), "partial_dependence: 1 predictions for 200 rows");
    let empty = Table::from_columns([("a", Column::from([f64::NAN]))]).unwrap();
    let e = partial_dependence(&empty, "a", 3, "y", predict).unwrap_err().message();
    assert_eq!(e, "partial_dependence: column `a` has no values");
}
