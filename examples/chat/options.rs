//! The command line.

use std::path::PathBuf;

use demotic::Result;

use crate::arguments::Arguments;

pub const USAGE: &str = "\
chat: a conversation with a published model in the terminal

  --model PATH        a GGUF file, or the folder of a model as transformers publishes it; a model of a few thousand
                      parameters that learns thirty answers by heart, without this
  --prompt TEXT       one answer, and the end; otherwise lines are read from the terminal, until an empty one
  --raw               the prompt is continued as it is, without the model's form of a conversation
  --system TEXT       what the model is told before the conversation
  --tokens N          the most tokens of an answer (default: 256)
  --greedy            always the likeliest token
  --temperature T     how freely tokens are drawn (default: 0.7)
  --top-p P           from the likeliest tokens that have this probability together (default: 0.9)
  --threads N         how many threads compute (default: all cores)
  --seed N            the seed of everything that is random (default: 1)
  --json              end with one JSON object that holds all results
  --check             fail unless the small model answers all questions, in eight bits too";

pub struct Options {
    pub model: Option<PathBuf>,
    pub prompt: Option<String>,
    pub raw: bool,
    pub system: Option<String>,
    pub tokens: usize,
    pub greedy: bool,
    pub temperature: f64,
    pub top_p: f64,
    pub threads: Option<usize>,
    pub seed: u64,
    pub json: bool,
    pub check: bool,
}

impl Options {
    /// `None` if only the usage was asked for.
    pub fn from_args(args: impl Iterator<Item = String>) -> Result<Option<Self>> {
        let mut options = Self {
            model: None,
            prompt: None,
            raw: false,
            system: None,
            tokens: 256,
            greedy: false,
            temperature: 0.7,
            top_p: 0.9,
            threads: None,
            seed: 1,
            json: false,
            check: false,
        };
        let mut arguments = Arguments::new("chat", USAGE, args);
        while let Some(option) = arguments.option() {
            match option.as_str() {
                "--model" => options.model = Some(arguments.value()?.into()),
                "--prompt" => options.prompt = Some(arguments.value()?),
                "--raw" => options.raw = true,
                "--system" => options.system = Some(arguments.value()?),
                "--tokens" => options.tokens = arguments.number()?,
                "--greedy" => options.greedy = true,
                "--temperature" => options.temperature = arguments.number()?,
                "--top-p" => options.top_p = arguments.number()?,
                "--threads" => options.threads = Some(arguments.number()?),
                "--seed" => options.seed = arguments.number()?,
                // It takes a few seconds anyway.
                "--quick" => (),
                "--json" => options.json = true,
                "--check" => options.check = true,
                "--help" | "-h" => return Ok(None),
                _ => return Err(arguments.unknown()),
            }
        }
        if options.tokens == 0 {
            return Err(arguments.wrong("--tokens is at least 1"));
        }
        if options.raw && options.prompt.is_none() {
            return Err(arguments.wrong("--raw needs a --prompt to go on from"));
        }
        Ok(Some(options))
    }
}
