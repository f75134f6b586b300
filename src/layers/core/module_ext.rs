//! What can be done with every module, and with the modules in it.

use super::module::{Module, Role, Slot, SlotMut, Visitor, VisitorMut, short_type_name};
use super::param::Param;
use super::weight::{WeightForm, forms, quantized};
use crate::error::{Error, Here, Result, meant};
use crate::tensor::{DType, Tensor};

/// What every module can do.
pub trait ModuleExt: Module {
    /// The parameters with their paths, in the order of the fields.
    fn named_parameters(&self) -> Vec<(String, Tensor)> {
        let mut all = Vec::new();
        let mut on_slot = |path: &str, slot: Slot<'_>| {
            if let Slot::Param(param) = slot {
                all.push((path.to_string(), param.value().clone()));
            }
        };
        self.visit(&mut Visitor::new(&mut on_slot));
        all
    }

    /// The number of values in all parameters, those of quantised weights and those that sparse ones keep included.
    fn num_parameters(&self) -> usize {
        let quantized = quantized(self).values().map(|how| how.shape.iter().product::<usize>()).sum::<usize>();
        let kept = |form: &WeightForm| if let WeightForm::Sparse { count, .. } = form { *count } else { 0 };
        let sparse = forms(self).values().map(kept).sum::<usize>();
        self.named_parameters().iter().map(|(_, value)| value.numel()).sum::<usize>() + quantized + sparse
    }

    /// The number of values in the parameters that are not frozen.
    fn num_trainable_parameters(&self) -> usize {
        self.named_parameters().iter().filter(|(_, value)| value.is_tracked()).map(|(_, value)| value.numel()).sum()
    }

    /// Freezes the parameters whose path matches `pattern`, in which `*` stands for any text: `encoder.*`,
    /// `*.bias`. Returns how many there were.
    ///
    /// # Errors
    /// If there are none.
    #[track_caller]
    fn freeze(&mut self, pattern: &str) -> Result<usize> {
        set_trainable(self, "freeze", pattern, false)
    }

    /// Makes the parameters whose path matches `pattern` trainable again; see [`freeze`](ModuleExt::freeze).
    ///
    /// # Errors
    /// If there are none.
    #[track_caller]
    fn unfreeze(&mut self, pattern: &str) -> Result<usize> {
        set_trainable(self, "unfreeze", pattern, true)
    }

    /// The paths of all modules in the model, the model itself included, and their kinds, each before what is in it.
    /// Parameters and buffers are not among them.
    ///
    /// ```
    /// use demotic::prelude::*;
    ///
    /// let model = sequential![Linear::new(4, 8, &mut Rng::seed(0))?, Relu];
    /// let modules = model.modules();
    /// let expected = [("", "Sequential"), ("0", "Linear"), ("1", "Relu")];
    /// assert!(modules.iter().map(|(path, kind)| (path.as_str(), *kind)).eq(expected));
    /// # Ok::<(), demotic::Error>(())
    /// ```
    fn modules(&self) -> Vec<(String, &'static str)> {
        let mut all = Vec::new();
        let mut on_module = |path: &str, module: &dyn Module| {
            if module.role() == Role::Layer {
                all.push((path.to_string(), module.kind()));
            }
        };
        Visitor::with_modules(&mut |_, _| (), &mut on_module).module(self.as_module());
        all
    }

    /// Calls `f` with every module of type `L` whose path matches `pattern`, in which `*` stands for any text. The path of the
    /// model itself is empty.
    fn for_each<L: Module>(&self, pattern: &str, mut f: impl FnMut(&str, &L)) {
        let mut on_module = |path: &str, module: &dyn Module| {
            if let Some(module) = module.as_any_ref().downcast_ref::<L>()
                && matches(pattern, path)
            {
                f(path, module);
            }
        };
        Visitor::with_modules(&mut |_, _| (), &mut on_module).module(self.as_module());
    }

    /// Calls `f` with every module of type `L` whose path matches `pattern`, for changing it, before what is in it. Returns how
    /// many there were. `Box<dyn Layer>` is a type too: such a place can be given another layer.
    ///
    /// # Errors
    /// If there are none, and the first error of `f`, after which it is not called any more; or if `f` puts what is in a place
    /// into another one that matches as well, again and again.
    ///
    /// ```
    /// use demotic::prelude::*;
    ///
    /// let mut rng = Rng::seed(0);
    /// let mut model = sequential![Linear::new(4, 8, &mut rng)?, Relu, Linear::new(8, 2, &mut rng)?];
    /// let changed = model.for_each_mut("*", |_path, layer: &mut Linear| {
    ///     layer.bias = None;
    ///     Ok(())
    /// })?;
    /// assert_eq!((changed, model.num_parameters()), (2, 48));
    /// # Ok::<(), demotic::Error>(())
    /// ```
    #[track_caller]
    fn for_each_mut<L: Module>(
        &mut self,
        pattern: &str,
        mut f: impl FnMut(&str, &mut L) -> Result<()>,
    ) -> Result<usize> {
        let (mut count, mut others, mut result) = (0, Vec::new(), Ok(()));
        // What `f` puts into a place is visited next: if it puts that into a new layer in the same place, without end.
        let mut is_endless = false;
        let mut on_module = |path: &str, module: &mut dyn Module| {
            let Some(module) = module.as_any_mut().downcast_mut::<L>() else { return };
            if !matches(pattern, path) {
                others.push(path.to_string());
            } else if path.matches('.').count() >= MAX_NAMES {
                is_endless = true;
            } else if result.is_ok() && !is_endless {
                count += 1;
                result = f(path, module);
            }
        };
        VisitorMut::with_modules(&mut |_, _| (), &mut on_module).module(self.as_module_mut());
        result?;
        if is_endless {
            let message = format!("modules that are nested in each other more than {MAX_NAMES} levels deep");
            return Err(Error::state("for_each_mut", message).with_help(
                "what is put into a place is visited next: choose a pattern that does not match what is in it",
            ));
        }
        if count > 0 {
            return Ok(count);
        }
        let kind = short_type_name::<L>();
        Err(Error::parameter("for_each_mut", format!("no {kind} matches `{pattern}`")).with_help(
            match others.is_empty() {
                true => format!("the model has no {kind}"),
                false => format!("every {kind} of the model: {}", others.join(", ")),
            },
        ))
    }

    /// Converts all parameters and buffers of floating types to another one. Parameters keep their names, and whether they are
    /// trained; gradients and the states of optimizers from before are not theirs.
    ///
    /// # Errors
    /// If parameters cannot be of this type, or memory does not suffice; nothing is changed then.
    ///
    /// ```
    /// use demotic::prelude::*;
    ///
    /// let mut model = sequential![Linear::new(4, 8, &mut Rng::seed(0))?, Relu];
    /// model.to_dtype(DType::F64)?;
    /// assert_eq!(model.predict(&Tensor::ones([1, 4])?.to_dtype(DType::F64))?.dtype(), DType::F64);
    /// # Ok::<(), demotic::Error>(())
    /// ```
    #[track_caller]
    fn to_dtype(&mut self, dtype: DType) -> Result<()> {
        Param::new(Tensor::full_dtype([0], 0.0, dtype)?)
            .map_err(|_| Error::dtype("to_dtype", format!("parameters of type {dtype}, which has no gradients")))
            .here()?;
        let mut result = Ok(());
        let mut on_slot = |_: &str, slot: SlotMut<'_>| match slot {
            SlotMut::Param(param) => {
                if result.is_ok() && param.dtype() != dtype {
                    result = param.retype(dtype);
                }
            }
            SlotMut::Buffer(buffer) => buffer.retype(dtype),
        };
        VisitorMut::new(&mut on_slot).module(self.as_module_mut());
        result
    }
}

impl<M: Module + ?Sized> ModuleExt for M {}

/// How many names the path of a module may have that [`ModuleExt::for_each_mut`] changes.
const MAX_NAMES: usize = 256;

#[track_caller]
fn set_trainable<M: Module + ?Sized>(
    module: &mut M,
    op: &'static str,
    pattern: &str,
    trainable: bool,
) -> Result<usize> {
    let (mut count, mut names) = (0, Vec::new());
    let mut on_slot = |path: &str, slot: SlotMut<'_>| {
        if let SlotMut::Param(param) = slot {
            names.push(path.to_string());
            if matches(pattern, path) {
                param.set_trainable(trainable);
                count += 1;
            }
        }
    };
    VisitorMut::new(&mut on_slot).module(module.as_module_mut());
    if count == 0 {
        let message = format!("no parameter matches `{pattern}`");
        return Err(Error::parameter(op, message).with_help(meant(pattern, "parameters", &names)));
    }
    Ok(count)
}

/// Whether a path matches a pattern in which `*` stands for any text, including none.
pub(crate) fn matches(pattern: &str, path: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|first| path.strip_prefix(first)) else { return false };
    let Some(last) = parts.next_back() else { return rest.is_empty() };
    for part in parts {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.len() >= last.len() && rest.ends_with(last)
}

#[cfg(test)]
mod tests;
