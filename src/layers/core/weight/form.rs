//! What a file says of weights that are kept in several tensors.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Factored, Sparse, Weight, as_rows};
use crate::error::Result;
use crate::layers::core::module::Module;
use crate::layers::core::module_ext::ModuleExt;
use crate::tensor::{DType, SparseTensor, Tensor};

/// How a weight is kept.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum WeightForm {
    Sparse { shape: Vec<usize>, count: usize },
    Factored { shape: Vec<usize>, rank: usize },
}

impl WeightForm {
    /// The shape of the weight, with the outputs first.
    pub(crate) fn shape(&self) -> &[usize] {
        match self {
            Self::Sparse { shape, .. } | Self::Factored { shape, .. } => shape,
        }
    }

    /// The names behind that of the weight, and the shapes, of the tensors that it is made of.
    pub(crate) fn parts(&self) -> Vec<(&'static str, Vec<usize>)> {
        let [outputs, inputs] = [self.shape().first(), self.shape().get(1)].map(|size| size.copied().unwrap_or(0));
        match *self {
            Self::Sparse { count, .. } => {
                let offsets = vec![outputs.saturating_add(1)];
                vec![("offsets", offsets), ("columns", vec![count]), ("values", vec![count])]
            }
            Self::Factored { rank, .. } => vec![("left", vec![outputs, rank]), ("right", vec![rank, inputs])],
        }
    }
}

/// How those weights of a model are kept that are made of several tensors, by their paths.
pub(crate) fn forms<M: Module + ?Sized>(model: &M) -> BTreeMap<String, WeightForm> {
    fn of(weight: &Weight) -> Option<WeightForm> {
        match weight {
            Weight::Sparse(sparse) => Some(WeightForm::Sparse { shape: sparse.shape.clone(), count: sparse.count() }),
            Weight::Factored(factored) => {
                Some(WeightForm::Factored { shape: factored.shape.to_vec(), rank: factored.rank() })
            }
            Weight::Adapted(adapted) => of(&adapted.base),
            _ => None,
        }
    }
    let mut found = BTreeMap::new();
    model.for_each("*", |path, weight: &Weight| {
        if let Some(form) = of(weight) {
            found.insert(path.to_string(), form);
        }
    });
    found
}

/// Gives weights of a model these forms, with zeros. Those with another shape stay what they are, which loading will not fail to see.
#[track_caller]
pub(crate) fn form_as(model: &mut dyn Module, all: &BTreeMap<String, WeightForm>) -> Result<()> {
    if all.is_empty() {
        return Ok(());
    }
    model.for_each_mut("*", |path, weight: &mut Weight| {
        let Some(form) = all.get(path) else { return Ok(()) };
        let shape = form.shape();
        let fits = match weight.is_inputs_first() {
            true => shape.iter().rev().eq(weight.shape()),
            false => shape == weight.shape(),
        };
        match *form {
            WeightForm::Sparse { count, .. } if fits && shape.len() > 1 => {
                let mut offsets = vec![0_i32; shape[0]];
                offsets.push(i32::try_from(count).unwrap_or(i32::MAX));
                let offsets = Tensor::from_vec(offsets, [shape[0] + 1])?;
                let columns = Tensor::zeros([count])?.to_dtype(DType::I32);
                let &[rows, wide] = &*as_rows(shape) else { return Ok(()) };
                // Empty matrices have no columns that zeros could stand in.
                if count > 0 && (rows == 0 || wide == 0) {
                    return Ok(());
                }
                let zeros = SparseTensor::from_parts([rows, wide], &offsets, &columns, &Tensor::zeros([count])?)?;
                *weight = Weight::Sparse(Sparse::with_shape(&zeros, shape)?.turned(weight.is_inputs_first()));
            }
            WeightForm::Factored { rank, .. } if fits && shape.len() == 2 && rank > 0 => {
                let (left, right) = (Tensor::zeros([shape[0], rank])?, Tensor::zeros([rank, shape[1]])?);
                *weight = Weight::Factored(Factored::new(left, right)?.turned(weight.is_inputs_first()));
            }
            _ => (),
        }
        Ok(())
    })?;
    Ok(())
}

/// Whether the parts of all sparse weights, which were read from somewhere, are those of matrices.
#[track_caller]
pub(crate) fn check_forms(model: &dyn Module) -> Result<()> {
    let mut failed = None;
    model.for_each("*", |path, weight: &Weight| {
        if let (None, Some(sparse)) = (&failed, weight.sparse()) {
            failed = sparse.value().err().map(|e| e.in_layer(path));
        }
    });
    failed.map_or(Ok(()), Err)
}
