//! [`Quiet`]: hours in which no alert is raised.

use jiff::Timestamp;
use jiff::civil::{Time, Weekday};
use jiff::tz::TimeZone;

/// A time of day, on some days, in one time zone.
#[derive(Debug, Clone)]
pub(super) struct Quiet {
    pub(super) from: Time,
    /// Not later than `from`: on the next day.
    pub(super) to: Time,
    /// The days on which it begins.
    pub(super) days: Vec<Weekday>,
    pub(super) zone: TimeZone,
}

impl Quiet {
    /// Whether `now`, Unix seconds, is in it.
    pub(super) fn contains(&self, now: f64) -> bool {
        // the cast saturates, and a time that jiff does not know is no quiet one
        let Ok(now) = Timestamp::from_millisecond((now * 1000.0) as i64) else { return false };
        let now = now.to_zoned(self.zone.clone());
        let (day, time) = (now.weekday(), now.time());
        let begins = |day: Weekday| self.days.contains(&day);
        if self.from < self.to {
            return begins(day) && self.from <= time && time < self.to;
        }
        (begins(day) && self.from <= time) || (begins(day.previous()) && time < self.to)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> f64 {
        text.parse::<Timestamp>().unwrap().as_millisecond() as f64 / 1000.0
    }

    fn quiet(from: &str, to: &str, days: &[Weekday]) -> Quiet {
        let zone = TimeZone::get("Europe/Berlin").unwrap();
        Quiet { from: from.parse().unwrap(), to: to.parse().unwrap(), days: days.to_vec(), zone }
    }

    #[test]
    fn the_time_zone_counts_and_so_does_its_summer_time() {
        let night = quiet("22:00", "06:00", &Weekday::Sunday.cycle_forward().take(7).collect::<Vec<_>>());
        // 22:00 in Berlin is 21:00 UTC in winter and 20:00 in summer
        assert!(!night.contains(at("2026-01-15T20:59:59Z")));
        assert!(night.contains(at("2026-01-15T21:00:00Z")));
        assert!(night.contains(at("2026-07-15T20:00:00Z")));
        assert!(!night.contains(at("2026-07-15T19:59:59Z")));
        assert!(night.contains(at("2026-01-16T04:59:59Z")));
        assert!(!night.contains(at("2026-01-16T05:00:00Z")));
    }

    #[test]
    fn a_night_belongs_to_the_day_on_which_it_begins() {
        let night = quiet("22:00", "06:00", &[Weekday::Friday]);
        // 2026-01-16 is a Friday
        assert!(night.contains(at("2026-01-16T22:00:00Z")));
        assert!(night.contains(at("2026-01-17T04:00:00Z")), "Saturday's early morning");
        assert!(!night.contains(at("2026-01-16T04:00:00Z")), "Friday's early morning is Thursday's night");
        let day = quiet("09:00", "17:00", &[Weekday::Friday]);
        assert!(day.contains(at("2026-01-16T12:00:00Z")));
        assert!(!day.contains(at("2026-01-17T12:00:00Z")));
        let whole = quiet("00:00", "00:00", &[Weekday::Friday]);
        assert!(whole.contains(at("2026-01-16T12:00:00Z")) && !whole.contains(at("2026-01-17T12:00:00Z")));
        assert!(!whole.contains(1e300));
    }
}
