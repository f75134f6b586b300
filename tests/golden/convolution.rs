//! Convolutions against PyTorch: outputs, and the gradients of inputs, weights and biases, in first and second order.

use crate::golden::Case;
use demotic::autograd::{GradOptions, grad};
use demotic::layers::*;
use demotic::{ConvOptions, PaddingMode, Result, Rng, Tensor};
use serde_json::Value;

#[test]
fn convolution() {
    crate::golden::check("convolution", &|case, inputs| results(case, inputs));
}

pub(crate) fn results(case: &Case, inputs: &mut [Tensor]) -> Result<Vec<Tensor>> {
    if let Some(op) = case.op.strip_suffix("_second") {
        return second(op, case, inputs);
    }
    if case.op.starts_with("conv") {
        return Ok(vec![function(&case.op, &inputs[0], &inputs[1], inputs.get(2), &options(case))?]);
    }
    macro_rules! layer {
        ($layer:ident) => {{
            let (channels, outputs) = (case.attr("channels"), case.attr("outputs_"));
            let kernel = numbers(case, "kernel").unwrap();
            let new = $layer::with_options(channels, outputs, kernel, options(case), &mut Rng::seed(0))?;
            layer(if case.attr_or("bias", true) { new } else { new.without_bias() }, case, inputs)
        }};
    }
    match case.op.as_str() {
        "Conv1d" => layer!(Conv1d),
        "Conv2d" => layer!(Conv2d),
        "Conv3d" => layer!(Conv3d),
        "ConvTranspose1d" => layer!(ConvTranspose1d),
        "ConvTranspose2d" => layer!(ConvTranspose2d),
        "ConvTranspose3d" => layer!(ConvTranspose3d),
        op => panic!("{}: no operation {op}", case.id),
    }
}

fn function(op: &str, x: &Tensor, w: &Tensor, bias: Option<&Tensor>, options: &ConvOptions) -> Result<Tensor> {
    match op {
        "conv1d" => x.conv1d(w, bias, options),
        "conv2d" => x.conv2d(w, bias, options),
        "conv3d" => x.conv3d(w, bias, options),
        "conv_transpose1d" => x.conv_transpose1d(w, bias, options),
        "conv_transpose2d" => x.conv_transpose2d(w, bias, options),
        "conv_transpose3d" => x.conv_transpose3d(w, bias, options),
        op => panic!("no operation {op}"),
    }
}

/// The gradients of the product with a third tensor, as outputs.
fn second(op: &str, case: &Case, inputs: &mut [Tensor]) -> Result<Vec<Tensor>> {
    // The pass that is not recorded needs leaves of its own.
    let (mut x, mut w) = (inputs[0].clone(), inputs[1].clone());
    for leaf in [&mut x, &mut w] {
        if !leaf.is_tracked() {
            *leaf = leaf.tracked()?;
        }
    }
    let y = function(op, &x, &w, None, &options(case))?;
    let options = GradOptions::new().create_graph(true);
    grad(&[&y.mul(&inputs[2])?.sum()], &[&x, &w], options)
}

fn layer<L: Layer>(mut layer: L, case: &Case, inputs: &mut [Tensor]) -> Result<Vec<Tensor>> {
    let (x, weights) = inputs.split_first_mut().unwrap();
    let names: Vec<String> = layer.named_parameters().into_iter().map(|(name, _)| name).collect();
    assert_eq!(case.attr::<Vec<String>>("parameters"), names, "{}: the parameters have other names", case.id);
    let mut given = weights.iter();
    let mut failed = Ok(());
    let mut on_slot = |name: &str, slot: SlotMut<'_>| {
        if let (SlotMut::Param(param), Some(weight)) = (slot, given.next()) {
            assert_eq!(param.shape(), weight.shape(), "{}: {name}", case.id);
            match Param::new(weight.clone()) {
                Ok(new) => *param = new,
                Err(e) => failed = Err(e),
            }
        }
    };
    layer.visit_mut(&mut VisitorMut::new(&mut on_slot));
    for (weight, (_, parameter)) in weights.iter_mut().zip(layer.named_parameters()) {
        *weight = parameter;
    }
    failed?;
    Ok(vec![layer.forward(x, &mut Mode::eval())?])
}

fn numbers(case: &Case, name: &str) -> Option<Vec<usize>> {
    match case.attr_or(name, Value::Null) {
        Value::Array(numbers) => Some(numbers.iter().map(|n| n.as_u64().unwrap() as usize).collect()),
        Value::Number(number) => Some(vec![number.as_u64().unwrap() as usize]),
        _ => None,
    }
}

fn options(case: &Case) -> ConvOptions {
    let mut options = ConvOptions::new().groups(case.attr_or("groups", 1));
    options = match case.attr_or("padding", Value::Null).as_str() {
        Some("same") => options.same(),
        Some("valid") => options.valid(),
        _ => options.padding(numbers(case, "padding").unwrap_or(vec![0])),
    };
    options = match case.attr_or("padding_mode", String::new()).as_str() {
        "reflect" => options.padding_mode(PaddingMode::Reflect),
        "replicate" => options.padding_mode(PaddingMode::Replicate),
        "circular" => options.padding_mode(PaddingMode::Circular),
        _ => options,
    };
    let or = |name: &str, default: usize| numbers(case, name).unwrap_or(vec![default]);
    options.stride(or("stride", 1)).dilation(or("dilation", 1)).output_padding(or("output_padding", 0))
}
