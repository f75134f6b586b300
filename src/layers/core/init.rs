//! Initial values of parameters.

use super::init_structured::{delta_orthogonal, dirac, identity, sparse};
use crate::error::{Error, Result};
use crate::rng::Rng;
use crate::tensor::Tensor;

/// How to choose initial values.
///
/// The variance-preserving schemes take the number of inputs and outputs of a unit from the shape: a weight
/// `[out, in, k…]` has `fan_in = in · k…` and `fan_out = out · k…`, `k…` being the size of a convolution's kernel.
///
/// ```
/// use demotic::layers::Init;
/// use demotic::Rng;
///
/// let weight = Init::kaiming_normal().tensor(&[64, 128], &mut Rng::seed(0))?;
/// assert_eq!(weight.shape(), [64, 128]);
/// # Ok::<(), demotic::Error>(())
/// ```
///
/// All of them, with the usual numbers:
///
/// ```
/// use demotic::layers::{Distribution, Fan, Init};
/// use demotic::Rng;
///
/// let (gain, fan, mut rng) = (1.0, Fan::In, Rng::seed(0));
/// for scheme in [
///     Init::Constant(0.0),
///     Init::Uniform { low: -0.1, high: 0.1 },
///     Init::Normal { mean: 0.0, std: 0.02 },
///     Init::TruncatedNormal { mean: 0.0, std: 1.0, low: -2.0, high: 2.0 },
///     Init::XavierUniform { gain },
///     Init::XavierNormal { gain },
///     Init::KaimingUniform { gain, fan },
///     Init::KaimingNormal { gain, fan },
///     Init::VarianceScaling { scale: 1.0, fan, distribution: Distribution::TruncatedNormal },
///     Init::Sparse { sparsity: 0.9, std: 0.01 },
///     Init::Identity { gain },
///     Init::Orthogonal { gain },
/// ] {
///     assert!(scheme.tensor(&[64, 32], &mut rng)?.abs().mean().item()? < 1.0);
/// }
/// // Of convolutions, `[out, in, kernel…]`.
/// for scheme in [Init::Dirac { groups: 1 }, Init::DeltaOrthogonal { gain }] {
///     assert_eq!(scheme.tensor(&[8, 4, 3], &mut rng)?.select(2, 0)?.count_nonzero().item()?, 0.0);
/// }
/// # Ok::<(), demotic::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Init {
    /// The same value everywhere: PyTorch's `constant_`.
    Constant(f64),
    /// Evenly distributed in `[low, high)`, with variance `(high − low)² / 12`.
    Uniform {
        /// The lower bound.
        low: f64,
        /// The upper bound.
        high: f64,
    },
    /// Normally distributed (Gaussian): `mean + std · z`.
    Normal {
        /// The mean.
        mean: f64,
        /// The standard deviation.
        std: f64,
    },
    /// Normally distributed, under the condition that values are within `[low, high]`, wherever that is: PyTorch's
    /// `trunc_normal_`.
    TruncatedNormal {
        /// The mean before truncation.
        mean: f64,
        /// The standard deviation before truncation.
        std: f64,
        /// The lower bound.
        low: f64,
        /// The upper bound.
        high: f64,
    },
    /// Uniform with variance `gain² · 2 / (fan_in + fan_out)` (Glorot and Bengio, 2010).
    XavierUniform {
        /// A factor for the activation that follows; see [`Gain`].
        gain: f64,
    },
    /// Normal with variance `gain² · 2 / (fan_in + fan_out)` (Glorot and Bengio, 2010).
    XavierNormal {
        /// A factor for the activation that follows; see [`Gain`].
        gain: f64,
    },
    /// Uniform with variance `gain² / fan` (He et al., 2015).
    KaimingUniform {
        /// A factor for the activation that follows; see [`Gain`].
        gain: f64,
        /// Which fan to preserve the variance of.
        fan: Fan,
    },
    /// Normal with variance `gain² / fan` (He et al., 2015).
    KaimingNormal {
        /// A factor for the activation that follows; see [`Gain`].
        gain: f64,
        /// Which fan to preserve the variance of.
        fan: Fan,
    },
    /// Values with variance `scale / fan`, of a distribution of your choice: Keras' `VarianceScaling`, of which the schemes above, and
    /// those of LeCun ([`lecun_normal`](Self::lecun_normal)), are special cases.
    VarianceScaling {
        /// What the variance is a multiple of.
        scale: f64,
        /// Which fan to preserve the variance of.
        fan: Fan,
        /// The distribution.
        distribution: Distribution,
    },
    /// Normally distributed, with a share of zeros in each column, in places by chance (Martens, 2010). Matrices only.
    Sparse {
        /// The share of each column that is zero, rounded up to whole elements.
        sparsity: f64,
        /// The standard deviation of the others.
        std: f64,
    },
    /// A convolution that gives its input on, channel by channel, as far as there are channels: `[out, in, kernel…]` is 1 in the middle
    /// of the kernel where `out` and `in` have the same number within their group, else 0: PyTorch's `dirac_`.
    Dirac {
        /// In how many groups the outputs are. 1 is usual.
        groups: usize,
    },
    /// `gain` on the diagonal of a matrix, else 0: a dense layer that gives its input on, or the recurrent weights of a network that
    /// begins by remembering everything (Le, Jaitly and Hinton, 2015).
    Identity {
        /// What is on the diagonal.
        gain: f64,
    },
    /// A convolution that keeps the length of what comes in: an orthogonal matrix in the middle of the kernel, else 0 (Xiao et al.,
    /// *Dynamical isometry*, 2018). With at least as many outputs as inputs.
    DeltaOrthogonal {
        /// The length of the columns of the matrix.
        gain: f64,
    },
    /// Rows or columns, whichever are fewer, that are orthogonal and of length `gain` (Saxe et al., 2013).
    Orthogonal {
        /// The length of the rows or columns.
        gain: f64,
    },
}

/// Which direction an initialiser keeps the variance of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fan {
    /// That of the outputs of the forward pass.
    In,
    /// That of the gradients of the backward pass.
    Out,
    /// Both as far as possible: the mean of the two numbers.
    Average,
}

/// From what distribution initial values of a given variance are drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Distribution {
    /// The normal one within two deviations, which are made a little larger so that the variance is right, as in Keras.
    TruncatedNormal,
    /// The normal one.
    Normal,
    /// The even one.
    Uniform,
}

/// The standard deviation of a standard normal distribution that is cut off at ±2.
const TRUNCATED_STD: f64 = 0.879_625_661_034_239_8;

/// The factor by which an activation shrinks the scale of its input, inverted: PyTorch's `calculate_gain`.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Gain {
    /// No activation, a convolution, or a sigmoid: 1.
    Linear,
    /// 5/3.
    Tanh,
    /// √2.
    Relu,
    /// √(2 / (1 + slope²)).
    LeakyRelu(f64),
    /// 3/4.
    Selu,
}

impl Gain {
    /// The factor.
    #[must_use]
    pub fn value(self) -> f64 {
        match self {
            Self::Linear => 1.0,
            Self::Tanh => 5.0 / 3.0,
            Self::Relu => std::f64::consts::SQRT_2,
            Self::LeakyRelu(slope) => (2.0 / (1.0 + slope * slope)).sqrt(),
            Self::Selu => 0.75,
        }
    }
}

impl Init {
    /// Zero everywhere.
    pub const ZEROS: Self = Self::Constant(0.0);
    /// One everywhere.
    pub const ONES: Self = Self::Constant(1.0);
    /// Normally distributed with mean 0 and deviation 1.
    pub const STANDARD_NORMAL: Self = Self::Normal { mean: 0.0, std: 1.0 };

    /// [`XavierUniform`](Self::XavierUniform) with gain 1.
    #[must_use]
    pub fn xavier_uniform() -> Self {
        Self::XavierUniform { gain: 1.0 }
    }

    /// [`XavierNormal`](Self::XavierNormal) with gain 1.
    #[must_use]
    pub fn xavier_normal() -> Self {
        Self::XavierNormal { gain: 1.0 }
    }

    /// [`KaimingUniform`](Self::KaimingUniform) for layers followed by ReLU.
    #[must_use]
    pub fn kaiming_uniform() -> Self {
        Self::KaimingUniform { gain: Gain::Relu.value(), fan: Fan::In }
    }

    /// [`KaimingNormal`](Self::KaimingNormal) for layers followed by ReLU.
    #[must_use]
    pub fn kaiming_normal() -> Self {
        Self::KaimingNormal { gain: Gain::Relu.value(), fan: Fan::In }
    }

    /// Uniform with variance `1 / fan_in` (LeCun et al., *Efficient BackProp*, 1998).
    #[must_use]
    pub fn lecun_uniform() -> Self {
        Self::VarianceScaling { scale: 1.0, fan: Fan::In, distribution: Distribution::Uniform }
    }

    /// Normal within two deviations with variance `1 / fan_in` (LeCun et al., 1998), as in Keras: what goes with [`Selu`](crate::layers::Selu).
    #[must_use]
    pub fn lecun_normal() -> Self {
        Self::VarianceScaling { scale: 1.0, fan: Fan::In, distribution: Distribution::TruncatedNormal }
    }

    /// [`Dirac`](Self::Dirac) in one group.
    #[must_use]
    pub fn dirac() -> Self {
        Self::Dirac { groups: 1 }
    }

    /// [`Orthogonal`](Self::Orthogonal) with gain 1.
    #[must_use]
    pub fn orthogonal() -> Self {
        Self::Orthogonal { gain: 1.0 }
    }

    /// Uniform in `±√(3/fan_in) · gain` with gain `1/√3`, that is in `±1/√fan_in`: what PyTorch starts linear and
    /// convolutional layers with.
    pub(crate) fn pytorch_default(fan_in: usize) -> Self {
        let bound = 1.0 / (fan_in.max(1) as f64).sqrt();
        Self::Uniform { low: -bound, high: bound }
    }

    /// A tensor of type `F32` with values chosen this way.
    ///
    /// # Errors
    /// If an option makes no sense, or the scheme needs at least two dimensions and the shape has fewer.
    #[track_caller]
    pub fn tensor(self, shape: &[usize], rng: &mut Rng) -> Result<Tensor> {
        if rng.is_blank() {
            return Tensor::zeros(shape);
        }
        let uniform = |std: f64, rng: &mut Rng| {
            let bound = 3f64.sqrt() * std;
            Tensor::uniform(shape, -bound, bound, rng)
        };
        match self {
            Self::Constant(value) => Tensor::full(shape, value),
            Self::Uniform { low, high } => Tensor::uniform(shape, low, high, rng),
            Self::Normal { mean, std } => Tensor::normal(shape, mean, std, rng),
            Self::TruncatedNormal { mean, std, low, high } => truncated_normal(shape, mean, std, [low, high], rng),
            Self::XavierUniform { gain } => uniform(xavier_std(shape, gain)?, rng),
            Self::XavierNormal { gain } => Tensor::normal(shape, 0.0, xavier_std(shape, gain)?, rng),
            Self::KaimingUniform { gain, fan } => uniform(kaiming_std(shape, gain, fan)?, rng),
            Self::KaimingNormal { gain, fan } => Tensor::normal(shape, 0.0, kaiming_std(shape, gain, fan)?, rng),
            Self::VarianceScaling { scale, fan, distribution } => {
                let std = variance_scaling_std(shape, scale, fan)?;
                match distribution {
                    Distribution::Normal => Tensor::normal(shape, 0.0, std, rng),
                    Distribution::Uniform => uniform(std, rng),
                    Distribution::TruncatedNormal => {
                        let std = std / TRUNCATED_STD;
                        truncated_normal(shape, 0.0, std, [-2.0 * std, 2.0 * std], rng)
                    }
                }
            }
            Self::Sparse { sparsity, std } => sparse(shape, sparsity, std, rng),
            Self::Dirac { groups } => dirac(shape, groups),
            Self::Identity { gain } => identity(shape, gain),
            Self::DeltaOrthogonal { gain } => delta_orthogonal(shape, gain, rng),
            Self::Orthogonal { gain } => orthogonal(shape, gain, rng),
        }
    }
}

/// The numbers of inputs and outputs of one unit.
#[track_caller]
fn fans(shape: &[usize]) -> Result<[f64; 2]> {
    let &[outputs, inputs, ref kernel @ ..] = shape else {
        let message = format!("shape {shape:?} has no numbers of inputs and outputs");
        return Err(Error::shape("init", message)
            .with_help("use this scheme for weights of two or more dimensions, and a constant for biases"));
    };
    let kernel = kernel.iter().map(|n| *n as f64).product::<f64>();
    Ok([inputs as f64 * kernel, outputs as f64 * kernel])
}

#[track_caller]
fn xavier_std(shape: &[usize], gain: f64) -> Result<f64> {
    let [fan_in, fan_out] = fans(shape)?;
    Ok(gain * (2.0 / (fan_in + fan_out).max(1.0)).sqrt())
}

#[track_caller]
fn kaiming_std(shape: &[usize], gain: f64, fan: Fan) -> Result<f64> {
    let [fan_in, fan_out] = fans(shape)?;
    let fan = match fan {
        Fan::In => fan_in,
        Fan::Out => fan_out,
        Fan::Average => (fan_in + fan_out) / 2.0,
    };
    Ok(gain / fan.max(1.0).sqrt())
}

#[track_caller]
fn variance_scaling_std(shape: &[usize], scale: f64, fan: Fan) -> Result<f64> {
    if !(scale > 0.0 && scale.is_finite()) {
        return Err(Error::argument("init", format!("scale is {scale}, expected a positive number")));
    }
    kaiming_std(shape, scale.sqrt(), fan)
}

#[track_caller]
fn truncated_normal(shape: &[usize], mean: f64, std: f64, [low, high]: [f64; 2], rng: &mut Rng) -> Result<Tensor> {
    let single = |x: f64| (x as f32).is_finite();
    let tail = StandardTail::new((low - mean) / std, (high - mean) / std);
    let [lowest, highest] = [f32::MIN, f32::MAX].map(f64::from);
    let possible = single(mean) && std > 0.0 && single(std) && low < high && low <= highest && high >= lowest;
    let (true, Some(tail)) = (possible, tail) else {
        let message = format!("no normal distribution with mean {mean} and std {std} between {low} and {high}");
        return Err(Error::argument("truncated_normal", message));
    };
    // Rounding must not lead out of the bounds, unless there is no number of this type between them.
    let (mut first, mut last) = (low.max(lowest) as f32, high.min(highest) as f32);
    if f64::from(first) < low {
        first = first.next_up();
    }
    if f64::from(last) > high {
        last = last.next_down();
    }
    let mut out = Tensor::zeros(shape)?;
    for x in out.as_mut_slice::<f32>()? {
        let value = (mean + std * tail.draw(rng)) as f32;
        *x = if first <= last { value.clamp(first, last) } else { low as f32 };
    }
    Ok(out)
}

/// The part from `a` to `b` of the standard normal distribution, drawn from by rejection (Robert, *Simulation of truncated
/// normal variables*, 1995): proposals are chosen so that at least four of ten are taken, wherever the part lies.
struct StandardTail {
    a: f64,
    b: f64,
    /// Whether the part lies below 0 and was mirrored.
    mirrored: bool,
    proposal: Proposal,
}

enum Proposal {
    /// The whole distribution.
    Normal,
    /// Evenly between the bounds.
    Even,
    /// From the lower bound on, falling off exponentially at this rate, up to the upper one.
    Exponential(f64),
}

impl StandardTail {
    /// `None` if there is no such part, or it begins where no distances are representable.
    fn new(a: f64, b: f64) -> Option<Self> {
        let mirrored = b < 0.0;
        let (a, b) = if mirrored { (-b, -a) } else { (a, b) };
        if a.is_nan() || b.is_nan() || a > b || a > MAX_DEVIATIONS {
            return None;
        }
        let proposal = if a <= 0.0 {
            // The widest even proposal, of 2.5 deviations from the mean on, is taken in half of all cases, as the normal one.
            if b - a > 2.5 { Proposal::Normal } else { Proposal::Even }
        } else {
            let root = a.hypot(2.0);
            let even = 2.0 / (a + root) * (0.5 - a / (a + root)).exp();
            if b - a <= even { Proposal::Even } else { Proposal::Exponential((a + root) / 2.0) }
        };
        Some(Self { a, b, mirrored, proposal })
    }

    fn draw(&self, rng: &mut Rng) -> f64 {
        let Self { a, b, .. } = *self;
        let x = loop {
            // The logarithm of how often a proposal is taken, and the proposal.
            let (x, log_share) = match self.proposal {
                Proposal::Normal => {
                    let x = rng.normal();
                    (x, if (a..=b).contains(&x) { 0.0 } else { f64::NEG_INFINITY })
                }
                Proposal::Even => {
                    let x = a + (b - a) * rng.uniform();
                    // The density is largest at the bound that is next to 0.
                    let top = a.max(0.0);
                    (x, (top - x) * (top + x) / 2.0)
                }
                Proposal::Exponential(rate) => {
                    // 1 - uniform() is never 0.
                    let fallen = -f64::exp_m1(-rate * (b - a));
                    let x = a - f64::ln_1p(-fallen * rng.uniform()) / rate;
                    (x, -(x - rate).powi(2) / 2.0)
                }
            };
            if log_share >= 0.0 || rng.uniform() < log_share.exp() {
                break x.clamp(a, b);
            }
        };
        if self.mirrored { -x } else { x }
    }
}

/// The farthest from the mean, in deviations, that a truncated distribution may begin: beyond, all of it lies closer to its
/// bound than numbers can tell apart.
const MAX_DEVIATIONS: f64 = 1e15;

/// Orthogonalises normally distributed rows one after the other (modified Gram-Schmidt, twice for accuracy), which
/// gives a uniformly distributed orthogonal matrix.
#[track_caller]
pub(super) fn orthogonal(shape: &[usize], gain: f64, rng: &mut Rng) -> Result<Tensor> {
    fans(shape)?;
    let mut out = Tensor::zeros(shape)?;
    let (rows, columns) = (shape[0], shape[1..].iter().product::<usize>());
    let (count, length) = (rows.min(columns), rows.max(columns));
    let mut vectors: Vec<Vec<f64>> = Vec::with_capacity(count);
    while vectors.len() < count {
        let mut v: Vec<f64> = (0..length).map(|_| rng.normal()).collect();
        for _ in 0..2 {
            for u in &vectors {
                let dot: f64 = u.iter().zip(&v).map(|(u, v)| u * v).sum();
                v.iter_mut().zip(u).for_each(|(v, u)| *v -= dot * u);
            }
        }
        let norm = v.iter().map(|x| x * x).sum::<f64>().sqrt();
        // A vector in the span of the others has no direction of its own left: draw another one.
        if norm > 1e-6 {
            v.iter_mut().for_each(|x| *x /= norm);
            vectors.push(v);
        }
    }
    for (i, x) in out.as_mut_slice::<f32>()?.iter_mut().enumerate() {
        let (row, column) = (i / columns, i % columns);
        let (k, j) = if rows <= columns { (row, column) } else { (column, row) };
        *x = (gain * vectors[k][j]) as f32;
    }
    Ok(out)
}
