//! A line per camera as counts come in.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use iot_chassis::Stop;
use people_counter_engage::Watch;

/// A camera's changed count is printed at most this often.
const PAUSE: Duration = Duration::from_secs(5);

/// Prints each camera's count, as the page shows it, when it changes.
#[expect(clippy::print_stdout, reason = "that is what it is for")]
pub(crate) async fn print(mut watch: Watch, stop: Stop) -> anyhow::Result<()> {
    let mut printed: HashMap<String, (u32, Instant)> = HashMap::new();
    loop {
        let changes = tokio::select! {
            () = stop.cancelled() => return Ok(()),
            changes = watch.next() => changes,
        };
        let Some(changes) = changes else {
            // the page has ended; why, is its own to say
            stop.cancelled().await;
            return Ok(());
        };
        for device in changes.devices {
            let Some(count) = device.count() else { continue };
            let name = device.id().to_string();
            let due = printed.get(&name).is_none_or(|(last, at)| *last != count && at.elapsed() >= PAUSE);
            if due {
                let noun = if count == 1 { "person" } else { "people" };
                println!("{name:<10} {count:>3} {noun}");
                printed.insert(name, (count, Instant::now()));
            }
        }
    }
}
