//! What a picture costs between the camera's bytes and the JPEG that is stored, for `scripts/bench ingest`.
//!
//! `bench-frames FOLDER` makes a picture of 1920 x 1080 there, as a camera's JPEG (`frame.jpg`) and as raw pixels
//! (`frame.yuyv`), and then answers each line of its input, `passthrough` or `raw` and a number of pictures, with the
//! nanoseconds of processor time that they took.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark that stops at the first surprise")]

use std::hint::black_box;
use std::io::BufRead;
use std::path::Path;
use std::time::SystemTime;

use people_counter_ingest::config::Limits;
use people_counter_ingest::jpeg;
use people_counter_ingest::picture::Picture;
use people_counter_ingest::raw::{Layout, Raw};

const WIDTH: u32 = 1920;
const HEIGHT: u32 = 1080;

/// One of the pictures of the demo.
const SCENE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../demo/sample/frame-040.jpg");

fn main() {
    let folder = std::env::args().nth(1).expect("a folder to put the pictures into");
    let yuyv = pixels();
    let raw = Raw::new(Layout::Yuyv, WIDTH, HEIGHT, &yuyv).unwrap();
    let file = raw.jpeg(90).unwrap();
    std::fs::write(Path::new(&folder).join("frame.jpg"), &file).unwrap();
    std::fs::write(Path::new(&folder).join("frame.yuyv"), &yuyv).unwrap();
    println!("{} {}", file.len(), yuyv.len());

    let (limits, captured) = (Limits::default(), SystemTime::UNIX_EPOCH);
    for line in std::io::stdin().lock().lines() {
        let line = line.unwrap();
        let (what, count) = line.split_once(' ').expect("what and how often");
        let count: u32 = count.parse().unwrap();
        let start = processor_time();
        for _ in 0..count {
            let picture = match what {
                "passthrough" => {
                    let data = black_box(&file[..]);
                    Picture::from_jpeg(data, jpeg::scan(data).unwrap(), captured, &limits)
                }
                "raw" => {
                    let raw = Raw::new(Layout::Yuyv, WIDTH, HEIGHT, black_box(&yuyv)).unwrap();
                    Picture::from_raw(raw, captured, &limits)
                }
                other => panic!("{other:?} is not measured"),
            };
            black_box(picture.unwrap());
        }
        println!("{}", processor_time() - start);
    }
}

/// The scene, enlarged, with the noise that every sensor has: without it there would be nothing to compress.
fn pixels() -> Vec<u8> {
    let scene =
        image::open(SCENE).unwrap().resize_exact(WIDTH, HEIGHT, image::imageops::FilterType::Triangle);
    let mut random = 1u32;
    let mut noisy = move |level: u8| {
        random ^= random << 13;
        random ^= random >> 17;
        random ^= random << 5;
        level.saturating_add((random % 9) as u8)
    };
    let mut yuyv = Vec::with_capacity((WIDTH * HEIGHT * 2) as usize);
    let pixels: Vec<_> = scene.into_rgb8().pixels().copied().collect();
    for pair in pixels.chunks_exact(2) {
        let [r, g, b] = pair[0].0.map(f32::from);
        let level = |pixel: &image::Rgb<u8>| {
            let [r, g, b] = pixel.0.map(f32::from);
            (16.0 + 0.257 * r + 0.504 * g + 0.098 * b) as u8
        };
        yuyv.push(noisy(level(&pair[0])));
        yuyv.push((128.0 - 0.148 * r - 0.291 * g + 0.439 * b) as u8);
        yuyv.push(noisy(level(&pair[1])));
        yuyv.push((128.0 + 0.439 * r - 0.368 * g - 0.071 * b) as u8);
    }
    yuyv
}

/// Nanoseconds that this thread has had a processor.
fn processor_time() -> u64 {
    let schedule = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    schedule.split_whitespace().next().unwrap().parse().unwrap()
}
