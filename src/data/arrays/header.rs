//! The header of a `.npy` file: a dictionary of Python with the type, the order and the shape.

use std::io::{self, Read};

use crate::tensor::DType;

/// What the elements are, as `descr` says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::data) enum Kind {
    /// A type that tensors have.
    Own(DType),
    /// Wider or unsigned integers, which become the next type that holds them.
    I16,
    U16,
    U32,
    U64,
}

impl Kind {
    /// Bytes of one element.
    pub(in crate::data) fn size(self) -> usize {
        match self {
            Self::Own(dtype) => dtype.size(),
            Self::I16 | Self::U16 => 2,
            Self::U32 => 4,
            Self::U64 => 8,
        }
    }

    /// What they become.
    pub(in crate::data) fn dtype(self) -> DType {
        match self {
            Self::Own(dtype) => dtype,
            Self::I16 | Self::U16 => DType::I32,
            Self::U32 | Self::U64 => DType::I64,
        }
    }
}

/// What the header says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::data) struct Header {
    pub(in crate::data) kind: Kind,
    pub(in crate::data) big_endian: bool,
    pub(in crate::data) fortran: bool,
    pub(in crate::data) shape: Vec<usize>,
    /// Where the elements begin.
    pub(in crate::data) length: u64,
}

/// What is wrong with a header, and what to do about it.
pub(in crate::data) type Refused = (String, &'static str);

const MAGIC: &[u8] = b"\x93NUMPY";
/// NumPy itself takes headers of up to 10,000 bytes; those of arrays of numbers are shorter by far.
const LONGEST: usize = 1 << 16;

impl Header {
    /// Reads a header of version 1, 2 or 3.
    pub(in crate::data) fn read(input: &mut dyn Read) -> Result<Self, Refused> {
        let mut start = [0; 8];
        exact(input, &mut start)?;
        if !start.starts_with(MAGIC) {
            return Err(("this is no .npy file".into(), ""));
        }
        let width = match start[6] {
            1 => 2,
            2 | 3 => 4,
            version => return Err((format!("a .npy file of version {version}, expected 1, 2 or 3"), "")),
        };
        let mut length = [0; 4];
        exact(input, &mut length[..width])?;
        let length = u32::from_le_bytes(length) as usize;
        if length > LONGEST {
            return Err((format!("a header of {length} bytes, at most {LONGEST} are read"), ""));
        }
        let mut text = vec![0; length];
        exact(input, &mut text)?;
        let Ok(text) = String::from_utf8(text) else { return Err(("the header is not UTF-8".into(), "")) };
        let mut header = Self::parse(&text)?;
        header.length = (8 + width + length) as u64;
        Ok(header)
    }

    fn parse(text: &str) -> Result<Self, Refused> {
        let wrong = |what: &str| (format!("{what} in the header `{}`", crate::error::short(text.trim())), "");
        let mut rest = Python(text);
        rest.expect('{').ok_or_else(|| wrong("no dictionary"))?;
        let (mut descr, mut fortran, mut shape) = (None, None, None);
        while rest.expect('}').is_none() {
            let key = rest.string().ok_or_else(|| wrong("no key"))?;
            rest.expect(':').ok_or_else(|| wrong("no value"))?;
            match key {
                "descr" if rest.peek() == Some('[') => {
                    return Err((
                        "an array of records".into(),
                        "save each field by itself: numpy.save(path, array[\"field\"])",
                    ));
                }
                "descr" => descr = Some(rest.string().ok_or_else(|| wrong("no type"))?),
                "fortran_order" => fortran = Some(rest.truth().ok_or_else(|| wrong("no truth value"))?),
                "shape" => shape = Some(rest.tuple().ok_or_else(|| wrong("no shape"))?),
                _ => return Err(wrong("an unknown key")),
            }
            if rest.expect(',').is_none() && rest.peek() != Some('}') {
                return Err(wrong("no comma"));
            }
        }
        if !rest.0.trim().is_empty() {
            return Err(wrong("something behind the dictionary"));
        }
        let (Some(descr), Some(fortran), Some(shape)) = (descr, fortran, shape) else {
            return Err(wrong("not all of descr, fortran_order and shape"));
        };
        let (kind, big_endian) = kind(descr)?;
        Ok(Self { kind, big_endian, fortran, shape, length: 0 })
    }

    /// Bytes of all elements; `None` if no memory could hold them.
    pub(in crate::data) fn bytes(&self) -> Option<u64> {
        let mut bytes = self.kind.size() as u64;
        for n in &self.shape {
            bytes = bytes.checked_mul(*n as u64)?;
        }
        Some(bytes)
    }

    /// The header of an array in row-major order, as NumPy writes it.
    pub(super) fn written(dtype: DType, shape: &[usize]) -> Vec<u8> {
        let descr = match dtype {
            DType::F32 => "<f4",
            DType::F64 => "<f8",
            DType::F16 => "<f2",
            // NumPy has no such type; this is how it saves that of ml_dtypes.
            DType::BF16 => "<V2",
            DType::I64 => "<i8",
            DType::I32 => "<i4",
            DType::I8 => "|i1",
            DType::U8 => "|u1",
            DType::Bool => "|b1",
        };
        let sizes: Vec<String> = shape.iter().map(usize::to_string).collect();
        let comma = if shape.len() == 1 { "," } else { "" };
        let mut text =
            format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': ({}{comma}), }}", sizes.join(", "));
        // Room for the first size to grow in place.
        if let Some(first) = sizes.first() {
            text += &" ".repeat(21usize.saturating_sub(first.len()));
        }
        // Elements begin at a multiple of 64 bytes.
        let used = MAGIC.len() + 4 + text.len() + 1;
        text += &" ".repeat(64 - used % 64);
        text.push('\n');
        let mut bytes = MAGIC.to_vec();
        bytes.extend([1, 0]);
        bytes.extend((text.len() as u16).to_le_bytes());
        bytes.extend(text.as_bytes());
        bytes
    }
}

fn exact(input: &mut dyn Read, bytes: &mut [u8]) -> Result<(), Refused> {
    match input.read_exact(bytes) {
        Ok(()) => Ok(()),
        Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => Err(("the file ends within its header".into(), "")),
        Err(e) => Err((e.to_string(), "")),
    }
}

/// The type that a `descr` stands for, and whether its bytes are in the other order.
fn kind(descr: &str) -> Result<(Kind, bool), Refused> {
    let (order, name) = match descr.split_at_checked(1) {
        Some((order @ ("<" | ">" | "=" | "|"), name)) => (order, name),
        _ => ("", descr),
    };
    let kind = match name {
        "f4" => Kind::Own(DType::F32),
        "f8" => Kind::Own(DType::F64),
        "f2" => Kind::Own(DType::F16),
        "V2" | "bfloat16" => Kind::Own(DType::BF16),
        "i8" => Kind::Own(DType::I64),
        "i4" => Kind::Own(DType::I32),
        "i1" => Kind::Own(DType::I8),
        "u1" => Kind::Own(DType::U8),
        "b1" | "?" => Kind::Own(DType::Bool),
        "i2" => Kind::I16,
        "u2" => Kind::U16,
        "u4" => Kind::U32,
        "u8" => Kind::U64,
        _ => {
            let (what, help) = match name.chars().next() {
                Some('O') => (
                    "Python objects, which only Python can read",
                    "give the array a type of numbers before saving it: array.astype(numpy.float32)",
                ),
                Some('U' | 'S' | 'a') => {
                    ("texts", "a table with texts is saved as CSV: pandas.DataFrame(..).to_csv(path)")
                }
                Some('M' | 'm') => ("dates or times", "save them as numbers: array.astype(numpy.int64)"),
                Some('c') => ("complex numbers", "save array.real and array.imag"),
                Some('V') => ("records", "save each field by itself: numpy.save(path, array[\"field\"])"),
                _ => ("another type", "give it a type of numbers before saving it: array.astype(numpy.float32)"),
            };
            return Err((format!("elements of the type `{}`: {what}", crate::error::short(descr)), help));
        }
    };
    Ok((kind, order == ">" && kind.size() > 1))
}

/// What is left of a literal of Python.
struct Python<'t>(&'t str);

impl<'t> Python<'t> {
    fn peek(&mut self) -> Option<char> {
        self.0 = self.0.trim_start();
        self.0.chars().next()
    }

    fn expect(&mut self, c: char) -> Option<()> {
        (self.peek() == Some(c)).then(|| self.0 = &self.0[c.len_utf8()..])
    }

    fn string(&mut self) -> Option<&'t str> {
        let quote = self.peek().filter(|c| matches!(c, '\'' | '"'))?;
        let (text, rest) = self.0[1..].split_once(quote)?;
        self.0 = rest;
        (!text.contains('\\')).then_some(text)
    }

    fn truth(&mut self) -> Option<bool> {
        self.peek();
        for (text, value) in [("True", true), ("False", false)] {
            if let Some(rest) = self.0.strip_prefix(text) {
                self.0 = rest;
                return Some(value);
            }
        }
        None
    }

    fn tuple(&mut self) -> Option<Vec<usize>> {
        self.expect('(')?;
        let mut sizes = Vec::new();
        while self.expect(')').is_none() {
            self.peek();
            let end = self.0.find(|c: char| !c.is_ascii_digit())?;
            sizes.push(self.0[..end].parse().ok()?);
            // Python 2 wrote `3L`.
            self.0 = self.0[end..].strip_prefix('L').unwrap_or(&self.0[end..]);
            if self.expect(',').is_none() && self.peek() != Some(')') {
                return None;
            }
        }
        Some(sizes)
    }
}
