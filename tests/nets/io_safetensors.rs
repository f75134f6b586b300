//! Models in files, and files that mean harm.

use std::path::Path;

use demotic::io::{Metadata, safetensors, write_atomically};
use demotic::prelude::*;

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

#[test]
fn a_model_comes_back_with_its_metadata() -> Result<()> {
    let (dir, mut rng) = (folder(), Rng::seed(0));
    let path = dir.path().join("m.safetensors");
    let model = sequential![Linear::new(3, 4, &mut rng)?, Relu, Linear::new(4, 1, &mut rng)?];
    let mut metadata = Metadata::new();
    metadata.insert_json("sizes", &[3, 4, 1])?;
    model.save_with(&metadata, &path)?;
    let mut again = sequential![Linear::new(3, 4, &mut rng)?, Relu, Linear::new(4, 1, &mut rng)?];
    again.load(&path)?;
    for ((name, a), (_, b)) in model.named_parameters().iter().zip(again.named_parameters()) {
        assert_eq!(a.to_vec::<f32>()?, b.to_vec::<f32>()?, "{name}");
    }
    assert_eq!(safetensors::Reader::open(&path)?.metadata().get_json::<Vec<usize>>("sizes")?, [3, 4, 1]);
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1, "no temporary file is left");
    Ok(())
}

#[test]
fn loading_is_strict_and_changes_nothing_on_failure() -> Result<()> {
    let (dir, mut rng) = (folder(), Rng::seed(0));
    let path = dir.path().join("m.safetensors");
    Linear::new(3, 4, &mut rng)?.save(&path)?;
    let mut other = Linear::new(5, 4, &mut rng)?.without_bias();
    let before = other.weight.value()?.to_vec::<f32>()?;
    let e = other.load(&path).unwrap_err();
    assert_eq!(e.kind(), ErrorKind::Parameter);
    let text = e.to_string();
    for part in ["weight", "bias", "[4, 3]", "[4, 5]"] {
        assert!(text.contains(part), "{part} in {text}");
    }
    assert_eq!(other.weight.value()?.to_vec::<f32>()?, before);
    let report = other.load_partial(&path)?;
    assert_eq!(report.unexpected, ["bias"]);
    Ok(())
}

#[test]
fn every_type_comes_back_and_floats_are_converted_on_loading() -> Result<()> {
    let dir = folder();
    let path = dir.path().join("t.safetensors");
    let x = tensor![0.0, 1.0, 2.0];
    for dtype in [DType::F32, DType::F64, DType::F16, DType::BF16, DType::I64, DType::U8, DType::Bool] {
        safetensors::save_tensors([("x", &x.to_dtype(dtype))], &Metadata::new(), &path)?;
        let back = &safetensors::load_tensors(&path)?["x"];
        assert_eq!((back.dtype(), back.to_f64_vec()), (dtype, x.to_dtype(dtype).to_f64_vec()));
    }
    let weights = tensor![[0.5, 2.0]].to_dtype(DType::F16);
    safetensors::save_tensors([("weight", &weights)], &Metadata::new(), &path)?;
    let mut model = Linear::new(2, 1, &mut Rng::seed(0))?.without_bias();
    model.load(&path)?;
    assert_eq!(model.weight.value()?.to_vec::<f32>()?, [0.5, 2.0]);
    Ok(())
}

#[test]
fn a_failed_save_leaves_the_earlier_file_whole() -> Result<()> {
    let dir = folder();
    let path = dir.path().join("file");
    write_atomically(&path, |file| file.write_all(b"first"))?;
    let failed = write_atomically(&path, |file| {
        file.write_all(b"half of the sec")?;
        Err(std::io::Error::other("the disk is full"))
    });
    assert!(failed.unwrap_err().to_string().contains("the disk is full"));
    assert_eq!(std::fs::read(&path).unwrap(), b"first");
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    let e = Linear::new(1, 1, &mut Rng::seed(0))?.save(dir.path().join("missing/m.safetensors")).unwrap_err();
    assert_eq!(e.kind(), ErrorKind::Io);
    Ok(())
}

/// A file with this header and so many bytes of data.
fn file(header: &str, data: usize) -> Vec<u8> {
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend_from_slice(header.as_bytes());
    bytes.resize(bytes.len() + data, 0);
    bytes
}

fn refuses(what: &str, path: &Path) {
    let e = safetensors::load_tensors(path).expect_err(what);
    assert!(matches!(e.kind(), ErrorKind::Format | ErrorKind::Io | ErrorKind::DType | ErrorKind::Shape), "{what}: {e}");
    assert!(Linear::new(1, 1, &mut Rng::seed(0)).unwrap().load(path).is_err(), "{what}");
}

#[test]
fn hostile_files_are_errors() {
    let dir = folder();
    let path = dir.path().join("hostile.safetensors");
    let entry = |dtype: &str, shape: &str, from: u64, to: u64| {
        format!(r#"{{"weight":{{"dtype":"{dtype}","shape":{shape},"data_offsets":[{from},{to}]}}}}"#)
    };
    let mut lying = file("{}", 0);
    lying[..8].copy_from_slice(&u64::MAX.to_le_bytes());
    let mut longer = file("{}", 0);
    longer[..8].copy_from_slice(&1000u64.to_le_bytes());
    let overlapping = r#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}}"#;
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("empty", Vec::new()),
        ("seven bytes", vec![0; 7]),
        ("another format", b"PK\x03\x04 not a model at all, but long enough to be one".to_vec()),
        ("a header length beyond everything", lying),
        ("a header longer than the file", longer),
        ("a header that is not JSON", file("{not json", 0)),
        ("a header that is not UTF-8", [2u64.to_le_bytes().as_slice(), &[0xff, 0xfe]].concat()),
        ("a header that is a list", file("[1,2]", 0)),
        ("truncated data", file(&entry("F32", "[2]", 0, 8), 4)),
        ("more data than the header says", file(&entry("F32", "[1]", 0, 4), 8)),
        ("offsets beyond the end", file(&entry("F32", "[2]", 1000, 1008), 8)),
        ("offsets backwards", file(&entry("F32", "[2]", 8, 0), 8)),
        ("a shape that does not fit the data", file(&entry("F32", "[3]", 0, 8), 8)),
        ("a shape whose size overflows", file(&entry("F32", "[4294967296,4294967296,4294967296]", 0, 8), 8)),
        ("a negative size", file(&entry("F32", "[-1]", 0, 8), 8)),
        ("an unknown type", file(&entry("F1000", "[2]", 0, 8), 8)),
        ("more dimensions than a tensor can have", file(&entry("F32", "[1,1,1,1,1,1,1,1,1,2]", 0, 8), 8)),
        ("overlapping tensors", file(overlapping, 12)),
    ];
    for (what, bytes) in cases {
        std::fs::write(&path, bytes).unwrap();
        refuses(what, &path);
    }
    refuses("a directory", dir.path());
    let missing = dir.path().join("missing.safetensors");
    refuses("no file", &missing);
}

/// A truth value is no number: 5 would become true.
#[test]
fn numbers_do_not_become_truth_values() -> Result<()> {
    #[derive(Clone)]
    struct Masked {
        mask: demotic::layers::Buffer,
    }
    module!(Masked { mask });
    let (dir, bools) = (folder(), Tensor::from_vec(vec![true, false], [2])?);
    let path = dir.path().join("m.safetensors");
    let mut model = Masked { mask: demotic::layers::Buffer::new(bools.clone()) };
    for numbers in [DType::I64, DType::I32, DType::I8, DType::U8, DType::F32, DType::BF16] {
        let numbers = tensor![5.0, 1.0].to_dtype(numbers);
        safetensors::save_tensors([("mask", &numbers)], &Metadata::new(), &path)?;
        let e = model.load(&path).unwrap_err();
        assert!(e.message().contains("1 misshapen (mask: "), "{e}");
        assert_eq!(model.mask.get().to_vec::<bool>()?, [true, false]);
    }
    safetensors::save_tensors([("mask", &bools.logical_not()?)], &Metadata::new(), &path)?;
    model.load(&path)?;
    assert_eq!(model.mask.get().to_vec::<bool>()?, [false, true]);
    Ok(())
}
