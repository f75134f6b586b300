//! Recurrent layers as values: names, summaries, printing, errors, padding, states, and the number of threads.

use demotic::autograd::{Recurrence, RecurrentUnit};
use demotic::layers::{SlotMut, VisitorMut};
use demotic::parallel::with_threads;
use demotic::prelude::*;

fn lstm() -> Result<Lstm> {
    Lstm::with(Recurrent::new(3, 4).layers(2).bidirectional(), &mut Rng::seed(0))
}

fn eval(model: &Lstm, x: &Tensor, options: RunOptions<'_>) -> Result<RecurrentOutput> {
    model.run(x, options, &mut Mode::eval())
}

#[test]
fn names_are_those_of_pytorch() -> Result<()> {
    let options = Recurrent::new(3, 4).bidirectional().projection(2);
    let names: Vec<String> =
        Lstm::with(options, &mut Rng::seed(0))?.named_parameters().into_iter().map(|(name, _)| name).collect();
    let forward = ["weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0", "weight_hr_l0"];
    let expected: Vec<String> = forward
        .iter()
        .map(|name| name.to_string())
        .chain(forward.iter().map(|name| format!("{name}_reverse")))
        .collect();
    assert_eq!(names, expected);
    Ok(())
}

#[test]
fn parameters_start_in_the_range_of_pytorch() -> Result<()> {
    let gru = Gru::with(Recurrent::new(50, 64).layers(2), &mut Rng::seed(0))?;
    for (name, value) in gru.named_parameters() {
        let values = value.to_vec::<f32>()?;
        let largest = values.iter().fold(0.0f32, |max, x| max.max(x.abs()));
        assert!((0.115..=0.125).contains(&largest), "{name}: {largest}");
    }
    Ok(())
}

#[test]
fn summaries_and_printing() -> Result<()> {
    let mut rng = Rng::seed(0);
    let model = sequential![lstm()?, Linear::new(8, 1, &mut rng)?];
    let summary = model.summary([2, 5, 3])?;
    let rows: Vec<_> =
        summary.rows().iter().map(|row| (row.kind.as_str(), row.output.clone(), row.parameters)).collect();
    let lstm_parameters = 2 * (16 * 3 + 16 * 4 + 32) + 2 * (16 * 8 + 16 * 4 + 32);
    assert_eq!(rows, [("Lstm", Some(vec![2, 5, 8]), lstm_parameters), ("Linear", Some(vec![2, 5, 1]), 9)]);

    let options = Recurrent::new(3, 4).layers(2).bidirectional().dropout(0.5).without_bias();
    let printed = format!("{:?} {:?}", Rnn::with(options, &mut rng)?.relu(), lstm()?);
    assert_eq!(
        printed,
        "Rnn(3 → 4, relu, 2 layers, bidirectional, dropout 0.5, no bias) Lstm(3 → 4, 2 layers, bidirectional)"
    );
    let options = Recurrent::new(3, 4).projection(2);
    assert_eq!(format!("{:?}", Lstm::with(options, &mut rng)?), "Lstm(3 → 4, projected to 2)");
    assert_eq!(format!("{:?}", GruCell::new(3, 4, &mut rng)?.without_bias()), "GruCell(3 → 4, no bias)");
    Ok(())
}

#[test]
fn impossible_options_are_errors() {
    let mut rng = Rng::seed(0);
    let mut message = |options: Recurrent| Lstm::with(options, &mut rng).unwrap_err().message();
    let options = Recurrent::new(3, 4);
    assert_eq!(
        message(options.layers(0)),
        "Lstm::with: 3 input features, 4 hidden units and 0 layers, expected at least 1 of each"
    );
    assert_eq!(message(options.dropout(1.5)), "Lstm::with: dropout is 1.5, expected a probability from 0 to 1");
    assert_eq!(message(options.dropout(f64::NAN)), "Lstm::with: dropout is NaN, expected a probability from 0 to 1");
    assert_eq!(
        message(options.projection(4)),
        "Lstm::with: a projection to 4 outputs, expected 1 to 3 for 4 hidden units"
    );
    let e = Gru::with(options.projection(2), &mut rng).unwrap_err();
    assert!(e.to_string().ends_with(&format!("at {}:{}", file!(), line!() - 1)), "{e}");
    assert_eq!(e.message(), "Gru::with: only an Lstm has a projection");
    let e = RnnCell::new(0, 4, &mut rng).unwrap_err();
    assert_eq!(e.message(), "RnnCell::new: 0 input features and 4 hidden units, expected at least 1 of each");
    assert!(Lstm::new(1 << 40, 1 << 40, &mut rng).is_err());
    // Many layers are refused before the first is made, however small they are.
    for layers in [1 << 40, usize::MAX / 2, usize::MAX] {
        let options = Recurrent::new(1, 1).layers(layers);
        for options in [options, options.bidirectional(), options.without_bias()] {
            let refused = "a model of these sizes does not fit into memory";
            assert_eq!(Lstm::with(options, &mut rng).unwrap_err().message(), format!("Lstm::with: {refused}"));
            assert_eq!(Gru::with(options, &mut rng).unwrap_err().message(), format!("Gru::with: {refused}"));
            assert_eq!(Rnn::with(options, &mut rng).unwrap_err().message(), format!("Rnn::with: {refused}"));
        }
    }
}

/// A sequence without a batch, `[time, features]`, with every option that a batch may have.
#[test]
fn a_single_sequence_is_a_batch_of_one() -> Result<()> {
    let mut rng = Rng::seed(3);
    let options = Recurrent::new(3, 4).layers(2).bidirectional().projection(2);
    let model = Lstm::with(options, &mut rng)?;
    let x = Tensor::normal([5, 3], 0.0, 1.0, &mut rng)?;
    for lengths in [None, Some(&[3][..])] {
        let mut options = RunOptions::new();
        options.lengths = lengths;
        let whole = model.run(&x.unsqueeze(0)?, options, &mut Mode::eval())?;
        let single = model.run(&x, options, &mut Mode::eval())?;
        assert_eq!(single.output.shape(), [5, 4]);
        assert_eq!(single.output.to_vec::<f32>()?, whole.output.to_vec::<f32>()?);
        assert_eq!(single.state.hidden.shape(), [4, 2]);
        // The state goes on where it ended.
        let next = model.run(&x, RunOptions::new().state(&single.state), &mut Mode::eval())?;
        let of_batch = model.run(&x.unsqueeze(0)?, RunOptions::new().state(&whole.state), &mut Mode::eval())?;
        assert_eq!(next.output.to_vec::<f32>()?, of_batch.output.to_vec::<f32>()?);
    }
    Ok(())
}

#[test]
fn inputs_that_do_not_fit_are_errors() -> Result<()> {
    let model = lstm()?;
    let e = model.predict(&Tensor::ones([2, 5, 4])?).unwrap_err();
    assert_eq!(
        e.to_string(),
        format!(
            "lstm: the input [2, 5, 4] has 4 features, the layer takes 3\n  at {}:{}\n  \
             help: a recurrent layer takes the number of input features first, then that of hidden units",
            file!(),
            line!() - 7
        )
    );
    let message = |x: &Tensor| model.predict(x).unwrap_err().message();
    assert_eq!(message(&Tensor::ones([3])?), "lstm: input [3], expected [batch, time, features] or [time, features]");
    assert_eq!(message(&Tensor::ones([2, 0, 3])?), "lstm: the input [2, 0, 3] has no steps");
    assert_eq!(message(&Tensor::arange(6)?.reshape([1, 2, 3])?), "lstm: the input must be f32 or f64, not i64");
    assert_eq!(message(&Tensor::ones([1, 2, 3])?.to_dtype(DType::F64)), "lstm: weight_ih must be f64, not f32");
    let e = GruCell::new(3, 4, &mut Rng::seed(0))?.step(&Tensor::ones([1, 2, 3])?, None).unwrap_err();
    assert_eq!(e.message(), "gru: input [1, 2, 3], expected [batch, features] or [features]");
    Ok(())
}

#[test]
fn lengths_that_do_not_fit_are_errors() -> Result<()> {
    let (model, x) = (lstm()?, Tensor::ones([2, 5, 3])?);
    let message = |lengths: &[usize]| {
        let options = RunOptions::new().lengths(lengths);
        eval(&model, &x, options).unwrap_err().message()
    };
    assert_eq!(message(&[5, 0]), "lstm: length 1 is 0, expected 1 to 5, the number of steps");
    assert_eq!(message(&[6, 5]), "lstm: length 0 is 6, expected 1 to 5, the number of steps");
    assert_eq!(message(&[5]), "lstm: 1 lengths for 2 examples");
    Ok(())
}

#[test]
fn states_that_do_not_fit_are_errors() -> Result<()> {
    let (model, x) = (lstm()?, Tensor::ones([2, 5, 3])?);
    let message = |hidden: [usize; 3], cell: Option<[usize; 3]>| -> Result<String> {
        let cell = cell.map(Tensor::ones).transpose()?;
        let state = RecurrentState { hidden: Tensor::ones(hidden)?, cell };
        let options = RunOptions::new().state(&state);
        Ok(eval(&model, &x, options).unwrap_err().message())
    };
    assert_eq!(
        message([4, 3, 4], Some([4, 2, 4]))?,
        "lstm: the hidden state is [4, 3, 4], expected [4, 2, 4]: layers · directions, batch, width"
    );
    assert_eq!(
        message([4, 2, 4], Some([2, 2, 4]))?,
        "lstm: the cell state is [2, 2, 4], expected [4, 2, 4]: layers · directions, batch, width"
    );
    assert_eq!(message([4, 2, 4], None)?, "lstm: the state has no cell, which this unit needs");
    let state = RecurrentState { hidden: Tensor::ones([2, 4])?, cell: Some(Tensor::ones([2, 4])?) };
    let gru = GruCell::new(3, 4, &mut Rng::seed(0))?;
    let e = gru.step(&Tensor::ones([2, 3])?, Some(&state)).unwrap_err();
    assert_eq!(e.message(), "gru: this unit has no cell state, but one was given");
    let state = RecurrentState { hidden: Tensor::ones([2, 5])?, cell: None };
    let e = gru.step(&Tensor::ones([2, 3])?, Some(&state)).unwrap_err();
    assert_eq!(e.message(), "gru: the hidden state is [2, 5], expected [2, 4]");
    Ok(())
}

#[test]
fn tensors_of_a_recurrence_that_do_not_fit_are_errors() -> Result<()> {
    let message = |ih: &[usize], hh: &[usize], bias: Option<&[usize]>, hr: Option<&[usize]>, unit| -> Result<String> {
        let make = |shape: &[usize]| Tensor::ones(shape);
        let bias = bias.map(make).transpose()?;
        let hr = hr.map(make).transpose()?;
        let recurrence = Recurrence {
            unit,
            weight_ih: &make(ih)?,
            weight_hh: &make(hh)?,
            bias: bias.as_ref().map(|bias| [bias, bias]),
            weight_hr: hr.as_ref(),
            state: None,
            lengths: None,
            reverse: false,
        };
        Ok(Tensor::ones([5, 2, 3])?.recurrence(&recurrence).unwrap_err().message())
    };
    let (gru, lstm) = (RecurrentUnit::Gru, RecurrentUnit::Lstm);
    assert_eq!(message(&[13, 3], &[12, 4], None, None, gru)?, "gru: weight_ih is [13, 3], expected [12, 3]");
    assert_eq!(message(&[12, 3], &[12, 5], None, None, gru)?, "gru: weight_hh is [12, 5], expected [12, 4]");
    assert_eq!(message(&[12, 3], &[12], None, None, gru)?, "gru: weights [12, 3] and [12], expected two matrices");
    assert_eq!(message(&[2, 3], &[2, 0], None, None, gru)?, "gru: weights [2, 3] and [2, 0]: nothing to do");
    assert_eq!(message(&[12, 3], &[12, 4], Some(&[4]), None, gru)?, "gru: bias_ih is [4], expected [12]");
    assert_eq!(
        message(&[12, 3], &[12, 4], None, Some(&[4, 4]), gru)?,
        "gru: only a long short-term memory has a projection"
    );
    assert_eq!(message(&[16, 3], &[16, 2], None, Some(&[3, 4]), lstm)?, "lstm: weight_hr is [3, 4], expected [2, 4]");
    Ok(())
}

#[test]
fn what_is_behind_the_end_does_not_matter() -> Result<()> {
    let model = lstm()?;
    let clean = Tensor::normal([3, 6, 3], 0.0, 1.0, &mut Rng::seed(1))?;
    let lengths = [6, 2, 4];
    let over: Vec<bool> = (0..18).map(|i| i % 6 >= lengths[i / 6]).collect();
    let dirty = clean.masked_fill(&Tensor::from_vec(over, [3, 6, 1])?, f64::NAN)?;
    let options = RunOptions::new().lengths(&lengths);
    let outcome = |x: &Tensor| -> Result<Vec<Vec<f32>>> {
        let x = x.tracked()?;
        let RecurrentOutput { output, state, .. } = eval(&model, &x, options)?;
        let loss = (output.square().sum() + state.hidden.sum())?;
        let grads = loss.backward()?;
        let mut all = vec![output.to_vec::<f32>()?, grads.wrt(&x)?.to_vec()?];
        for (_, parameter) in model.named_parameters() {
            all.push(grads.wrt(&parameter)?.to_vec()?);
        }
        Ok(all)
    };
    let (a, b) = (outcome(&clean)?, outcome(&dirty)?);
    assert!(a.iter().flatten().all(|x| x.is_finite()));
    assert_eq!(a, b);

    // Each example gives what it gives alone.
    for (i, len) in lengths.into_iter().enumerate() {
        let alone = eval(&model, &clean.index((i, ..len))?, RunOptions::default())?;
        let together = eval(&model, &clean, options)?;
        let pairs = [
            (alone.output, together.output.index((i, ..len))?),
            (alone.state.hidden, together.state.hidden.index((.., i))?),
        ];
        for (a, b) in pairs {
            assert!(a.sub(&b)?.abs().max()?.item()? < 1e-6, "example {i}");
        }
    }
    Ok(())
}

#[test]
fn a_sequence_can_be_continued() -> Result<()> {
    let mut rng = Rng::seed(3);
    let model = Lstm::with(Recurrent::new(3, 5).layers(3).projection(2), &mut rng)?;
    let x = Tensor::normal([2, 7, 3], 0.0, 1.0, &mut rng)?;
    let whole = eval(&model, &x, RunOptions::default())?;
    let first = eval(&model, &x.narrow(1, 0, 3)?, RunOptions::default())?;
    let second = eval(&model, &x.narrow(1, 3, 4)?, RunOptions::new().state(&first.state))?;
    let joined = Tensor::cat(&[&first.output, &second.output], 1)?;
    assert!(joined.sub(&whole.output)?.abs().max()?.item()? < 1e-6);
    let cells = [whole.state.cell, second.state.cell].map(Option::unwrap);
    assert!(cells[0].sub(&cells[1])?.abs().max()?.item()? < 1e-6);
    Ok(())
}

#[test]
fn cells_are_single_steps_of_layers() -> Result<()> {
    let mut rng = Rng::seed(4);
    let gru = Gru::new(3, 5, &mut rng)?;
    let mut cell = GruCell::new(3, 5, &mut rng)?;
    let mut weights = gru.named_parameters().into_iter().map(|(_, weight)| weight);
    let mut copy = |_: &str, slot: SlotMut<'_>| {
        if let (SlotMut::Param(param), Some(weight)) = (slot, weights.next()) {
            param.set(&weight).unwrap();
        }
    };
    cell.visit_mut(&mut VisitorMut::new(&mut copy));
    let x = Tensor::normal([2, 4, 3], 0.0, 1.0, &mut rng)?;
    let mut state = None;
    for step in 0..4 {
        let next = cell.step(&x.select(1, step)?, state.as_ref())?;
        let expected = gru.predict(&x)?.select(1, step)?;
        assert!(next.hidden.sub(&expected)?.abs().max()?.item()? < 1e-6, "step {step}");
        state = Some(next);
    }
    Ok(())
}

#[test]
fn an_empty_batch_gives_nothing() -> Result<()> {
    let model = lstm()?;
    let x = Tensor::ones([0, 5, 3])?.tracked()?;
    let RecurrentOutput { output, state, .. } = eval(&model, &x, RunOptions::new().lengths(&[]))?;
    assert_eq!((output.shape(), state.hidden.shape()), ([0, 5, 8].as_slice(), [4, 0, 4].as_slice()));
    let grads = output.sum().backward()?;
    assert_eq!(grads.wrt(&x)?.shape(), [0, 5, 3]);
    assert!(grads.wrt(&model.named_parameters()[0].1)?.to_vec::<f32>()?.iter().all(|x| *x == 0.0));
    Ok(())
}

#[test]
fn gradients_do_not_depend_on_the_number_of_threads() -> Result<()> {
    let mut rng = Rng::seed(0);
    let model = Lstm::with(Recurrent::new(16, 64).bidirectional(), &mut rng)?;
    let x = Tensor::normal([20, 40, 16], 0.0, 1.0, &mut rng)?;
    let run = || -> Result<Vec<Vec<f32>>> {
        let grads = model.forward(&x, &mut Mode::eval())?.square().sum().backward()?;
        model.named_parameters().iter().map(|(_, parameter)| grads.wrt(parameter)?.to_vec()).collect()
    };
    assert_eq!(with_threads(1, run)??, with_threads(2, run)??);
    Ok(())
}
