//! The code for AVX-512, for AVX2 and for every processor gives the same results, within the accuracy that is stated for each
//! operation. The program runs itself once for each instruction set and compares what the runs print.

use std::process::Command;

use demotic::prelude::*;
use demotic::{AttentionOptions, ConvOptions};

/// Set in the runs that only compute.
const CHILD: &str = "DEMOTIC_SIMD_LEVELS_CHILD";

/// How far two ways to compute may be apart.
#[derive(Clone, Copy)]
enum Bound {
    /// Not at all.
    Bits,
    /// Units in the last place of the element. Twice the stated error of the function, as both may have it.
    Ulps(u64),
    /// A part of the largest element: for sums, in which terms may cancel.
    Largest(f64),
}

type Case = (&'static str, Bound, Tensor);

/// All exponents and signs, more densely around one, and what is special.
fn inputs(dtype: DType) -> Tensor {
    let mut values: Vec<f64> = (-2000..2000).map(|i| f64::from(i) * 0.0125).collect();
    for exponent in (-44..=38).map(|e| 10.0_f64.powi(e)) {
        values.extend([exponent, -1.7 * exponent, 3.1 * exponent]);
    }
    values.extend([0.0, -0.0, f64::INFINITY, f64::NEG_INFINITY, f64::NAN]);
    let n = values.len();
    Tensor::from_vec(values, [n]).unwrap().to_dtype(dtype)
}

fn functions(cases: &mut Vec<Case>, dtype: DType) -> Result<()> {
    use Bound::{Bits, Ulps};
    let x = inputs(dtype);
    let y = x.flip(&[0])?;
    let mut add = |name, bound, result: Tensor| cases.push((name, bound, result));
    add("add", Bits, x.add(&y)?);
    add("mul", Bits, x.mul(&y)?);
    add("div", Bits, x.div(&y)?);
    add("maximum", Bits, x.maximum(&y)?);
    add("less", Bits, x.lt(&y)?);
    add("relu", Bits, x.relu());
    add("sqrt", Bits, x.sqrt());
    add("abs", Bits, x.abs());
    add("round", Bits, x.round());
    add("to_i64", Bits, x.clamp(Some(-1e6), Some(1e6)).to_dtype(DType::I64));
    add("to_bf16", Bits, x.to_dtype(DType::BF16));
    add("to_f16", Bits, x.to_dtype(DType::F16));
    add("exp", Ulps(2), x.exp());
    add("expm1", Ulps(3), x.expm1());
    add("log", Ulps(2), x.log());
    add("log1p", Ulps(3), x.log1p());
    add("tanh", Ulps(5), x.tanh());
    add("sigmoid", Ulps(5), x.sigmoid());
    add("erf", Ulps(3), x.erf());
    add("sin", Ulps(1), x.sin());
    add("atan", Ulps(1), x.atan());
    Ok(())
}

fn sums(cases: &mut Vec<Case>, dtype: DType) -> Result<()> {
    use Bound::{Bits, Largest};
    let mut rng = Rng::seed(1);
    let mut normal = |shape: &[usize]| Tensor::normal(shape, 0.0, 1.0, &mut rng).map(|x| x.to_dtype(dtype));
    let eps = if dtype == DType::F32 { f64::from(f32::EPSILON) } else { f64::EPSILON };
    let mut add = |name, bound, result: Tensor| cases.push((name, bound, result));

    // Sizes around the tiles of the kernels, and a vector times a matrix.
    for (m, k, n) in [(1, 300, 200), (3, 5, 7), (17, 33, 65), (64, 64, 64), (130, 257, 75), (1, 1, 1), (2, 700, 3)] {
        let (a, b) = (normal(&[m, k])?, normal(&[k, n])?);
        add("matmul", Largest(eps * (k as f64).sqrt() * 2.0), a.matmul(&b)?);
        add("matmul of a transposed", Largest(eps * (k as f64).sqrt() * 2.0), a.matmul(&b.t().contiguous().t())?);
    }
    let x = normal(&[37, 1001])?;
    add("sum", Bits, x.sum());
    add("sum of columns", Bits, x.sum_dims(&[0], false)?);
    add("max", Bits, x.max()?);
    add("mean of rows", Bits, x.mean_dims(&[1], false)?);
    add("var", Largest(8.0 * eps), x.var_dims(&[1], 1.0, false)?);
    add("softmax", Largest(8.0 * eps), x.softmax(1)?);
    add("log_softmax", Largest(8.0 * eps), x.log_softmax(1)?);
    add("logsumexp", Largest(4.0 * eps), x.logsumexp_dims(&[1], false)?);
    add("cumsum", Largest(4.0 * eps), x.cumsum(1)?);
    add("gelu", Largest(4.0 * eps), x.gelu());
    add("silu", Largest(4.0 * eps), x.silu());

    let (weight, bias) = (normal(&[1001])?.tracked()?, normal(&[1001])?.tracked()?);
    let tracked = x.clone().tracked()?;
    let norm = tracked.layer_norm(&[1001], Some(&weight), Some(&bias), 1e-5)?;
    add("layer_norm", Largest(16.0 * eps), norm.detach());
    let grads = norm.square().sum().backward()?;
    for leaf in [&tracked, &weight, &bias] {
        add("gradients of layer_norm", Largest(64.0 * eps), grads.wrt(leaf)?.clone());
    }

    let shape = [2, 3, 33, 16];
    let [q, k, v] = [normal(&shape)?.tracked()?, normal(&shape)?.tracked()?, normal(&shape)?.tracked()?];
    let out = q.attention(&k, &v, &AttentionOptions::new().causal())?;
    add("attention", Largest(16.0 * eps), out.detach());
    let grads = out.square().sum().backward()?;
    for leaf in [&q, &k, &v] {
        add("gradients of attention", Largest(64.0 * eps), grads.wrt(leaf)?.clone());
    }

    // By tiles, by squares, and each channel by itself.
    for (name, outputs, kernel, groups, bound) in
        [("conv2d", 24, 5, 1, 64.0), ("conv2d by squares", 32, 3, 1, 256.0), ("conv2d of channels", 32, 3, 32, 32.0)]
    {
        let (x, w) =
            (normal(&[2, 32, 17, 19])?.tracked()?, normal(&[outputs, 32 / groups, kernel, kernel])?.tracked()?);
        let y = x.conv2d(&w, None, &ConvOptions::new().padding(1).groups(groups))?;
        add(name, Largest(bound * eps), y.detach());
        let grads = y.square().sum().backward()?;
        for leaf in [&x, &w] {
            add(name, Largest(bound * eps), grads.wrt(leaf)?.clone());
        }
    }
    Ok(())
}

/// A few steps of training: what small differences grow to.
fn training(cases: &mut Vec<Case>) -> Result<()> {
    let mut rng = Rng::seed(3);
    let x = Tensor::normal([64, 8], 0.0, 1.0, &mut rng)?;
    let y = x.sum_dims(&[1], true)?.tanh();
    let mut model = sequential![Linear::new(8, 32, &mut rng)?, Relu, Linear::new(32, 1, &mut rng)?];
    let mut optimizer = Adam::new(1e-2);
    for _ in 0..20 {
        let loss = losses::mse(&model.forward(&x, &mut Mode::train(&mut rng))?, &y)?;
        optimizer.step(&mut model, &loss.backward()?)?;
    }
    cases.push(("twenty steps of training", Bound::Largest(1e-4), model.predict(&x)?));
    Ok(())
}

fn cases() -> Result<Vec<Case>> {
    let mut cases = Vec::new();
    for dtype in [DType::F32, DType::F64] {
        functions(&mut cases, dtype)?;
        sums(&mut cases, dtype)?;
    }
    training(&mut cases)?;
    let [a, b] = [[1_i64, 2, 3], [4, 5, (1 << 60) + 1]].map(Tensor::from_nested);
    cases.push(("integers", Bound::Bits, a?.mul(&b?)?));
    Ok(cases)
}

/// An integer for each number, neighbours for neighbours. All NaN and both zeros are one number.
fn ordered(value: f64, dtype: DType) -> i64 {
    if value.is_nan() {
        return i64::MAX;
    }
    let bits = if dtype == DType::F32 { i64::from((value as f32).to_bits() as i32) } else { value.to_bits() as i64 };
    let sign = if dtype == DType::F32 { i64::from(i32::MIN) } else { i64::MIN };
    if bits < 0 { sign.wrapping_sub(bits) } else { bits }
}

#[test]
fn instruction_sets_agree() {
    let cases = cases().unwrap();
    let values: Vec<Vec<f64>> =
        cases.iter().map(|(_, _, result)| result.to_dtype(DType::F64).to_vec().unwrap()).collect();
    if std::env::var_os(CHILD).is_some() {
        for value in values.iter().flatten() {
            println!("value {:016x}", value.to_bits());
        }
        return;
    }

    for level in ["avx2", "portable"] {
        let run = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "simd_levels::instruction_sets_agree", "--nocapture", "--test-threads", "1"])
            .env(CHILD, "1")
            .env("DEMOTIC_SIMD", level)
            .output()
            .unwrap();
        assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
        let printed = String::from_utf8(run.stdout).unwrap();
        let mut other = printed
            .lines()
            .filter_map(|line| line.split_once("value ").map(|(_, bits)| bits))
            .map(|bits| f64::from_bits(u64::from_str_radix(bits, 16).unwrap()));
        for ((name, bound, result), values) in cases.iter().zip(&values) {
            let dtype = result.dtype();
            let largest = values.iter().filter(|v| v.is_finite()).fold(0.0_f64, |largest, v| largest.max(v.abs()));
            for (i, &here) in values.iter().enumerate() {
                let there = other.next().expect("a value for each");
                let same = here == there || (here.is_nan() && there.is_nan());
                let close = match *bound {
                    Bound::Bits => false,
                    Bound::Ulps(ulps) => ordered(here, dtype).abs_diff(ordered(there, dtype)) <= ulps,
                    Bound::Largest(part) => (here - there).abs() <= part * largest,
                };
                assert!(same || close, "{name} of {dtype}, element {i}: {here:e}, with {level} {there:e}");
            }
        }
        assert!(other.next().is_none(), "more values with {level}");
    }
}
