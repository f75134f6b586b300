//! Triangles and diagonals of matrices.

use super::record;
use crate::error::{Error, Result};
use crate::tensor::create::stale;
use crate::tensor::exec::index::{self as exec, Triangle};
use crate::tensor::layout::{Dims, Layout, dim_index};
use crate::tensor::{MAX_DIMS, Tensor};

/// # Triangles and diagonals
///
/// ```
/// use demotic::tensor;
///
/// let x = tensor![[1.0, 2.0], [3.0, 4.0]];
/// assert_eq!((x.tril(0)?.to_f64_vec(), x.triu(1)?.to_f64_vec()), (vec![1.0, 0.0, 3.0, 4.0], vec![0.0, 2.0, 0.0, 0.0]));
/// assert_eq!((x.diagonal(0, 0, 1)?.to_f64_vec(), x.diag(1)?.to_f64_vec(), x.trace()?.item()?), (vec![1.0, 4.0], vec![2.0], 5.0));
/// # Ok::<(), demotic::Error>(())
/// ```
impl Tensor {
    /// The elements on and below a diagonal of a matrix, or of each matrix of a batch, with zeros above it. `diagonal`
    /// 0 is the main one, positive numbers lie above it. Gradient: the same part of `g`.
    ///
    /// # Errors
    /// If there are fewer than two dimensions.
    #[track_caller]
    pub fn tril(&self, diagonal: isize) -> Result<Tensor> {
        check_matrix("tril", self)?;
        Ok(triangle("tril", self, Triangle::Lower, diagonal))
    }

    /// The elements on and above a diagonal, with zeros below it; see [`tril`](Self::tril).
    ///
    /// # Errors
    /// If there are fewer than two dimensions.
    #[track_caller]
    pub fn triu(&self, diagonal: isize) -> Result<Tensor> {
        check_matrix("triu", self)?;
        Ok(triangle("triu", self, Triangle::Upper, diagonal))
    }

    /// A view of a diagonal of dimensions `dim1` and `dim2`, as a new last dimension in their place. A positive
    /// `offset` lies above the main diagonal; one beyond the corners gives an empty view. Gradient: `g` on the
    /// diagonal.
    ///
    /// # Errors
    /// If a dimension is out of range, or both are the same.
    #[track_caller]
    pub fn diagonal(&self, offset: isize, dim1: isize, dim2: isize) -> Result<Tensor> {
        let (a, b) = two_dims("diagonal", dim1, dim2, self.rank())?;
        Ok(diagonal(self, offset, a, b))
    }

    /// A tensor of zeros with the last dimension of this one on a diagonal of its dimensions `dim1` and `dim2`: the
    /// opposite of [`diagonal`](Self::diagonal), just large enough. Gradient: the diagonal of `g`.
    ///
    /// # Errors
    /// If this is a scalar, a dimension is out of range, both are the same, or the result is too large.
    ///
    /// ```
    /// use demotic::tensor;
    ///
    /// let x = tensor![1.0, 2.0].diag_embed(0, 0, 1)?;
    /// assert_eq!(x.to_vec::<f32>()?, [1.0, 0.0, 0.0, 2.0]);
    /// # Ok::<(), demotic::Error>(())
    /// ```
    #[track_caller]
    pub fn diag_embed(&self, offset: isize, dim1: isize, dim2: isize) -> Result<Tensor> {
        let Some(last) = self.rank().checked_sub(1) else {
            return Err(Error::shape("diag_embed", "a scalar has no dimension to put on a diagonal"));
        };
        if self.rank() == MAX_DIMS {
            let message = format!("{:?} has as many dimensions as a tensor can have", self.shape());
            return Err(Error::shape("diag_embed", message));
        }
        let (a, b) = two_dims("diag_embed", dim1, dim2, self.rank() + 1)?;
        let size = self.shape()[last].saturating_add(offset.unsigned_abs());
        let mut shape = Dims::collect(self.shape()[..last].iter().copied());
        shape.insert(a.min(b), size);
        shape.insert(a.max(b), size);
        on_diagonal("diag_embed", self, shape, offset, a, b)
    }

    /// A diagonal of a matrix, or the matrix of zeros with a vector on its diagonal. Gradient: the opposite.
    ///
    /// # Errors
    /// If this is neither a vector nor a matrix.
    #[track_caller]
    pub fn diag(&self, offset: isize) -> Result<Tensor> {
        match self.rank() {
            1 => self.diag_embed(offset, 0, 1),
            2 => self.diagonal(offset, 0, 1),
            _ => {
                let message = format!("shape {:?}, expected a vector or a matrix", self.shape());
                Err(Error::shape("diag", message).with_help("see diagonal and diag_embed for batches"))
            }
        }
    }

    /// The sum of the main diagonal of a matrix. Gradient: `g` on the diagonal.
    ///
    /// # Errors
    /// If this is not a matrix.
    #[track_caller]
    pub fn trace(&self) -> Result<Tensor> {
        if self.rank() != 2 {
            return Err(Error::shape("trace", format!("shape {:?}, expected a matrix", self.shape())));
        }
        Ok(diagonal(self, 0, 0, 1).sum())
    }
}

#[track_caller]
fn check_matrix(name: &'static str, x: &Tensor) -> Result<()> {
    if x.rank() >= 2 {
        return Ok(());
    }
    Err(Error::shape(name, format!("shape {:?}, expected a matrix or a batch of them", x.shape())))
}

#[track_caller]
fn two_dims(name: &'static str, dim1: isize, dim2: isize, rank: usize) -> Result<(usize, usize)> {
    let (a, b) = (dim_index(name, dim1, rank)?, dim_index(name, dim2, rank)?);
    if a == b {
        return Err(Error::index(name, format!("dimensions {dim1} and {dim2} are the same")));
    }
    Ok((a, b))
}

fn triangle(name: &'static str, x: &Tensor, side: Triangle, offset: isize) -> Tensor {
    let _timer = crate::profile::op(name);
    let matrix = [x.shape()[x.rank() - 2], x.shape()[x.rank() - 1]];
    record(name, exec::triangle(x, matrix, side, offset), &[x], |tape| {
        tape.edge(x, move |g| Ok(triangle(name, g, side, offset)))
    })
}

/// Which elements of a layout lie on a diagonal.
fn diagonal_layout(layout: &Layout, offset: isize, a: usize, b: usize) -> Layout {
    let (rows, columns) = (layout.shape()[a], layout.shape()[b]);
    let (down, right) = if offset < 0 { (offset.unsigned_abs(), 0) } else { (0, offset.unsigned_abs()) };
    let len = rows.saturating_sub(down).min(columns.saturating_sub(right));
    let (mut shape, mut strides) = (layout.shape(), layout.strides());
    let start = if len == 0 { 0 } else { down * strides[a] + right * strides[b] };
    let step = strides[a] + strides[b];
    for d in [a.max(b), a.min(b)] {
        shape.remove(d);
        strides.remove(d);
    }
    shape.push(len);
    strides.push(step);
    Layout::strided(shape, strides, layout.offset + start)
}

fn diagonal(x: &Tensor, offset: isize, a: usize, b: usize) -> Tensor {
    let view = x.with_layout(diagonal_layout(x.layout(), offset, a, b));
    record("diagonal", view, &[x], |tape| {
        let shape = x.layout().shape();
        tape.edge(x, move |g| on_diagonal("on_diagonal", g, shape, offset, a, b));
    })
}

/// Zeros of `shape` with `x` on a diagonal.
#[track_caller]
fn on_diagonal(name: &'static str, x: &Tensor, shape: Dims, offset: isize, a: usize, b: usize) -> Result<Tensor> {
    let _timer = crate::profile::op(name);
    let mut out = stale(name, &shape, x.dtype())?;
    let fresh = Layout::new(shape);
    let layout = diagonal_layout(&fresh, offset, a, b);
    exec::place(x, &layout, Some(0.0), &mut out);
    Ok(record(name, out, &[x], |tape| tape.edge(x, move |g| Ok(diagonal(g, offset, a, b)))))
}
