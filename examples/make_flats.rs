//! Makes a table as tables are before anyone has looked at them, for `tabular`: `cargo run --example make_flats`.
//!
//! The flats are invented. Each rent follows from a formula plus noise with a standard deviation of 30 €, so that it is known how well
//! the best of all models could do:
//!
//! ```text
//! rent = (120 + area · rate(district) · condition + 6 · floor) · (1 + 0.02 · (year − 2020)) + noise
//! ```
//!
//! What is wrong with the table: semicolons and decimal commas; units in the cells; five ways to say that nothing is known; dates as
//! Germans write them; two areas with a slip of the pen (hundred times too large); a number for each row that means nothing; and a
//! deposit of three rents, which nobody knows before the rent. `flats_new.csv` has flats to predict, in a district that did not exist.
//!
//! With `--check`, the files are compared with what would be written, and left alone.

use std::fmt::Write;
use std::path::Path;

use demotic::{Error, Result, Rng};

const ROWS: usize = 900;
const SEED: u64 = 11;
/// Districts, and the rent of a square metre there in €.
const DISTRICTS: [(&str, f64); 6] = [
    ("Altstadt", 13.5),
    ("Hafen", 9.0),
    ("Nordend", 10.5),
    ("Südstadt", 11.5),
    ("Universität", 12.5),
    ("Werften", 8.0),
];
const CONDITIONS: [(&str, f64); 3] = [("good", 1.1), ("fair", 1.0), ("poor", 0.8)];
const UNKNOWN: [&str; 5] = ["", "?", "n/a", "-", "unknown"];
const NOISE: f64 = 30.0;

/// A number as Germans write it: 1.234,50.
fn german(x: f64) -> String {
    let cents = (x * 100.0).round() as u64;
    let (whole, rest) = (cents / 100, cents % 100);
    let whole = if whole >= 1000 { format!("{}.{:03}", whole / 1000, whole % 1000) } else { whole.to_string() };
    format!("{whole},{rest:02}")
}

fn flats(rows: usize, rng: &mut Rng, is_new: bool) -> String {
    let mut out = String::from("flat;listed;district;area;rooms;floor;condition;deposit;rent\n");
    if is_new {
        out = String::from("flat;listed;district;area;rooms;floor;condition\n");
    }
    for row in 0..rows {
        let (district, rate) = DISTRICTS[rng.below(DISTRICTS.len())];
        let (condition, factor) = CONDITIONS[rng.below(CONDITIONS.len())];
        let area = (30.0 + 110.0 * rng.uniform() * rng.uniform().sqrt() + 10.0 * rng.uniform()).round();
        let area = area + f64::from(rng.below(2) as u32) / 2.0;
        let rooms = ((area / 28.0 + 0.5 * rng.normal()).round()).clamp(1.0, 6.0);
        let floor = rng.below(7);
        let (year, month, day) = (2020 + rng.below(5), 1 + rng.below(12), 1 + rng.below(28));
        let base = 120.0 + area * rate * factor + 6.0 * floor as f64;
        let rent = base * (1.0 + 0.02 * (year - 2020) as f64) + NOISE * rng.normal();
        let mut unless = |text: String, share: f64| match rng.uniform() < share {
            true => UNKNOWN[rng.below(UNKNOWN.len())].to_string(),
            false => text,
        };
        let listed = unless(format!("{day:02}.{month:02}.{year}"), 0.03);
        let floor = unless(floor.to_string(), 0.08);
        let condition = unless(condition.to_string(), 0.1);
        // A slip of the pen.
        let written = if !is_new && (row == 123 || row == 678) { area * 100.0 } else { area };
        let district = if is_new && row == 2 { "Neuland" } else { district };
        let number = 40_000 + 7 * row + usize::from(is_new) * 90_000;
        let _ = write!(out, "{number};{listed};{district};{} m²;{rooms};{floor};{condition}", german(written));
        if !is_new {
            let _ = write!(out, ";{} €;{} €", german(3.0 * rent), german(rent));
        }
        out.push('\n');
    }
    out
}

fn main() -> Result<()> {
    let mut rng = Rng::seed(SEED);
    let files = [("flats.csv", flats(ROWS, &mut rng, false)), ("flats_new.csv", flats(8, &mut rng, true))];
    let check = std::env::args().any(|arg| arg == "--check");
    for (name, text) in files {
        let path = Path::new("examples/data").join(name);
        let failed = |e| Error::io("make_flats", &path, e);
        if !check {
            std::fs::write(&path, &text).map_err(failed)?;
            println!("{}", path.display());
        } else if std::fs::read_to_string(&path).map_err(failed)? != text {
            return Err(Error::state("make_flats", format!("{} is not what would be written", path.display())));
        }
    }
    Ok(())
}
