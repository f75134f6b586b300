//! The tables that `make_tables.py` writes: packed, for as lists of numbers they were a tenth of the crate.

use std::sync::LazyLock;

/// In the order of the file. The classes are lists of where characters of a class begin and end, alternately.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Table {
    Letters,
    Numbers,
    /// Class `P`, and the symbols of ASCII.
    Punctuation,
    NonspacingMarks,
    Marks,
    /// What is one cluster with the character before it.
    Joining,
    /// What words are made of in regular expressions.
    Word,
    /// Classes `Cc`, `Cf`, `Co`, but tab, line feed and carriage return.
    Controls,
    /// Characters whose canonical decomposition is another text, each with its place in [`TEXTS`] and its length.
    Canonical,
    /// Characters whose compatibility decomposition is not the canonical one, likewise.
    Compatibility,
    /// Where characters of one class begin and end, and the class by which marks are ordered.
    CombiningClasses,
    /// Pairs of characters that are composed to one, each with that, in the order of the pairs.
    Composed,
}

/// What characters decompose into.
pub(super) static TEXTS: &str = include_str!("texts.txt");

static TABLES: LazyLock<Vec<Vec<u32>>> = LazyLock::new(|| {
    let (mut bytes, mut tables) = (include_bytes!("tables.bin").as_slice(), Vec::new());
    while !bytes.is_empty() {
        let (columns, rows) = (next(&mut bytes), next(&mut bytes));
        let mut table = vec![0; columns * rows];
        for column in 0..columns {
            let mut last = 0_u32;
            for row in 0..rows {
                let step = next(&mut bytes);
                // The lowest bit is the sign.
                last = last.wrapping_add_signed((step >> 1) as i32 ^ -((step & 1) as i32));
                table[row * columns + column] = last;
            }
        }
        tables.push(table);
    }
    tables
});

/// A number of seven bits to a byte, of which all but the last have the highest bit.
fn next(bytes: &mut &[u8]) -> usize {
    let mut number = 0;
    for shift in (0..).step_by(7) {
        let Some((first, rest)) = bytes.split_first() else { break };
        *bytes = rest;
        number |= usize::from(first & 0x7F) << shift;
        if *first < 0x80 {
            break;
        }
    }
    number
}

/// Its rows, one behind the other.
pub(super) fn table(which: Table) -> &'static [u32] {
    &TABLES[which as usize]
}
