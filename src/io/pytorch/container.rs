//! Where a file has its pickle and its storages: an archive with an entry for each, or one behind the other.

use std::collections::HashMap;
use std::io::{BufReader, Read};

use super::pickle::{self, Pickle, Refused, Storage, Value};
use super::word;
use crate::error::short;
use crate::files::SharedFile;
use crate::files::zip::{Archive, Bytes};

/// How files of the old form begin: the pickle of a long number.
const MAGIC: [u8; 15] = [0x80, 2, 0x8a, 10, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19, b'.'];

pub(super) struct Container {
    pub(super) file: SharedFile,
    pub(super) is_big_endian: bool,
    pub(super) pickle: Pickle,
    /// By its key, where a storage begins and its bytes.
    storages: HashMap<String, (u64, u64)>,
}

fn io(e: std::io::Error) -> Refused {
    (e.to_string(), "")
}

impl Container {
    pub(super) fn open(file: SharedFile, length: u64) -> Result<Self, Refused> {
        let mut begin = Vec::new();
        file.span(0, length.min(MAGIC.len() as u64)).read_to_end(&mut begin).map_err(io)?;
        if begin == MAGIC {
            return Self::in_a_row(file, length);
        }
        if begin.starts_with(b"PK") {
            return Self::archive(file, length);
        }
        Err(("neither an archive nor a pickle of PyTorch".into(), ""))
    }

    fn archive(file: SharedFile, length: u64) -> Result<Self, Refused> {
        let archive = Archive::open(Bytes::File(file), length).map_err(|message| (message, ""))?;
        let entry =
            archive.entries.iter().find(|entry| entry.name.split_once('/').is_some_and(|(_, name)| name == "data.pkl"));
        let Some(entry) = entry else { return Err(("an archive without `data.pkl`".into(), "")) };
        let folder = entry.name.strip_suffix("data.pkl").unwrap_or_default().to_string();
        let packed = |name: &str| (format!("`{}` is packed, PyTorch packs nothing", short(name)), "");
        if entry.is_deflated {
            return Err(packed(&entry.name));
        }
        let pickle = pickle::read(&mut BufReader::new(archive.packed(entry)))?;
        let (mut storages, mut is_big_endian) = (HashMap::new(), false);
        for entry in &archive.entries {
            let Some(name) = entry.name.strip_prefix(&folder) else { continue };
            if let Some(key) = name.strip_prefix("data/") {
                let at = archive.place(entry).ok_or_else(|| packed(&entry.name))?;
                storages.insert(key.to_string(), (at, entry.size));
            } else if name == "byteorder" {
                let mut order = Vec::new();
                archive.packed(entry).take(8).read_to_end(&mut order).map_err(io)?;
                is_big_endian = order == b"big";
            }
        }
        let Bytes::File(file) = archive.bytes else { return Err(("an archive in memory".into(), "")) };
        Ok(Self { file, is_big_endian, pickle, storages })
    }

    /// A number, the version, the machine, what was saved, the keys of the storages; then each with its number of elements.
    fn in_a_row(file: SharedFile, length: u64) -> Result<Self, Refused> {
        let mut at = MAGIC.len() as u64;
        let mut next = || -> Result<Pickle, Refused> {
            let pickle = pickle::read(&mut BufReader::new(file.span(at, length - at)))?;
            at += pickle.length;
            Ok(pickle)
        };
        let version = next()?;
        if !matches!(version.values[version.root], Value::Int(1001)) {
            return Err(("another version of the old form than 1001".into(), ""));
        }
        let machine = next()?;
        let is_big_endian = match &machine.values[machine.root] {
            Value::Dict(items) => items.iter().any(|(key, value)| {
                let is_key = matches!(&machine.values[*key], Value::Text(key) if &**key == "little_endian");
                is_key && matches!(machine.values[*value], Value::Bool(false))
            }),
            _ => return Err(("nothing is said of the machine that wrote it".into(), "")),
        };
        let (pickle, keys) = (next()?, next()?);
        let mut sizes = HashMap::new();
        for value in &pickle.values {
            if let Value::Storage(storage) = value {
                sizes.insert(&*storage.key, storage.kind.size);
            }
        }
        let Value::List(list) = &keys.values[keys.root] else { return Err(("no list of storages".into(), "")) };
        let mut storages = HashMap::new();
        for id in list {
            let Value::Text(key) = &keys.values[*id] else { return Err(("a storage without a name".into(), "")) };
            let Some(size) = sizes.get(&**key) else {
                return Err((format!("nothing is said of the storage `{}`", short(key)), ""));
            };
            let cut = || (format!("the file ends within the storage `{}`", short(key)), "");
            let count = if at + 8 <= length { word(&file, at).map_err(io)? } else { return Err(cut()) };
            let count = if is_big_endian { count.swap_bytes() } else { count };
            let bytes = count.checked_mul(*size).filter(|bytes| *bytes <= length - at - 8).ok_or_else(cut)?;
            storages.insert(key.to_string(), (at + 8, bytes));
            at += 8 + bytes;
        }
        Ok(Self { file, is_big_endian, pickle, storages })
    }

    /// Where a storage begins, and how many bytes it has.
    pub(super) fn storage(&self, storage: &Storage) -> Result<(u64, u64), Refused> {
        match self.storages.get(&*storage.key) {
            Some(place) => Ok(*place),
            None => Err((format!("the storage `{}` is missing", short(&storage.key)), "")),
        }
    }
}
