//! The whole system as a black box: real binaries, real brokers and stores, a real browser.
//!
//! The tests are in `it/`; here are the parts they are made of.

pub mod browser;
pub mod observer;
pub mod process;
pub mod rest;
pub mod servers;
pub mod stage;
pub mod system;
pub mod usb_camera;
pub mod viewer;
pub mod vm;
pub mod wait;
