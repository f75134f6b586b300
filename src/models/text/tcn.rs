//! Causal convolutions over sequences, ever wider apart.

mod decode;

pub use decode::TcnState;

use serde::{Deserialize, Serialize};

use super::sequences::{check_ids, check_sizes};
use crate::autograd::ConvOptions;
use crate::error::{Error, Result};
use crate::layers::{Conv1d, Count, Dropout, Embedding, Layer, LayerExt, Linear, Mode, WeightNorm, check_memory};
use crate::models::options::{architecture, options};
use crate::rng::Rng;
use crate::tensor::Tensor;

/// What a [`Tcn`] is made of.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct TcnConfig {
    /// How many different tokens there are, if sequences are of tokens and not of numbers.
    pub vocab_size: Option<usize>,
    /// How many numbers there are at each place of a sequence, or in the vector that stands for a token.
    pub input_size: usize,
    /// How many numbers are predicted at each place.
    pub output_size: usize,
    /// The channels of each block. Its convolutions see places that are twice as far apart as those of the block before.
    pub channels: Vec<usize>,
    /// How many places a convolution sees.
    pub kernel_size: usize,
    /// The probability of dropout behind each convolution.
    pub dropout: f64,
}

impl TcnConfig {
    /// Four blocks of 32 channels, convolutions of 3 places, and a dropout of 0.2, for sequences of `input_size` numbers at each place.
    #[must_use]
    pub fn new(input_size: usize, output_size: usize) -> Self {
        Self { vocab_size: None, input_size, output_size, channels: vec![32; 4], kernel_size: 3, dropout: 0.2 }
    }

    /// The same for sequences of tokens, for each of which a vector of `embedding_size` numbers is learned.
    #[must_use]
    pub fn tokens(vocab_size: usize, embedding_size: usize, output_size: usize) -> Self {
        Self { vocab_size: Some(vocab_size), ..Self::new(embedding_size, output_size) }
    }

    /// Other blocks.
    #[must_use]
    pub fn channels(mut self, channels: &[usize]) -> Self {
        self.channels = channels.to_vec();
        self
    }

    /// Convolutions of another number of places.
    #[must_use]
    pub fn kernel_size(mut self, size: usize) -> Self {
        self.kernel_size = size;
        self
    }

    options!(dropout);

    /// How many places an output depends on: its own, and those before it.
    #[must_use]
    pub fn receptive_field(&self) -> usize {
        let reach = |block: usize| dilation(block).saturating_mul(2).saturating_mul(self.kernel_size.saturating_sub(1));
        (0..self.channels.len()).map(reach).fold(1, usize::saturating_add)
    }

    /// The number of parameters of such a model.
    #[must_use]
    pub fn num_parameters(&self) -> usize {
        self.count().get()
    }

    fn count(&self) -> Count {
        let mut sum = Count::new(self.vocab_size.unwrap_or(0)) * self.input_size;
        let mut inputs = self.input_size;
        for outputs in &self.channels {
            // A length and a bias for each output.
            let conv = |inputs: usize| (Count::new(inputs) * self.kernel_size + 2) * *outputs;
            sum = sum + conv(inputs) + conv(*outputs);
            if inputs != *outputs {
                sum = sum + (Count::new(inputs) + 1) * *outputs;
            }
            inputs = *outputs;
        }
        sum + (Count::new(inputs) + 1) * self.output_size
    }

    #[track_caller]
    fn check(&self) -> Result<()> {
        let op = "Tcn::new";
        let mut sizes = vec![
            ("vocab_size", self.vocab_size.unwrap_or(1)),
            ("input_size", self.input_size),
            ("output_size", self.output_size),
            ("kernel_size", self.kernel_size),
        ];
        sizes.extend(self.channels.iter().map(|channels| ("a number of channels", *channels)));
        check_sizes(op, &sizes)?;
        if self.channels.is_empty() {
            return Err(Error::argument(op, "there are no blocks: the list of channels is empty"));
        }
        check_memory(op, self.count(), Count::new(self.channels.len()) * 8 + 3)
    }
}

/// How far apart the places of a block's convolutions are.
fn dilation(block: usize) -> usize {
    u32::try_from(block).ok().and_then(|block| 1usize.checked_shl(block)).unwrap_or(usize::MAX)
}

/// Two causal convolutions with normalised weights, beside a path that skips them: `relu(f(x) + x)`, where a convolution of one place gives `x`
/// as many channels as `f(x)` if it has others.
///
/// # Shapes
/// - input: `[batch, in_channels, time]`
/// - output: `[batch, out_channels, time]`
#[derive(Debug, Clone)]
pub struct TcnBlock {
    /// From the input.
    pub conv1: Conv1d,
    /// From what the first one found.
    pub conv2: Conv1d,
    /// The path beside them, where the numbers of channels differ.
    pub downsample: Option<Conv1d>,
    dropout: Dropout,
    kernel_size: usize,
    dilation: usize,
}

crate::module!(TcnBlock { conv1, conv2, downsample }, plain { dropout, kernel_size, dilation });

impl TcnBlock {
    #[track_caller]
    fn new(config: &TcnConfig, inputs: usize, outputs: usize, dilation: usize, rng: &mut Rng) -> Result<Self> {
        let mut conv = |inputs: usize| -> Result<Conv1d> {
            let mut conv = Conv1d::new(inputs, outputs, config.kernel_size, rng)?.dilation(dilation);
            let norm = WeightNorm::new(&conv.weight)?;
            conv.weight.adapt(norm)?;
            Ok(conv)
        };
        let (conv1, conv2) = (conv(inputs)?, conv(outputs)?);
        let downsample = if inputs == outputs { None } else { Some(Conv1d::new(inputs, outputs, 1, rng)?) };
        let (dropout, kernel_size) = (Dropout::new(config.dropout)?, config.kernel_size);
        Ok(Self { conv1, conv2, downsample, dropout, kernel_size, dilation })
    }

    /// A convolution over the present and earlier places: the outputs of those behind the first `before`.
    #[track_caller]
    fn causal(
        &self,
        name: &'static str,
        conv: &Conv1d,
        x: &Tensor,
        before: usize,
        mode: &mut Mode<'_>,
    ) -> Result<Tensor> {
        let time = x.shape()[2];
        // The places of the kernel that reach back no further than the beginning.
        let within = (time.saturating_sub(1) / self.dilation + 1).min(self.kernel_size);
        let margin = ((within - 1) * self.dilation) as isize - before as isize;
        let x = if margin == 0 { x.clone() } else { x.pad(&[(margin, 0)], 0.0)? };
        if within == self.kernel_size {
            return conv.at(name, &x, mode);
        }
        mode.call(name, conv, |conv, _| {
            let weight = conv.weight.value()?.narrow(2, self.kernel_size - within, within)?;
            let apart = if within > 1 { self.dilation } else { 1 };
            x.conv1d(&weight, conv.bias.as_deref(), &ConvOptions::new().dilation(apart))
        })
    }

    /// The path beside the convolutions.
    #[track_caller]
    fn beside(&self, x: &Tensor, mode: &mut Mode<'_>) -> Result<Tensor> {
        match &self.downsample {
            Some(conv) => conv.at("downsample", x, mode),
            None => Ok(x.clone()),
        }
    }
}

impl Layer for TcnBlock {
    #[track_caller]
    fn forward(&self, x: &Tensor, mode: &mut Mode<'_>) -> Result<Tensor> {
        let mut y = x.clone();
        for (name, conv) in [("conv1", &self.conv1), ("conv2", &self.conv2)] {
            y = self.dropout.at("dropout", &self.causal(name, conv, &y, 0, mode)?.relu(), mode)?;
        }
        Ok(y.add(&self.beside(x, mode)?)?.relu())
    }
}

/// A temporal convolutional network: blocks of causal convolutions, whose places are twice as far apart from block to block, so that few of them
/// see far back; and a dense layer at each place (Bai, Kolter and Koltun, *An Empirical Evaluation of Generic Convolutional and Recurrent
/// Networks for Sequence Modeling*, 2018). No output depends on later inputs.
///
/// For one answer for each sequence, take that of its last place: `y.select(1, -1)`. With tokens, an output of the size of the vocabulary, and
/// targets moved by one, it is a language model: [`token_cross_entropy`](crate::losses::token_cross_entropy) trains it, and it
/// [continues](crate::models::Generate) token by token, for each of which it looks at its receptive field and no more.
///
/// # Shapes
/// - input: `[batch, time, input_size]`, or token ids `[batch, time]` of type `I64`
/// - output: `[batch, time, output_size]`
/// - parameters: `embedding.weight` for tokens, `blocks.0.conv1.weight`, `blocks.0.conv1.weight.g` (the lengths of [`WeightNorm`]),
///   `blocks.0.conv1.bias`, …, `blocks.0.downsample.weight`, …, `head.weight`, `head.bias`
///
/// ```
/// use demotic::models::{Tcn, TcnConfig};
/// use demotic::prelude::*;
///
/// // The sum of a number and the one two places before.
/// let mut rng = Rng::seed(0);
/// let x = Tensor::uniform([16, 12, 1], 0.0, 1.0, &mut rng)?;
/// let y = (&x + &x.pad(&[(2, -2), (0, 0)], 0.0)?)?;
/// let mut model = Tcn::new(TcnConfig::new(1, 1).channels(&[8, 8]).dropout(0.0), &mut rng)?;
/// let mut opt = Adam::new(0.02);
/// let mut error = f64::INFINITY;
/// for _step in 0..150 {
///     let loss = losses::mse(&model.forward(&x, &mut Mode::train(&mut rng))?, &y)?;
///     opt.step(&mut model, &loss.backward()?)?;
///     error = loss.item()?;
/// }
/// assert!(error < 0.01, "{error}");
/// # Ok::<(), demotic::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Tcn {
    /// A vector for each token, if sequences are of tokens.
    pub embedding: Option<Embedding>,
    /// The blocks.
    pub blocks: Vec<TcnBlock>,
    /// The outputs.
    pub head: Linear,
    config: TcnConfig,
}

crate::module!(Tcn { embedding, blocks, head }, plain { config });
architecture!(Tcn, TcnConfig);

impl Tcn {
    /// A model with random weights.
    ///
    /// # Errors
    /// If a size is 0, the dropout is no probability, or the weights do not fit into memory.
    #[track_caller]
    pub fn new(config: TcnConfig, rng: &mut Rng) -> Result<Self> {
        config.check()?;
        let embedding = match config.vocab_size {
            Some(vocab_size) => Some(Embedding::new(vocab_size, config.input_size, rng)?),
            None => None,
        };
        let (mut blocks, mut inputs) = (Vec::with_capacity(config.channels.len()), config.input_size);
        for (i, outputs) in config.channels.iter().enumerate() {
            blocks.push(TcnBlock::new(&config, inputs, *outputs, dilation(i), rng)?);
            inputs = *outputs;
        }
        Ok(Self { embedding, blocks, head: Linear::new(inputs, config.output_size, rng)?, config })
    }

    /// The sizes and options.
    #[must_use]
    pub fn config(&self) -> &TcnConfig {
        &self.config
    }

    /// What the blocks found at each place, from which the last layer makes the outputs: `[batch, time, channels]`.
    ///
    /// # Errors
    /// As for [`forward`](Layer::forward): if the input has another shape or type, or an id is not in the vocabulary.
    #[track_caller]
    pub fn hidden(&self, x: &Tensor, mode: &mut Mode<'_>) -> Result<Tensor> {
        let mut x = match &self.embedding {
            Some(embedding) => {
                check_ids("tcn", "token", x, None)?;
                embedding.at("embedding", x, mode)?
            }
            None => x.clone(),
        };
        let size = self.config.input_size;
        match *x.shape() {
            [_, time, features] if time > 0 && features == size => {}
            _ => {
                let message = format!("an input of shape {:?}, expected [batch, time, {size}]", x.shape());
                return Err(Error::shape("tcn", message));
            }
        }
        x = x.transpose(1, 2)?;
        for (i, block) in self.blocks.iter().enumerate() {
            x = block.at(("blocks", i), &x, mode)?;
        }
        x.transpose(1, 2)
    }
}

impl Layer for Tcn {
    #[track_caller]
    fn forward(&self, x: &Tensor, mode: &mut Mode<'_>) -> Result<Tensor> {
        let hidden = self.hidden(x, mode)?;
        self.head.at("head", &hidden, mode)
    }
}
