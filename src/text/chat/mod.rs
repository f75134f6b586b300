//! Chat templates: messages into the text that a model was trained to go on with.

mod functions;
mod guard;

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::{SystemTime, UNIX_EPOCH};

use minijinja::{Environment, Value, context};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Here, Result, short};

/// Steps of a template: some hundred times those of the longest conversations.
const FUEL: u64 = 2_000_000;

/// The longest template, in bytes: ten times the longest published ones.
const MAX_SOURCE: usize = 1 << 18;

/// One message of a conversation.
///
/// ```
/// use demotic::text::Message;
///
/// let messages = [Message::system("Answer briefly."), Message::user("Hello!")];
/// assert_eq!(messages[1].role, "user");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// Who says it: `system`, `user`, `assistant`, `tool`.
    pub role: String,
    /// What is said.
    pub content: String,
}

impl Message {
    /// A message of anyone.
    #[must_use]
    pub fn new(role: impl Into<String>, content: impl Into<String>) -> Self {
        Self { role: role.into(), content: content.into() }
    }

    /// What the model is told before the conversation.
    #[must_use]
    pub fn system(content: impl Into<String>) -> Self {
        Self::new("system", content)
    }

    /// What the person says.
    #[must_use]
    pub fn user(content: impl Into<String>) -> Self {
        Self::new("user", content)
    }

    /// What the model has said.
    #[must_use]
    pub fn assistant(content: impl Into<String>) -> Self {
        Self::new("assistant", content)
    }
}

/// The template by which a published model writes a conversation as one text (Jinja's language, as `transformers` allows it).
///
/// Templates come from anywhere, so they are bounded: in steps, in the size of whatever they compute, and they read nothing
/// but what they are given.
///
/// Available with the feature `chat`.
///
/// ```
/// use demotic::text::{ChatTemplate, Message};
///
/// let template = ChatTemplate::new(
///     "{% for message in messages %}<|{{ message.role }}|>{{ message.content }}{{ eos_token }}\n{% endfor %}\
///      {% if add_generation_prompt %}<|assistant|>{% endif %}",
/// )?
/// .with_token("eos_token", "</s>");
/// assert_eq!(template.render(&[Message::user("Hi!")], true)?, "<|user|>Hi!</s>\n<|assistant|>");
/// # Ok::<(), demotic::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct ChatTemplate {
    environment: Environment<'static>,
    variables: Vec<(String, Value)>,
    now: Option<u64>,
}

const NAME: &str = "chat";

impl ChatTemplate {
    /// A template from its text, as `chat_template` in `tokenizer_config.json` and `tokenizer.chat_template` in GGUF files
    /// have it.
    ///
    /// # Errors
    /// If it is no template, needs something that there is not, or is longer than 256 KiB.
    #[track_caller]
    pub fn new(source: &str) -> Result<Self> {
        let op = "ChatTemplate::new";
        if source.len() > MAX_SOURCE {
            return Err(Error::format(op, format!("{} bytes, expected {MAX_SOURCE} at most", source.len())));
        }
        let guarded = match guard::guarded(source) {
            Ok(guarded) => guarded,
            Err(message) => return Err(Error::format(op, message)),
        };
        let mut environment = functions::environment();
        environment.set_fuel(Some(FUEL));
        match environment.add_template_owned(NAME, guarded) {
            Ok(()) => Ok(Self { environment, variables: Vec::new(), now: None }),
            Err(e) => Err(Error::format(op, told(&e)).with_source(e)),
        }
    }

    /// Gives the template a special token by the name that it knows it by, such as `bos_token` and `eos_token`.
    #[must_use]
    pub fn with_token(self, name: &str, token: &str) -> Self {
        self.variable(name, Value::from(token))
    }

    /// Gives the template a variable out of JSON: `tools`, the list of functions that the model may call, or a switch such as
    /// `enable_thinking`.
    ///
    /// # Errors
    /// If it is not JSON.
    #[track_caller]
    pub fn with_json(self, name: &str, json: &str) -> Result<Self> {
        match serde_json::from_str::<Value>(json) {
            Ok(value) => Ok(self.variable(name, value)),
            Err(e) => Err(Error::argument("with_json", format!("`{}` is not JSON: {e}", short(name))).with_source(e)),
        }
    }

    /// The time that the template is told when it asks for the date, in seconds since 1970 (UTC), instead of the present.
    #[must_use]
    pub fn at_time(mut self, seconds: u64) -> Self {
        self.now = Some(seconds);
        self
    }

    fn variable(mut self, name: &str, value: Value) -> Self {
        self.variables.retain(|(known, _)| known != name);
        self.variables.push((name.to_string(), value));
        self
    }

    /// The text of a conversation. With `reply` it ends where the model's next message begins.
    ///
    /// Special tokens stand in it already: encode it with
    /// [`encode_without_special`](super::Tokenizer::encode_without_special).
    ///
    /// # Errors
    /// If the template refuses the messages, fails, takes too many steps, or writes too much.
    #[track_caller]
    pub fn render(&self, messages: &[Message], reply: bool) -> Result<String> {
        let op = "render";
        let now =
            self.now.unwrap_or_else(|| SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()));
        let mut environment = self.environment.clone();
        let size: usize = messages.iter().map(|message| message.role.len() + message.content.len()).sum();
        functions::add(&mut environment, now, size, &Arc::new(AtomicUsize::new(0)));
        let given: Value = self.variables.iter().map(|(name, value)| (name.as_str(), value.clone())).collect();
        let all = context! { messages, add_generation_prompt => reply, ..given };
        let rendered = environment.get_template(NAME).and_then(|template| template.render(all));
        rendered
            .map_err(|e| {
                let message = match e.kind() {
                    minijinja::ErrorKind::OutOfFuel => format!("the template takes more than {FUEL} steps"),
                    _ => told(&e),
                };
                Error::argument(op, message).with_source(e)
            })
            .here()
    }
}

/// What an error of the engine says, with its line.
fn told(e: &minijinja::Error) -> String {
    let detail = e.detail().map_or_else(|| e.kind().to_string(), |detail| short(detail).into_owned());
    match e.line() {
        Some(line) => format!("line {line} of the template: {detail}"),
        None => detail,
    }
}
