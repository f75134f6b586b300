//! Special tokens around texts, and which of two texts a token belongs to.

use serde_json::Value;

use super::parts::{self, Read, Refusal};

/// What stands around one text, and around two.
#[derive(Debug, Clone)]
pub(super) struct PostProcessor {
    pub(super) single: Vec<Part>,
    pub(super) pair: Vec<Part>,
}

/// A part of a template, with the type of its tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Part {
    Ids(Vec<u32>, i64),
    First(i64),
    Second(i64),
}

impl Default for PostProcessor {
    fn default() -> Self {
        Self { single: vec![Part::First(0)], pair: vec![Part::First(0), Part::Second(1)] }
    }
}

impl PostProcessor {
    pub(super) fn read(part: &Value) -> Read<Self> {
        let mut found = None;
        if !part.is_null() {
            append(part, &mut found)?;
        }
        Ok(found.unwrap_or_default())
    }

    /// Puts texts together, without special tokens if `special` is false. Returns ids and types.
    pub(super) fn apply(&self, texts: &[&[i64]], special: bool) -> (Vec<i64>, Vec<i64>) {
        let parts = if texts.len() > 1 { &self.pair } else { &self.single };
        let (mut ids, mut types) = (Vec::new(), Vec::new());
        for part in parts {
            let kind = match part {
                Part::Ids(found, kind) if special => {
                    ids.extend(found.iter().map(|id| i64::from(*id)));
                    kind
                }
                Part::Ids(..) => continue,
                Part::First(kind) => {
                    ids.extend_from_slice(texts.first().copied().unwrap_or_default());
                    kind
                }
                Part::Second(kind) => {
                    ids.extend_from_slice(texts.get(1).copied().unwrap_or_default());
                    kind
                }
            };
            types.resize(ids.len(), *kind);
        }
        (ids, types)
    }

    /// How many special tokens there are around one text or two.
    pub(super) fn added(&self, texts: usize) -> usize {
        let parts = if texts > 1 { &self.pair } else { &self.single };
        parts.iter().map(|part| if let Part::Ids(ids, _) = part { ids.len() } else { 0 }).sum()
    }
}

fn append(part: &Value, found: &mut Option<PostProcessor>) -> Read<()> {
    let kind = parts::kind(part)?;
    let next = match kind {
        "Sequence" => return parts::list(part, "processors")?.iter().try_for_each(|part| append(part, found)),
        // It is about the places of tokens in the text.
        "ByteLevel" => return Ok(()),
        "TemplateProcessing" => PostProcessor { single: template(part, "single")?, pair: template(part, "pair")? },
        "BertProcessing" | "RobertaProcessing" => {
            let (begin, end) = (vec![id(part, "cls")?], vec![id(part, "sep")?]);
            let bert = kind == "BertProcessing";
            let single = vec![Part::Ids(begin, 0), Part::First(0), Part::Ids(end.clone(), 0)];
            let mut pair = single.clone();
            if bert {
                pair.extend([Part::Second(1), Part::Ids(end, 1)]);
            } else {
                pair.extend([Part::Ids(end.clone(), 0), Part::Second(0), Part::Ids(end, 0)]);
            }
            PostProcessor { single, pair }
        }
        other => return Err(Refusal::unknown(other)),
    };
    if found.replace(next).is_some() {
        return Err(Refusal::Unknown("two processors that add tokens, one behind the other".to_string()));
    }
    Ok(())
}

/// The id of `["[CLS]", 101]`.
fn id(part: &Value, name: &str) -> Read<u32> {
    match part[name][1].as_u64().and_then(|id| u32::try_from(id).ok()) {
        Some(id) => Ok(id),
        None => Refusal::malformed(format!("{}: `{name}` is not a token with its id", parts::kind(part)?)),
    }
}

fn template(part: &Value, name: &str) -> Read<Vec<Part>> {
    let kind = |piece: &Value| piece["type_id"].as_i64().unwrap_or(0);
    let mut found = Vec::new();
    for piece in parts::list(part, name)? {
        let (special, text) = (&piece["SpecialToken"], &piece["Sequence"]);
        found.push(match (special["id"].as_str(), text["id"].as_str()) {
            (Some(token), _) => {
                let ids = part["special_tokens"][token]["ids"].as_array().map(Vec::as_slice).unwrap_or_default();
                Part::Ids(ids.iter().filter_map(|id| u32::try_from(id.as_u64()?).ok()).collect(), kind(special))
            }
            (None, Some("A")) => Part::First(kind(text)),
            (None, Some("B")) => Part::Second(kind(text)),
            _ => {
                return Refusal::malformed(format!(
                    "the template `{name}` has a part that is neither a token nor a text"
                ));
            }
        });
    }
    Ok(found)
}
