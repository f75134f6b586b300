//! One model whose layers are divided among ranks.

mod collective;
mod cross_entropy;
mod split;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

pub(crate) use cross_entropy::token_loss;

pub(super) use self::collective::sum_of_ranks;
use self::collective::{Exchange, exchange};
use self::split::{Cut, Kind, divide_linear, divide_table, split_of, unite};
use super::Group;
use crate::autograd::Gradients;
use crate::error::{Error, Here, Result};
use crate::io::{TensorInfo, TensorSource};
use crate::layers::{
    AttentionHeads, Embedding, Layer, Linear, Mode, Module, ModuleExt, SharedByHeads, Slot, Visitor, Weight, matches,
};
use crate::models::{Gpt, Llama, gpt, llama};
use crate::optimizers::clip;
use crate::order::ByName;
use crate::tensor::{DType, Tensor};

const NAME: &str = "tensor_parallel";

/// Divides the layers of a model among the ranks of a group, each of which computes with its part of every weight (Shoeybi et al.,
/// *Megatron-LM*, 2019).
///
/// A part is a model of the same type and with the same names as the whole: a [`Gpt`] is trained, given to a
/// [`Trainer`](crate::train::Trainer) and asked to [generate](crate::models::Generate) as ever, by all ranks at once, with the same inputs and
/// generators of the same state. What it computes is what the whole computes, dropout too, up to the rounding of sums in another order; and
/// the same on all ranks bit for bit, so that what they all have stays the same.
///
/// Of [`Gpt`] and [`Llama`] (and models that contain them) it knows the layers: the projections of queries, keys and values and the first
/// of each feed-forward part by their outputs, those that follow by their inputs; heads; the table of tokens and the output layer by words.
/// Of other models, [`column`](Self::column), [`row`](Self::row) and [`vocabulary`](Self::vocabulary) say what is divided:
///
/// ```
/// use demotic::distributed::{TensorParallel, ThreadGroup};
/// use demotic::prelude::*;
///
/// let mlp = sequential![Linear::new(8, 30, &mut Rng::seed(0))?, Relu, Linear::new(30, 4, &mut Rng::seed(1))?];
/// let x = Tensor::ones([2, 8])?;
/// let whole = mlp.predict(&x)?;
/// let outputs = ThreadGroup::run(3, |group| {
///     let parallel = TensorParallel::new(group).column("0").row("2");
///     let part = parallel.split(&mlp)?; // 10 of the 30 hidden features
///     part.predict(&x)
/// })?;
/// assert!(outputs[1].sub(&whole)?.abs().max()?.item()? < 1e-6);
/// # Ok::<(), demotic::Error>(())
/// ```
///
/// What all ranks have (norms, biases of sums, positions) has the same gradient on all of them. Of what is divided, each has its own: so a norm
/// of all gradients is [that of all ranks](Self::clip_grad_norm), and an optimizer that looks at a matrix as a whole (LAMB, LARS, Adafactor, Muon)
/// looks at a part. A file of a part is no model: [`join`](Self::join) makes one of all of them before it is saved.
#[derive(Debug, Clone)]
pub struct TensorParallel {
    group: Arc<dyn Group>,
    rules: Vec<(String, Kind)>,
}

impl TensorParallel {
    /// Among these ranks.
    #[must_use]
    pub fn new(group: &dyn Group) -> Self {
        Self { group: group.handle(), rules: Vec::new() }
    }

    /// Divides the dense layers whose path matches `pattern` by their outputs. What follows has to work with some of the outputs, and end
    /// with a layer that is divided [by rows](Self::row).
    #[must_use]
    pub fn column(self, pattern: impl Into<String>) -> Self {
        self.rule(pattern.into(), Kind::Columns)
    }

    /// Divides the dense layers whose path matches `pattern` by their inputs, of which each rank has its own. The outputs are added up.
    #[must_use]
    pub fn row(self, pattern: impl Into<String>) -> Self {
        self.rule(pattern.into(), Kind::Rows)
    }

    /// Divides the [`Embedding`]s whose path matches `pattern` by their rows, and dense layers by their outputs, which all ranks get.
    #[must_use]
    pub fn vocabulary(self, pattern: impl Into<String>) -> Self {
        self.rule(pattern.into(), Kind::Words)
    }

    fn rule(mut self, pattern: String, kind: Kind) -> Self {
        self.rules.push((pattern, kind));
        self
    }

    /// The part of a model that belongs to this rank. All ranks give the same model.
    ///
    /// # Errors
    /// If heads, features or words cannot be divided among so many ranks, a pattern matches nothing, there is nothing to divide, or a weight is
    /// quantised or has an adapter.
    #[track_caller]
    pub fn split<M: Module + Clone>(&self, model: &M) -> Result<M> {
        self.group.agree(NAME, &outline(model)).here()?;
        let mut part = model.clone();
        match self.divide(&mut part, &[])? {
            0 => Err(Error::parameter(NAME, "nothing in the model is divided")
                .with_help("say which layers by column(pattern), row(pattern) and vocabulary(pattern)")),
            _ => Ok(part),
        }
    }

    /// Divides what is not divided yet, by words too what has one of these names, and counts that.
    #[track_caller]
    pub(super) fn divide(&self, model: &mut dyn Module, by_words: &[&str]) -> Result<usize> {
        use Kind::{Columns, Rows, Words};
        let mut rules: Vec<(String, Kind, usize)> = Vec::new();
        let mut add = |path: &str, names: &[(&str, Kind, usize)]| {
            let dot = if path.is_empty() { "" } else { "." };
            rules.extend(names.iter().map(|(name, kind, sections)| (format!("{path}{dot}{name}"), *kind, *sections)));
        };
        model.for_each("*", |path, _: &gpt::Attention| add(path, &[("c_attn", Columns, 3), ("c_proj", Rows, 1)]));
        model.for_each("*", |path, _: &gpt::FeedForward| add(path, &[("c_fc", Columns, 1), ("c_proj", Rows, 1)]));
        model.for_each("*", |path, _: &gpt::Decoder| add(path, &[("wte", Words, 1)]));
        model.for_each("*", |path, _: &Gpt| add(path, &[("lm_head", Words, 1)]));
        model.for_each("*", |path, _: &llama::Attention| {
            let [q, k, v] = ["q_proj", "k_proj", "v_proj"].map(|name| (name, Columns, 1));
            add(path, &[q, k, v, ("o_proj", Rows, 1)]);
        });
        model.for_each("*", |path, _: &llama::FeedForward| {
            add(path, &[("gate_proj", Columns, 1), ("up_proj", Columns, 1), ("down_proj", Rows, 1)]);
        });
        model.for_each("*", |path, _: &llama::Decoder| add(path, &[("embed_tokens", Words, 1)]));
        model.for_each("*", |path, _: &Llama| add(path, &[("lm_head", Words, 1)]));
        rules.extend(by_words.iter().map(|name| (name.to_string(), Words, 1)));
        rules.extend(self.rules.iter().map(|(pattern, kind)| (pattern.clone(), *kind, 1)));
        let known = rules.len() - self.rules.len();
        let mut used = vec![false; rules.len()];
        let mut of = |path: &str| {
            let mut found = None;
            for (i, (pattern, kind, sections)) in rules.iter().enumerate() {
                if matches(pattern, path) {
                    used[i] = true;
                    found = Some((*kind, *sections));
                }
            }
            found
        };
        let (group, mut count) = (&self.group, 0);
        each(model, &mut |path, layer: &mut Linear| {
            let Some((kind, sections)) = of(path).filter(|_| split_of(&layer.weight).is_none()) else { return Ok(()) };
            count += 1;
            divide_linear(layer, kind, sections, group)
        })?;
        each(model, &mut |path, table: &mut Embedding| {
            let Some((kind, _)) = of(path).filter(|_| split_of(&table.weight).is_none()) else { return Ok(()) };
            count += 1;
            match kind {
                Words => divide_table(table, group),
                _ => {
                    Err(Error::parameter(NAME, format!("`{path}` is a table"))
                        .with_help("vocabulary(pattern) divides it"))
                }
            }
        })?;
        if let Some(i) = used[known..].iter().position(|used| !used) {
            let message = format!("no dense layer and no table matches `{}`", self.rules[i].0);
            return Err(Error::parameter(NAME, message));
        }
        let shared: SharedByHeads = {
            let group = group.clone();
            Arc::new(move |x| exchange(&group, Exchange::Share, x))
        };
        let (rank, size) = (group.rank(), group.size());
        each_heads(model, &mut |heads| {
            if !heads.is_part() {
                *heads = heads.part(NAME, rank, size, shared.clone())?;
            }
            Ok(())
        })?;
        Ok(count)
    }

    /// The whole model, on every rank, of the parts of all of them.
    ///
    /// # Errors
    /// If a rank has failed, or has other parts.
    #[track_caller]
    pub fn join<M: Module + Clone>(&self, part: &M) -> Result<M> {
        let mut whole = part.clone();
        self.unite(&mut whole).here()?;
        Ok(whole)
    }

    #[track_caller]
    pub(super) fn unite(&self, model: &mut dyn Module) -> Result<()> {
        each(model, &mut |_, layer: &mut Linear| unite(&mut layer.weight, layer.bias.as_mut()).map(drop))?;
        each(model, &mut |_, table: &mut Embedding| unite(&mut table.weight, None).map(drop))?;
        each_heads(model, &mut |heads| {
            *heads = heads.whole();
            Ok(())
        })
    }

    /// The loss of a language model that predicts `targets`, the tokens that follow `ids`, −100 where none is to be predicted: as
    /// [`token_cross_entropy`](crate::losses::token_cross_entropy) of its logits, which stay divided among the ranks.
    ///
    /// # Errors
    /// Those of the model and of the loss.
    #[track_caller]
    pub fn token_loss(&self, part: &dyn Layer, ids: &Tensor, targets: &Tensor, mode: &mut Mode<'_>) -> Result<Tensor> {
        token_loss(&mut || part.forward(ids, mode), targets)
    }

    /// Scales gradients so that their norm, over the whole model, is at most `max_norm`. Returns the norm before.
    ///
    /// # Errors
    /// If `max_norm` is not positive, or a rank has failed.
    #[track_caller]
    pub fn clip_grad_norm(&self, part: &dyn Module, grads: &mut Gradients, max_norm: f64) -> Result<f64> {
        let own = self.squares(part, grads, &|_| true)?.iter().fold(0.0, |sum, (_, square)| sum + square);
        let all = self.group.all_reduce(&Tensor::from_vec(vec![own], [1])?)?;
        clip::from_norm(grads, all.sum().item()?.sqrt(), max_norm)
    }

    /// The sums of the squares of the gradients that count on this rank, by path: of what all have, on the first.
    #[track_caller]
    pub(super) fn squares(
        &self,
        part: &dyn Module,
        grads: &Gradients,
        counts: &dyn Fn(&str) -> bool,
    ) -> Result<Vec<(String, f64)>> {
        let cuts = cuts(part);
        let mut squares = Vec::new();
        for (path, grad) in grads.named(part).iter() {
            if counts(path) && (self.group.rank() == 0 || cuts.contains_key(path)) {
                squares.push((path.to_string(), grad.to_dtype(DType::F64).square().sum().item()?));
            }
        }
        Ok(squares)
    }

    /// The tensors of a whole model as those of a part: of what is divided, this rank's share. Each is read as a whole, and the share kept.
    pub fn source<'a>(&self, part: &dyn Module, source: &'a dyn TensorSource) -> PartSource<'a> {
        let mut names = Vec::new();
        let mut cuts = cuts(part);
        let mut on_slot = |path: &str, _: Slot<'_>| names.push((path.to_string(), cuts.remove(path)));
        part.visit(&mut Visitor::new(&mut on_slot));
        PartSource { source, cuts: ByName::of(names), size: self.group.size(), rank: self.group.rank() }
    }
}

/// A source of whole tensors, read in parts: see [`TensorParallel::source`].
pub struct PartSource<'a> {
    source: &'a dyn TensorSource,
    cuts: ByName<Option<Cut>>,
    size: usize,
    rank: usize,
}

impl TensorSource for PartSource<'_> {
    fn infos(&self) -> Vec<TensorInfo> {
        let infos = self.source.infos().into_iter().filter_map(|info| {
            let shape = match self.cuts.get(&info.name)? {
                Some(cut) => cut.shape(&info.shape, self.size, self.rank),
                None => info.shape,
            };
            Some(TensorInfo::new(info.name, shape, info.dtype))
        });
        infos.collect()
    }

    #[track_caller]
    fn read(&self, name: &str) -> Result<Tensor> {
        let whole = self.source.read(name).here()?;
        match self.cuts.get(name) {
            Some(Some(cut)) => cut.take(&whole, self.size, self.rank),
            _ => Ok(whole),
        }
    }

    fn describe(&self) -> String {
        self.source.describe()
    }
}

impl fmt::Debug for PartSource<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PartSource({}, part {} of {})", self.source.describe(), self.rank, self.size)
    }
}

/// What tells a model from another one.
pub(super) fn outline(model: &dyn Module) -> Vec<(String, String)> {
    let mut lines = Vec::new();
    let mut on_slot = |path: &str, slot: Slot<'_>| {
        let value = match slot {
            Slot::Param(param) => param.detach(),
            Slot::Buffer(buffer) => buffer.get(),
        };
        let sum = if value.dtype().is_float() { value.sum().item().unwrap_or(f64::NAN) } else { 0.0 };
        lines.push((format!("`{path}`"), format!("{:?} of {} with the sum {sum}", value.shape(), value.dtype())));
    };
    model.visit(&mut Visitor::new(&mut on_slot));
    lines
}

/// How the parameters of a part are divided, by their paths.
fn cuts(part: &dyn Module) -> BTreeMap<String, Cut> {
    let mut cuts = BTreeMap::new();
    part.for_each("*", |path, weight: &Weight| {
        if let Some(split) = split_of(weight) {
            cuts.insert(path.to_string(), split.cut.clone());
            // A bias stands beside its weight.
            let beside = path.strip_suffix("weight").zip(split.bias.clone());
            cuts.extend(beside.map(|(layer, cut)| (format!("{layer}bias"), cut)));
        }
    });
    cuts
}

/// [`ModuleExt::for_each_mut`] that allows for none, and says of errors where they are.
#[track_caller]
fn each<L: Module>(model: &mut dyn Module, f: &mut dyn FnMut(&str, &mut L) -> Result<()>) -> Result<()> {
    let mut any = false;
    model.for_each("*", |_, _: &L| any = true);
    if any {
        model.for_each_mut("*", |path, layer: &mut L| f(path, layer).map_err(|e| e.in_layer(path))).here()?;
    }
    Ok(())
}

#[track_caller]
fn each_heads(model: &mut dyn Module, f: &mut dyn FnMut(&mut AttentionHeads) -> Result<()>) -> Result<()> {
    each(model, &mut |_, layer: &mut gpt::Attention| f(layer.heads_mut()))?;
    each(model, &mut |_, layer: &mut llama::Attention| f(layer.heads_mut()))
}
