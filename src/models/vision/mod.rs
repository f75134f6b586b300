//! Models for images.

mod conv_net;
mod lenet;
mod resnet;

pub use conv_net::{ConvBlock, ConvNet, ConvNetConfig};
pub use lenet::{LeNet, LeNetConfig};
pub use resnet::{ResNet, ResNetBlock, ResNetConfig, ResNetShortcut};
