//! The header of a file, of which nothing is believed: read once, in time and memory that grow with its length.

use std::collections::BTreeMap;
use std::fmt;

use safetensors::tensor::TensorInfo;
use serde::de::{Deserializer, Error as _, MapAccess, Visitor};

use super::METADATA;
use super::read::Info;
use crate::error::short;
use crate::io::Metadata;

/// What a header says, in the order of the tensors' elements.
pub(super) struct Header {
    pub(super) infos: Vec<Info>,
    /// The places of the infos in the order of their names.
    pub(super) by_name: Vec<usize>,
    pub(super) metadata: Metadata,
}

impl Header {
    /// Reads the JSON and checks what it says: each tensor has the bytes that its shape takes, right behind those of the one
    /// before, and no name occurs twice.
    pub(super) fn parse(json: &str) -> Result<Self, String> {
        let mut reader = serde_json::Deserializer::from_str(json);
        let parsed = reader.deserialize_map(Entries).and_then(|entries| reader.end().map(|()| entries));
        let (mut tensors, metadata) = parsed.map_err(|e| format!("the header is malformed: {e}"))?;
        // Stable: tensors without elements, which share their place, stay in the order of the header.
        crate::order::sort_by(&mut tensors, |(_, a), (_, b)| a.data_offsets.cmp(&b.data_offsets));
        let mut end = 0;
        for (name, info) in &tensors {
            end = check(info, end).map_err(|e| format!("the header is malformed: tensor `{}` {e}", short(name)))?;
        }
        let infos: Vec<Info> = tensors.into_iter().map(|(name, info)| Info::new(name, info)).collect();
        let name = |i: usize| infos[i].name.as_str();
        let mut by_name: Vec<usize> = (0..infos.len()).collect();
        crate::order::sort_by(&mut by_name, |a, b| name(*a).cmp(name(*b)));
        // JSON readers let the last of several equal keys win, so that two readers may see two different files.
        if let Some(pair) = by_name.windows(2).find(|pair| name(pair[0]) == name(pair[1])) {
            return Err(format!("the header names `{}` twice", short(name(pair[0]))));
        }
        Ok(Self { infos, by_name, metadata })
    }

    /// How many bytes all elements take.
    pub(super) fn data_len(&self) -> u64 {
        self.infos.last().map_or(0, |info| info.range.1 as u64)
    }
}

/// Checks one tensor, whose elements should begin at `start`, and returns where they end.
fn check(info: &TensorInfo, start: usize) -> Result<usize, String> {
    let (from, to) = info.data_offsets;
    if from != start || to < from {
        return Err(format!("has the bytes {from}..{to}, expected them from {start} on"));
    }
    let bits = info.shape.iter().try_fold(info.dtype.bitsize(), |bits, n| bits.checked_mul(*n));
    match bits {
        Some(bits) if bits % 8 == 0 && bits / 8 == to - from => Ok(to),
        Some(bits) => {
            let (shape, dtype, have) = (&info.shape, info.dtype, to - from);
            Err(format!("of shape {shape:?} and type {dtype} takes {} bytes and has {have}", bits.div_ceil(8)))
        }
        None => Err(format!("of shape {:?} and type {} has too many elements", info.shape, info.dtype)),
    }
}

/// The entries of a header in their order, and the texts among them.
struct Entries;

impl<'de> Visitor<'de> for Entries {
    type Value = (Vec<(String, TensorInfo)>, Metadata);

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map of tensors")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let (mut tensors, mut texts) = (Vec::new(), None);
        while let Some(name) = map.next_key::<String>()? {
            if name != METADATA {
                tensors.push((name, map.next_value()?));
            } else if texts.replace(map.next_value::<Option<BTreeMap<String, String>>>()?).is_some() {
                return Err(A::Error::duplicate_field(METADATA));
            }
        }
        let mut metadata = Metadata::new();
        texts.flatten().into_iter().flatten().for_each(|(name, text)| metadata.insert(name, text));
        Ok((tensors, metadata))
    }
}
