use super::*;

#[test]
fn it_is_the_stable_sort_of_the_standard_library() {
    let mut rng = crate::rng::Rng::seed(5);
    for len in (0..40).chain([100, 1000]) {
        for values in [1, 3, 1000] {
            let items: Vec<(usize, String)> = (0..len).map(|i| (rng.below(values), format!("item {i}"))).collect();
            let (mut ours, mut expected) = (items.clone(), items);
            sort_by(&mut ours, |a, b| b.0.cmp(&a.0));
            expected.sort_by_key(|item| std::cmp::Reverse(item.0));
            assert_eq!(ours, expected);
            expected.sort_by_key(|item| item.0);
            sort_by_key(&mut ours, |item| item.0 as u64);
            assert_eq!(ours, expected);
        }
    }
}

#[test]
fn keys_order_as_numbers_do() {
    let numbers =
        [f64::NEG_INFINITY, -2.5, -f64::MIN_POSITIVE, -0.0, 0.0, 1e-300, 1.0, f64::MAX, f64::INFINITY, f64::NAN];
    assert!(numbers.is_sorted_by(|a, b| key(*a) < key(*b)));
    numbers.iter().for_each(|x| assert_eq!(number(key(*x)).to_bits(), x.to_bits()));
    assert!([i64::MIN, -1, 0, 1, i64::MAX].is_sorted_by(|a, b| whole_key(*a) < whole_key(*b)));
}

#[test]
fn values_are_found_by_name() {
    let pairs = ["b", "a", "c", "b"].into_iter().zip(0..).map(|(name, x)| (name.to_string(), x));
    let mut map = ByName::of(pairs.collect());
    let all = |map: &ByName<i32>| map.iter().map(|(name, x)| format!("{name}{x}")).collect::<String>();
    assert_eq!(all(&map), "a1b3c2");
    map.insert("ab".into(), 7);
    map.insert("c".into(), 8);
    *map.get_or("d".into(), 1) += 1;
    *map.get_or("d".into(), 1) += 1;
    assert_eq!((map.remove("b"), map.remove("b")), (Some(3), None));
    assert_eq!(all(&map), "a1ab7c8d3");
    assert_eq!((map.get("ab"), map.get("b"), map.get("e")), (Some(&7), None, None));
}
