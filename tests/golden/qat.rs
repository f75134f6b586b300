//! Rounding in training, with its observers and gradients, against `torch.ao`.

use std::path::PathBuf;

use demotic::compress::qat::{FakeQuantize, Levels, QatExt, QatOptions, Ranges, RoundedWeight};
use demotic::io::safetensors::Reader;
use demotic::prelude::*;
use demotic::tensor::Scheme;

fn reader() -> Result<Reader> {
    Reader::open(PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/golden/qat.safetensors")))
}

#[track_caller]
fn assert_near(ours: &Tensor, theirs: &Tensor, most: f64, what: &str) {
    assert_eq!(ours.shape(), theirs.shape(), "{what}");
    for (i, (a, b)) in ours.to_f64_vec().iter().zip(theirs.to_f64_vec()).enumerate() {
        assert!((a - b).abs() <= most * (1.0 + b.abs()), "{what}: {a} for {b} at {i}");
    }
}

#[test]
fn activations_are_rounded_as_by_torch() -> Result<()> {
    let golden = reader()?;
    let (batches, last, weights) = (golden.tensor("batches")?, golden.tensor("last")?, golden.tensor("weights")?);
    let mut rng = Rng::seed(0);
    for (name, layer) in [
        ("average", FakeQuantize::new(Levels::UINT8, Ranges::MovingAverage(0.1))?),
        ("minmax", FakeQuantize::new(Levels::INT8, Ranges::MinMax)?),
        ("channels", FakeQuantize::per_channel(Levels::INT8, Ranges::MinMax, 1, 5)?),
    ] {
        let theirs = golden.tensor(&format!("{name}.batches"))?;
        for i in 0..3 {
            let y = layer.forward(&batches.select(0, i)?, &mut Mode::train(&mut rng))?;
            assert_near(&y, &theirs.select(0, i)?, 1e-6, name);
        }
        let x = last.clone().tracked()?;
        let y = layer.forward(&x, &mut Mode::eval())?;
        assert_near(&y, &golden.tensor(&format!("{name}.y"))?, 1e-6, name);
        let grads = y.mul(&weights)?.sum().backward()?;
        assert_near(grads.wrt(&x)?, &golden.tensor(&format!("{name}.grad"))?, 0.0, name);
    }
    Ok(())
}

#[test]
fn learnt_scales_have_the_gradients_of_torch() -> Result<()> {
    let golden = reader()?;
    let (x, weights) = (golden.tensor("last")?.tracked()?, golden.tensor("weights")?);
    let layer = FakeQuantize::learned(Levels::INT8, f64::from(0.02_f32))?;
    let y = layer.forward(&x, &mut Mode::train(&mut Rng::seed(0)))?;
    assert_near(&y, &golden.tensor("learned.y")?, 1e-6, "values");
    let grads = y.mul(&weights)?.sum().backward()?;
    assert_near(grads.wrt(&x)?, &golden.tensor("learned.grad")?, 1e-6, "input");
    assert_near(grads.wrt(layer.scale.as_ref().unwrap())?, &golden.tensor("learned.scale")?, 1e-5, "scale");

    // The weight of a layer, with a scale for each row.
    let mut model = sequential![Linear::new(12, 4, &mut Rng::seed(0))?.without_bias()];
    model.for_each_mut("0.*", |_, weight: &mut Weight| weight.set(&golden.tensor("rows.w")?))?;
    model.prepare_qat(&QatOptions::new(Scheme::Int8).learn_scales(true))?;
    model.for_each_mut("0.*", |_, adapter: &mut RoundedWeight| {
        adapter.scale.as_mut().unwrap().set(&golden.tensor("rows.scale")?.reshape([4, 1])?)
    })?;
    let mut found = None;
    model.for_each("0.*", |_, weight: &Weight| found = Some(weight.clone()));
    let weight = found.unwrap();
    let (own, adapter) = (weight.param().unwrap(), weight.adapter().unwrap());
    let y = adapter.value(own)?;
    assert_near(&y, &golden.tensor("rows.y")?, 1e-6, "rows");
    let grads = y.mul(&golden.tensor("rows.g")?)?.sum().backward()?;
    assert_near(grads.wrt(own)?, &golden.tensor("rows.grad")?, 1e-6, "weight");
    let adapter: &RoundedWeight = adapter.as_module().as_any_ref().downcast_ref().unwrap();
    let scale = grads.wrt(adapter.scale.as_ref().unwrap())?.reshape([4])?;
    assert_near(&scale, &golden.tensor("rows.scale_grad")?, 1e-5, "scales");
    Ok(())
}
