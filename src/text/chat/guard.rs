//! Templates that cannot grow without bound.
//!
//! Steps are counted by the engine, but one that joins two texts takes any amount of memory, and twenty of them in a loop
//! make a million of one. So whatever a template gives a name (by `set`, as the variable of a loop, as the argument of a
//! macro) or writes out goes through a function that looks at its size: this rewrites the tags accordingly.

/// The names of the functions that the tags call.
pub(super) const BOUNDED: &str = "__bounded";
pub(super) const WRITTEN: &str = "__written";
/// The method that takes the place of `value[from:to:step]`: the engine's own fails on lists of nothing, and far outside of others.
pub(super) const SLICE: &str = "__slice";

/// How many texts may be joined within one tag.
const MAX_JOINED: usize = 100;

/// Brackets in brackets: what the engine allows.
const MAX_DEPTH: usize = 150;

/// The template with its sizes looked at, or why it cannot be used.
pub(super) fn guarded(source: &str) -> Result<String, String> {
    let mut out = String::with_capacity(source.len() + source.len() / 4);
    let mut rest = source;
    // What `{% set name %}` .. `{% endset %}` give a name.
    let mut captured: Vec<String> = Vec::new();
    while let Some(start) = tag_start(rest) {
        out.push_str(&rest[..start]);
        rest = &rest[start..];
        if let Some(comment) = rest.strip_prefix("{#") {
            let end = comment.find("#}").map_or(rest.len(), |end| end + 4);
            out.push_str(&rest[..end]);
            rest = &rest[end..];
            continue;
        }
        let is_block = rest.starts_with("{%");
        let Some(length) = tag_length(rest, is_block) else { break };
        let tag = &rest[..length];
        rest = &rest[length..];
        // Beside them may stand marks that say what becomes of the white space there.
        let inner = &tag[2..length - 2];
        let marked = inner.strip_prefix(['-', '+']).unwrap_or(inner);
        let (open, inner) = (&inner[..inner.len() - marked.len()], marked);
        let marked = inner.strip_suffix(['-', '+']).unwrap_or(inner);
        let (close, inner) = (&inner[marked.len()..], marked.trim());
        if let Some(message) = operators(inner) {
            return Err(message);
        }
        let inner = sliced(inner)?;
        let tag = match is_block && inner.split_whitespace().next() != Some("raw") {
            true => &format!("{{%{open} {inner} {close}%}}"),
            false => tag,
        };
        let inner = inner.as_str();
        if !is_block {
            out.push_str(&format!("{{{{{open} {WRITTEN}({inner}) {close}}}}}"));
            continue;
        }
        let (keyword, body) = inner.split_once(|c: char| c.is_whitespace() || c == '(').unwrap_or((inner, ""));
        let checked = |names: &[String]| {
            let checks: Vec<String> = names.iter().map(|name| format!("{BOUNDED}({name})")).collect();
            format!("{{%{open} {inner} %}}{{% set _ = [{}] {close}%}}", checks.join(", "))
        };
        match keyword {
            "raw" => {
                let end =
                    rest.find("endraw").and_then(|at| Some(at + rest[at..].find("%}")? + 2)).unwrap_or(rest.len());
                out.push_str(tag);
                out.push_str(&rest[..end]);
                rest = &rest[end..];
            }
            // Marks of what a model has said, for training.
            "generation" | "endgeneration" => out.push_str(&format!("{{%{open} if true %}}{{% endif {close}%}}")),
            "set" => match assignment(body) {
                Some((target, value)) => {
                    out.push_str(&format!("{{%{open} set {target} = {BOUNDED}({value}) {close}%}}"));
                }
                None => {
                    captured.push(body.split('|').next().unwrap_or_default().trim().to_string());
                    out.push_str(tag);
                }
            },
            "endset" => {
                let name = captured.pop().unwrap_or_default();
                out.push_str(&format!("{{%{open} endset %}}{{% set {name} = {BOUNDED}({name}) {close}%}}"));
            }
            "for" => {
                let names = body.split_once(" in ").map_or("", |(names, _)| names);
                out.push_str(&checked(&names_in(names)));
            }
            "macro" => {
                let names = body.split_once('(').map_or(body, |(_, names)| names);
                let parameters: Vec<String> = names
                    .trim_end_matches(')')
                    .split(',')
                    .map(|name| name.split('=').next().unwrap_or_default())
                    .flat_map(names_in)
                    .collect();
                out.push_str(&checked(&parameters));
            }
            "if" | "elif" | "else" | "endif" | "endfor" | "endmacro" | "break" | "continue" | "endraw" => {
                out.push_str(tag)
            }
            "include" | "import" | "from" | "extends" | "block" | "endblock" => {
                return Err(format!("`{keyword}` reads other templates, and there are none"));
            }
            other => return Err(format!("there is no `{}` in templates of conversations", crate::error::short(other))),
        }
    }
    out.push_str(rest);
    Ok(out)
}

/// Where the next tag or comment begins.
fn tag_start(text: &str) -> Option<usize> {
    ["{{", "{%", "{#"].iter().filter_map(|open| text.find(open)).min()
}

/// The length of the tag at the beginning of a text: up to its end outside of texts and brackets.
fn tag_length(text: &str, is_block: bool) -> Option<usize> {
    let bytes = text.as_bytes();
    let (mut at, mut quote, mut depth) = (2, None, 0usize);
    while at < bytes.len() {
        let byte = bytes[at];
        match quote {
            Some(_) if byte == b'\\' => at += 1,
            Some(open) if byte == open => quote = None,
            Some(_) => {}
            None => match byte {
                b'\'' | b'"' => quote = Some(byte),
                b'%' if is_block && depth == 0 && bytes.get(at + 1) == Some(&b'}') => {
                    return Some(at + 2).filter(|n| *n >= 5);
                }
                b'}' if !is_block && depth == 0 && bytes.get(at + 1) == Some(&b'}') => {
                    return Some(at + 2).filter(|n| *n >= 5);
                }
                b'{' | b'(' | b'[' => depth += 1,
                b'}' | b')' | b']' => depth = depth.saturating_sub(1),
                _ => {}
            },
        }
        at += 1;
    }
    None
}

/// The inside of a tag with a method in the place of each slice.
fn sliced(inner: &str) -> Result<String, String> {
    let (mut out, mut quote, mut escaped) = (String::with_capacity(inner.len()), None, false);
    // Brackets that are open: where they and the colons right inside of them are.
    let mut open: Vec<(char, usize, Vec<usize>)> = Vec::new();
    for c in inner.chars() {
        match (quote, c) {
            _ if escaped => escaped = false,
            (Some(_), '\\') => escaped = true,
            (Some(begun), c) if begun == c => quote = None,
            (Some(_), _) => {}
            (None, '\'' | '"') => quote = Some(c),
            (None, '[' | '(' | '{') if open.len() == MAX_DEPTH => {
                return Err(format!("brackets are more than {MAX_DEPTH} deep in each other"));
            }
            (None, '[' | '(' | '{') => open.push((c, out.len(), Vec::new())),
            (None, ':') => {
                if let Some(('[', _, colons)) = open.last_mut() {
                    colons.push(out.len());
                }
            }
            (None, ']' | ')' | '}') => match open.pop() {
                Some(('[', start, colons)) if c == ']' && matches!(colons.len(), 1 | 2) => {
                    let (mut arguments, mut from) = (Vec::new(), start + 1);
                    for end in colons.into_iter().chain([out.len()]) {
                        let argument = out[from..end].trim();
                        arguments.push(if argument.is_empty() { "none".to_string() } else { argument.to_string() });
                        from = end + 1;
                    }
                    out.truncate(start);
                    out.push_str(&format!(".{SLICE}({})", arguments.join(", ")));
                    continue;
                }
                _ => {}
            },
            (None, _) => {}
        }
        out.push(c);
    }
    Ok(out)
}

/// What is wrong with the operators of a tag.
fn operators(inner: &str) -> Option<String> {
    let (mut quote, mut escaped, mut joined) = (None, false, 1);
    for c in inner.chars() {
        match (quote, c) {
            _ if escaped => escaped = false,
            (Some(_), '\\') => escaped = true,
            (Some(open), c) if open == c => quote = None,
            (Some(_), _) => {}
            (None, '\'' | '"') => quote = Some(c),
            (None, '+' | '~') => joined += 1,
            (None, '*') => return Some("`*` is not done in templates of conversations".to_string()),
            _ => {}
        }
    }
    (joined > MAX_JOINED).then(|| format!("a tag joins {joined} texts, expected {MAX_JOINED} at most"))
}

/// The two sides of `target = value`, if this is not the beginning of a block.
fn assignment(body: &str) -> Option<(&str, &str)> {
    let at = body.find('=')?;
    let (target, value) = (body[..at].trim(), body[at + 1..].trim());
    let is_target = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.' | ',' | ' ' | '(' | ')');
    target.chars().all(is_target).then_some((target, value))
}

/// The names in a list of them.
fn names_in(text: &str) -> Vec<String> {
    let is_name = |c: char| c.is_alphanumeric() || c == '_';
    text.split(|c| !is_name(c))
        .filter(|name| name.starts_with(|c: char| c.is_alphabetic() || c == '_'))
        .map(String::from)
        .collect()
}
