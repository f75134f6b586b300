//! Vision transformers: ViT and DeiT.

use serde::{Deserialize, Serialize};

use super::parts::{check_head, check_images, linear_count};
use crate::autograd::{AttentionOptions, ConvOptions};
use crate::error::{Error, Result};
use crate::layers::{
    Activation, Conv2d, Count, Dropout, Layer, LayerExt, LayerNorm, Linear, Mode, Param, check_memory,
};
use crate::models::encoder::{EncoderConfig, EncoderLayer, INITIAL, VIT, dense};
use crate::models::options::architecture;
use crate::rng::Rng;
use crate::tensor::Tensor;

const OP: &str = "Vit::new";

/// The sizes and options of a [`Vit`], and of the classifiers on it.
///
/// ```
/// use demotic::models::VitConfig;
///
/// assert_eq!(VitConfig::vit_base().num_parameters(), 85_798_656);
/// let small = VitConfig::new(32, 8, 64, 2).classes(10);
/// assert_eq!(small.labels.len(), 10);
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct VitConfig {
    /// The height and width of the pictures.
    pub image_size: [usize; 2],
    /// The height and width of the patches that they are cut into.
    pub patch_size: [usize; 2],
    /// The channels of the pictures.
    pub in_channels: usize,
    /// The layers.
    pub encoder: EncoderConfig,
    /// Whether a token more learns what a teacher says (DeiT).
    pub distilled: bool,
    /// The size of the vector behind the first token, and the function that makes it, if there is one.
    pub pooler: Option<(usize, Activation)>,
    /// The names of the classes.
    pub labels: Vec<String>,
}

impl VitConfig {
    /// Square pictures of three channels in square patches, and so many layers of vectors of this size; two classes.
    #[must_use]
    pub fn new(image_size: usize, patch_size: usize, hidden_size: usize, num_layers: usize) -> Self {
        let (image_size, patch_size) = ([image_size; 2], [patch_size; 2]);
        let encoder = EncoderConfig::new(hidden_size, num_layers);
        let config = Self {
            image_size,
            patch_size,
            in_channels: 3,
            encoder,
            distilled: false,
            pooler: None,
            labels: Vec::new(),
        };
        config.classes(2)
    }

    /// ViT-B/16 (Dosovitskiy et al., *An image is worth 16x16 words*, 2021): pictures of 224 by 224 pixels.
    #[must_use]
    pub fn vit_base() -> Self {
        Self::new(224, 16, 768, 12)
    }

    /// So many classes without names.
    #[must_use]
    pub fn classes(mut self, classes: usize) -> Self {
        self.labels = (0..classes).map(|i| format!("LABEL_{i}")).collect();
        self
    }

    /// Tokens that are no patches.
    fn tokens(&self) -> usize {
        1 + usize::from(self.distilled)
    }

    /// Tokens in all.
    fn places(&self) -> usize {
        let along = |i: usize| self.image_size[i].checked_div(self.patch_size[i]).unwrap_or(0);
        along(0).saturating_mul(along(1)).saturating_add(self.tokens())
    }

    /// The number of parameters of such a [`Vit`], without a classifier.
    #[must_use]
    pub fn num_parameters(&self) -> usize {
        self.parameters().get()
    }

    fn parameters(&self) -> Count {
        let hidden = self.encoder.hidden_size;
        let [height, width] = self.patch_size;
        let patches = Count::new(height) * width * self.in_channels * hidden + hidden;
        let pooler = self.pooler.map_or(Count::new(0), |(size, _)| linear_count(hidden, size));
        let tokens = Count::new(self.places()) + self.tokens() + 2;
        patches + tokens * hidden + self.encoder.parameters() + pooler
    }

    #[track_caller]
    fn check(&self) -> Result<()> {
        let sizes = [self.image_size, self.patch_size].concat();
        if sizes.contains(&0) || self.in_channels == 0 || self.labels.is_empty() || self.places() == self.tokens() {
            let [image, patch] = [self.image_size, self.patch_size];
            let (channels, labels) = (self.in_channels, self.labels.len());
            let message =
                format!("pictures of {image:?} pixels in {channels} channels, patches of {patch:?}, {labels} classes");
            return Err(Error::argument(OP, message));
        }
        self.encoder.check(OP)?;
        check_memory(OP, self.parameters(), self.encoder.tensors() + 16)
    }
}

/// A transformer that looks at a picture as a row of patches (Dosovitskiy et al., *An image is worth 16x16 words*, 2021), perhaps with a
/// token that learns from a teacher (Touvron et al., *Training data-efficient image transformers*, 2021).
///
/// The parameters are named as in `transformers`: `embeddings.cls_token`, `encoder.layer.0.attention.attention.query.weight` …
///
/// # Shapes
/// - input: `[batch, in_channels, height, width]`
/// - output: the vectors of the class token, of the distillation token if there is one, and of all patches, row by row:
///   `[batch, tokens, hidden]`
///
/// ```
/// use demotic::models::{Vit, VitConfig};
/// use demotic::prelude::*;
///
/// let vit = Vit::new(VitConfig::new(32, 8, 16, 2), &mut Rng::seed(0))?;
/// assert_eq!(vit.predict(&Tensor::zeros([2, 3, 32, 32])?)?.shape(), [2, 17, 16]);
/// # Ok::<(), demotic::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Vit {
    /// From pictures to vectors.
    pub embeddings: VitEmbeddings,
    /// The layers.
    pub encoder: Vec<EncoderLayer>,
    /// Of what the layers give.
    pub layernorm: LayerNorm,
    /// Behind the vector of the first token.
    pub pooler: Option<Linear>,
    config: VitConfig,
}

crate::module!(Vit { embeddings, encoder as "encoder.layer", layernorm, pooler as "pooler.dense" }, plain { config });
architecture!(Vit, VitConfig);

/// Patches as vectors, with the tokens before them and a vector for each place.
#[derive(Debug, Clone)]
pub struct VitEmbeddings {
    /// `[1, 1, hidden]`.
    pub cls_token: Param,
    /// `[1, 1, hidden]`.
    pub distillation_token: Option<Param>,
    /// `[1, tokens, hidden]`.
    pub position_embeddings: Param,
    /// A convolution whose kernel moves on by its own size.
    pub projection: Conv2d,
    dropout: Dropout,
}

crate::module!(
    VitEmbeddings { cls_token, distillation_token, position_embeddings, projection as "patch_embeddings.projection" },
    plain { dropout }
);

/// A convolution that makes a vector of each patch.
#[track_caller]
pub(in crate::models) fn patches(
    channels: usize,
    size: [usize; 2],
    hidden: usize,
    bias: bool,
    rng: &mut Rng,
) -> Result<Conv2d> {
    let conv = Conv2d::with_options(channels, hidden, size, ConvOptions::new().stride(size), &mut rng.split())?;
    let conv = if bias { conv } else { conv.without_bias() };
    conv.with_init(INITIAL, rng)
}

/// The vectors of all patches of pictures that have this size, row by row, behind these tokens.
#[track_caller]
pub(in crate::models) fn patch_vectors(
    model: &'static str,
    (name, projection): (&str, &Conv2d),
    (tokens, channels, size): (&[&Tensor], usize, [usize; 2]),
    x: &Tensor,
    mode: &mut Mode<'_>,
) -> Result<Tensor> {
    check_images(model, x, channels, 1, mode)?;
    if x.shape()[2..] != size {
        let message =
            format!("the input has shape {:?}, expected [batch, {channels}, {}, {}]", x.shape(), size[0], size[1]);
        let e = Error::shape(model, message);
        return mode.here(Err(e.with_help("bring the pictures to the size that the model was made for")));
    }
    let x = projection.at(name, x, mode)?.flatten(2, 3)?.transpose(1, 2)?;
    let (batch, hidden) = (x.shape()[0], x.shape()[2]);
    let mut all = Vec::with_capacity(tokens.len());
    for token in tokens {
        all.push(token.reshape([1, 1, hidden])?.broadcast_to([batch, 1, hidden])?);
    }
    let mut all: Vec<&Tensor> = all.iter().collect();
    all.push(&x);
    Tensor::cat(&all, 1)
}

impl Vit {
    /// A model with random weights: normal with deviation 0.02, biases 0.
    ///
    /// # Errors
    /// If the sizes do not fit each other, an option makes no sense, or the weights do not fit into memory.
    #[track_caller]
    pub fn new(config: VitConfig, rng: &mut Rng) -> Result<Self> {
        config.check()?;
        let hidden = config.encoder.hidden_size;
        let mut param = |shape: &[usize]| Param::new(INITIAL.tensor(shape, rng)?);
        let cls_token = param(&[1, 1, hidden])?;
        let distillation_token = if config.distilled { Some(param(&[1, 1, hidden])?) } else { None };
        let position_embeddings = param(&[1, config.places(), hidden])?;
        let projection = patches(config.in_channels, config.patch_size, hidden, true, rng)?;
        let dropout = Dropout::new(config.encoder.dropout)?;
        Ok(Self {
            embeddings: VitEmbeddings { cls_token, distillation_token, position_embeddings, projection, dropout },
            encoder: config.encoder.layers(&VIT, rng)?,
            layernorm: config.encoder.norm()?,
            pooler: match config.pooler {
                Some((size, _)) => Some(dense(hidden, size, true, rng)?),
                None => None,
            },
            config,
        })
    }

    /// The sizes and options.
    #[must_use]
    pub fn config(&self) -> &VitConfig {
        &self.config
    }

    /// The vector of the class token behind the pooler: `[batch, size]`.
    ///
    /// # Errors
    /// If the pictures do not fit, or there is no pooler.
    #[track_caller]
    pub fn pooled(&self, x: &Tensor, mode: &mut Mode<'_>) -> Result<Tensor> {
        let (Some(pooler), Some((_, activation))) = (&self.pooler, self.config.pooler) else {
            let e = Error::state("pooled", "the model has no pooler");
            return mode.here(Err(e.with_help("forward() gives the vectors of all tokens, that of the picture first")));
        };
        let x = self.forward(x, mode)?.select(1, 0)?;
        activation.apply(&pooler.at("pooler.dense", &x, mode)?)
    }
}

impl Layer for Vit {
    #[track_caller]
    fn forward(&self, x: &Tensor, mode: &mut Mode<'_>) -> Result<Tensor> {
        let config = &self.config;
        let mut x = mode.call("embeddings", &self.embeddings, |embeddings, mode| {
            let tokens: Vec<&Tensor> = [Some(&embeddings.cls_token), embeddings.distillation_token.as_ref()]
                .into_iter()
                .flatten()
                .map(|token| &**token)
                .collect();
            let projection = ("patch_embeddings.projection", &embeddings.projection);
            let x = patch_vectors("Vit", projection, (&tokens, config.in_channels, config.image_size), x, mode)?;
            embeddings.dropout.forward(&x.add(&embeddings.position_embeddings)?, mode)
        })?;
        for (i, layer) in self.encoder.iter().enumerate() {
            x = mode.call(("encoder.layer", i), layer, |layer, mode| layer.run(&x, AttentionOptions::new(), mode))?;
        }
        self.layernorm.at("layernorm", &x, mode)
    }
}

/// A classifier on a [`Vit`].
macro_rules! classifier {
    ($(#[$doc:meta])* $Model:ident { $body:ident, $first:ident $(, $second:ident)? }, distilled $distilled:literal) => {
        $(#[$doc])*
        ///
        /// # Shapes
        /// - input: `[batch, in_channels, height, width]`
        /// - output: logits `[batch, classes]`
        #[derive(Debug, Clone)]
        pub struct $Model {
            /// The body.
            pub $body: Vit,
            /// From the vector of the class token to logits.
            pub $first: Linear,
            $(
                /// From the vector of the distillation token to logits.
                pub $second: Linear,
            )?
            config: VitConfig,
        }

        crate::module!($Model { $body, $first $(, $second)? }, plain { config });
        architecture!($Model, VitConfig);

        impl $Model {
            /// A model with random weights. It has no pooler.
            ///
            /// # Errors
            /// As for [`Vit::new`].
            #[track_caller]
            pub fn new(mut config: VitConfig, rng: &mut Rng) -> Result<Self> {
                (config.distilled, config.pooler) = ($distilled, None);
                let (hidden, classes) = (config.encoder.hidden_size, config.labels.len());
                Ok(Self {
                    $body: Vit::new(config.clone(), rng)?,
                    $first: dense(hidden, classes, true, rng)?,
                    $($second: dense(hidden, classes, true, rng)?,)?
                    config,
                })
            }

            /// The sizes and options.
            #[must_use]
            pub fn config(&self) -> &VitConfig {
                &self.config
            }

            /// What the classifier sees of pictures: `[batch, hidden]`, the vector of the class token.
            ///
            /// # Errors
            /// If the pictures do not fit.
            #[track_caller]
            pub fn forward_features(&self, x: &Tensor, mode: &mut Mode<'_>) -> Result<Tensor> {
                self.$body.at(stringify!($body), x, mode)?.select(1, 0)
            }

            /// The same body with a new classifier, for so many classes.
            ///
            /// # Errors
            /// If there are none, or they do not fit into memory.
            #[track_caller]
            pub fn with_head(&self, classes: usize, rng: &mut Rng) -> Result<Self> {
                check_head("with_head", classes)?;
                let config = self.config.clone().classes(classes);
                let hidden = config.encoder.hidden_size;
                let mut model = self.clone();
                model.$first = dense(hidden, classes, true, rng)?;
                $(model.$second = dense(hidden, classes, true, rng)?;)?
                model.config = config;
                Ok(model)
            }
        }

        impl Layer for $Model {
            #[track_caller]
            fn forward(&self, x: &Tensor, mode: &mut Mode<'_>) -> Result<Tensor> {
                let x = self.$body.at(stringify!($body), x, mode)?;
                let y = self.$first.at(stringify!($first), &x.select(1, 0)?, mode)?;
                $(
                    let other = self.$second.at(stringify!($second), &x.select(1, 1)?, mode)?;
                    let y = y.add(&other)?.div_scalar(2.0);
                )?
                Ok(y)
            }
        }
    };
}

classifier! {
    /// A [`Vit`] that says what is on a picture.
    ///
    /// ```
    /// use demotic::models::{VitConfig, VitForImageClassification};
    /// use demotic::prelude::*;
    ///
    /// let mut rng = Rng::seed(0);
    /// let model = VitForImageClassification::new(VitConfig::new(32, 8, 16, 2).classes(10), &mut rng)?;
    /// let pictures = Tensor::zeros([2, 3, 32, 32])?;
    /// assert_eq!(model.predict(&pictures)?.shape(), [2, 10]);
    /// assert_eq!(model.with_head(4, &mut rng)?.predict(&pictures)?.shape(), [2, 4]);
    /// # Ok::<(), demotic::Error>(())
    /// ```
    VitForImageClassification { vit, classifier }, distilled false
}

classifier! {
    /// A [`Vit`] with a distillation token, of which the class token alone decides.
    DeitForImageClassification { deit, classifier }, distilled true
}

classifier! {
    /// A [`Vit`] with a distillation token, in which both tokens decide: the mean of their logits.
    DeitForImageClassificationWithTeacher { deit, cls_classifier, distillation_classifier }, distilled true
}
