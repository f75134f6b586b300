//! Choosing the weights that become zero.

use super::masks::Masks;
use super::scores::{Scores, weights};
use super::units::{UnitGroups, under};
use crate::error::{Error, Here, Result, meant};
use crate::layers::{Module, ModuleExt, Weight, matches};
use crate::order;
use crate::regularizers::Constraint;
use crate::tensor::Tensor;

/// Among which numbers those that matter least are looked for.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Among {
    Weight,
    Model,
    Row,
    Group { keep: usize, of: usize },
    Units { norm: f64 },
}

/// Makes the numbers of a model zero that matter least.
///
/// What is pruned are [weights](Weight): the matrices of dense layers and embeddings, the kernels of convolutions. Biases and the
/// parameters of norms are few, and stay. The numbers that matter least are looked for in each weight by itself, unless it is told to
/// look among [all](Self::global) of them, in each [row](Self::per_row), [so many in each group](Self::n_of_m), or
/// [whole units](Self::units).
///
/// The share is that of all numbers, those counted that are zero already, and is rounded to the nearest number of them, from the middle
/// to an even one, as in `torch.nn.utils.prune`. Of numbers that matter equally, the first ones become zero.
///
/// ```
/// use demotic::compress::Pruning;
/// use demotic::prelude::*;
///
/// let mut layer = Linear::new(4, 1, &mut Rng::seed(0))?;
/// layer.weight.set(&tensor![[0.5, -0.1, 0.2, -0.9]])?;
/// let masks = Pruning::magnitude(0.5).apply(&mut layer)?;
/// assert_eq!(layer.weight.value()?.to_vec::<f32>()?, [0.5, 0.0, 0.0, -0.9]);
/// assert_eq!(masks.sparsity(), 0.5);
/// # Ok::<(), demotic::Error>(())
/// ```
///
/// Han et al., *Learning both weights and connections for efficient neural networks* (2015), is where it comes from.
#[derive(Debug, Clone)]
pub struct Pruning {
    pub(super) amount: f64,
    scores: Option<Scores>,
    among: Among,
    ties: Option<UnitGroups>,
    patterns: Vec<String>,
}

impl Pruning {
    /// The smallest numbers, so that this share of them, at least 0 and less than 1, is zero.
    #[must_use]
    pub fn magnitude(amount: f64) -> Self {
        Self { amount, scores: None, among: Among::Weight, ties: None, patterns: Vec::new() }
    }

    /// The numbers with the smallest scores.
    #[must_use]
    pub fn by(scores: Scores, amount: f64) -> Self {
        Self { scores: Some(scores), ..Self::magnitude(amount) }
    }

    /// So many of each group of `of` inputs of a row are kept, as processors with sparse units have it: 2 of 4, for example (Mishra et al.,
    /// *Accelerating sparse deep neural networks*, 2021). In the kernels of convolutions, a row is everything that belongs to an output.
    #[must_use]
    pub fn n_of_m(mut self, keep: usize, of: usize) -> Self {
        self.among = Among::Group { keep, of };
        self
    }

    /// Looks among the numbers of all weights that are meant, so that some layers lose more than others.
    #[must_use]
    pub fn global(mut self) -> Self {
        self.among = Among::Model;
        self
    }

    /// Looks in each row, the inputs of one output, by itself, so that each output loses equally many.
    #[must_use]
    pub fn per_row(mut self) -> Self {
        self.among = Among::Row;
        self
    }

    /// Makes whole outputs zero, rows of a dense layer or channels of a convolution: those whose scores have the smallest norm of this
    /// order (2 for the Euclidean one, `f64::INFINITY` for the largest). [`shrink`](super::shrink) takes them out of a model.
    #[must_use]
    pub fn units(mut self, norm: f64) -> Self {
        self.among = Among::Units { norm };
        self
    }

    /// With [`units`](Self::units): units that go together or not at all are chosen together, by the norm of the scores in all the layers
    /// that make them, the same share of each group. Of those that go, biases and the numbers of norms become zero too. Groups all of whose
    /// units have to stay are left out, and so are those with a layer that is not meant.
    ///
    /// ```
    /// use demotic::compress::{Pruning, UnitGroups, shrink};
    /// use demotic::models::{ResNet, ResNetConfig};
    /// use demotic::prelude::*;
    ///
    /// let mut model = ResNet::new(ResNetConfig::resnet18().width(8).classes(10), &mut Rng::seed(0))?;
    /// let masks = Pruning::magnitude(0.5).units(2.0).tied(&UnitGroups::of(&model)).apply(&mut model)?;
    /// let (x, masked) = (Tensor::ones([1, 3, 32, 32])?, model.clone());
    /// let shrunk = shrink(&mut model, &masks)?;
    /// assert!(shrunk.after * 3 < shrunk.before);
    /// assert!(model.predict(&x)?.allclose(&masked.predict(&x)?, 1e-4, 1e-5, false)?);
    /// # Ok::<(), demotic::Error>(())
    /// ```
    #[must_use]
    pub fn tied(mut self, groups: &UnitGroups) -> Self {
        self.ties = Some(groups.clone());
        self
    }

    /// Only weights whose path, or that of their layer, matches `pattern`, in which `*` stands for any text. Several patterns add up.
    #[must_use]
    pub fn on(mut self, pattern: impl Into<String>) -> Self {
        self.patterns.push(pattern.into());
        self
    }

    /// With another share.
    #[must_use]
    pub fn amount(mut self, amount: f64) -> Self {
        self.amount = amount;
        self
    }

    /// Makes the numbers zero, and says which.
    ///
    /// # Errors
    /// As for [`masks`](Self::masks); nothing is changed then.
    #[track_caller]
    pub fn apply(&self, model: &mut impl Module) -> Result<Masks> {
        self.apply_to(model)
    }

    #[track_caller]
    pub(super) fn apply_to(&self, model: &mut dyn Module) -> Result<Masks> {
        let masks = self.masks(&*model)?;
        masks.apply(model)?;
        Ok(masks)
    }

    /// Says which numbers would become zero.
    ///
    /// # Errors
    /// If the share is not at least 0 and less than 1, no weight is meant, one has no scores or such of another shape, a score is NaN,
    /// groups do not divide a row, or nothing would be left of a weight.
    #[track_caller]
    pub fn masks(&self, model: &(impl Module + ?Sized)) -> Result<Masks> {
        self.check()?;
        let mut chosen = Vec::new();
        let scores = self.scored(model)?;
        for (path, scores) in &scores {
            let wrong = scores.iter().position(|score| score.is_nan());
            if let Some(at) = wrong {
                return Err(Error::numeric("Pruning", format!("number {at} of it has the score NaN")).in_layer(path));
            }
        }
        let mut columns = Vec::new();
        model.for_each("*", |path, weight: &Weight| {
            if scores.iter().any(|(name, _)| name == path) {
                columns.push((weight.shape().to_vec(), weight.is_inputs_first()));
            }
        });
        if let (Some(ties), Among::Units { norm }) = (&self.ties, self.among) {
            return self.tied_masks(&model.named_parameters(), ties, norm, &scores, &columns);
        }
        match self.among {
            Among::Model => {
                let all: Vec<f64> = scores.iter().flat_map(|(_, scores)| scores.iter().copied()).collect();
                let mut kept = vec![true; all.len()];
                least(&all, &mut kept, &mut (0..all.len()).collect::<Vec<_>>(), self.count(all.len()));
                let mut rest = &kept[..];
                for (path, scores) in &scores {
                    let (these, others) = rest.split_at(scores.len());
                    chosen.push((path.clone(), these.to_vec()));
                    rest = others;
                }
            }
            among => {
                for ((path, scores), (shape, inputs_first)) in scores.iter().zip(&columns) {
                    let rows = rows(shape, *inputs_first);
                    let kept = self.kept(among, scores, &rows).in_layer(path)?;
                    chosen.push((path.clone(), kept));
                }
            }
        }
        if let Some((path, _)) = chosen.iter().find(|(_, kept)| !kept.is_empty() && !kept.contains(&true)) {
            let e = Error::state("Pruning", "nothing would be left of this weight").in_layer(path);
            return Err(e.with_help("choose a smaller share, or leave the layer out by on(pattern)"));
        }
        let masks = chosen.into_iter().zip(&columns);
        let masks = masks.map(|((path, kept), (shape, _))| Ok((path, Tensor::from_vec(kept, shape.as_slice())?)));
        Ok(Masks { masks: masks.collect::<Result<_>>()? })
    }

    #[track_caller]
    fn check(&self) -> Result<()> {
        if !(0.0..1.0).contains(&self.amount) {
            let e =
                Error::argument("Pruning", format!("a share of {}, expected at least 0 and less than 1", self.amount));
            return Err(e.with_help("0.8 makes four of five numbers zero"));
        }
        match self.among {
            Among::Group { keep, of } if keep == 0 || keep > of => {
                let message = format!("{keep} of {of} are kept, expected at least one and no more than there are");
                Err(Error::argument("Pruning", message))
            }
            Among::Units { norm } if norm.is_nan() || norm <= 0.0 => {
                Err(Error::argument("Pruning", format!("a norm of order {norm}, expected a positive one")))
            }
            Among::Units { .. } => Ok(()),
            _ if self.ties.is_some() => {
                let e = Error::argument("Pruning", "units that are tied to each other, and no units are asked for");
                Err(e.with_help("units(2.0).tied(&groups)"))
            }
            _ => Ok(()),
        }
    }

    /// Masks of all the numbers that belong to units that go together.
    #[track_caller]
    fn tied_masks(
        &self,
        all: &[(String, Tensor)],
        ties: &UnitGroups,
        norm: f64,
        scores: &[(String, Vec<f64>)],
        columns: &[(Vec<usize>, bool)],
    ) -> Result<Masks> {
        let mut masks = Vec::new();
        for group in ties.groups().iter().filter(|group| group.kept_because.is_none()) {
            let at = |maker: &String| scores.iter().position(|(path, _)| *path == under(maker, "weight"));
            let Some(places) = group.makers.iter().map(at).collect::<Option<Vec<usize>>>() else { continue };
            let outputs: Vec<_> = places.iter().map(|at| rows(&columns[*at].0, columns[*at].1)).collect();
            if let Some((maker, rows)) = group.makers.iter().zip(&outputs).find(|(_, rows)| rows.len() != group.units) {
                let message = format!("{} units in a group of {}", rows.len(), group.units);
                return Err(Error::shape("Pruning", message)
                    .in_layer(maker)
                    .with_help("the groups are those of another model: UnitGroups::of(&model)"));
            }
            let of = |unit: usize| {
                let makers = places.iter().zip(&outputs);
                size(makers.flat_map(|(at, rows)| rows[unit].iter().map(|i| scores[*at].1[*i])), norm)
            };
            let mut kept = vec![true; group.units];
            let sizes: Vec<f64> = (0..group.units).map(of).collect();
            least(&sizes, &mut kept, &mut (0..group.units).collect::<Vec<_>>(), self.count(group.units));
            if !kept.contains(&true) {
                let e = Error::state("Pruning", "nothing would be left of its units").in_layer(&group.makers[0]);
                return Err(e.with_help("choose a smaller share, or leave the layer out by on(pattern)"));
            }
            for (layer, name) in
                group.makers.iter().chain(&group.keepers).flat_map(|layer| [(layer, "weight"), (layer, "bias")])
            {
                let path = under(layer, name);
                let Some((_, value)) = all.iter().find(|(own, _)| *own == path) else { continue };
                let inputs_first = scores.iter().position(|(own, _)| *own == path).is_some_and(|at| columns[at].1);
                let mut mask = vec![true; value.numel()];
                for (row, kept) in rows(value.shape(), inputs_first).into_iter().zip(&kept) {
                    row.into_iter().for_each(|i| mask[i] = *kept);
                }
                masks.push((path, Tensor::from_vec(mask, value.shape())?));
            }
        }
        if masks.is_empty() {
            let e = Error::parameter(
                "Pruning",
                "no group of units that may go has all of its layers among the weights that are meant",
            );
            return Err(
                e.with_help("print the UnitGroups: they say which layers belong together, and which units stay")
            );
        }
        Ok(Masks { masks })
    }

    fn count(&self, of: usize) -> usize {
        (self.amount * of as f64).round_ties_even() as usize
    }

    /// The scores of the weights that are meant.
    #[track_caller]
    fn scored(&self, model: &(impl Module + ?Sized)) -> Result<Vec<(String, Vec<f64>)>> {
        let all = weights(model);
        let is_meant = |path: &str| {
            let layer = path.rsplit_once('.').map_or("", |(layer, _)| layer);
            let fits = |pattern: &String| matches(pattern, path) || matches(pattern, layer);
            self.patterns.is_empty() || self.patterns.iter().any(fits)
        };
        let mut found = Vec::new();
        for (path, value) in all.iter().filter(|(path, _)| is_meant(path)) {
            let scores = match &self.scores {
                None => value.abs(),
                Some(scores) => match scores.get(path) {
                    Some(scores) if scores.shape() == value.shape() => scores.clone(),
                    // Weights that nobody trained have none.
                    None if self.patterns.is_empty() => continue,
                    other => {
                        let has =
                            other.map_or("no scores".into(), |scores| format!("scores of shape {:?}", scores.shape()));
                        let message = format!("{has} for a weight of shape {:?}", value.shape());
                        return Err(Error::shape("Pruning", message).in_layer(path));
                    }
                },
            };
            found.push((path.clone(), scores.to_f64_vec()));
        }
        if found.is_empty() {
            let names: Vec<String> = all.into_iter().map(|(path, _)| path).collect();
            let pattern = self.patterns.first().map_or("*", String::as_str);
            let e = Error::parameter("Pruning", format!("no weight with scores matches `{pattern}`"));
            return Err(e.with_help(meant(pattern, "weights", &names)));
        }
        Ok(found)
    }

    /// Which numbers of one weight are kept.
    #[track_caller]
    fn kept(&self, among: Among, scores: &[f64], rows: &[Vec<usize>]) -> Result<Vec<bool>> {
        let mut kept = vec![true; scores.len()];
        match among {
            Among::Weight | Among::Model => {
                let mut all: Vec<usize> = (0..scores.len()).collect();
                least(scores, &mut kept, &mut all, self.count(scores.len()));
            }
            Among::Row => {
                for row in rows {
                    least(scores, &mut kept, &mut row.clone(), self.count(row.len()));
                }
            }
            Among::Group { keep, of } => {
                let wide = rows.first().map_or(0, Vec::len);
                if !wide.is_multiple_of(of) {
                    let message = format!("rows of {wide} numbers, which groups of {of} do not divide");
                    return Err(Error::shape("Pruning", message).with_help("leave the layer out by on(pattern)"));
                }
                for group in rows.iter().flat_map(|row| row.chunks(of)) {
                    least(scores, &mut kept, &mut group.to_vec(), of - keep);
                }
            }
            Among::Units { norm } => {
                let sizes: Vec<f64> = rows.iter().map(|row| size(row.iter().map(|i| scores[*i]), norm)).collect();
                let mut whole = vec![true; rows.len()];
                least(&sizes, &mut whole, &mut (0..rows.len()).collect::<Vec<_>>(), self.count(rows.len()));
                for (row, whole) in rows.iter().zip(whole) {
                    row.iter().for_each(|i| kept[*i] = whole);
                }
            }
        }
        Ok(kept)
    }
}

/// The places of the numbers that belong to each output, in the order of the inputs.
fn rows(shape: &[usize], inputs_first: bool) -> Vec<Vec<usize>> {
    let all: usize = shape.iter().product();
    let outputs = shape.get(usize::from(inputs_first)).copied().unwrap_or(1).max(1);
    let wide = all / outputs;
    let place = |row: usize, at: usize| if inputs_first { at * outputs + row } else { row * wide + at };
    (0..outputs).map(|row| (0..wide).map(|at| place(row, at)).collect()).collect()
}

fn size(values: impl Iterator<Item = f64>, norm: f64) -> f64 {
    if norm.is_infinite() {
        return values.fold(0.0, |most, x| x.abs().max(most));
    }
    values.map(|x| x.abs().powf(norm)).sum::<f64>().powf(1.0 / norm)
}

/// Marks the `count` of these places that have the smallest scores as not kept.
fn least(scores: &[f64], kept: &mut [bool], places: &mut [usize], count: usize) {
    if count == 0 || places.is_empty() {
        return;
    }
    let last = count.min(places.len()) - 1;
    // The sign of a zero does not count.
    places.select_nth_unstable_by_key(last, |i| (order::key(scores[*i] + 0.0), *i));
    places[..=last].iter().for_each(|i| kept[*i] = false);
}
