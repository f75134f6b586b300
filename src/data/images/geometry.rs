//! Pictures cut, resized, turned and seen from aside.

use crate::error::{Error, Result};
use crate::tensor::Tensor;
use crate::tensor::create::{check_list, check_shape, stale};
use crate::tensor::exec::fused::{Taps, resample};

/// Linear interpolation between the centres of pixels. Where a picture becomes smaller, each pixel is a mean of all that it covers, more
/// of those near its centre.
#[track_caller]
pub(super) fn resize(x: &Tensor, size: [usize; 2]) -> Result<Tensor> {
    check_shape("transform", &[x.shape()[0], size[0], size[1]], x.dtype())?;
    let mut x = x.clone();
    for (dim, m) in [1, 2].into_iter().zip(size) {
        let n = x.shape()[dim];
        if n != m {
            check_list("transform", "pixels", m, 64)?;
            x = resample(&triangles(n, m), dim, &x)?;
        }
    }
    Ok(x)
}

fn triangles(n: usize, m: usize) -> Taps {
    let (step, mut taps) = (n as f64 / m as f64, Taps::default());
    let reach = step.max(1.0);
    for i in 0..m {
        let center = (i as f64 + 0.5) * step;
        let first = (center - reach + 0.5).max(0.0) as usize;
        let end = ((center + reach + 0.5) as usize).min(n);
        let weight = |k: usize| (1.0 - ((k as f64 - center + 0.5) / reach).abs()).max(0.0);
        let total: f64 = (first..end).map(weight).sum();
        taps.push((first..end).map(|k| (k, weight(k) / total)));
    }
    taps
}

/// A part of a picture, black where there is none.
#[track_caller]
pub(super) fn crop(x: &Tensor, [top, left]: [isize; 2], [height, width]: [usize; 2]) -> Result<Tensor> {
    check_shape("transform", &[x.shape()[0], height, width], x.dtype())?;
    let margins = |start: isize, size: usize, n: usize| (-start, start + size as isize - n as isize);
    let (h, w) = (x.shape()[1], x.shape()[2]);
    Ok(x.pad(&[margins(top, height, h), margins(left, width, w)], 0.0)?.contiguous())
}

/// Turned clockwise by an angle in degrees, made larger by a factor and sheared by an angle along the width, about the middle; then moved
/// to the right and down.
#[track_caller]
pub(super) fn affine(x: &Tensor, angle: f64, moved: [f64; 2], scale: f64, shear: f64) -> Result<Tensor> {
    let (angle, shear) = (angle.to_radians(), shear.to_radians());
    // The inverse of the map: turning · shearing · scaling, about the middle.
    let (sin, cos) = angle.sin_cos();
    let [a, b, c, d] = [cos, -cos * shear.tan() - sin, sin, -sin * shear.tan() + cos];
    let inverse = [d / scale, -b / scale, -c / scale, a / scale];
    let middle = [(x.shape()[2] - 1) as f64 / 2.0, (x.shape()[1] - 1) as f64 / 2.0];
    sampled(x, &|px, py| {
        let (dx, dy) = (px - middle[0] - moved[0], py - middle[1] - moved[1]);
        [inverse[0] * dx + inverse[1] * dy + middle[0], inverse[2] * dx + inverse[3] * dy + middle[1]]
    })
}

/// The picture whose points `from` come to lie at `to`.
#[track_caller]
pub(super) fn perspective(x: &Tensor, from: [[f64; 2]; 4], to: [[f64; 2]; 4]) -> Result<Tensor> {
    // (a x + b y + c) / (g x + h y + 1), (d x + e y + f) / (g x + h y + 1) for each of the points.
    let mut rows = [[0.0; 9]; 8];
    for (i, ([x, y], [u, v])) in to.into_iter().zip(from).enumerate() {
        rows[2 * i] = [x, y, 1.0, 0.0, 0.0, 0.0, -u * x, -u * y, u];
        rows[2 * i + 1] = [0.0, 0.0, 0.0, x, y, 1.0, -v * x, -v * y, v];
    }
    let Some([a, b, c, d, e, f, g, h]) = solved(rows) else {
        return Err(Error::numeric("transform", "four corners of which three lie on a line"));
    };
    sampled(x, &|x, y| {
        // The corners are those of pixels, not their middles.
        let (x, y) = (x + 0.5, y + 0.5);
        let by = g * x + h * y + 1.0;
        [(a * x + b * y + c) / by - 0.5, (d * x + e * y + f) / by - 0.5]
    })
}

/// The solution of eight equations, by elimination; `None` if there is none.
fn solved(mut rows: [[f64; 9]; 8]) -> Option<[f64; 8]> {
    for i in 0..8 {
        let pivot = (i..8).max_by(|a, b| rows[*a][i].abs().total_cmp(&rows[*b][i].abs()))?;
        rows.swap(i, pivot);
        let row = rows[i];
        if row[i].abs() < 1e-9 {
            return None;
        }
        for (k, other) in rows.iter_mut().enumerate() {
            let factor = if k == i { 0.0 } else { other[i] / row[i] };
            other.iter_mut().zip(row).for_each(|(x, y)| *x -= factor * y);
        }
    }
    let mut solution = [0.0; 8];
    for (i, (x, row)) in solution.iter_mut().zip(rows).enumerate() {
        *x = row[8] / row[i];
    }
    Some(solution)
}

/// A picture of the same size whose pixels come from elsewhere, by linear interpolation; what comes from outside is black.
#[track_caller]
pub(super) fn sampled(x: &Tensor, from: &dyn Fn(f64, f64) -> [f64; 2]) -> Result<Tensor> {
    let (x, mut out) = (x.contiguous(), stale("transform", x.shape(), x.dtype())?);
    let (height, width) = (x.shape()[1], x.shape()[2]);
    let planes = x.as_slice::<f32>()?;
    let result = out.as_mut_slice::<f32>()?;
    let size = height * width;
    for (row, column) in (0..height).flat_map(|row| (0..width).map(move |column| (row, column))) {
        let [px, py] = from(column as f64, row as f64);
        let (left, top) = (px.floor(), py.floor());
        let (tx, ty) = ((px - left) as f32, (py - top) as f32);
        let taps = [
            (0.0, 0.0, (1.0 - tx) * (1.0 - ty)),
            (1.0, 0.0, tx * (1.0 - ty)),
            (0.0, 1.0, (1.0 - tx) * ty),
            (1.0, 1.0, tx * ty),
        ];
        let place = row * width + column;
        result[place..].iter_mut().step_by(size).for_each(|out| *out = 0.0);
        for (right, down, weight) in taps {
            let (x, y) = (left + right, top + down);
            // What is no number lies nowhere.
            let inside = (0.0..width as f64).contains(&x) && (0.0..height as f64).contains(&y);
            if !inside {
                continue;
            }
            let at = y as usize * width + x as usize;
            let pixels = planes[at..].iter().step_by(size);
            result[place..].iter_mut().step_by(size).zip(pixels).for_each(|(out, x)| *out += weight * x);
        }
    }
    Ok(out)
}
