//! What most programs need: `use demotic::prelude::*;`

pub use crate::autograd::{AttentionOptions, ConvOptions, PaddingMode, no_grad};
pub use crate::data::{Dataset, KFold, Preprocessor, Table, TensorDataset};
pub use crate::error::{Error, ErrorKind, Result};
pub use crate::io::SaveLoad;
pub use crate::layers::*;
pub use crate::losses::{self, Loss, Reduction};
pub use crate::optimizers::{self, Adam, AdamW, Optimizer, Sgd};
pub use crate::pipeline::{Pipeline, TextPipeline};
pub use crate::pretrained::Pretrained;
pub use crate::regularizers;
pub use crate::rng::Rng;
pub use crate::tensor::index::{Ellipsis, NewAxis, Step};
pub use crate::tensor::{DType, Tensor};
pub use crate::text::{TokenStream, Tokenizer};
pub use crate::train::{EarlyStopping, Trainer, metrics};
pub use crate::{module, sequential, tensor};
