//! Low-rank adapters against Hugging Face's `peft`: outputs, gradients, merging, and training.

use demotic::io::safetensors::Reader;
use demotic::layers::{Lora, LoraOptions};
use demotic::prelude::*;

/// The numbers of a case, by name.
struct Case {
    file: Reader,
    prefix: String,
}

impl Case {
    fn open(prefix: &str) -> Result<Self> {
        let file = Reader::open(concat!(env!("CARGO_MANIFEST_DIR"), "/golden/lora.safetensors"))?;
        Ok(Self { file, prefix: prefix.to_string() })
    }

    fn get(&self, name: &str) -> Result<Tensor> {
        self.file.tensor(&format!("{}.{name}", self.prefix))
    }

    fn param(&self, name: &str) -> Result<Param> {
        Param::new(self.get(name)?)
    }

    /// Gives a weight an adapter with the numbers of the case.
    fn adapt(&self, weight: &mut Weight, rank: usize, alpha: f64) -> Result<()> {
        let mut lora = Lora::with(weight, &LoraOptions::new(rank, alpha), &mut Rng::seed(0))?;
        lora.lora_a.set(&self.get("lora_a")?)?;
        lora.lora_b.set(&self.get("lora_b")?)?;
        weight.adapt(lora)?;
        weight.set_trainable(false);
        Ok(())
    }

    #[track_caller]
    fn expect(&self, name: &str, found: &Tensor) -> Result<()> {
        let expected = self.get(name)?;
        assert_eq!(found.shape(), expected.shape(), "{name}");
        let error = found.sub(&expected)?.abs().max()?.item()?;
        assert!(error < 1e-11, "{}.{name}: {error}", self.prefix);
        Ok(())
    }
}

/// The parameter with this path.
fn parameter(model: &impl Module, path: &str) -> Tensor {
    model.named_parameters().into_iter().find(|(name, _)| name == path).unwrap().1
}

#[test]
fn layers_with_adapters() -> Result<()> {
    for (name, inputs_first) in [("dense", false), ("conv1d", true)] {
        let case = Case::open(name)?;
        let weight = case.param("weight")?;
        let weight = if inputs_first { Weight::InputsFirst(weight) } else { Weight::Dense(weight) };
        let mut layer = Linear { weight, bias: Some(case.param("bias")?) };
        assert_eq!((layer.in_features(), layer.out_features()), (5, 7));
        case.adapt(&mut layer.weight, 3, 6.0)?;
        let x = case.get("x")?.tracked()?;
        let y = layer.forward(&x, &mut Mode::eval())?;
        case.expect("y", &y)?;
        let grads = y.square().sum().backward()?;
        case.expect("grad_x", grads.wrt(&x)?)?;
        case.expect("grad_lora_a", grads.wrt(&parameter(&layer, "weight.lora_a"))?)?;
        case.expect("grad_lora_b", grads.wrt(&parameter(&layer, "weight.lora_b"))?)?;
        let adapter = layer.weight.merge()?.unwrap();
        case.expect("merged", &layer.weight.value()?)?;
        case.expect("y", &layer.predict(&x)?)?;
        layer.weight.unmerge(adapter)?;
        case.expect("unmerged", layer.weight.param().unwrap())?;
        case.expect("y", &layer.predict(&x)?)?;
    }
    Ok(())
}

#[test]
fn attention_with_adapters() -> Result<()> {
    let case = Case::open("attention")?;
    let mut layer = MultiHeadAttention::new(8, 2, &mut Rng::seed(0))?;
    layer.to_dtype(DType::F64)?;
    let mut weight = Weight::new(case.get("in_proj_weight")?)?;
    case.adapt(&mut weight, 2, 5.0)?;
    layer.in_proj_weight = Some(weight);
    layer.in_proj_bias = Some(case.param("in_proj_bias")?);
    layer.out_proj = Linear { weight: Weight::new(case.get("out_weight")?)?, bias: Some(case.param("out_bias")?) };

    let (x, memory) = (case.get("x")?, case.get("memory")?);
    let mut mode = Mode::eval();
    let itself = layer.forward(&x, &mut mode)?;
    case.expect("itself", &itself)?;
    let other = layer.attend(&x, &memory, &memory, &AttentionMasks::new(), &mut mode)?;
    case.expect("other", &other)?;
    let cubes = other.mul(&other)?.mul(&other)?.sum();
    let grads = itself.square().sum().add(&cubes)?.backward()?;
    case.expect("grad_lora_a", grads.wrt(&parameter(&layer, "in_proj_weight.lora_a"))?)?;
    case.expect("grad_lora_b", grads.wrt(&parameter(&layer, "in_proj_weight.lora_b"))?)?;
    assert_eq!(layer.merge_lora("in_proj_weight")?, 1);
    case.expect("merged", &layer.in_proj_weight.as_ref().unwrap().value()?)?;
    case.expect("itself", &layer.predict(&x)?)?;
    case.expect("other", &layer.attend(&x, &memory, &memory, &AttentionMasks::new(), &mut mode)?)
}

#[test]
fn training_adapters() -> Result<()> {
    let layer = |i: usize| -> Result<Linear> {
        let case = Case::open(&format!("training.{i}"))?;
        let mut layer = Linear { weight: Weight::new(case.get("weight")?)?, bias: Some(case.param("bias")?) };
        case.adapt(&mut layer.weight, 2, 4.0)?;
        Ok(layer)
    };
    let case = Case::open("training")?;
    let mut model = sequential![layer(0)?, Tanh, layer(1)?];
    model.freeze("*.bias")?;
    let (x, y) = (case.get("x")?, case.get("y")?);
    let mut opt = AdamW::new(0.01);
    let mut seen = Vec::new();
    for _ in 0..20 {
        let loss = losses::mse(&model.forward(&x, &mut Mode::eval())?, &y)?;
        seen.push(loss.item()?);
        opt.step(&mut model, &loss.backward()?)?;
    }
    case.expect("losses", &Tensor::from_slice(&seen, [20])?)?;
    for (i, place) in [(0, "0"), (1, "2")] {
        let case = Case::open(&format!("training.{i}"))?;
        case.expect("last_lora_a", &parameter(&model, &format!("{place}.weight.lora_a")))?;
        case.expect("last_lora_b", &parameter(&model, &format!("{place}.weight.lora_b")))?;
    }
    Ok(())
}
