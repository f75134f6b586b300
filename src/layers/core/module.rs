//! Models as trees of named parameters.

use std::any::Any;
use std::collections::BTreeMap;
use std::fmt;

use super::architecture::Blueprint;
use super::param::{Buffer, Param};
use crate::error::Result;

/// Something with parameters: a layer, a model, or a list of them.
///
/// Implement it with [`module!`](crate::module!), which visits every field under its own name.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no module: nothing with parameters",
    note = "fields that are neither parameters nor layers stand behind `plain`: `module!(Type {{ fc }}, plain {{ classes }})`",
    note = "a tensor that is to be trained is a `Param`: `Param::new(tensor)?`",
    note = "a type of your own becomes a module by `module!(Type {{ .. }})`"
)]
pub trait Module: AsModule + Send + Sync {
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

    /// Brings the parameters back to where they may be, after they were changed from outside: by the step of an optimizer, by
    /// loading, or in any other visit of [`VisitorMut`]. `module!(Type { .. }, constrain method)` lets it call a method of
    /// yours; nothing is done otherwise.
    fn constrain(&mut self) {}

    /// What the module is in lists of modules.
    #[doc(hidden)]
    fn role(&self) -> Role {
        Role::Layer
    }
}

/// What a module is in lists of modules.
#[doc(hidden)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Something of its own.
    Layer,
    /// Another module in a box, an option or a variant, which is at the same path.
    Wrapper,
    /// A parameter, a buffer or a weight, which belongs to what it is in.
    Leaf,
}

/// A module as a value behind a pointer, and as one whose type can be asked for; implemented for every module.
#[doc(hidden)]
pub trait AsModule: 'static {
    fn as_module(&self) -> &dyn Module;
    fn as_module_mut(&mut self) -> &mut dyn Module;
    fn as_any_ref(&self) -> &dyn Any;
    fn as_any_mut(&mut self) -> &mut dyn Any;
}

impl<M: Module> AsModule for M {
    fn as_module(&self) -> &dyn Module {
        self
    }
    fn as_module_mut(&mut self) -> &mut dyn Module {
        self
    }
    fn as_any_ref(&self) -> &dyn Any {
        self
    }
    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }
}

/// A type's name without modules and parameters.
pub(super) fn short_type_name<T: ?Sized>() -> &'static str {
    fn short(name: &'static str) -> &'static str {
        let name = name.split('<').next().unwrap_or(name);
        name.rsplit("::").next().unwrap_or(name)
    }
    short(std::any::type_name::<T>())
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
    ($(#[$doc:meta])* $Visitor:ident, $Slot:ident, $visit:ident $(, $mut:tt, $constrain:ident)?) => {
        $(#[$doc])*
        pub struct $Visitor<'v> {
            path: Path,
            on_slot: &'v mut dyn FnMut(&str, $Slot<'_>),
            /// Called with the path of each module, and the module, before its fields.
            on_module: Option<&'v mut dyn FnMut(&str, &$($mut)? dyn Module)>,
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
                    on_module(&self.path.0, &$($mut)? *module);
                }
                module.$visit(self);
                $(module.$constrain();)?
            }

            /// A visitor that is also told of every module that it enters, with its path.
            pub(crate) fn with_modules(
                on_slot: &'v mut dyn FnMut(&str, $Slot<'_>),
                on_module: &'v mut dyn FnMut(&str, &$($mut)? dyn Module),
            ) -> Self {
                Self { path: Path::default(), on_slot, on_module: Some(on_module) }
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
    VisitorMut, SlotMut, visit_mut, mut, constrain
}

impl Module for Param {
    fn visit(&self, visitor: &mut Visitor<'_>) {
        visitor.slot(Slot::Param(self));
    }
    fn visit_mut(&mut self, visitor: &mut VisitorMut<'_>) {
        visitor.slot(SlotMut::Param(self));
    }
    fn role(&self) -> Role {
        Role::Leaf
    }
}

impl Module for Buffer {
    fn visit(&self, visitor: &mut Visitor<'_>) {
        visitor.slot(Slot::Buffer(self));
    }
    fn visit_mut(&mut self, visitor: &mut VisitorMut<'_>) {
        visitor.slot(SlotMut::Buffer(self));
    }
    fn role(&self) -> Role {
        Role::Leaf
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

/// Its members are named by their keys.
impl<M: Module> Module for BTreeMap<String, M> {
    fn visit(&self, visitor: &mut Visitor<'_>) {
        self.iter().for_each(|(key, module)| visitor.field(key, module));
    }
    fn visit_mut(&mut self, visitor: &mut VisitorMut<'_>) {
        self.iter_mut().for_each(|(key, module)| visitor.field(key, module));
    }
}

/// The members of a tuple are named by their positions.
macro_rules! module_tuples {
    ($($($M:ident $index:tt),+;)*) => {$(
        impl<$($M: Module),+> Module for ($($M,)+) {
            fn visit(&self, visitor: &mut Visitor<'_>) {
                $(visitor.field($index, &self.$index);)+
            }
            fn visit_mut(&mut self, visitor: &mut VisitorMut<'_>) {
                $(visitor.field($index, &mut self.$index);)+
            }
            fn kind(&self) -> &'static str {
                "tuple"
            }
        }
    )*};
}

module_tuples! {
    A 0;
    A 0, B 1;
    A 0, B 1, C 2;
    A 0, B 1, C 2, D 3;
    A 0, B 1, C 2, D 3, E 4;
    A 0, B 1, C 2, D 3, E 4, F 5;
}

impl<M: Module> Module for Option<M> {
    fn visit(&self, visitor: &mut Visitor<'_>) {
        if let Some(module) = self {
            visitor.module(module);
        }
    }
    fn visit_mut(&mut self, visitor: &mut VisitorMut<'_>) {
        if let Some(module) = self {
            visitor.module(module);
        }
    }
    fn kind(&self) -> &'static str {
        self.as_ref().map_or("None", Module::kind)
    }
    fn role(&self) -> Role {
        Role::Wrapper
    }
}

impl<M: Module + ?Sized> Module for Box<M> {
    fn visit(&self, visitor: &mut Visitor<'_>) {
        visitor.module((**self).as_module());
    }
    fn visit_mut(&mut self, visitor: &mut VisitorMut<'_>) {
        visitor.module((**self).as_module_mut());
    }
    fn kind(&self) -> &'static str {
        (**self).kind()
    }
    fn blueprint(&self) -> Option<Result<Blueprint>> {
        (**self).blueprint()
    }
    fn role(&self) -> Role {
        Role::Wrapper
    }
}

/// A value of any type, for expressions of [`module!`](crate::module!) that are only compiled.
#[doc(hidden)]
#[must_use]
#[allow(clippy::empty_loop, reason = "it is never called")]
pub fn any_value<T>() -> T {
    loop {}
}

/// Implements [`Module`](crate::layers::Module) for a struct: `module!(Type { trained, fields }, plain { others })`.
///
/// The fields of the first list are modules themselves: parameters, buffers, layers, or lists, maps, tuples and options of
/// them. Those behind `plain` are not. Every field must be named in one of the two; a forgotten one does not compile:
///
/// ```compile_fail,E0063
/// use demotic::{layers::Linear, module};
///
/// struct Head {
///     fc: Linear,
///     classes: usize,
/// }
///
/// module!(Head { fc }); // error: missing field `classes` in initializer of `Head`
/// ```
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
///
/// A parameter can have another name than its field, as those have to that are keywords elsewhere; type parameters are modules
/// and may have bounds; of an enum, every variant holds a module, whose parameters have no name before theirs:
///
/// ```
/// use demotic::layers::{Linear, Module, ModuleExt, Relu};
/// use demotic::{module, Result, Rng};
///
/// struct Attention<P: Clone> {
///     query: P,
///     feed: Feed,
/// }
///
/// enum Feed {
///     Dense(Linear),
///     Nothing(Relu),
/// }
///
/// module!(Attention<P: Clone> { query as "self", feed });
/// module!(enum Feed { Dense(Linear), Nothing(Relu) });
///
/// let mut rng = Rng::seed(0);
/// let layer = Attention { query: Linear::new(4, 4, &mut rng)?, feed: Feed::Dense(Linear::new(4, 3, &mut rng)?) };
/// let names: Vec<String> = layer.named_parameters().into_iter().map(|(name, _)| name).collect();
/// assert_eq!(names, ["self.weight", "self.bias", "feed.weight", "feed.bias"]);
/// let _ = Feed::Nothing(Relu);
/// # Ok::<(), demotic::Error>(())
/// ```
///
/// With `constrain method` at the end, the method is called whenever the parameters were changed from outside; see
/// [`Module::constrain`](crate::layers::Module::constrain).
#[macro_export]
macro_rules! module {
    (@name $field:ident) => { stringify!($field) };
    (@name $field:ident $name:literal) => { $name };
    (
        enum $Type:ident
        $(<$($generic:ident $(: $($bound:ident)::+ $(+ $($more:ident)::+)*)?),+ $(,)?>)?
        { $($Variant:ident($Inner:ty)),+ $(,)? } $(,)?
    ) => {
        impl $(<$($generic $(: $($bound)::+ $(+ $($more)::+)*)?),+>)? $crate::layers::Module for $Type $(<$($generic),+>)?
        where $($($generic: $crate::layers::Module,)+)?
        {
            fn visit(&self, visitor: &mut $crate::layers::Visitor<'_>) {
                match self {
                    $(Self::$Variant(module) => visitor.module(module as &$Inner),)+
                }
            }
            fn visit_mut(&mut self, visitor: &mut $crate::layers::VisitorMut<'_>) {
                match self {
                    $(Self::$Variant(module) => visitor.module(module as &mut $Inner),)+
                }
            }
            fn kind(&self) -> &'static str {
                match self {
                    $(Self::$Variant(module) => $crate::layers::Module::kind(module),)+
                }
            }
            fn blueprint(&self) -> Option<$crate::Result<$crate::layers::Blueprint>> {
                #[allow(unused_imports, reason = "one of the two applies")]
                use $crate::layers::{WithArchitecture as _, WithoutArchitecture as _};
                (&$crate::layers::Described(self)).blueprint_of()
            }
            fn role(&self) -> $crate::layers::Role {
                $crate::layers::Role::Wrapper
            }
        }
    };
    (
        $Type:ident
        $(<$($generic:ident $(: $($bound:ident)::+ $(+ $($more:ident)::+)*)?),+ $(,)?>)?
        { $($field:ident $(as $name:literal)?),* $(,)? }
        $(, plain { $($plain:ident),* $(,)? })?
        $(, constrain $constrain:ident)?
        $(,)?
    ) => {
        impl $(<$($generic $(: $($bound)::+ $(+ $($more)::+)*)?),+>)? $crate::layers::Module for $Type $(<$($generic),+>)?
        where $($($generic: $crate::layers::Module,)+)?
        {
            fn visit(&self, visitor: &mut $crate::layers::Visitor<'_>) {
                // Every field has to be named, and the compiler's message for an expression names the one that was not.
                let _ = || Self {
                    $($field: $crate::layers::any_value(),)*
                    $($($plain: $crate::layers::any_value(),)*)?
                };
                let Self { $($field,)* .. } = self;
                $(visitor.field($crate::module!(@name $field $($name)?), $field);)*
                let _ = visitor;
            }
            fn visit_mut(&mut self, visitor: &mut $crate::layers::VisitorMut<'_>) {
                let Self { $($field,)* .. } = self;
                $(visitor.field($crate::module!(@name $field $($name)?), $field);)*
                let _ = visitor;
            }
            fn blueprint(&self) -> Option<$crate::Result<$crate::layers::Blueprint>> {
                #[allow(unused_imports, reason = "one of the two applies")]
                use $crate::layers::{WithArchitecture as _, WithoutArchitecture as _};
                (&$crate::layers::Described(self)).blueprint_of()
            }
            $(
                fn constrain(&mut self) {
                    self.$constrain();
                }
            )?
        }
    };
}
