//! What the repository promises of itself: arrows between modules, pages, the README, parts of the examples.

// Parts of the examples, of which the tests use what they need.
#[allow(dead_code)]
#[path = "../../examples/houses/mod.rs"]
mod houses;
#[allow(dead_code)]
#[path = "../../examples/house_price/model.rs"]
mod model;
#[allow(dead_code)]
#[path = "../../examples/house_price/options.rs"]
mod options;

mod catalogue;
mod docs_pages;
mod documented;
mod error_places;
mod failing_calls;
mod grammar;
mod house_price_files;
mod layering;
mod mistakes;
mod notebooks;
mod readme;
mod registry;
