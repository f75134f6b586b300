//! How the invented loan applications of `data/loans.csv` were decided on: the formula by which `make_loans` decides, and with which
//! `audit` compares what it finds.

/// What is taken from the log-odds of women's applications, whatever else is in them: of the odds that a man has with the same application,
/// they have 30 %.
pub const BIAS: f64 = 1.2;
/// The first rows again, at the end of the table.
pub const DUPLICATES: usize = 15;
/// Incomes that were written down in the wrong unit: a hundred times as much.
pub const SLIPS: usize = 6;

/// An application, without whose it is.
pub struct Application {
    /// A month's income.
    pub income: f64,
    /// What is owed already.
    pub debt: f64,
    pub years_employed: f64,
}

impl Application {
    /// The log-odds that it is approved, of a man's application.
    pub fn merit(&self) -> f64 {
        0.6 + 1.2 * (self.income - 3200.0) / 900.0 - 1.0 * (self.debt - 9000.0) / 4000.0
            + 0.7 * (self.years_employed - 7.0) / 5.0
    }
}
