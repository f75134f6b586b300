//! Two models that become a tenth of their size and stay as good: units are taken out, what is left learns from the original, and the
//! numbers that remain take eight bits.
//!
//! `cargo run --release --example compress`, and `-- --help` for the options.

#[path = "../arguments/mod.rs"]
mod arguments;
mod digits;
mod letters;
mod options;
#[path = "../stories/mod.rs"]
#[allow(dead_code, unused_imports, reason = "stories are judged by another example")]
mod stories;

use std::time::Instant;

use demotic::compress::CompressionReport;
use demotic::prelude::*;
use options::Options;
use serde_json::json;

/// What became of a model.
pub struct Outcome {
    pub report: CompressionReport,
}

impl Outcome {
    /// The share of the bytes that is left.
    fn share(&self) -> f64 {
        let bytes = |at: usize| self.report.models.get(at).map_or(f64::NAN, |model| model.bytes as f64);
        bytes(self.report.models.len() - 1) / bytes(0)
    }

    /// By how much the accuracy has changed.
    fn change(&self) -> f64 {
        let score = |at: usize| self.report.models.get(at).map_or(f64::NAN, |model| model.score);
        score(self.report.models.len() - 1) - score(0)
    }
}

fn main() -> Result<()> {
    let Some(options) = Options::from_args(std::env::args().skip(1))? else {
        println!("{}", options::USAGE);
        return Ok(());
    };
    std::fs::create_dir_all(&options.out).map_err(|e| Error::io("compress", &options.out, e))?;
    let start = Instant::now();
    let mut outcomes = Vec::new();
    for (name, f) in [("digits", digits::run as fn(&Options) -> Result<Outcome>), ("letters", letters::run)] {
        let outcome = f(&options)?;
        println!("\n{}\n", outcome.report);
        let (picture, table) = (options.out.join(format!("{name}.svg")), options.out.join(format!("{name}.txt")));
        outcome.report.plot().save(&picture)?;
        std::fs::write(&table, outcome.report.layers()).map_err(|e| Error::io("compress", &table, e))?;
        println!("{} draws it, {} has all layers.", picture.display(), table.display());
        println!(
            "{name}: {:.1} % of the bytes, and an accuracy that is {:+.2} points of a hundred from the original's.\n",
            100.0 * outcome.share(),
            100.0 * outcome.change()
        );
        outcomes.push((name, outcome));
    }
    let seconds = start.elapsed().as_secs_f64();
    println!("All of it took {seconds:.1} s.");
    if options.json {
        let all = outcomes.iter().map(|(name, it)| (*name, json!({ "share": it.share(), "change": it.change() })));
        let all: std::collections::BTreeMap<_, _> = all.collect();
        println!("{}", json!({ "models": all, "seconds": seconds }));
    }
    if options.check {
        for (name, outcome) in &outcomes {
            let (share, change) = (outcome.share(), outcome.change());
            // A model of letters that has hardly begun to learn is not as good in half of the steps.
            let allowed = if options.quick && *name == "letters" { 0.1 } else { 0.005 };
            if !(share <= 0.1 && change >= -allowed) {
                let message =
                    format!("{name}: {share} of the bytes and a change of {change}, expected a tenth and {allowed}");
                return Err(Error::numeric("check", message));
            }
        }
    }
    Ok(())
}
