//! Numbers of threads.

use demotic::parallel::{threads, with_threads};

use super::SIZES;
use super::child::limited;

#[test]
fn any_number_of_threads_is_answered() {
    limited("threads::any_number_of_threads_is_answered", |cases| {
        for n in SIZES {
            cases.run(format!("with_threads({n})"), || with_threads(n, threads));
        }
    });
    let e = with_threads(usize::MAX, threads).unwrap_err();
    assert_eq!(e.message(), format!("with_threads: the number of threads is {}, at most 1024 are started", usize::MAX));
    assert_eq!(with_threads(3, threads).unwrap(), 3);
}
