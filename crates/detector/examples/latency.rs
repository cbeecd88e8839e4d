//! How long a picture takes on one thread: `latency MODEL PICTURE…`, or with `--serve` on request
//!
//! Serving, it reads lines `fast N` or `stock N` (the operators, and which picture), looks at that picture once and
//! answers with the microseconds that the network took and those from the file's bytes to the detections, so that
//! another program can measure in turn with something else.

#![allow(clippy::print_stdout)]

use std::error::Error;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use object_detector::{Detector, Model, Operators, picture};

const USAGE: &str = "usage: latency [--serve] MODEL PICTURE…";
/// Every picture is looked at this often; the first round warms up and does not count.
const ROUNDS: usize = 6;

/// A detector, and the memory of the last picture.
struct Worker {
    detector: Detector,
    threshold: f32,
    picture: image::RgbImage,
}

impl Worker {
    fn new(folder: &Path, operators: Operators) -> Result<Self, object_detector::Error> {
        let model = Model::load_with(folder, operators)?;
        let threshold = model.manifest().threshold;
        Ok(Self { detector: Detector::new(&model), threshold, picture: image::RgbImage::default() })
    }

    /// How long decoding, the network, and all of it took.
    fn look(&mut self, file: &[u8]) -> Result<[Duration; 3], Box<dyn Error>> {
        let start = Instant::now();
        picture::decode_into(file, &picture::Limits::default(), &mut self.picture)?;
        let decoded = start.elapsed();
        self.detector.detect(&self.picture, self.threshold)?;
        Ok([decoded, self.detector.network_time(), start.elapsed()])
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args_os().skip(1).map(PathBuf::from).peekable();
    let serving = arguments.next_if(|argument| argument == Path::new("--serve")).is_some();
    let folder = arguments.next().ok_or(USAGE)?;
    let files = arguments.map(std::fs::read).collect::<Result<Vec<_>, _>>()?;
    match (files.is_empty(), serving) {
        (true, _) => Err(USAGE.into()),
        (false, true) => serve(&folder, &files),
        (false, false) => measure(&folder, &files),
    }
}

fn measure(folder: &Path, files: &[Vec<u8>]) -> Result<(), Box<dyn Error>> {
    for operators in [Operators::Fast, Operators::Stock] {
        let start = Instant::now();
        let mut worker = Worker::new(folder, operators)?;
        println!("{operators:?}: load {:.1} ms", milliseconds(start.elapsed()));
        let mut times = [vec![], vec![], vec![]];
        for round in 0..ROUNDS {
            for file in files {
                let took = worker.look(file)?;
                if round > 0 {
                    times.iter_mut().zip(took).for_each(|(times, took)| times.push(took));
                }
            }
        }
        for (what, mut times) in ["decode", "network", "all"].into_iter().zip(times) {
            times.sort();
            let at = |share: f64| milliseconds(times[((times.len() - 1) as f64 * share) as usize]);
            println!("{what:8} {:7.2} ms p50   {:7.2} ms p10   {:7.2} ms p99", at(0.5), at(0.1), at(0.99));
        }
    }
    Ok(())
}

fn serve(folder: &Path, files: &[Vec<u8>]) -> Result<(), Box<dyn Error>> {
    let mut fast = Worker::new(folder, Operators::Fast)?;
    let mut stock = Worker::new(folder, Operators::Stock)?;
    for line in std::io::stdin().lines() {
        let line = line?;
        let (operators, index) = line.split_once(' ').ok_or("a request is `fast N` or `stock N`")?;
        let worker = match operators {
            "fast" => &mut fast,
            "stock" => &mut stock,
            other => return Err(format!("unknown operators {other}").into()),
        };
        let file = files.get(index.parse::<usize>()?).ok_or("there is no such picture")?;
        let [_, network, all] = worker.look(file)?;
        println!("{} {}", network.as_micros(), all.as_micros());
        std::io::stdout().flush()?;
    }
    Ok(())
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}
