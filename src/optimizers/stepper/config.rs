//! The options of an optimizer in a configuration file: its own, and beside them those of its rule.

use serde::de::{DeserializeOwned, Error as _};
use serde::ser::{Error as _, SerializeMap as _};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{Clip, Stepper};
use crate::config::{Fields, refused};
use crate::error::{Error, Result, near};
use crate::optimizers::UpdateRule;

/// All others are the rule's.
const COMMON: [&str; 9] = [
    "learning_rate",
    "weight_decay",
    "decay_matrices_only",
    "clip_norm",
    "clip_value",
    "maximize",
    "allow_unused",
    "check_finite",
    "groups",
];

impl<R: UpdateRule + Serialize> Serialize for Stepper<R> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let serde_json::Value::Object(rule) = serde_json::to_value(&self.rule).map_err(S::Error::custom)? else {
            return Err(S::Error::custom("the options of a rule are a struct with named fields"));
        };
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("learning_rate", &self.learning_rate)?;
        rule.iter().try_for_each(|(name, value)| map.serialize_entry(name, value))?;
        map.serialize_entry("weight_decay", &self.weight_decay)?;
        map.serialize_entry("decay_matrices_only", &self.decay_matrices_only)?;
        match self.clip {
            Some(Clip::Norm(max_norm)) => map.serialize_entry("clip_norm", &max_norm)?,
            Some(Clip::Value(limit)) => map.serialize_entry("clip_value", &limit)?,
            None => (),
        }
        map.serialize_entry("maximize", &self.maximize)?;
        map.serialize_entry("allow_unused", &self.allow_unused)?;
        map.serialize_entry("check_finite", &self.check_finite)?;
        map.serialize_entry("groups", &self.groups)?;
        map.end()
    }
}

impl<'de, R: UpdateRule + DeserializeOwned> Deserialize<'de> for Stepper<R> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (fields, rule) = Fields::read("optimizer", deserializer)?.split(&COMMON);
        let meant = misspelt(&rule);
        let rule: R = serde_json::from_value(rule).map_err(|e| {
            let text = e.to_string();
            match meant {
                Some((name, known)) if text.contains(&format!("`{name}` is no option")) => {
                    D::Error::custom(format!("`{name}` is no option of an optimizer (did you mean `{known}`?)"))
                }
                _ => D::Error::custom(text),
            }
        })?;
        Self::with_rule(rule, 0.0).configured(fields).map_err(refused)
    }
}

/// The name among those of a rule's options that is nearly one of all optimizers, and that one.
fn misspelt(rule: &serde_json::Value) -> Option<(String, &'static str)> {
    let names = rule.as_object()?.keys();
    names
        .flat_map(|name| COMMON.map(|known| Some((near(name, known)?, name.clone(), known))))
        .flatten()
        .min()
        .map(|(_, name, known)| (name, known))
}

impl<R: UpdateRule> Stepper<R> {
    #[track_caller]
    fn configured(mut self, mut fields: Fields) -> Result<Self> {
        fields = fields.named(self.rule.name());
        let (mut norm, mut value) = (None, None);
        self.learning_rate = fields.get("learning_rate")?;
        fields.take("weight_decay", &mut self.weight_decay)?;
        fields.take("decay_matrices_only", &mut self.decay_matrices_only)?;
        fields.take("clip_norm", &mut norm)?;
        fields.take("clip_value", &mut value)?;
        fields.take("maximize", &mut self.maximize)?;
        fields.take("allow_unused", &mut self.allow_unused)?;
        fields.take("check_finite", &mut self.check_finite)?;
        fields.take("groups", &mut self.groups)?;
        fields.end()?;
        self.clip = match (norm, value) {
            (Some(_), Some(_)) => {
                return Err(Error::argument(self.rule.name(), "clip_norm and clip_value, expected one of them"));
            }
            (norm, value) => norm.map(Clip::Norm).or(value.map(Clip::Value)),
        };
        self.unchecked = true;
        self.check_options()?;
        Ok(self)
    }
}
