//! [`Region`]: the part of a picture in which people count.

use anyhow::ensure;

/// Most corners of a region.
const MAX_CORNERS: usize = 200;

/// A polygon; its corners are fractions of the upright picture, origin top left.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Region {
    corners: Vec<[f64; 2]>,
}

impl Region {
    pub(crate) fn new(corners: &[[f64; 2]]) -> anyhow::Result<Self> {
        ensure!(
            (3..=MAX_CORNERS).contains(&corners.len()),
            "a region has 3 to {MAX_CORNERS} corners, not {}",
            corners.len()
        );
        for corner in corners {
            ensure!(
                corner.iter().all(|value| (0.0..=1.0).contains(value)),
                "the corner {corner:?} of a region is outside the picture, write fractions of its width and height \
                 between 0 and 1"
            );
        }
        Ok(Self { corners: corners.to_vec() })
    }

    /// Whether the point is inside: a ray to the right crosses the outline an odd number of times.
    pub(crate) fn contains(&self, [x, y]: [f64; 2]) -> bool {
        let from = self.corners.iter();
        let to = self.corners.iter().cycle().skip(1);
        let crossings = from.zip(to).filter(|(a, b)| {
            (a[1] > y) != (b[1] > y) && x < a[0] + (y - a[1]) * (b[0] - a[0]) / (b[1] - a[1])
        });
        crossings.count() % 2 == 1
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_notch_is_outside() {
        // a square with a triangle cut out from above
        let region = Region::new(&[[0.1, 0.1], [0.5, 0.5], [0.9, 0.1], [0.9, 0.9], [0.1, 0.9]]).unwrap();
        for (point, inside) in [
            ([0.5, 0.3], false),
            ([0.5, 0.6], true),
            ([0.15, 0.3], true),
            ([0.05, 0.5], false),
            ([0.95, 0.5], false),
            ([0.5, 0.95], false),
        ] {
            assert_eq!(region.contains(point), inside, "{point:?}");
        }
    }

    #[test]
    fn senseless_regions_are_refused() {
        let error = Region::new(&[[0.0, 0.0], [1.0, 1.0]]).unwrap_err().to_string();
        assert!(error.contains("3 to 200 corners, not 2"), "{error}");
        let error = Region::new(&[[0.0, 0.0], [640.0, 0.0], [0.0, 480.0]]).unwrap_err().to_string();
        assert!(error.contains("640") && error.contains("fractions"), "{error}");
        assert!(Region::new(&[[0.0, 0.0], [f64::NAN, 0.0], [0.0, 1.0]]).is_err());
    }

    proptest! {
        #[test]
        fn a_rectangle_contains_what_lies_between_its_sides(
            x1 in 0.0..0.5, x2 in 0.5..1.0, y1 in 0.0..0.5, y2 in 0.5..1.0, x in 0.0..1.0, y in 0.0..1.0,
        ) {
            let corners = [[x1, y1], [x2, y1], [x2, y2], [x1, y2]];
            let inside = x > x1 && x < x2 && y > y1 && y < y2;
            let region = Region::new(&corners).unwrap();
            prop_assert_eq!(region.contains([x, y]), inside);
            let mut turned = corners;
            turned.reverse();
            prop_assert_eq!(Region::new(&turned).unwrap().contains([x, y]), inside, "either way round");
        }
    }
}
