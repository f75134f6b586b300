//! The command line.

use std::path::PathBuf;

use demotic::Result;

use crate::arguments::Arguments;

const USAGE: &str = "\
tabular: from a raw table to a trained, tuned, evaluated, explained and saved model with its report

  --data FILE.csv    the table (default: the bundled flowers of iris)
  --target COLUMN    the column to predict (default: the last one)
  --task KIND        `classes` or `numbers`, if it is not as the target looks
  --ignore A,B       columns to leave out
  --text A,B         columns of texts, even if they look like numbers: postal codes
  --unit UNIT=NUMBER what one of a unit is in that of its column, if there are several: kg=1000
  --tune N           how many settings to try, each on three folds (default: 12; 0 takes the usual ones)
  --dirty            the bundled table of flats, with all that is wrong with it
  --predict FILE     train nothing: apply the model in DIR to new rows
  --seed N           the seed of everything that is random (default: 1)
  --out DIR          where model, report, pictures and predictions go (default: out/tabular)
  --quick            fewer settings and epochs
  --json             end with one JSON object that holds all results
  --check            fail unless the results are what they should be for this table";

pub struct Options {
    pub data: Option<PathBuf>,
    pub target: Option<String>,
    /// Whether the target is a class, if that was said.
    pub classes: Option<bool>,
    pub ignore: Vec<String>,
    /// Columns of texts, whatever they look like.
    pub text: Vec<String>,
    /// What numbers with some units are multiplied by.
    pub units: Vec<(String, f64)>,
    pub tune: usize,
    pub dirty: bool,
    pub predict: Option<PathBuf>,
    pub seed: u64,
    pub out: PathBuf,
    pub quick: bool,
    pub json: bool,
    pub check: bool,
}

impl Options {
    /// `None` if only the usage was asked for.
    pub fn from_args(words: impl Iterator<Item = String>) -> Result<Option<Self>> {
        let mut options = Self {
            data: None,
            target: None,
            classes: None,
            ignore: Vec::new(),
            text: Vec::new(),
            units: Vec::new(),
            tune: 12,
            dirty: false,
            predict: None,
            seed: 1,
            out: PathBuf::from("out/tabular"),
            quick: false,
            json: false,
            check: false,
        };
        let mut arguments = Arguments::new("tabular", USAGE, words);
        let mut tune = None;
        while let Some(option) = arguments.option() {
            match option.as_str() {
                "--data" => options.data = Some(arguments.value()?.into()),
                "--target" => options.target = Some(arguments.value()?),
                "--task" => {
                    options.classes = match arguments.value()?.as_str() {
                        "classes" => Some(true),
                        "numbers" => Some(false),
                        other => return Err(arguments.wrong(&format!("--task is classes or numbers, not `{other}`"))),
                    }
                }
                "--ignore" => options.ignore.extend(arguments.value()?.split(',').map(|name| name.trim().to_string())),
                "--text" => options.text.extend(arguments.value()?.split(',').map(|name| name.trim().to_string())),
                "--unit" => {
                    let text = arguments.value()?;
                    let parts = text.rsplit_once('=').and_then(|(unit, number)| Some((unit, number.parse().ok()?)));
                    match parts {
                        Some((unit, factor)) => options.units.push((unit.trim().to_string(), factor)),
                        None => return Err(arguments.wrong(&format!("--unit takes UNIT=NUMBER, not `{text}`"))),
                    }
                }
                "--tune" => tune = Some(arguments.number::<usize>()?.min(1000)),
                "--dirty" => options.dirty = true,
                "--predict" => options.predict = Some(arguments.value()?.into()),
                "--seed" => options.seed = arguments.number()?,
                "--out" => options.out = arguments.value()?.into(),
                "--quick" => options.quick = true,
                "--json" => options.json = true,
                "--check" => options.check = true,
                "--help" | "-h" => {
                    println!("{USAGE}");
                    return Ok(None);
                }
                _ => return Err(arguments.unknown()),
            }
        }
        options.tune = tune.unwrap_or(if options.quick { 4 } else { options.tune });
        Ok(Some(options))
    }
}
