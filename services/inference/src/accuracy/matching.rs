//! Which detections are right: COCO's rules.

use object_detector::{BoundingBox, Detection};

use super::coco::Truth;

/// Most detections of a picture that are judged, the surest ones.
const MOST: usize = 100;
/// Points of recall at which precision is averaged.
const POINTS: usize = 101;

/// What a detection turned out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Somebody who is there.
    Right,
    /// Nobody is there, or somebody who was found already.
    Wrong,
    /// In a region that does not count.
    Ignored,
}

/// A detection, judged.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Judged {
    pub(crate) score: f32,
    pub(crate) outcome: Outcome,
}

/// Judges what was found in a picture, surest first: each detection takes the person it overlaps most, by at least
/// `iou`, of those whom no surer one has taken.
pub(crate) fn judge(found: &[Detection], truth: &Truth, iou: f32) -> Vec<Judged> {
    let mut people = vec![false; truth.people.len()];
    let mut ignored = vec![false; truth.ignored.len()];
    let mut take = |bbox: &BoundingBox| {
        let overlaps = truth.people.iter().map(|person| person.iou(bbox));
        if let Some(person) = best(overlaps, &people, iou) {
            people[person] = true;
            return Outcome::Right;
        }
        let overlaps = truth.ignored.iter().map(|region| match region.crowd {
            true => share_inside(bbox, &region.bbox),
            false => region.bbox.iou(bbox),
        });
        match best(overlaps, &ignored, iou) {
            Some(region) => {
                ignored[region] = !truth.ignored[region].crowd;
                Outcome::Ignored
            }
            None => Outcome::Wrong,
        }
    };
    found.iter().take(MOST).map(|found| Judged { score: found.score, outcome: take(&found.bbox) }).collect()
}

/// The largest overlap of at least `iou` whose place is not taken.
fn best(overlaps: impl Iterator<Item = f32>, taken: &[bool], iou: f32) -> Option<usize> {
    overlaps
        .enumerate()
        .filter(|(place, overlap)| !taken[*place] && *overlap >= iou)
        .max_by(|(_, a), (_, b)| a.total_cmp(b))
        .map(|(place, _)| place)
}

/// How much of `bbox` lies in `region`, 0 to 1.
fn share_inside(bbox: &BoundingBox, region: &BoundingBox) -> f32 {
    let width = bbox.x2.min(region.x2) - bbox.x1.max(region.x1);
    let height = bbox.y2.min(region.y2) - bbox.y1.max(region.y1);
    if width <= 0.0 || height <= 0.0 || bbox.area() <= 0.0 {
        return 0.0;
    }
    width * height / bbox.area()
}

/// The mean of the precision over 101 degrees of recall; `None` when there was nobody to find.
pub(crate) fn average_precision(judged: impl Iterator<Item = Judged>, people: usize) -> Option<f64> {
    if people == 0 {
        return None;
    }
    let mut judged: Vec<Judged> = judged.filter(|judged| judged.outcome != Outcome::Ignored).collect();
    judged.sort_by(|a, b| b.score.total_cmp(&a.score));
    let mut right = 0;
    let mut curve: Vec<(usize, f64)> = Vec::with_capacity(judged.len());
    for (n, judged) in judged.iter().enumerate() {
        right += usize::from(judged.outcome == Outcome::Right);
        curve.push((right, right as f64 / (n + 1) as f64));
    }
    // precision at a recall is the best one at that recall or a higher one
    let mut highest = 0.0f64;
    for (_, precision) in curve.iter_mut().rev() {
        highest = highest.max(*precision);
        *precision = highest;
    }
    let at = |point: usize| {
        // recall >= point / 100, in whole numbers
        let place = curve.partition_point(|(right, _)| right * (POINTS - 1) < point * people);
        curve.get(place).map_or(0.0, |(_, precision)| *precision)
    };
    Some((0..POINTS).map(at).sum::<f64>() / POINTS as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::accuracy::coco::Ignored;

    fn bbox(x1: f32, y1: f32, x2: f32, y2: f32) -> BoundingBox {
        BoundingBox { x1, y1, x2, y2 }
    }

    fn found(bbox: BoundingBox, score: f32) -> Detection {
        Detection { bbox, score, class: 0 }
    }

    fn outcomes(found: &[Detection], truth: &Truth) -> Vec<Outcome> {
        judge(found, truth, 0.5).into_iter().map(|judged| judged.outcome).collect()
    }

    #[test]
    fn a_person_is_found_once() {
        let person = bbox(0.0, 0.0, 10.0, 10.0);
        let truth = Truth { people: vec![person], ..Truth::default() };
        let twice = [found(person, 0.9), found(person, 0.8), found(bbox(50.0, 50.0, 60.0, 60.0), 0.7)];
        assert_eq!(outcomes(&twice, &truth), [Outcome::Right, Outcome::Wrong, Outcome::Wrong]);
    }

    #[test]
    fn a_crowd_takes_any_number_and_an_ignored_person_one() {
        let crowd = Ignored { bbox: bbox(0.0, 0.0, 100.0, 100.0), crowd: true };
        let truth = Truth { ignored: vec![crowd], ..Truth::default() };
        let inside = [found(bbox(0.0, 0.0, 10.0, 10.0), 0.9), found(bbox(20.0, 20.0, 30.0, 30.0), 0.8)];
        assert_eq!(outcomes(&inside, &truth), [Outcome::Ignored; 2]);
        assert_eq!(outcomes(&[found(bbox(95.0, 0.0, 115.0, 10.0), 0.9)], &truth), [Outcome::Wrong]);

        let person = bbox(0.0, 0.0, 10.0, 10.0);
        let truth = Truth { ignored: vec![Ignored { bbox: person, crowd: false }], ..Truth::default() };
        let twice = [found(person, 0.9), found(person, 0.8)];
        assert_eq!(outcomes(&twice, &truth), [Outcome::Ignored, Outcome::Wrong]);
    }

    #[test]
    fn average_precision_of_known_cases() {
        let judged = |all: &[(f32, Outcome)]| {
            let all = all.iter().map(|&(score, outcome)| Judged { score, outcome }).collect::<Vec<_>>();
            average_precision(all.into_iter(), 2)
        };
        use Outcome::{Ignored, Right, Wrong};
        let half = 51.0 / 101.0;
        for (all, expected) in [
            (&[(0.9, Right), (0.8, Right)][..], 1.0),
            (&[(0.9, Right), (0.8, Wrong)], half),
            (&[(0.8, Wrong), (0.9, Right)], half),
            (&[(0.9, Wrong), (0.8, Right)], half / 2.0),
            (&[(0.9, Right), (0.8, Wrong), (0.7, Right)], (51.0 + 50.0 * 2.0 / 3.0) / 101.0),
            (&[(0.9, Ignored), (0.8, Right), (0.7, Right)], 1.0),
            (&[], 0.0),
        ] {
            let ap = judged(all).unwrap();
            assert!((ap - expected).abs() < 1e-9, "{all:?}: {ap}, not {expected}");
        }
        assert_eq!(average_precision(std::iter::empty(), 0), None);
    }
}
