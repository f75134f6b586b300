//! The first layer of a transformer: vectors for tokens and for their places.

use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::layers::{Dropout, Embedding, Init, Layer, LayerExt, LearnedPositions, Mode, SinusoidalPositions};
use crate::rng::Rng;
use crate::tensor::Tensor;

/// How a transformer knows where in a sequence a token stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum PositionKind {
    /// Waves of different lengths, which need no training ([`SinusoidalPositions`]).
    #[default]
    Sinusoidal,
    /// A vector that is learned for each place ([`LearnedPositions`]).
    Learned,
}

/// Adds something to token vectors that tells where they stand.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Positions {
    /// Waves of different lengths.
    Sinusoidal(SinusoidalPositions),
    /// A vector that is learned for each place.
    Learned(LearnedPositions),
}

impl Positions {
    #[track_caller]
    fn new(kind: PositionKind, max_length: usize, dim: usize, rng: &mut Rng) -> Result<Self> {
        Ok(match kind {
            PositionKind::Sinusoidal => Self::Sinusoidal(SinusoidalPositions::new(max_length, dim)?),
            PositionKind::Learned => Self::Learned(LearnedPositions::new(max_length, dim, rng)?),
        })
    }

    #[track_caller]
    fn forward_at(&self, x: &Tensor, offset: usize) -> Result<Tensor> {
        match self {
            Self::Sinusoidal(positions) => positions.forward_at(x, offset),
            Self::Learned(positions) => positions.forward_at(x, offset),
        }
    }

    /// Each row counts its places for itself.
    #[track_caller]
    fn place_rows(&self, x: &Tensor, from: usize, padding: &[usize]) -> Result<Tensor> {
        let n = x.shape()[1];
        let mut rows = Vec::with_capacity(padding.len());
        for (row, padding) in padding.iter().enumerate() {
            let x = x.narrow(0, row, 1)?;
            let absent = padding.saturating_sub(from).min(n);
            let first = (from + absent).saturating_sub(*padding);
            let there = self.forward_at(&x.narrow(1, absent, n - absent)?, first)?;
            rows.push(Tensor::cat(&[&x.narrow(1, 0, absent)?, &there], 1)?);
        }
        Tensor::cat(&rows.iter().collect::<Vec<_>>(), 0)
    }
}

crate::module!(
    enum Positions {
        Sinusoidal(SinusoidalPositions),
        Learned(LearnedPositions),
    }
);

/// Token vectors, multiplied by the root of their size as in *Attention is all you need*, with positions and dropout.
///
/// # Shapes
/// - input: token ids `[batch, time]` of type `I64`
/// - output: `[batch, time, hidden]`
/// - `tokens.weight`: `[vocab, hidden]`, normally distributed with variance `1 / hidden`; `positions.weight`:
///   `[max_length, hidden]`, if positions are learned
#[derive(Debug, Clone)]
pub struct TokenEmbedding {
    /// A vector for each token.
    pub tokens: Embedding,
    /// What is added for each place.
    pub positions: Positions,
    scale: f64,
    dropout: Dropout,
}

crate::module!(TokenEmbedding { tokens, positions }, plain { scale, dropout });

impl TokenEmbedding {
    #[track_caller]
    pub(super) fn new(
        vocab_size: usize,
        max_length: usize,
        hidden_size: usize,
        kind: PositionKind,
        dropout: f64,
        rng: &mut Rng,
    ) -> Result<Self> {
        let scale = (hidden_size as f64).sqrt();
        let init = Init::Normal { mean: 0.0, std: 1.0 / scale };
        Ok(Self {
            tokens: Embedding::from_pretrained(&init.tensor(&[vocab_size, hidden_size], rng)?, false)?,
            positions: Positions::new(kind, max_length, hidden_size, rng)?,
            scale,
            dropout: Dropout::new(dropout)?,
        })
    }

    /// The vectors of tokens that follow upon `from` earlier ones, in rows the first `padding[row]` tokens of which are
    /// absent and do not count as places.
    #[track_caller]
    pub(super) fn embed_at(&self, ids: &Tensor, from: usize, padding: &[usize], mode: &mut Mode<'_>) -> Result<Tensor> {
        let x = self.tokens.at("tokens", ids, mode)? * self.scale;
        let placed = mode.call("positions", &self.positions, |positions, _| {
            match padding.iter().all(|padding| *padding == 0) {
                true => positions.forward_at(&x, from),
                false => positions.place_rows(&x, from, padding),
            }
        })?;
        self.dropout.at("dropout", &placed, mode)
    }
}

impl Layer for TokenEmbedding {
    #[track_caller]
    fn forward(&self, ids: &Tensor, mode: &mut Mode<'_>) -> Result<Tensor> {
        self.embed_at(ids, 0, &[], mode)
    }
}
