//! The vocabulary of a published tokenizer: tokens with any ids.

use std::collections::HashMap;
use std::sync::Arc;

/// Which token has which id. Ids may have gaps, as in published files.
#[derive(Debug, Clone, Default)]
pub(super) struct Tokens {
    ids: HashMap<Arc<str>, u32>,
    /// In the order of the ids.
    sorted: Vec<(u32, Arc<str>)>,
}

impl Tokens {
    /// Of tokens with the same id, the first is the one that the id stands for; of ids of the same token, the last is its.
    pub(super) fn new(pairs: impl IntoIterator<Item = (String, u32)>) -> Self {
        let mut sorted: Vec<(u32, Arc<str>)> = pairs.into_iter().map(|(token, id)| (id, token.into())).collect();
        let mut ids = HashMap::with_capacity(sorted.len());
        for (id, token) in &sorted {
            ids.insert(Arc::clone(token), *id);
        }
        crate::order::sort_by(&mut sorted, |a, b| a.0.cmp(&b.0));
        sorted.dedup_by_key(|(id, _)| *id);
        Self { ids, sorted }
    }

    pub(super) fn id(&self, token: &str) -> Option<u32> {
        self.ids.get(token).copied()
    }

    pub(super) fn get(&self, id: u32) -> Option<&str> {
        let at = match self.sorted.get(id as usize) {
            // Without gaps, every token is in the place of its id.
            Some((found, _)) if *found == id => id as usize,
            _ => self.sorted.binary_search_by_key(&id, |(id, _)| *id).ok()?,
        };
        Some(&self.sorted[at].1)
    }

    /// How many tokens there are.
    pub(super) fn len(&self) -> usize {
        self.ids.len()
    }

    /// The tokens `<0x00>` to `<0xFF>`, which stand for single bytes.
    pub(super) fn bytes(&self) -> Box<[Option<u32>; 256]> {
        Box::new(std::array::from_fn(|byte| self.id(&format!("<0x{byte:02X}>"))))
    }

    /// The highest id.
    pub(super) fn highest(&self) -> Option<u32> {
        self.sorted.last().map(|(id, _)| *id)
    }

    /// All tokens, in the order of their ids.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, u32)> {
        self.sorted.iter().map(|(id, token)| (&**token, *id))
    }
}
