//! Text that comes in pieces, in lines that fit into a terminal.

/// How wide a line is. Chinese characters are two wide.
const WIDTH: usize = 96;
/// What does not begin a line.
const CLOSING: &str = "，。！？、：；”’》）";

/// Breaks the lines of prose between words, and between Chinese characters. A word is held back until it is known to be whole. What is no prose
/// passes as it is.
pub struct Wrapped {
    is_prose: bool,
    column: usize,
    word: String,
    after_space: bool,
}

impl Wrapped {
    pub fn new(is_prose: bool) -> Self {
        Self { is_prose, column: 0, word: String::new(), after_space: false }
    }

    /// What can be printed now that `text` has come.
    pub fn take(&mut self, text: &str) -> String {
        if !self.is_prose {
            return text.to_string();
        }
        let mut out = String::new();
        for c in text.chars() {
            match c {
                '\n' => {
                    self.put_word(&mut out);
                    out.push('\n');
                    *self = Self::new(true);
                }
                ' ' => {
                    self.put_word(&mut out);
                    self.after_space = true;
                }
                c if width(c) == 2 => {
                    self.put_word(&mut out);
                    self.word.push(c);
                    self.put_word(&mut out);
                }
                c => self.word.push(c),
            }
        }
        out
    }

    /// The last word.
    pub fn end(mut self) -> String {
        let mut out = String::new();
        self.put_word(&mut out);
        out
    }

    fn put_word(&mut self, out: &mut String) {
        let Some(first) = self.word.chars().next() else { return };
        let wide: usize = self.word.chars().map(width).sum();
        let space = usize::from(self.after_space && self.column > 0);
        if self.column + space + wide > WIDTH && self.column > 0 && !CLOSING.contains(first) {
            out.push('\n');
            self.column = 0;
        } else if space == 1 {
            out.push(' ');
            self.column += 1;
        }
        out.push_str(&self.word);
        self.column += wide;
        self.word.clear();
        self.after_space = false;
    }
}

fn width(c: char) -> usize {
    // From here on, the blocks of Chinese characters and their punctuation.
    if c >= '\u{2e80}' { 2 } else { 1 }
}
