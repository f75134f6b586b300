//! Data in shards, of which each rank reads those that it works on.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::panic::Location;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use super::group::part;
use crate::data::{BatchSampler, Dataset, Order};
use crate::error::{Error, Here, Result};
use crate::rng::Rng;

/// Some neighbouring rows of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shard {
    /// The file.
    pub path: PathBuf,
    /// Which of its rows, counted from 0.
    pub rows: Range<usize>,
}

impl Shard {
    /// These rows of a file.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>, rows: Range<usize>) -> Self {
        Self { path: path.into(), rows }
    }
}

/// How a file is opened.
type Open<B> = Box<dyn Fn(&Path) -> Result<Box<dyn Dataset<Batch = B>>> + Send + Sync>;

/// Files by their paths.
type Opened<B> = Vec<(PathBuf, Arc<dyn Dataset<Batch = B>>)>;

/// Data that are too large for one disk, or for one reader: in shards, each of which is a file or a part of one.
///
/// The shards are divided among as many **streams** as a step of the [`Trainer`](crate::train::Trainer::distributed) has batches
/// ([`accumulate`](crate::train::Trainer::accumulate)): batch `i` of each step comes from stream `i`. Rank `r` of `n` works on the batches `r`, `r + n` … of a step, so it opens the
/// shards of these streams ([`of_rank`](Self::of_rank)) and no others, and only they need be on its disk. Which rows make a batch does not depend on the number of ranks.
///
/// In each epoch every row comes once. Streams go through their shards in a random order, and through the rows of each in another one; the batches of a step are of different
/// shards. So that all streams end at the same step, some batches of the shorter ones are smaller.
///
/// ```
/// use demotic::data::{Dataset, TensorDataset};
/// use demotic::distributed::{Shard, Shards};
/// use demotic::{Rng, Tensor};
///
/// // Three files, the second one in two parts.
/// let shards = vec![
///     Shard::new("a.csv", 0..40),
///     Shard::new("b.csv", 0..30),
///     Shard::new("b.csv", 30..60),
///     Shard::new("c.csv", 0..20),
/// ];
/// let data = Shards::new(shards, 2, |path| {
///     // Here, a file would be opened.
///     let rows = match path.to_str() {
///         Some("a.csv") => 40,
///         Some("b.csv") => 60,
///         _ => 20,
///     };
///     Ok(Box::new(TensorDataset::new(Tensor::arange(rows)?, Tensor::arange(rows)?)?))
/// })?;
/// assert_eq!((data.len(), data.of_rank(1, 2).count()), (120, 2));
/// let rows: usize = data
///     .batches(8)
///     .shuffle(&mut Rng::seed(0))
///     .map(|batch| batch.map(|(x, _)| x.numel()))
///     .sum::<demotic::Result<usize>>()?;
/// assert_eq!(rows, 120);
/// # Ok::<(), demotic::Error>(())
/// ```
pub struct Shards<B> {
    shards: Vec<Shard>,
    /// The number of the first row of each among all.
    starts: Vec<usize>,
    rows: usize,
    /// The numbers of the shards of each stream.
    streams: Vec<Vec<usize>>,
    open: Open<B>,
    /// The files that were used last.
    opened: Mutex<Opened<B>>,
}

/// How many files are kept open.
const OPEN: usize = 4;

impl<B> fmt::Debug for Shards<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Shards({} of {} rows, in {} streams)", self.shards.len(), self.rows, self.streams.len())
    }
}

impl<B: Send> Shards<B> {
    /// Data in these shards, as so many streams. `open` opens a file whose shard is needed, as a dataset of all of its rows.
    ///
    /// # Errors
    /// If there are fewer shards than streams, or no streams; or if the shards of a file have rows twice, or leave some out between them.
    #[track_caller]
    pub fn new(
        shards: Vec<Shard>,
        streams: usize,
        open: impl Fn(&Path) -> Result<Box<dyn Dataset<Batch = B>>> + Send + Sync + 'static,
    ) -> Result<Self> {
        const OP: &str = "Shards::new";
        if streams == 0 || shards.len() < streams {
            let message = format!("{} shards for {streams} streams, each of which needs one", shards.len());
            return Err(Error::argument(OP, message)
                .with_help("a stream is a batch of a step: cut files into several shards, or accumulate fewer"));
        }
        let mut by_path: BTreeMap<&Path, Vec<Range<usize>>> = BTreeMap::new();
        for shard in &shards {
            if shard.rows.is_empty() {
                return Err(Error::argument(OP, format!("{}: a shard of no rows", shard.path.display())));
            }
            by_path.entry(&shard.path).or_default().push(shard.rows.clone());
        }
        for (path, mut ranges) in by_path {
            crate::order::sort_by_key(&mut ranges, |rows| rows.start as u64);
            let mut end = 0;
            for rows in ranges {
                let caller = Location::caller();
                let between = |what: &str, a: usize, b: usize| {
                    Error::argument(OP, format!("{}: the rows {a} to {b} are in {what}", path.display())).at(caller)
                };
                if rows.start < end {
                    return Err(between("two shards", rows.start, rows.end.min(end)));
                }
                if rows.start > end {
                    return Err(between("no shard", end, rows.start));
                }
                end = rows.end;
            }
        }
        let (mut starts, mut rows) = (Vec::with_capacity(shards.len()), 0_usize);
        for shard in &shards {
            starts.push(rows);
            rows = rows.saturating_add(shard.rows.len());
        }
        // The largest first, each to the stream that has the fewest rows.
        let mut order: Vec<usize> = (0..shards.len()).collect();
        crate::order::sort_by_key(&mut order, |shard| u64::MAX - shards[*shard].rows.len() as u64);
        let (mut loads, mut lists) = (vec![0; streams], vec![Vec::new(); streams]);
        for shard in order {
            let least = (0..streams).min_by_key(|stream| loads[*stream]).unwrap_or_default();
            loads[least] += shards[shard].rows.len();
            lists[least].push(shard);
        }
        Ok(Self { shards, starts, rows, streams: lists, open: Box::new(open), opened: Mutex::new(Vec::new()) })
    }

    /// The shards that a rank reads.
    pub fn of_rank(&self, rank: usize, size: usize) -> impl Iterator<Item = &Shard> {
        let streams = self.streams.iter().skip(rank).step_by(size.max(1));
        streams.flatten().map(|shard| &self.shards[*shard])
    }

    #[track_caller]
    fn opened(&self, shard: &Shard) -> Result<Arc<dyn Dataset<Batch = B>>> {
        let mut opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(at) = opened.iter().position(|(path, _)| *path == shard.path) {
            let found = opened.remove(at);
            let data = found.1.clone();
            opened.push(found);
            return Ok(data);
        }
        let data: Arc<dyn Dataset<Batch = B>> = Arc::from((self.open)(&shard.path).outside()?);
        let end = self.shards.iter().filter(|other| other.path == shard.path).map(|other| other.rows.end).max();
        let end = end.unwrap_or_default();
        if data.len() != end {
            let message = format!("{}: {} rows, its shards have {end}", shard.path.display(), data.len());
            return Err(Error::argument("Shards", message));
        }
        opened.push((shard.path.clone(), data.clone()));
        let beyond = opened.len().saturating_sub(OPEN);
        opened.drain(..beyond);
        Ok(data)
    }
}

impl<B: Send> Dataset for Shards<B> {
    type Batch = B;

    fn len(&self) -> usize {
        self.rows
    }

    /// The rows of one shard, by their numbers among all.
    #[track_caller]
    fn batch(&self, indices: &[usize], rng: &mut Rng) -> Result<B> {
        let first = indices.first().copied().unwrap_or_default();
        let number = self.starts.partition_point(|start| *start <= first).saturating_sub(1);
        let (shard, start) = (&self.shards[number], self.starts[number]);
        let mut rows = Vec::with_capacity(indices.len());
        for index in indices {
            match index.checked_sub(start).filter(|row| *row < shard.rows.len()) {
                Some(row) => rows.push(shard.rows.start + row),
                None => {
                    let message = format!("row {index} in a batch of {}, whose rows are others", shard.path.display());
                    return Err(Error::index("Shards", message).with_help(
                        "a batch is of one shard: let the data say the order, without a sampler of your own",
                    ));
                }
            }
        }
        self.opened(shard)?.batch(&rows, rng).outside()
    }

    fn sampler(&self) -> Option<&dyn BatchSampler> {
        Some(self)
    }
}

impl<B: Send> BatchSampler for Shards<B> {
    #[track_caller]
    fn order(&self, _: usize, size: usize, rng: &mut Rng) -> Result<Order> {
        let fewest = |shard: &usize| self.shards[*shard].rows.len().div_ceil(size.max(1));
        let steps = self.streams.iter().map(|stream| stream.iter().map(fewest).sum()).max().unwrap_or(0_usize);
        let seeds = rng.split();
        let mut streams = Vec::with_capacity(self.streams.len());
        for (number, stream) in self.streams.iter().enumerate() {
            // So many batches of each shard, at least one row in each.
            let mut counts: Vec<usize> = stream.iter().map(fewest).collect();
            let mut missing = steps - counts.iter().sum::<usize>();
            for (count, shard) in counts.iter_mut().zip(stream) {
                let more = missing.min(self.shards[*shard].rows.len() - *count);
                *count += more;
                missing -= more;
            }
            if missing > 0 {
                let rows: usize = stream.iter().map(|shard| self.shards[*shard].rows.len()).sum();
                let message = format!("stream {number} has {rows} rows for {steps} steps");
                return Err(Error::argument("Shards", message).with_help("cut the largest shards into smaller ones"));
            }
            let mut own = seeds.fork(number as u64);
            let order = own.permutation(stream.len())?;
            let mut batches = Vec::with_capacity(steps);
            for at in order {
                let (shard, count) = (stream[at], counts[at]);
                let rows = own.permutation(self.shards[shard].rows.len())?;
                for i in 0..count {
                    let start = self.starts[shard];
                    batches.push(rows[part(rows.len(), count, i)].iter().map(|row| start + row).collect::<Vec<_>>());
                }
            }
            streams.push(batches.into_iter());
        }
        let mut batches = Vec::with_capacity(steps * streams.len());
        for _ in 0..steps {
            batches.extend(streams.iter_mut().filter_map(Iterator::next));
        }
        Ok(Order::batches(batches))
    }
}
