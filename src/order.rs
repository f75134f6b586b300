//! Sorting, compiled once for all types.

use std::cmp::Ordering;

/// Sorts; equal items keep their order.
///
/// The standard library's sort is ten functions more for each type and comparison. This one sorts places, by a comparison that it
/// calls, and is right for lists that are short beside what is done with them.
pub(crate) fn sort_by<T>(items: &mut [T], compare: impl Fn(&T, &T) -> Ordering) {
    let mut order: Vec<usize> = (0..items.len()).collect();
    sort_places(&mut order, &|a, b| compare(&items[a], &items[b]));
    // Item `order[i]` goes to place `i`, along each cycle of places.
    for start in 0..order.len() {
        let mut to = start;
        loop {
            let from = std::mem::replace(&mut order[to], to);
            if from == start {
                break;
            }
            items.swap(to, from);
            to = from;
        }
    }
}

fn sort_places(order: &mut [usize], compare: &dyn Fn(usize, usize) -> Ordering) {
    order.sort_by(|a, b| compare(*a, *b));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_stable_sort_of_the_standard_library() {
        let mut rng = crate::rng::Rng::seed(5);
        for len in (0..40).chain([100, 1000]) {
            for values in [1, 3, 1000] {
                let items: Vec<(usize, String)> = (0..len).map(|i| (rng.below(values), format!("item {i}"))).collect();
                let (mut ours, mut expected) = (items.clone(), items);
                sort_by(&mut ours, |a, b| b.0.cmp(&a.0));
                expected.sort_by_key(|item| std::cmp::Reverse(item.0));
                assert_eq!(ours, expected);
            }
        }
    }
}
