//! Weights of a few bits whose scales are chosen by GPTQ, by percentiles and by the least squared error, and products of whole numbers,
//! against formulas in NumPy.

use std::path::PathBuf;

use demotic::io::safetensors::Reader;
use demotic::layers::{QuantizeOptions, Weight};
use demotic::parallel;
use demotic::prelude::*;
use demotic::tensor::{Calibration, GptqOptions, QTensor, Scheme};

fn reader() -> Result<Reader> {
    Reader::open(PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/golden/quantize.safetensors")))
}

/// Fails at the first number that is not the same; zeros may have any sign.
#[track_caller]
fn assert_same(ours: &Tensor, theirs: &Tensor, what: &str) {
    assert_eq!(ours.shape(), theirs.shape(), "{what}");
    let (ours, theirs) = (ours.to_f64_vec(), theirs.to_f64_vec());
    let other = ours.iter().zip(&theirs).position(|(a, b)| a != b);
    assert!(other.is_none(), "{what}: {:?}", other.map(|i| (i, ours[i], theirs[i])));
}

fn cases() -> [(&'static str, Scheme, GptqOptions); 7] {
    let plain = GptqOptions::new();
    [
        ("q4_0", Scheme::Q4_0, plain),
        ("q4_1", Scheme::Q4_1, plain),
        ("q8_0", Scheme::Q8_0, plain),
        ("int8", Scheme::Int8, plain),
        ("ordered", Scheme::Q4_0, plain.act_order(true)),
        ("int8_ordered", Scheme::Int8, plain.act_order(true)),
        ("groups", Scheme::Q4_0, plain.group_size(64).damping(0.05)),
    ]
}

#[test]
fn gptq_is_that_of_the_paper_number_by_number() -> Result<()> {
    let golden = reader()?;
    let (weight, inputs) = (golden.tensor("weight")?, golden.tensor("inputs")?.to_dtype(DType::F64));
    let products = inputs.t().matmul(&inputs)?;
    for (name, scheme, options) in cases() {
        let make = || QTensor::quantize_with(&weight, scheme, &Calibration::Gptq(options), Some(&products));
        let (ours, theirs) = (make()?.dequantize()?, golden.tensor(&format!("gptq.{name}"))?);
        let rows = theirs.shape()[0];
        assert_same(&ours.narrow(0, 0, rows)?, &theirs, name);
        let alone = parallel::with_threads(1, || make()?.dequantize())??;
        assert_same(&alone, &ours, name);
    }
    Ok(())
}

/// On inputs that go together, less than a third of what rounding leaves; and the report says what NumPy says.
#[test]
fn outputs_change_least_by_gptq() -> Result<()> {
    let golden = reader()?;
    let (weight, inputs) = (golden.tensor("weight")?, golden.tensor("inputs")?);
    let errors = golden.tensor("gptq.errors")?.to_f64_vec();
    for ((name, scheme, gptq), errors) in cases().into_iter().zip(errors.chunks(2)) {
        let mut model = sequential![Linear::new(160, 24, &mut Rng::seed(0))?];
        model.for_each_mut("0.*", |_, own: &mut Weight| own.set(&weight))?;
        let options = QuantizeOptions::new(scheme).calibration(Calibration::Gptq(gptq));
        let report = model.quantize_calibrated(&options, |model| {
            model.predict(&inputs.narrow(0, 0, 30)?)?;
            model.predict(&inputs.narrow(0, 30, 50)?.reshape([5, 10, 160])?).map(drop)
        })?;
        let one = &report.weights[0];
        let found = [one.output_error.unwrap(), one.output_error_absmax.unwrap()];
        // Blocks by the largest number are those of `ggml`, which rounds by the scale before that is rounded itself.
        for ((ours, theirs), most) in found.iter().zip(errors).zip([1e-6, 5e-2]) {
            assert!((ours - theirs).abs() < most * theirs, "{name}: {found:?}, {errors:?}");
        }
        assert!(found[0] < found[1] / 3.0, "{name}: {found:?}");
        // What the model itself says.
        if scheme != Scheme::Int8 {
            let off =
                model.predict(&inputs)?.sub(&inputs.linear(&weight, model_bias(&model).as_ref())?)?.norm(2.0).item()?;
            let whole = inputs.linear(&weight, None)?.norm(2.0).item()?;
            assert!((off / whole - found[0]).abs() < 1e-4 * found[0] + 1e-5, "{name}: {} {found:?}", off / whole);
        }
    }
    Ok(())
}

fn model_bias(model: &Sequential) -> Option<Tensor> {
    model.named_parameters().into_iter().find(|(name, _)| name == "0.bias").map(|(_, bias)| bias)
}

#[test]
fn percentiles_and_squared_errors_are_those_of_numpy() -> Result<()> {
    let golden = reader()?;
    let weight = golden.tensor("weight")?;
    for scheme in [Scheme::Q4_0, Scheme::Int8] {
        let ours = QTensor::quantize_with(&weight, scheme, &Calibration::Percentile(97.5), None)?.dequantize()?;
        let theirs = golden.tensor(&format!("percentile.{scheme}"))?;
        assert_same(&ours.narrow(0, 0, theirs.shape()[0])?, &theirs, scheme.name());
    }
    let sums = golden.tensor("mse")?.to_f64_vec();
    let schemes = [Scheme::Q4_0, Scheme::Q5_0, Scheme::Q4_1, Scheme::Q5_1, Scheme::Q8_0, Scheme::Int8];
    for (i, scheme) in schemes.into_iter().enumerate() {
        let square = |calibration| -> Result<f64> {
            let near = QTensor::quantize_with(&weight, scheme, &calibration, None)?.dequantize()?;
            near.to_dtype(DType::F64).sub(&weight.to_dtype(DType::F64))?.square().sum().item()
        };
        let (mse, absmax) = (square(Calibration::Mse)?, square(Calibration::Absmax)?);
        assert!((mse / sums[i] - 1.0).abs() < 1e-4, "{scheme}: {mse} {}", sums[i]);
        assert!(mse < absmax && absmax < 1.01 * sums[schemes.len() + i], "{scheme}: {mse} {absmax}");
    }
    Ok(())
}

#[test]
fn products_of_whole_numbers_are_those_of_numpy_bit_for_bit() -> Result<()> {
    let golden = reader()?;
    let weight = QTensor::quantize(&golden.tensor("weight")?, Scheme::Int8)?;
    // Behind the four bytes of a scale.
    let whole = weight.blocks().narrow(1, 4, 160)?.contiguous().to_vec::<u8>()?;
    let theirs = golden.tensor("linear.weight")?.to_vec::<i8>()?;
    assert!(whole.iter().map(|byte| *byte as i8).eq(theirs));
    let (x, y) = (golden.tensor("linear.x")?, golden.tensor("linear.y")?);
    assert_same(&weight.linear(&x, None)?, &y, "a row");
    for row in 0..5 {
        assert_same(&weight.linear(&x.narrow(0, row, 1)?, None)?, &y.narrow(0, row, 1)?.contiguous(), "a row");
    }
    for (name, options) in [
        ("conv", ConvOptions::new().stride(2).padding(1)),
        ("grouped", ConvOptions::new().dilation(2).padding([2, 1]).groups(2)),
    ] {
        let [x, w, y] = ["x", "weight", "y"].map(|part| golden.tensor(&format!("{name}.{part}")));
        let (x, w, y) = (x?, w?, y?);
        let mut layer = Conv2d::with_options(4, 6, 3, options.clone(), &mut Rng::seed(0))?.without_bias();
        layer.weight.set(&w)?;
        let report = layer.quantize("*", Scheme::Int8)?;
        assert_eq!((report.weights[0].bytes, report.weights[0].shape.as_slice()), (w.numel() + 6 * 4, w.shape()));
        assert_same(&layer.predict(&x)?.contiguous(), &y, name);
        let matrix = QTensor::quantize(&w.reshape([6, w.numel() / 6])?, Scheme::Int8)?;
        let one = matrix.conv2d(&x.select(0, 1)?, [3, 3], None, &options)?;
        assert_same(&one.contiguous(), &y.select(0, 1)?.contiguous(), name);
    }
    Ok(())
}
