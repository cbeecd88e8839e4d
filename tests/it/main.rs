//! The whole system as a black box. `scripts/test` builds what is needed and runs this.
#![allow(clippy::unwrap_used, reason = "tests stop at the first surprise")]

mod bad_input;
mod demo;
mod deploy;
mod every_frame;
mod faults;
mod layout;
mod openapi;
mod page;
mod page_access;
mod page_alerts;
mod page_api;
mod page_login;
mod page_many;
mod page_oidc;
mod page_services;
mod page_states;
mod privacy;
mod start;
mod stream;
mod system;
#[cfg(feature = "camera")]
mod usb;
