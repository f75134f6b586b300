//! GPT-2's two files: `vocab.json` and `merges.txt`.

use std::collections::HashMap;
use std::panic::Location;
use std::path::Path;

use super::BpeTokenizer;
use crate::error::{Error, Here, Result};
use crate::files;
use crate::text::saved::{in_file, parse, read_text};
use crate::text::vocabulary::Vocabulary;

impl BpeTokenizer {
    /// Reads GPT-2's files: `vocab.json`, a map from tokens to ids, and `merges.txt`, with a pair of tokens on each line.
    ///
    /// `special_tokens` are not divided, for example `["<|endoftext|>"]` for GPT-2. Those that the vocabulary lacks get the
    /// next ids.
    ///
    /// # Errors
    /// If a file cannot be read, is not UTF-8 or malformed; if ids have gaps or occur twice; if a merge is of or makes a
    /// token that the vocabulary lacks.
    ///
    /// ```no_run
    /// use demotic::text::{BpeTokenizer, Tokenizer};
    ///
    /// let gpt2 = BpeTokenizer::from_files("vocab.json", "merges.txt", &["<|endoftext|>"])?;
    /// assert_eq!(gpt2.encode("Hello world")?, [15496, 995]);
    /// # Ok::<(), demotic::Error>(())
    /// ```
    #[track_caller]
    pub fn from_files<T: AsRef<str>>(
        vocab: impl AsRef<Path>,
        merges: impl AsRef<Path>,
        special_tokens: &[T],
    ) -> Result<Self> {
        let op = "from_files";
        let (vocab, merges) = (vocab.as_ref(), merges.as_ref());
        let ids: HashMap<String, u64> = parse(op, vocab, &read_text(op, vocab)?)?;
        let mut vocabulary = in_file(op, vocab, Vocabulary::from_ids(op, ids))?;
        vocabulary.add_special(op, special_tokens)?;
        let pairs = in_file(op, merges, parse_merges(op, &read_text(op, merges)?, &vocabulary)).here()?;
        in_file(op, vocab, Self::new(op, vocabulary, pairs))
    }

    /// Writes `vocab.json` and `merges.txt` into a folder, in the form that [`from_files`](Self::from_files) and Python's
    /// libraries read. Which tokens are special is not in these files.
    ///
    /// # Errors
    /// If a file cannot be written, or a token has a space or line break in it, which `merges.txt` has no way to write.
    #[track_caller]
    pub fn save_files(&self, folder: impl AsRef<Path>) -> Result<()> {
        let (op, folder) = ("save_files", folder.as_ref());
        let tokens = self.vocabulary.tokens();
        let mut vocab = String::from("{");
        for (id, token) in tokens.iter().enumerate() {
            let token =
                serde_json::to_string(token).map_err(|e| Error::format(op, e.to_string()).with_source(e)).here()?;
            vocab.push_str(&format!("{}{token}:{id}", if id == 0 { "" } else { "," }));
        }
        vocab.push('}');
        let mut merges = String::from("#version: 0.2\n");
        for (left, right) in &self.merge_list {
            let (left, right) = (&tokens[*left as usize], &tokens[*right as usize]);
            if let Some(token) = [left, right].into_iter().find(|token| token.contains([' ', '\n', '\r'])) {
                let message = format!("the token `{}` cannot be written into merges.txt", token.escape_debug());
                return Err(Error::format(op, message));
            }
            merges.push_str(&format!("{left} {right}\n"));
        }
        files::replace(op, &folder.join("vocab.json"), |out| out.write_all(vocab.as_bytes()))?;
        files::replace(op, &folder.join("merges.txt"), |out| out.write_all(merges.as_bytes()))
    }
}

#[track_caller]
fn parse_merges(op: &str, text: &str, vocabulary: &Vocabulary) -> Result<Vec<(u32, u32)>> {
    let mut pairs = Vec::new();
    let mut seen: HashMap<(u32, u32), usize> = HashMap::new();
    for (line, number) in text.lines().zip(1..) {
        // Further down it is a merge of `#version`.
        if line.trim_matches(' ').is_empty() || (number == 1 && line.starts_with("#version")) {
            continue;
        }
        let caller = Location::caller();
        let wrong = |message: String| Err(Error::format(op, format!("line {number}: {message}")).at(caller));
        let Some((left, right)) = line.split_once(' ').filter(|(_, right)| !right.contains(' ')) else {
            return wrong(format!("`{line}` is not two tokens with a space between them"));
        };
        let merged = format!("{left}{right}");
        let id = |token: &str| vocabulary.id(token).ok_or(token.to_string());
        match (id(left), id(right), id(&merged)) {
            (Ok(left), Ok(right), Ok(_)) => {
                if let Some(first) = seen.insert((left, right), number) {
                    return wrong(format!("`{line}` stands on line {first} already"));
                }
                pairs.push((left, right));
            }
            (Err(token), ..) | (_, Err(token), _) | (.., Err(token)) => {
                return wrong(format!("the vocabulary has no `{token}`, to merge `{line}`"))
                    .map_err(|e: Error| e.with_help("vocab.json and merges.txt must come from the same tokenizer"));
            }
        }
    }
    Ok(pairs)
}
