//! The service as a black box: a broker and a store in this process, and a camera that the test plays.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod compat;
mod configuration;
mod failures;
mod options;
mod results;
mod sharing;
mod world;
