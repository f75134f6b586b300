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
    let answers = answers(&pipeline, &table)?;
    let name = format!("predicted {}", pipeline.preprocessor().target_name().unwrap_or("target"));
    let texts: Column = answers.iter().map(|answer| Some(answer.as_str())).collect();
    // Beside the rows as they are in the file.
    let table = CsvOptions::new().detect_delimiter().read(file)?.with_column(name, texts)?;
    println!("{table}");
    let path = folder.join("predictions.csv");
    table.write_csv(&path)?;
    println!("All of them: {}", path.display());
    Ok(())
}
