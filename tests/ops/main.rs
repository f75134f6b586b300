//! Tensors, operations and the gradient engine.

mod activation_checkpointing;
mod attention;
mod autograd_engine;
mod determinism;
mod eight_bits;
mod elementwise;
#[cfg(feature = "fft")]
mod fft;
mod giant_views;
mod gradient_table;
mod index_errors;
mod index_models;
#[cfg(feature = "linalg")]
mod linalg;
mod put_together;
mod range;
mod recurrent;
mod several_outputs;
mod simd_levels;
mod sparse;
mod tensor_basics;
mod types;
