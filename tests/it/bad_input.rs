//! Corrupt pictures and malformed messages are counted and survived.

use std::time::Duration;

use iot_mqtt::{Config, Message, Options};
use people_counter_events::{DeviceID, FrameID, Topics, frame_key};
use people_counter_tests::servers::{BUCKET, Servers};
use people_counter_tests::system::{System, sample_frames};
use people_counter_tests::wait::eventually;
use serde_json::{Value, json};

fn announcement(device: &DeviceID, frame: FrameID, bucket: &str) -> Value {
    json!({
        "type": "data", "deviceID": device, "frameID": frame, "bootID": 1, "sequence": 1,
        "filePath": format!("{bucket}/{}", frame_key(device, frame)),
        "creationTimestamp": 1_789_000_000.0, "delivery": "every", "width": 640, "height": 480,
        "bytes": 1000, "attempt": 1
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn corrupt_pictures_and_malformed_messages_do_no_harm() {
    let servers = Servers::embedded().await;
    let url = servers.broker_url();
    let store = servers.bucket().await;
    let system = System::start(servers, 1, &sample_frames()).await;

    let topics = Topics::new(Topics::DEFAULT_ROOT).unwrap();
    let mut options = Options::new(Config::default().with(|config| config.url = url), "intruder").unwrap();
    let mut failures = options.subscribe(topics.failure.filter());
    let client = options.connect();

    // pictures that cannot be counted: each is answered with its reason
    let whole = std::fs::read(sample_frames().join("frame-000.jpg")).unwrap();
    let bomb = png_header(60_000, 60_000);
    let cases: [(&str, Option<Vec<u8>>, &str, &str); 5] = [
        ("torn", Some(whole[..whole.len() / 2].to_vec()), BUCKET, "undecodable"),
        ("text", Some(b"not a picture".to_vec()), BUCKET, "undecodable"),
        ("bomb", Some(bomb), BUCKET, "too-large"),
        ("absent", None, BUCKET, "missing"),
        ("foreign", None, "other-bucket", "missing"),
    ];
    for (name, body, bucket, reason) in cases {
        let device: DeviceID = name.parse().unwrap();
        let frame = FrameID::from_u128(7);
        if let Some(body) = body {
            let key = iot_storage::Key::new(&frame_key(&device, frame)).unwrap();
            store.put(&key, body.into(), &iot_storage::PutOptions::default()).await.unwrap();
        }
        let payload = announcement(&device, frame, bucket).to_string();
        client.publish(Message::new(topics.frames.name(&[name]).unwrap(), payload)).await.unwrap();
        let failure = tokio::time::timeout(Duration::from_secs(30), failures.recv()).await.unwrap().unwrap();
        let failure_message: Value = serde_json::from_slice(failure.payload()).unwrap();
        assert_eq!(failure_message["deviceID"], name);
        assert_eq!(failure_message["reason"], reason, "{failure_message}");
        failure.ack();
    }

    // messages that are none, by the hundred, on every topic
    let before = system.rest.devices().await.unwrap().devices.len();
    let good = announcement(&"cam-1".parse().unwrap(), FrameID::from_u128(8), BUCKET);
    for number in 0..100 {
        let mut bad = good.clone();
        bad["filePath"] = json!("../../etc/passwd");
        let hostile: [Vec<u8>; 4] =
            [b"{".to_vec(), vec![0xff; 100], bad.to_string().into(), vec![b'['; 10_000]];
        for kind in ["frames", "counts", "failure", "status"] {
            let topic = format!("people-counter/v1/devices/<b>{number}/{kind}");
            let topic = if number % 2 == 0 { topic } else { format!("people-counter/v1/devices/x/{kind}") };
            client.publish(Message::new(topic, hostile[number % 4].clone())).await.unwrap();
        }
    }
    let rest = system.rest.clone();
    eventually("the hostile messages are counted", || async {
        let (_, body) = rest.get("/metrics").await?;
        let text = String::from_utf8(body).ok()?;
        let rejected: f64 = text
            .lines()
            .filter(|line| line.starts_with("engage_") && line.contains("rejected"))
            .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
            .sum();
        (rejected >= 300.0).then_some(())
    })
    .await;
    assert_eq!(system.rest.devices().await.unwrap().devices.len(), before, "none of them became a device");
    system.until_live(1).await;
}

/// A PNG that says it is enormous.
fn png_header(width: u32, height: u32) -> Vec<u8> {
    let mut header = width.to_be_bytes().to_vec();
    header.extend(height.to_be_bytes());
    header.extend([8, 2, 0, 0, 0]);
    let mut png = b"\x89PNG\r\n\x1a\n".to_vec();
    for (kind, data) in [(b"IHDR", &header[..]), (b"IDAT", &[0x78, 0x9c, 3, 0, 0, 0, 0, 1]), (b"IEND", &[])] {
        let chunk = [&kind[..], data].concat();
        png.extend((data.len() as u32).to_be_bytes());
        png.extend(&chunk);
        png.extend(crc32(&chunk).to_be_bytes());
    }
    png
}

/// CRC-32 as PNG uses it (ISO 3309).
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0u32, |crc, byte| {
        (0..8).fold(
            crc ^ u32::from(*byte),
            |crc, _| {
                if crc & 1 == 1 { (crc >> 1) ^ 0xedb8_8320 } else { crc >> 1 }
            },
        )
    })
}
