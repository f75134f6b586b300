//! Walking over several operands of one shape at once.

use super::Elem;

/// One operand: its elements, and a stride for each dimension of the common shape (0 = broadcast).
#[derive(Debug, Clone, Copy)]
pub(crate) struct Strided<'a, T> {
    pub(crate) data: &'a [T],
    pub(crate) strides: &'a [usize],
}

/// The number of elements of a shape; as many as there can be if they are too many to count.
pub(super) fn count(shape: &[usize]) -> usize {
    if shape.contains(&0) { 0 } else { shape.iter().fold(1, |n: usize, size| n.saturating_mul(*size)) }
}

impl<T> Strided<'_, T> {
    /// Whether every element of a shape of these sizes is in the data.
    pub(super) fn covers(&self, sizes: impl Iterator<Item = usize> + Clone) -> bool {
        reaches(self.data.len(), self.strides, sizes)
    }
}

/// Elements that are converted as they are read.
pub(crate) trait Read<T>: Sync {
    fn len(&self) -> usize;

    /// Every `stride`-th element from `start` on; with stride 0, one element everywhere.
    fn read(&self, start: usize, stride: usize, out: &mut [T]);
}

/// The elements of an operand: in the type of the loop that they are for, or converted to it on the way.
#[derive(Clone, Copy)]
pub(crate) enum Data<'a, T> {
    Own(&'a [T]),
    /// From this element on.
    Other(&'a dyn Read<T>, usize),
}

impl<T: Elem> Data<'_, T> {
    fn len(&self) -> usize {
        match self {
            Self::Own(data) => data.len(),
            Self::Other(source, start) => source.len().saturating_sub(*start),
        }
    }

    fn from(self, start: usize) -> Self {
        match self {
            Self::Own(data) => Self::Own(&data[start..]),
            Self::Other(source, begin) => Self::Other(source, begin + start),
        }
    }

    fn read(&self, start: usize, stride: usize, out: &mut [T]) {
        match (self, stride) {
            (Self::Own(data), 1) => out.copy_from_slice(&data[start..][..out.len()]),
            (Self::Own(data), 0) => out.fill(data[start]),
            (Self::Own(data), _) => gather(&data[start..], stride, out),
            (Self::Other(source, begin), _) => source.read(begin + start, stride, out),
        }
    }
}

/// One operand of a loop, with a stride for each dimension of the common shape (0 = broadcast).
#[derive(Clone, Copy)]
pub(crate) struct Operand<'a, T> {
    pub(crate) data: Data<'a, T>,
    pub(crate) strides: &'a [usize],
}

impl<'a, T: Elem> Operand<'a, T> {
    /// Whether every element of a shape is in the data.
    pub(super) fn covers(&self, shape: &[usize]) -> bool {
        reaches(self.data.len(), self.strides, shape.iter().copied())
    }

    /// The elements as they are, if they are of the type of the loop and the shape's lie one after the other.
    pub(super) fn as_slice(&self, shape: &[usize]) -> Option<&'a [T]> {
        match self.data {
            Data::Own(data) if is_contiguous(shape, self.strides) => Some(data),
            _ => None,
        }
    }

    /// The operand without its first dimension, at index `i` of that.
    pub(super) fn at(self, i: usize) -> Self {
        let stride = self.strides.first().copied().unwrap_or(0);
        Self { data: self.data.from(i * stride), strides: self.strides.get(1..).unwrap_or_default() }
    }
}

/// Whether every element of a shape of these sizes is in data of length `len`.
fn reaches(len: usize, strides: &[usize], sizes: impl Iterator<Item = usize> + Clone) -> bool {
    let last = sizes
        .clone()
        .zip(strides)
        .fold(0usize, |last, (size, stride)| last.saturating_add(size.saturating_sub(1).saturating_mul(*stride)));
    last < len || sizes.into_iter().any(|size| size == 0)
}

/// Whether the elements of the shape lie one after the other.
fn is_contiguous(shape: &[usize], strides: &[usize]) -> bool {
    let mut expected = 1;
    shape.iter().zip(strides).rev().all(|(&size, &stride)| {
        let fits = stride == expected || size == 1;
        expected = expected.saturating_mul(size);
        fits
    })
}

/// The most dimensions that a [`Plan`] can have, after neighbours were merged.
const MAX_RANK: usize = 8;

/// Elements that are brought together before they are worked on, for operands that are not contiguous.
pub(super) const CHUNK: usize = 512;

/// The common shape of `K` operands with as few dimensions as possible: those of size 1 are left out, and neighbours
/// that every operand walks through without a gap are merged.
#[derive(Clone, Copy)]
pub(super) struct Plan<const K: usize> {
    /// Sizes from the innermost dimension outwards.
    sizes: [usize; MAX_RANK],
    strides: [[usize; MAX_RANK]; K],
    rank: usize,
}

impl<const K: usize> Plan<K> {
    /// `None` if more than [`MAX_RANK`] dimensions remain.
    pub(super) fn new(shape: &[usize], strides: [&[usize]; K]) -> Option<Self> {
        let mut plan = Self { sizes: [1; MAX_RANK], strides: [[0; MAX_RANK]; K], rank: 0 };
        for (d, &size) in shape.iter().enumerate().rev() {
            if size == 1 {
                continue;
            }
            let outer: [usize; K] = std::array::from_fn(|k| strides[k].get(d).copied().unwrap_or(0));
            let last = plan.rank.wrapping_sub(1);
            let merges =
                plan.rank > 0 && (0..K).all(|k| outer[k] == plan.strides[k][last].wrapping_mul(plan.sizes[last]));
            if merges {
                plan.sizes[last] = plan.sizes[last].saturating_mul(size);
                continue;
            }
            if plan.rank == MAX_RANK {
                return None;
            }
            let rank = plan.rank;
            plan.sizes[rank] = size;
            for (strides, outer) in plan.strides.iter_mut().zip(outer) {
                strides[rank] = outer;
            }
            plan.rank += 1;
        }
        Some(plan)
    }

    /// The size of the innermost dimension.
    pub(super) fn inner(&self) -> usize {
        self.sizes[0]
    }

    /// The sizes, from the innermost dimension outwards.
    pub(super) fn sizes(&self) -> &[usize] {
        &self.sizes[..self.rank]
    }

    /// The strides of operand `k`, from the innermost dimension outwards.
    pub(super) fn strides(&self, k: usize) -> &[usize] {
        &self.strides[k][..self.rank]
    }

    /// Where matrix number `i` of the two innermost dimensions begins in operand 0.
    pub(super) fn offset_of_matrix(&self, i: usize) -> usize {
        Cursor::at(self.sizes(), self.strides(0), i * self.sizes[1]).offset
    }

    /// Whether the elements of operand `k` lie one after the other.
    pub(super) fn is_contiguous(&self, k: usize) -> bool {
        let mut expected = 1;
        self.sizes().iter().zip(self.strides(k)).all(|(&size, &stride)| {
            let fits = stride == expected;
            expected = expected.saturating_mul(size);
            fits
        })
    }

    /// Whether a row of the innermost dimension is long enough to be worked on by itself.
    fn has_long_rows(&self) -> bool {
        self.inner() > CHUNK / 2
    }

    /// How many elements from `pos` on, at most `left`, are to be worked on together.
    /// Either they lie within one row, or they are whole rows.
    pub(super) fn piece(&self, pos: usize, left: usize, gathers: bool) -> usize {
        if self.rank <= 1 || self.has_long_rows() {
            let rest_of_row = self.inner() - pos % self.inner();
            left.min(rest_of_row).min(if gathers { CHUNK } else { usize::MAX })
        } else {
            left.min(CHUNK / self.inner() * self.inner())
        }
    }

    /// `block` rounded up so that blocks of this size do not cut short rows.
    pub(super) fn block(&self, block: usize) -> usize {
        if self.has_long_rows() { block } else { block.next_multiple_of(self.inner().max(1)) }
    }
}

/// The place of a row in an operand, advanced row by row.
struct Cursor {
    index: [usize; MAX_RANK],
    offset: usize,
}

impl Cursor {
    fn at(sizes: &[usize], strides: &[usize], mut row: usize) -> Self {
        let mut cursor = Self { index: [0; MAX_RANK], offset: 0 };
        for d in 1..sizes.len() {
            // The outermost dimension needs no division, and most operands have two dimensions.
            cursor.index[d] = if d + 1 == sizes.len() { row } else { row % sizes[d] };
            cursor.offset += cursor.index[d] * strides[d];
            row = if d + 1 == sizes.len() { 0 } else { row / sizes[d] };
        }
        cursor
    }

    fn advance(&mut self, sizes: &[usize], strides: &[usize]) {
        for d in 1..sizes.len() {
            self.index[d] += 1;
            self.offset += strides[d];
            if self.index[d] < sizes[d] {
                break;
            }
            self.offset -= strides[d] * sizes[d];
            self.index[d] = 0;
        }
    }
}

/// One operand of a walk: hands out its elements piece by piece as slices, gathering and converting them first where needed.
pub(super) struct Feed<'a, T> {
    data: Data<'a, T>,
    contiguous: bool,
    /// Whether all rows are the same.
    periodic: bool,
    buffer: [T; CHUNK],
    /// How many elements of the buffer hold repeated rows, or, with a row's offset, repetitions of one element.
    repeated: usize,
    splat: Option<usize>,
}

impl<'a, T: Elem> Feed<'a, T> {
    pub(super) fn new<const K: usize>(plan: &Plan<K>, k: usize, data: Data<'a, T>) -> Self {
        Self {
            data,
            contiguous: plan.is_contiguous(k),
            periodic: plan.strides(k).iter().skip(1).all(|&s| s == 0),
            buffer: [T::default(); CHUNK],
            repeated: 0,
            splat: None,
        }
    }

    /// Whether elements have to be brought together in a buffer, so that pieces are at most [`CHUNK`] long.
    pub(super) fn gathers<const K: usize>(&self, plan: &Plan<K>, k: usize) -> bool {
        !matches!(self.data, Data::Own(_)) || (!self.contiguous && plan.strides(k).first() != Some(&1))
    }

    /// The elements `pos .. pos + len`, a [`Plan::piece`].
    pub(super) fn piece<const K: usize>(&mut self, plan: &Plan<K>, k: usize, pos: usize, len: usize) -> &[T] {
        if self.contiguous {
            return self.run(pos, len);
        }
        let (sizes, strides) = (plan.sizes(), plan.strides(k));
        let inner = plan.inner();
        let (row, column) = (pos / inner, pos % inner);
        let stride = strides.first().copied().unwrap_or(0);
        if len > inner - column || (self.periodic && !plan.has_long_rows()) {
            if !self.periodic || self.repeated < len {
                self.gather_rows(sizes, strides, row, len);
                self.repeated = len;
            }
            return &self.buffer[..len];
        }
        let offset = Cursor::at(sizes, strides, row).offset;
        match stride {
            1 => return self.run(offset + column, len),
            0 => {
                if self.splat != Some(offset) {
                    self.data.read(offset, 0, &mut self.buffer);
                    self.splat = Some(offset);
                }
            }
            _ => self.data.read(offset + column * stride, stride, &mut self.buffer[..len]),
        }
        &self.buffer[..len]
    }

    /// Elements that lie one after the other.
    fn run(&mut self, start: usize, len: usize) -> &[T] {
        if let Data::Own(data) = self.data {
            return &data[start..start + len];
        }
        self.data.read(start, 1, &mut self.buffer[..len]);
        &self.buffer[..len]
    }

    fn gather_rows(&mut self, sizes: &[usize], strides: &[usize], row: usize, len: usize) {
        self.splat = None;
        let mut cursor = Cursor::at(sizes, strides, row);
        for out in self.buffer[..len].chunks_mut(sizes[0]) {
            self.data.read(cursor.offset, strides[0], out);
            cursor.advance(sizes, strides);
        }
    }
}

/// Copies every `stride`-th element.
pub(super) fn gather<T: Copy>(from: &[T], stride: usize, out: &mut [T]) {
    for (out, &x) in out.iter_mut().zip(from.iter().step_by(stride)) {
        *out = x;
    }
}

/// Calls `f(offset, row)` for each row of `out` from row `first` on, `offset` being where the row begins in operand 0.
pub(super) fn for_rows<T>(plan: &Plan<1>, first: usize, out: &mut [T], mut f: impl FnMut(usize, &mut [T])) {
    let mut cursor = Cursor::at(plan.sizes(), plan.strides(0), first);
    for row in out.chunks_mut(plan.inner().max(1)) {
        f(cursor.offset, row);
        cursor.advance(plan.sizes(), plan.strides(0));
    }
}

/// Where the rows of operand 0 begin, from row `first` on; after the last row, from the first again.
pub(super) fn row_offsets(plan: &Plan<1>, first: usize) -> impl Iterator<Item = usize> {
    let mut cursor = Cursor::at(plan.sizes(), plan.strides(0), first);
    std::iter::repeat_with(move || {
        let offset = cursor.offset;
        cursor.advance(plan.sizes(), plan.strides(0));
        offset
    })
}

/// The same for the rows that the last dimension makes, which are not merged.
pub(super) fn offsets_of_rows(shape: &[usize], strides: &[usize], first: usize) -> impl Iterator<Item = usize> {
    let from_last = |values: &[usize]| {
        let mut reversed = [1; MAX_RANK];
        reversed.iter_mut().zip(values.iter().rev()).for_each(|(to, from)| *to = *from);
        reversed
    };
    let (rank, sizes, strides) = (shape.len().min(MAX_RANK), from_last(shape), from_last(strides));
    let mut cursor = Cursor::at(&sizes[..rank], &strides[..rank], first);
    std::iter::repeat_with(move || {
        let offset = cursor.offset;
        cursor.advance(&sizes[..rank], &strides[..rank]);
        offset
    })
}
