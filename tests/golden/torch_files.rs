//! Files of `torch.save`, against what PyTorch has in them; and files that nobody should read.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use demotic::io::{TensorSource, open_source, pytorch};
use demotic::prelude::*;

type Expected = BTreeMap<String, BTreeMap<String, (Vec<usize>, Option<Vec<f64>>)>>;

fn folder() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/golden/pytorch"))
}

fn same(source: &dyn TensorSource, expected: &Expected, name: &str) -> Result<()> {
    let tensors = &expected[name];
    for (tensor, (shape, values)) in tensors {
        let read = source.read(tensor)?;
        assert_eq!(read.shape(), *shape, "{name} {tensor}");
        assert_eq!(&read.to_f64_vec(), values.as_ref().unwrap(), "{name} {tensor}");
        let info = source.infos().into_iter().find(|info| info.name == *tensor).unwrap();
        assert_eq!((info.shape, info.dtype), (shape.clone(), Some(read.dtype())), "{name} {tensor}");
    }
    Ok(())
}

#[test]
fn what_pytorch_saved_is_read() -> Result<()> {
    let expected: Expected = serde_json::from_slice(&std::fs::read(folder().join("expected.json")).unwrap()).unwrap();
    for name in expected.keys() {
        if let Some((file, part)) = name.split_once(' ') {
            same(&pytorch::Reader::open_part(folder().join(file), part)?, &expected, name)?;
            continue;
        }
        let file = open_source(folder().join(name))?;
        same(&*file, &expected, name)?;
        let unknown = usize::from(name == "unknown.pth");
        assert_eq!(file.infos().len(), expected[name].len() + unknown, "{name}");
    }
    let file = pytorch::Reader::open(folder().join("new.pth"))?;
    let types = [("float16", DType::F16), ("bfloat16", DType::BF16), ("int16", DType::I64), ("uint8", DType::U8)];
    for (name, dtype) in types.into_iter().chain([("bool", DType::Bool), ("uint32", DType::I64)]) {
        assert_eq!(file.read(name)?.dtype(), dtype);
    }
    Ok(())
}

#[test]
fn parts_of_a_checkpoint() -> Result<()> {
    let path = folder().join("checkpoint.pth");
    let mut model =
        sequential![Linear::new(3, 4, &mut Rng::seed(1))?, BatchNorm1d::new(4)?, Linear::new(4, 2, &mut Rng::seed(1))?];
    model.load_from(&pytorch::Reader::open(&path)?)?;
    assert_eq!(pytorch::Reader::open_part(&path, "")?.infos().len(), 9 + 18);
    let message = pytorch::Reader::open_part(&path, "optimiser").unwrap_err().message();
    let there = "epoch, best, big, flags, size, type, device, bytes, state_dict, optimizer";
    assert_eq!(message, format!("open_part: {}: there is no part `optimiser`; there are {there}", path.display()));
    let file = pytorch::Reader::open(folder().join("unknown.pth"))?;
    let message = file.read("c").unwrap_err().message();
    assert!(message.ends_with("tensor `c` has elements of type complex64, which tensors cannot hold"), "{message}");
    Ok(())
}

/// A file of the old form with this pickle, these keys of storages, and what is behind them.
fn old(pickle: &[u8], keys: &[&str], rest: &[u8]) -> Vec<u8> {
    let mut bytes = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02M\xe9\x03.\x80\x02}.".to_vec();
    bytes.extend(pickle);
    bytes.extend(b"\x80\x02](");
    keys.iter().for_each(|key| bytes.extend(text(key)));
    bytes.extend(b"e.");
    bytes.extend(rest);
    bytes
}

fn text(text: &str) -> Vec<u8> {
    [&b"X"[..], &(text.len() as u32).to_le_bytes(), text.as_bytes()].concat()
}

/// A tensor of a storage `0` with so many elements.
fn tensor(count: u32, offset: u32, shape: &[u32], strides: &[u32]) -> Vec<u8> {
    let number = |n: &u32| [&b"J"[..], &n.to_le_bytes()].concat();
    let tuple = |numbers: &[u32]| [&b"("[..], &numbers.iter().flat_map(number).collect::<Vec<_>>(), b"t"].concat();
    let storage = [&text("storage")[..], b"ctorch\nFloatStorage\n", &text("0"), &text("cpu"), &number(&count), b"N"];
    [
        &b"ctorch._utils\n_rebuild_tensor_v2\n(("[..],
        &storage.concat(),
        b"tQ",
        &number(&offset),
        &tuple(shape),
        &tuple(strides),
        b"\x89}tR",
    ]
    .concat()
}

fn open(bytes: &[u8]) -> Result<pytorch::Reader> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.pth");
    std::fs::write(&path, bytes).unwrap();
    pytorch::Reader::open(path)
}

#[track_caller]
fn refused(bytes: &[u8], expected: &str) {
    let e = open(bytes).unwrap_err();
    assert_eq!(e.kind(), ErrorKind::Format);
    let message = e.message();
    let message = message.split_once("a.pth: ").unwrap().1;
    assert_eq!(message, expected);
}

#[test]
fn hostile_pickles_are_refused_by_name() {
    let of = |pickle: &[u8]| old(pickle, &[], &[]);
    let wants = |name: &str| {
        format!("the pickle wants `{name}`, which is no tensor and no plain container; nothing was executed")
    };
    refused(&of(b"\x80\x02cos\nsystem\n(X\x04\x00\x00\x00truetR."), &wants("os.system"));
    refused(&of(b"\x80\x04\x8c\x08builtins\x8c\x04eval\x93\x8c\x011\x85R."), &wants("builtins.eval"));
    refused(&of(b"\x80\x02(ios\nsystem\n."), &wants("os.system"));
    refused(&of(b"\x80\x02}ctorch.nn.modules.linear\nLinear\n)\x81}bs."), &wants("torch.nn.modules.linear.Linear"));
    refused(&of(b"\x80\x02ctorch\nload\n."), &wants("torch.load"));
    refused(
        &of(b"\x80\x02ccollections\nOrderedDict\n)\x81."),
        "the pickle makes an object, which is no tensor and no plain container",
    );
    let e = open(&of(b"cnumpy.core.multiarray\nscalar\n.")).unwrap_err();
    assert_eq!(e.help(), Some("in Python, save the tensors alone: torch.save(model.state_dict(), path)"));

    refused(&of(b"."), "the pickle takes more from its stack than there is");
    refused(&of(b"(0."), "the pickle takes more from its stack than there is");
    refused(&of(b"h\x07."), "the pickle has nothing at place 7 of its memory");
    refused(&of(b"e."), "the pickle has no mark where it needs one");
    refused(&of(b"K\x01K\x02a."), "the pickle appends to what is no list");
    refused(&of(b"](K\x01u."), "the pickle sets items of what is no dictionary");
    refused(&of(b"}K\x01)R."), "the pickle calls what is no function");
    refused(&of(b"\x80\x09."), "a pickle of version 9, expected at most 5");
    refused(&of(b"\xff."), "the pickle has the unknown instruction 0xff");
    refused(&of(b"I1\n."), "a pickle in the form of a text (version 0)");
    refused(&of(b"}."), "there are no tensors in it; there are ");
    // Lengths that are not there, and that nothing could hold.
    refused(&of(b"X\xff\xff\xff\0abc"), "the file ends within its pickle");
    refused(&of(b"\x8d\xff\xff\xff\xff\xff\xff\xff\xff"), "a pickle of more than 268435456 bytes");
    refused(&of(&[b"(".repeat(5 << 20), b"t.".to_vec()].concat()), "a pickle of more than 4194304 marks");
    // In circles, deep, and many times the same.
    let circle = "containers that hold too many others, or themselves";
    refused(&of(&[&b"}q\0"[..], &text("a"), b"h\0s."].concat()), circle);
    refused(&of(&[&b"]q\0h\0a."[..]].concat()), circle);
    refused(&of(&[b"]".repeat(100_000), b"a".repeat(99_999), b".".to_vec()].concat()), circle);
    let doubled: Vec<u8> = (0..30u8).flat_map(|i| [b'(', b'h', i, b'h', i, b'l', b'q', i + 1]).collect();
    refused(&of(&[&b"]q\0"[..], &doubled, b"."].concat()), circle);
}

#[test]
fn tensors_that_lie_are_refused() -> Result<()> {
    let floats = |n: u64| [&n.to_le_bytes()[..], &vec![0; 4 * n as usize]].concat();
    let of = |tensor: Vec<u8>, rest: Vec<u8>| old(&[&b"}"[..], &text("x"), &tensor, b"s."].concat(), &["0"], &rest);
    let good = open(&of(tensor(6, 1, &[2, 2], &[1, 2]), floats(6)))?;
    assert_eq!(good.read("x")?.to_vec::<f32>()?, [0.0; 4]);
    let outside = |shape: &str, strides: &str, from: u32| {
        format!("tensor `x` of shape {shape} with strides {strides} from element {from} on lies outside of its storage")
    };
    refused(&of(tensor(6, 4, &[2, 2], &[1, 2]), floats(6)), &outside("[2, 2]", "[1, 2]", 4));
    let most = i32::MAX as u32;
    refused(
        &of(tensor(6, 0, &[most; 3], &[most; 3]), floats(6)),
        &outside(&format!("{:?}", [most; 3]), &format!("{:?}", [most; 3]), 0),
    );
    refused(&of(tensor(6, 0, &[most, 8], &[0, 1]), floats(6)), &outside(&format!("[{most}, 8]"), "[0, 1]", 0));
    let too_often = format!("tensor `x` of shape [{most}, 6] repeats the elements of a storage of 6 too often");
    refused(&of(tensor(6, 0, &[most, 6], &[0, 1]), floats(6)), &too_often);
    refused(
        &of(tensor(9, 0, &[2], &[1]), floats(6)),
        "tensor `x` has a storage of 9 elements, for which there are 24 bytes",
    );
    refused(&of(tensor(6, 0, &[2], &[1]), floats(6)[..20].to_vec()), "the file ends within the storage `0`");
    refused(&of(tensor(6, 0, &[2], &[1]), u64::MAX.to_le_bytes().to_vec()), "the file ends within the storage `0`");
    refused(&of(tensor(6, 0, &[1; 9], &[1; 9]), floats(6)), "a tensor of 9 dimensions (of at most 8) with 9 strides");
    let negative = (-1i32) as u32;
    refused(&of(tensor(6, 0, &[negative], &[1]), floats(6)), "a tensor whose offset, shape or strides are no sizes");
    let none = old(&[&b"}"[..], &text("x"), &tensor(6, 0, &[2], &[1]), b"s."].concat(), &[], &[]);
    refused(&none, "the storage `0` is missing");
    let twice = [&b"}"[..], &text("x"), &tensor(2, 0, &[2], &[1]), b"s", &text("x"), &tensor(2, 0, &[1], &[1]), b"s."];
    refused(&old(&twice.concat(), &["0"], &floats(2)), "two tensors are called `x`");
    Ok(())
}

#[test]
fn damaged_files_are_errors_or_other_numbers() {
    let read_all = |path: &Path| -> Result<()> {
        let file = pytorch::Reader::open(path)?;
        file.infos().iter().try_for_each(|info| file.read(&info.name).map(drop))
    };
    let made = tempfile::tempdir().unwrap();
    let path = made.path().join("a.pth");
    for name in ["old.pth", "new.pth"] {
        let bytes = std::fs::read(folder().join(name)).unwrap();
        for end in (0..bytes.len()).step_by(23) {
            std::fs::write(&path, &bytes[..end]).unwrap();
            assert!(read_all(&path).is_err(), "{name} cut to {end} bytes");
        }
        for at in (0..bytes.len()).step_by(11) {
            let mut bytes = bytes.clone();
            bytes[at] ^= 1 << (at % 8);
            std::fs::write(&path, &bytes).unwrap();
            let _ = read_all(&path);
        }
    }
}
