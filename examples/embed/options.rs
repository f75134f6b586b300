//! What may be asked for on the command line.

use std::path::PathBuf;

use demotic::Result;

use super::arguments::Arguments;

pub const USAGE: &str = "\
Semantic search: which lines of a file, or which files of a folder, are most like what is asked for?

cargo run --release --example embed -- [OPTIONS]

  --model PATH     a published encoder of sentences, such as the folder of all-MiniLM-L6-v2, or a GGUF file; without one, a
                   small encoder learns from sentences that are made up
  --in PATH        a file, of which every line is searched, or a folder, of which every file is; without one, some lines
                   that come with the example
  --query TEXT     what is asked for; may be given several times
  --top N          how many are shown of each (3)
  --seed N         another small encoder (0)
  --json           the results as one line of JSON
  --quick          a small encoder that learns less
  --check          an error unless each query finds a line of its own subject
  --help           this text
";

pub struct Options {
    pub model: Option<PathBuf>,
    pub place: Option<PathBuf>,
    pub queries: Vec<String>,
    pub top: usize,
    pub seed: u64,
    pub json: bool,
    pub quick: bool,
    pub check: bool,
}

impl Options {
    /// `None` if help is asked for.
    pub fn from_args(words: impl Iterator<Item = String>) -> Result<Option<Self>> {
        let mut options = Self {
            model: None,
            place: None,
            queries: Vec::new(),
            top: 3,
            seed: 0,
            json: false,
            quick: false,
            check: false,
        };
        let mut arguments = Arguments::new("embed", USAGE, words);
        while let Some(option) = arguments.option() {
            match option.as_str() {
                "--model" => options.model = Some(arguments.value()?.into()),
                "--in" => options.place = Some(arguments.value()?.into()),
                "--query" => options.queries.push(arguments.value()?),
                "--top" => options.top = arguments.number()?,
                "--seed" => options.seed = arguments.number()?,
                "--json" => options.json = true,
                "--quick" => options.quick = true,
                "--check" => options.check = true,
                "--help" => return Ok(None),
                _ => return Err(arguments.unknown()),
            }
        }
        Ok(Some(options))
    }
}
