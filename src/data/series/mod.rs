//! Series of measurements over time: what models see of the past, and what they are to forecast.

mod features;
mod rolling;
mod windows;

pub use features::{Rolling, TimeFeatures};
pub use windows::Windows;
