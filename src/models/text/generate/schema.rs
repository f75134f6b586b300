//! From a JSON schema to a regular expression.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

/// The longest expression that a schema may become, in bytes.
const LONGEST: usize = 1 << 18;

/// Definitions in definitions.
const DEEPEST: usize = 64;

const STRING: &str =
    r#"(?:[^"\\\x00-\x1F]|\\(?:["\\/bfnrt]|u(?:[0-9a-cA-CefEF][0-9a-fA-F]{3}|[dD][0-7][0-9a-fA-F]{2})))"#;
/// What fits into 64 bits.
const INTEGER: &str = "(?:0|-?[1-9][0-9]{0,17})";
/// What is finite.
const NUMBER: &str = r"(?:-?(?:0|[1-9][0-9]{0,17})(?:\.[0-9]+)?(?:[eE][+-]?[0-9]{1,2})?)";
/// Keywords that change nothing.
const ANNOTATIONS: [&str; 9] =
    ["title", "description", "default", "examples", "$schema", "$id", "$comment", "$defs", "definitions"];

/// JSON whose objects keep their order.
#[derive(Debug, Clone, PartialEq)]
enum Json {
    Null,
    Bool(bool),
    /// As it is written.
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
        Ok(Json::Number(serde_json::Value::from(value).to_string()))
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
    fn get(&self, key: &str) -> Option<&Self> {
        let Self::Object(entries) = self else { return None };
        entries.iter().find(|(name, _)| name == key).map(|(_, value)| value)
    }

    fn text(&self) -> Option<&str> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }

    /// An expression for the value itself.
    fn literal(&self, out: &mut String) {
        match self {
            Self::Null => out.push_str("null"),
            Self::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
            Self::Number(number) => escape(number, out),
            Self::Text(text) => escape(&quoted(text), out),
            Self::List(items) => {
                out.push_str(r"\[");
                for (at, item) in items.iter().enumerate() {
                    out.push_str(if at > 0 { ", ?" } else { "" });
                    item.literal(out);
                }
                out.push_str(r"\]");
            }
            Self::Object(entries) => {
                out.push_str(r"\{");
                for (at, (key, value)) in entries.iter().enumerate() {
                    out.push_str(if at > 0 { ", ?" } else { "" });
                    escape(&quoted(key), out);
                    out.push_str(": ?");
                    value.literal(out);
                }
                out.push_str(r"\}");
            }
        }
    }
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// Appends a text as an expression that matches it alone.
fn escape(text: &str, out: &mut String) {
    for c in text.chars() {
        if c.is_ascii_punctuation() {
            out.push('\\');
        }
        out.push(c);
    }
}

/// The expression of all JSON texts that a schema allows, or what is wrong with it.
pub(super) fn expression(schema: &str) -> Result<String, String> {
    let root: Json = serde_json::from_str(schema).map_err(|e| format!("the schema is not JSON: {e}"))?;
    let mut schema = Schema { root: &root, open: Vec::new(), out: String::new() };
    schema.any(&root)?;
    Ok(schema.out)
}

struct Schema<'s> {
    root: &'s Json,
    /// The definitions that are being written out.
    open: Vec<&'s str>,
    out: String,
}

type Written = Result<(), String>;

impl<'s> Schema<'s> {
    fn any(&mut self, schema: &'s Json) -> Written {
        if self.out.len() > LONGEST {
            return Err(format!("the schema becomes an expression of more than {LONGEST} bytes"));
        }
        let Json::Object(entries) = schema else {
            return Err("a schema is an object, and `true` or `false` are none that a text can be made by".to_string());
        };
        let known = |allowed: &[&str]| {
            let stranger = entries
                .iter()
                .map(|(key, _)| key.as_str())
                .find(|key| !ANNOTATIONS.contains(key) && !allowed.contains(key));
            match stranger {
                Some(key) => Err(format!("the keyword `{}` of schemas is not done here", crate::error::short(key))),
                None => Ok(()),
            }
        };
        if let Some(value) = schema.get("const") {
            known(&["const", "type"])?;
            value.literal(&mut self.out);
            return Ok(());
        }
        if let Some(values) = schema.get("enum") {
            known(&["enum", "type"])?;
            let Json::List(values) = values else { return Err("`enum` is no list".to_string()) };
            return self.alternatives(values, |schema, value| {
                value.literal(&mut schema.out);
                Ok(())
            });
        }
        if let Some(name) = schema.get("$ref") {
            known(&["$ref"])?;
            return self.reference(name.text().ok_or("`$ref` is no text")?);
        }
        for key in ["anyOf", "oneOf"] {
            if let Some(choices) = schema.get(key) {
                known(&[key])?;
                let Json::List(choices) = choices else { return Err(format!("`{key}` is no list")) };
                return self.alternatives(choices, Self::any);
            }
        }
        match schema.get("type") {
            Some(Json::Text(kind)) => {
                known(keywords(kind))?;
                self.of_type(schema, kind)
            }
            Some(Json::List(kinds)) => {
                let all: Vec<&str> = kinds.iter().filter_map(Json::text).flat_map(keywords).copied().collect();
                known(&all)?;
                self.alternatives(kinds, |this, kind| {
                    this.of_type(schema, kind.text().ok_or("`type` has something else than texts")?)
                })
            }
            _ => Err("a schema without `type`, `enum`, `const`, `anyOf` or `$ref` allows anything".to_string()),
        }
    }

    fn alternatives<'a, T>(&mut self, all: &'a [T], write: impl Fn(&mut Self, &'a T) -> Written) -> Written {
        if all.is_empty() {
            return Err("there is nothing to choose from".to_string());
        }
        for (at, one) in all.iter().enumerate() {
            self.out.push_str(if at > 0 { "|" } else { "(?:" });
            write(self, one)?;
        }
        self.out.push(')');
        Ok(())
    }

    fn reference(&mut self, name: &'s str) -> Written {
        let shown = crate::error::short(name);
        if self.open.contains(&name) || name == "#" || self.open.len() == DEEPEST {
            return Err(format!(
                "the schema is recursive: `{shown}` is part of itself, and texts have no greatest depth"
            ));
        }
        let key = ["#/$defs/", "#/definitions/"]
            .iter()
            .find_map(|start| Some((start.trim_start_matches("#/").trim_end_matches('/'), name.strip_prefix(start)?)));
        let found = key.and_then(|(group, key)| self.root.get(group)?.get(key));
        let Some(definition) = found else { return Err(format!("there is no definition `{shown}`")) };
        self.open.push(name);
        self.any(definition)?;
        self.open.pop();
        Ok(())
    }

    fn of_type(&mut self, schema: &'s Json, kind: &str) -> Written {
        match kind {
            "string" => {
                let times = counts(schema, "minLength", "maxLength")?;
                self.out.push_str(&format!("\"{STRING}{times}\""));
            }
            "integer" => self.out.push_str(INTEGER),
            "number" => self.out.push_str(NUMBER),
            "boolean" => self.out.push_str("(?:true|false)"),
            "null" => self.out.push_str("null"),
            "array" => self.array(schema)?,
            "object" => self.object(schema)?,
            other => return Err(format!("there is no type `{}`", crate::error::short(other))),
        }
        Ok(())
    }

    fn array(&mut self, schema: &'s Json) -> Written {
        let items = schema.get("items").ok_or("an array needs `items`")?;
        let (least, most) = (count(schema, "minItems")?.unwrap_or(0), count(schema, "maxItems")?);
        if most.is_some_and(|most| most < least) {
            return Err("`maxItems` is below `minItems`".to_string());
        }
        self.out.push_str(r"\[");
        if most != Some(0) {
            self.out.push_str("(?:");
            self.any(items)?;
            self.out.push_str("(?:, ?");
            self.any(items)?;
            let most = most.map_or(String::new(), |most| (most - 1).to_string());
            self.out.push_str(&format!(
                "){{{},{most}}}){}",
                least.saturating_sub(1),
                if least == 0 { "?" } else { "" }
            ));
        }
        self.out.push_str(r"\]");
        Ok(())
    }

    fn object(&mut self, schema: &'s Json) -> Written {
        if !matches!(schema.get("additionalProperties"), None | Some(Json::Bool(false))) {
            return Err("`additionalProperties` is `false` or left out".to_string());
        }
        let properties: &[(String, Json)] = match schema.get("properties") {
            Some(Json::Object(properties)) => properties,
            None => &[],
            Some(_) => return Err("`properties` is no object".to_string()),
        };
        let required: Vec<&str> = match schema.get("required") {
            Some(Json::List(names)) => names.iter().filter_map(Json::text).collect(),
            None => Vec::new(),
            Some(_) => return Err("`required` is no list".to_string()),
        };
        if let Some(name) = required.iter().find(|name| properties.iter().all(|(known, _)| known != *name)) {
            return Err(format!("the property `{}` is required, but not described", crate::error::short(name)));
        }
        self.out.push_str(r"\{");
        // The first that is there may be any up to the first that must be; those behind it have a comma before them.
        let first_required = properties.iter().position(|(name, _)| required.contains(&name.as_str()));
        let firsts = first_required.map_or(properties.len(), |at| at + 1);
        if firsts > 0 {
            self.out.push_str("(?:");
            for first in 0..firsts {
                self.out.push_str(if first > 0 { "|" } else { "" });
                self.property(&properties[first])?;
                for property in &properties[first + 1..] {
                    self.out.push_str("(?:, ?");
                    self.property(property)?;
                    self.out.push_str(if required.contains(&property.0.as_str()) { ")" } else { ")?" });
                }
            }
            self.out.push_str(if first_required.is_some() { ")" } else { ")?" });
        }
        self.out.push_str(r"\}");
        Ok(())
    }

    fn property(&mut self, (name, schema): &'s (String, Json)) -> Written {
        escape(&quoted(name), &mut self.out);
        self.out.push_str(": ?");
        self.any(schema)
    }
}

/// What can be said of a type.
fn keywords(kind: &str) -> &'static [&'static str] {
    match kind {
        "string" => &["type", "minLength", "maxLength"],
        "array" => &["type", "items", "minItems", "maxItems"],
        "object" => &["type", "properties", "required", "additionalProperties"],
        _ => &["type"],
    }
}

fn count(schema: &Json, key: &str) -> Result<Option<usize>, String> {
    match schema.get(key) {
        None => Ok(None),
        Some(Json::Number(number)) => {
            let number = number.parse().map_err(|_| format!("`{key}` is {number}, expected a whole number"))?;
            Ok(Some(number))
        }
        Some(_) => Err(format!("`{key}` is no number")),
    }
}

fn counts(schema: &Json, least: &str, most: &str) -> Result<String, String> {
    match (count(schema, least)?, count(schema, most)?) {
        (None, None) => Ok("*".to_string()),
        (Some(at_least), Some(at_most)) if at_least > at_most => Err(format!("`{most}` is below `{least}`")),
        (at_least, at_most) => {
            Ok(format!("{{{},{}}}", at_least.unwrap_or(0), at_most.map_or(String::new(), |most| most.to_string())))
        }
    }
}
