//! How long a picture takes on one thread: `latency MODEL PICTURE…`

#![allow(clippy::print_stdout)]

use std::path::PathBuf;
use std::time::{Duration, Instant};

use object_detector::{Detector, Model, picture};

/// Every picture is looked at this often; the first round warms up and does not count.
const ROUNDS: usize = 6;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args_os().skip(1).map(PathBuf::from);
    let folder = arguments.next().ok_or("usage: latency MODEL PICTURE…")?;
    let files = arguments.map(std::fs::read).collect::<Result<Vec<_>, _>>()?;
    if files.is_empty() {
        return Err("usage: latency MODEL PICTURE…".into());
    }

    let start = Instant::now();
    let model = Model::load(&folder)?;
    println!("load     {:7.1} ms", milliseconds(start.elapsed()));

    let mut detector = Detector::new(&model);
    let mut picture = image::RgbImage::default();
    let (mut decoding, mut detecting) = (vec![], vec![]);
    for round in 0..ROUNDS {
        for file in &files {
            let start = Instant::now();
            picture::decode_into(file, &picture::Limits::default(), &mut picture)?;
            let decoded = Instant::now();
            detector.detect(&picture, model.manifest().threshold)?;
            if round > 0 {
                decoding.push(decoded - start);
                detecting.push(decoded.elapsed());
            }
        }
    }
    report("decode", decoding);
    report("detect", detecting);
    Ok(())
}

fn report(what: &str, mut times: Vec<Duration>) {
    times.sort();
    let at = |share: f64| milliseconds(times[((times.len() - 1) as f64 * share) as usize]);
    println!("{what}   {:7.2} ms p50   {:7.2} ms p10   {:7.2} ms p99", at(0.5), at(0.1), at(0.99));
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}
