use super::*;
use crate::tensor;

const DTYPES: [DType; 9] =
    [DType::F32, DType::F64, DType::BF16, DType::F16, DType::I64, DType::I32, DType::I8, DType::U8, DType::Bool];

fn binary(x: &impl Serialize) -> Vec<u8> {
    bincode::serde::encode_to_vec(x, bincode::config::standard()).unwrap()
}

fn from_binary(bytes: &[u8]) -> Result<Tensor, bincode::error::DecodeError> {
    bincode::serde::decode_from_slice(bytes, bincode::config::standard()).map(|(x, _)| x)
}

#[track_caller]
fn assert_same(a: &Tensor, b: &Tensor) {
    assert_eq!((a.dtype(), a.shape(), a.to_le_bytes()), (b.dtype(), b.shape(), b.to_le_bytes()));
}

#[test]
fn every_type_and_shape_comes_back() {
    let x = tensor![[0.0, -1.5, f32::INFINITY], [1.0, f32::NAN, 65504.0]];
    for dtype in DTYPES {
        for shape in [&[2, 3][..], &[6], &[3, 1, 2], &[1, 1, 1, 1, 1, 1, 2, 3]] {
            let x = x.to_dtype(dtype).reshape(shape).unwrap();
            assert_same(&x, &serde_json::from_str(&serde_json::to_string(&x).unwrap()).unwrap());
            assert_same(&x, &from_binary(&binary(&x)).unwrap());
        }
        for empty in [Tensor::full_dtype([0], 0.0, dtype).unwrap(), Tensor::full_dtype([2, 0], 0.0, dtype).unwrap()] {
            assert_same(&empty, &from_binary(&binary(&empty)).unwrap());
        }
    }
    let scalar = Tensor::from_nested(i64::MIN + 1).unwrap();
    assert_same(&scalar, &from_binary(&binary(&scalar)).unwrap());
}

#[test]
fn the_format_stays_as_it_is() {
    let json = r#"{"dtype":"F32","shape":[2],"data":[0,0,128,63,0,0,0,192]}"#;
    assert_eq!(serde_json::to_string(&tensor![1.0, -2.0]).unwrap(), json);
}

#[test]
fn views_are_saved_as_they_look_and_without_gradients() {
    let x = tensor![[1.0, 2.0], [3.0, 4.0]].tracked().unwrap();
    let back = from_binary(&binary(&x.t())).unwrap();
    assert_eq!(back.to_vec::<f32>().unwrap(), [1.0, 3.0, 2.0, 4.0]);
    assert!(!back.is_tracked());
}

/// The message with which both formats refuse it.
#[track_caller]
fn refusal(shape: &[usize], data: &[u8]) -> String {
    let hostile = Portable { dtype: DType::F32, shape: shape.to_vec(), data: data.to_vec() };
    let message = serde_json::from_str::<Tensor>(&serde_json::to_string(&hostile).unwrap()).unwrap_err().to_string();
    assert!(from_binary(&binary(&hostile)).unwrap_err().to_string().contains(&message));
    message
}

#[test]
fn lengths_that_lie_are_refused_word_for_word() {
    assert_eq!(refusal(&[3], &[0; 8]), "deserialize: 8 bytes for shape [3] of f32, which takes 12");
    assert_eq!(refusal(&[2], &[0; 9]), "deserialize: 9 bytes for shape [2] of f32, which takes 8");
    assert_eq!(refusal(&[0], &[0; 4]), "deserialize: 4 bytes for shape [0] of f32, which takes 0");
    assert_eq!(refusal(&[], &[]), "deserialize: 0 bytes for shape [] of f32, which takes 4");
}

#[test]
fn giant_shapes_take_no_memory() {
    crate::memory::reset_peak();
    let before = crate::memory::stats().peak_bytes;
    assert!(refusal(&[1 << 40], &[0; 4]).contains("which takes 4398046511104"));
    for shape in [&[usize::MAX][..], &[usize::MAX, usize::MAX], &[1 << 31, 1 << 31, 4], &[usize::MAX, 2, 0]] {
        assert!(refusal(shape, &[0; 4]).contains("does not fit into memory"), "{shape:?}");
    }
    assert!(refusal(&[1; 9], &[0; 4]).contains("9 dimensions, at most 8 are supported"));
    assert!(crate::memory::stats().peak_bytes.saturating_sub(before) < 1 << 30);
    // A claim of 2^62 bytes with nothing behind it.
    let mut bytes = binary(&(DType::F32, vec![1usize << 60], 1u64 << 62));
    assert!(from_binary(&bytes).is_err());
    bytes.truncate(3);
    assert!(from_binary(&bytes).is_err());
}

#[test]
fn every_truncation_is_refused() {
    let bytes = binary(&tensor![[1.0, 2.0], [3.0, 4.0]]);
    for len in 0..bytes.len() {
        assert!(from_binary(&bytes[..len]).is_err(), "{len} bytes");
    }
}

#[test]
fn other_contents_are_refused() {
    for json in [
        "null",
        "[]",
        "{}",
        r#"{"dtype":"F31","shape":[1],"data":[0,0,0,0]}"#,
        r#"{"dtype":"F32","shape":[-1],"data":[0,0,0,0]}"#,
        r#"{"dtype":"F32","shape":[1],"data":[0,0,0,256]}"#,
        r#"{"dtype":"F32","shape":1,"data":[0,0,0,0]}"#,
    ] {
        assert!(serde_json::from_str::<Tensor>(json).is_err(), "{json}");
    }
}

#[test]
fn any_byte_but_zero_is_true() {
    let x = serde_json::from_str::<Tensor>(r#"{"dtype":"Bool","shape":[3],"data":[0,1,255]}"#).unwrap();
    assert_eq!(x.to_vec::<bool>().unwrap(), [false, true, true]);
}
