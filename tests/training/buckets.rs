//! How far ranks get ahead of each other in a step, and how much of their gradients waits meanwhile.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use demotic::distributed::{DataParallel, Group, Message, OneProcess, Sharding, Tag, ThreadGroup};
use demotic::prelude::*;

/// A group that counts the buckets that are on their way to rank 1.
#[derive(Debug)]
struct Counted {
    inside: Arc<dyn Group>,
    ways: Arc<Ways>,
}

#[derive(Debug, Default)]
struct Ways {
    now: AtomicUsize,
    most: AtomicUsize,
}

impl Counted {
    fn taken(&self, message: &Message) {
        if self.rank() == 1 && message.about.starts_with("bucket ") {
            self.ways.now.fetch_sub(1, Ordering::SeqCst);
        }
    }
}

impl Group for Counted {
    fn rank(&self) -> usize {
        self.inside.rank()
    }
    fn size(&self) -> usize {
        self.inside.size()
    }
    fn timeout(&self) -> Duration {
        self.inside.timeout()
    }
    fn post(&self, to: usize, tag: Tag, message: Message) -> Result<()> {
        if to == 1 && message.about.starts_with("bucket ") {
            let now = self.ways.now.fetch_add(1, Ordering::SeqCst) + 1;
            self.ways.most.fetch_max(now, Ordering::SeqCst);
        }
        self.inside.post(to, tag, message)
    }
    fn poll(&self, from: usize, tag: Tag) -> Result<Option<Message>> {
        let message = self.inside.poll(from, tag)?;
        message.iter().for_each(|message| self.taken(message));
        Ok(message)
    }
    fn wait(&self, from: usize, tag: Tag) -> Result<Message> {
        let message = self.inside.wait(from, tag)?;
        self.taken(&message);
        Ok(message)
    }
    fn fail(&self, reason: &str) {
        self.inside.fail(reason);
    }
    fn ticket(&self) -> u64 {
        self.inside.ticket()
    }
    fn handle(&self) -> Arc<dyn Group> {
        Arc::new(Self { inside: self.inside.clone(), ways: self.ways.clone() })
    }
}

/// Sixteen layers without biases, each a bucket of its own.
fn layers() -> Result<Sequential> {
    let (mut rng, mut model) = (Rng::seed(0), Sequential::new());
    for _ in 0..16 {
        model.push(Linear::new(6, 6, &mut rng)?.without_bias());
    }
    Ok(model)
}

/// The mean of the squares of what some of the layers make of a constant.
fn loss(model: &Sequential, order: impl IntoIterator<Item = usize>, constant: f64) -> Result<Tensor> {
    let mut x = Tensor::full([2, 6], constant)?;
    for layer in order.into_iter().filter_map(|i| model.get(i)) {
        x = layer.forward(&x, &mut Mode::eval())?;
    }
    Ok(x.square().mean())
}

/// A rank that is slower is not buried in what the others send: of gradients that are divided, few buckets are on their way.
#[test]
fn who_divides_gradients_waits_for_the_slowest() -> Result<()> {
    let most = |sharding| {
        let ways = Arc::<Ways>::default();
        ThreadGroup::run(2, |group| {
            let group = Counted { inside: group.handle(), ways: ways.clone() };
            let model = layers()?;
            let mut parallel = DataParallel::new(&group).sharding(sharding).bucket_bytes(1);
            let mut step = parallel.step(&model, 4)?;
            for i in step.own() {
                if group.rank() == 1 {
                    std::thread::sleep(Duration::from_millis(300));
                }
                step.backward(&loss(&model, 0..16, 1.0 + i as f64)?, 1.0)?;
            }
            step.finish()?;
            Ok(())
        })?;
        Ok::<_, Error>(ways.most.load(Ordering::SeqCst))
    };
    // A rank sends the third before it waits for the others' first, and the slow one may have left as many of theirs when it sent its own.
    for sharding in [Sharding::Gradients, Sharding::Parameters] {
        let most = most(sharding)?;
        assert!((3..=6).contains(&most), "{sharding:?}: {most} buckets");
    }
    let most = most(Sharding::None)?;
    assert!(most >= 16, "{most} buckets");
    Ok(())
}

/// Losses that depend on other parameters on each rank, so that buckets become full in another order on each: nobody waits for who waits for it.
#[test]
fn other_losses_on_other_ranks_come_to_the_same_bits() -> Result<()> {
    let train = |group: &dyn Group, sharding| {
        let mut model = layers()?;
        let mut opt = Adam::new(0.01);
        let mut parallel = DataParallel::new(group).sharding(sharding).bucket_bytes(1);
        parallel.synchronize(&mut model)?;
        for _ in 0..3 {
            let mut step = parallel.step(&model, 6)?;
            for i in step.own() {
                // The first layers, or every second one from behind, or all, beginning in the middle.
                let order: Vec<usize> = match i % 3 {
                    0 => (0..9).collect(),
                    1 => (0..16).rev().step_by(2).collect(),
                    _ => (8..16).chain(0..8).collect(),
                };
                step.backward(&loss(&model, order, 1.0 + i as f64)?, 1.0)?;
            }
            step.apply(&mut opt, &mut model)?;
        }
        parallel.unite(&mut model)?;
        model.named_parameters().iter().map(|(_, weight)| weight.to_vec::<f32>()).collect::<Result<Vec<_>>>()
    };
    let alone = train(&*OneProcess::new().handle(), Sharding::None)?;
    for sharding in [Sharding::None, Sharding::Gradients] {
        for ranks in [2, 3, 4] {
            for weights in ThreadGroup::run(ranks, |group| train(group, sharding))? {
                assert!(weights == alone, "{ranks} ranks, {sharding:?}");
            }
        }
    }
    Ok(())
}
