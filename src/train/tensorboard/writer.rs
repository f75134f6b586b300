//! Writing event files.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::wire::Message;
use super::{DT_STRING, START, TENSOR_DATA, VERSION, crc, field, png};
use crate::data::Pixels;
use crate::error::{Error, Result};
use crate::io::Appended;
use crate::tensor::Tensor;
use crate::train::histogram::Histogram;

/// Writes a file of events, which TensorBoard shows as it grows.
///
/// Clones write into the same file, from any thread. Each event is in the file as soon as the method returns, and as a whole: if there is
/// no room for it, that is an error, and the file ends with the event before.
///
/// ```
/// use demotic::prelude::*;
/// use demotic::train::Histogram;
/// use demotic::train::tensorboard::{EventWriter, read_events};
///
/// # let folder = tempfile::tempdir().unwrap();
/// # let runs = folder.path();
/// let log = EventWriter::create(runs.join("first"))?;
/// for step in 1..=3 {
///     log.scalar("loss/train", step, 1.0 / step as f64)?;
/// }
/// log.scalars(3, &[("accuracy", 0.75), ("loss/validation", 0.4)])?;
/// log.histogram("weights", 3, &Histogram::of(&tensor![0.5, -0.5, 0.1]))?;
/// log.image("checkerboard", 3, &tensor![[0.0, 1.0], [1.0, 0.0]])?;
/// log.text("notes", 0, "# What this is\nA *first* run.")?;
/// assert_eq!(read_events(log.path())?.len(), 9);
/// # Ok::<(), demotic::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct EventWriter {
    path: PathBuf,
    file: Arc<Mutex<Appended>>,
}

const OP: &str = "EventWriter";

/// Seconds since 1970.
fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

impl EventWriter {
    /// Begins a new file in a folder, which is made if it does not exist. Files that are there already stay, and TensorBoard shows them
    /// together, so each run has a folder of its own.
    ///
    /// # Errors
    /// If nothing can be written there.
    #[track_caller]
    pub fn create(folder: impl AsRef<Path>) -> Result<Self> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let (time, process, count) = (now(), std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        // Files are read in the order of their names.
        let name = format!("events.out.tfevents.{:010}.{:06}.{process}.{count}", time.as_secs(), time.subsec_micros());
        let file = match Appended::create(OP, &folder.as_ref().join(name)) {
            Ok(file) => file,
            Err(e) => {
                return Err(e.with_help("TensorBoard's events are written into a folder: name one that can be made"));
            }
        };
        let writer = Self { path: file.path().to_path_buf(), file: Arc::new(Mutex::new(file)) };
        writer.write(Message::default().bytes(field::FILE_VERSION, VERSION.as_bytes()))?;
        Ok(writer)
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A number, as one point of a curve. It is kept in single precision.
    ///
    /// # Errors
    /// If the tag is empty, the step is beyond 2⁶³, or the file cannot be written.
    #[track_caller]
    pub fn scalar(&self, tag: &str, step: u64, value: f64) -> Result<()> {
        self.scalars(step, &[(tag, value)])
    }

    /// Several numbers of one step at once.
    ///
    /// # Errors
    /// As for [`scalar`](Self::scalar).
    #[track_caller]
    pub fn scalars(&self, step: u64, values: &[(&str, f64)]) -> Result<()> {
        let mut summary = Message::default();
        for (tag, value) in values {
            summary = summary.message(field::VALUE, tagged(tag)?.float(field::SIMPLE_VALUE, *value as f32));
        }
        self.summary(step, summary)
    }

    /// How values are distributed.
    ///
    /// # Errors
    /// As for [`scalar`](Self::scalar).
    #[track_caller]
    pub fn histogram(&self, tag: &str, step: u64, histogram: &Histogram) -> Result<()> {
        let Histogram { edges, counts, count, min, max, sum, sum_squares, .. } = histogram;
        let message = Message::default()
            .double(field::MIN, *min)
            .double(field::MAX, *max)
            .double(field::NUM, *count as f64)
            .double(field::SUM, *sum)
            .double(field::SUM_SQUARES, *sum_squares)
            .doubles(field::BUCKET_LIMIT, edges.iter().skip(1).copied())
            .doubles(field::BUCKET, counts.iter().map(|count| *count as f64));
        self.value(step, tagged(tag)?.message(field::HISTO, message))
    }

    /// A picture: `[height, width]` or `[1, height, width]` in grey, `[3, height, width]` in colours, with numbers from 0 to 1, of which
    /// others are moved there.
    ///
    /// # Errors
    /// As for [`scalar`](Self::scalar), or if the picture has another shape or no floats.
    #[track_caller]
    pub fn image(&self, tag: &str, step: u64, picture: &Tensor) -> Result<()> {
        let Pixels { channels, width, height, bytes } = Pixels::of(OP, picture)?;
        let message = Message::default()
            .integer(field::HEIGHT, i64::from(height))
            .integer(field::WIDTH, i64::from(width))
            .integer(field::COLORSPACE, channels as i64)
            .bytes(field::ENCODED, &png::encode(width, height, channels, &bytes));
        self.value(step, tagged(tag)?.message(field::IMAGE, message))
    }

    /// A text, which TensorBoard shows as Markdown.
    ///
    /// # Errors
    /// As for [`scalar`](Self::scalar).
    #[track_caller]
    pub fn text(&self, tag: &str, step: u64, text: &str) -> Result<()> {
        let plugin = Message::default().bytes(field::PLUGIN_NAME, b"text");
        let metadata = Message::default().message(field::PLUGIN_DATA, plugin).integer(field::DATA_CLASS, TENSOR_DATA);
        let tensor = Message::default()
            .integer(field::DTYPE, DT_STRING)
            .message(field::TENSOR_SHAPE, Message::default())
            .bytes(field::STRING_VAL, text.as_bytes());
        self.value(step, tagged(tag)?.message(field::TENSOR, tensor).message(field::METADATA, metadata))
    }

    /// Says that the run has begun anew after a step: what earlier files have of later steps is not shown any more.
    ///
    /// # Errors
    /// As for [`scalar`](Self::scalar).
    #[track_caller]
    pub fn resumed(&self, step: u64) -> Result<()> {
        // The first of these that is found is taken for the beginning of the run, and removes nothing.
        for _ in 0..2 {
            let log = Message::default().integer(field::STATUS, START);
            self.event(step.saturating_add(1), field::SESSION_LOG, log)?;
        }
        Ok(())
    }

    #[track_caller]
    fn value(&self, step: u64, value: Message) -> Result<()> {
        self.summary(step, Message::default().message(field::VALUE, value))
    }

    #[track_caller]
    fn summary(&self, step: u64, summary: Message) -> Result<()> {
        self.event(step, field::SUMMARY, summary)
    }

    #[track_caller]
    fn event(&self, step: u64, what: u64, message: Message) -> Result<()> {
        let Ok(step) = i64::try_from(step) else {
            return Err(Error::argument(OP, format!("the step {step}, expected less than 2^63")));
        };
        self.write(Message::default().integer(field::STEP, step).message(what, message))
    }

    /// One record: the size, the event, and a checksum of each.
    #[track_caller]
    fn write(&self, event: Message) -> Result<()> {
        let event = event.double(field::WALL_TIME, now().as_secs_f64()).0;
        let size = (event.len() as u64).to_le_bytes();
        let sums = [crc::masked_crc32c(&size), crc::masked_crc32c(&event)].map(u32::to_le_bytes);
        self.file().append(&[&size[..], &sums[0], &event, &sums[1]].concat())
    }

    fn file(&self) -> MutexGuard<'_, Appended> {
        self.file.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The beginning of a value.
#[track_caller]
fn tagged(tag: &str) -> Result<Message> {
    match tag {
        "" => Err(Error::argument(OP, "an empty tag, expected a name such as `loss/train`")),
        _ => Ok(Message::default().bytes(field::TAG, tag.as_bytes())),
    }
}
