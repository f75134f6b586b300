//! Folders of pictures.

use std::io::BufReader;
use std::panic::Location;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use image::codecs::png::PngEncoder;
use image::{ExtendedColorType, ImageEncoder as _, ImageError, ImageReader, Limits};

use super::{ImageDataset, Pixels, Source, Transforms};
use crate::error::{Error, Here, Result};
use crate::files;
use crate::tensor::Tensor;

/// A picture of more pixels is refused before memory is taken for it.
const MAX_PIXELS: u64 = 1 << 28;

/// Channels of the pictures of a folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Channels {
    /// Red, green and blue.
    #[default]
    Rgb,
    /// Grey.
    Gray,
}

/// The files of a folder.
#[derive(Clone)]
pub(super) struct Files {
    paths: Arc<Vec<PathBuf>>,
    channels: Channels,
}

impl Files {
    #[track_caller]
    pub(super) fn read(&self, i: usize) -> Result<Tensor> {
        read_image(&self.paths[i], self.channels)
    }

    pub(super) fn name(&self, i: usize) -> String {
        format!("`{}`", self.paths[i].display())
    }

    pub(super) fn subset(&self, numbers: &[usize]) -> Self {
        Self { paths: Arc::new(numbers.iter().map(|i| self.paths[*i].clone()).collect()), channels: self.channels }
    }
}

/// Reads a PNG or JPEG file: `[channels, height, width]` of type `F32`, from 0 to 1 in 256 steps. Transparency is left out.
///
/// # Errors
/// If the file cannot be read, is neither, is truncated or otherwise broken, or says that it has more than 2²⁸ pixels.
#[track_caller]
pub fn read_image(path: impl AsRef<Path>, channels: Channels) -> Result<Tensor> {
    read(path.as_ref(), channels).here()
}

#[track_caller]
fn read(path: &Path, channels: Channels) -> Result<Tensor> {
    let op = "read_image";
    let caller = Location::caller();
    let wrong =
        |message: &dyn std::fmt::Display| Error::format(op, format!("{}: {message}", path.display())).at(caller);
    let caller = Location::caller();
    let reader = || -> Result<ImageReader<BufReader<std::fs::File>>> {
        let file = BufReader::new(files::open(op, path)?);
        match ImageReader::new(file).with_guessed_format() {
            Ok(reader) => Ok(reader),
            Err(e) => Err(Error::io(op, path, e).at(caller)),
        }
    };
    let first = reader()?;
    if !matches!(first.format(), Some(image::ImageFormat::Png | image::ImageFormat::Jpeg)) {
        return Err(wrong(&"neither a PNG nor a JPEG file"));
    }
    // The header comes first: what it promises has to be possible.
    let (width, height) = first.into_dimensions().map_err(|e| unreadable(op, path, e))?;
    if u64::from(width) * u64::from(height) > MAX_PIXELS || width == 0 || height == 0 {
        return Err(wrong(&format_args!("a picture of {width} by {height} pixels, at most {MAX_PIXELS} are read")));
    }
    let mut second = reader()?;
    let mut limits = Limits::default();
    limits.max_alloc = Some(16 * MAX_PIXELS);
    second.limits(limits);
    let picture = second.decode().map_err(|e| unreadable(op, path, e))?;
    let (width, height) = (picture.width() as usize, picture.height() as usize);
    let (count, bytes) = match channels {
        Channels::Rgb => (3, picture.into_rgb8().into_raw()),
        Channels::Gray => (1, picture.into_luma8().into_raw()),
    };
    let mut planes = Vec::with_capacity(bytes.len());
    for channel in 0..count {
        planes.extend(bytes.iter().skip(channel).step_by(count).map(|x| f32::from(*x) / 255.0));
    }
    Tensor::from_vec(planes, [count, height, width])
}

#[track_caller]
fn unreadable(op: &'static str, path: &Path, e: ImageError) -> Error {
    match e {
        ImageError::IoError(e) if e.kind() != std::io::ErrorKind::UnexpectedEof => Error::io(op, path, e),
        e => Error::format(op, format!("{}: the picture is broken or truncated", path.display())).with_source(e),
    }
}

impl ImageDataset {
    /// The pictures of a folder that has a folder for each class, named after it: those of files that end in `.png`, `.jpg` or `.jpeg`,
    /// also in folders within. Classes are numbered in the order of their names. Files are read when they are asked for.
    ///
    /// # Errors
    /// If the folder cannot be read, has no folders, or one of them has no pictures.
    #[track_caller]
    pub fn open_folder(folder: impl AsRef<Path>, channels: Channels) -> Result<Self> {
        let (op, folder) = ("open_folder", folder.as_ref());
        let mut classes = Vec::new();
        for path in entries(op, folder).here()? {
            if path.is_dir() {
                let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
                classes.push((name, path));
            }
        }
        if classes.is_empty() {
            let message = format!("{}: no folders in it, expected one for each class", folder.display());
            return Err(Error::format(op, message));
        }
        let (mut paths, mut labels, mut names) = (Vec::new(), Vec::new(), Vec::new());
        for (number, (name, path)) in classes.into_iter().enumerate() {
            let before = paths.len();
            collect(op, &path, 0, &mut paths).here()?;
            if paths.len() == before {
                let message = format!("{}: no pictures of this class", path.display());
                return Err(Error::format(op, message).with_help("files that end in .png, .jpg or .jpeg"));
            }
            labels.resize(paths.len(), number as i64);
            names.push(name);
        }
        let files = Files { paths: Arc::new(paths), channels };
        Ok(Self { source: Source::Files(files), labels, classes: names, transform: Transforms::new() })
    }
}

/// What is in a folder, in the order of names.
#[track_caller]
fn entries(op: &'static str, folder: &Path) -> Result<Vec<PathBuf>> {
    let caller = Location::caller();
    let failed = |e: std::io::Error| Error::io(op, folder, e).at(caller);
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        found.push(entry.map_err(failed)?.path());
    }
    found.sort();
    Ok(found)
}

/// The pictures of a class, also of folders within. These may lead back to themselves, so there is a bound.
#[track_caller]
fn collect(op: &'static str, folder: &Path, depth: usize, paths: &mut Vec<PathBuf>) -> Result<()> {
    const DEPTH: usize = 16;
    if depth == DEPTH {
        let message = format!("{}: folders in folders, more than {DEPTH} deep", folder.display());
        return Err(Error::format(op, message));
    }
    for path in entries(op, folder).here()? {
        if path.is_dir() {
            collect(op, &path, depth + 1, paths)?;
        } else {
            let ending = path.extension().map(|ending| ending.to_string_lossy().to_lowercase());
            if ending.is_some_and(|ending| ["png", "jpg", "jpeg"].contains(&&*ending)) {
                paths.push(path);
            }
        }
    }
    Ok(())
}

/// Writes a picture as a PNG file: `[height, width]` or `[1, height, width]` in grey, `[3, height, width]` in colours, with numbers from 0
/// to 1; what lies a little outside, down to -1 and up to 2, becomes black or white. The file is replaced as a whole or not at all.
///
/// # Errors
/// If the picture has another shape or type or no pixels, or values far outside, as bytes have them, or the file cannot be written.
#[track_caller]
pub fn write_image(path: impl AsRef<Path>, picture: &Tensor) -> Result<()> {
    let (op, path) = ("write_image", path.as_ref());
    let Pixels { channels, width: columns, height: rows, bytes } = Pixels::of(op, picture)?;
    let kind = if channels == 3 { ExtendedColorType::Rgb8 } else { ExtendedColorType::L8 };
    let mut png = Vec::new();
    match PngEncoder::new(&mut png).write_image(&bytes, columns, rows, kind) {
        Ok(()) => files::write_atomically(path, |file| file.write_all(&png)),
        Err(e) => Err(Error::format(op, format!("{}: the picture cannot be encoded", path.display())).with_source(e)),
    }
}
