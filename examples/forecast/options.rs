//! The command line.

use std::path::PathBuf;

use demotic::Result;

use crate::arguments::Arguments;

const USAGE: &str = "\
forecast: an LSTM and a temporal convolutional network against forecasts that cost nothing

  --data FILE.csv    a table of your own, a row for each step of time (default: an invented load of electricity, hour by hour)
  --column NAME      the column to forecast (default: the last one)
  --season N         after how many steps things repeat; seven times as many are tried as well (default: 24)
  --input N          the steps that a model sees (default: 72)
  --horizon N        the steps that it forecasts (default: 24)
  --epochs N         the most epochs to train for (default: 30)
  --predict FILE     train nothing: forecast what follows the rows of a file, with the better model in DIR
  --seed N           the seed of everything that is random (default: 1)
  --out DIR          where models, report and pictures go (default: out/forecast)
  --quick            fewer epochs
  --json             end with one JSON object that holds all results
  --check            fail unless both networks are better than the forecasts that cost nothing";

pub struct Options {
    pub data: Option<PathBuf>,
    pub column: Option<String>,
    pub season: usize,
    pub input: usize,
    pub horizon: usize,
    pub epochs: usize,
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
            column: None,
            season: 24,
            input: 72,
            horizon: 24,
            epochs: 30,
            predict: None,
            seed: 1,
            out: PathBuf::from("out/forecast"),
            quick: false,
            json: false,
            check: false,
        };
        let mut arguments = Arguments::new("forecast", USAGE, words);
        while let Some(option) = arguments.option() {
            match option.as_str() {
                "--data" => options.data = Some(arguments.value()?.into()),
                "--column" => options.column = Some(arguments.value()?),
                "--season" => options.season = arguments.number::<usize>()?.clamp(1, 100_000),
                "--input" => options.input = arguments.number::<usize>()?.clamp(1, 100_000),
                "--horizon" => options.horizon = arguments.number::<usize>()?.clamp(1, 100_000),
                "--epochs" => options.epochs = arguments.number()?,
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
        if options.quick {
            options.epochs = options.epochs.min(12);
        }
        Ok(Some(options))
    }
}
