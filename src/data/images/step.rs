//! What one step does to a picture, and whether its numbers make sense.

use super::augment::{Change, MAGNITUDES};
use super::colour::{adjust_hue, blur, grayscale, jitter};
use super::geometry::{affine, crop, perspective, resize};
use crate::error::{Error, Here, Result};
use crate::rng::Rng;
use crate::tensor::Tensor;

#[derive(Debug, Clone)]
pub(super) enum Step {
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
    pub(super) fn apply(&self, x: &Tensor, rng: &mut Rng) -> Result<Tensor> {
        let &[channels, height, width] = x.shape() else {
            return Err(Error::shape("transform", format!("a picture of shape {:?}", x.shape())));
        };
        self.check(channels).here()?;
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
