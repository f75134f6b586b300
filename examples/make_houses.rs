//! Makes the table of houses that `house_price` trains on: `cargo run --example make_houses`.
//!
//! The houses are invented. Each is drawn from a seeded generator, and its price follows from a formula plus noise, so
//! that it is known how well the best of all models could do: its error would be the noise, a normal distribution with
//! standard deviation 20 (10,000 yuan).
//!
//! ```text
//! price = area · rate · (1 − 0.012 · age) · (1 + 0.004 · (floor − 6)) + noise
//! rate  = 2.2 · district · type · (0.75 + 0.6 · exp(−metro / 1.2))
//! ```
//!
//! With `--check`, the file is compared with what would be written, and left alone.

// Prices of houses that there are already are for `house_price`.
#[allow(dead_code)]
mod houses;

use demotic::data::{Column, Table};
use demotic::{Error, Result, Rng};
use houses::{DISTRICTS, House, KINDS, NOISE};

const ROWS: usize = 4000;
const SEED: u64 = 2026;
fn all_houses() -> Result<Table> {
    let mut rng = Rng::seed(SEED);
    let mut numbers: [Vec<f64>; 5] = Default::default();
    let mut texts: [Vec<&str>; 2] = Default::default();
    for _ in 0..ROWS {
        let (district, district_factor) = DISTRICTS[rng.below(DISTRICTS.len())];
        let (kind, low, high, kind_factor) = KINDS[rng.below(KINDS.len())];
        let area = (low + (high - low) * rng.uniform()).round();
        let age = rng.below(40) as f64;
        let floor = (1 + rng.below(25)) as f64;
        // Few houses are far from the metro: kilometres with a density that falls off exponentially.
        let metro = (-1.1 * (1.0 - rng.uniform()).ln()).min(6.0);
        let metro = (metro * 100.0).round() / 100.0;
        let price = House { area, age, floor, metro, kind_factor, district_factor }.price() + NOISE * rng.normal();
        for (column, value) in numbers.iter_mut().zip([area, age, floor, metro, (price * 10.0).round() / 10.0]) {
            column.push(value);
        }
        texts[0].push(kind);
        texts[1].push(district);
    }
    let [area, age, floor, metro, price] = numbers.map(Column::from);
    let [kind, district] = texts.map(Column::from);
    Table::from_columns([
        ("area", area),
        ("age", age),
        ("type", kind),
        ("district", district),
        ("floor", floor),
        ("metro_km", metro),
        ("price", price),
    ])
}

fn main() -> Result<()> {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/data/houses.csv");
    if std::env::args().any(|arg| arg == "--check") {
        let same = Table::read_csv(&path)? == all_houses()?;
        return if same {
            Ok(())
        } else {
            Err(Error::format("make_houses", "houses.csv is not what this program makes"))
        };
    }
    all_houses()?.write_csv(&path)?;
    println!("{} houses written", ROWS);
    Ok(())
}
