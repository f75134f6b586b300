//! Layers of images: what they say of mistakes, what they keep, and what they do in a repeated pass.

use demotic::autograd::{GridPadding, InterpolateOptions, Interpolation, UnfoldOptions};
use demotic::layers::*;
use demotic::{DType, Error, ErrorKind, Result, Rng, Tensor, sequential, tensor};

fn images(shape: &[usize]) -> Tensor {
    Tensor::normal(shape, 0.0, 1.0, &mut Rng::seed(4)).unwrap()
}

fn message(result: Result<Tensor>) -> String {
    result.unwrap_err().message()
}

#[test]
fn pools_say_what_does_not_fit() {
    let x = images(&[1, 2, 4, 6]);
    let max = |pool: MaxPool2d| message(pool.predict(&x));
    let avg = |pool: AvgPool2d| message(pool.predict(&x));
    assert_eq!(max(MaxPool2d::new(5)), "max_pool2d: the height of the input is 4, less than a kernel that spans 5");
    assert_eq!(max(MaxPool2d::new(0)), "max_pool2d: the kernel is [0], expected at least 1");
    assert_eq!(max(MaxPool2d::new([1, 2, 3])), "max_pool2d: the kernel is [1, 2, 3], expected 1 or 2 numbers");
    assert_eq!(max(MaxPool2d::new(2).stride(0)), "max_pool2d: the stride is [0], expected at least 1");
    assert_eq!(max(MaxPool2d::new(2).dilation([1, 0])), "max_pool2d: the dilation is [1, 0], expected at least 1");
    assert_eq!(
        max(MaxPool2d::new(3).padding(2)),
        "max_pool2d: a padding of 2 is more than half of a kernel that spans 3"
    );
    let e = MaxPool1d::new(2).dilation(3).padding(2).predict(&tensor![[1.0]]).unwrap_err();
    assert_eq!(e.message(), "max_pool1d: window 0 along the places of dimension 0 has none of the 1 in it");
    assert_eq!(e.help(), Some("use less padding, or less dilation"));
    assert_eq!(avg(AvgPool2d::new(2).divisor_override(0)), "avg_pool2d: a divisor of 0");
    assert_eq!(
        message(AvgPool1d::new(2).predict(&x)),
        "avg_pool1d: the input has shape [1, 2, 4, 6], expected [batch, channels, length] or [channels, length], with places"
    );
    assert_eq!(
        message(MaxPool2d::new(2).predict(&images(&[1, 2, 0, 6]))),
        "max_pool2d: the input has shape [1, 2, 0, 6], expected [batch, channels, height, width] or \
         [channels, height, width], with places"
    );
    assert_eq!(
        message(AdaptiveAvgPool2d::new(0).predict(&x)),
        "adaptive_avg_pool2d: an output of [Some(0)], expected 1 or 2 sizes of at least 1"
    );
    assert_eq!(
        message(AdaptiveMaxPool2d::new([2, 2, 2]).predict(&x)),
        "adaptive_max_pool2d: an output of [Some(2), Some(2), Some(2)], expected 1 or 2 sizes of at least 1"
    );
    assert_eq!(message(LpPool2d::new(0.0, 2).predict(&x)), "lp_pool2d: p is 0, expected a positive number");
    assert_eq!(
        message(GlobalAvgPool.predict(&images(&[2, 3]))),
        "GlobalAvgPool: the input has shape [2, 3], expected [batch, channels, ..] with 3 to 5 dimensions"
    );
    let whole = Tensor::zeros([1, 1, 2, 2]).unwrap().to_dtype(DType::I64);
    let e = MaxPool2d::new(2).predict(&whole).unwrap_err();
    assert_eq!(e.kind(), ErrorKind::DType);
}

#[test]
fn sizes_without_bound_are_errors_and_take_no_memory() {
    let x = images(&[1, 1, 4, 4]);
    let huge = usize::MAX;
    for size in [huge, huge / 2, 1 << 62, 1 << 40] {
        assert!(AdaptiveAvgPool2d::new(size).predict(&x).is_err());
        assert!(AdaptiveMaxPool2d::new(size).predict(&x).is_err());
        assert!(AdaptiveAvgPool2d::new(size).predict(&images(&[0, 1, 4, 4])).is_err());
        assert!(MaxPool2d::new(size).predict(&x).is_err());
        assert!(MaxPool2d::new(2).dilation(size).predict(&x).is_err());
        assert!(MaxPool2d::new(size).dilation(size).padding(size).predict(&x).is_err());
        assert!(images(&[1, 0, 4, 4]).pixel_shuffle(size).is_err());
        assert!(images(&[1, 3, 0, 4]).pixel_unshuffle(size).is_err());
        assert!(AvgPool2d::new(2).padding(size).predict(&x).is_err());
        assert!(x.max_unpool2d(&x.to_dtype(DType::I64), MaxPool2d::new(size).options(), None).is_err());
        assert!(x.max_unpool2d(&x.to_dtype(DType::I64), MaxPool2d::new(2).stride(size).options(), None).is_err());
        // A window that is larger than everything is that of everything.
        let all = MaxPool2d::new(size).padding(size / 2).stride(size).predict(&x).unwrap();
        assert_eq!(all.item().unwrap(), x.max().unwrap().item().unwrap());
        let first = AvgPool2d::new(1).stride(size).predict(&x).unwrap();
        assert_eq!(first.item().unwrap(), x.index((0, 0, 0, 0)).unwrap().item().unwrap());
    }
}

#[test]
fn unpooling_says_what_does_not_fit() {
    let (x, at) = (images(&[1, 1, 2]), Tensor::from_nested([[[0i64, 4]]]).unwrap());
    let pool = MaxPool1d::new(2);
    let e = x.max_unpool1d(&at, pool.options(), None).unwrap_err();
    assert_eq!(e.message(), "max_unpool1d: index 4 (element 1) for an output of [4]");
    assert_eq!(e.help(), Some("indices count the places of one channel"));
    let e = x.max_unpool1d(&at.flatten(0, -1).unwrap(), pool.options(), None).unwrap_err();
    assert_eq!(e.message(), "max_unpool1d: indices of shape [2] for an input of shape [1, 1, 2]");
    let e = x.max_unpool1d(&at, pool.options(), Some(&[5, 5])).unwrap_err();
    assert_eq!(e.message(), "max_unpool1d: an output of [5, 5], expected 1 size");
    let e = x.max_unpool1d(&at, pool.options(), Some(&[0])).unwrap_err();
    assert_eq!(e.message(), "max_unpool1d: an output of [0] has no places");
}

/// PyTorch's rule: the last that is no number.
#[test]
fn what_is_no_number_is_the_largest() {
    let x = tensor![[f32::NAN, 1.0, f32::NAN, f32::NEG_INFINITY, f32::NEG_INFINITY, f32::NEG_INFINITY]];
    let (y, at) = x.max_pool1d_with_indices(MaxPool1d::new(3).options()).unwrap();
    let y = y.to_vec::<f32>().unwrap();
    assert!(y[0].is_nan() && y[1] == f32::NEG_INFINITY);
    assert_eq!(at.to_vec::<i64>().unwrap(), [2, 3]);
}

#[test]
fn norms_say_what_does_not_fit() {
    let mut rng = Rng::seed(0);
    let norm = BatchNorm2d::new(3).unwrap();
    let e = norm.forward(&images(&[1, 3, 1, 1]), &mut Mode::train(&mut rng)).unwrap_err();
    assert_eq!(e.message(), "batch_norm: one element for each channel of [1, 3, 1, 1], which has no variance");
    assert_eq!(
        e.help(),
        Some(
            "train with batches of at least two examples; the last one of an epoch may have fewer than the others: drop_last() leaves it out"
        )
    );
    assert_eq!(
        message(norm.predict(&images(&[2, 4, 2, 2]))),
        "BatchNorm2d: the input has shape [2, 4, 2, 2], expected 4 dimensions, the second of 3"
    );
    assert_eq!(
        message(BatchNorm1d::new(3).unwrap().predict(&images(&[3]))),
        "BatchNorm1d: the input has shape [3], expected 2 or 3 dimensions, the second of 3"
    );
    assert_eq!(BatchNorm1d::new(0).unwrap_err().message(), "BatchNorm1d::new: 0 channels, expected at least 1");
    let e = BatchNorm1d::new(2).unwrap().momentum(1.5).unwrap_err();
    assert_eq!(e.message(), "BatchNorm1d: momentum is 1.5, expected a number from 0 to 1");
    assert_eq!(
        message(norm.clone().eps(-1.0).predict(&images(&[2, 3, 2, 2]))),
        "batch_norm_with: eps is -1, expected a number from 0 on"
    );
    let x = images(&[2, 3]);
    assert_eq!(
        message(x.batch_norm(Some(&tensor![1.0, 2.0]), None, 1e-5).map(|(y, _)| y)),
        "batch_norm: a weight of shape [2] for 3 channels of [2, 3]"
    );
    assert_eq!(message(x.group_norm(2, None, None, 1e-5)), "group_norm: 2 groups of 3 channels, expected a divisor");
    assert_eq!(
        GroupNorm::new(0, 3).unwrap_err().message(),
        "GroupNorm::new: 0 groups of 3 channels, expected a divisor"
    );
    assert_eq!(
        message(GroupNorm::new(1, 4).unwrap().predict(&x)),
        "GroupNorm: the input has shape [2, 3], expected [batch, 4, ..]"
    );
    assert_eq!(
        message(InstanceNorm2d::new(3).unwrap().predict(&images(&[2, 3, 1, 1]))),
        "InstanceNorm2d: one place in the input of shape [2, 3, 1, 1], which has no variance"
    );
    assert_eq!(message(LocalResponseNorm::new(0).predict(&x)), "local_response_norm: a size of 0, expected at least 1");
}

#[test]
fn an_empty_batch_leaves_running_statistics_as_they_are() {
    let norm = BatchNorm2d::new(3).unwrap();
    let y = norm.forward(&images(&[0, 3, 2, 2]), &mut Mode::train(&mut Rng::seed(0))).unwrap();
    assert_eq!(y.shape(), [0, 3, 2, 2]);
    assert_eq!(norm.running_var.as_ref().unwrap().get().to_vec::<f32>().unwrap(), [1.0; 3]);
    assert_eq!(norm.num_batches_tracked.as_ref().unwrap().get().to_vec::<i64>().unwrap(), [0]);
}

#[test]
fn a_batch_that_is_seen_twice_counts_once() {
    let mut rng = Rng::seed(1);
    let inner = sequential![BatchNorm1d::new(3).unwrap(), Relu];
    let buffers = |layer: &dyn Module| {
        let mut found = Vec::new();
        let mut on_slot = |_: &str, slot: Slot<'_>| {
            if let Slot::Buffer(buffer) = slot {
                found.extend(buffer.get().to_f64_vec());
            }
        };
        layer.visit(&mut Visitor::new(&mut on_slot));
        found
    };
    let x = images(&[6, 3]).tracked().unwrap();
    let plain = inner.clone();
    let y = plain.forward(&x, &mut Mode::train(&mut rng)).unwrap();
    let grads = y.square().sum().backward().unwrap();
    let again = checkpointed(&inner, &x, &mut Mode::train(&mut rng)).unwrap();
    let twice = again.square().sum().backward().unwrap();
    assert_eq!(buffers(&plain), buffers(&inner));
    assert_eq!(buffers(&inner)[6], 1.0);
    assert_eq!(grads.wrt(&x).unwrap().to_f64_vec(), twice.wrt(&x).unwrap().to_f64_vec());
}

#[test]
fn names_are_those_of_pytorch_and_files_bring_statistics_back() {
    use demotic::io::SaveLoad;

    let mut rng = Rng::seed(2);
    let trained = BatchNorm2d::new(2).unwrap();
    trained.forward(&images(&[4, 2, 3, 3]), &mut Mode::train(&mut rng)).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("norm.safetensors");
    trained.save(&file).unwrap();
    let mut loaded = BatchNorm2d::new(2).unwrap();
    loaded.load(&file).unwrap();
    let x = images(&[1, 2, 3, 3]);
    assert_eq!(loaded.predict(&x).unwrap().to_f64_vec(), trained.predict(&x).unwrap().to_f64_vec());
    let mut names = Vec::new();
    loaded.visit(&mut Visitor::new(&mut |name, _| names.push(name.to_owned())));
    assert_eq!(names, ["weight", "bias", "running_mean", "running_var", "num_batches_tracked"]);
}

#[test]
fn debug_says_what_matters() {
    assert_eq!(format!("{:?}", BatchNorm2d::new(3).unwrap()), "BatchNorm2d(3, eps 1e-5, momentum 0.1)");
    let plain = BatchNorm1d::new(3).unwrap().cumulative_average().without_affine();
    assert_eq!(format!("{plain:?}"), "BatchNorm1d(3, eps 1e-5, cumulative average, no weight, no bias)");
    let plain = InstanceNorm2d::new(3).unwrap().eps(0.1);
    assert_eq!(format!("{plain:?}"), "InstanceNorm2d(3, eps 1e-1, no running statistics, no weight, no bias)");
    assert_eq!(format!("{:?}", GroupNorm::new(2, 4).unwrap()), "GroupNorm(2 groups of 4, eps 1e-5)");
}

/// Whatever the number of threads, and however the channels lie, if these are not too many to lie in one part.
#[test]
fn threads_and_layouts_do_not_matter() {
    let x = images(&[6, 24, 30, 31]);
    let last = x.movedim(1, -1).unwrap().contiguous().movedim(-1, 1).unwrap();
    let run = |x: &Tensor| {
        let x = x.tracked().unwrap();
        let (y, seen) = x.batch_norm(None, None, 1e-5).unwrap();
        let pooled = y.max_pool2d(MaxPool2d::new(3).stride(2).padding(1).options()).unwrap();
        let loss = pooled.avg_pool2d(&demotic::autograd::PoolOptions::new(2)).unwrap().square().sum();
        let grads = loss.backward().unwrap();
        [y.detach(), pooled.detach(), seen.mean, seen.variance, grads.wrt(&x).unwrap().clone()].map(|x| x.to_f64_vec())
    };
    let one = demotic::parallel::with_threads(1, || [run(&x), run(&last)]).unwrap();
    let many = demotic::parallel::with_threads(3, || [run(&x), run(&last)]).unwrap();
    assert_eq!(one, many);
    for (a, b) in one[0].iter().zip(&one[1]) {
        let far = a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        assert!(far < 1e-4, "{far}");
    }
}

#[test]
fn resizing_says_what_does_not_fit() {
    let x = images(&[1, 2, 4, 6]);
    let to = |options: InterpolateOptions| message(x.interpolate(&options));
    assert_eq!(to(InterpolateOptions::size(0)), "interpolate: a size of [0], expected 1 or 2 positive numbers");
    assert_eq!(
        to(InterpolateOptions::size([1, 2, 3])),
        "interpolate: a size of [1, 2, 3], expected 1 or 2 positive numbers"
    );
    assert_eq!(to(InterpolateOptions::scale(-1.0)), "interpolate: a scale of [-1.0], expected 1 or 2 positive numbers");
    assert_eq!(
        to(InterpolateOptions::scale(f64::NAN)),
        "interpolate: a scale of [NaN], expected 1 or 2 positive numbers"
    );
    assert_eq!(to(InterpolateOptions::scale(0.2)), "interpolate: [4, 6] places become [0, 1]: none");
    assert_eq!(
        to(InterpolateOptions::size(2).align_corners(true)),
        "interpolate: align_corners with Nearest, which has none"
    );
    assert_eq!(
        message(images(&[2, 3]).interpolate(&InterpolateOptions::size(2))),
        "interpolate: the input has shape [2, 3], expected 3 to 5 dimensions"
    );
    for size in [usize::MAX, 1 << 62, 1 << 40] {
        assert!(x.interpolate(&InterpolateOptions::size(size)).is_err());
        assert!(images(&[0, 2, 4, 6]).interpolate(&InterpolateOptions::size(size)).is_err());
        assert!(x.interpolate(&InterpolateOptions::scale(size as f64)).is_err());
    }
    assert!(x.interpolate(&InterpolateOptions::scale(f64::MAX)).is_err());
}

#[test]
fn windows_as_columns_say_what_does_not_fit() {
    let x = images(&[1, 2, 4, 6]);
    assert_eq!(
        message(x.im2col(&UnfoldOptions::new(5))),
        "im2col: a kernel that spans 5 for 4 with a padding of 0 on each side"
    );
    assert_eq!(message(x.im2col(&UnfoldOptions::new(0))), "im2col: the kernel is [0], expected at least 1");
    assert_eq!(
        message(images(&[2, 3]).im2col(&UnfoldOptions::new(1))),
        "im2col: the input has shape [2, 3], expected [batch, channels, height, width]"
    );
    assert_eq!(
        message(images(&[1, 9, 4]).col2im([3, 3], &UnfoldOptions::new(2))),
        "col2im: the input has shape [1, 9, 4], expected [batch, a multiple of 4, 4] for an image of [3, 3]"
    );
    for size in [usize::MAX, usize::MAX / 2, 1 << 62, 1 << 40] {
        assert!(x.im2col(&UnfoldOptions::new(size)).is_err());
        assert!(x.im2col(&UnfoldOptions::new(size).padding(size)).is_err());
        assert!(x.im2col(&UnfoldOptions::new(2).padding(size)).is_err());
        assert!(x.im2col(&UnfoldOptions::new(2).dilation(size)).is_err());
        assert!(x.im2col(&UnfoldOptions::new(size).dilation(size)).is_err());
        assert!(x.flatten(2, -1).unwrap().col2im([size, size], &UnfoldOptions::new(2)).is_err());
    }
    assert_eq!(message(x.pixel_shuffle(2)), "pixel_shuffle: 2 channels of [1, 2, 4, 6], expected a multiple of 4");
    assert_eq!(message(x.pixel_shuffle(0)), "pixel_shuffle: a factor of 0, expected at least 1");
    assert_eq!(message(x.pixel_unshuffle(3)), "pixel_unshuffle: an image of 4 by 6, expected multiples of 3");
    assert!(x.pixel_shuffle(usize::MAX).is_err() && x.pixel_unshuffle(usize::MAX).is_err());
}

#[test]
fn warping_says_what_does_not_fit() {
    let (x, grid) = (images(&[1, 2, 4, 6]), images(&[1, 3, 3, 2]));
    let sample = |x: &Tensor, grid: &Tensor, mode| x.grid_sample(grid, mode, GridPadding::Zeros, false);
    assert_eq!(
        message(sample(&x, &images(&[1, 3, 3, 3]), Interpolation::Linear)),
        "grid_sample: a grid of shape [1, 3, 3, 3] for an input of shape [1, 2, 4, 6]"
    );
    assert_eq!(
        message(sample(&x, &grid, Interpolation::Area)),
        "grid_sample: the mode Area for 2 dimensions of places"
    );
    assert_eq!(
        message(images(&[1, 2, 3]).affine_grid(&[1, 1, 2], false)),
        "affine_grid: matrices of shape [1, 2, 3] for images of [1, 1, 2]"
    );
    assert!(images(&[1, 2, 3]).affine_grid(&[1, 1, 1 << 40, 1 << 40], false).is_err());
    // What is no number, or far away, is beyond the edge, and has no gradient.
    let hostile = tensor![[[[f32::NAN, 0.0], [f32::INFINITY, 0.0], [1e30, -1e30], [0.0, 0.0]]]].tracked().unwrap();
    for mode in [Interpolation::Nearest, Interpolation::Linear, Interpolation::Cubic] {
        let y = sample(&Tensor::ones([1, 1, 3, 3]).unwrap(), &hostile, mode).unwrap();
        let y = y.to_vec::<f32>().unwrap();
        assert!(y[..3] == [0.0; 3] && (y[3] - 1.0).abs() < 1e-6, "{mode:?}: {y:?}");
    }
}

#[test]
fn margins_are_one_number_or_two_for_each_dimension() {
    let x = images(&[1, 2, 3]);
    let e = ZeroPad2d::new([1, 2, 3]).predict(&x).unwrap_err();
    assert_eq!(e.message(), "ZeroPad2d: margins [1, 2, 3], expected 1 or 4 numbers");
    assert_eq!(e.help(), Some("left, right, then top, bottom, then front, back"));
    assert_eq!(message(ReflectionPad1d::new(3).predict(&x)), "pad_reflect: a margin of 3 for dimension 2 of [1, 2, 3]");
}

#[test]
fn what_is_random_only_is_so_in_training() {
    let x = images(&[4, 6, 3, 3]);
    let layers: Vec<Box<dyn Layer>> = vec![
        Box::new(Dropout2d::new(0.5).unwrap()),
        Box::new(AlphaDropout::new(0.5).unwrap()),
        Box::new(FeatureAlphaDropout::new(0.5).unwrap()),
        Box::new(StochasticDepth::new(0.5).unwrap()),
        Box::new(GaussianNoise::new(0.5).unwrap()),
    ];
    for layer in &layers {
        assert_eq!(layer.predict(&x).unwrap().to_f64_vec(), x.to_f64_vec(), "{}", layer.kind());
        let train = |seed| layer.forward(&x, &mut Mode::train(&mut Rng::seed(seed))).unwrap().to_f64_vec();
        assert_eq!(train(1), train(1), "{}", layer.kind());
        assert_ne!(train(1), train(2), "{}", layer.kind());
    }
    assert_eq!(
        Dropout2d::new(1.5).unwrap_err().message(),
        "Dropout2d::new: p is 1.5, expected a probability from 0 to 1"
    );
    assert_eq!(
        GaussianNoise::new(-1.0).unwrap_err().message(),
        "GaussianNoise::new: std is -1, expected a number from 0 on"
    );
    let mut rng = Rng::seed(0);
    let y = Dropout2d::new(0.5).unwrap().forward(&images(&[3, 3]), &mut Mode::train(&mut rng));
    assert_eq!(message(y), "Dropout2d: the input has shape [3, 3], expected 3 or 4 dimensions");
    // Everything is dropped, and nothing is divided by nothing.
    for layer in [&AlphaDropout::new(1.0).unwrap() as &dyn Layer, &StochasticDepth::new(1.0).unwrap()] {
        let y = layer.forward(&x, &mut Mode::train(&mut rng)).unwrap();
        assert_eq!(y.abs().max().unwrap().item().unwrap(), 0.0);
    }
}

/// The mean and variance of what goes through are those of the paper, over many draws.
#[test]
fn alpha_dropout_keeps_mean_and_variance() {
    let mut rng = Rng::seed(5);
    let x = Tensor::normal([200_000], 0.0, 1.0, &mut rng).unwrap();
    for p in [0.1, 0.5, 0.9] {
        let y = AlphaDropout::new(p).unwrap().forward(&x, &mut Mode::train(&mut rng)).unwrap();
        let (mean, variance) = (y.mean().item().unwrap(), y.var(0.0).item().unwrap());
        assert!(mean.abs() < 0.02 && (variance - 1.0).abs() < 0.03, "{p}: {mean}, {variance}");
    }
}

#[test]
fn norms_of_weights_can_be_merged_and_say_what_does_not_fit() {
    let mut rng = Rng::seed(6);
    let mut layer = Linear::new(4, 3, &mut rng).unwrap();
    let norm = WeightNorm::new(&layer.weight).unwrap();
    layer.weight.adapt(norm).unwrap();
    let x = images(&[2, 4]);
    let before = layer.predict(&x).unwrap().to_f64_vec();
    let norm = layer.weight.merge().unwrap().unwrap();
    layer.weight.unmerge(norm).unwrap();
    let after = layer.predict(&x).unwrap().to_f64_vec();
    assert!(before.iter().zip(&after).all(|(a, b)| (a - b).abs() < 1e-6));
    let vector = Weight::new(tensor![1.0, 2.0]).unwrap();
    let e = SpectralNorm::new(&vector, &mut rng).unwrap_err();
    assert_eq!(e.message(), "spectral_norm: a weight of shape [2], expected two dimensions or more");
    // In evaluation the singular vectors stay what they are.
    let mut layer = Linear::new(4, 3, &mut rng).unwrap();
    let norm = SpectralNorm::new(&layer.weight, &mut rng).unwrap();
    layer.weight.adapt(norm).unwrap();
    let twice = [(); 2].map(|()| layer.forward(&x, &mut Mode::eval()).unwrap().to_f64_vec());
    assert_eq!(twice[0], twice[1]);
}

#[test]
fn recalibration_leaves_statistics_as_they_were_on_an_error() {
    let mut rng = Rng::seed(7);
    let mut none = sequential![Linear::new(2, 2, &mut rng).unwrap()];
    let never = std::iter::from_fn(|| -> Option<Result<Tensor>> { panic!("there is nothing to recalibrate") });
    assert_eq!(update_bn(&mut none, never, &mut rng).unwrap(), 0);

    let norm = BatchNorm1d::new(2).unwrap().momentum(0.25).unwrap();
    let mut model = sequential![norm, BatchNorm1d::new(2).unwrap().without_running_stats()];
    model.forward(&images(&[4, 2]), &mut Mode::train(&mut rng)).unwrap();
    let statistics = |model: &Sequential| {
        let mut all = Vec::new();
        model.for_each("*", |_, norm: &BatchNorm1d| {
            let mean = norm.running_mean.as_ref().map(|buffer| buffer.get().to_f64_vec());
            all.push(format!("{mean:?} {norm:?}"));
        });
        all
    };
    let before = statistics(&model);
    assert_eq!(update_bn(&mut model, [], &mut rng).unwrap(), 1);
    assert_eq!(statistics(&model), before);
    let e = update_bn(&mut model, [Ok(images(&[4, 2])), Ok(images(&[4, 3]))], &mut rng).unwrap_err();
    assert_eq!(e.layer(), Some("0"));
    assert_eq!(statistics(&model), before);
    let broken = Error::argument("loader", "no such file");
    assert_eq!(update_bn(&mut model, [Err(broken)], &mut rng).unwrap_err().message(), "loader: no such file");
    assert_eq!(statistics(&model), before);
    assert_eq!(update_bn(&mut model, [Ok(images(&[4, 2]))], &mut rng).unwrap(), 1);
    assert_ne!(statistics(&model), before);
    // The momentum is back.
    let after = statistics(&model);
    assert!(after[0].ends_with("BatchNorm1d(2, eps 1e-5, momentum 0.25)"), "{}", after[0]);
}
