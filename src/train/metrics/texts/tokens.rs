//! Texts into tokens, as sacreBLEU does it.

/// How [`Bleu`](super::Bleu) divides texts into tokens; the names are sacreBLEU's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum BleuTokens {
    /// At white space alone: for texts that are divided already.
    None,
    /// `13a`, that of the WMT campaigns for languages with spaces: punctuation apart from words, but for points, commas and hyphens
    /// inside of numbers. The default.
    Wmt13a,
    /// `char`: each character by itself, white space left out.
    Characters,
    /// `zh`: Chinese characters each by themselves, the rest as `13a`.
    Chinese,
}

impl BleuTokens {
    /// The text with one space between tokens.
    pub(super) fn spaced(self, text: &str) -> String {
        match self {
            Self::None => text.to_string(),
            Self::Characters => {
                let mut out = String::with_capacity(2 * text.len());
                for c in text.chars() {
                    out.push(c);
                    out.push(' ');
                }
                out
            }
            Self::Wmt13a => {
                let mut text = text.replace("<skipped>", "").replace("-\n", "").replace('\n', " ");
                if text.contains('&') {
                    for (entity, plain) in [("&quot;", "\""), ("&amp;", "&"), ("&lt;", "<"), ("&gt;", ">")] {
                        text = text.replace(entity, plain);
                    }
                }
                punctuated(&format!(" {text} "))
            }
            Self::Chinese => {
                let mut out = String::with_capacity(2 * text.len());
                for c in text.trim().chars() {
                    if is_chinese(c) {
                        out.push(' ');
                        out.push(c);
                        out.push(' ');
                    } else {
                        out.push(c);
                    }
                }
                punctuated(&out)
            }
        }
    }
}

fn is_digit(c: char) -> bool {
    c.is_ascii_digit()
}

fn is_no_digit(c: char) -> bool {
    !c.is_ascii_digit()
}

fn is_stop(c: char) -> bool {
    matches!(c, '.' | ',')
}

fn is_hyphen(c: char) -> bool {
    c == '-'
}

/// Spaces around marks; around points and commas, but for those between digits; around hyphens behind digits.
fn punctuated(text: &str) -> String {
    let mut chars = Vec::with_capacity(2 * text.len());
    for c in text.chars() {
        let mark = matches!(c, '{'..='~' | '['..='`' | ' '..='&' | '('..='+' | ':'..='@' | '/');
        if mark {
            chars.extend([' ', c, ' ']);
        } else {
            chars.push(c);
        }
    }
    let chars = spread(&chars, is_no_digit, is_stop, [false, true, true]);
    let chars = spread(&chars, is_stop, is_no_digit, [true, true, false]);
    spread(&chars, is_digit, is_hyphen, [false, true, true]).into_iter().collect()
}

/// Puts spaces before, between and behind each pair of such characters, from left to right; none is in two pairs.
fn spread(chars: &[char], first: fn(char) -> bool, second: fn(char) -> bool, spaces: [bool; 3]) -> Vec<char> {
    let mut out = Vec::with_capacity(chars.len() + chars.len() / 4);
    let space = |out: &mut Vec<char>, wanted: bool| {
        if wanted {
            out.push(' ');
        }
    };
    let mut i = 0;
    while i < chars.len() {
        match chars.get(i + 1) {
            Some(next) if first(chars[i]) && second(*next) => {
                space(&mut out, spaces[0]);
                out.push(chars[i]);
                space(&mut out, spaces[1]);
                out.push(*next);
                space(&mut out, spaces[2]);
                i += 2;
            }
            _ => {
                out.push(chars[i]);
                i += 1;
            }
        }
    }
    out
}

/// What sacreBLEU takes for a Chinese character. Its list names two ranges beyond 16 bits by five digits, of which Python reads four:
/// so U+2001 to U+2A6D, quotation marks and other signs among them, are in it, and the rare characters that were meant are not.
/// Scores are only comparable with the same list.
fn is_chinese(c: char) -> bool {
    matches!(u32::from(c),
        0x3400..=0x4db5 | 0x4e00..=0x9fbb | 0xf900..=0xfa2d | 0xfa30..=0xfa6a | 0xfa70..=0xfad9
        | 0x2001..=0x2a6d | 0x2f81..=0x2fa1 | 0xff00..=0xffef | 0x2e80..=0x2eff | 0x3000..=0x303f
        | 0x31c0..=0x31ef | 0x2f00..=0x2fdf | 0x2ff0..=0x2fff | 0x3100..=0x312f | 0x31a0..=0x31bf
        | 0xfe10..=0xfe1f | 0xfe30..=0xfe4f | 0x3200..=0x33ff)
}
