//! The command line.

use std::path::PathBuf;

use demotic::Result;

use crate::arguments::Arguments;

pub const USAGE: &str = "\
audit: what should be known about a model before it decides on people, as one page

  --data FILE.csv    a table of your own (default: invented loan applications)
  --target COLUMN    what is predicted (default: approved); numbers become above or below the median
  --group COLUMN     who is compared (default: sex); given several times, also their intersections
  --positive VALUE   the outcome that people wish for (default: the last one by order)
  --ignore COLUMN    a column that is not learnt from; may be given several times
  --bands COLUMN=A,B borders that make groups of a column of numbers that is compared
  --model FILE       a model that Pipeline::save wrote, instead of one that is trained here
  --watts N          what the machine is assumed to draw (default: 65)
  --seed N           the seed of everything that is random (default: 1)
  --out DIR          where the report, the card and the model go (default: out/audit)
  --quick            fewer steps, resamples and repeats
  --json             end with one JSON object that holds all results
  --check            fail unless the results are what they should be";

pub struct Options {
    pub data: Option<PathBuf>,
    pub target: String,
    pub groups: Vec<String>,
    pub positive: Option<String>,
    pub ignore: Vec<String>,
    pub bands: Vec<(String, Vec<f64>)>,
    pub model: Option<PathBuf>,
    pub watts: f64,
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
            target: "approved".into(),
            groups: Vec::new(),
            positive: None,
            ignore: Vec::new(),
            bands: Vec::new(),
            model: None,
            watts: 65.0,
            seed: 1,
            out: PathBuf::from("out/audit"),
            quick: false,
            json: false,
            check: false,
        };
        let mut args = Arguments::new("audit", USAGE, words);
        while let Some(option) = args.option() {
            match option.as_str() {
                "--data" => options.data = Some(args.value()?.into()),
                "--target" => options.target = args.value()?,
                "--group" => options.groups.push(args.value()?),
                "--positive" => options.positive = Some(args.value()?),
                "--ignore" => options.ignore.push(args.value()?),
                "--bands" => {
                    let text = args.value()?;
                    let borders = text.rsplit_once('=').and_then(|(column, borders)| {
                        let borders: Option<Vec<f64>> =
                            borders.split(',').map(|border| border.trim().parse().ok()).collect();
                        Some((column.to_string(), borders?))
                    });
                    match borders {
                        Some(borders) => options.bands.push(borders),
                        None => return Err(args.wrong(&format!("--bands takes COLUMN=A,B, not `{text}`"))),
                    }
                }
                "--model" => options.model = Some(args.value()?.into()),
                "--watts" => options.watts = args.number()?,
                "--seed" => options.seed = args.number()?,
                "--out" => options.out = args.value()?.into(),
                "--quick" => options.quick = true,
                "--json" => options.json = true,
                "--check" => options.check = true,
                "--help" | "-h" => return Ok(None),
                _ => return Err(args.unknown()),
            }
        }
        if options.groups.is_empty() {
            options.groups.push("sex".into());
        }
        Ok(Some(options))
    }
}
