use super::*;

#[test]
fn values_come_back() {
    let numbers = Column::from(vec![Some(1.0), None, Some(-0.5)]);
    assert_eq!(numbers.kind(), ColumnKind::Number);
    assert_eq!(numbers.iter().collect::<Vec<_>>(), [Value::Number(1.0), Value::Missing, Value::Number(-0.5)]);
    assert_eq!(numbers.get(3), None);
    assert!(numbers.texts().is_none());

    let texts = Column::from(vec![Some("b"), None, Some("a"), Some("b")]);
    assert_eq!(texts.texts().unwrap().collect::<Vec<_>>(), [Some("b"), None, Some("a"), Some("b")]);
    assert_eq!((texts.len(), texts.num_missing()), (4, 1));
    assert!(texts.numbers().is_none());
}

#[test]
fn equality_is_about_values() {
    let texts = Column::from(["a", "b", "a"]);
    assert_eq!(texts.rows(&[1]), Column::from(["b"]));
    assert_eq!(Column::from([f64::NAN]), Column::from([f64::NAN]));
    assert_ne!(Column::from([f64::NAN]), Column::from(vec![None::<&str>]));
    assert_ne!(Column::from([1.0]), Column::from([2.0]));
}

#[test]
fn factors_are_in_order_and_only_those_that_occur() {
    let texts = Column::from(vec![Some("c"), Some("a"), None, Some("b"), Some("a")]);
    let expected = (vec!["a".into(), "b".into(), "c".into()], vec![Some(2), Some(0), None, Some(1), Some(0)]);
    assert_eq!(texts.factorize(), expected);
    assert_eq!(texts.rows(&[3, 0]).factorize(), (vec!["b".into(), "c".into()], vec![Some(0), Some(1)]));

    let numbers = Column::from(vec![10.0, 9.0, f64::NAN, -0.0, 0.0, 1e300]);
    let names = ["0", "9", "10", "1e300"].map(String::from).to_vec();
    assert_eq!(numbers.factorize(), (names, vec![Some(2), Some(1), None, Some(0), Some(0), Some(3)]));
}

#[test]
fn numbers_are_written_so_that_they_can_be_read_again() {
    for x in [0.0, 0.1, -1.5, 1e16, 1e300, 5e-324, f64::MAX, f64::INFINITY, 123456789.123, 1e-5, 1e15] {
        let text = Value::Number(x).to_string();
        assert_eq!(text.parse::<f64>().unwrap(), x, "{text}");
        assert!(text.len() < 25, "{text}");
    }
}

#[test]
fn whole_numbers_keep_their_digits() {
    let near = [(1i64 << 53) + 1, 1 << 53, i64::MAX, i64::MAX - 1, i64::MIN, 3];
    let column = Column::from(near.iter().map(|x| Some(*x)).chain([None]).collect::<Vec<_>>());
    let back: Vec<Option<i128>> = column.integers().unwrap().collect();
    assert_eq!(back, near.iter().map(|x| Some(i128::from(*x))).chain([None]).collect::<Vec<_>>());
    let (names, codes) = column.factorize();
    assert_eq!((names.len(), codes[6]), (6, None));
    assert_eq!(names[codes[0].unwrap()], "9007199254740993");
    assert_eq!(names[0], i64::MIN.to_string());
    assert_eq!(
        (column.num_missing(), column.get(5), column.get(6)),
        (1, Some(Value::Number(3.0)), Some(Value::Missing))
    );
    assert_eq!(column.rows(&[3, 6]).iter().collect::<Vec<_>>(), [Value::Integer((1 << 63) - 2), Value::Missing]);
    // The same numbers are equal in whatever form, others are not.
    assert_eq!(Column::from(vec![1i64 << 60]), Column::from([2f64.powi(60)]));
    assert_ne!(Column::from(vec![(1i64 << 53) + 1]), Column::from([2f64.powi(53)]));
    assert_eq!(Column::from(vec![1i64, 2]), Column::from([1.0, 2.0]));
    assert!(Column::from([0.5]).integers().is_none() && Column::from(["1"]).integers().is_none());
}
