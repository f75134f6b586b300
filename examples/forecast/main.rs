//! What comes next: an LSTM and a temporal convolutional network against forecasts that cost nothing.
//!
//! `cargo run --release --example forecast`, and `-- --help` for the options.

#[path = "../arguments/mod.rs"]
mod arguments;
mod model;
mod next;
mod options;
mod series;

use std::time::Instant;

use demotic::data::{Dataset, Windows};
use demotic::io::Metadata;
use demotic::prelude::*;
use demotic::train::plot::{Bars, Chart};
use demotic::train::{Report, predict};
use model::{Body, Forecaster};
use options::Options;
use serde_json::json;
use series::Setting;

fn main() -> Result<()> {
    let Some(options) = Options::from_args(std::env::args().skip(1))? else { return Ok(()) };
    std::fs::create_dir_all(&options.out).map_err(|e| Error::io("forecast", &options.out, e))?;
    match &options.predict {
        Some(file) => next::predict(&options.out, file),
        None => run(&options),
    }
}

fn run(options: &Options) -> Result<()> {
    let mut rng = Rng::seed(options.seed);
    let (table, column) = match &options.data {
        Some(path) => series::read(path, options.column.as_deref())?,
        None => (series::invented(&mut Rng::seed(2026))?, "load_mw".to_string()),
    };
    // For --predict, and for other programs.
    table.write_csv(options.out.join("series.csv"))?;
    let values = series::numbers(&table, &column)?;
    let (season, input, horizon) = (options.season, options.input, options.horizon);

    // The last fifth is the future: nothing is learnt from it, the scale included.
    let border = values.len() * 4 / 5;
    let known = &values[..border];
    let mean = known.iter().sum::<f64>() / border.max(1) as f64;
    let deviation =
        (known.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / border.max(1) as f64).sqrt().max(f64::MIN_POSITIVE);
    let mut setting = Setting {
        column: column.clone(),
        mean,
        deviation,
        season,
        input,
        horizon,
        steps: values.len(),
        range: Vec::new(),
    };
    let all = setting.features(&values, 0)?;
    let windows =
        |from: usize, to: usize| Windows::new(&all.narrow(0, from, to - from)?, input, horizon)?.targets(&["0"]);
    if values.len() < 5 * (input + horizon + 7 * season) {
        let message = format!(
            "{} steps are too few for seasons of {season}, {input} to see and {horizon} to forecast",
            values.len()
        );
        return Err(Error::argument("forecast", message).with_help("--season, --input and --horizon set them"));
    }
    let middle = border * 17 / 20;
    // Neighbouring windows tell nearly the same: every third will do.
    let train = windows(0, middle)?.stride(3)?;
    let validation = windows(middle - input, border)?.stride(3)?;
    let test = windows(border - input, values.len())?.stride(horizon)?;
    println!(
        "{} steps of `{column}`: {} windows to learn from, {} to test on.\n",
        values.len(),
        train.len(),
        test.len()
    );

    // What costs nothing: the last number, and those of one season and of seven seasons before.
    let starts: Vec<usize> = (0..test.len()).map(|i| border + i * horizon).collect();
    let actual: Vec<f64> = starts.iter().flat_map(|start| values[*start..start + horizon].to_vec()).collect();
    let season_ago = |ago: usize| -> Vec<f64> {
        // Of what is not known yet, still one season earlier.
        let of = |start: usize, step: usize| values[start + step - ago * (step / ago + 1)];
        starts.iter().flat_map(|start| (0..horizon).map(move |step| of(*start, step))).collect()
    };
    let last = starts.iter().flat_map(|start| vec![values[start - 1]; horizon]).collect();
    let mut forecasts: Vec<(&str, Vec<f64>)> = vec![
        ("the last number", last),
        ("one season before", season_ago(season)),
        ("seven seasons before", season_ago(7 * season)),
    ];

    let mut report = Report::new(format!("Forecasts of {column}")).data(&table, Some(&column));
    let mut best: Option<(f64, Body)> = None;
    for (name, body) in [("LSTM", Body::Lstm), ("TCN", Body::Tcn)] {
        println!("{name}:");
        let clock = Instant::now();
        let (model, history) = model::fit(body, &train, &validation, horizon, options.epochs, &mut rng)?;
        let seconds = clock.elapsed().as_secs_f64();
        println!("{}\n", history.summary());
        report =
            report.section(name).preformatted(&model.summary([1, input, 5])?).text(format!("{}.", history.summary()));
        report = report.picture(history.chart().size(640.0, 420.0), "").timing(name, seconds);
        // How far it is off where it has not learnt: the range of its forecasts.
        let (p, y) = predict(&model, &validation)?;
        setting.range = next::range(&setting.in_units(&p), &setting.in_units(&y), horizon);
        let loss = losses::mse(&p, &y)?.item()?;
        let mut metadata = Metadata::new();
        metadata.insert_json("setting", &setting)?;
        if best.is_none_or(|(least, _)| loss < least) {
            best = Some((loss, body));
            model.save_with(&metadata, options.out.join("model.safetensors"))?;
        }
        forecasts.push((name, setting.in_units(&predict(&model, &test)?.0)));
    }

    println!("{:<24} {:>10} {:>10}", "", "MAE", "RMSE");
    let score = |forecast: &[f64]| {
        let off = forecast.iter().zip(&actual).map(|(p, y)| p - y);
        let n = actual.len() as f64;
        (off.clone().map(f64::abs).sum::<f64>() / n, (off.map(|x| x * x).sum::<f64>() / n).sqrt())
    };
    let mut scores = serde_json::Map::new();
    let mut bars = Bars::new("Mean absolute error on the last fifth")
        .label(format!("mean absolute error ({column})"))
        .width(640.0);
    for (name, forecast) in &forecasts {
        let (mae, rmse) = score(forecast);
        println!("{name:<24} {mae:>10.3} {rmse:>10.3}");
        scores.insert((*name).to_string(), json!({ "mae": mae, "rmse": rmse }));
        bars = bars.bar(*name, mae);
    }
    report = report.section("Against forecasts that cost nothing").picture(bars, "");
    report = report.picture(by_step(&forecasts, &actual, horizon, &column), "How far off, by how far ahead.");
    report = report
        .section("Two weeks of them")
        .picture(weeks(&forecasts, &actual, border, 14 * season, &column), "Each day is forecast at its beginning.");
    report = report.setting("season", season).setting("input", input).setting("horizon", horizon).seed(options.seed);
    report.save(options.out.join("report.html"))?;

    // The model that was saved says the same.
    let (opened, metadata) = Forecaster::open_with_metadata(options.out.join("model.safetensors"))?;
    let setting: Setting = metadata.get_json("setting")?;
    let (name, kept) = if best.is_some_and(|(_, body)| body == Body::Lstm) {
        ("LSTM", &forecasts[3].1)
    } else {
        ("TCN", &forecasts[4].1)
    };
    let same = setting.in_units(&predict(&opened, &test)?.0) == *kept;
    println!(
        "\nThe better one, by the part kept back: {name}. The report: {}",
        options.out.join("report.html").display()
    );
    let results = json!({ "steps": values.len(), "kept": name, "scores": scores, "same_after_loading": same });
    if options.json {
        println!("{results}");
    }
    if options.check { check(&results) } else { Ok(()) }
}

/// How far forecasts are off on average at each step of the horizon.
fn by_step(forecasts: &[(&str, Vec<f64>)], actual: &[f64], horizon: usize, column: &str) -> Chart {
    let mean = |forecast: &[f64], step: usize| {
        let off = forecast.iter().zip(actual).skip(step).step_by(horizon).map(|(p, y)| (p - y).abs());
        off.clone().sum::<f64>() / off.count().max(1) as f64
    };
    let chart =
        Chart::new("Error by step").labels("steps ahead", format!("mean absolute error ({column})")).size(640.0, 420.0);
    forecasts
        .iter()
        .fold(chart, |chart, (name, forecast)| chart.line(*name, (0..horizon).map(|step| mean(forecast, step))))
}

/// The first forecasts of the networks, and what came.
fn weeks(forecasts: &[(&str, Vec<f64>)], actual: &[f64], first: usize, steps: usize, column: &str) -> Chart {
    let points = |values: &[f64]| {
        values.iter().take(steps).enumerate().map(|(i, x)| ((first + i) as f64, *x)).collect::<Vec<_>>()
    };
    let chart = Chart::new("What was forecast, and what came").labels("step", column).xy_line("actual", points(actual));
    forecasts[3..].iter().fold(chart, |chart, (name, forecast)| chart.xy_line(*name, points(forecast)))
}

/// Both networks must be better than whatever costs nothing by a tenth, and the kept one by a fifth.
fn check(results: &serde_json::Value) -> Result<()> {
    let mae = |name: &str| results["scores"][name]["mae"].as_f64().unwrap_or(f64::NAN);
    let nothing = ["the last number", "one season before", "seven seasons before"]
        .map(mae)
        .into_iter()
        .fold(f64::INFINITY, f64::min);
    for (name, share) in [("LSTM", 0.9), ("TCN", 0.9), (results["kept"].as_str().unwrap_or(""), 0.8)] {
        if mae(name).is_nan() || mae(name) > share * nothing {
            let message = format!("the {name} is off by {}, expected less than {share} of {nothing}", mae(name));
            return Err(Error::numeric("check", message));
        }
    }
    if results["same_after_loading"] != serde_json::Value::Bool(true) {
        return Err(Error::numeric("check", "the loaded model forecasts something else"));
    }
    eprintln!("all results are as they should be");
    Ok(())
}
