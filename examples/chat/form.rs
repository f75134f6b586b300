//! The form in which models are given a conversation, which they were trained on.

/// Where a turn begins and ends, in the form that is called ChatML.
pub const START: &str = "<|im_start|>";
pub const END: &str = "<|im_end|>";

/// The turns so far, of somebody each, and the beginning of the answer.
pub fn turns(turns: &[(&str, &str)]) -> String {
    let said = turns.iter().map(|(who, text)| format!("{START}{who}\n{text}{END}\n"));
    said.chain([format!("{START}assistant\n")]).collect()
}
