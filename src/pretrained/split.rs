//! Tensors that a file holds in one piece, and a model in several.

use std::collections::BTreeMap;

use crate::error::{Error, Result, short};
use crate::io::{TensorInfo, TensorSource};
use crate::tensor::{QTensor, Tensor};

/// A source some of whose tensors are rows of others.
pub(super) struct Split<S> {
    source: S,
    /// The tensor there, the first row, and how many.
    parts: BTreeMap<String, (String, usize, usize)>,
    infos: Vec<TensorInfo>,
}

impl<S: TensorSource> Split<S> {
    /// `parts` says of a name into which names its rows go, and how many into each.
    #[track_caller]
    pub(super) fn new(
        op: &'static str,
        source: S,
        parts: impl Fn(&str) -> Option<Vec<(String, usize)>>,
    ) -> Result<Self> {
        let (mut all, mut infos) = (BTreeMap::new(), Vec::new());
        for info in source.infos() {
            let Some(split) = parts(&info.name) else {
                infos.push(info);
                continue;
            };
            let rows = split.iter().fold(0_usize, |sum, (_, rows)| sum.saturating_add(*rows));
            if info.shape.first() != Some(&rows) {
                let (there, name, shape) = (source.describe(), short(&info.name), &info.shape);
                let message = format!("{there}: `{name}` is {shape:?}, where the configuration has {rows} rows");
                return Err(Error::format(op, message));
            }
            let mut from = 0;
            for (name, rows) in split {
                let mut shape = info.shape.clone();
                shape[0] = rows;
                infos.push(TensorInfo { name: name.clone(), shape, ..info.clone() });
                all.insert(name, (info.name.clone(), from, rows));
                from += rows;
            }
        }
        Ok(Self { source, parts: all, infos })
    }
}

impl<S: TensorSource> TensorSource for Split<S> {
    fn infos(&self) -> Vec<TensorInfo> {
        self.infos.clone()
    }

    fn read(&self, name: &str) -> Result<Tensor> {
        match self.parts.get(name) {
            Some((whole, from, rows)) => part(&self.source.read(whole)?, *from, *rows),
            None => self.source.read(name),
        }
    }

    fn read_quantized(&self, name: &str) -> Result<QTensor> {
        match self.parts.get(name) {
            Some((whole, from, rows)) => {
                self.source.read_quantized(whole)?.with_rows(|blocks| part(blocks, *from, *rows))
            }
            None => self.source.read_quantized(name),
        }
    }

    fn describe(&self) -> String {
        self.source.describe()
    }
}

/// Some rows. Not a view, for which the whole would stay in memory.
#[track_caller]
fn part(whole: &Tensor, from: usize, rows: usize) -> Result<Tensor> {
    let rows = Tensor::from_vec::<i64>((from..from + rows).map(|row| row as i64).collect(), [rows])?;
    whole.index_select(0, &rows)
}
