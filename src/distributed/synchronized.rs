//! Batch norm over the batches of all ranks.

use std::sync::Arc;

use super::group::Group;
use super::tensor_parallel::sum_of_ranks;
use crate::error::Result;
use crate::layers::{Module, RankSum, on_batch_norms};
use crate::tensor::Tensor;

#[derive(Debug)]
struct OverRanks(Arc<dyn Group>);

impl RankSum for OverRanks {
    fn sum(&self, x: &Tensor) -> Result<Tensor> {
        sum_of_ranks(&self.0, x)
    }
}

/// Lets all batch norms of a model take mean and variance over the batches that all ranks are working on, for batches that are too small by
/// themselves. Returns how many there are.
///
/// Ranks wait for each other in every such layer, so each step must have as many micro-batches for each of them. **The bits depend on the number
/// of ranks:** one process has no such batches. They are those of one batch made of all, but for rounding.
///
/// ```
/// use demotic::distributed::{ThreadGroup, synchronize_batch_norm};
/// use demotic::prelude::*;
///
/// let outputs = ThreadGroup::run(2, |group| {
///     let mut norm = sequential![BatchNorm1d::new(1)?];
///     assert_eq!(synchronize_batch_norm(&mut norm, group), 1);
///     // 1 and 3 on one rank, 5 and 7 on the other: the mean is 4.
///     let x = Tensor::from_vec(vec![1.0_f32 + 4.0 * group.rank() as f32, 3.0 + 4.0 * group.rank() as f32], [2, 1])?;
///     norm.forward(&x, &mut Mode::train(&mut Rng::seed(0)))?.to_vec::<f32>()
/// })?;
/// assert!(outputs[0][0] < -1.3 && outputs[0][1] > -0.5 && outputs[1][0] < 0.5);
/// # Ok::<(), demotic::Error>(())
/// ```
pub fn synchronize_batch_norm(model: &mut dyn Module, group: &dyn Group) -> usize {
    let sum: Arc<dyn RankSum> = Arc::new(OverRanks(group.handle()));
    let mut count = 0;
    on_batch_norms(model, &mut |_, layer| {
        layer.set_rank_sum(&sum);
        count += 1;
    });
    count
}
