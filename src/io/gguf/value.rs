//! What a file says beside its tensors.

use std::collections::BTreeMap;

/// A value of a GGUF file's metadata.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Value {
    /// A whole number that is not negative.
    Unsigned(u64),
    /// A whole number of a type with a sign.
    Signed(i64),
    /// A fraction.
    Float(f64),
    /// A truth value.
    Bool(bool),
    /// A text.
    Text(String),
    /// Values of one type.
    List(Vec<Value>),
}

impl Value {
    /// A whole number that is not negative.
    #[must_use]
    pub fn as_usize(&self) -> Option<usize> {
        match self {
            Self::Unsigned(n) => usize::try_from(*n).ok(),
            Self::Signed(n) => usize::try_from(*n).ok(),
            _ => None,
        }
    }

    /// A whole number or a fraction.
    #[must_use]
    pub fn as_f64(&self) -> Option<f64> {
        match self {
            Self::Unsigned(n) => Some(*n as f64),
            Self::Signed(n) => Some(*n as f64),
            Self::Float(x) => Some(*x),
            _ => None,
        }
    }

    /// A truth value.
    #[must_use]
    pub fn as_bool(&self) -> Option<bool> {
        if let Self::Bool(b) = self { Some(*b) } else { None }
    }

    /// A text.
    #[must_use]
    pub fn as_text(&self) -> Option<&str> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }

    /// A list.
    #[must_use]
    pub fn as_list(&self) -> Option<&[Value]> {
        if let Self::List(list) = self { Some(list) } else { None }
    }
}

/// All of them, by their keys.
pub(crate) type Values = BTreeMap<String, Value>;
