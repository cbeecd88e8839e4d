//! [`Recent`]: how long the frames of the last minute took.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use people_counter_events::Durations;

/// What is looked back at.
const WINDOW: Duration = Duration::from_secs(60);
/// Most frames that are remembered; a node that does more of them in a minute tells about the latest.
const MOST: usize = 10_000;

/// The frames of the last minute.
#[derive(Debug, Default)]
pub(crate) struct Recent {
    /// When each ended, and how long it took.
    frames: VecDeque<(Instant, Duration)>,
}

/// What the frames of the last minute say.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Rates {
    pub(crate) frames_per_second: f64,
    pub(crate) mean_ms: f64,
    /// None without frames.
    pub(crate) quantiles: Option<Durations>,
}

impl Recent {
    /// A frame ended at `now`.
    pub(crate) fn add(&mut self, now: Instant, took: Duration) {
        if self.frames.len() == MOST {
            self.frames.pop_front();
        }
        self.frames.push_back((now, took));
    }

    /// The rates as of `now`, of a node that has been at work since `started`.
    pub(crate) fn rates(&mut self, started: Instant, now: Instant) -> Rates {
        while self.frames.front().is_some_and(|(ended, _)| now - *ended > WINDOW) {
            self.frames.pop_front();
        }
        let mut took: Vec<f64> = self.frames.iter().map(|(_, took)| took.as_secs_f64() * 1000.0).collect();
        took.sort_by(f64::total_cmp);
        // a full memory reaches less far back than the window
        let since = match self.frames.front() {
            Some((oldest, _)) if self.frames.len() == MOST => *oldest,
            _ => started,
        };
        let seconds = (now - since).min(WINDOW).as_secs_f64();
        let frames = took.len() as f64;
        Rates {
            frames_per_second: if seconds > 0.0 { tenths(frames / seconds) } else { 0.0 },
            mean_ms: if took.is_empty() { 0.0 } else { tenths(took.iter().sum::<f64>() / frames) },
            quantiles: (!took.is_empty())
                .then(|| Durations { p50: quantile(&took, 0.5), p99: quantile(&took, 0.99) }),
        }
    }
}

/// The smallest value that `share` of the sorted values do not exceed.
fn quantile(sorted: &[f64], share: f64) -> f64 {
    let rank = (sorted.len() as f64 * share).ceil() as usize;
    tenths(sorted[rank.clamp(1, sorted.len()) - 1])
}

fn tenths(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_and_rates_are_those_of_the_last_minute() {
        let started = Instant::now();
        let at = |seconds: u64| started + Duration::from_secs(seconds);
        let mut recent = Recent::default();
        assert_eq!(
            recent.rates(started, started),
            Rates { frames_per_second: 0.0, mean_ms: 0.0, quantiles: None }
        );
        recent.add(at(1), Duration::from_secs(9));
        for number in 1..=100 {
            recent.add(at(70), Duration::from_millis(number));
        }
        let rates = recent.rates(started, at(100));
        assert_eq!(rates.quantiles, Some(Durations { p50: 50.0, p99: 99.0 }), "the slow one is forgotten");
        assert_eq!((rates.frames_per_second, rates.mean_ms), (1.7, 50.5));
        assert_eq!(recent.rates(started, at(200)).quantiles, None);
    }

    #[test]
    fn a_young_node_is_measured_by_its_age_and_memory_is_bounded() {
        let started = Instant::now();
        let mut recent = Recent::default();
        for number in 0..30 {
            recent.add(started + Duration::from_millis(number), Duration::from_millis(5));
        }
        assert_eq!(recent.rates(started, started + Duration::from_secs(10)).frames_per_second, 3.0);
        for _ in 0..2 * MOST {
            recent.add(started + Duration::from_secs(10), Duration::from_millis(5));
        }
        assert_eq!(recent.frames.len(), MOST);
        let rates = recent.rates(started, started + Duration::from_secs(20));
        assert_eq!(rates.frames_per_second, 1000.0, "10,000 in the ten seconds that are remembered");
    }
}
