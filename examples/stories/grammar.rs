//! What a story is made of: tables of things, roles that they play, and sentences with slots for them.

use std::collections::HashSet;

use demotic::{Error, Result, Rng};

use super::quality::words;

/// The roles of every story, in any language, with the tables that they are cast from. Two roles of one table are cast with different
/// rows.
const ROLES: [(&str, &str); 17] = [
    ("hero", "names"),
    ("kind", "animals"),
    ("nature", "characters"),
    ("home", "homes"),
    ("wish", "wishes"),
    ("date", "dates"),
    ("time", "times"),
    ("trouble", "troubles"),
    ("spot", "spots"),
    ("mood", "moods"),
    ("friend", "elders"),
    ("friendkind", "helpers"),
    ("friendnature", "characters"),
    ("way", "ways"),
    ("effort", "efforts"),
    ("pastime", "pastimes"),
    ("habit", "habits"),
];

/// A grammar as it is written down.
pub struct Source {
    pub tables: &'static [Table],
    /// The sentences of a story in their order, the title first, with all the ways of saying each. `{role.field}` stands for
    /// a field of the row that plays the role, `{role}` for the first one; `{Role}` begins with a capital letter.
    pub sections: &'static [&'static [&'static str]],
    /// What stands between two sentences.
    pub space: &'static str,
}

/// Things of a kind: a row for each, with the ways to speak of it.
pub struct Table {
    pub name: &'static str,
    /// Divided by `|`, as are the rows.
    pub fields: &'static str,
    pub rows: &'static [&'static str],
}

/// A sentence, piece by piece.
type Template = Vec<Piece>;

enum Piece {
    Text(&'static str),
    Slot { role: usize, field: usize, capital: bool },
}

/// Which row plays each role, as far as it is known.
pub type Cast = Vec<Option<usize>>;

struct Role {
    table: usize,
    /// `rows[row][field]`
    rows: Vec<Vec<&'static str>>,
}

/// Writes stories, and recognises their sentences.
pub struct Grammar {
    roles: Vec<Role>,
    sections: Vec<Vec<Template>>,
    space: &'static str,
    words: HashSet<String>,
}

impl Grammar {
    /// # Errors
    /// If a slot names a role or a field that is not there, or a row has another number of fields than its table.
    pub fn new(source: &Source) -> Result<Self> {
        let mut roles = Vec::new();
        let mut names = Vec::new();
        for (role, table_name) in ROLES {
            let Some(index) = source.tables.iter().position(|table| table.name == table_name) else {
                return Err(wrong(format!("there is no table {table_name}")));
            };
            let table = &source.tables[index];
            let fields: Vec<_> = table.fields.split('|').collect();
            let rows: Vec<Vec<_>> = table.rows.iter().map(|row| row.split('|').collect()).collect();
            if let Some(row) = rows.iter().find(|row| row.len() != fields.len()) {
                return Err(wrong(format!("{row:?} of the table {table_name} should have {} fields", fields.len())));
            }
            names.push((role, fields));
            roles.push(Role { table: index, rows });
        }
        let sections =
            source.sections.iter().map(|section| section.iter().map(|text| template(text, &names)).collect());
        let sections = sections.collect::<Result<Vec<Vec<_>>>>()?;
        let mut grammar = Self { roles, sections, space: source.space, words: HashSet::new() };
        grammar.words = grammar.all_words();
        Ok(grammar)
    }

    /// Whether a word (of Chinese: a character) occurs in stories, with or without a capital letter.
    pub fn knows(&self, word: &str) -> bool {
        self.words.contains(&word.to_lowercase())
    }

    fn all_words(&self) -> HashSet<String> {
        self.parts().flat_map(words).map(str::to_lowercase).collect()
    }

    /// The texts that stories are put together from.
    pub fn parts(&self) -> impl Iterator<Item = &'static str> {
        let fields = self.roles.iter().flat_map(|role| role.rows.iter().flatten());
        let pieces = self.sections.iter().flatten().flatten();
        let texts = pieces.filter_map(|piece| match piece {
            Piece::Text(text) => Some(text),
            Piece::Slot { .. } => None,
        });
        fields.chain(texts).copied()
    }

    /// What may stand at each of the places of a title.
    pub fn of_titles(&self) -> Vec<Vec<&'static str>> {
        let pieces = self.sections[0].iter().flatten();
        let slots = pieces.filter_map(|piece| match *piece {
            Piece::Slot { role, field, .. } => Some(self.roles[role].rows.iter().map(|row| row[field]).collect()),
            Piece::Text(_) => None,
        });
        slots.collect()
    }

    /// A title, and on the next line a story.
    pub fn story(&self, rng: &mut Rng) -> String {
        let mut cast: Cast = vec![None; self.roles.len()];
        for role in 0..cast.len() {
            let free: Vec<_> = (0..self.roles[role].rows.len()).filter(|row| self.is_free(*row, role, &cast)).collect();
            cast[role] = Some(free[rng.below(free.len())]);
        }
        let sentences: Vec<String> = self
            .sections
            .iter()
            .map(|section| section[rng.below(section.len())].iter().map(|piece| self.say(piece, &cast)).collect())
            .collect();
        format!("{}\n{}", sentences[0], sentences[1..].join(self.space))
    }

    /// Whether no other role of the same table is played by a row.
    fn is_free(&self, row: usize, role: usize, cast: &Cast) -> bool {
        let table = self.roles[role].table;
        !cast
            .iter()
            .enumerate()
            .any(|(other, is)| other != role && self.roles[other].table == table && *is == Some(row))
    }

    fn say(&self, piece: &Piece, cast: &Cast) -> String {
        match *piece {
            Piece::Text(text) => text.to_string(),
            Piece::Slot { role, field, capital } => {
                cast[role].map_or_else(String::new, |row| self.field(role, row, field, capital))
            }
        }
    }

    fn field(&self, role: usize, row: usize, field: usize, capital: bool) -> String {
        let text = self.roles[role].rows[row][field];
        let mut letters = text.chars();
        match letters.next() {
            Some(first) if capital => first.to_uppercase().chain(letters).collect(),
            _ => text.to_string(),
        }
    }

    /// Whether it is a sentence of some story.
    pub fn accepts(&self, sentence: &str) -> bool {
        let anything = vec![None; self.roles.len()];
        (0..self.sections.len()).any(|section| !self.casts(section, sentence, &anything).is_empty())
    }

    /// The casts, among those that are possible before each sentence, with which the sentences are those of one story, in
    /// their order; and for each sentence whether it is. One that is not is left out of the account.
    pub fn follow(&self, title: &str, sentences: &[&str]) -> Vec<bool> {
        let anything = vec![None; self.roles.len()];
        let mut casts = self.casts(0, title, &anything);
        if casts.is_empty() {
            casts.push(anything);
        }
        let mut fits = Vec::with_capacity(sentences.len());
        for (i, sentence) in sentences.iter().enumerate() {
            // A story has no more sentences than sections.
            let section = i + 1;
            let next: Vec<Cast> = if section < self.sections.len() {
                casts.iter().flat_map(|cast| self.casts(section, sentence, cast)).collect()
            } else {
                Vec::new()
            };
            fits.push(!next.is_empty());
            if !next.is_empty() {
                casts = next;
            }
        }
        fits
    }

    /// The number of sentences behind the title.
    pub fn num_sentences(&self) -> usize {
        self.sections.len() - 1
    }

    /// All casts with which a section says this sentence, each in keeping with `cast`.
    fn casts(&self, section: usize, sentence: &str, cast: &Cast) -> Vec<Cast> {
        let mut found = Vec::new();
        for template in &self.sections[section] {
            self.fit(template, sentence, &mut cast.clone(), &mut found);
        }
        found
    }

    fn fit(&self, pieces: &[Piece], text: &str, cast: &mut Cast, found: &mut Vec<Cast>) {
        let Some((piece, others)) = pieces.split_first() else {
            if text.is_empty() {
                found.push(cast.clone());
            }
            return;
        };
        match *piece {
            Piece::Text(expected) => {
                if let Some(rest) = text.strip_prefix(expected) {
                    self.fit(others, rest, cast, found);
                }
            }
            Piece::Slot { role, field, capital } => {
                let before = cast[role];
                for row in before.map_or(0..self.roles[role].rows.len(), |row| row..row + 1) {
                    if !self.is_free(row, role, cast) {
                        continue;
                    }
                    if let Some(rest) = text.strip_prefix(self.field(role, row, field, capital).as_str()) {
                        cast[role] = Some(row);
                        self.fit(others, rest, cast, found);
                    }
                }
                cast[role] = before;
            }
        }
    }
}

fn template(text: &'static str, roles: &[(&str, Vec<&str>)]) -> Result<Template> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        let Some((slot, after)) = after.split_once('}') else {
            return Err(wrong(format!("a brace stays open in {text}")));
        };
        if !before.is_empty() {
            pieces.push(Piece::Text(before));
        }
        let (name, field) = slot.split_once('.').unwrap_or((slot, ""));
        let found = roles.iter().position(|(role, _)| *role == name.to_lowercase()).and_then(|role| {
            let field = if field.is_empty() { Some(0) } else { roles[role].1.iter().position(|f| *f == field) };
            Some((role, field?))
        });
        let Some((role, field)) = found else {
            return Err(wrong(format!("there is no {{{slot}}} for {text}")));
        };
        pieces.push(Piece::Slot { role, field, capital: name.starts_with(char::is_uppercase) });
        rest = after;
    }
    if !rest.is_empty() {
        pieces.push(Piece::Text(rest));
    }
    Ok(pieces)
}

fn wrong(message: String) -> Error {
    Error::argument("stories", message)
}
