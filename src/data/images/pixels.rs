//! Pictures as bytes.

use crate::error::{Error, Result};
use crate::tensor::Tensor;

/// A picture of 1 or 3 bytes for each pixel, row by row.
pub(crate) struct Pixels {
    pub(crate) channels: usize,
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) bytes: Vec<u8>,
}

impl Pixels {
    /// Those of `[height, width]`, `[1, height, width]` or `[3, height, width]` numbers from 0 to 1; what lies a little outside, down to
    /// -1 and up to 2, is moved there, and what lies farther is an error.
    #[track_caller]
    pub(crate) fn of(op: &'static str, picture: &Tensor) -> Result<Self> {
        let (channels, height, width) = match *picture.shape() {
            [height, width] => (1, height, width),
            [channels @ (1 | 3), height, width] => (channels, height, width),
            _ => (0, 0, 0),
        };
        let side = |n: usize| u32::try_from(n).ok().filter(|n| *n > 0);
        let (Some(rows), Some(columns), true) = (side(height), side(width), picture.dtype().is_float()) else {
            let (shape, dtype) = (picture.shape(), picture.dtype());
            let message =
                format!("a picture of shape {shape:?} and type {dtype}, expected [1 or 3, height, width] of f32");
            return Err(Error::shape(op, message));
        };
        let planes = picture.to_f64_vec();
        // A little beyond is what networks that draw make of white and black.
        if let Some(x) = planes.iter().find(|x| x.is_finite() && !(-1.0..=2.0).contains(*x)) {
            let message = format!("the picture has the value {x}, expected numbers from 0 to 1");
            return Err(Error::argument(op, message)
                .with_help("bytes are divided by 255, numbers from -1 to 1 brought there with (x + 1) / 2"));
        }
        let size = height * width;
        let byte = |x: f64| (x.clamp(0.0, 1.0) * 255.0).round() as u8;
        let places = (0..size).flat_map(|i| (0..channels).map(move |c| (c, i)));
        let bytes = places.map(|(c, i)| byte(planes[c * size + i])).collect();
        Ok(Self { channels, width: columns, height: rows, bytes })
    }
}
