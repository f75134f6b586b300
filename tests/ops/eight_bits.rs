//! Products of weights of eight bits: where all numbers are whole already, nothing is rounded, and they are those of the numbers.

use demotic::ConvOptions;
use demotic::prelude::*;
use demotic::tensor::{QTensor, Scheme};

/// Whole numbers from −127 to 127, the largest of which is in the first place of every row of `len`.
fn whole(shape: &[usize], len: usize, step: usize) -> Tensor {
    let numel: usize = shape.iter().product();
    let number = |i: usize| if i.is_multiple_of(len) { 127.0 } else { ((i * step + i / 7) % 255) as f32 - 127.0 };
    Tensor::from_vec((0..numel).map(number).collect::<Vec<f32>>(), shape).unwrap()
}

#[test]
fn rows_of_any_number() {
    for (rows, features, outputs) in [(1, 9, 5), (8, 64, 40), (31, 33, 17), (32, 7, 5), (45, 70, 33), (40, 512, 1100)] {
        let (x, w) = (whole(&[rows, features], features, 7919), whole(&[outputs, features], features, 104_729));
        let own = QTensor::quantize(&w, Scheme::Int8).unwrap();
        assert_eq!(
            own.linear(&x, None).unwrap().to_f64_vec(),
            x.linear(&w, None).unwrap().to_f64_vec(),
            "{rows} {features} {outputs}"
        );
    }
}

#[test]
fn convolutions_of_any_size() {
    let mut rng = Rng::seed(0);
    for (channels, outputs, groups, side, kernel) in
        [(1, 5, 1, 4, 3), (3, 18, 1, 7, 3), (4, 40, 2, 9, 3), (6, 6, 6, 8, 5), (16, 33, 1, 6, 1)]
    {
        let features = channels / groups * kernel * kernel;
        let options = ConvOptions::new().padding(kernel / 2).groups(groups);
        let mut conv = Conv2d::with_options(channels, outputs, kernel, options, &mut rng).unwrap().without_bias();
        conv.weight.set(&whole(&[outputs, channels / groups, kernel, kernel], features, 104_729)).unwrap();
        let x = whole(&[3, channels, side, side], channels * side * side, 7919);
        let expected = conv.predict(&x).unwrap();
        conv.quantize("*", Scheme::Int8).unwrap();
        assert_eq!(
            conv.predict(&x).unwrap().to_f64_vec(),
            expected.to_f64_vec(),
            "{channels} {outputs} {groups} {side} {kernel}"
        );
    }
}
