//! House prices: why a worked example diverges, what helps, and a real model.
//!
//! `cargo run --release --example house_price`, and `-- --help` for the options.

mod check;
mod cures;
mod model;
mod options;
mod worked;

use demotic::{Error, Result};
use options::Options;
use serde_json::json;

fn main() -> Result<()> {
    let Some(options) = Options::from_args(std::env::args().skip(1))? else {
        println!("{}", options::USAGE);
        return Ok(());
    };
    std::fs::create_dir_all(&options.out).map_err(|e| Error::io("house_price", &options.out, e))?;
    let results = json!({
        "worked_example": worked::run()?,
        "cures": cures::run(&options)?,
        "model": model::run(&options)?,
    });
    if options.json {
        println!("{results}");
    }
    if options.check { check::all(&results) } else { Ok(()) }
}
