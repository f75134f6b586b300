//! Convolutions and transposed convolutions.

use demotic::{ConvOptions, PaddingMode, Tensor};

use super::row::{Row, spread};

type Options = fn() -> ConvOptions;
type Op = fn(&Tensor, &Tensor, Option<&Tensor>, &ConvOptions) -> demotic::Result<Tensor>;

/// A convolution of inputs, weights and, if there are three, a bias.
fn row(name: &'static str, op: Op, options: Options, shapes: &[&[usize]]) -> Row {
    let inputs = shapes.iter().enumerate().map(|(i, shape)| spread(shape, -1.5 + 0.25 * i as f64, 1.75)).collect();
    Row::of(name, move |x| op(&x[0], &x[1], x.get(2), &options()), inputs).covers("conv_weight")
}

pub(super) fn rows() -> Vec<Row> {
    let new: Options = ConvOptions::new;
    vec![
        row("conv1d", Tensor::conv1d, new, &[&[2, 2, 4], &[3, 2, 2], &[3]]).covers("conv_transpose1d"),
        row("conv1d", Tensor::conv1d, || ConvOptions::new().same().dilation(2), &[&[2, 5], &[2, 2, 2]]),
        row("conv1d", Tensor::conv1d, || ConvOptions::new().stride(3).padding(2), &[&[1, 2, 5], &[2, 2, 2]]),
        row(
            "conv1d",
            Tensor::conv1d,
            || ConvOptions::new().padding(1).padding_mode(PaddingMode::Reflect),
            &[&[1, 2, 3], &[2, 2, 2], &[2]],
        ),
        row("conv2d", Tensor::conv2d, new, &[&[1, 2, 3, 3], &[2, 2, 2, 2], &[2]]).covers("conv_transpose2d"),
        row(
            "conv2d",
            Tensor::conv2d,
            || ConvOptions::new().stride([2, 1]).padding([1, 0]).groups(2),
            &[&[1, 4, 3, 3], &[2, 2, 2, 2]],
        ),
        row("conv2d", Tensor::conv2d, || ConvOptions::new().groups(3).padding(1), &[&[1, 3, 2, 3], &[3, 1, 3, 2]]),
        row("conv2d", Tensor::conv2d, new, &[&[2, 3, 2, 2], &[2, 3, 1, 1]]),
        row("conv3d", Tensor::conv3d, new, &[&[1, 2, 2, 2, 3], &[2, 2, 2, 1, 2], &[2]]).covers("conv_transpose3d"),
        row("conv_transpose1d", Tensor::conv_transpose1d, new, &[&[2, 2, 3], &[2, 2, 2], &[2]]).covers("conv1d"),
        row(
            "conv_transpose1d",
            Tensor::conv_transpose1d,
            || ConvOptions::new().stride(2).padding(1).output_padding(1).groups(2),
            &[&[1, 4, 3], &[4, 1, 3]],
        ),
        row(
            "conv_transpose2d",
            Tensor::conv_transpose2d,
            || ConvOptions::new().stride(2).padding([1, 0]),
            &[&[1, 2, 2, 2], &[2, 2, 3, 2], &[2]],
        )
        .covers("conv2d"),
        row("conv_transpose3d", Tensor::conv_transpose3d, new, &[&[1, 2, 2, 1, 2], &[2, 1, 2, 2, 2], &[1]])
            .covers("conv3d"),
    ]
}
