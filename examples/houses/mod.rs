//! What the invented houses of `data/houses.csv` cost: the formula by which `make_houses` prices them, and with which
//! `house_price` compares what it has learnt.

use demotic::data::{Table, Value};

/// The standard deviation of the noise in prices, in 10,000 yuan: no model can do better.
pub const NOISE: f64 = 20.0;
/// Districts, and how they change the price per m².
pub const DISTRICTS: [(&str, f64); 5] =
    [("old town", 1.35), ("riverside", 1.2), ("university", 1.05), ("garden", 0.95), ("harbour", 0.8)];
/// Kind, smallest and largest area in m², and how the kind changes the price per m².
pub const KINDS: [(&str, f64, f64, f64); 3] =
    [("small", 45.0, 90.0, 1.1), ("medium", 80.0, 140.0, 1.0), ("large", 120.0, 220.0, 0.92)];

/// Area in m², age in years, floor, and distance to the metro in km.
pub struct House {
    pub area: f64,
    pub age: f64,
    pub floor: f64,
    pub metro: f64,
    pub kind_factor: f64,
    pub district_factor: f64,
}

impl House {
    /// The price in 10,000 yuan, without noise.
    pub fn price(&self) -> f64 {
        let rate = 2.2 * self.district_factor * self.kind_factor * (0.75 + 0.6 * (-self.metro / 1.2).exp());
        self.area * rate * (1.0 - 0.012 * self.age) * (1.0 + 0.004 * (self.floor - 6.0))
    }

    /// The first row of a table of invented houses; `None` for any other table.
    pub fn first_of(table: &Table) -> Option<Self> {
        let value = |name: &str| table.column(name).ok()?.get(0);
        let number = |name: &str| match value(name)? {
            Value::Number(number) => Some(number),
            _ => None,
        };
        let (kind, district) = (value("type")?, value("district")?);
        Some(Self {
            area: number("area")?,
            age: number("age")?,
            floor: number("floor")?,
            metro: number("metro_km")?,
            kind_factor: KINDS.iter().find(|(name, ..)| kind == Value::Text(name))?.3,
            district_factor: DISTRICTS.iter().find(|(name, _)| district == Value::Text(name))?.1,
        })
    }
}
