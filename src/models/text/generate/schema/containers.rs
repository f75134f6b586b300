//! Lists and objects.

use super::json::{Json, escape, quoted};
use super::{Schema, Written, alternatives};
use crate::error::short;

impl Schema<'_> {
    pub(super) fn array(&mut self, schema: &Json) -> Written {
        let (least, most) = self.counts(schema, "minItems", "maxItems")?;
        if schema.get("uniqueItems") == Some(&Json::Bool(true)) && most.is_none_or(|most| most > 1) {
            return self.wrong("uniqueItems", "is not done here for more than one item");
        }
        let prefix: &[Json] = match schema.get("prefixItems") {
            None => &[],
            Some(Json::List(items)) => items,
            Some(_) => return self.wrong("prefixItems", "is no list"),
        };
        let prefix = &prefix[..prefix.len().min(most.unwrap_or(usize::MAX))];
        let most = most.map(|most| most - prefix.len());
        let (count, need) = (prefix.len(), least.saturating_sub(prefix.len()));
        let free = Json::Bool(true);
        let item = if most == Some(0) {
            None
        } else {
            self.within("items", |this| this.any(schema.get("items").unwrap_or(&free)))?
        };
        let times = |least: usize, most: Option<usize>| {
            format!("{{{least},{}}}", most.map_or(String::new(), |most| most.to_string()))
        };
        let mut rest = match item {
            None if need > 0 => return Ok(None),
            None => String::new(),
            Some(item) if count > 0 => format!("(?:, ?{item}){}", times(need, most)),
            Some(item) => {
                let times = times(need.saturating_sub(1), most.map(|most| most - 1));
                format!("(?:{item}(?:, ?{item}){times}){}", if need == 0 { "?" } else { "" })
            }
        };
        for (at, item) in prefix.iter().enumerate().rev() {
            rest = match self.within(&format!("prefixItems/{at}"), |this| this.any(item))? {
                None if at < least => return Ok(None),
                None => String::new(),
                Some(item) => {
                    let comma = if at > 0 { ", ?" } else { "" };
                    format!("(?:{comma}{item}{rest}){}", if at < least { "" } else { "?" })
                }
            };
        }
        Ok(Some(format!(r"\[{rest}\]")))
    }

    pub(super) fn object(&mut self, schema: &Json) -> Written {
        let properties = match schema.get("properties") {
            Some(Json::Object(properties)) => properties.as_slice(),
            None => &[],
            Some(_) => return self.wrong("properties", "is no object"),
        };
        let mut required: Vec<&str> = Vec::new();
        match schema.get("required") {
            Some(Json::List(names)) => required.extend(names.iter().filter_map(Json::text)),
            None => {}
            Some(_) => return self.wrong("required", "is no list"),
        }
        let others = match schema.get("additionalProperties") {
            None | Some(Json::Bool(false)) => None,
            Some(others) => Some(others),
        };
        let mut parts: Vec<(String, bool)> = Vec::new();
        for (name, schema) in properties {
            let is_required = required.contains(&name.as_str());
            let value = self.within(&format!("properties/{name}"), |this| this.any(schema))?;
            match value {
                Some(value) => parts.push((property(name, &value), is_required)),
                None if is_required => return Ok(None),
                None => {}
            }
        }
        let other = match others {
            Some(others) => self.within("additionalProperties", |this| this.any(others))?,
            None => None,
        };
        for name in required.iter().filter(|name| properties.iter().all(|(known, _)| known != *name)) {
            match &other {
                Some(other) => parts.push((property(name, other), true)),
                None if schema.get("additionalProperties").is_some() => return Ok(None),
                None => return self.wrong("required", &format!("has `{}`, which is not described", short(name))),
            }
        }
        let (least, most) = self.counts(schema, "minProperties", "maxProperties")?;
        let needed = parts.iter().filter(|(_, is_required)| *is_required).count();
        if least > needed {
            return self.wrong("minProperties", "is not done here for more than the required ones");
        }
        let room = most.map(|most| most.checked_sub(parts.len()));
        if room == Some(None) {
            return self.wrong("maxProperties", "is not done here for fewer than are described");
        }
        let known: Vec<&str> =
            properties.iter().map(|(name, _)| name.as_str()).chain(required.iter().copied()).collect();
        let extra = other.filter(|_| room != Some(Some(0))).map(|value| {
            let key = key_except(&known.iter().map(|name| name.chars().collect()).collect::<Vec<Vec<char>>>());
            format!("\"{key}: ?{value}")
        });
        let most = room.flatten();
        let more = |first: usize| most.map_or("*".to_string(), |most| format!("{{0,{}}}", most - first));
        let tail = extra.as_ref().map_or(String::new(), |extra| format!("(?:, ?{extra}){}", more(0)));
        let mut inside = String::new();
        if let Some(pivot) = parts.iter().position(|(_, is_required)| *is_required) {
            // Before what is always there, a comma follows; behind it, one comes before.
            for (at, (part, is_required)) in parts.iter().enumerate() {
                let mark = if *is_required { "" } else { "?" };
                inside += &match at {
                    _ if at < pivot => format!("(?:{part}, ?)?"),
                    _ if at == pivot => part.clone(),
                    _ => format!("(?:, ?{part}){mark}"),
                };
            }
            inside += &tail;
        } else {
            let mut firsts = Vec::new();
            for first in 0..parts.len() {
                let rest: String = parts[first + 1..].iter().map(|(part, _)| format!("(?:, ?{part})?")).collect();
                firsts.push(format!("{}{rest}{tail}", parts[first].0));
            }
            firsts.extend(extra.map(|extra| format!("{extra}(?:, ?{extra}){}", more(1))));
            inside = alternatives(firsts.into_iter()).map_or(String::new(), |all| format!("(?:{all})?"));
        }
        Ok(Some(format!(r"\{{{inside}\}}")))
    }
}

fn property(name: &str, value: &str) -> String {
    let mut out = String::new();
    escape(&quoted(name), &mut out);
    format!("{out}: ?{value}")
}

/// What is left of a key, up to its quote, that is none of some.
fn key_except(known: &[Vec<char>]) -> String {
    let mut nexts: Vec<char> = known.iter().filter_map(|word| word.first().copied()).collect();
    crate::order::sort_by(&mut nexts, Ord::cmp);
    nexts.dedup();
    let rest = format!("{}*\"", r#"[^"\\\x00-\x1F]"#);
    let mut all = Vec::new();
    if known.iter().all(|word| !word.is_empty()) {
        all.push("\"".to_string());
    }
    let excluded: String = nexts.iter().map(|c| format!(r"\x{{{:X}}}", u32::from(*c))).collect();
    all.push(format!(r#"[^"\\\x00-\x1F{excluded}]{rest}"#));
    for next in nexts.into_iter().filter(|c| !matches!(c, '"' | '\\' | '\0'..='\x1F')) {
        let words: Vec<Vec<char>> =
            known.iter().filter(|word| word.first() == Some(&next)).map(|word| word[1..].to_vec()).collect();
        let mut c = String::new();
        escape(&next.to_string(), &mut c);
        all.push(format!("{c}{}", key_except(&words)));
    }
    alternatives(all.into_iter()).unwrap_or_default()
}
