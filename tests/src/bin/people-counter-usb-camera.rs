//! A USB camera for the tests: `people-counter-usb-camera FOLDER`, with a folder of JPEGs of 640 x 480, as root and
//! with the kernel modules `vhci-hcd` and `uvcvideo`. It obeys the words on its standard input: `plug`, `unplug`,
//! `freeze`, `thaw`, `cut`, `quit`.

use std::io::BufRead;
use std::path::PathBuf;
use std::sync::mpsc;

use people_counter_tests::usb_camera::UsbCamera;

#[expect(clippy::print_stdout, reason = "the log of the virtual machine")]
fn main() -> std::io::Result<()> {
    let folder = std::env::args_os().nth(1).map(PathBuf::from).expect("a folder with pictures");
    let mut files: Vec<_> =
        std::fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<std::io::Result<_>>()?;
    files.sort();
    let pictures = files.iter().map(std::fs::read).collect::<std::io::Result<_>>()?;
    let mut camera = UsbCamera::new(pictures);
    let (tell, words) = mpsc::channel();
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            if tell.send(line.trim().to_owned()).is_err() {
                return;
            }
        }
    });
    loop {
        for word in words.try_iter() {
            println!("camera: {word}");
            if !camera.obey(&word) {
                return Ok(());
            }
        }
        camera.work()?;
    }
}
