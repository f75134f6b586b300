//! What making a model smaller has cost.

use std::fmt;
use std::time::Instant;

use crate::autograd;
use crate::error::{Error, Here, Result};
use crate::html;
use crate::layers::{Hooks, Layer, LayerExt, Mode, Module, ModuleExt, Place, Slot, Visitor};
use crate::order::ByName;
use crate::tensor::Tensor;

/// How often a model is timed.
const RUNS: usize = 9;

/// Measures models beside the first of them: numbers, bytes, how long `inputs` take, a score of your own such as an accuracy; and of each
/// layer bytes, time, and by how much its outputs differ from those of the first model's layer of the same name.
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
/// println!("{report}\n\n{}", report.layers());
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
    let original = Run::of(*first, inputs)?;
    let (mut times, mut runs) = (vec![Vec::new(); models.len()], Vec::new());
    // They take turns, so that a busy moment meets all of them.
    for run in 0..=RUNS {
        for (at, (_, model)) in models.iter().enumerate() {
            if run == 0 {
                runs.push(Run::of(*model, inputs)?);
                continue;
            }
            let begin = Instant::now();
            model.predict(inputs)?;
            times[at].push(begin.elapsed().as_secs_f64());
            let again = Run::of(*model, inputs)?;
            let pairs = runs[at].layers.iter_mut().zip(&again.layers);
            pairs.for_each(|((_, _, seconds), (_, _, now))| *seconds = seconds.min(*now));
        }
    }
    let mut all = Vec::new();
    for (((name, model), mut times), run) in models.iter().zip(times).zip(&runs) {
        times.sort_by(f64::total_cmp);
        let Sizes { numbers, nonzero, bytes, of } = size(*model);
        all.push(Compressed {
            name: (*name).to_string(),
            numbers,
            nonzero,
            bytes,
            seconds: times[RUNS / 2],
            score: evaluate(*model).outside()?,
            layers: differences(&original, run, &of)?,
        });
    }
    Ok(CompressionReport { score: score.into(), models: all })
}

struct Sizes {
    numbers: usize,
    nonzero: usize,
    bytes: usize,
    /// The bytes of each parameter and buffer, by its path.
    of: Vec<(String, usize)>,
}

fn size(model: &dyn Layer) -> Sizes {
    let (mut nonzero, mut of) = (0, Vec::new());
    let mut on_slot = |path: &str, slot: Slot<'_>| {
        let value = match slot {
            Slot::Param(param) => {
                nonzero += param.value().to_f64_vec().into_iter().filter(|x| *x != 0.0).count();
                param.value().clone()
            }
            Slot::Buffer(buffer) => buffer.get(),
        };
        of.push((path.to_string(), value.numel() * value.dtype().size()));
    };
    Module::visit(model, &mut Visitor::new(&mut on_slot));
    // Of weights in blocks and sparse ones, all that they have is counted.
    let parameters: usize = model.named_parameters().iter().map(|(_, value)| value.numel()).sum();
    let numbers = model.num_parameters();
    Sizes { numbers, nonzero: nonzero + (numbers - parameters), bytes: of.iter().map(|(_, bytes)| bytes).sum(), of }
}

/// What the layers of a model gave, and how long they took.
#[derive(Default)]
struct Run {
    begun: Vec<Instant>,
    layers: Vec<(String, Tensor, f64)>,
}

impl Hooks for Run {
    fn enter(&mut self, _: &Place<'_>) -> Result<()> {
        self.begun.push(Instant::now());
        Ok(())
    }

    fn output(&mut self, at: &Place<'_>, y: &Tensor) -> Result<Option<Tensor>> {
        let seconds = self.begun.pop().map_or(f64::NAN, |begun| begun.elapsed().as_secs_f64());
        self.layers.push((at.path.to_string(), y.detach(), seconds));
        Ok(None)
    }
}

impl Run {
    #[track_caller]
    fn of(model: &dyn Layer, inputs: &Tensor) -> Result<Self> {
        let _unrecorded = autograd::pause_recording();
        let (mut run, begin) = (Self::default(), Instant::now());
        let output = model.forward(inputs, &mut Mode::eval().with_hooks(&mut run))?;
        run.layers.push((String::new(), output, begin.elapsed().as_secs_f64()));
        Ok(run)
    }
}

/// For the layers that both have, with outputs of the same shape.
#[track_caller]
fn differences(original: &Run, now: &Run, sizes: &[(String, usize)]) -> Result<Vec<CompressedLayer>> {
    let known = ByName::of(original.layers.iter().map(|(path, x, _)| (path.clone(), x)).collect());
    let mut all = Vec::new();
    for (path, y, seconds) in &now.layers {
        let is_in =
            |name: &str| path.is_empty() || name.strip_prefix(path.as_str()).is_some_and(|end| end.starts_with('.'));
        let bytes = sizes.iter().filter(|(name, _)| is_in(name)).map(|(_, bytes)| bytes).sum();
        let error = match known.get(path) {
            Some(x) if x.shape() == y.shape() => {
                let size = |x: &Tensor| x.to_f64_vec().into_iter().map(|x| x * x).sum::<f64>().sqrt();
                let (whole, difference) = (size(x), size(&x.sub(&y.to_dtype(x.dtype()))?));
                Some(if whole == 0.0 { difference } else { difference / whole })
            }
            _ => None,
        };
        all.push(CompressedLayer { path: path.clone(), bytes, seconds: *seconds, error });
    }
    Ok(all)
}

/// What [`compare`] measured. Shown as a table; [`layers`](Self::layers) is one of all layers, [`to_html`](Self::to_html) one for a page,
/// and, with the feature `plot`, `plot` a picture.
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
    /// Each layer in the order in which they end, and the whole model, whose path is empty, at the end.
    pub layers: Vec<CompressedLayer>,
}

/// A layer of a model, measured.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct CompressedLayer {
    /// Its path.
    pub path: String,
    /// The bytes of its parameters and buffers, and of those of all layers in it.
    pub bytes: usize,
    /// How long it takes, with all layers in it, in seconds: the least of several runs.
    pub seconds: f64,
    /// The size of the difference of its outputs, as a share of that of the original's. Of layers that the original does not have, or with
    /// other shapes, there is none.
    pub error: Option<f64>,
}

impl CompressionReport {
    fn rows(&self) -> Vec<[String; 7]> {
        let Some(first) = self.models.first() else { return Vec::new() };
        let row = |model: &Compressed| {
            let whole = model.layers.last().and_then(|layer| layer.error);
            let whole = whole.map_or(String::new(), |error| format!("{:.2} %", 100.0 * error));
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

    /// A table of the layers: bytes, milliseconds and change of outputs of each in each model.
    #[must_use]
    pub fn layers(&self) -> String {
        let mut paths: Vec<&str> = Vec::new();
        for layer in self.models.iter().flat_map(|model| &model.layers) {
            if !layer.path.is_empty() && !paths.contains(&layer.path.as_str()) {
                paths.push(&layer.path);
            }
        }
        let mut rows = vec![vec!["layer".to_string()]];
        rows[0].extend(
            self.models
                .iter()
                .flat_map(|model| ["bytes", "ms", "change"].map(|what| format!("{}: {what}", model.name))),
        );
        for path in paths {
            let mut row = vec![path.to_string()];
            for model in &self.models {
                let layer = model.layers.iter().find(|layer| layer.path == path);
                row.push(layer.map_or("–".into(), |layer| layer.bytes.to_string()));
                row.push(layer.map_or("–".into(), |layer| format!("{:.3}", layer.seconds * 1e3)));
                let error = layer.and_then(|layer| layer.error);
                row.push(error.map_or("–".into(), |error| format!("{:.2} %", 100.0 * error)));
            }
            rows.push(row);
        }
        table(&rows)
    }

    /// How large, how fast and how good the models are, and by how much the outputs of each layer change.
    #[cfg(feature = "plot")]
    #[must_use]
    pub fn plot(&self) -> crate::train::plot::Panels {
        use crate::train::plot::{Bars, Chart, Panels};
        let bars = |title: &str, label: &str, length: &dyn Fn(&Compressed) -> f64| {
            let bars = Bars::new(title).label(label).width(460.0);
            self.models.iter().fold(bars, |bars, model| bars.bar(&model.name, length(model)))
        };
        let mut chart = Chart::new("Change of outputs").size(460.0, 320.0).labels("layer", "share of their size");
        for model in self.models.iter().skip(1) {
            let points =
                (1..).zip(&model.layers).filter_map(|(at, layer): (i32, _)| Some((f64::from(at), layer.error?)));
            chart = chart.xy_line(&model.name, points.collect::<Vec<_>>());
        }
        let score = self.score.clone();
        Panels::new("Smaller models")
            .columns(2)
            .add(bars("Size", "bytes", &|model| model.bytes as f64))
            .add(bars("Time", "milliseconds", &|model| model.seconds * 1e3))
            .add(bars(&score, &score, &|model| model.score))
            .add(chart)
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
        let rows: Vec<Vec<String>> = std::iter::once(self.head()).chain(self.rows()).map(Vec::from).collect();
        f.write_str(&table(&rows))
    }
}

/// Columns side by side, the first on the left.
fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.first().map_or(0, Vec::len);
    let wide = |i: usize| rows.iter().map(|row| row[i].chars().count()).max().unwrap_or(0);
    let wide: Vec<usize> = (0..columns).map(wide).collect();
    let mut text = String::new();
    for (number, row) in rows.iter().enumerate() {
        if number > 0 {
            text.push('\n');
        }
        for (i, (cell, wide)) in row.iter().zip(&wide).enumerate() {
            let cell = if i == 0 { format!("{cell:wide$}") } else { format!("  {cell:>wide$}") };
            text.push_str(&cell);
        }
    }
    text
}
