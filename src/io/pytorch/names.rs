//! The tensors in what was pickled, by the names of the containers around them.

use super::pickle::{Id, Pickle, Refused, Value, View};
use crate::error::short;

/// Where checkpoints have the parameters of their model.
const MODELS: [&str; 8] = ["state_dict", "model_state_dict", "model", "module", "net", "params", "params_ema", "ema"];

/// Containers in containers.
const MAX_DEPTH: usize = 32;
/// Containers and what is in them, however often it is.
const MAX_VISITS: usize = 1 << 20;
/// Bytes of all names.
const MAX_NAMES: usize = 1 << 26;

/// What was found so far.
struct Search<'p> {
    values: &'p [Value],
    found: Vec<(String, &'p View)>,
    visits: usize,
    bytes: usize,
}

/// The tensors of a part, or of the model that is in a checkpoint. No two have the same name.
pub(super) fn tensors<'p>(pickle: &'p Pickle, part: Option<&str>) -> Result<Vec<(String, &'p View)>, Refused> {
    let values = &pickle.values;
    let of = |id: Id, name: &str| match &values[id] {
        Value::Dict(items) => {
            items.iter().find(|(key, _)| key_of(values, *key).as_deref() == Some(name)).map(|(_, value)| *value)
        }
        Value::List(items) | Value::Tuple(items) => name.parse().ok().and_then(|i: usize| items.get(i).copied()),
        _ => None,
    };
    let keys = |id: Id| {
        let Value::Dict(items) = &values[id] else { return String::new() };
        let names: Vec<String> = items.iter().take(10).filter_map(|(key, _)| key_of(values, *key)).collect();
        format!("; there are {}", short(&names.join(", ")))
    };
    let root = match part {
        Some("") => pickle.root,
        Some(part) => {
            let mut root = pickle.root;
            for name in part.split('.') {
                let Some(inner) = of(root, name) else {
                    return Err((format!("there is no part `{}`{}", short(part), keys(root)), ""));
                };
                root = inner;
            }
            root
        }
        None => {
            let is_tensor = |id: Id| matches!(values[id], Value::Tensor(_));
            let mut root = pickle.root;
            // A model in a checkpoint, perhaps in a wrapper of its own.
            for _ in 0..2 {
                let Value::Dict(items) = &values[root] else { break };
                if items.iter().any(|(_, value)| is_tensor(*value)) {
                    break;
                }
                let inner =
                    MODELS.iter().find_map(|name| of(root, name).filter(|id| matches!(values[*id], Value::Dict(_))));
                let Some(inner) = inner else { break };
                root = inner;
            }
            root
        }
    };
    let mut search = Search { values, found: Vec::new(), visits: 0, bytes: 0 };
    search.visit(root, "", 0)?;
    let mut found = search.found;
    if found.is_empty() {
        return Err((format!("there are no tensors in it{}", keys(pickle.root)), ""));
    }
    crate::order::sort_by(&mut found, |(a, _), (b, _)| a.cmp(b));
    if let Some(pair) = found.windows(2).find(|pair| pair[0].0 == pair[1].0) {
        return Err((format!("two tensors are called `{}`", short(&pair[0].0)), ""));
    }
    Ok(found)
}

/// The name that a key stands for.
fn key_of(values: &[Value], id: Id) -> Option<String> {
    match &values[id] {
        Value::Text(text) => Some(text.to_string()),
        Value::Int(n) => Some(n.to_string()),
        _ => None,
    }
}

impl<'p> Search<'p> {
    fn visit(&mut self, id: Id, name: &str, depth: usize) -> Result<(), Refused> {
        self.visits += 1;
        if self.visits > MAX_VISITS || depth > MAX_DEPTH {
            return Err(("containers that hold too many others, or themselves".into(), ""));
        }
        let values = self.values;
        match &values[id] {
            Value::Tensor(view) => {
                let name = if name.is_empty() { "tensor" } else { name };
                self.found.push((name.to_string(), view));
            }
            Value::Dict(items) => {
                for (key, value) in items {
                    let is_container =
                        matches!(values[*value], Value::Tensor(_) | Value::Dict(_) | Value::List(_) | Value::Tuple(_));
                    if !is_container {
                        continue;
                    }
                    let Some(key_name) = key_of(values, *key) else {
                        return Err(("a dictionary with a key that is neither a text nor a number".into(), ""));
                    };
                    self.inner(*value, name, &key_name, depth)?;
                }
            }
            Value::List(items) | Value::Tuple(items) => {
                for (i, value) in items.iter().enumerate() {
                    self.inner(*value, name, &i.to_string(), depth)?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn inner(&mut self, id: Id, name: &str, key: &str, depth: usize) -> Result<(), Refused> {
        let name = if name.is_empty() { key.to_string() } else { format!("{name}.{key}") };
        self.bytes += name.len();
        if self.bytes > MAX_NAMES {
            return Err((format!("names of more than {MAX_NAMES} bytes"), ""));
        }
        self.visit(id, &name, depth + 1)
    }
}
