//! Patterns of schemas: from an expression about a string to one about how JSON writes it.

use std::fmt::Write as _;

use super::alternatives;

/// What may stand in a string, once.
pub(super) const CHARACTER: &str =
    r#"(?:[^"\\\x00-\x1F]|\\(?:["\\/bfnrt]|u(?:[0-9a-cA-CefEF][0-9a-fA-F]{3}|[dD][0-7][0-9a-fA-F]{2})))"#;
/// Groups in groups.
const DEEPEST: usize = 40;
/// The largest number of repetitions.
const MOST: usize = 10_000;

/// Ranges of characters.
type Set = Vec<(u32, u32)>;

/// The texts of a pattern as JSON has them between quotes, of `least` to `most` characters.
pub(super) fn expression(pattern: &str, least: usize, most: Option<usize>) -> Result<Option<String>, String> {
    let chars: Vec<char> = pattern.chars().collect();
    let mut reader = Reader { chars: &chars, at: 0, depth: 0, bounds: (least, most), alone: false };
    let body = reader.choices(true)?;
    match reader.peek() {
        None => Ok(body.text),
        Some(_) => Err("with a `)` outside of groups".to_string()),
    }
}

struct Reader<'c> {
    chars: &'c [char],
    at: usize,
    depth: usize,
    bounds: (usize, Option<usize>),
    /// Whether the alternative is a single repeated character, whose number of repetitions can be bounded.
    alone: bool,
}

/// An expression, `None` if there is no text, with how many characters its texts have.
struct Part {
    text: Option<String>,
    least: usize,
    most: Option<usize>,
}

impl Reader<'_> {
    fn peek(&self) -> Option<char> {
        self.chars.get(self.at).copied()
    }

    fn take(&mut self, c: char) -> bool {
        let is_it = self.peek() == Some(c);
        self.at += usize::from(is_it);
        is_it
    }

    /// Alternatives; the outermost may be anchored, and have anything before and behind where they are not.
    fn choices(&mut self, outermost: bool) -> Result<Part, String> {
        let (mut texts, mut least, mut most) = (Vec::new(), usize::MAX, Some(0));
        loop {
            let part = if outermost { self.anchored()? } else { self.sequence(false)? };
            (least, most) = (least.min(part.least), most.zip(part.most).map(|(a, b)| a.max(b)));
            texts.extend(part.text);
            if !self.take('|') {
                break;
            }
        }
        Ok(Part { text: alternatives(texts.into_iter()), least, most })
    }

    fn anchored(&mut self) -> Result<Part, String> {
        let begins = self.take('^');
        let (from, start) = (self.at, begins);
        let mut part = self.sequence(true)?;
        let ends = self.take('$');
        let (low, high) = self.bounds;
        if !begins || !ends {
            part.most = None;
        }
        let fits = part.least >= low && high.is_none_or(|high| part.most.is_some_and(|most| most <= high));
        if !fits && start && ends {
            // A single piece that repeats does so as often as the length wants it.
            let again = self.at;
            self.at = from;
            self.alone = true;
            let bounded = self.sequence(true);
            let alone = std::mem::replace(&mut self.alone, false);
            self.at = again;
            if alone {
                return bounded;
            }
        }
        if !(fits || begins && ends) && part.text.is_some() {
            // Anything before or behind it makes it as long as it has to be.
            let longest = if high.is_none() { Some(part.least) } else { self.longest(from, part.least) };
            if let (Some(longest), Some(text)) = (longest, part.text.take()) {
                let room = high.map(|high| high.checked_sub(longest));
                if room != Some(None) {
                    let (need, room) = (low.saturating_sub(part.least), room.flatten());
                    let any = room.map_or(format!("{CHARACTER}{{{need},}}"), |room| {
                        format!("{CHARACTER}{{{need},{}}}", room.max(need))
                    });
                    part.text = Some(if ends { format!("{any}{text}") } else { format!("{text}{any}") });
                    return Ok(part);
                }
            }
            return Err("together with `minLength` or `maxLength`".to_string());
        }
        if !fits {
            return Err("together with `minLength` or `maxLength`".to_string());
        }
        let any = |is_anchored: bool| if is_anchored { String::new() } else { format!("{CHARACTER}*") };
        part.text = part.text.map(|text| format!("{}{text}{}", any(begins), any(ends)));
        Ok(part)
    }

    /// The one length of a sequence, if it has one.
    fn longest(&self, from: usize, least: usize) -> Option<usize> {
        let chars = &self.chars[from..self.at];
        let mut reader = Reader { chars, at: 0, depth: 0, bounds: (0, None), alone: false };
        reader.sequence(true).ok()?.most.filter(|most| *most == least)
    }

    fn sequence(&mut self, outermost: bool) -> Result<Part, String> {
        let (mut text, mut least, mut most) = (Some(String::new()), 0usize, Some(0usize));
        let mut pieces = 0;
        while let Some(c) = self.peek() {
            if c == '|' || c == ')' || outermost && c == '$' && matches!(self.chars.get(self.at + 1), None | Some('|'))
            {
                break;
            }
            let atom = self.atom(c)?;
            let (mut low, mut high) = self.times()?;
            pieces += 1;
            if self.alone {
                // Only if nothing follows, and a repetition is one character.
                let last = matches!(self.peek(), None | Some('$' | '|'));
                self.alone = pieces == 1 && last && atom.least == 1 && atom.most == Some(1);
                low = low.max(self.bounds.0);
                high = high.map_or(self.bounds.1, |high| Some(self.bounds.1.map_or(high, |most| most.min(high))));
                if high.is_some_and(|high| high < low) {
                    (text, low, high) = (None, 0, Some(0));
                }
            }
            least = least.saturating_add(atom.least.saturating_mul(low));
            most = match (most, atom.most, high) {
                (_, Some(0), _) | (_, _, Some(0)) => most,
                (Some(most), Some(atom), Some(high)) => Some(most.saturating_add(atom.saturating_mul(high))),
                _ => None,
            };
            text = match (text, atom.text) {
                (Some(mut text), Some(atom)) => {
                    let _ = match high {
                        Some(high) if (low, high) == (1, 1) => write!(text, "{atom}"),
                        Some(high) => write!(text, "(?:{atom}){{{low},{high}}}"),
                        None => write!(text, "(?:{atom}){{{low},}}"),
                    };
                    Some(text)
                }
                (text, None) if low == 0 => text,
                _ => None,
            };
        }
        Ok(Part { text, least, most })
    }

    /// How often what stands before may be repeated.
    fn times(&mut self) -> Result<(usize, Option<usize>), String> {
        let times = match self.peek() {
            Some('*') => (0, None),
            Some('+') => (1, None),
            Some('?') => (0, Some(1)),
            Some('{') => {
                let rest: String = self.chars[self.at + 1..].iter().take_while(|c| **c != '}').collect();
                let number = |text: &str| {
                    let is_number = text.bytes().all(|digit| digit.is_ascii_digit());
                    text.parse().ok().filter(|n| is_number && *n <= MOST)
                };
                let bounds = match rest.split_once(',') {
                    None => number(&rest).map(|n| (n, Some(n))),
                    Some((low, "")) => number(low).map(|low| (low, None)),
                    Some((low, high)) => number(low).zip(number(high).map(Some)),
                };
                let Some((low, high)) = bounds.filter(|(low, high)| high.is_none_or(|high| high >= *low)) else {
                    return Err(format!("with `{{{}}}`", crate::error::short(&rest)));
                };
                self.at += rest.chars().count() + 1;
                (low, high)
            }
            _ => return Ok((1, Some(1))),
        };
        self.at += 1;
        // Greedy or not, the texts are the same.
        self.take('?');
        match self.peek() {
            Some('*' | '+' | '?' | '{') => Err("with a repetition of a repetition".to_string()),
            _ => Ok(times),
        }
    }

    fn atom(&mut self, c: char) -> Result<Part, String> {
        self.at += 1;
        let set = match c {
            '(' => {
                if self.take('?') {
                    let named = self.chars[self.at..].iter().position(|c| *c == '>');
                    match (self.peek(), self.chars.get(self.at + 1), named) {
                        (Some(':'), _, _) => self.at += 1,
                        (Some('<'), Some(c), Some(end)) if !"=!".contains(*c) => self.at += end + 1,
                        _ => return Err("with a look around".to_string()),
                    }
                }
                self.depth += 1;
                if self.depth > DEEPEST {
                    return Err(format!("with more than {DEEPEST} groups in groups"));
                }
                let alone = std::mem::replace(&mut self.alone, false);
                let part = self.choices(false)?;
                self.alone = alone;
                self.depth -= 1;
                return if self.take(')') { Ok(part) } else { Err("with a group that does not end".to_string()) };
            }
            '[' => self.class()?,
            '.' => without(&[(0x0A, 0x0A), (0x0D, 0x0D), (0x2028, 0x2029)]),
            '\\' => self.escaped(false)?,
            '^' | '$' => return Err("with an anchor between characters".to_string()),
            '*' | '+' | '?' | '{' => return Err("with a repetition of nothing".to_string()),
            c => vec![(c.into(), c.into())],
        };
        let text = written(&set);
        Ok(Part { text, least: 1, most: Some(1) })
    }

    /// What stands behind a backslash.
    fn escaped(&mut self, in_class: bool) -> Result<Set, String> {
        let Some(c) = self.peek() else { return Err("that ends with `\\`".to_string()) };
        self.at += 1;
        let digits = |set: &[(u32, u32)], negated: bool| if negated { without(set) } else { set.to_vec() };
        let number = |reader: &mut Self, length: usize| {
            let text: String = reader.chars.iter().skip(reader.at).take(length).collect();
            reader.at += length;
            let is_number = text.len() == length && text.bytes().all(|digit| digit.is_ascii_hexdigit());
            let number = u32::from_str_radix(&text, 16).ok().filter(|_| is_number);
            number.filter(|n| char::from_u32(*n).is_some()).ok_or_else(|| format!("with `\\{c}{text}`"))
        };
        let one = match c {
            'd' | 'D' => return Ok(digits(&[(0x30, 0x39)], c == 'D')),
            'w' | 'W' => return Ok(digits(&[(0x30, 0x39), (0x41, 0x5A), (0x5F, 0x5F), (0x61, 0x7A)], c == 'W')),
            's' | 'S' => {
                let spaces = [
                    (9, 13),
                    (32, 32),
                    (0xA0, 0xA0),
                    (0x1680, 0x1680),
                    (0x2000, 0x200A),
                    (0x2028, 0x2029),
                    (0x202F, 0x202F),
                    (0x205F, 0x205F),
                    (0x3000, 0x3000),
                    (0xFEFF, 0xFEFF),
                ];
                return Ok(digits(&spaces, c == 'S'));
            }
            't' => 9,
            'n' => 10,
            'v' => 11,
            'f' => 12,
            'r' => 13,
            'b' if in_class => 8,
            '0' if !self.peek().is_some_and(|c| c.is_ascii_digit()) => 0,
            'x' => number(self, 2)?,
            'u' => number(self, 4)?,
            c if c.is_alphanumeric() => return Err(format!("with `\\{c}`")),
            c => c.into(),
        };
        Ok(vec![(one, one)])
    }

    fn class(&mut self) -> Result<Set, String> {
        let (negated, mut set) = (self.take('^'), Set::new());
        loop {
            let Some(c) = self.peek() else { return Err("with a class that does not end".to_string()) };
            self.at += 1;
            let part = match c {
                ']' => break,
                '\\' => self.escaped(true)?,
                c => vec![(c.into(), c.into())],
            };
            let is_range = self.peek() == Some('-') && self.chars.get(self.at + 1).is_some_and(|c| *c != ']');
            match part[..] {
                [(first, same)] if is_range && first == same => {
                    self.at += 1;
                    let end = match self.peek() {
                        Some('\\') => {
                            self.at += 1;
                            self.escaped(true)?
                        }
                        other => {
                            self.at += 1;
                            other.map(|c| (c.into(), c.into())).into_iter().collect()
                        }
                    };
                    match end[..] {
                        [(last, same)] if last == same && last >= first => set.push((first, last)),
                        _ => return Err("with a range that runs backwards".to_string()),
                    }
                }
                _ => set.extend(part),
            }
        }
        Ok(if negated { without(&set) } else { set })
    }
}

/// All characters but these.
fn without(set: &[(u32, u32)]) -> Set {
    let mut sorted = set.to_vec();
    crate::order::sort_by(&mut sorted, Ord::cmp);
    let (mut next, mut rest) = (0, Set::new());
    for (first, last) in sorted {
        if first > next {
            rest.push((next, first - 1));
        }
        next = next.max(last + 1);
    }
    if next <= 0x10_FFFF {
        rest.push((next, 0x10_FFFF));
    }
    rest
}

/// One character of a set as JSON writes it; `None` if it is empty.
fn written(set: &[(u32, u32)]) -> Option<String> {
    let has = |c: char| set.iter().any(|(first, last)| (*first..=*last).contains(&c.into()));
    // What needs no backslash, and what the halves of pairs, which are no characters, leave.
    let plain = [(0x20, 0x21), (0x23, 0x5B), (0x5D, 0xD7FF), (0xE000, 0x10_FFFF)];
    let (mut class, mut all) = (String::new(), Vec::new());
    for (first, last) in set {
        for (low, high) in plain {
            let (low, high) = (low.max(*first), high.min(*last));
            if low <= high {
                let _ = write!(class, r"\x{{{low:X}}}-\x{{{high:X}}}");
            }
        }
    }
    if !class.is_empty() {
        all.push(format!("[{class}]"));
    }
    for (c, escape) in [
        ('"', r#"\\""#),
        ('\\', r"\\\\"),
        ('\n', r"\\n"),
        ('\r', r"\\r"),
        ('\t', r"\\t"),
        ('\x08', r"\\b"),
        ('\x0C', r"\\f"),
    ] {
        if has(c) {
            all.push(escape.to_string());
        }
    }
    for c in (0..0x20u8).filter(|c| !b"\n\r\t\x08\x0C".contains(c) && has(char::from(*c))) {
        all.push(format!(r"\\u{c:04x}"));
    }
    alternatives(all.into_iter())
}
