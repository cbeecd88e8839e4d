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
    for (n, alg) in [("conv", fir::ResizeAlg::Convolution(fir::FilterType::Bilinear))] {
        let mut d = image::RgbImage::new(w, h);
        let src =
            fir::images::TypedImageRef::<fir::pixels::U8x3>::from_buffer(p.width(), p.height(), p.as_raw())
                .unwrap();
        let mut dst = fir::images::TypedImage::<fir::pixels::U8x3>::from_buffer(w, h, &mut d).unwrap();
        fir::Resizer::new().resize_typed(&src, &mut dst, &fir::ResizeOptions::new().resize_alg(alg)).unwrap();
        std::fs::write(format!("{}.{n}", a[2]), d.as_raw()).unwrap();
    }
    println!("{} {} {} {}", p.width(), p.height(), w, h);
}
