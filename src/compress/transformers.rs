//! Transformers with fewer layers, heads and hidden units.

use std::collections::BTreeMap;
use std::panic::Location;

use crate::autograd::Gradients;
use crate::error::{Error, Result};
use crate::io::SaveLoad;
use crate::layers::{Architecture, Module, ModuleExt, Weight};
use crate::models::{
    Bert, BertConfig, BertForMaskedLm, BertForQuestionAnswering, BertForSequenceClassification,
    BertForTokenClassification, Gpt, Llama,
};
use crate::order;
use crate::rng::Rng;
use crate::tensor::{DType, Tensor};

/// What a layer of a transformer is divided into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Of {
    /// Heads, with all queries that share keys and values.
    Heads,
    /// The hidden units of the feed-forward part.
    Units,
}

/// A dense layer whose outputs or inputs belong to heads or units.
#[derive(Debug, Clone, Copy)]
struct Cut {
    name: &'static str,
    of: Of,
    /// How often they are among the outputs, one list behind the other; 0 if they are the inputs.
    lists: usize,
}

const fn cut(name: &'static str, of: Of, lists: usize) -> Cut {
    Cut { name, of, lists }
}

/// How a family of transformers is built.
#[doc(hidden)]
#[derive(Debug, Clone, Copy)]
pub struct Anatomy {
    /// The path of the list of layers.
    blocks: &'static str,
    cuts: &'static [Cut],
    layers: usize,
    heads: usize,
    units: usize,
}

const GPT: &[Cut] = &[
    cut("attn.c_attn", Of::Heads, 3),
    cut("attn.c_proj", Of::Heads, 0),
    cut("mlp.c_fc", Of::Units, 1),
    cut("mlp.c_proj", Of::Units, 0),
];
const LLAMA: &[Cut] = &[
    cut("self_attn.q_proj", Of::Heads, 1),
    cut("self_attn.k_proj", Of::Heads, 1),
    cut("self_attn.v_proj", Of::Heads, 1),
    cut("self_attn.o_proj", Of::Heads, 0),
    cut("mlp.gate_proj", Of::Units, 1),
    cut("mlp.up_proj", Of::Units, 1),
    cut("mlp.down_proj", Of::Units, 0),
];
const BERT: &[Cut] = &[
    cut("attention.self.query", Of::Heads, 1),
    cut("attention.self.key", Of::Heads, 1),
    cut("attention.self.value", Of::Heads, 1),
    cut("attention.output.dense", Of::Heads, 0),
    cut("intermediate.dense", Of::Units, 1),
    cut("output.dense", Of::Units, 0),
];

/// A transformer out of which layers, heads and hidden units can be taken: see [`TransformerImportance`].
pub trait PrunableTransformer: Architecture {
    #[doc(hidden)]
    fn anatomy(&self) -> Anatomy;

    /// The configuration with these layers, and so many heads and units.
    #[doc(hidden)]
    #[track_caller]
    fn resized(&self, layers: &[usize], heads: usize, units: usize) -> Result<Self::Config>;
}

impl PrunableTransformer for Gpt {
    fn anatomy(&self) -> Anatomy {
        let c = self.config();
        let (layers, heads, units) = (c.num_layers, c.num_heads, c.intermediate_size);
        Anatomy { blocks: "transformer.h", cuts: GPT, layers, heads, units }
    }

    fn resized(&self, layers: &[usize], heads: usize, units: usize) -> Result<Self::Config> {
        let mut c = self.config().clone();
        if c.inverse_layer_scaling && layers.iter().enumerate().any(|(at, layer)| at != *layer) {
            return Err(Error::state("shrink", "the scores of a layer are divided by its number, which would change"));
        }
        c.head_dim = Some(c.head_size()).filter(|size| size * heads != c.hidden_size);
        (c.num_layers, c.num_heads, c.intermediate_size) = (layers.len(), heads, units);
        Ok(c)
    }
}

impl PrunableTransformer for Llama {
    fn anatomy(&self) -> Anatomy {
        let c = self.config();
        let (layers, heads, units) = (c.num_layers, c.key_heads(), c.intermediate_size);
        Anatomy { blocks: "model.layers", cuts: LLAMA, layers, heads, units }
    }

    fn resized(&self, layers: &[usize], heads: usize, units: usize) -> Result<Self::Config> {
        let mut c = self.config().clone();
        let (size, shared) = (c.head_size(), c.num_heads / c.key_heads().max(1));
        let at = |old: &Vec<usize>| (0..layers.len()).filter(|at| old.contains(&layers[*at])).collect();
        (c.full_layers, c.layers_without_rope) = (at(&c.full_layers), at(&c.layers_without_rope));
        c.num_heads = heads * shared;
        c.num_kv_heads = Some(heads).filter(|heads| *heads != c.num_heads);
        c.head_dim = Some(size).filter(|size| size * c.num_heads != c.hidden_size);
        (c.num_layers, c.intermediate_size) = (layers.len(), units);
        Ok(c)
    }
}

fn smaller_bert(c: &BertConfig, layers: usize, heads: usize, units: usize) -> BertConfig {
    let mut c = c.clone();
    c.head_dim = Some(c.head_size()).filter(|size| size * heads != c.hidden_size);
    (c.num_layers, c.num_heads, c.intermediate_size) = (layers, heads, units);
    c
}

macro_rules! berts {
    ($($Model:ident $blocks:literal),*) => {$(
        impl PrunableTransformer for $Model {
            fn anatomy(&self) -> Anatomy {
                let c = self.config();
                let (layers, heads, units) = (c.num_layers, c.num_heads, c.intermediate_size);
                Anatomy { blocks: $blocks, cuts: BERT, layers, heads, units }
            }

            #[track_caller]
            fn resized(&self, layers: &[usize], heads: usize, units: usize) -> Result<BertConfig> {
                Ok(smaller_bert(self.config(), layers.len(), heads, units))
            }
        }
    )*};
}
berts!(
    Bert "encoder.layer",
    BertForMaskedLm "bert.encoder.layer",
    BertForQuestionAnswering "bert.encoder.layer",
    BertForSequenceClassification "bert.encoder.layer",
    BertForTokenClassification "bert.encoder.layer"
);

/// How much each layer, head and hidden unit of a transformer matters, and models without those that matter least: [`Gpt`], [`Llama`] and
/// its family, [`Bert`] and its heads.
///
/// The importance is a first estimate of by how much the loss changes without it, squared, summed over batches (Molchanov et al., *Importance
/// estimation for neural network pruning*, 2019; Michel et al., *Are sixteen heads really better than one?*, 2019): the gradient of a factor
/// before what it adds to the sum of its layer, which is `Σ w · g` over the weights that it is multiplied by there.
///
/// Of all layers as many heads and units stay, those that matter most in each; so the smaller model is an ordinary one, which is trained on,
/// saved and opened as such. Heads that share keys and values go together.
///
/// ```
/// use demotic::compress::{TransformerImportance, TransformerSizes};
/// use demotic::models::{Gpt, GptConfig};
/// use demotic::prelude::*;
///
/// let mut rng = Rng::seed(0);
/// let gpt = Gpt::new(GptConfig::new(20, 16).layers(3).heads(4).hidden_size(32), &mut rng)?;
/// let mut importance = TransformerImportance::new(&gpt);
/// for _batch in 0..4 {
///     let text = Tensor::randint(0, 20, [8, 17], &mut rng)?;
///     let (x, y) = (text.narrow(1, 0, 16)?, text.narrow(1, 1, 16)?);
///     let loss = losses::token_cross_entropy(&gpt.forward(&x, &mut Mode::eval())?, &y)?;
///     importance.add(&gpt, &loss.backward()?)?;
/// }
/// let small = importance.shrink(&gpt, &TransformerSizes::new().layers(2).heads(2).units(64))?;
/// assert_eq!((small.config().num_layers, small.config().num_heads, small.config().head_dim), (2, 2, Some(8)));
/// assert!(small.num_parameters() * 2 < gpt.num_parameters());
/// # Ok::<(), demotic::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct TransformerImportance {
    layers: Vec<f64>,
    heads: Vec<Vec<f64>>,
    units: Vec<Vec<f64>>,
}

/// How many layers, heads and hidden units stay; all of what is not said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TransformerSizes {
    layers: Option<usize>,
    heads: Option<usize>,
    units: Option<usize>,
}

impl TransformerSizes {
    /// All of them.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// So many layers.
    #[must_use]
    pub fn layers(self, count: usize) -> Self {
        Self { layers: Some(count), ..self }
    }

    /// So many heads in each layer: of keys and values, where several heads share these.
    #[must_use]
    pub fn heads(self, count: usize) -> Self {
        Self { heads: Some(count), ..self }
    }

    /// So many hidden units in the feed-forward part of each layer.
    #[must_use]
    pub fn units(self, count: usize) -> Self {
        Self { units: Some(count), ..self }
    }
}

impl TransformerImportance {
    /// Nothing as yet.
    #[must_use]
    pub fn new(model: &impl PrunableTransformer) -> Self {
        let Anatomy { layers, heads, units, .. } = model.anatomy();
        Self { layers: vec![0.0; layers], heads: vec![vec![0.0; heads]; layers], units: vec![vec![0.0; units]; layers] }
    }

    /// Adds what the gradients of a batch say.
    ///
    /// # Errors
    /// If the model has other sizes, or a weight has no gradient.
    #[track_caller]
    pub fn add(&mut self, model: &impl PrunableTransformer, gradients: &Gradients) -> Result<()> {
        let anatomy = model.anatomy();
        if self.layers.len() != anatomy.layers || self.heads.first().map(Vec::len) != Some(anatomy.heads) {
            return Err(Error::state("TransformerImportance", "the model has other sizes than that it was made for"));
        }
        let products = slopes(model, gradients)?;
        for layer in 0..anatomy.layers {
            let mut whole = 0.0;
            for Cut { name, of, .. } in anatomy.cuts.iter().filter(|cut| cut.lists == 0) {
                let path = format!("{}.{layer}.{name}", anatomy.blocks);
                let Some(sums) = products.get(&path) else {
                    let e = Error::state("TransformerImportance", "the weight has no gradient").in_layer(path);
                    return Err(e.with_help("unfreeze() it: gradients are needed, though nothing is trained"));
                };
                let to = if *of == Of::Heads { &mut self.heads[layer] } else { &mut self.units[layer] };
                let each = sums.len() / to.len().max(1);
                for (to, sums) in to.iter_mut().zip(sums.chunks(each.max(1))) {
                    *to += sums.iter().sum::<f64>().powi(2);
                }
                whole += sums.iter().sum::<f64>();
            }
            self.layers[layer] += whole.powi(2);
        }
        Ok(())
    }

    /// That of each layer.
    #[must_use]
    pub fn layers(&self) -> &[f64] {
        &self.layers
    }

    /// That of the heads of each layer.
    #[must_use]
    pub fn heads(&self) -> &[Vec<f64>] {
        &self.heads
    }

    /// That of the hidden units of each layer.
    #[must_use]
    pub fn units(&self) -> &[Vec<f64>] {
        &self.units
    }

    /// A model of these sizes, of what matters most. Its parameters are trainable.
    ///
    /// # Errors
    /// If a size is 0 or above that of the model, a weight is kept in another form or has an adapter, or memory does not suffice.
    #[track_caller]
    pub fn shrink<M: PrunableTransformer>(&self, model: &M, sizes: &TransformerSizes) -> Result<M> {
        let anatomy = model.anatomy();
        let caller = Location::caller();
        let size = |what: &str, asked: Option<usize>, there: usize| match asked {
            Some(count) if count == 0 || count > there => {
                let message = format!("{count} {what} of {there}, expected at least one and no more than there are");
                Err(Error::argument("TransformerSizes", message).at(caller))
            }
            count => Ok(count.unwrap_or(there)),
        };
        let layers = most(&self.layers, size("layers", sizes.layers, anatomy.layers)?);
        let heads = size("heads", sizes.heads, anatomy.heads)?;
        let units = size("units", sizes.units, anatomy.units)?;
        let of = |all: &[Vec<f64>], count| all.iter().map(|each| most(each, count)).collect::<Vec<_>>();
        rebuilt(model, &layers, &of(&self.heads, heads), &of(&self.units, units))
    }
}

/// A transformer without some of its layers, counted from 0.
///
/// ```
/// use demotic::compress::without_layers;
/// use demotic::models::{Llama, LlamaConfig};
/// use demotic::prelude::*;
///
/// let llama = Llama::new(LlamaConfig::new(20, 16).layers(4).heads(2).hidden_size(16), &mut Rng::seed(0))?;
/// assert_eq!(without_layers(&llama, &[1, 2])?.config().num_layers, 2);
/// # Ok::<(), demotic::Error>(())
/// ```
///
/// # Errors
/// If there is no such layer, or none would be left; if a weight is kept in another form or has an adapter.
#[track_caller]
pub fn without_layers<M: PrunableTransformer>(model: &M, layers: &[usize]) -> Result<M> {
    let Anatomy { layers: all, heads, units, .. } = model.anatomy();
    if let Some(layer) = layers.iter().find(|layer| **layer >= all) {
        return Err(Error::index("without_layers", format!("layer {layer} of {all}, counted from 0")));
    }
    let kept: Vec<usize> = (0..all).filter(|layer| !layers.contains(layer)).collect();
    if kept.is_empty() {
        return Err(Error::argument("without_layers", format!("all of {all} layers, expected that one stays")));
    }
    rebuilt(model, &kept, &vec![(0..heads).collect(); all], &vec![(0..units).collect(); all])
}

/// The places of the largest numbers, in order; of those that are equal, the first.
fn most(numbers: &[f64], count: usize) -> Vec<usize> {
    let mut all: Vec<usize> = (0..numbers.len()).collect();
    order::sort_by_key(&mut all, |i| !order::key(numbers[*i]));
    all.truncate(count);
    all.sort_unstable();
    all
}

/// For each dense layer that has a gradient, by its path, and each of its inputs the sum of its weights times their gradients.
#[track_caller]
fn slopes(model: &impl Module, gradients: &Gradients) -> Result<BTreeMap<String, Vec<f64>>> {
    let (mut all, mut failed) = (BTreeMap::new(), None);
    model.for_each("*", |path, weight: &Weight| {
        let (Some(param), Some(layer)) = (weight.param(), path.strip_suffix(".weight")) else { return };
        let Some(g) = gradients.get(param.value()) else { return };
        let product = param.value().detach().to_dtype(g.dtype()).mul(&g.detach());
        match product.and_then(|it| weight.outputs_first(it).to_dtype(DType::F64).sum_dims(&[0], false)) {
            Ok(sums) => drop(all.insert(layer.to_string(), sums.to_f64_vec())),
            Err(e) => failed = Some(e.in_layer(path)),
        }
    });
    failed.map_or(Ok(all), Err)
}

/// The same model with these layers, and of each of its layers these heads and units.
#[track_caller]
fn rebuilt<M: PrunableTransformer>(
    model: &M,
    layers: &[usize],
    heads: &[Vec<usize>],
    units: &[Vec<usize>],
) -> Result<M> {
    let anatomy = model.anatomy();
    let (mut turned, mut other) = (BTreeMap::new(), None);
    model.for_each("*", |path, weight: &Weight| {
        if weight.adapter().is_some() || weight.param().is_none() {
            other.get_or_insert_with(|| path.to_string());
        }
        turned.insert(path.to_string(), weight.is_inputs_first());
    });
    if let Some(path) = other {
        let e = Error::state("shrink", "the weight has an adapter, or is no parameter").in_layer(path);
        return Err(e.with_help("shrink first; quantise and adapt what is left"));
    }
    let count = |all: &[Vec<usize>]| all.first().map_or(0, Vec::len);
    let mut new = M::from_config(model.resized(layers, count(heads), count(units))?, &mut Rng::blank())?;
    let mut state = BTreeMap::new();
    for (path, value) in model.state_dict() {
        let inner = path
            .strip_prefix(anatomy.blocks)
            .and_then(|rest| rest.strip_prefix('.'))
            .and_then(|rest| rest.split_once('.'));
        let Some((old, rest)) = inner.and_then(|(layer, rest)| Some((layer.parse::<usize>().ok()?, rest))) else {
            state.insert(path, value);
            continue;
        };
        let Some(at) = layers.iter().position(|layer| *layer == old) else { continue };
        let cut = anatomy
            .cuts
            .iter()
            .find(|cut| rest.strip_prefix(cut.name).is_some_and(|end| [".weight", ".bias"].contains(&end)));
        let value = match cut {
            Some(Cut { lists, .. }) if *lists == 0 && rest.ends_with(".bias") => value,
            Some(cut) => {
                let (kept, all) = match cut.of {
                    Of::Heads => (&heads[old], anatomy.heads),
                    Of::Units => (&units[old], anatomy.units),
                };
                let is_input = cut.lists == 0;
                let dim = usize::from(value.rank() > 1 && is_input != turned.get(&path).copied().unwrap_or(false));
                chosen(&value, dim, kept, all, cut.lists.max(1))?
            }
            None => value,
        };
        state.insert(format!("{}.{at}.{rest}", anatomy.blocks), value);
    }
    if let Some(dtype) = model.named_parameters().first().map(|(_, value)| value.dtype()).filter(|it| *it != DType::F32)
    {
        new.to_dtype(dtype)?;
    }
    new.load_state_dict(&state)?;
    Ok(new)
}

/// Of a dimension with `lists` lists of `all` parts, one behind the other, those that are kept.
#[track_caller]
fn chosen(value: &Tensor, dim: usize, kept: &[usize], all: usize, lists: usize) -> Result<Tensor> {
    let size = value.shape()[dim];
    let each = size / (all * lists).max(1);
    if each * all * lists != size {
        return Err(Error::shape("shrink", format!("{size} features for {lists} times {all} parts")));
    }
    let mut places = Vec::with_capacity(kept.len() * lists * each);
    for list in 0..lists {
        for part in kept {
            places.extend((0..each).map(|i| ((list * all + part) * each + i) as i64));
        }
    }
    value.index_select(dim as isize, &Tensor::from_vec(places.clone(), [places.len()])?)
}
