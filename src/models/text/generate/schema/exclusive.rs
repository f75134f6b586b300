//! Whether two schemas exclude each other, as the choices of `oneOf` have to.
//!
//! What is written of a schema is less than what it allows, so texts are compared only where they are all that it allows.

use super::json::Json;
use super::merge::both;
use super::numbers::{self, Decimal};
use super::{KINDS, Schema};

/// What a comparison of two schemas counts as written, and what one of their texts.
const COMPARED: usize = 1 << 9;
const TEXTS_COMPARED: usize = 1 << 12;

impl Schema<'_> {
    /// Choices of which two may hold are an error.
    pub(super) fn check_exclusive(&mut self, choices: &[Json]) -> Result<(), String> {
        // Of what is recursive, so much is looked at.
        let (open, depth) = (std::mem::take(&mut self.open), self.depth.replace(2));
        for (second, choice) in choices.iter().enumerate() {
            for (first, before) in choices[..second].iter().enumerate() {
                if !self.apart(before, choice)? {
                    let message = format!("has choices that may both hold, {first} and {second}; anyOf may");
                    return self.wrong("oneOf", &message);
                }
            }
        }
        (self.open, self.depth) = (open, depth);
        Ok(())
    }

    /// Whether two schemas can be seen to have no value in common.
    fn apart(&mut self, a: &Json, b: &Json) -> Result<bool, String> {
        self.spend(COMPARED)?;
        let open = self.open.len();
        self.cut = false;
        let (a, b) = (self.resolved(a)?, self.resolved(b)?);
        let apart = match (a, b) {
            (Some(a), Some(b)) => self.within("oneOf", |this| this.apart_resolved(&a, &b))?,
            _ => !self.cut,
        };
        self.open.truncate(open);
        Ok(apart)
    }

    fn apart_resolved(&mut self, a: &Json, b: &Json) -> Result<bool, String> {
        for (one, other) in [(a, b), (b, a)] {
            for key in ["anyOf", "oneOf"] {
                if let Some(choices) = one.get(key).and_then(Json::list) {
                    for choice in choices {
                        if !self.apart(choice, other)? {
                            return Ok(false);
                        }
                    }
                    return Ok(true);
                }
            }
        }
        let (x, y) = (values(a), values(b));
        if let (Some(x), Some(y)) = (x, y) {
            return Ok(x.iter().all(|value| !y.contains(value)));
        }
        let (x, y) = (self.allowed(a)?, self.allowed(b)?);
        let mut simple = Vec::new();
        for kind in x.into_iter().filter(|kind| y.contains(kind)) {
            let apart = match kind {
                "object" => self.objects_apart(a, b)?,
                "array" => self.arrays_apart(a, b)?,
                "number" => self.numbers_apart(a, b)?,
                kind => {
                    simple.push(Json::Text(kind.to_string()));
                    true
                }
            };
            if !apart {
                return Ok(false);
            }
        }
        if simple.is_empty() {
            return Ok(true);
        }
        let only = Json::Object(vec![("type".to_string(), Json::List(simple))]);
        let mut texts = Vec::new();
        for schema in [a, b] {
            let schema = both(schema, &only).map_err(|what| format!("{what}, at `{}`", self.path()))?;
            // Formats need not be held, and not all lengths that a pattern can have are written.
            let has_pattern = schema.get("pattern").is_some();
            let is_exact = |key: &str| key != "format" && !(has_pattern && ["minLength", "maxLength"].contains(&key));
            let entries = schema.entries().iter().filter(|(key, _)| is_exact(key)).cloned().collect();
            texts.extend(self.choices(&Json::Object(entries))?);
        }
        match &texts[..] {
            [x, y] => {
                self.spend(TEXTS_COMPARED)?;
                Ok(!self.texts.meet(x, y)?)
            }
            _ => Ok(true),
        }
    }

    /// The types of the values that a resolved schema allows.
    fn allowed(&self, schema: &Json) -> Result<Vec<&'static str>, String> {
        if let (Some(values), None) = (values(schema), schema.get("type")) {
            return Ok(KINDS.into_iter().filter(|kind| values.iter().any(|value| value.is_a(kind))).collect());
        }
        if schema.get("type").is_none() {
            // Whatever it says of one type, it allows the others.
            return Ok(KINDS.to_vec());
        }
        let kinds = self.kinds(schema)?;
        let has = |kind: &str| kinds.iter().any(|own| own == kind || own == "integer" && kind == "number");
        Ok(KINDS.into_iter().filter(|kind| has(kind)).collect())
    }

    fn numbers_apart(&self, a: &Json, b: &Json) -> Result<bool, String> {
        for (one, other) in [(a, b), (b, a)] {
            let Some(values) = values(one) else { continue };
            let [least, most] = self.bounds(other)?;
            let kinds = self.kinds(other)?;
            let may_hold = |value: &&Json| {
                let Json::Number(number) = value else { return false };
                let is_free = other.get("type").is_none();
                let inside = |number: Decimal| {
                    let number = Some((number, true));
                    !numbers::empty(&least, &number) && !numbers::empty(&number, &most)
                };
                (is_free || kinds.iter().any(|kind| value.is_a(kind))) && Decimal::parse(number).is_none_or(inside)
            };
            return Ok(!values.iter().any(|value| may_hold(&value)));
        }
        let ([least, most], [low, high]) = (self.bounds(a)?, self.bounds(b)?);
        Ok(numbers::empty(&numbers::tighter(least, low, true), &numbers::tighter(most, high, false)))
    }

    /// Lists are apart by how many items they have, or by items of which both have some.
    fn arrays_apart(&mut self, a: &Json, b: &Json) -> Result<bool, String> {
        let count = |schema: &Json, key| self.count(schema, key);
        let least = (count(a, "minItems")?.unwrap_or(0), count(b, "minItems")?.unwrap_or(0));
        let most = (count(a, "maxItems")?, count(b, "maxItems")?);
        if most.0.is_some_and(|most| most < least.1) || most.1.is_some_and(|most| most < least.0) {
            return Ok(true);
        }
        let plain = a.get("prefixItems").is_none() && b.get("prefixItems").is_none();
        match a.get("items").zip(b.get("items")) {
            Some((x, y)) if plain && least.0.max(least.1) > 0 => self.apart(x, y),
            _ => Ok(false),
        }
    }

    /// Objects are apart by a property that one needs and that tells them, or that the other may not have.
    fn objects_apart(&mut self, a: &Json, b: &Json) -> Result<bool, String> {
        for (one, other) in [(a, b), (b, a)] {
            for name in one.get("required").and_then(Json::list).unwrap_or(&[]) {
                let described = |schema: &Json| schema.get("properties")?.get(name.text()?).cloned();
                let apart = match (described(one), described(other)) {
                    (_, None) => other.get("additionalProperties") == Some(&Json::Bool(false)),
                    (Some(x), Some(y)) => self.apart(&x, &y)?,
                    (None, Some(_)) => false,
                };
                if apart {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }
}

fn values(schema: &Json) -> Option<&[Json]> {
    schema.get("enum").and_then(Json::list)
}
