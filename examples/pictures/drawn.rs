//! What is said and kept of drawn digits.

use std::path::Path;

use demotic::{Error, Result, Tensor};

use crate::reader::Judgement;
use crate::sheet;

/// The share of drawn digits that `--check` wants recognised: of a full run, and of a short one.
const WANTED: [f64; 2] = [0.8, 0.6];
/// How many digits are on a sheet.
pub const COLUMNS: usize = 20;
pub const ROWS: usize = 8;

/// Digits in turns.
pub fn in_turns(count: usize) -> Result<Tensor> {
    Tensor::from_vec((0..count as i64).map(|i| i % 10).collect(), [count])
}

/// From -1 to 1 become from 0 to 1.
pub fn levels(pictures: &Tensor) -> Tensor {
    pictures.add_scalar(1.0).div_scalar(2.0)
}

/// Says what the reader thinks of drawn digits.
pub fn say(judgement: &Judgement, asked: &Tensor) -> Result<()> {
    println!(
        "\nOf {} drawn digits, the reader recognises {:.1} % with a probability of at least 0.9,\n\
         and takes {:.1} % for what they were to be. {} of the ten digits are among them:\n",
        asked.numel(),
        100.0 * judgement.recognised(),
        100.0 * judgement.agreement(asked)?,
        judgement.classes()
    );
    for (digit, share) in judgement.shares().into_iter().enumerate() {
        println!("{digit} {:4.1} % {}", 100.0 * share, "=".repeat((share * 200.0) as usize));
    }
    Ok(())
}

/// Writes one sheet of how the digits came about, in rows, and one of those that are drawn in the end.
pub fn write(out: &Path, rows: &[Tensor], made: &Tensor) -> Result<()> {
    let (epochs, drawn) = (out.join("epochs.png"), out.join("drawn.png"));
    sheet::write(&epochs, rows)?;
    sheet::write(&drawn, &made.narrow(0, 0, COLUMNS * ROWS)?.split(COLUMNS, 0)?)?;
    println!(
        "\n{} shows how they came about, from top to bottom; {} what it draws now.",
        epochs.display(),
        drawn.display()
    );
    Ok(())
}

/// # Errors
/// If too few are recognised, or a digit is not among them.
pub fn check(judgement: &Judgement, quick: bool) -> Result<()> {
    let (recognised, classes, wanted) = (judgement.recognised(), judgement.classes(), WANTED[usize::from(quick)]);
    if recognised < wanted || classes < 10 {
        let message = format!("{recognised} recognised and {classes} of ten digits, expected {wanted} or more and all");
        return Err(Error::numeric("check", message));
    }
    Ok(())
}
