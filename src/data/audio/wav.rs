//! WAV files.

use std::io::{self, Read};

/// Why a file is not read.
pub(super) enum Failure {
    Io(io::Error),
    Malformed(String),
}

impl From<io::Error> for Failure {
    fn from(e: io::Error) -> Self {
        match e.kind() {
            io::ErrorKind::UnexpectedEof => Self::Malformed("the file is cut off within its header".into()),
            _ => Self::Io(e),
        }
    }
}

fn malformed<T>(message: impl Into<String>) -> Result<T, Failure> {
    Err(Failure::Malformed(message.into()))
}

/// How a number is kept.
#[derive(Clone, Copy)]
enum Coding {
    U8,
    I16,
    I24,
    I32,
    F32,
    F64,
}

impl Coding {
    fn value(self, bytes: &[u8]) -> f64 {
        let at = |i: usize| bytes.get(i).copied().unwrap_or(0);
        match self {
            Self::U8 => (f64::from(at(0)) - 128.0) / 128.0,
            Self::I16 => f64::from(i16::from_le_bytes([at(0), at(1)])) / 32_768.0,
            // The upper bytes of a number of 32 bits.
            Self::I24 => f64::from(i32::from_le_bytes([0, at(0), at(1), at(2)])) / 2_147_483_648.0,
            Self::I32 => f64::from(i32::from_le_bytes([at(0), at(1), at(2), at(3)])) / 2_147_483_648.0,
            Self::F32 => f64::from(f32::from_le_bytes([at(0), at(1), at(2), at(3)])),
            Self::F64 => f64::from_le_bytes([0, 1, 2, 3, 4, 5, 6, 7].map(at)),
        }
    }
}

/// What the chunk `fmt ` says.
struct Format {
    coding: Coding,
    bytes: usize,
    channels: usize,
    rate: u32,
}

/// What stands behind the number of a coding in the long form of the chunk.
const GUID: [u8; 14] = [0, 0, 0, 0, 0x10, 0, 0x80, 0, 0, 0xAA, 0, 0x38, 0x9B, 0x71];

fn format(chunk: &[u8]) -> Result<Format, Failure> {
    let short = |at: usize| u16::from_le_bytes([chunk[at], chunk[at + 1]]);
    if chunk.len() < 16 {
        return malformed(format!("a chunk `fmt ` of {} bytes, expected at least 16", chunk.len()));
    }
    let (mut code, channels, align, bits) = (short(0), short(2), short(12), short(14));
    let rate = u32::from_le_bytes([chunk[4], chunk[5], chunk[6], chunk[7]]);
    if code == 0xFFFE {
        if chunk.len() < 40 || chunk[26..40] != GUID {
            return malformed("a coding of its own, of which none is known");
        }
        code = short(24);
    }
    let coding = match (code, bits) {
        (1, 8) => Coding::U8,
        (1, 16) => Coding::I16,
        (1, 24) => Coding::I24,
        (1, 32) => Coding::I32,
        (3, 32) => Coding::F32,
        (3, 64) => Coding::F64,
        _ => {
            let known = "expected whole numbers (1) of 8, 16, 24 or 32 bits, or floating ones (3) of 32 or 64";
            return malformed(format!("samples of coding {code} with {bits} bits, {known}"));
        }
    };
    let bytes = usize::from(bits / 8);
    if channels == 0 || usize::from(align) != bytes * usize::from(channels) {
        return malformed(format!("{channels} channels of {bytes} bytes in {align}"));
    }
    Ok(Format { coding, bytes, channels: usize::from(channels), rate })
}

/// The longest chunk `fmt ` that is kept.
const MAX_FORMAT: u32 = 4096;

/// The samples of a file, and how many a second there are. Memory is taken as they come, whatever the file says of their number.
pub(super) fn read(mut file: impl Read) -> Result<(Vec<f32>, u32), Failure> {
    let mut head = [0; 12];
    let got = fill(&mut file, &mut head)?;
    if got < 12 || &head[..4] != b"RIFF" || &head[8..] != b"WAVE" {
        return match &head[..4] {
            b"RF64" | b"RIFX" => malformed("a RIFF of another kind (RF64 or RIFX), of which WAVE alone is read"),
            _ => malformed("no WAV file: it does not begin with RIFF and WAVE"),
        };
    }
    let mut found: Option<Format> = None;
    loop {
        let mut head = [0; 8];
        match fill(&mut file, &mut head)? {
            8 => {}
            0 => return malformed("there is no chunk `data`"),
            _ => return malformed("the file is cut off within its header"),
        }
        let size = u32::from_le_bytes([head[4], head[5], head[6], head[7]]);
        match &head[..4] {
            b"fmt " if size > MAX_FORMAT => return malformed(format!("a chunk `fmt ` of {size} bytes")),
            b"fmt " => {
                let mut chunk = vec![0; size as usize];
                file.read_exact(&mut chunk)?;
                found = Some(format(&chunk)?);
                skip(&mut file, u64::from(size % 2))?;
            }
            b"data" => {
                let Some(format) = found else { return malformed("the chunk `data` stands before `fmt `") };
                return samples(file, &format, size).map(|samples| (samples, format.rate));
            }
            _ => skip(&mut file, u64::from(size) + u64::from(size % 2))?,
        }
    }
}

/// As many bytes as there are, up to the length of the buffer.
fn fill(file: &mut impl Read, buffer: &mut [u8]) -> Result<usize, Failure> {
    let mut got = 0;
    while got < buffer.len() {
        match file.read(&mut buffer[got..]) {
            Ok(0) => break,
            Ok(n) => got += n,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(Failure::Io(e)),
        }
    }
    Ok(got)
}

fn skip(file: &mut impl Read, bytes: u64) -> Result<(), Failure> {
    match io::copy(&mut file.by_ref().take(bytes), &mut io::sink())? {
        passed if passed == bytes => Ok(()),
        _ => malformed("the file is cut off within a chunk"),
    }
}

/// The mean of all channels.
fn samples(mut file: impl Read, format: &Format, size: u32) -> Result<Vec<f32>, Failure> {
    let frame = format.bytes * format.channels;
    // Of a file that was written into a pipe nobody knew the length: then all that is there.
    let known = (size != u32::MAX).then_some(u64::from(size));
    if known.is_some_and(|size| size % frame as u64 != 0) {
        return malformed(format!("{size} bytes of samples, which are no whole number of {frame}"));
    }
    let mut left = known.unwrap_or(u64::MAX);
    let mut block = vec![0; frame * (1 << 16).min((1 << 20) / frame).max(1)];
    let mut samples = Vec::new();
    while left > 0 {
        let wanted = usize::try_from(left).map_or(block.len(), |left| left.min(block.len()));
        let got = fill(&mut file, &mut block[..wanted])?;
        for frame in block[..got].chunks_exact(frame) {
            let all: f64 = frame.chunks_exact(format.bytes).map(|bytes| format.coding.value(bytes)).sum();
            samples.push((all / format.channels as f64) as f32);
        }
        left -= got as u64;
        if got < wanted {
            if let Some(size) = known {
                return malformed(format!(
                    "the file is cut off: {} bytes of samples, its header says {size}",
                    size - left
                ));
            }
            break;
        }
    }
    Ok(samples)
}

/// What stands before so many samples of 16 bits; nothing, if they are too many.
pub(super) fn header(samples: usize, rate: u32) -> Option<Vec<u8>> {
    let bytes = u32::try_from(samples).ok()?.checked_mul(2)?;
    let mut head = Vec::with_capacity(44);
    head.extend(b"RIFF");
    head.extend(bytes.checked_add(36)?.to_le_bytes());
    head.extend(b"WAVEfmt ");
    head.extend(16u32.to_le_bytes());
    for short in [1u16, 1] {
        head.extend(short.to_le_bytes());
    }
    head.extend(rate.to_le_bytes());
    head.extend(rate.checked_mul(2)?.to_le_bytes());
    for short in [2u16, 16] {
        head.extend(short.to_le_bytes());
    }
    head.extend(b"data");
    head.extend(bytes.to_le_bytes());
    Some(head)
}
