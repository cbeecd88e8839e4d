//! Inference: takes announced frames, counts the people in them, publishes the counts.
//!
//! Nodes share the frames by a shared subscription, so adding nodes adds throughput. A frame is acknowledged
//! when its result has been confirmed by the broker; what a dead node held is announced again by ingest.

mod analysis;
mod blur;
mod config;
mod detect_command;
mod frame;
mod intake;
mod metrics;
mod model;
mod node;
mod queue;
mod service;
mod workers;

pub use config::{Config, Http, Limits, ModelConfig, PictureConfig};
pub use detect_command::run as detect;
pub use model::default_model;
pub use service::Service;
