//! Files that grow by whole pieces.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// A file that others may read while it grows: each piece is there as a whole, or not at all.
#[derive(Debug)]
pub(crate) struct Appended {
    op: &'static str,
    path: PathBuf,
    file: File,
    len: u64,
}

impl Appended {
    /// A new file, in a folder that is made if it does not exist. An error if there is one of that name.
    #[track_caller]
    pub(crate) fn create(op: &'static str, path: &Path) -> Result<Self> {
        let made = path.parent().map_or(Ok(()), fs::create_dir_all);
        match made.and_then(|()| OpenOptions::new().append(true).create_new(true).open(path)) {
            Ok(file) => Ok(Self { op, path: path.to_path_buf(), file, len: 0 }),
            Err(e) => Err(Error::io(op, path, e)),
        }
    }

    /// Goes on at the end of a file that exists.
    #[track_caller]
    pub(crate) fn open(op: &'static str, path: &Path) -> Result<Self> {
        let opened = OpenOptions::new().append(true).open(path);
        match opened.and_then(|file| Ok((file.metadata()?.len(), file))) {
            Ok((len, file)) => Ok(Self { op, path: path.to_path_buf(), file, len }),
            Err(e) => Err(Error::io(op, path, e)),
        }
    }

    /// Adds a piece. If there is no room for all of it, the file ends where it did before.
    #[track_caller]
    pub(crate) fn append(&mut self, piece: &[u8]) -> Result<()> {
        match self.file.write_all(piece) {
            Ok(()) => {
                self.len += piece.len() as u64;
                Ok(())
            }
            Err(e) => {
                let _: io::Result<()> = self.file.set_len(self.len);
                Err(Error::io(self.op, &self.path, e))
            }
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}
