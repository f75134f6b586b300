//! Explanations as pictures and pages.

use std::fmt::Write as _;

use crate::error::{Error, Result};
use crate::html::escape;
use crate::tensor::Tensor;

/// The colours of what speaks for an output and of what speaks against it.
const SIDES: [[f64; 3]; 2] = [[213.0, 94.0, 0.0], [0.0, 114.0, 178.0]];

/// Pictures with their attributions on them, `[n, 3, height, width]` with levels from 0 to 1: the picture in grey, what speaks for the
/// output in orange, what speaks against it in blue, the stronger the more. Of each example the strongest place has the full colour. For
/// [`ImageGrid`](crate::train), among others.
///
/// The attributions are of the pictures' shape (channels are added up), or `[n, height, width]`.
///
/// ```
/// use demotic::explain::overlay;
/// use demotic::prelude::*;
///
/// let pictures = Tensor::full([1, 1, 2, 2], 0.5)?;
/// let shown = overlay(&pictures, &tensor![[[1.0, 0.0], [0.0, -1.0]]])?;
/// assert_eq!(shown.shape(), [1, 3, 2, 2]);
/// let level = |channel| shown.select(1, channel).unwrap().to_vec::<f32>().unwrap();
/// assert!(level(0)[0] > level(2)[0] && level(0)[3] < level(2)[3]);
/// # Ok::<(), demotic::Error>(())
/// ```
///
/// # Errors
/// If the shapes are others.
#[track_caller]
pub fn overlay(pictures: &Tensor, attributions: &Tensor) -> Result<Tensor> {
    let op = "overlay";
    let &[n, channels, height, width] = pictures.shape() else {
        let message = format!("pictures of shape {:?}, expected [n, channels, height, width]", pictures.shape());
        return Err(Error::shape(op, message));
    };
    let (pixels, of) = (height * width, attributions.shape());
    if (of != pictures.shape() && of != [n, height, width]) || pictures.is_empty() {
        return Err(Error::shape(op, format!("attributions of shape {of:?} for pictures of {:?}", pictures.shape())));
    }
    let layers = attributions.numel() / (n * pixels);
    let (values, levels) = (attributions.to_f64_vec(), pictures.to_f64_vec());
    let mut out = vec![0.0; n * 3 * pixels];
    for i in 0..n {
        let sum = |from: &[f64], layers: usize, p: usize| {
            (0..layers).map(|c| from[(i * layers + c) * pixels + p]).filter(|x| x.is_finite()).sum::<f64>()
        };
        let all: Vec<f64> = (0..pixels).map(|p| sum(&values, layers, p)).collect();
        let most = all.iter().fold(0.0_f64, |most, x| most.max(x.abs()));
        for (p, value) in all.iter().enumerate() {
            let grey = (sum(&levels, channels, p) / channels as f64).clamp(0.0, 1.0) * 0.7 + 0.2;
            let strength = if most > 0.0 { value.abs() / most } else { 0.0 };
            let side = SIDES[usize::from(*value < 0.0)];
            for (c, color) in side.iter().enumerate() {
                out[(i * 3 + c) * pixels + p] = grey * (1.0 - strength) + color / 255.0 * strength;
            }
        }
    }
    super::subject::tensor(out, &[n, 3, height, width], attributions)
}

/// Tokens with their attributions as a piece of a page: each on a background of orange, if it speaks for the output, or blue, if it speaks
/// against it, the stronger the more; pointing at one shows its number. All text is escaped.
///
/// ```
/// use demotic::explain::colored_text;
///
/// let html = colored_text(&["not", " <bad>"], &[-0.5, 1.0])?;
/// assert!(html.contains("&lt;bad&gt;") && html.contains("rgba(213,94,0,0.80)"));
/// # Ok::<(), demotic::Error>(())
/// ```
///
/// # Errors
/// If there are not as many tokens as numbers.
#[track_caller]
pub fn colored_text<S: AsRef<str>>(tokens: &[S], values: &[f64]) -> Result<String> {
    if tokens.len() != values.len() {
        let message = format!("{} tokens and {} numbers", tokens.len(), values.len());
        return Err(Error::argument("colored_text", message));
    }
    let most = values.iter().filter(|x| x.is_finite()).fold(0.0_f64, |most, x| most.max(x.abs()));
    let mut out = String::from("<p style=\"line-height:1.8\">");
    for (token, value) in tokens.iter().zip(values) {
        let strength = if most > 0.0 && value.is_finite() { 0.8 * value.abs() / most } else { 0.0 };
        let [r, g, b] = SIDES[usize::from(*value < 0.0)];
        // Writing to a string cannot fail.
        let _ = write!(
            out,
            "<span title=\"{value:.4}\" style=\"background:rgba({r},{g},{b},{strength:.2});border-radius:3px;white-space:pre-wrap\">{}</span>",
            escape(token.as_ref())
        );
    }
    Ok(out + "</p>")
}
