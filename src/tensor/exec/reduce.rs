//! Reductions, scans and sorting along a dimension.
