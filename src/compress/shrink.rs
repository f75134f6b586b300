//! Taking units out of a model.

use std::collections::BTreeMap;
use std::fmt;

use super::masks::Masks;
use super::units::{UnitGroups, under};
use crate::error::{Error, Here, Result};
use crate::layers::{
    BatchNorm1d, BatchNorm2d, BatchNorm3d, Conv1d, Conv2d, Conv3d, InstanceNorm1d, InstanceNorm2d, InstanceNorm3d,
    Layer, Linear, Module, ModuleExt, Param, VisitorMut, Weight,
};
use crate::models::{ConvNet, ResNet};
use crate::tensor::Tensor;

/// Takes the units out of a model of which masks leave nothing: rows of dense layers and channels of convolutions, with their biases and
/// whatever the layers behind make of them. What is left is an ordinary model with fewer numbers, which is saved and opened as such.
///
/// The masks are usually those of [`Pruning::units`](super::Pruning::units). Which units may go is known by [`UnitGroups`]; where several
/// layers make the same ones, those go of which no mask leaves anything. The others stay, and [`Shrunk`] says why.
///
/// A unit without inputs still gives what its bias makes of it. Masks of [`Pruning::tied`](super::Pruning::tied) make biases zero as well: the
/// smaller model is then the masked one, but for rounding, if its activations leave 0 as it is. With other masks the model changes a
/// little, and is best trained on.
///
/// ```
/// use demotic::compress::{Pruning, shrink};
/// use demotic::prelude::*;
///
/// let mut rng = Rng::seed(0);
/// let mut model = sequential![Linear::new(8, 32, &mut rng)?, Relu, Linear::new(32, 1, &mut rng)?];
/// let masks = Pruning::magnitude(0.75).units(2.0).on("0").apply(&mut model)?;
/// let shrunk = shrink(&mut model, &masks)?;
/// assert_eq!((shrunk.before, shrunk.after), (8 * 32 + 32 + 33, 8 * 8 + 8 + 9));
/// assert_eq!(model.predict(&Tensor::ones([1, 8])?)?.shape(), [1, 1]);
/// # Ok::<(), demotic::Error>(())
/// ```
///
/// # Errors
/// If a mask has another shape than its weight, or leaves nothing of any unit; nothing is changed then.
#[track_caller]
pub fn shrink<M: Layer + Clone>(model: &mut M, masks: &Masks) -> Result<Shrunk> {
    let mut smaller = model.clone();
    let shrunk = take_out(&mut smaller, masks)?;
    *model = smaller;
    Ok(shrunk)
}

/// What becomes of a layer: which of its units and channels stay, and which of its inputs, of so many.
#[derive(Default)]
struct Edit {
    units: Option<Tensor>,
    inputs: Option<(Tensor, usize)>,
}

#[track_caller]
fn take_out(model: &mut dyn Layer, masks: &Masks) -> Result<Shrunk> {
    let before = model.as_module().num_parameters();
    let mut weights = BTreeMap::new();
    model.as_module().for_each("*", |path, weight: &Weight| {
        weights.insert(path.to_string(), (weight.shape().to_vec(), usize::from(weight.is_inputs_first())));
    });
    let (mut edits, mut layers) = (BTreeMap::<String, Edit>::new(), Vec::new());
    for group in UnitGroups::of(model).groups() {
        let all = group.units;
        let mut left = Vec::with_capacity(group.makers.len());
        for maker in &group.makers {
            let path = under(maker, "weight");
            left.push(match (masks.get(&path), weights.get(&path)) {
                (Some(mask), Some((shape, dim))) => units_left(mask, shape, *dim).in_layer(path)?,
                _ => vec![true; all],
            });
        }
        let is_less = |left: &[bool]| left.contains(&false);
        if !left.iter().any(|left| is_less(left)) {
            continue;
        }
        let kept: Vec<i64> =
            (0..all).filter(|unit| left.iter().any(|left| left[*unit])).map(|unit| unit as i64).collect();
        if kept.is_empty() {
            let e = Error::state("shrink", "the mask leaves no unit").in_layer(under(&group.makers[0], "weight"));
            return Err(e.with_help("prune a smaller share of its units"));
        }
        let stays = kept.len() == all;
        for (maker, left_here) in group.makers.iter().zip(&left) {
            let others = group.makers.iter().zip(&left).find(|(other, left)| *other != maker && !is_less(left));
            let because = match (&group.kept_because, others) {
                (Some(why), _) => Some(why.clone()),
                (None, Some((other, _))) => Some(format!("{other} makes the same units, and keeps them")),
                (None, None) => stays.then(|| "other layers make the same units, and keep others".to_string()),
            };
            if because.is_none() || is_less(left_here) {
                let after = if because.is_some() { all } else { kept.len() };
                layers.push(Shrink { path: maker.clone(), before: all, after, kept_because: because });
            }
        }
        if stays || group.kept_because.is_some() {
            continue;
        }
        let count = kept.len();
        let kept = Tensor::from_vec(kept, [count])?;
        for path in group.makers.iter().chain(&group.keepers) {
            edits.entry(path.clone()).or_default().units = Some(kept.clone());
        }
        for path in &group.takers {
            edits.entry(path.clone()).or_default().inputs = Some((kept.clone(), all));
        }
    }
    let mut result = Ok(());
    let mut on_module = |path: &str, module: &mut dyn Module| {
        if let (Some(edit), true) = (edits.get(path), result.is_ok()) {
            result = change(module, edit).map_err(|e| e.in_layer(path));
        }
    };
    VisitorMut::with_modules(&mut |_, _| (), &mut on_module).module(model.as_module_mut());
    result.here()?;
    let mut on_model = |_: &str, module: &mut dyn Module| {
        if let Some(model) = module.as_any_mut().downcast_mut::<ResNet>() {
            model.refit();
        } else if let Some(model) = module.as_any_mut().downcast_mut::<ConvNet>() {
            model.refit();
        }
    };
    VisitorMut::with_modules(&mut |_, _| (), &mut on_model).module(model.as_module_mut());
    Ok(Shrunk { before, after: model.as_module().num_parameters(), layers })
}

/// Of which units of a weight with this shape, which are the dimension `dim`, a mask leaves something.
#[track_caller]
fn units_left(mask: &Tensor, shape: &[usize], dim: usize) -> Result<Vec<bool>> {
    if mask.shape() != shape {
        let message = format!("a mask of shape {:?} for a weight of shape {shape:?}", mask.shape());
        return Err(Error::shape("shrink", message));
    }
    let flat = if dim == 0 { mask.clone() } else { mask.t() };
    let flat = flat.contiguous().to_f64_vec();
    let wide = flat.len() / shape[dim].max(1);
    Ok((0..shape[dim]).map(|unit| flat[unit * wide..][..wide].iter().any(|x| *x != 0.0)).collect())
}

/// What [`shrink`] took out. Shown as a table.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Shrunk {
    /// The numbers in all parameters before.
    pub before: usize,
    /// Those that are left.
    pub after: usize,
    /// The layers of which masks leave units out.
    pub layers: Vec<Shrink>,
}

/// What became of a layer.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Shrink {
    /// Its path.
    pub path: String,
    /// How many units it had.
    pub before: usize,
    /// How many it has.
    pub after: usize,
    /// Why all of them stay, if they do.
    pub kept_because: Option<String>,
}

impl fmt::Display for Shrunk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let wide = self.layers.iter().map(|layer| layer.path.len()).max().unwrap_or(0).max(8);
        for Shrink { path, before, after, kept_because } in &self.layers {
            let because = kept_because.as_ref().map_or(String::new(), |why| format!("  ({why})"));
            writeln!(f, "{path:wide$}  {before:>6} units  {after:>6} left{because}")?;
        }
        write!(f, "{:wide$}  {:>12}  {:>6} left", "numbers", self.before, self.after)
    }
}

#[track_caller]
fn change(module: &mut dyn Module, edit: &Edit) -> Result<()> {
    if let Some(kept) = &edit.units {
        units(module, kept)?;
    }
    if let Some((kept, all)) = &edit.inputs {
        inputs(module, kept, *all)?;
    }
    Ok(())
}

#[track_caller]
fn replace(weight: &mut Weight, dim: usize, kept: &Tensor) -> Result<()> {
    let turned = weight.is_inputs_first();
    let Some(param) = weight.param().filter(|_| weight.adapter().is_none()) else {
        let e = Error::state("shrink", "the weight is quantised or has an adapter");
        return Err(e.with_help("shrink first; quantise and adapt what is left"));
    };
    let mut fewer = Param::new(param.value().detach().index_select(dim as isize, kept)?)?;
    fewer.set_trainable(param.is_trainable());
    *weight = if turned { Weight::InputsFirst(fewer) } else { Weight::Dense(fewer) };
    Ok(())
}

#[track_caller]
fn fewer(param: &mut Option<Param>, kept: &Tensor) -> Result<()> {
    if let Some(param) = param {
        let mut new = Param::new(param.value().detach().index_select(0, kept)?)?;
        new.set_trainable(param.is_trainable());
        *param = new;
    }
    Ok(())
}

/// Leaves these outputs, or channels.
#[track_caller]
fn units(module: &mut dyn Module, kept: &Tensor) -> Result<()> {
    let module = module.as_any_mut();
    if let Some(dense) = module.downcast_mut::<Linear>() {
        let dim = usize::from(dense.weight.is_inputs_first());
        replace(&mut dense.weight, dim, kept)?;
        return fewer(&mut dense.bias, kept);
    }
    macro_rules! of {
        ($($Conv:ident $Norm:ident $Other:ident)*) => {$(
            if let Some(conv) = module.downcast_mut::<$Conv>() {
                // Each channel by itself: their number is that of the groups.
                let is_depthwise = conv.weight.shape()[1] == 1 && conv.in_channels() > 1;
                replace(&mut conv.weight, 0, kept)?;
                fewer(&mut conv.bias, kept)?;
                if is_depthwise {
                    conv.set_groups(kept.numel());
                }
            } else if let Some(norm) = module.downcast_mut::<$Norm>() {
                *norm = norm.selected(kept)?;
            } else if let Some(norm) = module.downcast_mut::<$Other>() {
                *norm = norm.selected(kept)?;
            }
        )*};
    }
    of!(Conv1d BatchNorm1d InstanceNorm1d Conv2d BatchNorm2d InstanceNorm2d Conv3d BatchNorm3d InstanceNorm3d);
    Ok(())
}

/// Leaves these of `all` inputs, each of which may be several in a row.
#[track_caller]
fn inputs(module: &mut dyn Module, kept: &Tensor, all: usize) -> Result<()> {
    let module = module.as_any_mut();
    if let Some(dense) = module.downcast_mut::<Linear>() {
        // Behind a `Flatten`, each unit has several inputs.
        let each = dense.in_features() / all.max(1);
        let places =
            kept.to_vec::<i64>()?.into_iter().flat_map(|unit| (0..each).map(move |i| unit * each as i64 + i as i64));
        let places: Vec<i64> = places.collect();
        let dim = usize::from(!dense.weight.is_inputs_first());
        return replace(&mut dense.weight, dim, &Tensor::from_vec(places.clone(), [places.len()])?);
    }
    macro_rules! of {
        ($($Conv:ident)*) => {$(
            if let Some(conv) = module.downcast_mut::<$Conv>() {
                return replace(&mut conv.weight, 1, kept);
            }
        )*};
    }
    of!(Conv1d Conv2d Conv3d);
    Ok(())
}
