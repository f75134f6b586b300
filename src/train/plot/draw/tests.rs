use super::*;

#[test]
fn lines_are_cut_where_they_leave() {
    let line = [(0.0, 0.0), (1.0, 4.0), (2.0, 0.0), (3.0, 1.0), (4.0, -1.0), (5.0, 9.0)];
    assert_eq!(
        cut(&line, (0.0, 2.0)),
        [
            vec![(0.0, 0.0), (0.5, 2.0)],
            vec![(1.5, 2.0), (2.0, 0.0), (3.0, 1.0), (3.5, 0.0)],
            vec![(4.1, 0.0), (4.3, 2.0)]
        ]
    );
    assert_eq!(cut(&line, (-9.0, 9.0)), [line.to_vec()]);
    assert!(cut(&[], (0.0, 1.0)).is_empty());
    assert!(cut(&[(0.0, 5.0), (1.0, 6.0)], (0.0, 1.0)).is_empty());
}

#[test]
fn smoothing_is_the_mean_of_neighbours() {
    let points: Vec<Point> = [1.0, 5.0, 3.0, 7.0].into_iter().zip([0.0, 3.0, 6.0, 0.0]).collect();
    let heights = |window| smooth(&points, window).into_iter().map(|p| p.1).collect::<Vec<_>>();
    assert_eq!(heights(3), [1.5, 3.0, 3.0, 3.0]);
    assert_eq!(heights(1), [0.0, 3.0, 6.0, 0.0]);
    assert_eq!(heights(0), [0.0, 3.0, 6.0, 0.0]);
    assert_eq!(heights(usize::MAX), [2.25; 4]);
}
#[test]
fn thinning_keeps_the_ends_and_what_stands_out() {
    let line: Vec<Point> = (0..100_000).map(|i| (f64::from(i) / 200.0, f64::from(i % 7))).collect();
    let mut spiked = line.clone();
    spiked[54_321].1 = 1e9;
    let thinned = thin(spiked);
    assert!(thinned.len() < 4100, "{}", thinned.len());
    assert_eq!((thinned.first(), thinned.last()), (line.first(), line.last()));
    assert!(thinned.contains(&(54_321.0 / 200.0, 1e9)));
    assert_eq!(thin(line[..100].to_vec()), line[..100]);
}
