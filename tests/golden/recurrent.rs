//! Recurrent layers and cells against PyTorch: outputs, final states, and all gradients.

use crate::golden::Case;
use demotic::layers::*;
use demotic::models::{RecurrentLm, RecurrentLmConfig};
use demotic::{Result, Rng, Tensor};

#[test]
fn recurrent_layers_and_cells() {
    crate::golden::check("recurrent", &|case, inputs| match case.op.as_str() {
        "RNN" if case.attr_or("nonlinearity", String::new()) == "relu" => {
            layer(case, inputs, Rnn::with(options(case), &mut Rng::seed(0))?.relu(), Rnn::run)
        }
        "RNN" => layer(case, inputs, Rnn::with(options(case), &mut Rng::seed(0))?, Rnn::run),
        "LSTM" => layer(case, inputs, Lstm::with(options(case), &mut Rng::seed(0))?, Lstm::run),
        "GRU" => layer(case, inputs, Gru::with(options(case), &mut Rng::seed(0))?, Gru::run),
        "RNNCell" if case.attr_or("nonlinearity", String::new()) == "relu" => {
            cell(case, inputs, new_cell(case, RnnCell::new, RnnCell::without_bias)?.relu(), RnnCell::step)
        }
        "RNNCell" => cell(case, inputs, new_cell(case, RnnCell::new, RnnCell::without_bias)?, RnnCell::step),
        "LSTMCell" => cell(case, inputs, new_cell(case, LstmCell::new, LstmCell::without_bias)?, LstmCell::step),
        "GRUCell" => cell(case, inputs, new_cell(case, GruCell::new, GruCell::without_bias)?, GruCell::step),
        "RecurrentLm" => language_model(case, inputs),
        op => panic!("{}: no layer {op}", case.id),
    });
}

fn options(case: &Case) -> Recurrent {
    let mut options = Recurrent::new(case.attr("features"), case.attr("hidden"))
        .layers(case.attr_or("num_layers", 1))
        .dropout(case.attr_or("dropout", 0.0));
    if case.attr_or("bidirectional", false) {
        options = options.bidirectional();
    }
    if !case.attr_or("bias", true) {
        options = options.without_bias();
    }
    match case.attr_or("proj_size", 0) {
        0 => options,
        outputs => options.projection(outputs),
    }
}

type Run<L> = fn(&L, &Tensor, RunOptions<'_>, &mut Mode<'_>) -> Result<RecurrentOutput>;

fn layer<L: Layer>(case: &Case, inputs: &mut [Tensor], mut layer: L, run: Run<L>) -> Result<Vec<Tensor>> {
    let (x, state) = prepare(case, inputs, &mut layer)?;
    let lengths: Option<Vec<usize>> = case.attr("lengths");
    let mut options = RunOptions::new();
    (options.state, options.lengths) = (state.as_ref(), lengths.as_deref());
    let mut rng = Rng::seed(0);
    let mut mode = if case.attr("train") { Mode::train(&mut rng) } else { Mode::eval() };
    let RecurrentOutput { output, state: last, .. } = run(&layer, &x, options, &mut mode)?;
    if options.state.is_none() && options.lengths.is_none() {
        let same = layer.forward(&x, &mut mode)?;
        assert_eq!(same.to_f64_vec(), output.to_f64_vec(), "{}", case.id);
    }
    Ok([output, last.hidden].into_iter().chain(last.cell).collect())
}

fn new_cell<C>(case: &Case, new: fn(usize, usize, &mut Rng) -> Result<C>, without_bias: fn(C) -> C) -> Result<C> {
    let cell = new(case.attr("features"), case.attr("hidden"), &mut Rng::seed(0))?;
    Ok(if case.attr_or("bias", true) { cell } else { without_bias(cell) })
}

type Step<C> = fn(&C, &Tensor, Option<&RecurrentState>) -> Result<RecurrentState>;

fn cell<C: Layer>(case: &Case, inputs: &mut [Tensor], mut cell: C, step: Step<C>) -> Result<Vec<Tensor>> {
    let (x, state) = prepare(case, inputs, &mut cell)?;
    let next = step(&cell, &x, state.as_ref())?;
    Ok([next.hidden].into_iter().chain(next.cell).collect())
}

fn language_model(case: &Case, inputs: &mut [Tensor]) -> Result<Vec<Tensor>> {
    let mut config = RecurrentLmConfig::new(case.attr("vocab_size"))
        .cell(case.attr("cell"))
        .embedding_size(case.attr("embedding_size"))
        .hidden_size(case.attr("hidden_size"))
        .layers(case.attr("num_layers"));
    if case.attr("tied") {
        config = config.tied();
    }
    let mut model = RecurrentLm::new(config, &mut Rng::seed(0))?;
    let (ids, weights) = inputs.split_first_mut().unwrap();
    give(case, weights, &mut model);
    Ok(vec![model.forward(ids, &mut Mode::eval())?])
}

/// Gives the weights of the case to the module, and returns the input and the initial state.
fn prepare<M: Module>(case: &Case, inputs: &mut [Tensor], module: &mut M) -> Result<(Tensor, Option<RecurrentState>)> {
    let (x, rest) = inputs.split_first_mut().unwrap();
    let (state, weights) = rest.split_at_mut(case.attr("state"));
    give(case, weights, module);
    let state = state.first().map(|hidden| RecurrentState { hidden: hidden.clone(), cell: state.get(1).cloned() });
    Ok((x.clone(), state))
}

/// Replaces the parameters of the module by copies of these weights, and the weights by those.
fn give<M: Module>(case: &Case, weights: &mut [Tensor], module: &mut M) {
    let names: Vec<String> = module.named_parameters().into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, case.attr::<Vec<String>>("parameters"), "{}: the parameters have other names", case.id);
    let mut given = weights.iter_mut();
    let mut replace = |_: &str, slot: SlotMut<'_>| {
        if let (SlotMut::Param(param), Some(weight)) = (slot, given.next()) {
            assert_eq!(param.shape(), weight.shape(), "{}", case.id);
            *param = Param::new(weight.clone()).unwrap();
            *weight = param.value().clone();
        }
    };
    module.visit_mut(&mut VisitorMut::new(&mut replace));
}
