//! Strides, paddings and what else a convolution can be told.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::tensor::Shape;
use crate::tensor::layout::Dims;

/// Options of a convolution: [`Tensor::conv2d`](crate::Tensor::conv2d), [`Tensor::conv_transpose2d`](crate::Tensor::conv_transpose2d)
/// and those in one and three dimensions.
///
/// Where a number for each spatial dimension is due, one number stands for all of them.
///
/// ```
/// use demotic::ConvOptions;
///
/// let halved = ConvOptions::new().stride(2).padding(1);
/// let wide = ConvOptions::new().padding([0, 3]).dilation([1, 3]);
/// # let _ = (halved, wide);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConvOptions {
    pub(crate) stride: Dims,
    padding: Padding,
    padding_mode: PaddingMode,
    pub(crate) dilation: Dims,
    groups: usize,
    pub(crate) output_padding: Dims,
}

/// How much is added around the input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Padding {
    /// So much on both sides.
    Each(Dims),
    /// So much that the output has the size of the input.
    Same,
}

/// What stands in the places that are added around an input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum PaddingMode {
    /// `0 0 [1 2 3] 0 0`.
    #[default]
    Zeros,
    /// The input as if mirrored at its ends, which are not repeated: `3 2 [1 2 3] 2 1`.
    Reflect,
    /// The input's ends: `1 1 [1 2 3] 3 3`.
    Replicate,
    /// The input once more from its other end: `2 3 [1 2 3] 1 2`.
    Circular,
}

impl Default for ConvOptions {
    fn default() -> Self {
        Self::new()
    }
}

fn each(sizes: impl Shape) -> Dims {
    Dims::collect(sizes.sizes().iter().copied())
}

impl ConvOptions {
    /// Stride 1, no padding, dilation 1, one group.
    #[must_use]
    pub fn new() -> Self {
        let all = |n: usize| each(n);
        Self {
            stride: all(1),
            padding: Padding::Each(all(0)),
            padding_mode: PaddingMode::Zeros,
            dilation: all(1),
            groups: 1,
            output_padding: all(0),
        }
    }

    /// How far the kernel moves from one output to the next.
    #[must_use]
    pub fn stride(mut self, stride: impl Shape) -> Self {
        self.stride = each(stride);
        self
    }

    /// How many places are added at each end of the input. (Of the output of a transposed convolution, so many are left out.)
    #[must_use]
    pub fn padding(mut self, padding: impl Shape) -> Self {
        self.padding = Padding::Each(each(padding));
        self
    }

    /// As many places are added as are needed for an output of the size of the input; one more behind it than in front of it, where
    /// their number is odd. The stride must be 1.
    #[must_use]
    pub fn same(mut self) -> Self {
        self.padding = Padding::Same;
        self
    }

    /// No places are added: the kernel stays on the input.
    #[must_use]
    pub fn valid(self) -> Self {
        self.padding(0)
    }

    /// What stands in the places that are added. Zeros are not added to anything: they are left out of the sums.
    #[must_use]
    pub fn padding_mode(mut self, mode: PaddingMode) -> Self {
        self.padding_mode = mode;
        self
    }

    /// How far apart the places of the kernel are on the input.
    #[must_use]
    pub fn dilation(mut self, dilation: impl Shape) -> Self {
        self.dilation = each(dilation);
        self
    }

    /// Divides channels and outputs into so many groups that see only each other; as many as there are channels make a *depthwise*
    /// convolution.
    #[must_use]
    pub fn groups(mut self, groups: usize) -> Self {
        self.groups = groups;
        self
    }

    /// How many places the output of a transposed convolution has beyond the least: with a stride, convolutions of several sizes of
    /// input have the same size of output.
    #[must_use]
    pub fn output_padding(mut self, padding: impl Shape) -> Self {
        self.output_padding = each(padding);
        self
    }

    /// The number of groups.
    #[must_use]
    pub fn group_count(&self) -> usize {
        self.groups
    }

    /// How many places are added at each end; none for [`same`](Self::same).
    pub(crate) fn margins(&self) -> Option<&[usize]> {
        match &self.padding {
            Padding::Each(margins) => Some(margins),
            Padding::Same => None,
        }
    }

    /// What stands in the places that are added.
    pub(crate) fn mode(&self) -> PaddingMode {
        self.padding_mode
    }

    /// A text of what is not the default, for summaries.
    pub(crate) fn described(&self, dims: usize) -> String {
        let text = |sizes: &Dims| match sizes[..] {
            [n] => n.to_string(),
            _ if sizes.len() == dims && sizes.iter().all(|n| *n == sizes[0]) => sizes[0].to_string(),
            _ => format!("{sizes:?}"),
        };
        let mut parts = String::new();
        let mut numbers = |name: &str, sizes: &Dims, default: usize| {
            if sizes.iter().any(|n| *n != default) {
                parts.push_str(&format!(", {name} {}", text(sizes)));
            }
        };
        numbers("stride", &self.stride, 1);
        match &self.padding {
            Padding::Each(padding) => numbers("padding", padding, 0),
            Padding::Same => parts.push_str(", same padding"),
        }
        let mut numbers = |name: &str, sizes: &Dims, default: usize| {
            if sizes.iter().any(|n| *n != default) {
                parts.push_str(&format!(", {name} {}", text(sizes)));
            }
        };
        numbers("dilation", &self.dilation, 1);
        numbers("output padding", &self.output_padding, 0);
        if self.groups != 1 {
            parts.push_str(&format!(", {} groups", self.groups));
        }
        match self.padding_mode {
            PaddingMode::Zeros => (),
            PaddingMode::Reflect => parts.push_str(", reflected"),
            PaddingMode::Replicate => parts.push_str(", replicated"),
            PaddingMode::Circular => parts.push_str(", circular"),
        }
        parts
    }

    /// The numbers for as many spatial dimensions.
    #[track_caller]
    pub(super) fn numbers(&self, op: &'static str, dims: usize, kernel: &[usize]) -> Result<Numbers> {
        let stride = spread(op, "stride", &self.stride, dims, 1)?;
        let dilation = spread(op, "dilation", &self.dilation, dims, 1)?;
        let output_padding = spread(op, "output padding", &self.output_padding, dims, 0)?;
        for (name, numbers) in [("stride", stride), ("dilation", dilation)] {
            if numbers.contains(&0) {
                return Err(Error::argument(op, format!("a {name} of 0, expected at least 1")));
            }
        }
        if self.groups == 0 {
            return Err(Error::argument(op, "0 groups, expected at least 1"));
        }
        let mut all_kernel = [1; 3];
        all_kernel[3 - dims..].copy_from_slice(kernel);
        let mut padding = [[0; 2]; 3];
        match &self.padding {
            Padding::Each(numbers) => {
                let numbers = spread(op, "padding", numbers, dims, 0)?;
                for (padding, n) in padding.iter_mut().zip(numbers) {
                    *padding = [n; 2];
                }
            }
            Padding::Same => {
                if stride != [1; 3] {
                    let message = format!("same padding with a stride of {:?}", &stride[3 - dims..]);
                    return Err(Error::argument(op, message)
                        .with_help("the output of a strided convolution is smaller than its input: say padding(n)"));
                }
                for (d, padding) in padding.iter_mut().enumerate() {
                    let total = dilation[d].saturating_mul(all_kernel[d].saturating_sub(1));
                    *padding = [total / 2, total - total / 2];
                }
            }
        }
        let same = self.padding == Padding::Same;
        Ok(Numbers { kernel: all_kernel, stride, padding, dilation, groups: self.groups, output_padding, same })
    }
}

/// The options of a convolution in three dimensions, of which the first ones may be of size 1.
pub(super) struct Numbers {
    pub(super) kernel: [usize; 3],
    pub(super) stride: [usize; 3],
    /// In front and behind.
    pub(super) padding: [[usize; 2]; 3],
    pub(super) dilation: [usize; 3],
    pub(super) groups: usize,
    pub(super) output_padding: [usize; 3],
    pub(super) same: bool,
}

/// One number for each of three dimensions.
#[track_caller]
fn spread(op: &'static str, what: &str, given: &Dims, dims: usize, rest: usize) -> Result<[usize; 3]> {
    let mut numbers = [rest; 3];
    match given[..] {
        [n] => numbers[3 - dims..].fill(n),
        _ if given.len() == dims => numbers[3 - dims..].copy_from_slice(given),
        _ => {
            let message = format!("{what} {given:?}, expected one number or {dims}");
            return Err(Error::argument(op, message));
        }
    }
    Ok(numbers)
}
