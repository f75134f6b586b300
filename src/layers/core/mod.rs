//! What all layers are built on: parameters and their names, the pass that goes through them, and what is made of layers.

mod architecture;
mod container;
mod gradients;
mod hooks;
mod init;
mod layer;
mod mode;
mod module;
mod param;
mod share;
mod size;
mod summary;

pub use architecture::{Architecture, Blueprint};
#[doc(hidden)]
pub use architecture::{Described, WithArchitecture, WithoutArchitecture};
pub use container::{Residual, Sequential};
pub use gradients::NamedGradients;
pub use hooks::{Hooks, OnOutput, Place, on_output};
pub use init::{Fan, Gain, Init};
pub use layer::{CloneLayer, Layer, LayerExt};
pub use mode::{LayerOutput, Mode, Name};
pub use module::{Module, ModuleExt, Slot, SlotMut, Visitor, VisitorMut};
pub(crate) use param::RowLimit;
pub use param::{Buffer, Param};
pub use share::{checkpointed, share};
pub use summary::{Row, Summary};

pub(crate) use container::inside;
pub(crate) use module::matches;
pub(crate) use size::{Count, check_memory};
