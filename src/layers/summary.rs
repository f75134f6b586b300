//! A table of a model's layers, their output shapes and their parameters, as Keras prints it.

use std::cell::RefCell;
use std::fmt;

use super::layer::Layer;
use super::module::{Module, Slot, Visitor};
use super::param::Param;
use crate::error::{ErrorKind, Result};
use crate::tensor::{DType, Shape, Tensor};

thread_local! {
    static TRACE: RefCell<Option<Trace>> = const { RefCell::new(None) };
}

/// The shapes that were seen while a model ran for its summary.
#[derive(Default)]
struct Trace {
    by_place: Vec<(Place, Vec<usize>)>,
    by_param: Vec<(Tensor, Vec<usize>)>,
}

/// Where in memory a module is, and its kind: its first field begins where it does.
type Place = (usize, &'static str);

fn place(module: &dyn Module) -> Place {
    (std::ptr::from_ref(module).cast::<()>().addr(), module.kind())
}

impl Trace {
    /// The last output of the module at a place. Modules of no size may share theirs; then all outputs must be alike.
    fn output_at(&self, place: Place, is_shared: bool) -> Option<Vec<usize>> {
        let mut shapes = self.by_place.iter().rev().filter(|(other, _)| *other == place).map(|(_, shape)| shape);
        let last = shapes.next()?;
        (!is_shared || shapes.all(|shape| shape == last)).then(|| last.clone())
    }
}

fn with_trace(f: impl FnOnce(&mut Trace)) {
    TRACE.with_borrow_mut(|trace| trace.as_mut().map(f));
}

/// Notes the output of `module`, which must be the one that is visited and no copy.
pub(crate) fn noted(module: &dyn Module, y: Result<Tensor>) -> Result<Tensor> {
    y.inspect(|y| with_trace(|trace| trace.by_place.push((place(module), y.shape().to_vec()))))
}

/// Notes the output of the layer that owns `param`, or of a copy that [`share`](super::share) made.
pub(crate) fn output_of(param: &Param, y: &Tensor) {
    with_trace(|trace| trace.by_param.push((param.detach(), y.shape().to_vec())));
}

/// A table of a model's layers; see [`LayerExt::summary`]. Print it with `{}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    title: String,
    rows: Vec<Row>,
    trainable: usize,
    frozen: usize,
    buffers: usize,
    bytes: usize,
}

/// A line of a [`Summary`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Where in the model the layer is.
    pub path: String,
    /// The name of its type.
    pub kind: String,
    /// The shape of its output, if it was seen.
    pub output: Option<Vec<usize>>,
    /// How many parameter values it has.
    pub parameters: usize,
}

impl Summary {
    /// One line for each layer that has no layers inside, or parameters beside them.
    #[must_use]
    pub fn rows(&self) -> &[Row] {
        &self.rows
    }
}

/// What every layer can do.
pub trait LayerExt: Layer {
    /// A table of the layers, their output shapes for an input of `input_shape`, and their numbers of parameters.
    ///
    /// The input is of type `F32`, or `I64` for a model that does not take that, such as one that begins with an
    /// [`Embedding`](crate::layers::Embedding).
    ///
    /// # Errors
    /// If the model takes neither in this shape.
    ///
    /// ```
    /// use demotic::prelude::*;
    ///
    /// let mut rng = Rng::seed(0);
    /// let model = sequential![Linear::new(8, 64, &mut rng)?, Relu, Linear::new(64, 1, &mut rng)?];
    /// println!("{}", model.summary([32, 8])?);
    /// # Ok::<(), demotic::Error>(())
    /// ```
    #[track_caller]
    fn summary(&self, input_shape: impl Shape) -> Result<Summary> {
        let input = Tensor::zeros(input_shape)?;
        let traced = |input: &Tensor| {
            TRACE.set(Some(Trace::default()));
            let output = self.predict(input);
            let trace = TRACE.take().unwrap_or_default();
            output.map(|output| (output, trace))
        };
        let (output, trace) = match traced(&input) {
            Err(e) if e.kind() == ErrorKind::DType => traced(&input.to_dtype(DType::I64)).map_err(|_| e)?,
            result => result?,
        };

        let mut modules: Vec<(String, Place)> = Vec::new();
        let mut leaves: Vec<(String, Tensor, Option<bool>)> = Vec::new();
        let mut on_module = |path: &str, module: &dyn Module| modules.push((path.to_string(), place(module)));
        let mut on_slot = |path: &str, slot: Slot<'_>| {
            leaves.push(match slot {
                Slot::Param(p) => (path.to_string(), p.detach(), Some(p.is_trainable())),
                Slot::Buffer(b) => (path.to_string(), b.get(), None),
            });
        };
        self.visit(&mut Visitor::with_modules(&mut on_slot, &mut on_module));

        let is_leaf = |path: &str| leaves.iter().any(|(leaf, ..)| leaf == path);
        // Nor is the absence of an optional part a layer.
        modules.retain(|(path, (_, kind))| !is_leaf(path) && *kind != "None");
        let has_parts = |path: &str| {
            modules.iter().any(|(other, _)| other.strip_prefix(path).is_some_and(|rest| rest.starts_with('.')))
        };
        let mut rows = Vec::new();
        for (path, place) in &modules {
            let own = || leaves.iter().filter(|(leaf, ..)| parent(leaf) == path.as_str());
            if has_parts(path) && own().next().is_none() {
                continue;
            }
            let is_shared = modules.iter().filter(|(_, other)| other == place).count() > 1;
            let seen = trace.output_at(*place, is_shared).or_else(|| {
                let found =
                    trace.by_param.iter().rev().find(|(p, _)| own().any(|(_, value, _)| value.shares_storage(p)));
                found.map(|(_, shape)| shape.clone())
            });
            let parameters = own().filter(|leaf| leaf.2.is_some()).map(|leaf| leaf.1.numel()).sum();
            rows.push(Row { path: path.clone(), kind: place.1.to_string(), output: seen, parameters });
        }
        let count = |want: Option<bool>| leaves.iter().filter(|leaf| leaf.2 == want).map(|leaf| leaf.1.numel()).sum();
        Ok(Summary {
            title: format!("{} {:?} → {:?}", self.kind(), input.shape(), output.shape()),
            rows,
            trainable: count(Some(true)),
            frozen: count(Some(false)),
            buffers: count(None),
            bytes: leaves.iter().map(|leaf| leaf.1.numel() * leaf.1.dtype().size()).sum(),
        })
    }
}

impl<L: Layer + ?Sized> LayerExt for L {}

/// The path without its last name.
fn parent(path: &str) -> &str {
    path.rsplit_once('.').map_or("", |(parent, _)| parent)
}

/// `1234567` as `1,234,567`.
fn grouped(n: usize) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cells: Vec<[String; 3]> = self
            .rows
            .iter()
            .map(|row| {
                let name = if row.path.is_empty() { row.kind.clone() } else { format!("{} ({})", row.path, row.kind) };
                let output = row.output.as_ref().map_or_else(|| "–".to_string(), |shape| format!("{shape:?}"));
                [name, output, grouped(row.parameters)]
            })
            .collect();
        let head = ["layer", "output shape", "parameters"];
        let width = |i: usize| cells.iter().map(|row| row[i].chars().count()).chain([head[i].len()]).max().unwrap_or(0);
        let widths = [width(0), width(1), width(2)];
        let rule = "─".repeat(widths.iter().sum::<usize>() + 4);
        writeln!(f, "{}\n{rule}", self.title)?;
        let mut line =
            |a: &str, b: &str, c: &str| writeln!(f, "{a:<0$}  {b:<1$}  {c:>2$}", widths[0], widths[1], widths[2]);
        line(head[0], head[1], head[2])?;
        for [name, output, parameters] in &cells {
            line(name, output, parameters)?;
        }
        writeln!(f, "{rule}")?;
        let total = grouped(self.trainable + self.frozen);
        write!(f, "{total} parameters, {} trainable, {} frozen", grouped(self.trainable), grouped(self.frozen))?;
        if self.buffers > 0 {
            write!(f, "; {} buffer values", grouped(self.buffers))?;
        }
        write!(f, "; {:.1} KiB", self.bytes as f64 / 1024.0)
    }
}
