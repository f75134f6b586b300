//! One long stream of token ids, in memory or in a file.

mod file;

use std::fmt;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

pub use self::file::TokenWriter;
use self::file::{Header, IdFile, write};
use crate::error::{Error, Here, Result};
use crate::files;

/// A text as one long stream of token ids, from which language models take their training examples.
///
/// The ids are in memory ([`from_ids`](Self::from_ids)) or stay in a file ([`open`](Self::open)) from which only the
/// part that is asked for is read, so that a corpus may be larger than the memory. A stream has at least one token.
/// Clones and the parts that [`split`](Self::split) returns share the ids.
///
/// ```
/// use demotic::text::TokenStream;
///
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("corpus.ids");
/// let corpus = TokenStream::write(&path, (0..1000).map(|i| i % 7), 7)?;
/// let (train, validation) = corpus.split(0.9)?;
/// assert_eq!((train.len(), validation.len()), (900, 100));
///
/// let mut window = [0; 4];
/// validation.read(10, &mut window)?;
/// assert_eq!(window, [0, 1, 2, 3]); // tokens 910 to 913
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct TokenStream {
    source: Source,
    /// Which of the source's ids belong to this stream.
    range: Range<usize>,
    vocab_size: usize,
}

#[derive(Clone)]
enum Source {
    Memory(Arc<Vec<u32>>),
    File(Arc<IdFile>),
}

impl fmt::Debug for TokenStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TokenStream({} tokens, vocabulary of {}", self.len(), self.vocab_size)?;
        match &self.source {
            Source::Memory(_) => f.write_str(")"),
            Source::File(file) => write!(f, ", {})", file.path().display()),
        }
    }
}

// A stream is never empty, so there is no `is_empty`.
#[allow(clippy::len_without_is_empty)]
impl TokenStream {
    /// A stream in memory, four bytes for each token. Takes ids of any integer type; `u32` is stored as it is, without a
    /// copy. The vocabulary's size is taken to be the largest id plus one.
    ///
    /// # Errors
    /// If there are no ids, or one is negative or beyond the range of `u32`.
    ///
    /// ```
    /// let stream = demotic::text::TokenStream::from_ids(vec![3, 1, 2])?;
    /// assert_eq!(stream.vocab_size(), 4);
    /// assert_eq!(stream.slice(1..3)?, [1, 2]);
    /// # Ok::<(), demotic::Error>(())
    /// ```
    #[track_caller]
    pub fn from_ids<I: Copy + fmt::Display>(ids: Vec<I>) -> Result<Self>
    where
        u32: TryFrom<I>,
    {
        let mut wrong = None;
        let ids: Vec<u32> = ids
            .into_iter()
            .enumerate()
            .map_while(|(at, id)| u32::try_from(id).map_err(|_| wrong = Some((at, id.to_string()))).ok())
            .collect();
        if let Some((at, id)) = wrong {
            let message = format!("token {at} has the id {id}, expected 0 to {}", u32::MAX);
            return Err(Error::argument("from_ids", message));
        }
        let Some(max) = ids.iter().max() else { return Err(empty("from_ids")) };
        let vocab_size = *max as usize + 1;
        Ok(Self { range: 0..ids.len(), source: Source::Memory(Arc::new(ids)), vocab_size })
    }

    /// Opens a file that [`write`](Self::write) made. The ids stay in the file, which must not change while it is in use.
    ///
    /// # Errors
    /// If the file cannot be read, is something else, or is truncated.
    #[track_caller]
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        Self::open_for("open", path.as_ref())
    }

    #[track_caller]
    fn open_for(op: &'static str, path: &Path) -> Result<Self> {
        let mut file = files::open(op, path)?;
        let header = match Header::read(&mut file) {
            Ok(Ok(header)) => header,
            Ok(Err(message)) => {
                return Err(files::refused(op, path, &[files::Format::TokenIds], "a file of token ids", &message));
            }
            Err(e) => return Err(Error::io(op, path, e)),
        };
        let file = IdFile::new(path, file, header.width);
        Ok(Self { range: 0..header.count, source: Source::File(Arc::new(file)), vocab_size: header.vocab_size })
    }

    /// Writes ids into a file, one after the other, and opens it. An id takes two bytes if the vocabulary has at most
    /// 65,536 entries, and four otherwise. The file appears under its name when it is complete; an earlier one is replaced.
    ///
    /// # Errors
    /// If there are no ids, one is not below `vocab_size`, or the file cannot be written.
    #[track_caller]
    pub fn write<I: Copy + fmt::Display>(
        path: impl AsRef<Path>,
        ids: impl IntoIterator<Item = I>,
        vocab_size: usize,
    ) -> Result<Self>
    where
        u32: TryFrom<I>,
    {
        write("write", path.as_ref(), vocab_size, |out| ids.into_iter().try_for_each(|id| out.one(id))).here()?;
        Self::open_for("write", path.as_ref())
    }

    /// The same for ids that come in pieces and may fail to come, for example from encoding a large text line by line.
    ///
    /// # Errors
    /// As for [`write`](Self::write), and with the first error that `pieces` returns. No file is left behind.
    ///
    /// ```
    /// use demotic::text::{CharTokenizer, TokenStream, Tokenizer};
    ///
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("corpus.ids");
    /// let text = "one line\nand another\n";
    /// let tokenizer = CharTokenizer::fit([text])?;
    /// let corpus = TokenStream::write_with(&path, tokenizer.vocab_size(), |out| {
    ///     text.split_inclusive('\n').try_for_each(|line| out.push(&tokenizer.encode(line)?))
    /// })?;
    /// assert_eq!(corpus.len(), text.len());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn write_with(
        path: impl AsRef<Path>,
        vocab_size: usize,
        pieces: impl FnOnce(&mut TokenWriter<'_>) -> Result<()>,
    ) -> Result<Self> {
        write("write_with", path.as_ref(), vocab_size, pieces)?;
        Self::open_for("write_with", path.as_ref())
    }

    /// The number of tokens, at least 1.
    #[must_use]
    pub fn len(&self) -> usize {
        self.range.len()
    }

    /// The size of the vocabulary: every id is below it.
    #[must_use]
    pub fn vocab_size(&self) -> usize {
        self.vocab_size
    }

    /// Fills `out` with the ids of the tokens from position `start` on.
    ///
    /// # Errors
    /// If the stream ends before that, or the file cannot be read or has an id outside of its vocabulary.
    #[track_caller]
    pub fn read(&self, start: usize, out: &mut [i64]) -> Result<()> {
        self.read_for("read", start, out)
    }

    /// The ids at some positions.
    ///
    /// # Errors
    /// As for [`read`](Self::read), and if the range ends before it begins.
    #[track_caller]
    pub fn slice(&self, range: Range<usize>) -> Result<Vec<i64>> {
        if range.start > range.end || range.end > self.len() {
            let message = format!("{}..{} of a stream of {} tokens", range.start, range.end, self.len());
            return Err(Error::index("slice", message));
        }
        let mut out = vec![0; range.len()];
        self.read_for("slice", range.start, &mut out)?;
        Ok(out)
    }

    #[track_caller]
    fn read_for(&self, op: &'static str, start: usize, out: &mut [i64]) -> Result<()> {
        if start.checked_add(out.len()).is_none_or(|end| end > self.len()) {
            let message = format!("{} tokens from position {start} of a stream of {} tokens", out.len(), self.len());
            return Err(Error::index(op, message));
        }
        let from = self.range.start + start;
        match &self.source {
            Source::Memory(ids) => out.iter_mut().zip(&ids[from..]).for_each(|(out, id)| *out = i64::from(*id)),
            Source::File(file) => {
                if let Err(e) = file.read(from, out) {
                    return Err(Error::io(op, file.path(), e));
                }
                if let Some(at) = out.iter().position(|id| *id >= self.vocab_size as i64) {
                    let (path, position, id, size) = (file.path().display(), from + at, out[at], self.vocab_size);
                    let message =
                        format!("{path}: token {position} has the id {id}, the vocabulary has {size} entries");
                    return Err(Error::format(op, message));
                }
            }
        }
        Ok(())
    }

    /// Cuts the stream in two: the first `fraction` of the tokens, to train on, and the rest, to validate with. Both parts
    /// have at least one token.
    ///
    /// # Errors
    /// If `fraction` is not between 0 and 1, or there is a single token.
    #[track_caller]
    pub fn split(&self, fraction: f64) -> Result<(Self, Self)> {
        if !(fraction > 0.0 && fraction < 1.0) {
            let message = format!("the fraction is {fraction}, expected a number between 0 and 1");
            return Err(Error::argument("split", message).with_help("0.9 puts 90 % of the tokens into the first part"));
        }
        let n = self.len();
        if n < 2 {
            return Err(Error::argument("split", "1 token cannot be divided into two parts"));
        }
        let middle = self.range.start + ((n as f64 * fraction).round() as usize).clamp(1, n - 1);
        let part = |range| Self { source: self.source.clone(), range, vocab_size: self.vocab_size };
        Ok((part(self.range.start..middle), part(middle..self.range.end)))
    }
}

#[track_caller]
fn empty(op: &'static str) -> Error {
    Error::argument(op, "there are no tokens").with_help("is the text empty?")
}

#[cfg(test)]
mod tests;
