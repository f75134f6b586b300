//! Matrix products on one thread, beside those of other libraries: `cargo bench --bench products -- [SHAPE] [--rounds N]`.
//!
//! For each shape `rows x in x out`: `x.linear(&w)` with a weight `[out, in]` and its two gradients, then the first of these
//! by `matrixmultiply` and `faer`, in GFLOP/s and as a share of what the multiply-add units of the core can do, which is
//! measured in the same run. The products take turns, and each counts with its fastest round. `DEMOTIC_SIMD=avx2` narrows ours;
//! the other libraries look at the processor themselves.

use std::hint::black_box;
use std::time::Instant;

use demotic::prelude::*;
use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, MatRef, Par};

const SHAPES: [(usize, usize, usize); 5] =
    [(32, 64, 64), (128, 784, 256), (256, 768, 3072), (1024, 1024, 1024), (256, 768, 50257)];

/// Multiplications and additions in a measurement of a small product, which is repeated so many times.
const LEAST_FLOP: f64 = 2e7;
const ROUNDS: usize = 60;

fn main() -> Result<()> {
    let (mut wanted, mut rounds) = (None, ROUNDS);
    let mut args = std::env::args().skip(1).filter(|arg| arg != "--bench");
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--rounds" => rounds = args.next().and_then(|n| n.parse().ok()).unwrap_or(rounds),
            _ => wanted = Some(arg),
        }
    }
    demotic::parallel::with_threads(1, || {
        for (m, k, n) in SHAPES {
            let name = format!("{m}x{k}x{n}");
            if wanted.as_ref().is_none_or(|wanted| name.contains(wanted)) {
                compare(&name, (m, k, n), rounds)?;
            }
        }
        Ok(())
    })?
}

/// Measures one shape and prints a line.
fn compare(name: &str, (m, k, n): (usize, usize, usize), rounds: usize) -> Result<()> {
    let rng = &mut Rng::seed(0);
    let x = Tensor::normal([m, k], 0.0, 1.0, rng)?;
    let w = Tensor::normal([n, k], 0.0, 1.0, rng)?;
    let grad = Tensor::normal([m, n], 0.0, 1.0, rng)?;
    let (rows, weight) = (x.to_vec::<f32>()?, w.to_vec::<f32>()?);
    let (mut by_matrixmultiply, mut by_faer) = (vec![0.0f32; m * n], vec![0.0f32; m * n]);
    let faer_of = |out: &mut [f32]| {
        let (a, b) = (MatRef::from_row_major_slice(&rows, m, k), MatRef::from_row_major_slice(&weight, n, k));
        matmul(MatMut::from_row_major_slice_mut(out, m, n), Accum::Replace, a, b.transpose(), 1.0, Par::Seq);
    };
    let ours = x.linear(&w, None)?.to_vec::<f32>()?;
    faer_of(&mut by_faer);
    matrixmultiply_of(&rows, &weight, (m, k, n), &mut by_matrixmultiply);
    // Whoever is fast must also be right.
    let tolerance = 1e-4 * (k as f32).sqrt() * 10.0;
    for other in [&by_faer, &by_matrixmultiply] {
        assert!(ours.iter().zip(other).all(|(a, b)| (a - b).abs() <= tolerance), "{name}: the libraries differ");
    }

    let flop = 2.0 * (m * k * n) as f64;
    let times = (LEAST_FLOP / flop).ceil() as usize;
    let rounds = if flop > 1e10 { rounds.div_ceil(10) } else { rounds };
    let mut best = [f64::MAX; 5];
    let mut peak: f64 = 0.0;
    for _ in 0..rounds {
        let mut measure = |i: usize, f: &mut dyn FnMut()| {
            let start = Instant::now();
            (0..times).for_each(|_| f());
            best[i] = best[i].min(start.elapsed().as_secs_f64() / times as f64);
        };
        measure(0, &mut || drop(black_box(x.linear(&w, None))));
        measure(1, &mut || drop(black_box(grad.matmul(&w))));
        measure(2, &mut || drop(black_box(grad.t().matmul(&x))));
        measure(3, &mut || matrixmultiply_of(&rows, &weight, (m, k, n), &mut by_matrixmultiply));
        measure(4, &mut || faer_of(&mut by_faer));
        peak = peak.max(peak_flops(LEAST_FLOP as usize));
    }
    let columns = ["forward", "grad of x", "grad of w", "matrixmultiply", "faer"];
    print!("{name:<16} peak {:6.1}", peak / 1e9);
    for (column, time) in columns.iter().zip(best) {
        print!("  {column} {:6.1} ({:.0} %)", flop / time / 1e9, 100.0 * flop / time / peak);
    }
    println!();
    Ok(())
}

fn matrixmultiply_of(x: &[f32], w: &[f32], (m, k, n): (usize, usize, usize), out: &mut [f32]) {
    assert!(x.len() == m * k && w.len() == n * k && out.len() == m * n);
    // SAFETY: matrices of these sizes and strides lie within the slices.
    unsafe {
        matrixmultiply::sgemm(
            m,
            k,
            n,
            1.0,
            x.as_ptr(),
            k as isize,
            1,
            w.as_ptr(),
            1,
            k as isize,
            0.0,
            out.as_mut_ptr(),
            n as isize,
            1,
        );
    }
}

/// Multiplications and additions in a second, where nothing else is done: independent ones, more than are under way at a time,
/// on vectors as wide as ours.
#[cfg(target_arch = "x86_64")]
fn peak_flops(flop: usize) -> f64 {
    let narrow = std::env::var_os("DEMOTIC_SIMD").is_some_and(|level| level == "avx2");
    // SAFETY: both sets are asked for first.
    unsafe {
        match (is_x86_feature_detected!("avx512f"), is_x86_feature_detected!("fma")) {
            (true, _) if !narrow => x86::peak_512(flop),
            (_, true) => x86::peak_256(flop),
            (_, _) => f64::NAN,
        }
    }
}

/// Not known how to measure it here.
#[cfg(not(target_arch = "x86_64"))]
fn peak_flops(_: usize) -> f64 {
    f64::NAN
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::*;
    use std::hint::black_box;
    use std::time::Instant;

    macro_rules! peak {
        ($name:ident, $features:literal, $vec:ty, $width:literal, $sums:literal, $splat:ident $mul_add:ident) => {
            #[target_feature(enable = $features)]
            pub fn $name(flop: usize) -> f64 {
                let (a, b) = black_box(($splat(0.999), $splat(0.001)));
                let mut sums = [$splat(1.0); $sums];
                let turns = flop / (2 * $width * $sums);
                let start = Instant::now();
                for _ in 0..turns {
                    for sum in &mut sums {
                        *sum = $mul_add(*sum, a, b);
                    }
                }
                black_box(sums);
                (turns * 2 * $width * $sums) as f64 / start.elapsed().as_secs_f64()
            }
        };
    }
    peak!(peak_512, "avx512f", __m512, 16, 20, _mm512_set1_ps _mm512_fmadd_ps);
    peak!(peak_256, "avx2,fma", __m256, 8, 12, _mm256_set1_ps _mm256_fmadd_ps);
}
