//! A weight of which each rank has a part.

use std::ops::Range;
use std::sync::Arc;

use super::collective::{Exchange, exchange};
use super::cross_entropy::keeps_apart;
use crate::autograd::ops::embedding::in_table;
use crate::distributed::{Group, part};
use crate::error::{Error, Result};
use crate::layers::{Adapter, Embedding, Linear, Mode, Param, Weight};
use crate::tensor::Tensor;

/// How a weight is divided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// By its outputs: each rank computes some of them.
    Columns,
    /// By its inputs: each rank has some of them, and the outputs are added up.
    Rows,
    /// By the words of a vocabulary: the rows of a table, or the outputs of the last layer.
    Words,
}

/// Which part of a parameter a rank has.
#[derive(Debug, Clone)]
pub(super) struct Cut {
    dim: usize,
    /// The size of that dimension.
    all: usize,
    /// So many parts of it, one behind the other, are divided each by itself: queries, keys and values.
    sections: usize,
}

impl Cut {
    /// What a rank has of each section.
    fn of(&self, size: usize, rank: usize) -> Range<usize> {
        part(self.all / self.sections, size, rank)
    }

    /// The shape of a part.
    pub(super) fn shape(&self, whole: &[usize], size: usize, rank: usize) -> Vec<usize> {
        let mut shape = whole.to_vec();
        if let Some(n) = shape.get_mut(self.dim) {
            *n = self.of(size, rank).len() * self.sections;
        }
        shape
    }

    /// The part of a whole parameter, in memory of its own.
    #[track_caller]
    pub(super) fn take(&self, whole: &Tensor, size: usize, rank: usize) -> Result<Tensor> {
        if whole.shape().get(self.dim) != Some(&self.all) {
            let message =
                format!("a tensor of shape {:?}, expected {} in dimension {}", whole.shape(), self.all, self.dim);
            return Err(Error::shape("tensor_parallel", message));
        }
        let (own, section) = (self.of(size, rank), self.all / self.sections);
        let dim = self.dim as isize;
        let parts = (0..self.sections).map(|i| whole.narrow(dim, i * section + own.start, own.len()));
        let parts = parts.collect::<Result<Vec<_>>>()?;
        Tensor::cat(&parts.iter().collect::<Vec<_>>(), dim)
    }

    /// The whole parameter, of the parts of all ranks.
    #[track_caller]
    fn join(&self, group: &dyn Group, own: &Tensor) -> Result<Tensor> {
        let parts = group.all_gather(own)?;
        let dim = self.dim as isize;
        let mut pieces = Vec::new();
        for i in 0..self.sections {
            for (rank, part) in parts.iter().enumerate() {
                let n = self.of(parts.len(), rank).len();
                pieces.push(part.narrow(dim, i * n, n)?);
            }
        }
        Tensor::cat(&pieces.iter().collect::<Vec<_>>(), dim)
    }
}

/// The adapter of a weight of which this rank has a part: what is computed with it is computed by all ranks together.
#[derive(Debug, Clone)]
pub(super) struct Split {
    kind: Kind,
    pub(super) group: Arc<dyn Group>,
    pub(super) cut: Cut,
    /// How the bias is divided, if it is.
    pub(super) bias: Option<Cut>,
}

crate::module!(Split {}, plain { kind, group, cut, bias });

impl Split {
    /// The own words, of a vocabulary.
    fn words(&self) -> Range<usize> {
        self.cut.of(self.group.size(), self.group.rank())
    }
}

impl Adapter for Split {
    fn value(&self, weight: &Tensor) -> Result<Tensor> {
        Ok(weight.clone())
    }

    #[track_caller]
    fn linear(&self, base: &Weight, x: &Tensor, bias: Option<&Tensor>, mode: &mut Mode<'_>) -> Result<Tensor> {
        if self.kind == Kind::Rows {
            let sum = exchange(&self.group, Exchange::Sum, &base.linear(x, None, mode)?)?;
            return bias.map_or(Ok(sum.clone()), |bias| sum.add(bias));
        }
        let y = base.linear(&exchange(&self.group, Exchange::Share, x)?, bias, mode)?;
        match self.kind {
            Kind::Words if !keeps_apart(&self.group, self.words(), self.cut.all) => {
                exchange(&self.group, Exchange::Gather(self.words()), &y)
            }
            _ => Ok(y),
        }
    }

    #[track_caller]
    fn linear_part(
        &self,
        _: &Weight,
        _: &Tensor,
        _: Option<&Tensor>,
        _: [usize; 2],
        _: &mut Mode<'_>,
    ) -> Result<Tensor> {
        let message = "the layer takes some outputs of a weight of which each rank has a part";
        Err(Error::state("tensor_parallel", message).with_help("divide layers with a weight for each projection"))
    }

    #[track_caller]
    fn look_up(&self, base: &Weight, ids: &Tensor, _: &dyn Fn(&Tensor) -> Result<Tensor>) -> Result<Tensor> {
        let words = self.words();
        // Of words that others have, the first row stands in until it is hidden.
        let (local, foreign) = localised(&in_table("embedding", ids, self.cut.all)?.to_vec()?, &words);
        let rows = Tensor::from_vec(local, ids.shape())?.embedding(&base.value()?, None)?;
        let foreign = Tensor::from_vec(foreign, ids.shape())?.unsqueeze(-1)?;
        exchange(&self.group, Exchange::Sum, &rows.masked_fill(&foreign, 0.0)?)
    }
}

/// The places of numbers among the own ones, and whether they are others'. These have place 0.
pub(super) fn localised(numbers: &[i64], own: &Range<usize>) -> (Vec<i64>, Vec<bool>) {
    let place = |n: &i64| usize::try_from(*n).ok().filter(|n| own.contains(n)).map(|n| (n - own.start) as i64);
    (numbers.iter().map(|n| place(n).unwrap_or(0)).collect(), numbers.iter().map(|n| place(n).is_none()).collect())
}

/// Gives a rank its part of a weight, and of the bias that belongs to it.
#[track_caller]
fn divide(weight: &mut Weight, bias: Option<&mut Param>, split: Split) -> Result<()> {
    let (size, rank) = (split.group.size(), split.group.rank());
    let Cut { all, sections, .. } = split.cut;
    if sections == 0 || !all.is_multiple_of(sections) || all / sections < size {
        let parts = if sections > 1 { format!("{sections} times ") } else { String::new() };
        let message = format!("{parts}{} features cannot be divided among {size} ranks", all / sections.max(1));
        return Err(Error::argument("tensor_parallel", message));
    }
    let part = |param: &Param, cut: &Cut| -> Result<Param> {
        let mut part = Param::new(cut.take(&param.detach(), size, rank)?)?;
        part.set_trainable(param.is_trainable());
        Ok(part)
    };
    let own = match &*weight {
        Weight::Dense(param) => Weight::Dense(part(param, &split.cut)?),
        Weight::InputsFirst(param) => Weight::InputsFirst(part(param, &split.cut)?),
        _ => {
            let what = if weight.adapter().is_some() { "has an adapter" } else { "is quantised" };
            return Err(Error::state("tensor_parallel", format!("the weight {what}"))
                .with_help("divide a model of plain weights: merge adapters before"));
        }
    };
    if let (Some(bias), Some(cut)) = (bias, &split.bias) {
        *bias = part(bias, cut)?;
    }
    *weight = own;
    weight.adapt(split)
}

/// Gives a dense layer its part.
#[track_caller]
pub(super) fn divide_linear(layer: &mut Linear, kind: Kind, sections: usize, group: &Arc<dyn Group>) -> Result<()> {
    let [outputs, inputs] = layer.weight.features()?;
    let all = if kind == Kind::Rows { inputs } else { outputs };
    let dim = usize::from((kind == Kind::Rows) != layer.weight.is_inputs_first());
    let cut = Cut { dim, all, sections };
    let bias = (kind != Kind::Rows && layer.bias.is_some()).then(|| Cut { dim: 0, ..cut.clone() });
    divide(&mut layer.weight, layer.bias.as_mut(), Split { kind, group: group.clone(), cut, bias })
}

/// Gives a table its part.
#[track_caller]
pub(super) fn divide_table(table: &mut Embedding, group: &Arc<dyn Group>) -> Result<()> {
    let cut = Cut { dim: 0, all: table.num_embeddings(), sections: 1 };
    divide(&mut table.weight, None, Split { kind: Kind::Words, group: group.clone(), cut, bias: None })
}

/// The split of a weight, if it has one.
pub(super) fn split_of(weight: &Weight) -> Option<&Split> {
    weight.adapter()?.as_module().as_any_ref().downcast_ref()
}

/// Makes a weight whole again, and its bias. Returns whether it was divided.
#[track_caller]
pub(super) fn unite(weight: &mut Weight, bias: Option<&mut Param>) -> Result<bool> {
    let Some(split) = split_of(weight).cloned() else { return Ok(false) };
    let whole = |param: &Param, cut: &Cut| -> Result<Param> {
        let mut whole = Param::new(cut.join(&*split.group, &param.detach())?)?;
        whole.set_trainable(param.is_trainable());
        Ok(whole)
    };
    weight.take_adapter();
    *weight = match &*weight {
        Weight::Dense(param) => Weight::Dense(whole(param, &split.cut)?),
        Weight::InputsFirst(param) => Weight::InputsFirst(whole(param, &split.cut)?),
        other => other.clone(),
    };
    if let (Some(bias), Some(cut)) = (bias, &split.bias) {
        *bias = whole(bias, cut)?;
    }
    Ok(true)
}
