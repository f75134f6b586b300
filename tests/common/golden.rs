//! Reads the reference numbers of `tests/golden` and compares with them; `tests/golden/README.md` explains the files
//! and the metric.

#![allow(dead_code, reason = "each test file uses its part")]

use std::collections::HashMap;
use std::fmt::Write as _;
use std::path::PathBuf;

use demotic::autograd::{self, GradOptions};
use demotic::{DType, Result, Tensor};
use safetensors::SafeTensors;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// The element types of the two reference runs, with the names that the files give them.
pub(crate) const RUNS: [(DType, &str); 2] = [(DType::F32, "f32"), (DType::F64, "f64")];

/// The elements of one stored tensor.
#[derive(Debug, Clone, PartialEq)]
enum Elements {
    F32(Vec<f32>),
    F64(Vec<f64>),
    I64(Vec<i64>),
    Bool(Vec<bool>),
}

/// One stored tensor.
#[derive(Debug, Clone)]
pub(crate) struct Stored {
    shape: Vec<usize>,
    elements: Elements,
}

impl Stored {
    fn read(view: &safetensors::tensor::TensorView<'_>) -> Self {
        fn words<const N: usize, T>(bytes: &[u8], parse: fn([u8; N]) -> T) -> Vec<T> {
            bytes.chunks_exact(N).map(|word| parse(word.try_into().unwrap())).collect()
        }
        let bytes = view.data();
        let elements = match view.dtype() {
            safetensors::Dtype::F32 => Elements::F32(words(bytes, f32::from_le_bytes)),
            safetensors::Dtype::F64 => Elements::F64(words(bytes, f64::from_le_bytes)),
            safetensors::Dtype::I64 => Elements::I64(words(bytes, i64::from_le_bytes)),
            safetensors::Dtype::BOOL => Elements::Bool(bytes.iter().map(|b| *b != 0).collect()),
            other => panic!("no golden file has elements of type {other:?}"),
        };
        Self { shape: view.shape().to_vec(), elements }
    }

    /// The stored numbers; floats become `dtype`, which is exact for what the files store as f32.
    pub(crate) fn tensor(&self, dtype: DType) -> Tensor {
        let shape = self.shape.as_slice();
        match &self.elements {
            Elements::F32(x) if dtype == DType::F64 => {
                Tensor::from_vec(x.iter().map(|x| f64::from(*x)).collect(), shape).unwrap()
            }
            Elements::F32(x) => Tensor::from_slice(x, shape).unwrap(),
            Elements::F64(x) => Tensor::from_slice(x, shape).unwrap(),
            Elements::I64(x) => Tensor::from_slice(x, shape).unwrap(),
            Elements::Bool(x) => Tensor::from_slice(x, shape).unwrap(),
        }
    }

    /// The stored numbers, whatever they are.
    pub(crate) fn to_f64_vec(&self) -> Vec<f64> {
        match &self.elements {
            Elements::F32(x) => x.iter().map(|x| f64::from(*x)).collect(),
            Elements::F64(x) => x.clone(),
            Elements::I64(x) => x.iter().map(|x| *x as f64).collect(),
            Elements::Bool(x) => x.iter().map(|x| f64::from(u8::from(*x))).collect(),
        }
    }

    /// Part `index` of the first dimension.
    pub(crate) fn row(&self, index: usize) -> Self {
        let len = self.shape[1..].iter().product::<usize>();
        Self { shape: self.shape[1..].to_vec(), ..self.flat(index * len..(index + 1) * len) }
    }

    /// Some of the elements, as a vector.
    fn flat(&self, range: std::ops::Range<usize>) -> Self {
        let elements = match &self.elements {
            Elements::F32(x) => Elements::F32(x[range.clone()].to_vec()),
            Elements::F64(x) => Elements::F64(x[range.clone()].to_vec()),
            Elements::I64(x) => Elements::I64(x[range.clone()].to_vec()),
            Elements::Bool(x) => Elements::Bool(x[range.clone()].to_vec()),
        };
        Self { shape: vec![range.len()], elements }
    }

    fn dtype(&self) -> DType {
        match self.elements {
            Elements::F32(_) => DType::F32,
            Elements::F64(_) => DType::F64,
            Elements::I64(_) => DType::I64,
            Elements::Bool(_) => DType::Bool,
        }
    }

    /// What is wrong with `got`, if anything.
    pub(crate) fn mismatch(&self, got: &Tensor, floor: f64, signed_zero: bool) -> Option<String> {
        if got.shape() != self.shape || got.dtype() != self.dtype() {
            let (shape, dtype) = (got.shape(), got.dtype());
            return Some(format!("got {dtype} {shape:?}, expected {} {:?}", self.dtype(), self.shape));
        }
        let (got, want) = (got.to_f64_vec(), self.to_f64_vec());
        let agree = |(got, want): (&f64, &f64)| {
            let zeros = !signed_zero || *want != 0.0 || got.is_sign_negative() == want.is_sign_negative();
            zeros && close(*got, *want, floor, self.dtype())
        };
        let wrong = got.iter().zip(&want).filter(|pair| !agree(*pair)).count();
        let first = got.iter().zip(&want).position(|pair| !agree(pair))?;
        Some(format!(
            "element {first} of {:?}: got {:e}, expected {:e} ({wrong} of {} elements differ)",
            self.shape,
            got[first],
            want[first],
            got.len(),
        ))
    }
}

/// The metric of `tests/golden/README.md`. Types that are not floats must be equal.
fn close(got: f64, want: f64, floor: f64, dtype: DType) -> bool {
    let (tolerance, tiny) = match dtype {
        DType::F32 => (1e-5, f64::from(f32::MIN_POSITIVE)),
        DType::F64 => (1e-12, f64::MIN_POSITIVE),
        _ => return got == want,
    };
    let same = got == want || got.is_nan() && want.is_nan();
    same || want.is_finite() && (got - want).abs() <= tolerance * want.abs().max(floor) + tiny
}

/// One case of a family.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Case {
    pub(crate) id: String,
    pub(crate) op: String,
    #[serde(default)]
    inputs: usize,
    #[serde(default)]
    outputs: usize,
    #[serde(default)]
    signed_zero: bool,
    floors: HashMap<String, f64>,
    #[serde(default)]
    made: Made,
    pub(crate) attrs: Value,
    /// What only some families have.
    #[serde(flatten)]
    pub(crate) more: HashMap<String, Value>,
}

impl Case {
    /// The attribute `name`. `null` is `None`.
    #[track_caller]
    pub(crate) fn attr<T: DeserializeOwned>(&self, name: &str) -> T {
        let value = self.attrs.get(name).cloned().unwrap_or(Value::Null);
        serde_json::from_value(value).unwrap_or_else(|e| panic!("{}: attribute {name}: {e}", self.id))
    }

    /// The attribute `name`, or `default` where the case does not set it.
    #[track_caller]
    pub(crate) fn attr_or<T: DeserializeOwned>(&self, name: &str, default: T) -> T {
        if self.attrs.get(name).is_some() { self.attr(name) } else { default }
    }

    /// A number that JSON cannot hold is stored as text: `inf`.
    #[track_caller]
    pub(crate) fn text_number(&self, name: &str) -> f64 {
        self.attr::<String>(name).parse().unwrap()
    }

    /// The floor of one of the case's tensors.
    pub(crate) fn floor(&self, name: &str) -> f64 {
        self.floors.get(name).copied().unwrap_or(0.0)
    }
}

/// What a file does not hold because it follows from places: numbers of inputs, and weights of the sums that stand for large results.
/// `tests/golden/README.md` says how.
#[derive(Debug, Clone, Default, Deserialize)]
struct Made {
    salt: u32,
    #[serde(default = "default_piece")]
    piece: usize,
    formulas: Vec<Formula>,
    digests: Vec<(String, Vec<usize>)>,
}

/// The name of a tensor, its shape, and the limits of its numbers; without limits, they are of both signs and not near zero.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
enum Formula {
    Between(String, Vec<usize>, f64, f64),
    Away(String, Vec<usize>),
}

fn default_piece() -> usize {
    64
}

/// By how many sums a digest speaks of the elements of a piece.
const SUMS: usize = 3;

impl Made {
    /// Adds the tensors that follow from places, and the digests by the names of what they are of.
    fn unpack(&self, id: &str, tensors: &mut HashMap<String, Stored>) {
        for (i, formula) in (1_u32..).zip(&self.formulas) {
            let (name, shape, lo, hi, signs) = match formula {
                Formula::Between(name, shape, lo, hi) => (name, shape, *lo, *hi, false),
                Formula::Away(name, shape) => (name, shape, 0.5, 2.0, true),
            };
            let salt = mixed(self.salt.wrapping_add(i));
            let number = |place| {
                let word = word(salt, place);
                let x = lo + (hi - lo) * part_of_one(word);
                (if signs && word & 1 == 1 { -x } else { x }) as f32
            };
            let elements = Elements::F32((0..shape.iter().product::<usize>() as u32).map(number).collect());
            let before = tensors.insert(format!("{id}.{name}"), Stored { shape: shape.clone(), elements });
            assert!(before.is_none(), "{id}: {name} is stored, too");
        }
        for (_, suffix) in RUNS {
            let Some(all) = tensors.remove(&format!("{id}.digests.{suffix}")) else {
                assert!(self.digests.is_empty(), "{id}: no digests");
                continue;
            };
            let mut from = 0;
            for (name, shape) in &self.digests {
                let len = shape.iter().product::<usize>().div_ceil(self.piece) * (SUMS + 1);
                let digest = all.flat(from..from + len);
                from += len;
                tensors.insert(format!("{id}.{name}.{suffix}"), digest);
            }
            assert_eq!(all.shape, [from], "{id}: digests");
        }
    }

    /// What is compared of a result: itself, or its digest.
    fn seen(&self, name: &str, got: &Tensor) -> Tensor {
        match self.digests.iter().find(|(digested, _)| digested == name) {
            Some((_, shape)) => {
                assert_eq!(got.shape(), shape, "{name}");
                digest(got, self.piece)
            }
            None => got.clone(),
        }
    }
}

/// The last step of MurmurHash3.
fn mixed(z: u32) -> u32 {
    let z = (z ^ (z >> 16)).wrapping_mul(0x85EB_CA6B);
    let z = (z ^ (z >> 13)).wrapping_mul(0xC2B2_AE35);
    z ^ (z >> 16)
}

fn word(salt: u32, place: u32) -> u32 {
    mixed(salt ^ place.wrapping_mul(0x9E37_79B9))
}

fn part_of_one(word: u32) -> f64 {
    f64::from(word >> 8) / f64::from(1 << 24)
}

/// Of each piece the sums with weights that follow from the place, and the norm.
fn digest(x: &Tensor, size: usize) -> Tensor {
    let (numbers, salts): (_, [u32; SUMS]) = (x.to_f64_vec(), [1, 2, 3].map(mixed));
    let mut found = Vec::new();
    for (i, piece) in numbers.chunks(size).enumerate() {
        let places = || ((i * size) as u32..).zip(piece);
        found
            .extend(salts.map(|salt| places().map(|(j, x)| x * (2.0 * part_of_one(word(salt, j)) - 1.0)).sum::<f64>()));
        found.push(piece.iter().map(|x| x * x).sum::<f64>().sqrt());
    }
    let len = found.len();
    Tensor::from_vec(found, [len]).unwrap().to_dtype(x.dtype())
}

/// One data file.
#[derive(Debug)]
pub(crate) struct Family {
    pub(crate) cases: Vec<Case>,
    tensors: HashMap<String, Stored>,
}

impl Family {
    pub(crate) fn load(name: &str) -> Self {
        let path =
            PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/..")).join(format!("tests/golden/{name}.safetensors"));
        let bytes = std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        let (_, metadata) = SafeTensors::read_metadata(&bytes).unwrap();
        let cases = metadata.metadata().as_ref().and_then(|m| m.get("cases")).expect("a golden file lists its cases");
        let cases: Vec<Case> = serde_json::from_str(cases).unwrap();
        assert!(!cases.is_empty(), "{name} has no cases");
        let file = SafeTensors::deserialize(&bytes).unwrap();
        let mut tensors: HashMap<String, Stored> =
            file.tensors().iter().map(|(name, view)| (name.clone(), Stored::read(view))).collect();
        for case in &cases {
            case.made.unpack(&case.id, &mut tensors);
        }
        Self { cases, tensors }
    }

    pub(crate) fn find(&self, name: &str) -> Option<&Stored> {
        self.tensors.get(name)
    }

    #[track_caller]
    pub(crate) fn stored(&self, name: &str) -> &Stored {
        self.find(name).unwrap_or_else(|| panic!("the golden file has no tensor {name}"))
    }
}

/// The same tensor as a view with gaps and reversed strides, to catch what only works on contiguous elements. The gaps
/// hold values that would show up in any result.
fn as_strided_view(x: &Tensor) -> Tensor {
    let reversed: Vec<isize> = (0..x.rank() as isize).rev().collect();
    let turned = x.permute(&reversed).unwrap().contiguous();
    let gaps = if x.dtype() == DType::Bool { turned.clone() } else { turned.full_like(77.0) };
    let pairs = Tensor::stack(&[&turned, &gaps], -1).unwrap();
    pairs.select(-1, 0).unwrap().permute(&reversed).unwrap()
}

/// What a family's cases are compared with: makes outputs of a case's inputs, and panics on an op that it does not know.
///
/// It may replace inputs that it copies, such as the weights of a layer, by the copies: the gradients are taken with
/// respect to what it leaves there.
pub(crate) type Compute<'a> = &'a dyn Fn(&Case, &mut [Tensor]) -> Result<Vec<Tensor>>;

/// Compares every case of a family with what `compute` makes of its inputs: in both element types, with contiguous and
/// with strided inputs, recorded and not, and its gradients with and without a graph of their own.
#[track_caller]
pub(crate) fn check(family: &str, compute: Compute<'_>) {
    let family = Family::load(family);
    let mut failures = Failures::default();
    for case in &family.cases {
        for (dtype, suffix) in RUNS {
            for strided in [false, true] {
                let place = format!("{} {suffix}{}", case.id, if strided { " strided" } else { "" });
                let run = Run { family: &family, case, dtype, suffix };
                if let Err(e) = run.compare(compute, strided, |what| failures.add(&place, what)) {
                    failures.add(&place, e.to_string());
                }
            }
        }
    }
    failures.finish(family.cases.len());
}

/// One of the two runs of a case.
struct Run<'a> {
    family: &'a Family,
    case: &'a Case,
    dtype: DType,
    suffix: &'static str,
}

impl Run<'_> {
    fn compare(&self, compute: Compute<'_>, strided: bool, mut fail: impl FnMut(String)) -> Result<()> {
        let case = self.case;
        let mut plain = self.inputs(strided);
        // Only what has a reference gradient is tracked: class weights and the like are not.
        let wanted: Vec<_> = (0..case.inputs).map(|i| self.reference(&format!("grad.{i}"))).collect();
        let mut inputs = plain.clone();
        for (x, _) in inputs.iter_mut().zip(&wanted).filter(|(_, want)| want.is_some()) {
            *x = x.tracked()?;
        }

        let outputs = compute(case, &mut inputs)?;
        for (kind, outputs) in [("", &outputs), (" not recorded", &compute(case, &mut plain)?)] {
            if outputs.len() != case.outputs {
                fail(format!("got {} outputs{kind}, expected {}", outputs.len(), case.outputs));
                return Ok(());
            }
            for (k, output) in outputs.iter().enumerate() {
                let name = format!("out.{k}");
                let want = self.reference(&name).expect("every output is stored");
                if let Some(what) = want.mismatch(&case.made.seen(&name, output), case.floor(&name), case.signed_zero) {
                    fail(format!("{name}{kind}, {what}"));
                }
            }
        }

        let leaves: Vec<_> = inputs.iter().zip(&wanted).filter(|(_, want)| want.is_some()).map(|(x, _)| x).collect();
        if leaves.is_empty() {
            return Ok(());
        }
        let up = |k: usize| self.family.find(&format!("{}.up.{k}", case.id)).map(|up| up.tensor(self.dtype));
        let (outputs, ups): (Vec<_>, Vec<_>) =
            outputs.iter().enumerate().filter_map(|(k, output)| Some((output, up(k)?))).unzip();
        // Where a gradient cannot be differentiated again, asking for its graph is an error.
        let once = case.attr_or("once", false);
        for (kind, create_graph) in [(" with a graph", true), ("", false)].into_iter().filter(|run| !(once && run.1)) {
            let options = GradOptions::new().create_graph(create_graph).grad_outputs(ups.clone());
            let grads = autograd::grad(&outputs, &leaves, options)?;
            let wanted = wanted.iter().enumerate().filter_map(|(i, want)| Some((i, (*want)?)));
            for ((i, want), grad) in wanted.zip(&grads) {
                let name = format!("grad.{i}");
                if let Some(what) = want.mismatch(&case.made.seen(&name, grad), case.floor(&name), false) {
                    fail(format!("{name}{kind}, {what}"));
                }
            }
        }
        Ok(())
    }

    fn inputs(&self, strided: bool) -> Vec<Tensor> {
        let input = |i| self.family.stored(&format!("{}.in.{i}", self.case.id)).tensor(self.dtype);
        (0..self.case.inputs).map(input).map(|x| if strided { as_strided_view(&x) } else { x }).collect()
    }

    /// The reference of an output or a gradient.
    fn reference(&self, name: &str) -> Option<&Stored> {
        let id = &self.case.id;
        self.family.find(&format!("{id}.{name}.{}", self.suffix)).or_else(|| self.family.find(&format!("{id}.{name}")))
    }
}

/// Collects what is wrong, so that one run shows all of it.
#[derive(Debug, Default)]
pub(crate) struct Failures {
    text: String,
    count: usize,
}

impl Failures {
    pub(crate) fn add(&mut self, place: &str, what: impl AsRef<str>) {
        self.count += 1;
        let _ = writeln!(self.text, "{place}: {}", what.as_ref());
    }

    #[track_caller]
    pub(crate) fn finish(self, cases: usize) {
        assert!(self.count == 0, "{} failures in {cases} cases\n{}", self.count, self.text);
    }
}
