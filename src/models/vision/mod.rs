//! Models for images.

mod conv_net;
mod conv_next;
mod dense_net;
mod efficient_net;
mod image_classifier;
mod inverted;
mod lenet;
mod mobile_net_v2;
mod mobile_net_v3;
#[cfg(test)]
mod names;
mod parts;
mod resnet;
mod u_net;
mod vgg;
mod vit;

pub use conv_net::{ConvBlock, ConvNet, ConvNetConfig};
pub use conv_next::{ConvNext, ConvNextBlock, ConvNextConfig};
pub use dense_net::{DenseBlock, DenseNet, DenseNetConfig, DenseTransition};
pub use efficient_net::{EfficientNet, EfficientNetConfig};
pub use image_classifier::ImageClassifier;
pub use inverted::{InvertedResidual, InvertedStage};
pub use lenet::{LeNet, LeNetConfig};
pub use mobile_net_v2::{MobileNetV2, MobileNetV2Config};
pub use mobile_net_v3::{MobileNetV3, MobileNetV3Block, MobileNetV3Config};
pub use resnet::{ResNet, ResNetBlock, ResNetConfig, ResNetShortcut};
pub use u_net::{UNet, UNetConfig, UNetRise, UNetUp};
pub use vgg::{Vgg, VggConfig};
pub use vit::{
    DeitForImageClassification, DeitForImageClassificationWithTeacher, Vit, VitConfig, VitEmbeddings,
    VitForImageClassification,
};
pub(super) use vit::{patch_vectors, patches};
