//! One long stream of token ids, in memory or in a file.

use std::fmt;
use std::fs::File;
use std::io::{self, Read, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::files;

/// How a file of ids begins: these eight bytes; then, as little-endian integers, the version and the bytes for each id
/// (4 bytes each) and the size of the vocabulary (8). The ids follow, and their number (8 bytes) ends the file, which
/// is how a truncated one is recognised.
const MAGIC: [u8; 8] = *b"DMTOKENS";
const VERSION: u32 = 1;
const HEADER: u64 = 24;
const TRAILER: u64 = 8;
/// Bytes that are read or written at once.
const BLOCK: usize = 1 << 16;

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
            Source::File(file) => write!(f, ", {})", file.path.display()),
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
            Ok(Err(message)) => return Err(Error::format(op, format!("{}: {message}", path.display()))),
            Err(e) => return Err(Error::io(op, path, e)),
        };
        let file = IdFile { path: path.to_path_buf(), file: SharedFile::new(file), width: header.width };
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
        write("write", path.as_ref(), vocab_size, |out| ids.into_iter().try_for_each(|id| out.one(id)))
    }

    /// The same for ids that come in pieces and may fail to come, for example from encoding a large text line by line.
    ///
    /// # Errors
    /// As for [`write`](Self::write), and with the first error that `pieces` returns. No file is left behind.
    ///
    /// ```
    /// # use demotic::text::TokenStream;
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("corpus.ids");
    /// let text = "one line\nand another\n";
    /// let corpus = TokenStream::write_with(&path, 256, |out| {
    ///     text.lines().try_for_each(|line| out.push(&line.bytes().map(i64::from).collect::<Vec<_>>()))
    /// })?;
    /// assert_eq!(corpus.len(), 19);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn write_with(
        path: impl AsRef<Path>,
        vocab_size: usize,
        pieces: impl FnOnce(&mut TokenWriter<'_>) -> Result<()>,
    ) -> Result<Self> {
        write("write_with", path.as_ref(), vocab_size, pieces)
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
                    return Err(Error::io(op, &file.path, e));
                }
                if let Some(at) = out.iter().position(|id| *id >= self.vocab_size as i64) {
                    let (path, position, id, size) = (file.path.display(), from + at, out[at], self.vocab_size);
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

/// Takes the ids for a file of them; see [`TokenStream::write_with`].
pub struct TokenWriter<'a> {
    out: &'a mut dyn Write,
    buffer: Vec<u8>,
    op: &'static str,
    path: &'a Path,
    width: usize,
    vocab_size: usize,
    count: u64,
}

impl fmt::Debug for TokenWriter<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TokenWriter({}, {} tokens)", self.path.display(), self.count)
    }
}

impl TokenWriter<'_> {
    /// Appends ids.
    ///
    /// # Errors
    /// If one is not below the vocabulary's size, or the file cannot be written.
    #[track_caller]
    pub fn push(&mut self, ids: &[i64]) -> Result<()> {
        ids.iter().try_for_each(|id| self.one(*id))
    }

    /// The number of tokens so far.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }

    #[track_caller]
    fn one<I: Copy + fmt::Display>(&mut self, id: I) -> Result<()>
    where
        u32: TryFrom<I>,
    {
        match u32::try_from(id) {
            Ok(id) if (id as usize) < self.vocab_size => {
                self.buffer.extend_from_slice(&id.to_le_bytes()[..self.width]);
                self.count += 1;
                if self.buffer.len() >= BLOCK { self.flush() } else { Ok(()) }
            }
            _ => {
                let message =
                    format!("token {} has the id {id}, the vocabulary has {} entries", self.count, self.vocab_size);
                Err(Error::index(self.op, message).with_help("the size must be that of the tokenizer's vocabulary"))
            }
        }
    }

    #[track_caller]
    fn flush(&mut self) -> Result<()> {
        let written = self.out.write_all(&self.buffer);
        self.buffer.clear();
        written.map_err(|e| Error::io(self.op, self.path, e))
    }
}

#[track_caller]
fn write(
    op: &'static str,
    path: &Path,
    vocab_size: usize,
    pieces: impl FnOnce(&mut TokenWriter<'_>) -> Result<()>,
) -> Result<TokenStream> {
    if vocab_size == 0 || vocab_size as u64 > 1 << 32 {
        let message = format!("the vocabulary's size is {vocab_size}, expected 1 to {}", 1u64 << 32);
        return Err(Error::argument(op, message));
    }
    let width = if vocab_size <= 1 << 16 { 2 } else { 4 };
    let mut failure = None;
    let written = files::replace(op, path, |out| {
        out.write_all(&MAGIC)?;
        out.write_all(&VERSION.to_le_bytes())?;
        out.write_all(&(width as u32).to_le_bytes())?;
        out.write_all(&(vocab_size as u64).to_le_bytes())?;
        let mut writer = TokenWriter { out, buffer: Vec::with_capacity(BLOCK), op, path, width, vocab_size, count: 0 };
        let mut taken = pieces(&mut writer).and_then(|()| writer.flush());
        let count = writer.count;
        if taken.is_ok() && count == 0 {
            taken = Err(empty(op));
        }
        if let Err(e) = taken {
            failure = Some(e);
            // Keeps the file from being put in place; the caller gets the error itself.
            return Err(io::ErrorKind::Other.into());
        }
        out.write_all(&count.to_le_bytes())
    });
    if let Some(e) = failure {
        return Err(e);
    }
    written?;
    TokenStream::open_for(op, path)
}

/// What the ends of a file say.
struct Header {
    width: usize,
    vocab_size: usize,
    count: usize,
}

impl Header {
    /// The outer error is the file system's, the inner one says what is wrong with the contents.
    fn read(file: &mut File) -> io::Result<Result<Self, String>> {
        let size = file.metadata()?.len();
        let mut header = [0; HEADER as usize];
        if size < HEADER + TRAILER {
            let message = match size {
                0 => "the file is empty".to_string(),
                _ => format!("{size} bytes are too few for a file of token ids"),
            };
            return Ok(Err(message));
        }
        file.read_exact(&mut header)?;
        let word = |at: usize| u32::from_le_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
        if header[..8] != MAGIC {
            return Ok(Err("not a file of token ids: it begins with other bytes".to_string()));
        }
        if word(8) != VERSION {
            return Ok(Err(format!("version {} of the format, this program reads version {VERSION}", word(8))));
        }
        let (width, vocab_size) = (word(12), u64::from(word(16)) | u64::from(word(20)) << 32);
        let fits = match width {
            2 => (1..=1 << 16).contains(&vocab_size),
            4 => (1..=1 << 32).contains(&vocab_size),
            _ => false,
        };
        if !fits {
            return Ok(Err(format!("malformed: ids of {width} bytes for a vocabulary of {vocab_size} entries")));
        }
        let bytes = size - HEADER - TRAILER;
        io::Seek::seek(file, io::SeekFrom::End(-(TRAILER as i64)))?;
        let mut trailer = [0; TRAILER as usize];
        file.read_exact(&mut trailer)?;
        let count = u64::from_le_bytes(trailer);
        if count.checked_mul(u64::from(width)) != Some(bytes) {
            let message = format!("truncated or damaged: {bytes} bytes of ids of {width} bytes, and no matching count");
            return Ok(Err(message));
        }
        if count == 0 {
            return Ok(Err("the file has no tokens".to_string()));
        }
        match (usize::try_from(count), usize::try_from(vocab_size)) {
            (Ok(count), Ok(vocab_size)) => Ok(Ok(Self { width: width as usize, vocab_size, count })),
            _ => Ok(Err(format!("{count} tokens are too many for this machine"))),
        }
    }
}

/// A file of ids, read by position.
struct IdFile {
    path: PathBuf,
    file: SharedFile,
    width: usize,
}

impl IdFile {
    fn read(&self, start: usize, out: &mut [i64]) -> io::Result<()> {
        let per_block = BLOCK / self.width;
        let mut block = vec![0; (out.len() * self.width).min(BLOCK)];
        for (i, out) in out.chunks_mut(per_block).enumerate() {
            let bytes = &mut block[..out.len() * self.width];
            let position = HEADER + (start + i * per_block) as u64 * self.width as u64;
            self.file.read_exact_at(bytes, position)?;
            match self.width {
                2 => {
                    out.iter_mut().zip(bytes.as_chunks().0).for_each(|(out, id)| *out = u16::from_le_bytes(*id).into())
                }
                _ => {
                    out.iter_mut().zip(bytes.as_chunks().0).for_each(|(out, id)| *out = u32::from_le_bytes(*id).into())
                }
            }
        }
        Ok(())
    }
}

/// A file that several threads read at different places.
#[cfg(unix)]
struct SharedFile(File);

#[cfg(unix)]
impl SharedFile {
    fn new(file: File) -> Self {
        Self(file)
    }

    fn read_exact_at(&self, bytes: &mut [u8], position: u64) -> io::Result<()> {
        std::os::unix::fs::FileExt::read_exact_at(&self.0, bytes, position)
    }
}

/// Where reading by position is not to be had, one thread at a time moves the file's only position.
#[cfg(not(unix))]
struct SharedFile(std::sync::Mutex<File>);

#[cfg(not(unix))]
impl SharedFile {
    fn new(file: File) -> Self {
        Self(std::sync::Mutex::new(file))
    }

    fn read_exact_at(&self, bytes: &mut [u8], position: u64) -> io::Result<()> {
        // Every read sets the position first, so one that panicked did no harm.
        let mut file = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        io::Seek::seek(&mut *file, io::SeekFrom::Start(position))?;
        file.read_exact(bytes)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::ErrorKind;

    #[test]
    fn files_and_memory_agree() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ids");
        for vocab_size in [65_536u32, 65_537, 200_000] {
            let ids: Vec<u32> = (0..70_000u32).map(|i| i.wrapping_mul(2_654_435_761) % vocab_size).collect();
            let memory = TokenStream::from_ids(ids.clone()).unwrap();
            let file = TokenStream::write(&path, ids.iter().copied(), vocab_size as usize).unwrap();
            let width = if vocab_size <= 65_536 { 2 } else { 4 };
            assert_eq!(fs::metadata(&path).unwrap().len(), 32 + 70_000 * width);
            assert_eq!((file.len(), file.vocab_size()), (70_000, vocab_size as usize));
            for range in [0..0, 0..70_000, 69_999..70_000, 31..32_900, 70_000..70_000] {
                assert_eq!(memory.slice(range.clone()).unwrap(), file.slice(range).unwrap());
            }
            let (first, second) = file.split(0.9).unwrap();
            assert_eq!((first.len(), second.len()), (63_000, 7_000));
            let (_, last) = second.split(0.5).unwrap();
            let mut out = [0; 3];
            last.read(3_497, &mut out).unwrap();
            assert_eq!(out.map(|id| id as u32), ids[69_997..]);
            let e = last.read(3_498, &mut out).unwrap_err();
            assert_eq!(e.message(), "read: 3 tokens from position 3498 of a stream of 3500 tokens");
            last.read(usize::MAX, &mut out).unwrap_err();
        }
    }

    #[test]
    fn threads_read_at_the_same_time() {
        let folder = tempfile::tempdir().unwrap();
        let stream = TokenStream::write(folder.path().join("ids"), 0..50_000, 50_000).unwrap();
        std::thread::scope(|scope| {
            for t in 0..4 {
                let stream = stream.clone();
                scope.spawn(move || {
                    for i in 0..200 {
                        let at = (t * 7919 + i * 241) % 49_900;
                        let expected: Vec<i64> = (at as i64..at as i64 + 100).collect();
                        assert_eq!(stream.slice(at..at + 100).unwrap(), expected);
                    }
                });
            }
        });
    }

    #[test]
    fn impossible_streams_are_errors() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ids");
        let message = |result: Result<TokenStream>| result.unwrap_err().message();
        assert_eq!(message(TokenStream::from_ids(Vec::<u32>::new())), "from_ids: there are no tokens");
        assert_eq!(
            message(TokenStream::from_ids(vec![5i64, -1])),
            "from_ids: token 1 has the id -1, expected 0 to 4294967295"
        );
        assert_eq!(
            message(TokenStream::write(&path, [1, 2, 7], 7)),
            "write: token 2 has the id 7, the vocabulary has 7 entries"
        );
        assert_eq!(message(TokenStream::write(&path, [0u32; 0], 7)), "write: there are no tokens");
        assert_eq!(
            message(TokenStream::write(&path, [0], 0)),
            "write: the vocabulary's size is 0, expected 1 to 4294967296"
        );
        let e = TokenStream::write_with(&path, 5, |out| {
            out.push(&[1, 2, 3])?;
            Err(Error::state("mine", "no more"))
        });
        assert_eq!(message(e), "mine: no more");
        assert!(fs::read_dir(folder.path()).unwrap().next().is_none(), "a failure left a file behind");

        let stream = TokenStream::from_ids(vec![1u32, 2]).unwrap();
        for fraction in [0.0, 1.0, -1.0, f64::NAN, f64::INFINITY] {
            assert_eq!(stream.split(fraction).unwrap_err().kind(), ErrorKind::Argument);
        }
        let (first, _) = stream.split(1e-9).unwrap();
        assert_eq!(first.split(0.5).unwrap_err().message(), "split: 1 token cannot be divided into two parts");
        #[allow(clippy::reversed_empty_ranges)]
        let reversed = stream.slice(2..1).unwrap_err();
        assert_eq!(reversed.message(), "slice: 2..1 of a stream of 2 tokens");
    }

    #[test]
    fn foreign_truncated_and_damaged_files_are_errors() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ids");
        TokenStream::write(&path, [1, 2, 3], 300).unwrap();
        let good = fs::read(&path).unwrap();
        assert_eq!(good.len(), 38);
        let open = |bytes: &[u8]| {
            fs::write(&path, bytes).unwrap();
            let e = TokenStream::open(&path).unwrap_err();
            assert_eq!(e.kind(), ErrorKind::Format);
            e.message().strip_prefix(&format!("open: {}: ", path.display())).unwrap().to_string()
        };
        let changed = |at: usize, byte: u8| {
            let mut bytes = good.clone();
            bytes[at] = byte;
            bytes
        };
        assert_eq!(open(b""), "the file is empty");
        assert_eq!(open(&good[..31]), "31 bytes are too few for a file of token ids");
        for size in 32..38 {
            assert!(open(&good[..size]).starts_with("truncated or damaged: "));
        }
        assert_eq!(open(&[b'x'; 40]), "not a file of token ids: it begins with other bytes");
        assert_eq!(open(&changed(8, 2)), "version 2 of the format, this program reads version 1");
        assert_eq!(open(&changed(12, 3)), "malformed: ids of 3 bytes for a vocabulary of 300 entries");
        assert_eq!(open(&changed(18, 1)), "malformed: ids of 2 bytes for a vocabulary of 65836 entries");
        let message = "truncated or damaged: 6 bytes of ids of 2 bytes, and no matching count";
        assert_eq!(open(&changed(30, 4)), message);
        assert_eq!(open(&changed(37, 128)), message);
        for (byte, value) in good.iter().enumerate() {
            for bit in 0..8 {
                fs::write(&path, changed(byte, value ^ 1 << bit)).unwrap();
                let _ = TokenStream::open(&path).and_then(|stream| stream.slice(0..stream.len()));
            }
        }

        // An id that the vocabulary does not have, and a file that shrinks while it is open.
        fs::write(&path, changed(27, 1)).unwrap();
        let stream = TokenStream::open(&path).unwrap();
        assert_eq!(stream.slice(0..1).unwrap(), [1]);
        let message = format!("slice: {}: token 1 has the id 258, the vocabulary has 200 entries", path.display());
        let mut small = changed(27, 1);
        small[16..18].copy_from_slice(&200u16.to_le_bytes());
        fs::write(&path, small).unwrap();
        let stream = TokenStream::open(&path).unwrap();
        assert_eq!(stream.slice(0..3).unwrap_err().message(), message);
        fs::write(&path, &good[..25]).unwrap();
        assert_eq!(stream.slice(0..3).unwrap_err().kind(), ErrorKind::Io);
        assert_eq!(TokenStream::open(folder.path()).unwrap_err().kind(), ErrorKind::Io);
    }
}
