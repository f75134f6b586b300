//! ZIP archives, as far as NumPy and PyTorch write them: entries that are stored or deflated, with 64-bit sizes where they need it.
//!
//! Everything that an archive says of itself is checked against its length before memory is taken for it: where entries lie, that no
//! two of them share bytes, and that what is deflated does not claim more than deflating can make of so many bytes.

use std::io::{self, Write};

use crate::error::short;
use crate::files::SharedFile;

/// Where the bytes of an archive are.
pub(crate) enum Bytes {
    File(SharedFile),
    Memory(Vec<u8>),
}

impl Bytes {
    fn read_at(&self, out: &mut [u8], at: u64) -> io::Result<()> {
        match self {
            Self::File(file) => file.read_exact_at(out, at),
            Self::Memory(bytes) => {
                let start = usize::try_from(at).unwrap_or(usize::MAX);
                let part = bytes.get(start..).and_then(|rest| rest.get(..out.len()));
                out.copy_from_slice(part.ok_or(io::ErrorKind::UnexpectedEof)?);
                Ok(())
            }
        }
    }
}

/// An archive that was opened.
pub(crate) struct Archive {
    pub(crate) bytes: Bytes,
    pub(crate) entries: Vec<Entry>,
}

/// A file in an archive.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) name: String,
    pub(crate) is_deflated: bool,
    pub(crate) crc: u32,
    /// The bytes that it takes in the archive, and those that it holds.
    pub(crate) packed: u64,
    pub(crate) size: u64,
    /// Where its own header begins.
    at: u64,
    /// Where its bytes begin.
    start: u64,
}

/// Deflating makes at most so many bytes of one.
const MOST_DEFLATED: u64 = 1032;
/// The list of entries is read as a whole.
const LONGEST_LIST: u64 = 64 << 20;
/// What stands at the end: a record of 22 bytes with a comment of up to 65535.
const TAIL: u64 = 22 + 65535;

fn u16_at(bytes: &[u8], at: usize) -> u64 {
    bytes.get(at..at + 2).map_or(0, |b| u64::from(u16::from_le_bytes([b[0], b[1]])))
}

fn u32_at(bytes: &[u8], at: usize) -> u64 {
    u16_at(bytes, at) | u16_at(bytes, at + 2) << 16
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u32_at(bytes, at) | u32_at(bytes, at + 4) << 32
}

/// A value of 32 bits that says that the true one stands elsewhere.
const ELSEWHERE: u64 = u32::MAX as u64;

impl Archive {
    /// Reads the list of entries of an archive of so many bytes.
    pub(crate) fn open(bytes: Bytes, length: u64) -> Result<Self, String> {
        let read = |at: u64, count: u64| {
            let mut out = vec![0; usize::try_from(count).map_err(|e| e.to_string())?];
            bytes.read_at(&mut out, at).map_err(|e| e.to_string())?;
            Ok::<_, String>(out)
        };
        let tail_at = length.saturating_sub(TAIL);
        let tail = read(tail_at, length - tail_at)?;
        let end = (0..tail.len().saturating_sub(21)).rev().find(|at| tail[*at..].starts_with(b"PK\x05\x06"));
        let Some(end) = end else {
            return Err("the end of the archive is missing: the file is cut, or no archive".into());
        };
        let record = &tail[end..];
        let (mut count, mut size, mut start) = (u16_at(record, 10), u32_at(record, 12), u32_at(record, 16));
        // What lies before the list.
        let mut limit = tail_at + end as u64;
        if count == 0xffff || size == ELSEWHERE || start == ELSEWHERE {
            let locator = end.checked_sub(20).map(|at| &tail[at..]).filter(|bytes| bytes.starts_with(b"PK\x06\x07"));
            let Some(locator) = locator else { return Err("the 64-bit record of the archive is missing".into()) };
            let at = u64_at(locator, 8);
            if at.checked_add(56).is_none_or(|end| end > limit) {
                return Err("the 64-bit record of the archive lies outside of it".into());
            }
            let record = read(at, 56)?;
            if !record.starts_with(b"PK\x06\x06") {
                return Err("the 64-bit record of the archive is damaged".into());
            }
            (count, size, start, limit) = (u64_at(&record, 32), u64_at(&record, 40), u64_at(&record, 48), at);
        }
        if start.checked_add(size).is_none_or(|end| end > limit) || size > LONGEST_LIST {
            return Err(format!("a list of {size} bytes at {start} in an archive of {length} bytes"));
        }
        let list = read(start, size)?;
        let mut entries = Vec::new();
        let mut at = 0;
        for i in 0..count {
            let Some(record) = list.get(at..).filter(|rest| rest.len() >= 46 && rest.starts_with(b"PK\x01\x02")) else {
                return Err(format!("the list ends behind {i} entries of {count}"));
            };
            let (name, extra, comment) = (u16_at(record, 28), u16_at(record, 30), u16_at(record, 32));
            let end = 46 + (name + extra + comment) as usize;
            if record.len() < end {
                return Err(format!("entry {} of the list is cut", i + 1));
            }
            let entry = Entry::parse(&record[..end], name as usize, extra as usize)?;
            entries.push(entry);
            at += end;
        }
        let mut archive = Self { bytes, entries };
        archive.locate(start)?;
        Ok(archive)
    }

    /// Finds where the bytes of each entry are, all of which lie before the list.
    fn locate(&mut self, limit: u64) -> Result<(), String> {
        for entry in &mut self.entries {
            let name = short(&entry.name).into_owned();
            let outside = || format!("`{name}` lies outside of the archive");
            if entry.at.checked_add(30).is_none_or(|end| end > limit) {
                return Err(outside());
            }
            let mut header = [0; 30];
            self.bytes.read_at(&mut header, entry.at).map_err(|e| e.to_string())?;
            if !header.starts_with(b"PK\x03\x04") {
                return Err(format!("`{name}` does not begin where the list says"));
            }
            entry.start = entry.at + 30 + u16_at(&header, 26) + u16_at(&header, 28);
            if entry.start.checked_add(entry.packed).is_none_or(|end| end > limit) {
                return Err(outside());
            }
        }
        let mut order: Vec<&Entry> = self.entries.iter().collect();
        crate::order::sort_by_key(&mut order, |entry| entry.at);
        for pair in order.windows(2) {
            if pair[0].start + pair[0].packed > pair[1].at {
                let (a, b) = (short(&pair[0].name), short(&pair[1].name));
                return Err(format!("`{a}` and `{b}` share bytes"));
            }
        }
        Ok(())
    }

    /// Where the bytes of an entry begin, if they are there as they are.
    pub(crate) fn place(&self, entry: &Entry) -> Option<u64> {
        (!entry.is_deflated).then_some(entry.start)
    }

    /// The bytes of an entry as they are in the archive, one block after the other.
    pub(crate) fn packed<'a>(&'a self, entry: &Entry) -> impl io::Read + 'a {
        Packed { bytes: &self.bytes, at: entry.start, left: entry.packed }
    }
}

struct Packed<'a> {
    bytes: &'a Bytes,
    at: u64,
    left: u64,
}

impl io::Read for Packed<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let count = (out.len() as u64).min(self.left) as usize;
        self.bytes.read_at(&mut out[..count], self.at)?;
        self.at += count as u64;
        self.left -= count as u64;
        Ok(count)
    }
}

impl Entry {
    fn parse(record: &[u8], name: usize, extra: usize) -> Result<Self, String> {
        let text = String::from_utf8_lossy(&record[46..46 + name]).into_owned();
        let called = short(&text).into_owned();
        if u16_at(record, 8) & 1 == 1 {
            return Err(format!("`{called}` is encrypted"));
        }
        let is_deflated = match u16_at(record, 10) {
            0 => false,
            8 => true,
            method => return Err(format!("`{called}` is packed by method {method}, expected none (0) or deflate (8)")),
        };
        let crc = u32_at(record, 16) as u32;
        let (mut packed, mut size, mut at) = (u32_at(record, 20), u32_at(record, 24), u32_at(record, 42));
        let mut extras = &record[46 + name..46 + name + extra];
        while extras.len() >= 4 {
            let (id, length) = (u16_at(extras, 0), u16_at(extras, 2) as usize);
            let Some(field) = extras.get(4..4 + length) else { break };
            if id == 1 {
                // Those that are not here stand in this order there.
                let mut next = 0;
                for value in [&mut size, &mut packed, &mut at] {
                    if *value == ELSEWHERE {
                        *value = u64_at(field, next);
                        next += 8;
                    }
                }
                if next > length {
                    return Err(format!("the sizes of `{called}` are missing"));
                }
            }
            extras = &extras[4 + length..];
        }
        let most = if is_deflated { packed.saturating_mul(MOST_DEFLATED) } else { packed };
        let is_possible = if is_deflated { size <= most } else { size == packed };
        if !is_possible {
            return Err(format!("`{called}` claims {size} bytes, its {packed} in the archive cannot be so many"));
        }
        Ok(Self { name: text, is_deflated, crc, packed, size, at, start: 0 })
    }
}

/// Writes an archive, entry by entry.
pub(crate) struct Writer<'o> {
    out: &'o mut dyn Write,
    at: u64,
    entries: Vec<Entry>,
}

impl<'o> Writer<'o> {
    pub(crate) fn new(out: &'o mut dyn Write) -> Self {
        Self { out, at: 0, entries: Vec::new() }
    }

    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.at += bytes.len() as u64;
        self.out.write_all(bytes)
    }

    /// Adds an entry, whose bytes `write` writes: as many as it says, as they are in the archive.
    pub(crate) fn entry(
        &mut self,
        (name, is_deflated, crc): (&str, bool, u32),
        (packed, size): (u64, u64),
        write: &mut dyn FnMut(&mut dyn Write) -> io::Result<()>,
    ) -> io::Result<()> {
        let name = name.to_string();
        let mut entry = Entry { name, is_deflated, crc, packed, size, at: self.at, start: 0 };
        self.put(&entry.header(false))?;
        entry.start = self.at;
        write(self.out)?;
        self.at += packed;
        self.entries.push(entry);
        Ok(())
    }

    /// Writes the list.
    pub(crate) fn finish(mut self) -> io::Result<()> {
        let start = self.at;
        for entry in std::mem::take(&mut self.entries).iter() {
            self.put(&entry.header(true))?;
            self.entries.push(entry.clone());
        }
        let (count, size) = (self.entries.len() as u64, self.at - start);
        let end = self.at;
        if count >= 0xffff || start >= ELSEWHERE || size >= ELSEWHERE {
            let mut record = b"PK\x06\x06".to_vec();
            record.extend(44u64.to_le_bytes());
            record.extend([45, 0, 45, 0]);
            record.extend([0; 8]);
            [count, count, size, start].iter().for_each(|n| record.extend(n.to_le_bytes()));
            record.extend(b"PK\x06\x07");
            record.extend([0; 4]);
            record.extend(end.to_le_bytes());
            record.extend(1u32.to_le_bytes());
            self.put(&record)?;
        }
        let mut record = b"PK\x05\x06".to_vec();
        record.extend([0; 4]);
        [count, count].iter().for_each(|n| record.extend((*n.min(&0xffff) as u16).to_le_bytes()));
        [size, start].iter().for_each(|n| record.extend((*n.min(&ELSEWHERE) as u32).to_le_bytes()));
        record.extend([0; 2]);
        self.put(&record)
    }
}

impl Entry {
    /// The header before the entry, or its record in the list.
    fn header(&self, in_list: bool) -> Vec<u8> {
        let is_large = self.size >= ELSEWHERE || self.packed >= ELSEWHERE || (in_list && self.at >= ELSEWHERE);
        let mut extra = Vec::new();
        if is_large {
            let mut fields = vec![self.size, self.packed];
            fields.extend(in_list.then_some(self.at));
            extra.extend([1, 0]);
            extra.extend(((fields.len() * 8) as u16).to_le_bytes());
            fields.iter().for_each(|n| extra.extend(n.to_le_bytes()));
        }
        let version = if is_large { 45 } else { 20 };
        let mut bytes = if in_list { b"PK\x01\x02".to_vec() } else { b"PK\x03\x04".to_vec() };
        if in_list {
            bytes.extend([version, 3]);
        }
        // Names are UTF-8. The time is the first that the format knows, so that the same arrays make the same file.
        bytes.extend([version, 0, 0, 8, if self.is_deflated { 8 } else { 0 }, 0, 0, 0, 0x21, 0]);
        bytes.extend(self.crc.to_le_bytes());
        for size in [self.packed, self.size] {
            let size = if is_large { u32::MAX } else { size as u32 };
            bytes.extend(size.to_le_bytes());
        }
        bytes.extend((self.name.len() as u16).to_le_bytes());
        bytes.extend((extra.len() as u16).to_le_bytes());
        if in_list {
            bytes.extend([0; 6]);
            // A regular file that its owner reads and writes.
            bytes.extend((0o100_600_u32 << 16).to_le_bytes());
            bytes.extend(if is_large { u32::MAX } else { self.at as u32 }.to_le_bytes());
        }
        bytes.extend(self.name.as_bytes());
        bytes.extend(extra);
        bytes
    }
}
