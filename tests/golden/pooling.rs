//! Pooling against PyTorch: results, places, and gradients; as operations, as layers, and of images with their channels last.

use crate::golden::Case;
use demotic::autograd::PoolOptions;
use demotic::layers::*;
use demotic::{Result, Tensor};

#[test]
fn pooling() {
    crate::golden::check("pooling", &|case, inputs| results(case, inputs));
}

/// The same numbers laid out with the channels last.
#[test]
fn pooling_with_channels_last() {
    crate::golden::check("pooling", &|case, inputs| {
        let rank = inputs[0].rank() as isize;
        if rank != 2 + case.attr::<isize>("dims") {
            return results(case, inputs);
        }
        let lies_so = |x: &Tensor| x.movedim(1, -1)?.contiguous().movedim(-1, 1);
        let results = results(case, &[&[lies_so(&inputs[0])?], &inputs[1..]].concat())?;
        for y in &results {
            let keeps = ["max_unpool", "lp_pool"].contains(&case.op.as_str()) || y.movedim(1, -1)?.is_contiguous();
            assert!(keeps, "{}: a result of {:?} with strides {:?}", case.id, y.shape(), y.strides());
        }
        Ok(results)
    });
}

#[test]
fn pooling_layers() {
    crate::golden::check("pooling", &|case, inputs| {
        let mut results = results(case, inputs)?;
        if let Some(layer) = layer(case) {
            results[0] = layer?.forward(&inputs[0], &mut Mode::eval())?;
        }
        Ok(results)
    });
}

fn options(case: &Case) -> PoolOptions {
    let sizes = |name: &str| case.attr::<Option<Vec<usize>>>(name);
    let mut options = PoolOptions::new(sizes("kernel").unwrap());
    if let Some(stride) = sizes("stride") {
        options = options.stride(stride);
    }
    if let Some(padding) = sizes("padding") {
        options = options.padding(padding);
    }
    if let Some(dilation) = sizes("dilation") {
        options = options.dilation(dilation);
    }
    if let Some(divisor) = case.attr::<Option<usize>>("divisor_override") {
        options = options.divisor_override(divisor);
    }
    options.ceil_mode(case.attr_or("ceil_mode", false)).count_include_pad(case.attr_or("count_include_pad", true))
}

pub(crate) fn results(case: &Case, inputs: &[Tensor]) -> Result<Vec<Tensor>> {
    let (x, dims) = (&inputs[0], case.attr::<usize>("dims"));
    let output = || case.attr::<Vec<Option<usize>>>("output");
    let pair = |(y, at): (Tensor, Tensor)| vec![y, at];
    Ok(match (case.op.as_str(), dims) {
        ("max_pool", 1) => pair(x.max_pool1d_with_indices(&options(case))?),
        ("max_pool", 2) => pair(x.max_pool2d_with_indices(&options(case))?),
        ("max_pool", _) => pair(x.max_pool3d_with_indices(&options(case))?),
        ("avg_pool", 1) => vec![x.avg_pool1d(&options(case))?],
        ("avg_pool", 2) => vec![x.avg_pool2d(&options(case))?],
        ("avg_pool", _) => vec![x.avg_pool3d(&options(case))?],
        ("lp_pool", 1) => vec![x.lp_pool1d(case.attr("p"), &options(case))?],
        ("lp_pool", 2) => vec![x.lp_pool2d(case.attr("p"), &options(case))?],
        ("lp_pool", _) => vec![x.lp_pool3d(case.attr("p"), &options(case))?],
        ("adaptive_max_pool", 1) => pair(x.adaptive_max_pool1d_with_indices(output().as_slice())?),
        ("adaptive_max_pool", 2) => pair(x.adaptive_max_pool2d_with_indices(output().as_slice())?),
        ("adaptive_max_pool", _) => pair(x.adaptive_max_pool3d_with_indices(output().as_slice())?),
        ("adaptive_avg_pool", 1) => vec![x.adaptive_avg_pool1d(output().as_slice())?],
        ("adaptive_avg_pool", 2) => vec![x.adaptive_avg_pool2d(output().as_slice())?],
        ("adaptive_avg_pool", _) => vec![x.adaptive_avg_pool3d(output().as_slice())?],
        ("max_unpool", _) => {
            let output: Option<Vec<usize>> = case.attr("output");
            let (at, options, output) = (&inputs[1], options(case), output.as_deref());
            vec![match dims {
                1 => x.max_unpool1d(at, &options, output)?,
                2 => x.max_unpool2d(at, &options, output)?,
                _ => x.max_unpool3d(at, &options, output)?,
            }]
        }
        (op, _) => panic!("{}: no operation {op}", case.id),
    })
}

macro_rules! with_options {
    ($case:expr, $layer:expr, [$($option:ident),*]) => {{
        #[allow(unused_mut, reason = "some have no options")]
        let mut layer = $layer;
        $(
            if let Some(value) = $case.attr::<Option<_>>(stringify!($option)) {
                layer = layer.$option(with_options!(@ $option value));
            }
        )*
        Ok(Box::new(layer) as Box<dyn Layer>)
    }};
    (@ stride $value:expr) => { sizes($value) };
    (@ padding $value:expr) => { sizes($value) };
    (@ dilation $value:expr) => { sizes($value) };
    (@ $option:ident $value:expr) => { $value };
}

fn sizes(sizes: Vec<usize>) -> Vec<usize> {
    sizes
}

fn layer(case: &Case) -> Option<Result<Box<dyn Layer>>> {
    let kernel = || case.attr::<Vec<usize>>("kernel");
    let output = || case.attr::<Vec<Option<usize>>>("output");
    let p = || case.attr::<f64>("p");
    Some(match (case.op.as_str(), case.attr::<usize>("dims")) {
        ("max_pool", 1) => with_options!(case, MaxPool1d::new(kernel()), [stride, padding, dilation, ceil_mode]),
        ("max_pool", 2) => with_options!(case, MaxPool2d::new(kernel()), [stride, padding, dilation, ceil_mode]),
        ("max_pool", _) => with_options!(case, MaxPool3d::new(kernel()), [stride, padding, dilation, ceil_mode]),
        ("avg_pool", 1) => {
            let layer = AvgPool1d::new(kernel());
            with_options!(case, layer, [stride, padding, ceil_mode, count_include_pad, divisor_override])
        }
        ("avg_pool", 2) => {
            let layer = AvgPool2d::new(kernel());
            with_options!(case, layer, [stride, padding, ceil_mode, count_include_pad, divisor_override])
        }
        ("avg_pool", _) => {
            let layer = AvgPool3d::new(kernel());
            with_options!(case, layer, [stride, padding, ceil_mode, count_include_pad, divisor_override])
        }
        ("lp_pool", 1) => with_options!(case, LpPool1d::new(p(), kernel()), [stride, ceil_mode]),
        ("lp_pool", 2) => with_options!(case, LpPool2d::new(p(), kernel()), [stride, ceil_mode]),
        ("lp_pool", _) => with_options!(case, LpPool3d::new(p(), kernel()), [stride, ceil_mode]),
        ("adaptive_max_pool", 1) => with_options!(case, AdaptiveMaxPool1d::new(output().as_slice()), []),
        ("adaptive_max_pool", 2) => with_options!(case, AdaptiveMaxPool2d::new(output().as_slice()), []),
        ("adaptive_max_pool", _) => with_options!(case, AdaptiveMaxPool3d::new(output().as_slice()), []),
        ("adaptive_avg_pool", 1) => with_options!(case, AdaptiveAvgPool1d::new(output().as_slice()), []),
        ("adaptive_avg_pool", 2) => with_options!(case, AdaptiveAvgPool2d::new(output().as_slice()), []),
        ("adaptive_avg_pool", _) => with_options!(case, AdaptiveAvgPool3d::new(output().as_slice()), []),
        _ => return None,
    })
}
