//! The example service as a process: command line, signals, health, service manager.
#![allow(clippy::unwrap_used, reason = "tests stop at the first surprise")]

mod command_line;
mod life;
mod manager;
mod process;
