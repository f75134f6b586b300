use super::*;

#[test]
fn blocks_are_zeroed_aligned_and_can_be_written_to_their_ends() {
    let sizes = [64, 4096, PAGED_BYTES - 64, PAGED_BYTES, PAGED_BYTES + 64, (2 << 20) - 1, 2 << 20, (5 << 20) + 4096];
    for size in sizes {
        for used in [64, size / 2, size] {
            let block = zeroed(size, used).unwrap();
            assert_eq!(block.as_ptr().addr() % super::super::ALIGN, 0, "{size}");
            // SAFETY: `size` initialised bytes that nobody else knows.
            let bytes = unsafe { std::slice::from_raw_parts_mut(block.as_ptr(), size) };
            assert!(bytes.iter().all(|b| *b == 0), "{size}");
            bytes.fill(7);
            assert_eq!(bytes[size - 1], 7);
            // SAFETY: made above with this size, and not used again.
            unsafe { free(block, size) };
        }
    }
}

#[test]
fn more_than_there_is_room_for_is_none() {
    assert!(zeroed(usize::MAX / 4, 64).is_none());
}
