//! Weights of a few bits a number: blocks to numbers and back, and products in whole numbers.

mod fit;
mod gptq;
mod large;
mod pack;
pub(crate) mod panels;
mod product;
mod scheme;
#[cfg(test)]
mod tests;
mod unpack;
pub(crate) mod whole;

pub(crate) use fit::{Fit, Levels, percentile, put_row};
pub(crate) use gptq::{Gptq, factor};
pub(crate) use pack::{PACKED, pack};
pub(crate) use product::{MOST_ROWS, Rows, products};
pub use scheme::Scheme;

use super::simd::{Isa, Kernel, dispatch_to_avx2};
use unpack::{CHUNK, GROUP, Unpacked, unpack};

/// The numbers of blocks; of [`Scheme::Int8`], of one row.
pub(crate) fn unpack_all(scheme: Scheme, blocks: &[u8], out: &mut [f32]) {
    if scheme == Scheme::Int8 {
        let (head, bytes) = blocks.split_at(scheme::INT8_HEAD);
        assert_eq!(bytes.len(), out.len(), "the numbers of a row");
        let scale = head.try_into().map_or(f32::NAN, f32::from_le_bytes);
        return out.iter_mut().zip(bytes).for_each(|(out, q)| *out = scale * f32::from(*q as i8));
    }
    assert_eq!(out.len() * scheme.block_bytes(), blocks.len() * scheme.block_len(), "the numbers and their blocks");
    dispatch_to_avx2(Numbers { scheme, blocks, out });
}

/// The bytes that a chunk takes.
fn chunk_bytes(scheme: Scheme) -> usize {
    CHUNK / scheme.block_len() * scheme.block_bytes()
}

struct Numbers<'a> {
    scheme: Scheme,
    blocks: &'a [u8],
    out: &'a mut [f32],
}

impl Kernel for Numbers<'_> {
    type Output = ();

    #[inline(always)]
    fn run<I: Isa>(self) {
        let mut unpacked = Unpacked::new();
        let chunks = self.blocks.chunks(chunk_bytes(self.scheme)).zip(self.out.chunks_mut(CHUNK));
        for (blocks, out) in chunks {
            unpack(self.scheme, blocks, &mut unpacked);
            let Unpacked { q, scale, offset } = &unpacked;
            for (i, (out, q)) in out.chunks_mut(GROUP).zip(q.chunks(GROUP)).enumerate() {
                for (out, q) in out.iter_mut().zip(q) {
                    // Rounded twice, as everybody does.
                    *out = scale[i] * f32::from(*q) + offset[i];
                }
            }
        }
    }
}
