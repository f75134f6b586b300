//! Text generation: three sentences learnt by heart, then a GPT that learns to tell stories, or on a text of yours.
//!
//! `cargo run --release --example text_generation`, and `-- --help` for the options.

mod check;
mod corpus;
mod judged;
mod measure;
mod options;
mod picture;
mod run;
mod saved;
mod sentences;
mod starts;
#[path = "../stories/mod.rs"]
mod stories;
mod wrapped;

use demotic::{Error, Result};
use options::Options;
use serde_json::{Value, json};

/// For `--note`.
const NOTE: &str = "\
The three sentences of part 1 and the sizes of its network are those of an article, 《大模型的民主化：AI能力的普及和平等获取》,
that was published on several Chinese websites. It promises a GPT and shows an LSTM, in a program with the four mistakes that part 1
names. It ends before it generates anything: `max_sequence_length` is used and never defined, and `tokenizer` belongs to another
function. Part 1 is that program, made to work.
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
    let results = match &options.load {
        Some(folder) => json!({ "generated": run::generate_only(&options, folder)? }),
        None => {
            std::fs::create_dir_all(&options.out).map_err(|e| Error::io("text_generation", &options.out, e))?;
            let only_the_model = options.corpus.is_some() || options.resume.is_some();
            let sentences = if only_the_model { Value::Null } else { sentences::run(options.seed)? };
            json!({ "sentences": sentences, "language_model": run::train(&options)? })
        }
    };
    if options.json {
        println!("{results}");
    }
    if options.check { check::all(&results, options.quick) } else { Ok(()) }
}
