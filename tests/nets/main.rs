//! Layers, losses and models: what they compute, what they refuse, and their files.

#[path = "../common/golden.rs"]
mod golden;
#[path = "../common/gpt.rs"]
mod gpt;

mod checkpoint;
mod context;
mod convolution;
#[cfg(feature = "linalg")]
mod forms;
mod generation;
mod generative;
mod ignored_targets;
mod io_safetensors;
mod layers;
mod losses;
mod mistakes;
mod more_layers;
mod more_losses;
mod per_example;
mod qat;
mod quantized;
mod recurrent_lm;
mod save_open;
mod saved_layers;
mod seq2seq;
mod sequence_models;
mod sources;
mod token_layers;
mod transformer;
mod vision;
mod weights;
mod zoo;
