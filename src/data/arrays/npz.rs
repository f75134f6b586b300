//! Several arrays in one archive.

use std::io::{self, Read, Write};
use std::path::Path;

use super::header::Header;
use super::npy;
use crate::error::{Error, Here, Result, near, short};
use crate::files;
use crate::files::crc::Crc;
use crate::files::zip::{Archive, Bytes, Entry, Writer};
use crate::tensor::{DType, Tensor};

/// Arrays with names in one file, as `numpy.savez` writes them. Opening it reads the names; each array is read when it is asked for.
///
/// ```
/// # let folder = tempfile::tempdir().map_err(|e| demotic::Error::io("example", std::path::Path::new("."), e))?;
/// # let path = folder.path().join("data.npz");
/// use demotic::data::{self, Npz};
/// use demotic::tensor;
///
/// data::write_npz(&path, &[("x", &tensor![[1.0], [2.0]]), ("y", &tensor![0.0, 1.0])])?;
/// let arrays = Npz::open(&path)?;
/// assert_eq!(arrays.names().collect::<Vec<_>>(), ["x", "y"]);
/// assert_eq!(arrays.read("y")?.to_vec::<f32>()?, [0.0, 1.0]);
/// # Ok::<(), demotic::Error>(())
/// ```
///
/// Archives of `numpy.savez_compressed` take the feature `gzip`.
pub struct Npz {
    archive: Archive,
    /// What it is called in errors.
    place: String,
}

impl Npz {
    /// Opens a `.npz` file.
    ///
    /// # Errors
    /// If it cannot be read, is no archive, or is damaged: entries that lie outside of it, share bytes, or claim more than they can hold.
    #[track_caller]
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let (op, path) = ("Npz::open", path.as_ref());
        let file = files::open(op, path)?;
        let length = match file.metadata() {
            Ok(metadata) => metadata.len(),
            Err(e) => return Err(Error::io(op, path, e)),
        };
        Self::of(op, Bytes::File(files::SharedFile::new(file)), length, format!("{}: ", path.display()))
    }

    /// Opens an archive in memory.
    ///
    /// # Errors
    /// As for [`open`](Self::open).
    #[track_caller]
    pub fn from_bytes(bytes: Vec<u8>) -> Result<Self> {
        let length = bytes.len() as u64;
        Self::of("Npz::from_bytes", Bytes::Memory(bytes), length, String::new())
    }

    #[track_caller]
    fn of(op: &'static str, bytes: Bytes, length: u64, place: String) -> Result<Self> {
        match Archive::open(bytes, length) {
            Ok(archive) => Ok(Self { archive, place }),
            Err(message) => Err(Error::format(op, format!("{place}{message}"))),
        }
    }

    /// The names of the arrays, in the order of the file.
    pub fn names(&self) -> impl ExactSizeIterator<Item = &str> {
        self.archive.entries.iter().map(|entry| called(&entry.name))
    }

    /// The arrays with their shapes and the types that they are read as, as far as there are any.
    pub(crate) fn headers(&self) -> impl Iterator<Item = (&str, Option<(Vec<usize>, DType)>)> {
        self.archive.entries.iter().map(|entry| {
            let header = Header::read(&mut unpacked(self.archive.packed(entry), entry)).ok();
            (called(&entry.name), header.map(|header| (header.shape, header.kind.dtype())))
        })
    }

    /// What the archive is called.
    pub(crate) fn place(&self) -> &str {
        if self.place.is_empty() { "the archive" } else { self.place.trim_end_matches(": ") }
    }

    /// The array of a name.
    ///
    /// # Errors
    /// If there is none, its bytes are damaged, or it is no array of numbers: see [`read_npy`](super::read_npy).
    #[track_caller]
    pub fn read(&self, name: &str) -> Result<Tensor> {
        let op = "Npz::read";
        let Some(entry) = self.archive.entries.iter().find(|entry| called(&entry.name) == name) else {
            let e = Error::argument(op, format!("{}there is no array `{}`", self.place, short(name)));
            let nearest = self.names().filter_map(|own| Some((near(own, name)?, own))).min();
            let known: Vec<_> = self.names().take(20).map(short).collect();
            let known = format!("the arrays are {}", known.join(", "));
            return Err(match nearest {
                Some((_, own)) => e.with_help(format!("did you mean `{}`? {known}", short(own))),
                None => e.with_help(known),
            });
        };
        let place = format!("{}`{}`: ", self.place, short(&entry.name));
        let packed = self.archive.packed(entry);
        let mut input = Checked { input: unpacked(packed, entry), crc: Crc::new(), left: entry.size };
        let tensor =
            npy::read(op, &mut input, Some(entry.size)).map_err(|failed| failed.into_error(op, &place)).here()?;
        if input.crc.value() != entry.crc {
            return Err(Error::format(op, format!("{place}the checksum is wrong: the file is damaged")));
        }
        Ok(tensor)
    }
}

impl std::fmt::Debug for Npz {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.names()).finish()
    }
}

/// What the array of an entry is called.
fn called(name: &str) -> &str {
    name.strip_suffix(".npy").unwrap_or(name)
}

#[cfg(feature = "gzip")]
fn unpacked<'a>(packed: impl Read + 'a, entry: &Entry) -> Box<dyn Read + 'a> {
    match entry.is_deflated {
        true => Box::new(io::BufReader::new(flate2::read::DeflateDecoder::new(packed))),
        false => Box::new(io::BufReader::new(packed)),
    }
}

#[cfg(not(feature = "gzip"))]
fn unpacked<'a>(packed: impl Read + 'a, entry: &Entry) -> Box<dyn Read + 'a> {
    match entry.is_deflated {
        true => Box::new(Refusing),
        false => Box::new(io::BufReader::new(packed)),
    }
}

/// What is deflated, without the code for it.
#[cfg(not(feature = "gzip"))]
struct Refusing;

#[cfg(not(feature = "gzip"))]
impl Read for Refusing {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Err(io::Error::other(
            "the array is compressed: build demotic with the feature `gzip`, or save it with numpy.savez",
        ))
    }
}

/// Adds up the checksum of what is read, which is never more than the entry says.
struct Checked<'a> {
    input: Box<dyn Read + 'a>,
    crc: Crc,
    left: u64,
}

impl Read for Checked<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let most = (out.len() as u64).min(self.left) as usize;
        let count = self.input.read(&mut out[..most])?;
        self.crc.add(&out[..count]);
        self.left -= count as u64;
        Ok(count)
    }
}

/// Writes arrays with their names into one file, which `numpy.load` reads.
///
/// # Errors
/// If a name is given twice or longer than 65,000 bytes, or the file system refuses; an earlier file is then as it was.
#[track_caller]
pub fn write_npz(path: impl AsRef<Path>, arrays: &[(&str, &Tensor)]) -> Result<()> {
    let op = "write_npz";
    check_names(op, arrays)?;
    files::replace(op, path.as_ref(), |out| {
        let mut archive = Writer::new(out);
        for (name, tensor) in arrays {
            let mut sum = Sum { crc: Crc::new(), size: 0 };
            npy::write(tensor, &mut sum)?;
            let (name, size) = (format!("{name}.npy"), sum.size);
            archive.entry((&name, false, sum.crc.value()), (size, size), &mut |out| npy::write(tensor, out))?;
        }
        archive.finish()
    })
}

/// The same, deflated: smaller, and slower to write and to read. Needs the feature `gzip`.
///
/// # Errors
/// As for [`write_npz`].
#[cfg(feature = "gzip")]
#[track_caller]
pub fn write_npz_compressed(path: impl AsRef<Path>, arrays: &[(&str, &Tensor)]) -> Result<()> {
    let op = "write_npz_compressed";
    check_names(op, arrays)?;
    files::replace(op, path.as_ref(), |out| {
        let mut archive = Writer::new(out);
        for (name, tensor) in arrays {
            let mut sum = Sum { crc: Crc::new(), size: 0 };
            let mut packed = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::default());
            npy::write(tensor, &mut sum)?;
            npy::write(tensor, &mut packed)?;
            let packed = packed.finish()?;
            let sizes = (packed.len() as u64, sum.size);
            let name = format!("{name}.npy");
            archive.entry((&name, true, sum.crc.value()), sizes, &mut |out| out.write_all(&packed))?;
        }
        archive.finish()
    })
}

#[track_caller]
fn check_names(op: &'static str, arrays: &[(&str, &Tensor)]) -> Result<()> {
    for (i, (name, _)) in arrays.iter().enumerate() {
        if name.len() > 65_000 {
            return Err(Error::argument(op, format!("the name `{}` has {} bytes", short(name), name.len())));
        }
        if arrays[..i].iter().any(|(other, _)| other == name) {
            return Err(Error::argument(op, format!("two arrays are called `{}`", short(name))));
        }
    }
    Ok(())
}

/// Counts and adds up what is written to it.
struct Sum {
    crc: Crc,
    size: u64,
}

impl Write for Sum {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.crc.add(bytes);
        self.size += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
