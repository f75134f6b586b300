//! An audit: what should be known about a model before it decides on people. What is wrong with the data, how good the model is and how sure, what
//! it looks at, whom it treats worse, and what it costs to change that, on one page, with a card for the model.
//!
//! `cargo run --release --example audit`, and `-- --help` for the options.

#[path = "../arguments/mod.rs"]
mod arguments;
mod check;
mod learn;
#[path = "../loans/mod.rs"]
#[allow(dead_code)]
mod loans;
mod options;
mod page;
#[path = "../tabular/read.rs"]
mod read;
mod subject;
mod sure;
mod why;

use std::time::Instant;

use demotic::prelude::*;
use options::Options;

fn main() -> Result<()> {
    let Some(options) = Options::from_args(std::env::args().skip(1))? else {
        println!("{}", options::USAGE);
        return Ok(());
    };
    let start = Instant::now();
    let mut rng = Rng::seed(options.seed);
    let subject = subject::Subject::new(&options, &mut rng)?;
    let results = page::write(&subject, &options, &mut rng, start)?;
    println!("\nThe report: {0}/report.html; the card: {0}/README.md and {0}/card.html", options.out.display());
    if options.json {
        println!("{results}");
    }
    if options.check { check::all(&results, &options) } else { Ok(()) }
}
