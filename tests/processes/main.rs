//! What only a process of its own can show: limits of memory, kills, signals, files that several write.

mod compiler_messages;
mod files;
mod limits;
mod processes;
