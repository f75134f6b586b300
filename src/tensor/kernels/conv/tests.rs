use super::*;
use crate::parallel::with_threads;
use crate::tensor::kernels::simd::tests::on_each_level;

/// Small numbers, whose sums have no rounding errors.
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        ((self.0 >> 33) as usize) % n
    }

    fn numbers(&mut self, len: usize) -> Vec<f32> {
        (0..len).map(|_| self.below(7) as f32 - 3.0).collect()
    }
}

/// A convolution with all three of its operands.
struct Case {
    g: Geometry,
    x: Vec<f32>,
    w: Vec<f32>,
    y: Vec<f32>,
}

fn size(sizes: &[usize]) -> usize {
    sizes.iter().product()
}

/// Strides of `[batch, channels, d, h, w]`, with the channels last or not.
fn strides(channels: usize, [d, h, w]: [usize; 3], last: bool) -> [usize; 5] {
    if last {
        [d * h * w * channels, 1, h * w * channels, w * channels, channels]
    } else {
        [channels * d * h * w, d * h * w, h * w, w, 1]
    }
}

impl Case {
    fn new(random: &mut Random, g: Geometry) -> Self {
        let x = random.numbers(g.batch * g.channels * size(&g.input));
        let w = random.numbers(g.outputs * g.depth());
        let y = random.numbers(g.batch * g.outputs * size(&g.output));
        Self { g, x, w, y }
    }

    fn random(random: &mut Random, most: usize, channels: usize) -> Self {
        let each = |random: &mut Random, least: usize, n: usize| [0; 3].map(|_| least + random.below(n));
        loop {
            let groups = 1 + random.below(3);
            let (kernel, stride) = (each(random, 1, 3), each(random, 1, 3));
            let (padding, dilation) = (each(random, 0, 4), each(random, 1, 2));
            let mut input = each(random, 1, most);
            if random.below(2) == 0 {
                input[0] = 1;
            }
            let extent: [usize; 3] = std::array::from_fn(|d| dilation[d] * (kernel[d] - 1) + 1);
            if (0..3).any(|d| input[d] + 2 * padding[d] < extent[d]) {
                continue;
            }
            let output = std::array::from_fn(|d| (input[d] + 2 * padding[d] - extent[d]) / stride[d] + 1);
            let (batch, channels) = (1 + random.below(3), groups * (1 + random.below(channels)));
            let outputs = groups * (1 + random.below(channels));
            let g = Geometry { batch, channels, outputs, groups, input, output, kernel, stride, padding, dilation };
            return Self::new(random, g);
        }
    }

    /// Calls `f` with the indices of the elements of `x`, `w` and `y`, channels in the middle, of every product.
    fn products(&self, f: &mut dyn FnMut(usize, usize, usize)) {
        let g = &self.g;
        let (xs, ys) = (strides(g.channels, g.input, false), strides(g.outputs, g.output, false));
        let (channels, outputs) = (g.channels / g.groups, g.outputs / g.groups);
        for y in 0..self.y.len() {
            let index: [usize; 5] = std::array::from_fn(|i| {
                let sizes = [g.batch, g.outputs, g.output[0], g.output[1], g.output[2]];
                y / ys[i] % sizes[i]
            });
            for channel in 0..channels {
                for place in 0..size(&g.kernel) {
                    let k =
                        [place / (g.kernel[1] * g.kernel[2]), place / g.kernel[2] % g.kernel[1], place % g.kernel[2]];
                    let at: [usize; 3] = std::array::from_fn(|d| {
                        // Beyond the end, if it is in front of the beginning.
                        (index[2 + d] * g.stride[d] + k[d] * g.dilation[d]).wrapping_sub(g.padding[d])
                    });
                    if (0..3).all(|d| at[d] < g.input[d]) {
                        let of = index[1] / outputs * channels + channel;
                        let x = [index[0], of, at[0], at[1], at[2]];
                        let x = x.iter().zip(xs).map(|(i, s)| i * s).sum();
                        f(x, (index[1] * channels + channel) * size(&g.kernel) + place, y);
                    }
                }
            }
        }
    }

    /// The three results, with the channels in the middle.
    fn expected(&self) -> [Vec<f32>; 3] {
        let mut out = [vec![0.0; self.x.len()], vec![0.0; self.w.len()], vec![0.0; self.y.len()]];
        self.products(&mut |x, w, y| {
            out[0][x] += self.w[w] * self.y[y];
            out[1][w] += self.x[x] * self.y[y];
            out[2][y] += self.x[x] * self.w[w];
        });
        out
    }

    fn x(&self) -> Pixels<'_, f32> {
        Pixels { data: &self.x, strides: strides(self.g.channels, self.g.input, false) }
    }

    fn y(&self) -> Pixels<'_, f32> {
        Pixels { data: &self.y, strides: strides(self.g.outputs, self.g.output, false) }
    }

    /// What [`direct`] computes, with the channels in the middle, of operands that have them last or in the middle.
    fn by_direct(&self, last: bool) -> [Vec<f32>; 3] {
        let g = &self.g;
        let (mut x, mut y) = (self.x.clone(), self.y.clone());
        if last {
            x = channels_last(&x, g.batch, size(&g.input));
            y = channels_last(&y, g.batch, size(&g.output));
        }
        let x = Pixels { data: &x, strides: strides(g.channels, g.input, last) };
        let y = Pixels { data: &y, strides: strides(g.outputs, g.output, last) };
        let stale = |len: usize| vec![f32::NAN; len];
        let mut out = [stale(self.x.len()), stale(self.w.len()), stale(self.y.len())];
        let way = direct::Way::of_input(g);
        let needs = direct::Needs::of_input(g, way, y.strides);
        let scratch = [&mut *stale(needs.image), &mut *stale(needs.weights)];
        assert!(direct::input(g, way, y, &self.w, None, &mut out[0], scratch));
        let needs = direct::Needs::of_weight(g, x.strides, y.strides);
        let scratch = [&mut *stale(needs.image), &mut *stale(needs.other), &mut *stale(needs.weights)];
        direct::weight(g, x, y, &mut out[1], scratch);
        let way = direct::Way::of_forward(g, false);
        let needs = direct::Needs::of_forward(g, way, x.strides);
        let scratch = [&mut *stale(needs.image), &mut *stale(needs.weights)];
        assert!(direct::forward(g, way, x, &self.w, None, &mut out[2], scratch));
        out[0] = channels_second(&out[0], g.batch, size(&g.input));
        out[2] = channels_second(&out[2], g.batch, size(&g.output));
        out
    }

    /// What [`planes`] computes.
    fn by_planes(&self) -> [Vec<f32>; 3] {
        let mut out = [vec![f32::NAN; self.x.len()], vec![f32::NAN; self.w.len()], vec![f32::NAN; self.y.len()]];
        let [x, w, y] = &mut out;
        planes::input(&self.g, &self.y, &self.w, None, x);
        planes::weight(&self.g, &self.x, &self.y, w);
        planes::forward(&self.g, &self.x, &self.w, None, y);
        out
    }

    /// So many channels, each by itself, with so many outputs each.
    fn apart(random: &mut Random, channels: usize, multiplier: usize) -> Self {
        let g = Self::random(random, 9, 1).g;
        Self::new(random, Geometry { channels, outputs: channels * multiplier, groups: channels, ..g })
    }

    /// The same sizes with numbers whose sums are rounded, so that their order shows.
    fn rounded(mut self) -> Self {
        for x in self.x.iter_mut().chain(&mut self.w).chain(&mut self.y) {
            *x = *x / 7.0 + 0.1;
        }
        self
    }

    /// What [`patches`] computes, with the channels in the middle.
    fn by_patches(&self) -> [Vec<f32>; 3] {
        let g = &self.g;
        let mut out = [vec![f32::NAN; self.x.len()], vec![f32::NAN; self.w.len()], vec![f32::NAN; self.y.len()]];
        let [x, w, y] = &mut out;
        patches::input(g, self.y(), &self.w, None, x);
        patches::weight(g, self.x(), self.y(), w);
        patches::forward(g, self.x(), &self.w, None, y);
        *x = examples_first(x, g.batch, size(&g.input));
        *y = examples_first(y, g.batch, size(&g.output));
        out
    }
}

/// `[batch, area, channels]` as `[batch, channels, area]`.
fn channels_second(x: &[f32], batch: usize, area: usize) -> Vec<f32> {
    let channels = x.len() / (batch * area);
    let index = |i: usize| (i / (channels * area) * area + i % area) * channels + i / area % channels;
    (0..x.len()).map(|i| x[index(i)]).collect()
}

/// The other way round.
fn channels_last(x: &[f32], batch: usize, area: usize) -> Vec<f32> {
    let channels = x.len() / (batch * area);
    let index = |i: usize| (i / (channels * area) * channels + i % channels) * area + i / channels % area;
    (0..x.len()).map(|i| x[index(i)]).collect()
}

/// `[channels, batch, area]` as `[batch, channels, area]`.
fn examples_first(x: &[f32], batch: usize, area: usize) -> Vec<f32> {
    let channels = x.len() / (batch * area);
    let mut out = Vec::with_capacity(x.len());
    for i in 0..batch {
        for c in 0..channels {
            out.extend_from_slice(&x[(c * batch + i) * area..][..area]);
        }
    }
    out
}

#[test]
fn patches_agree_with_loops() {
    let mut random = Random(1);
    for _ in 0..if cfg!(miri) { 5 } else { 60 } {
        let case = Case::random(&mut random, 7, 3);
        assert_eq!(case.by_patches(), case.expected(), "{:?}", case.g);
    }
}

#[test]
fn direct_agrees_with_loops() {
    let mut random = Random(3);
    for round in 0..if cfg!(miri) { 4 } else { 60 } {
        let channels = if round % 4 == 0 { 40 } else { 3 };
        let case = Case::random(&mut random, 7, channels);
        let expected = case.expected();
        on_each_level(|level| {
            for last in [false, true] {
                assert_eq!(case.by_direct(last), expected, "{level:?}, {:?}", case.g);
            }
        });
    }
}

/// More rows of weights, pixels and columns than there are in a block, and pieces for several threads.
#[test]
#[cfg_attr(miri, ignore = "too large")]
fn blocks_join_and_threads_do_not_show() {
    let mut random = Random(4);
    let g = |batch, channels, outputs, size, kernel, stride, padding| Geometry {
        batch,
        channels,
        outputs,
        groups: 1,
        input: [1, size, size],
        output: [1, (size + 2 * padding - kernel) / stride + 1, (size + 2 * padding - kernel) / stride + 1],
        kernel: [1, kernel, kernel],
        stride: [1, stride, stride],
        padding: [0, padding, padding],
        dilation: [1; 3],
    };
    for g in [g(2, 150, 40, 4, 3, 1, 1), g(2, 3, 20, 27, 3, 1, 1), g(1, 24, 150, 9, 3, 2, 1)] {
        let case = Case::new(&mut random, g);
        let expected = case.expected();
        on_each_level(|_| assert!(case.by_direct(true) == expected, "{g:?}"));
        for threads in [1, 2, 3] {
            assert!(with_threads(threads, || case.by_direct(false)).unwrap() == expected, "{g:?}");
        }
    }
    // Of numbers whose sums are rounded, the order shows.
    let case = Case::new(&mut random, g(2, 16, 32, 24, 3, 1, 1)).rounded();
    let one = with_threads(1, || case.by_direct(true)).unwrap();
    for threads in [2, 3] {
        assert!(with_threads(threads, || case.by_direct(true)).unwrap() == one);
    }
}

#[test]
fn channels_by_themselves_agree_with_loops() {
    let mut random = Random(5);
    for round in 0..if cfg!(miri) { 3 } else { 80 } {
        // Around a vector, or two.
        let case = Case::apart(&mut random, [16, 17, 24, 31, 33][round % 5], 1);
        let expected = case.expected();
        assert!(direct::suits(&case.g));
        on_each_level(|level| {
            for last in [false, true] {
                assert_eq!(case.by_direct(last), expected, "{level:?}, {:?}", case.g);
            }
        });
        let multiplier = 1 + random.below(3);
        let case = Case::apart(&mut random, 1 + round % 5, multiplier);
        let expected = case.expected();
        assert!(planes::suits(&case.g));
        on_each_level(|level| assert_eq!(case.by_planes(), expected, "{level:?}, {:?}", case.g));
    }
}

/// Several examples, blocks and parts, long rows, kernels larger than the input, strides larger than it and than the kernel.
#[test]
#[cfg_attr(miri, ignore = "too large")]
fn channels_by_themselves_do_not_show_threads() {
    let mut random = Random(6);
    let g = |batch, channels, input, kernel, stride, padding, dilation| {
        let outputs = |n: usize| (n + 2 * padding - dilation * (kernel - 1) - 1) / stride + 1;
        Geometry {
            batch,
            channels,
            outputs: channels,
            groups: channels,
            input: [1, input, input + 3],
            output: [1, outputs(input), outputs(input + 3)],
            kernel: [1, kernel, kernel],
            stride: [1, stride, stride],
            padding: [0, padding, padding],
            dilation: [1, dilation, dilation],
        }
    };
    let cases = [
        g(3, 40, 24, 3, 1, 1, 1),
        g(2, 72, 21, 5, 2, 2, 1),
        g(1, 17, 6, 7, 1, 9, 2),
        g(2, 24, 7, 2, 11, 3, 1),
        g(2, 33, 40, 1, 3, 0, 1),
    ];
    for g in cases {
        let case = Case::new(&mut random, g);
        let expected = case.expected();
        let case_of_planes = Case::new(&mut random, Geometry { outputs: 2 * g.channels, ..g });
        let of_planes = case_of_planes.expected();
        for threads in [1, 2, 3] {
            with_threads(threads, || {
                for last in [false, true] {
                    assert!(case.by_direct(last) == expected, "{threads} threads, {g:?}");
                }
                assert!(case_of_planes.by_planes() == of_planes, "{threads} threads, {g:?}");
            })
            .unwrap();
        }
        let (case, case_of_planes) = (case.rounded(), case_of_planes.rounded());
        let all = || (case.by_direct(true), case_of_planes.by_planes());
        let one = with_threads(1, all).unwrap();
        for threads in [2, 3] {
            assert!(with_threads(threads, all).unwrap() == one, "{threads} threads, {g:?}");
        }
    }
}

/// Squares against plain sums: outputs that do not fill them, every padding, and what becomes of the sums.
#[test]
#[cfg_attr(miri, ignore = "too large")]
fn squares_agree_with_loops() {
    let g = |batch, channels, outputs, [d, h, w]: [usize; 3], padding: [usize; 2]| Geometry {
        batch,
        channels,
        outputs,
        groups: 1,
        input: [d, h, w],
        output: [d, h + 2 * padding[0] - 2, w + 2 * padding[1] - 2],
        kernel: [1, 3, 3],
        stride: [1; 3],
        padding: [0, padding[0], padding[1]],
        dilation: [1; 3],
    };
    let mut random = Random(7);
    let cases = [
        g(3, 32, 48, [1, 13, 10], [1, 1]),
        g(2, 48, 32, [2, 11, 12], [0, 2]),
        g(1, 32, 32, [1, 19, 22], [2, 0]),
        g(2, 32, 64, [1, 12, 13], [3, 5]),
    ];
    for g in cases {
        let case = Case::new(&mut random, g).rounded();
        let by_squares = [direct::Way::of_input(&g), direct::Way::of_forward(&g, false)];
        assert!(
            by_squares[1] == direct::Way::Squares && (by_squares[0] == direct::Way::Squares) == (g.padding[2] <= 2)
        );
        let expected = case.expected();
        let most = expected.each_ref().map(|x| x.iter().fold(0.0f32, |most, x| most.max(x.abs())));
        on_each_level(|level| {
            for last in [false, true] {
                for (i, (x, expected)) in case.by_direct(last).iter().zip(&expected).enumerate() {
                    let off = x.iter().zip(expected).fold(0.0f32, |most, (x, y)| most.max((x - y).abs()));
                    assert!(off <= 1e-5 * most[i], "{level:?}, result {i} of {g:?}: {off} of {}", most[i]);
                }
            }
        });
        let one = with_threads(1, || case.by_direct(true)).unwrap();
        for threads in [2, 3] {
            assert!(with_threads(threads, || case.by_direct(true)).unwrap() == one, "{threads} threads, {g:?}");
        }
    }

    let case = Case::new(&mut random, cases[0]).rounded();
    let numbers = |random: &mut Random| random.numbers(case.g.outputs);
    let (scale, bias, beside) = (numbers(&mut random), numbers(&mut random), random.numbers(case.y.len()));
    let finish = direct::Finish { scale: Some(&scale), bias: Some(&bias), beside: Some(&beside), relu: true };
    let finished = |way, x: &[f32]| {
        let x = Pixels { data: x, strides: strides(case.g.channels, case.g.input, true) };
        let needs = direct::Needs::of_forward(&case.g, way, x.strides);
        let (mut packed, mut out) = (vec![f32::NAN; needs.weights], vec![f32::NAN; case.y.len()]);
        direct::packed_forward(&case.g, way, &case.w, &mut packed);
        let done = direct::finished(&case.g, way, x, &packed, finish, &mut out, &mut vec![0.0; needs.image]);
        (done, out)
    };
    on_each_level(|level| {
        let ((_, tiles), (done, squares)) =
            (finished(direct::Way::Tiles, &case.x), finished(direct::Way::Squares, &case.x));
        let most = tiles.iter().fold(0.0f32, |most, x| most.max(*x));
        assert!(done && tiles.iter().zip(&squares).all(|(x, y)| (x - y).abs() <= 1e-5 * most), "{level:?}");
        for wrong in [f32::NAN, f32::INFINITY, f32::MAX] {
            let mut x = case.x.clone();
            x[1234] = wrong;
            assert!(!finished(direct::Way::Squares, &x).0, "{level:?}, {wrong}");
        }
    });
}

/// More pixels than a block has.
#[test]
#[cfg_attr(miri, ignore = "too large")]
fn blocks_of_patches_join() {
    let g = Geometry {
        batch: 6,
        channels: 40,
        outputs: 3,
        groups: 1,
        input: [1, 30, 31],
        output: [1, 15, 16],
        kernel: [1, 3, 3],
        stride: [1, 2, 2],
        padding: [0, 1, 1],
        dilation: [1, 1, 1],
    };
    let case = Case::new(&mut Random(2), g);
    let expected = case.expected();
    on_each_level(|_| assert_eq!(case.by_patches(), expected));
    for threads in [1, 3] {
        assert_eq!(with_threads(threads, || case.by_patches()).unwrap(), expected);
    }
}
