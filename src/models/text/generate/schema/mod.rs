//! From a JSON schema to a regular expression.

mod containers;
mod exclusive;
mod json;
mod merge;
mod numbers;
mod pattern;
mod scalars;

use crate::error::short;
use json::Json;
use merge::{ANNOTATIONS, both};

/// The longest expression that a schema may become, in bytes, and the most that is written on the way to it.
const LONGEST: usize = 1 << 18;
const MOST_WRITTEN: usize = 1 << 22;
/// Definitions in definitions.
const DEEPEST: usize = 64;
/// Lists and objects in each other where anything is allowed: each level takes four times as much.
const DEEPEST_OF_ANYTHING: usize = 3;
/// Schemas in schemas.
const NESTED: usize = 64;

const KINDS: [&str; 6] = ["object", "array", "string", "number", "boolean", "null"];
/// Keywords with the type of which they say something.
const KEYWORDS: [(&str, &str); 23] = [
    ("type", ""),
    ("enum", ""),
    ("anyOf", ""),
    ("oneOf", ""),
    ("minLength", "string"),
    ("maxLength", "string"),
    ("pattern", "string"),
    ("format", "string"),
    ("minimum", "number"),
    ("maximum", "number"),
    ("exclusiveMinimum", "number"),
    ("exclusiveMaximum", "number"),
    ("multipleOf", "number"),
    ("items", "array"),
    ("prefixItems", "array"),
    ("minItems", "array"),
    ("maxItems", "array"),
    ("uniqueItems", "array"),
    ("properties", "object"),
    ("required", "object"),
    ("additionalProperties", "object"),
    ("minProperties", "object"),
    ("maxProperties", "object"),
];

/// What can be asked of an expression.
pub(super) trait Texts {
    /// Which of some texts it matches.
    fn accepts(&self, expression: &str, texts: &[String]) -> Result<Vec<bool>, String>;
    /// Whether there may be a text that both match.
    fn meet(&self, a: &str, b: &str) -> Result<bool, String>;
}

/// The expression of JSON texts that a schema allows, or what is wrong with it.
pub(super) fn expression(schema: &str, depth: Option<usize>, texts: &dyn Texts) -> Result<String, String> {
    if schema.len() > LONGEST {
        return Err(format!("a schema of {} bytes, expected {LONGEST} at most", schema.len()));
    }
    let root: Json = serde_json::from_str(schema).map_err(|e| format!("the schema is not JSON: {e}"))?;
    let mut schema =
        Schema { root: &root, depth, texts, open: Vec::new(), path: Vec::new(), cut: false, written: 0, nested: 0 };
    schema.any(&root)?.ok_or_else(|| "there is no text that the schema allows".to_string())
}

/// One of several expressions; `None` if there are none.
fn alternatives(all: impl Iterator<Item = String>) -> Option<String> {
    let mut all: Vec<String> = all.collect();
    match all.len() {
        0 | 1 => all.pop(),
        _ => Some(format!("(?:{})", all.join("|"))),
    }
}

struct Schema<'s> {
    root: &'s Json,
    /// How often a definition may be inside itself.
    depth: Option<usize>,
    texts: &'s dyn Texts,
    /// The definitions that are being written out.
    open: Vec<String>,
    path: Vec<String>,
    /// Whether something was left out because it would be too deep.
    cut: bool,
    written: usize,
    nested: usize,
}

/// An expression, `None` if no text is allowed.
type Written = Result<Option<String>, String>;

impl Schema<'_> {
    fn path(&self) -> String {
        let path: String = self.path.iter().map(|step| format!("/{}", short(step))).collect();
        if path.len() > 300 { "#/…".to_string() } else { format!("#{path}") }
    }

    fn wrong<T>(&self, keyword: &str, message: &str) -> Result<T, String> {
        Err(format!("`{}` at `{}` {message}", short(keyword), self.path()))
    }

    fn within<T>(&mut self, step: &str, run: impl FnOnce(&mut Self) -> Result<T, String>) -> Result<T, String> {
        self.nested += 1;
        if self.nested > NESTED {
            return Err(format!("more than {NESTED} schemas in schemas"));
        }
        self.path.push(step.to_string());
        let done = run(self)?;
        self.path.pop();
        self.nested -= 1;
        Ok(done)
    }

    fn any(&mut self, schema: &Json) -> Written {
        let open = self.open.len();
        let written = match self.resolved(schema)? {
            Some(schema) => self.choices(&schema)?,
            None => None,
        };
        self.open.truncate(open);
        let length = written.as_ref().map_or(0, String::len);
        self.spend(if length > LONGEST { MOST_WRITTEN } else { length + 256 })?;
        Ok(written)
    }

    /// Counts what is done, and ends it when it becomes too much.
    fn spend(&mut self, bytes: usize) -> Result<(), String> {
        self.written = self.written.saturating_add(bytes);
        if self.written >= MOST_WRITTEN {
            return Err(format!("the schema becomes an expression of more than {LONGEST} bytes"));
        }
        Ok(())
    }

    /// An object without `$ref`, `allOf` and `const`, or `None` if it allows nothing. Definitions are open from then on.
    fn resolved(&mut self, schema: &Json) -> Result<Option<Json>, String> {
        let mut result = Json::Object(Vec::new());
        let (mut todo, mut seen) = (vec![schema.clone()], Vec::new());
        while let Some(next) = todo.pop() {
            let mut entries = match next {
                Json::Object(entries) => entries,
                Json::Bool(true) => continue,
                Json::Bool(false) => return Ok(None),
                _ => return Err(format!("at `{}` is no schema", self.path())),
            };
            if let Some(at) = entries.iter().position(|(key, _)| key == "allOf") {
                match entries.remove(at).1 {
                    Json::List(all) => todo.extend(all.into_iter().rev()),
                    _ => return self.wrong("allOf", "is no list"),
                }
            }
            if let Some(at) = entries.iter().position(|(key, _)| key == "$ref") {
                let name = match entries.remove(at).1 {
                    Json::Text(name) => name,
                    _ => return self.wrong("$ref", "is no text"),
                };
                let Some(definition) = name.strip_prefix('#').and_then(|pointer| self.root.pointed(pointer)) else {
                    return self.wrong("$ref", &format!("leads to no definition: `{}`", short(&name)));
                };
                if seen.contains(&name) || seen.len() == DEEPEST {
                    return self.wrong("$ref", &format!("leads back to itself: `{}`", short(&name)));
                }
                let inside = self.open.iter().filter(|open| **open == name).count();
                if inside > self.depth.unwrap_or(0) || self.open.len() >= DEEPEST {
                    if self.depth.is_some() {
                        self.cut = true;
                        return Ok(None);
                    }
                    let message = format!("is recursive: `{}` is part of itself, and no depth is given", short(&name));
                    return self.wrong("$ref", &message);
                }
                seen.push(name);
                todo.push(definition.clone());
            }
            let own = Json::Object(entries);
            result = both(&result, &own).map_err(|what| format!("{what}, at `{}`", self.path()))?;
        }
        // A reference to the whole is one as well.
        self.open.extend(seen);
        let known = |key: &str| ANNOTATIONS.contains(&key) || KEYWORDS.iter().any(|(name, _)| *name == key);
        if let Some((key, _)) = result.entries().iter().find(|(key, _)| !known(key)) {
            return Err(format!("the keyword `{}` at `{}` is not done here", short(key), self.path()));
        }
        Ok(Some(result))
    }

    /// The types that a resolved schema allows or says something of.
    fn kinds(&self, schema: &Json) -> Result<Vec<String>, String> {
        let kinds: Vec<String> = match schema.get("type") {
            Some(Json::Text(kind)) => vec![kind.clone()],
            Some(Json::List(kinds)) => match kinds.iter().map(|kind| kind.text().map(str::to_string)).collect() {
                Some(kinds) => kinds,
                None => return self.wrong("type", "has something else than texts"),
            },
            Some(_) => return self.wrong("type", "is no text"),
            None => {
                let says = |kind: &str| {
                    let of_kind = |key: &str| KEYWORDS.iter().any(|(name, of)| *name == key && *of == kind);
                    schema.entries().iter().any(|(key, _)| of_kind(key))
                };
                let said: Vec<&str> = KINDS.into_iter().filter(|kind| says(kind)).collect();
                let kinds = if said.is_empty() { KINDS.to_vec() } else { said };
                kinds.into_iter().map(str::to_string).collect()
            }
        };
        match kinds.iter().find(|kind| *kind != "integer" && !KINDS.contains(&kind.as_str())) {
            Some(kind) => self.wrong("type", &format!("is `{}`, which is none", short(kind))),
            None => Ok(kinds),
        }
    }

    fn choices(&mut self, schema: &Json) -> Written {
        for key in ["anyOf", "oneOf"] {
            let Some(choices) = schema.get(key) else { continue };
            let Json::List(choices) = choices else { return self.wrong(key, "is no list") };
            if choices.is_empty() {
                return self.wrong(key, "has nothing to choose from");
            }
            let rest = Json::Object(schema.entries().iter().filter(|(name, _)| name != key).cloned().collect());
            let all: Vec<Json> = choices
                .iter()
                .map(|choice| Json::Object(vec![("allOf".into(), Json::List(vec![rest.clone(), choice.clone()]))]))
                .collect();
            let mut written = Vec::new();
            for (at, choice) in all.iter().enumerate() {
                written.extend(self.within(&format!("{key}/{at}"), |this| this.any(choice))?);
            }
            if key == "oneOf" {
                self.check_exclusive(&all)?;
            }
            return Ok(alternatives(written.into_iter()));
        }
        if let Some(values) = schema.get("enum") {
            let Json::List(values) = values else { return self.wrong("enum", "is no list") };
            return self.values(schema, values);
        }
        if schema.entries().iter().all(|(key, _)| ANNOTATIONS.contains(&key.as_str())) {
            return match self.depth {
                Some(depth) => Ok(Some(anything(depth.min(DEEPEST_OF_ANYTHING)))),
                None => Err(format!("the schema at `{}` allows anything, and no depth is given", self.path())),
            };
        }
        let mut all = Vec::new();
        for kind in self.kinds(schema)? {
            all.extend(match kind.as_str() {
                "string" => self.string(schema)?,
                "integer" => self.number(schema, true)?,
                "number" => self.number(schema, false)?,
                "boolean" => Some("(?:true|false)".to_string()),
                "null" => Some("null".to_string()),
                "array" => self.array(schema)?,
                _ => self.object(schema)?,
            });
        }
        Ok(alternatives(all.into_iter()))
    }

    /// Those of some values that all else of a schema allows.
    fn values(&mut self, schema: &Json, values: &[Json]) -> Written {
        let rest: Vec<(String, Json)> = schema.entries().iter().filter(|(key, _)| key != "enum").cloned().collect();
        let is_free = rest.iter().all(|(key, _)| key == "type" || ANNOTATIONS.contains(&key.as_str()));
        let mut kept: Vec<&Json> = values.iter().collect();
        if schema.get("type").is_some() {
            let kinds = self.kinds(schema)?;
            kept.retain(|value| kinds.iter().any(|kind| value.is_a(kind)));
        }
        if !is_free {
            let rest = Json::Object(rest);
            let said = self.kinds(&rest)?;
            let texts: Vec<String> = kept.iter().map(|value| value.compact()).collect();
            let accepts = match self.choices(&rest)? {
                Some(expression) => self.texts.accepts(&expression, &texts)?,
                None => vec![false; texts.len()],
            };
            // Of values of other types nothing is said.
            let mut accepts = accepts.into_iter();
            kept.retain(|value| accepts.next() == Some(true) || !said.iter().any(|kind| value.is_a(kind)));
        }
        Ok(alternatives(kept.into_iter().map(Json::expression)))
    }

    fn count(&self, schema: &Json, key: &str) -> Result<Option<usize>, String> {
        match schema.get(key) {
            None => Ok(None),
            Some(Json::Number(number)) => match number.parse() {
                Ok(number) => Ok(Some(number)),
                Err(_) => self.wrong(key, &format!("is {number}, expected a whole number")),
            },
            Some(_) => self.wrong(key, "is no number"),
        }
    }

    /// The numbers of `minX` and `maxX`.
    fn counts(&self, schema: &Json, least: &str, most: &str) -> Result<(usize, Option<usize>), String> {
        let (low, high) = (self.count(schema, least)?.unwrap_or(0), self.count(schema, most)?);
        if high.is_some_and(|high| high < low) {
            return self.wrong(most, &format!("is below `{least}`"));
        }
        Ok((low, high))
    }
}

/// Any value, with so many lists and objects in each other.
fn anything(depth: usize) -> String {
    let text = format!("\"{}*\"", pattern::CHARACTER);
    let mut value = format!("(?:{text}|{}|true|false|null)", numbers::NUMBER);
    for _ in 0..depth {
        value = format!(
            r"(?:{text}|{}|true|false|null|\[(?:{value}(?:, ?{value})*)?\]|\{{(?:{text}: ?{value}(?:, ?{text}: ?{value})*)?\}})",
            numbers::NUMBER
        );
    }
    value
}
