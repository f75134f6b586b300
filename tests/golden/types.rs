//! Narrow element types against PyTorch: 16-bit numbers are computed in 32 bits and rounded, integers wrap around.

use std::collections::BTreeMap;
use std::path::Path;

use demotic::DType;
use demotic::io::safetensors::load_tensors;
use demotic::prelude::*;

fn tensors() -> BTreeMap<String, Tensor> {
    let path = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/golden/types.safetensors"));
    load_tensors(path).unwrap()
}

/// Every element as a number, its distance from the expected one in units of the last place.
fn worst(y: &Tensor, expected: &Tensor, digits: i32) -> f64 {
    assert_eq!((y.dtype(), y.shape()), (expected.dtype(), expected.shape()));
    let pairs = y.to_f64_vec().into_iter().zip(expected.to_f64_vec());
    pairs.fold(0.0, |worst: f64, (y, e)| {
        if y == e {
            return worst;
        }
        let unit = 2f64.powi((e.abs().log2().floor() as i32).max(-14) - digits);
        worst.max((y - e).abs() / unit)
    })
}

#[test]
fn sixteen_bit_numbers() -> Result<()> {
    let all = tensors();
    for (name, dtype, digits) in [("bf16", DType::BF16, 7), ("f16", DType::F16, 10)] {
        let of = |what: &str| &all[&format!("{name}.{what}")];
        let (a, b) = (of("a"), of("b"));
        assert_eq!((a.dtype(), b.dtype()), (dtype, dtype));
        let positive = &(a.abs() + 0.125);
        // What is rounded once must be the same; of elementary functions, the last digit may tip over.
        for (op, y, units) in [
            ("neg", a.neg(), 0.0),
            ("abs", a.abs(), 0.0),
            ("sqrt", positive.sqrt(), 0.0),
            ("relu", a.relu(), 0.0),
            ("square", a.square(), 0.0),
            ("add", a.add(b)?, 0.0),
            ("sub", a.sub(b)?, 0.0),
            ("mul", a.mul(b)?, 0.0),
            ("div", a.div(b)?, 0.0),
            ("maximum", a.maximum(b)?, 0.0),
            ("minimum", a.minimum(b)?, 0.0),
            ("exp", a.exp(), 1.0),
            ("log", positive.log(), 1.0),
            ("tanh", a.tanh(), 1.0),
            ("sigmoid", a.sigmoid(), 1.0),
            ("sin", a.sin(), 1.0),
            ("erf", a.erf(), 1.0),
            ("gelu", a.gelu(), 1.0),
            ("silu", a.silu(), 1.0),
        ] {
            let found = worst(&y, of(op), digits);
            assert!(found <= units, "{name} {op}: {found} units of the last place");
        }
        // PyTorch rounds the gradient to 16 bits on the way, here it stays in 32.
        let w = a.to_dtype(DType::F32).tracked()?;
        let loss = w.to_dtype(dtype).mul(b)?.to_dtype(DType::F32).square().sum();
        let gradient = loss.backward()?.wrt(&w)?.clone();
        let found = worst(&gradient, of("gradient"), digits);
        assert!(found <= 2.0, "{name} gradient: {found} units of the last place");
    }
    Ok(())
}

#[test]
fn narrow_integers() -> Result<()> {
    let all = tensors();
    for (name, dtype) in [("i8", DType::I8), ("u8", DType::U8), ("i32", DType::I32)] {
        let of = |what: &str| &all[&format!("{name}.{what}")];
        let (a, b) = (of("a"), of("b"));
        assert_eq!((a.dtype(), b.dtype()), (dtype, dtype));
        for (op, y) in [
            ("add", a.add(b)?),
            ("sub", a.sub(b)?),
            ("mul", a.mul(b)?),
            ("floor_divide", a.floor_divide(b)?),
            ("remainder", a.remainder(b)?),
            ("maximum", a.maximum(b)?),
            ("minimum", a.minimum(b)?),
            ("eq", a.eq(b)?),
            ("lt", a.lt(b)?),
            ("ge", a.ge(b)?),
            ("sum", a.sum()),
            ("cumsum", a.cumsum(1)?),
            ("amax", a.amax(&[1], false)?),
            ("argsort", a.argsort(1, false)?),
            ("to_f32", a.to_dtype(DType::F32)),
        ] {
            let expected = of(op);
            assert_eq!((y.dtype(), y.shape()), (expected.dtype(), expected.shape()), "{name} {op}");
            assert_eq!(y.to_f64_vec(), expected.to_f64_vec(), "{name} {op}");
        }
    }
    Ok(())
}
