//! What has to fit before anything is computed.

use super::options::{Numbers, PaddingMode};
use crate::error::{Error, Result};
use crate::tensor::Tensor;
use crate::tensor::dtype::literals;
use crate::tensor::exec::conv::Geometry;

/// How inputs are spelled in so many spatial dimensions.
fn spelled(dims: usize) -> &'static str {
    match dims {
        1 => "[batch, channels, length]",
        2 => "[batch, channels, height, width]",
        _ => "[batch, channels, depth, height, width]",
    }
}

/// Types and numbers of dimensions.
#[track_caller]
pub(super) fn operands(op: &'static str, dims: usize, x: &Tensor, w: &Tensor, bias: Option<&Tensor>) -> Result<()> {
    x.expect_any_float(op, "the input")?;
    if w.dtype() != x.dtype() {
        let (given, own) = (x.dtype(), w.dtype());
        return Err(Error::dtype(op, format!("an input of {given} for a weight of {own}"))
            .with_help(format!("convert the input with to_dtype(DType::{own:?}){}", literals(own, given))));
    }
    if w.rank() != dims + 2 {
        let message = format!("a weight of shape {:?}, which has {} dimensions, not {}", w.shape(), w.rank(), dims + 2);
        return Err(Error::shape(op, message));
    }
    if w.shape().contains(&0) {
        return Err(Error::shape(op, format!("a weight of shape {:?}, which has no elements", w.shape())));
    }
    if x.rank() != dims + 2 && x.rank() != dims + 1 {
        let message = format!("an input of shape {:?}, expected {}", x.shape(), spelled(dims));
        let error = Error::shape(op, message);
        return Err(if x.rank() == dims {
            error.with_help("without channels? unsqueeze(0) makes one of an example")
        } else {
            error.with_help("or the same without a batch, for one example")
        });
    }
    bias.map_or(Ok(()), |bias| bias.expect_dtype(op, "the bias", x.dtype()))
}

/// One example as a batch, and whether it was one.
#[track_caller]
pub(super) fn with_batch(x: &Tensor, dims: usize) -> Result<(Tensor, bool)> {
    let single = x.rank() == dims + 1;
    Ok((if single { x.unsqueeze(0)? } else { x.clone() }, single))
}

#[track_caller]
fn bias_of(op: &'static str, bias: Option<&Tensor>, outputs: usize) -> Result<()> {
    match bias {
        Some(bias) if bias.shape() != [outputs] => {
            let message = format!("a bias of shape {:?} for {outputs} outputs", bias.shape());
            Err(Error::shape(op, message))
        }
        _ => Ok(()),
    }
}

/// Channels of the input that the weight does not take.
#[track_caller]
fn channels(op: &'static str, dims: usize, (x, single): &(Tensor, bool), expected: usize) -> Result<()> {
    let given = x.shape()[1];
    if given == expected {
        return Ok(());
    }
    let shape = &x.shape()[usize::from(*single)..];
    let message = format!("the input {shape:?} has {given} channels, the weight takes {expected}");
    let error = Error::shape(op, message);
    if x.shape()[dims + 1] == expected {
        let names = ["NLC", "NHWC", "NDHWC"][dims - 1];
        let (names, from) = if *single { (&names[1..], 0) } else { (names, 1) };
        let order: Vec<isize> = (0..from).chain([from + dims as isize]).chain(from..from + dims as isize).collect();
        let help = format!("input {shape:?} seems to be {names}; channels come first here: permute(&{order:?})");
        return Err(error.with_help(help));
    }
    Err(if *single && expected == 1 {
        error.with_help("a batch of pictures without channels? unsqueeze(1) makes one of them")
    } else {
        error.with_help(format!("inputs are {}", spelled(dims)))
    })
}

/// Sizes that are to be divided into groups.
#[track_caller]
fn divided(op: &'static str, what: &str, count: usize, groups: usize) -> Result<()> {
    if count.is_multiple_of(groups) {
        return Ok(());
    }
    Err(Error::argument(op, format!("{count} {what} cannot be divided into {groups} groups")))
}

/// How much of the input a kernel covers, if that can be counted.
fn extent(numbers: &Numbers, d: usize) -> Option<usize> {
    numbers.dilation[d].checked_mul(numbers.kernel[d] - 1)?.checked_add(1)
}

/// The input, padded unless it is by zeros, and all sizes of its convolution.
#[track_caller]
pub(super) fn forward(
    op: &'static str,
    dims: usize,
    x: &(Tensor, bool),
    w: &Tensor,
    bias: Option<&Tensor>,
    numbers: &Numbers,
    mode: PaddingMode,
) -> Result<((Tensor, bool), Geometry)> {
    let (outputs, groups) = (w.shape()[0], numbers.groups);
    if numbers.output_padding != [0; 3] {
        return Err(Error::argument(op, "an output padding, which only transposed convolutions have"));
    }
    divided(op, "outputs", outputs, groups)?;
    channels(op, dims, x, w.shape()[1].saturating_mul(groups))?;
    bias_of(op, bias, outputs)?;
    let (mut x, single) = x.clone();
    let mut padding = numbers.padding;
    if mode != PaddingMode::Zeros {
        let pairs: Vec<(isize, isize)> = padding[3 - dims..].iter().map(|[a, b]| (signed(*a), signed(*b))).collect();
        x = match mode {
            PaddingMode::Reflect => x.pad_reflect(&pairs)?,
            PaddingMode::Replicate => x.pad_replicate(&pairs)?,
            _ => x.pad_circular(&pairs)?,
        };
        padding = [[0; 2]; 3];
    }
    let (mut input, mut output) = ([1; 3], [1; 3]);
    input[3 - dims..].copy_from_slice(&x.shape()[2..]);
    for d in 3 - dims..3 {
        let padded = input[d].checked_add(padding[d][0]).and_then(|n| n.checked_add(padding[d][1]));
        let fitting = padded.filter(|padded| *padded <= isize::MAX as usize);
        let (Some(padded), Some(extent)) = (fitting, extent(numbers, d)) else {
            let message = format!("padding {:?} and dilation {} are too large", padding[d], numbers.dilation[d]);
            return Err(Error::argument(op, message));
        };
        let shape = &x.shape()[usize::from(single)..];
        let dim = d + dims - 1 - usize::from(single);
        if input[d] == 0 {
            return Err(Error::shape(op, format!("the input {shape:?} has no elements in dimension {dim}")));
        }
        let Some(rest) = padded.checked_sub(extent) else {
            let (kernel, dilated) = (numbers.kernel[d], extent);
            let dilated = if dilated > kernel { format!(", dilated to {dilated},") } else { String::new() };
            let padded = if padded > input[d] { format!(", padded to {padded}") } else { String::new() };
            let message = format!(
                "the kernel of {kernel}{dilated} is larger than dimension {dim} of the input {shape:?}{padded}"
            );
            return Err(
                Error::shape(op, message).with_help("add padding, or take fewer layers that make the input smaller")
            );
        };
        output[d] = rest / numbers.stride[d] + 1;
    }
    let geometry = Geometry {
        batch: x.shape()[0],
        channels: x.shape()[1],
        outputs,
        groups,
        input,
        output,
        kernel: numbers.kernel,
        stride: numbers.stride,
        padding: padding.map(|[before, _]| before),
        dilation: numbers.dilation,
    };
    Ok(((x, single), geometry))
}

fn signed(n: usize) -> isize {
    isize::try_from(n).unwrap_or(isize::MAX)
}

/// All sizes of a transposed convolution: those of the convolution that it is the gradient of.
#[track_caller]
pub(super) fn transposed(
    op: &'static str,
    dims: usize,
    x: &(Tensor, bool),
    w: &Tensor,
    bias: Option<&Tensor>,
    numbers: &Numbers,
    mode: PaddingMode,
) -> Result<Geometry> {
    let groups = numbers.groups;
    if numbers.same || mode != PaddingMode::Zeros {
        return Err(Error::argument(op, "transposed convolutions are padded by numbers, and with zeros"));
    }
    divided(op, "channels", w.shape()[0], groups)?;
    channels(op, dims, x, w.shape()[0])?;
    let (x, single) = (&x.0, usize::from(x.1));
    let shape = &x.shape()[single..];
    let Some(outputs) = w.shape()[1].checked_mul(groups) else {
        return Err(Error::argument(op, format!("{groups} groups are too many")));
    };
    bias_of(op, bias, outputs)?;
    let (mut input, mut output) = ([1; 3], [1; 3]);
    output[3 - dims..].copy_from_slice(&x.shape()[2..]);
    for d in 3 - dims..3 {
        let (stride, more) = (numbers.stride[d], numbers.output_padding[d]);
        if more >= stride && more >= numbers.dilation[d] {
            let message = format!(
                "an output padding of {more}, expected less than the stride, {stride}, or the dilation, {}",
                numbers.dilation[d]
            );
            return Err(Error::argument(op, message));
        }
        if output[d] == 0 {
            let message = format!("the input {shape:?} has no elements in dimension {}", d + dims - 1 - single);
            return Err(Error::shape(op, message));
        }
        let [before, behind] = numbers.padding[d];
        let covered = (|| (output[d] - 1).checked_mul(stride)?.checked_add(extent(numbers, d)?)?.checked_add(more))();
        let (Some(covered), Some(cut)) = (covered.filter(|n| *n <= isize::MAX as usize), before.checked_add(behind))
        else {
            return Err(Error::argument(op, format!("stride {stride} and padding {before} are too large")));
        };
        // A batch of no examples may come out as nothing, as in PyTorch.
        let least = usize::from(x.shape()[0] > 0);
        let Some(size) = covered.checked_sub(cut).filter(|size| *size >= least) else {
            let message = format!(
                "padding {before} leaves nothing of the {covered} outputs in dimension {} (input {shape:?})",
                d + dims - 1 - single
            );
            return Err(Error::shape(op, message));
        };
        input[d] = size;
    }
    Ok(Geometry {
        batch: x.shape()[0],
        channels: outputs,
        outputs: x.shape()[1],
        groups,
        input,
        output,
        kernel: numbers.kernel,
        stride: numbers.stride,
        padding: numbers.padding.map(|[before, _]| before),
        dilation: numbers.dilation,
    })
}
