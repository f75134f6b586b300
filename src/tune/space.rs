//! What may be tried.

use std::fmt;

use crate::error::{Error, Result, near};
use crate::rng::Rng;

/// The value of a parameter.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Value {
    /// A number.
    Float(f64),
    /// A whole number.
    Int(i64),
    /// Yes or no.
    Bool(bool),
    /// A name.
    Text(String),
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Float(x) => write!(f, "{x}"),
            Self::Int(x) => write!(f, "{x}"),
            Self::Bool(x) => write!(f, "{x}"),
            Self::Text(x) => f.write_str(x),
        }
    }
}

macro_rules! values {
    ($($from:ty => |$x:ident| $value:expr;)*) => {$(
        impl From<$from> for Value {
            fn from($x: $from) -> Self {
                $value
            }
        }
    )*};
}

values! {
    f64 => |x| Self::Float(x);
    i64 => |x| Self::Int(x);
    i32 => |x| Self::Int(x.into());
    bool => |x| Self::Bool(x);
    &str => |x| Self::Text(x.to_string());
    String => |x| Self::Text(x);
}

/// The values of a trial, by parameter. Parameters that a condition leaves out have none.
pub(super) type Values = Vec<Option<Value>>;

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Kind {
    Float { low: f64, high: f64, log: bool },
    Int { low: i64, high: i64, log: bool },
    Choice(Vec<Value>),
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Parameter {
    pub(super) name: String,
    pub(super) kind: Kind,
    condition: Option<(String, Vec<Value>)>,
}

/// The parameters of a search by name, each with what it may be.
///
/// ```
/// use demotic::tune::SearchSpace;
///
/// let space = SearchSpace::new()
///     .log_float("rate", 1e-4, 1e-1)
///     .int("layers", 1, 4)
///     .log_int("width", 8, 256)
///     .categorical("activation", ["relu", "gelu"])
///     .bool("regularised")
///     // Only where it is regularised.
///     .float("dropout", 0.0, 0.5)
///     .when("regularised", [true]);
/// println!("{space}");
/// ```
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SearchSpace {
    parameters: Vec<Parameter>,
}

impl SearchSpace {
    /// No parameter yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn with(mut self, name: String, kind: Kind) -> Self {
        self.parameters.push(Parameter { name, kind, condition: None });
        self
    }

    /// A number from `low` to `high`.
    #[must_use]
    pub fn float(self, name: impl Into<String>, low: f64, high: f64) -> Self {
        self.with(name.into(), Kind::Float { low, high, log: false })
    }

    /// A number from `low` to `high`, both above 0, of which each order of magnitude is as likely: for learning rates and penalties.
    #[must_use]
    pub fn log_float(self, name: impl Into<String>, low: f64, high: f64) -> Self {
        self.with(name.into(), Kind::Float { low, high, log: true })
    }

    /// A whole number from `low` to `high`, both included.
    #[must_use]
    pub fn int(self, name: impl Into<String>, low: i64, high: i64) -> Self {
        self.with(name.into(), Kind::Int { low, high, log: false })
    }

    /// A whole number from `low` to `high`, both above 0 and included, of which each order of magnitude is as likely.
    #[must_use]
    pub fn log_int(self, name: impl Into<String>, low: i64, high: i64) -> Self {
        self.with(name.into(), Kind::Int { low, high, log: true })
    }

    /// One of these, without an order.
    #[must_use]
    pub fn categorical<V: Into<Value>>(self, name: impl Into<String>, choices: impl IntoIterator<Item = V>) -> Self {
        self.with(name.into(), Kind::Choice(choices.into_iter().map(Into::into).collect()))
    }

    /// Yes or no.
    #[must_use]
    pub fn bool(self, name: impl Into<String>) -> Self {
        self.with(name.into(), Kind::Choice(vec![Value::Bool(false), Value::Bool(true)]))
    }

    /// The last parameter exists only where an earlier one has one of these values.
    #[must_use]
    pub fn when<V: Into<Value>>(mut self, parent: impl Into<String>, values: impl IntoIterator<Item = V>) -> Self {
        if let Some(last) = self.parameters.last_mut() {
            last.condition = Some((parent.into(), values.into_iter().map(Into::into).collect()));
        }
        self
    }

    /// The names of the parameters.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.parameters.iter().map(|parameter| parameter.name.as_str())
    }

    pub(super) fn parameters(&self) -> &[Parameter] {
        &self.parameters
    }

    /// What each parameter is, in words.
    pub(super) fn descriptions(&self) -> Vec<String> {
        self.parameters.iter().map(Parameter::description).collect()
    }

    /// Where a parameter is, or an error with names that are like it.
    #[track_caller]
    pub(super) fn place(&self, op: &str, name: &str) -> Result<usize> {
        match self.names().position(|known| known == name) {
            Some(at) => Ok(at),
            None => {
                let error = Error::argument(op, format!("there is no parameter `{name}`"));
                let closest = self.names().filter_map(|known| Some((near(name, known)?, known))).min();
                Err(match closest {
                    Some((_, known)) => error.with_help(format!("did you mean `{known}`?")),
                    None => error,
                })
            }
        }
    }

    /// Whether the space can be searched.
    ///
    /// # Errors
    /// If there is no parameter, two have one name, bounds are reversed, not finite or, of a logarithmic parameter, not above 0, choices
    /// are missing or twice there, or a condition is about a parameter that does not stand before, or a value that it cannot have.
    #[track_caller]
    pub fn check(&self) -> Result<()> {
        if self.parameters.is_empty() {
            return Err(wrong("the search space has no parameters"));
        }
        for (i, parameter) in self.parameters.iter().enumerate() {
            let name = &parameter.name;
            let of = |message: String| wrong(format!("parameter `{name}`: {message}"));
            if self.parameters[..i].iter().any(|other| other.name == *name) {
                return Err(of("there are two of this name".to_string()));
            }
            if let Some(message) = parameter.kind.wrong() {
                return Err(of(message));
            }
            let Some((parent, values)) = &parameter.condition else { continue };
            let Some(parent) = self.parameters[..i].iter().find(|other| other.name == *parent) else {
                return Err(of(format!("its condition is about `{parent}`, which does not stand before it")));
            };
            if values.is_empty() {
                return Err(of(format!("its condition allows no value of `{}`", parent.name)));
            }
            if let Some(value) = values.iter().find(|value| !parent.kind.allows(value)) {
                return Err(of(format!("its condition is that `{}` is {value}, which it cannot be", parent.name)));
            }
        }
        Ok(())
    }

    /// Whether a parameter exists beside the values of those before it.
    pub(super) fn is_active(&self, i: usize, values: &[Option<Value>]) -> bool {
        let Some((parent, allowed)) = &self.parameters[i].condition else { return true };
        let at = self.names().position(|name| name == parent);
        let value = at.and_then(|at| values.get(at)).and_then(Option::as_ref);
        value.is_some_and(|value| allowed.contains(value))
    }

    /// A value for each parameter that exists, by what `choose` says.
    pub(super) fn values(&self, choose: &mut dyn FnMut(usize, &Parameter) -> Value) -> Values {
        let mut values = Vec::with_capacity(self.parameters.len());
        for (i, parameter) in self.parameters.iter().enumerate() {
            // Also those that do not exist are drawn, so that the others do not depend on it.
            let value = choose(i, parameter);
            values.push(self.is_active(i, &values).then_some(value));
        }
        values
    }
}

#[track_caller]
fn wrong(message: impl Into<String>) -> Error {
    Error::argument("SearchSpace", message)
}

impl Kind {
    fn wrong(&self) -> Option<String> {
        let bounds = |low: String, high: String, reversed: bool, touches: bool| {
            if reversed {
                Some(format!("the lower bound {low} is above the upper bound {high}"))
            } else if touches {
                Some(format!("the range {low} to {high} has no logarithm, expected numbers above 0"))
            } else {
                None
            }
        };
        match self {
            Self::Float { low, high, .. } if !(low.is_finite() && high.is_finite() && (high - low).is_finite()) => {
                Some(format!("the range {low} to {high} is not finite"))
            }
            Self::Float { low, high, log } => {
                bounds(low.to_string(), high.to_string(), low > high, *log && *low <= 0.0)
            }
            Self::Int { low, high, log } => bounds(low.to_string(), high.to_string(), low > high, *log && *low <= 0),
            Self::Choice(choices) if choices.is_empty() => Some("there is nothing to choose from".to_string()),
            Self::Choice(choices) => {
                let twice = choices.iter().enumerate().find(|(i, choice)| choices[..*i].contains(choice));
                twice.map(|(_, choice)| format!("the choice {choice} is given twice"))
            }
        }
    }

    fn allows(&self, value: &Value) -> bool {
        match (self, value) {
            (Self::Choice(choices), value) => choices.contains(value),
            (Self::Int { low, high, .. }, Value::Int(x)) => (low..=high).contains(&x),
            _ => false,
        }
    }

    /// On a scale on which values are equally likely: logarithms, of whole numbers half a step further at both ends, of choices the
    /// numbers.
    pub(super) fn bounds(&self) -> (f64, f64) {
        let scale = |x: f64, log: bool| if log { x.ln() } else { x };
        match self {
            Self::Float { low, high, log } => (scale(*low, *log), scale(*high, *log)),
            Self::Int { low, high, log } => (scale(*low as f64 - 0.5, *log), scale(*high as f64 + 0.5, *log)),
            Self::Choice(choices) => (0.0, choices.len() as f64),
        }
    }

    /// The stretch of the scale that becomes the same value.
    pub(super) fn cell(&self, at: f64) -> Option<(f64, f64)> {
        let Self::Int { log, .. } = self else { return None };
        let Value::Int(x) = self.value(at) else { return None };
        let scale = |x: f64| if *log { x.ln() } else { x };
        Some((scale(x as f64 - 0.5), scale(x as f64 + 0.5)))
    }

    /// The value at a place of the scale.
    pub(super) fn value(&self, at: f64) -> Value {
        match self {
            Self::Float { low, high, log } => Value::Float((if *log { at.exp() } else { at }).clamp(*low, *high)),
            Self::Int { low, high, log } => {
                let x = if *log { at.exp() } else { at };
                Value::Int((x.round() as i64).clamp(*low, *high))
            }
            Self::Choice(choices) => {
                let at = (at.max(0.0) as usize).min(choices.len().saturating_sub(1));
                choices[at].clone()
            }
        }
    }

    /// The place of a value on the scale.
    pub(super) fn scaled(&self, value: &Value) -> f64 {
        let scale = |x: f64, log: bool| if log { x.ln() } else { x };
        match (self, value) {
            (Self::Float { log, .. }, Value::Float(x)) => scale(*x, *log),
            (Self::Int { log, .. }, Value::Int(x)) => scale(*x as f64, *log),
            (Self::Choice(choices), value) => choices.iter().position(|choice| choice == value).unwrap_or(0) as f64,
            _ => f64::NAN,
        }
    }

    /// A value as likely as any other on its scale.
    pub(super) fn drawn(&self, rng: &mut Rng) -> Value {
        self.at_share(rng.uniform())
    }

    /// The value at a share of the scale, from 0 to 1.
    pub(super) fn at_share(&self, share: f64) -> Value {
        match self {
            // Exactly, whatever a logarithm and back makes of them.
            Self::Float { low, .. } if share <= 0.0 => Value::Float(*low),
            Self::Float { high, .. } if share >= 1.0 => Value::Float(*high),
            _ => {
                let (low, high) = self.bounds();
                self.value(low + share * (high - low))
            }
        }
    }

    /// The numbers of choices; none for numbers.
    pub(super) fn choices(&self) -> Option<usize> {
        match self {
            Self::Choice(choices) => Some(choices.len()),
            _ => None,
        }
    }

    /// The values of a grid: all choices, and of numbers so many at equal distances.
    pub(super) fn grid(&self, points: usize) -> Vec<Value> {
        let spread = |count: usize, of: &dyn Fn(f64) -> Value| -> Vec<Value> {
            let mut values: Vec<Value> = Vec::with_capacity(count);
            for i in 0..count {
                let value = of(if count > 1 { i as f64 / (count - 1) as f64 } else { 0.5 });
                if values.last() != Some(&value) {
                    values.push(value);
                }
            }
            values
        };
        match self {
            Self::Choice(choices) => choices.clone(),
            Self::Float { .. } => spread(points, &|share| self.at_share(share)),
            Self::Int { low, high, log } => {
                let all = high.abs_diff(*low).saturating_add(1);
                let count = all.min(points as u64) as usize;
                let (a, b) = (*low as f64, *high as f64);
                let inside =
                    |share: f64| if *log { (a.ln() + share * (b.ln() - a.ln())).exp() } else { a + share * (b - a) };
                match all <= points as u64 {
                    true => (*low..=*high).map(Value::Int).collect(),
                    false => spread(count, &|share| Value::Int((inside(share).round() as i64).clamp(*low, *high))),
                }
            }
        }
    }
}

impl Parameter {
    fn description(&self) -> String {
        let log = |log: &bool| if *log { ", logarithmic" } else { "" };
        let list = |values: &[Value]| values.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        let mut text = match &self.kind {
            Kind::Float { low, high, log: l } => format!("`{}`: a number from {low} to {high}{}", self.name, log(l)),
            Kind::Int { low, high, log: l } => {
                format!("`{}`: a whole number from {low} to {high}{}", self.name, log(l))
            }
            Kind::Choice(choices) => format!("`{}`: one of {}", self.name, list(choices)),
        };
        if let Some((parent, values)) = &self.condition {
            text += &format!(", if `{parent}` is {}", list(values));
        }
        text
    }
}

/// A line for each parameter.
impl fmt::Display for SearchSpace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.descriptions().join("\n"))
    }
}
