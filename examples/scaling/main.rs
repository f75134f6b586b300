//! How long a training step takes on one to a thousand machines: predicted from what was measured of one, and of its links.
//!
//! ```text
//! cargo run --release --example scaling                  # writes docs/scaling.md and its pictures from measured.json
//! cargo run --release --example scaling -- --check       # whether they are current, and predictions within 15 %
//! cargo run --release --example scaling -- --measure     # measures this machine
//! cargo run --release --example scaling -- --measure --limits   # also over limited links: namespaces and tc, as root, on Linux
//! ```

mod link;
mod measure;
mod model;

use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use demotic::prelude::*;
use demotic::train::plot::Chart;
use measure::{Measured, Run};
use model::{Machine, Network, Shape};

fn failed(what: impl std::fmt::Display) -> Error {
    Error::state("scaling", what.to_string())
}

fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn main() -> Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if words.first().is_some_and(|word| word == "--work") {
        return work(&words[1..]);
    }
    let file = path("examples/scaling/measured.json");
    if words.iter().any(|word| word == "--measure") {
        let measured = measure::measure(words.iter().any(|word| word == "--limits"))?;
        let text = serde_json::to_string_pretty(&measured).map_err(failed)?;
        std::fs::write(&file, text + "\n").map_err(failed)?;
    }
    let text = std::fs::read_to_string(&file).map_err(failed)?;
    let measured: Measured = serde_json::from_str(&text).map_err(failed)?;
    let check = words.iter().any(|word| word == "--check");
    let page = page(&measured)?;
    if check {
        let there = std::fs::read_to_string(path("docs/scaling.md")).map_err(failed)?;
        if there != page {
            return Err(failed("docs/scaling.md is not what the measurements give: make it anew"));
        }
        let worst = measured.runs.iter().map(|run| off(&measured, run).abs()).fold(0.0, f64::max);
        println!("{{\"runs\": {}, \"worst\": {worst:.3}}}", measured.runs.len());
        return Ok(());
    }
    std::fs::write(path("docs/scaling.md"), page).map_err(failed)?;
    strong(&measured)?.save(path("docs/images/scaling_strong.svg"))?;
    weak(&measured)?.save(path("docs/images/scaling_weak.svg"))
}

fn work(words: &[String]) -> Result<()> {
    let [rank, addresses, delay, grids @ ..] = words else {
        return Err(failed("--work is what this program calls itself with"));
    };
    let addresses = addresses.split(',').map(|address| address.parse().map_err(failed)).collect::<Result<Vec<_>>>()?;
    let grid = |text: &String| -> Result<[usize; 3]> {
        let sizes = text.split('x').map(|n| n.parse().map_err(failed)).collect::<Result<Vec<usize>>>()?;
        sizes.try_into().map_err(|_| failed("a grid has three sizes"))
    };
    let grids = grids.iter().map(grid).collect::<Result<Vec<_>>>()?;
    let delay = Duration::from_millis(delay.parse().map_err(failed)?);
    measure::work(rank.parse().map_err(failed)?, &addresses, delay, &grids)
}

fn predicted(measured: &Measured, run: &Run) -> f64 {
    let network = measured.networks.get(run.network).map_or(Network::NONE, |network| network.2);
    let grid = run.grid.map(|n| n as f64);
    model::step(&measured.machine, &network, &measured.shape, grid, run.micro, &measured.tensors)
}

/// By how much of the measured time a prediction is off.
fn off(measured: &Measured, run: &Run) -> f64 {
    predicted(measured, run) / run.seconds - 1.0
}

/// Links that were not measured: their speed, and the latency of such networks.
const LINKS: [(&str, f64, f64); 3] = [("1 Gbit/s", 1e9, 1e-4), ("10 Gbit/s", 1e10, 5e-5), ("100 Gbit/s", 1e11, 1e-5)];
const NODES: [f64; 10] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 512.0, 1000.0];
const MODELS: [(&str, Shape); 2] = [("124M", Shape::GPT2), ("1.5B", Shape::GPT2_XL)];

fn network(measured: &Measured, (_, bits, latency): (&str, f64, f64)) -> Network {
    let here = measured.networks[0].2;
    Network { latency, wire: bits / 8.0, work: 0.0, message: here.message }
}

/// All cores of the machine, each as fast as one of them was among all.
fn node(measured: &Measured) -> Machine {
    Machine { flops: measured.machine.flops * measured.machine.cores, ..measured.machine }
}

fn chart(measured: &Measured, title: &str, y: &str, value: &dyn Fn(&Network, &Shape, f64) -> f64) -> Chart {
    let mut chart = Chart::new(title).labels("machines", y).log_x().log_y();
    for (name, shape) in MODELS {
        for link in LINKS {
            let network = network(measured, link);
            let points = NODES.map(|n| (n, value(&network, &shape, n)));
            chart = chart.xy_line(format!("{name}, {}", link.0), points);
        }
    }
    chart
}

/// Sequences of all machines together.
const BATCH: f64 = 1000.0;
/// Sequences of each machine.
const EACH: f64 = 8.0;

fn strong_seconds(measured: &Measured, network: &Network, shape: &Shape, n: f64) -> f64 {
    model::overlapped(&node(measured), network, &shape.with_batch(BATCH / n), n)
}

fn weak_seconds(measured: &Measured, network: &Network, shape: &Shape, n: f64) -> f64 {
    model::overlapped(&node(measured), network, &shape.with_batch(EACH), n)
}

fn strong(measured: &Measured) -> Result<Chart> {
    let seconds = |network: &Network, shape: &Shape, n: f64| strong_seconds(measured, network, shape, n);
    Ok(chart(measured, "1000 sequences a step, divided among machines", "seconds", &seconds))
}

fn weak(measured: &Measured) -> Result<Chart> {
    let share = |network: &Network, shape: &Shape, n: f64| {
        weak_seconds(measured, network, shape, 1.0) / weak_seconds(measured, network, shape, n)
    };
    Ok(chart(measured, "8 sequences a step on each machine", "share of the time that computes", &share))
}

fn seconds(x: f64) -> String {
    match x {
        x if x >= 100.0 => format!("{x:.0} s"),
        x if x >= 1.0 => format!("{x:.2} s"),
        x if x >= 1e-3 => format!("{:.1} ms", x * 1e3),
        x => format!("{:.0} µs", x * 1e6),
    }
}

fn page(measured: &Measured) -> Result<String> {
    let Measured { machine, networks, shape, runs, .. } = measured;
    let mut out = String::new();
    let mut line = |text: &str| {
        out.push_str(text);
        out.push('\n');
    };
    line(include_str!("page.md").split("<!-- machine -->").next().unwrap_or_default().trim_end());
    let parts: Vec<&str> =
        include_str!("page.md").split("<!-- machine -->").nth(1).unwrap_or_default().split("<!-- runs -->").collect();
    let [middle, rest] = parts[..] else { return Err(failed("page.md has lost its marks")) };
    let [after_runs, end] = rest.split("<!-- tables -->").collect::<Vec<_>>()[..] else {
        return Err(failed("page.md has lost its marks"));
    };
    line("");
    line("| measured | |");
    line("|---|---|");
    line(&format!("| operations of a step, one thread | {:.1} GFLOP/s |", machine.flops / 1e9));
    line(&format!("| memory, one thread | {:.1} GB/s |", machine.memory / 1e9));
    line(&format!("| threads that compute at once count as | {:.2} |", machine.cores));
    line("");
    line(
        "| link | processes | a message is there after | carries | handing over a message | packing, copying and adding |",
    );
    line("|---|---|---|---|---|---|");
    for (name, n, link) in networks {
        let wire = if link.wire < 1e14 { format!("{:.1} MB/s", link.wire / 1e6) } else { "not limited".into() };
        let work = format!("{:.2} ns a byte", link.work * 1e9);
        line(&format!("| {name} | {n} | {} | {wire} | {:.1} µs | {work} |", seconds(link.latency), link.message * 1e6));
    }
    line("");
    line(middle.trim());
    line("");
    line(&format!(
        "A GPT of {:.1} million parameters ({} blocks, {} wide, {} tokens), {} micro-batches of one sequence for each copy:",
        shape.parameters() / 1e6,
        shape.layers,
        shape.hidden,
        shape.time,
        shape.batch
    ));
    line("");
    line("| link | processes | data × pipeline × tensor | predicted | measured | off by |");
    line("|---|---|---|---|---|---|");
    for run in runs {
        let [d, p, t] = run.grid;
        let (expected, off) = (predicted(measured, run), off(measured, run));
        let name = &networks[run.network].0;
        line(&format!(
            "| {name} | {} | {d} × {p} × {t} | {} | {} | {:+.0} % |",
            d * p * t,
            seconds(expected),
            seconds(run.seconds),
            off * 100.0
        ));
    }
    line("");
    line(after_runs.trim());
    for (title, value) in [
        (
            "1000 sequences a step, divided among the machines",
            &strong_seconds as &dyn Fn(&Measured, &Network, &Shape, f64) -> f64,
        ),
        ("8 sequences a step on each machine", &weak_seconds),
    ] {
        line("");
        line(&format!("**{title}**, seconds of a step:"));
        line("");
        let mut head = "| machines |".to_string();
        for (name, _) in MODELS {
            LINKS.iter().for_each(|link| {
                let _ = write!(head, " {name}, {} |", link.0);
            });
        }
        line(&head);
        line(&format!("{}|", "|---".repeat(7)));
        for n in NODES {
            let mut row = format!("| {n} |");
            for (_, shape) in MODELS {
                for link in LINKS {
                    let _ = write!(row, " {} |", seconds(value(measured, &network(measured, link), &shape, n)));
                }
            }
            line(&row);
        }
    }
    line("");
    line(end.trim());
    Ok(out)
}
