//! One answer from the answers of several networks: weighted boxes fusion
//!
//! R. Solovyev, W. Wang, T. Gabruseva, "Weighted boxes fusion: ensembling boxes from different object detection
//! models", Image and Vision Computing 107, 2021. Unlike there a network contributes one box to an object, since its
//! own suppression has kept its boxes apart already.

use crate::geometry::{BoundingBox, Detection};

/// Boxes of different networks that overlap by more than this are the same object.
const SAME: f32 = 0.55;

/// An object as several networks see it.
struct Cluster {
    /// Mean of the boxes, weighted by their scores.
    bbox: BoundingBox,
    class: usize,
    /// Sum of the scores.
    weight: f32,
    /// Who has contributed, a bit each.
    members: u32,
}

impl Cluster {
    fn new(member: u32, first: &Detection) -> Self {
        Self { bbox: first.bbox, class: first.class, weight: first.score, members: member }
    }

    fn add(&mut self, member: u32, next: &Detection) {
        let total = self.weight + next.score;
        let share = if total > 0.0 { next.score / total } else { 0.0 };
        let mix = |a: f32, b: f32| a + (b - a) * share;
        let (a, b) = (self.bbox, next.bbox);
        self.bbox = BoundingBox {
            x1: mix(a.x1, b.x1),
            y1: mix(a.y1, b.y1),
            x2: mix(a.x2, b.x2),
            y2: mix(a.y2, b.y2),
        };
        self.weight = total;
        self.members |= member;
    }
}

/// Fuses what each network found (at most 32 of them), surest first. The score of an object is the mean over all
/// networks, where one that did not see it counts as 0.
pub(crate) fn fuse(found: &[Vec<Detection>]) -> Vec<Detection> {
    let mut all: Vec<(u32, &Detection)> = found
        .iter()
        .enumerate()
        .flat_map(|(network, found)| found.iter().map(move |detection| (1 << network, detection)))
        .collect();
    all.sort_by(|(_, a), (_, b)| b.score.total_cmp(&a.score));
    let mut clusters: Vec<Cluster> = Vec::new();
    for (member, detection) in all {
        let nearest = clusters
            .iter_mut()
            .filter(|cluster| cluster.class == detection.class && cluster.members & member == 0)
            .map(|cluster| (cluster.bbox.iou(&detection.bbox), cluster))
            .filter(|(iou, _)| *iou > SAME)
            .max_by(|(a, _), (b, _)| a.total_cmp(b));
        match nearest {
            Some((_, cluster)) => cluster.add(member, detection),
            None => clusters.push(Cluster::new(member, detection)),
        }
    }
    let networks = found.len().max(1) as f32;
    let mut fused: Vec<Detection> = clusters
        .into_iter()
        .map(|cluster| Detection {
            bbox: cluster.bbox,
            score: cluster.weight / networks,
            class: cluster.class,
        })
        .collect();
    fused.sort_by(|a, b| b.score.total_cmp(&a.score));
    fused
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(x1: f32, score: f32, class: usize) -> Detection {
        Detection { bbox: BoundingBox { x1, y1: 0.0, x2: x1 + 10.0, y2: 10.0 }, score, class }
    }

    #[test]
    fn boxes_of_the_same_object_become_their_weighted_mean() {
        let fused = fuse(&[vec![found(0.0, 0.9, 0)], vec![found(2.0, 0.3, 0)]]);
        assert_eq!(fused.len(), 1);
        assert!((fused[0].score - 0.6).abs() < 1e-6);
        assert!((fused[0].bbox.x1 - 0.5).abs() < 1e-6 && (fused[0].bbox.x2 - 10.5).abs() < 1e-6);
    }

    #[test]
    fn what_one_network_alone_sees_counts_half() {
        let fused = fuse(&[vec![found(0.0, 0.8, 0)], vec![found(100.0, 0.5, 0)]]);
        let scores: Vec<_> = fused.iter().map(|found| found.score).collect();
        assert_eq!(scores, [0.4, 0.25]);
    }

    #[test]
    fn a_network_contributes_one_box_to_an_object_and_classes_stay_apart() {
        // the second network keeps two objects apart that overlap
        let fused = fuse(&[vec![found(0.0, 0.9, 0)], vec![found(0.5, 0.8, 0), found(2.0, 0.7, 0)]]);
        assert_eq!(fused.len(), 2);
        let fused = fuse(&[vec![found(0.0, 0.9, 0)], vec![found(0.0, 0.9, 1)]]);
        assert_eq!(fused.len(), 2);
    }

    #[test]
    fn nothing_and_scores_of_zero_do_no_harm() {
        assert!(fuse(&[]).is_empty());
        let fused = fuse(&[vec![found(0.0, 0.0, 0)], vec![found(0.0, 0.0, 0)]]);
        assert_eq!(fused, [found(0.0, 0.0, 0)]);
    }
}
