//! The contract as others see it: golden files, the page that describes it, and hostile input.
#![allow(clippy::unwrap_used, reason = "tests stop at the first surprise")]

mod golden;
mod hostile;
