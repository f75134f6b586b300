//! Loading: samplers, datasets of datasets, batches made in advance, positions.

use std::sync::atomic::{AtomicUsize, Ordering};

use demotic::data::{
    BatchSampler, Batches, BucketSampler, GroupSampler, Order, Position, Samples, StratifiedSampler, WeightedSampler,
};
use demotic::prelude::*;
use demotic::{parallel, train};

fn numbers(n: usize) -> Result<TensorDataset> {
    TensorDataset::new(Tensor::arange(n)?, Tensor::arange(n)?)
}

fn seen<D: Dataset<Batch = (Tensor, Tensor)>>(batches: Batches<'_, D>) -> Result<Vec<Vec<i64>>> {
    batches.map(|batch| batch?.0.to_vec()).collect()
}

#[test]
fn classes_are_spread_evenly() -> Result<()> {
    let labels: Vec<usize> = (0..100).map(|i| [0, 0, 0, 0, 0, 0, 7, 7, 7, 3][i % 10]).collect();
    let (data, sampler) = (numbers(100)?, StratifiedSampler::new(&labels)?);
    let mut rng = Rng::seed(1);
    for size in [10, 20, 33] {
        let batches = seen(data.batches(size).sampler(&sampler).shuffle(&mut rng))?;
        let mut all = batches.concat();
        all.sort_unstable();
        assert_eq!(all, (0..100).collect::<Vec<_>>());
        for batch in batches.iter().filter(|batch| batch.len() == size) {
            for (class, share) in [(0, 0.6), (7, 0.3), (3, 0.1)] {
                let count = batch.iter().filter(|i| labels[**i as usize] == class).count() as f64;
                assert!((count - share * size as f64).abs() <= 1.0, "{count} of class {class} in {size}");
            }
        }
    }
    let e = StratifiedSampler::new(&[0, 0, 5]).unwrap_err();
    assert_eq!(e.message(), "StratifiedSampler: class 5 has one sample only, which cannot be in every batch");
    assert_eq!(
        e.help(),
        Some("leave the class out, join it with another one, or draw it more often with WeightedSampler::balanced")
    );
    assert_eq!(StratifiedSampler::new(&[]).unwrap_err().message(), "StratifiedSampler: there are no samples");
    let e = numbers(4)?.batches(2).sampler(&StratifiedSampler::new(&[1, 1])?).next().unwrap().unwrap_err();
    assert_eq!(e.message(), "StratifiedSampler: 2 classes for a dataset of 4 samples");
    // A class number may be anything: no list is as long as it says.
    assert!(StratifiedSampler::new(&[usize::MAX, usize::MAX, 0, 0]).is_ok());
    Ok(())
}

#[test]
fn weights_are_shares() -> Result<()> {
    let data = numbers(4)?;
    let sampler = WeightedSampler::new(vec![1.0, 0.0, 2.0, 5.0])?.num_samples(40_000);
    let drawn = seen(data.batches(1000).sampler(&sampler).shuffle(&mut Rng::seed(2)))?.concat();
    let share = |i: i64| drawn.iter().filter(|own| **own == i).count() as f64 / 40_000.0;
    for (i, wanted) in [(0, 0.125), (1, 0.0), (2, 0.25), (3, 0.625)] {
        // Five standard deviations of a share of 40,000 draws.
        assert!((share(i) - wanted).abs() <= 5.0 * (wanted * (1.0 - wanted) / 40_000.0).sqrt(), "{}", share(i));
    }
    // Without replacement, the first of each epoch is drawn with these shares.
    let sampler = WeightedSampler::new(vec![1.0, 0.0, 2.0, 5.0])?.without_replacement();
    let mut first = [0; 4];
    for seed in 0..4000 {
        let order = seen(data.batches(4).sampler(&sampler).shuffle(&mut Rng::seed(seed)))?.concat();
        assert_eq!(order.len(), 3);
        first[order[0] as usize] += 1;
    }
    for (count, wanted) in first.iter().zip([0.125, 0.0, 0.25, 0.625_f64]) {
        let deviation = (wanted * (1.0 - wanted) / 4000.0).sqrt();
        assert!((f64::from(*count) / 4000.0 - wanted).abs() <= 5.0 * deviation, "{first:?}");
    }
    let message = |weights: &[f64]| WeightedSampler::new(weights.to_vec()).unwrap_err().message();
    assert_eq!(message(&[0.0, 0.0]), "WeightedSampler: none of 2 weights is above 0");
    assert_eq!(message(&[]), "WeightedSampler: none of 0 weights is above 0");
    assert_eq!(
        message(&[1.0, f64::NAN]),
        "WeightedSampler: the weight of sample 1 is NaN, expected a finite number of at least 0"
    );
    assert_eq!(message(&[f64::MAX, f64::MAX]), "WeightedSampler: the sum of the weights is infinite");
    let sampler = WeightedSampler::new(vec![1.0, 0.0])?.num_samples(2).without_replacement();
    let e = numbers(2)?.batches(2).sampler(&sampler).next().unwrap().unwrap_err();
    assert_eq!(e.message(), "WeightedSampler: 2 samples without replacement, but 1 have a weight above 0");
    let endless = WeightedSampler::new(vec![1.0])?.num_samples(usize::MAX);
    assert!(numbers(1)?.batches(2).sampler(&endless).next().unwrap().is_err());
    Ok(())
}

#[test]
fn groups_and_lengths() -> Result<()> {
    let groups: Vec<usize> = (0..50).map(|i| i % 3 * 1000).collect();
    let data = numbers(50)?;
    let sampler = GroupSampler::new(&groups)?;
    let batches = seen(data.batches(8).sampler(&sampler).shuffle(&mut Rng::seed(0)))?;
    for batch in &batches {
        assert!(batch.iter().all(|i| groups[*i as usize] == groups[batch[0] as usize]));
    }
    let mut all = batches.concat();
    all.sort_unstable();
    assert_eq!(all, (0..50).collect::<Vec<_>>());
    let full = data.batches(8).sampler(&sampler).shuffle(&mut Rng::seed(0)).drop_last();
    assert_eq!(full.len(), batches.iter().filter(|batch| batch.len() == 8).count());
    assert!(seen(full)?.iter().all(|batch| batch.len() == 8));

    let lengths: Vec<usize> = (0..50).map(|i| i * 37 % 100).collect();
    let sampler = BucketSampler::new(lengths.clone())?.pool(100);
    for batch in seen(data.batches(5).sampler(&sampler).shuffle(&mut Rng::seed(0)))? {
        let own: Vec<usize> = batch.iter().map(|i| lengths[*i as usize]).collect();
        // Ten batches of five of a hundred lengths: each has a tenth of the range, and a little more.
        assert!(own.iter().max().unwrap() - own.iter().min().unwrap() < 16, "{own:?}");
    }
    Ok(())
}

#[test]
fn samplers_of_ones_own() -> Result<()> {
    let data = numbers(6)?;
    let odd = |samples: usize, _: usize, _: &mut Rng| -> Result<Order> {
        Ok(Order::batches([(1..samples).step_by(2).collect(), vec![], vec![0]]))
    };
    assert_eq!(seen(data.batches(2).sampler(&odd))?, [vec![1, 3, 5], vec![0]]);
    assert_eq!(seen(data.batches(2).sampler(&odd).drop_last())?, [vec![1, 3, 5]]);
    let wrong = |_: usize, _: usize, _: &mut Rng| -> Result<Order> { Ok(Order::new(vec![2, 6])) };
    let e = data.batches(2).sampler(&wrong).next().unwrap().unwrap_err();
    assert_eq!(e.message(), "sampler: sample 6 of a dataset of 6, counted from 0");
    Ok(())
}

#[test]
fn every_position_is_found_again() -> Result<()> {
    let data = numbers(23)?;
    let weights = WeightedSampler::new((0..23).map(f64::from).collect())?;
    let buckets = BucketSampler::new((0..23).map(|i| i * 7 % 11).collect())?;
    let samplers: [Option<&dyn BatchSampler>; 3] = [None, Some(&weights), Some(&buckets)];
    for sampler in samplers {
        for is_shuffled in [false, true] {
            let fresh = || match sampler {
                Some(sampler) => data.batches(4).sampler(sampler),
                None => data.batches(4),
            };
            let all = || if is_shuffled { fresh().shuffle(&mut Rng::seed(9)) } else { fresh() };
            let wanted = seen(all())?;
            for taken in 0..=wanted.len() {
                let mut batches = all();
                for _ in 0..taken {
                    batches.next().unwrap()?;
                }
                let saved = serde_json::to_string(&batches.position()).unwrap();
                let position: Position = serde_json::from_str(&saved).unwrap();
                assert_eq!(seen(fresh().resume(&position))?, wanted[taken..], "{taken}");
            }
        }
    }
    Ok(())
}

/// Samples that are noisy, slow at times, and may fail.
struct Noisy {
    panics_at: usize,
    fails_at: usize,
    made: AtomicUsize,
}

impl Samples for Noisy {
    type Sample = (f32, Tensor);

    fn len(&self) -> usize {
        40
    }

    fn get(&self, i: usize, rng: &mut Rng) -> Result<(f32, Tensor)> {
        self.made.fetch_add(1, Ordering::Relaxed);
        assert!(i != self.panics_at, "sample {i} is cursed");
        if i == self.fails_at {
            return Err(Error::argument("get", "no such luck"));
        }
        if i.is_multiple_of(7) {
            std::thread::sleep(std::time::Duration::from_millis(2));
        }
        Ok((i as f32 + rng.uniform() as f32, Tensor::uniform([3], 0.0, 1.0, rng)?))
    }
}

fn noisy(panics_at: usize, fails_at: usize) -> Noisy {
    Noisy { panics_at, fails_at, made: AtomicUsize::new(0) }
}

#[test]
fn threads_make_the_same_batches() -> Result<()> {
    let data = noisy(99, 99).collated();
    let wanted: Vec<_> = data
        .batches(3)
        .shuffle(&mut Rng::seed(3))
        .map(|b| b.unwrap())
        .map(|(a, b)| (a.to_f64_vec(), b.to_f64_vec()))
        .collect();
    assert_eq!(wanted.len(), 14);
    for workers in [1, 2, 5] {
        for threads in [1, 2] {
            let mut got = Vec::new();
            parallel::with_threads(threads, || {
                data.batches(3).shuffle(&mut Rng::seed(3)).workers(workers).prefetch(|(a, b)| {
                    got.push((a.to_f64_vec(), b.to_f64_vec()));
                    Ok(())
                })
            })??;
            assert_eq!(got, wanted, "{workers} workers, {threads} threads");
        }
    }
    Ok(())
}

#[test]
fn no_more_than_a_few_batches_wait() -> Result<()> {
    let data = noisy(99, 99).collated();
    let mut most = 0;
    let mut used = 0;
    data.batches(1).workers(2).prefetch(|_| {
        used += 1;
        std::thread::sleep(std::time::Duration::from_millis(3));
        most = most.max(data.samples().made.load(Ordering::Relaxed) - used);
        Ok(())
    })?;
    assert!((1..=4).contains(&most), "{most} batches were made ahead");
    Ok(())
}

#[test]
fn what_goes_wrong_on_another_thread_arrives() -> Result<()> {
    for workers in [1, 3] {
        let mut seen = 0;
        let data = noisy(9, 99).collated();
        let e = data.batches(4).workers(workers).prefetch(|_| {
            seen += 1;
            Ok(())
        });
        let e = e.unwrap_err();
        assert_eq!(e.message(), "prefetch: a thread panicked while it made batch 3: sample 9 is cursed");
        assert_eq!((e.kind(), seen), (ErrorKind::State, 2));
        let e = noisy(99, 9).collated().batches(4).workers(workers).prefetch(|_| Ok(())).unwrap_err();
        assert_eq!(e.message(), "get: no such luck");
    }
    let message = |n| numbers(3).unwrap().batches(1).workers(n).prefetch(|_| Ok(())).unwrap_err().message();
    assert_eq!(message(0), "prefetch: 0 threads to prefetch on, expected 1 to 1024");
    assert_eq!(message(usize::MAX), format!("prefetch: {} threads to prefetch on, expected 1 to 1024", usize::MAX));
    // A panic of the one who uses the batches is his own, and ends the threads.
    let data = noisy(99, 99).collated();
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        data.batches(1).workers(2).prefetch(|_| panic!("mine"))
    }));
    assert_eq!(panicked.unwrap_err().downcast_ref::<&str>(), Some(&"mine"));
    Ok(())
}

/// Trains a little network, and returns its parameters and its losses.
fn trained(
    prefetch: usize,
    sampler: Option<WeightedSampler>,
    data: &dyn Dataset<Batch = (Tensor, Tensor)>,
) -> Result<(Vec<f64>, Vec<f64>)> {
    let mut rng = Rng::seed(4);
    let mut model = Linear::new(3, 1, &mut rng)?;
    let mut trainer =
        Trainer::new(losses::mse, Adam::new(0.01)).epochs(3).batch_size(4).accumulate(2).prefetch(prefetch);
    if let Some(sampler) = sampler {
        trainer = trainer.sampler(sampler);
    }
    let history = trainer.fit(&mut model, data, &mut rng)?;
    let losses = history.epochs.iter().map(|epoch| epoch.train_loss).collect();
    Ok((model.predict(&Tensor::ones([1, 3])?)?.to_f64_vec(), losses))
}

#[test]
fn a_trainer_with_threads_learns_the_same() -> Result<()> {
    let data = noisy(99, 99).collated().map(|(y, x), _: &mut Rng| Ok((x, y.unsqueeze(1)?)));
    for weights in [None, Some(WeightedSampler::new((0..40).map(f64::from).collect())?)] {
        let wanted = trained(0, weights.clone(), &data)?;
        for threads in [1, 2, 4] {
            assert_eq!(trained(threads, weights.clone(), &data)?, wanted, "{threads}");
        }
    }
    let e = trained(2, None, &noisy(9, 99).collated().map(|(y, x), _: &mut Rng| Ok((x, y.unsqueeze(1)?)))).unwrap_err();
    assert!(e.message().starts_with("prefetch: a thread panicked while it made batch "), "{e}");
    assert!(e.message().ends_with(": sample 9 is cursed"), "{e}");
    assert_eq!(e.caller(), Some("the training data of the Trainer"));
    assert!(e.location().file().ends_with("loading.rs"), "{e}");
    let options: train::TrainerOptions = serde_json::from_str(r#"{"prefetch": 3}"#).unwrap();
    assert_eq!(options.prefetch, 3);
    Ok(())
}

#[test]
fn a_run_with_threads_and_a_sampler_is_resumed() -> Result<()> {
    let folder = tempfile::tempdir().unwrap();
    let data = noisy(99, 99).collated().map(|(y, x), _: &mut Rng| Ok((x, y.unsqueeze(1)?)));
    let run = |steps: u64, threads: usize, resume: bool| -> Result<Vec<f64>> {
        let mut rng = Rng::seed(4);
        let mut model = Linear::new(3, 1, &mut rng)?;
        let mut trainer = Trainer::new(losses::mse, Adam::new(0.01))
            .max_steps(steps)
            .batch_size(4)
            .prefetch(threads)
            .sampler(WeightedSampler::new((1..=40).map(f64::from).collect())?)
            .checkpoints(demotic::io::CheckpointFolder::new(folder.path()));
        if resume {
            trainer = trainer.resume(folder.path());
        }
        trainer.fit(&mut model, &data, &mut rng)?;
        Ok(model.predict(&Tensor::ones([1, 3])?)?.to_f64_vec())
    };
    let wanted = run(27, 0, false)?;
    for (first, second) in [(0, 2), (2, 0), (3, 1)] {
        std::fs::remove_dir_all(folder.path()).unwrap();
        std::fs::create_dir(folder.path()).unwrap();
        // In the middle of the second epoch.
        run(13, first, false)?;
        assert_eq!(run(27, second, true)?, wanted, "{first} threads, then {second}");
    }
    Ok(())
}

#[test]
fn datasets_of_datasets() -> Result<()> {
    let rng = &mut Rng::seed(0);
    let (a, b) = (numbers(5)?, numbers(3)?);
    let all = a.clone().concat(b.clone())?.and(a.clone())?;
    assert_eq!(all.len(), 13);
    let (x, _) = all.batch(&[12, 0, 6, 5, 4, 6], rng)?;
    assert_eq!(x.to_vec::<i64>()?, [4, 0, 1, 0, 4, 1]);
    assert_eq!(all.batch(&[13], rng).unwrap_err().message(), "batch: sample 13 of a dataset of 13, counted from 0");
    assert_eq!(all.batch(&[], rng).unwrap_err().message(), "batch: a batch of no samples");

    let subset = a.subset(vec![4, 1, 1])?;
    assert_eq!(seen(subset.batches(2))?, [vec![4, 1], vec![1]]);
    assert_eq!(a.subset(vec![5]).unwrap_err().message(), "subset: sample 5 of a dataset of 5, counted from 0");

    let zipped = (&a).zip(a.clone())?.enumerate();
    let (numbers_of, (first, second)) = zipped.batch(&[2, 0], rng)?;
    assert_eq!(numbers_of.to_vec::<i64>()?, [2, 0]);
    assert_eq!(first.0.to_vec::<i64>()?, second.1.to_vec::<i64>()?);
    assert_eq!(a.clone().zip(b).unwrap_err().message(), "zip: 5 samples beside 3");

    // The two parts differ in the size of their rows.
    let wide = TensorDataset::new(Tensor::zeros([2, 3])?, Tensor::zeros([2])?)?;
    let narrow = TensorDataset::new(Tensor::zeros([2, 2])?, Tensor::zeros([2])?)?;
    assert_eq!(wide.concat(narrow)?.batch(&[0, 2], rng).unwrap_err().kind(), ErrorKind::Shape);

    let uneven = vec![Tensor::zeros([2])?, Tensor::zeros([3])?].collated();
    let e = uneven.batch(&[0, 1], rng).unwrap_err();
    assert_eq!(e.message(), "collate: sample 1 of the batch has shape [3], the first [2]");
    Ok(())
}

#[test]
fn what_is_cached_is_made_once_whoever_asks_first() -> Result<()> {
    let make = || noisy(99, 99).collated().cached();
    let data = make();
    let wanted = data.batch(&(0..40).collect::<Vec<_>>(), &mut Rng::seed(0))?.0.to_f64_vec();
    let other = make();
    for epoch in 0..3 {
        for batch in other.batches(7).shuffle(&mut Rng::seed(epoch)) {
            for x in batch?.0.to_f64_vec() {
                assert!(wanted.contains(&x));
            }
        }
    }
    assert_eq!(format!("{other:?}"), "Cached(40 of 40 samples)");
    let few = make().limit(10);
    for _ in 0..2 {
        for batch in few.batches(8) {
            batch?;
        }
    }
    assert_eq!(format!("{few:?}"), "Cached(10 of 40 samples)");
    Ok(())
}
