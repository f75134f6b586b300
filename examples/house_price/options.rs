//! The command line.

use std::path::PathBuf;

use demotic::data::{CsvOptions, Ragged};
use demotic::train::metrics::edit_distance;
use demotic::{Error, Result};

pub const USAGE: &str = "\
house_price: three houses that everyone gets wrong at first, what helps, and a real model

  --data FILE.csv    a table of your own, and only the model of it
  --target COLUMN    the column to predict (default: price)
  --ignore COLUMN    a column that is not learnt from, such as a number of rows
  --separator C      the character between fields (default: a comma)
  --decimal-comma    numbers are written 2,5
  --thousands C      the character between groups of digits
  --strip TEXT       a unit that is dropped before or behind numbers, such as €
  --unit TEXT=NUMBER what one of a unit is in that of its column, such as kg=1000 for grams
  --missing TEXT     what stands for a missing value, besides an empty field
  --text COLUMN      a column of texts that look like numbers, such as postal codes
  --dates COLUMN=FORMAT   a column of dates, in a format such as %d.%m.%Y
  --ragged pad|skip  what happens to lines with more or fewer fields than the header
  --drop-missing     leave out rows without a value of the target
                     (--ignore, --strip, --unit, --missing, --text and --dates may be given several times)
  --epochs N         the most epochs to train for (default: 300)
  --seed N           the seed of everything that is random (default: 1)
  --out DIR          where pictures and the model go (default: out/house_price)
  --note             train nothing: say where the three houses come from
  --quick            fewer epochs and folds
  --json             end with one JSON object that holds all results
  --check            fail unless the results are what they should be";

pub struct Options {
    pub data: Option<PathBuf>,
    pub target: String,
    pub ignore: Vec<String>,
    pub drop_missing: bool,
    pub csv: CsvOptions,
    pub epochs: usize,
    pub seed: u64,
    pub out: PathBuf,
    pub note: bool,
    pub quick: bool,
    pub json: bool,
    pub check: bool,
}

impl Options {
    /// `None` if only the usage was asked for.
    pub fn from_args(mut args: impl Iterator<Item = String>) -> Result<Option<Self>> {
        let mut options = Self {
            data: None,
            target: "price".into(),
            ignore: Vec::new(),
            drop_missing: false,
            csv: CsvOptions::new(),
            epochs: 300,
            seed: 1,
            out: PathBuf::from("out/house_price"),
            note: false,
            quick: false,
            json: false,
            check: false,
        };
        let (mut missing, mut units) = (Vec::new(), Vec::new());
        while let Some(arg) = args.next() {
            let mut value = || args.next().ok_or_else(|| wrong(&format!("{arg} takes a value")));
            match arg.as_str() {
                "--data" => options.data = Some(value()?.into()),
                "--target" => options.target = value()?,
                "--ignore" => options.ignore.push(value()?),
                "--separator" => options.csv = options.csv.delimiter(character(&arg, &value()?)?),
                "--decimal-comma" => options.csv = options.csv.decimal_comma(),
                "--thousands" => options.csv = options.csv.thousands(character(&arg, &value()?)?),
                "--strip" => units.push(value()?),
                "--unit" => {
                    let text = value()?;
                    let parts = text.rsplit_once('=').and_then(|(unit, number)| Some((unit, number.parse().ok()?)));
                    let Some((unit, factor)) = parts else {
                        return Err(wrong(&format!("--unit takes TEXT=NUMBER, not `{text}`")));
                    };
                    options.csv = options.csv.unit(unit, factor);
                }
                "--ragged" => {
                    options.csv = options.csv.ragged(match value()?.as_str() {
                        "pad" => Ragged::Pad,
                        "skip" => Ragged::Skip,
                        other => return Err(wrong(&format!("--ragged takes pad or skip, not `{other}`"))),
                    });
                }
                "--drop-missing" => options.drop_missing = true,
                "--missing" => missing.push(value()?),
                "--text" => options.csv = options.csv.text([value()?]),
                "--dates" => {
                    let text = value()?;
                    let Some((column, format)) = text.rsplit_once('=') else {
                        return Err(wrong(&format!("--dates takes COLUMN=FORMAT, not `{text}`")));
                    };
                    options.csv = options.csv.dates([column], format);
                }
                "--epochs" => options.epochs = number(&arg, &value()?)? as usize,
                "--seed" => options.seed = number(&arg, &value()?)?,
                "--out" => options.out = value()?.into(),
                "--note" => options.note = true,
                "--quick" => options.quick = true,
                "--json" => options.json = true,
                "--check" => options.check = true,
                "--help" | "-h" => return Ok(None),
                other => return Err(unknown(other)),
            }
        }
        if !missing.is_empty() {
            options.csv = options.csv.missing(missing);
        }
        if !units.is_empty() {
            options.csv = options.csv.strip(units);
        }
        if options.quick {
            options.epochs = options.epochs.min(120);
        }
        Ok(Some(options))
    }
}

/// An error of the command line. The usage would push it off the screen.
fn wrong(problem: &str) -> Error {
    Error::argument("house_price", problem).with_help("--help lists the options")
}

/// There is no such option.
fn unknown(option: &str) -> Error {
    if !option.starts_with('-') {
        return wrong(&format!(
            "`{option}` stands alone: options begin with --, as in --data FILE.csv --target COLUMN"
        ));
    }
    let known = USAGE.split_whitespace().filter(|word| word.starts_with("--"));
    let close = known.map(|known| (edit_distance(known, option), known)).min().filter(|(distance, _)| *distance < 3);
    let meant = close.map_or(String::new(), |(_, known)| format!(", did you mean {known}?"));
    wrong(&format!("there is no option {option}{meant}"))
}

/// What a library says to those who write programs, in options of this one.
pub fn in_options(e: Error) -> Error {
    let help = e.help().unwrap_or_default();
    let known = [
        ("delimiter", "--separator C"),
        ("decimal_comma", "--decimal-comma"),
        ("thousands", "--thousands C"),
        ("strip", "--strip TEXT"),
        ("unit(", "--unit TEXT=NUMBER"),
        ("ragged", "--ragged pad|skip"),
        ("drop_missing", "--drop-missing"),
        ("::missing", "--missing TEXT"),
        ("text(", "--text COLUMN"),
        ("dates(", "--dates COLUMN=FORMAT"),
        ("ignore(", "--ignore COLUMN"),
        ("classification(", "--target COLUMN, with a column of numbers"),
    ];
    let meant: Vec<&str> = known.iter().filter(|(name, _)| help.contains(name)).map(|(_, option)| *option).collect();
    if meant.is_empty() || !help.contains('(') && !help.contains("::") {
        return e;
    }
    let meant = meant.join(", ");
    // What is said before the call is about the file.
    let said = help.split(": read").next().filter(|said| !said.contains("::") && !said.contains('('));
    let said = said.map_or(String::new(), |said| format!("{said}; "));
    e.with_help(format!("{said}see --help: {meant}"))
}

fn character(option: &str, text: &str) -> Result<char> {
    let mut letters = if text == "\\t" { "\t" } else { text }.chars();
    match (letters.next(), letters.next()) {
        (Some(letter), None) => Ok(letter),
        _ => Err(wrong(&format!("{option} takes one character, not `{text}`"))),
    }
}

fn number(option: &str, text: &str) -> Result<u64> {
    text.parse().map_err(|_| wrong(&format!("{option} takes a whole number, not `{text}`")))
}
