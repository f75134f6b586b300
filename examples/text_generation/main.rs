//! Text generation: the article's recurrent model, made to work, and a GPT trained on a text.
//!
//! `cargo run --release --example text_generation`, and `-- --help` for the options.

mod article;
mod check;
mod corpus;
mod options;
mod run;
mod saved;

use demotic::{Error, Result};
use options::Options;
use serde_json::{Value, json};

fn main() -> Result<()> {
    let Some(options) = Options::from_args(std::env::args().skip(1))? else {
        println!("{}", options::USAGE);
        return Ok(());
    };
    let results = match &options.load {
        Some(folder) => json!({ "generated": run::generate_only(&options, folder)? }),
        None => {
            std::fs::create_dir_all(&options.out).map_err(|e| Error::io("text_generation", &options.out, e))?;
            let has_own_text = options.corpus.is_some() || options.resume.is_some();
            let article = if has_own_text { Value::Null } else { article::run(options.seed)? };
            json!({ "article": article, "language_model": run::train(&options)? })
        }
    };
    if options.json {
        println!("{results}");
    }
    if options.check { check::all(&results) } else { Ok(()) }
}
