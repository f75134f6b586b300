//! Any table: from the raw file to a trained, tuned, evaluated, explained and saved model with its report.
//!
//! `cargo run --release --example tabular -- --data my.csv --target price`, and `-- --help` for the options.

#[path = "../arguments/mod.rs"]
mod arguments;
mod check;
mod explain;
mod leaks;
mod model;
mod options;
mod read;
mod rows;
mod sift;

use std::time::Instant;

use demotic::data::{ColumnKind, CsvOptions, Table};
use demotic::prelude::*;
use model::{Fitted, Question, Settings};
use options::Options;
use read::Read;
use serde_json::json;

/// 150 flowers of three species: R. A. Fisher, The use of multiple measurements in taxonomic problems, Annals of Eugenics 7, 1936.
const IRIS: &str = include_str!("../data/iris.csv");
/// 900 invented flats; `examples/make_flats.rs` says what is wrong with them.
const FLATS: &str = include_str!("../data/flats.csv");

fn main() -> Result<()> {
    let Some(options) = Options::from_args(std::env::args().skip(1))? else { return Ok(()) };
    match &options.predict {
        Some(file) => rows::predict(&options.out, file),
        None => {
            std::fs::create_dir_all(&options.out).map_err(|e| Error::io("tabular", &options.out, e))?;
            run(&options)
        }
    }
}

fn run(options: &Options) -> Result<()> {
    let started = Instant::now();
    let mut rng = Rng::seed(options.seed);

    // 1. What is in the file.
    let Read { table, options: csv, notes } =
        read::read(&options.text, &options.units, &|csv: &CsvOptions| match &options.data {
            Some(path) => csv.read(path),
            None => csv.read_from(if options.dirty { FLATS } else { IRIS }.as_bytes()),
        })?;
    let name = match &options.data {
        Some(path) => path.file_name().unwrap_or_default().to_string_lossy().into_owned(),
        None => if options.dirty { "flats.csv" } else { "iris.csv" }.to_string(),
    };
    let target = match &options.target {
        Some(target) => target.clone(),
        None => table.column_names().last().unwrap_or_default().to_string(),
    };
    println!("{name}, of which `{target}` is to be predicted:\n\n{}\n", table.head(5));
    notes.iter().for_each(|note| println!("note: {note}"));
    let classes = options.classes.unwrap_or(looks_like_classes(&table, &target)?);
    let mut warnings = Vec::new();
    let table = sift::rows(&table, &target, classes, &mut warnings)?;

    // 2. What is too good to be true. The test part is looked at once, at the very end.
    let (train, test) = match classes {
        true => table.split_stratified(0.75, &target, &mut rng)?,
        false => table.split(0.75, &mut rng)?,
    };
    let question = Question {
        target: target.clone(),
        classes,
        ignore: [sift::columns(&train.drop(&options.ignore)?, &target, &mut warnings), options.ignore.clone()].concat(),
        epochs: if options.quick { 80 } else { 300 },
    };
    let suspects = leaks::leaks(&train.drop(&question.ignore)?, &target, classes, &mut rng.split())?;
    for (column, share) in &suspects {
        warnings.push(format!(
            "`{column}` alone tells {:.1} % of `{target}`: if nobody knows it before the answer, leave it out (`--ignore {column}`)",
            100.0 * share
        ));
    }
    // What the library says to programs, for the command line.
    let option = |note: &String| match note.split_once(": if the units do not mean the same") {
        Some((units, _)) => {
            format!("{units}: if the units do not mean the same, say what one is in the other (`--unit kg=1000`)")
        }
        None => note
            .replace("ignore(&[\"", "`--ignore \"")
            .replace("CsvOptions::text([\"", "`--text \"")
            .replace("\"])", "\"`"),
    };
    let prep = question.preprocessing(&train).map_err(|e| match e.help() {
        Some(help) if help.contains("CsvOptions") => e.with_help(
            "write the numbers or dates of a column in one way in the file, or leave it out: --ignore COLUMN",
        ),
        _ => e,
    })?;
    warnings.extend(prep.notes().iter().map(option));
    warnings.iter().for_each(|warning| println!("warning: {warning}"));
    // For comparing other programs on the same split.
    train.write_csv(options.out.join("train.csv"))?;
    test.write_csv(options.out.join("test.csv"))?;

    // 3. Which settings are the best, by cross-validation on the training part.
    println!("\n{} rows to learn from, {} to test on.", train.num_rows(), test.num_rows());
    let clock = Instant::now();
    let (study, settings) = match options.tune {
        0 => (None, Settings::USUAL),
        trials => {
            let (study, settings) = question.tune(&train, trials, options.seed, &mut rng)?;
            println!("Settings, and the loss on rows that were left out:\n\n{study}\n");
            (Some(study), settings)
        }
    };
    let tuning = clock.elapsed().as_secs_f64();

    // 4. A model with them.
    let clock = Instant::now();
    let Fitted { model, prep, history } = question.fit(&train, &settings, &mut rng, true)?;
    let training = clock.elapsed().as_secs_f64();
    let summary = model.summary([1, prep.num_features()])?;
    println!("{}\n\n{summary}\n", history.summary());

    // 5. One file holds the model, its preprocessing, and how files of rows are read.
    let path = options.out.join("model.safetensors");
    let pipeline = Pipeline::new(prep, model)?.with_csv(csv);
    pipeline.save(&path)?;
    let opened = Pipeline::open(&path)?;
    let same = rows::answers(&pipeline, &test)? == rows::answers(&opened, &test)?;

    // 6. How good it is, why, and all of that on one page.
    let page = explain::Page {
        title: format!("{target} of {name}"),
        notes: &notes,
        warnings: &warnings,
        history: &history,
        summary: &summary,
        study: study.as_ref(),
        settings: &settings,
        seed: options.seed,
        times: [("tuning", tuning), ("training", training)],
    };
    let scores = explain::report(&opened, &train, &test, &page, &options.out, &mut rng)?;
    println!("The model: {}\nThe report: {}", path.display(), options.out.join("report.html").display());
    println!("New rows: --predict FILE.csv --out {}", options.out.display());
    let results = json!({
        "table": name,
        "rows": table.num_rows(),
        "test_rows": test.num_rows(),
        "task": if classes { "classes" } else { "numbers" },
        "notes": notes,
        "leaks": suspects.iter().map(|(column, _)| column).collect::<Vec<_>>(),
        "ignored": options.ignore,
        "scores": scores,
        "same_after_loading": same,
        "seconds": started.elapsed().as_secs_f64(),
    });
    if options.json {
        println!("{results}");
    }
    if options.check { check::all(&results) } else { Ok(()) }
}

/// Texts are classes, and so are a few whole numbers that occur again and again.
fn looks_like_classes(table: &Table, target: &str) -> Result<bool> {
    let column = table.column(target)?;
    if column.kind() == ColumnKind::Text {
        return Ok(true);
    }
    let mut different: Vec<f64> =
        column.numbers().unwrap_or_default().iter().copied().filter(|x| !x.is_nan()).collect();
    different.sort_by(f64::total_cmp);
    different.dedup();
    let few = different.len() <= 20 && different.len() * 10 <= column.len();
    let classes = few && different.iter().all(|x| x.fract() == 0.0);
    if classes {
        println!(
            "`{target}` has {} different whole numbers, which are taken for classes (else: --task numbers)",
            different.len()
        );
    }
    Ok(classes)
}
