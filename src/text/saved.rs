//! Tokenizers in files.

use std::path::Path;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::tokenizer::Tokenizer;
use super::{BpeTokenizer, CharTokenizer, PublishedTokenizer, WordPieceTokenizer, WordTokenizer};
use crate::error::{Error, Here, Result};
use crate::files;

const FORMAT: &str = "demotic tokenizer";
const VERSION: u32 = 1;

/// The largest file that is read, 256 MiB: ten times the largest vocabularies.
const MAX_SIZE: u64 = 1 << 28;

/// What some programs put before a text in a file; it is no part of the text.
pub(super) const BYTE_ORDER_MARK: char = '\u{FEFF}';

/// A kind of tokenizer that has a form of its own in files.
pub(super) trait Stored: Sized {
    const KIND: &'static str;
    type Saved: Serialize + DeserializeOwned;

    fn to_saved(&self) -> Self::Saved;

    /// Checks everything: files may hold anything.
    fn from_saved(op: &str, saved: Self::Saved) -> Result<Self>;
}

/// What every file of ours begins with.
#[derive(Deserialize)]
struct Head {
    format: String,
    version: u32,
    kind: String,
}

#[derive(Serialize)]
struct Whole<T> {
    format: &'static str,
    version: u32,
    kind: &'static str,
    tokenizer: T,
}

#[derive(Deserialize)]
struct Contents<T> {
    tokenizer: T,
}

#[track_caller]
pub(super) fn to_json<T: Stored>(tokenizer: &T) -> Result<String> {
    let whole = Whole { format: FORMAT, version: VERSION, kind: T::KIND, tokenizer: tokenizer.to_saved() };
    serde_json::to_string(&whole).map_err(|e| Error::format("to_json", e.to_string()).with_source(e)).here()
}

/// The text of a file, up to the largest size, without a byte order mark.
#[track_caller]
pub(super) fn read_text(op: &'static str, path: &Path) -> Result<String> {
    let Some(bytes) = files::read_up_to(op, path, MAX_SIZE)? else {
        return Err(malformed(op, path, format!("larger than {MAX_SIZE} bytes")));
    };
    // Whatever a tokenizer is kept in is text.
    if let Some((what, help)) = files::seems(&bytes, &TEXTS) {
        return Err(malformed(op, path, format!("not a tokenizer's file: it seems to be {what}")).with_help(help));
    }
    match String::from_utf8(bytes) {
        Ok(mut text) => {
            if text.starts_with(BYTE_ORDER_MARK) {
                text.drain(..BYTE_ORDER_MARK.len_utf8());
            }
            Ok(text)
        }
        Err(e) => {
            let message = format!("not UTF-8: byte {} does not belong there", e.utf8_error().valid_up_to());
            Err(malformed(op, path, message))
        }
    }
}

/// What a tokenizer may be kept in.
const TEXTS: [files::Format; 3] = [files::Format::Json, files::Format::Csv, files::Format::Text];

/// An error about what should be JSON, and may be a table or a list of words.
#[track_caller]
fn no_json(op: &str, path: &Path, text: &str, message: String) -> Error {
    match files::seems(text.as_bytes(), &[files::Format::Json, files::Format::Text]) {
        Some((what, _)) => malformed(op, path, format!("not a tokenizer's file: it seems to be {what}")),
        None => malformed(op, path, message),
    }
}

#[track_caller]
pub(super) fn malformed(op: &str, path: &Path, message: impl std::fmt::Display) -> Error {
    Error::format(op, format!("{}: {message}", path.display()))
}

/// Adds the file to an error about its contents.
#[track_caller]
pub(super) fn in_file<T>(op: &str, path: &Path, result: Result<T>) -> Result<T> {
    match result {
        Ok(value) => Ok(value),
        Err(e) => Err(error_in_file(op, path, e)),
    }
}

#[track_caller]
fn error_in_file(op: &str, path: &Path, e: Error) -> Error {
    let message = e.message();
    let message = message.strip_prefix(&format!("{op}: ")).unwrap_or(&message);
    let in_file = malformed(op, path, message);
    match e.help() {
        Some(help) => in_file.with_help(help),
        None => in_file,
    }
    .with_source(e)
}

/// Reads a JSON value from the text of a file.
#[track_caller]
pub(super) fn parse<T: DeserializeOwned>(op: &str, path: &Path, text: &str) -> Result<T> {
    match serde_json::from_str(text) {
        Ok(value) => Ok(value),
        Err(e) => Err(no_json(op, path, text, e.to_string()).with_source(e)),
    }
}

/// The kind of tokenizer in one of our files.
#[track_caller]
fn kind(op: &str, path: &Path, text: &str) -> Result<String> {
    let head: Head = match serde_json::from_str(text) {
        Ok(head) => head,
        Err(e) => return Err(no_json(op, path, text, format!("not a tokenizer's file: {e}")).with_source(e)),
    };
    if head.format != FORMAT {
        return Err(malformed(op, path, format!("the format is `{}`, expected `{FORMAT}`", head.format)));
    }
    if head.version != VERSION {
        let message = format!("version {} of the format, this program reads version {VERSION}", head.version);
        return Err(malformed(op, path, message));
    }
    Ok(head.kind)
}

#[track_caller]
fn from_text<T: Stored>(op: &'static str, path: &Path, text: &str) -> Result<T> {
    let Contents { tokenizer } = parse::<Contents<T::Saved>>(op, path, text)?;
    in_file(op, path, T::from_saved(op, tokenizer))
}

#[track_caller]
pub(super) fn load_as<T: Stored>(path: &Path) -> Result<T> {
    let text = read_text("load", path)?;
    let kind = kind("load", path, &text)?;
    if kind != T::KIND {
        let message = format!("a tokenizer of kind `{kind}`, expected `{}`", T::KIND);
        return Err(malformed("load", path, message).with_help("text::load reads every kind"));
    }
    from_text("load", path, &text)
}

/// Writes any tokenizer into a JSON file, which [`load`] reads.
///
/// # Errors
/// If the file cannot be written, or the tokenizer has no JSON form.
#[track_caller]
pub fn save(tokenizer: &dyn Tokenizer, path: impl AsRef<Path>) -> Result<()> {
    let json = tokenizer.to_json().here()?;
    files::replace("save", path.as_ref(), |out| out.write_all(json.as_bytes()))
}

/// Reads a tokenizer of whatever kind: a file that [`save`] wrote, or a `tokenizer.json` as published models have it. This is
/// a [`PublishedTokenizer`], or with the feature `tokenizers`, if it has parts that this crate does not have, one of its own
/// library.
///
/// # Errors
/// If the file cannot be read, is malformed, or larger than 256 MiB.
///
/// ```
/// use demotic::text::{self, CharTokenizer, Tokenizer};
///
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("tokenizer.json");
/// text::save(&CharTokenizer::fit(["some text"])?, &path)?;
/// let tokenizer = text::load(&path)?;
/// assert_eq!(tokenizer.decode(&tokenizer.encode("text")?)?, "text");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[track_caller]
pub fn load(path: impl AsRef<Path>) -> Result<Box<dyn Tokenizer>> {
    let path = path.as_ref();
    parse_any("load", path, &read_text("load", path)?)
}

/// The tokenizer of whatever kind in a JSON text: what [`Tokenizer::to_json`] gives, or a `tokenizer.json`.
///
/// # Errors
/// If the text is something else.
#[track_caller]
pub fn from_json(json: &str) -> Result<Box<dyn Tokenizer>> {
    parse_any("from_json", Path::new("the text"), json)
}

/// The tokenizer in a text from a file.
#[track_caller]
pub(crate) fn parse_any(op: &'static str, path: &Path, text: &str) -> Result<Box<dyn Tokenizer>> {
    if is_hugging_face(text) {
        return in_file(op, path, published(op, text));
    }
    let kind = kind(op, path, text)?;
    Ok(match kind.as_str() {
        CharTokenizer::KIND => Box::new(from_text::<CharTokenizer>(op, path, text)?),
        WordTokenizer::KIND => Box::new(from_text::<WordTokenizer>(op, path, text)?),
        BpeTokenizer::KIND => Box::new(from_text::<BpeTokenizer>(op, path, text)?),
        WordPieceTokenizer::KIND => Box::new(from_text::<WordPieceTokenizer>(op, path, text)?),
        _ => return Err(malformed(op, path, format!("there is no kind of tokenizer called `{kind}`"))),
    })
}

/// `tokenizer.json` has a model, and says neither what format it is nor of what kind.
fn is_hugging_face(text: &str) -> bool {
    #[derive(Deserialize)]
    struct Probe {
        #[serde(rename = "model")]
        _model: serde::de::IgnoredAny,
    }
    serde_json::from_str::<Head>(text).is_err() && serde_json::from_str::<Probe>(text).is_ok()
}

/// The tokenizer of a `tokenizer.json`.
#[track_caller]
fn published(op: &'static str, text: &str) -> Result<Box<dyn Tokenizer>> {
    match PublishedTokenizer::read(op, text)? {
        Ok(tokenizer) => Ok(Box::new(tokenizer)),
        #[cfg(feature = "tokenizers")]
        Err(_) => Ok(Box::new(super::HuggingFaceTokenizer::parse(op, text)?)),
        #[cfg(not(feature = "tokenizers"))]
        Err((part, message)) => Err(super::published::Refusal::Unknown(message).into_error(op, part)),
    }
}

/// `save` and `load` for one kind.
macro_rules! save_and_load {
    ($name:ident) => {
        impl $name {
            /// Writes the tokenizer into a JSON file.
            ///
            /// # Errors
            /// If the file cannot be written.
            #[track_caller]
            pub fn save(&self, path: impl AsRef<std::path::Path>) -> Result<()> {
                super::save(self, path)
            }

            /// Reads a file that [`save`](Self::save) wrote.
            ///
            /// # Errors
            /// If the file cannot be read, is malformed, or holds a tokenizer of another kind.
            #[track_caller]
            pub fn load(path: impl AsRef<std::path::Path>) -> Result<Self> {
                super::saved::load_as(path.as_ref())
            }
        }
    };
}
pub(super) use save_and_load;
