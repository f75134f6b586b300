//! Pruning without training, by what weights are multiplied with.

use std::panic::Location;

use super::masks::Masks;
use super::pruning::Pruning;
use super::scores::{Scores, weights};
use crate::autograd;
use crate::error::{Error, Here, Result, bug, meant};
use crate::layers::{Embedding, Module, ModuleExt, Weight, as_rows, in_parts, is_meant, products_of};
use crate::regularizers::Constraint;
use crate::tensor::exec::quantized::{LeftOut, connected, left_out};
use crate::tensor::{DType, Tensor};

/// Makes numbers of weights zero that matter least for the inputs that they meet, without training: for large language models, which
/// are seldom trained on.
///
/// - [`wanda`](Self::wanda) compares `|w| · ‖x‖`, with the norm of the input over all examples, within each row (Sun et al., *A simple and
///   effective pruning approach for large language models*, 2024).
/// - [`sparse_gpt`](Self::sparse_gpt) compares `w² / [H⁻¹]²` within each 128 columns, and changes what is left of a row to make up for what is
///   left out, column by column (Frantar and Alistarh, *SparseGPT*, 2023). `H` are the products of inputs with each other.
///
/// What is pruned are all weights that are multiplied by while the model runs, but for those of [embeddings](Embedding); or those that
/// [`on`](Self::on) means.
///
/// ```
/// use demotic::compress::OneShotPruning;
/// use demotic::models::{Gpt, GptConfig};
/// use demotic::prelude::*;
///
/// let mut rng = Rng::seed(0);
/// let mut gpt = Gpt::new(GptConfig::new(65, 16).layers(2).heads(2).hidden_size(16), &mut rng)?;
/// let text = Tensor::randint(0, 65, [8, 16], &mut rng)?;
/// let masks = OneShotPruning::sparse_gpt(0.5).n_of_m(2, 4).apply(&mut gpt, |gpt| gpt.predict(&text).map(drop))?;
/// assert_eq!((masks.weights().len(), masks.sparsity()), (8, 0.5));
/// # Ok::<(), demotic::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct OneShotPruning {
    amount: f64,
    damping: Option<f64>,
    groups: Option<[usize; 2]>,
    patterns: Vec<String>,
    sequential: bool,
    max_bytes: usize,
}

impl OneShotPruning {
    /// By the size of weights times that of their inputs; the share of each row that goes is at least 0 and less than 1.
    #[must_use]
    pub fn wanda(amount: f64) -> Self {
        Self { amount, damping: None, groups: None, patterns: Vec::new(), sequential: false, max_bytes: 1 << 30 }
    }

    /// With what is left making up for what goes; the share is at least 0 and less than 1.
    #[must_use]
    pub fn sparse_gpt(amount: f64) -> Self {
        Self { damping: Some(0.01), ..Self::wanda(amount) }
    }

    /// `keep` of each `of` inputs of a row stay, and the share does not count: 2 of 4, for example.
    #[must_use]
    pub fn n_of_m(mut self, keep: usize, of: usize) -> Self {
        self.groups = Some([keep, of]);
        self
    }

    /// Only weights whose path, or that of their layer, matches `pattern`, in which `*` stands for any text. Several patterns add up.
    #[must_use]
    pub fn on(mut self, pattern: impl Into<String>) -> Self {
        self.patterns.push(pattern.into());
        self
    }

    /// Block by block, with inputs that come from blocks that are pruned already, as the authors have it: the model is run once for each
    /// block, and not once.
    #[must_use]
    pub fn sequential(mut self) -> Self {
        self.sequential = true;
        self
    }

    /// What SparseGPT adds to the diagonal of `H`, as a share of its mean: 0.01 unless it is said.
    #[must_use]
    pub fn damping(mut self, share: f64) -> Self {
        self.damping = self.damping.map(|_| share);
        self
    }

    /// How many bytes the products of inputs may take at a time: 1 GiB unless it is said. If they take more, the model is run more often.
    #[must_use]
    pub fn max_bytes(mut self, bytes: usize) -> Self {
        self.max_bytes = bytes;
        self
    }

    /// Prunes a model; `run` runs it on inputs that are like those it is meant for. The masks keep the zeros if it is trained on.
    ///
    /// # Errors
    /// If an option makes no sense, no weight is meant, one that a pattern means is not multiplied by, has an adapter or rows that groups do
    /// not divide; if an input is not finite; and those of `run`. Nothing is changed then.
    #[track_caller]
    pub fn apply<M: ModuleExt>(&self, model: &mut M, mut run: impl FnMut(&M) -> Result<()>) -> Result<Masks> {
        self.check()?;
        let all = self.meant(model)?;
        let before: Vec<(String, Tensor)> = weights_of(model, &all);
        let parts = if self.sequential { blocks(&all) } else { in_parts(model.as_module(), &all, self.max_bytes) };
        let mut masks = Masks::default();
        for paths in parts {
            let pruned = match products_of(model, &paths, &mut run) {
                Ok(products) => paths
                    .iter()
                    .try_for_each(|path| {
                        let products = products.get(path).map_or(&[][..], Vec::as_slice);
                        self.one(model.as_module_mut(), path, products, &mut masks).map_err(|e| e.in_layer(path))
                    })
                    .here(),
                Err(e) => Err(e),
            };
            if let Err(e) = pruned {
                set(model.as_module_mut(), &before)?;
                return Err(e);
            }
        }
        if masks.masks.is_empty() {
            let e = Error::state("OneShotPruning", "no weight was multiplied by while the model was run");
            return Err(e.with_help("run the model on some examples: |model| model.predict(&x).map(drop)"));
        }
        Ok(masks)
    }

    #[track_caller]
    fn check(&self) -> Result<()> {
        let caller = Location::caller();
        let wrong = |message: String| Err(Error::argument("OneShotPruning", message).at(caller));
        match (self.amount, self.damping, self.groups) {
            (share, ..) if !(0.0..1.0).contains(&share) => {
                wrong(format!("a share of {share}, expected at least 0 and less than 1"))
            }
            (_, Some(damping), _) if !(damping > 0.0 && damping.is_finite()) => {
                wrong(format!("a damping of {damping}, expected a positive number"))
            }
            (.., Some([keep, of])) if keep == 0 || keep > of => {
                wrong(format!("{keep} of {of} are kept, expected at least one and no more than there are"))
            }
            _ => Ok(()),
        }
    }

    #[track_caller]
    fn meant(&self, model: &impl Module) -> Result<Vec<String>> {
        let all: Vec<String> = weights(model).into_iter().map(|(path, _)| path).collect();
        let mut tables = Vec::new();
        model.for_each("*", |path, _: &Embedding| tables.push(path.to_string()));
        let is_table =
            |path: &str| path.rsplit_once('.').is_some_and(|(layer, _)| tables.iter().any(|table| table == layer));
        if let Some(pattern) = self.patterns.iter().find(|pattern| !all.iter().any(|path| is_meant(pattern, path))) {
            let e = Error::parameter("OneShotPruning", format!("no weight matches `{pattern}`"));
            return Err(e.with_help(meant(pattern, "weights", &all)));
        }
        let is_chosen = |path: &String| match self.patterns.is_empty() {
            true => !is_table(path),
            false => self.patterns.iter().any(|pattern| is_meant(pattern, path)),
        };
        Ok(all.into_iter().filter(is_chosen).collect())
    }

    #[track_caller]
    fn one(&self, model: &mut dyn Module, path: &str, products: &[Tensor], masks: &mut Masks) -> Result<()> {
        if products.is_empty() {
            if self.patterns.is_empty() {
                return Ok(());
            }
            return Err(Error::state("OneShotPruning", "it was not multiplied by while the model was run"));
        }
        let _unrecorded = autograd::pause_recording();
        let mut found = None;
        model.for_each(path, |name, weight: &Weight| {
            if let (true, Some(param)) = (name == path, weight.param()) {
                let value = weight.outputs_first(param.value().detach()).to_dtype(DType::F32).contiguous();
                found = Some((value, weight.is_inputs_first(), param.dtype()));
            }
        });
        let Some((value, turned, dtype)) = found else { return Err(bug!("OneShotPruning", "no weight `{path}`")) };
        let shape = value.shape().to_vec();
        let rows = value.reshape(as_rows(&shape))?;
        let (outputs, wide) = (rows.shape()[0] / products.len(), rows.shape()[1]);
        if let Some([_, of]) = self.groups.filter(|[_, of]| !wide.is_multiple_of(*of)) {
            let message = format!("rows of {wide} numbers, which groups of {of} do not divide");
            return Err(Error::shape("OneShotPruning", message).with_help("name the others by on(pattern)"));
        }
        let mut parts = Vec::new();
        for (group, products) in products.iter().enumerate() {
            let part = rows.narrow(0, group * outputs, outputs)?.contiguous();
            let squares = products.diagonal(0, -2, -1)?;
            parts.push(match self.damping {
                None => part.abs().mul(&squares.sqrt().to_dtype(DType::F32))?,
                Some(damping) => {
                    let unmet: Vec<bool> = squares.to_f64_vec().iter().map(|square| *square == 0.0).collect();
                    let which =
                        self.groups.map_or(LeftOut::Share(self.amount), |[keep, of]| LeftOut::Groups { keep, of });
                    left_out(&part, &connected(products, damping, false)?, &unmet, which)?
                }
            });
        }
        let all = Tensor::cat(&parts.iter().collect::<Vec<_>>(), 0)?.reshape(shape)?;
        let all = if turned { all.t().contiguous() } else { all };
        if self.damping.is_some() {
            masks.masks.push((path.to_string(), all.ne_scalar(0.0)));
            return set(model, &[(path.to_string(), all.to_dtype(dtype))]);
        }
        let pruning = Pruning::by(Scores::of(vec![(path.to_string(), all)]), self.amount).on(path);
        let pruning = self.groups.map_or(pruning.clone().per_row(), |[keep, of]| pruning.n_of_m(keep, of));
        let mut one = pruning.masks(&*model)?;
        one.apply(model)?;
        masks.masks.append(&mut one.masks);
        Ok(())
    }
}

/// The values of these weights.
fn weights_of(model: &impl Module, paths: &[String]) -> Vec<(String, Tensor)> {
    let mut all = model.named_parameters();
    all.retain(|(path, _)| paths.contains(path));
    all
}

#[track_caller]
fn set(model: &mut dyn Module, values: &[(String, Tensor)]) -> Result<()> {
    model.for_each_mut("*", |path, weight: &mut Weight| match values.iter().find(|(name, _)| name == path) {
        Some((_, value)) => weight.set(value),
        None => Ok(()),
    })?;
    Ok(())
}

/// The weights of each block: those whose paths are the same up to the first number.
fn blocks(all: &[String]) -> Vec<Vec<String>> {
    let block = |path: &str| {
        let names: Vec<&str> = path.split('.').collect();
        let at = names.iter().position(|name| name.parse::<usize>().is_ok()).unwrap_or(names.len() - 1);
        names[..=at].join(".")
    };
    let mut blocks: Vec<Vec<String>> = Vec::new();
    for path in all {
        match blocks.last_mut() {
            Some(last) if block(&last[0]) == block(path) => last.push(path.clone()),
            _ => blocks.push(vec![path.clone()]),
        }
    }
    blocks
}
