//! What changes the size of images, takes them apart and warps them, margins, and weights whose norm is fixed: against PyTorch.

use crate::golden::Case;
use demotic::autograd::{GridPadding, InterpolateOptions, Interpolation, UnfoldOptions};
use demotic::layers::*;
use demotic::{Result, Rng, Tensor};

#[test]
fn image_ops() {
    crate::golden::check("image_ops", &|case, inputs| results(case, inputs));
}

/// The same numbers laid out with the channels last; what is made of them lies so as well.
#[test]
fn image_ops_with_channels_last() {
    crate::golden::check("image_ops", &|case, inputs| {
        let keeps = ["interpolate", "pixel_shuffle", "pixel_unshuffle"].contains(&case.op.as_str());
        if inputs[0].rank() < 4 || case.id.ends_with("unbatched") || case.id.ends_with("two_batches") {
            return results(case, inputs);
        }
        let mut lying = inputs.to_vec();
        lying[0] = inputs[0].movedim(1, -1)?.contiguous().movedim(-1, 1)?;
        let results = results(case, &mut lying)?;
        // Of a single place, both layouts are one.
        for y in results.iter().filter(|_| keeps && !lying[0].is_contiguous()) {
            assert!(y.movedim(1, -1)?.is_contiguous(), "{}: {:?} with strides {:?}", case.id, y.shape(), y.strides());
        }
        Ok(results)
    });
}

fn sizes(case: &Case, name: &str, default: usize) -> Vec<usize> {
    case.attr_or(name, vec![default])
}

fn mode(name: &str) -> Interpolation {
    match name {
        "Nearest" | "nearest" => Interpolation::Nearest,
        "NearestExact" => Interpolation::NearestExact,
        "Linear" | "bilinear" => Interpolation::Linear,
        "Cubic" | "bicubic" => Interpolation::Cubic,
        "Area" => Interpolation::Area,
        _ => panic!("no mode {name}"),
    }
}

pub(crate) fn results(case: &Case, inputs: &mut [Tensor]) -> Result<Vec<Tensor>> {
    let forward = |layer: &dyn Layer, x: &Tensor| Ok(vec![layer.forward(x, &mut Mode::eval())?]);
    let margins = || case.attr::<Vec<isize>>("margins");
    let x = inputs[0].clone();
    macro_rules! pads {
        ($($Layer:ident $(, $value:ident)?;)*) => {
            match case.op.as_str() {
                $(stringify!($Layer) => return forward(&$Layer::new(margins().as_slice() $(, case.attr(stringify!($value)))?), &x),)*
                _ => {}
            }
        };
    }
    pads! {
        ZeroPad1d; ZeroPad2d; ZeroPad3d;
        ConstantPad1d, value; ConstantPad2d, value; ConstantPad3d, value;
        ReflectionPad1d; ReflectionPad2d; ReflectionPad3d;
        ReplicationPad1d; ReplicationPad2d; ReplicationPad3d;
        CircularPad1d; CircularPad2d; CircularPad3d;
    }
    match case.op.as_str() {
        "interpolate" => {
            let (align, recompute) = (case.attr("align_corners"), case.attr_or("recompute", false));
            let mode = mode(&case.attr::<String>("mode"));
            let (options, layer) = match case.attr::<Option<Vec<usize>>>("size") {
                Some(size) => (InterpolateOptions::size(size.clone()), Upsample::size(size)),
                None => {
                    let scale: Vec<f64> = case.attr("scale");
                    (InterpolateOptions::scale(scale.as_slice()), Upsample::scale(scale.as_slice()))
                }
            };
            let options = options.mode(mode).align_corners(align).recompute_scale_factor(recompute);
            let layer = layer.mode(mode).align_corners(align).recompute_scale_factor(recompute);
            let y = x.interpolate(&options)?;
            assert_eq!(y.to_f64_vec(), layer.predict(&x)?.to_f64_vec());
            Ok(vec![y])
        }
        "im2col" | "col2im" => {
            let options = UnfoldOptions::new(sizes(case, "kernel", 0))
                .stride(sizes(case, "stride", 1))
                .padding(sizes(case, "padding", 0))
                .dilation(sizes(case, "dilation", 1));
            if case.op == "im2col" {
                let layer = Unfold::new(sizes(case, "kernel", 0));
                let layer = layer.stride(sizes(case, "stride", 1)).padding(sizes(case, "padding", 0));
                let y = x.im2col(&options)?;
                let by_layer = layer.dilation(sizes(case, "dilation", 1)).predict(&x)?;
                assert_eq!(y.to_f64_vec(), by_layer.to_f64_vec());
                return Ok(vec![y]);
            }
            let size: [usize; 2] = case.attr("size");
            let layer = Fold::new(size, sizes(case, "kernel", 0)).stride(sizes(case, "stride", 1));
            let layer = layer.padding(sizes(case, "padding", 0)).dilation(sizes(case, "dilation", 1));
            let y = x.col2im(size, &options)?;
            assert_eq!(y.to_f64_vec(), layer.predict(&x)?.to_f64_vec());
            Ok(vec![y])
        }
        "pixel_shuffle" => forward(&PixelShuffle::new(case.attr("factor")), &x),
        "pixel_unshuffle" => forward(&PixelUnshuffle::new(case.attr("factor")), &x),
        "grid_sample" => {
            let padding = match case.attr_or("padding", "zeros".to_owned()).as_str() {
                "border" => GridPadding::Border,
                "reflection" => GridPadding::Reflection,
                _ => GridPadding::Zeros,
            };
            let mode = mode(&case.attr::<String>("mode"));
            Ok(vec![x.grid_sample(&inputs[1], mode, padding, case.attr_or("align_corners", false))?])
        }
        "affine_grid" => Ok(vec![x.affine_grid(&case.attr::<Vec<usize>>("size"), case.attr("align_corners"))?]),
        "WeightNorm" => {
            let mut layer = Linear { weight: Param::new(inputs[1].clone())?.into(), bias: None };
            let mut norm = WeightNorm::along(&layer.weight, case.attr_or("dim", Some(0)))?;
            norm.g = Param::new(inputs[2].clone())?;
            (inputs[1], inputs[2]) = (layer.weight.value()?, norm.g.value().clone());
            layer.weight.adapt(norm)?;
            forward(&layer, &x)
        }
        _ => {
            let mut layer = Linear { weight: Param::new(inputs[1].clone())?.into(), bias: None };
            let norm = SpectralNorm::along(&layer.weight, case.attr_or("dim", 0), &mut Rng::seed(0))?;
            let norm = norm.power_iterations(case.attr("steps"));
            norm.u.set(&inputs[2])?;
            norm.v.set(&inputs[3])?;
            inputs[1] = layer.weight.value()?;
            layer.weight.adapt(norm)?;
            let (mut rng, mut results) = (Rng::seed(0), Vec::new());
            for _ in 0..case.attr::<usize>("passes") {
                results.push(layer.forward(&x, &mut Mode::train(&mut rng))?);
            }
            results.push(layer.forward(&x, &mut Mode::eval())?);
            Ok(results)
        }
    }
}
