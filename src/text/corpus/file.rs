//! Files of token ids.

use std::fmt;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use super::empty;
use crate::error::{Error, Here, Result};
use crate::files::{self, SharedFile};

/// How a file of ids begins: these eight bytes; then, as little-endian integers, the version and the bytes for each id
/// (4 bytes each) and the size of the vocabulary (8). The ids follow, and their number (8 bytes) ends the file, which
/// is how a truncated one is recognised.
const MAGIC: [u8; 8] = *b"DMTOKENS";
const VERSION: u32 = 1;
const HEADER: u64 = 24;
const TRAILER: u64 = 8;
/// Bytes that are read or written at once.
const BLOCK: usize = 1 << 16;

/// Takes the ids for a file of them; see [`write_with`](super::TokenStream::write_with).
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
        ids.iter().try_for_each(|id| self.one(*id)).here()
    }

    /// The number of tokens so far.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }

    #[track_caller]
    pub(super) fn one<I: Copy + fmt::Display>(&mut self, id: I) -> Result<()>
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
        written.map_err(|e| Error::io(self.op, self.path, e)).here()
    }
}

/// Writes a file, all of it or nothing.
#[track_caller]
pub(super) fn write(
    op: &'static str,
    path: &Path,
    vocab_size: usize,
    pieces: impl FnOnce(&mut TokenWriter<'_>) -> Result<()>,
) -> Result<()> {
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
    written
}

/// What the ends of a file say.
pub(super) struct Header {
    pub(super) width: usize,
    pub(super) vocab_size: usize,
    pub(super) count: usize,
}

impl Header {
    /// The outer error is the file system's, the inner one says what is wrong with the contents.
    pub(super) fn read(file: &mut File) -> io::Result<Result<Self, String>> {
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
pub(super) struct IdFile {
    path: PathBuf,
    file: SharedFile,
    width: usize,
}

impl IdFile {
    pub(super) fn new(path: &Path, file: File, width: usize) -> Self {
        Self { path: path.to_path_buf(), file: SharedFile::new(file), width }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Reads the ids from position `start` on.
    pub(super) fn read(&self, start: usize, out: &mut [i64]) -> io::Result<()> {
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
