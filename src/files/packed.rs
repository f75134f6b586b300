//! Files packed by gzip, read as what is in them.

use std::io::{self, Read};
use std::path::Path;

use crate::error::{Error, ErrorKind, Result};

/// How such files begin.
pub(crate) const GZIP: [u8; 2] = [0x1f, 0x8b];

/// What a reader can do about one, where this crate was built without the feature.
#[cfg(not(feature = "gzip"))]
pub(crate) const UNPACK: &str =
    "the feature `gzip` reads it as it is: cargo add demotic --features gzip; or unpack it first";

/// What is in a stream: of one that gzip packed, in one piece or in several, what was packed; any other as it is, and all of them
/// without the feature `gzip`. What cannot be unpacked is an error of the kind [`InvalidData`](io::ErrorKind::InvalidData).
#[track_caller]
pub(crate) fn unpacked<'r>(
    op: &'static str,
    path: Option<&Path>,
    mut reader: impl Read + 'r,
) -> Result<Box<dyn Read + 'r>> {
    let mut head = Vec::with_capacity(GZIP.len());
    if let Err(e) = reader.by_ref().take(GZIP.len() as u64).read_to_end(&mut head) {
        return Err(failed(op, path, e));
    }
    #[cfg(feature = "gzip")]
    if head == GZIP {
        return Ok(Box::new(Unpacking(flate2::read::MultiGzDecoder::new(io::Cursor::new(head).chain(reader)))));
    }
    Ok(Box::new(io::Cursor::new(head).chain(reader)))
}

/// Says of an error that it is about the archive.
#[cfg(feature = "gzip")]
struct Unpacking<R>(R);

#[cfg(feature = "gzip")]
impl<R: Read> Read for Unpacking<R> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        use io::ErrorKind::{InvalidData, InvalidInput, UnexpectedEof};
        self.0.read(bytes).map_err(|e| match e.kind() {
            UnexpectedEof => io::Error::new(InvalidData, "the gzip archive ends too early"),
            InvalidInput | InvalidData => io::Error::new(InvalidData, format!("the gzip archive is damaged: {e}")),
            _ => e,
        })
    }
}

/// Reading failed, of a file or of something else.
#[track_caller]
pub(crate) fn failed(op: &'static str, path: Option<&Path>, e: io::Error) -> Error {
    match path {
        Some(path) => Error::io(op, path, e),
        None => Error::new(ErrorKind::Io, op, e.to_string()).with_source(e),
    }
}
