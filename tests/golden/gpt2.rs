//! GPTs with given weights against GPT-2 of `transformers`: logits, loss, gradients, training, and cached decoding.

use crate::golden::{Failures, Family, RUNS};
use crate::gpt::{config, model, models, stored};
use demotic::autograd::no_grad;
use demotic::layers::{Layer, LayerExt, Mode, ModuleExt};
use demotic::losses::token_cross_entropy;
use demotic::models::{CausalLm, Gpt, GptConfig, LmState};
use demotic::optimizers::{AdamW, Optimizer};
use demotic::{DType, Result, Rng, Tensor};

#[test]
fn logits_gradients_and_training() -> Result<()> {
    let family = Family::load("gpt");
    let mut failures = Failures::default();
    for case in models(&family) {
        for (dtype, suffix) in RUNS {
            let mut model = model(&family, case, dtype)?;
            let text = stored(&family, case, "text");
            let time = text.shape()[1] - 1;
            let (ids, targets) = (text.narrow(1, 0, time)?, text.narrow(1, 1, time)?);
            let mut expect = |name: &str, got: &Tensor| {
                let want = family.stored(&format!("{}.{name}.{suffix}", case.id));
                if let Some(what) = want.mismatch(got, case.floor(name), false) {
                    failures.add(&case.id, format!("{suffix} {name}, {what}"));
                }
            };
            let mut opt = AdamW::new(1e-3);
            let mut losses = Vec::new();
            for step in 0..case.attr("steps") {
                let logits = model.forward(&ids, &mut Mode::train(&mut Rng::seed(0)))?;
                let loss = token_cross_entropy(&logits, &targets)?;
                let grads = loss.backward()?;
                if step == 0 {
                    expect("logits", &logits);
                    for (name, param) in model.named_parameters() {
                        expect(&format!("grad.{name}"), grads.wrt(&param)?);
                    }
                }
                losses.push(loss.item()?);
                opt.step(&mut model, &grads)?;
            }
            let n = losses.len();
            expect("losses", &Tensor::from_vec(losses, [n])?.to_dtype(dtype));
            // Adam turns the rounding of gradients that are zero in truth (those of the keys' biases) into steps.
            let after = family.stored(&format!("{}.after", case.id)).to_f64_vec();
            let got = model.predict(&ids)?.to_f64_vec();
            let worst = after.iter().zip(&got).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
            assert!(worst < 1e-3, "{} {suffix}: logits after ten steps differ by {worst:e}", case.id);
        }
    }
    failures.finish(family.cases.len());
    Ok(())
}

#[test]
fn checkpointing_changes_no_gradient() -> Result<()> {
    let family = Family::load("gpt");
    for case in models(&family) {
        let plain = model(&family, case, DType::F64)?;
        let mut saving = Gpt::new(config(case).with_checkpointing(), &mut Rng::seed(0))?;
        saving.transformer = plain.transformer.clone();
        saving.lm_head = plain.lm_head.clone();
        let ids = stored(&family, case, "text").narrow(1, 0, 6)?;
        let grads = |model: &Gpt| -> Result<Vec<f64>> {
            let grads = model.forward(&ids, &mut Mode::train(&mut Rng::seed(0)))?.square().sum().backward()?;
            let mut all = Vec::new();
            for (_, param) in model.named_parameters() {
                all.extend(grads.wrt(&param)?.to_f64_vec());
            }
            Ok(all)
        };
        assert_eq!(grads(&plain)?, grads(&saving)?);
    }
    Ok(())
}

#[test]
fn greedy_continuations_with_a_cache() -> Result<()> {
    let family = Family::load("gpt");
    for case in models(&family) {
        for (dtype, _) in RUNS {
            let model = model(&family, case, dtype)?;
            let want = stored(&family, case, "greedy").to_vec::<i64>()?;
            let mut ids = stored(&family, case, "prompt");
            let mut got = ids.to_vec::<i64>()?;
            let mut state = model.start(&[0])?;
            while got.len() < want.len() {
                let next = model.extend_last(&ids, &mut state)?.argmax_dim(-1, false)?;
                got.push(next.item()? as i64);
                ids = next.unsqueeze(1)?;
            }
            assert_eq!(got, want, "{}", case.id);
            assert_eq!(state.len(), want.len() - 1);
        }
    }
    Ok(())
}

#[test]
fn a_cache_gives_the_logits_of_the_whole_text_whatever_the_pieces() -> Result<()> {
    let family = Family::load("gpt");
    for case in models(&family) {
        let model = model(&family, case, DType::F64)?;
        let text = stored(&family, case, "text").narrow(1, 0, 8)?;
        let whole = model.predict(&text)?;
        for pieces in [vec![8], vec![1; 8], vec![3, 1, 4], vec![5, 3]] {
            let mut state = model.start(&[0, 0])?;
            let (mut at, mut parts) = (0, Vec::new());
            for n in pieces {
                parts.push(model.extend(&text.narrow(1, at, n)?, &mut state)?);
                at += n;
            }
            let joined = Tensor::cat(&parts.iter().collect::<Vec<_>>(), 1)?;
            assert_close(&joined, &whole);
        }
    }
    Ok(())
}

#[test]
fn padding_on_the_left_changes_nothing() -> Result<()> {
    let family = Family::load("gpt");
    for case in models(&family) {
        let model = model(&family, case, DType::F64)?;
        let text = stored(&family, case, "text");
        let (long, short) = (text.narrow(0, 0, 1)?.narrow(1, 0, 6)?, text.narrow(0, 1, 1)?.narrow(1, 0, 4)?);
        let padded = Tensor::cat(&[&Tensor::from_nested([[3i64, 1]])?, &short], 1)?;
        let both = Tensor::cat(&[&long, &padded], 0)?;
        let mut state = model.start(&[0, 2])?;
        // The padding reaches into the second piece.
        no_grad(|| model.extend(&both.narrow(1, 0, 1)?, &mut state))?;
        let logits = model.extend(&both.narrow(1, 1, 5)?, &mut state)?;
        assert_close(&logits.narrow(0, 0, 1)?, &model.predict(&long)?.narrow(1, 1, 5)?);
        assert_close(&logits.narrow(0, 1, 1)?.narrow(1, 1, 4)?, &model.predict(&short)?);
        // Rows change places, and stay what they were.
        state.reorder(&[1, 1, 0])?;
        assert_eq!((state.rows(), state.len()), (3, 6));
        let next = Tensor::from_nested([[2i64], [5], [7]])?;
        let logits = model.extend_last(&next, &mut state)?;
        let alone = |row: &Tensor, next: i64| {
            model.predict(&Tensor::cat(&[row, &Tensor::from_nested([[next]])?], 1)?)?.select(1, -1)
        };
        let want = Tensor::cat(&[&alone(&short, 2)?, &alone(&short, 5)?, &alone(&long, 7)?], 0)?;
        assert_close(&logits, &want);
    }
    Ok(())
}

#[track_caller]
fn assert_close(got: &Tensor, want: &Tensor) {
    assert_eq!(got.shape(), want.shape());
    for (a, b) in got.to_f64_vec().iter().zip(want.to_f64_vec()) {
        assert!((a - b).abs() <= 1e-12 * b.abs().max(1.0), "{a} is not {b}");
    }
}

#[test]
fn impossible_models_and_inputs() -> Result<()> {
    let error = |config: GptConfig| Gpt::new(config, &mut Rng::seed(0)).unwrap_err().message();
    let config = GptConfig::new(10, 8).layers(1).heads(2).hidden_size(4);
    assert_eq!(error(config.clone().heads(3)), "Gpt::new: hidden_size 4 is not a multiple of num_heads 3");
    assert_eq!(error(config.clone().layers(0)), "Gpt::new: num_layers is 0, expected at least 1");
    assert_eq!(error(config.clone().dropout(1.5)), "Dropout::new: p is 1.5, expected a probability from 0 to 1");
    let huge = config.clone().hidden_size(1 << 40);
    assert_eq!(error(huge), "Gpt::new: a model of these sizes does not fit into memory");
    let model = Gpt::new(config, &mut Rng::seed(0))?;
    let e = model.predict(&Tensor::zeros([1, 9])?.to_dtype(DType::I64)).unwrap_err();
    assert_eq!(e.message(), "gpt: 9 tokens, but the model looks at 8 at the most");
    assert_eq!(e.help(), Some("cut the sequences, or make the model for longer ones"));
    let e = model.predict(&Tensor::from_nested([1i64, 2])?).unwrap_err();
    assert_eq!(e.message(), "gpt: token ids of shape [2], expected [batch, time]");
    assert_eq!(e.help(), Some("a single sequence needs a batch of one: ids.unsqueeze(0)"));
    let e = model.predict(&Tensor::from_nested([[1i64, 10]])?).unwrap_err();
    assert_eq!(e.layer(), Some("transformer.wte"));
    let mut state = model.start(&[0])?;
    model.extend(&Tensor::zeros([1, 8])?.to_dtype(DType::I64), &mut state)?;
    let e = model.extend(&Tensor::from_nested([[1i64]])?, &mut state).unwrap_err();
    assert_eq!(e.message(), "gpt: 1 tokens after 8 are more than the model looks at (8)");
    assert_eq!(model.start(&[]).unwrap_err().message(), "gpt: there are no sequences");
    assert_eq!(model.start(&[8]).unwrap_err().message(), "gpt: a padding of 8 tokens in a context of 8");
    assert_eq!(state.reorder(&[1]).unwrap_err().message(), "reorder: there is no row 1, the state has 1");
    Ok(())
}
