//! The whole system as a black box. `scripts/test` builds what is needed and runs this.
#![allow(clippy::unwrap_used, reason = "tests stop at the first surprise")]

mod bad_input;
mod demo;
mod deploy;
mod every_frame;
mod faults;
mod layout;
mod page;
mod privacy;
mod start;
mod system;
