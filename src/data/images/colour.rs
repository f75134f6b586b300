//! Colours of pictures.

use crate::error::{Error, Result};
use crate::tensor::Tensor;

/// How bright the colours red, green and blue are.
const BRIGHTNESS: [f64; 3] = [0.2989, 0.587, 0.114];

/// The grey of each pixel, `[1, height, width]`: of three channels what the eye sees, of one the channel itself, otherwise the mean.
#[track_caller]
fn gray(x: &Tensor) -> Result<Tensor> {
    match x.shape()[0] {
        1 => Ok(x.clone()),
        3 => {
            let weights = Tensor::from_vec(BRIGHTNESS.iter().map(|w| *w as f32).collect(), [3, 1, 1])?;
            x.mul(&weights)?.sum_dims(&[0], true)
        }
        _ => x.mean_dims(&[0], true),
    }
}

/// The grey in as many channels as there were colours.
#[track_caller]
pub(super) fn grayscale(x: &Tensor) -> Result<Tensor> {
    Ok(gray(x)?.broadcast_to(x.shape())?.contiguous())
}

/// Brightness (0), contrast (1) or saturation (2) times a factor.
#[track_caller]
pub(super) fn jitter(x: &Tensor, which: usize, factor: f64) -> Result<Tensor> {
    let other = match which {
        0 => x.zeros_like(),
        1 => gray(x)?.mean(),
        _ => gray(x)?,
    };
    let blended = x.mul_scalar(factor).add(&other.mul_scalar(1.0 - factor))?;
    Ok(blended.clamp(Some(0.0), Some(1.0)))
}

/// Turns the hue by a share of the circle.
#[track_caller]
pub(super) fn adjust_hue(x: &Tensor, turn: f64) -> Result<Tensor> {
    let (x, mut out) = (x.contiguous(), x.zeros_like());
    let size = x.shape()[1] * x.shape()[2];
    let (colours, result) = (x.as_slice::<f32>()?, out.as_mut_slice::<f32>()?);
    if colours.len() != 3 * size {
        return Err(Error::shape("transform", format!("the hue of {} channels, expected 3", x.shape()[0])));
    }
    for i in 0..size {
        let rgb = turned([0, 1, 2].map(|c| f64::from(colours[c * size + i])), turn);
        for (c, value) in rgb.into_iter().enumerate() {
            result[c * size + i] = value as f32;
        }
    }
    Ok(out)
}

/// One colour: to hue, saturation and value, and back.
fn turned([r, g, b]: [f64; 3], turn: f64) -> [f64; 3] {
    let (value, least) = (r.max(g).max(b), r.min(g).min(b));
    let chroma = value - least;
    if chroma <= 0.0 || !chroma.is_finite() {
        return [r, g, b];
    }
    let hue = if value == r {
        (g - b) / chroma
    } else if value == g {
        2.0 + (b - r) / chroma
    } else {
        4.0 + (r - g) / chroma
    };
    let hue = (hue / 6.0 + turn).rem_euclid(1.0) * 6.0;
    let channel = |n: f64| {
        let k = (n + hue).rem_euclid(6.0);
        value - chroma * k.min(4.0 - k).clamp(0.0, 1.0)
    };
    [channel(5.0), channel(3.0), channel(1.0)]
}

/// The mean of the pixels around each, weighted by a normal curve. Edges are mirrors.
#[track_caller]
pub(super) fn blur(x: &Tensor, kernel: usize, sigma: f64) -> Result<Tensor> {
    let half = kernel / 2;
    let (height, width) = (x.shape()[1], x.shape()[2]);
    if half >= height || half >= width {
        let message = format!("a blur over {kernel} pixels of a picture of {height} by {width}");
        return Err(Error::shape("transform", message));
    }
    let curve: Vec<f64> = (0..kernel).map(|i| (-0.5 * ((i as f64 - half as f64) / sigma).powi(2)).exp()).collect();
    let total: f64 = curve.iter().sum();
    let mut x = x.clone();
    for dim in [1, 2] {
        let mut margins = [(0, 0); 3];
        margins[dim] = (half as isize, half as isize);
        let (padded, n) = (x.pad_reflect(&margins)?, x.shape()[dim]);
        let mut sum = x.zeros_like();
        for (i, weight) in curve.iter().enumerate() {
            sum = sum.add(&padded.narrow(dim as isize, i, n)?.mul_scalar(weight / total))?;
        }
        x = sum;
    }
    Ok(x)
}
