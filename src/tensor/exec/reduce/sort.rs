//! Sorting along a dimension.

use super::comparable;
use crate::tensor::kernels::sort::sort;
use crate::tensor::layout::Dims;
use crate::tensor::{DType, Tensor};

/// The first `k` elements along a dimension in order (or all of them), and where they were, as `I64`. NaN counts as larger than
/// everything, and equal elements keep their order. Not recorded.
pub(crate) fn ordered(x: &Tensor, axis: usize, k: Option<usize>, descending: bool) -> (Tensor, Tensor) {
    let rank = x.rank();
    let to_end = Dims::collect((0..rank).filter(|i| *i != axis).chain([axis]));
    let back = Dims::collect((0..rank).map(|i| if i == axis { rank - 1 } else { i - usize::from(i > axis) }));
    let rows = comparable(x).permuted(&to_end).packed();
    let mut shape = rows.layout().shape();
    let size = x.shape()[axis];
    let k = k.unwrap_or(size);
    shape[rank - 1] = k;
    let (mut values, mut indices) = (Tensor::stale(rows.dtype(), &shape), Tensor::stale(DType::I64, &shape));
    let places = indices.data_mut();
    match rows.dtype() {
        DType::F64 => sort::<f64>(k, descending, rows.data(), size, values.data_mut(), places),
        DType::I64 => sort::<i64>(k, descending, rows.data(), size, values.data_mut(), places),
        DType::U8 => sort::<u8>(k, descending, rows.data(), size, values.data_mut(), places),
        DType::Bool => sort::<bool>(k, descending, rows.data(), size, values.data_mut(), places),
        _ => sort::<f32>(k, descending, rows.data(), size, values.data_mut(), places),
    }
    (values.permuted(&back).packed().cast(x.dtype()), indices.permuted(&back).packed())
}
