//! Keys and values of a cache.

use super::with_unit_stride;
use crate::error::{Result, bug};
use crate::tensor::Tensor;
use crate::tensor::dtype::with_element;
use crate::tensor::kernels::cache::{Vectors, write};

/// Writes rows of the batch `x` one after the other to the positions from `at` on of a cache, in place. Both are
/// `[batch, heads, positions, width]` and of one type.
pub(crate) fn write_rows(x: &Tensor, rows: &mut dyn Iterator<Item = usize>, to: &mut Tensor, at: usize) -> Result<()> {
    let (&[batch, heads, positions, width], &[_, all, capacity, wide]) = (x.shape(), to.shape()) else {
        return Err(bug!("cache", "{:?} into {:?}", x.shape(), to.shape()));
    };
    let fits = (heads, width, x.dtype()) == (all, wide, to.dtype()) && at.saturating_add(positions) <= capacity;
    if !fits {
        return Err(bug!("cache", "{:?} into {:?} from position {at} on", x.shape(), to.shape()));
    }
    if positions * width * heads == 0 {
        return Ok(());
    }
    let x = with_unit_stride(x);
    let strides = [0, 1, 2].map(|i| x.strides()[i]);
    with_element!(x.dtype(), T => {
        let (from, all) = (x.data::<T>(), to.data_mut::<T>());
        for (row, to) in rows.zip(all.chunks_exact_mut(heads * capacity * width)).filter(|(row, _)| *row < batch) {
            let data = &from[row * strides[0]..];
            write(Vectors { data, strides: [strides[1], strides[2]], positions, width }, capacity, at, to);
        }
    });
    Ok(())
}
