//! Two schemas as one that allows what both allow.

use super::json::Json;
use super::numbers::Decimal;

/// Keywords that change nothing.
pub(super) const ANNOTATIONS: [&str; 15] = [
    "title",
    "description",
    "default",
    "examples",
    "deprecated",
    "readOnly",
    "writeOnly",
    "$schema",
    "$id",
    "$anchor",
    "$vocabulary",
    "$comment",
    "$defs",
    "definitions",
    "contentMediaType",
];

/// Choices of two schemas together.
const MOST_CHOICES: usize = 1 << 10;

/// What both of two schemas allow, which are objects; or the keyword about which that cannot be said.
pub(super) fn both(a: &Json, b: &Json) -> Result<Json, String> {
    let (a, b) = (without_const(a), without_const(b));
    let has = |all: &[(String, Json)], key: &str| all.iter().any(|(name, _)| name == key);
    if has(&a, "prefixItems") && has(&b, "items") || has(&b, "prefixItems") && has(&a, "items") {
        return Err("`prefixItems` and `items` of another schema that both have to hold".to_string());
    }
    let mut all: Vec<(String, Json)> = Vec::new();
    for (key, own) in &a {
        let other = b.iter().find(|(name, _)| name == key).map(|(_, value)| value);
        let value = match other {
            Some(other) if other != own && !ANNOTATIONS.contains(&key.as_str()) => joined(key, own, other)?,
            _ => own.clone(),
        };
        all.push((key.clone(), value));
    }
    all.extend(b.iter().filter(|(key, _)| a.iter().all(|(name, _)| name != key)).cloned());
    // What one does not describe may be whatever it allows of others.
    let find = |from: &[(String, Json)], key: &str| from.iter().find(|(name, _)| name == key).map(|(_, v)| v.clone());
    if let Some((_, Json::Object(properties))) = all.iter_mut().find(|(key, _)| key == "properties") {
        for side in [&a, &b] {
            let Some(others) = find(side, "additionalProperties") else { continue };
            let described = find(side, "properties");
            for (name, schema) in properties.iter_mut() {
                if described.as_ref().and_then(|described| described.get(name)).is_none() {
                    *schema = all_of(schema.clone(), others.clone());
                }
            }
        }
    }
    Ok(Json::Object(all))
}

/// A `const` is an `enum` of one.
fn without_const(schema: &Json) -> Vec<(String, Json)> {
    let mut entries = schema.entries().to_vec();
    if let Some(at) = entries.iter().position(|(key, _)| key == "const") {
        let (_, value) = entries.remove(at);
        match entries.iter_mut().find(|(key, _)| key == "enum") {
            Some((_, Json::List(values))) => values.retain(|other| *other == value),
            _ => entries.push(("enum".to_string(), Json::List(vec![value]))),
        }
    }
    entries
}

fn all_of(a: Json, b: Json) -> Json {
    Json::Object(vec![("allOf".to_string(), Json::List(vec![a, b]))])
}

fn joined(key: &str, a: &Json, b: &Json) -> Result<Json, String> {
    let number = |json: &Json| if let Json::Number(number) = json { Decimal::parse(number) } else { None };
    let numbers = || number(a).zip(number(b)).ok_or_else(|| format!("`{key}` is no number"));
    let lists = || a.list().zip(b.list()).ok_or_else(|| format!("`{key}` is no list"));
    match key {
        "minimum" | "exclusiveMinimum" | "minLength" | "minItems" | "minProperties" => {
            let (x, y) = numbers()?;
            Ok(if x.compare(&y).is_gt() { a.clone() } else { b.clone() })
        }
        "maximum" | "exclusiveMaximum" | "maxLength" | "maxItems" | "maxProperties" => {
            let (x, y) = numbers()?;
            Ok(if x.compare(&y).is_lt() { a.clone() } else { b.clone() })
        }
        "multipleOf" => {
            let (x, y) = numbers()?;
            let whole = x.whole().zip(y.whole()).filter(|(x, y)| *x > 0 && *y > 0);
            let (x, y) = whole.ok_or("`multipleOf` of two fractions")?;
            let (mut p, mut q) = (x, y);
            while q > 0 {
                (p, q) = (q, p % q);
            }
            let least = (x / p).checked_mul(y).ok_or("`multipleOf` of two large numbers")?;
            Ok(Json::Number(least.to_string()))
        }
        "type" => {
            let names = |json: &Json| -> Vec<String> {
                let all = json.list().map_or(std::slice::from_ref(json), |list| list);
                all.iter().filter_map(|name| name.text().map(str::to_string)).collect()
            };
            let (x, y) = (names(a), names(b));
            let has =
                |all: &[String], name: &str| all.iter().any(|own| own == name || own == "number" && name == "integer");
            let mut both: Vec<&String> = x.iter().filter(|name| has(&y, name)).collect();
            both.extend(y.iter().filter(|name| has(&x, name) && !x.contains(name)));
            Ok(Json::List(both.into_iter().map(|name| Json::Text(name.clone())).collect()))
        }
        "enum" => {
            let (x, y) = lists()?;
            Ok(Json::List(x.iter().filter(|value| y.contains(value)).cloned().collect()))
        }
        "required" => {
            let (x, y) = lists()?;
            Ok(Json::List(x.iter().chain(y.iter().filter(|name| !x.contains(name))).cloned().collect()))
        }
        "uniqueItems" => Ok(Json::Bool(true)),
        "items" | "additionalProperties" => Ok(all_of(a.clone(), b.clone())),
        "properties" => {
            let mut all = a.entries().to_vec();
            for (name, schema) in b.entries() {
                match all.iter_mut().find(|(own, _)| own == name) {
                    Some((_, own)) => *own = all_of(own.clone(), schema.clone()),
                    None => all.push((name.clone(), schema.clone())),
                }
            }
            Ok(Json::Object(all))
        }
        "anyOf" | "oneOf" => {
            let (x, y) = lists()?;
            if x.len().saturating_mul(y.len()) > MOST_CHOICES {
                return Err(format!("more than {MOST_CHOICES} choices of choices"));
            }
            Ok(Json::List(x.iter().flat_map(|x| y.iter().map(|y| all_of(x.clone(), y.clone()))).collect()))
        }
        _ => Err(format!("two different `{key}` that both have to hold")),
    }
}
