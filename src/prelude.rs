//! What most programs need: `use demotic::prelude::*;`
//!
//! Tensors, layers and models to be made of them, losses, the usual optimizers, the `Trainer`, tables and files. Each name is
//! listed here; what few programs need (schedules, other optimizers, hooks, visitors, complete models) stays in its module.

pub use crate::autograd::{AttentionOptions, ConvOptions, PaddingMode, no_grad};
pub use crate::data::{ColumnOptions, CsvOptions, Dataset, KFold, Preprocessor, Ragged, Table, TensorDataset, Value};
pub use crate::error::{Error, ErrorKind, Result};
pub use crate::io::SaveLoad;
pub use crate::losses::{self, Loss, Reduction};
pub use crate::optimizers::{self, Adam, AdamW, Optimizer, Sgd};
pub use crate::pipeline::{ImagePipeline, Pipeline, TextPipeline};
pub use crate::pretrained::Pretrained;
pub use crate::regularizers;
pub use crate::rng::Rng;
pub use crate::tensor::index::{Ellipsis, NewAxis, Step};
pub use crate::tensor::{DType, Tensor};
pub use crate::text::{TokenStream, Tokenizer};
pub use crate::train::{EarlyStopping, Trainer, metrics};
pub use crate::{module, sequential, tensor};

// What layers are made with.
pub use crate::layers::{
    Architecture, Buffer, Fan, Gain, Init, Layer, LayerExt, Lora, LoraExt, Mode, Module, ModuleExt, Param, QuantizeExt,
    Residual, Sequential, Weight, checkpointed,
};

// The layers.
pub use crate::layers::{
    Activation, AdaptiveAvgPool1d, AdaptiveAvgPool2d, AdaptiveAvgPool3d, AdaptiveMaxPool1d, AdaptiveMaxPool2d,
    AdaptiveMaxPool3d, AlphaDropout, AttentionHeads, AttentionMasks, AvgPool1d, AvgPool2d, AvgPool3d, BagMode,
    BatchNorm1d, BatchNorm2d, BatchNorm3d, Bilinear, Celu, CircularPad1d, CircularPad2d, CircularPad3d, ConstantPad1d,
    ConstantPad2d, ConstantPad3d, Conv1d, Conv2d, Conv3d, ConvLstmCell, ConvNormActivation, ConvTranspose1d,
    ConvTranspose2d, ConvTranspose3d, DepthwiseSeparable, DropConnect, Dropout, Dropout1d, Dropout2d, Dropout3d, Elu,
    Embedding, EmbeddingBag, FeatureAlphaDropout, Flatten, Fold, GaussianNoise, Geglu, Gelu, GeluTanh, GlobalAvgPool,
    GlobalMaxPool, Glu, GroupNorm, Gru, GruCell, Hardshrink, Hardsigmoid, Hardswish, Hardtanh, InstanceNorm1d,
    InstanceNorm2d, InstanceNorm3d, Join, Lambda, LayerNorm, LayerNorm2d, LeakyRelu, LearnedPositions, Linear,
    LocalResponseNorm, LogSigmoid, LogSoftmax, LpPool1d, LpPool2d, LpPool3d, Lstm, LstmCell, MaxPool1d, MaxPool2d,
    MaxPool3d, Maxout, Mish, MultiHeadAttention, Parallel, PixelShuffle, PixelUnshuffle, Prelu, QuickGelu, Recurrent,
    RecurrentOutput, RecurrentState, ReflectionPad1d, ReflectionPad2d, ReflectionPad3d, Reglu, Relu, Relu6,
    ReplicationPad1d, ReplicationPad2d, ReplicationPad3d, RmsNorm, Rnn, RnnCell, RotaryPositions, Rrelu, RunOptions,
    SelfAttention, Selu, Sigmoid, Silu, SinusoidalPositions, Softmax, Softmin, Softplus, Softshrink, Softsign,
    SpectralNorm, SqueezeExcitation, StochasticDepth, Swiglu, Tanh, Tanhshrink, Threshold, TimeDistributed,
    Transformer, TransformerActivation, TransformerDecoder, TransformerDecoderLayer, TransformerEncoder,
    TransformerEncoderLayer, TransformerMasks, TransformerOptions, Unfold, Upsample, WeightNorm, ZeroPad1d, ZeroPad2d,
    ZeroPad3d,
};
