use super::*;
use crate::tensor::kernels::simd::tests::on_each_level;

/// Blocks of any bytes, but with scales of ordinary size.
fn blocks(scheme: Scheme, count: usize, seed: u32) -> Vec<u8> {
    let mut state = seed;
    let mut random = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    let mut bytes: Vec<u8> = (0..count * scheme.block_bytes()).map(|_| random()).collect();
    let scales: &[usize] = match scheme {
        Scheme::Q4_1 | Scheme::Q5_1 | Scheme::Q4K | Scheme::Q5K => &[0, 2],
        Scheme::Q2K => &[80, 82],
        Scheme::Q3K => &[108],
        Scheme::Q6K => &[208],
        _ => &[0],
    };
    for block in bytes.chunks_exact_mut(scheme.block_bytes()) {
        for at in scales {
            // Between a hundredth and one, of either sign.
            block[at + 1] = 0x20 | block[at + 1] & 0x9b;
        }
    }
    bytes
}

fn numbers(len: usize) -> Vec<f32> {
    (0..len).map(|i| ((i * 37 % 101) as f32 - 50.0) / 13.0).collect()
}

#[test]
fn products_are_those_of_the_numbers() {
    for scheme in Scheme::ALL {
        for (rows, len, count) in [(3, 256, 1), (5, 512, 3), (2, 768, MOST_ROWS), (7, 96, 2), (4, 288, 1), (1, 32, 4)] {
            if len % scheme.block_len() != 0 {
                continue;
            }
            let weight = blocks(scheme, rows * len / scheme.block_len(), 7 + len as u32);
            let x = numbers(count * len);
            on_each_level(|level| {
                let mut w = vec![0.0; rows * len];
                unpack_all(scheme, &weight, &mut w);
                let mut out = vec![f32::NAN; rows * count];
                products(scheme, &weight, &Rows::new(&x, len), &mut out);
                for (i, w) in w.chunks(len).enumerate() {
                    for (j, x) in x.chunks(len).enumerate() {
                        let exact: f64 = w.iter().zip(x).map(|(w, x)| f64::from(*w) * f64::from(*x)).sum();
                        // Each number of `x` is off by at most half a step of its block.
                        let step = x.iter().fold(0.0_f32, |a, x| a.max(x.abs())) / 127.0;
                        let most: f64 = w.iter().map(|w| f64::from(w.abs() * step) * 0.51).sum();
                        let found = f64::from(out[i * count + j]);
                        assert!(
                            (found - exact).abs() <= most,
                            "{scheme} {level:?} {len}: {found} for {exact} ± {most}"
                        );
                    }
                }
            });
        }
    }
}

#[test]
fn whole_numbers_multiply_exactly() {
    // One row of ones with a scale of 1, and `x` of whole numbers of which the largest is 127.
    let mut weight = vec![0, 0x3c];
    weight.extend([1_u8; 32]);
    let x: Vec<f32> = (0..32).map(|i| (127 - 3 * i) as f32).collect();
    let exact: f32 = x.iter().sum();
    on_each_level(|_| {
        let mut out = [0.0];
        products(Scheme::Q8_0, &weight, &Rows::new(&x, 32), &mut out);
        assert_eq!(out, [exact]);
    });
}

#[test]
fn the_ends_of_the_range_multiply() {
    // −128 times ±127, which is where 16 bits end.
    let mut weight = vec![0, 0x3c];
    weight.extend([0x80_u8; 32]);
    for sign in [1.0, -1.0] {
        let x = [127.0 * sign; 32];
        on_each_level(|_| {
            let mut out = [0.0];
            products(Scheme::Q8_0, &weight, &Rows::new(&x, 32), &mut out);
            assert_eq!(out, [-128.0 * 127.0 * 32.0 * sign]);
        });
    }
}

#[test]
fn what_is_no_number_shows_in_its_own_row_alone() {
    let weight = blocks(Scheme::Q4_1, 2 * 9, 3);
    for bad in [f32::NAN, f32::INFINITY] {
        let mut x = numbers(2 * 288);
        x[5] = bad;
        on_each_level(|_| {
            let mut out = [0.0; 4];
            products(Scheme::Q4_1, &weight, &Rows::new(&x, 288), &mut out);
            assert_eq!(out.map(f32::is_nan), [true, false, true, false]);
        });
    }
    // A block without a scale that is a number does not spoil the next row, whose last chunk is shorter.
    let mut weight = weight;
    weight[8 * 20 + 1] = 0x7e;
    on_each_level(|_| {
        let mut out = [0.0; 2];
        products(Scheme::Q4_1, &weight, &Rows::new(&numbers(288), 288), &mut out);
        assert_eq!(out.map(f32::is_nan), [true, false]);
    });
}

#[test]
fn all_halves_are_read() {
    for bits in 0..=u16::MAX {
        let (own, exact) = (unpack::half(bits.to_le_bytes()), half::f16::from_bits(bits).to_f32());
        assert!(own.to_bits() == exact.to_bits() || own.is_nan() && exact.is_nan(), "{bits:x}: {own} for {exact}");
    }
}

#[test]
fn what_was_packed_is_packed_to_the_same_again() {
    let x = numbers(4 * 96);
    // Rows of `Int8` have one scale, of 32 bits, and are in a test of their own.
    for scheme in PACKED.into_iter().filter(|scheme| *scheme != Scheme::Int8) {
        let mut bytes = vec![0; x.len() / 32 * scheme.block_bytes()];
        assert!(pack(scheme, &x, &mut bytes));
        let mut near = vec![0.0; x.len()];
        unpack_all(scheme, &bytes, &mut near);
        let step = 8.0 / f32::powi(2.0, scheme.bits() as i32 - 1);
        for (near, x) in near.iter().zip(&x) {
            assert!((near - x).abs() <= step, "{scheme}: {near} for {x}");
        }
        assert!(!pack(scheme, &[1e9; 32], &mut bytes[..scheme.block_bytes()]), "{scheme}");
        assert!(pack(scheme, &[0.0; 32], &mut bytes[..scheme.block_bytes()]));
    }
}

/// Rows of weights, each behind its scale, and rows of inputs with theirs: all numbers as large as they can be, which for row `i` of the weights is
/// `most(i)`, or mixed.
fn rows_of_bytes(
    [count, rows]: [usize; 2],
    len: usize,
    is_extreme: bool,
    most: impl Fn(usize) -> i8,
) -> (Vec<u8>, Vec<i8>, Vec<f32>) {
    let q = |i: usize, most: i8| if is_extreme { most } else { ((i * 7919 + i / 13) % 255) as u8 as i8 };
    let given = (0..rows * len).map(|i| q(i, 127).max(-127)).collect();
    let scales = (0..rows).map(|j| 1.0 + j as f32 / 4.0).collect();
    let mut own = Vec::new();
    for i in 0..count {
        own.extend((0.5 + i as f32).to_le_bytes());
        own.extend((0..len).map(|k| q(k + 3 * i, most(i)) as u8));
    }
    (own, given, scales)
}

/// Up to lengths at which 32 bits would overflow, with the largest numbers there are.
#[test]
fn products_of_rows_are_exact() {
    for (count, rows, len) in [(1, 1, 1), (5, 3, 31), (4, 2, 32), (6, 5, 100), (1, 2, 140_003)] {
        let (own, given, scales) = rows_of_bytes([count, rows], len, len == 140_003, |_| -128);
        on_each_level(|level| {
            let mut out = vec![f32::NAN; count * rows];
            whole::products(&own, &given, &scales, &mut out);
            for (i, own) in own.chunks(len + 4).enumerate() {
                for (j, x) in given.chunks(len).enumerate() {
                    let exact: i64 = own[4..].iter().zip(x).map(|(w, x)| i64::from(*w as i8) * i64::from(*x)).sum();
                    let expected = exact as f32 * (scales[j] * (0.5 + i as f32));
                    assert_eq!(out[i * rows + j], expected, "{level:?} {count} {rows} {len}");
                }
            }
        });
    }
}

/// Of panels too, which may be cut off in each direction, in both orders of the results.
#[test]
fn products_of_panels_are_exact() {
    for (count, rows, len) in [(1, 1, 1), (16, 12, 4), (5, 3, 31), (33, 13, 32), (40, 50, 102), (2, 1, panels::LONGEST)]
    {
        let largest = |i| if i == 0 { 127 } else { -128 };
        let (own, given, scales) = rows_of_bytes([count, rows], len, len == panels::LONGEST, largest);
        let mut expected = vec![0.0; count * rows];
        whole::products(&own, &given, &scales, &mut expected);
        on_each_level(|level| {
            let made = panels::Panels::new(&own, len);
            let (mut by_row, mut by_lane) = (vec![f32::NAN; count * rows], vec![f32::NAN; count * rows]);
            made.products(0..made.count(), &given, &scales, &mut by_row, [count, 1]);
            for p in 0..made.count() {
                let from = p * panels::LANES * rows;
                made.products(p..p + 1, &given, &scales, &mut by_lane[from..], [1, rows]);
            }
            for (i, expected) in expected.iter().enumerate() {
                let (own, row) = (i / rows, i % rows);
                assert_eq!(by_row[row * count + own], *expected, "{level:?} {count} {rows} {len} {own} {row}");
            }
            assert_eq!(by_lane, expected, "{level:?} {count} {rows} {len}");
        });
    }
}

#[test]
fn rows_are_rounded_on_each_level_alike() {
    let x = numbers(70);
    on_each_level(|level| {
        let mut q = vec![0; 70];
        let scale = whole::round(&x, &mut q);
        assert_eq!(scale, 50.0 / 13.0 / 127.0, "{level:?}");
        for (q, x) in q.iter().zip(&x) {
            assert_eq!(f32::from(*q), (x / scale).round_ties_even(), "{level:?}");
        }
        assert!(whole::round(&[1.0, f32::INFINITY], &mut q[..2]).is_nan());
    });
}

/// `R⁻¹` with `R · Rᵀ = H`, of which `H · (Uᵀ · U)` is one.
#[test]
fn factors_invert() {
    for n in [1, 2, 70] {
        let x: Vec<f64> = (0..n * (n + 3)).map(|i| f64::from((i * 37 % 101) as u8) / 50.0 - 1.0).collect();
        let row = |i: usize| &x[i * (n + 3)..(i + 1) * (n + 3)];
        let mut h = vec![0.0; n * n];
        for i in 0..n {
            for j in 0..n {
                h[i * n + j] = row(i).iter().zip(row(j)).map(|(a, b)| a * b).sum::<f64>() + f64::from(u8::from(i == j));
            }
        }
        let mut u = h.clone();
        assert!(factor(&mut u, n));
        for i in 0..n {
            for j in 0..n {
                assert!(i <= j || u[i * n + j] == 0.0);
                let sum: f64 =
                    (0..n).map(|k| (0..n).map(|l| h[i * n + k] * u[l * n + k] * u[l * n + j]).sum::<f64>()).sum();
                assert!((sum - f64::from(u8::from(i == j))).abs() < 1e-9, "{n} {i} {j}: {sum}");
            }
        }
    }
    assert!(!factor(&mut [1.0, 2.0, 2.0, 1.0], 2) && !factor(&mut [f64::NAN], 1) && factor(&mut [], 0));
}

/// 127 by the largest of them is beyond the range of numbers.
#[test]
fn products_of_the_smallest_numbers_are_nothing() {
    let weight = blocks(Scheme::Q8_0, 2, 3);
    let x: Vec<f32> = (0..64).map(|i| if i % 2 == 0 { 1e-38 } else { -3e-40 }).collect();
    on_each_level(|level| {
        let mut out = [f32::NAN];
        products(Scheme::Q8_0, &weight, &Rows::new(&x, 64), &mut out);
        assert!(out[0].abs() < 1e-30, "{level:?}: {}", out[0]);
    });
}
