//! Keys and values of the positions that a transformer has already seen.

use crate::autograd::is_recording;
use crate::error::{Error, Result, bug};
use crate::tensor::exec::fused::write_rows;
use crate::tensor::{DType, Tensor};

/// The keys and values of one attention layer, for decoding position by position: each position is projected once, and
/// those after it attend to what is kept here.
///
/// The memory for all positions is taken at the beginning. Appending writes into it and copies nothing of what is there,
/// as long as no view that [`keys`](Self::keys) or [`values`](Self::values) gave is still alive. A clone shares the memory
/// until one of the two is written to.
///
/// # Shapes
/// - keys and values: `[batch, heads, positions, head_dim]`
///
/// ```
/// use demotic::layers::KvCache;
/// use demotic::prelude::*;
///
/// let mut cache = KvCache::new(1, 4, 16, 8, DType::F32)?;
/// let (k, v) = (Tensor::ones([1, 4, 3, 8])?, Tensor::zeros([1, 4, 3, 8])?);
/// cache.append(&k, &v)?;
/// cache.append(&k, &v)?;
/// assert_eq!((cache.len(), cache.capacity()), (6, 16));
/// assert_eq!(cache.keys().shape(), [1, 4, 6, 8]);
/// # Ok::<(), demotic::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct KvCache {
    /// Keys, and values.
    kept: [Kept; 2],
    dtype: DType,
    precision: KvPrecision,
    len: usize,
    /// The most positions that there will be room for.
    limit: usize,
}

/// For how many positions a growing cache has room at first.
const FIRST_ROOM: usize = 64;

/// In which form keys and values are kept.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum KvPrecision {
    /// As they are computed.
    #[default]
    Full,
    /// As `F16`: half the memory. A number is off by at most 1 part in 2,048 (numbers below 6 · 10⁻⁵ by at most 3 · 10⁻⁸), and
    /// must be below 65,520.
    F16,
    /// As `I8`, with a scale for the vector of each head and position: little more than a quarter of the memory. A number is off by
    /// at most 1 part in 254 of the largest one in its vector.
    Int8,
}

impl KvPrecision {
    /// The bytes of a vector of so many numbers, which would take `full` each.
    pub(crate) fn vector_bytes(self, head_dim: usize, full: usize) -> usize {
        match self {
            Self::Full => head_dim.saturating_mul(full),
            Self::F16 => head_dim.saturating_mul(2),
            Self::Int8 => head_dim.saturating_add(4),
        }
    }
}

/// Vectors of all positions, `[batch, heads, room, head_dim]`, and their scales `[batch, heads, room, 1]` if they have any.
#[derive(Debug, Clone)]
struct Kept {
    numbers: Tensor,
    scales: Option<Tensor>,
}

impl Kept {
    #[track_caller]
    fn new(sizes: [usize; 4], dtype: DType, precision: KvPrecision) -> Result<Self> {
        let dtype = match precision {
            KvPrecision::Full => dtype,
            KvPrecision::F16 => DType::F16,
            KvPrecision::Int8 => DType::I8,
        };
        let scales = match precision {
            KvPrecision::Int8 => Some(Tensor::full_dtype([sizes[0], sizes[1], sizes[2], 1], 0.0, DType::F32)?),
            _ => None,
        };
        Ok(Self { numbers: Tensor::full_dtype(sizes, 0.0, dtype)?, scales })
    }

    /// New vectors in the form in which they are kept.
    #[track_caller]
    fn packed(&self, x: &Tensor) -> Result<Self> {
        if self.scales.is_none() {
            return Ok(Self { numbers: x.to_dtype(self.numbers.dtype()), scales: None });
        }
        let x = x.detach().to_dtype(DType::F32);
        let scales = &x.abs().amax(&[-1], true)? * (1.0 / 127.0);
        // Where all are zero, whatever they are divided by.
        let numbers = (&x / &scales.clamp_min(f64::from(f32::MIN_POSITIVE)))?.round().to_dtype(DType::I8);
        Ok(Self { numbers, scales: Some(scales) })
    }

    /// Writes rows of vectors in the same form to the positions from `at` on.
    #[track_caller]
    fn write(&mut self, from: &Self, rows: &[usize], at: usize) -> Result<()> {
        write_rows(&from.numbers, &mut rows.iter().copied(), &mut self.numbers, at)?;
        match (&from.scales, &mut self.scales) {
            (Some(from), Some(to)) => write_rows(from, &mut rows.iter().copied(), to, at),
            _ => Ok(()),
        }
    }

    /// The first `len` positions, as they are kept.
    #[track_caller]
    fn first(&self, len: usize) -> Result<Self> {
        let scales = self.scales.as_ref().map(|scales| scales.narrow(2, 0, len)).transpose()?;
        Ok(Self { numbers: self.numbers.narrow(2, 0, len)?, scales })
    }

    /// The same as numbers of a type.
    #[track_caller]
    fn unpacked(&self, len: usize, dtype: DType) -> Result<Tensor> {
        let kept = self.first(len)?;
        match &kept.scales {
            None => Ok(kept.numbers.to_dtype(dtype)),
            Some(scales) => Ok((&kept.numbers.to_dtype(DType::F32) * scales)?.to_dtype(dtype)),
        }
    }

    fn bytes(&self) -> usize {
        let of = |x: &Tensor| x.numel() * x.dtype().size();
        of(&self.numbers) + self.scales.as_ref().map_or(0, of)
    }
}

impl KvCache {
    /// An empty cache with room for `capacity` positions, with elements of type `F32` or `F64`.
    ///
    /// # Errors
    /// If the type is another one, or there is not enough memory.
    #[track_caller]
    pub fn new(batch: usize, heads: usize, capacity: usize, head_dim: usize, dtype: DType) -> Result<Self> {
        Self::with_room([batch, heads, capacity, head_dim], capacity, dtype, KvPrecision::Full)
    }

    #[track_caller]
    fn with_room(sizes: [usize; 4], limit: usize, dtype: DType, precision: KvPrecision) -> Result<Self> {
        if !dtype.is_differentiable() {
            return Err(Error::dtype("KvCache::new", format!("elements of type {dtype}, expected f32 or f64")));
        }
        let room = || Kept::new(sizes, dtype, precision);
        Ok(Self { kept: [room()?, room()?], dtype, precision, len: 0, limit })
    }

    /// The same with memory that is taken as it is needed, up to that of `limit` positions: for a model that looks at many
    /// thousands, of which a text mostly has few. Whenever it is full, twice as much is taken, and what is kept is moved there.
    ///
    /// # Errors
    /// As for [`new`](Self::new).
    ///
    /// ```
    /// use demotic::layers::KvCache;
    /// use demotic::prelude::*;
    ///
    /// let mut cache = KvCache::growing(1, 2, 1_000_000, 4, DType::F32)?;
    /// let x = Tensor::ones([1, 2, 100, 4])?;
    /// cache.append(&x, &x)?;
    /// assert_eq!((cache.len(), cache.capacity()), (100, 1_000_000));
    /// # Ok::<(), demotic::Error>(())
    /// ```
    #[track_caller]
    pub fn growing(batch: usize, heads: usize, limit: usize, head_dim: usize, dtype: DType) -> Result<Self> {
        Self::with_room([batch, heads, limit.min(FIRST_ROOM), head_dim], limit, dtype, KvPrecision::Full)
    }

    /// The same, empty cache with keys and values kept in another form. What they are computed with are the numbers that come
    /// back from it, also those of the latest position.
    ///
    /// # Errors
    /// If there are positions already, or there is not enough memory.
    ///
    /// ```
    /// use demotic::layers::{KvCache, KvPrecision};
    /// use demotic::prelude::*;
    ///
    /// let mut cache = KvCache::new(1, 1, 4, 3, DType::F32)?.stored_as(KvPrecision::Int8)?;
    /// let k = tensor![[[[1.27, -0.5, 0.123]]]];
    /// cache.append(&k, &k)?;
    /// assert!(((&cache.keys() - &k)?.abs().max()?.item()?) <= 1.27 / 254.0 + 1e-6);
    /// # Ok::<(), demotic::Error>(())
    /// ```
    #[track_caller]
    pub fn stored_as(self, precision: KvPrecision) -> Result<Self> {
        if self.len > 0 {
            let message = format!("{} positions are kept already", self.len);
            return Err(Error::state("KvCache::stored_as", message).with_help("choose before the first is appended"));
        }
        Self::with_room(self.sizes(), self.limit, self.dtype, precision)
    }

    /// In which form keys and values are kept.
    #[must_use]
    pub fn precision(&self) -> KvPrecision {
        self.precision
    }

    /// The memory that the cache has taken, in bytes, used or not.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.kept.iter().map(Kept::bytes).sum()
    }

    /// A copy of the first `len` positions in no more memory than they need, which grows as it is appended to.
    ///
    /// # Errors
    /// If there are not so many, or there is not enough memory.
    #[track_caller]
    pub fn prefix(&self, len: usize) -> Result<Self> {
        if len > self.len {
            let message = format!("the first {len} positions of {}", self.len);
            return Err(Error::index("KvCache::prefix", message));
        }
        let rows: Vec<usize> = (0..self.batch()).collect();
        self.copied(&rows, len, len)
    }

    /// Rows of the first `len` positions, with room for more.
    #[track_caller]
    fn copied(&self, rows: &[usize], len: usize, room: usize) -> Result<Self> {
        let [_, heads, _, head_dim] = self.sizes();
        let mut new = Self::with_room([rows.len(), heads, room, head_dim], self.limit, self.dtype, self.precision)?;
        for (old, new) in self.kept.iter().zip(&mut new.kept) {
            new.write(&old.first(len)?, rows, 0)?;
        }
        new.len = len;
        Ok(new)
    }

    /// Caches, which need not be of one length, as one: their ends are in line, and the places before the
    /// beginnings are zeros.
    #[track_caller]
    pub(crate) fn joined(caches: &[&Self]) -> Result<Self> {
        let longest = caches.iter().map(|cache| cache.len).max().unwrap_or(0);
        let Some(first) = caches.first() else { return Err(bug!("KvCache", "no caches")) };
        let [_, heads, _, head_dim] = first.sizes();
        let sizes = [caches.iter().map(|cache| cache.batch()).sum(), heads, longest, head_dim];
        let mut new = Self::with_room(sizes, first.limit, first.dtype, first.precision)?;
        for which in 0..2 {
            let padded = |x: &Tensor, len: usize| {
                let [rows, heads, width] = [0, 1, 3].map(|i| x.shape()[i]);
                let zeros = Tensor::full_dtype([rows, heads, longest - len, width], 0.0, x.dtype())?;
                Tensor::cat(&[&zeros, &x.narrow(2, 0, len)?], 2)
            };
            let all = |of: &dyn Fn(&Self) -> Option<&Tensor>| {
                let rows: Vec<Tensor> =
                    caches.iter().filter_map(|cache| Some(padded(of(cache)?, cache.len))).collect::<Result<_>>()?;
                if rows.is_empty() { Ok(None) } else { Tensor::cat(&rows.iter().collect::<Vec<_>>(), 0).map(Some) }
            };
            let Some(numbers) = all(&|cache| Some(&cache.kept[which].numbers))? else { continue };
            new.kept[which] = Kept { numbers, scales: all(&|cache| cache.kept[which].scales.as_ref())? };
        }
        new.len = longest;
        Ok(new)
    }

    /// Makes room for so many positions, of which there are no more than the limit.
    #[track_caller]
    fn grow(&mut self, positions: usize) -> Result<()> {
        let [batch, _, room, _] = self.sizes();
        if positions <= room {
            return Ok(());
        }
        let room = positions.max(room.saturating_mul(2)).min(self.limit);
        let rows: Vec<usize> = (0..batch).collect();
        *self = self.copied(&rows, self.len, room)?;
        Ok(())
    }

    /// A full cache with these keys and values, `[batch, heads, positions, head_dim]` both: for a memory that does not
    /// grow, such as the output of an encoder.
    ///
    /// # Errors
    /// As for [`append`](Self::append).
    #[track_caller]
    pub fn full(keys: &Tensor, values: &Tensor) -> Result<Self> {
        let &[batch, heads, positions, head_dim] = keys.shape() else {
            let message = format!("keys {:?}, expected [batch, heads, positions, head_dim]", keys.shape());
            return Err(Error::shape("KvCache::full", message));
        };
        let mut cache = Self::new(batch, heads, positions, head_dim, keys.dtype())?;
        cache.append(keys, values)?;
        Ok(cache)
    }

    /// The number of positions that are kept.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether nothing is kept yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The number of positions that there is room for, or will be when they come.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.limit
    }

    /// The number of sequences.
    #[must_use]
    pub fn batch(&self) -> usize {
        self.sizes()[0]
    }

    /// The keys of all positions so far, a view `[batch, heads, len, head_dim]`.
    #[must_use]
    pub fn keys(&self) -> Tensor {
        self.read(0)
    }

    /// The values of all positions so far, a view `[batch, heads, len, head_dim]`.
    #[must_use]
    pub fn values(&self) -> Tensor {
        self.read(1)
    }

    fn read(&self, which: usize) -> Tensor {
        let kept = &self.kept[which];
        // There are never more positions than there is room for.
        kept.unpacked(self.len, self.dtype).unwrap_or_else(|_| kept.numbers.to_dtype(self.dtype))
    }

    /// Adds the keys and values of new positions, `[batch, heads, positions, head_dim]` both.
    ///
    /// # Errors
    /// If they do not fit the cache, there is no room for them, or they need gradients, which a cache has none of.
    #[track_caller]
    pub fn append(&mut self, keys: &Tensor, values: &Tensor) -> Result<()> {
        let name = "KvCache::append";
        let ([batch, heads, _, head_dim], capacity) = (self.sizes(), self.limit);
        let positions = keys.shape().get(2).copied().unwrap_or(0);
        for (what, x) in [("keys", keys), ("values", values)] {
            x.expect_dtype(name, &format!("the {what}"), self.dtype)?;
            if x.shape() != [batch, heads, positions, head_dim] {
                let message = format!(
                    "{what} {:?} for a cache of [{batch}, {heads}, {capacity}, {head_dim}] (batch, heads, capacity, \
                     head_dim)",
                    x.shape()
                );
                return Err(Error::shape(name, message));
            }
            if x.is_tracked() && is_recording() {
                return Err(Error::gradient(name, format!("the {what} need a gradient, and a cache keeps none"))
                    .with_help("decode inside of no_grad(|| …), or with predict"));
            }
        }
        if positions > capacity - self.len {
            let message = format!("{} positions and {positions} more, but there is room for {capacity}", self.len);
            return Err(Error::state(name, message)
                .with_help("make the cache as long as the prompt and everything that is to be generated"));
        }
        self.grow(self.len + positions)?;
        let rows: Vec<usize> = (0..batch).collect();
        for (kept, x) in self.kept.iter_mut().zip([keys, values]) {
            kept.write(&kept.packed(x)?, &rows, self.len)?;
        }
        self.len += positions;
        Ok(())
    }

    fn sizes(&self) -> [usize; 4] {
        [0, 1, 2, 3].map(|i| self.kept[0].numbers.shape()[i])
    }

    /// Forgets all but the first `len` positions; nothing happens if there are no more.
    pub fn truncate(&mut self, len: usize) {
        self.len = self.len.min(len);
    }

    /// Makes row `i` of the batch what row `rows[i]` was, as beam search wants it. The batch gets as many rows as `rows`
    /// has.
    ///
    /// # Errors
    /// If a row does not exist, or there is not enough memory.
    #[track_caller]
    pub fn reorder(&mut self, rows: &[usize]) -> Result<()> {
        let [batch, _, room, _] = self.sizes();
        if let Some(row) = rows.iter().find(|row| **row >= batch) {
            let message = format!("row {row} of a batch of {batch}");
            return Err(Error::index("KvCache::reorder", message));
        }
        if !rows.iter().copied().eq(0..batch) {
            *self = self.copied(rows, self.len, room)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
