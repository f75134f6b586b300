//! Functions of two and three elements.
