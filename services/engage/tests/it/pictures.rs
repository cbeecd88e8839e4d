//! Pictures: the one that belongs to the boxes, and never one that is withheld.

use people_counter_events::{ObjectPath, Picture};
use reqwest::Response;

use crate::messages::{BUCKET, private, result, status};
use crate::stage::{Engage, Stage};

const JPEG: &[u8] = b"\xFF\xD8\xFF\xE0 the original";
const PREVIEW: &[u8] = b"\xFF\xD8\xFF\xE0 the preview";

async fn problem(answer: Response, status: u16) -> String {
    assert_eq!(answer.status(), status);
    let problem: serde_json::Value = answer.json().await.unwrap();
    problem["type"].as_str().unwrap().trim_start_matches("urn:people-counter:problem:").to_owned()
}

async fn image(engage: &Engage, device: &str) -> Response {
    engage.get(&format!("/api/v1/devices/{device}/image")).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_picture_of_the_frame_is_served() {
    let stage = Stage::set().await;
    let engage = stage.engage().await;
    stage.status(&status("cam-1", 1)).await;
    let first = result("cam-1", 1, 1);
    stage.put(first.file_path.key(), JPEG).await;
    stage.counted(&first).await;
    let device = engage.until("cam-1", "count", 1).await;
    let url = device["image"].as_str().unwrap().to_owned();
    assert_eq!(url, format!("/api/v1/devices/cam-1/image?frame={}", first.frame_id));

    // a newer result: the address still gives the picture of its own frame
    let second = result("cam-1", 2, 2);
    stage.put(second.file_path.key(), b"\x89PNG\r\n\x1A\n the second".as_slice()).await;
    stage.counted(&second).await;
    engage.until("cam-1", "count", 2).await;
    let answer = engage.get(&url).await;
    assert_eq!(answer.headers()["content-type"], "image/jpeg");
    assert_eq!(answer.headers()["etag"], format!("\"{}\"", first.frame_id));
    assert_eq!(answer.headers()["x-content-type-options"], "nosniff");
    assert!(answer.headers()["cache-control"].to_str().unwrap().contains("immutable"));
    assert_eq!(answer.bytes().await.unwrap(), JPEG);

    let newest = image(&engage, "cam-1").await;
    assert_eq!(newest.headers()["content-type"], "image/png");
    assert_eq!(newest.headers()["cache-control"], "private, no-cache");
    let tag = newest.headers()["etag"].clone();
    let again = engage.http.get(format!("http://{}{url}", engage.addr)).header("if-none-match", tag);
    assert_eq!(again.send().await.unwrap().status(), 200, "that is another frame's tag");
    let known = format!("\"{}\"", first.frame_id);
    let again = engage.http.get(format!("http://{}{url}", engage.addr)).header("if-none-match", known);
    assert_eq!(again.send().await.unwrap().status(), 304);
    let other = format!("/api/v1/devices/cam-1/image?frame={}", result("cam-1", 9, 0).frame_id);
    assert_eq!(problem(engage.get(&other).await, 404).await, "unknown-frame");
    engage.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_original_is_never_served_unless_the_result_says_so() {
    let stage = Stage::set().await;
    let engage = stage.engage().await;
    for (name, policy) in
        [("open", Picture::Original), ("blur", Picture::Blurred), ("none", Picture::Withheld)]
    {
        stage.status(&status(name, 1)).await;
        let result = private(name, 1, policy);
        // the store holds both, whoever may have forgotten to delete one
        stage.put(result.file_path.key(), JPEG).await;
        stage.put(result.preview_path.as_ref().unwrap().key(), PREVIEW).await;
        stage.counted(&result).await;
        engage.until(name, "count", 1).await;
    }
    for name in ["open", "blur"] {
        assert_eq!(image(&engage, name).await.bytes().await.unwrap(), PREVIEW, "{name}");
    }
    assert_eq!(problem(image(&engage, "none").await, 404).await, "withheld");
    assert!(engage.device("none").await["image"].is_null());

    // blurring failed: no picture rather than the original
    let mut bare = private("blur", 2, Picture::Blurred);
    bare.preview_path = None;
    stage.put(bare.file_path.key(), JPEG).await;
    stage.counted(&bare).await;
    engage.until("blur", "sequence", 2).await;
    assert_eq!(problem(image(&engage, "blur").await, 404).await, "withheld");
    // and one that calls the original its preview
    let mut sly = private("blur", 3, Picture::Blurred);
    sly.preview_path = Some(sly.file_path.clone());
    stage.put(sly.file_path.key(), JPEG).await;
    stage.counted(&sly).await;
    engage.until("blur", "sequence", 3).await;
    assert_eq!(problem(image(&engage, "blur").await, 404).await, "foreign");
    engage.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_frames_own_object_in_the_own_bucket_is_read() {
    let stage = Stage::set().await;
    let engage = stage.engage().await;
    stage.put("secret.jpg", JPEG).await;
    for (name, path) in [
        ("bucket", ObjectPath::new("elsewhere", result("bucket", 1, 1).file_path.key()).unwrap()),
        ("key", ObjectPath::new(BUCKET, "secret.jpg").unwrap()),
        ("device", result("other", 1, 1).file_path),
    ] {
        stage.status(&status(name, 1)).await;
        let mut result = result(name, 1, 1);
        result.file_path = path;
        stage.counted(&result).await;
        assert!(engage.until(name, "count", 1).await["image"].is_null());
        assert_eq!(problem(image(&engage, name).await, 404).await, "foreign", "{name}");
    }
    engage.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_store_cannot_give_is_a_problem_of_its_own_kind() {
    let mut stage = Stage::set().await;
    let mut config = stage.config();
    config.limits.picture_bytes = 1000;
    (config.store.attempts, config.store.timeout) = (1, std::time::Duration::from_secs(2));
    let engage = stage.engage_with(config).await;
    let fake = b"<svg onload=alert(1)>".to_vec();
    let large = [JPEG, &[0; 2000]].concat();
    for (name, body, status, code) in [
        ("gone", None, 404, "gone"),
        ("fake", Some(fake), 502, "not-a-picture"),
        ("large", Some(large), 502, "too-large"),
    ] {
        stage.status(&crate::messages::status(name, 1)).await;
        let result = result(name, 1, 1);
        if let Some(body) = body {
            stage.put(result.file_path.key(), body).await;
        }
        stage.counted(&result).await;
        engage.until(name, "count", 1).await;
        assert_eq!(problem(image(&engage, name).await, status).await, code, "{name}");
    }
    // a picture that was read once outlives the store
    let seen = result("gone", 2, 1);
    stage.put(seen.file_path.key(), JPEG).await;
    stage.counted(&seen).await;
    engage.until("gone", "sequence", 2).await;
    assert_eq!(image(&engage, "gone").await.status(), 200);
    stage.store.stop().await;
    assert_eq!(image(&engage, "gone").await.bytes().await.unwrap(), JPEG);
    assert_eq!(problem(image(&engage, "fake").await, 503).await, "store");
    engage.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_picture_is_scaled_for_who_asks() {
    let stage = Stage::set().await;
    let mut config = stage.config();
    config.limits.picture_pixels = 640 * 480;
    let engage = stage.engage_with(config).await;
    let jpeg = |width, height| {
        let mut bytes = Vec::new();
        let pixels = image::RgbImage::new(width, height);
        pixels.write_to(&mut std::io::Cursor::new(&mut bytes), image::ImageFormat::Jpeg).unwrap();
        bytes
    };
    for (name, body) in [("good", jpeg(640, 480)), ("large", jpeg(641, 480)), ("broken", JPEG.to_vec())] {
        stage.status(&status(name, 1)).await;
        let result = result(name, 1, 1);
        stage.put(result.file_path.key(), body).await;
        stage.counted(&result).await;
        engage.until(name, "count", 1).await;
    }
    let url = "/api/v1/devices/good/image?size=350";
    let small = engage.get(url).await;
    assert_eq!(small.headers()["content-type"], "image/jpeg");
    let tag = small.headers()["etag"].clone();
    let decoded = image::load_from_memory(&small.bytes().await.unwrap()).unwrap();
    assert_eq!((decoded.width(), decoded.height()), (320, 240));
    let again = engage.http.get(format!("http://{}{url}", engage.addr)).header("if-none-match", tag.clone());
    assert_eq!(again.send().await.unwrap().status(), 304);
    let original = engage.get("/api/v1/devices/good/image").await;
    assert_ne!(original.headers()["etag"], tag, "another size is another tag");
    assert_eq!(original.bytes().await.unwrap(), jpeg(640, 480));
    let wide = engage.get("/api/v1/devices/good/image?size=2000").await;
    assert_eq!(wide.bytes().await.unwrap(), jpeg(640, 480), "nothing is made larger than it is");
    for name in ["large", "broken"] {
        let answer = engage.get(&format!("/api/v1/devices/{name}/image?size=320")).await;
        assert_eq!(problem(answer, 502).await, "undecodable", "{name}");
        assert_eq!(image(&engage, name).await.status(), 200, "as it is it can be had");
    }
    engage.stop().await;
}
