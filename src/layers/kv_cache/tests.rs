use super::*;
use crate::ErrorKind;

fn numbers(shape: [usize; 4], from: f64) -> Tensor {
    let n = shape.iter().product::<usize>();
    Tensor::from_vec((0..n).map(|i| from + i as f64).collect::<Vec<f64>>(), shape).unwrap()
}

#[test]
fn appended_positions_follow_each_other_in_the_same_memory() {
    let mut cache = KvCache::new(2, 3, 5, 2, DType::F64).unwrap();
    let memory = cache.kept[0].numbers.clone();
    drop(cache.keys());
    let parts = [numbers([2, 3, 2, 2], 0.0), numbers([2, 3, 1, 2], 100.0), numbers([2, 3, 2, 2], 200.0)];
    drop(memory);
    let address = cache.kept[0].numbers.data::<f64>().as_ptr();
    for part in &parts {
        // Heads as they come from a projection: not contiguous.
        let strided = part.transpose(1, 2).unwrap().contiguous().transpose(1, 2).unwrap();
        cache.append(&strided, &part.neg()).unwrap();
    }
    assert_eq!(cache.kept[0].numbers.data::<f64>().as_ptr(), address);
    let all = Tensor::cat(&parts.each_ref(), 2).unwrap();
    assert_eq!(cache.keys().to_f64_vec(), all.to_f64_vec());
    assert_eq!(cache.values().to_f64_vec(), all.neg().to_f64_vec());
    assert!(cache.keys().shares_storage(&cache.kept[0].numbers));

    let copy = cache.clone();
    cache.truncate(1);
    cache.append(&parts[2], &parts[2]).unwrap();
    assert_eq!((cache.len(), copy.len()), (3, 5));
    assert_eq!(copy.keys().to_f64_vec(), all.to_f64_vec());
}

#[test]
fn memory_is_taken_as_it_is_needed() {
    let all = numbers([2, 3, 300, 2], 0.0);
    let mut cache = KvCache::growing(2, 3, 290, 2, DType::F64).unwrap();
    for (from, n) in [(0, 1), (1, 63), (64, 1), (65, 200), (265, 25)] {
        let part = all.narrow(2, from, n).unwrap();
        cache.append(&part, &part.neg()).unwrap();
        assert_eq!((cache.len(), cache.capacity()), (from + n, 290));
    }
    // 1, 64, then twice as much, then what is asked for, then the limit.
    assert_eq!(cache.sizes(), [2, 3, 290, 2]);
    assert_eq!(cache.keys().to_f64_vec(), all.narrow(2, 0, 290).unwrap().to_f64_vec());
    assert_eq!(cache.values().to_f64_vec(), all.narrow(2, 0, 290).unwrap().neg().to_f64_vec());
    let one = all.narrow(2, 0, 1).unwrap();
    let e = cache.append(&one, &one).unwrap_err();
    assert_eq!(e.message(), "KvCache::append: 290 positions and 1 more, but there is room for 290");
    cache.reorder(&[1]).unwrap();
    cache.truncate(70);
    cache.append(&one.narrow(0, 1, 1).unwrap(), &one.narrow(0, 1, 1).unwrap()).unwrap();
    assert_eq!((cache.batch(), cache.len(), cache.capacity()), (1, 71, 290));
}

#[test]
fn rows_are_reordered() {
    let mut cache = KvCache::new(2, 1, 4, 1, DType::F64).unwrap();
    cache.append(&numbers([2, 1, 2, 1], 0.0), &numbers([2, 1, 2, 1], 10.0)).unwrap();
    cache.reorder(&[1, 0, 1]).unwrap();
    assert_eq!((cache.batch(), cache.len(), cache.capacity()), (3, 2, 4));
    assert_eq!(cache.keys().to_f64_vec(), [2.0, 3.0, 0.0, 1.0, 2.0, 3.0]);
    assert_eq!(cache.values().to_f64_vec(), [12.0, 13.0, 10.0, 11.0, 12.0, 13.0]);
    cache.reorder(&[0]).unwrap();
    cache.append(&numbers([1, 1, 1, 1], 7.0), &numbers([1, 1, 1, 1], 8.0)).unwrap();
    assert_eq!(cache.keys().to_f64_vec(), [2.0, 3.0, 7.0]);
}

#[test]
fn what_does_not_fit_is_an_error() {
    let mut cache = KvCache::new(1, 2, 3, 4, DType::F32).unwrap();
    let x = Tensor::ones([1, 2, 2, 4]).unwrap();
    cache.append(&x, &x).unwrap();
    let e = cache.append(&x, &x).unwrap_err();
    assert_eq!(e.kind(), ErrorKind::State);
    assert_eq!(e.message(), "KvCache::append: 2 positions and 2 more, but there is room for 3");
    assert!(e.help().is_some());
    let e = cache.append(&x, &Tensor::ones([1, 2, 1, 4]).unwrap()).unwrap_err();
    assert_eq!(
        e.message(),
        "KvCache::append: values [1, 2, 1, 4] for a cache of [1, 2, 3, 4] (batch, heads, capacity, head_dim)"
    );
    let e = cache.append(&x.tracked().unwrap(), &x).unwrap_err();
    assert_eq!(e.message(), "KvCache::append: the keys need a gradient, and a cache keeps none");
    let e = cache.reorder(&[0, 1]).unwrap_err();
    assert_eq!(e.message(), "KvCache::reorder: row 1 of a batch of 1");
    assert_eq!(cache.len(), 2);
    let e = KvCache::new(1, 1, 1, 1, DType::I64).unwrap_err();
    assert_eq!(e.message(), "KvCache::new: elements of type i64, expected f32 or f64");
    assert!(KvCache::new(1, usize::MAX, 2, 2, DType::F32).is_err());
}
