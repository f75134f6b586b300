//! The context of a pass: paths, hooks, scopes, repeated passes, and the lines that errors point to.

use std::sync::atomic::{AtomicUsize, Ordering};

use demotic::layers::{Hooks, Place, Summary, on_output};
use demotic::models::{Gpt, GptConfig, Mlp};
use demotic::prelude::*;
use demotic::profile;

/// What a pass tells its hooks, in order.
#[derive(Default)]
struct Heard(Vec<String>);

impl Hooks for Heard {
    fn enter(&mut self, at: &Place<'_>) -> Result<()> {
        self.0.push(format!("> {} {}", at.path, at.kind));
        Ok(())
    }

    fn output(&mut self, at: &Place<'_>, y: &Tensor) -> Result<Option<Tensor>> {
        self.0.push(format!("{} {:?}", at.path, y.shape()));
        Ok(None)
    }
}

fn outputs(model: &impl Layer, x: &Tensor, mode: Mode<'_>) -> Result<Vec<String>> {
    let mut paths = Vec::new();
    let mut note = on_output(|at, y| {
        paths.push(format!("{} {} {:?}", at.path, at.kind, y.shape()));
        Ok(None)
    });
    model.forward(x, &mut mode.with_hooks(&mut note))?;
    Ok(paths)
}

#[test]
fn hooks_hear_of_every_layer_from_the_outside_in_and_back() -> Result<()> {
    let mut rng = Rng::seed(0);
    let model =
        sequential![Residual::new(sequential![Linear::new(4, 4, &mut rng)?, Relu]), Linear::new(4, 2, &mut rng)?];
    let mut heard = Heard::default();
    model.forward(&Tensor::ones([3, 4])?, &mut Mode::eval().with_hooks(&mut heard))?;
    let expected = [
        "> 0 Residual",
        "> 0.inner Sequential",
        "> 0.inner.0 Linear",
        "0.inner.0 [3, 4]",
        "> 0.inner.1 Relu",
        "0.inner.1 [3, 4]",
        "0.inner [3, 4]",
        "0 [3, 4]",
        "> 1 Linear",
        "1 [3, 2]",
    ];
    assert_eq!(heard.0, expected);
    Ok(())
}

/// Every module of a model that has parameters of its own is heard of under the path that its parameters have.
#[test]
fn paths_are_those_of_parameters() -> Result<()> {
    fn check(model: &impl Layer, x: &Tensor) -> Result<()> {
        let mut rng = Rng::seed(1);
        let heard = outputs(model, x, Mode::train(&mut rng))?;
        for (name, _) in model.named_parameters() {
            // A recurrent network has its parameters in lists, an attention those of three layers in one.
            let owner = name.rsplit_once('.').map_or("", |(owner, _)| owner);
            assert!(heard.iter().any(|line| line.starts_with(&format!("{owner} "))), "{name} among {heard:?}");
        }
        Ok(())
    }
    let mut rng = Rng::seed(0);
    let x = Tensor::normal([2, 5, 8], 0.0, 1.0, &mut rng)?;
    let options = TransformerOptions::new(8, 2).feedforward(16);
    check(&TransformerEncoder::new(&options, 2, &mut rng)?.with_norm(LayerNorm::new(8)?), &x)?;
    check(&TransformerEncoder::new(&options.norm_first(), 2, &mut rng)?, &x)?;
    check(&sequential![Lstm::new(8, 3, &mut rng)?, Gru::new(3, 4, &mut rng)?], &x)?;
    check(&Mlp::new(&[8, 4, 2], &mut rng)?.dropout(0.1)?, &x)?;
    let ids = Tensor::from_nested([[1i64, 4, 2, 0], [3, 3, 1, 2]])?;
    let config = GptConfig::new(6, 8).hidden_size(8).layers(2).heads(2);
    check(&Gpt::new(config.clone(), &mut rng)?, &ids)?;
    check(&Gpt::new(config.untied().with_checkpointing(), &mut rng)?, &ids)
}

#[test]
fn outputs_can_be_replaced() -> Result<()> {
    let mut rng = Rng::seed(0);
    let model = sequential![Linear::new(4, 8, &mut rng)?, Relu, Linear::new(8, 2, &mut rng)?];
    let x = Tensor::ones([3, 4])?;
    let zero = |pattern: &'static str| {
        on_output(move |at, y| Ok(if at.matches(pattern) { Some(y.zeros_like()) } else { None }))
    };
    // Without anything from before, only the bias is left.
    let y = model.forward(&x, &mut Mode::eval().with_hooks(&mut zero("1")))?;
    let bias = model.named_parameters()[3].1.to_vec::<f32>()?;
    assert_eq!(y.to_vec::<f32>()?, bias.repeat(3));
    let y = model.forward(&x, &mut Mode::eval().with_hooks(&mut zero("*")))?;
    assert_eq!(y.to_vec::<f32>()?, [0.0; 6]);
    // What takes no part in the result has no gradient.
    let grads = model.forward(&x, &mut Mode::eval().with_hooks(&mut zero("1")))?.sum().backward()?;
    assert_eq!(grads.len(), 2);

    let mut narrow = on_output(|_, y| y.narrow(1, 0, 1).map(Some));
    let e = model.forward(&x, &mut Mode::eval().with_hooks(&mut narrow)).unwrap_err();
    assert_eq!(e.message(), "hooks: [3, 1] of f32 in the place of [3, 8] of f32");
    assert_eq!(e.help(), Some("an output is replaced by one of its shape and type"));
    assert_eq!(e.layer(), Some("0"));
    let mut stop = on_output(|at, _| if at.path == "1" { Err(Error::state("stop", "enough")) } else { Ok(None) });
    let e = model.forward(&x, &mut Mode::eval().with_hooks(&mut stop)).unwrap_err();
    assert_eq!((e.message().as_str(), e.layer()), ("stop: enough", Some("1")));
    Ok(())
}

/// Counts the passes that it sees, those that are repeated apart.
#[derive(Clone)]
struct Counter;

static PASSES: [AtomicUsize; 2] = [AtomicUsize::new(0), AtomicUsize::new(0)];

module!(Counter {});

impl Layer for Counter {
    fn forward(&self, x: &Tensor, mode: &mut Mode) -> Result<Tensor> {
        PASSES[usize::from(mode.is_recomputing())].fetch_add(1, Ordering::Relaxed);
        assert!(mode.is_training());
        Ok(x * 1.0)
    }
}

#[test]
fn repeated_passes_know_that_they_are_repeated() -> Result<()> {
    let mut rng = Rng::seed(0);
    let block = sequential![Linear::new(4, 4, &mut rng)?, Counter];
    let x = Tensor::ones([3, 4])?;
    let mut heard = Heard::default();
    let y = checkpointed(&block, &x, &mut Mode::train(&mut rng).with_hooks(&mut heard))?;
    let passes = || PASSES.each_ref().map(|passes| passes.load(Ordering::Relaxed));
    assert_eq!(passes(), [1, 0]);
    y.sum().backward()?;
    assert_eq!(passes(), [1, 1]);
    // It is told of once.
    assert_eq!(heard.0, ["> 0 Linear", "0 [3, 4]", "> 1 Counter", "1 [3, 4]"]);

    let mut zero = on_output(|_, y| Ok(Some(y.zeros_like())));
    let e = checkpointed(&block, &x, &mut Mode::train(&mut rng).with_hooks(&mut zero)).unwrap_err();
    assert_eq!(e.message(), "hooks: an output was replaced that will be computed a second time, without the hook");
    assert_eq!(e.help(), Some("replace outputs in a model without checkpointing"));
    Ok(())
}

/// Fails when it is run for the second time.
#[derive(Clone)]
struct Unwilling;

module!(Unwilling {});

impl Layer for Unwilling {
    fn forward(&self, x: &Tensor, mode: &mut Mode) -> Result<Tensor> {
        match mode.is_recomputing() {
            true => Err(Error::state("unwilling", format!("not again, at `{}`", mode.path()))),
            false => Ok(x * 2.0),
        }
    }
}

#[test]
fn errors_of_repeated_passes_have_the_whole_path() -> Result<()> {
    let x = Tensor::ones([2])?.tracked()?;
    let block = sequential![Relu, Unwilling];
    let mode = &mut Mode::eval();
    let y = mode.scope("outer", |mode| mode.scope(("blocks", 7), |mode| checkpointed(&block, &x, mode)))?;
    let e = y.sum().backward().unwrap_err();
    assert_eq!(e.message(), "unwilling: not again, at `outer.blocks.7.1`");
    assert_eq!(e.layer(), Some("outer.blocks.7.1"));
    Ok(())
}

#[test]
fn a_mode_knows_where_it_is() -> Result<()> {
    let mut rng = Rng::seed(0);
    let mut mode = Mode::train(&mut rng);
    assert_eq!((mode.path().as_str(), format!("{mode:?}").as_str()), ("", "Mode(train)"));
    mode.scope("encoder", |mode| {
        mode.scope(3, |mode| {
            assert_eq!(mode.path(), "encoder.3");
            assert_eq!(format!("{mode:?}"), "Mode(train, at `encoder.3`)");
            assert!(mode.is_training() && mode.rng().is_some() && !mode.is_recomputing());
            Ok(())
        })
    })?;
    assert!(!Mode::eval().is_training() && Mode::eval().rng().is_none());
    let line = line!() + 1;
    let e = mode.scope("a", |mode| mode.scope(("b", 0), |_| Err::<(), _>(Error::state("op", "wrong")))).unwrap_err();
    assert_eq!(e.to_string(), format!("op: wrong\n  in layer `a.b.0`, at {}:{line}", file!()));
    Ok(())
}

/// A layer of the user's own, which stands above its callers in the file.
#[derive(Clone)]
struct Own {
    fc: Linear,
}

module!(Own { fc });

impl Layer for Own {
    fn forward(&self, x: &Tensor, mode: &mut Mode) -> Result<Tensor> {
        self.fc.at("fc", x, mode)
    }
}

#[test]
fn errors_through_dyn_layers_point_at_the_caller() -> Result<()> {
    let mut rng = Rng::seed(0);
    let x = Tensor::ones([1, 4])?;
    let linear = Linear::new(3, 2, &mut rng)?;
    let layers: [&dyn Layer; 7] = [
        &linear,
        &sequential![linear.clone()],
        &Residual::new(linear.clone()),
        &Own { fc: linear.clone() },
        &Softmax { dim: 5 },
        &MultiHeadAttention::new(3, 1, &mut rng)?,
        &Lstm::new(3, 2, &mut rng)?,
    ];
    for layer in layers {
        let here = |e: Error, line: u32| {
            let text = e.to_string();
            assert!(text.contains(&format!("at {}:{line}", file!())), "{}: {text}", layer.kind());
        };
        here(layer.predict(&x).unwrap_err(), line!());
        here(layer.forward(&x, &mut Mode::eval()).unwrap_err(), line!());
        here(layer.forward(&x, &mut Mode::train(&mut rng)).unwrap_err(), line!());
        here(layer.at("part", &x, &mut Mode::eval()).unwrap_err(), line!());
        here(layer.summary([1, 4]).unwrap_err(), line!());
    }
    // Where the line is known, it is that of the call, wherever the mode was made.
    let mode = &mut Mode::eval();
    let e = linear.forward(&x, mode).unwrap_err();
    assert!(e.to_string().contains(&format!("at {}:{}", file!(), line!() - 1)), "{e}");
    let e = Own { fc: linear }.forward(&x, mode).unwrap_err();
    assert!(e.to_string().contains(&format!("in layer `fc`, at {}:{}", file!(), line!() - 1)), "{e}");
    Ok(())
}

#[test]
fn profiles_count_layers() -> Result<()> {
    let mut rng = Rng::seed(0);
    let model = sequential![Linear::new(4, 8, &mut rng)?, Residual::new(Linear::new(8, 8, &mut rng)?)];
    let x = Tensor::ones([3, 4])?;
    let report = profile::record(|| {
        for _pass in 0..2 {
            model.predict(&x).unwrap();
        }
    });
    let mut layers: Vec<_> = report.layers().into_iter().map(|(path, calls, _)| (path, calls)).collect();
    layers.sort_unstable();
    assert_eq!(layers, [("0", 2), ("1", 2), ("1.inner", 2)]);
    let time = |path: &str| report.layers().into_iter().find(|row| row.0 == path).unwrap().2;
    assert!(time("1") >= time("1.inner") && report.total() >= time("0") + time("1"));
    assert!(report.to_string().contains("\nlayer, forward"), "{report}");
    assert!(profile::record(|| x.exp()).layers().is_empty());
    Ok(())
}

#[test]
fn summaries_show_a_single_layer_and_parameters_beside_layers() -> Result<()> {
    #[derive(Clone)]
    struct Scaled {
        scale: Param,
        fc: Linear,
    }
    module!(Scaled { scale, fc });
    impl Layer for Scaled {
        fn forward(&self, x: &Tensor, mode: &mut Mode) -> Result<Tensor> {
            self.fc.at("fc", x, mode)?.mul(&self.scale)
        }
    }
    let rows = |summary: Summary| {
        let rows = summary.rows().iter().map(|row| (row.path.clone(), row.output.clone(), row.parameters));
        rows.collect::<Vec<_>>()
    };
    let fc = Linear::new(4, 2, &mut Rng::seed(0))?;
    assert_eq!(rows(fc.summary([3, 4])?), [(String::new(), Some(vec![3, 2]), 10)]);
    let scaled = Scaled { scale: Param::new(Tensor::scalar(2.0))?, fc };
    let expected = [(String::new(), Some(vec![3, 2]), 1), ("fc".to_string(), Some(vec![3, 2]), 10)];
    assert_eq!(rows(scaled.summary([3, 4])?), expected);
    Ok(())
}
