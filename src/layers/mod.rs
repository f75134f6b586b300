//! Building blocks of models.
//!
//! A model is a plain struct of parameters and other layers. [`module!`](crate::module!) names its fields, [`Layer`] says
//! what it computes. Nothing is hidden: a clone is a copy, and dropping the struct drops the model.

mod activation;
mod architecture;
mod attention;
pub(crate) mod container;
mod dropout;
mod embedding;
mod gradients;
mod init;
mod kv_cache;
mod layer;
mod linear;
mod module;
mod norm;
mod param;
mod position;
mod recurrent;
mod shape;
mod share;
mod size;
mod summary;
mod transformer;

pub use activation::*;
pub use architecture::{Architecture, Blueprint};
#[doc(hidden)]
pub use architecture::{Described, WithArchitecture, WithoutArchitecture};
pub use attention::{AttentionMasks, MultiHeadAttention};
pub use container::{Residual, Sequential};
pub use dropout::Dropout;
pub use embedding::Embedding;
pub use gradients::NamedGradients;
pub use init::{Fan, Gain, Init};
pub use kv_cache::KvCache;
pub use layer::{CloneLayer, Layer, Mode};
pub use linear::Linear;
pub use module::{Module, ModuleExt, Slot, SlotMut, Visitor, VisitorMut};
pub use norm::{LayerNorm, RmsNorm};
pub use param::{Buffer, Param};
pub use position::{LearnedPositions, RotaryPositions, SinusoidalPositions};
pub use recurrent::{
    Gru, GruCell, Lstm, LstmCell, Recurrent, RecurrentOutput, RecurrentState, Rnn, RnnCell, RunOptions,
};
pub use shape::Flatten;
pub use share::{checkpointed, share};
pub use summary::{LayerExt, Row, Summary};
pub use transformer::{
    Transformer, TransformerActivation, TransformerCache, TransformerDecoder, TransformerDecoderLayer,
    TransformerEncoder, TransformerEncoderLayer, TransformerMasks, TransformerOptions,
};

pub(crate) use module::matches;
pub(crate) use recurrent::Stack;
pub(crate) use size::{Count, check_memory};
pub(crate) use summary::{noted, output_of};
pub(crate) use transformer::{layer_parameters, layer_tensors};
