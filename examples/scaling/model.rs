//! What a step takes, from what was measured of a machine and its network.

use serde::{Deserialize, Serialize};

/// What was measured of one process.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Machine {
    /// Floating-point operations of a training step in a second.
    pub(crate) flops: f64,
    /// Bytes that go to and from memory in a second.
    pub(crate) memory: f64,
    /// How many processes compute at once without sharing a core.
    pub(crate) cores: f64,
}

/// What was measured of the links between some processes, all of which send.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Network {
    /// Seconds until a small message is there.
    pub(crate) latency: f64,
    /// Bytes in a second that a link carries.
    pub(crate) wire: f64,
    /// Seconds that the processors of both sides spend on a byte: packing, copying, adding up.
    pub(crate) work: f64,
    /// Seconds for each message that a process sends.
    pub(crate) message: f64,
}

/// The sizes of a GPT, and of a batch.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Shape {
    pub(crate) vocab: f64,
    pub(crate) layers: f64,
    pub(crate) hidden: f64,
    pub(crate) time: f64,
    pub(crate) batch: f64,
}

impl Shape {
    /// GPT-2 with 124 million parameters, and with 1.5 billion.
    pub(crate) const GPT2: Self = Self { vocab: 50257.0, layers: 12.0, hidden: 768.0, time: 1024.0, batch: 1.0 };
    pub(crate) const GPT2_XL: Self = Self { layers: 48.0, hidden: 1600.0, ..Self::GPT2 };

    pub(crate) fn with_batch(self, batch: f64) -> Self {
        Self { batch, ..self }
    }

    pub(crate) fn parameters(&self) -> f64 {
        (self.vocab + self.time) * self.hidden
            + self.layers * (12.0 * self.hidden + 13.0) * self.hidden
            + 2.0 * self.hidden
    }

    /// Operations of the blocks, and of the output layer, forward and backward: two for each weight and token, as many again for the scores
    /// of attention, and all of it once forward and twice backward.
    pub(crate) fn operations(&self) -> [f64; 2] {
        let tokens = self.batch * self.time;
        let block = 24.0 * self.hidden * self.hidden + 2.0 * self.time * self.hidden;
        [3.0 * tokens * self.layers * block, 6.0 * tokens * self.vocab * self.hidden]
    }

    /// Bytes of the vectors of all tokens behind a block.
    pub(crate) fn activations(&self) -> f64 {
        4.0 * self.batch * self.time * self.hidden
    }
}

/// Adam reads weight, gradient and two moments, and writes all but the gradient.
const OPTIMIZER_BYTES: f64 = 28.0;

impl Network {
    /// Of a process by itself.
    pub(crate) const NONE: Self = Self { latency: 0.0, wire: 1e15, work: 0.0, message: 0.0 };

    /// A sum over `n` ranks of a tensor: each sends the parts of the others, adds up its own, and sends the sum to all.
    pub(crate) fn sum(&self, bytes: f64, n: f64) -> f64 {
        if n <= 1.0 {
            return 0.0;
        }
        let (sent, rounds) =
            if bytes <= 4096.0 { ((n - 1.0) * bytes, 1.0) } else { (2.0 * (n - 1.0) / n * bytes, 2.0) };
        rounds * (self.latency + (n - 1.0) * self.message) + sent * self.byte()
    }

    /// A byte on the wire, and on the processors of both sides.
    fn byte(&self) -> f64 {
        1.0 / self.wire + self.work
    }
}

/// Seconds of a step on a grid of `[data, pipeline, tensor]` ranks of which each copy has `shape.batch` sequences in `micro` micro-batches, and whose
/// exchanges wait for each other, as those of `Stage::gradients`. `tensors` are the bytes of the gradients one by one, of the whole model.
pub(crate) fn step(
    m: &Machine,
    net: &Network,
    shape: &Shape,
    [d, p, t]: [f64; 3],
    micro: usize,
    tensors: &[f64],
) -> f64 {
    let busy = (d * p * t / m.cores).max(1.0);
    let [blocks, head] = shape.operations().map(|operations| operations / m.flops / micro as f64 * busy);
    let part = shape.with_batch(shape.batch / micro as f64);
    // In a block forward and backward, two sums each; besides them, of the embedding and before the output layer.
    let sums = |blocks: f64| if t > 1.0 { blocks * net.sum(part.activations(), t) } else { 0.0 };
    // As many blocks for each stage as `Pipeline` gives it.
    let counts = stages(shape.layers as usize, p as usize, blocks / shape.layers, head);
    let stage = |i: usize| {
        let (n, last) = (counts[i] as f64, i + 1 == counts.len());
        let own = blocks * n / shape.layers + if last { head } else { 0.0 };
        let ends = f64::from(u8::from(i == 0));
        let ends_back = f64::from(u8::from(last));
        [own / 3.0 / t + sums(2.0 * n + ends), own * 2.0 / 3.0 / t + sums(2.0 * n + ends_back)]
    };
    let stages: Vec<[f64; 2]> = (0..counts.len()).map(stage).collect();
    let pipeline = one_forward_one_backward(&stages, micro, [part.activations() * net.byte(), net.latency]);
    let share = 1.0 / (p * t);
    let exchange: f64 = tensors.iter().map(|bytes| net.sum(bytes * share * p, d) / p).sum();
    let optimizer = shape.parameters() * share * OPTIMIZER_BYTES / m.memory * busy;
    // The first and the last stage add up what they have for the table of tokens.
    let table = if p > 1.0 { net.latency + 4.0 * shape.vocab * shape.hidden / t * net.byte() } else { 0.0 };
    // Whether all have as many micro-batches, the loss, and the end of the step.
    let rounds = if d * p * t > 1.0 { 2.0 } else { 0.0 } + [d, p].iter().filter(|n| **n > 1.0).count() as f64;
    pipeline + table + exchange + optimizer + rounds * net.latency
}

/// How many blocks each stage has: the last has the output layer, the others are even.
fn stages(blocks: usize, stages: usize, block: f64, head: f64) -> Vec<usize> {
    if stages < 2 {
        return vec![blocks];
    }
    let cost = |last: usize| ((blocks - last).div_ceil(stages - 1) as f64 * block).max(last as f64 * block + head);
    let last = (1..=blocks + 1 - stages).rev().min_by(|a, b| cost(*a).total_cmp(&cost(*b))).unwrap_or(1);
    let others = (0..stages - 1).map(|i| (blocks - last + stages - 2 - i) / (stages - 1));
    others.chain([last]).collect()
}

/// When the last of all passes through a pipeline ends. `stages` have seconds forward and backward; what one sends keeps its link busy for a
/// while, and is there some time later.
pub(crate) fn one_forward_one_backward(stages: &[[f64; 2]], micro: usize, [sending, latency]: [f64; 2]) -> f64 {
    let p = stages.len();
    // The work of a stage, in its order: which micro-batch, and whether backward.
    let work = |stage: usize| {
        let ahead = (p - 1 - stage).min(micro);
        let mut list = Vec::new();
        for i in 0..micro + ahead {
            list.extend((i < micro).then_some((i, false)));
            list.extend((i >= ahead).then(|| (i - ahead, true)));
        }
        list
    };
    let work: Vec<_> = (0..p).map(work).collect();
    // When what each stage sends has arrived, and when its link is free.
    let mut there = vec![[vec![f64::NAN; micro], vec![f64::NAN; micro]]; p];
    let (mut at, mut clock, mut link) = (vec![0; p], vec![0.0f64; p], vec![0.0f64; p]);
    while at.iter().zip(&work).any(|(at, work)| *at < work.len()) {
        for stage in 0..p {
            let Some((i, backward)) = work[stage].get(at[stage]).copied() else { continue };
            let needed = match (backward, stage) {
                (false, 0) => 0.0,
                (false, _) => there[stage - 1][0][i],
                (true, _) if stage + 1 == p => 0.0,
                (true, _) => there[stage + 1][1][i],
            };
            if !needed.is_nan() {
                clock[stage] = clock[stage].max(needed) + stages[stage][usize::from(backward)];
                let sends = if backward { stage > 0 } else { stage + 1 < p };
                link[stage] = if sends { link[stage].max(clock[stage]) + sending } else { link[stage] };
                there[stage][usize::from(backward)][i] = link[stage] + latency;
                at[stage] += 1;
            }
        }
    }
    clock.into_iter().fold(0.0, f64::max)
}

/// Seconds of a step of data-parallel training on `n` machines whose gradients travel in buckets of 25 MB while the backward pass goes on.
pub(crate) fn overlapped(m: &Machine, net: &Network, shape: &Shape, n: f64) -> f64 {
    const BUCKET: f64 = 25e6;
    let compute = shape.operations().iter().sum::<f64>() / m.flops;
    let bytes = shape.parameters() * 4.0;
    let buckets = (bytes / BUCKET).ceil();
    let one = net.sum(bytes / buckets, n);
    // The first bucket is full after a part of the backward pass, and the last one when it is over.
    let backward = compute * 2.0 / 3.0;
    let hidden = (backward / buckets + buckets * one).max(backward + one);
    let optimizer = shape.parameters() * OPTIMIZER_BYTES / m.memory;
    compute / 3.0 + if n > 1.0 { hidden } else { backward } + optimizer
}
