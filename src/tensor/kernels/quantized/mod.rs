//! Weights of a few bits a number: blocks to numbers and back, and products in whole numbers.

mod pack;
mod product;
mod scheme;
#[cfg(test)]
mod tests;
mod unpack;

pub(crate) use pack::{PACKED, pack};
pub(crate) use product::{MOST_ROWS, Rows, products};
pub use scheme::Scheme;

use super::simd::{Isa, Kernel, dispatch_to_avx2};
use unpack::{CHUNK, GROUP, Unpacked, unpack};

/// The numbers of blocks.
pub(crate) fn unpack_all(scheme: Scheme, blocks: &[u8], out: &mut [f32]) {
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
