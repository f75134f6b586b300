//! What is done to pictures before they are learnt from.

use super::augment::Change;
use super::step::Step;
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
