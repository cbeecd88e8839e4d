//! The service as a black box: a broker and a store in this process, and inference nodes that do what the
//! test wants.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod camera;
mod clock;
mod command_line;
mod commands;
mod configuration;
mod delivery;
mod identity;
mod node;
mod outages;
mod prepare;
mod process;
mod retention;
mod sources;
mod sources_http;
#[cfg(feature = "rtsp")]
mod sources_rtsp;
mod spool;
mod spool_disk;
mod spool_kill;
mod stopping;
mod world;
