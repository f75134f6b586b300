//! Files of arrays and JSON lines that are damaged, or lie: errors word for word, and no memory for what is not there.

use demotic::data::{self, Column, Npz};
use demotic::prelude::*;
use demotic::{DType, tensor};

/// A `.npy` file with this header and these bytes behind it.
fn npy(version: u8, header: &str, data: &[u8]) -> Vec<u8> {
    let mut bytes = b"\x93NUMPY".to_vec();
    bytes.extend([version, 0]);
    match version {
        1 => bytes.extend((header.len() as u16).to_le_bytes()),
        _ => bytes.extend((header.len() as u32).to_le_bytes()),
    }
    bytes.extend(header.as_bytes());
    bytes.extend(data);
    bytes
}

fn header(descr: &str, shape: &str) -> String {
    format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}")
}

#[track_caller]
fn refused(bytes: &[u8], wanted: &str) {
    let e = data::read_npy_from(bytes).unwrap_err();
    assert_eq!(e.message(), format!("read_npy_from: {wanted}"));
    // From a file it is the same, with its name.
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.npy");
    std::fs::write(&path, bytes).unwrap();
    let message = data::read_npy(&path).unwrap_err().message();
    let place = format!("{}: ", path.display());
    let wanted = wanted.replace(" or more bytes", " bytes");
    assert_eq!(message.replace(&place, "").replace("read_npy: ", ""), wanted);
}

#[test]
fn headers_that_lie() {
    refused(&npy(1, &header("<f4", "(3,)"), &[0; 8]), "[3] elements of 4 bytes, but 8 bytes of data");
    let huge = header("<f4", "(1000000000000, 3)");
    let e = data::read_npy_from(&npy(1, &huge, &[0; 8])[..]).unwrap_err();
    assert_eq!(e.message(), "read_npy_from: [1000000000000, 3] elements of 4 bytes, but 8 bytes of data");
    for shape in ["(9223372036854775807, 2)", "(4294967296, 4294967296)"] {
        let e = data::read_npy_from(&npy(1, &header("<f8", shape), &[0; 8])[..]).unwrap_err();
        assert_eq!(e.kind(), ErrorKind::Shape, "{e}");
        assert!(e.message().ends_with("and type f64 does not fit into memory"), "{e}");
    }
    // With a size of 0 the others can be anything.
    let e = data::read_npy_from(&npy(1, &header("<f8", "(0, 99999999999999999999999)"), &[])[..]).unwrap_err();
    assert!(e.message().starts_with("read_npy_from: no shape in the header"), "{e}");
    let e = data::read_npy_from(&npy(1, &header("<f4", "(1, 1, 1, 1, 1, 1, 1, 1, 1)"), &[0; 4])[..]).unwrap_err();
    assert_eq!(e.message(), "read_npy_from: 9 dimensions, at most 8 are supported");
    refused(
        &npy(1, &header("<f4", "(-3,)"), &[0; 8]),
        &format!("no shape in the header `{}`", &header("<f4", "(-3,)")),
    );
    refused(&npy(9, "{}", &[]), "a .npy file of version 9, expected 1, 2 or 3");
    refused(&npy(1, "{}", &[]), "not all of descr, fortran_order and shape in the header `{}`");
    refused(&npy(2, "{'a': 1}", &[]), "an unknown key in the header `{'a': 1}`");
    refused(b"\x93NUM", "the file ends within its header");
    refused(b"PK\x03\x04 what is this", "this is no .npy file");
    refused(&npy(1, "\u{1}", &[])[..9], "the file ends within its header");
    let mut long = npy(2, "{}", &[]);
    long[8..12].copy_from_slice(&u32::MAX.to_le_bytes());
    refused(&long, "a header of 4294967295 bytes, at most 65536 are read");
    let mut data = vec![0; 16];
    data[8..].fill(0xff);
    refused(&npy(1, &header("<u8", "(2,)"), &data), "element 1 is 18446744073709551615, more than an i64 holds");
}

#[test]
fn more_than_there_should_be_is_said_too() {
    let bytes = npy(1, &header("<f4", "(1,)"), &[0; 12]);
    let e = data::read_npy_from(&bytes[..]).unwrap_err();
    assert_eq!(e.message(), "read_npy_from: [1] elements of 4 bytes, but 5 or more bytes of data");
}

#[test]
fn every_type_comes_back() -> Result<()> {
    let folder = tempfile::tempdir().unwrap();
    let x = tensor![[1.0, 0.0, 3.0], [0.0, 5.0, 6.0]];
    for dtype in
        [DType::F32, DType::F64, DType::F16, DType::BF16, DType::I64, DType::I32, DType::I8, DType::U8, DType::Bool]
    {
        let own = x.to_dtype(dtype);
        let path = folder.path().join("x.npy");
        // A view whose elements are not in order.
        data::write_npy(&path, &own.transpose(0, 1)?)?;
        let again = data::read_npy(&path)?;
        assert_eq!((again.dtype(), again.shape()), (dtype, &[3, 2][..]));
        assert_eq!(again.to_f64_vec(), own.transpose(0, 1)?.to_f64_vec());
        let path = folder.path().join("x.npz");
        data::write_npz(&path, &[("ä", &own), ("b/c", &own), ("empty", &Tensor::zeros([0, 2])?)])?;
        let arrays = Npz::open(&path)?;
        assert_eq!(arrays.names().collect::<Vec<_>>(), ["ä", "b/c", "empty"]);
        assert_eq!(arrays.read("b/c")?.to_f64_vec(), own.to_f64_vec());
        assert_eq!(arrays.read("empty")?.shape(), [0, 2]);
        #[cfg(feature = "gzip")]
        {
            data::write_npz_compressed(&path, &[("x", &own)])?;
            assert_eq!(Npz::open(&path)?.read("x")?.to_f64_vec(), own.to_f64_vec());
        }
        let path = folder.path().join("idx");
        let written = data::write_idx(&path, &own);
        match dtype {
            DType::F16 | DType::BF16 | DType::Bool => {
                assert_eq!(written.unwrap_err().message(), format!("write_idx: an IDX file holds no {dtype}"));
            }
            _ => assert_eq!(data::read_idx(&path)?.to_f64_vec(), own.to_f64_vec(), "{dtype}"),
        }
    }
    let path = folder.path().join("large");
    let e = data::write_idx(&path, &Tensor::from_vec(vec![1_i64 << 40], [1])?).unwrap_err();
    assert_eq!(e.message(), "write_idx: element 0 is 1099511627776, which 32 bits do not hold");
    Ok(())
}

/// An archive of one array.
fn archive() -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.npz");
    data::write_npz(&path, &[("x", &tensor![1.0, 2.0, 3.0]), ("y", &tensor![4.0])]).unwrap();
    std::fs::read(path).unwrap()
}

#[test]
fn archives_that_lie() {
    let whole = archive();
    let message = |bytes: Vec<u8>| Npz::from_bytes(bytes).unwrap_err().message();
    assert_eq!(
        message(Vec::new()),
        "Npz::from_bytes: the end of the archive is missing: the file is cut, or no archive"
    );
    for cut in 0..whole.len() {
        assert_eq!(
            message(whole[..cut].to_vec()),
            "Npz::from_bytes: the end of the archive is missing: the file is cut, or no archive"
        );
    }
    let list = whole.windows(4).position(|bytes| bytes == b"PK\x01\x02").unwrap();
    let second = list + 4 + whole[list + 4..].windows(4).position(|bytes| bytes == b"PK\x01\x02").unwrap();
    let end = whole.len() - 22;
    let with = |changes: &[(usize, &[u8])]| {
        let mut bytes = whole.clone();
        for (at, value) in changes {
            bytes[*at..*at + value.len()].copy_from_slice(value);
        }
        bytes
    };
    // A thousand entries of which there are two, and a list beyond the file.
    assert_eq!(
        message(with(&[(end + 10, &1000u16.to_le_bytes())])),
        "Npz::from_bytes: the list ends behind 2 entries of 1000"
    );
    assert_eq!(
        message(with(&[(end + 12, &0x7fff_ffff_u32.to_le_bytes())])),
        format!("Npz::from_bytes: a list of 2147483647 bytes at {list} in an archive of {} bytes", whole.len())
    );
    // A bomb: what is stored or deflated cannot be so much.
    assert_eq!(
        message(with(&[(list + 24, &0x7fff_ffff_u32.to_le_bytes())])),
        "Npz::from_bytes: `x.npy` claims 2147483647 bytes, its 140 in the archive cannot be so many"
    );
    assert_eq!(
        message(with(&[(list + 10, &[8]), (list + 24, &0x7fff_ffff_u32.to_le_bytes())])),
        "Npz::from_bytes: `x.npy` claims 2147483647 bytes, its 140 in the archive cannot be so many"
    );
    // Another: both entries are the same bytes.
    assert_eq!(message(with(&[(second + 42, &[0; 4])])), "Npz::from_bytes: `x.npy` and `y.npy` share bytes");
    assert_eq!(
        message(with(&[(list + 42, &0x7fff_ffff_u32.to_le_bytes())])),
        "Npz::from_bytes: `x.npy` lies outside of the archive"
    );
    assert_eq!(message(with(&[(list + 42, &[1])])), "Npz::from_bytes: `x.npy` does not begin where the list says");
    assert_eq!(message(with(&[(list + 8, &[1])])), "Npz::from_bytes: `x.npy` is encrypted");
    assert_eq!(
        message(with(&[(list + 10, &[12])])),
        "Npz::from_bytes: `x.npy` is packed by method 12, expected none (0) or deflate (8)"
    );
    assert_eq!(
        message(with(&[(end + 16, &[0xff; 4])])),
        "Npz::from_bytes: the 64-bit record of the archive is missing"
    );
    // One bit of an element.
    let damaged = with(&[(30 + 5 + 128, &[0xff])]);
    let e = Npz::from_bytes(damaged).unwrap().read("x").unwrap_err();
    assert_eq!(e.message(), "Npz::read: `x.npy`: the checksum is wrong: the file is damaged");
    let e = Npz::from_bytes(whole).unwrap().read("xx").unwrap_err();
    assert_eq!(e.message(), "Npz::read: there is no array `xx`");
}

#[cfg(feature = "gzip")]
#[test]
fn a_bomb_of_zeros_takes_what_its_array_takes() {
    // A header that says two numbers, and a megabyte behind it, deflated to a kilobyte.
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.npz");
    data::write_npz_compressed(&path, &[("x", &Tensor::zeros([1 << 18]).unwrap())]).unwrap();
    let bytes = std::fs::read(&path).unwrap();
    assert!(bytes.len() < 3000);
    assert_eq!(Npz::from_bytes(bytes.clone()).unwrap().read("x").unwrap().numel(), 1 << 18);
    // Cut in what is deflated, with the list as it was: the size is a lie.
    let list = bytes.windows(4).position(|bytes| bytes == b"PK\x01\x02").unwrap();
    let mut short = bytes.clone();
    short[list + 20..list + 24].copy_from_slice(&1100u32.to_le_bytes());
    let e = Npz::from_bytes(short).unwrap().read("x").unwrap_err();
    assert_eq!(e.kind(), ErrorKind::Io, "{e}");
}

#[test]
fn names_of_arrays() {
    let x = tensor![1.0];
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.npz");
    let e = data::write_npz(&path, &[("x", &x), ("x", &x)]).unwrap_err();
    assert_eq!(e.message(), "write_npz: two arrays are called `x`");
    let long = "n".repeat(70_000);
    let e = data::write_npz(&path, &[(&long, &x)]).unwrap_err();
    assert!(e.message().ends_with("…` has 70000 bytes"), "{e}");
    assert!(!path.exists());
}

#[test]
fn json_lines_that_are_none() {
    let message = |text: &str| Table::from_json_lines(text.as_bytes()).unwrap_err().message();
    for (text, wanted) in [
        ("", "there are no rows"),
        ("\n  \n", "there are no rows"),
        ("{\"a\": 1}\n{\"a\": }\n", "line 2, character 7: expected value"),
        ("{\"a\": 1} 2", "line 1, character 10: trailing characters"),
        ("{\"a\": 1", "line 1, character 7: EOF while parsing an object"),
        ("{\"a\": [1]}", "line 1, character 7: `a` is a list, a table has numbers and texts"),
        ("{\"a\": {\"b\": 1}}", "line 1, character 7: `a` is an object, a table has numbers and texts"),
        ("{\"a\": 1, \"a\": 2}", "line 1, character 12: `a` is there twice"),
        ("7", "line 1, character 1: invalid type: integer `7`, expected an object with a value for each column"),
    ] {
        let got = message(text);
        assert_eq!(got, format!("from_json_lines: {wanted}"), "{text:?}");
    }
    let e = Table::from_json_lines(&b"[{\"a\": 1}]"[..]).unwrap_err();
    let help = "each line has an object: in Python, DataFrame.to_json(path, orient=\"records\", lines=True)";
    assert_eq!(e.help(), Some(help));
    let e = Table::from_json_lines(&b"{\"a\": \"\xff\"}"[..]).unwrap_err();
    assert_eq!(e.message(), "from_json_lines: line 1: the text is not UTF-8");
    // A list deeper than any stack.
    assert!(message(&format!("{{\"a\": {}", "[".repeat(1 << 20))).contains("is a list"));
    // Each line has another name: a table of a million rows and columns.
    let sparse: String = (0..40_000).map(|i| format!("{{\"{i}\":1}}\n")).collect();
    let e = Table::from_json_lines(sparse.as_bytes()).unwrap_err();
    assert!(e.message().ends_with("most of which have few of them"), "{e}");
    let e = Table::from_columns([("x", Column::from([1.0, f64::INFINITY]))]).unwrap().to_json_lines(Vec::new());
    assert_eq!(e.unwrap_err().message(), "to_json_lines: column `x` has inf in row 1, which JSON cannot say");
}

#[test]
fn tables_come_back_from_json_lines() -> Result<()> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.jsonl");
    let table = Table::from_columns([
        ("a \"b\"", Column::from([1.5, f64::NAN, -0.1e-300])),
        ("text", [Some("x"), Some(""), Some("y\n\u{7f}ä")].into_iter().collect()),
        ("id", [Some(i128::from(u64::MAX)), Some(3), None].into_iter().collect()),
        ("none", Column::from([f64::NAN; 3])),
    ])?;
    table.write_json_lines(&path)?;
    let again = Table::read_json_lines(&path)?;
    // Of a column without any value there is nothing in the file.
    assert_eq!(again, table.drop(&["none"])?);
    let mixed =
        Table::from_json_lines(&b"{\"a\": 1}\n{}\n{\"a\": true}\n{\"a\": 2.5, \"b\": 18446744073709551615}"[..])?;
    let texts: Vec<_> = mixed.column("a")?.texts().unwrap().collect();
    assert_eq!(texts, [Some("1"), None, Some("true"), Some("2.5")]);
    assert_eq!(mixed.column("b")?.integers().unwrap().last(), Some(Some(i128::from(u64::MAX))));
    Ok(())
}
