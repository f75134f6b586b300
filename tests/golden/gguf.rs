//! GGUF files that the `gguf` package wrote, the numbers that it reads from their blocks, and the blocks that it makes.

use std::path::PathBuf;

use demotic::io::gguf::{Reader, Value};
use demotic::io::{TensorSource, safetensors};
use demotic::prelude::*;
use demotic::tensor::{QTensor, Scheme};

fn file(name: &str) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/golden/gguf")).join(name)
}

/// The bits of its numbers.
fn bits(x: &Tensor) -> Result<Vec<u32>> {
    Ok(x.to_vec::<f32>()?.into_iter().map(f32::to_bits).collect())
}

#[test]
fn blocks_of_every_kind_are_read_bit_for_bit() -> Result<()> {
    let (reader, expected) =
        (Reader::open(file("blocks.gguf"))?, safetensors::Reader::open(file("blocks.safetensors"))?);
    let mut seen = Vec::new();
    for info in reader.infos() {
        let Some(scheme) = info.scheme else { continue };
        let blocks = reader.read_quantized(&info.name)?;
        assert_eq!((blocks.scheme(), blocks.shape()), (scheme, &*info.shape), "{}", info.name);
        let theirs = expected.tensor(&info.name)?;
        assert_eq!(bits(&blocks.dequantize()?)?, bits(&theirs)?, "{}", info.name);
        assert_eq!(bits(&reader.read(&info.name)?)?, bits(&theirs)?, "{}", info.name);
        if info.name.starts_with("any.") {
            seen.push(scheme);
        }
    }
    assert!(Scheme::ALL.iter().all(|scheme| seen.contains(scheme)), "{seen:?}");
    Ok(())
}

#[test]
fn blocks_are_made_bit_for_bit() -> Result<()> {
    let (reader, expected) =
        (Reader::open(file("blocks.gguf"))?, safetensors::Reader::open(file("blocks.safetensors"))?);
    let x = expected.tensor("numbers")?;
    for scheme in [Scheme::Q4_0, Scheme::Q4_1, Scheme::Q5_0, Scheme::Q5_1, Scheme::Q8_0] {
        let theirs = reader.read_quantized(&format!("made.{scheme}"))?;
        let ours = QTensor::quantize(&x, scheme)?;
        assert_eq!(ours.blocks().to_vec::<u8>()?, theirs.blocks().to_vec::<u8>()?, "{scheme}");
    }
    Ok(())
}

#[test]
fn plain_tensors_and_settings_are_read() -> Result<()> {
    let (reader, expected) =
        (Reader::open(file("blocks.gguf"))?, safetensors::Reader::open(file("blocks.safetensors"))?);
    for (name, dtype) in [
        ("f32", DType::F32),
        ("f16", DType::F16),
        ("f64", DType::F64),
        ("i8", DType::I8),
        ("i16", DType::I32),
        ("i32", DType::I32),
        ("i64", DType::I64),
    ] {
        let name = format!("plain.{name}");
        let (ours, theirs) = (reader.read(&name)?, expected.tensor(&name)?);
        assert_eq!((ours.dtype(), ours.shape()), (dtype, &[3, 2, 5][..]), "{name}");
        assert_eq!(ours.to_f64_vec(), theirs.to_f64_vec(), "{name}");
    }
    let text = |text: &str| Value::Text(text.into());
    for (key, value) in [
        ("u8", Value::Unsigned(200)),
        ("i8", Value::Signed(-100)),
        ("u16", Value::Unsigned(60_000)),
        ("i16", Value::Signed(-30_000)),
        ("u32", Value::Unsigned(4_000_000_000)),
        ("i32", Value::Signed(-2_000_000_000)),
        ("u64", Value::Unsigned((1 << 63) + 1)),
        ("i64", Value::Signed(-(1 << 62))),
        ("f32", Value::Float(0.1_f32.into())),
        ("f64", Value::Float(0.1)),
        ("bool", Value::Bool(true)),
        ("text", text("größer 🦜")),
        ("words", Value::List(vec![text("a"), text(""), text("ß")])),
        ("numbers", Value::List(vec![Value::Signed(1), Value::Signed(-2), Value::Signed(3)])),
        ("fractions", Value::List(vec![Value::Float(0.5), Value::Float(-0.25)])),
    ] {
        assert_eq!(reader.get(&format!("test.{key}")), Some(&value), "{key}");
    }
    assert_eq!(reader.get("general.architecture").and_then(Value::as_text), Some("demotic-test"));
    Ok(())
}

/// Every way to cut the file short, and any byte of its header changed: an error or the file, but no panic.
#[test]
fn damaged_files_are_errors() -> Result<()> {
    let whole = std::fs::read(file("blocks.gguf")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("damaged.gguf");
    // The last tensor is followed by bytes that belong to nothing.
    for len in (0..whole.len() - 32).step_by(41) {
        std::fs::write(&path, &whole[..len]).unwrap();
        let e = Reader::open(&path).unwrap_err();
        assert_eq!(e.kind(), ErrorKind::Format, "{len}: {e}");
    }
    let mut random = Rng::seed(0);
    for _ in 0..300 {
        let mut bytes = whole.clone();
        for _ in 0..2 {
            let drawn = Tensor::randint(0, 2600, [2], &mut random)?.to_vec::<i64>()?;
            bytes[drawn[0] as usize] = drawn[1] as u8;
        }
        std::fs::write(&path, bytes).unwrap();
        let Ok(reader) = Reader::open(&path) else { continue };
        for info in reader.infos() {
            let _ = reader.read(&info.name);
        }
    }
    Ok(())
}
