//! Parameters from several files, and from files whose names and layouts are others.

use std::collections::BTreeMap;

use demotic::io::safetensors::{Reader, Sharded, save_tensors};
use demotic::io::{Metadata, TensorInfo, TensorSource};
use demotic::models::Mlp;
use demotic::prelude::*;

#[track_caller]
fn refused<T>(result: Result<T>, kind: ErrorKind, message: &str) {
    let Err(e) = result else { panic!("no error, expected {message}") };
    assert_eq!((e.kind(), e.message().as_str()), (kind, message));
    assert!(e.to_string().contains("tests/nets/sources.rs"), "not the caller's line: {e}");
}

fn tensors(names: &[(&str, &[usize])]) -> BTreeMap<String, Tensor> {
    let mut rng = Rng::seed(1);
    let tensor = |shape: &[usize], rng: &mut Rng| Tensor::normal(shape, 0.0, 1.0, rng).unwrap();
    names.iter().map(|(name, shape)| (name.to_string(), tensor(shape, &mut rng))).collect()
}

#[test]
fn names_layouts_and_types_are_translated() -> Result<()> {
    let file = tensors(&[("m.a.kernel", &[3, 2]), ("m.a.bias", &[2]), ("other", &[1])]);
    let source = (&file)
        .prefix("m.")
        .transpose("*.kernel")?
        .to_dtype(DType::F64)
        .rename(|name| Some(name.replace("a.kernel", "weight").replace("a.", "")))?;
    let infos: Vec<_> = source.infos().into_iter().map(|info| (info.name, info.shape, info.dtype)).collect();
    let expected = [("bias", vec![2]), ("weight", vec![2, 3])];
    assert_eq!(infos, expected.map(|(name, shape)| (name.to_string(), shape, Some(DType::F64))));

    let mut linear = Linear::new(3, 2, &mut Rng::seed(0))?;
    linear.load_from(&source)?;
    let state = linear.state_dict();
    assert_eq!(state["weight"].t().to_vec::<f32>()?, file["m.a.kernel"].to_vec::<f32>()?);
    assert_eq!(state["bias"].to_vec::<f32>()?, file["m.a.bias"].to_vec::<f32>()?);

    let report = linear.load_partial_from(&(&file).rename(|name| (name != "m.a.bias").then(|| name.into()))?)?;
    assert_eq!(report.missing, ["weight", "bias"]);
    assert_eq!(report.unexpected, ["m.a.kernel", "other"]);

    refused(
        linear.load_from(&file),
        ErrorKind::Parameter,
        "load_from: the map does not fit the model: 2 missing (weight, bias), 3 unexpected (m.a.bias, m.a.kernel, other)",
    );
    let same = |_: &str| Some("x".to_string());
    refused(
        file.clone().rename(same),
        ErrorKind::Argument,
        "rename: the map: `m.a.bias` and `m.a.kernel` would both be `x`",
    );
    refused(file.clone().transpose("*.w"), ErrorKind::Argument, "transpose: the map: no tensor matches `*.w`");
    refused(file.clone().transpose("*.bias"), ErrorKind::Shape, "transpose: the map: `m.a.bias` has shape [2]");
    refused(source.read("m.a.bias"), ErrorKind::Argument, "read: the map has no tensor `m.a.bias`");
    // Integers count something.
    let counts = BTreeMap::from([("n".to_string(), Tensor::arange(3)?)]);
    assert_eq!(counts.to_dtype(DType::F32).read("n")?.dtype(), DType::I64);
    Ok(())
}

#[test]
fn a_model_in_several_files_is_one() -> Result<()> {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let model = Mlp::new(&[3, 4, 2], &mut Rng::seed(3))?;
    let state = model.state_dict();
    let mut map = serde_json::Map::new();
    let mut parts = [BTreeMap::new(), BTreeMap::new(), BTreeMap::new()];
    for (i, (name, tensor)) in state.iter().enumerate() {
        map.insert(name.clone(), format!("part-{}.safetensors", i % 3).into());
        parts[i % 3].insert(name.clone(), tensor);
    }
    for (i, part) in parts.into_iter().enumerate() {
        save_tensors(part, &Metadata::new(), at(&format!("part-{i}.safetensors")))?;
    }
    let index = |map: &serde_json::Map<String, serde_json::Value>| {
        let json = serde_json::json!({ "metadata": { "total_size": 1 }, "weight_map": map });
        std::fs::write(at("model.safetensors.index.json"), json.to_string()).unwrap();
    };
    index(&map);
    // The folder stands for the index in it.
    for path in [folder.path().to_path_buf(), at("model.safetensors.index.json")] {
        let sharded = Sharded::open(path)?;
        assert_eq!(sharded.infos().len(), state.len());
        let again = Mlp::from_source(model.config()?, &sharded)?;
        for (name, tensor) in again.state_dict() {
            assert_eq!(tensor.to_vec::<f32>()?, state[&name].to_vec::<f32>()?, "{name}");
        }
    }
    let path = at("model.safetensors.index.json").display().to_string();

    for elsewhere in ["../part-0.safetensors", "/part-0.safetensors", "a/part-0.safetensors", "..", "", "."] {
        let mut map = map.clone();
        map.insert("x".into(), elsewhere.into());
        index(&map);
        let message = format!("open: {path}: `{elsewhere}` is no name of a file beside it");
        refused(Sharded::open(folder.path()), ErrorKind::Format, &message);
    }
    let mut wrong = map.clone();
    wrong.insert("x".into(), "part-0.safetensors".into());
    index(&wrong);
    let part = at("part-0.safetensors").display().to_string();
    refused(
        Sharded::open(folder.path()),
        ErrorKind::Format,
        &format!("open: {path}: tensor `x` should be in {part}, which has none"),
    );
    wrong.insert("x".into(), "part-9.safetensors".into());
    index(&wrong);
    assert_eq!(Sharded::open(folder.path()).unwrap_err().kind(), ErrorKind::Io);
    std::fs::write(at("model.safetensors.index.json"), "{}").unwrap();
    let e = Sharded::open(folder.path()).unwrap_err();
    assert!(e.message().starts_with(&format!("open: {path}: not an index of safetensors files: missing field")), "{e}");
    Ok(())
}

/// A configuration that asks for more than there is costs nothing.
#[test]
fn a_source_of_another_model_is_refused_before_anything_is_made() -> Result<()> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.safetensors");
    let model = Mlp::new(&[3, 4, 2], &mut Rng::seed(3))?;
    model.save(&path)?;
    let larger = Mlp::new(&[3, 1000, 2], &mut Rng::seed(3))?.config()?;
    let message =
        format!("from_source: {}: the configuration is that of 6002 parameters, the file has 26", path.display());
    refused(Mlp::from_source(larger, &Reader::open(&path)?), ErrorKind::Format, &message);
    Ok(())
}

/// A source that says of itself what it likes.
struct Boastful {
    claimed: Vec<usize>,
    held: Tensor,
}

impl TensorSource for Boastful {
    fn infos(&self) -> Vec<TensorInfo> {
        let bias = TensorInfo::new("bias", [2], Some(DType::F32));
        vec![bias, TensorInfo::new("weight", self.claimed.as_slice(), Some(DType::F32))]
    }
    fn read(&self, name: &str) -> Result<Tensor> {
        if name == "bias" { Tensor::ones([2]) } else { Ok(self.held.clone()) }
    }
    fn describe(&self) -> String {
        "the source".into()
    }
}

#[test]
fn a_source_that_is_not_what_it_says_changes_nothing() -> Result<()> {
    let mut linear = Linear::new(3, 2, &mut Rng::seed(0))?;
    let before = linear.state_dict();
    let source = Boastful { claimed: vec![2, 3], held: Tensor::ones([3, 2])? };
    let message = "load_from: the source: `weight` is [3, 2], where infos() has [2, 3]";
    refused(linear.load_from(&source), ErrorKind::Shape, message);
    let after = linear.state_dict();
    for (name, value) in &before {
        assert_eq!(value.to_vec::<f32>()?, after[name].to_vec::<f32>()?, "{name}");
    }
    // More elements than can be counted.
    let source = Boastful { claimed: vec![usize::MAX, usize::MAX], held: Tensor::ones([1])? };
    let config = Linear::new(3, 2, &mut Rng::seed(0))?.config()?;
    let e = Linear::from_source(config, &source).unwrap_err();
    assert_eq!(e.kind(), ErrorKind::Parameter);
    assert!(e.message().contains("1 misshapen (weight: [18446744073709551615, "), "{e}");
    Ok(())
}

/// Each thread has a place in the file of its own.
#[test]
fn threads_read_from_one_file() -> Result<()> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.safetensors");
    let all: Vec<(String, Tensor)> =
        (0..8).map(|i| Ok((i.to_string(), Tensor::full([3000], f64::from(i))?))).collect::<Result<_>>()?;
    save_tensors(all.iter().map(|(name, tensor)| (name.as_str(), tensor)), &Metadata::new(), &path)?;
    let file = Reader::open(&path)?;
    std::thread::scope(|scope| {
        for (name, expected) in &all {
            let file = &file;
            scope.spawn(move || {
                let expected = expected.to_vec::<f32>().unwrap();
                for _ in 0..300 {
                    assert!(file.tensor(name).unwrap().to_vec::<f32>().unwrap() == expected, "{name}");
                }
            });
        }
    });
    Ok(())
}
