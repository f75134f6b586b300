//! Arguments, the timing loop, and the line that it prints.

use std::time::{Duration, Instant};

use demotic::{Error, Result, profile};

/// Steps before the clock runs, and their time at the least.
const WARM_UP: (usize, Duration) = (3, Duration::from_secs(1));
/// Steps that are profiled, and about how long that may take.
const PROFILED_STEPS: usize = 200;
const PROFILED_SECONDS: f64 = 10.0;

#[derive(Clone)]
pub struct Options {
    pub workload: Option<String>,
    pub threads: usize,
    seconds: f64,
    profile: bool,
}

pub fn usage(problem: &str) -> Error {
    Error::argument("workloads", problem)
        .with_help("cargo bench --bench workloads -- [NAME] [--threads N] [--seconds S] [--profile]")
}

impl Options {
    pub fn from_args(args: impl Iterator<Item = String>) -> Result<Self> {
        let mut options = Self { workload: None, threads: demotic::parallel::threads(), seconds: 6.0, profile: false };
        let mut args = args.peekable();
        while let Some(arg) = args.next() {
            let mut number = || {
                args.next().and_then(|n| n.parse::<f64>().ok()).ok_or_else(|| usage(&format!("{arg} takes a number")))
            };
            match arg.as_str() {
                "--threads" => options.threads = number()? as usize,
                "--seconds" => options.seconds = number()?,
                "--profile" => options.profile = true,
                // What `cargo bench` adds by itself.
                "--bench" => {}
                name if !name.starts_with('-') => options.workload = Some(name.to_string()),
                other => return Err(usage(&format!("there is no option {other}"))),
            }
        }
        Ok(options)
    }

    /// A short run of one workload.
    pub fn named(&self, name: &str) -> Self {
        Self { workload: Some(name.to_string()), seconds: self.seconds.min(1.0), ..self.clone() }
    }

    /// Times calls of `step(i)`, which returns the loss.
    pub fn run(&self, mut step: impl FnMut(usize) -> Result<f64>) -> Result<()> {
        self.run_timed(|i| {
            let start = Instant::now();
            let loss = step(i)?;
            Ok((start.elapsed(), loss))
        })
    }

    /// Reports the times that `step(i)` returns with the loss.
    pub fn run_timed(&self, mut step: impl FnMut(usize) -> Result<(Duration, f64)>) -> Result<()> {
        let mut i = 0;
        let mut next = || {
            i += 1;
            step(i - 1)
        };
        let start = Instant::now();
        let mut first = Duration::ZERO;
        let mut warm = 0;
        while warm < WARM_UP.0 || start.elapsed() < WARM_UP.1 {
            next()?;
            warm += 1;
            if warm == 1 {
                first = start.elapsed();
            }
        }
        // Written once, so that its pages are there before faults are counted.
        let (mut times, mut loss) = (vec![1.0; 1 << 20], 0.0);
        times.clear();
        let blocks = demotic::memory::stats().blocks_allocated;
        let faults = minor_faults();
        let start = Instant::now();
        while times.len() < 3 || start.elapsed().as_secs_f64() < self.seconds {
            let time;
            (time, loss) = next()?;
            times.push(time.as_secs_f64() * 1e3);
        }
        let n = times.len();
        let faults = (minor_faults() - faults) / n as f64;
        let blocks = demotic::memory::stats().blocks_allocated - blocks;
        times.sort_by(f64::total_cmp);
        let (median, min) = (times[n / 2], times[0]);
        println!(
            "{} demotic {} f32 {median:.4} {min:.4} {n} {:.2} {:.0} {loss:.5} minflt/step={faults:.2} first_step_s={:.3} new_blocks={blocks}",
            self.workload.as_deref().unwrap_or_default(),
            self.threads,
            1e3 / median,
            peak_rss_mb(),
            first.as_secs_f64(),
        );
        if self.profile {
            let mut result = Ok(());
            let steps = ((PROFILED_SECONDS * 1e3 / median) as usize).clamp(3, PROFILED_STEPS);
            let report = profile::record(|| {
                for _ in 0..steps {
                    if let Err(e) = next() {
                        result = Err(e);
                    }
                }
            });
            result?;
            println!("{steps} steps:\n{report}");
        }
        Ok(())
    }
}

/// A number from a file that Linux keeps about this process; 0 where there is none.
fn process_figure(file: &str, pick: impl Fn(&str) -> Option<f64>) -> f64 {
    std::fs::read_to_string(file).ok().and_then(|text| pick(&text)).unwrap_or(0.0)
}

fn peak_rss_mb() -> f64 {
    process_figure("/proc/self/status", |text| {
        let line = text.lines().find(|line| line.starts_with("VmHWM"))?;
        Some(line.split_whitespace().nth(1)?.parse::<f64>().ok()? / 1024.0)
    })
}

fn minor_faults() -> f64 {
    process_figure("/proc/self/stat", |text| text.rsplit(')').next()?.split_whitespace().nth(7)?.parse().ok())
}
