//! Models for images.

mod conv_net;
mod lenet;

pub use conv_net::{ConvBlock, ConvNet, ConvNetConfig};
pub use lenet::{LeNet, LeNetConfig};
