//! The file of a checkpoint; [`Checkpoint`] describes it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom, Write};
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::Checkpoint;
use super::checksum::{Checksum, Summed};
use crate::error::{Error, Result};
use crate::files;
use crate::io::Metadata;
use crate::optimizers::schedule::ScheduleState;
use crate::optimizers::{OptimizerState, ParameterState};
use crate::order::{self, ByName};
use crate::rng::Rng;
use crate::tensor::create::stale;
use crate::tensor::{DType, Tensor};

pub(in crate::io) const MAGIC: [u8; 8] = *b"DMCHECKP";
/// Version 2 also says which parameters were frozen, version 3 what the optimizer remembers of all parameters together.
const VERSION: u32 = 3;
/// Magic, version, size of the file, size of the header.
const PREAMBLE: u64 = 28;
const CHECKSUM: u64 = 8;
/// The largest header, in bytes: that of the safetensors format.
const MAX_HEADER: usize = 100_000_000;
/// Bytes that are read at once.
const BLOCK: usize = 1 << 16;

/// Fixed, since it is part of the format.
const CODEC: bincode::config::Configuration<
    bincode::config::LittleEndian,
    bincode::config::Varint,
    bincode::config::Limit<MAX_HEADER>,
> = bincode::config::standard().with_limit::<MAX_HEADER>();

/// Everything but the elements of tensors. Texts are borrowed, so that reading takes no memory on the word of a length.
#[derive(Serialize, Deserialize)]
struct Header<'a> {
    #[serde(borrow)]
    groups: Vec<(&'a str, Vec<Info<'a>>)>,
    optimizer: Option<OptimizerInfo<'a>>,
    schedule: Option<(&'a str, Vec<(&'a str, f64)>)>,
    rngs: Vec<(&'a str, Rng)>,
    counters: Vec<(&'a str, u64)>,
    numbers: Vec<(&'a str, Vec<f64>)>,
    metadata: Vec<(&'a str, &'a str)>,
}

/// What follows the header from version 2 on.
#[derive(Serialize, Deserialize, Default)]
struct Extension<'a> {
    #[serde(borrow)]
    frozen: Option<Vec<&'a str>>,
}

/// What follows that from version 3 on: of the optimizer, its steps and the tensors that are no parameter's. Their elements
/// are the last in the file.
#[derive(Serialize, Deserialize, Default)]
struct SharedInfo<'a> {
    steps: u64,
    #[serde(borrow)]
    tensors: Vec<Info<'a>>,
}

#[derive(Serialize, Deserialize)]
struct Info<'a> {
    name: &'a str,
    dtype: DType,
    shape: Vec<u64>,
}

#[derive(Serialize, Deserialize)]
struct OptimizerInfo<'a> {
    optimizer: &'a str,
    learning_rate: f64,
    #[serde(borrow)]
    parameters: Vec<ParameterInfo<'a>>,
}

#[derive(Serialize, Deserialize)]
struct ParameterInfo<'a> {
    path: &'a str,
    steps: u64,
    #[serde(borrow)]
    tensors: Vec<Info<'a>>,
}

impl<'a> Info<'a> {
    fn of(name: &'a str, tensor: &Tensor) -> Self {
        Self { name, dtype: tensor.dtype(), shape: tensor.shape().iter().map(|n| *n as u64).collect() }
    }

    /// The bytes of its elements; `None` if they are more than there can be.
    fn bytes(&self) -> Option<u64> {
        self.shape.iter().try_fold(self.dtype.size() as u64, |bytes, n| bytes.checked_mul(*n))
    }
}

impl<'a> Header<'a> {
    /// The header of a checkpoint, and its tensors in the order of the file.
    fn of(checkpoint: &'a Checkpoint) -> (Self, Vec<&'a Tensor>) {
        let mut order = Vec::new();
        let mut infos = |tensors: &mut dyn Iterator<Item = (&'a String, &'a Tensor)>| {
            let each = |(name, tensor): (&'a String, &'a Tensor)| {
                order.push(tensor);
                Info::of(name, tensor)
            };
            tensors.map(each).collect::<Vec<_>>()
        };
        let groups = checkpoint.groups.iter();
        let groups = groups.map(|(name, tensors)| (name.as_str(), infos(&mut tensors.iter().map(|(n, t)| (n, t)))));
        let groups = groups.collect();
        let optimizer = checkpoint.optimizer.as_ref().map(|state| {
            let parameters = state.parameters.iter().map(|(path, parameter)| ParameterInfo {
                path,
                steps: parameter.steps,
                tensors: infos(&mut parameter.tensors.iter()),
            });
            let parameters = parameters.collect();
            OptimizerInfo { optimizer: &state.optimizer, learning_rate: state.learning_rate, parameters }
        });
        let schedule = checkpoint.schedule.as_ref().map(|state| {
            (state.schedule.as_str(), state.values.iter().map(|(name, value)| (name.as_str(), *value)).collect())
        });
        let header = Self {
            groups,
            optimizer,
            schedule,
            rngs: checkpoint.rngs.iter().map(|(name, rng)| (name.as_str(), rng.clone())).collect(),
            counters: checkpoint.counters.iter().map(|(name, value)| (name.as_str(), *value)).collect(),
            numbers: checkpoint.numbers.iter().map(|(name, values)| (name.as_str(), values.clone())).collect(),
            metadata: checkpoint.metadata.iter().collect(),
        };
        (header, order)
    }

    /// The descriptions of all tensors, in the order of the file.
    fn infos(&self) -> impl Iterator<Item = &Info<'a>> {
        let optimizer = self.optimizer.iter().flat_map(|o| &o.parameters).flat_map(|p| &p.tensors);
        self.groups.iter().flat_map(|(_, infos)| infos).chain(optimizer)
    }

    /// A name that stands for two things of the same kind.
    fn name_that_occurs_twice(&self) -> Option<&'a str> {
        let groups = self.groups.iter().map(|(name, _)| *name).collect();
        let tensors = self.groups.iter().map(|(_, infos)| infos.iter().map(|info| info.name).collect());
        let paths = self.optimizer.iter().flat_map(|o| &o.parameters).map(|p| p.path).collect();
        let states = self.optimizer.iter().flat_map(|o| &o.parameters);
        let states = states.map(|p| p.tensors.iter().map(|info| info.name).collect());
        let lists: Vec<Vec<&str>> = tensors.chain([groups, paths]).chain(states).collect();
        lists.into_iter().find_map(|names| twice(names.into_iter()))
    }
}

/// A name that occurs twice.
fn twice<'a>(mut names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let mut seen = BTreeSet::new();
    names.find(|name| !seen.insert(*name))
}

#[track_caller]
pub(super) fn write(checkpoint: &Checkpoint, path: &Path) -> Result<()> {
    let op = "save";
    let (header, mut tensors) = Header::of(checkpoint);
    if let Some(name) = header.name_that_occurs_twice() {
        return Err(Error::argument(op, format!("two tensors are called `{name}`")));
    }
    let extension =
        Extension { frozen: checkpoint.frozen.as_ref().map(|names| names.iter().map(String::as_str).collect()) };
    let mut shared = SharedInfo::default();
    if let Some(state) = &checkpoint.optimizer {
        shared.steps = state.steps;
        shared.tensors = state.shared.iter().map(|(name, tensor)| Info::of(name, tensor)).collect();
        tensors.extend(state.shared.values());
    }
    let encode = || {
        let header = bincode::serde::encode_to_vec(&header, CODEC)?;
        let extension = bincode::serde::encode_to_vec(&extension, CODEC)?;
        Ok([header, extension, bincode::serde::encode_to_vec(&shared, CODEC)?].concat())
    };
    let encoded = match encode() {
        Ok(encoded) => encoded,
        Err::<Vec<u8>, bincode::error::EncodeError>(e) => {
            return Err(Error::format(op, e.to_string()).with_source(e));
        }
    };
    if encoded.len() > MAX_HEADER {
        let size = encoded.len();
        let message = format!("names, numbers and texts take {size} bytes, the format allows {MAX_HEADER}");
        return Err(Error::argument(op, message));
    }
    let elements: u64 = tensors.iter().map(|tensor| (tensor.numel() * tensor.dtype().size()) as u64).sum();
    let size = PREAMBLE + encoded.len() as u64 + elements + CHECKSUM;
    files::replace(op, path, |out| {
        let mut out = Summed { out, sum: Checksum::new() };
        out.write_all(&MAGIC)?;
        out.write_all(&VERSION.to_le_bytes())?;
        out.write_all(&size.to_le_bytes())?;
        out.write_all(&(encoded.len() as u64).to_le_bytes())?;
        out.write_all(&encoded)?;
        tensors.iter().try_for_each(|tensor| tensor.write_le_bytes(&mut out))?;
        let Summed { out, sum } = out;
        out.write_all(&sum.value().to_le_bytes())
    })
}

#[track_caller]
pub(super) fn read(path: &Path) -> Result<Checkpoint> {
    let op = "load";
    let mut file = files::open(op, path)?;
    match parse(op, path, &mut file) {
        Ok(checkpoint) => Ok(checkpoint),
        Err(Refusal::Io(e)) => Err(Error::io(op, path, e)),
        Err(Refusal::Format(message, help)) => {
            let expected = [files::Format::Checkpoint];
            let e = files::refused(op, path, &expected, "a checkpoint", &message);
            if e.help().is_some() {
                return Err(e);
            }
            Err(if help.is_empty() { e } else { e.with_help(help) })
        }
    }
}

enum Refusal {
    Io(io::Error),
    /// What is wrong, and what to do about it.
    Format(String, &'static str),
}

impl From<io::Error> for Refusal {
    fn from(e: io::Error) -> Self {
        Self::Io(e)
    }
}

impl From<String> for Refusal {
    fn from(message: String) -> Self {
        Self::Format(message, "")
    }
}

/// What some bytes begin with, and how many of them it takes.
fn decode<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<(T, usize), Refusal> {
    bincode::serde::borrow_decode_from_slice(bytes, CODEC)
        .map_err(|e| Refusal::from(format!("the header is malformed: {e}")))
}

fn parse(op: &'static str, path: &Path, file: &mut File) -> Result<Checkpoint, Refusal> {
    let size = file.metadata()?.len();
    let (version, header_size) = check_preamble(file, size)?;
    check_sum(file, size)?;

    // No larger than the file.
    let mut encoded = vec![0; header_size];
    file.seek(SeekFrom::Start(PREAMBLE))?;
    file.read_exact(&mut encoded)?;
    let (header, used): (Header<'_>, usize) = decode(&encoded)?;
    let (extension, more): (Extension<'_>, usize) = match version {
        1 => Default::default(),
        _ => decode(&encoded[used..])?,
    };
    let used = used + more;
    let (shared, more): (SharedInfo<'_>, usize) = match version {
        1 | 2 => Default::default(),
        _ => decode(&encoded[used..])?,
    };
    let used = used + more;
    if used != encoded.len() {
        Err(format!("the header is malformed: it ends after {used} of {} bytes", encoded.len()))?;
    }
    if let Some(name) = header.name_that_occurs_twice().or_else(|| twice(shared.tensors.iter().map(|info| info.name))) {
        Err(format!("the header is malformed: it names `{name}` twice"))?;
    }
    let room = size - PREAMBLE - CHECKSUM - header_size as u64;
    let elements = header.infos().chain(&shared.tensors).try_fold(0u64, |sum, info| sum.checked_add(info.bytes()?));
    if elements != Some(room) {
        let elements = elements.map_or_else(|| "more than 2⁶⁴".to_string(), |bytes| bytes.to_string());
        Err(format!("the header is malformed: its tensors take {elements} bytes, the file has {room} for them"))?;
    }

    // The elements follow the header. All tensors together are as large as the rest of the file.
    let mut elements = BufReader::with_capacity(BLOCK, file);
    let mut tensor = |info: &Info<'_>| -> Result<(String, Tensor), Refusal> {
        let shape: Vec<usize> = info.shape.iter().map(|n| usize::try_from(*n).unwrap_or(usize::MAX)).collect();
        let mut tensor = match stale(op, &shape, info.dtype) {
            Ok(tensor) => tensor,
            Err(e) => Err(format!("the header is malformed: tensor `{}`: {}", info.name, e.message()))?,
        };
        tensor.read_le_bytes(&mut elements)?;
        Ok((info.name.to_string(), tensor))
    };
    let mut checkpoint = Checkpoint { path: Some(path.to_path_buf()), ..Checkpoint::new() };
    checkpoint.frozen = extension.frozen.map(|names| names.into_iter().map(String::from).collect());
    for (name, infos) in &header.groups {
        let tensors = infos.iter().map(&mut tensor).collect::<Result<_, _>>()?;
        checkpoint.groups.insert(name.to_string(), tensors);
    }
    if let Some(state) = &header.optimizer {
        let mut parameters = BTreeMap::new();
        for ParameterInfo { path, steps, tensors } in &state.parameters {
            let tensors = tensors.iter().map(&mut tensor).collect::<Result<Vec<_>, _>>()?;
            parameters.insert(path.to_string(), ParameterState::new(*steps, order::map(tensors)));
        }
        let mut optimizer = OptimizerState::new(state.optimizer, state.learning_rate);
        (optimizer.parameters, optimizer.steps) = (parameters, shared.steps);
        optimizer.shared = order::map(shared.tensors.iter().map(&mut tensor).collect::<Result<Vec<_>, _>>()?);
        checkpoint.optimizer = Some(optimizer);
    }
    checkpoint.schedule = header.schedule.map(|(schedule, values)| ScheduleState {
        schedule: schedule.to_string(),
        values: order::map(values.into_iter().map(|(name, value)| (name.to_string(), value))),
    });
    checkpoint.rngs = owned(header.rngs);
    checkpoint.counters = owned(header.counters);
    checkpoint.numbers = owned(header.numbers);
    checkpoint.metadata = header.metadata.into_iter().collect::<Metadata>();
    Ok(checkpoint)
}

fn owned<V>(pairs: Vec<(&str, V)>) -> ByName<V> {
    ByName::of(pairs.into_iter().map(|(name, value)| (name.to_string(), value)).collect())
}

/// The version and the size of the header, if the file is a checkpoint and as long as it says.
fn check_preamble(file: &mut File, size: u64) -> Result<(u32, usize), Refusal> {
    const OTHER: &str = "a file of parameters alone, `.safetensors`, is loaded with SaveLoad::load";
    if size == 0 {
        Err("the file is empty".to_string())?;
    }
    let mut preamble = [0; PREAMBLE as usize];
    let given = size.min(PREAMBLE) as usize;
    file.read_exact(&mut preamble[..given])?;
    if preamble[..given.min(MAGIC.len())] != MAGIC[..given.min(MAGIC.len())] {
        return Err(Refusal::Format("not a checkpoint".to_string(), OTHER));
    }
    if size < PREAMBLE + CHECKSUM {
        Err(format!("truncated: {size} bytes are too few for a checkpoint"))?;
    }
    let word = |at: usize| preamble[at..].first_chunk::<8>().map_or(0, |bytes| u64::from_le_bytes(*bytes));
    let version = word(8) as u32;
    if !(1..=VERSION).contains(&version) {
        let message = format!("version {version} of the format, this release reads versions 1 to {VERSION}");
        return Err(Refusal::Format(message, "it was written by another release of demotic: use that one"));
    }
    let (claimed, header) = (word(12), word(20));
    if claimed > size {
        Err(format!("truncated: {size} of {claimed} bytes"))?;
    }
    if claimed < size {
        Err(format!("damaged: {} bytes behind its end", size - claimed))?;
    }
    let room = size - PREAMBLE - CHECKSUM;
    if header > room.min(MAX_HEADER as u64) {
        Err(format!("damaged: a header of {header} bytes in a file of {size}"))?;
    }
    Ok((version, header as usize))
}

/// Whether everything is as it was written.
fn check_sum(file: &mut File, size: u64) -> Result<(), Refusal> {
    file.rewind()?;
    let mut sum = Checksum::new();
    let mut block = vec![0; BLOCK];
    let mut left = size - CHECKSUM;
    while left > 0 {
        let part = &mut block[..left.min(BLOCK as u64) as usize];
        file.read_exact(part)?;
        sum.update(part);
        left -= part.len() as u64;
    }
    let mut stored = [0; CHECKSUM as usize];
    file.read_exact(&mut stored)?;
    if u64::from_le_bytes(stored) != sum.value() {
        return Err(Refusal::Format("damaged: the checksum does not match".to_string(), "use an earlier checkpoint"));
    }
    Ok(())
}
