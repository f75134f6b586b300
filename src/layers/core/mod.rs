//! What all layers are built on: parameters and their names, the pass that goes through them, and what is made of layers.

mod architecture;
mod config;
mod container;
mod gradients;
mod hooks;
mod init;
mod init_structured;
mod layer;
mod mode;
mod module;
mod module_ext;
mod options;
mod param;
mod shard;
mod share;
mod size;
mod summary;
mod weight;

pub use architecture::{Architecture, Blueprint};
#[doc(hidden)]
pub use architecture::{Described, WithArchitecture, WithoutArchitecture};
pub use config::LayerConfig;
pub use container::{Residual, Sequential};
pub use gradients::NamedGradients;
pub use hooks::{Hooks, OnOutput, Place, on_output};
pub use init::{Distribution, Fan, Gain, Init};
pub use layer::{CloneLayer, IntoLayer, Layer, LayerExt};
pub use mode::{LayerOutput, Mode, Name};
#[doc(hidden)]
pub use module::{AsModule, Role, any_value};
pub use module::{Module, Slot, SlotMut, Visitor, VisitorMut};
pub use module_ext::ModuleExt;
pub use options::LayerOption;
pub use param::{Buffer, Param};
pub(crate) use shard::{Shard, same_paths};
pub use share::{checkpointed, share};
pub use summary::{Row, Summary};
pub use weight::{Adapted, Adapter, CloneAdapter, ConvKind, Factored, Quantized, Sparse, Weight};
pub(crate) use weight::{QuantizedAs, WeightForm, as_rows, check_forms, form_as, forms, quantize_as, quantized};

pub(crate) use config::described;
pub(crate) use container::inside;
pub(crate) use module_ext::matches;
pub(crate) use size::{Count, check_memory};
