//! Inference: takes announced frames, counts the people in them, publishes the counts.
//!
//! Nodes share the frames by a shared subscription, so adding nodes adds throughput. A frame is acknowledged
//! when its result has been confirmed by the broker; what a dead node held is announced again by ingest.

mod accuracy;
mod analysis;
mod answered;
mod blur;
mod commands;
mod compat;
mod config;
mod devices;
mod durations;
mod frame;
mod intake;
mod metrics;
mod model;
mod node;
mod preview;
mod queue;
mod region;
mod service;
mod threads;
mod workers;

pub use config::{Compat, Config, Http, Limits, ModelConfig, Originals, PictureConfig};
pub use devices::DeviceConfig;
pub use service::Service;
pub use threads::Threads;
