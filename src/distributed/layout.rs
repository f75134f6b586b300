//! Which parameters a model has, and how their gradients travel: several in a bucket, and of each bucket a part to each rank.

use std::collections::BTreeMap;
use std::ops::Range;

use super::group::part;
use crate::autograd::{NodeId, NodeMap, id_of};
use crate::layers::{Module, Slot, Visitor};
use crate::tensor::DType;

/// A trainable parameter.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub(super) id: NodeId,
    pub(super) shape: Vec<usize>,
    pub(super) numel: usize,
    /// The type of its gradient.
    pub(super) dtype: DType,
    pub(super) bucket: usize,
    /// Where it begins in the bucket.
    pub(super) at: usize,
    /// The rank that keeps what is divided.
    pub(super) owner: usize,
}

/// Gradients that travel together.
#[derive(Debug, Clone)]
pub(super) struct Bucket {
    pub(super) dtype: DType,
    pub(super) len: usize,
    /// The part of each rank.
    pub(super) cuts: Vec<Range<usize>>,
    /// The numbers of the parameters, in the order in which they lie.
    pub(super) members: Vec<usize>,
}

#[derive(Debug, Clone, Default)]
pub(super) struct Layout {
    /// In the order of the model.
    pub(super) places: Vec<Place>,
    pub(super) buckets: Vec<Bucket>,
    pub(super) by_id: NodeMap<usize>,
    /// The places of all paths, also of those that share a value with one before.
    by_path: BTreeMap<String, usize>,
}

impl Layout {
    /// The trainable parameters of a model in buckets of about so many bytes (or of what suits the model), from the last to the first, in which order their gradients come.
    /// With `whole`, each parameter belongs to one rank as a whole; otherwise each rank has an equal part of each bucket.
    pub(super) fn of(model: &dyn Module, size: usize, bucket_bytes: Option<usize>, whole: bool) -> Self {
        let mut layout = Self::default();
        let mut on_slot = |path: &str, slot: Slot<'_>| {
            let Slot::Param(param) = slot else { return };
            let (Some(id), Some(dtype)) = (id_of(param.value()), param.dtype().gradient()) else { return };
            // Those that share one value have one gradient.
            let known = layout.by_id.get(&id).copied();
            let place = *layout.by_id.entry(id).or_insert(layout.places.len());
            layout.by_path.insert(path.to_string(), place);
            if known.is_some() {
                return;
            }
            let (shape, numel) = (param.shape().to_vec(), param.numel());
            layout.places.push(Place { id, shape, numel, dtype, bucket: 0, at: 0, owner: 0 });
        };
        model.visit(&mut Visitor::new(&mut on_slot));
        layout.assign(size);
        layout.fill(size, bucket_bytes, whole);
        layout
    }

    /// The place of a parameter that is trained.
    pub(super) fn place(&self, path: &str) -> Option<usize> {
        self.by_path.get(path).copied()
    }

    /// What tells the layout from another one: a line for each path.
    pub(super) fn lines(&self) -> impl Iterator<Item = (&str, &Place)> {
        self.by_path.iter().map(|(path, place)| (path.as_str(), &self.places[*place]))
    }

    /// The rank that a trained parameter belongs to.
    pub(super) fn owner(&self, path: &str) -> Option<usize> {
        self.place(path).map(|place| self.places[place].owner)
    }

    /// Whether a parameter belongs to this rank.
    pub(super) fn is_own(&self, path: &str, rank: usize) -> bool {
        self.owner(path) == Some(rank)
    }

    /// Gives each parameter, the largest first, to the rank that has the least so far.
    fn assign(&mut self, size: usize) {
        let mut order: Vec<usize> = (0..self.places.len()).collect();
        crate::order::sort_by_key(&mut order, |place| u64::MAX - self.places[*place].numel as u64);
        let mut loads = vec![0; size];
        for place in order {
            let owner = (0..size).min_by_key(|rank| (loads[*rank], *rank)).unwrap_or_default();
            self.places[place].owner = owner;
            loads[owner] += self.places[place].numel * self.places[place].dtype.size();
        }
    }

    fn fill(&mut self, size: usize, bucket_bytes: Option<usize>, whole: bool) {
        // Of the last bucket of a backward pass nothing is hidden behind computing: it is a small part of all.
        let all: usize = self.places.iter().map(|place| place.numel * place.dtype.size()).sum();
        let bucket_bytes = bucket_bytes.unwrap_or((all / 8).clamp(64 << 10, 4 << 20));
        let mut open: Vec<(DType, Vec<usize>, usize)> = Vec::new();
        let mut lists = Vec::new();
        for (number, place) in self.places.iter().enumerate().rev() {
            let at = open.iter().position(|(dtype, ..)| *dtype == place.dtype).unwrap_or_else(|| {
                open.push((place.dtype, Vec::new(), 0));
                open.len() - 1
            });
            let (dtype, members, bytes) = &mut open[at];
            members.push(number);
            *bytes += place.numel * dtype.size();
            if *bytes >= bucket_bytes {
                lists.push((*dtype, std::mem::take(members)));
                *bytes = 0;
            }
        }
        lists.extend(open.into_iter().map(|(dtype, members, _)| (dtype, members)));
        for (dtype, mut members) in lists.into_iter().filter(|(_, members)| !members.is_empty()) {
            if whole {
                crate::order::sort_by_key(&mut members, |number| self.places[*number].owner as u64);
            }
            let (mut len, mut ends) = (0, vec![0; size]);
            for number in &members {
                let place = &mut self.places[*number];
                (place.bucket, place.at) = (self.buckets.len(), len);
                len += place.numel;
                ends[place.owner] = len;
            }
            let cuts = match whole {
                false => (0..size).map(|rank| part(len, size, rank)).collect(),
                true => {
                    let mut start = 0;
                    let mut cuts = Vec::with_capacity(size);
                    for end in ends {
                        let end = end.max(start);
                        cuts.push(start..end);
                        start = end;
                    }
                    cuts
                }
            };
            self.buckets.push(Bucket { dtype, len, cuts, members });
        }
    }
}
