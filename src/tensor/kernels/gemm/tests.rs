use std::fmt::Debug;

use super::few::{Columns, Few, ROW_PARTS, Rows};
use super::product::{Part, Product};
use super::*;
use crate::parallel::with_threads;
use crate::tensor::kernels::simd::tests::on_each_level;
use crate::tensor::kernels::simd::{self, Level, dispatch};

/// An element type with the ways to compute its products besides [`gemm`].
trait Tested: Gemm + Into<f64> + Debug {
    fn of(x: f64) -> Self;
    fn check_ways(case: &Case<Self>);
}

impl Tested for f32 {
    fn of(x: f64) -> Self {
        x as f32
    }

    fn check_ways(case: &Case<f32>) {
        let (m, n) = (case.a.rows, case.b.cols);
        on_each_level(|level| {
            let mut c = case.c.clone();
            let product = case.product(&mut c);
            // SAFETY: the operands were made to fit, and `c` is ours.
            unsafe { by_tiles(level, Part { product: &product, rows: 0..m, cols: 0..n }) };
            case.check(&c, &format!("{level:?}"));
            let mut c = case.c.clone();
            let product = case.product(&mut c);
            if let Some(few) = Few::new(&product) {
                Columns { few: &few, cols: 0..few.n }.compute();
                case.check(&c, &format!("few, {level:?}"));
            }
            let mut c = case.c.clone();
            let product = case.product(&mut c);
            if let Some(few) = Few::new(&product).filter(|few| few.by_rows()) {
                let mut sums = vec![f32::NAN; ROW_PARTS * few.sums_len()];
                for (part, sums) in sums.chunks_mut(few.sums_len()).enumerate() {
                    dispatch(Rows { few: &few, part, sums });
                }
                // SAFETY: as above.
                unsafe { few.finish_parts(&mut sums) };
                case.check(&c, &format!("few by rows, {level:?}"));
            }
        });
    }
}

impl Tested for f64 {
    fn of(x: f64) -> Self {
        x
    }

    fn check_ways(_: &Case<f64>) {}
}

/// # Safety
/// As for [`Product`], and the processor must have the instruction set.
unsafe fn by_tiles(level: Level, part: Part<'_, f32>) {
    // SAFETY: passed on.
    unsafe {
        match level {
            Level::Portable => part.by_tiles::<simd::Portable>(),
            #[cfg(target_arch = "x86_64")]
            Level::Avx2 => part.by_tiles::<simd::Avx2>(),
            #[cfg(target_arch = "x86_64")]
            Level::Avx512 => part.by_tiles::<simd::Avx512>(),
        }
    }
}

struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % n
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }

    fn values<T: Tested>(&mut self, n: usize) -> Vec<T> {
        (0..n).map(|_| T::of(self.below(2001) as f64 / 1000.0 - 1.0)).collect()
    }
}

/// Row-major, column-major, both with gaps, neither stride 1, and the same row or column again and again.
const LAYOUTS: usize = 7;

fn strides(layout: usize, rows: usize, cols: usize) -> (usize, usize) {
    match layout {
        0 => (cols, 1),
        1 => (1, rows),
        2 => (cols + 3, 1),
        3 => (1, rows + 5),
        4 => (2 * cols + 1, 2),
        5 => (0, 1),
        _ => (1, 0),
    }
}

struct Operand<T> {
    data: Vec<T>,
    rows: usize,
    cols: usize,
    strides: (usize, usize),
}

impl<T: Tested> Operand<T> {
    fn random(random: &mut Random, rows: usize, cols: usize, layout: usize) -> Self {
        let strides = strides(layout, rows, cols);
        let len = extent(rows, cols, strides.0, strides.1).unwrap();
        Self { data: random.values(len), rows, cols, strides }
    }

    fn view(&self) -> MatRef<'_, T> {
        let (row_stride, col_stride) = self.strides;
        MatRef { data: &self.data, rows: self.rows, cols: self.cols, row_stride, col_stride }
    }

    fn at(&self, i: usize, j: usize) -> T {
        self.data[i * self.strides.0 + j * self.strides.1]
    }
}

/// A product with everything it takes, and its result from three loops in `f64`.
struct Case<T> {
    a: Operand<T>,
    b: Operand<T>,
    c: Vec<T>,
    c_row_stride: usize,
    alpha: T,
    beta: T,
    bias: Option<Vec<T>>,
}

const GAP: f64 = 77.0;

impl<T: Tested> Case<T> {
    fn random(random: &mut Random, m: usize, k: usize, n: usize) -> Self {
        let layouts = (random.below(LAYOUTS), random.below(LAYOUTS));
        let a = Operand::random(random, m, k, layouts.0);
        let b = Operand::random(random, k, n, layouts.1);
        let c_row_stride = n + random.pick(&[0, 0, 4]);
        let beta = random.pick(&[0.0, 0.0, 1.0, 0.3]);
        // What is not to be read or written must not show: NaN if beta is 0, a known value between the rows.
        let mut c = vec![T::of(GAP); m * c_row_stride];
        for row in c.chunks_mut(c_row_stride.max(1)) {
            let values = random.values::<T>(n);
            row[..n].iter_mut().zip(values).for_each(|(c, x)| *c = if beta == 0.0 { T::nan() } else { x });
        }
        let bias = random.pick(&[true, false]).then(|| random.values(n));
        let alpha = random.pick(&[1.0, 1.0, -0.5]);
        Self { a, b, c, c_row_stride, alpha: T::of(alpha), beta: T::of(beta), bias }
    }

    fn product<'a>(&'a self, c: &mut [T]) -> Product<'a, T> {
        Product {
            alpha: self.alpha,
            a: self.a.view().plain(),
            b: self.b.view().plain(),
            beta: self.beta,
            c: c.as_mut_ptr(),
            c_row_stride: self.c_row_stride,
            bias: self.bias.as_deref(),
        }
    }

    fn gemm(&self) -> Vec<T> {
        let mut c = self.c.clone();
        let (a, b) = (self.a.view(), self.b.view());
        gemm(self.alpha, a, b, self.beta, &mut c, self.c_row_stride, self.bias.as_deref());
        c
    }

    fn check(&self, c: &[T], how: &str) {
        let (m, k, n) = (self.a.rows, self.a.cols, self.b.cols);
        let what = || format!("{how}: {m}×{k}×{n}, strides {:?} {:?}", self.a.strides, self.b.strides);
        for i in 0..m {
            for j in 0..self.c_row_stride {
                let got: f64 = c[i * self.c_row_stride + j].into();
                if j >= n {
                    assert_eq!(got, GAP, "{}: between the rows", what());
                    continue;
                }
                let terms = (0..k).map(|p| self.a.at(i, p).into() * self.b.at(p, j).into());
                let (sum, size) = terms.fold((0.0, 0.0), |(sum, size), x: f64| (sum + x, size + x.abs()));
                let mut expected = self.alpha.into() * sum;
                if self.beta != T::zero() {
                    expected += self.beta.into() * self.c[i * self.c_row_stride + j].into();
                }
                if let Some(bias) = &self.bias {
                    expected += bias[j].into();
                }
                // The bound of every order of summation, Higham 2002, § 3.1, for k + 4 roundings.
                let bound = (k + 4) as f64 * T::epsilon().into() * (size + 2.0);
                assert!((got - expected).abs() <= bound, "{}: ({i}, {j}) is {got}, expected {expected}", what());
            }
        }
    }

    /// Every way that can compute it.
    fn check_all(&self) {
        self.check(&self.gemm(), "gemm");
        if self.a.rows == 0 || self.b.cols == 0 {
            return;
        }
        T::check_ways(self);
        if !cfg!(miri) {
            let mut c = self.c.clone();
            let product = self.product(&mut c);
            // SAFETY: the operands were made to fit, and `c` is ours.
            unsafe { Part { product: &product, rows: 0..self.a.rows, cols: 0..self.b.cols }.by_library() };
            self.check(&c, "library");
        }
    }
}

fn check_random_shapes<T: Tested>() {
    let mut random = Random(1);
    let (rounds, most) = if cfg!(miri) { (25, 20) } else { (1500, 71) };
    for _ in 0..rounds {
        let size = |random: &mut Random| match random.below(3) {
            0 => random.below(6),
            _ => random.below(most),
        };
        let (m, k, n) = (size(&mut random), size(&mut random), size(&mut random));
        Case::<T>::random(&mut random, m, k, n).check_all();
    }
}

#[test]
fn agrees_with_three_loops_f32() {
    check_random_shapes::<f32>();
}

#[test]
fn agrees_with_three_loops_f64() {
    check_random_shapes::<f64>();
}

/// Shapes beyond one block in each direction.
#[test]
#[cfg_attr(miri, ignore = "too large")]
fn blocks_join() {
    let mut random = Random(2);
    for (m, k, n) in [
        (251, 9, 530),
        (13, 800, 40),
        (243, 390, 33),
        (3, 900, 20),
        (30, 900, 2),
        (3, 130, 2100),
        (9, 3, 1100),
        (1100, 20, 33),
    ] {
        for _ in 0..4 {
            Case::<f32>::random(&mut random, m, k, n).check_all();
            Case::<f64>::random(&mut random, m, k, n).check_all();
        }
    }
}

/// Operands that do not fit into the caches, along rows and along columns.
#[test]
#[cfg_attr(miri, ignore = "too large")]
fn far_operands() {
    let mut random = Random(7);
    for (m, k, n) in [(1, 700, 803), (2, 611, 903), (3, 1203, 501), (4, 530, 1001), (803, 700, 1), (530, 1001, 4)] {
        for _ in 0..2 {
            Case::<f32>::random(&mut random, m, k, n).check_all();
        }
    }
}

/// What threads do: the same bits, wherever the product is cut.
#[test]
fn cuts_do_not_show() {
    let mut random = Random(3);
    let size = if cfg!(miri) { 12 } else { 70 };
    for round in 0..40 {
        let (m, n) =
            if round % 4 == 0 { (1 + round % 3, size) } else { (1 + random.below(size), 1 + random.below(size)) };
        let k = 1 + random.below(size);
        let case = Case::<f32>::random(&mut random, m, k, n);
        on_each_level(|level| {
            let (row, col) = (random.below(m + 1), random.below(n + 1));
            let (mut whole, mut parts) = (case.c.clone(), case.c.clone());
            let product = case.product(&mut whole);
            // SAFETY: the operands fit; parts are computed one after the other.
            unsafe {
                by_tiles(level, Part { product: &product, rows: 0..m, cols: 0..n });
                let product = case.product(&mut parts);
                for rows in [0..row, row..m] {
                    for cols in [0..col, col..n] {
                        by_tiles(level, Part { product: &product, rows: rows.clone(), cols });
                    }
                }
            }
            assert_same_bits(&whole, &parts);
            let (mut whole, mut parts) = (case.c.clone(), case.c.clone());
            let product = case.product(&mut whole);
            let Some(few) = Few::new(&product) else { return };
            let cut = random.below(few.n + 1);
            Columns { few: &few, cols: 0..few.n }.compute();
            let product = case.product(&mut parts);
            let Some(few) = Few::new(&product) else { return };
            for cols in [0..cut, cut..few.n] {
                Columns { few: &few, cols }.compute();
            }
            assert_same_bits(&whole, &parts);
        });
    }
}

fn assert_same_bits<T: Tested>(x: &[T], y: &[T]) {
    let bits = |x: &T| (*x).into().to_bits();
    assert!(x.iter().zip(y).all(|(x, y)| bits(x) == bits(y)));
}

#[test]
#[cfg_attr(miri, ignore = "too large")]
fn threads_do_not_show() {
    fn check<T: Tested>(random: &mut Random, (m, k, n): (usize, usize, usize)) {
        let case = Case::<T>::random(random, m, k, n);
        let one = with_threads(1, || case.gemm()).unwrap();
        for threads in [2, 3] {
            assert_same_bits(&one, &with_threads(threads, || case.gemm()).unwrap());
        }
    }
    let mut random = Random(4);
    // A square one, one with packed operands, and some with few rows: all long enough to be divided.
    for sizes in [(256, 256, 256), (200, 300, 300), (2, 700, 1800), (1, 1000, 900), (4, 300, 5000)] {
        check::<f32>(&mut random, sizes);
    }
    // Beyond one part in each direction, and beyond a block of the library in depth.
    for sizes in [(400, 300, 600), (193, 517, 513), (3, 700, 1800)] {
        check::<f64>(&mut random, sizes);
    }
}

#[test]
fn not_a_number_stays() {
    for (m, n) in [(1, 5), (5, 1), (6, 20), (14, 40)] {
        let k = 9;
        let mut random = Random(5);
        let (mut a, b) = (Operand::<f32>::random(&mut random, m, k, 0), Operand::<f32>::random(&mut random, k, n, 0));
        a.data[k - 1] = f32::NAN;
        let mut c = vec![0.0; m * n];
        gemm(1.0, a.view(), b.view(), 0.0, &mut c, n, None);
        assert!(c[..n].iter().all(|x| x.is_nan()), "{m}×{n}");
        assert!(c[n..].iter().all(|x| x.is_finite()), "{m}×{n}");
        a.data[k - 1] = f32::INFINITY;
        gemm(1.0, a.view(), b.view(), 0.0, &mut c, n, None);
        let last = |j: usize| b.at(k - 1, j);
        assert!((0..n).all(|j| if last(j) == 0.0 { c[j].is_nan() } else { c[j] == last(j).signum() * f32::INFINITY }));
    }
}

#[test]
fn without_terms_only_the_rest_remains() {
    let none = |rows, cols| MatRef { data: &[], rows, cols, row_stride: cols, col_stride: 1 };
    for (m, n) in [(1, 3), (3, 1), (7, 20)] {
        let mut c = vec![2.0f64; m * n];
        gemm(1.0, none(m, 0), none(0, n), 0.5, &mut c, n, Some(&vec![0.25; n]));
        assert_eq!(c, vec![1.25; m * n]);
        gemm(1.0, none(m, 0), none(0, n), 0.0, &mut c, n, None);
        assert_eq!(c, vec![0.0; m * n]);
    }
}

#[test]
fn what_does_not_fit_is_found() {
    let data = [0.0f32; 12];
    let mat = |rows, cols, row_stride, col_stride| MatRef { data: &data, rows, cols, row_stride, col_stride };
    let (a, b) = (mat(3, 4, 4, 1), mat(4, 3, 3, 1));
    assert!(fits(a, b, 9, 3, None));
    assert!(!fits(a, b, 8, 3, None), "c too short");
    assert!(!fits(a, b, 9, 2, None), "rows of c overlap");
    assert!(!fits(a, mat(3, 3, 3, 1), 9, 3, None), "inner sizes");
    assert!(!fits(mat(3, 4, 5, 1), b, 9, 3, None), "a beyond its slice");
    assert!(!fits(a, mat(4, 3, 1, usize::MAX / 2), 9, 3, None), "b beyond all memory");
    assert!(!fits(a, b, 9, 3, Some(&data[..2])), "bias");
    assert!(fits(mat(usize::MAX, 0, 0, 1), mat(0, 0, 1, 1), 0, 0, None), "empty");
}

#[test]
fn a_batch_is_its_products() {
    let mut random = Random(6);
    let sizes = [(0, 3, 3, 3), (1, 5, 4, 3), (7, 3, 4, 5), (40, 16, 9, 16), (5, 1, 20, 30), (50, 64, 64, 64)];
    for &(batch, m, k, n) in if cfg!(miri) { &sizes[..3] } else { &sizes[..] } {
        let a = Operand::<f32>::random(&mut random, batch * m, k, 0);
        let b = Operand::<f32>::random(&mut random, k, n, 1);
        let left =
            |i: usize| MatRef { data: &a.data[i * m * k..][..m * k], rows: m, cols: k, row_stride: k, col_stride: 1 };
        let (stride, gap) = (m * n + 3, GAP as f32);
        let mut c = vec![gap; batch * stride];
        with_threads(2, || gemm_batch(batch, &left, &|_| b.view(), &mut c, stride, n)).unwrap();
        for (i, c) in c.chunks(stride).enumerate() {
            let mut one = vec![f32::NAN; m * n];
            gemm(1.0, left(i), b.view(), 0.0, &mut one, n, None);
            assert_same_bits(&one, &c[..m * n]);
            assert_eq!(c[m * n..], [gap; 3]);
        }
    }
}
