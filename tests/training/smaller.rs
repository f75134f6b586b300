//! Transformers with less in them, language models that learn from others, and what that cost.

use demotic::autograd::Gradients;
use demotic::compress::{
    Distill, Hint, Taught, TransformerImportance, TransformerSizes, compare, without_layers, written,
};
use demotic::layers::{Hooks, Place};
use demotic::models::{
    Bert, BertConfig, BertForSequenceClassification, Generate, GenerateOptions, Gpt, GptConfig, Llama, LlamaConfig,
};
use demotic::prelude::*;
use demotic::pretrained::Pretrained;
use demotic::text::Sampler;
use demotic::train::Task;

fn gpt(rng: &mut Rng) -> Result<Gpt> {
    // Larger than they begin, so that everything matters.
    let mut model = Gpt::new(GptConfig::new(11, 8).layers(3).heads(4).hidden_size(16).intermediate_size(12), rng)?;
    louder(&mut model)?;
    Ok(model)
}

fn louder(model: &mut impl Module) -> Result<()> {
    model.for_each_mut("*", |_, layer: &mut Linear| {
        let value = layer.weight.value()?.detach();
        layer.weight.set(&(value * 10.0))
    })?;
    Ok(())
}

fn texts(rng: &mut Rng) -> Result<(Tensor, Tensor)> {
    let text = Tensor::randint(0, 11, [6, 9], rng)?;
    Ok((text.narrow(1, 0, 8)?, text.narrow(1, 1, 8)?))
}

fn loss_of(model: &impl Layer, (x, y): &(Tensor, Tensor)) -> Result<Tensor> {
    losses::token_cross_entropy(&model.forward(x, &mut Mode::eval())?, y)
}

/// Multiplies some inputs of a layer's weight, in `[in, out]`, by a factor.
fn scaled(model: &Gpt, path: &str, inputs: std::ops::Range<usize>, by: f64) -> Result<Gpt> {
    let mut model = model.clone();
    model.for_each_mut(path, |_, layer: &mut Linear| {
        let value = layer.weight.value()?.detach();
        let factors: Vec<f32> =
            (0..value.shape()[0]).map(|i| if inputs.contains(&i) { by as f32 } else { 1.0 }).collect();
        let factors = Tensor::from_slice(&factors, [factors.len(), 1])?;
        layer.weight.set(&value.mul(&factors)?)
    })?;
    Ok(model)
}

#[test]
fn importance_is_the_slope_of_a_factor() -> Result<()> {
    let mut rng = Rng::seed(0);
    let (model, data) = (gpt(&mut rng)?, texts(&mut rng)?);
    let mut importance = TransformerImportance::new(&model);
    importance.add(&model, &loss_of(&model, &data)?.backward()?)?;
    let step = 1e-2;
    let slope = |path: &str, inputs: std::ops::Range<usize>| -> Result<f64> {
        let at = |by: f64| -> Result<f64> { loss_of(&scaled(&model, path, inputs.clone(), by)?, &data)?.item() };
        Ok((at(1.0 + step)? - at(1.0 - step)?) / (2.0 * step))
    };
    for (layer, unit) in [(0, 0), (1, 3), (2, 2)] {
        let (head, inner) = (4 * unit, 3 * unit);
        let of_head = slope(&format!("transformer.h.{layer}.attn.c_proj"), head..head + 4)?.powi(2);
        let of_unit = slope(&format!("transformer.h.{layer}.mlp.c_proj"), inner..inner + 1)?.powi(2);
        let whole = slope(&format!("transformer.h.{layer}.attn.c_proj"), 0..16)?
            + slope(&format!("transformer.h.{layer}.mlp.c_proj"), 0..12)?;
        for (got, want) in [
            (importance.heads()[layer][unit], of_head),
            (importance.units()[layer][inner], of_unit),
            (importance.layers()[layer], whole.powi(2)),
        ] {
            assert!((got - want).abs() < 0.02 * want + 1e-6, "layer {layer}: {got} for {want}");
        }
    }
    let twice = {
        let mut twice = importance.clone();
        twice.add(&model, &loss_of(&model, &data)?.backward()?)?;
        twice.heads()[0][0]
    };
    assert!((twice - 2.0 * importance.heads()[0][0]).abs() < 1e-9 * twice);
    Ok(())
}

/// A model that keeps everything but what adds nothing is the same, is really smaller, and is opened as an ordinary one.
#[test]
fn what_adds_nothing_is_not_missed() -> Result<()> {
    let mut rng = Rng::seed(1);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("small.safetensors");
    let data = texts(&mut rng)?;
    let mut model = gpt(&mut rng)?;
    // Heads 1 and 3, units 0 to 4, and all of layer 1 add nothing.
    for layer in 0..3 {
        let (attention, mlp) =
            (format!("transformer.h.{layer}.attn.c_proj"), format!("transformer.h.{layer}.mlp.c_proj"));
        model = scaled(&model, &attention, if layer == 1 { 0..16 } else { 4..8 }, 0.0)?;
        model = scaled(&model, &attention, 12..16, 0.0)?;
        model = scaled(&model, &mlp, if layer == 1 { 0..12 } else { 0..5 }, 0.0)?;
    }
    let mut importance = TransformerImportance::new(&model);
    importance.add(&model, &loss_of(&model, &data)?.backward()?)?;
    let small = importance.shrink(&model, &TransformerSizes::new().layers(2).heads(2).units(7))?;
    let far = |a: &Tensor, b: &Tensor| -> Result<f64> { a.sub(b)?.abs().max()?.item() };
    assert!(far(&small.predict(&data.0)?, &model.predict(&data.0)?)? < 1e-4);
    let c = small.config();
    assert_eq!((c.num_layers, c.num_heads, c.head_dim, c.intermediate_size), (2, 2, Some(4), 7));
    assert_eq!(c.num_parameters(), small.num_parameters());
    small.save(&path)?;
    assert_eq!(Gpt::open(&path)?.predict(&data.0)?.to_vec::<f32>()?, small.predict(&data.0)?.to_vec::<f32>()?);
    let said =
        small.generate(&[1, 2], &GenerateOptions::new().sampler(Sampler::greedy()).max_new_tokens(3), &mut rng)?;
    assert_eq!(said.tokens.len(), 3);
    let e = small.save_pretrained(folder.path().join("published")).unwrap_err().to_string();
    assert!(e.contains("2 heads of 4 of 16 features, which the published form has no words for"), "{e}");
    assert_eq!(
        without_layers(&model, &[1])?.predict(&data.0)?.to_vec::<f32>()?,
        model.predict(&data.0)?.to_vec::<f32>()?
    );
    Ok(())
}

#[test]
fn other_families() -> Result<()> {
    let mut rng = Rng::seed(2);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("small.safetensors");
    let data = texts(&mut rng)?;
    let config = LlamaConfig::new(11, 8).layers(3).heads(4).kv_heads(2).hidden_size(16).intermediate_size(10).tied();
    let mut config = config.sliding_window(4);
    config.full_layers = vec![2];
    config.qkv_bias = true;
    let mut llama = Llama::new(config, &mut rng)?;
    louder(&mut llama)?;
    let mut importance = TransformerImportance::new(&llama);
    importance.add(&llama, &loss_of(&llama, &data)?.backward()?)?;
    let small = importance.shrink(&llama, &TransformerSizes::new().heads(1).units(6))?;
    assert_eq!((small.config().num_heads, small.config().key_heads(), small.config().head_size()), (2, 1, 4));
    assert_eq!(small.config().num_parameters(), small.num_parameters());
    small.save(&path)?;
    assert_eq!(Llama::open(&path)?.predict(&data.0)?.to_vec::<f32>()?, small.predict(&data.0)?.to_vec::<f32>()?);
    let shallow = without_layers(&llama, &[0])?;
    assert_eq!((shallow.config().num_layers, &shallow.config().full_layers[..]), (2, &[1][..]));
    // Keeping everything keeps the bits.
    let same = importance.shrink(&llama, &TransformerSizes::new())?;
    assert_eq!(same.predict(&data.0)?.to_vec::<f32>()?, llama.predict(&data.0)?.to_vec::<f32>()?);
    assert_eq!(same.config(), llama.config());

    let config = BertConfig::new(11, 8).layers(2).heads(4).hidden_size(16).intermediate_size(12).dropout(0.0);
    let mut bert = BertForSequenceClassification::new(config, &mut rng)?;
    louder(&mut bert)?;
    let classes = Tensor::from_slice(&[0i64, 1, 0, 1, 1, 0], [6])?;
    let grads = losses::cross_entropy(&bert.forward(&data.0, &mut Mode::eval())?, &classes)?.backward()?;
    let mut importance = TransformerImportance::new(&bert);
    importance.add(&bert, &grads)?;
    let small = importance.shrink(&bert, &TransformerSizes::new().layers(1).heads(3).units(5))?;
    assert!(small.num_parameters() < bert.num_parameters());
    small.save(&path)?;
    let again = BertForSequenceClassification::open(&path)?;
    assert_eq!(again.predict(&data.0)?.to_vec::<f32>()?, small.predict(&data.0)?.to_vec::<f32>()?);
    let body = Bert::new(BertConfig::new(11, 8).layers(2).heads(2).hidden_size(8), &mut rng)?;
    assert_eq!(without_layers(&body, &[0])?.config().num_layers, 1);
    Ok(())
}

#[test]
fn sizes_that_make_no_sense() -> Result<()> {
    let mut rng = Rng::seed(3);
    let (mut model, data) = (gpt(&mut rng)?, texts(&mut rng)?);
    let mut importance = TransformerImportance::new(&model);
    let check = |e: Error, what: &str| assert!(e.to_string().contains(what), "{e}");
    let none = TransformerSizes::new();
    check(importance.shrink(&model, &none.heads(5)).unwrap_err(), "5 heads of 4, expected at least one and no more");
    check(importance.shrink(&model, &none.layers(0)).unwrap_err(), "0 layers of 3");
    check(without_layers(&model, &[3]).unwrap_err(), "without_layers: layer 3 of 3, counted from 0");
    check(without_layers(&model, &[0, 1, 2]).unwrap_err(), "all of 3 layers, expected that one stays");
    model.freeze("transformer.h.1.*")?;
    let grads: Gradients = loss_of(&model, &data)?.backward()?;
    check(importance.add(&model, &grads).unwrap_err(), "transformer.h.1.attn.c_proj");
    let other = Gpt::new(GptConfig::new(11, 8).layers(2).heads(4).hidden_size(16), &mut rng)?;
    check(importance.add(&other, &grads).unwrap_err(), "the model has other sizes");
    demotic::layers::QuantizeExt::quantize(&mut model, "*.mlp.*", demotic::tensor::Scheme::Int8)?;
    check(importance.shrink(&model, &none).unwrap_err(), "has an adapter, or is no parameter");
    Ok(())
}

/// The weights of one layer's attention.
struct Keep(Vec<Tensor>);

impl Hooks for Keep {
    fn output(&mut self, _: &Place<'_>, _: &Tensor) -> Result<Option<Tensor>> {
        Ok(None)
    }

    fn wants_attention(&self) -> bool {
        true
    }

    fn attention(&mut self, at: &Place<'_>, weights: &Tensor) -> Result<()> {
        if at.path == "transformer.h.1.attn" {
            self.0.push(weights.detach());
        }
        Ok(())
    }
}

#[test]
fn attention_is_learnt_from_the_teacher() -> Result<()> {
    let mut rng = Rng::seed(4);
    let (teacher, (x, y)) = (gpt(&mut rng)?, texts(&mut rng)?);
    let student = Gpt::new(GptConfig::new(11, 8).layers(2).heads(4).hidden_size(16), &mut rng)?;
    let apart = |student: &Gpt| -> Result<f64> {
        let (mut s, mut t) = (Keep(Vec::new()), Keep(Vec::new()));
        student.forward(&x, &mut Mode::eval().with_hooks(&mut s))?;
        teacher.forward(&x, &mut Mode::eval().with_hooks(&mut t))?;
        let (s, t) = (s.0[0].to_f64_vec(), t.0[0].to_f64_vec());
        let terms = s.iter().zip(&t).filter(|(_, t)| **t > 0.0).map(|(s, t)| t * (t / s).ln());
        Ok(terms.sum::<f64>() / (t.len() / 8) as f64)
    };
    // Without a share of the scores, the loss is that of the hint and the hard one, of which none is asked for.
    let place = "transformer.h.1.attn";
    let task = Distill::new(teacher.clone(), 1.0, 0.0).hard(losses::CrossEntropy::new().classes_last()).hint(
        Hint::Attention,
        place,
        place,
        1.0,
    );
    let objective = task.objective(&student, &(x.clone(), y.clone()), &mut Mode::eval())?;
    let hard = loss_of(&student, &(x.clone(), y.clone()))?.item()?;
    let before = apart(&student)?;
    assert!((objective.loss.item()? - hard - before).abs() < 1e-4, "{} and {hard} + {before}", objective.loss.item()?);
    let mut learner = student.clone();
    let data = TensorDataset::new(x.clone(), y.clone())?;
    let task = Distill::new(teacher.clone(), 1.0, 1.0).hint(Hint::Attention, place, place, 1.0);
    let task = task.hard(losses::CrossEntropy::new().classes_last());
    Trainer::with_task(task, Adam::new(0.01)).epochs(15).fit(&mut learner, &data, &mut rng)?;
    assert!(apart(&learner)? * 2.0 < before, "{} after {before}", apart(&learner)?);
    let task = Distill::new(teacher, 1.0, 1.0).hint(Hint::Attention, "transformer.h.1.mlp", place, 1.0);
    let task = task.hard(losses::CrossEntropy::new().classes_last());
    let e = task.objective(&student, &(x, y), &mut Mode::eval()).unwrap_err().to_string();
    assert!(e.contains("no layer `transformer.h.1.mlp` attended"), "{e}");
    Ok(())
}

#[test]
fn stored_and_written_teachers() -> Result<()> {
    let mut rng = Rng::seed(5);
    let (teacher, (x, y)) = (gpt(&mut rng)?, texts(&mut rng)?);
    let data = TensorDataset::new(x.clone(), y.clone())?;
    // From stored scores, the same bits as with the teacher at hand.
    let start = Gpt::new(GptConfig::new(11, 8).layers(1).heads(2).hidden_size(8), &mut rng)?;
    let hard = || losses::CrossEntropy::new().classes_last();
    let (mut online, mut stored) = (start.clone(), start.clone());
    Trainer::with_task(Distill::new(teacher.clone(), 2.0, 0.5).hard(hard()), Adam::new(0.01))
        .epochs(2)
        .batch_size(3)
        .fit(&mut online, &data, &mut Rng::seed(0))?;
    let taught = Taught::by(&teacher, data.clone(), 6)?;
    Trainer::with_task(Distill::stored(2.0, 0.5).hard(hard()), Adam::new(0.01)).epochs(2).batch_size(3).fit(
        &mut stored,
        &taught,
        &mut Rng::seed(0),
    )?;
    for ((path, a), (_, b)) in online.named_parameters().into_iter().zip(stored.named_parameters()) {
        let apart = a.sub(&b)?.abs().max()?.item()?;
        assert!(apart < 1e-5, "{path}: {apart}");
    }
    let e = Taught::new(data.clone(), Tensor::zeros([5, 8, 11])?).unwrap_err().to_string();
    assert!(e.contains("a teacher's scores of shape [5, 8, 11] for 6 examples"), "{e}");
    let e =
        Trainer::with_task(Distill::stored(2.0, 0.5).hard(hard()).hint(Hint::Outputs, "a", "b", 1.0), Adam::new(0.01))
            .fit(&mut stored, &taught, &mut rng)
            .unwrap_err()
            .to_string();
    assert!(e.contains("hints from a teacher of whom only the scores are stored"), "{e}");

    let options = GenerateOptions::new().sampler(Sampler::greedy()).max_new_tokens(4);
    let (x, y) = written(&teacher, &[&[1i64, 2, 3][..], &[4]], &options, &mut rng)?;
    let said = teacher.generate(&[4], &options, &mut rng)?.tokens;
    assert_eq!((x.shape(), y.shape()), (&[2, 6][..], &[2, 6][..]));
    assert_eq!(y.select(0, 1)?.to_vec::<i64>()?, [&said[..], &[-100, -100]].concat());
    assert_eq!(x.select(0, 1)?.to_vec::<i64>()?, [&[4][..], &said[..3], &[0, 0]].concat());
    assert_eq!(y.select(0, 0)?.to_vec::<i64>()?[..2], [-100, -100]);
    let e = written(&teacher, &[[1i64]], &options.clone().max_new_tokens(0), &mut rng).unwrap_err().to_string();
    assert!(e.contains("max_new_tokens is 0, expected at least 1"), "{e}");
    Ok(())
}

#[test]
fn a_report_of_layers_and_a_picture() -> Result<()> {
    let mut rng = Rng::seed(6);
    let (model, (x, _)) = (gpt(&mut rng)?, texts(&mut rng)?);
    let small = without_layers(&model, &[2])?;
    let report = compare(&[("whole", &model), ("smaller", &small)], &x, "zero", &|_| Ok(0.0))?;
    let find = |at: usize, path: &str| report.models[at].layers.iter().find(|layer| layer.path == path).cloned();
    let (whole, part) = (find(0, "transformer.h.0").unwrap(), find(0, "transformer.h.0.mlp.c_fc").unwrap());
    assert_eq!(part.bytes, 4 * (16 * 12 + 12));
    assert!(whole.bytes > part.bytes && whole.seconds >= part.seconds);
    assert_eq!(find(1, "transformer.h.1").unwrap().error, Some(0.0));
    assert!(find(1, "transformer.ln_f").unwrap().error.unwrap() > 0.0 && find(1, "transformer.h.2").is_none());
    let table = report.layers();
    assert!(table.contains("transformer.h.2.mlp.c_fc") && table.lines().next().unwrap().contains("smaller: change"));
    let svg = report.plot().to_svg()?;
    assert!(svg.contains("whole") && svg.contains("Change of outputs") && svg.contains("milliseconds"));
    Ok(())
}
