//! Deep learning in plain Rust: train, fine-tune and run neural networks on the machine you already have. No Python, no C
//! library, no GPU required.
//!
//! ```sh
//! cargo add demotic
//! ```
//!
//! A neural network is a function with a few thousand, or a few billion, numbers in it that nobody has chosen. They are found:
//! predict something, measure how wrong it was, ask of every number in which direction it would have to move to make that less, and
//! move all of them a little. This crate is what it takes to do that, and not much else. There are [tensors](Tensor), arrays of
//! numbers that remember how they were computed; [gradients](autograd), which say in which direction; [layers], which hold the numbers;
//! [losses], which measure; and [optimizers], which move.
//!
//! Here they are together. The program learns the function sin 3x from 256 points of it:
//!
//! ```
//! use demotic::prelude::*;
//!
//! fn main() -> Result<()> {
//!     let mut rng = Rng::seed(0);
//!     let x = Tensor::uniform([256, 1], -1.0, 1.0, &mut rng)?;
//!     let y = (&x * 3.0).sin();
//!
//!     let mut model = sequential![Linear::new(1, 32, &mut rng)?, Tanh, Linear::new(32, 1, &mut rng)?];
//!     let mut opt = Adam::new(0.01);
//!     for _step in 0..300 {
//!         let loss = losses::mse(&model.forward(&x, &mut Mode::train(&mut rng))?, &y)?; // predict, and measure
//!         let grads = loss.backward()?; // ask
//!         opt.step(&mut model, &grads)?; // move
//!     }
//!     assert!(metrics::rmse(&model.predict(&x)?, &y)? < 0.1);
//!     Ok(())
//! }
//! ```
//!
//! Nothing in it is hidden. The model is a value: it can be cloned, sent to another thread, and dropped. Gradients are what `backward`
//! returns, so there is nothing to reset. Randomness is an argument, so the same seed gives the same bits, on one core and on many.
//! Whether a model is being trained is an argument, too, so it cannot be forgotten. And nothing has a type parameter that you would
//! have to write down.
//!
//! What can go wrong is a [`Result`], not a panic, and an [`Error`] says what was given, what was expected, in which layer of the
//! model and on which line of *your* program; for the usual mistakes it says what to do.
//!
//! From there it goes two ways. Upwards, a [`Trainer`](train::Trainer) writes that loop for you, with validation, early stopping and
//! checkpoints, and a [`Pipeline`](pipeline::Pipeline) joins a model with its preprocessing in a single file. Downwards, every part can
//! be replaced by one of your own: an [operation](autograd::custom) with its gradient, a [layer](layers::Layer), a
//! [loss](losses::Loss), an [update rule](optimizers::UpdateRule), a [data set](data::Dataset), a [tokenizer](text::Tokenizer), a
//! [language model](models::CausalLm).
//!
//! # Where to begin
//!
//! - **To learn**, read the [tutorials] in their order: from the first tensor to a model of house prices, and on to a GPT.
//! - **With data of your own**, read [your own data](tutorials::t11_your_own_data),
//!   [classification](tutorials::t12_classification) or [classes of texts](tutorials::t13_text_classification).
//! - **Coming from PyTorch**, see [what is different](tutorials::pytorch_users): names and meanings are mostly the same.
//! - **To look around**, write `use demotic::prelude::*;` and begin with the table in [`Tensor`].
//!
//! # What there is
//!
//! | | |
//! |---|---|
//! | [tensors](Tensor) | `f32`, `f64`, `f16`, `bf16`, `i64`, `i32`, `i8`, `u8`, `bool`; broadcasting, views, some two hundred operations, gradients of any order |
//! | [layers] | dense, convolution, embedding, normalisation of features and channels, pooling, dropout, attention, RNN, GRU, LSTM, transformer encoders and decoders, positions |
//! | [models] | linear regression, perceptrons, LeNet, `ConvNet`, VGG, ResNet, DenseNet, MobileNet, EfficientNet, ConvNeXt, U-Net, GPT, Llama, BERT, recurrent language models, text classifiers, translation; [generation](models::Generate) with sampling, beams and streams |
//! | [losses] | of numbers, classes, labels, distributions, regions, pairs, triplets, sequences (CTC), critics: some forty of them |
//! | [optimizers] | SGD, the family of Adam, Adafactor, LAMB, LARS, Lion, Muon, L-BFGS, SAM and more; [schedules](optimizers::schedule), [clipping](optimizers::clip), [groups](optimizers::Group) |
//! | [regularizers] | L1, L2, elastic net, orthogonality, activities; bounds on weights, conditions with Lagrange multipliers; mixup, CutMix, holes, noise |
//! | [explanations](explain) | gradients, integrated gradients, DeepLIFT, relevance, Grad-CAM, occlusion, LIME, SHAP, permutation importance, partial dependence, ALE, counterfactuals, influence, probes; how faithful they are |
//! | [training](train) | the [`Trainer`](train::Trainer), [metrics](train::metrics), early stopping, charts |
//! | [data] | tables from CSV, joined, grouped and sorted; preprocessing, splits, balanced classes, batches, windows of text |
//! | [text] | tokenizers by character, word, byte pair and word piece, `tokenizer.json`; sampling |
//! | [fairness] | rates of groups with intervals, parity before, during and after training |
//! | [quality of data](data::quality) | missing and repeated rows, outliers, leaks, labels that are wrong, drift |
//! | [reliability] | calibration, conformal prediction, ensembles and the like, strange inputs, attacks, certificates |
//! | [privacy] | training with differential privacy, accountants, membership attacks, federated averaging |
//! | [model cards](card) | what should be known about a model, with the header that hubs read |
//! | [smaller models](compress) | pruning, distillation, sparse and quantised weights |
//! | [pipelines](pipeline) | a model with its preprocessing or tokenizer, in one file |
//! | [published models](pretrained) | GPT-2, Llama, Mistral, Qwen, Phi-3, SmolLM, Gemma, BERT, RoBERTa, DistilBERT, T5, ViT, DeiT, CLIP and Whisper from the folders of `transformers`, and back; GGUF files; MiniLM and other encoders of sentences |
//! | [files](io) | safetensors, checkpoints that resume bit by bit |
//! | [several processes](distributed) | sums with a fixed order, threads as processes, MPI by the crate `demotic-mpi`; layers and blocks divided among them |
//!
//! What there is not: GPUs.
//!
//! # Features
//!
//! | feature | default | |
//! |---|---|---|
//! | `progress` | yes | progress bars in the [`Trainer`](train::Trainer) |
//! | `interrupt` | yes | Ctrl-C ends a training that keeps checkpoints with one more (on Unix) |
//! | `plot` | | pictures as SVG and PNG, reports as a page: `train::plot` |
//! | `image` | | folders of PNG and JPEG files as data: [`data::ImageDataset`] |
//! | `gzip` | | tables packed by gzip (`.csv.gz`) are read as they are, and NumPy's compressed archives |
//! | `ndarray` | | arrays of `ndarray` from and to tensors |
//! | `parquet` | | tables from and to Parquet, Arrow and Feather files |
//! | `fft` | | Fourier transforms, of stretches of signals as well: `Tensor::rfft`, `Tensor::stft` … |
//! | `linalg` | | decompositions of matrices, systems of equations, determinants: `Tensor::cholesky`, `Tensor::solve`, `Tensor::svd` … |
//! | `tsne` | | points in the plane by t-SNE: `train::embedding::tsne` |
//! | `tui` | | a dashboard of runs in the terminal: `train::callback::Progress::dashboard` |
//! | `chat` | | conversations by the templates of published models: `text::ChatTemplate` |
//! | `constraint` | | continuations that a regular expression or a JSON schema describes: `models::Constraint` |
//! | `tokenizers` | | Hugging Face's `tokenizer.json`: `text::HuggingFaceTokenizer` |
//!
//! Build with `--release`. Without it everything takes many times as long.
//!
//! # The layers of the house
//!
//! Each module uses only those below it.
//!
//! | module | what |
//! |---|---|
//! | [`card`] | a page that goes with a model |
//! | [`privacy`] | what a model reveals of its data |
//! | [`reliability`] | what a model does not know |
//! | [`fairness`] | whether groups of people are treated alike |
//! | [`compress`] | smaller models: pruning, distillation, training for weights of a few bits |
//! | [`tune`] | searching hyper-parameters, cross-validation |
//! | [`train`] | the training loop, metrics, early stopping, history, plots |
//! | [`distributed`] | several processes that train one model |
//! | [`explain`] | why a model predicted that |
//! | [`pretrained`] | published models |
//! | [`pipeline`] | models with their preprocessing or tokenizer, in one file |
//! | [`models`] | complete models |
//! | [`regularizers`] | penalties and constraints |
//! | [`optimizers`] | from gradients to better parameters; schedules, clipping |
//! | [`losses`] | how far predictions are off |
//! | [`layers`] | parameters, modules, and the layers themselves |
//! | [`autograd`] | gradients of everything |
//! | [`tensor`](mod@tensor) | arrays of numbers |
//!
//! Beside them are [`data`] (tables, preprocessing, batches), [`text`] (tokenizers, streams of tokens) and [`io`] (files of
//! tensors and models); below all of them [`error`](mod@error), [`rng`], [`parallel`], [`memory`] and [`profile`].
//!
//! # Conventions
//!
//! - An operation that can fail returns a [`Result`]; one that cannot returns a [`Tensor`]. No input panics.
//! - Dimensions are counted from 0, and from −1 backwards.
//! - Literals make `f32` tensors with [`tensor!`](crate::tensor!). Types are never converted silently.
//! - Randomness comes from an [`Rng`] that is passed in. The same seed gives the same bits, whatever the number of
//!   threads.

#![deny(unsafe_code)]
#![warn(missing_docs, missing_debug_implementations, unreachable_pub, clippy::print_stdout)]

pub mod autograd;
pub mod card;
pub mod compress;
mod config;
mod count;
pub mod data;
pub mod distributed;
pub mod error;
pub mod explain;
pub mod fairness;
mod files;
mod html;
pub mod io;
pub mod layers;
pub mod losses;
pub mod memory;
pub mod models;
pub mod optimizers;
mod order;
pub mod parallel;
pub mod pipeline;
pub mod prelude;
pub mod pretrained;
pub mod privacy;
pub mod profile;
pub mod regularizers;
pub mod reliability;
pub mod rng;
mod stats;
pub mod tensor;
pub mod text;
pub mod train;
pub mod tune;
pub mod tutorials;

pub use autograd::{AttentionOptions, ConvOptions, PaddingMode};
pub use count::IntoCount;
pub use error::{Error, ErrorKind, Result};
pub use rng::Rng;
pub use tensor::{DType, Element, Float, Tensor};
