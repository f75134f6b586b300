//! Functions of one element, and their slopes.
