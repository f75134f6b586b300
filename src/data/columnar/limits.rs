//! What a message of Arrow's IPC format may claim, checked before memory is taken for it.

use arrow_ipc::{CompressionType, RecordBatch};

use crate::tensor::create::check_list;

/// LZ4 makes at most so many bytes of one, and of a few at the beginning some more.
const MOST_UNPACKED: i64 = 256;

/// What is wrong with the sizes of a batch, whose buffers lie in `body`.
pub(super) fn check(batch: &RecordBatch<'_>, columns: usize, body: &[u8]) -> Result<(), String> {
    let rows = usize::try_from(batch.length()).unwrap_or(usize::MAX);
    if check_list("read_arrow", "values", rows.saturating_mul(columns.max(1)), 16).is_err() {
        return Err(format!("a batch of {} rows, for which there is no memory", batch.length()));
    }
    let Some(packed) = batch.compression() else { return Ok(()) };
    if packed.codec() != CompressionType::LZ4_FRAME {
        let name = packed.codec().variant_name().unwrap_or("another method");
        return Err(super::packed_by(name, "none, LZ4"));
    }
    for buffer in batch.buffers().into_iter().flatten() {
        let start = usize::try_from(buffer.offset()).unwrap_or(usize::MAX);
        let claimed =
            body.get(start..).and_then(|rest| rest.first_chunk()).map_or(0, |bytes| i64::from_le_bytes(*bytes));
        if claimed > buffer.length().saturating_mul(MOST_UNPACKED).saturating_add(1024) {
            let length = buffer.length();
            return Err(format!("{length} packed bytes that claim to be {claimed}, which they cannot be"));
        }
    }
    Ok(())
}
