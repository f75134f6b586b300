//! Norms of channels against PyTorch: passes in training, running statistics, a pass in evaluation, and all gradients.

use crate::golden::Case;
use demotic::layers::*;
use demotic::{DType, Result, Rng, Tensor};

#[test]
fn channel_norms() {
    crate::golden::check("channel_norms", &|case, inputs| results(case, inputs));
}

/// The same numbers laid out with the channels last.
#[test]
fn channel_norms_with_channels_last() {
    crate::golden::check("channel_norms", &|case, inputs| {
        let rank = inputs[0].rank();
        let mut lying = inputs.to_vec();
        for x in lying.iter_mut().filter(|x| x.rank() == rank && rank > 2) {
            *x = x.movedim(1, -1)?.contiguous().movedim(-1, 1)?;
        }
        let results = results(case, &mut lying)?;
        let is_batch_norm = case.op.starts_with("BatchNorm") && rank > 2;
        for y in results.iter().filter(|y| is_batch_norm && y.rank() == rank) {
            assert!(y.movedim(1, -1)?.is_contiguous(), "{}: {:?} with strides {:?}", case.id, y.shape(), y.strides());
        }
        // The parameters that the gradients are taken of.
        for (input, lying) in inputs.iter_mut().zip(lying).filter(|(input, _)| input.rank() == 1) {
            *input = lying;
        }
        Ok(results)
    });
}

pub(crate) fn results(case: &Case, inputs: &mut [Tensor]) -> Result<Vec<Tensor>> {
    macro_rules! stateful {
        ($Layer:ident, $affine:literal, $tracked:literal) => {{
            let mut layer = $Layer::new(case.attr("channels"))?.eps(case.attr_or("eps", 1e-5));
            layer = match case.attrs.get("momentum").and_then(|m| m.as_str()) {
                Some("cumulative") => layer.cumulative_average(),
                _ => layer.momentum(case.attr_or("momentum", 0.1))?,
            };
            if case.attr_or("tracked", $tracked) != $tracked {
                layer = if $tracked { layer.without_running_stats() } else { layer.with_running_stats()? };
            }
            layer.running_mean = layer.running_mean.map(|x| Buffer::new(x.get().to_dtype(inputs[0].dtype())));
            layer.running_var = layer.running_var.map(|x| Buffer::new(x.get().to_dtype(inputs[0].dtype())));
            let affine: bool = case.attr("affine");
            if affine {
                let n = inputs.len();
                (layer.weight, layer.bias) =
                    (Some(Param::new(inputs[n - 2].clone())?), Some(Param::new(inputs[n - 1].clone())?));
                (inputs[n - 2], inputs[n - 1]) =
                    (layer.weight.as_ref().unwrap().value().clone(), layer.bias.as_ref().unwrap().value().clone());
            } else {
                layer = layer.without_affine();
            }
            let (passes, mut rng, mut results) = (case.attr::<usize>("passes"), Rng::seed(0), Vec::new());
            let counted = case.attr_or("frozen", passes);
            for (i, x) in inputs[..passes].iter().enumerate() {
                layer = layer.frozen(i >= counted);
                results.push(layer.forward(x, &mut Mode::train(&mut rng))?);
            }
            if let (Some(mean), Some(variance), Some(batches)) =
                (&layer.running_mean, &layer.running_var, &layer.num_batches_tracked)
            {
                results.extend([mean.get(), variance.get()]);
                assert_eq!(batches.get().to_vec::<i64>()?, [counted as i64]);
            }
            results.push(layer.forward(&inputs[passes.max(1) - 1], &mut Mode::eval())?);
            Ok(results)
        }};
    }
    match case.op.as_str() {
        "BatchNorm1d" => stateful!(BatchNorm1d, true, true),
        "BatchNorm2d" => stateful!(BatchNorm2d, true, true),
        "BatchNorm3d" => stateful!(BatchNorm3d, true, true),
        "InstanceNorm1d" => stateful!(InstanceNorm1d, false, false),
        "InstanceNorm2d" => stateful!(InstanceNorm2d, false, false),
        "InstanceNorm3d" => stateful!(InstanceNorm3d, false, false),
        "update_bn" => {
            let first = BatchNorm2d::new(2)?.without_affine();
            let second = BatchNorm2d::new(2)?.momentum(0.3)?.without_affine();
            let mut model = demotic::sequential![first, Relu, second];
            model.to_dtype(inputs[0].dtype())?;
            let mut rng = Rng::seed(0);
            model.forward(&inputs[1], &mut Mode::train(&mut rng))?;
            let count = update_bn(&mut model, inputs.iter().map(|x| Ok(x.clone())), &mut rng)?;
            assert_eq!(count, 2);
            let mut found = Vec::new();
            model.for_each("*", |_, norm: &BatchNorm2d| {
                found.extend([&norm.running_mean, &norm.running_var].map(|buffer| buffer.as_ref().unwrap().get()));
            });
            Ok(found)
        }
        "GroupNorm" => {
            let (x, rest) = inputs.split_first_mut().unwrap();
            let mut layer = GroupNorm::new(case.attr("groups"), x.shape()[1])?.eps(case.attr_or("eps", 1e-5));
            match rest {
                [weight, bias] => {
                    (layer.weight, layer.bias) = (Some(Param::new(weight.clone())?), Some(Param::new(bias.clone())?));
                    (*weight, *bias) =
                        (layer.weight.as_ref().unwrap().value().clone(), layer.bias.as_ref().unwrap().value().clone());
                }
                _ => layer = layer.without_affine(),
            }
            Ok(vec![layer.forward(x, &mut Mode::eval())?])
        }
        _ => {
            let layer = LocalResponseNorm::new(case.attr("size"));
            let layer =
                layer.alpha(case.attr_or("alpha", 1e-4)).beta(case.attr_or("beta", 0.75)).k(case.attr_or("k", 1.0));
            Ok(vec![layer.forward(&inputs[0], &mut Mode::eval())?])
        }
    }
}

/// Sixteen-bit models keep their statistics in their type.
#[test]
fn batch_norm_of_16_bits() -> Result<()> {
    let mut norm = BatchNorm2d::new(2)?;
    norm.to_dtype(DType::BF16)?;
    let mut rng = Rng::seed(1);
    let x = Tensor::normal([4, 2, 3, 3], 2.0, 1.0, &mut rng)?.to_dtype(DType::BF16);
    let y = norm.forward(&x, &mut Mode::train(&mut rng))?;
    assert_eq!(y.dtype(), DType::BF16);
    let mean = norm.running_mean.as_ref().map(Buffer::get).unwrap();
    assert_eq!(mean.dtype(), DType::BF16);
    let wanted = x.to_dtype(DType::F32).mean_dims(&[0, 2, 3], false)?.mul_scalar(0.1);
    assert!(mean.to_dtype(DType::F32).sub(&wanted)?.abs().max()?.item()? < 1e-3);
    Ok(())
}
