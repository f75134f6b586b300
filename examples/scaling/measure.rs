//! What a machine and its networks do, and what steps on them take.

use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use demotic::distributed::{Grid, Group, OneProcess, Pipeline, Stage};
use demotic::models::{Gpt, GptConfig, LanguageModel};
use demotic::parallel::with_threads;
use demotic::prelude::*;
use serde::{Deserialize, Serialize};

use crate::link::Link;
use crate::model::{Machine, Network, Shape};

/// The model of the runs: small enough for a step to take part of a second.
const SHAPE: Shape = Shape { vocab: 512.0, layers: 4.0, hidden: 256.0, time: 128.0, batch: 4.0 };

/// Everything that was measured.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Measured {
    pub(crate) machine: Machine,
    /// Of so many processes at a place.
    pub(crate) networks: Vec<(String, usize, Network)>,
    pub(crate) shape: Shape,
    /// The bytes of the gradients, one by one.
    pub(crate) tensors: Vec<f64>,
    pub(crate) runs: Vec<Run>,
}

/// A step on a grid of `[data, pipeline, tensor]` ranks.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Run {
    pub(crate) network: usize,
    pub(crate) grid: [usize; 3],
    pub(crate) micro: usize,
    pub(crate) seconds: f64,
}

/// What the first rank of some processes says.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Found {
    /// Seconds of a sum of one number and of eight megabytes, and of sending a message.
    sums: Option<[f64; 3]>,
    /// Seconds of a step alone, and while all others make one too.
    apart: Option<[f64; 2]>,
    steps: Vec<([usize; 3], f64)>,
}

fn config(shape: &Shape) -> GptConfig {
    let sizes = GptConfig::new(shape.vocab as usize, shape.time as usize).layers(shape.layers as usize);
    sizes.heads(4).hidden_size(shape.hidden as usize)
}

/// Micro-batches of one text each.
fn batches(shape: &Shape, micro: usize) -> Result<Vec<(Tensor, Tensor)>> {
    let (time, vocab) = (shape.time as usize, shape.vocab as i64);
    let ids = (0..=time as i64).map(|i| i * i % vocab).collect::<Vec<_>>();
    let of = |from: usize| Tensor::from_slice(&ids[from..from + time], [1, time]);
    (0..micro).map(|_| Ok((of(0)?, of(1)?))).collect()
}

fn step(stage: &mut Stage, opt: &mut AdamW, batches: &[(Tensor, Tensor)]) -> Result<()> {
    let (_, grads) = stage.gradients(batches, None)?;
    opt.step(stage, &grads)
}

/// The least time of several.
fn least(repetitions: usize, mut f: impl FnMut() -> Result<()>) -> Result<f64> {
    f()?;
    let mut least = f64::INFINITY;
    for _ in 0..repetitions {
        let begun = Instant::now();
        f()?;
        least = least.min(begun.elapsed().as_secs_f64());
    }
    Ok(least)
}

impl Found {
    /// What took less time of both.
    fn least(mut self, other: Self) -> Self {
        fn of<const N: usize>(a: Option<[f64; N]>, b: Option<[f64; N]>) -> Option<[f64; N]> {
            a.zip(b).map(|(a, b)| std::array::from_fn(|i| a[i].min(b[i])))
        }
        (self.sums, self.apart) = (of(self.sums, other.sums), of(self.apart, other.apart));
        for ((_, a), (_, b)) in self.steps.iter_mut().zip(other.steps) {
            *a = a.min(b);
        }
        self
    }
}

/// A step of a model of this shape on one process.
fn alone(shape: &Shape, micro: usize, repetitions: usize) -> Result<f64> {
    let one = OneProcess::new();
    let model: LanguageModel = Gpt::new(config(shape), &mut Rng::seed(0))?.into();
    let mut stage = Pipeline::new(&Grid::new(&one, [1, 1, 1])?).split(&model)?;
    let (mut opt, batches) = (AdamW::new(1e-4), batches(shape, micro)?);
    least(repetitions, || step(&mut stage, &mut opt, &batches))
}

/// What one of several processes does: the first says what it found.
pub(crate) fn work(rank: usize, addresses: &[SocketAddr], delay: Duration, grids: &[[usize; 3]]) -> Result<()> {
    let group = Link::join(rank, addresses, delay)?;
    let group: &dyn Group = &group;
    let mut found = Found::default();
    if addresses.len() > 1 {
        let one = Tensor::zeros([1])?;
        let many = Tensor::zeros([2 << 20])?;
        // Many at once: of a single one, the other rank may have sent its part before.
        let mean = |n: usize, x: &Tensor| -> Result<f64> {
            Ok(least(4, || (0..n).try_for_each(|_| group.all_reduce(x).map(drop)))? / n as f64)
        };
        let small = mean(50, &one)?;
        let large = mean(4, &many)?;
        let begun = Instant::now();
        let other = rank ^ 1;
        for _ in 0..200 {
            group.send(&one, other, 77)?;
        }
        let message = begun.elapsed().as_secs_f64() / 200.0;
        for _ in 0..200 {
            group.receive(other, 77)?;
        }
        found.sums = Some([small, large, message]);
        group.barrier()?;
    }
    if addresses.len() == 2 {
        let first = if rank == 0 { alone(&SHAPE, 2, 6)? } else { 0.0 };
        group.barrier()?;
        let together = alone(&SHAPE, 2, 6)?;
        group.barrier()?;
        found.apart = Some([first, together]);
    }
    for sizes in grids {
        let model: LanguageModel = Gpt::new(config(&SHAPE), &mut Rng::seed(0))?.into();
        let mut stage = Pipeline::new(&Grid::new(group, *sizes)?).split(&model)?;
        let (mut opt, batches) = (AdamW::new(1e-4), batches(&SHAPE, SHAPE.batch as usize)?);
        let seconds = least(3, || {
            step(&mut stage, &mut opt, &batches)?;
            group.barrier()
        })?;
        found.steps.push((*sizes, seconds));
    }
    group.barrier()?;
    if rank == 0 {
        println!("{}", serde_json::to_string(&found).map_err(|e| Error::state("scaling", e.to_string()))?);
    }
    Ok(())
}

/// Where processes run: in namespaces of their own, whose links are limited, or side by side.
struct Place {
    name: &'static str,
    /// Megabits in a second.
    limit: Option<u32>,
    delay: u64,
}

fn command(words: &str) -> Result<()> {
    let mut words = words.split(' ');
    let failed = |what: String| Error::state("scaling", what);
    let status = Command::new(words.next().unwrap_or_default()).args(words.clone()).status();
    match status {
        Ok(status) if status.success() => Ok(()),
        other => Err(failed(format!("`{}`: {other:?}", words.collect::<Vec<_>>().join(" ")))),
    }
}

/// Namespaces for so many hosts, each with a link of so many megabits to a router.
fn build(hosts: usize, limit: u32) -> Result<()> {
    // Little that goes faster after a pause.
    let burst = (limit * 16).max(4096);
    command("ip netns add dhub")?;
    command("ip netns exec dhub sysctl -qw net.ipv4.ip_forward=1")?;
    for i in 0..hosts {
        command(&format!("ip netns add d{i}"))?;
        command(&format!("ip link add v{i} netns d{i} type veth peer name h{i} netns dhub"))?;
        command(&format!("ip -n d{i} addr add 10.77.{i}.2/24 dev v{i}"))?;
        command(&format!("ip -n dhub addr add 10.77.{i}.1/24 dev h{i}"))?;
        command(&format!("ip -n d{i} link set v{i} up"))?;
        command(&format!("ip -n d{i} link set lo up"))?;
        command(&format!("ip -n dhub link set h{i} up"))?;
        command(&format!("ip -n d{i} route add default via 10.77.{i}.1"))?;
        command(&format!(
            "ip netns exec d{i} tc qdisc replace dev v{i} root tbf rate {limit}mbit burst {burst} latency 400ms"
        ))?;
    }
    Ok(())
}

fn clear(hosts: usize) {
    for name in (0..hosts).map(|i| format!("d{i}")).chain(["dhub".to_string()]) {
        let _ = Command::new("ip").args(["netns", "del", &name]).stderr(Stdio::null()).status();
    }
}

/// Runs processes at a place, and returns what the first says.
fn run(place: &Place, n: usize, port: u16, grids: &[[usize; 3]]) -> Result<Found> {
    let failed = |what: String| Error::state("scaling", what);
    let program = std::env::current_exe().map_err(|e| failed(e.to_string()))?;
    if let Some(limit) = place.limit {
        clear(n);
        build(n, limit)?;
    }
    let host = |i: usize| if place.limit.is_some() { format!("10.77.{i}.2") } else { "127.0.0.1".to_string() };
    let addresses: Vec<String> = (0..n).map(|i| format!("{}:{}", host(i), port + i as u16)).collect();
    let grids: Vec<String> = grids.iter().map(|[d, p, t]| format!("{d}x{p}x{t}")).collect();
    let mut children = Vec::new();
    for rank in 0..n {
        let mut command = match place.limit {
            Some(_) => {
                let mut command = Command::new("ip");
                command.args(["netns", "exec", &format!("d{rank}")]).arg(&program);
                command
            }
            None => Command::new(&program),
        };
        command.arg("--work").arg(rank.to_string()).arg(addresses.join(",")).arg(place.delay.to_string()).args(&grids);
        command.env("RAYON_NUM_THREADS", "1").stdout(if rank == 0 { Stdio::piped() } else { Stdio::null() });
        children.push(command.spawn().map_err(|e| failed(e.to_string()))?);
    }
    let mut said = Err(failed("no processes".into()));
    for (rank, child) in children.into_iter().enumerate() {
        let output = child.wait_with_output().map_err(|e| failed(e.to_string()))?;
        if rank == 0 {
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            said = serde_json::from_str(text.trim()).map_err(|e| failed(format!("{e}: {text}")));
        }
    }
    if place.limit.is_some() {
        clear(n);
    }
    said
}

/// Measures this machine. Links are limited only where that is allowed.
pub(crate) fn measure(with_limits: bool) -> Result<Measured> {
    let mut places = vec![Place { name: "one machine", limit: None, delay: 0 }];
    if with_limits {
        places.push(Place { name: "1 Gbit/s, 1 ms", limit: Some(1000), delay: 1 });
        places.push(Place { name: "100 Mbit/s, 1 ms", limit: Some(100), delay: 1 });
    }
    // Half of the batch of the runs tells how fast operations are; the optimizer, how fast memory is.
    let (half, sum) = with_threads(1, || -> Result<(f64, f64)> {
        let (a, b) = (Tensor::ones([16 << 20])?, Tensor::ones([16 << 20])?);
        Ok((alone(&SHAPE, 2, 10)?, least(10, || a.add(&b).map(drop))?))
    })??;
    let memory = 3.0 * 4.0 * f64::from(16 << 20) / sum;
    let optimizer = SHAPE.parameters() * 28.0 / memory;
    let flops = SHAPE.with_batch(2.0).operations().iter().sum::<f64>() / (half - optimizer);
    let model = Gpt::new(config(&SHAPE), &mut Rng::seed(0))?;
    let tensors = model.named_parameters().iter().map(|(_, value)| 4.0 * value.numel() as f64).collect();
    let mut measured = Measured {
        machine: Machine { flops, memory, cores: 1.0 },
        networks: Vec::new(),
        shape: SHAPE,
        tensors,
        runs: Vec::new(),
    };
    for (network, place) in places.iter().enumerate() {
        let mut port = 17_000 + 200 * network as u16;
        for (n, grids) in
            [(1, &[[1, 1, 1]][..]), (2, &[[2, 1, 1], [1, 2, 1], [1, 1, 2]]), (4, &[[4, 1, 1], [2, 2, 1], [2, 1, 2]])]
        {
            if n == 1 && network > 0 {
                continue;
            }
            eprintln!("{}, {n} processes", place.name);
            let mut found = run(place, n, port, grids)?;
            for again in 1..3 {
                found = found.least(run(place, n, port + again * 8, grids)?);
            }
            port += 32;
            if let (Some([alone, together]), 0) = (found.apart, network) {
                measured.machine.cores = 2.0 * alone / together.max(alone);
            }
            if let Some([small, large, message]) = found.sums {
                let sent = 2.0 * (n - 1) as f64 / n as f64 * f64::from(8 << 20);
                // A packet of 1500 bytes has 1448 of a message and 14 of a frame.
                let wire = place.limit.map_or(1e15, |limit| f64::from(limit) * 1e6 / 8.0 * 1448.0 / 1514.0);
                let work = ((large - 2.0 * small - sent / wire) / sent).max(0.0);
                let latency = small - (n - 1) as f64 * message;
                measured.networks.push((place.name.to_string(), n, Network { latency, wire, work, message }));
            }
            let micro = SHAPE.batch as usize;
            let network = measured.networks.len().saturating_sub(1);
            measured.runs.extend(found.steps.into_iter().map(|(grid, seconds)| Run { network, grid, micro, seconds }));
        }
    }
    Ok(measured)
}
