//! Building blocks of models.
//!
//! A model is a plain struct of parameters and other layers. [`module!`](crate::module!) names its fields, [`Layer`] says
//! what it computes. Nothing is hidden: a clone is a copy, and dropping the struct drops the model.

mod activation;
mod attention;
mod batch_norm;
mod bilinear;
mod combine;
mod conv_blocks;
mod conv_lstm;
mod conv_norm;
mod convolution;
mod core;
mod drop_connect;
mod dropout;
mod embedding;
mod embedding_bag;
mod group_norm;
mod kv_cache;
mod linear;
mod lora;
mod noise;
mod norm;
mod padding;
mod parametric;
mod pool;
mod position;
mod quantize;
mod recurrent;
mod registry;
mod shape;
mod transformer;
mod update_bn;
mod upsample;
mod weight_norm;

pub use self::core::*;
pub use activation::*;
pub(crate) use attention::SharedByHeads;
pub use attention::{AttentionHeads, AttentionMasks, MultiHeadAttention, SelfAttention};
pub(crate) use batch_norm::RankSum;
pub use batch_norm::{BatchNorm1d, BatchNorm2d, BatchNorm3d, InstanceNorm1d, InstanceNorm2d, InstanceNorm3d};
pub use bilinear::Bilinear;
pub use combine::{Join, Lambda, Parallel, TimeDistributed};
pub use conv_blocks::{ConvNormActivation, DepthwiseSeparable, SqueezeExcitation};
pub use conv_lstm::ConvLstmCell;
pub use convolution::{Conv1d, Conv2d, Conv3d, ConvTranspose1d, ConvTranspose2d, ConvTranspose3d};
pub use drop_connect::DropConnect;
pub use dropout::Dropout;
pub use embedding::Embedding;
pub use embedding_bag::{BagMode, EmbeddingBag};
pub use group_norm::{GroupNorm, LocalResponseNorm};
pub use kv_cache::{KvCache, KvPrecision};
pub use linear::Linear;
pub use lora::{Lora, LoraExt, LoraOptions};
pub use noise::{AlphaDropout, Dropout1d, Dropout2d, Dropout3d, FeatureAlphaDropout, GaussianNoise, StochasticDepth};
pub use norm::{LayerNorm, LayerNorm2d, RmsNorm};
pub use padding::{
    CircularPad1d, CircularPad2d, CircularPad3d, ConstantPad1d, ConstantPad2d, ConstantPad3d, ReflectionPad1d,
    ReflectionPad2d, ReflectionPad3d, ReplicationPad1d, ReplicationPad2d, ReplicationPad3d, ZeroPad1d, ZeroPad2d,
    ZeroPad3d,
};
pub use parametric::{Prelu, Rrelu};
pub use pool::{
    AdaptiveAvgPool1d, AdaptiveAvgPool2d, AdaptiveAvgPool3d, AdaptiveMaxPool1d, AdaptiveMaxPool2d, AdaptiveMaxPool3d,
    AvgPool1d, AvgPool2d, AvgPool3d, GlobalAvgPool, GlobalMaxPool, LpPool1d, LpPool2d, LpPool3d, MaxPool1d, MaxPool2d,
    MaxPool3d,
};
pub use position::{LearnedPositions, RotaryPositions, SinusoidalPositions};
pub use quantize::{QuantizeExt, QuantizeOptions, QuantizeReport, QuantizedWeight};
pub use recurrent::{
    Gru, GruCell, Lstm, LstmCell, Recurrent, RecurrentOutput, RecurrentState, Rnn, RnnCell, RunOptions,
};
pub use registry::register;
pub use shape::Flatten;
pub use transformer::{
    Transformer, TransformerActivation, TransformerCache, TransformerDecoder, TransformerDecoderLayer,
    TransformerEncoder, TransformerEncoderLayer, TransformerMasks, TransformerOptions,
};
pub(crate) use update_bn::on_batch_norms;
pub use update_bn::{freeze_bn, unfreeze_bn, update_bn};
pub use upsample::{Fold, PixelShuffle, PixelUnshuffle, Unfold, Upsample};
pub use weight_norm::{SpectralNorm, WeightNorm};

pub(crate) use self::core::{
    Count, QuantizedAs, Shard, WeightForm, as_rows, check_forms, check_memory, form_as, forms, inside, matches,
    quantize_as, quantized, same_paths,
};
pub(crate) use conv_norm::conv_norm;
pub(crate) use lora::{add_loras, is_meant, loras, set_loras};
pub(crate) use quantize::observe::{in_parts, products_of};
pub(crate) use recurrent::Stack;
pub(crate) use transformer::{layer_parameters, layer_tensors};
