//! JSON whose objects keep their order.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Json {
    Null,
    Bool(bool),
    /// As it is written, whole numbers without a fraction.
    Number(String),
    Text(String),
    List(Vec<Json>),
    Object(Vec<(String, Json)>),
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Json, E> {
        Ok(Json::Bool(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Json, E> {
        Ok(Json::Number(value.to_string()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Json, E> {
        Ok(Json::Number(value.to_string()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Json, E> {
        let is_whole = value.fract() == 0.0 && value.abs() < 1e15;
        Ok(Json::Number(if is_whole { (value as i64).to_string() } else { serde_json::Value::from(value).to_string() }))
    }

    fn visit_str<E>(self, value: &str) -> Result<Json, E> {
        Ok(Json::Text(value.to_string()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Json, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = list.next_element()? {
            items.push(item);
        }
        Ok(Json::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Json, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = map.next_entry()? {
            entries.push(entry);
        }
        Ok(Json::Object(entries))
    }
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reader)
    }
}

impl Json {
    pub(super) fn entries(&self) -> &[(String, Self)] {
        if let Self::Object(entries) = self { entries } else { &[] }
    }

    pub(super) fn get(&self, key: &str) -> Option<&Self> {
        self.entries().iter().find(|(name, _)| name == key).map(|(_, value)| value)
    }

    pub(super) fn text(&self) -> Option<&str> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }

    pub(super) fn list(&self) -> Option<&[Self]> {
        if let Self::List(list) = self { Some(list) } else { None }
    }

    /// What lies at the end of a pointer, behind its `#`.
    pub(super) fn pointed(&self, pointer: &str) -> Option<&Self> {
        let mut at = self;
        for step in pointer.split('/').skip(1) {
            let step = step.replace("~1", "/").replace("~0", "~");
            at = match at {
                Self::List(items) => items.get(step.parse::<usize>().ok()?)?,
                _ => at.get(&step)?,
            };
        }
        (pointer.is_empty() || pointer.starts_with('/')).then_some(at)
    }

    /// Whether it is of a type that schemas know.
    pub(super) fn is_a(&self, kind: &str) -> bool {
        match self {
            Self::Null => kind == "null",
            Self::Bool(_) => kind == "boolean",
            Self::Number(number) => kind == "number" || kind == "integer" && !number.contains(['.', 'e', 'E']),
            Self::Text(_) => kind == "string",
            Self::List(_) => kind == "array",
            Self::Object(_) => kind == "object",
        }
    }

    /// As text, with or without what makes an expression of it that matches it alone, with a space behind `,` and `:` or without.
    fn write(&self, is_expression: bool, out: &mut String) {
        let put = |text: &str, out: &mut String| if is_expression { escape(text, out) } else { out.push_str(text) };
        let (comma, colon) = if is_expression { (", ?", ": ?") } else { (",", ":") };
        match self {
            Self::Null => out.push_str("null"),
            Self::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
            Self::Number(number) => put(number, out),
            Self::Text(text) => put(&quoted(text), out),
            Self::List(items) => {
                put("[", out);
                for (at, item) in items.iter().enumerate() {
                    out.push_str(if at > 0 { comma } else { "" });
                    item.write(is_expression, out);
                }
                put("]", out);
            }
            Self::Object(entries) => {
                put("{", out);
                for (at, (key, value)) in entries.iter().enumerate() {
                    out.push_str(if at > 0 { comma } else { "" });
                    put(&quoted(key), out);
                    out.push_str(colon);
                    value.write(is_expression, out);
                }
                put("}", out);
            }
        }
    }

    pub(super) fn compact(&self) -> String {
        let mut out = String::new();
        self.write(false, &mut out);
        out
    }

    pub(super) fn expression(&self) -> String {
        let mut out = String::new();
        self.write(true, &mut out);
        out
    }
}

pub(super) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// Appends a text as an expression that matches it alone.
pub(super) fn escape(text: &str, out: &mut String) {
    for c in text.chars() {
        if c.is_ascii_punctuation() {
            out.push('\\');
        }
        out.push(c);
    }
}
