//! Sorting, and what is found by name: compiled once for all types, or little for each.

use std::cmp::Ordering;
use std::collections::BTreeMap;

/// Sorts; equal items keep their order.
///
/// The standard library's sort is ten functions more for each type and comparison. This one sorts places, by a comparison that it
/// calls, and is right for lists that are short beside what is done with them. What is long has a [`sort_by_key`].
pub(crate) fn sort_by<T>(items: &mut [T], compare: impl Fn(&T, &T) -> Ordering) {
    let order = places(items.len(), &|a, b| compare(&items[a], &items[b]));
    exchange(order, &mut |a, b| items.swap(a, b));
}

/// Sorts by a whole number; equal items keep their order.
pub(crate) fn sort_by_key<T>(items: &mut [T], key: impl Fn(&T) -> u64) {
    if let Some(order) = places_by_key(items.len(), &|i| key(&items[i])) {
        exchange(order, &mut |a, b| items.swap(a, b));
    }
}

/// A key that orders numbers as [`f64::total_cmp`] does.
pub(crate) fn key(x: f64) -> u64 {
    let bits = x.to_bits();
    if bits >> 63 == 0 { bits | 1 << 63 } else { !bits }
}

/// The number with a [`key`].
pub(crate) fn number(key: u64) -> f64 {
    f64::from_bits(if key >> 63 == 0 { !key } else { key & !(1 << 63) })
}

/// A key that orders as whole numbers do.
pub(crate) fn whole_key(x: i64) -> u64 {
    x.cast_unsigned() ^ 1 << 63
}

/// A map of these pairs. Collecting into one sorts them first, which is a sort for each type of pairs.
pub(crate) fn map<K: Ord, V>(pairs: impl IntoIterator<Item = (K, V)>) -> BTreeMap<K, V> {
    let mut map = BTreeMap::new();
    map.extend(pairs);
    map
}

/// Values in the order of their names, for those that are few or come in order. A `BTreeMap` is thirty functions and more for each
/// type of values.
#[derive(Debug, Clone)]
pub(crate) struct ByName<V>(Vec<(String, V)>);

impl<V> ByName<V> {
    /// Of these pairs; of equal names the last one counts.
    pub(crate) fn of(mut pairs: Vec<(String, V)>) -> Self {
        sort_by(&mut pairs, |(a, _), (b, _)| a.cmp(b));
        // What is left of equal names is the first one.
        pairs.dedup_by(|next, kept| {
            let same = next.0 == kept.0;
            if same {
                std::mem::swap(next, kept);
            }
            same
        });
        Self(pairs)
    }

    /// Where a name is, or where it would have to be.
    fn place(&self, name: &str) -> Result<usize, usize> {
        match self.0.last() {
            Some((last, _)) if last.as_str() < name => Err(self.0.len()),
            _ => self.0.binary_search_by(|(other, _)| other.as_str().cmp(name)),
        }
    }

    pub(crate) fn get(&self, name: &str) -> Option<&V> {
        self.place(name).ok().map(|at| &self.0[at].1)
    }

    pub(crate) fn insert(&mut self, name: String, value: V) {
        match self.place(&name) {
            Ok(at) => self.0[at].1 = value,
            Err(at) => self.0.insert(at, (name, value)),
        }
    }

    pub(crate) fn remove(&mut self, name: &str) -> Option<V> {
        self.place(name).ok().map(|at| self.0.remove(at).1)
    }

    /// The value of a name, which is this one if there is none yet.
    pub(crate) fn get_or(&mut self, name: String, value: V) -> &mut V {
        let at = self.place(&name).unwrap_or_else(|at| {
            self.0.insert(at, (name, value));
            at
        });
        &mut self.0[at].1
    }

    pub(crate) fn iter(&self) -> std::slice::Iter<'_, (String, V)> {
        self.0.iter()
    }
}

impl<V> Default for ByName<V> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

/// The places of items in their order.
fn places(len: usize, compare: &dyn Fn(usize, usize) -> Ordering) -> Vec<usize> {
    let mut order: Vec<usize> = (0..len).collect();
    order.sort_by(|a, b| compare(*a, *b));
    order
}

/// The same by keys; `None` if the items are in order.
fn places_by_key(len: usize, key: &dyn Fn(usize) -> u64) -> Option<Vec<usize>> {
    if (1..len).all(|i| key(i - 1) <= key(i)) {
        return None;
    }
    let mut keys: Vec<u128> = (0..len).map(|i| u128::from(key(i)) << 64 | i as u128).collect();
    keys.sort_unstable();
    Some(keys.into_iter().map(|key| key as usize).collect())
}

/// Brings item `order[i]` to place `i`, along each cycle of places.
fn exchange(mut order: Vec<usize>, swap: &mut dyn FnMut(usize, usize)) {
    for start in 0..order.len() {
        let mut to = start;
        loop {
            let from = std::mem::replace(&mut order[to], to);
            if from == start {
                break;
            }
            swap(to, from);
            to = from;
        }
    }
}

#[cfg(test)]
mod tests;
