//! A table of a model's layers, their output shapes and their parameters, as Keras prints it.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::panic::Location;

use super::hooks::on_output;
use super::mode::Mode;
use super::module::{Module, Role, Slot, Visitor};
use crate::error::{Error, ErrorKind, Result};
use crate::tensor::{DType, Tensor};

/// A table of a model's layers; see [`LayerExt::summary`](crate::layers::LayerExt::summary). Print it with `{}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    title: String,
    rows: Vec<Row>,
    trainable: usize,
    frozen: usize,
    buffers: usize,
    bytes: usize,
    shows_bytes: bool,
}

/// A line of a [`Summary`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Row {
    /// Where in the model the layer is.
    pub path: String,
    /// The name of its type.
    pub kind: String,
    /// The shape of its output, if it was seen.
    pub output: Option<Vec<usize>>,
    /// How many parameter values it has.
    pub parameters: usize,
    /// How many bytes its output has.
    pub output_bytes: usize,
}

impl Summary {
    /// Shows the bytes of outputs as well. What layers keep of a batch in training, which may be more, is in the
    /// [`MemoryReport`](crate::train::MemoryReport) of a Trainer.
    ///
    /// ```
    /// use demotic::prelude::*;
    ///
    /// let mut rng = Rng::seed(0);
    /// let model = sequential![Linear::new(8, 64, &mut rng)?, Relu, Linear::new(64, 1, &mut rng)?];
    /// let summary = model.summary([32, 8])?.with_bytes();
    /// println!("{summary}");
    /// assert_eq!(summary.rows()[0].output_bytes, 32 * 64 * 4);
    /// # Ok::<(), demotic::Error>(())
    /// ```
    #[must_use]
    pub fn with_bytes(mut self) -> Self {
        self.shows_bytes = true;
        self
    }

    /// One line for each layer that has no layers inside, or parameters beside them.
    #[must_use]
    pub fn rows(&self) -> &[Row] {
        &self.rows
    }
}

/// A parameter or a buffer of a model.
struct Leaf {
    path: String,
    numel: usize,
    bytes: usize,
    /// Whether it is trained; `None` for a buffer.
    trainable: Option<bool>,
}

impl Leaf {
    fn new(path: &str, value: &Tensor, trainable: Option<bool>) -> Self {
        let numel = value.numel();
        Self { path: path.to_string(), numel, bytes: numel * value.dtype().size(), trainable }
    }
}

impl Summary {
    /// That of a model that is walked through by `visit` and run by `run`.
    #[track_caller]
    pub(super) fn of(
        kind: &'static str,
        visit: &dyn Fn(&mut Visitor<'_>),
        run: &dyn Fn(&Tensor, &mut Mode<'_>) -> Result<Tensor>,
        input_shape: &[usize],
    ) -> Result<Self> {
        let caller = Location::caller();
        let watched = |input: &Tensor| {
            let mut shapes = HashMap::new();
            let mut note = on_output(|at, y| {
                shapes.insert(at.path.to_string(), (y.shape().to_vec(), y.numel() * y.dtype().size()));
                Ok(None)
            });
            let output = run(input, &mut Mode::eval().called_at(caller).with_hooks(&mut note))?;
            shapes.insert(String::new(), (output.shape().to_vec(), output.numel() * output.dtype().size()));
            Ok::<_, Error>((output, shapes))
        };
        let input = Tensor::zeros(input_shape)?;
        let (output, mut shapes) = match watched(&input) {
            Err(e) if e.kind() == ErrorKind::DType => watched(&input.to_dtype(DType::I64)).map_err(|_| e)?,
            result => result?,
        };

        let mut modules = vec![(String::new(), kind)];
        let mut leaves: Vec<Leaf> = Vec::new();
        let mut on_module = |path: &str, module: &dyn Module| {
            if module.role() == Role::Layer {
                modules.push((path.to_string(), module.kind()));
            }
        };
        let mut on_slot = |path: &str, slot: Slot<'_>| {
            leaves.push(match slot {
                Slot::Param(p) => Leaf::new(path, p, Some(p.is_trainable())),
                Slot::Buffer(b) => Leaf::new(path, &b.get(), None),
            });
        };
        visit(&mut Visitor::with_modules(&mut on_slot, &mut on_module));

        // An adapter is where its weight is.
        let places: HashSet<&str> = leaves.iter().map(|leaf| leaf.path.as_str()).collect();
        modules.retain(|(path, _)| !places.contains(path.as_str()));
        let mut owners: HashMap<&str, Owner> = HashMap::new();
        owners.extend(modules.iter().map(|(path, _)| (path.as_str(), Owner::default())));
        for leaf in &leaves {
            if let Some(owner) = innermost(&leaf.path, &mut owners) {
                owner.has_leaves = true;
                owner.parameters += if leaf.trainable.is_some() { leaf.numel } else { 0 };
            }
        }
        for (path, _) in &modules {
            if let Some(owner) = innermost(path, &mut owners) {
                owner.has_parts = true;
            }
        }
        let mut rows: Vec<Row> = Vec::with_capacity(modules.len());
        for (path, kind) in &modules {
            let Owner { parameters, has_leaves, has_parts } = owners[path.as_str()];
            if has_leaves || !has_parts {
                let (path, kind) = (path.clone(), (*kind).to_string());
                let (output, output_bytes) =
                    shapes.remove(&path).map_or((None, 0), |(shape, bytes)| (Some(shape), bytes));
                rows.push(Row { output, path, kind, parameters, output_bytes });
            }
        }
        let count = |want| leaves.iter().filter(|leaf| leaf.trainable == want).map(|leaf| leaf.numel).sum();
        Ok(Self {
            title: format!("{kind} {input_shape:?} → {:?}", output.shape()),
            rows,
            trainable: count(Some(true)),
            frozen: count(Some(false)),
            buffers: count(None),
            bytes: leaves.iter().map(|leaf| leaf.bytes).sum(),
            shows_bytes: false,
        })
    }
}

/// What the module at a path has.
#[derive(Clone, Copy, Default)]
struct Owner {
    parameters: usize,
    has_leaves: bool,
    has_parts: bool,
}

/// The innermost module that what is at a path is inside of.
fn innermost<'m>(path: &str, owners: &'m mut HashMap<&str, Owner>) -> Option<&'m mut Owner> {
    let mut outer = path;
    while !outer.is_empty() {
        outer = outer.rsplit_once('.').map_or("", |(outer, _)| outer);
        if owners.contains_key(outer) {
            return owners.get_mut(outer);
        }
    }
    None
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
        let cells = self.rows.iter().map(|row| {
            let name = if row.path.is_empty() { row.kind.clone() } else { format!("{} ({})", row.path, row.kind) };
            let output = row.output.as_ref().map_or_else(|| "–".to_string(), |shape| format!("{shape:?}"));
            [name, output, grouped(row.output_bytes), grouped(row.parameters)]
        });
        let head = ["layer", "output shape", "bytes", "parameters"].map(String::from);
        let cells: Vec<[String; 4]> = [head].into_iter().chain(cells).collect();
        // Without the bytes there is no such column.
        let columns: &[usize] = if self.shows_bytes { &[0, 1, 2, 3] } else { &[0, 1, 3] };
        let width = |i: usize| cells.iter().map(|row| row[i].chars().count()).max().unwrap_or(0);
        let widths: Vec<usize> = (0..4).map(width).collect();
        let all: usize = columns.iter().map(|i| widths[*i] + 2).sum();
        let rule = "─".repeat(all - 2);
        writeln!(f, "{}\n{rule}", self.title)?;
        for row in &cells {
            for (n, i) in columns.iter().enumerate() {
                let (cell, width) = (&row[*i], widths[*i]);
                let gap = if n > 0 { "  " } else { "" };
                if *i < 2 { write!(f, "{gap}{cell:<width$}")? } else { write!(f, "{gap}{cell:>width$}")? }
            }
            writeln!(f)?;
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
