//! Models as trees of named parameters.

use std::fmt;

use super::architecture::Blueprint;
use super::param::{Buffer, Param};
use crate::error::{Error, Result};

/// Something with parameters: a layer, a model, or a list of them.
///
/// Implement it with [`module!`](crate::module!), which visits every field under its own name.
pub trait Module: Send + Sync {
    /// Shows every parameter and buffer to the visitor.
    fn visit(&self, visitor: &mut Visitor<'_>);

    /// Shows every parameter and buffer to the visitor, for changing them.
    fn visit_mut(&mut self, visitor: &mut VisitorMut<'_>);

    /// What the module is called in summaries: its type's name.
    fn kind(&self) -> &'static str {
        short_type_name::<Self>()
    }

    /// From what the module can be made anew, if it is a model with an [`Architecture`](super::Architecture): what
    /// [`SaveLoad::save`](crate::io::SaveLoad::save) writes beside the parameters. [`module!`](crate::module!) finds out by
    /// itself; an implementation of this trait by hand returns `Some(Blueprint::of(self))`.
    fn blueprint(&self) -> Option<Result<Blueprint>> {
        None
    }
}

/// A type's name without modules and parameters.
fn short_type_name<T: ?Sized>() -> &'static str {
    let name = std::any::type_name::<T>();
    let name = name.split('<').next().unwrap_or(name);
    name.rsplit("::").next().unwrap_or(name)
}

/// One leaf of the tree of a model.
#[derive(Debug)]
pub enum Slot<'a> {
    /// A parameter.
    Param(&'a Param),
    /// A buffer.
    Buffer(&'a Buffer),
}

/// One leaf of the tree of a model, for changing it.
#[derive(Debug)]
pub enum SlotMut<'a> {
    /// A parameter.
    Param(&'a mut Param),
    /// A buffer.
    Buffer(&'a mut Buffer),
}

/// The dotted path to the field that a visitor is at.
#[derive(Default)]
struct Path(String);

impl Path {
    /// Appends a name and returns the length to go back to.
    fn enter(&mut self, name: impl fmt::Display) -> usize {
        use fmt::Write as _;
        let before = self.0.len();
        if before > 0 {
            self.0.push('.');
        }
        // Writing to a string cannot fail.
        let _ = write!(self.0, "{name}");
        before
    }

    fn leave(&mut self, before: usize) {
        self.0.truncate(before);
    }
}

macro_rules! visitor {
    ($(#[$doc:meta])* $Visitor:ident, $Slot:ident, $visit:ident $(, $mut:tt)?) => {
        $(#[$doc])*
        pub struct $Visitor<'v> {
            path: Path,
            on_slot: &'v mut dyn FnMut(&str, $Slot<'_>),
            /// Called with the path of each module, and the module, before its fields.
            on_module: Option<&'v mut dyn FnMut(&str, &dyn Module)>,
        }

        impl<'v> $Visitor<'v> {
            /// A visitor that calls `on_slot` with the path of each parameter and buffer.
            pub fn new(on_slot: &'v mut dyn FnMut(&str, $Slot<'_>)) -> Self {
                Self { path: Path::default(), on_slot, on_module: None }
            }

            /// Visits a field of a module under its name.
            pub fn field(&mut self, name: impl fmt::Display, module: &$($mut)? dyn Module) {
                let before = self.path.enter(name);
                self.module(module);
                self.path.leave(before);
            }

            /// Visits a module at the present path.
            pub fn module(&mut self, module: &$($mut)? dyn Module) {
                if let Some(on_module) = &mut self.on_module {
                    on_module(&self.path.0, &*module);
                }
                module.$visit(self);
            }

            fn slot(&mut self, slot: $Slot<'_>) {
                (self.on_slot)(&self.path.0, slot);
            }
        }

        impl fmt::Debug for $Visitor<'_> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}(at `{}`)", stringify!($Visitor), self.path.0)
            }
        }
    };
}

visitor! {
    /// Walks through a model, keeping track of the path.
    Visitor, Slot, visit
}
visitor! {
    /// Walks through a model, keeping track of the path, and may change it.
    VisitorMut, SlotMut, visit_mut, mut
}

impl<'v> Visitor<'v> {
    /// A visitor that is also told of every module that it enters, with its path.
    pub(crate) fn with_modules(
        on_slot: &'v mut dyn FnMut(&str, Slot<'_>),
        on_module: &'v mut dyn FnMut(&str, &dyn Module),
    ) -> Self {
        Self { path: Path::default(), on_slot, on_module: Some(on_module) }
    }
}

impl Module for Param {
    fn visit(&self, visitor: &mut Visitor<'_>) {
        visitor.slot(Slot::Param(self));
    }
    fn visit_mut(&mut self, visitor: &mut VisitorMut<'_>) {
        visitor.slot(SlotMut::Param(self));
    }
}

impl Module for Buffer {
    fn visit(&self, visitor: &mut Visitor<'_>) {
        visitor.slot(Slot::Buffer(self));
    }
    fn visit_mut(&mut self, visitor: &mut VisitorMut<'_>) {
        visitor.slot(SlotMut::Buffer(self));
    }
}

/// A list's members are named by their positions.
macro_rules! module_list {
    ($([$($generics:tt)*] $List:ty;)*) => {$(
        impl<$($generics)*> Module for $List {
            fn visit(&self, visitor: &mut Visitor<'_>) {
                self.iter().enumerate().for_each(|(i, module)| visitor.field(i, module));
            }
            fn visit_mut(&mut self, visitor: &mut VisitorMut<'_>) {
                self.iter_mut().enumerate().for_each(|(i, module)| visitor.field(i, module));
            }
        }
    )*};
}

module_list! {
    [M: Module] Vec<M>;
    [M: Module, const N: usize] [M; N];
}

impl<M: Module> Module for Option<M> {
    fn visit(&self, visitor: &mut Visitor<'_>) {
        if let Some(module) = self {
            module.visit(visitor);
        }
    }
    fn visit_mut(&mut self, visitor: &mut VisitorMut<'_>) {
        if let Some(module) = self {
            module.visit_mut(visitor);
        }
    }
    fn kind(&self) -> &'static str {
        self.as_ref().map_or("None", Module::kind)
    }
}

impl<M: Module + ?Sized> Module for Box<M> {
    fn visit(&self, visitor: &mut Visitor<'_>) {
        (**self).visit(visitor);
    }
    fn visit_mut(&mut self, visitor: &mut VisitorMut<'_>) {
        (**self).visit_mut(visitor);
    }
    fn kind(&self) -> &'static str {
        (**self).kind()
    }
    fn blueprint(&self) -> Option<Result<Blueprint>> {
        (**self).blueprint()
    }
}

/// Implements [`Module`](crate::layers::Module) for a struct: `module!(Type { trained, fields }, plain { others })`.
///
/// The fields of the first list are modules themselves: parameters, buffers, layers, or lists and options of
/// them. Those behind `plain` are not. Every field must be named in one of the two; a forgotten one does not compile.
///
/// ```
/// use demotic::layers::{Linear, Module, ModuleExt, Param};
/// use demotic::{module, Result, Rng};
///
/// struct Head {
///     norm: Param,
///     fc: Linear,
///     classes: usize,
/// }
///
/// module!(Head { norm, fc }, plain { classes });
///
/// let mut rng = Rng::seed(0);
/// let head = Head { norm: Param::new(demotic::tensor![1.0])?, fc: Linear::new(4, 3, &mut rng)?, classes: 3 };
/// let names: Vec<String> = head.named_parameters().into_iter().map(|(name, _)| name).collect();
/// assert_eq!(names, ["norm", "fc.weight", "fc.bias"]);
/// # Ok::<(), demotic::Error>(())
/// ```
#[macro_export]
macro_rules! module {
    ($Type:ident $(<$($generic:ident),*>)? { $($field:ident),* $(,)? } $(, plain { $($plain:ident),* $(,)? })? $(,)?) => {
        impl $(<$($generic: $crate::layers::Module),*>)? $crate::layers::Module for $Type $(<$($generic),*>)? {
            fn visit(&self, visitor: &mut $crate::layers::Visitor<'_>) {
                let Self { $($field,)* $($($plain: _,)*)? } = self;
                $(visitor.field(stringify!($field), $field);)*
                let _ = visitor;
            }
            fn visit_mut(&mut self, visitor: &mut $crate::layers::VisitorMut<'_>) {
                let Self { $($field,)* $($($plain: _,)*)? } = self;
                $(visitor.field(stringify!($field), $field);)*
                let _ = visitor;
            }
            fn blueprint(&self) -> Option<$crate::Result<$crate::layers::Blueprint>> {
                #[allow(unused_imports, reason = "one of the two applies")]
                use $crate::layers::{WithArchitecture as _, WithoutArchitecture as _};
                (&$crate::layers::Described(self)).blueprint_of()
            }
        }
    };
}

/// What every module can do.
pub trait ModuleExt: Module {
    /// The parameters with their paths, in the order of the fields.
    fn named_parameters(&self) -> Vec<(String, crate::Tensor)> {
        let mut all = Vec::new();
        let mut on_slot = |path: &str, slot: Slot<'_>| {
            if let Slot::Param(param) = slot {
                all.push((path.to_string(), param.value().clone()));
            }
        };
        self.visit(&mut Visitor::new(&mut on_slot));
        all
    }

    /// The number of values in all parameters.
    fn num_parameters(&self) -> usize {
        self.named_parameters().iter().map(|(_, value)| value.numel()).sum()
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
}

impl<M: Module + ?Sized> ModuleExt for M {}

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
    module.visit_mut(&mut VisitorMut::new(&mut on_slot));
    if count == 0 {
        let message = format!("no parameter matches `{pattern}`");
        return Err(Error::parameter(op, message).with_help(format!("the parameters are {}", names.join(", "))));
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
mod tests {
    use super::matches;

    #[test]
    fn patterns() {
        for (pattern, path, expected) in [
            ("*", "a.b", true),
            ("a.*", "a.b", true),
            ("*.bias", "0.bias", true),
            ("*.bias", "0.weight", false),
            ("a.*.w", "a.b.c.w", true),
            ("a.w", "a.w", true),
            ("a", "a.w", false),
            ("ab*ba", "aba", false),
            ("", "", true),
            ("**", "x", true),
        ] {
            assert_eq!(matches(pattern, path), expected, "{pattern} on {path}");
        }
    }
}
