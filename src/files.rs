//! Opening files with errors that name them, and replacing files as a whole or not at all.

mod append;
pub(crate) mod crc;
mod format;
mod packed;
mod shared;
mod temporary;
pub(crate) mod zip;

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Read, Write};
use std::path::Path;

use temporary::Temporary;

use crate::error::{Error, Result};

pub(crate) use append::Appended;
pub(crate) use format::{Format, format, refused, seems};
#[cfg(not(feature = "gzip"))]
pub(crate) use packed::{GZIP, UNPACK};
pub(crate) use packed::{failed, unpacked};
pub(crate) use shared::SharedFile;
pub(crate) use temporary::sweep;

/// Opens a file for reading. A directory is an error here, not at the first read.
#[track_caller]
pub(crate) fn open(op: &'static str, path: &Path) -> Result<File> {
    let opened = File::open(path).and_then(|file| match file.metadata()?.is_dir() {
        true => Err(io::Error::from(io::ErrorKind::IsADirectory)),
        false => Ok(file),
    });
    match opened {
        Ok(file) => Ok(file),
        Err(e) => Err(Error::io(op, path, e)),
    }
}

/// A small file as a whole; nothing, if it is longer than so many bytes.
#[track_caller]
pub(crate) fn read_up_to(op: &'static str, path: &Path, limit: u64) -> Result<Option<Vec<u8>>> {
    let mut bytes = Vec::new();
    match open(op, path)?.take(limit.saturating_add(1)).read_to_end(&mut bytes) {
        Ok(_) => Ok(Some(bytes).filter(|bytes| bytes.len() as u64 <= limit)),
        Err(e) => Err(Error::io(op, path, e)),
    }
}

/// The same, and what the file is called in the error if it is longer.
#[track_caller]
pub(crate) fn read_limited(op: &'static str, path: &Path, what: &str, limit: u64) -> Result<Vec<u8>> {
    match read_up_to(op, path, limit)? {
        Some(bytes) => Ok(bytes),
        None => Err(Error::format(op, format!("{}: {what} of more than {limit} bytes", path.display()))),
    }
}

/// Writes a file so that at every moment, and after any failure, `path` holds either its earlier contents or all of
/// the new ones.
///
/// `write` fills a temporary file beside the target, which is flushed to the disk and then renamed. An existing file
/// keeps its permissions, a symbolic link stays and its target is replaced. What is not a regular file (a pipe, a
/// device) is written to directly. The folder must exist.
///
/// A process that is killed leaves its temporary file behind: `.demotic-`, two numbers, `.tmp`. The next one that writes into
/// the folder removes it. One that is still being written is locked, and stays.
///
/// # Errors
/// If the file system refuses, if the existing file is read-only, or with the error that `write` returns; the
/// temporary file is then removed.
///
/// ```
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("results.json");
/// demotic::io::write_atomically(&path, |out| out.write_all(b"{\"rmse\": 0.5}"))?;
/// assert_eq!(std::fs::read_to_string(&path)?, "{\"rmse\": 0.5}");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[track_caller]
pub fn write_atomically(path: impl AsRef<Path>, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<()> {
    replace("write_atomically", path.as_ref(), write)
}

/// The same on behalf of another operation.
#[track_caller]
pub(crate) fn replace(
    op: &'static str,
    path: &Path,
    write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> Result<()> {
    match try_replace(path, write) {
        Ok(()) => Ok(()),
        Err(e) => Err(Error::io(op, path, e)),
    }
}

fn try_replace(path: &Path, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
    let earlier = match fs::metadata(path) {
        Ok(earlier) if earlier.is_dir() => return Err(io::ErrorKind::IsADirectory.into()),
        Ok(earlier) if !earlier.is_file() => return write_through(OpenOptions::new().write(true).open(path)?, write),
        Ok(earlier) if earlier.permissions().readonly() => return Err(io::ErrorKind::PermissionDenied.into()),
        Ok(earlier) => Some(earlier),
        Err(e) if e.kind() == io::ErrorKind::NotFound => None,
        Err(e) => return Err(e),
    };
    // Renaming onto a symbolic link would replace the link.
    let target = if earlier.is_some() { fs::canonicalize(path)? } else { path.to_path_buf() };
    let folder = match target.parent() {
        Some(folder) if folder.as_os_str().is_empty() => Path::new("."),
        Some(folder) => folder,
        None => return Err(io::ErrorKind::IsADirectory.into()),
    };
    sweep(folder);
    let mut temporary = Temporary::create(folder)?;
    if let Some(earlier) = earlier {
        temporary.file.set_permissions(earlier.permissions())?;
    }
    let mut out = BufWriter::with_capacity(1 << 16, &temporary.file);
    write(&mut out)?;
    out.flush()?;
    drop(out);
    temporary.file.sync_all()?;
    fs::rename(&temporary.path, &target)?;
    temporary.renamed = true;
    // The new name reaches the disk with the folder. Not every system can open or flush one; the file itself is safe.
    let _ = File::open(folder).and_then(|folder| folder.sync_all());
    Ok(())
}

fn write_through(file: File, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
    let mut out = BufWriter::new(file);
    write(&mut out)?;
    out.flush()
}

#[cfg(test)]
mod tests;
