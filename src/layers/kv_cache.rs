//! Keys and values of the positions that a transformer has already seen.

use crate::autograd::is_recording;
use crate::error::{Error, Result};
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
    /// `[batch, heads, room, head_dim]`.
    keys: Tensor,
    values: Tensor,
    len: usize,
    /// The most positions that there will be room for.
    limit: usize,
}

/// For how many positions a growing cache has room at first.
const FIRST_ROOM: usize = 64;

impl KvCache {
    /// An empty cache with room for `capacity` positions, with elements of type `F32` or `F64`.
    ///
    /// # Errors
    /// If the type is another one, or there is not enough memory.
    #[track_caller]
    pub fn new(batch: usize, heads: usize, capacity: usize, head_dim: usize, dtype: DType) -> Result<Self> {
        if !dtype.is_differentiable() {
            return Err(Error::dtype("KvCache::new", format!("elements of type {dtype}, expected f32 or f64")));
        }
        let room = || Tensor::full_dtype([batch, heads, capacity, head_dim], 0.0, dtype);
        Ok(Self { keys: room()?, values: room()?, len: 0, limit: capacity })
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
        Ok(Self { limit, ..Self::new(batch, heads, limit.min(FIRST_ROOM), head_dim, dtype)? })
    }

    /// Makes room for so many positions, of which there are no more than the limit.
    #[track_caller]
    fn grow(&mut self, positions: usize) -> Result<()> {
        let [batch, heads, room, head_dim] = self.sizes();
        if positions <= room {
            return Ok(());
        }
        let room = positions.max(room.saturating_mul(2)).min(self.limit);
        let mut new = Self::new(batch, heads, room, head_dim, self.keys.dtype())?;
        for (old, new) in [(self.keys(), &mut new.keys), (self.values(), &mut new.values)] {
            write_rows(&old, &mut (0..batch), new, 0)?;
        }
        (self.keys, self.values) = (new.keys, new.values);
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
        self.keys.shape()[0]
    }

    /// The keys of all positions so far, a view `[batch, heads, len, head_dim]`.
    #[must_use]
    pub fn keys(&self) -> Tensor {
        self.filled(&self.keys)
    }

    /// The values of all positions so far, a view `[batch, heads, len, head_dim]`.
    #[must_use]
    pub fn values(&self) -> Tensor {
        self.filled(&self.values)
    }

    fn filled(&self, x: &Tensor) -> Tensor {
        // There are never more positions than there is room for.
        x.narrow(2, 0, self.len).unwrap_or_else(|_| x.clone())
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
            x.expect_dtype(name, &format!("the {what}"), self.keys.dtype())?;
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
        write_rows(keys, &mut (0..batch), &mut self.keys, self.len)?;
        write_rows(values, &mut (0..batch), &mut self.values, self.len)?;
        self.len += positions;
        Ok(())
    }

    fn sizes(&self) -> [usize; 4] {
        [0, 1, 2, 3].map(|i| self.keys.shape()[i])
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
        let [batch, heads, room, head_dim] = self.sizes();
        if let Some(row) = rows.iter().find(|row| **row >= batch) {
            let message = format!("row {row} of a batch of {batch}");
            return Err(Error::index("KvCache::reorder", message));
        }
        if rows.iter().copied().eq(0..batch) {
            return Ok(());
        }
        let mut new = Self::new(rows.len(), heads, room, head_dim, self.keys.dtype())?;
        for (old, new) in [(self.keys(), &mut new.keys), (self.values(), &mut new.values)] {
            write_rows(&old, &mut rows.iter().copied(), new, 0)?;
        }
        (self.keys, self.values) = (new.keys, new.values);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorKind;

    fn numbers(shape: [usize; 4], from: f64) -> Tensor {
        let n = shape.iter().product::<usize>();
        Tensor::from_vec((0..n).map(|i| from + i as f64).collect::<Vec<f64>>(), shape).unwrap()
    }

    #[test]
    fn appended_positions_follow_each_other_in_the_same_memory() {
        let mut cache = KvCache::new(2, 3, 5, 2, DType::F64).unwrap();
        let memory = cache.keys.clone();
        drop(cache.keys());
        let parts = [numbers([2, 3, 2, 2], 0.0), numbers([2, 3, 1, 2], 100.0), numbers([2, 3, 2, 2], 200.0)];
        drop(memory);
        let address = cache.keys.data::<f64>().as_ptr();
        for part in &parts {
            // Heads as they come from a projection: not contiguous.
            let strided = part.transpose(1, 2).unwrap().contiguous().transpose(1, 2).unwrap();
            cache.append(&strided, &part.neg()).unwrap();
        }
        assert_eq!(cache.keys.data::<f64>().as_ptr(), address);
        let all = Tensor::cat(&parts.each_ref(), 2).unwrap();
        assert_eq!(cache.keys().to_f64_vec(), all.to_f64_vec());
        assert_eq!(cache.values().to_f64_vec(), all.neg().to_f64_vec());
        assert!(cache.keys().shares_storage(&cache.keys));

        let copy = cache.clone();
        cache.truncate(1);
        cache.append(&parts[2], &parts[2]).unwrap();
        assert_eq!((cache.len(), copy.len()), (3, 5));
        assert_eq!(copy.keys().to_f64_vec(), all.to_f64_vec());
    }

    #[test]
    fn memory_is_taken_as_it_is_needed() {
        let all = numbers([2, 3, 300, 2], 0.0);
        let mut cache = KvCache::growing(2, 3, 290, 2, DType::F64).unwrap();
        for (from, n) in [(0, 1), (1, 63), (64, 1), (65, 200), (265, 25)] {
            let part = all.narrow(2, from, n).unwrap();
            cache.append(&part, &part.neg()).unwrap();
            assert_eq!((cache.len(), cache.capacity()), (from + n, 290));
        }
        // 1, 64, then twice as much, then what is asked for, then the limit.
        assert_eq!(cache.sizes(), [2, 3, 290, 2]);
        assert_eq!(cache.keys().to_f64_vec(), all.narrow(2, 0, 290).unwrap().to_f64_vec());
        assert_eq!(cache.values().to_f64_vec(), all.narrow(2, 0, 290).unwrap().neg().to_f64_vec());
        let one = all.narrow(2, 0, 1).unwrap();
        let e = cache.append(&one, &one).unwrap_err();
        assert_eq!(e.message(), "KvCache::append: 290 positions and 1 more, but there is room for 290");
        cache.reorder(&[1]).unwrap();
        cache.truncate(70);
        cache.append(&one.narrow(0, 1, 1).unwrap(), &one.narrow(0, 1, 1).unwrap()).unwrap();
        assert_eq!((cache.batch(), cache.len(), cache.capacity()), (1, 71, 290));
    }

    #[test]
    fn rows_are_reordered() {
        let mut cache = KvCache::new(2, 1, 4, 1, DType::F64).unwrap();
        cache.append(&numbers([2, 1, 2, 1], 0.0), &numbers([2, 1, 2, 1], 10.0)).unwrap();
        cache.reorder(&[1, 0, 1]).unwrap();
        assert_eq!((cache.batch(), cache.len(), cache.capacity()), (3, 2, 4));
        assert_eq!(cache.keys().to_f64_vec(), [2.0, 3.0, 0.0, 1.0, 2.0, 3.0]);
        assert_eq!(cache.values().to_f64_vec(), [12.0, 13.0, 10.0, 11.0, 12.0, 13.0]);
        cache.reorder(&[0]).unwrap();
        cache.append(&numbers([1, 1, 1, 1], 7.0), &numbers([1, 1, 1, 1], 8.0)).unwrap();
        assert_eq!(cache.keys().to_f64_vec(), [2.0, 3.0, 7.0]);
    }

    #[test]
    fn what_does_not_fit_is_an_error() {
        let mut cache = KvCache::new(1, 2, 3, 4, DType::F32).unwrap();
        let x = Tensor::ones([1, 2, 2, 4]).unwrap();
        cache.append(&x, &x).unwrap();
        let e = cache.append(&x, &x).unwrap_err();
        assert_eq!(e.kind(), ErrorKind::State);
        assert_eq!(e.message(), "KvCache::append: 2 positions and 2 more, but there is room for 3");
        assert!(e.help().is_some());
        let e = cache.append(&x, &Tensor::ones([1, 2, 1, 4]).unwrap()).unwrap_err();
        assert_eq!(
            e.message(),
            "KvCache::append: values [1, 2, 1, 4] for a cache of [1, 2, 3, 4] (batch, heads, capacity, head_dim)"
        );
        let e = cache.append(&x.tracked().unwrap(), &x).unwrap_err();
        assert_eq!(e.message(), "KvCache::append: the keys need a gradient, and a cache keeps none");
        let e = cache.reorder(&[0, 1]).unwrap_err();
        assert_eq!(e.message(), "KvCache::reorder: row 1 of a batch of 1");
        assert_eq!(cache.len(), 2);
        let e = KvCache::new(1, 1, 1, 1, DType::I64).unwrap_err();
        assert_eq!(e.message(), "KvCache::new: elements of type i64, expected f32 or f64");
        assert!(KvCache::new(1, usize::MAX, 2, 2, DType::F32).is_err());
    }
}
