//! What a GPT has besides its sizes, against GPT-2 of `transformers`: activations, scores scaled by the number of the layer, masks
//! and positions. Logits and gradients of every parameter.

use crate::golden::{Case, Failures, Family, RUNS};
use crate::gpt::{model, models, stored};
use demotic::layers::{Activation, Mode, ModuleExt};
use demotic::models::{Gpt, GptConfig, GptInputs};
use demotic::prelude::{LayerExt, no_grad};
use demotic::{DType, ErrorKind, Result, Rng, Tensor};

/// The inputs of a case.
fn inputs(family: &Family, case: &Case) -> GptInputs {
    let mut inputs = GptInputs::new();
    if case.attr("masked") {
        inputs = inputs.mask(&stored(family, case, "seen"));
    }
    if family.find(&format!("{}.positions", case.id)).is_some() {
        inputs = inputs.positions(&stored(family, case, "positions"));
    }
    inputs
}

/// Logits of what is seen, zeros elsewhere.
fn seen_logits(family: &Family, case: &Case, model: &Gpt, inputs: &GptInputs, mode: &mut Mode<'_>) -> Result<Tensor> {
    let logits = model.forward_with(&stored(family, case, "ids"), inputs, mode)?;
    assert!(logits.to_f64_vec().iter().all(|x| x.is_finite()), "{}", case.id);
    logits.mul(&stored(family, case, "seen").to_dtype(logits.dtype()).unsqueeze(-1)?)
}

#[test]
fn logits_and_gradients() -> Result<()> {
    let family = Family::load("gpt_options");
    let mut failures = Failures::default();
    for case in models(&family) {
        for (dtype, suffix) in RUNS {
            let plain = model(&family, case, dtype)?;
            let mut saving = Gpt::new(plain.config().clone().with_checkpointing(), &mut Rng::seed(0))?;
            (saving.transformer, saving.lm_head) = (plain.transformer.clone(), plain.lm_head.clone());
            let up = family.stored(&format!("{}.up", case.id)).tensor(dtype);
            for model in [plain, saving] {
                let mut rng = Rng::seed(0);
                let logits = seen_logits(&family, case, &model, &inputs(&family, case), &mut Mode::train(&mut rng))?;
                let grads = logits.mul(&up)?.sum().backward()?;
                let mut expect = |name: &str, got: &Tensor| {
                    let want = family.stored(&format!("{}.{name}.{suffix}", case.id));
                    if let Some(what) = want.mismatch(got, case.floor(name), false) {
                        failures.add(&case.id, format!("{suffix} {name}, {what}"));
                    }
                };
                expect("logits", &logits);
                for (name, param) in model.named_parameters() {
                    expect(&format!("grad.{name}"), grads.wrt(&param)?);
                }
            }
        }
    }
    failures.finish(family.cases.len());
    Ok(())
}

#[test]
fn padded_texts_give_what_they_give_alone() -> Result<()> {
    let family = Family::load("gpt_options");
    for case in models(&family).filter(|case| case.id.contains("counted")) {
        let model = model(&family, case, DType::F64)?;
        let seen = stored(&family, case, "seen");
        let ids = stored(&family, case, "ids").to_vec::<i64>()?;
        let padded = GptInputs::padded(&seen.to_dtype(DType::Bool))?;
        let logits = no_grad(|| seen_logits(&family, case, &model, &padded, &mut Mode::eval()))?;
        let want = family.stored(&format!("{}.logits.f64", case.id));
        assert_eq!(want.mismatch(&logits, case.floor("logits"), false), None, "{}", case.id);
        let time = seen.shape()[1];
        for (row, mask) in seen.to_vec::<i64>()?.chunks(time).enumerate() {
            let places: Vec<usize> = (0..time).filter(|i| mask[*i] == 1).collect();
            let text: Vec<i64> = places.iter().map(|i| ids[row * time + i]).collect();
            let alone = model.predict(&Tensor::from_vec(text, [1, places.len()])?)?;
            for (i, place) in places.iter().enumerate() {
                let a = alone.select(0, 0)?.select(0, i as isize)?.to_f64_vec();
                let b = logits.select(0, row as isize)?.select(0, *place as isize)?.to_f64_vec();
                assert!(a.iter().zip(&b).all(|(a, b)| (a - b).abs() < 1e-9), "{} {row} {place}", case.id);
            }
        }
    }
    Ok(())
}

#[test]
fn inputs_that_do_not_fit() -> Result<()> {
    let gpt = Gpt::new(GptConfig::new(5, 4).layers(1).heads(1).hidden_size(4), &mut Rng::seed(0))?;
    let ids = Tensor::zeros([2, 3])?.to_dtype(DType::I64);
    let error = |inputs: &GptInputs| gpt.forward_with(&ids, inputs, &mut Mode::eval()).unwrap_err();
    let mask = |shape: &[usize], dtype| GptInputs::new().mask(&Tensor::ones(shape).unwrap().to_dtype(dtype));
    let e = error(&mask(&[3], DType::Bool));
    assert_eq!(e.message(), "gpt: a mask of shape [3], expected [2, 3]");
    assert_eq!(e.help(), Some("true or 1 for tokens, false or 0 for padding; later tokens are hidden anyway"));
    assert_eq!(error(&mask(&[2, 1, 1, 3], DType::I64)).kind(), ErrorKind::Shape);
    assert_eq!(
        error(&mask(&[2, 3], DType::F32)).message(),
        "gpt: the mask has elements of type f32, expected bool or whole numbers"
    );
    let positions = |values: &[i64]| GptInputs::new().positions(&Tensor::from_slice(values, [values.len()]).unwrap());
    assert_eq!(error(&positions(&[0, 1])).message(), "gpt: positions of shape [2], expected [3] or [2, 3]");
    assert_eq!(error(&positions(&[0, 1, 4])).message(), "gpt: position 4, the context has 4, counted from 0");
    assert_eq!(error(&positions(&[0, -1, 1])).message(), "gpt: position -1, the context has 4, counted from 0");
    assert_eq!(error(&GptInputs::new().positions(&Tensor::zeros([3])?)).kind(), ErrorKind::DType);
    assert_eq!(
        GptInputs::padded(&Tensor::zeros([3])?).unwrap_err().message(),
        "padded: a mask of shape [3], expected [batch, time]"
    );
    // Everything hidden, or nothing there: no panic, no NaN.
    let hidden = GptInputs::padded(&Tensor::zeros([2, 3])?.to_dtype(DType::Bool))?;
    assert!(gpt.forward_with(&ids, &hidden, &mut Mode::eval())?.to_f64_vec().iter().all(|x| x.is_finite()));
    assert!(GptInputs::padded(&Tensor::zeros([0, 0])?.to_dtype(DType::Bool)).is_ok());

    let config = GptConfig::new(5, 4).activation(demotic::layers::Glu::default());
    let e = Gpt::new(config, &mut Rng::seed(0)).unwrap_err();
    assert_eq!(e.message(), "Gpt::new: the activation is a Glu, which gives half of the features it takes");
    Ok(())
}

#[test]
fn configurations_of_before_are_those_of_gpt2() {
    let old = r#"{"vocab_size":5,"context_length":4,"hidden_size":4,"num_layers":1,"num_heads":1,"intermediate_size":8,
        "dropout":0.0,"layer_norm_eps":1e-5,"tied":true,"checkpointing":false}"#;
    let config: GptConfig = serde_json::from_str(old).unwrap();
    assert_eq!((config.activation, config.inverse_layer_scaling), (Activation::GeluTanh, false));
    let new = config.activation(demotic::layers::Silu).with_inverse_layer_scaling();
    let json = serde_json::to_string(&new).unwrap();
    assert_eq!(serde_json::from_str::<GptConfig>(&json).unwrap(), new);
}
