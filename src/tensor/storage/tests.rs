use super::*;

#[test]
fn size_classes_hold_what_they_are_chosen_for() {
    let mut last = 0;
    for bytes in 0..5000 {
        let (class, capacity) = size_class(bytes).unwrap();
        assert!(capacity >= bytes && capacity <= bytes.max(ALIGN) * 5 / 4 + 1, "{bytes}: {capacity}");
        assert_eq!(size_class(capacity), Some((class, capacity)));
        assert!(class >= last && class <= last + 1, "{bytes}: class {class} after {last}");
        last = class;
    }
    assert!(size_class(isize::MAX as usize / 2).unwrap().0 < CLASSES);
    assert_eq!(size_class(usize::MAX), None);
}

#[test]
fn shared_blocks_are_not_writable_and_survive_other_handles() {
    let mut a = Storage::zeroed(DType::F32, 10).unwrap();
    a.slice_mut::<f32>().unwrap()[3] = 7.0;
    let b = a.clone();
    assert!(a.slice_mut::<f32>().is_none());
    assert!(a.is_same(&b));
    drop(a);
    assert_eq!(b.slice::<f32>()[3], 7.0);
    assert!(b.is_unique());
}

#[test]
fn recycled_blocks_are_aligned_zeroed_on_request_and_valid_booleans() {
    for len in [0, 1, 63, 64, 65, 1000] {
        let mut bytes = Storage::stale(DType::U8, len);
        bytes.slice_mut::<u8>().unwrap().fill(0xff);
        drop(bytes);
        let bools = Storage::stale(DType::Bool, len);
        assert!(bools.slice::<bool>().iter().all(|b| !b));
        assert_eq!(bools.elements().addr() % ALIGN, 0);
        drop(bools);
        let mut bytes = Storage::stale(DType::U8, len);
        bytes.slice_mut::<u8>().unwrap().fill(0xff);
        drop(bytes);
        assert!(Storage::zeroed(DType::F32, len / 4).unwrap().slice::<f32>().iter().all(|x| *x == 0.0));
    }
}

#[test]
fn elements_are_moved_as_words_of_their_size() {
    let mut a = Storage::zeroed(DType::F32, 2).unwrap();
    a.slice_mut::<f32>().unwrap()[1] = -1.5;
    assert_eq!(a.words::<u32>(), [0, (-1.5_f32).to_bits()]);
    let mut b = Storage::zeroed(DType::F32, 2).unwrap();
    b.words_mut::<u32>().unwrap().copy_from_slice(a.words());
    assert_eq!(b.slice::<f32>(), [0.0, -1.5]);
    let mut truths = Storage::zeroed(DType::Bool, 2).unwrap();
    truths.words_mut::<bool>().unwrap()[0] = true;
    assert_eq!((truths.words::<u8>(), truths.words::<bool>()), (&[1, 0][..], &[true, false][..]));
    // Other bytes than 0 and 1 cannot become truth values, nor words of another size than the elements.
    let fails = |f: &mut dyn FnMut()| {
        assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(f)).is_err());
    };
    fails(&mut || assert!(truths.words_mut::<u8>().is_none()));
    fails(&mut || assert!(a.words::<u64>().is_empty()));
    let bytes = Storage::zeroed(DType::U8, 2).unwrap();
    fails(&mut || assert!(bytes.words::<bool>().is_empty()));
    let shared = a.clone();
    assert!(a.words_mut::<u32>().is_none() && shared.words::<u32>().len() == 2);
}

#[test]
fn impossible_sizes_are_refused() {
    assert!(Storage::zeroed(DType::F64, usize::MAX).is_none());
    assert!(Storage::zeroed(DType::F64, usize::MAX / 8).is_none());
}

#[test]
fn handles_can_be_dropped_on_other_threads() {
    let a = Storage::zeroed(DType::F32, 100).unwrap();
    let handles: Vec<_> = (0..4)
        .map(|_| {
            let a = a.clone();
            std::thread::spawn(move || a.slice::<f32>().len())
        })
        .collect();
    drop(a);
    assert!(handles.into_iter().all(|h| h.join().unwrap() == 100));
}
