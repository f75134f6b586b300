//! Python's pickles, as far as they hold tensors and plain containers. A pickle is a program for a machine with a stack; this one
//! makes values, and knows a dozen names. It calls nothing: any other name is an error.
//!
//! Values stand in one list and refer to each other by their numbers, so that it does not matter whether they go round in circles or
//! how deep they are. What a pickle can make takes memory in proportion to its length.

use std::collections::HashMap;
use std::io::{self, Read};
use std::sync::Arc;

use safetensors::Dtype;

use crate::error::short;
use crate::tensor::MAX_DIMS;

/// The number of a value.
pub(super) type Id = usize;

/// What is wrong with a pickle, and what to do about it.
pub(super) type Refused = (String, &'static str);

/// A value.
#[derive(Debug, Clone)]
pub(super) enum Value {
    /// Nothing, a fraction, bytes: what says nothing of tensors.
    Plain,
    Bool(bool),
    Int(i64),
    Text(Arc<str>),
    Tuple(Vec<Id>),
    List(Vec<Id>),
    Dict(Vec<(Id, Id)>),
    Name(Known),
    Storage(Arc<Storage>),
    Tensor(Arc<View>),
}

/// Where the elements of tensors are.
#[derive(Debug)]
pub(super) struct Storage {
    /// What it is called in the file.
    pub(super) key: Arc<str>,
    pub(super) kind: Element,
    /// The first of its elements, counted from the first of those that the file has by this key, and how many there are.
    pub(super) from: u64,
    pub(super) count: u64,
}

/// A tensor: some elements of a storage.
#[derive(Debug)]
pub(super) struct View {
    pub(super) storage: Arc<Storage>,
    pub(super) kind: Element,
    pub(super) offset: u64,
    pub(super) shape: Vec<usize>,
    pub(super) strides: Vec<usize>,
}

/// A type of elements.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Element {
    /// Its name in PyTorch.
    pub(super) name: &'static str,
    /// Bytes.
    pub(super) size: u64,
    /// What it is elsewhere, if it is known there.
    pub(super) dtype: Option<Dtype>,
}

/// The names that a pickle may say.
#[derive(Debug, Clone, Copy)]
pub(super) enum Known {
    OrderedDict,
    /// `_rebuild_tensor`, `_rebuild_tensor_v2` and `_rebuild_tensor_v3`.
    Tensor(u8),
    Parameter,
    /// `torch.Size`, a tuple.
    Size,
    /// What counts for nothing here: `torch.device`, and how bytes are written (as a text and its encoding).
    Plain,
    /// A type of elements, or a storage of such.
    Element(Element),
}

/// The types: what their storages are called, if they have ones of their own, and they themselves.
const ELEMENTS: [(&str, &str, u64, Option<Dtype>); 20] = [
    ("FloatStorage", "float32", 4, Some(Dtype::F32)),
    ("DoubleStorage", "float64", 8, Some(Dtype::F64)),
    ("HalfStorage", "float16", 2, Some(Dtype::F16)),
    ("BFloat16Storage", "bfloat16", 2, Some(Dtype::BF16)),
    ("LongStorage", "int64", 8, Some(Dtype::I64)),
    ("IntStorage", "int32", 4, Some(Dtype::I32)),
    ("ShortStorage", "int16", 2, Some(Dtype::I16)),
    ("CharStorage", "int8", 1, Some(Dtype::I8)),
    ("ByteStorage", "uint8", 1, Some(Dtype::U8)),
    ("BoolStorage", "bool", 1, Some(Dtype::BOOL)),
    ("UntypedStorage", "", 1, None),
    ("", "uint16", 2, Some(Dtype::U16)),
    ("", "uint32", 4, Some(Dtype::U32)),
    ("", "uint64", 8, Some(Dtype::U64)),
    ("", "float8_e4m3fn", 1, None),
    ("", "float8_e5m2", 1, None),
    ("ComplexFloatStorage", "complex64", 8, None),
    ("ComplexDoubleStorage", "complex128", 16, None),
    ("QInt8Storage", "qint8", 1, None),
    ("QUInt8Storage", "quint8", 1, None),
];

impl Known {
    fn of(module: &str, name: &str) -> Option<Self> {
        Some(match (module, name) {
            ("collections", "OrderedDict") => Self::OrderedDict,
            ("torch._utils", "_rebuild_tensor") => Self::Tensor(1),
            ("torch._utils", "_rebuild_tensor_v2") => Self::Tensor(2),
            ("torch._utils", "_rebuild_tensor_v3") => Self::Tensor(3),
            ("torch._utils", "_rebuild_parameter" | "_rebuild_parameter_with_state") => Self::Parameter,
            ("torch", "Size") => Self::Size,
            ("torch", "device") | ("_codecs", "encode") => Self::Plain,
            ("torch" | "torch.cuda" | "torch.storage", name) => {
                let of = |(storage, dtype, ..): &&(&str, &str, u64, Option<Dtype>)| {
                    !name.is_empty() && (*storage == name || module == "torch" && *dtype == name)
                };
                let (_, name, size, dtype) = *ELEMENTS.iter().find(of)?;
                Self::Element(Element { name, size, dtype })
            }
            _ => return None,
        })
    }
}

/// More values than a checkpoint has.
const MAX_VALUES: usize = 1 << 22;
/// More bytes than a pickle without its tensors has.
const MAX_BYTES: u64 = 1 << 28;

const SAVE: &str = "in Python, save the tensors alone: torch.save(model.state_dict(), path)";

/// A pickle that was read.
pub(super) struct Pickle {
    pub(super) values: Vec<Value>,
    pub(super) root: Id,
    /// How many bytes it took.
    pub(super) length: u64,
}

/// Reads one pickle.
pub(super) fn read(input: &mut dyn Read) -> Result<Pickle, Refused> {
    let mut machine =
        Machine { input, taken: 0, values: Vec::new(), stack: Vec::new(), marks: Vec::new(), memo: HashMap::new() };
    let root = machine.run()?;
    Ok(Pickle { root, length: machine.taken, values: machine.values })
}

struct Machine<'r> {
    input: &'r mut dyn Read,
    taken: u64,
    values: Vec<Value>,
    stack: Vec<Id>,
    /// How high the stack was at each mark.
    marks: Vec<usize>,
    memo: HashMap<usize, Id>,
}

fn wrong<T>(message: impl Into<String>) -> Result<T, Refused> {
    Err((message.into(), ""))
}

impl Machine<'_> {
    fn exact<const N: usize>(&mut self) -> Result<[u8; N], Refused> {
        let mut bytes = [0; N];
        self.taken += N as u64;
        match self.input.read_exact(&mut bytes) {
            _ if self.taken > MAX_BYTES => wrong(format!("a pickle of more than {MAX_BYTES} bytes")),
            Ok(()) => Ok(bytes),
            Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => wrong("the file ends within its pickle"),
            Err(e) => wrong(e.to_string()),
        }
    }

    fn byte(&mut self) -> Result<usize, Refused> {
        Ok(usize::from(self.exact::<1>()?[0]))
    }

    fn word(&mut self) -> Result<usize, Refused> {
        Ok(u32::from_le_bytes(self.exact()?) as usize)
    }

    fn long(&mut self) -> Result<usize, Refused> {
        Ok(usize::try_from(u64::from_le_bytes(self.exact()?)).unwrap_or(usize::MAX))
    }

    /// So many bytes; memory is taken as they come.
    fn bytes(&mut self, count: usize) -> Result<Vec<u8>, Refused> {
        self.taken = self.taken.saturating_add(count as u64);
        if self.taken > MAX_BYTES {
            return wrong(format!("a pickle of more than {MAX_BYTES} bytes"));
        }
        let mut bytes = Vec::new();
        match (&mut *self.input).take(count as u64).read_to_end(&mut bytes) {
            Ok(read) if read == count => Ok(bytes),
            Ok(_) => wrong("the file ends within its pickle"),
            Err(e) => wrong(e.to_string()),
        }
    }

    fn text(&mut self, count: usize) -> Result<Value, Refused> {
        match String::from_utf8(self.bytes(count)?) {
            Ok(text) => Ok(Value::Text(text.into())),
            Err(_) => wrong("a text that is not UTF-8"),
        }
    }

    /// The rest of a line.
    fn line(&mut self) -> Result<String, Refused> {
        let mut line = Vec::new();
        loop {
            match self.exact::<1>()?[0] {
                b'\n' => break,
                byte => line.push(byte),
            }
        }
        Ok(String::from_utf8_lossy(&line).into_owned())
    }

    fn push(&mut self, value: Value) -> Result<(), Refused> {
        if self.values.len() >= MAX_VALUES {
            return wrong(format!("a pickle of more than {MAX_VALUES} values"));
        }
        self.stack.push(self.values.len());
        self.values.push(value);
        Ok(())
    }

    fn pop(&mut self) -> Result<Id, Refused> {
        // What is below a mark is not to be had.
        let least = self.marks.last().copied().unwrap_or(0);
        match self.stack.pop() {
            Some(id) if self.stack.len() >= least => Ok(id),
            _ => wrong("the pickle takes more from its stack than there is"),
        }
    }

    fn top(&self) -> Result<Id, Refused> {
        self.stack.last().copied().map_or_else(|| wrong("the pickle takes more from its stack than there is"), Ok)
    }

    /// What is above the last mark, which goes.
    fn above(&mut self) -> Result<Vec<Id>, Refused> {
        match self.marks.pop() {
            Some(height) if height <= self.stack.len() => Ok(self.stack.split_off(height)),
            _ => wrong("the pickle has no mark where it needs one"),
        }
    }

    fn tuple(&mut self, count: usize) -> Result<(), Refused> {
        let mut items = Vec::with_capacity(count);
        for _ in 0..count {
            items.push(self.pop()?);
        }
        items.reverse();
        self.push(Value::Tuple(items))
    }

    fn remember(&mut self, place: usize) -> Result<(), Refused> {
        let id = self.top()?;
        self.memo.insert(place, id);
        Ok(())
    }

    fn recall(&mut self, place: usize) -> Result<(), Refused> {
        match self.memo.get(&place) {
            Some(id) if self.stack.len() < MAX_VALUES => {
                self.stack.push(*id);
                Ok(())
            }
            Some(_) => wrong(format!("a pickle of more than {MAX_VALUES} values")),
            None => wrong(format!("the pickle has nothing at place {place} of its memory")),
        }
    }

    fn append(&mut self, items: Vec<Id>) -> Result<(), Refused> {
        let top = self.top()?;
        match &mut self.values[top] {
            Value::List(list) => list.extend(items),
            _ => return wrong("the pickle appends to what is no list"),
        }
        Ok(())
    }

    fn set(&mut self, items: &[Id]) -> Result<(), Refused> {
        let top = self.top()?;
        match &mut self.values[top] {
            Value::Dict(dict) if items.len().is_multiple_of(2) => {
                dict.extend(items.chunks_exact(2).map(|pair| (pair[0], pair[1])));
                Ok(())
            }
            Value::Dict(_) => wrong("a key without a value"),
            _ => wrong("the pickle sets items of what is no dictionary"),
        }
    }

    fn named(&mut self, module: &str, name: &str) -> Result<(), Refused> {
        match Known::of(module, name) {
            Some(known) => self.push(Value::Name(known)),
            None => Err((
                format!(
                    "the pickle wants `{}.{}`, which is no tensor and no plain container; nothing was executed",
                    short(module),
                    short(name)
                ),
                if module.starts_with("__torch__") {
                    "a TorchScript program: in Python, torch.save(torch.jit.load(path).state_dict(), other)"
                } else {
                    SAVE
                },
            )),
        }
    }

    fn run(&mut self) -> Result<Id, Refused> {
        loop {
            let code = self.exact::<1>()?[0];
            match code {
                0x80 => {
                    let version = self.byte()?;
                    if version > 5 {
                        return wrong(format!("a pickle of version {version}, expected at most 5"));
                    }
                }
                // The length of a frame, which says nothing.
                0x95 => drop(self.exact::<8>()?),
                b'.' => return self.pop(),
                b'N' => self.push(Value::Plain)?,
                0x88 => self.push(Value::Bool(true))?,
                0x89 => self.push(Value::Bool(false))?,
                b'K' => {
                    let n = self.byte()?;
                    self.push(Value::Int(n as i64))?;
                }
                b'M' => {
                    let n = u16::from_le_bytes(self.exact()?);
                    self.push(Value::Int(n.into()))?;
                }
                b'J' => {
                    let n = i32::from_le_bytes(self.exact()?);
                    self.push(Value::Int(n.into()))?;
                }
                0x8a | 0x8b => {
                    let count = if code == 0x8a { self.byte()? } else { self.word()? };
                    let bytes = self.bytes(count)?;
                    let sign = if bytes.last().is_some_and(|byte| *byte > 127) { 0xff } else { 0 };
                    let mut word = [sign; 8];
                    // A longer one is no size of anything.
                    self.push(if count > 8 {
                        Value::Plain
                    } else {
                        word[..count].copy_from_slice(&bytes);
                        Value::Int(i64::from_le_bytes(word))
                    })?;
                }
                b'G' => {
                    self.exact::<8>()?;
                    self.push(Value::Plain)?;
                }
                b'X' | b'T' => {
                    let count = self.word()?;
                    let text = self.text(count)?;
                    self.push(text)?;
                }
                0x8c | b'U' => {
                    let count = self.byte()?;
                    let text = self.text(count)?;
                    self.push(text)?;
                }
                0x8d => {
                    let count = self.long()?;
                    let text = self.text(count)?;
                    self.push(text)?;
                }
                b'B' | b'C' | 0x8e | 0x96 => {
                    let count = match code {
                        b'B' => self.word()?,
                        b'C' => self.byte()?,
                        _ => self.long()?,
                    };
                    self.bytes(count)?;
                    self.push(Value::Plain)?;
                }
                b']' => self.push(Value::List(Vec::new()))?,
                b'}' => self.push(Value::Dict(Vec::new()))?,
                b')' => self.push(Value::Tuple(Vec::new()))?,
                0x85..=0x87 => self.tuple(usize::from(code - 0x84))?,
                b'(' => {
                    if self.marks.len() >= MAX_VALUES {
                        return wrong(format!("a pickle of more than {MAX_VALUES} marks"));
                    }
                    self.marks.push(self.stack.len());
                }
                b't' => {
                    let items = self.above()?;
                    self.push(Value::Tuple(items))?;
                }
                b'l' => {
                    let items = self.above()?;
                    self.push(Value::List(items))?;
                }
                b'd' => {
                    let items = self.above()?;
                    self.push(Value::Dict(Vec::new()))?;
                    self.set(&items)?;
                }
                b'a' => {
                    let item = self.pop()?;
                    self.append(vec![item])?;
                }
                b'e' => {
                    let items = self.above()?;
                    self.append(items)?;
                }
                b's' => {
                    let (value, key) = (self.pop()?, self.pop()?);
                    self.set(&[key, value])?;
                }
                b'u' => {
                    let items = self.above()?;
                    self.set(&items)?;
                }
                b'0' => drop(self.pop()?),
                b'1' => drop(self.above()?),
                b'2' => {
                    let id = self.top()?;
                    let value = self.values[id].clone();
                    match value {
                        Value::Tuple(_) | Value::List(_) | Value::Dict(_) => {
                            return wrong("the pickle has a container twice on its stack");
                        }
                        value => self.push(value)?,
                    }
                }
                b'q' => {
                    let place = self.byte()?;
                    self.remember(place)?;
                }
                b'r' => {
                    let place = self.word()?;
                    self.remember(place)?;
                }
                0x94 => self.remember(self.memo.len())?,
                b'h' => {
                    let place = self.byte()?;
                    self.recall(place)?;
                }
                b'j' => {
                    let place = self.word()?;
                    self.recall(place)?;
                }
                b'c' => {
                    let (module, name) = (self.line()?, self.line()?);
                    self.named(&module, &name)?;
                }
                0x93 => {
                    let (name, module) = (self.pop()?, self.pop()?);
                    let (Value::Text(name), Value::Text(module)) = (&self.values[name], &self.values[module]) else {
                        return wrong("the pickle wants something by a name that is no text");
                    };
                    let (name, module) = (Arc::clone(name), Arc::clone(module));
                    self.named(&module, &name)?;
                }
                b'R' => {
                    let (arguments, function) = (self.pop()?, self.pop()?);
                    self.call(function, arguments)?;
                }
                b'b' => {
                    // What Python keeps beside the items of a dictionary, as PyTorch does the versions of its layers.
                    self.pop()?;
                    let top = self.top()?;
                    if !matches!(self.values[top], Value::Dict(_) | Value::Tensor(_)) {
                        return wrong("the pickle gives a state to what is no dictionary");
                    }
                }
                b'Q' => {
                    let id = self.pop()?;
                    let storage = self.storage(id)?;
                    self.push(Value::Storage(Arc::new(storage)))?;
                }
                b'i' => {
                    let (module, name) = (self.line()?, self.line()?);
                    self.named(&module, &name)?;
                    return wrong("the pickle makes an object, which is no tensor and no plain container");
                }
                b'o' | 0x81 | 0x92 => {
                    return Err(("the pickle makes an object, which is no tensor and no plain container".into(), SAVE));
                }
                b'P' | b'I' | b'L' | b'F' | b'S' | b'V' | b'p' | b'g' => {
                    return Err(("a pickle in the form of a text (version 0)".into(), SAVE));
                }
                0x82..=0x84 => return Err(("the pickle wants an extension of Python".into(), SAVE)),
                0x8f..=0x91 => return Err(("the pickle holds a set, which is no plain container".into(), SAVE)),
                0x97 | 0x98 => return wrong("the pickle refers to a buffer that is not in it"),
                _ => return wrong(format!("the pickle has the unknown instruction {code:#04x}")),
            }
        }
    }

    /// The items of a tuple.
    fn items(&self, id: Id) -> &[Id] {
        if let Value::Tuple(items) = &self.values[id] { items } else { &[] }
    }

    fn size(&self, id: Id) -> Option<usize> {
        if let Value::Int(n) = self.values[id] { usize::try_from(n).ok() } else { None }
    }

    fn sizes(&self, id: Id) -> Option<Vec<usize>> {
        let Value::Tuple(items) = &self.values[id] else { return None };
        // More dimensions than a tensor has are noticed by the length.
        items.iter().take(MAX_DIMS + 1).map(|id| self.size(*id)).collect()
    }

    fn call(&mut self, function: Id, arguments: Id) -> Result<(), Refused> {
        let Value::Name(known) = self.values[function] else {
            return wrong("the pickle calls what is no function");
        };
        let items = self.items(arguments);
        match (known, items) {
            (Known::OrderedDict, []) => self.push(Value::Dict(Vec::new())),
            (Known::OrderedDict, [pairs]) => {
                let Value::List(pairs) = &self.values[*pairs] else { return wrong("an OrderedDict of no list") };
                let mut dict = Vec::new();
                for pair in pairs {
                    match &self.values[*pair] {
                        Value::Tuple(pair) | Value::List(pair) if pair.len() == 2 => dict.push((pair[0], pair[1])),
                        _ => return wrong("an OrderedDict of what are no pairs"),
                    }
                }
                // Made of a list that may be used once more: counted like what is in it.
                self.taken += dict.len() as u64;
                if self.taken > MAX_BYTES {
                    return wrong(format!("a pickle of more than {MAX_BYTES} bytes"));
                }
                self.push(Value::Dict(dict))
            }
            (Known::Size, [tuple]) => {
                let items = self.sizes(*tuple).filter(|sizes| sizes.len() <= MAX_DIMS);
                let Some(_) = items else { return wrong("a torch.Size of no sizes") };
                let items = self.items(*tuple).to_vec();
                self.push(Value::Tuple(items))
            }
            (Known::Plain, _) => self.push(Value::Plain),
            (Known::Parameter, [tensor, ..]) => match &self.values[*tensor] {
                Value::Tensor(view) => {
                    let view = Arc::clone(view);
                    self.push(Value::Tensor(view))
                }
                _ => wrong("a parameter of no tensor"),
            },
            (Known::Tensor(version), [storage, offset, shape, strides, rest @ ..]) => {
                let view = self.view(version, [*storage, *offset, *shape, *strides], rest)?;
                self.push(Value::Tensor(Arc::new(view)))
            }
            _ => wrong(format!("the pickle calls {known:?} with arguments that it does not have")),
        }
    }

    fn view(&self, version: u8, [storage, offset, shape, strides]: [Id; 4], rest: &[Id]) -> Result<View, Refused> {
        let Value::Storage(storage) = &self.values[storage] else { return wrong("a tensor without a storage") };
        let (Some(offset), Some(shape), Some(strides)) = (self.size(offset), self.sizes(shape), self.sizes(strides))
        else {
            return wrong("a tensor whose offset, shape or strides are no sizes");
        };
        if shape.len() != strides.len() || shape.len() > MAX_DIMS {
            let (dims, strides) = (shape.len(), strides.len());
            return wrong(format!("a tensor of {dims} dimensions (of at most {MAX_DIMS}) with {strides} strides"));
        }
        let mut kind = storage.kind;
        if version == 3 {
            // The third one behind the strides: requires_grad, hooks, dtype.
            match rest.get(2).map(|id| &self.values[*id]) {
                Some(Value::Name(Known::Element(element))) => kind = *element,
                _ => return wrong("a tensor without a type"),
            }
        }
        Ok(View { storage: Arc::clone(storage), kind, offset: offset as u64, shape, strides })
    }

    /// `("storage", type, key, place, count)`, in files of the old form with a part of another storage, or nothing, at the end.
    fn storage(&self, id: Id) -> Result<Storage, Refused> {
        let (kind, key, count, part) = match *self.items(id) {
            [_, kind, key, _, count] => (kind, key, count, None),
            [_, kind, key, _, count, part] => (kind, key, count, Some(part)),
            _ => return wrong("the pickle refers to something outside that is no storage"),
        };
        let (Value::Name(Known::Element(kind)), Value::Text(key), Some(count)) =
            (&self.values[kind], &self.values[key], self.size(count))
        else {
            return wrong("a storage without a type, a key or a size");
        };
        let (key, count) = (Arc::clone(key), count as u64);
        let whole = Storage { key, kind: *kind, from: 0, count };
        match part.map(|part| &self.values[part]) {
            Some(Value::Tuple(part)) => {
                match (part.get(1).and_then(|id| self.size(*id)), part.get(2).and_then(|id| self.size(*id))) {
                    (Some(from), Some(part)) if from.checked_add(part).is_some_and(|end| end as u64 <= count) => {
                        Ok(Storage { from: from as u64, count: part as u64, ..whole })
                    }
                    _ => wrong("a part of a storage that lies outside of it"),
                }
            }
            _ => Ok(whole),
        }
    }
}
