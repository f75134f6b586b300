//! Ranks in three directions.

use std::fmt;
use std::sync::Arc;

use super::Group;
use crate::error::{Error, Result};

/// Ranks as a grid: copies of a model that see different examples (data), stages of each copy (pipeline), and parts of each stage (tensor).
///
/// Rank `(d · pipeline + p) · tensor + t` is part `t` of stage `p` of copy `d`: parts, which exchange the most, are neighbours.
///
/// ```
/// use demotic::distributed::{Grid, ThreadGroup};
///
/// let places = ThreadGroup::run(8, |group| {
///     let grid = Grid::new(group, [2, 2, 2])?;
///     Ok((grid.data().rank(), grid.pipeline().rank(), grid.tensor().rank()))
/// })?;
/// assert_eq!(places[5], (1, 0, 1));
/// # Ok::<(), demotic::Error>(())
/// ```
#[derive(Clone)]
pub struct Grid {
    all: Arc<dyn Group>,
    data: Arc<dyn Group>,
    pipeline: Arc<dyn Group>,
    tensor: Arc<dyn Group>,
}

impl Grid {
    /// So many copies, stages and parts, `[data, pipeline, tensor]`: their product is the size of the group. All ranks call it.
    ///
    /// # Errors
    /// If it is not, or a rank has failed.
    #[track_caller]
    pub fn new(group: &dyn Group, [data, pipeline, tensor]: [usize; 3]) -> Result<Self> {
        let (rank, size) = (group.rank(), group.size());
        group.agree("Grid::new", &[("a grid of".into(), format!("{data} × {pipeline} × {tensor}"))])?;
        if data.checked_mul(pipeline).and_then(|n| n.checked_mul(tensor)) != Some(size) {
            let message = format!("a grid of {data} × {pipeline} × {tensor} for {size} ranks");
            return Err(Error::argument("Grid::new", message)
                .with_help("the product of data, pipeline and tensor is the number of ranks"));
        }
        let (d, p, t) = (rank / tensor / pipeline, rank / tensor % pipeline, rank % tensor);
        Ok(Self {
            all: group.handle(),
            data: group.split(p * tensor + t, rank)?,
            pipeline: group.split(d * tensor + t, rank)?,
            tensor: group.split(d * pipeline + p, rank)?,
        })
    }

    /// All ranks.
    #[must_use]
    pub fn all(&self) -> &dyn Group {
        &*self.all
    }

    /// Those that have the same part of the same stage as this one, of other copies.
    #[must_use]
    pub fn data(&self) -> &dyn Group {
        &*self.data
    }

    /// Those that have the same part of the other stages of this copy.
    #[must_use]
    pub fn pipeline(&self) -> &dyn Group {
        &*self.pipeline
    }

    /// Those that have the other parts of this stage.
    #[must_use]
    pub fn tensor(&self) -> &dyn Group {
        &*self.tensor
    }
}

impl fmt::Debug for Grid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = |group: &dyn Group| format!("{} of {}", group.rank(), group.size());
        let [data, pipeline, tensor] = [&self.data, &self.pipeline, &self.tensor].map(|group| place(&**group));
        write!(f, "Grid(data {data}, pipeline {pipeline}, tensor {tensor})")
    }
}
