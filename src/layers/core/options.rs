//! Options of layers as JSON, which has no infinite numbers.

use serde::de::value::{MapDeserializer, SeqDeserializer};
use serde::de::{Deserializer, IntoDeserializer, Visitor};
use serde_json::Value;

use super::config::LayerConfig;

/// What [`LayerConfig::with`] takes: numbers, truth values, texts, other configurations, and lists and options of these. Whatever else has
/// a form in JSON can be given as a [`Value`].
pub trait LayerOption {
    /// The form in JSON. Infinite numbers and NaN are texts.
    #[must_use]
    fn into_value(self) -> Value;
}

macro_rules! as_they_are {
    ($($Type:ty),*) => {$(
        impl LayerOption for $Type {
            fn into_value(self) -> Value {
                Value::from(self)
            }
        }
    )*};
}

as_they_are!(bool, i8, i16, i32, i64, isize, u8, u16, u32, u64, usize, &str, String, LayerConfig, Value);

impl LayerOption for f64 {
    fn into_value(self) -> Value {
        if self.is_finite() { Value::from(self) } else { Value::from(self.to_string()) }
    }
}

impl LayerOption for f32 {
    fn into_value(self) -> Value {
        f64::from(self).into_value()
    }
}

impl<T: LayerOption> LayerOption for Option<T> {
    fn into_value(self) -> Value {
        self.map_or(Value::Null, T::into_value)
    }
}

impl<T: LayerOption> LayerOption for Vec<T> {
    fn into_value(self) -> Value {
        Value::Array(self.into_iter().map(T::into_value).collect())
    }
}

impl<T: LayerOption + Clone> LayerOption for &[T] {
    fn into_value(self) -> Value {
        self.to_vec().into_value()
    }
}

impl<T: LayerOption, const N: usize> LayerOption for [T; N] {
    fn into_value(self) -> Value {
        Vec::from(self).into_value()
    }
}

impl<A: LayerOption, B: LayerOption> LayerOption for (A, B) {
    fn into_value(self) -> Value {
        Value::Array(vec![self.0.into_value(), self.1.into_value()])
    }
}

/// An option that was written so, on its way back.
pub(super) struct Stored(pub(super) Value);

impl IntoDeserializer<'_, serde_json::Error> for Stored {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

/// What has no numbers in it is read as it stands.
macro_rules! as_it_stands {
    ($($method:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
            self.0.$method(visitor)
        }
    )*};
}

/// Lists and what else may hold numbers.
macro_rules! piece_by_piece {
    ($($method:ident($($argument:ident: $Type:ty),*))*) => {$(
        fn $method<V: Visitor<'de>>(self, $($argument: $Type,)* visitor: V) -> Result<V::Value, Self::Error> {
            $(let _ = $argument;)*
            self.deserialize_any(visitor)
        }
    )*};
}

impl<'de> Deserializer<'de> for Stored {
    type Error = serde_json::Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        match self.0 {
            Value::Array(items) => {
                let mut items = SeqDeserializer::new(items.into_iter().map(Stored));
                let value = visitor.visit_seq(&mut items)?;
                items.end().map(|()| value)
            }
            Value::Object(fields) => {
                let mut fields = MapDeserializer::new(fields.into_iter().map(|(name, value)| (name, Stored(value))));
                let value = visitor.visit_map(&mut fields)?;
                fields.end().map(|()| value)
            }
            other => other.deserialize_any(visitor),
        }
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        match self.0.as_str() {
            Some("inf") => visitor.visit_f64(f64::INFINITY),
            Some("-inf") => visitor.visit_f64(f64::NEG_INFINITY),
            Some("NaN") => visitor.visit_f64(f64::NAN),
            _ => self.0.deserialize_f64(visitor),
        }
    }

    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        self.deserialize_f64(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        if self.0.is_null() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Self::Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Self::Error> {
        self.0.deserialize_enum(name, variants, visitor)
    }

    as_it_stands! {
        deserialize_bool deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_i128
        deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64 deserialize_u128
        deserialize_char deserialize_str deserialize_string deserialize_bytes deserialize_byte_buf
        deserialize_unit deserialize_identifier deserialize_ignored_any
    }

    piece_by_piece! {
        deserialize_seq()
        deserialize_map()
        deserialize_tuple(length: usize)
        deserialize_unit_struct(name: &'static str)
        deserialize_tuple_struct(name: &'static str, length: usize)
        deserialize_struct(name: &'static str, fields: &'static [&'static str])
    }
}
