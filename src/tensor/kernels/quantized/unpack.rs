//! Blocks as whole numbers with a scale and an offset for each sixteen: the one form that everything computes with.

use super::Scheme;

/// How many numbers are unpacked at a time: eight small blocks, or a large one.
pub(super) const CHUNK: usize = 256;
/// How many neighbours have a scale and an offset in common, at least.
pub(super) const GROUP: usize = 16;
pub(super) const GROUPS: usize = CHUNK / GROUP;

/// Up to 256 numbers, `scale · q + offset`.
#[repr(align(64))]
pub(super) struct Unpacked {
    pub(super) q: [i8; CHUNK],
    pub(super) scale: [f32; GROUPS],
    /// −0 where there is none, which changes no number that it is added to.
    pub(super) offset: [f32; GROUPS],
}

impl Unpacked {
    pub(super) fn new() -> Self {
        Self { q: [0; CHUNK], scale: [0.0; GROUPS], offset: [-0.0; GROUPS] }
    }
}

/// A 16-bit number in the next larger format, for every one of them, without a call or a branch.
#[inline(always)]
pub(super) fn half(bytes: [u8; 2]) -> f32 {
    let bits = u32::from(u16::from_le_bytes(bytes));
    let (sign, rest) = ((bits & 0x8000) << 16, (bits & 0x7fff) << 13);
    // The exponents differ by 112, which a product takes care of for numbers without a leading one as well.
    let finite = (f32::from_bits(rest) * f32::from_bits((127 + 112) << 23)).to_bits();
    let value = if rest >= 0x7c00 << 13 { rest | 0x7f80_0000 } else { finite };
    f32::from_bits(value | sign)
}

/// The low halves of the bytes, then the high ones, less a number.
#[inline(always)]
fn nibbles_less(bytes: &[u8; 16], less: i8, q: &mut [i8; 32]) {
    for j in 0..16 {
        q[j] = (bytes[j] & 15) as i8 - less;
        q[j + 16] = (bytes[j] >> 4) as i8 - less;
    }
}

/// The same with a fifth bit for each.
#[inline(always)]
fn fives(bytes: &[u8; 16], high: [u8; 4], less: i8, q: &mut [i8; 32]) {
    let high = u32::from_le_bytes(high);
    for j in 0..16 {
        let (low, up) = ((high >> j & 1) << 4, (high >> (j + 16) & 1) << 4);
        q[j] = (bytes[j] & 15 | low as u8) as i8 - less;
        q[j + 16] = (bytes[j] >> 4 | up as u8) as i8 - less;
    }
}

/// Blocks of 32 numbers: `one` unpacks one, and returns its scale and offset. It is a function, and no closure, which would be compiled
/// apart.
#[inline(always)]
fn small<const BYTES: usize>(blocks: &[u8], out: &mut Unpacked, one: impl Fn(&[u8; BYTES], &mut [i8; 32]) -> [f32; 2]) {
    let places = out.q.as_chunks_mut::<32>().0.iter_mut();
    for (i, (block, q)) in blocks.as_chunks::<BYTES>().0.iter().zip(places).enumerate() {
        let [scale, offset] = one(block, q);
        for at in [2 * i, 2 * i + 1] {
            out.scale[at] = scale;
            out.offset[at] = offset;
        }
    }
}

/// `N` bytes of a block, from `at` on.
#[inline(always)]
fn bytes<const N: usize, const BYTES: usize>(block: &[u8; BYTES], at: usize) -> &[u8; N] {
    match block[at..].first_chunk() {
        Some(bytes) => bytes,
        None => &[0; N],
    }
}

#[inline(always)]
fn half_at<const BYTES: usize>(block: &[u8; BYTES], at: usize) -> f32 {
    half(*bytes(block, at))
}

/// The entries that the numbers of [`Scheme::Iq4Nl`] stand for.
pub(super) const TABLE: [i8; 16] = [-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113];

/// Unpacks the blocks of at most [`CHUNK`] numbers.
#[inline(always)]
pub(super) fn unpack(scheme: Scheme, blocks: &[u8], out: &mut Unpacked) {
    match scheme {
        Scheme::Q4_0 => small(blocks, out, q4_0),
        Scheme::Q4_1 => small(blocks, out, q4_1),
        Scheme::Q5_0 => small(blocks, out, q5_0),
        Scheme::Q5_1 => small(blocks, out, q5_1),
        Scheme::Q8_0 => small(blocks, out, q8_0),
        Scheme::Iq4Nl => small(blocks, out, iq4_nl),
        Scheme::Q2K => large(blocks, out, q2_k),
        Scheme::Q3K => large(blocks, out, q3_k),
        Scheme::Q4K => large(blocks, out, q4_k),
        Scheme::Q5K => large(blocks, out, q5_k),
        Scheme::Q6K => large(blocks, out, q6_k),
        // Has no blocks, and is read by rows.
        Scheme::Int8 => (),
    }
}

#[inline(always)]
fn q4_0(block: &[u8; 18], q: &mut [i8; 32]) -> [f32; 2] {
    nibbles_less(bytes(block, 2), 8, q);
    [half_at(block, 0), -0.0]
}

#[inline(always)]
fn q4_1(block: &[u8; 20], q: &mut [i8; 32]) -> [f32; 2] {
    nibbles_less(bytes(block, 4), 0, q);
    [half_at(block, 0), half_at(block, 2)]
}

#[inline(always)]
fn q5_0(block: &[u8; 22], q: &mut [i8; 32]) -> [f32; 2] {
    fives(bytes(block, 6), *bytes(block, 2), 16, q);
    [half_at(block, 0), -0.0]
}

#[inline(always)]
fn q5_1(block: &[u8; 24], q: &mut [i8; 32]) -> [f32; 2] {
    fives(bytes(block, 8), *bytes(block, 4), 0, q);
    [half_at(block, 0), half_at(block, 2)]
}

#[inline(always)]
fn q8_0(block: &[u8; 34], q: &mut [i8; 32]) -> [f32; 2] {
    let own: &[u8; 32] = bytes(block, 2);
    for j in 0..32 {
        q[j] = own[j] as i8;
    }
    [half_at(block, 0), -0.0]
}

#[inline(always)]
fn iq4_nl(block: &[u8; 18], q: &mut [i8; 32]) -> [f32; 2] {
    nibbles_less(bytes(block, 2), 0, q);
    for q in q {
        *q = TABLE[(*q & 15) as usize];
    }
    [half_at(block, 0), -0.0]
}

#[inline(always)]
fn large<const BYTES: usize>(blocks: &[u8], out: &mut Unpacked, one: impl Fn(&[u8; BYTES], &mut Unpacked)) {
    if let Some(block) = blocks.first_chunk() {
        one(block, out);
    }
}

/// Two bits of each byte, for the four places in it: 32 numbers of each 32 bytes and place.
#[inline(always)]
fn pairs(bytes: &[u8; 64], q: &mut [i8; CHUNK]) {
    for (half, bytes) in bytes.as_chunks::<32>().0.iter().enumerate() {
        for place in 0..4 {
            for j in 0..32 {
                q[128 * half + 32 * place + j] = (bytes[j] >> (2 * place) & 3) as i8;
            }
        }
    }
}

#[inline(always)]
fn q2_k(block: &[u8; 84], out: &mut Unpacked) {
    let (scale, least) = (half_at(block, 80), half_at(block, 82));
    for (i, both) in bytes::<16, 84>(block, 0).iter().enumerate() {
        out.scale[i] = scale * f32::from(both & 15);
        out.offset[i] = -(least * f32::from(both >> 4));
    }
    pairs(bytes(block, 16), &mut out.q);
}

#[inline(always)]
fn q3_k(block: &[u8; 110], out: &mut Unpacked) {
    let (high, packed, scale): (&[u8; 32], &[u8; 12], _) = (bytes(block, 0), bytes(block, 96), half_at(block, 108));
    for i in 0..GROUPS {
        // Four bits of the first eight bytes, two of the last four.
        let low = packed[i % 8] >> (4 * (i / 8)) & 15;
        let up = packed[8 + i % 4] >> (2 * (i / 4)) & 3;
        out.scale[i] = scale * f32::from((low | up << 4) as i8 - 32);
        out.offset[i] = -0.0;
    }
    pairs(bytes(block, 32), &mut out.q);
    for (bit, q) in out.q.as_chunks_mut::<32>().0.iter_mut().enumerate() {
        for j in 0..32 {
            q[j] -= 4 - ((high[j] >> bit & 1) << 2) as i8;
        }
    }
}

/// The scales and offsets of eight groups of 32, of six bits each.
#[inline(always)]
fn sixes(packed: &[u8; 12], scale: f32, least: f32, out: &mut Unpacked) {
    for i in 0..8 {
        let (factor, of_least) = match i {
            0..4 => (packed[i] & 63, packed[i + 4] & 63),
            _ => (packed[i + 4] & 15 | packed[i - 4] >> 6 << 4, packed[i + 4] >> 4 | packed[i] >> 6 << 4),
        };
        for at in [2 * i, 2 * i + 1] {
            out.scale[at] = scale * f32::from(factor);
            out.offset[at] = -(least * f32::from(of_least));
        }
    }
}

/// The low halves of each 32 bytes, then the high ones.
#[inline(always)]
fn long_nibbles(packed: &[u8; 128], q: &mut [i8; CHUNK]) {
    for (packed, q) in packed.as_chunks::<32>().0.iter().zip(q.as_chunks_mut::<64>().0) {
        for j in 0..32 {
            q[j] = (packed[j] & 15) as i8;
            q[j + 32] = (packed[j] >> 4) as i8;
        }
    }
}

#[inline(always)]
fn q4_k(block: &[u8; 144], out: &mut Unpacked) {
    sixes(bytes(block, 4), half_at(block, 0), half_at(block, 2), out);
    long_nibbles(bytes(block, 16), &mut out.q);
}

#[inline(always)]
fn q5_k(block: &[u8; 176], out: &mut Unpacked) {
    sixes(bytes(block, 4), half_at(block, 0), half_at(block, 2), out);
    long_nibbles(bytes(block, 48), &mut out.q);
    let high = bytes::<32, 176>(block, 16);
    for (bit, q) in out.q.as_chunks_mut::<32>().0.iter_mut().enumerate() {
        for j in 0..32 {
            q[j] |= ((high[j] >> bit & 1) << 4) as i8;
        }
    }
}

#[inline(always)]
fn q6_k(block: &[u8; 210], out: &mut Unpacked) {
    let scale = half_at(block, 208);
    for (i, factor) in bytes::<16, 210>(block, 192).iter().enumerate() {
        out.scale[i] = scale * f32::from(*factor as i8);
        out.offset[i] = -0.0;
    }
    let (low, high) = (bytes::<128, 210>(block, 0), bytes::<64, 210>(block, 128));
    let halves = low.as_chunks::<64>().0.iter().zip(high.as_chunks::<32>().0);
    for ((low, high), q) in halves.zip(out.q.as_chunks_mut::<128>().0) {
        for j in 0..32 {
            q[j] = (low[j] & 15 | (high[j] & 3) << 4) as i8 - 32;
            q[j + 32] = (low[j + 32] & 15 | (high[j] >> 2 & 3) << 4) as i8 - 32;
            q[j + 64] = (low[j] >> 4 | (high[j] >> 4 & 3) << 4) as i8 - 32;
            q[j + 96] = (low[j + 32] >> 4 | (high[j] >> 6) << 4) as i8 - 32;
        }
    }
}
