//! Makes the table of loan applications that `audit` looks at: `cargo run --example make_loans`.
//!
//! The people are invented. Each is drawn from a seeded generator, and whether the loan was approved follows from a formula and from chance,
//! so that it is known how unfair the decisions are:
//!
//! ```text
//! log-odds = 0.6 + 1.2 · (income − 3200) / 900 − (debt − 9000) / 4000 + 0.7 · (years − 7) / 5 − 1.2 if the applicant is a woman
//! ```
//!
//! Occupations matter for nothing, but women and men have different ones, so that a model which is not told the sex can still guess it.
//! Some things are wrong with the table, as they are with real ones: rows that occur twice, incomes in the wrong unit, years of employment that
//! are missing for women more than for men, and a column, `paid_out`, that was only written down after the decision.
//!
//! With `--check`, the file is compared with what would be written, and left alone.

#[allow(dead_code)]
mod loans;

use demotic::data::{Column, Table};
use demotic::{Error, Result, Rng};
use loans::{Application, BIAS, DUPLICATES, SLIPS};

const ROWS: usize = 1500;
const SEED: u64 = 2026;
/// Occupations, and how likely they are for women and for men.
const OCCUPATIONS: [(&str, f64, f64); 4] =
    [("care", 0.45, 0.1), ("office", 0.35, 0.3), ("trade", 0.12, 0.25), ("technical", 0.08, 0.35)];

fn all_loans() -> Result<Table> {
    let mut rng = Rng::seed(SEED);
    let mut numbers: [Vec<f64>; 5] = Default::default();
    let mut texts: [Vec<&str>; 4] = Default::default();
    for row in 0..ROWS {
        let woman = rng.bernoulli(0.45);
        let age = (20.0 + 45.0 * rng.uniform()).floor();
        // To ten, as people write them down.
        let tens = |x: f64| (x / 10.0).round() * 10.0;
        let income = tens((3200.0 + 900.0 * rng.normal()).max(900.0));
        let debt = tens((9000.0 + 4000.0 * rng.normal()).max(0.0));
        let years_employed = (rng.uniform() * (age - 18.0).min(14.0) * 10.0).round() / 10.0;
        let mut at = rng.uniform();
        let occupation = OCCUPATIONS.iter().find(|(_, women, men)| {
            at -= if woman { *women } else { *men };
            at < 0.0
        });
        let merit = Application { income, debt, years_employed }.merit() - if woman { BIAS } else { 0.0 };
        let approved = rng.uniform() < 1.0 / (1.0 + (-merit).exp());
        let paid_out = if approved { (2.0 + 18.0 * rng.uniform()).round() * 1000.0 } else { 0.0 };
        let housing = ["rent", "own", "family"][rng.below(3)];
        let missing = rng.bernoulli(if woman { 0.09 } else { 0.01 });
        let slip = row % (ROWS / SLIPS) == 100;
        let values = [
            age,
            if slip { income * 100.0 } else { income },
            debt,
            if missing { f64::NAN } else { years_employed },
            paid_out,
        ];
        numbers.iter_mut().zip(values).for_each(|(column, value)| column.push(value));
        let words = [
            if woman { "woman" } else { "man" },
            occupation.map_or("technical", |(name, ..)| name),
            housing,
            if approved { "yes" } else { "no" },
        ];
        texts.iter_mut().zip(words).for_each(|(column, word)| column.push(word));
    }
    let [age, income, debt, years, paid_out] = numbers.map(Column::from);
    let [sex, occupation, housing, approved] = texts.map(Column::from);
    let table = Table::from_columns([
        ("age", age),
        ("sex", sex),
        ("income", income),
        ("debt", debt),
        ("years_employed", years),
        ("occupation", occupation),
        ("housing", housing),
        ("paid_out", paid_out),
        ("approved", approved),
    ])?;
    Table::concat(&[&table, &table.head(DUPLICATES)])
}

fn main() -> Result<()> {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/data/loans.csv");
    if std::env::args().any(|arg| arg == "--check") {
        let same = Table::read_csv(&path)? == all_loans()?;
        return if same {
            Ok(())
        } else {
            Err(Error::format("make_loans", "loans.csv is not what this program makes"))
        };
    }
    all_loans()?.write_csv(&path)?;
    println!("{} loan applications written", ROWS + DUPLICATES);
    Ok(())
}
