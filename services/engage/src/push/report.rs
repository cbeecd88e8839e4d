//! Occupancy reports: how many people there were in each step of a time, from the counts that are remembered.
//! Pure. A gap is a gap: where nothing is known, nothing is said.

use serde::Serialize;
use utoipa::ToSchema;

use crate::state::Point;

/// Most steps of one device.
pub const MOST_STEPS: usize = 10_000;

/// A time divided into steps, Unix seconds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Period {
    /// Where it begins.
    pub from: f64,
    /// Where it ends.
    pub to: f64,
    /// Length of a step, seconds.
    pub step: f64,
}

/// One step.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, ToSchema)]
pub struct Step {
    /// Where it begins, Unix seconds.
    pub from: f64,
    /// Where it ends.
    pub to: f64,
    /// Fewest people.
    pub minimum: Option<u32>,
    /// People on average over the time that is known.
    pub mean: Option<f64>,
    /// Most people.
    pub maximum: Option<u32>,
    /// The share of the step of which the people are known, 0 to 1.
    pub share: f64,
}

impl Period {
    /// Checks it.
    ///
    /// # Errors
    /// One sentence that says what to do.
    pub fn check(&self) -> Result<(), String> {
        let Self { from, to, step } = *self;
        if !(from.is_finite() && to.is_finite() && from < to) {
            return Err("from has to be before to, both in Unix seconds".into());
        }
        if !(step.is_finite() && step >= 1.0) {
            return Err("step has to be at least one second".into());
        }
        if ((to - from) / step).ceil() > MOST_STEPS as f64 {
            return Err(format!(
                "these are more than {MOST_STEPS} steps, choose a longer step or a shorter time"
            ));
        }
        Ok(())
    }

    /// The number of steps.
    pub fn number(&self) -> usize {
        ((self.to - self.from) / self.step).ceil() as usize
    }

    fn steps(&self) -> impl Iterator<Item = (f64, f64)> {
        let Self { from, to, step } = *self;
        let begin = move |n: usize| from + n as f64 * step;
        (0..self.number()).map(move |n| (begin(n), begin(n + 1).min(to)))
    }
}

/// The steps of a device. A count holds until the next one, for `valid` seconds at most, the last one until
/// `last_until`.
pub fn occupancy(points: &[Point], valid: f64, last_until: f64, period: Period) -> Vec<Step> {
    // a gateway's clock that was set back must not make a count hold backwards
    let mut points = points.to_vec();
    points.sort_by(|a, b| a.timestamp.total_cmp(&b.timestamp));
    let ends = points.iter().skip(1).map(|next| next.timestamp);
    let spans: Vec<(f64, f64, u32)> = points
        .iter()
        .zip(ends.map(Some).chain(std::iter::once(None)))
        .map(|(point, next)| match next {
            Some(next) => (point.timestamp, next.min(point.timestamp + valid), point.count),
            None => (point.timestamp, last_until.max(point.timestamp), point.count),
        })
        .collect();
    let mut first = 0;
    let step = |(from, to): (f64, f64)| {
        while spans.get(first).is_some_and(|(_, end, _)| *end <= from) {
            first += 1;
        }
        let (mut known, mut sum, mut range) = (0.0, 0.0, None);
        for (begin, end, count) in spans[first..].iter().take_while(|(begin, ..)| *begin < to) {
            let time = end.min(to) - begin.max(from);
            if time > 0.0 {
                known += time;
                sum += time * f64::from(*count);
                let (low, high) = range.unwrap_or((*count, *count));
                range = Some((low.min(*count), high.max(*count)));
            }
        }
        let rounded = |number: f64| (number * 1000.0).round() / 1000.0;
        Step {
            from,
            to,
            minimum: range.map(|(low, _)| low),
            mean: range.map(|_| rounded(sum / known)),
            maximum: range.map(|(_, high)| high),
            share: rounded(known / (to - from)),
        }
    };
    period.steps().map(step).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn points(counts: &[(f64, u32)]) -> Vec<Point> {
        counts.iter().map(|(timestamp, count)| Point { timestamp: *timestamp, count: *count }).collect()
    }

    #[test]
    fn time_counts_and_gaps_stay_gaps() {
        // 2 people for 10 s, 6 for 10 s, then nothing for long, at last 1
        let points = points(&[(0.0, 2), (10.0, 6), (100.0, 1)]);
        let period = Period { from: 0.0, to: 110.0, step: 20.0 };
        let steps = occupancy(&points, 10.0, 105.0, period);
        let all: Vec<_> =
            steps.iter().map(|step| (step.minimum, step.mean, step.maximum, step.share)).collect();
        assert_eq!(
            all,
            [
                (Some(2), Some(4.0), Some(6), 1.0),
                (None, None, None, 0.0),
                (None, None, None, 0.0),
                (None, None, None, 0.0),
                (None, None, None, 0.0),
                (Some(1), Some(1.0), Some(1), 0.5),
            ]
        );
        assert_eq!((steps[5].from, steps[5].to), (100.0, 110.0), "the last step ends where the period does");
    }

    #[test]
    fn a_count_reaches_into_the_steps_behind_it() {
        let steps = occupancy(&points(&[(5.0, 3)]), 60.0, 25.0, Period { from: 0.0, to: 30.0, step: 10.0 });
        let shares: Vec<f64> = steps.iter().map(|step| step.share).collect();
        assert_eq!(shares, [0.5, 1.0, 0.5]);
    }

    #[test]
    fn periods_that_make_no_sense_are_refused() {
        let check = |from, to, step| Period { from, to, step }.check();
        check(0.0, 3600.0, 60.0).unwrap();
        for (from, to, step) in [
            (2.0, 1.0, 1.0),
            (0.0, f64::INFINITY, 1.0),
            (0.0, 10.0, 0.0),
            (0.0, 10.0, f64::NAN),
            (0.0, 1e9, 1.0),
        ] {
            assert!(check(from, to, step).is_err(), "{from} {to} {step}");
        }
    }

    proptest! {
        #[test]
        fn no_history_panics_and_shares_are_shares(
            counts in proptest::collection::vec((0.0..1000.0, 0..50_u32), 0..40),
            valid in 1.0..100.0,
            step in 1.0..200.0,
        ) {
            let points: Vec<Point> =
                counts.iter().map(|(timestamp, count)| Point { timestamp: *timestamp, count: *count }).collect();
            let steps = occupancy(&points, valid, 900.0, Period { from: 100.0, to: 800.0, step });
            for step in steps {
                prop_assert!((0.0..=1.0).contains(&step.share), "{step:?}");
                prop_assert_eq!(step.mean.is_some(), step.minimum.is_some());
                if let (Some(low), Some(mean), Some(high)) = (step.minimum, step.mean, step.maximum) {
                    prop_assert!(f64::from(low) <= mean + 0.001 && mean <= f64::from(high) + 0.001);
                }
            }
        }
    }
}
