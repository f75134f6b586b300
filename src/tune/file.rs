//! The file of a search: read once, written anew as a whole after each trial.

use std::path::Path;

use serde_json::{Map, Value as Json, json};

use super::space::{Kind, SearchSpace, Value};
use super::trial::{Outcome, TrialRecord};
use crate::error::{Error, Result};
use crate::files;
use crate::order;

const VERSION: u64 = 1;
/// A million trials and more.
const LARGEST: u64 = 1 << 30;

/// The trials that have ended, in the file if there is one.
pub(super) struct Saved<'a> {
    path: Option<&'a Path>,
    space: Vec<String>,
    settings: Vec<String>,
    /// In the order of their numbers, some of which may be missing.
    records: Vec<TrialRecord>,
}

impl<'a> Saved<'a> {
    #[track_caller]
    pub(super) fn open(path: Option<&'a Path>, space: &SearchSpace, settings: &[String]) -> Result<Self> {
        let mut saved = Self { path, space: space.descriptions(), settings: settings.to_vec(), records: Vec::new() };
        if let Some(path) = path.filter(|path| path.exists()) {
            let bytes = files::read_limited("tune", path, "a search", LARGEST)?;
            match saved.read(&bytes, space) {
                Ok(()) => {}
                Err(wrong) => {
                    return Err(Error::format("tune", format!("{}: {wrong}", path.display()))
                        .with_help("Tuner::file names the file of this search, or one that does not exist yet"));
                }
            }
        }
        Ok(saved)
    }

    /// The error says what is wrong with the contents.
    fn read(&mut self, bytes: &[u8], space: &SearchSpace) -> Result<(), String> {
        let json: Json = serde_json::from_slice(bytes).map_err(|e| format!("not the file of a search: {e}"))?;
        match json["demotic.tune"].as_u64() {
            Some(VERSION) => {}
            Some(other) => return Err(format!("version {other} of the file of a search, this is {VERSION}")),
            None => return Err("not the file of a search".to_string()),
        }
        for (key, here, what) in [("space", &self.space, "search space"), ("settings", &self.settings, "search")] {
            let there: Vec<&str> = json[key].as_array().into_iter().flatten().filter_map(Json::as_str).collect();
            let longest = there.len().max(here.len());
            for i in 0..longest {
                let (there, here) = (there.get(i).copied().unwrap_or("nothing"), here.get(i).map_or("nothing", |x| x));
                if there != here {
                    return Err(format!("the file is of another {what}: {there}, here {here}"));
                }
            }
        }
        let Some(trials) = json["trials"].as_array() else { return Err("there are no trials".to_string()) };
        for (i, trial) in trials.iter().enumerate() {
            let record = record(trial, space).ok_or_else(|| format!("trial {i} of the list is damaged"))?;
            self.records.push(record);
        }
        order::sort_by_key(&mut self.records, |record| record.number as u64);
        match self.records.windows(2).find(|pair| pair[0].number == pair[1].number) {
            Some(pair) => Err(format!("trial {} is there twice", pair[0].number)),
            None => Ok(()),
        }
    }

    /// Whether a trial has ended. Its values must be those that the search comes to.
    #[track_caller]
    pub(super) fn has(&self, number: usize, values: &[(String, Value)], budget: Option<f64>) -> Result<bool> {
        let Ok(at) = self.records.binary_search_by_key(&number, |record| record.number) else { return Ok(false) };
        let record = &self.records[at];
        if record.values != values || record.budget != budget {
            let path = self.path.map(|path| path.display().to_string()).unwrap_or_default();
            let message = format!("{path}: trial {number} has other values than this search comes to");
            return Err(Error::format("tune", message).with_help("the file is of another search, or was changed"));
        }
        Ok(true)
    }

    /// Adds a trial, and writes the file.
    #[track_caller]
    pub(super) fn add(&mut self, record: TrialRecord) -> Result<()> {
        let at = self.records.partition_point(|other| other.number < record.number);
        self.records.insert(at, record);
        let Some(path) = self.path else { return Ok(()) };
        let trials: Vec<Json> = self.records.iter().map(json_of).collect();
        let whole = json!({
            "demotic.tune": VERSION, "space": self.space, "settings": self.settings, "trials": trials,
        });
        let text = whole.to_string();
        files::replace("tune", path, |out| out.write_all(text.as_bytes()))
    }

    /// The trials with these numbers.
    #[track_caller]
    pub(super) fn taken(&self, numbers: std::ops::Range<usize>) -> Result<Vec<TrialRecord>> {
        let records: Vec<TrialRecord> =
            self.records.iter().filter(|record| numbers.contains(&record.number)).cloned().collect();
        match records.len() == numbers.len() {
            true => Ok(records),
            false => Err(crate::error::bug!("tune", "{} of {} trials of a round", records.len(), numbers.len())),
        }
    }
}

fn json_of(record: &TrialRecord) -> Json {
    let mut values = Map::new();
    for (name, value) in &record.values {
        let value = match value {
            Value::Float(x) => json!(x),
            Value::Int(x) => json!(x),
            Value::Bool(x) => json!(x),
            Value::Text(x) => json!(x),
        };
        values.insert(name.clone(), value);
    }
    let (state, value) = match &record.outcome {
        Outcome::Complete(value) => ("complete", json!(value)),
        Outcome::Pruned => ("pruned", Json::Null),
        Outcome::Failed(e) => ("failed", json!(e)),
    };
    // Infinities have no number in JSON.
    let reports: Vec<Json> = record.reports.iter().map(|(step, value)| json!([step, value.to_string()])).collect();
    json!({
        "number": record.number, "values": values, "state": state, "value": value, "reports": reports,
        "configuration": record.configuration, "budget": record.budget, "seconds": record.seconds,
    })
}

fn record(json: &Json, space: &SearchSpace) -> Option<TrialRecord> {
    let there = json["values"].as_object()?;
    let mut values = Vec::with_capacity(there.len());
    for parameter in space.parameters() {
        let Some(value) = there.get(&parameter.name) else { continue };
        let value = match &parameter.kind {
            Kind::Float { .. } => Value::Float(value.as_f64()?),
            Kind::Int { .. } => Value::Int(value.as_i64()?),
            Kind::Choice(choices) => choices
                .iter()
                .find(|choice| match choice {
                    Value::Float(x) => value.as_f64() == Some(*x),
                    Value::Int(x) => value.as_i64() == Some(*x),
                    Value::Bool(x) => value.as_bool() == Some(*x),
                    Value::Text(x) => value.as_str() == Some(x),
                })?
                .clone(),
        };
        values.push((parameter.name.clone(), value));
    }
    if values.len() != there.len() {
        return None;
    }
    let mut reports = Vec::new();
    for report in json["reports"].as_array()? {
        reports.push((report[0].as_u64()?, report[1].as_str()?.parse().ok()?));
    }
    Some(TrialRecord {
        number: usize::try_from(json["number"].as_u64()?).ok()?,
        values,
        outcome: match json["state"].as_str()? {
            "complete" => Outcome::Complete(json["value"].as_f64()?),
            "pruned" => Outcome::Pruned,
            "failed" => Outcome::Failed(json["value"].as_str()?.to_string()),
            _ => return None,
        },
        reports,
        configuration: usize::try_from(json["configuration"].as_u64()?).ok()?,
        budget: match &json["budget"] {
            Json::Null => None,
            budget => Some(budget.as_f64()?),
        },
        seconds: json["seconds"].as_f64()?,
    })
}
