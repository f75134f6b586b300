//! One error type, whose message teaches.
//!
//! An [`Error`] says which operation failed, what it was given, where in the model and on which line of
//! the caller's program, and, where there is a usual mistake behind it, what to do:
//!
//! ```text
//! matmul: inner sizes differ, [32, 784] × [128, 10] (784 ≠ 128)
//!   in layer `head.fc2`, at src/main.rs:14
//!   help: Linear::new(in, out) takes the number of input features first
//! ```
//!
//! Match on [`Error::kind`] to react to a class of errors; show the error to a person otherwise.

mod near;
mod whereabouts;

use std::borrow::Cow;
use std::fmt;
use std::panic::Location;

pub(crate) use near::{meant, near};

/// The result of everything in this crate that can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The class of an [`Error`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The shapes of the operands do not fit the operation, or each other.
    Shape,
    /// The element types of the operands do not fit the operation, or each other.
    DType,
    /// An index, a dimension or a range lies outside of what it points into.
    Index,
    /// An option has a value that makes no sense, such as a dropout probability of 1.5.
    Argument,
    /// A gradient was asked for that does not exist, or no longer exists.
    Gradient,
    /// The parameters of a model do not match those that were given for it.
    Parameter,
    /// A computation left the range of numbers, for example a loss that became NaN.
    Numeric,
    /// The file system refused.
    Io,
    /// The contents of a file or a text are not what they should be.
    Format,
    /// Something was used before it was ready, or after it was over.
    State,
    /// Another process of a group has failed, does not answer in time, or does something else than this one.
    Peer,
    /// A part of this crate is in a state that it must never get into: a mistake of the crate, not of its caller.
    Internal,
}

/// Why an operation failed. See the [module page](self).
pub struct Error(Box<Inner>);

struct Inner {
    kind: ErrorKind,
    op: String,
    message: String,
    layer: String,
    /// What called the operation: `the loss of the Trainer`.
    caller: Option<String>,
    location: &'static Location<'static>,
    help: Option<String>,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

macro_rules! constructors {
    ($($(#[$doc:meta])* $name:ident => $kind:ident;)*) => {$(
        $(#[$doc])*
        #[track_caller]
        #[must_use]
        pub fn $name(op: impl Into<String>, message: impl Into<String>) -> Self {
            Self::new(ErrorKind::$kind, op, message)
        }
    )*};
}

impl Error {
    /// An error of the given kind. `op` is the operation's name, `message` what is wrong with which values.
    #[track_caller]
    #[must_use]
    pub fn new(kind: ErrorKind, op: impl Into<String>, message: impl Into<String>) -> Self {
        Self(Box::new(Inner {
            kind,
            op: op.into(),
            message: bounded(message.into()),
            layer: String::new(),
            caller: None,
            location: Location::caller(),
            help: None,
            source: None,
        }))
    }

    constructors! {
        /// Shapes that do not fit.
        shape => Shape;
        /// Element types that do not fit.
        dtype => DType;
        /// An index or a dimension out of range.
        index => Index;
        /// An impossible option.
        argument => Argument;
        /// A gradient that does not exist.
        gradient => Gradient;
        /// Parameters that do not match the model.
        parameter => Parameter;
        /// A number out of range, or not a number.
        numeric => Numeric;
        /// Malformed contents.
        format => Format;
        /// Used too early or too late.
        state => State;
    }

    /// A failure of the file system, with the path it was about. Of what does not exist, the help says in which folder it was looked for,
    /// and what there is instead.
    #[track_caller]
    #[must_use]
    pub fn io(op: impl Into<String>, path: &std::path::Path, source: std::io::Error) -> Self {
        let help = match source.kind() {
            std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory => whereabouts::whereabouts(path),
            _ => None,
        };
        let e = Self::new(ErrorKind::Io, op, format!("{}: {source}", path.display())).with_source(source);
        match help {
            Some(help) => e.with_help(help),
            None => e,
        }
    }

    /// What must not happen; see [`bug!`].
    #[track_caller]
    #[must_use]
    pub(crate) fn internal(op: impl Into<String>, place: &str, message: impl fmt::Display) -> Self {
        Self::new(ErrorKind::Internal, op, format!("internal error at {place}: {message}"))
            .with_help("this is a mistake in demotic itself: please report it with this message")
    }

    /// Adds a line of advice.
    #[must_use]
    pub fn with_help(mut self, help: impl Into<String>) -> Self {
        self.0.help = Some(bounded(help.into()));
        self
    }

    /// Adds the error that caused this one.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// Says in which layer the error arose. Called from the inside out, the names add up to a path:
    /// `fc2`, then `head`, gives `head.fc2`. The line that the error points to becomes the caller's.
    ///
    /// Layers that are called [by their names](crate::layers::LayerExt::at) do that by themselves.
    #[track_caller]
    #[must_use]
    pub fn in_layer(mut self, name: impl fmt::Display) -> Self {
        let inner = &mut self.0;
        inner.layer = if inner.layer.is_empty() { name.to_string() } else { format!("{name}.{}", inner.layer) };
        inner.location = Location::caller();
        self
    }

    /// The line that the error points to.
    pub(crate) fn place(&self) -> &'static Location<'static> {
        self.0.location
    }

    /// Says what called the operation that failed, where that is not the program itself: `the loss of the Trainer`. The
    /// line that the error points to becomes the caller's.
    #[track_caller]
    #[must_use]
    pub fn within(mut self, caller: impl fmt::Display) -> Self {
        self.0.caller = Some(caller.to_string());
        self.0.location = Location::caller();
        self
    }

    /// The same error, pointing to another line: one that is known where the error arose in a closure, or behind
    /// a `dyn` call.
    #[must_use]
    pub(crate) fn at(mut self, line: &'static Location<'static>) -> Self {
        self.0.location = line;
        self
    }

    /// The same error, pointing to `line` if it points into this crate: what a closure of the program has made keeps its own line.
    #[must_use]
    pub(crate) fn outside(self, line: &'static Location<'static>) -> Self {
        let file = self.0.location.file();
        match file.starts_with(file!().trim_end_matches("error.rs")) || file.contains("library/core/src/") {
            true => self.at(line),
            false => self,
        }
    }

    /// The class of the error.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The operation that failed, for example `matmul`.
    #[must_use]
    pub fn op(&self) -> &str {
        &self.0.op
    }

    /// The path of the layer in which it failed, if it failed in one.
    #[must_use]
    pub fn layer(&self) -> Option<&str> {
        (!self.0.layer.is_empty()).then_some(self.0.layer.as_str())
    }

    /// What called the operation, if it was not the program itself: `the loss of the Trainer`.
    #[must_use]
    pub fn caller(&self) -> Option<&str> {
        self.0.caller.as_deref()
    }

    /// Where in the caller's program it happened: the line that the message shows.
    ///
    /// ```
    /// let e = demotic::Tensor::zeros([usize::MAX]).unwrap_err();
    /// assert!(e.location().file().ends_with(file!().rsplit('/').next().unwrap_or_default()));
    /// ```
    #[must_use]
    pub fn location(&self) -> &'static Location<'static> {
        self.0.location
    }

    /// The advice, if there is any.
    #[must_use]
    pub fn help(&self) -> Option<&str> {
        self.0.help.as_deref()
    }

    /// What is wrong, on one line: without layer, place and advice.
    #[must_use]
    pub fn message(&self) -> String {
        format!("{}: {}", self.0.op, self.0.message)
    }
}

/// An [`Error`] for a place that cannot be reached: `bug!("op", "what is wrong, with {values}")`. The message says where in
/// the source the place is, because the error's own line becomes that of the caller.
macro_rules! bug {
    ($op:expr, $($message:tt)+) => {
        $crate::error::Error::internal($op, concat!(file!(), ":", line!()), format_args!($($message)+))
    };
}
pub(crate) use bug;

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let e = &self.0;
        write!(f, "{}: {}\n  ", e.op, e.message)?;
        if !e.layer.is_empty() {
            write!(f, "in layer `{}`, ", e.layer)?;
        }
        if let Some(caller) = &e.caller {
            write!(f, "in {caller}, ")?;
        }
        write!(f, "at {}:{}", e.location.file(), e.location.line())?;
        if let Some(help) = &e.help {
            write!(f, "\n  help: {help}")?;
        }
        Ok(())
    }
}

/// The same text as `Display`, so that `fn main() -> Result<()>` prints something readable.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source.as_ref().map(|e| &**e as &(dyn std::error::Error + 'static))
    }
}

/// A message or an advice with its middle left out where it is too long for a person to read: names come from files, and
/// may have megabytes.
fn bounded(text: String) -> String {
    const HEAD: usize = 3000;
    const TAIL: usize = 1000;
    if text.len() <= HEAD + TAIL {
        return text;
    }
    let boundary = |at: usize| (at..text.len()).find(|i| text.is_char_boundary(*i)).unwrap_or(text.len());
    let (head, tail) = (boundary(HEAD), boundary(text.len() - TAIL));
    format!("{} … ({} bytes left out) … {}", &text[..head], tail - head, &text[tail..])
}

/// A name or a value from outside as it stands in a message: on one line, and its end left out if it is long.
pub(crate) fn short(text: &str) -> Cow<'_, str> {
    const LONGEST: usize = 80;
    let cut = text.char_indices().nth(LONGEST).map_or(text.len(), |(at, _)| at);
    if cut == text.len() && !text.contains(char::is_control) {
        return Cow::Borrowed(text);
    }
    let mut out = String::new();
    for c in text[..cut].chars() {
        match c.is_control() {
            true => out.extend(c.escape_debug()),
            false => out.push(c),
        }
    }
    if cut < text.len() {
        out.push('…');
    }
    Cow::Owned(out)
}

/// Points the error of a result to the caller's line, where the error could not know it: closures, and calls through a
/// `dyn` trait, do not hand on where they come from.
pub(crate) trait Here {
    #[must_use = "the error is returned, not handled"]
    #[track_caller]
    fn here(self) -> Self;

    /// The same, but for an error of the program's own, made in a closure of it: see [`Error::outside`].
    #[must_use = "the error is returned, not handled"]
    #[track_caller]
    fn outside(self) -> Self;

    /// The same, and says what was called: see [`Error::within`].
    #[must_use = "the error is returned, not handled"]
    #[track_caller]
    fn within(self, caller: impl fmt::Display) -> Self;

    /// The same, and says in which layer the error arose: see [`Error::in_layer`].
    #[must_use = "the error is returned, not handled"]
    #[track_caller]
    fn in_layer(self, name: impl fmt::Display) -> Self;
}

impl<T> Here for Result<T> {
    #[track_caller]
    fn here(self) -> Self {
        match self {
            Ok(value) => Ok(value),
            Err(mut e) => {
                e.0.location = Location::caller();
                Err(e)
            }
        }
    }

    #[track_caller]
    fn outside(self) -> Self {
        match self {
            Ok(value) => Ok(value),
            Err(e) => Err(e.outside(Location::caller())),
        }
    }

    #[track_caller]
    fn within(self, caller: impl fmt::Display) -> Self {
        match self {
            Ok(value) => Ok(value),
            Err(e) => Err(e.within(caller)),
        }
    }

    #[track_caller]
    fn in_layer(self, name: impl fmt::Display) -> Self {
        match self {
            Ok(value) => Ok(value),
            Err(e) => Err(e.in_layer(name)),
        }
    }
}

#[cfg(test)]
mod tests;
