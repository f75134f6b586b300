//! What the readers of files say about those that do not exist, or are something else.

use std::fs;
use std::path::Path;

use demotic::io::{Checkpoint, CheckpointFolder, Metadata, safetensors};
use demotic::models::Gpt;
use demotic::prelude::*;
use demotic::text::{self, BpeTokenizer, CharTokenizer, WordPieceTokenizer};

type Reader = (&'static str, &'static str, fn(&Path) -> Result<()>);

/// Every function that reads a file, with what it wants in its message.
const READERS: [Reader; 9] = [
    ("safetensors", "a safetensors file", |path| safetensors::load_tensors(path).map(drop)),
    ("safetensors", "a safetensors file", |path| Linear::new(2, 1, &mut Rng::seed(0))?.load(path)),
    ("checkpoint", "a checkpoint", |path| Checkpoint::load(path).map(drop)),
    ("ids", "a file of token ids", |path| TokenStream::open(path).map(drop)),
    ("table", "a CSV file", |path| Table::read_csv(path).map(drop)),
    ("tokenizer", "a tokenizer's file", |path| text::load(path).map(drop)),
    ("tokenizer", "a tokenizer's file", |path| CharTokenizer::load(path).map(drop)),
    ("text", "a tokenizer's file", |path| WordPieceTokenizer::from_vocab(path).map(drop)),
    ("text", "a tokenizer's file", |path| BpeTokenizer::from_files::<&str>(path, path, &[]).map(drop)),
];

/// The beginnings of files as the programs of their kinds write them.
fn strangers() -> Vec<(Vec<u8>, &'static str)> {
    let zip = |name: &[u8]| {
        let mut bytes = b"PK\x03\x04\x00\x00\x08\x08\x00\x00\x00\x00\x00\x00".to_vec();
        bytes.extend([0; 12]);
        bytes.extend((name.len() as u16).to_le_bytes());
        bytes.extend([0, 0]);
        bytes.extend(name);
        bytes.extend([7; 300]);
        bytes
    };
    let binary = |head: &[u8]| [head, &[0, 1, 2, 3, 250, 128, 0, 9][..], &[5; 300][..]].concat();
    let mut tar = vec![0; 600];
    tar[..5].copy_from_slice(b"a.txt");
    tar[257..263].copy_from_slice(b"ustar\0");
    vec![
        (zip(b"archive/data.pkl"), "a PyTorch file (a ZIP archive with a pickle in it)"),
        (zip(b"model/data.pkl"), "a PyTorch file (a ZIP archive with a pickle in it)"),
        (zip(b"arr_0.npy"), "NumPy arrays (.npz)"),
        (zip(b"[Content_Types].xml"), "an Excel or Word document"),
        (zip(b"anything.txt"), "a ZIP archive"),
        (binary(b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19."), "a PyTorch file of the old form (a pickle)"),
        (binary(b"\x80\x04\x95\x10\x00\x00\x00\x00\x00\x00\x00}"), "a Python pickle"),
        (binary(b"\x93NUMPY\x01\x00v\x00{'descr': '<f8', 'fortran_order': False"), "a NumPy array (.npy)"),
        (binary(b"\x89HDF\r\n\x1a\n"), "an HDF5 file, such as Keras writes"),
        (binary(b"GGUF\x03\x00\x00\x00"), "a GGUF file"),
        (binary(b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03"), "a gzip archive"),
        (binary(b"\x28\xb5\x2f\xfd"), "a Zstandard archive"),
        (binary(b"\x89PNG\r\n\x1a\n"), "a PNG image"),
        (binary(b"\xff\xd8\xff\xe0"), "a JPEG image"),
        (binary(b"%PDF-1.7\n%\xe2\xe3\xcf\xd3"), "a PDF document"),
        (binary(b"PAR1"), "a Parquet file"),
        (binary(b"SQLite format 3\0"), "an SQLite database"),
        (binary(b"\x08\x07\x12\x07pytorch\x1a\x052.1.0:"), "an ONNX model"),
        (binary(b"\x08\x01\x12\xa5\x02"), "a TensorFlow model (saved_model.pb)"),
        (binary(b"\x1c\x00\x00\x00TFL3"), "a TensorFlow Lite model"),
        (binary(b"\x0a\x0e\x0a\x05<unk>\x15\x00\x00\x00\x00\x18\x02"), "a SentencePiece model"),
        (binary(b"\x7fELF\x02\x01\x01"), "a program or library (ELF)"),
        (tar, "a tar archive"),
        (b"<!DOCTYPE html>\n<html><head><title>Sign in, please</title>".to_vec(), "an HTML page"),
        (b"\n  <HTML lang=en>\n<body>404, not found".to_vec(), "an HTML page"),
        (b"<?xml version=\"1.0\"?>\n<Error><Code>AccessDenied</Code></Error>".to_vec(), "an XML document"),
        (
            b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a2146\nsize 438\n".to_vec(),
            "a pointer of Git LFS, not the file itself",
        ),
    ]
}

fn expect(reader: &Reader, path: &Path, what: &str) {
    let (_, wanted, read) = reader;
    let e = read(path).unwrap_err();
    let message = e.message();
    let expected = format!("{}: not {wanted}: it seems to be {what}", path.display());
    assert!(message.ends_with(&expected), "{message}\nexpected … {expected}");
    assert_eq!(e.kind(), ErrorKind::Format);
}

#[test]
fn files_of_other_programs_are_called_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.bin");
    for (bytes, what) in strangers() {
        fs::write(&path, bytes).unwrap();
        for reader in &READERS {
            expect(reader, &path, what);
            assert!(reader.2(&path).unwrap_err().help().is_some(), "{what}");
        }
    }
    // What each kind is followed by, and how short a piece of it there is, is no matter, and nothing panics.
    for (bytes, _) in strangers() {
        for len in 0..bytes.len().min(40) {
            fs::write(&path, &bytes[..len]).unwrap();
            READERS.iter().for_each(|(_, _, read)| drop(read(&path)));
        }
    }
}

#[test]
fn our_own_files_in_the_wrong_place_are_called_by_name() -> Result<()> {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name);
    safetensors::save_tensors([("x", &tensor![1.0])], &Metadata::new(), file("safetensors"))?;
    Checkpoint::new().counter("n", 1).save(file("checkpoint"))?;
    TokenStream::write(file("ids"), [1i64, 2, 3], 10)?;
    fs::write(file("table"), "area,price\n1,2\n3,4\n").unwrap();
    CharTokenizer::fit(["some text"])?.save(file("tokenizer"))?;
    fs::write(file("json"), "{\"hidden_size\": 768}").unwrap();
    fs::write(file("lines"), "{\"a\": 1, \"b\": 2}\n{\"a\": 3, \"b\": 4}\n").unwrap();
    for reader in &READERS {
        let own = [
            ("safetensors", "a safetensors file"),
            ("checkpoint", "a checkpoint"),
            ("ids", "a file of token ids"),
            ("table", "a table (CSV)"),
            ("tokenizer", "JSON"),
            ("json", "JSON"),
            ("lines", "JSON"),
        ];
        for (name, what) in own {
            // Where JSON or a text with commas is a possible content, what is wrong with it is said in another way.
            let is_near = match reader.0 {
                "tokenizer" => what == "JSON",
                "text" => what == "JSON" || name == "table",
                _ => false,
            };
            if !is_near && name != reader.0 {
                expect(reader, &file(name), what);
            }
        }
    }
    // Tables whose first words are the marks of other kinds are tables.
    for header in ["ORCID,name", "MZ,b", "BM6,x", "GGUF,b", "{a},b", "[x],b", "Rar!,ID3", "PAR1,b", "a,ORC"] {
        fs::write(file("table"), format!("{header}\n1,2\n")).unwrap();
        assert_eq!(Table::read_csv(file("table"))?.shape(), (1, 2), "{header}");
    }
    Ok(())
}

#[test]
fn a_file_that_does_not_exist_says_where_it_was_looked_for_and_what_there_is() {
    let folder = tempfile::tempdir().unwrap();
    // As the messages show it, with links of the system's own resolved by nobody.
    let root = std::path::absolute(folder.path()).unwrap();
    let place = root.display();
    fs::create_dir(root.join("data")).unwrap();
    fs::create_dir(root.join("empty")).unwrap();
    for name in ["houses.csv", "house_prices.csv", "Weights.safetensors", "notes.txt", ".hidden.csv"] {
        fs::write(root.join("data").join(name), "x").unwrap();
    }
    let data = format!("looked for in {place}/data");
    let cases = [
        ("data/house.csv", format!("{data}, which has `houses.csv`, `house_prices.csv`")),
        ("data/HOUSES.CSV", format!("{data}, which has `houses.csv`")),
        ("data/houses.txt", format!("{data}, which has `houses.csv`")),
        ("data/weights.bin", format!("{data}, which has `Weights.safetensors`")),
        (
            "data/zzzzzz.csv",
            format!("{data}, which has `house_prices.csv`, `houses.csv`, `Weights.safetensors`, `notes.txt`"),
        ),
        ("empty/houses.csv", format!("looked for in {place}/empty, which is empty")),
        ("dta/houses.csv", format!("there is no folder {place}/dta; {place} has `data`")),
        (
            "data/more/deep/houses.csv",
            format!(
                "there is no folder {place}/data/more; {place}/data has {}",
                "`Weights.safetensors`, `house_prices.csv`, `houses.csv`, `notes.txt`"
            ),
        ),
        ("data/notes.txt/houses.csv", format!("{place}/data/notes.txt is a file, not a folder")),
    ];
    for (name, help) in cases {
        let path = root.join(name);
        for (_, _, read) in &READERS {
            let e = read(&path).unwrap_err();
            assert_eq!(e.kind(), ErrorKind::Io);
            assert_eq!(e.help(), Some(help.as_str()));
        }
        let more: Vec<Result<()>> = vec![
            safetensors::Reader::open(&path).map(drop),
            safetensors::Sharded::open(&path).map(drop),
            Sequential::open(&path).map(drop),
            Linear::new(2, 1, &mut Rng::seed(0)).and_then(|mut layer| layer.load_partial(&path).map(drop)),
            Pipeline::open(&path).map(drop),
            Pipeline::open_as::<Sequential>(&path).map(drop),
            TextPipeline::<Gpt>::open(&path).map(drop),
            #[cfg(feature = "tokenizers")]
            text::HuggingFaceTokenizer::load(&path).map(drop),
            demotic::data::read_idx(&path).map(drop),
            demotic::data::read_cifar10(&[&path]).map(drop),
            demotic::data::read_image(&path, demotic::data::Channels::Gray).map(drop),
            demotic::data::ImageDataset::open_folder(&path, demotic::data::Channels::Gray).map(drop),
            // What a program of one's own reads.
            fs::read(&path).map(drop).map_err(|e| demotic::Error::io("mine", &path, e)),
        ];
        for (i, read) in more.into_iter().enumerate() {
            let e = read.unwrap_err();
            assert_eq!((e.kind(), e.help()), (ErrorKind::Io, Some(help.as_str())), "{i}: {e}");
        }
        // Readers of whole folders look for what is in them.
        let folders: Vec<Result<()>> = vec![
            Gpt::from_pretrained(&path).map(drop),
            TextPipeline::<Gpt>::from_pretrained(&path).map(drop),
            demotic::pretrained::tokenizer(&path).map(drop),
            demotic::data::read_mnist(&path, true).map(drop),
        ];
        for (i, read) in folders.into_iter().enumerate() {
            let e = read.unwrap_err();
            assert_eq!(e.kind(), ErrorKind::Io, "{i}: {e}");
            let begins = ["there is no folder ", &format!("{place}/data/notes.txt is a file, not a folder")];
            assert!(begins.iter().any(|begin| e.help().unwrap().starts_with(begin)), "{i}: {e}");
        }
        // Whoever writes into a folder that does not exist is told so as well.
        if help.starts_with("there is no folder") {
            assert_eq!(Checkpoint::new().save(&path).unwrap_err().help(), Some(help.as_str()));
        }
    }
    // A path from where the program runs: the folder is named in full.
    let e = Table::read_csv("hauses.csv").unwrap_err();
    let here = std::env::current_dir().unwrap();
    assert!(e.help().unwrap().starts_with(&format!("looked for in {}, which has", here.display())), "{e}");
    assert!(e.message().starts_with("read_csv: hauses.csv: "), "{e}");
    let e = Trainer::new(losses::mse, Adam::new(0.1))
        .resume(root.join("data/hauses.csv"))
        .fit(
            &mut Linear::new(1, 1, &mut Rng::seed(0)).unwrap(),
            &TensorDataset::new(tensor![[1.0]], tensor![[1.0]]).unwrap(),
            &mut Rng::seed(0),
        )
        .unwrap_err();
    let help = e.help().unwrap();
    assert!(
        help.starts_with("a first run has none") && help.ends_with(&format!("{data}, which has `houses.csv`")),
        "{e}"
    );
    assert_eq!(CheckpointFolder::new(root.join("nothing")).latest().unwrap(), None);
}

/// What begins like a file of another program, or has its mark in the middle, and is a text, is a table like others.
#[test]
fn tables_that_begin_like_other_files_are_tables() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("table.csv");
    let padded = format!("{}ustar", "x".repeat(257));
    let marks = [
        "x,y,ftype",
        "abcdftyp",
        "abcdTFL3",
        padded.as_str(),
        "ARROW1",
        "DMCHECKP",
        "DMTOKENS",
        "GGUF",
        "ggml",
        "lmgg",
        "tjgg",
        "BZh",
        "Rar!",
        "GIF8",
        "BM6",
        "RIFF",
        "OggS",
        "fLaC",
        "ID3",
        "PAR1",
        "FEA1",
        "ORC",
        "MZ",
        "SQLite format 3",
        "PK",
        "mustard",
    ];
    for mark in marks {
        let name = mark.rsplit(',').next().unwrap();
        let fields = mark.matches(',').count();
        fs::write(&path, format!("{mark},z\n{}1,2\n", "0,".repeat(fields))).unwrap();
        let table = Table::read_csv(&path).unwrap_or_else(|e| panic!("{mark}: {e}"));
        assert_eq!(table.shape(), (1, fields + 2), "{mark}");
        assert_eq!(table.column(name).unwrap().numbers(), Some(&[1.0][..]), "{mark}");
    }
}
