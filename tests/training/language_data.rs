//! What language models are trained on.

use demotic::data::{Batches, IGNORE_INDEX, NextTokens, Sentences, document_mask};
use demotic::prelude::*;
use demotic::text::TokenStream;

fn stream(len: usize) -> TokenStream {
    TokenStream::from_ids((0..len as u32).collect()).unwrap()
}

/// All windows of a dataset, each as its first token, after a look at the others.
fn starts(data: &NextTokens) -> Result<Vec<i64>> {
    let mut starts = Vec::new();
    for batch in data.batches(3) {
        let (x, y) = batch?;
        assert_eq!((x.shape(), x.dtype()), (y.shape(), DType::I64));
        assert_eq!(x.shape()[1], data.context());
        for (x, y) in x.to_vec::<i64>()?.chunks(data.context()).zip(y.to_vec::<i64>()?.chunks(data.context())) {
            assert!(x.iter().enumerate().all(|(i, id)| *id == x[0] + i as i64));
            assert!(y.iter().zip(x).all(|(y, x)| *y == x + 1));
            starts.push(x[0]);
        }
    }
    Ok(starts)
}

#[test]
fn windows_cover_the_stream() -> Result<()> {
    for (len, context, want) in [(5, 4, vec![0]), (8, 4, vec![0]), (9, 4, vec![0, 4]), (7, 1, vec![0, 1, 2, 3, 4, 5])] {
        let data = NextTokens::new(stream(len), context)?;
        assert_eq!((data.len(), starts(&data)?), (want.len(), want));
    }
    assert_eq!(starts(&NextTokens::new(stream(10), 4)?.stride(2)?)?, [0, 2, 4]);
    assert_eq!(starts(&NextTokens::new(stream(8), 4)?.stride(1)?)?, [0, 1, 2, 3]);
    assert_eq!(starts(&NextTokens::new(stream(8), 4)?.stride(usize::MAX)?)?, [0]);
    Ok(())
}

#[test]
fn random_windows_come_from_everywhere_and_stay_what_they_are() -> Result<()> {
    let data = NextTokens::new(stream(20), 4)?.random(1600, &mut Rng::seed(1))?;
    let found = starts(&data)?;
    let mut counts = [0; 16];
    found.iter().for_each(|start| counts[*start as usize] += 1);
    // 16 places, 100 each; chi-square with 15 degrees of freedom is below 37.7 in 999 of 1000 cases.
    let chi_square: f64 = counts.iter().map(|n| (f64::from(*n) - 100.0).powi(2) / 100.0).sum();
    assert!(chi_square < 37.7, "{chi_square}: {counts:?}");
    let (x, _) = data.batch(&[1599, 7], &mut Rng::seed(0))?;
    assert_eq!(x.to_vec::<i64>()?[..5], [found[1599], found[1599] + 1, found[1599] + 2, found[1599] + 3, found[7]]);
    let other = NextTokens::new(stream(20), 4)?.random(1600, &mut Rng::seed(2))?;
    assert_ne!(starts(&other)?, found);
    Ok(())
}

#[test]
fn files_give_the_same_windows_and_shuffling_all_of_them() -> Result<()> {
    let folder = tempfile::tempdir().unwrap();
    let ids: Vec<u32> = (0..1000).map(|i| i * 7919 % 500).collect();
    let file = TokenStream::write(folder.path().join("ids"), ids.iter().copied(), 500)?;
    let memory = NextTokens::new(TokenStream::from_ids(ids)?, 16)?;
    let (_, part) = file.split(0.5)?;
    let file = NextTokens::new(file, 16)?;
    assert_eq!(
        file.batch(&[61, 0], &mut Rng::seed(0))?.1.to_vec::<i64>()?,
        memory.batch(&[61, 0], &mut Rng::seed(0))?.1.to_vec::<i64>()?
    );
    let part = NextTokens::new(part, 10)?;
    assert_eq!(part.batch(&[0], &mut Rng::seed(0))?.0.to_vec::<i64>()?, memory.stream().slice(500..510)?);

    let mut all: Vec<i64> = Vec::new();
    for batch in Batches::new(&file, 5).shuffle(&mut Rng::seed(3)) {
        all.extend(batch?.0.to_vec::<i64>()?);
    }
    let mut want = file.stream().slice(0..992)?;
    assert_ne!(all, want);
    all.sort();
    want.sort();
    assert_eq!(all, want);
    Ok(())
}

#[test]
fn packed_documents_do_not_look_at_each_other() -> Result<()> {
    // The stream is 0 1 2 3 0 4 0 0.
    let data = NextTokens::packed([vec![1i64, 2, 3], vec![4], vec![]], 0, 4)?;
    let (x, y) = data.batch(&[0], &mut Rng::seed(0))?;
    assert_eq!(x.to_vec::<i64>()?, [0, 1, 2, 3]);
    assert_eq!(y.to_vec::<i64>()?, [1, 2, 3, 0]);
    assert_eq!(data.stream().slice(4..8)?, [0, 4, 0, 0]);

    let ids = Tensor::from_nested([[1i64, 2, 0, 3, 4], [0, 0, 1, 1, 0]])?;
    let mask = document_mask(&ids, 0)?;
    assert_eq!((mask.shape(), mask.dtype()), (&[2, 1, 5, 5][..], DType::Bool));
    // The definition: no later position, and as many separators up to both.
    let (ids, mask) = (ids.to_vec::<i64>()?, mask.to_vec::<bool>()?);
    for (row, ids) in ids.chunks(5).enumerate() {
        let document = |t: usize| ids[..=t].iter().filter(|id| **id == 0).count();
        for (from, to) in (0..25).map(|i| (i / 5, i % 5)) {
            let want = to <= from && document(from) == document(to);
            assert_eq!(mask[row * 25 + from * 5 + to], want, "row {row}, {from} to {to}");
        }
    }
    assert_eq!(document_mask(&Tensor::full_dtype([0, 3], 0.0, DType::I64)?, 0)?.shape(), [0, 1, 3, 3]);
    assert_eq!(document_mask(&Tensor::full_dtype([2, 0], 0.0, DType::I64)?, 0)?.shape(), [2, 1, 0, 0]);
    Ok(())
}

#[test]
fn sentences_are_padded_to_the_longest_or_to_a_width() -> Result<()> {
    let data = Sentences::new([&[1i64, 2, 3, 4][..], &[5, 6], &[7, 8, 9]], 99)?;
    let batch = data.padded(&[2, 1])?;
    assert_eq!(batch.inputs.to_vec::<i64>()?, [7, 8, 5, 99]);
    assert_eq!(batch.targets.to_vec::<i64>()?, [8, 9, 6, IGNORE_INDEX]);
    assert_eq!(batch.lengths.to_vec::<i64>()?, [2, 1]);
    assert_eq!(batch.mask.to_vec::<bool>()?, [true, true, true, false]);
    let (x, y) = data.clone().width(4)?.batch(&[1], &mut Rng::seed(0))?;
    assert_eq!((x.to_vec::<i64>()?, y.to_vec::<i64>()?), (vec![5, 99, 99, 99], vec![6, -100, -100, -100]));

    // Padding does not change the loss: the mean over what counts.
    let logits = Tensor::normal([4, 10], 0.0, 1.0, &mut Rng::seed(0))?;
    let all = losses::cross_entropy(&logits, &batch.targets.reshape([4])?)?.item()?;
    let three = losses::cross_entropy(&logits.narrow(0, 0, 3)?, &Tensor::from_nested([8i64, 9, 6])?)?.item()?;
    assert!((all - three).abs() < 1e-6);
    Ok(())
}

#[test]
fn mistakes_are_explained_word_for_word() {
    #[track_caller]
    fn message<T>(result: Result<T>) -> String {
        result.err().expect("an error").message()
    }
    let new = |len, context| NextTokens::new(stream(len), context);
    assert_eq!(message(new(5, 0)), "NextTokens: the context is 0, expected at least 1");
    assert_eq!(message(new(4, 4)), "NextTokens: a stream of 4 tokens, a context of 4 needs at least 5");
    assert_eq!(message(new(1, 4)), "NextTokens: a stream of 1 token, a context of 4 needs at least 5");
    assert_eq!(
        new(4, 4).unwrap_err().help(),
        Some("every window has a target for its last token; use a shorter context or more text")
    );
    assert!(message(new(4, usize::MAX)).contains("a context of 18446744073709551615"));
    assert_eq!(message(new(5, 4).unwrap().stride(0)), "NextTokens: the stride is 0, expected at least 1");
    let none = new(5, 4).unwrap().random(0, &mut Rng::seed(0));
    assert_eq!(message(none), "NextTokens: the number of samples is 0, expected at least 1");
    assert_eq!(message(new(9, 4).unwrap().batch(&[2], &mut Rng::seed(0))), "NextTokens: window 2 of 2, counted from 0");
    assert!(message(TokenStream::from_ids(Vec::<u32>::new())).starts_with("from_ids: "));

    let nothing: [Vec<i64>; 0] = [];
    assert_eq!(message(NextTokens::packed(&nothing, 0, 4)), "packed: there are no documents");
    let e = NextTokens::packed([vec![1i64], vec![2, 0]], 0, 2);
    assert_eq!(message(e), "packed: document 1 contains the separator 0 at position 1");
    assert_eq!(message(Sentences::new(&nothing, 0)), "Sentences: there are no sentences");
    let huge = 1 << 32;
    for (at, e) in [
        ("sentence 1", Sentences::new([vec![1, 2], vec![3, -1]], 0)),
        ("sentence 0", Sentences::new([vec![huge, 2]], 0)),
        ("the padding", Sentences::new([vec![1, 2]], -100)),
    ] {
        let id = if at == "sentence 1" {
            -1
        } else if at == "sentence 0" {
            huge
        } else {
            -100
        };
        assert_eq!(message(e), format!("Sentences: {at} has the id {id}, expected 0 to 4294967295"));
    }
    let e = Sentences::new([vec![1i64, 2], vec![3]], 0);
    assert_eq!(message(e), "Sentences: sentence 1 has 1 token, expected at least 2");
    let two = || Sentences::new([vec![1i64, 2], vec![3, 4, 5]], 0).unwrap();
    assert_eq!(message(two().width(1)), "Sentences: sentence 1 needs 2 positions, the width is 1");
    assert_eq!(message(two().padded(&[2])), "padded: sentence 2 of 2, counted from 0");
    let ids = tensor![1.0, 2.0];
    assert_eq!(message(document_mask(&ids, 0)), "document_mask: the ids must be i64, not f32");
    let e = document_mask(&ids.to_dtype(DType::I64), 0);
    assert_eq!(message(e), "document_mask: the ids have shape [2], expected [batch, time]");
}
