//! The crate through its public face: against the embedded store, against Ceph RGW, through a
//! faulty network, over TLS, and against a server that says what a script tells it to.

#![allow(clippy::unwrap_used, reason = "the lint spares test functions, but not what they share")]

mod conditional;
mod faults;
mod limits;
mod refusals;
mod rgw;
mod rotation;
mod sandbox;
mod script;
mod suite;
mod support;
mod tls;
