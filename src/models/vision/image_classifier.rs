//! Any model that says what is on a picture.

use super::{
    DeitForImageClassification, DeitForImageClassificationWithTeacher, EfficientNet, MobileNetV2, MobileNetV3, ResNet,
    VitForImageClassification,
};
use crate::error::Result;
use crate::layers::{Layer, Mode};
use crate::tensor::Tensor;

macro_rules! image_classifier {
    ($($Model:ident $Variant:ident;)*) => {
        /// Any published model that says what is on a picture.
        ///
        /// # Shapes
        /// - input: `[batch, channels, height, width]`
        /// - output: logits `[batch, classes]`
        #[derive(Debug, Clone)]
        #[non_exhaustive]
        #[allow(clippy::large_enum_variant, reason = "a program has one of them, or a few")]
        pub enum ImageClassifier {
            $(
                #[doc = concat!("[`", stringify!($Model), "`].")]
                $Variant($Model),
            )*
        }

        crate::module!(enum ImageClassifier { $($Variant($Model)),* });

        impl ImageClassifier {
            /// What the classifier sees of pictures: `[batch, features]`.
            ///
            /// # Errors
            /// If the pictures do not fit.
            #[track_caller]
            pub fn forward_features(&self, x: &Tensor, mode: &mut Mode<'_>) -> Result<Tensor> {
                match self {
                    $(Self::$Variant(model) => model.forward_features(x, mode),)*
                }
            }
        }

        impl Layer for ImageClassifier {
            #[track_caller]
            fn forward(&self, x: &Tensor, mode: &mut Mode<'_>) -> Result<Tensor> {
                match self {
                    $(Self::$Variant(model) => model.forward(x, mode),)*
                }
            }
        }

        $(impl From<$Model> for ImageClassifier {
            fn from(model: $Model) -> Self {
                Self::$Variant(model)
            }
        })*
    };
}

image_classifier! {
    ResNet ResNet;
    MobileNetV2 MobileNetV2;
    MobileNetV3 MobileNetV3;
    EfficientNet EfficientNet;
    VitForImageClassification Vit;
    DeitForImageClassification Deit;
    DeitForImageClassificationWithTeacher DeitWithTeacher;
}

impl ImageClassifier {
    /// The names of the classes, if the model has them.
    #[must_use]
    pub fn labels(&self) -> Option<&[String]> {
        match self {
            Self::Vit(model) => Some(&model.config().labels),
            Self::Deit(model) => Some(&model.config().labels),
            Self::DeitWithTeacher(model) => Some(&model.config().labels),
            _ => None,
        }
    }
}
