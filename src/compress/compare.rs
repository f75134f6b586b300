//! What making a model smaller has cost.

use std::fmt;
use std::time::Instant;

use crate::autograd;
use crate::error::{Error, Result};
use crate::html;
use crate::layers::{Layer, LayerExt, Mode, Module, ModuleExt, Slot, Visitor, on_output, quantized};
use crate::tensor::Tensor;

/// How often a model is timed.
const RUNS: usize = 9;

/// Measures models beside the first of them: numbers, bytes, how long `inputs` take, a score of your own such as an accuracy, and by how
/// much the outputs of each layer differ from those of the first model's layer of the same name.
///
/// ```
/// use demotic::compress::{Pruning, compare};
/// use demotic::prelude::*;
///
/// let mut rng = Rng::seed(0);
/// let model = sequential![Linear::new(8, 32, &mut rng)?, Relu, Linear::new(32, 1, &mut rng)?];
/// let mut pruned = model.clone();
/// Pruning::magnitude(0.5).apply(&mut pruned)?;
/// let x = Tensor::normal([16, 8], 0.0, 1.0, &mut rng)?;
/// let target = model.predict(&x)?;
/// let report = compare(&[("dense", &model), ("pruned", &pruned)], &x, "rmse", &|model| metrics::rmse(&model.predict(&x)?, &target))?;
/// assert_eq!(report.models[1].nonzero, (8 * 32 + 32) / 2 + 33);
/// println!("{report}");
/// # Ok::<(), demotic::Error>(())
/// ```
///
/// Times are medians, and compare only with each other.
///
/// # Errors
/// If there are no models, or one does not take the inputs.
#[track_caller]
pub fn compare(
    models: &[(&str, &dyn Layer)],
    inputs: &Tensor,
    score: &str,
    evaluate: &dyn Fn(&dyn Layer) -> Result<f64>,
) -> Result<CompressionReport> {
    let Some((_, first)) = models.first() else {
        return Err(Error::argument("compare", "no models, expected at least one"));
    };
    let original = outputs(*first, inputs)?;
    let mut times = vec![Vec::new(); models.len()];
    // They take turns, so that a busy moment meets all of them.
    for run in 0..=RUNS {
        for ((_, model), times) in models.iter().zip(&mut times) {
            let begin = Instant::now();
            model.predict(inputs)?;
            if run > 0 {
                times.push(begin.elapsed().as_secs_f64());
            }
        }
    }
    let mut all = Vec::new();
    for ((name, model), mut times) in models.iter().zip(times) {
        times.sort_by(f64::total_cmp);
        let (numbers, nonzero, bytes) = size(*model);
        all.push(Compressed {
            name: (*name).to_string(),
            numbers,
            nonzero,
            bytes,
            seconds: times[RUNS / 2],
            score: evaluate(*model)?,
            layers: differences(&original, &outputs(*model, inputs)?)?,
        });
    }
    Ok(CompressionReport { score: score.into(), models: all })
}

/// Numbers, those of them that are not zero, and bytes of a model.
fn size(model: &dyn Layer) -> (usize, usize, usize) {
    let (mut nonzero, mut bytes, mut buffered) = (0, 0, 0);
    let mut on_slot = |_: &str, slot: Slot<'_>| match slot {
        Slot::Param(param) => {
            nonzero += param.value().to_f64_vec().into_iter().filter(|x| *x != 0.0).count();
            bytes += param.value().numel() * param.value().dtype().size();
        }
        Slot::Buffer(buffer) => {
            let value = buffer.get();
            buffered += value.numel() * value.dtype().size();
        }
    };
    Module::visit(model, &mut Visitor::new(&mut on_slot));
    let in_blocks: usize = quantized(model).values().map(|how| how.shape.iter().product::<usize>()).sum();
    (model.num_parameters(), nonzero + in_blocks, bytes + buffered)
}

fn outputs(model: &dyn Layer, inputs: &Tensor) -> Result<Vec<(String, Tensor)>> {
    let _unrecorded = autograd::pause_recording();
    let mut all = Vec::new();
    let mut keep = on_output(|at, y| {
        all.push((at.path.to_string(), y.detach()));
        Ok(None)
    });
    let output = model.forward(inputs, &mut Mode::eval().with_hooks(&mut keep))?;
    all.push((String::new(), output));
    Ok(all)
}

/// For the layers that both have, with outputs of the same shape.
fn differences(original: &[(String, Tensor)], now: &[(String, Tensor)]) -> Result<Vec<(String, f64)>> {
    let mut all = Vec::new();
    for (path, y) in now {
        let Some((_, x)) = original.iter().find(|(name, x)| name == path && x.shape() == y.shape()) else { continue };
        let size = |x: &Tensor| x.to_f64_vec().into_iter().map(|x| x * x).sum::<f64>().sqrt();
        let (whole, difference) = (size(x), size(&x.sub(&y.to_dtype(x.dtype()))?));
        all.push((path.clone(), if whole == 0.0 { difference } else { difference / whole }));
    }
    Ok(all)
}

/// What [`compare`] measured. Shown as a table; [`to_html`](Self::to_html) is one for a page.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct CompressionReport {
    /// What is evaluated: `accuracy`.
    pub score: String,
    /// The models, the original one first.
    pub models: Vec<Compressed>,
}

/// A model, measured.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Compressed {
    /// What it is called.
    pub name: String,
    /// The numbers in its parameters.
    pub numbers: usize,
    /// Those that are not zero; of weights of a few bits all are counted.
    pub nonzero: usize,
    /// The bytes of its parameters and buffers.
    pub bytes: usize,
    /// How long the inputs take, in seconds.
    pub seconds: f64,
    /// The value of the score.
    pub score: f64,
    /// The size of the difference of each layer's outputs, as a share of that of the original's; of the whole model, whose path is
    /// empty, at the end. Layers that the original does not have, or with other shapes, are left out.
    pub layers: Vec<(String, f64)>,
}

impl CompressionReport {
    fn rows(&self) -> Vec<[String; 7]> {
        let Some(first) = self.models.first() else { return Vec::new() };
        let row = |model: &Compressed| {
            let whole = model.layers.last().map_or(String::new(), |(_, error)| format!("{:.2} %", 100.0 * error));
            [
                model.name.clone(),
                model.numbers.to_string(),
                model.nonzero.to_string(),
                model.bytes.to_string(),
                format!("{:.2}", model.bytes as f64 / first.bytes.max(1) as f64),
                format!("{:.3}", model.seconds * 1e3),
                format!("{:.4}  {whole}", model.score),
            ]
        };
        self.models.iter().map(row).collect()
    }

    fn head(&self) -> [String; 7] {
        ["model", "numbers", "not zero", "bytes", "share", "ms", &format!("{}  change of outputs", self.score)]
            .map(String::from)
    }

    /// A table for a page.
    #[must_use]
    pub fn to_html(&self) -> String {
        let rows: Vec<Vec<String>> = self.rows().into_iter().map(Vec::from).collect();
        html::table(&self.head(), &rows, &[false, true, true, true, true, true, true])
    }
}

impl fmt::Display for CompressionReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rows: Vec<[String; 7]> = std::iter::once(self.head()).chain(self.rows()).collect();
        let wide: Vec<usize> =
            (0..7).map(|i| rows.iter().map(|row| row[i].chars().count()).max().unwrap_or(0)).collect();
        for (number, row) in rows.iter().enumerate() {
            if number > 0 {
                writeln!(f)?;
            }
            write!(f, "{:1$}", row[0], wide[0])?;
            for (cell, wide) in row.iter().zip(&wide).skip(1) {
                write!(f, "  {cell:>wide$}")?;
            }
        }
        Ok(())
    }
}
