//! The form in which models are given a conversation, which they were trained on.

use std::path::Path;

use demotic::Result;
#[cfg(feature = "chat")]
use demotic::text::{ChatTemplate, Message};

/// Where a turn begins and ends, in the form that is called ChatML.
pub const START: &str = "<|im_start|>";
pub const END: &str = "<|im_end|>";

pub enum Form {
    ChatMl,
    /// The model's own.
    #[cfg(feature = "chat")]
    Template(Box<ChatTemplate>),
}

impl Form {
    /// That of a published model; where it is not known, one line says so.
    #[cfg(feature = "chat")]
    pub fn of(model: &Path, note: &mut dyn FnMut(&str)) -> Self {
        match demotic::pretrained::chat_template(model) {
            Ok(template) => Self::Template(Box::new(template)),
            Err(e) => {
                note(&format!("{}; the conversation is written as ChatML", e.message()));
                Self::ChatMl
            }
        }
    }

    #[cfg(not(feature = "chat"))]
    pub fn of(_: &Path, note: &mut dyn FnMut(&str)) -> Self {
        note("the conversation is written as ChatML; --features chat reads the model's own form");
        Self::ChatMl
    }

    /// The turns so far, of somebody each, and the beginning of the answer.
    pub fn write(&self, said: &[(String, String)]) -> Result<String> {
        match self {
            Self::ChatMl => {
                Ok(turns(&said.iter().map(|(who, text)| (who.as_str(), text.as_str())).collect::<Vec<_>>()))
            }
            #[cfg(feature = "chat")]
            Self::Template(template) => {
                let messages: Vec<Message> = said.iter().map(|(who, text)| Message::new(who, text)).collect();
                template.render(&messages, true)
            }
        }
    }
}

/// Turns as ChatML, and the beginning of the answer.
pub fn turns(turns: &[(&str, &str)]) -> String {
    let said = turns.iter().map(|(who, text)| format!("{START}{who}\n{text}{END}\n"));
    said.chain([format!("{START}assistant\n")]).collect()
}
