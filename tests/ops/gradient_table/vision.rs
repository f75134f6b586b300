//! Operations on images: pooling, norms of channels.

use demotic::autograd::{GridPadding, InterpolateOptions, Interpolation, PoolOptions, UnfoldOptions};
use demotic::{Result, Tensor};

use super::row::{Row, spread};

pub(super) fn rows() -> Vec<Row> {
    [pools(), channel_norms(), images()].into_iter().flatten().collect()
}

fn x(shape: &[usize]) -> Tensor {
    spread(shape, -2.0, 2.0)
}

/// The same image, lying in memory with its channels last.
fn channels_last(x: &Tensor) -> Result<Tensor> {
    x.movedim(1, -1)?.contiguous().movedim(-1, 1)
}

fn pools() -> Vec<Row> {
    let options = PoolOptions::new;
    let overlapping = move || options(2).stride(1).padding(1);
    let at = || Tensor::from_nested([[[0i64, 5, 4]]]).unwrap();
    vec![
        Row::new("max_pool", move |x| Ok(x[0].max_pool1d(&options(2).stride(1))?.square()), [x(&[1, 2, 5])])
            .covers("max_pool_sum")
            .not_broadcast(),
        Row::new("max_pool", move |x| x[0].max_pool2d(&overlapping()), [x(&[1, 2, 3, 3])]).not_broadcast(),
        Row::new("max_pool", move |x| Ok(channels_last(&x[0])?.max_pool2d(&overlapping())?.sin()), [x(&[1, 2, 3, 3])])
            .covers("max_pool_sum")
            .not_broadcast(),
        Row::new("max_pool", |x| x[0].adaptive_max_pool3d(2), [x(&[1, 1, 2, 3, 3])]).not_broadcast(),
        Row::new("window_sum", move |x| Ok(x[0].avg_pool1d(&options(3).stride(2))?.square()), [x(&[1, 2, 5])]),
        Row::new("window_sum", move |x| x[0].avg_pool2d(&overlapping().count_include_pad(false)), [x(&[1, 2, 3, 3])]),
        Row::new("window_sum", |x| x[0].avg_pool2d(&PoolOptions::new([1, 2]).stride([3, 2])), [x(&[2, 1, 4, 3])]),
        Row::new(
            "window_sum",
            move |x| channels_last(&x[0])?.avg_pool2d(&overlapping().count_include_pad(false))?.exp().mul(&x[1]),
            [x(&[1, 2, 3, 2]), x(&[1, 2, 4, 3])],
        ),
        Row::new("window_sum", |x| x[0].adaptive_avg_pool3d([1, 2, 2]), [x(&[1, 1, 2, 3, 3])]),
        Row::new("powf", move |x| x[0].lp_pool2d(3.0, &options(2)), [spread(&[1, 2, 2, 4], 0.3, 2.0)])
            .covers("window_sum"),
        Row::new("scatter", move |x| x[0].max_unpool1d(&at(), &options(2), None), [x(&[1, 1, 3])]),
    ]
}

fn channel_norms() -> Vec<Row> {
    let per_channel = || spread(&[2], 0.4, 1.6);
    let given = || (spread(&[2], -0.5, 0.5), spread(&[2], 0.4, 1.9));
    let with = move |x: &[Tensor]| {
        let (mean, variance) = given();
        let (mean, variance) = (mean.to_dtype(x[0].dtype()), variance.to_dtype(x[0].dtype()));
        x[0].batch_norm_with(&mean, &variance, x.get(1), x.get(2), 1e-5)
    };
    vec![
        Row::new("batch_norm", |x| Ok(x[0].batch_norm(None, None, 1e-2)?.0), [x(&[4, 2])]).not_broadcast(),
        Row::new(
            "batch_norm",
            |x| Ok(x[0].batch_norm(Some(&x[1]), Some(&x[2]), 1e-2)?.0),
            [x(&[2, 2, 3]), per_channel(), x(&[2])],
        )
        .not_broadcast(),
        Row::new(
            "batch_norm",
            |x| Ok(channels_last(&x[0])?.batch_norm(Some(&x[1]), None, 1e-2)?.0.sin()),
            [x(&[2, 2, 1, 3]), per_channel()],
        )
        .not_broadcast(),
        Row::new("batch_norm", |x| Ok(x[0].batch_norm(None, Some(&x[1]), 1e-2)?.0), [x(&[4, 2]), x(&[2])])
            .not_broadcast(),
        Row::new("batch_norm", with, [x(&[2, 2, 3]), per_channel(), x(&[2])]),
        Row::new("batch_norm", with, [x(&[2, 2]), per_channel()]),
        Row::new(
            "rsqrt",
            |x| x[0].batch_norm_with(&x[1], &x[2], None, None, 1e-2),
            [x(&[2, 2, 3]), x(&[2]), per_channel()],
        ),
        Row::new(
            "layer_norm",
            |x| x[0].group_norm(2, Some(&x[1]), Some(&x[2]), 1e-2),
            [x(&[2, 4, 2]), spread(&[4], 0.4, 1.6), x(&[4])],
        )
        .not_broadcast(),
        Row::new("window_sum", |x| x[0].local_response_norm(3, 0.7, 0.75, 1.0), [x(&[2, 4, 2])]),
    ]
}

/// Other sizes, windows as columns, warping, and weights whose norm is fixed.
fn images() -> Vec<Row> {
    let to = |mode| move |options: InterpolateOptions| options.mode(mode);
    let (linear, cubic) = (to(Interpolation::Linear), to(Interpolation::Cubic));
    let unfold = || UnfoldOptions::new([2, 1]).padding(1).stride([1, 2]);
    let grid = || spread(&[1, 2, 2, 2], -1.1, 1.05);
    let sample = |mode, padding, align| move |x: &[Tensor]| x[0].grid_sample(&x[1], mode, padding, align);
    vec![
        Row::new("interpolate", move |x| x[0].interpolate(&linear(InterpolateOptions::size(5))), [x(&[1, 2, 3])]),
        Row::new(
            "interpolate",
            move |x| Ok(x[0].interpolate(&cubic(InterpolateOptions::scale(1.6)))?.sin()),
            [x(&[1, 1, 2, 3])],
        ),
        Row::new("interpolate", |x| x[0].interpolate(&InterpolateOptions::size(2)), [x(&[1, 1, 2, 3, 2])]),
        Row::new(
            "interpolate",
            move |x| channels_last(&x[0])?.interpolate(&linear(InterpolateOptions::size([3, 2]).align_corners(true))),
            [x(&[1, 2, 2, 3])],
        ),
        Row::new("index_select", move |x| Ok(x[0].im2col(&unfold())?.square()), [x(&[1, 2, 3, 2])]),
        Row::new("index_add", move |x| Ok(x[0].col2im([2, 2], &unfold())?.square()), [x(&[1, 4, 6])]),
        Row::new("permute", |x| Ok(x[0].pixel_shuffle(2)?.square()), [x(&[1, 4, 2, 1])]),
        Row::new("permute", |x| channels_last(&x[0])?.pixel_unshuffle(2), [x(&[1, 2, 2, 4])]),
        Row::new("index_select", sample(Interpolation::Linear, GridPadding::Zeros, false), [x(&[1, 2, 3, 2]), grid()])
            .not_broadcast(),
        Row::new("remainder", sample(Interpolation::Linear, GridPadding::Reflection, true), [x(&[1, 1, 3, 4]), grid()])
            .not_broadcast(),
        Row::new("clamp", sample(Interpolation::Linear, GridPadding::Border, false), [x(&[1, 1, 3, 4]), grid()])
            .not_broadcast(),
        Row::new("index_select", sample(Interpolation::Cubic, GridPadding::Zeros, false), [x(&[1, 1, 3, 4]), grid()])
            .not_broadcast(),
        Row::new("round", sample(Interpolation::Nearest, GridPadding::Zeros, false), [x(&[1, 1, 3, 4]), grid()])
            .not_broadcast(),
        Row::new("matmul", |x| x[0].affine_grid(&[2, 1, 2, 3], false), [x(&[2, 2, 3])]),
    ]
}
