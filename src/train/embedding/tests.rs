use super::*;

/// Three clouds in twenty dimensions stay apart: each point's nearest neighbours are of its cloud.
#[test]
fn what_is_alike_lies_side_by_side() {
    let n = 120;
    let mut rng = Rng::seed(1);
    let noise = Tensor::normal([n, 20], 0.0, 1.0, &mut rng).unwrap();
    let centers = Tensor::normal([3, 20], 0.0, 2.0, &mut rng).unwrap();
    let of: Vec<i64> = (0..n as i64).map(|i| i % 3).collect();
    let points = noise.add(&centers.index_select(0, &Tensor::from_vec(of, [n]).unwrap()).unwrap()).unwrap();
    let flat = tsne(&points, 15.0).unwrap();
    let plane = flat.to_f64_vec();
    let mut right = 0;
    for i in 0..n {
        let distance = |j: usize| (plane[2 * i] - plane[2 * j]).hypot(plane[2 * i + 1] - plane[2 * j + 1]);
        let nearest = (0..n).filter(|j| *j != i).min_by(|a, b| distance(*a).total_cmp(&distance(*b))).unwrap();
        right += usize::from(nearest % 3 == i % 3);
    }
    assert!(right >= n - 2, "{right} of {n}");
    assert_eq!(tsne(&points, 15.0).unwrap().to_f64_vec(), plane);
}

#[test]
fn what_has_no_picture_is_said() {
    let message = |points: &Tensor, perplexity| tsne(points, perplexity).unwrap_err().message();
    let few = Tensor::normal([10, 2], 0.0, 1.0, &mut Rng::seed(0)).unwrap();
    assert_eq!(message(&few, 30.0), "tsne: a perplexity of 30 for 10 points, expected 1 to 3.0000");
    assert_eq!(message(&few, f64::NAN), "tsne: a perplexity of NaN for 10 points, expected 1 to 3.0000");
    assert_eq!(message(&Tensor::ones([10, 2]).unwrap(), 2.0), "tsne: all points are the same");
    assert_eq!(tsne(&few.narrow(1, 0, 1).unwrap(), 3.0).unwrap().shape(), [10, 2]);
    // Most points are the same.
    let mut same = vec![0.0; 40];
    same[0] = 1e100;
    let plane = tsne(&Tensor::from_vec(same, [20, 2]).unwrap(), 2.0).unwrap();
    assert_eq!(plane.shape(), [20, 2]);
}
