//! Files packed by gzip, read as what is in them.

use std::io::{self, Read};
use std::path::Path;

use crate::error::{Error, Result};

/// How such files begin.
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// What is in a stream: of one that gzip packed, in one piece or in several, what was packed; any other as it is.
///
/// # Errors
/// If it is packed and this crate was built without the feature `gzip`, or cannot be read.
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
    let packed = head == GZIP;
    let whole = io::Cursor::new(head).chain(reader);
    if !packed {
        return Ok(Box::new(whole));
    }
    #[cfg(feature = "gzip")]
    return Ok(Box::new(flate2::read::MultiGzDecoder::new(whole)));
    #[cfg(not(feature = "gzip"))]
    {
        let place = path.map_or(String::new(), |path| format!("{}: ", path.display()));
        let e = Error::format(op, format!("{place}a gzip archive, which takes the feature `gzip` to be read"));
        Err(e.with_help("build with `cargo add demotic --features gzip`, or unpack it first"))
    }
}

/// Reading failed, of a file or of something else.
#[track_caller]
pub(crate) fn failed(op: &'static str, path: Option<&Path>, e: io::Error) -> Error {
    match path {
        Some(path) => Error::io(op, path, e),
        None => Error::new(crate::error::ErrorKind::Io, op, e.to_string()).with_source(e),
    }
}
