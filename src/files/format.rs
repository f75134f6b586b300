//! What a file seems to be, by how it begins: for people who were given something else than they think, or gave it to the
//! wrong function.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use crate::error::Error;

/// The kinds of files that are told apart where it matters which of them a loader wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Safetensors,
    Checkpoint,
    Gguf,
    PyTorch,
    Npz,
    TokenIds,
    Json,
    /// Fields with delimiters between them.
    Csv,
    /// Any other text.
    Text,
    /// Something that nothing here reads.
    Other,
}

/// How much of a file is looked at.
const HEAD: usize = 4096;

/// What a file seems to be.
struct Guess {
    format: Format,
    /// With its article: `a PNG image`.
    what: &'static str,
    help: &'static str,
}

const PYTORCH: &str = "io::pytorch::Reader reads the tensors in it";
const NUMPY: &str = "data::read_npy reads it; in Python, save parameters with safetensors.numpy.save_file";
const NUMPYS: &str = "data::Npz reads them, and is a source of tensors";
const UNPACK: &str = "unpack it first";
const KERAS: &str =
    "in Python, save its weights with safetensors.numpy.save_file({w.path: w.numpy() for w in model.weights}, ..)";
const CONVERT: &str = "take the model as .safetensors, in which most models are published as well";
const PARQUET: &str = "Table::read_parquet reads it, with the feature `parquet`";
const ARROW: &str = "Table::read_arrow reads it, with the feature `parquet`";
const EXPORT: &str = "save the table as CSV in UTF-8";
const DOWNLOAD: &str =
    "where a download was expected, this may be the page of an error or a login: look at it in a browser";
const PICTURE: &str = "look at the path: it leads to another kind of file";

/// How kinds of files begin.
const MAGIC: [(&[u8], Format, &str, &str); 40] = {
    use Format::{Checkpoint, Gguf, Other, TokenIds};
    [
        (b"DMCHECKP", Checkpoint, "a checkpoint", "io::Checkpoint::load reads it"),
        (b"DMTOKENS", TokenIds, "a file of token ids", "text::TokenStream::open reads it"),
        (
            b"version https://git-lfs",
            Other,
            "a pointer of Git LFS, not the file itself",
            "fetch the file with `git lfs pull`",
        ),
        (b"GGUF", Gguf, "a GGUF file", "io::gguf::Reader reads it"),
        (b"ggml", Other, "a GGML file", CONVERT),
        (b"lmgg", Other, "a GGML file", CONVERT),
        (b"tjgg", Other, "a GGML file", CONVERT),
        (b"\x93NUMPY", Other, "a NumPy array (.npy)", NUMPY),
        (b"\x89HDF\r\n\x1a\n", Other, "an HDF5 file, such as Keras writes", KERAS),
        (b"\x1f\x8b", Other, "a gzip archive", UNPACK),
        (b"BZh", Other, "a bzip2 archive", UNPACK),
        (b"\xfd7zXZ\0", Other, "an xz archive", UNPACK),
        (b"\x28\xb5\x2f\xfd", Other, "a Zstandard archive", UNPACK),
        (b"7z\xbc\xaf\x27\x1c", Other, "a 7z archive", UNPACK),
        (b"Rar!", Other, "a RAR archive", UNPACK),
        (b"\x89PNG", Other, "a PNG image", PICTURE),
        (b"\xff\xd8\xff", Other, "a JPEG image", PICTURE),
        (b"GIF8", Other, "a GIF image", PICTURE),
        (b"BM6", Other, "a BMP image", PICTURE),
        (b"II*\0", Other, "a TIFF image", PICTURE),
        (b"MM\0*", Other, "a TIFF image", PICTURE),
        (b"RIFF", Other, "a RIFF file, such as WAV or WebP", PICTURE),
        (b"OggS", Other, "an Ogg file", PICTURE),
        (b"fLaC", Other, "a FLAC file", PICTURE),
        (b"ID3", Other, "an MP3 file", PICTURE),
        (b"%PDF", Other, "a PDF document", PICTURE),
        (b"{\\rtf", Other, "an RTF document", EXPORT),
        (b"\xd0\xcf\x11\xe0", Other, "an old Excel or Word document", EXPORT),
        (b"PAR1", Other, "a Parquet file", PARQUET),
        (b"ARROW1", Other, "an Arrow file", ARROW),
        (b"FEA1", Other, "a Feather file", EXPORT),
        (b"ORC", Other, "an ORC file", EXPORT),
        (b"Obj\x01", Other, "an Avro file", EXPORT),
        (b"SQLite format 3\0", Other, "an SQLite database", EXPORT),
        (b"\x7fELF", Other, "a program or library (ELF)", PICTURE),
        (b"MZ", Other, "a program or library of Windows", PICTURE),
        (b"\0asm", Other, "a WebAssembly module", PICTURE),
        (b"\xff\xfe", Other, "text in UTF-16", "save it as UTF-8"),
        (b"\xfe\xff", Other, "text in UTF-16", "save it as UTF-8"),
        (b"\xca\xfe\xba\xbe", Other, "a program or class file", PICTURE),
    ]
};

/// Those of them that are texts. All others have bytes behind their beginning that no text has.
const TEXTS: [&[u8]; 3] = [b"version https://git-lfs", b"{\\rtf", b"%PDF"];

fn other(what: &'static str, help: &'static str) -> Option<Guess> {
    Some(Guess { format: Format::Other, what, help })
}

fn contains(head: &[u8], part: &[u8]) -> bool {
    head.windows(part.len()).any(|window| window == part)
}

/// What a file that begins like this seems to be, if that is any kind that is known.
fn guess(head: &[u8]) -> Option<Guess> {
    let head = &head[..head.len().min(HEAD)];
    // Before the kinds of a few bytes: the length of a header may look like anything.
    if head.len() > 9 && head[3..8] == [0; 5] && head[8] == b'{' {
        let help = "SaveLoad::load and io::safetensors read it";
        return Some(Guess { format: Format::Safetensors, what: "a safetensors file", help });
    }
    if let Some((magic, format, what, help)) = MAGIC.iter().find(|(magic, ..)| head.starts_with(magic)) {
        // What begins with letters and goes on as a text is one: `ORCID,name`.
        // The beginning of a file of our own that was cut off right behind it is no text.
        if TEXTS.contains(magic) || !is_text(head) || (*format != Format::Other && head == *magic) {
            return Some(Guess { format: *format, what, help });
        }
    }
    if is_text(head) {
        return text(head);
    }
    if head.starts_with(b"PK\x03\x04") {
        return zip(head);
    }
    pickle(head).or_else(|| protocol_buffer(head)).or_else(|| at_offset(head))
}

fn zip(head: &[u8]) -> Option<Guess> {
    // The name of the first file in it, and what else can be seen.
    if contains(head, b"data.pkl") || contains(head, b"/version") || contains(head, b"/byteorder") {
        let what = "a PyTorch file (a ZIP archive with a pickle in it)";
        return Some(Guess { format: Format::PyTorch, what, help: PYTORCH });
    }
    if contains(head, b".npy") {
        return Some(Guess { format: Format::Npz, what: "NumPy arrays (.npz)", help: NUMPYS });
    }
    if contains(head, b"[Content_Types].xml") || contains(head, b"xl/") || contains(head, b"word/") {
        return other("an Excel or Word document", EXPORT);
    }
    if contains(head, b"mimetypeapplication/vnd.oasis") {
        return other("an OpenDocument file", EXPORT);
    }
    if contains(head, b"model.weights.h5") || contains(head, b"metadata.json") {
        return other("a Keras model (.keras)", KERAS);
    }
    other("a ZIP archive", UNPACK)
}

/// Python's pickles, among them what PyTorch wrote before its release 1.6.
fn pickle(head: &[u8]) -> Option<Guess> {
    match head {
        [0x80, 2..=5, rest @ ..] if rest.starts_with(b"\x8a\x0al\xfc\x9cF\xf9") => {
            let what = "a PyTorch file of the old form (a pickle)";
            Some(Guess { format: Format::PyTorch, what, help: PYTORCH })
        }
        [0x80, 2..=5, ..] => other(
            "a Python pickle",
            "pickles run code when they are read: in Python, save what is in it in another format",
        ),
        _ => None,
    }
}

/// Messages of protocol buffers have no magic, but first fields that are typical.
fn protocol_buffer(head: &[u8]) -> Option<Guess> {
    match head {
        // The first piece of the vocabulary, `<unk>` or `<pad>`.
        [0x0a, _, 0x0a, n @ 1..=32, b'<', ..] if usize::from(*n) < head.len() => other(
            "a SentencePiece model",
            "transformers writes it as tokenizer.json: AutoTokenizer.from_pretrained(..).save_pretrained(..)",
        ),
        [0x08, 1, 0x12, ..] => other("a TensorFlow model (saved_model.pb)", CONVERT),
        // The version of the format, then the name of the program that wrote it.
        [0x08, 2..=30, 0x12 | 0x1a | 0x3a | 0x42, ..] => other("an ONNX model", CONVERT),
        _ => None,
    }
}

fn at_offset(head: &[u8]) -> Option<Guess> {
    if head.get(4..8) == Some(b"TFL3") {
        return other("a TensorFlow Lite model", CONVERT);
    }
    if head.get(4..8) == Some(b"ftyp") {
        return other("a video or picture (MP4, HEIC)", PICTURE);
    }
    if head.get(257..262) == Some(b"ustar") {
        return other("a tar archive", UNPACK);
    }
    None
}

/// Whether these bytes are text in UTF-8, of which the last letter may be cut.
fn is_text(head: &[u8]) -> bool {
    let valid = match std::str::from_utf8(head) {
        Ok(_) => true,
        Err(e) => e.error_len().is_none() && e.valid_up_to() > 0,
    };
    valid && !head.iter().any(|byte| *byte < 32 && !matches!(byte, b'\t' | b'\n' | b'\r' | 0x0b | 0x0c))
}

/// What kind of text it is.
fn text(head: &[u8]) -> Option<Guess> {
    if head.is_empty() {
        return None;
    }
    let head = head.strip_prefix("\u{feff}".as_bytes()).unwrap_or(head);
    let start = head.trim_ascii_start();
    let tag: Vec<u8> = start.iter().take(14).map(u8::to_ascii_lowercase).collect();
    if tag.starts_with(b"<!doctype html") || tag.starts_with(b"<html") {
        return other("an HTML page", DOWNLOAD);
    }
    if tag.starts_with(b"<?xml") {
        return other("an XML document", DOWNLOAD);
    }
    if is_json(start) {
        return Some(Guess { format: Format::Json, what: "JSON", help: "" });
    }
    let mut lines = head.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty());
    let (first, second) = (lines.next()?, lines.next());
    let fields = |line: &[u8], delimiter: u8| line.iter().filter(|byte| **byte == delimiter).count();
    let is_table = second.is_some_and(|second| {
        b",;\t".iter().any(|delimiter| {
            let n = fields(first, *delimiter);
            n > 0 && n == fields(second, *delimiter)
        })
    });
    Some(match is_table {
        true => Guess { format: Format::Csv, what: "a table (CSV)", help: "data::Table::read_csv reads it" },
        false => Guess { format: Format::Text, what: "a text", help: "" },
    })
}

/// Whether a text goes on as JSON does after its first bracket: a name, a bracket or the end.
fn is_json(start: &[u8]) -> bool {
    let Some((first, inner)) = start.split_first() else { return false };
    let inner = inner.trim_ascii_start();
    match (first, inner.first()) {
        (b'{', Some(b'"' | b'}')) | (b'[', Some(b'{' | b'[' | b'"' | b']')) => true,
        // A list of numbers.
        (b'[', Some(b'-' | b'0'..=b'9')) => inner.contains(&b','),
        _ => false,
    }
}

/// Which kind of file this seems to be.
#[track_caller]
pub(crate) fn format(op: &'static str, path: &Path) -> crate::error::Result<Option<Format>> {
    let mut head = Vec::new();
    match super::open(op, path)?.take(HEAD as u64).read_to_end(&mut head) {
        Ok(_) => Ok(guess(&head).map(|guess| guess.format)),
        Err(e) => Err(Error::io(op, path, e)),
    }
}

/// What a file seems to be if it is none of the kinds that were expected: with its article, and what to do about it.
pub(crate) fn seems(head: &[u8], expected: &[Format]) -> Option<(&'static str, &'static str)> {
    guess(head).filter(|guess| !expected.contains(&guess.format)).map(|guess| (guess.what, guess.help))
}

/// The error of a loader that could not make sense of a file: what the file seems to be, if it is recognised as something
/// else than `expected`, whose name is `wanted` (`a safetensors file`), and `message` otherwise.
#[track_caller]
pub(crate) fn refused(op: &str, path: &Path, expected: &[Format], wanted: &str, message: &str) -> Error {
    let mut head = Vec::new();
    // What cannot be read cannot be recognised either, and a pipe cannot be read twice.
    if path.is_file() {
        let _ = File::open(path).and_then(|file| file.take(HEAD as u64).read_to_end(&mut head));
    }
    let place = path.display();
    match seems(&head, expected) {
        Some((what, "")) => Error::format(op, format!("{place}: not {wanted}: it seems to be {what}")),
        Some((what, help)) => {
            Error::format(op, format!("{place}: not {wanted}: it seems to be {what}")).with_help(help)
        }
        None => Error::format(op, format!("{place}: {message}")),
    }
}
