//! Answers for rows.

use std::path::Path;

use demotic::data::{Column, CsvOptions, Table};
use demotic::prelude::*;

/// What a pipeline says to each row, as texts.
pub fn answers(pipeline: &Pipeline, table: &Table) -> Result<Vec<String>> {
    match pipeline.preprocessor().classes() {
        Some(_) => Ok(pipeline.classify(table)?.iter().map(ToString::to_string).collect()),
        None => Ok(pipeline.predict(table)?.iter().map(|x| format!("{x:.2}")).collect()),
    }
}

/// The probabilities of the classes, `[n, classes]`.
pub fn probabilities(pipeline: &Pipeline, table: &Table) -> Result<Tensor> {
    let found = pipeline.classify(table)?;
    let n = found.len();
    let all: Vec<f64> = found.iter().flat_map(|one| one.probabilities().map(|(_, p)| p).collect::<Vec<_>>()).collect();
    let classes = all.len() / n.max(1);
    Tensor::from_vec(all, [n, classes])
}

/// Applies a saved model to the rows of a file.
pub fn predict(folder: &Path, file: &Path) -> Result<()> {
    let pipeline = Pipeline::open(folder.join("model.safetensors"))?;
    // As the training table was read: with its decimal commas, units and dates.
    let table = pipeline.read_csv(file)?;
    let prep = pipeline.preprocessor();
    prep.unseen(&table).iter().for_each(|line| println!("warning: {line}"));
    // Beside the rows as they are in the file, with the zeros of codes.
    let (first, report) = CsvOptions::new().detect_delimiter().read_with_report(file)?;
    let as_written = CsvOptions::new().delimiter(report.delimiter);
    let rows = as_written.clone().missing::<&str>([]).text(first.column_names()).read(file)?;
    let name = format!("predicted {}", prep.target_name().unwrap_or("target"));
    let rows = match prep.classes() {
        Some(_) => {
            let found = pipeline.classify(&table)?;
            let classes: Column = found.iter().map(|one| Some(one.class())).collect();
            let probabilities: Column = found.iter().map(|one| (one.probability() * 1e4).round() / 1e4).collect();
            rows.with_column(name, classes)?.with_column("probability", probabilities)?
        }
        None => rows.with_column(name, pipeline.predict(&table)?)?,
    };
    println!("{rows}");
    let path = folder.join("predictions.csv");
    as_written.write(&rows, &path)?;
    println!("All of them: {}", path.display());
    Ok(())
}
