//! What may be asked for on the command line.

use std::path::PathBuf;

use demotic::Result;
use demotic::tensor::{Calibration, GptqOptions, Scheme};

use super::arguments::Arguments;

pub const USAGE: &str = "\
Weights in fewer bits: what becomes of a model's size, of the outputs of its layers, and of what it can do?

cargo run --release --example quantize -- [OPTIONS]

  --model PATH      a published language model: a GGUF file, or a folder of transformers; without one, a small network
                    learns to read digits
  --scheme NAME     q4_0, q4_1, q5_0, q5_1, q8_0: a scale for each 32 numbers; int8: one for each output, with products
                    of whole numbers. Q2_K to Q6_K and IQ4_NL can be read, but not made. Without this, several in turn
  --method NAME     absmax, percentile, mse or gptq (default: gptq)
  --percentile P    of the sizes of a row, where --method percentile cuts them off (default: 99.5)
  --act-order       gptq takes the columns with the largest inputs first
  --group N         how many neighbours share a scale in gptq (default: a block)
  --only PATTERN    the weights that are meant, `*` standing for any text; may be given several times (default: all)
  --except PATTERN  weights that stay what they are; may be given several times
  --text FILE       what a language model is calibrated with (its beginning) and tested with (what follows)
  --tokens N        so many tokens of each (default: 512)
  --out FILE        the quantised model
  --threads N       how many threads compute (default: all cores)
  --seed N          the seed of everything that is random (default: 1)
  --quick           the small network learns less
  --json            end with one JSON object that holds all results
  --check           fail unless the small network reads as well in eight bits, and gptq changes outputs least
  --help            this text
";

pub struct Options {
    pub model: Option<PathBuf>,
    pub scheme: Option<Scheme>,
    pub calibration: Calibration,
    pub only: Vec<String>,
    pub except: Vec<String>,
    pub text: Option<PathBuf>,
    pub tokens: usize,
    pub out: Option<PathBuf>,
    pub threads: Option<usize>,
    pub seed: u64,
    pub quick: bool,
    pub json: bool,
    pub check: bool,
}

impl Options {
    /// `None` if only the usage was asked for.
    pub fn from_args(words: impl Iterator<Item = String>) -> Result<Option<Self>> {
        let mut options = Self {
            model: None,
            scheme: None,
            calibration: Calibration::Absmax,
            only: Vec::new(),
            except: Vec::new(),
            text: None,
            tokens: 512,
            out: None,
            threads: None,
            seed: 1,
            quick: false,
            json: false,
            check: false,
        };
        let (mut method, mut percentile, mut gptq) = ("gptq".to_string(), 99.5, GptqOptions::new());
        let mut arguments = Arguments::new("quantize", USAGE, words);
        while let Some(option) = arguments.option() {
            match option.as_str() {
                "--model" => options.model = Some(arguments.value()?.into()),
                "--scheme" => {
                    let name = arguments.value()?;
                    let mut all = Scheme::ALL.into_iter().chain([Scheme::Int8]);
                    let Some(scheme) = all.find(|scheme| scheme.name().eq_ignore_ascii_case(&name)) else {
                        return Err(arguments.wrong(&format!("there is no scheme {name}")));
                    };
                    options.scheme = Some(scheme);
                }
                "--method" => method = arguments.value()?,
                "--percentile" => percentile = arguments.number()?,
                "--act-order" => gptq = gptq.act_order(true),
                "--group" => gptq = gptq.group_size(arguments.number()?),
                "--only" => options.only.push(arguments.value()?),
                "--except" => options.except.push(arguments.value()?),
                "--text" => options.text = Some(arguments.value()?.into()),
                "--tokens" => options.tokens = arguments.number()?,
                "--out" => options.out = Some(arguments.value()?.into()),
                "--threads" => options.threads = Some(arguments.number()?),
                "--seed" => options.seed = arguments.number()?,
                "--quick" => options.quick = true,
                "--json" => options.json = true,
                "--check" => options.check = true,
                "--help" | "-h" => return Ok(None),
                _ => return Err(arguments.unknown()),
            }
        }
        options.calibration = match method.as_str() {
            "absmax" => Calibration::Absmax,
            "percentile" => Calibration::Percentile(percentile),
            "mse" => Calibration::Mse,
            "gptq" => Calibration::Gptq(gptq),
            _ => return Err(arguments.wrong(&format!("there is no method {method}"))),
        };
        if options.only.is_empty() {
            options.only.push("*".into());
        }
        if options.tokens < 2 {
            return Err(arguments.wrong("--tokens is at least 2"));
        }
        if options.out.is_some() && options.scheme.is_none() {
            return Err(arguments.wrong("--out needs a --scheme"));
        }
        Ok(Some(options))
    }
}
