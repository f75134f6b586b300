//! The fused loops of training.
