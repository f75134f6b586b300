//! What is done to tables before a model sees them: rows chosen, ordered and joined, columns renamed and made, groups summed up.

mod columns;
mod group;
mod join;
mod rows;

pub use group::Aggregate;
pub use join::JoinKind;
pub use rows::SortOrder;
