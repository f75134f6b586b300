//! What is done to a picture before a published model looks at it.

use serde::{Deserialize, Serialize};

use crate::data::{Pixels, Resample, resized};
use crate::error::{Error, Here, Result};
use crate::tensor::Tensor;

/// Brings pictures into the form that a published model was trained with: another size (with Pillow's bytes), the middle cut out, numbers
/// in place of bytes, and these normalised.
///
/// ```
/// use demotic::Tensor;
/// use demotic::pipeline::ImageProcessor;
///
/// let processor = ImageProcessor::imagenet(224);
/// let picture = Tensor::full([3, 300, 400], 0.5)?;
/// assert_eq!(processor.apply(&picture)?.shape(), [3, 224, 224]);
/// # Ok::<(), demotic::Error>(())
/// ```
///
/// [`from_pretrained`](Self::from_pretrained) reads a `preprocessor_config.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct ImageProcessor {
    /// The size that pictures get at first.
    pub resize: Option<Resize>,
    /// How pixels are made of others.
    pub resample: Resample,
    /// The height and width that are cut out of the middle; where there is less, what is missing is black.
    pub crop: Option<[usize; 2]>,
    /// Whether the middle of an odd remainder is rounded to an even number, as torchvision does, and not down.
    pub crop_to_even: bool,
    /// What bytes are multiplied by.
    pub rescale: f64,
    /// What is then subtracted from each channel, and what the rest is divided by.
    pub normalize: Option<[Vec<f64>; 2]>,
}

/// The size that a picture gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Resize {
    /// This height and width.
    To([usize; 2]),
    /// Its shorter side gets this length, and the longer one the same proportion.
    Shorter(usize),
}

/// A picture of more pixels is not made.
const MAX_PIXELS: usize = 1 << 28;

impl ImageProcessor {
    /// What networks of torchvision and timm expect: the shorter side at 256 / 224 of `size`, of which the middle is cut out, by the means
    /// and deviations of ImageNet.
    #[must_use]
    pub fn imagenet(size: usize) -> Self {
        let [mean, std] = [vec![0.485, 0.456, 0.406], vec![0.229, 0.224, 0.225]];
        Self {
            resize: Some(Resize::Shorter(size.saturating_mul(8) / 7)),
            resample: Resample::Bilinear,
            crop: Some([size; 2]),
            crop_to_even: true,
            rescale: 1.0 / 255.0,
            normalize: Some([mean, std]),
        }
    }

    /// A picture `[1 or 3, height, width]` of numbers from 0 to 1 (as `read_image` gives it) as a model takes it: `[3, height, width]`.
    ///
    /// # Errors
    /// If it has another shape or other numbers, or the options do not fit it.
    #[track_caller]
    pub fn apply(&self, picture: &Tensor) -> Result<Tensor> {
        self.applied("ImageProcessor::apply", picture).here()
    }

    /// Several of them as a batch: `[pictures, 3, height, width]`.
    ///
    /// # Errors
    /// As for [`apply`](Self::apply), and if there are none, or they come out in different sizes.
    #[track_caller]
    pub fn batch(&self, pictures: &[Tensor]) -> Result<Tensor> {
        let mut all = Vec::with_capacity(pictures.len());
        for picture in pictures {
            all.push(self.applied("ImageProcessor::batch", picture).here()?);
        }
        Tensor::stack(&all.iter().collect::<Vec<_>>(), 0)
    }

    #[track_caller]
    fn applied(&self, op: &'static str, picture: &Tensor) -> Result<Tensor> {
        let Pixels { channels, width, height, mut bytes } = Pixels::of(op, picture)?;
        let mut size = [height as usize, width as usize];
        if let Some(resize) = self.resize {
            let to = match resize {
                Resize::To(to) => to,
                Resize::Shorter(side) => {
                    let longer = |n: usize, shorter: usize| (side as f64 * n as f64 / shorter as f64) as usize;
                    let [height, width] = size;
                    if width <= height { [longer(height, width), side] } else { [side, longer(width, height)] }
                }
            };
            // Rows are made first, so there is a picture in between.
            let most = to[0].max(size[0]).checked_mul(to[1]);
            if to.contains(&0) || most.is_none_or(|pixels| pixels > MAX_PIXELS) {
                let message = format!("a picture of {size:?} pixels as {to:?}, at most {MAX_PIXELS} are made");
                return Err(Error::argument(op, message));
            }
            bytes = resized(&bytes, channels, size, to, self.resample);
            size = to;
        }
        let to = self.crop.unwrap_or(size);
        if to.contains(&0) || to[0].checked_mul(to[1]).is_none_or(|pixels| pixels > MAX_PIXELS) {
            return Err(Error::argument(op, format!("a part of {to:?} pixels, at most {MAX_PIXELS} are made")));
        }
        let from = [0, 1].map(|i| self.start(size[i], to[i]));
        let [mean, std] = match &self.normalize {
            Some(both) if both.iter().any(|numbers| numbers.len() != 3) || both[1].contains(&0.0) => {
                return Err(Error::argument(
                    op,
                    format!("means and deviations {both:?}, expected three of each, none 0"),
                ));
            }
            Some([mean, std]) => [[mean[0], mean[1], mean[2]], [std[0], std[1], std[2]]],
            None => [[0.0; 3], [1.0; 3]],
        };
        let mut out = Vec::with_capacity(3 * to[0] * to[1]);
        for channel in 0..3 {
            let (shift, scale) = (mean[channel] as f32, std[channel] as f32);
            // Grey is as much of each colour.
            let of = channel.min(channels - 1);
            let value = |byte: u8| ((f64::from(byte) * self.rescale) as f32 - shift) / scale;
            let table: Vec<f32> = (0..=255).map(value).collect();
            for row in (0..to[0]).map(|row| row as isize + from[0]) {
                for column in (0..to[1]).map(|column| column as isize + from[1]) {
                    let inside = (0..size[0] as isize).contains(&row) && (0..size[1] as isize).contains(&column);
                    let byte =
                        if inside { bytes[(row as usize * size[1] + column as usize) * channels + of] } else { 0 };
                    out.push(table[usize::from(byte)]);
                }
            }
        }
        Tensor::from_vec(out, [3, to[0], to[1]])
    }

    /// Where a part of `m` places begins in `n` of them; before them where there are fewer.
    fn start(&self, n: usize, m: usize) -> isize {
        if n < m {
            // What is missing is added before and behind, one more before in an odd case.
            return if self.crop_to_even { -(((m - n) / 2) as isize) } else { -((m - n).div_ceil(2) as isize) };
        }
        let rest = n - m;
        let half = rest / 2;
        (if self.crop_to_even && rest % 2 == 1 { half + half % 2 } else { half }) as isize
    }
}
