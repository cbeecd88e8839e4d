//! Greedy non-maximum suppression: of boxes that overlap too much, the surest stays

use crate::geometry::Detection;

/// Sorts `found` by falling score and drops every box that overlaps a surer one of its own class by more than `iou`.
pub(crate) fn suppress(found: &mut Vec<Detection>, iou: f32) {
    // a stable sort keeps the network's order among equal scores, so that the same picture gives the same answer
    found.sort_by(|a, b| b.score.total_cmp(&a.score));
    let mut kept = 0;
    for candidate in 0..found.len() {
        let this = found[candidate];
        let covered =
            found[..kept].iter().any(|other| other.class == this.class && other.bbox.iou(&this.bbox) > iou);
        if !covered {
            found[kept] = this;
            kept += 1;
        }
    }
    found.truncate(kept);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::geometry::BoundingBox;

    fn found(x1: f32, score: f32, class: usize) -> Detection {
        Detection { bbox: BoundingBox { x1, y1: 0.0, x2: x1 + 10.0, y2: 10.0 }, score, class }
    }

    #[test]
    fn the_surest_of_an_overlapping_group_stays() {
        let mut all = vec![found(1.0, 0.6, 0), found(0.0, 0.9, 0), found(100.0, 0.7, 0)];
        suppress(&mut all, 0.5);
        assert_eq!(all, [found(0.0, 0.9, 0), found(100.0, 0.7, 0)]);
    }

    #[test]
    fn classes_do_not_suppress_each_other() {
        let mut all = vec![found(0.0, 0.9, 0), found(0.0, 0.8, 1)];
        suppress(&mut all, 0.5);
        assert_eq!(all.len(), 2);
    }

    #[test]
    fn a_suppressed_box_suppresses_nothing() {
        // each overlaps its neighbour by 0.54, the outer two by 0.25
        let mut all = vec![found(0.0, 0.9, 0), found(3.0, 0.8, 0), found(6.0, 0.7, 0)];
        suppress(&mut all, 0.5);
        assert_eq!(all, [found(0.0, 0.9, 0), found(6.0, 0.7, 0)]);
    }

    proptest! {
        #[test]
        fn what_is_left_is_sorted_and_apart(
            boxes in prop::collection::vec((0.0f32..100.0, 0.0f32..1.0, 0usize..3), 0..60),
            iou in 0.05f32..0.95,
        ) {
            let mut all: Vec<_> = boxes.iter().map(|&(x1, score, class)| found(x1, score, class)).collect();
            let before = all.clone();
            suppress(&mut all, iou);
            prop_assert!(all.is_sorted_by(|a, b| a.score >= b.score));
            for (i, a) in all.iter().enumerate() {
                prop_assert!(all[i + 1..].iter().all(|b| a.class != b.class || a.bbox.iou(&b.bbox) <= iou));
            }
            for lost in before.iter().filter(|lost| !all.contains(lost)) {
                let covers = |kept: &Detection| {
                    kept.class == lost.class && kept.score >= lost.score && kept.bbox.iou(&lost.bbox) > iou
                };
                prop_assert!(all.iter().any(covers));
            }
        }
    }
}
