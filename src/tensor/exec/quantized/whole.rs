//! Products of rows of eight bits with inputs that are rounded on the way.

use super::numbers;
use crate::error::Result;
use crate::parallel;
use crate::tensor::create::stale;
use crate::tensor::exec::conv::{self, Geometry};
use crate::tensor::exec::gemm::{narrow, wide};
use crate::tensor::kernels::GRAIN;
use crate::tensor::kernels::quantized::panels::{LANES, LONGEST, Panels};
use crate::tensor::kernels::quantized::whole as kernels;
use crate::tensor::quantized::QTensor;
use crate::tensor::{DType, Tensor};

/// How many numbers a task multiplies.
const PRODUCTS: usize = 8 * GRAIN;
/// From how many rows on the weights are turned into panels first.
const MANY: usize = 32;

/// Rows of `len` numbers as whole numbers, and their scales.
fn rounded(x: &[f32], len: usize) -> (Vec<i8>, Vec<f32>) {
    let (mut q, mut scales) = (vec![0; x.len()], vec![0.0; x.len() / len.max(1)]);
    let rows = (GRAIN / len.max(1)).max(1);
    parallel::for_blocks_of_two((&mut q, rows * len), (&mut scales, rows), &|i, q, scales| {
        let x = &x[i * rows * len..][..q.len()];
        for ((x, q), scale) in x.chunks_exact(len).zip(q.chunks_exact_mut(len)).zip(scales) {
            *scale = kernels::round(x, q);
        }
    });
    (q, scales)
}

/// `out[i][j]`: row `i` of the weights times row `j` of `q`.
fn products(own: &[u8], q: &[i8], scales: &[f32], out: &mut [f32]) {
    let (rows, len) = (scales.len(), q.len() / scales.len());
    let bytes = own.len() * rows / out.len();
    let outputs = (PRODUCTS / (len * rows).max(1)).max(4).next_multiple_of(4);
    parallel::for_blocks(out, outputs * rows, |start, out| {
        kernels::products(&own[start / rows * bytes..][..out.len() / rows * bytes], q, scales, out);
    });
}

/// `x · wᵀ`, for rows of `x`.
pub(super) fn linear(w: &QTensor, x: &Tensor, out: &mut [f32]) {
    let (outputs, features) = (w.shape()[0], w.shape()[1]);
    if out.is_empty() {
        return;
    }
    let (own, (q, scales)) = (w.blocks().data::<u8>(), rounded(x.data(), features));
    if let [_] = scales[..] {
        return products(own, &q, &scales, out);
    }
    if scales.len() >= MANY && features <= LONGEST {
        let panels = Panels::new(own, features);
        let rows = (PRODUCTS / (features * outputs).max(1)).max(1).next_multiple_of(MANY);
        return parallel::for_blocks(out, rows * outputs, |start, out| {
            let (first, count) = (start / outputs, out.len() / outputs);
            let given = &q[first * features..][..count * features];
            panels.products(0..panels.count(), given, &scales[first..][..count], out, [outputs, 1]);
        });
    }
    let mut turned = Tensor::stale(DType::F32, &[outputs, scales.len()]);
    products(own, &q, &scales, turned.data_mut());
    let turned = turned.data::<f32>();
    parallel::for_blocks(out, outputs, |start, out| {
        let row = start / outputs;
        out.iter_mut().zip(turned.chunks_exact(scales.len())).for_each(|(out, all)| *out = all[row]);
    });
}

/// The convolution of `x`, each example of which is rounded with a scale of its own, with weights of which a row is an output, and which
/// are of this shape. Nothing is rounded in `F64`.
#[track_caller]
pub(crate) fn convolution(g: &Geometry, x: &Tensor, w: &QTensor, weight: &[usize]) -> Result<Tensor> {
    if x.dtype() == DType::F64 {
        return conv::forward(g, x, &numbers("conv_quantized", w)?.cast(DType::F64).reshape(weight)?, None);
    }
    let [depth, height, width] = g.output;
    let (places, dtype) = (depth * height * width, x.dtype());
    let mut shape = x.layout().shape();
    shape[1] = g.outputs;
    for d in 2..x.rank() {
        shape[d] = g.output[3 + d - x.rank()];
    }
    let mut out = stale("conv_quantized", &shape, DType::F32)?;
    let x = wide(x).packed();
    let example = x.numel() / g.batch.max(1);
    let (q, scales) = if g.batch == 0 { (Vec::new(), Vec::new()) } else { rounded(x.data(), example) };
    let of_group = [g.channels / g.groups, g.outputs / g.groups];
    let features = w.shape()[1];
    let (own, bytes) = (w.blocks().data::<u8>(), w.blocks().shape()[1]);
    let groups: Vec<&[u8]> = own.chunks((of_group[1] * bytes).max(1)).collect();
    let is_many = places >= MANY && features <= LONGEST;
    let panels: Vec<Panels> = groups.iter().filter(|_| is_many).map(|own| Panels::new(own, features)).collect();
    parallel::for_blocks(out.data_mut::<f32>(), g.outputs * places, |start, out| {
        let i = start / (g.outputs * places);
        let (scales, mut patches) = (vec![scales[i]; places], vec![0; places * features]);
        for (group, out) in out.chunks_mut(of_group[1] * places).enumerate() {
            let channels = &q[i * example..][group * of_group[0] * (example / g.channels)..];
            parallel::for_blocks(&mut patches, (GRAIN / features.max(1)).max(1) * features, |start, patches| {
                for (n, patch) in patches.chunks_exact_mut(features).enumerate() {
                    let place = start / features + n;
                    fill(g, channels, [place / (height * width), place / width % height, place % width], patch);
                }
            });
            let Some(panels) = panels.get(group) else {
                products(groups[group], &patches, &scales, out);
                continue;
            };
            let count = (PRODUCTS / (features * places * LANES).max(1)).max(1);
            parallel::for_blocks(out, count * LANES * places, |start, out| {
                let first = start / (LANES * places);
                let some = first..panels.count().min(first + count);
                panels.products(some, &patches, &scales, out, [1, places]);
            });
        }
    });
    Ok(narrow(out, dtype))
}

/// What lies under the kernel at a place, channel by channel; zeros beyond the ends.
fn fill(g: &Geometry, channels: &[i8], place: [usize; 3], patch: &mut [i8]) {
    let [kd, kh, kw] = g.kernel;
    let [depth, height, width] = g.input;
    // Below zero, a place is beyond every end.
    let at = |d: usize, k: usize| (place[d] * g.stride[d] + k * g.dilation[d]).wrapping_sub(g.padding[d]);
    for (i, row) in patch.chunks_exact_mut(kw).enumerate() {
        let (channel, z, y) = (i / (kd * kh), at(0, i / kh % kd), at(1, i % kh));
        if z >= depth || y >= height {
            row.fill(0);
            continue;
        }
        let line = &channels[((channel * depth + z) * height + y) * width..][..width];
        row.iter_mut().enumerate().for_each(|(k, q)| *q = line.get(at(2, k)).copied().unwrap_or(0));
    }
}
