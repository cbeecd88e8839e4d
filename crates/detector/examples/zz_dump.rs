//! scratch
#![allow(clippy::all)]
use fast_image_resize as fir;
use object_detector::picture;
fn main() {
    let a: Vec<String> = std::env::args().collect();
    let p = picture::decode(&std::fs::read(&a[1]).unwrap(), &picture::Limits::default()).unwrap();
    std::fs::write(format!("{}.rgb", a[2]), p.as_raw()).unwrap();
    let r = (416.0 / p.width() as f64).min(416.0 / p.height() as f64);
    let (w, h) = ((p.width() as f64 * r).round() as u32, (p.height() as f64 * r).round() as u32);
    for (n, alg) in [("conv", fir::ResizeAlg::Convolution(fir::FilterType::Bilinear)), ("interp", fir::ResizeAlg::Interpolation(fir::FilterType::Bilinear)), ("box", fir::ResizeAlg::Convolution(fir::FilterType::Box))] {
        let mut d = image::RgbImage::new(w, h);
        fir::Resizer::new().resize(&p, &mut d, &fir::ResizeOptions::new().resize_alg(alg)).unwrap();
        std::fs::write(format!("{}.{n}", a[2]), d.as_raw()).unwrap();
    }
    println!("{} {} {} {}", p.width(), p.height(), w, h);
}
