//! What may be asked for on the command line.

use std::path::PathBuf;

use demotic::Result;
use demotic::models::SpeechTask;

use super::arguments::Arguments;

pub const USAGE: &str = "\
Speech to text: what is said in a WAV file?

cargo run --release --example transcribe --features fft -- [OPTIONS]

  --model FOLDER   a published Whisper, such as whisper-tiny; without one, a small one learns digits from sounds that are made up
  --in FILE        a WAV file; without one, digits that the small one has not heard
  --language CODE  the language, such as en; without it, it is found out
  --task TASK      transcribe or translate (transcribe)
  --timestamps     with times
  --beams N        a search for the most likely text with so many beams
  --fallback       unlikely windows are tried again at higher temperatures, silent ones left out
  --out FILE       writes one of the sounds that are made up as a WAV file
  --seed N         other sounds, another small model (0)
  --json           the results as one line of JSON
  --quick          a small model that learns less
  --check          an error unless nine of ten digits are written as they were said
  --help           this text
";

pub struct Options {
    pub model: Option<PathBuf>,
    pub file: Option<PathBuf>,
    pub language: Option<String>,
    pub task: SpeechTask,
    pub timestamps: bool,
    pub beams: usize,
    pub fallback: bool,
    pub out: Option<PathBuf>,
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
            file: None,
            language: None,
            task: SpeechTask::Transcribe,
            timestamps: false,
            beams: 1,
            fallback: false,
            out: None,
            seed: 0,
            json: false,
            quick: false,
            check: false,
        };
        let mut arguments = Arguments::new("transcribe", USAGE, words);
        while let Some(option) = arguments.option() {
            match option.as_str() {
                "--model" => options.model = Some(arguments.value()?.into()),
                "--in" => options.file = Some(arguments.value()?.into()),
                "--language" => options.language = Some(arguments.value()?),
                "--task" => options.task = arguments.value()?.parse()?,
                "--timestamps" => options.timestamps = true,
                "--beams" => options.beams = arguments.number()?,
                "--fallback" => options.fallback = true,
                "--out" => options.out = Some(arguments.value()?.into()),
                "--seed" => options.seed = arguments.number()?,
                "--json" => options.json = true,
                "--quick" => options.quick = true,
                "--check" => options.check = true,
                "--help" => return Ok(None),
                _ => return Err(arguments.unknown()),
            }
        }
        if options.model.is_some() && options.file.is_none() {
            return Err(arguments.wrong("--model needs a sound: --in FILE"));
        }
        Ok(Some(options))
    }
}
