//! What the weights of a model are multiplied with while it runs.

use std::sync::{Arc, Mutex, PoisonError};

use crate::autograd::{self, ConvOptions, patches};
use crate::error::Result;
use crate::layers::core::{Adapter, ConvKind, Mode, Weight};
use crate::tensor::{DType, Tensor};

/// How many inputs are multiplied with each other at a time.
const ROWS: usize = 4096;

/// An adapter that changes nothing, and adds up the products of what its weight is multiplied with.
#[derive(Clone, Default)]
pub(super) struct Observer {
    /// `[in, in]` of type `F64`, for each group of a convolution.
    products: Arc<Mutex<Vec<Tensor>>>,
}

crate::module!(Observer {}, plain { products });

impl Observer {
    /// Nothing if nothing was seen.
    pub(super) fn products(&self) -> Vec<Tensor> {
        self.products.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    #[track_caller]
    fn see(&self, group: usize, inputs: &Tensor) -> Result<()> {
        let _unrecorded = autograd::pause_recording();
        let features = inputs.shape().last().copied().unwrap_or(0);
        let rows = inputs.numel().checked_div(features).unwrap_or(0);
        let inputs = inputs.detach().reshape([rows, features])?;
        for first in (0..rows).step_by(ROWS) {
            let x = inputs.narrow(0, first, ROWS.min(rows - first))?.to_dtype(DType::F64);
            let new = x.t().matmul(&x)?;
            let mut all = self.products.lock().unwrap_or_else(PoisonError::into_inner);
            match all.get_mut(group) {
                Some(sum) => *sum = sum.add(&new)?,
                None => all.push(new),
            }
        }
        Ok(())
    }
}

impl Adapter for Observer {
    fn value(&self, weight: &Tensor) -> Result<Tensor> {
        Ok(weight.clone())
    }

    #[track_caller]
    fn linear(&self, base: &Weight, x: &Tensor, bias: Option<&Tensor>, mode: &mut Mode<'_>) -> Result<Tensor> {
        let y = base.linear(x, bias, mode)?;
        self.see(0, x)?;
        Ok(y)
    }

    #[track_caller]
    fn linear_part(
        &self,
        base: &Weight,
        x: &Tensor,
        bias: Option<&Tensor>,
        part: [usize; 2],
        mode: &mut Mode<'_>,
    ) -> Result<Tensor> {
        let y = base.linear_part(x, bias, part, mode)?;
        self.see(0, x)?;
        Ok(y)
    }

    #[track_caller]
    fn convolve(
        &self,
        base: &Weight,
        kind: ConvKind,
        x: &Tensor,
        bias: Option<&Tensor>,
        options: &ConvOptions,
    ) -> Result<Tensor> {
        let y = base.convolve(kind, x, bias, options)?;
        if let Some(dims @ 1..=2) = kind.dims() {
            let _unrecorded = autograd::pause_recording();
            for (group, inputs) in patches(dims, base.shape(), x, options)?.iter().enumerate() {
                self.see(group, inputs)?;
            }
        }
        Ok(y)
    }

    #[track_caller]
    fn look_up(&self, base: &Weight, ids: &Tensor, rows: &dyn Fn(&Tensor) -> Result<Tensor>) -> Result<Tensor> {
        base.look_up(ids, rows)
    }
}
