//! Looking up rows of a table by number.

use super::gather::{Rows, indices};
use super::record;
use crate::autograd::Ask;
use crate::error::{Error, Result};
use crate::tensor::create::{check_shape, stale};
use crate::tensor::exec::index::{self as exec, Adding, out_of_range};
use crate::tensor::exec::reduce::{ReduceOp, total};
use crate::tensor::layout::{Dims, Layout};
use crate::tensor::{DType, Tensor};

/// # Looking up rows
impl Tensor {
    /// The rows of the table `weight` that these numbers name: ids `[..]` of type `I64` and a table `[n, dim]` give
    /// `[.., dim]`.
    ///
    /// Gradient: each row of `g` added to the row of the table that it came from, in the order of the ids. The row
    /// `padding_idx` gets none, so that it stays as it is in training.
    ///
    /// # Errors
    /// If the ids are not of type `I64`, the table is not a matrix, an id or `padding_idx` is not one of its rows, or the
    /// result is too large.
    ///
    /// ```
    /// use demotic::{Tensor, tensor};
    ///
    /// let table = tensor![[0.0, 0.1], [1.0, 1.1], [2.0, 2.1]].tracked()?;
    /// let ids = Tensor::from_nested([[2i64, 0], [1, 2]])?;
    /// let x = ids.embedding(&table, Some(0))?;
    /// assert_eq!(x.shape(), [2, 2, 2]);
    /// assert_eq!(x.to_vec::<f32>()?, [2.0, 2.1, 0.0, 0.1, 1.0, 1.1, 2.0, 2.1]);
    ///
    /// let grads = x.sum().backward()?;
    /// assert_eq!(grads.wrt(&table)?.to_vec::<f32>()?, [0.0, 0.0, 1.0, 1.0, 2.0, 2.0]);
    /// # Ok::<(), demotic::Error>(())
    /// ```
    #[track_caller]
    pub fn embedding(&self, weight: &Tensor, padding_idx: Option<usize>) -> Result<Tensor> {
        look_up(self, weight, padding_idx, false)
    }
}

/// [`Tensor::embedding`]; with `by_frequency`, the gradient of a row is divided by how often `ids` names it.
#[track_caller]
pub(crate) fn look_up(ids: &Tensor, weight: &Tensor, padding_idx: Option<usize>, by_frequency: bool) -> Result<Tensor> {
    let _timer = crate::profile::op("embedding");
    let rows = checked("embedding", ids, weight, padding_idx)?;
    let shape: Vec<usize> = ids.shape().iter().copied().chain([rows.inner]).collect();
    let mut out = stale("embedding", &shape, weight.dtype())?;
    exec::take_rows(weight, [rows.n, rows.inner], &rows.index, &mut out);
    Ok(record("embedding", out, &[weight], |tape| {
        let share = Share::new(&rows, weight.dtype().gradient().unwrap_or(DType::F32), padding_idx, by_frequency);
        let (for_sum, shape) = ((rows.clone(), share.clone()), weight.layout().shape());
        let single = (rows.clone(), share.clone());
        tape.sparse_edge(
            weight,
            move |g| Ok(rows.sum(&share.of(&rows, g)?, &shape)),
            move |g, sum| {
                let (rows, share) = &for_sum;
                rows.add_to(sum, &share.of(rows, g)?);
                Ok(())
            },
        );
        tape.shared_by_examples(
            weight,
            Box::new(move |g, ask| {
                let (rows, share) = &single;
                rows.of_examples(g.shape()[0], &share.of(rows, g)?, ask)
            }),
        );
    }))
}

#[track_caller]
fn checked(name: &'static str, ids: &Tensor, weight: &Tensor, padding_idx: Option<usize>) -> Result<Rows> {
    indices(name, "the ids", ids)?;
    let &[n, inner] = weight.shape() else {
        return Err(Error::shape(name, format!("a table of shape {:?}, expected [n, dim]", weight.shape())));
    };
    if let Some(padding) = padding_idx.filter(|i| *i >= n) {
        let message = format!("the padding is row {padding} of a table of {n}");
        return Err(Error::argument(name, message).with_help("rows count from 0"));
    }
    let index = in_table(name, ids, n)?;
    let picked = Dims::collect([index.numel(), inner]);
    Ok(Rows { index, n, inner, picked, dim: 0 })
}

/// Ids in a row, all of which are in a table of `n` rows.
#[track_caller]
pub(crate) fn in_table(name: &'static str, ids: &Tensor, n: usize) -> Result<Tensor> {
    let index = indices(name, "the ids", ids)?;
    if let Some((at, id)) = out_of_range(&index, n) {
        let place = place_of(at, ids.shape());
        let message = format!("id {id} at {place:?} of the ids {:?} is not in the table of {n} rows", ids.shape());
        return Err(Error::index(name, message)
            .with_help("ids count from 0, and the table needs a row for every entry of the vocabulary"));
    }
    index.reshape([index.numel()])
}

impl Rows {
    /// What is known of single examples, from the gradients `[ids, dim]` of the rows that they looked up: each example has its
    /// own part of the ids.
    fn of_examples(&self, examples: usize, g: &Tensor, ask: Ask) -> Result<Tensor> {
        let steps = self.index.numel() / examples.max(1);
        let ids = self.index.reshape([examples, steps])?;
        if ask == Ask::SquaredNorm && steps <= self.n {
            // Rows that an example looked up several times are added up before they are squared.
            let g = g.reshape([examples, steps, self.inner])?;
            let same = ids.unsqueeze(1)?.eq(&ids.unsqueeze(2)?)?.to_dtype(g.dtype());
            return g.matmul(&g.t())?.mul(&same)?.sum_dims(&[1, 2], false);
        }
        // Every example has a table of its own.
        let first = Tensor::arange(examples)?;
        let table = check_shape("backward_per_example", &[examples, self.n, self.inner], g.dtype())?;
        let places = (first * self.n as i64).unsqueeze(1)?.add(&ids)?.flatten(0, -1)?;
        let tables = Tensor::zeros([examples * self.n, self.inner])?.to_dtype(g.dtype());
        let grads = tables.index_add(0, &places, g)?.reshape(&*table)?;
        match ask {
            Ask::SquaredNorm => grads.square().sum_dims(&[1, 2], false),
            _ => Ok(grads),
        }
    }
}

/// The place of element `at` in a tensor of this shape.
fn place_of(mut at: usize, shape: &[usize]) -> Vec<usize> {
    let mut place = vec![0; shape.len()];
    for (place, size) in place.iter_mut().zip(shape).rev() {
        (*place, at) = (at % size, at / size);
    }
    place
}

/// How much of the gradient of each row that was looked up goes to the table.
#[derive(Clone)]
struct Share {
    /// `[ids, 1]`, true where the id is the padding; absent where none is.
    padding: Option<Tensor>,
    /// `[ids, 1]`, one by how often the id occurs.
    frequency: Option<Tensor>,
}

impl Share {
    fn new(rows: &Rows, dtype: DType, padding_idx: Option<usize>, by_frequency: bool) -> Self {
        let (index, ids) = (&rows.index, rows.index.numel());
        let is_padding = padding_idx.map(|padding| index.eq_scalar(padding as f64));
        let padding = is_padding.filter(|mask| total(ReduceOp::CountNonzero, mask) > 0.0);
        let padding = padding.map(|mask| mask.with_layout(Layout::new(Dims::collect([ids, 1]))));
        let frequency = by_frequency.then(|| {
            let (mut counts, mut own) = (exec::zeros(&[rows.n], DType::F64), Tensor::stale(DType::F64, &[ids, 1]));
            let ones = Tensor::number(DType::F64, 1.0).with_layout(Layout::strided(
                own.layout().shape(),
                Dims::filled(0, 2),
                0,
            ));
            exec::add(&mut counts, &ones, Adding::Rows { n: rows.n, inner: 1, index });
            exec::take_rows(&counts, [rows.n, 1], index, &mut own);
            own.reciprocal().cast(dtype)
        });
        Self { padding, frequency }
    }

    /// The part of the gradient `g` of all rows that counts, as `[ids, dim]`.
    fn of(&self, rows: &Rows, g: &Tensor) -> Result<Tensor> {
        let mut g = g.reshape(&*rows.picked)?;
        if let Some(padding) = &self.padding {
            g = g.masked_fill(padding, 0.0)?;
        }
        match &self.frequency {
            Some(share) => g.mul(share),
            None => Ok(g),
        }
    }
}
