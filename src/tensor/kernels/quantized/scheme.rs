//! How blocks of quantised numbers are laid out.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The bytes in front of a row of [`Scheme::Int8`]: its scale.
pub(super) const INT8_HEAD: usize = 4;

/// How the numbers of a [`QTensor`](crate::tensor::QTensor) are kept: blocks of a few bits for each number, with what all of a block have
/// in common. Names and layouts are those of GGUF files (the `ggml` library).
///
/// | | bits a number | a block | value |
/// |---|---|---|---|
/// | `Q8_0` | 8.5 | 32 numbers, a 16-bit scale `d` | `d · q`, `q` from −128 to 127 |
/// | `Q5_0`, `Q4_0` | 5.5, 4.5 | 32 numbers, a scale | `d · q`, `q` from −16 to 15, from −8 to 7 |
/// | `Q5_1`, `Q4_1` | 6, 5 | 32 numbers, a scale and a least value `m` | `d · q + m`, `q` from 0 to 31, to 15 |
/// | `IQ4_NL` | 4.5 | 32 numbers, a scale | `d · t[q]` with a table `t` of 16 numbers, closer together near zero |
/// | `Q6_K`, `Q3_K` | 6.56, 3.44 | 256 numbers, a scale, and a factor of it for each 16 | `d · s · q`, `q` from −32 to 31, from −4 to 3 |
/// | `Q5_K`, `Q4_K` | 5.5, 4.5 | 256 numbers, two scales, and factors of both for each 32 | `d · s · q − e · m` |
/// | `Q2_K` | 2.63 | the same for each 16 | `d · s · q − e · m`, `q` from 0 to 3 |
/// | `INT8` | 8 | a row of any length, a 32-bit scale `d` (not in GGUF files) | `d · q`, `q` from −127 to 127 |
///
/// Numbers are put into `Q4_0`, `Q4_1`, `Q5_0`, `Q5_1`, `Q8_0` and `INT8`; the others are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Scheme {
    /// 4 bits and a scale for 32 numbers.
    Q4_0,
    /// 4 bits, a scale and a least value for 32 numbers.
    Q4_1,
    /// 5 bits and a scale for 32 numbers.
    Q5_0,
    /// 5 bits, a scale and a least value for 32 numbers.
    Q5_1,
    /// 8 bits and a scale for 32 numbers.
    Q8_0,
    /// 2 bits, in blocks of 256.
    #[serde(rename = "Q2_K")]
    Q2K,
    /// 3 bits, in blocks of 256.
    #[serde(rename = "Q3_K")]
    Q3K,
    /// 4 bits, in blocks of 256.
    #[serde(rename = "Q4_K")]
    Q4K,
    /// 5 bits, in blocks of 256.
    #[serde(rename = "Q5_K")]
    Q5K,
    /// 6 bits, in blocks of 256.
    #[serde(rename = "Q6_K")]
    Q6K,
    /// 4 bits that number the entries of a table, and a scale for 32 numbers.
    #[serde(rename = "IQ4_NL")]
    Iq4Nl,
    /// 8 bits and a scale for each row, which is an output of the layer: products are of whole numbers alone, for any number of rows,
    /// each of which is rounded to eight bits with a scale of its own.
    #[serde(rename = "INT8")]
    Int8,
}

impl Scheme {
    /// Those that GGUF files have: all but [`Int8`](Self::Int8).
    pub const ALL: [Self; 11] = [
        Self::Q4_0,
        Self::Q4_1,
        Self::Q5_0,
        Self::Q5_1,
        Self::Q8_0,
        Self::Q2K,
        Self::Q3K,
        Self::Q4K,
        Self::Q5K,
        Self::Q6K,
        Self::Iq4Nl,
    ];

    /// The name that GGUF files and `llama.cpp` give it: `Q4_K`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Q4_0 => "Q4_0",
            Self::Q4_1 => "Q4_1",
            Self::Q5_0 => "Q5_0",
            Self::Q5_1 => "Q5_1",
            Self::Q8_0 => "Q8_0",
            Self::Q2K => "Q2_K",
            Self::Q3K => "Q3_K",
            Self::Q4K => "Q4_K",
            Self::Q5K => "Q5_K",
            Self::Q6K => "Q6_K",
            Self::Iq4Nl => "IQ4_NL",
            Self::Int8 => "INT8",
        }
    }

    /// How many numbers a block holds; the rows of a tensor are made of whole blocks. 1 for [`Int8`](Self::Int8), of which a row is a
    /// block, whatever its length.
    #[must_use]
    pub const fn block_len(self) -> usize {
        match self {
            Self::Q2K | Self::Q3K | Self::Q4K | Self::Q5K | Self::Q6K => 256,
            Self::Int8 => 1,
            _ => 32,
        }
    }

    /// How many bytes a block takes; of [`Int8`](Self::Int8), a number, without the four bytes of its row.
    #[must_use]
    pub const fn block_bytes(self) -> usize {
        match self {
            Self::Q4_0 | Self::Iq4Nl => 18,
            Self::Q4_1 => 20,
            Self::Q5_0 => 22,
            Self::Q5_1 => 24,
            Self::Q8_0 => 34,
            Self::Q2K => 84,
            Self::Q3K => 110,
            Self::Q4K => 144,
            Self::Q5K => 176,
            Self::Q6K => 210,
            Self::Int8 => 1,
        }
    }

    /// How many bytes a row of `len` numbers takes, which are whole blocks.
    #[must_use]
    pub const fn row_bytes(self, len: usize) -> usize {
        let head = if matches!(self, Self::Int8) { INT8_HEAD } else { 0 };
        (len / self.block_len()).saturating_mul(self.block_bytes()).saturating_add(head)
    }

    /// How many bits a number takes, with its part of what the block has in common.
    #[must_use]
    pub fn bits(self) -> f64 {
        8.0 * self.block_bytes() as f64 / self.block_len() as f64
    }

    /// Whether something is added to the multiples of the scale.
    pub(crate) const fn has_offset(self) -> bool {
        matches!(self, Self::Q4_1 | Self::Q5_1 | Self::Q2K | Self::Q4K | Self::Q5K)
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
