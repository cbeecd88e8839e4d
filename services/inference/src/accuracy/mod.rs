//! How good a model is on annotated pictures. No I/O.

pub(crate) mod coco;
mod matching;

use std::fmt;

use object_detector::Detection;
use serde::Serialize;

use self::coco::Truth;
use self::matching::{Judged, Outcome, average_precision, judge};

/// Overlaps at which detections are judged: 0.5, 0.55 … 0.95.
const OVERLAPS: usize = 10;
/// Thresholds that a sweep tries: 0.05, 0.06 … 0.95.
const TRIED: std::ops::RangeInclusive<u32> = 5..=95;

/// What was found in a picture, judged.
struct Picture {
    people: usize,
    /// Whether the number of people is known: a crowd has not been counted.
    counted: bool,
    /// Whether there is nobody, and no region that does not count either.
    empty: bool,
    /// By overlap; each by falling score.
    judged: [Vec<Judged>; OVERLAPS],
}

/// What was found in all pictures, judged.
#[derive(Default)]
pub(crate) struct Accuracy {
    pictures: Vec<Picture>,
}

/// Figures at one threshold; those that need people, or pictures without any, are absent where there are none.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Summary {
    pictures: usize,
    people: usize,
    empty: usize,
    threshold: f32,
    ap50: Option<f64>,
    ap: Option<f64>,
    precision: Option<f64>,
    recall: Option<f64>,
    count_mae: Option<f64>,
    count_exact: Option<f64>,
    count_within_one: Option<f64>,
    false_positive_rate: Option<f64>,
}

/// What one threshold does.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(crate) struct Step {
    pub(crate) threshold: f32,
    precision: Option<f64>,
    recall: Option<f64>,
    f1: f64,
    count_mae: Option<f64>,
    count_exact: Option<f64>,
    count_within_one: Option<f64>,
    false_positive_rate: Option<f64>,
}

impl Accuracy {
    /// Takes what was `found` in a picture, surest first.
    pub(crate) fn add(&mut self, truth: &Truth, found: &[Detection]) {
        let judged = std::array::from_fn(|n| judge(found, truth, 0.5 + 0.05 * n as f32));
        self.pictures.push(Picture {
            people: truth.people.len(),
            counted: !truth.ignored.iter().any(|ignored| ignored.crowd),
            empty: truth.people.is_empty() && truth.ignored.is_empty(),
            judged,
        });
    }

    /// The figures with people counted from `threshold` on.
    pub(crate) fn summary(&self, threshold: f32) -> Summary {
        let people = self.people();
        let precisions: Vec<f64> = (0..OVERLAPS).filter_map(|overlap| self.average(overlap)).collect();
        let step = self.step(threshold);
        Summary {
            pictures: self.pictures.len(),
            people,
            empty: self.pictures.iter().filter(|picture| picture.empty).count(),
            threshold,
            ap50: precisions.first().copied(),
            ap: mean(precisions.iter().copied()),
            precision: step.precision,
            recall: step.recall,
            count_mae: step.count_mae,
            count_exact: step.count_exact,
            count_within_one: step.count_within_one,
            false_positive_rate: step.false_positive_rate,
        }
    }

    fn people(&self) -> usize {
        self.pictures.iter().map(|picture| picture.people).sum()
    }

    fn average(&self, overlap: usize) -> Option<f64> {
        let judged = self.pictures.iter().flat_map(|picture| picture.judged[overlap].iter().copied());
        average_precision(judged, self.people())
    }

    fn step(&self, threshold: f32) -> Step {
        let at = |picture: &Picture, outcome| {
            let counted = |judged: &&Judged| judged.score >= threshold && judged.outcome == outcome;
            picture.judged[0].iter().filter(counted).count()
        };
        let total = |outcome| self.pictures.iter().map(|picture| at(picture, outcome)).sum::<usize>() as f64;
        let (right, wrong, people) = (total(Outcome::Right), total(Outcome::Wrong), self.people() as f64);
        let count = |picture: &Picture| at(picture, Outcome::Right) + at(picture, Outcome::Wrong);
        let errors: Vec<usize> = self
            .pictures
            .iter()
            .filter(|picture| picture.counted)
            .map(|picture| count(picture).abs_diff(picture.people))
            .collect();
        let share = |holds: &dyn Fn(usize) -> bool| mean(errors.iter().map(|error| f64::from(holds(*error))));
        let empty = self.pictures.iter().filter(|picture| picture.empty);
        Step {
            threshold,
            precision: ratio(right, right + wrong),
            recall: ratio(right, people),
            f1: ratio(2.0 * right, right + wrong + people).unwrap_or(0.0),
            count_mae: mean(errors.iter().map(|error| *error as f64)),
            count_exact: share(&|error| error == 0),
            count_within_one: share(&|error| error <= 1),
            false_positive_rate: mean(empty.map(|picture| f64::from(count(picture) > 0))),
        }
    }

    /// What the thresholds from 0.05 to 0.95 do.
    pub(crate) fn sweep(&self) -> Vec<Step> {
        TRIED.map(|hundredths| self.step(hundredths as f32 / 100.0)).collect()
    }
}

/// The threshold with the least error of the count; of equal ones the one with the best balance of precision and
/// recall.
pub(crate) fn proposal(steps: &[Step]) -> Option<Step> {
    let error = |step: &Step| step.count_mae.unwrap_or(f64::MAX);
    steps.iter().copied().min_by(|a, b| error(a).total_cmp(&error(b)).then(b.f1.total_cmp(&a.f1)))
}

fn ratio(part: f64, whole: f64) -> Option<f64> {
    (whole > 0.0).then(|| part / whole)
}

fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (sum, number) = values.fold((0.0, 0.0), |(sum, number), value| (sum + value, number + 1.0));
    ratio(sum, number)
}

/// A figure in a fixed width; a dash where there is none.
fn figure(value: Option<f64>) -> String {
    value.map_or("    -".into(), |value| format!("{value:5.3}"))
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} pictures, {} people, {} pictures without any, threshold {:.2}\n",
            self.pictures, self.people, self.empty, self.threshold
        )?;
        for (name, value) in [
            ("AP at IoU 0.5", self.ap50),
            ("AP at IoU 0.5 to 0.95", self.ap),
            ("precision at the threshold", self.precision),
            ("recall at the threshold", self.recall),
            ("mean absolute error of the count", self.count_mae),
            ("share of exact counts", self.count_exact),
            ("share of counts within one", self.count_within_one),
            ("false counts on empty pictures", self.false_positive_rate),
        ] {
            writeln!(f, "{name:34}{}", figure(value))?;
        }
        Ok(())
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:9.2}{:>11}{:>8}{:>11}{:>8}{:>12}{:>14}",
            self.threshold,
            figure(self.precision),
            figure(self.recall),
            figure(self.count_mae),
            figure(self.count_exact),
            figure(self.count_within_one),
            figure(self.false_positive_rate)
        )
    }
}

impl Step {
    /// What the columns are.
    pub(crate) const HEADER: &str =
        "threshold  precision  recall  MAE count   exact  within one  false counts";
}

#[cfg(test)]
mod tests {
    use object_detector::BoundingBox;

    use super::*;
    use crate::accuracy::coco::Ignored;

    fn bbox(x1: f32) -> BoundingBox {
        BoundingBox { x1, y1: 0.0, x2: x1 + 10.0, y2: 20.0 }
    }

    fn found(x1: f32, score: f32) -> Detection {
        Detection { bbox: bbox(x1), score, class: 0 }
    }

    /// Two people of whom one is found, nobody where a ghost is seen, nobody at all, and a crowd.
    fn accuracy() -> Accuracy {
        let people =
            |places: &[f32]| Truth { people: places.iter().map(|x| bbox(*x)).collect(), ..Truth::default() };
        let mut accuracy = Accuracy::default();
        accuracy.add(&people(&[0.0, 50.0]), &[found(0.0, 0.9), found(50.0, 0.3)]);
        accuracy.add(&people(&[]), &[found(10.0, 0.5)]);
        accuracy.add(&people(&[]), &[]);
        let crowd = Ignored { bbox: BoundingBox { x1: 0.0, y1: 0.0, x2: 500.0, y2: 500.0 }, crowd: true };
        accuracy.add(&Truth { ignored: vec![crowd], ..people(&[]) }, &[found(10.0, 0.8), found(90.0, 0.8)]);
        accuracy
    }

    #[test]
    fn figures_of_a_hand_made_case() {
        let summary = accuracy().summary(0.4);
        assert_eq!((summary.pictures, summary.people, summary.empty), (4, 2, 2));
        assert_eq!((summary.precision, summary.recall), (Some(0.5), Some(0.5)));
        assert_eq!(summary.count_mae, Some(2.0 / 3.0), "the crowd has not been counted");
        assert_eq!(summary.count_exact, Some(1.0 / 3.0));
        assert_eq!(summary.count_within_one, Some(1.0));
        assert_eq!(summary.false_positive_rate, Some(0.5));
        // precision 1 up to half of the people, then 2 of 3
        let expected = (51.0 + 50.0 * 2.0 / 3.0) / 101.0;
        assert!((summary.ap50.unwrap() - expected).abs() < 1e-9);
        assert!((summary.ap.unwrap() - expected).abs() < 1e-9, "the boxes fit exactly");
        let text = summary.to_string();
        assert!(text.contains("mean absolute error of the count  0.667"), "{text}");
    }

    #[test]
    fn the_proposal_has_the_least_error() {
        // at 0.3 both people are found but the ghost counts, above 0.5 the ghost is gone but so is one of them
        let steps = accuracy().sweep();
        assert_eq!(steps.len(), 91);
        let best = proposal(&steps).unwrap();
        assert!((best.threshold - 0.05).abs() < 1e-6, "{best:?}");
        assert_eq!(best.count_mae, Some(1.0 / 3.0));
    }

    #[test]
    fn without_people_there_is_neither_recall_nor_precision() {
        let mut accuracy = Accuracy::default();
        accuracy.add(&Truth::default(), &[]);
        let summary = accuracy.summary(0.5);
        assert_eq!((summary.ap50, summary.ap, summary.precision, summary.recall), (None, None, None, None));
        assert_eq!((summary.count_mae, summary.false_positive_rate), (Some(0.0), Some(0.0)));
        let text = summary.to_string();
        assert!(
            text.lines().any(|line| line.starts_with("AP at IoU 0.5 ") && line.ends_with(" -")),
            "{text}"
        );
    }
}
