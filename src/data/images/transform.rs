//! What is done to pictures before they are learnt from.

use super::augment::{Change, MAGNITUDES};
use super::colour::{adjust_hue, blur, grayscale, jitter};
use super::geometry::{affine, crop, perspective, resize};
use crate::error::{Error, Result};
use crate::rng::Rng;
use crate::tensor::{DType, Tensor};

/// A list of steps, applied to each picture `[channels, height, width]` with numbers from 0 to 1. What is random in a step is drawn
/// anew for each picture, from a generator that depends on the seed and the number of the picture alone.
///
/// ```
/// use demotic::data::Transforms;
/// use demotic::{Rng, Tensor};
///
/// let train = Transforms::new()
///     .random_resized_crop([24, 24], [0.6, 1.0], [0.75, 1.33])
///     .random_horizontal_flip(0.5)
///     .color_jitter(0.2, 0.2, 0.2, 0.05)
///     .normalize(&[0.5; 3], &[0.25; 3]);
/// let picture = Tensor::uniform([3, 32, 32], 0.0, 1.0, &mut Rng::seed(0))?;
/// assert_eq!(train.apply(&picture, &mut Rng::seed(1))?.shape(), [3, 24, 24]);
/// # Ok::<(), demotic::Error>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct Transforms {
    steps: Vec<Step>,
}

#[derive(Debug, Clone)]
enum Step {
    Resize([usize; 2]),
    ResizeShorter(usize),
    CenterCrop([usize; 2]),
    RandomCrop {
        size: [usize; 2],
        padding: usize,
    },
    RandomResizedCrop {
        size: [usize; 2],
        scale: [f64; 2],
        ratio: [f64; 2],
    },
    HorizontalFlip(f64),
    VerticalFlip(f64),
    Affine {
        degrees: [f64; 2],
        translate: [f64; 2],
        scale: [f64; 2],
        shear: [f64; 2],
    },
    Perspective {
        distortion: f64,
        p: f64,
    },
    /// Factors of brightness, contrast and saturation, and a turn of the hue, each between two numbers.
    Jitter {
        factors: [[f64; 2]; 3],
        hue: [f64; 2],
    },
    Grayscale(f64),
    Blur {
        kernel: usize,
        sigma: [f64; 2],
    },
    Normalize {
        mean: Vec<f64>,
        std: Vec<f64>,
    },
    Change {
        change: Change,
        p: f64,
    },
    RandAugment {
        ops: usize,
        magnitude: usize,
    },
    Erase {
        p: f64,
        scale: [f64; 2],
        ratio: [f64; 2],
    },
}

impl Transforms {
    /// No steps.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    #[must_use]
    fn with(mut self, step: Step) -> Self {
        self.steps.push(step);
        self
    }

    /// Pictures of this height and width, by linear interpolation; those that become smaller are smoothed.
    #[must_use]
    pub fn resize(self, size: [usize; 2]) -> Self {
        self.with(Step::Resize(size))
    }

    /// Pictures whose shorter side has this length, in their proportions.
    #[must_use]
    pub fn resize_shorter(self, side: usize) -> Self {
        self.with(Step::ResizeShorter(side))
    }

    /// The middle of a picture. What is smaller gets a black margin.
    #[must_use]
    pub fn center_crop(self, size: [usize; 2]) -> Self {
        self.with(Step::CenterCrop(size))
    }

    /// A part of this size from anywhere in a picture that has first been given a black margin.
    #[must_use]
    pub fn random_crop(self, size: [usize; 2], padding: usize) -> Self {
        self.with(Step::RandomCrop { size, padding })
    }

    /// A part of random area (as a share of the whole, from `scale`) and proportions (width to height, from `ratio`, usually 3/4 to
    /// 4/3), resized to this height and width (Szegedy et al., *Going Deeper with Convolutions*, 2015).
    #[must_use]
    pub fn random_resized_crop(self, size: [usize; 2], scale: [f64; 2], ratio: [f64; 2]) -> Self {
        self.with(Step::RandomResizedCrop { size, scale, ratio })
    }

    /// Left and right exchanged, with probability `p`.
    #[must_use]
    pub fn random_horizontal_flip(self, p: f64) -> Self {
        self.with(Step::HorizontalFlip(p))
    }

    /// Above and below exchanged, with probability `p`.
    #[must_use]
    pub fn random_vertical_flip(self, p: f64) -> Self {
        self.with(Step::VerticalFlip(p))
    }

    /// Turned by an angle in degrees: up to a number in either direction, or between two. What comes from outside is black.
    #[must_use]
    pub fn random_rotation(self, degrees: impl Amount) -> Self {
        self.random_affine(degrees.around(0.0), [0.0; 2], [1.0; 2], [0.0; 2])
    }

    /// Turned by an angle in degrees (clockwise, as torchvision's `RandomAffine` has it), moved by up to these shares of width and
    /// height, larger by a factor, and sheared by an angle along the width, each drawn evenly. What comes from outside is black.
    #[must_use]
    pub fn random_affine(self, degrees: [f64; 2], translate: [f64; 2], scale: [f64; 2], shear: [f64; 2]) -> Self {
        self.with(Step::Affine { degrees, translate, scale, shear })
    }

    /// Seen from aside with probability `p`: each corner is moved inwards by up to half of this share of the size.
    #[must_use]
    pub fn random_perspective(self, distortion: f64, p: f64) -> Self {
        self.with(Step::Perspective { distortion, p })
    }

    /// Changes brightness, contrast and saturation by factors, `1 ± x` for a number and otherwise between two, and turns the hue by a
    /// share of the circle, `± x` or between two (at most a half), in random order. The last two need three channels.
    #[must_use]
    pub fn color_jitter(
        self,
        brightness: impl Amount,
        contrast: impl Amount,
        saturation: impl Amount,
        hue: impl Amount,
    ) -> Self {
        let factors = [brightness.around(1.0), contrast.around(1.0), saturation.around(1.0)];
        self.with(Step::Jitter { factors: factors.map(|[low, high]| [low.max(0.0), high]), hue: hue.around(0.0) })
    }

    /// Without colours, with probability `p`, in as many channels as before.
    #[must_use]
    pub fn random_grayscale(self, p: f64) -> Self {
        self.with(Step::Grayscale(p))
    }

    /// Blurred by a normal curve of random width over an odd number of pixels.
    #[must_use]
    pub fn gaussian_blur(self, kernel: usize, sigma: [f64; 2]) -> Self {
        self.with(Step::Blur { kernel, sigma })
    }

    /// Away from the mean of the pixels around each by a factor, with probability `p`: 0 blurs, 1 changes nothing, 2 sharpens.
    #[must_use]
    pub fn random_adjust_sharpness(self, factor: f64, p: f64) -> Self {
        self.with(Step::Change { change: Change::Sharpness(factor), p })
    }

    /// So many bits of each number, from 0 to 8, with probability `p`.
    #[must_use]
    pub fn random_posterize(self, bits: u32, p: f64) -> Self {
        self.with(Step::Change { change: Change::Posterize(bits), p })
    }

    /// Numbers of at least `threshold` become `1 − x`, with probability `p`.
    #[must_use]
    pub fn random_solarize(self, threshold: f64, p: f64) -> Self {
        self.with(Step::Change { change: Change::Solarize(threshold), p })
    }

    /// Each number becomes `1 − x`, with probability `p`.
    #[must_use]
    pub fn random_invert(self, p: f64) -> Self {
        self.with(Step::Change { change: Change::Solarize(0.0), p })
    }

    /// Each channel stretched from 0 to 1, with probability `p`.
    #[must_use]
    pub fn random_autocontrast(self, p: f64) -> Self {
        self.with(Step::Change { change: Change::AutoContrast, p })
    }

    /// Each channel brought to 256 tones that are about equally frequent, with probability `p`.
    #[must_use]
    pub fn random_equalize(self, p: f64) -> Self {
        self.with(Step::Change { change: Change::Equalize, p })
    }

    /// So many changes, each drawn from fourteen (nothing, shear and translation both ways, rotation, brightness, saturation, contrast,
    /// sharpness, posterize, solarize, autocontrast, equalize), of a magnitude from 0 to 30 and in a random direction (Cubuk et al.,
    /// *RandAugment*, 2020). 2 and 9 are usual. The changes are torchvision's, with linear interpolation.
    ///
    /// ```
    /// use demotic::data::Transforms;
    /// use demotic::{Rng, Tensor};
    ///
    /// let train = Transforms::new().rand_augment(2, 9);
    /// let picture = Tensor::uniform([3, 32, 32], 0.0, 1.0, &mut Rng::seed(0))?;
    /// assert_eq!(train.apply(&picture, &mut Rng::seed(1))?.shape(), [3, 32, 32]);
    /// # Ok::<(), demotic::Error>(())
    /// ```
    #[must_use]
    pub fn rand_augment(self, ops: usize, magnitude: usize) -> Self {
        self.with(Step::RandAugment { ops, magnitude })
    }

    /// `(x − mean) / std` for each channel.
    #[must_use]
    pub fn normalize(self, mean: &[f64], std: &[f64]) -> Self {
        self.with(Step::Normalize { mean: mean.to_vec(), std: std.to_vec() })
    }

    /// Sets a rectangle of random area and proportions to zero with probability `p` (Zhong et al., *Random Erasing*, 2020; DeVries and
    /// Taylor, *Cutout*, 2017).
    #[must_use]
    pub fn random_erasing(self, p: f64, scale: [f64; 2], ratio: [f64; 2]) -> Self {
        self.with(Step::Erase { p, scale, ratio })
    }

    /// Applies all steps to one picture, `[channels, height, width]` of type `F32`.
    ///
    /// # Errors
    /// If the picture has another shape or type, or a step's numbers make no sense or do not fit it.
    #[track_caller]
    pub fn apply(&self, picture: &Tensor, rng: &mut Rng) -> Result<Tensor> {
        let fits = picture.rank() == 3 && picture.dtype() == DType::F32 && !picture.is_empty();
        if !fits {
            let (shape, dtype) = (picture.shape(), picture.dtype());
            let message = format!("a picture {shape:?} of {dtype}, expected [channels, height, width] of f32");
            return Err(Error::shape("transform", message));
        }
        let mut x = picture.detach();
        for step in &self.steps {
            x = step.apply(&x, rng)?;
        }
        Ok(x)
    }
}

/// How much something changes: a number in either direction, or between two.
pub trait Amount {
    /// The two numbers between which a number lies that is usually `center`.
    fn around(&self, center: f64) -> [f64; 2];
}

impl Amount for f64 {
    fn around(&self, center: f64) -> [f64; 2] {
        [center - self, center + self]
    }
}

impl Amount for [f64; 2] {
    fn around(&self, _: f64) -> [f64; 2] {
        *self
    }
}

/// A number between two, which may be equal.
fn between([low, high]: [f64; 2], rng: &mut Rng) -> f64 {
    low + (high - low) * rng.uniform()
}

#[track_caller]
fn expect(is_right: bool, what: &str, given: impl std::fmt::Debug, wanted: &str) -> Result<()> {
    if is_right {
        return Ok(());
    }
    Err(Error::argument("transform", format!("{what} is {given:?}, expected {wanted}")))
}

fn ordered([low, high]: [f64; 2], least: f64) -> bool {
    low >= least && low <= high && high.is_finite()
}

impl Step {
    /// Whether its numbers make sense.
    #[track_caller]
    fn check(&self, channels: usize) -> Result<()> {
        let probability = |p: f64| expect((0.0..=1.0).contains(&p), "p", p, "a probability from 0 to 1");
        let sides = |size: [usize; 2]| expect(!size.contains(&0), "the size", size, "at least 1");
        let part = |scale: [f64; 2], ratio: [f64; 2]| {
            expect(ordered(scale, f64::MIN_POSITIVE), "the scale", scale, "two positive numbers, the smaller first")?;
            expect(ordered(ratio, f64::MIN_POSITIVE), "the ratio", ratio, "two positive numbers, the smaller first")
        };
        match self {
            Self::Resize(size) | Self::CenterCrop(size) => sides(*size),
            Self::RandomCrop { size, padding } => {
                expect(*padding <= 1 << 20, "the margin", padding, "at most 1048576")?;
                sides(*size)
            }
            Self::ResizeShorter(side) => sides([*side; 2]),
            Self::RandomResizedCrop { size, scale, ratio } => sides(*size).and_then(|()| part(*scale, *ratio)),
            Self::HorizontalFlip(p) | Self::VerticalFlip(p) | Self::Grayscale(p) => probability(*p),
            Self::Affine { degrees, translate, scale, shear } => {
                let finite = degrees.iter().chain(shear).all(|x| x.is_finite());
                expect(finite, "an angle", (degrees, shear), "finite numbers")?;
                let shares = translate.iter().all(|x| (0.0..=1.0).contains(x));
                expect(shares, "the translation", translate, "shares from 0 to 1")?;
                expect(
                    ordered(*scale, f64::MIN_POSITIVE),
                    "the scale",
                    scale,
                    "two positive numbers, the smaller first",
                )
            }
            Self::Perspective { distortion, p } => {
                expect((0.0..=1.0).contains(distortion), "the distortion", distortion, "a share from 0 to 1")?;
                probability(*p)
            }
            Self::Jitter { factors, hue } => {
                let fits = factors.iter().all(|factor| ordered(*factor, 0.0));
                expect(fits, "the factors", factors, "pairs of numbers from 0 on, the smaller first")?;
                expect(
                    ordered(*hue, -0.5) && hue[1] <= 0.5,
                    "the hue",
                    hue,
                    "shares from -0.5 to 0.5, the smaller first",
                )?;
                let gray = factors[2] == [1.0; 2] && *hue == [0.0; 2];
                expect(gray || channels == 3, "the number of channels", channels, "3, for saturation and hue")
            }
            Self::Blur { kernel, sigma } => {
                expect(kernel % 2 == 1, "the kernel", kernel, "an odd number")?;
                expect(ordered(*sigma, f64::MIN_POSITIVE), "sigma", sigma, "two positive numbers, the smaller first")
            }
            Self::Normalize { mean, std } => {
                let count = |x: &[f64]| x.len() == 1 || x.len() == channels;
                expect(count(mean) && count(std), "the number of channels", channels, "as many numbers, or one")?;
                expect(!std.contains(&0.0), "the deviation", std, "no zero")
            }
            Self::Change { change, p } => {
                match change {
                    Change::Sharpness(factor) => {
                        expect(ordered([*factor; 2], 0.0), "the sharpness", factor, "a factor of at least 0")?;
                    }
                    Change::Posterize(bits) => expect(*bits <= 8, "the number of bits", bits, "0 to 8")?,
                    Change::Solarize(threshold) => {
                        expect((0.0..=1.0).contains(threshold), "the threshold", threshold, "a number from 0 to 1")?;
                    }
                    _ => {}
                }
                probability(*p)
            }
            Self::RandAugment { ops, magnitude } => {
                expect(*magnitude < MAGNITUDES, "the magnitude", magnitude, "0 to 30")?;
                expect(*ops <= 100, "the number of changes", ops, "at most 100")
            }
            Self::Erase { p, scale, ratio } => probability(*p).and_then(|()| part(*scale, *ratio)),
        }
    }

    #[track_caller]
    fn apply(&self, x: &Tensor, rng: &mut Rng) -> Result<Tensor> {
        let &[channels, height, width] = x.shape() else {
            return Err(Error::shape("transform", format!("a picture of shape {:?}", x.shape())));
        };
        self.check(channels)?;
        match self {
            Self::Resize(size) => resize(x, *size),
            Self::ResizeShorter(side) => {
                let shorter = height.min(width);
                let longer = |n: usize| n as u128 * *side as u128 / shorter as u128;
                let longer = |n: usize| usize::try_from(longer(n)).unwrap_or(usize::MAX);
                resize(x, [longer(height), longer(width)])
            }
            Self::CenterCrop(size) => {
                // Half a pixel goes to the even side, of a margin to the right and below, as in torchvision.
                let start = |n: usize, m: usize| match n.checked_sub(m) {
                    Some(free) => (free as f64 / 2.0).round_ties_even() as isize,
                    None => -(((m - n) / 2) as isize),
                };
                crop(x, [start(height, size[0]), start(width, size[1])], *size)
            }
            Self::RandomCrop { size, padding } => {
                let free = |n: usize, m: usize| n.saturating_add(padding.saturating_mul(2)).checked_sub(m);
                let (Some(down), Some(right)) = (free(height, size[0]), free(width, size[1])) else {
                    let message =
                        format!("a part of {size:?} of a picture of {height} by {width} with a margin of {padding}");
                    return Err(Error::shape("transform", message));
                };
                let mut start = |free: usize| rng.below(free.saturating_add(1)) as isize - *padding as isize;
                let start = [start(down), start(right)];
                crop(x, start, *size)
            }
            Self::RandomResizedCrop { size, scale, ratio } => {
                let [top, left, h, w] = part_of([height, width], *scale, *ratio, rng).unwrap_or_else(|| {
                    // As much of the middle as has the proportions.
                    let aspect = (width as f64 / height as f64).clamp(ratio[0], ratio[1]);
                    let w = ((height as f64 * aspect).round() as usize).clamp(1, width);
                    let h = ((width as f64 / aspect).round() as usize).clamp(1, height);
                    [(height - h) / 2, (width - w) / 2, h, w]
                });
                resize(&crop(x, [top as isize, left as isize], [h, w])?, *size)
            }
            Self::HorizontalFlip(p) if rng.bernoulli(*p) => x.flip(&[2]),
            Self::VerticalFlip(p) if rng.bernoulli(*p) => x.flip(&[1]),
            Self::Affine { degrees, translate, scale, shear } => {
                let (angle, factor) = (between(*degrees, rng), between(*scale, rng));
                let mut moved = |share: f64, n: usize| (between([-share, share], rng) * n as f64).round();
                let moved = [moved(translate[0], width), moved(translate[1], height)];
                affine(x, angle, moved, factor, between(*shear, rng))
            }
            Self::Perspective { distortion, p } if rng.bernoulli(*p) && height.min(width) > 1 => {
                let (w, h) = ((width - 1) as f64, (height - 1) as f64);
                let mut inwards = |n: f64| distortion * n / 2.0 * rng.uniform();
                let mut corner = |right: f64, low: f64| {
                    let (dx, dy) = (inwards(w), inwards(h));
                    [right * (w - 2.0 * dx) + dx, low * (h - 2.0 * dy) + dy]
                };
                let ends = [corner(0.0, 0.0), corner(1.0, 0.0), corner(1.0, 1.0), corner(0.0, 1.0)];
                perspective(x, [[0.0, 0.0], [w, 0.0], [w, h], [0.0, h]], ends)
            }
            Self::Jitter { factors, hue } => {
                let mut order = [0, 1, 2, 3];
                rng.shuffle(&mut order);
                let factors = factors.map(|factor| between(factor, rng));
                let turn = between(*hue, rng);
                let mut y = x.clone();
                for i in order {
                    match factors.get(i) {
                        // What changes nothing is not done: colours would be rounded.
                        Some(factor) if *factor != 1.0 => y = jitter(&y, i, *factor)?,
                        None if turn != 0.0 => y = adjust_hue(&y, turn)?,
                        _ => {}
                    }
                }
                Ok(y)
            }
            Self::Grayscale(p) if rng.bernoulli(*p) => grayscale(x),
            Self::Change { change, p } if rng.bernoulli(*p) => change.apply(x),
            Self::RandAugment { ops, magnitude } => {
                let mut y = x.clone();
                for _ in 0..*ops {
                    y = Change::drawn([height, width], *magnitude, rng).apply(&y)?;
                }
                Ok(y)
            }
            Self::Blur { kernel, sigma } => blur(x, *kernel, between(*sigma, rng)),
            Self::Normalize { mean, std } => {
                let each = |numbers: &[f64]| {
                    let shape = [numbers.len(), 1, 1];
                    Tensor::from_vec(numbers.iter().map(|x| *x as f32).collect(), shape)
                };
                x.sub(&each(mean)?)?.div(&each(std)?)
            }
            Self::Erase { p, scale, ratio } if rng.bernoulli(*p) => {
                // The ratio is that of height to width here.
                let turned = [1.0 / ratio[1], 1.0 / ratio[0]];
                let Some([top, left, h, w]) = part_of([height, width], *scale, turned, rng) else {
                    return Ok(x.clone());
                };
                x.index_put((.., top..top + h, left..left + w), &Tensor::scalar(0.0))
            }
            _ => Ok(x.clone()),
        }
    }
}

/// A part of a picture: its upper left corner, height and width. `None` if ten tries gave none that lies within.
fn part_of([height, width]: [usize; 2], scale: [f64; 2], ratio: [f64; 2], rng: &mut Rng) -> Option<[usize; 4]> {
    let area = (height * width) as f64;
    for _ in 0..10 {
        let target = area * between(scale, rng);
        let aspect = between(ratio.map(f64::ln), rng).exp();
        let (w, h) = ((target * aspect).sqrt().round() as usize, (target / aspect).sqrt().round() as usize);
        if (1..=width).contains(&w) && (1..=height).contains(&h) {
            return Some([rng.below(height - h + 1), rng.below(width - w + 1), h, w]);
        }
    }
    None
}
