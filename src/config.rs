//! Options that configuration files can hold.
//!
//! A struct of options lists its fields once, and is written and read with `serde` from then on, each option by its name:
//!
//! ```text
//! configurable!(Huber { delta: required, reduction } = Huber { delta: 1.0, reduction: Reduction::Mean }, check);
//! ```
//!
//! Behind `=` stands what options are that a file does not mention; without it, they are those of `Default`. Where they cannot be
//! made without the file, as an optimizer around another, `|fields|` stands before them. `check` is the
//! method that says whether the options make sense, in the same words as when they are used, so that no file can bring in what
//! the constructors refuse. Fields that are state rather than options are listed behind `state`. The list takes the struct
//! apart, so a field that is missing in it does not compile. Names that are none of the options are errors.
//!
//! An option is read by its own `Deserialize`, and what follows its name says what else there is to it:
//!
//! | | |
//! |---|---|
//! | `delta: required` | has to be in the file |
//! | `delta: given` | what stands behind `=` has taken it |
//! | `delta: set` | is given to the method of this name, which checks it |
//! | `weight: tensor` | a tensor, or a list of numbers, which is one of `F32` |
//! | `weighting: weighting` | `reduction` and `weight` of a loss |
//! | `distance: code` | cannot be in a file: to write one is an error |
//! | `selection as "on"` | has another name in files |
//!
//! All of it stands in functions that are generic over the format, so a crate that reads no configuration compiles nothing of
//! it.

use serde::Deserialize;
use serde::de::{DeserializeOwned, Deserializer};
use serde_json::{Map, Value};

use crate::error::{Error, Here, Result, near, short};

macro_rules! configurable {
    ([$($generics:tt)*] $Type:ty {
        $($field:ident $(as $name:literal)? $(: $how:ident)?),* $(,)? $(; state $($state:ident),+)?
    } = |$fields:ident| $base:expr $(, $check:ident)?) => {
        impl<$($generics)*> serde::Serialize for $Type {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                use serde::ser::SerializeMap as _;
                let Self { $($field,)* $($($state: _,)+)? } = self;
                let mut map = serializer.serialize_map(None)?;
                $($crate::config::configurable!(
                    @write map $crate::config::configurable!(@name $field $($name)?), $field $($how)?
                );)*
                map.end()
            }
        }

        impl<'de, $($generics)*> serde::Deserialize<'de> for $Type {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let fields = $crate::config::Fields::read(stringify!($Type), deserializer)?;
                let read = |mut $fields: $crate::config::Fields| -> $crate::error::Result<Self> {
                    let mut options: Self = $base;
                    $($crate::config::configurable!(
                        @read $fields $crate::config::configurable!(@name $field $($name)?), options $field $($how)?
                    );)*
                    $fields.end()?;
                    $(options.$check()?;)?
                    Ok(options)
                };
                read(fields).map_err($crate::config::refused)
            }
        }
    };
    ([$($generics:tt)*] $Type:ty { $($fields:tt)* } = $base:expr $(, $check:ident)?) => {
        $crate::config::configurable!([$($generics)*] $Type { $($fields)* } = |fields| $base $(, $check)?);
    };
    ($Type:ident { $($fields:tt)* } = $($rest:tt)+) => {
        $crate::config::configurable!([] $Type { $($fields)* } = $($rest)+);
    };
    ($Type:ident { $($fields:tt)* } $(, $check:ident)?) => {
        $crate::config::configurable!([] $Type { $($fields)* } = Self::default() $(, $check)?);
    };

    (@name $field:ident) => { stringify!($field) };
    (@name $field:ident $name:literal) => { $name };
    (@write $map:ident $name:expr, $field:ident tensor) => {
        $map.serialize_entry($name, &$field.clone().map($crate::tensor::Numbers))?
    };
    (@write $map:ident $name:expr, $field:ident weighting) => {
        $map.serialize_entry("reduction", &$field.reduction)?;
        $map.serialize_entry("weight", &$field.weight.clone().map($crate::tensor::Numbers))?
    };
    (@write $map:ident $name:expr, $field:ident code) => {
        if $field.is_some() {
            return Err(serde::ser::Error::custom(concat!("`", $name, "` is code, which no file can hold")));
        }
    };
    (@write $map:ident $name:expr, $field:ident $($how:ident)?) => { $map.serialize_entry($name, $field)? };
    (@read $fields:ident $name:expr, $options:ident $field:ident) => { $fields.take($name, &mut $options.$field)? };
    (@read $fields:ident $name:expr, $options:ident $field:ident required) => {
        $options.$field = $fields.get($name)?
    };
    (@read $fields:ident $name:expr, $options:ident $field:ident set) => {
        if let Some(value) = $fields.option($name)? {
            $options = $options.$field(value)?;
        }
    };
    (@read $fields:ident $name:expr, $options:ident $field:ident tensor) => {{
        let numbers: Option<Option<$crate::tensor::Numbers>> = $fields.option($name)?;
        $options.$field = numbers.flatten().map(|numbers| numbers.0);
    }};
    (@read $fields:ident $name:expr, $options:ident $field:ident weighting) => {
        $fields.take("reduction", &mut $options.$field.reduction)?;
        let numbers: Option<Option<$crate::tensor::Numbers>> = $fields.option("weight")?;
        $options.$field.weight = numbers.flatten().map(|numbers| numbers.0)
    };
    (@read $fields:ident $name:expr, $options:ident $field:ident given) => {};
    (@read $fields:ident $name:expr, $options:ident $field:ident code) => {};
}
pub(crate) use configurable;

/// The options that a file has for a value, by name.
#[derive(Debug)]
pub(crate) struct Fields {
    of: &'static str,
    values: Map<String, Value>,
    known: Vec<&'static str>,
}

impl Fields {
    pub(crate) fn read<'de, D: Deserializer<'de>>(of: &'static str, deserializer: D) -> Result<Self, D::Error> {
        // Without the parameters of a type; and the rule of an optimizer is known by the optimizer's name.
        let of = of.split('<').next().unwrap_or(of).trim_end();
        let of = of.strip_suffix("Rule").unwrap_or(of);
        Ok(Self { of, values: Map::deserialize(deserializer)?, known: Vec::new() })
    }

    fn value(&mut self, name: &'static str) -> Option<Value> {
        self.known.push(name);
        self.values.remove(name)
    }

    #[track_caller]
    fn convert<T: DeserializeOwned>(&self, name: &str, value: Value) -> Result<T> {
        serde_json::from_value(value).map_err(|e| Error::format(self.of, format!("`{name}`: {e}"))).here()
    }

    /// An option, if there is a value for it.
    pub(crate) fn option<T: DeserializeOwned>(&mut self, name: &'static str) -> Result<Option<T>> {
        self.value(name).map(|value| self.convert(name, value)).transpose()
    }

    /// Sets an option if there is a value for it.
    pub(crate) fn take<T: DeserializeOwned>(&mut self, name: &'static str, place: &mut T) -> Result<()> {
        if let Some(value) = self.option(name)? {
            *place = value;
        }
        Ok(())
    }

    /// An option for which there has to be a value.
    pub(crate) fn get<T: DeserializeOwned>(&mut self, name: &'static str) -> Result<T> {
        if let Some(value) = self.value(name) {
            return self.convert(name, value);
        }
        let given = self.values.keys().filter_map(|given| Some((near(given, name)?, given))).min();
        Err(match given {
            Some((_, given)) => Error::format(self.of, format!("`{}` is no option of it", short(given)))
                .with_help(format!("did you mean `{name}`?")),
            None => {
                let e = Error::format(self.of, format!("`{name}` is missing"));
                let others: Vec<_> = self.values.keys().take(10).map(|given| short(given)).collect();
                if others.is_empty() { e } else { e.with_help(format!("there is `{}`", others.join("`, `"))) }
            }
        })
    }

    /// The same, called by another name in errors.
    pub(crate) fn named(mut self, of: &'static str) -> Self {
        self.of = of;
        self
    }

    /// Those of the given names, and all others.
    pub(crate) fn split(mut self, names: &[&str]) -> (Self, Value) {
        let (own, others) = self.values.into_iter().partition(|(name, _)| names.contains(&name.as_str()));
        self.values = own;
        (self, Value::Object(others))
    }

    /// Refuses what was not asked for.
    pub(crate) fn end(self) -> Result<()> {
        let Some(name) = self.values.keys().next() else { return Ok(()) };
        let meant = self.known.iter().filter_map(|known| Some((near(name, known)?, known))).min();
        let e = Error::format(self.of, format!("`{}` is no option of it", short(name)));
        Err(match meant {
            Some((_, known)) => e.with_help(format!("did you mean `{known}`?")),
            None => e.with_help(format!("its options are `{}`", self.known.join("`, `"))),
        })
    }
}

/// An error of ours as one of the format's.
pub(crate) fn refused<E: serde::de::Error>(e: Error) -> E {
    match e.help() {
        Some(help) => E::custom(format!("{} ({help})", e.message())),
        None => E::custom(e.message()),
    }
}
