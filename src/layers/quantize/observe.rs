//! What the weights of a model are multiplied with while it runs.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::autograd::{self, ConvOptions, patches};
use crate::error::Result;
use crate::layers::core::{Adapter, ConvKind, Mode, Module, ModuleExt, Weight};
use crate::tensor::{DType, Tensor};

/// How many inputs are multiplied with each other at a time.
const ROWS: usize = 4096;

/// An adapter that changes nothing, and adds up the products of what its weight is multiplied with.
#[derive(Clone, Default)]
struct Observer {
    /// `[in, in]` of type `F64`, for each group of a convolution.
    products: Arc<Mutex<Vec<Tensor>>>,
}

crate::module!(Observer {}, plain { products });

impl Observer {
    /// Nothing if nothing was seen.
    fn products(&self) -> Vec<Tensor> {
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

/// These weights, in parts of which the products of inputs fit into so many bytes.
pub(crate) fn in_parts(model: &dyn Module, all: &[String], max_bytes: usize) -> Vec<Vec<String>> {
    let (mut parts, mut taken) = (vec![Vec::new()], 0_usize);
    model.for_each("*", |path, weight: &Weight| {
        if !all.iter().any(|one| one == path) {
            return;
        }
        let inputs = match *weight.shape() {
            [inputs, _] if weight.is_inputs_first() => inputs,
            ref shape => shape.iter().skip(1).product(),
        };
        let bytes = inputs.saturating_mul(inputs).saturating_mul(8);
        if taken > 0 && taken.saturating_add(bytes) > max_bytes {
            parts.push(Vec::new());
            taken = 0;
        }
        taken = taken.saturating_add(bytes);
        if let Some(part) = parts.last_mut() {
            part.push(path.to_string());
        }
    });
    parts
}

/// Runs a model, and gives what each of these weights was multiplied with: the sum of the products of inputs with each other, `[in, in]`
/// of type `F64`, for each group of a convolution. Nothing for weights that were not met.
#[track_caller]
pub(crate) fn products_of<M: ModuleExt + ?Sized>(
    model: &mut M,
    paths: &[String],
    run: &mut dyn FnMut(&M) -> Result<()>,
) -> Result<HashMap<String, Vec<Tensor>>> {
    let observers = observe(model.as_module_mut(), paths)?;
    let ran = {
        let _unrecorded = autograd::pause_recording();
        run(model)
    };
    leave(model.as_module_mut(), paths)?;
    ran?;
    Ok(observers.into_iter().map(|(path, observer)| (path, observer.products())).collect())
}

/// Puts an observer beside each of the weights.
#[track_caller]
fn observe(model: &mut dyn Module, paths: &[String]) -> Result<HashMap<String, Observer>> {
    let mut observers = HashMap::new();
    let put = model.for_each_mut("*", |path, weight: &mut Weight| {
        if paths.iter().any(|one| one == path) {
            let observer = Observer::default();
            weight.adapt(observer.clone())?;
            observers.insert(path.to_string(), observer);
        }
        Ok(())
    });
    match put {
        Ok(_) => Ok(observers),
        Err(e) => {
            leave(model, paths)?;
            Err(e)
        }
    }
}

/// Takes the observers out again.
#[track_caller]
fn leave(model: &mut dyn Module, paths: &[String]) -> Result<()> {
    model.for_each_mut("*", |path, weight: &mut Weight| {
        let is_seen = weight.adapter().is_some_and(|adapter| adapter.as_module().as_any_ref().is::<Observer>());
        if is_seen && paths.iter().any(|one| one == path) {
            weight.take_adapter();
        }
        Ok(())
    })?;
    Ok(())
}
