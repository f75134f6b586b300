//! Whether an explanation is about the model.

use super::groups::Groups;
use super::subject::{Explained, baseline_of, rows};
use crate::error::{Error, Here, Result};
use crate::layers::{Layer, Slot, SlotMut, Visitor, VisitorMut};
use crate::rng::Rng;
use crate::stats;
use crate::tensor::Tensor;

/// Outputs while more and more of an input is taken away, or put back.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct FaithfulnessCurve {
    /// Which share of the elements was changed, from 0 to 1.
    pub shares: Vec<f64>,
    /// The outputs of each example.
    pub outputs: Vec<Vec<f64>>,
    /// The area below the curve of each example.
    pub areas: Vec<f64>,
}

/// Deletion and insertion (Petsiuk et al., *RISE*, 2018): if an explanation is right, the output falls quickly when the elements that it
/// names first are replaced by those of a baseline, and rises quickly when they are the first to be put back. Compare the areas with those
/// of an explanation at random: a model may react to any hole.
///
/// ```
/// use demotic::explain::{Explained, Faithfulness, gradient_x_input};
/// use demotic::prelude::*;
///
/// let f = |x: &Tensor| x.mul(&tensor![4.0, 2.0, 1.0, 1.0])?.sum_dims(&[1], false);
/// let (of, x) = (Explained::function(&f), Tensor::ones([1, 4])?);
/// let found = Faithfulness::new(4).deletion(&of, &x, &gradient_x_input(&of, &x)?)?;
/// assert_eq!(found.outputs[0], [8.0, 4.0, 2.0, 1.0, 0.0]);
/// # Ok::<(), demotic::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Faithfulness {
    steps: usize,
    baseline: Option<Tensor>,
    groups: Option<Groups>,
}

impl Faithfulness {
    /// In so many steps: 1 to 10,000.
    #[must_use]
    pub fn new(steps: usize) -> Self {
        Self { steps, baseline: None, groups: None }
    }

    /// What stands in the places of what is taken away: zeros, if nothing is said.
    #[must_use]
    pub fn baseline(self, baseline: &Tensor) -> Self {
        Self { baseline: Some(baseline.clone()), ..self }
    }

    /// The groups that attributions `[n, groups]` are of.
    #[must_use]
    pub fn groups(self, groups: &Groups) -> Self {
        Self { groups: Some(groups.clone()), ..self }
    }

    /// Takes away the elements in the order of their attributions, the largest first. These are of the inputs' shape, of that of pictures
    /// without the channels, or `[n, groups]`.
    ///
    /// # Errors
    /// If the shapes do not fit, the number of steps is out of range, something is not finite, or the target does not exist.
    #[track_caller]
    pub fn deletion(&self, of: &Explained<'_>, x: &Tensor, attribution: &Tensor) -> Result<FaithfulnessCurve> {
        self.run("deletion", of, x, attribution, false)
    }

    /// The same from the baseline to the input.
    ///
    /// # Errors
    /// As for [`deletion`](Self::deletion).
    #[track_caller]
    pub fn insertion(&self, of: &Explained<'_>, x: &Tensor, attribution: &Tensor) -> Result<FaithfulnessCurve> {
        self.run("insertion", of, x, attribution, true)
    }

    #[track_caller]
    fn run(
        &self,
        op: &'static str,
        of: &Explained<'_>,
        x: &Tensor,
        attribution: &Tensor,
        insert: bool,
    ) -> Result<FaithfulnessCurve> {
        if !(1..=10_000).contains(&self.steps) {
            return Err(Error::argument(op, format!("{} steps, expected 1 to 10,000", self.steps)));
        }
        let scorer = of.scorer(op, x)?;
        let base = baseline_of(op, x, self.baseline.as_ref())?;
        attribution.expect_finite(op, "the attribution")?;
        let (n, size) = (scorer.examples, x.numel() / scorer.examples);
        let unit = units(op, x, attribution, self.groups.as_ref())?;
        let count = attribution.numel() / n;
        let values = attribution.to_f64_vec();
        let gone: Vec<usize> = (0..=self.steps).map(|s| (s * count + self.steps / 2) / self.steps).collect();
        let (mut outputs, mut areas) = (Vec::with_capacity(n), Vec::with_capacity(n));
        let at_once = scorer.limit(x);
        for i in 0..n {
            let own = &values[i * count..(i + 1) * count];
            let mut order: Vec<usize> = (0..count).collect();
            crate::order::sort_by(&mut order, |a, b| own[*b].total_cmp(&own[*a]));
            let mut rank = vec![0; count];
            order.iter().enumerate().for_each(|(place, unit)| rank[*unit] = place);
            let [own, other] = [x, &base].map(|x| x.detach().narrow(0, i, 1).and_then(|x| x.reshape([1, size])));
            let (own, other) = if insert { (other?, own?) } else { (own?, other?) };
            let mut curve = Vec::with_capacity(gone.len());
            for gone in gone.chunks(at_once) {
                let changed = gone.iter().flat_map(|gone| unit.iter().map(|unit| rank[*unit] < *gone)).collect();
                let mask: Tensor = Tensor::from_vec::<bool>(changed, [gone.len(), size])?;
                let mixed = mask.where_(&other, &own)?.reshape([&[gone.len()], &x.shape()[1..]].concat())?;
                curve.extend(scorer.values(&mixed, &vec![i; gone.len()])?);
            }
            let area = |pair: &[f64]| 0.5 * (pair[0] + pair[1]) / self.steps as f64;
            areas.push(curve.windows(2).map(area).sum());
            outputs.push(curve);
        }
        let shares = (0..=self.steps).map(|s| s as f64 / self.steps as f64).collect();
        Ok(FaithfulnessCurve { shares, outputs, areas })
    }
}

/// To which number of an example's attribution each of its elements belongs.
#[track_caller]
fn units(op: &'static str, x: &Tensor, attribution: &Tensor, groups: Option<&Groups>) -> Result<Vec<usize>> {
    let (of, shape) = (attribution.shape(), x.shape());
    let size: usize = shape[1..].iter().product();
    match groups {
        Some(groups) if of == [shape[0], groups.len()] => {
            groups.check(op, x)?;
            Ok(groups.of().to_vec())
        }
        None if of == shape => Ok((0..size).collect()),
        None if shape.len() > 2 && of.first() == shape.first() && of[1..] == shape[2..] => {
            let places = size / shape[1];
            Ok((0..size).map(|i| i % places).collect())
        }
        _ => {
            let message = format!("an attribution of shape {of:?} for inputs of {shape:?}");
            Err(Error::shape(op, message).with_help("groups(..) says what numbers of groups belong to"))
        }
    }
}

/// Infidelity (Yeh et al., *On the (in)fidelity and sensitivity of explanations*, 2019) of each example: how far what an attribution says
/// that perturbations take from the output is from what they take, squared and on average. 0 is right. The perturbations, `[k, n, ..]`,
/// are subtracted from the inputs; noise of the size of what one cares about, or differences from baselines.
///
/// ```
/// use demotic::explain::{Explained, gradient, infidelity};
/// use demotic::prelude::*;
///
/// let mut rng = Rng::seed(0);
/// let model = Linear::new(3, 1, &mut rng)?;
/// let (of, x) = (Explained::layer(&model), Tensor::normal([2, 3], 0.0, 1.0, &mut rng)?);
/// let noise = Tensor::normal([20, 2, 3], 0.0, 0.1, &mut rng)?;
/// assert!(infidelity(&of, &x, &gradient(&of, &x)?, &noise)?.iter().all(|x| *x < 1e-10));
/// # Ok::<(), demotic::Error>(())
/// ```
///
/// # Errors
/// If shapes do not fit, there are no perturbations, something is not finite, or the target does not exist.
#[track_caller]
pub fn infidelity(of: &Explained<'_>, x: &Tensor, attribution: &Tensor, perturbations: &Tensor) -> Result<Vec<f64>> {
    let op = "infidelity";
    let scorer = of.scorer(op, x)?;
    let k = check_perturbations(op, x, perturbations)?;
    if attribution.shape() != x.shape() {
        let (of, shape) = (attribution.shape(), x.shape());
        return Err(Error::shape(op, format!("an attribution of shape {of:?} for inputs of {shape:?}")));
    }
    attribution.expect_finite(op, "the attribution")?;
    let n = scorer.examples;
    let who: Vec<usize> = (0..n).collect();
    let (whole, values) = (scorer.values(&x.detach(), &who)?, attribution.to_f64_vec());
    let size = values.len() / n;
    let mut sums = vec![0.0; n];
    for j in 0..k {
        let change = perturbations.select(0, j as isize)?.contiguous();
        let outputs = scorer.values(&x.detach().sub(&change)?, &who)?;
        let change = change.to_f64_vec();
        for i in 0..n {
            let range = i * size..(i + 1) * size;
            let said = change[range.clone()].iter().zip(&values[range]).map(|(a, b)| a * b).sum::<f64>();
            sums[i] += (said - (whole[i] - outputs[i])).powi(2) / k as f64;
        }
    }
    stats::finite(op, "the infidelity", sums)
}

/// The largest relative change of each example's explanation when perturbations, `[k, n, ..]`, are added to the inputs (max-sensitivity,
/// Yeh et al., 2019): an explanation that jumps while the inputs hardly move explains nothing.
///
/// ```
/// use demotic::explain::{Explained, saliency, sensitivity};
/// use demotic::prelude::*;
///
/// let mut rng = Rng::seed(0);
/// let model = Linear::new(3, 1, &mut rng)?;
/// let x = Tensor::normal([2, 3], 0.0, 1.0, &mut rng)?;
/// let noise = Tensor::normal([5, 2, 3], 0.0, 0.02, &mut rng)?;
/// let found = sensitivity(&x, &noise, |x| saliency(&Explained::layer(&model), x))?;
/// assert_eq!(found, [0.0, 0.0]);
/// # Ok::<(), demotic::Error>(())
/// ```
///
/// # Errors
/// If shapes do not fit, there are no perturbations, something is not finite, or `explain` fails.
#[track_caller]
pub fn sensitivity(
    x: &Tensor,
    perturbations: &Tensor,
    mut explain: impl FnMut(&Tensor) -> Result<Tensor>,
) -> Result<Vec<f64>> {
    largest_change(x, perturbations, &mut explain)
}

#[track_caller]
fn largest_change(
    x: &Tensor,
    perturbations: &Tensor,
    explain: &mut dyn FnMut(&Tensor) -> Result<Tensor>,
) -> Result<Vec<f64>> {
    let op = "sensitivity";
    if x.rank() == 0 || x.is_empty() {
        return Err(Error::shape(
            op,
            format!("the input has shape {:?}, in which there is nothing to explain", x.shape()),
        ));
    }
    x.expect_finite(op, "the input")?;
    let k = check_perturbations(op, x, perturbations)?;
    let mut explain = |x: &Tensor| -> Result<Vec<f64>> {
        let found = explain(x)?;
        found.expect_finite(op, "the explanation")?;
        Ok(found.to_f64_vec())
    };
    let plain = explain(x).outside()?;
    let n = x.shape()[0];
    let size = (plain.len() / n).max(1);
    let norm = |values: &[f64]| stats::length(values.iter().copied());
    let mut largest = vec![0.0_f64; n];
    for j in 0..k {
        let moved = x.add(&perturbations.select(0, j as isize)?)?;
        let found = explain(&moved).outside()?;
        if found.len() != plain.len() {
            let message = format!("the explanation has {} numbers, and another time {}", plain.len(), found.len());
            return Err(Error::shape(op, message));
        }
        let change: Vec<f64> = found.iter().zip(&plain).map(|(a, b)| a - b).collect();
        for ((largest, change), plain) in largest.iter_mut().zip(change.chunks(size)).zip(plain.chunks(size)) {
            let (change, plain) = (norm(change), norm(plain));
            let change = if plain > 0.0 { change / plain } else { change };
            *largest = if change.is_nan() { change } else { largest.max(change) };
        }
    }
    stats::finite(op, "the change", largest)
}

#[track_caller]
fn check_perturbations(op: &'static str, x: &Tensor, perturbations: &Tensor) -> Result<usize> {
    let shape = perturbations.shape();
    if shape.len() != x.rank() + 1 || shape[1..] != *x.shape() || shape[0] == 0 || perturbations.dtype() != x.dtype() {
        let message = format!(
            "perturbations of shape {shape:?} ({}) for inputs of {:?} ({}), expected [k, n, ..]",
            perturbations.dtype(),
            x.shape(),
            x.dtype()
        );
        return Err(Error::shape(op, message));
    }
    perturbations.expect_finite(op, "the perturbations")?;
    Ok(shape[0])
}

/// What is left of an explanation when a layer and all behind it know nothing.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Randomized {
    /// The layer.
    pub layer: String,
    /// The rank correlation of the magnitudes with those of the trained model's explanation, on average over the examples.
    pub correlation: f64,
}

/// The sanity check of Adebayo et al. (*Sanity checks for saliency maps*, 2018): the weights of the layers are replaced by random ones of
/// the same mean and deviation, from the last layer to the first, and each time `explain` is asked again. An explanation that stays the
/// same is not about what the model has learnt.
///
/// ```
/// use demotic::explain::{Explained, randomization, saliency};
/// use demotic::prelude::*;
///
/// let mut rng = Rng::seed(0);
/// let model = sequential![Linear::new(16, 32, &mut rng)?, Relu, Linear::new(32, 1, &mut rng)?];
/// let x = Tensor::normal([4, 16], 0.0, 1.0, &mut rng)?;
/// let found = randomization(&model, &x, &mut rng, |model, x| saliency(&Explained::layer(model), x))?;
/// assert_eq!(found.iter().map(|step| &*step.layer).collect::<Vec<_>>(), ["2", "0"]);
/// assert!(found[1].correlation < 0.6);
/// # Ok::<(), demotic::Error>(())
/// ```
///
/// # Errors
/// If the model has no parameters, or `explain` fails.
#[track_caller]
pub fn randomization(
    model: &dyn Layer,
    x: &Tensor,
    rng: &mut Rng,
    mut explain: impl FnMut(&dyn Layer, &Tensor) -> Result<Tensor>,
) -> Result<Vec<Randomized>> {
    randomized(model, x, rng, &mut explain)
}

#[track_caller]
fn randomized(
    model: &dyn Layer,
    x: &Tensor,
    rng: &mut Rng,
    explain: &mut dyn FnMut(&dyn Layer, &Tensor) -> Result<Tensor>,
) -> Result<Vec<Randomized>> {
    let op = "randomization";
    let mut layers: Vec<String> = Vec::new();
    let of = |path: &str| path.rsplit_once('.').map_or("", |(layer, _)| layer).to_string();
    let mut on_slot = |path: &str, slot: Slot<'_>| {
        let layer = of(path);
        if matches!(slot, Slot::Param(_)) && !layers.contains(&layer) {
            layers.push(layer);
        }
    };
    model.visit(&mut Visitor::new(&mut on_slot));
    if layers.is_empty() {
        return Err(Error::parameter(op, "the model has no parameters that could be made random"));
    }
    let plain = explain(model, x).outside()?;
    let mut copy = model.clone_layer();
    let mut found = Vec::with_capacity(layers.len());
    for layer in layers.into_iter().rev() {
        let mut result = Ok(());
        let mut on_slot = |path: &str, slot: SlotMut<'_>| {
            if let SlotMut::Param(param) = slot
                && of(path) == layer
                && result.is_ok()
            {
                let values = param.value().detach();
                result = (|| {
                    let mean = values.mean();
                    let deviation = values.sub(&mean)?.square().mean().sqrt();
                    param.set(&values.randn_like(rng)?.mul(&deviation)?.add(&mean)?)
                })();
            }
        };
        copy.visit_mut(&mut VisitorMut::new(&mut on_slot));
        copy.constrain();
        result?;
        let other = explain(&*copy, x).outside()?;
        found.push(Randomized { layer, correlation: rank_correlation(op, &plain, &other)? });
    }
    Ok(found)
}

/// The rank correlation of magnitudes, on average over the examples; 0 where there is nothing to correlate.
#[track_caller]
fn rank_correlation(op: &'static str, a: &Tensor, b: &Tensor) -> Result<f64> {
    if a.shape() != b.shape() || a.rank() == 0 || a.is_empty() {
        return Err(Error::shape(op, format!("explanations of shapes {:?} and {:?}", a.shape(), b.shape())));
    }
    let n = a.shape()[0];
    let mut sum = 0.0;
    for i in 0..n {
        let ranks = |x: &Tensor| Ok::<_, Error>(ranks(&rows(x, &[i])?.abs().to_f64_vec()));
        let (a, b) = (ranks(a)?, ranks(b)?);
        let mean = (a.len() as f64 - 1.0) / 2.0;
        let product = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| (a - mean) * (b - mean)).sum::<f64>();
        let scale = (product(&a, &a) * product(&b, &b)).sqrt();
        sum += if scale > 0.0 { product(&a, &b) / scale } else { 0.0 };
    }
    Ok(sum / n as f64)
}

/// The places of numbers in their order; equal ones share the mean of theirs.
fn ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    crate::order::sort_by(&mut order, |a, b| values[*a].total_cmp(&values[*b]));
    let (mut ranks, mut start) = (vec![0.0; values.len()], 0);
    while start < order.len() {
        let same = order[start..].iter().take_while(|i| values[**i] == values[order[start]]).count().max(1);
        order[start..start + same].iter().for_each(|i| ranks[*i] = start as f64 + (same as f64 - 1.0) / 2.0);
        start += same;
    }
    ranks
}
