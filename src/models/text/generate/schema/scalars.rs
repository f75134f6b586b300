//! Strings and numbers.

use super::json::Json;
use super::numbers::{self, Bound, Decimal};
use super::{Schema, Written, pattern};
use crate::error::short;

const FORMATS: [(&str, &str); 6] = [
    ("date", DATE),
    ("time", TIME),
    ("date-time", ""),
    (
        "email",
        r"[A-Za-z0-9_%+\-]{1,32}(?:\.[A-Za-z0-9_%+\-]{1,16}){0,2}@[A-Za-z0-9](?:[A-Za-z0-9\-]{0,30}[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9\-]{0,14}[A-Za-z0-9])?){1,3}",
    ),
    ("uuid", "[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}"),
    (
        "ipv4",
        r"(?:(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])(?:\.(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])){3})",
    ),
];
const DATE: &str = concat!(
    "(?:(?:[0-9]{3}[1-9]|[0-9]{2}[1-9]0|[0-9][1-9]00|[1-9]000)-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])",
    "|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)|02-(?:0[1-9]|1[0-9]|2[0-8]))",
    "|(?:[0-9]{2}(?:0[48]|[2468][048]|[13579][26])|(?:0[48]|[2468][048]|[13579][26])00)-02-29)",
);
const TIME: &str =
    r"(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\.[0-9]{1,6})?(?:Z|[+\-](?:[01][0-9]|2[0-3]):[0-5][0-9])";

impl Schema<'_> {
    pub(super) fn string(&mut self, schema: &Json) -> Written {
        let (least, most) = self.counts(schema, "minLength", "maxLength")?;
        let texts = match (schema.get("pattern"), schema.get("format")) {
            (Some(_), Some(_)) => return self.wrong("pattern", "together with `format` is not done here"),
            (Some(pattern), None) => {
                let Some(pattern) = pattern.text() else { return self.wrong("pattern", "is no text") };
                match pattern::expression(pattern, least, most) {
                    Ok(texts) => texts,
                    Err(what) => return self.wrong("pattern", &format!("{what} is not done here")),
                }
            }
            (None, Some(format)) => {
                let name = format.text().unwrap_or_default();
                let Some((_, expression)) = FORMATS.iter().find(|(known, _)| *known == name) else {
                    return self.wrong("format", &format!("is `{}`, which is not done here", short(name)));
                };
                if least > 0 || most.is_some() {
                    return self.wrong("format", "together with `minLength` or `maxLength` is not done here");
                }
                Some(if name == "date-time" { format!("{DATE}T{TIME}") } else { (*expression).to_string() })
            }
            (None, None) => {
                let most = most.map_or(String::new(), |most| most.to_string());
                Some(format!("{}{{{least},{most}}}", pattern::CHARACTER))
            }
        };
        Ok(texts.map(|texts| format!("\"{texts}\"")))
    }

    /// The tightest bounds of numbers, from below and from above.
    pub(super) fn bounds(&self, schema: &Json) -> Result<[Bound; 2], String> {
        let mut bounds: [Bound; 2] = [None, None];
        for (at, key, reached) in
            [(0, "minimum", true), (0, "exclusiveMinimum", false), (1, "maximum", true), (1, "exclusiveMaximum", false)]
        {
            let bound = match schema.get(key) {
                None => continue,
                Some(Json::Number(number)) => Decimal::parse(number),
                Some(_) => return self.wrong(key, "is no number"),
            };
            let Some(bound) = bound else { return self.wrong(key, "has more digits than are done here") };
            bounds[at] = numbers::tighter(bounds[at].take(), Some((bound, reached)), at == 0);
        }
        Ok(bounds)
    }

    pub(super) fn number(&mut self, schema: &Json, whole: bool) -> Written {
        let [least, most] = self.bounds(schema)?;
        let multiple = match schema.get("multipleOf") {
            None => None,
            Some(Json::Number(number)) => match Decimal::parse(number).and_then(|number| number.whole()) {
                Some(step) if (1..=1_000_000_000_000).contains(&step) => Some(step),
                _ => return self.wrong("multipleOf", &format!("is {number}, of which multiples are not done here")),
            },
            Some(_) => return self.wrong("multipleOf", "is no number"),
        };
        if whole || multiple.is_some() {
            return numbers::integers(&least, &most, multiple)
                .or_else(|what| self.wrong("multipleOf", &format!("{what} is not done here")));
        }
        let key = if least.is_some() { "minimum" } else { "maximum" };
        numbers::numbers(&least, &most).or_else(|what| self.wrong(key, &what))
    }
}
