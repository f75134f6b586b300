//! What only a process of its own can show: limits of memory, kills, signals, files that several write.

mod compiler_messages;
mod disk;
mod files;
mod kills;
mod limits;
mod notebook;
mod processes;
mod roles;
mod search;
