use std::fs;

use super::*;
use crate::ErrorKind;

#[test]
fn files_and_memory_agree() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ids");
    for vocab_size in [65_536u32, 65_537, 200_000] {
        let ids: Vec<u32> = (0..70_000u32).map(|i| i.wrapping_mul(2_654_435_761) % vocab_size).collect();
        let memory = TokenStream::from_ids(ids.clone()).unwrap();
        let file = TokenStream::write(&path, ids.iter().copied(), vocab_size as usize).unwrap();
        let width = if vocab_size <= 65_536 { 2 } else { 4 };
        assert_eq!(fs::metadata(&path).unwrap().len(), 32 + 70_000 * width);
        assert_eq!((file.len(), file.vocab_size()), (70_000, vocab_size as usize));
        for range in [0..0, 0..70_000, 69_999..70_000, 31..32_900, 70_000..70_000] {
            assert_eq!(memory.slice(range.clone()).unwrap(), file.slice(range).unwrap());
        }
        let (first, second) = file.split(0.9).unwrap();
        assert_eq!((first.len(), second.len()), (63_000, 7_000));
        let (_, last) = second.split(0.5).unwrap();
        let mut out = [0; 3];
        last.read(3_497, &mut out).unwrap();
        assert_eq!(out.map(|id| id as u32), ids[69_997..]);
        let e = last.read(3_498, &mut out).unwrap_err();
        assert_eq!(e.message(), "read: 3 tokens from position 3498 of a stream of 3500 tokens");
        last.read(usize::MAX, &mut out).unwrap_err();
    }
}

#[test]
fn threads_read_at_the_same_time() {
    let folder = tempfile::tempdir().unwrap();
    let stream = TokenStream::write(folder.path().join("ids"), 0..50_000, 50_000).unwrap();
    std::thread::scope(|scope| {
        for t in 0..4 {
            let stream = stream.clone();
            scope.spawn(move || {
                for i in 0..200 {
                    let at = (t * 7919 + i * 241) % 49_900;
                    let expected: Vec<i64> = (at as i64..at as i64 + 100).collect();
                    assert_eq!(stream.slice(at..at + 100).unwrap(), expected);
                }
            });
        }
    });
}

#[test]
fn impossible_streams_are_errors() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ids");
    let message = |result: Result<TokenStream>| result.unwrap_err().message();
    assert_eq!(message(TokenStream::from_ids(Vec::<u32>::new())), "from_ids: there are no tokens");
    assert_eq!(
        message(TokenStream::from_ids(vec![5i64, -1])),
        "from_ids: token 1 has the id -1, expected 0 to 4294967295"
    );
    assert_eq!(
        message(TokenStream::write(&path, [1, 2, 7], 7)),
        "write: token 2 has the id 7, the vocabulary has 7 entries"
    );
    assert_eq!(message(TokenStream::write(&path, [0u32; 0], 7)), "write: there are no tokens");
    assert_eq!(
        message(TokenStream::write(&path, [0], 0)),
        "write: the vocabulary's size is 0, expected 1 to 4294967296"
    );
    let e = TokenStream::write_with(&path, 5, |out| {
        out.push(&[1, 2, 3])?;
        Err(Error::state("mine", "no more"))
    });
    assert_eq!(message(e), "mine: no more");
    assert!(fs::read_dir(folder.path()).unwrap().next().is_none(), "a failure left a file behind");

    let stream = TokenStream::from_ids(vec![1u32, 2]).unwrap();
    for fraction in [0.0, 1.0, -1.0, f64::NAN, f64::INFINITY] {
        assert_eq!(stream.split(fraction).unwrap_err().kind(), ErrorKind::Argument);
    }
    let (first, _) = stream.split(1e-9).unwrap();
    assert_eq!(first.split(0.5).unwrap_err().message(), "split: 1 token cannot be divided into two parts");
    #[allow(clippy::reversed_empty_ranges)]
    let reversed = stream.slice(2..1).unwrap_err();
    assert_eq!(reversed.message(), "slice: 2..1 of a stream of 2 tokens");
}

#[test]
fn foreign_truncated_and_damaged_files_are_errors() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ids");
    TokenStream::write(&path, [1, 2, 3], 300).unwrap();
    let good = fs::read(&path).unwrap();
    assert_eq!(good.len(), 38);
    let open = |bytes: &[u8]| {
        fs::write(&path, bytes).unwrap();
        let e = TokenStream::open(&path).unwrap_err();
        assert_eq!(e.kind(), ErrorKind::Format);
        e.message().strip_prefix(&format!("open: {}: ", path.display())).unwrap().to_string()
    };
    let changed = |at: usize, byte: u8| {
        let mut bytes = good.clone();
        bytes[at] = byte;
        bytes
    };
    assert_eq!(open(b""), "the file is empty");
    assert_eq!(open(&good[..31]), "31 bytes are too few for a file of token ids");
    for size in 32..38 {
        assert!(open(&good[..size]).starts_with("truncated or damaged: "));
    }
    assert_eq!(open(&[0xee; 40]), "not a file of token ids: it begins with other bytes");
    assert_eq!(open(&[b'x'; 40]), "not a file of token ids: it seems to be a text");
    assert_eq!(open(&changed(8, 2)), "version 2 of the format, this program reads version 1");
    assert_eq!(open(&changed(12, 3)), "malformed: ids of 3 bytes for a vocabulary of 300 entries");
    assert_eq!(open(&changed(18, 1)), "malformed: ids of 2 bytes for a vocabulary of 65836 entries");
    let message = "truncated or damaged: 6 bytes of ids of 2 bytes, and no matching count";
    assert_eq!(open(&changed(30, 4)), message);
    assert_eq!(open(&changed(37, 128)), message);
    for (byte, value) in good.iter().enumerate() {
        for bit in 0..8 {
            fs::write(&path, changed(byte, value ^ 1 << bit)).unwrap();
            let _ = TokenStream::open(&path).and_then(|stream| stream.slice(0..stream.len()));
        }
    }

    // An id that the vocabulary does not have, and a file that shrinks while it is open.
    fs::write(&path, changed(27, 1)).unwrap();
    let stream = TokenStream::open(&path).unwrap();
    assert_eq!(stream.slice(0..1).unwrap(), [1]);
    let message = format!("slice: {}: token 1 has the id 258, the vocabulary has 200 entries", path.display());
    let mut small = changed(27, 1);
    small[16..18].copy_from_slice(&200u16.to_le_bytes());
    fs::write(&path, small).unwrap();
    let stream = TokenStream::open(&path).unwrap();
    assert_eq!(stream.slice(0..3).unwrap_err().message(), message);
    fs::write(&path, &good[..25]).unwrap();
    assert_eq!(stream.slice(0..3).unwrap_err().kind(), ErrorKind::Io);
    assert_eq!(TokenStream::open(folder.path()).unwrap_err().kind(), ErrorKind::Io);
}
