use std::panic::{AssertUnwindSafe, catch_unwind};

use super::*;

/// Calls `f` on a thread that is of no pool, and on one that is of a pool of so many.
fn everywhere(f: &(dyn Fn() + Sync)) {
    std::thread::scope(|scope| scope.spawn(f).join()).unwrap();
    for n in [1, 2, 3] {
        with_threads(n, f).unwrap();
    }
}

#[test]
fn every_block_is_visited_once() {
    everywhere(&|| {
        for (len, block) in [(0, 4), (3, 4), (4, 4), (5, 4), (1000, 7), (64, 1), (9, 0)] {
            let mut out = vec![0; len];
            for_blocks(&mut out, block, |start, out| out.iter_mut().enumerate().for_each(|(i, x)| *x += start + i));
            assert!(out.iter().enumerate().all(|(i, x)| *x == i), "{len} in blocks of {block}");

            let (mut a, mut b) = (vec![0; len], vec![0; 2 * len]);
            for_blocks_of_two((&mut a, block), (&mut b, 2 * block), &|i, a, b| {
                a.fill(i);
                b.fill(i);
            });
            assert!(a.iter().enumerate().all(|(at, i)| *i == at / block.max(1)), "{len} in blocks of {block}");
            assert!(
                block == 0 || b.iter().enumerate().all(|(at, i)| *i == at / (2 * block)),
                "{len} in blocks of {block}"
            );

            let seen: Vec<AtomicUsize> = (0..len).map(|_| AtomicUsize::new(0)).collect();
            let see = |i: usize| assert!(seen[i].fetch_add(1, Ordering::Relaxed) < 3);
            for_ranges(len, block, &|range| range.for_each(see));
            for_each((0..len).collect(), &see);
            share(len, &see);
            assert!(seen.iter().all(|n| n.load(Ordering::Relaxed) == 3), "{len} in blocks of {block}");
        }
    });
}

#[test]
fn a_panic_comes_to_the_caller_and_harms_nothing_else() {
    everywhere(&|| {
        let panics = |f: &dyn Fn()| catch_unwind(AssertUnwindSafe(f)).is_err();
        assert!(panics(&|| for_blocks(&mut [0; 100], 7, |start, _| assert!(start < 70))));
        assert!(panics(&|| for_ranges(100, 7, &|range| assert!(range.end <= 70))));
        assert!(panics(&|| for_each((0..100).collect(), &|i: usize| assert!(i < 70))));
        assert!(panics(&|| share(100, &|i| assert!(i < 70))));
        let mut out = [0; 100];
        for_blocks(&mut out, 7, |_, out| out.fill(1));
        assert_eq!(out, [1; 100]);
    });
}

#[test]
fn a_pool_of_as_many_threads_is_used_as_it_is() {
    let (outer, inner) = with_threads(2, || {
        let index = rayon::current_thread_index();
        (index, with_threads(2, rayon::current_thread_index).unwrap())
    })
    .unwrap();
    assert_eq!(outer, inner);
    assert_eq!(with_threads(2, || with_threads(3, threads).unwrap()).unwrap(), 3);
}
