//! Tasks of one's own: batches of several inputs, and several optimizers that take turns.

use demotic::io::{Checkpoint, CheckpointFolder};
use demotic::prelude::*;
use demotic::train::{Objective, Task};

/// Two inputs of different sizes, and a target.
struct Pairs {
    a: Tensor,
    b: Tensor,
    y: Tensor,
}

impl Dataset for Pairs {
    type Batch = (Tensor, Tensor, Tensor);

    fn len(&self) -> usize {
        self.y.shape()[0]
    }

    fn batch(&self, indices: &[usize], _: &mut Rng) -> Result<Self::Batch> {
        let rows = Tensor::from_vec(indices.iter().map(|i| *i as i64).collect(), [indices.len()])?;
        Ok((self.a.index_select(0, &rows)?, self.b.index_select(0, &rows)?, self.y.index_select(0, &rows)?))
    }
}

#[derive(Clone)]
struct TwoInputs {
    of_a: Linear,
    of_b: Linear,
}
module!(TwoInputs { of_a, of_b });

fn pairs(rng: &mut Rng) -> Result<Pairs> {
    let (a, b) = (Tensor::normal([48, 3], 0.0, 1.0, rng)?, Tensor::normal([48, 2], 0.0, 1.0, rng)?);
    let y = (a.sum_dims(&[1], true)? - b.sum_dims(&[1], true)?)?;
    Ok(Pairs { a, b, y })
}

fn two_inputs(rng: &mut Rng) -> Result<TwoInputs> {
    Ok(TwoInputs { of_a: Linear::new(3, 1, rng)?, of_b: Linear::new(2, 1, rng)? })
}

fn regression(model: &TwoInputs, (a, b, y): &(Tensor, Tensor, Tensor), mode: &mut Mode<'_>) -> Result<Objective> {
    let prediction = (model.of_a.forward(a, mode)? + model.of_b.forward(b, mode)?)?;
    Ok(Objective::new(losses::mse(&prediction, y)?, y.numel() as f64).with_outputs(prediction, y.clone()))
}

/// A model that is no `Layer`, on batches of three tensors, with everything that a trainer has.
#[test]
fn several_inputs() -> Result<()> {
    let mut rng = Rng::seed(1);
    let (train, validation) = (pairs(&mut rng)?, pairs(&mut rng)?);
    let mut model = two_inputs(&mut rng)?;
    let mut trainer = Trainer::with_task(regression, Adam::new(0.05))
        .epochs(80)
        .batch_size(16)
        .validation(&validation)
        .metric("rmse", metrics::rmse)
        .early_stopping(EarlyStopping::new(20));
    let history = trainer.fit(&mut model, &train, &mut rng)?;
    assert!(history.metric("rmse").last().unwrap() < &0.05, "{history}");
    // Weights of ones, and of minus ones.
    let (a, b) = (model.of_a.weight.value()?.to_vec::<f32>()?, model.of_b.weight.value()?.to_vec::<f32>()?);
    assert!(a.iter().all(|w| (w - 1.0).abs() < 0.1) && b.iter().all(|w| (w + 1.0).abs() < 0.1), "{a:?} {b:?}");
    let evaluation = trainer.evaluate(&model, &validation)?;
    assert!((evaluation.metrics[0].1.powi(2) - evaluation.loss).abs() < 1e-6);

    // It is the loop that one would write.
    let (mut by_hand, mut again) = (two_inputs(&mut Rng::seed(2))?, two_inputs(&mut Rng::seed(2))?);
    Trainer::with_task(regression, Adam::new(0.05)).epochs(2).batch_size(16).fit(
        &mut again,
        &train,
        &mut Rng::seed(3),
    )?;
    let (mut opt, mut rng) = (Adam::new(0.05), Rng::seed(3));
    for _epoch in 0..2 {
        let mut order = rng.split();
        for batch in train.batches(16).shuffle(&mut order) {
            let objective = regression(&by_hand, &batch?, &mut Mode::train(&mut rng))?;
            opt.step(&mut by_hand, &objective.loss.backward()?)?;
        }
    }
    assert_eq!(by_hand.of_a.weight.value()?.to_vec::<f32>()?, again.of_a.weight.value()?.to_vec::<f32>()?);
    Ok(())
}

/// What a task leaves out, and what the Trainer cannot do for it.
#[test]
fn mistakes_of_tasks() -> Result<()> {
    let mut rng = Rng::seed(1);
    let (data, mut model) = (pairs(&mut rng)?, two_inputs(&mut rng)?);
    let silent = |model: &TwoInputs, batch: &(Tensor, Tensor, Tensor), mode: &mut Mode<'_>| {
        let Objective { loss, count, .. } = regression(model, batch, mode)?;
        Ok(Objective::new(loss, count))
    };
    let mut trainer = Trainer::with_task(silent, Adam::new(0.1)).metric("rmse", metrics::rmse);
    let e = trainer.fit(&mut model, &data, &mut rng).unwrap_err();
    let line = line!() - 1;
    assert_eq!(
        e.to_string(),
        format!(
            "evaluate: the task has no outputs for the metric `rmse`\n  at {}:{line}\n  \
             help: add them: Objective::new(loss, count).with_outputs(prediction, target)",
            file!()
        )
    );
    let fails = |_: &TwoInputs, _: &(Tensor, Tensor, Tensor), _: &mut Mode<'_>| {
        Tensor::ones([2])?.reshape([3]).map(|x| Objective::new(x, 1.0))
    };
    let e = Trainer::with_task(fails, Adam::new(0.1)).fit(&mut model, &data, &mut rng).unwrap_err();
    let line = line!() - 1;
    assert!(e.to_string().contains(&format!("at {}:{line}", file!())), "{e}");
    let nothing = |_: &TwoInputs, _: &(Tensor, Tensor, Tensor), _: &mut Mode<'_>| Objective::nothing();
    let e = Trainer::with_task(nothing, Adam::new(0.1)).fit(&mut model, &data, &mut rng).unwrap_err();
    assert_eq!(e.message(), "fit: no target counts in epoch 1");

    let (data, mut pair) = (circle(&mut rng)?, pair(&mut rng)?);
    let bits = |model: &dyn Module| -> Vec<(String, Vec<u64>)> {
        let state = model.named_parameters().into_iter();
        state.map(|(name, x)| (name, x.to_f64_vec().iter().map(|x| x.to_bits()).collect())).collect()
    };
    let before = bits(&pair);
    let e = Trainer::with_task(game(), Adam::new(0.1)).accumulate(2).fit(&mut pair, &data, &mut rng).unwrap_err();
    assert_eq!(e.message(), "fit: the task makes its steps itself, so that the Trainer cannot accumulate batches");
    let e = Trainer::with_task(game(), Adam::new(0.1))
        .penalty(demotic::regularizers::L2::new(0.1))
        .fit(&mut pair, &data, &mut rng)
        .unwrap_err();
    assert_eq!(e.message(), "fit: the task makes its steps itself, so that the Trainer cannot add a penalty");
    // Before it has made any.
    assert_eq!(bits(&pair), before);
    Ok(())
}

#[derive(Clone)]
struct Gan {
    generator: Sequential,
    critic: Sequential,
}
module!(Gan { generator, critic });

/// The critic learns to tell points from the generator's, by an optimizer of its own; the generator learns to be taken for
/// them.
struct Game {
    critic: Adam,
}

impl Task<Gan, (Tensor, Tensor)> for Game {
    fn objective(&self, model: &Gan, (points, noise): &(Tensor, Tensor), mode: &mut Mode<'_>) -> Result<Objective> {
        let taken = model.critic.forward(&model.generator.forward(noise, mode)?, mode)?;
        let loss = losses::bce_with_logits(&taken, &Tensor::ones(taken.shape())?)?;
        Ok(Objective::new(loss, points.shape()[0] as f64))
    }

    fn step(
        &mut self,
        model: &mut Gan,
        batch: &(Tensor, Tensor),
        optimizer: &mut dyn Optimizer,
        rng: &mut Rng,
    ) -> Result<Option<Objective>> {
        let mode = &mut Mode::train(rng);
        let (points, noise) = batch;
        let (real, made) = (model.critic.forward(points, mode)?, model.generator.forward(noise, mode)?.detach());
        let made = model.critic.forward(&made, mode)?;
        let loss = (losses::bce_with_logits(&real, &Tensor::ones(real.shape())?)?
            + losses::bce_with_logits(&made, &Tensor::zeros(made.shape())?)?)?;
        self.critic.step(&mut model.critic, &loss.backward()?)?;
        let objective = self.objective(model, batch, mode)?;
        optimizer.step(&mut model.generator, &objective.loss.backward()?)?;
        Ok(Some(objective))
    }

    fn save(&self, checkpoint: Checkpoint) -> Result<Checkpoint> {
        checkpoint.named_optimizer("critic", &self.critic)
    }

    fn load(&mut self, saved: &Checkpoint) -> Result<()> {
        saved.restore_named_optimizer("critic", &mut self.critic)
    }
}

fn game() -> Game {
    Game { critic: Adam::new(0.01).betas(0.5, 0.99) }
}

fn pair(rng: &mut Rng) -> Result<Gan> {
    let generator = sequential![Linear::new(2, 24, rng)?, Relu, Linear::new(24, 2, rng)?];
    let critic = sequential![Linear::new(2, 24, rng)?, Gelu, Linear::new(24, 1, rng)?];
    Ok(Gan { generator, critic })
}

/// Points on a circle around (3, 0), with noise that is drawn anew for each batch.
struct Circle(Tensor);

fn circle(rng: &mut Rng) -> Result<Circle> {
    let angles = Tensor::uniform([256, 1], 0.0, std::f64::consts::TAU, rng)?;
    Ok(Circle(Tensor::cat(&[&(angles.cos() + 3.0), &angles.sin()], 1)?))
}

impl Dataset for Circle {
    type Batch = (Tensor, Tensor);

    fn len(&self) -> usize {
        self.0.shape()[0]
    }

    fn batch(&self, indices: &[usize], rng: &mut Rng) -> Result<Self::Batch> {
        let rows = Tensor::from_vec(indices.iter().map(|i| *i as i64).collect(), [indices.len()])?;
        Ok((self.0.index_select(0, &rows)?, Tensor::normal([indices.len(), 2], 0.0, 1.0, rng)?))
    }
}

/// Where the centre of what the generator makes is.
fn centre(model: &Gan) -> Result<Vec<f32>> {
    model.generator.predict(&Tensor::normal([512, 2], 0.0, 1.0, &mut Rng::seed(9))?)?.mean_dims(&[0], false)?.to_vec()
}

#[test]
fn two_optimizers_that_take_turns() -> Result<()> {
    let mut rng = Rng::seed(5);
    let (data, mut model) = (circle(&mut rng)?, pair(&mut rng)?);
    let before = centre(&model)?;
    let mut trainer = Trainer::with_task(game(), Adam::new(0.01).betas(0.5, 0.99)).epochs(40).batch_size(64);
    let history = trainer.fit(&mut model, &data, &mut rng)?;
    assert_eq!(history.steps, 160);
    let after = centre(&model)?;
    assert!((before[0] - 3.0).abs() > 2.0, "{before:?}");
    assert!((after[0] - 3.0).abs() < 1.0 && after[1].abs() < 1.0, "{after:?}");
    Ok(())
}

/// Both optimizers, and the noise of a dataset that draws it, go on where they were, in the middle of an epoch too.
#[test]
fn a_game_is_resumed_bit_for_bit() -> Result<()> {
    let data = circle(&mut Rng::seed(5))?;
    let folder = tempfile::tempdir().unwrap();
    let checkpoints = CheckpointFolder::new(folder.path());
    let trainer = || Trainer::with_task(game(), Adam::new(0.01)).epochs(3).batch_size(64).checkpoint_every(1);
    let (mut whole, mut rng) = (pair(&mut Rng::seed(6))?, Rng::seed(7));
    trainer().checkpoints(checkpoints.clone()).fit(&mut whole, &data, &mut rng)?;
    let values = |model: &Gan| -> Result<Vec<Vec<f32>>> {
        model.named_parameters().iter().map(|(_, value)| value.to_vec()).collect()
    };
    let (want, next) = (values(&whole)?, rng.next_u64());
    let found = checkpoints.list()?;
    assert_eq!(found.len(), 12);
    for path in found {
        let (mut other, mut rng) = (pair(&mut Rng::seed(1))?, Rng::seed(2));
        trainer().resume(&path).fit(&mut other, &data, &mut rng)?;
        assert_eq!((values(&other)?, rng.next_u64()), (want.clone(), next), "{}", path.display());
    }
    let saved = Checkpoint::load(&checkpoints.list()?[3])?;
    let e = saved.restore_named_optimizer("critic", &mut Sgd::new(0.1)).unwrap_err();
    assert_eq!(e.message(), "Sgd: the state is of the optimizer `Adam`");
    let e = saved.restore_named_optimizer("other", &mut Sgd::new(0.1)).unwrap_err();
    assert!(e.message().ends_with("has no optimizer `other`"), "{e}");
    Ok(())
}

/// A program may train in another thread.
#[test]
fn trainers_go_to_other_threads() -> Result<()> {
    fn is_send<T: Send>() {}
    is_send::<Trainer<'static>>();
    is_send::<Trainer<'static, Game, (Tensor, Tensor)>>();
    is_send::<demotic::train::Callbacks>();
    fn is_shared<D: Dataset + ?Sized + Send + Sync>() {}
    is_shared::<dyn Dataset<Batch = (Tensor, Tensor)>>();
    let mut rng = Rng::seed(1);
    let (data, mut model) = (pairs(&mut rng)?, two_inputs(&mut rng)?);
    let mut trainer = Trainer::with_task(regression, Adam::new(0.1)).epochs(2).progress();
    let history = std::thread::scope(|scope| scope.spawn(|| trainer.fit(&mut model, &data, &mut rng)).join().unwrap())?;
    assert_eq!(history.epochs.len(), 2);
    Ok(())
}

/// What a dataset draws depends on the number of the batch, not on who asked before.
#[test]
fn each_batch_has_a_generator_of_its_own() -> Result<()> {
    let data = circle(&mut Rng::seed(5))?;
    let noise = |mut batches: demotic::data::Batches<'_, Circle>, n: usize| -> Result<Vec<f32>> {
        batches.nth(n).unwrap()?.1.to_vec()
    };
    let shuffled = |seed| data.batches(32).shuffle(&mut Rng::seed(seed));
    let all: Vec<Vec<f32>> = shuffled(1).map(|batch| batch?.1.to_vec()).collect::<Result<_>>()?;
    for (n, expected) in all.iter().enumerate().rev() {
        assert_eq!(&noise(shuffled(1), n)?, expected);
        assert!(all.iter().filter(|other| *other == expected).count() == 1);
    }
    assert_ne!(noise(shuffled(2), 0)?, all[0]);
    // Shuffling draws what it always did, and nothing more.
    let (mut a, mut b) = (Rng::seed(3), Rng::seed(3));
    let _ = data.batches(32).shuffle(&mut a).map(|batch| batch.map(drop)).collect::<Result<Vec<_>>>()?;
    b.permutation(data.len()).unwrap();
    assert_eq!(a.next_u64(), b.next_u64());
    // An evaluation sees the same noise each time, unless it is asked for another.
    assert_eq!(noise(data.batches(32), 1)?, noise(data.batches(32), 1)?);
    let random = |seed| data.batches(32).random(&Rng::seed(seed));
    assert_eq!(noise(random(1), 1)?, noise(random(1), 1)?);
    assert_ne!(noise(random(1), 1)?, noise(random(2), 1)?);
    Ok(())
}
