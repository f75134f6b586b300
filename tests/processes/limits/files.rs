//! Files that say much in few bytes.

use std::fmt::Write as _;

use demotic::io::{SaveLoad, safetensors};
use demotic::layers::Linear;
use demotic::{Rng, Tensor};

use super::child::limited;

fn write(path: &std::path::Path, header: &str) {
    std::fs::write(path, [&(header.len() as u64).to_le_bytes(), header.as_bytes()].concat()).unwrap();
}

/// A header of `count` tensors without elements.
fn nothings(count: usize) -> String {
    let mut header = String::from("{");
    for i in 0..count {
        let comma = if i > 0 { "," } else { "" };
        write!(header, r#"{comma}"t{i}":{{"dtype":"F32","shape":[0],"data_offsets":[0,0]}}"#).unwrap();
    }
    header + "}"
}

/// Each of them found by its name: in linear time a matter of seconds, otherwise of hours.
#[test]
fn a_header_of_many_tensors() {
    limited("files::a_header_of_many_tensors", |cases| {
        const COUNT: usize = 200_000;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("many.safetensors");
        write(&path, &nothings(COUNT));
        cases.run("open and read all", || {
            let file = safetensors::Reader::open(&path).unwrap();
            for (i, info) in file.infos().iter().enumerate() {
                // Tensors in the same place are in the order of the header.
                assert_eq!(info.name, format!("t{i}"));
                assert_eq!(file.tensor(&info.name).unwrap().shape(), [0]);
            }
            assert_eq!(file.infos().len(), COUNT);
        });
        cases.run("load_tensors", || assert_eq!(safetensors::load_tensors(&path).unwrap().len(), COUNT));
        cases.run("load", || {
            let e = Linear::new(2, 2, &mut Rng::seed(0)).unwrap().load(&path).unwrap_err();
            assert!(e.to_string().len() < 10_000);
        });
    });
}

/// Shapes whose elements take no bytes are free to be huge.
#[test]
fn a_header_of_huge_shapes() {
    limited("files::a_header_of_huge_shapes", |cases| {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("huge.safetensors");
        for shape in
            ["0,1099511627776", "1099511627776,0", "0,18446744073709551615", "0,4294967296,4294967296,4294967296"]
        {
            write(&path, &format!(r#"{{"x":{{"dtype":"F64","shape":[{shape}],"data_offsets":[0,0]}}}}"#));
            cases.run(format!("[{shape}]"), || {
                let x: Tensor = safetensors::load_tensors(&path)?.remove("x").unwrap();
                x.sum_dims(&[0], false)
            });
        }
    });
}

#[test]
fn headers_that_contradict_themselves_say_where() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("wrong.safetensors");
    let f32 = |name: &str, shape: &str, from: usize, to: usize| {
        format!(r#""{name}":{{"dtype":"F32","shape":[{shape}],"data_offsets":[{from},{to}]}}"#)
    };
    let refused = |header: String| {
        write(&path, &format!("{{{header}}}"));
        safetensors::load_tensors(&path).unwrap_err().message()
    };
    for (header, wanted) in [
        (f32("a", "1", 0, 4) + "," + &f32("b", "1", 2, 6), "tensor `b` has the bytes 2..6, expected them from 4 on"),
        (f32("a", "1", 4, 8), "tensor `a` has the bytes 4..8, expected them from 0 on"),
        (f32("a", "3", 0, 8), "tensor `a` of shape [3] and type F32 takes 12 bytes and has 8"),
        (
            f32("a", "4294967296,4294967296", 0, 8),
            "tensor `a` of shape [4294967296, 4294967296] and type F32 has too many elements",
        ),
        (f32("a", "0", 0, 0) + "," + &f32("a", "0", 0, 0), "the header names `a` twice"),
        (r#""__metadata__":{},"__metadata__":{}"#.into(), "duplicate field `__metadata__`"),
    ] {
        let message = refused(header);
        assert!(message.contains(wanted), "{message}");
    }
    // A name that a hostile file makes long is cut.
    let message = refused(f32(&"n".repeat(5_000_000), "3", 0, 8));
    assert!(message.len() < 10_000 && message.contains("takes 12 bytes and has 8"), "{} bytes", message.len());
}
