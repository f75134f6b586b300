//! House prices: a regression on three houses that everyone gets wrong at first, what helps, and a real model.
//!
//! `cargo run --release --example house_price`, and `-- --help` for the options.

mod check;
mod cures;
#[path = "../houses/mod.rs"]
mod houses;
mod model;
mod options;
mod worked;

use demotic::{Error, Result};
use options::Options;
use serde_json::json;

/// For `--note`.
const NOTE: &str = "\
The three houses, the first weights and the rate 0.1 are those of a worked example in an article, 《大模型的民主化：AI能力的普及和平等获取》,
that was published on several Chinese websites. It prints for its first step a prediction of 15 where 0.1 · 100 + 0.2 · 5 is 11, a
squared error of 1825 where (200 − 15)² is 34,225, and weights that fall to −3379.9 and −337.8 where the gradient, −37,800 and −1,890,
makes them rise to 3780.1 and 189.2. After five steps it predicts a price of −3,240,237,624.9 × 10,000 yuan, and explains it by a
local minimum.
";

fn main() -> Result<()> {
    let Some(options) = Options::from_args(std::env::args().skip(1))? else {
        println!("{}", options::USAGE);
        return Ok(());
    };
    if options.note {
        print!("{NOTE}");
        return Ok(());
    }
    std::fs::create_dir_all(&options.out).map_err(|e| Error::io("house_price", &options.out, e))?;
    // With a table of one's own, only what is about that.
    let results = if options.data.is_some() {
        json!({ "model": model::run(&options)? })
    } else {
        json!({
            "worked_example": worked::run()?,
            "cures": cures::run(&options)?,
            "model": model::run(&options)?,
        })
    };
    if options.json {
        println!("{results}");
    }
    if options.check { check::all(&results) } else { Ok(()) }
}
