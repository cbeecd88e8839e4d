//! The command line.

use clap::Parser;

/// People Counter in one process: broker, store, cameras, counting and the page.
#[derive(Debug, Parser)]
#[command(name = "people-counter", version)]
pub(crate) struct Arguments {
    /// Number of sample cameras
    #[arg(long, value_name = "N", default_value_t = 6, value_parser = clap::value_parser!(u16).range(0..=200))]
    pub(crate) cameras: u16,

    /// A camera of your own beside the sample cameras: a folder of pictures, a video file, http://…, rtsp://… or
    /// /dev/videoN; may be given several times
    #[arg(long, value_name = "SOURCE")]
    pub(crate) source: Vec<String>,

    /// Port of the page; if it is taken, another one is used
    #[arg(long, value_name = "PORT", default_value_t = 8080)]
    pub(crate) port: u16,
}
