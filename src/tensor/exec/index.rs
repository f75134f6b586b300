//! Copying, joining, placing, going by tables of indices.
