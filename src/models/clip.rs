//! CLIP: pictures and texts as vectors of one space.

use std::panic::Location;

use serde::{Deserialize, Serialize};

use super::encoder::{CLIP, EncoderConfig, EncoderLayer, INITIAL, dense};
use super::options::architecture;
use super::text::check_ids;
use super::vision::{patch_vectors, patches};
use crate::autograd::{AttentionOptions, pause_recording};
use crate::error::{Error, Result};
use crate::layers::{Activation, Conv2d, Count, Embedding, LayerExt, LayerNorm, Linear, Mode, Param, check_memory};
use crate::rng::Rng;
use crate::tensor::Tensor;

const OP: &str = "Clip::new";

/// The sizes and options of a [`Clip`].
///
/// ```
/// use demotic::models::ClipConfig;
///
/// let config = ClipConfig::new(49_408, 224, 32).projection(512);
/// assert_eq!(config.max_length, 77);
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct ClipConfig {
    /// The layers that read texts.
    pub text: EncoderConfig,
    /// How many different tokens there are.
    pub vocab_size: usize,
    /// The most tokens of a text.
    pub max_length: usize,
    /// The token that ends a text, whose vector stands for it; `None`: the one with the largest number, as in the first models.
    pub end_token: Option<i64>,
    /// The layers that look at pictures.
    pub vision: EncoderConfig,
    /// The height and width of the pictures.
    pub image_size: usize,
    /// The height and width of the patches that they are cut into.
    pub patch_size: usize,
    /// The channels of the pictures.
    pub in_channels: usize,
    /// The size of the vectors that are compared.
    pub projection_dim: usize,
}

impl ClipConfig {
    /// The towers of CLIP ViT-B (Radford et al., *Learning transferable visual models from natural language supervision*, 2021) for so many
    /// tokens, pictures of this size and patches of that: twelve layers of 512 for texts of at most 77 tokens, and of 768 for pictures.
    #[must_use]
    pub fn new(vocab_size: usize, image_size: usize, patch_size: usize) -> Self {
        let tower = |hidden: usize| EncoderConfig {
            activation: Activation::QuickGelu,
            layer_norm_eps: 1e-5,
            ..EncoderConfig::new(hidden, 12)
        };
        Self {
            text: tower(512),
            vocab_size,
            max_length: 77,
            end_token: None,
            vision: tower(768),
            image_size,
            patch_size,
            in_channels: 3,
            projection_dim: 512,
        }
    }

    /// Another size of the vectors that are compared.
    #[must_use]
    pub fn projection(mut self, size: usize) -> Self {
        self.projection_dim = size;
        self
    }

    /// The number of parameters of such a [`Clip`].
    #[must_use]
    pub fn num_parameters(&self) -> usize {
        self.parameters().get()
    }

    fn places(&self) -> usize {
        let along = self.image_size.checked_div(self.patch_size).unwrap_or(0);
        along.saturating_mul(along).saturating_add(1)
    }

    fn parameters(&self) -> Count {
        let (text, vision) = (self.text.hidden_size, self.vision.hidden_size);
        let texts = (Count::new(self.vocab_size) + self.max_length + 2 + self.projection_dim) * text;
        let patches = Count::new(self.patch_size) * self.patch_size * self.in_channels;
        let pictures = (patches + self.places() + 5 + self.projection_dim) * vision;
        texts + pictures + self.text.parameters() + self.vision.parameters() + 1
    }

    #[track_caller]
    fn check(&self) -> Result<()> {
        let sizes = [
            ("vocab_size", self.vocab_size),
            ("max_length", self.max_length),
            ("image_size", self.image_size),
            ("patch_size", self.patch_size),
            ("in_channels", self.in_channels),
            ("projection_dim", self.projection_dim),
        ];
        if let Some((name, _)) = sizes.iter().find(|(_, size)| *size == 0) {
            return Err(Error::argument(OP, format!("{name} is 0, expected at least 1")));
        }
        if self.places() == 1 {
            let message = format!("pictures of {} pixels, patches of {}", self.image_size, self.patch_size);
            return Err(Error::argument(OP, message));
        }
        if let Some(id) = self.end_token.filter(|id| usize::try_from(*id).map_or(true, |id| id >= self.vocab_size)) {
            return Err(Error::argument(
                OP,
                format!("end_token {id} in a vocabulary of {}, counted from 0", self.vocab_size),
            ));
        }
        self.text.check(OP)?;
        self.vision.check(OP)?;
        check_memory(OP, self.parameters(), self.text.tensors() + self.vision.tensors().get() + 16)
    }
}

/// Two transformers, of which one looks at pictures and one reads texts, whose vectors are close where picture and text belong together
/// (Radford et al., *Learning transferable visual models from natural language supervision*, 2021).
///
/// The parameters are named as in `transformers`.
///
/// ```
/// use demotic::models::{Clip, ClipConfig};
/// use demotic::prelude::*;
///
/// let mut config = ClipConfig::new(100, 32, 8).projection(8);
/// (config.text.hidden_size, config.text.num_layers) = (48, 1);
/// (config.vision.hidden_size, config.vision.num_layers) = (48, 1);
/// let clip = Clip::new(config, &mut Rng::seed(0))?;
/// let pictures = Tensor::zeros([2, 3, 32, 32])?;
/// let texts = Tensor::from_nested([[1i64, 5, 99], [1, 7, 99], [1, 6, 99]])?;
/// assert_eq!(clip.similarities(&pictures, &texts, &mut Mode::eval())?.shape(), [2, 3]);
/// # Ok::<(), demotic::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Clip {
    /// Reads texts.
    pub text_model: ClipText,
    /// Looks at pictures.
    pub vision_model: ClipVision,
    /// From pictures to the vectors that are compared.
    pub visual_projection: Linear,
    /// From texts to the vectors that are compared.
    pub text_projection: Linear,
    /// The logarithm of what cosines are multiplied by.
    pub logit_scale: Param,
    config: ClipConfig,
}

/// The transformer of a [`Clip`] that reads texts.
#[derive(Debug, Clone)]
pub struct ClipText {
    /// `[vocab, hidden]`.
    pub token_embedding: Embedding,
    /// `[positions, hidden]`.
    pub position_embedding: Embedding,
    /// The layers.
    pub layers: Vec<EncoderLayer>,
    /// Of what the layers give.
    pub final_layer_norm: LayerNorm,
}

/// The transformer of a [`Clip`] that looks at pictures.
#[derive(Debug, Clone)]
pub struct ClipVision {
    /// `[hidden]`.
    pub class_embedding: Param,
    /// A convolution whose kernel moves on by its own size.
    pub patch_embedding: Conv2d,
    /// `[tokens, hidden]`.
    pub position_embedding: Param,
    /// Before the layers.
    pub pre_layer_norm: LayerNorm,
    /// The layers.
    pub layers: Vec<EncoderLayer>,
    /// Of the vector of the class token.
    pub post_layernorm: LayerNorm,
}

crate::module!(Clip { text_model, vision_model, visual_projection, text_projection, logit_scale }, plain { config });
architecture!(Clip, ClipConfig);
crate::module!(ClipText {
    token_embedding as "embeddings.token_embedding",
    position_embedding as "embeddings.position_embedding",
    layers as "encoder.layers",
    final_layer_norm,
});
crate::module!(ClipVision {
    class_embedding as "embeddings.class_embedding",
    patch_embedding as "embeddings.patch_embedding",
    position_embedding as "embeddings.position_embedding.weight",
    // The spelling of the files.
    pre_layer_norm as "pre_layrnorm",
    layers as "encoder.layers",
    post_layernorm,
});

impl ClipText {
    #[track_caller]
    fn new(config: &ClipConfig, rng: &mut Rng) -> Result<Self> {
        let hidden = config.text.hidden_size;
        let mut table = |rows: usize| Embedding::from_pretrained(&INITIAL.tensor(&[rows, hidden], rng)?, false);
        Ok(Self {
            token_embedding: table(config.vocab_size)?,
            position_embedding: table(config.max_length)?,
            layers: config.text.layers(&CLIP, rng)?,
            final_layer_norm: config.text.norm()?,
        })
    }
}

impl ClipVision {
    #[track_caller]
    fn new(config: &ClipConfig, rng: &mut Rng) -> Result<Self> {
        let hidden = config.vision.hidden_size;
        let mut param = |shape: &[usize]| Param::new(INITIAL.tensor(shape, rng)?);
        Ok(Self {
            class_embedding: param(&[hidden])?,
            position_embedding: param(&[config.places(), hidden])?,
            patch_embedding: patches(config.in_channels, [config.patch_size; 2], hidden, false, rng)?,
            pre_layer_norm: config.vision.norm()?,
            layers: config.vision.layers(&CLIP, rng)?,
            post_layernorm: config.vision.norm()?,
        })
    }
}

#[track_caller]
fn encode(layers: &[EncoderLayer], mut x: Tensor, causal: bool, mode: &mut Mode<'_>) -> Result<Tensor> {
    for (i, layer) in layers.iter().enumerate() {
        let options = AttentionOptions::new();
        let options = if causal { options.causal() } else { options };
        x = mode.call(("encoder.layers", i), layer, |layer, mode| layer.run(&x, options, mode))?;
    }
    Ok(x)
}

/// Vectors of length 1.
#[track_caller]
fn directions(x: &Tensor) -> Result<Tensor> {
    x.div(&x.norm_dims(2.0, &[-1], true)?)
}

impl Clip {
    /// A model with random weights: normal with deviation 0.02, biases 0.
    ///
    /// # Errors
    /// If the sizes do not fit each other, an option makes no sense, or the weights do not fit into memory.
    #[track_caller]
    pub fn new(config: ClipConfig, rng: &mut Rng) -> Result<Self> {
        config.check()?;
        Ok(Self {
            text_model: ClipText::new(&config, rng)?,
            vision_model: ClipVision::new(&config, rng)?,
            visual_projection: dense(config.vision.hidden_size, config.projection_dim, false, rng)?,
            text_projection: dense(config.text.hidden_size, config.projection_dim, false, rng)?,
            // A factor of 1 / 0.07.
            logit_scale: Param::new(Tensor::scalar(2.6592))?,
            config,
        })
    }

    /// The sizes and options.
    #[must_use]
    pub fn config(&self) -> &ClipConfig {
        &self.config
    }

    /// Texts as vectors, `[batch, projection]`, of token ids `[batch, time]` (`I64`). Each ends with the token that ends a text; what comes
    /// behind it, such as padding, is not seen.
    ///
    /// # Errors
    /// If the ids have another shape or type, are too many or not in the vocabulary, or a text has no end.
    #[track_caller]
    pub fn text_features(&self, ids: &Tensor, mode: &mut Mode<'_>) -> Result<Tensor> {
        let (batch, time) = check_ids("clip", "token", ids, Some(self.config.max_length))?;
        let ends = self.ends(ids, batch, time)?;
        let x = mode.call("text_model", &self.text_model, |text, mode| {
            let x = text.token_embedding.at("embeddings.token_embedding", ids, mode)?;
            let positions =
                text.position_embedding.at("embeddings.position_embedding", &Tensor::arange(time)?, mode)?;
            let x = encode(&text.layers, x.add(&positions)?, true, mode)?;
            text.final_layer_norm.at("final_layer_norm", &x, mode)
        })?;
        let hidden = self.config.text.hidden_size;
        let x = x.reshape([batch * time, hidden])?.index_select(0, &ends)?;
        self.text_projection.at("text_projection", &x, mode)
    }

    /// Where the texts of a batch end, counted over all tokens of the batch.
    #[track_caller]
    fn ends(&self, ids: &Tensor, batch: usize, time: usize) -> Result<Tensor> {
        let ids = ids.to_vec::<i64>()?;
        let mut ends = Vec::with_capacity(batch);
        for (i, text) in ids.chunks_exact(time).enumerate() {
            let end = self.config.end_token.or(text.iter().max().copied());
            let Some(place) = end.and_then(|end| text.iter().position(|id| *id == end)) else {
                let message =
                    format!("text {i} of the batch does not end: it has no token {}", end.unwrap_or_default());
                return Err(Error::argument("clip", message).with_help("the tokenizer of the model adds it"));
            };
            ends.push((i * time + place) as i64);
        }
        Tensor::from_vec(ends, [batch])
    }

    /// Pictures as vectors: `[batch, in_channels, height, width]` → `[batch, projection]`.
    ///
    /// # Errors
    /// If the pictures have another shape.
    #[track_caller]
    pub fn image_features(&self, pictures: &Tensor, mode: &mut Mode<'_>) -> Result<Tensor> {
        let config = &self.config;
        let x = mode.call("vision_model", &self.vision_model, |vision, mode| {
            let projection = ("embeddings.patch_embedding", &vision.patch_embedding);
            let form = (&[&*vision.class_embedding][..], config.in_channels, [config.image_size; 2]);
            let x = patch_vectors("Clip", projection, form, pictures, mode)?.add(&vision.position_embedding)?;
            let x = vision.pre_layer_norm.at("pre_layrnorm", &x, mode)?;
            let x = encode(&vision.layers, x, false, mode)?.select(1, 0)?;
            vision.post_layernorm.at("post_layernorm", &x, mode)
        })?;
        self.visual_projection.at("visual_projection", &x, mode)
    }

    /// The vectors of texts in evaluation, without recording.
    ///
    /// # Errors
    /// As for [`text_features`](Self::text_features).
    #[track_caller]
    pub fn encode_texts(&self, ids: &Tensor) -> Result<Tensor> {
        let _unrecorded = pause_recording();
        self.text_features(ids, &mut Mode::eval().called_at(Location::caller()))
    }

    /// The vectors of pictures in evaluation, without recording.
    ///
    /// # Errors
    /// As for [`image_features`](Self::image_features).
    #[track_caller]
    pub fn encode_images(&self, pictures: &Tensor) -> Result<Tensor> {
        let _unrecorded = pause_recording();
        self.image_features(pictures, &mut Mode::eval().called_at(Location::caller()))
    }

    /// How well pictures and texts go together: the cosines of their vectors, multiplied by `exp(logit_scale)`, `[pictures, texts]`. Behind
    /// a softmax over the texts, which of them belongs to a picture (`logits_per_image` of `transformers`).
    ///
    /// # Errors
    /// As for [`text_features`](Self::text_features) and [`image_features`](Self::image_features).
    #[track_caller]
    pub fn similarities(&self, pictures: &Tensor, ids: &Tensor, mode: &mut Mode<'_>) -> Result<Tensor> {
        let pictures = self.image_features(pictures, mode)?;
        self.compare(&pictures, &self.text_features(ids, mode)?)
    }

    /// The same of vectors of pictures `[pictures, projection]` and of texts `[texts, projection]` that were made before.
    ///
    /// # Errors
    /// If they have other shapes.
    #[track_caller]
    pub fn compare(&self, pictures: &Tensor, texts: &Tensor) -> Result<Tensor> {
        directions(pictures)?.matmul(&directions(texts)?.t())?.mul(&self.logit_scale.exp())
    }
}
