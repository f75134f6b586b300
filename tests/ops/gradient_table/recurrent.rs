//! Sweeps over time.

use demotic::autograd::{Recurrence, RecurrentState, RecurrentUnit};
use demotic::{Result, Tensor};

use super::row::{Row, spread};

const FEATURES: usize = 2;
const HIDDEN: usize = 2;

/// What a row leaves out or adds.
#[derive(Clone, Copy, Default)]
struct Setting {
    time: usize,
    bias: bool,
    projected: bool,
    state: bool,
    lengths: Option<&'static [usize]>,
    reverse: bool,
}

pub(super) fn rows() -> Vec<Row> {
    let plain = Setting { time: 3, ..Setting::default() };
    let everything = Setting { bias: true, state: true, lengths: Some(&[2, 3]), ..plain };
    let mut rows = Vec::new();
    for (name, unit) in [
        ("rnn", RecurrentUnit::Tanh),
        ("rnn", RecurrentUnit::Relu),
        ("lstm", RecurrentUnit::Lstm),
        ("gru", RecurrentUnit::Gru),
    ] {
        rows.push(row(name, unit, plain));
        rows.push(row(name, unit, Setting { reverse: true, ..everything }));
    }
    rows.push(row("gru", RecurrentUnit::Gru, everything));
    rows.push(row("gru", RecurrentUnit::Gru, Setting { time: 1, state: true, ..plain }));
    let projected = Setting { projected: true, ..everything };
    rows.push(row("lstm", RecurrentUnit::Lstm, Setting { time: 1, lengths: None, ..projected }));
    rows.push(row("lstm", RecurrentUnit::Lstm, Setting { reverse: true, ..projected }));
    rows
}

/// The outputs and final states, joined, as a function of the input, the weights and the initial state.
fn row(name: &'static str, unit: RecurrentUnit, setting: Setting) -> Row {
    let (weights, has_cell) = match unit {
        RecurrentUnit::Tanh | RecurrentUnit::Relu => (HIDDEN, false),
        RecurrentUnit::Lstm => (4 * HIDDEN, true),
        RecurrentUnit::Gru => (3 * HIDDEN, false),
    };
    let (batch, outputs) = (2, if setting.projected { 1 } else { HIDDEN });
    let mut shapes = vec![vec![setting.time, batch, FEATURES], vec![weights, FEATURES], vec![weights, outputs]];
    if setting.bias {
        shapes.extend([vec![weights], vec![weights]]);
    }
    if setting.projected {
        shapes.push(vec![outputs, HIDDEN]);
    }
    if setting.state {
        shapes.push(vec![batch, outputs]);
        shapes.extend(has_cell.then(|| vec![batch, HIDDEN]));
    }
    // Different ranges, so that no two inputs are the same.
    let inputs = shapes.iter().enumerate().map(|(i, shape)| spread(shape, -0.9, 0.8 + 0.03 * i as f64)).collect();
    Row::of(name, move |x| run(unit, setting, has_cell, x), inputs)
}

fn run(unit: RecurrentUnit, setting: Setting, has_cell: bool, x: &[Tensor]) -> Result<Tensor> {
    let mut rest = x[3..].iter();
    let mut next = || rest.next().expect("the row has all inputs");
    let bias = setting.bias.then(|| [next(), next()]);
    let weight_hr = setting.projected.then(&mut next);
    let state = setting.state.then(|| {
        let hidden = next().clone();
        RecurrentState { hidden, cell: has_cell.then(|| next().clone()) }
    });
    let recurrence = Recurrence {
        unit,
        weight_ih: &x[1],
        weight_hh: &x[2],
        bias,
        weight_hr,
        state: state.as_ref(),
        lengths: setting.lengths,
        reverse: setting.reverse,
    };
    let (output, last) = x[0].recurrence(&recurrence)?;
    let parts = [Some(output), Some(last.hidden), last.cell];
    let flat = parts.iter().flatten().map(|part| part.reshape([part.numel()])).collect::<Result<Vec<_>>>()?;
    Tensor::cat(&flat.iter().collect::<Vec<_>>(), 0)
}
