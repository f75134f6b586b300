//! Decoders of which a program has only some blocks: how they are run, and how they are made.

use std::ops::Range;

use crate::error::Result;
use crate::layers::Module;
use crate::tensor::Tensor;

/// Where the vectors come from that the first block of a decoder takes, and where those of its last block go.
pub(crate) trait Links {
    /// What the blocks before give; nothing, if there are none and tokens are to be embedded.
    fn before(&self) -> Result<Option<Tensor>>;

    /// Hands on what the last block gives.
    fn after(&self, x: &Tensor) -> Result<()>;
}

/// Those of a whole model.
pub(super) struct Whole;

impl Links for Whole {
    fn before(&self) -> Result<Option<Tensor>> {
        Ok(None)
    }

    fn after(&self, _: &Tensor) -> Result<()> {
        Ok(())
    }
}

/// Some blocks of a decoder, and what stands before and behind them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Piece {
    pub(crate) blocks: Range<usize>,
    /// Whether it has the tables of tokens and positions.
    pub(crate) embeds: bool,
    /// Whether it has the last norm and the output layer.
    pub(crate) finishes: bool,
}

impl Piece {
    /// Whether it has the table of tokens of a model whose output layer may be that table.
    pub(crate) fn has_table(&self, tied: bool) -> bool {
        self.embeds || (self.finishes && tied)
    }
}

/// What is done with every block of a piece as soon as it is made, before there is the next.
pub(crate) type OnBlock<'a> = &'a mut dyn FnMut(&mut dyn Module) -> Result<()>;
