//! Which picture may be shown with a result.

use std::collections::VecDeque;

use people_counter_events::{DeviceID, FrameID, ObjectPath, PeopleCounted, Picture, frame_key, preview_key};

/// How many results' pictures are remembered per device. A viewer asks for the picture of the boxes it
/// shows, which may by then be a few results old.
const REMEMBERED: usize = 8;

/// Why there is no picture to show.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum NoPicture {
    /// The device is not known.
    NoDevice,
    /// The device has no result yet.
    NoResult,
    /// The frame is none of the device's last results.
    Forgotten,
    /// The picture is not to be shown.
    Withheld,
    /// The result names an object that is not this frame's picture in the configured bucket.
    Foreign,
}

/// A picture that may be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PictureRef {
    /// The result it belongs to.
    pub frame: FrameID,
    /// Its key in the configured bucket.
    pub key: String,
}

#[derive(Debug, Clone)]
struct Facts {
    frame: FrameID,
    policy: Picture,
    key: Result<String, NoPicture>,
}

/// The pictures of a device's last results, newest last.
#[derive(Debug, Default)]
pub(super) struct Pictures(VecDeque<Facts>);

impl Pictures {
    /// Remembers the picture of the newest result.
    pub(super) fn push(&mut self, result: &PeopleCounted, bucket: &str) {
        if self.0.len() == REMEMBERED {
            self.0.pop_front();
        }
        let key = key_to_show(result, bucket);
        self.0.push_back(Facts { frame: result.frame_id, policy: result.picture, key });
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// The picture of `frame`, of the newest result if `None`.
    ///
    /// A device that has since become more private takes its earlier pictures back.
    pub(super) fn get(&self, frame: Option<FrameID>) -> Result<PictureRef, NoPicture> {
        let newest = self.0.back().ok_or(NoPicture::NoResult)?;
        let facts = match frame {
            Some(frame) => self.0.iter().rev().find(|f| f.frame == frame).ok_or(NoPicture::Forgotten)?,
            None => newest,
        };
        if strictness(newest.policy) > strictness(facts.policy) {
            return Err(NoPicture::Withheld);
        }
        facts.key.clone().map(|key| PictureRef { frame: facts.frame, key })
    }
}

fn strictness(policy: Picture) -> u8 {
    match policy {
        Picture::Original => 0,
        Picture::Blurred => 1,
        Picture::Withheld => 2,
    }
}

/// The one object that may be read for a result. Under any policy but `original` that is the preview alone.
fn key_to_show(result: &PeopleCounted, bucket: &str) -> Result<String, NoPicture> {
    let device = &result.device_id;
    let preview =
        || result.preview_path.as_ref().map(|path| own(path, bucket, preview_key(device, result.frame_id)));
    match result.picture {
        Picture::Withheld => Err(NoPicture::Withheld),
        Picture::Blurred => preview().unwrap_or(Err(NoPicture::Withheld)),
        Picture::Original => {
            preview().unwrap_or_else(|| own(&result.file_path, bucket, frame_key(device, result.frame_id)))
        }
    }
}

/// A message may name any object, so only the one that belongs to its own frame counts.
fn own(path: &ObjectPath, bucket: &str, expected: String) -> Result<String, NoPicture> {
    if path.bucket() == bucket && path.key() == expected { Ok(expected) } else { Err(NoPicture::Foreign) }
}

/// The address of a frame's picture.
pub(super) fn image_url(device: &DeviceID, frame: FrameID) -> String {
    format!("/api/v1/devices/{device}/image?frame={frame}")
}

#[cfg(test)]
mod tests {
    use super::super::samples;
    use super::*;

    const BUCKET: &str = samples::BUCKET;

    fn result(sequence: u64, picture: Picture, preview: bool) -> PeopleCounted {
        let mut result = samples::result("cam-1", 1, sequence, 3);
        result.picture = picture;
        result.preview_path = preview
            .then(|| ObjectPath::new(BUCKET, &preview_key(&result.device_id, result.frame_id)).unwrap());
        result
    }

    fn key(result: &PeopleCounted) -> Result<String, NoPicture> {
        let mut pictures = Pictures::default();
        pictures.push(result, BUCKET);
        pictures.get(None).map(|picture| picture.key)
    }

    #[test]
    fn the_original_is_shown_only_where_the_policy_says_original() {
        let plain = result(1, Picture::Original, false);
        assert_eq!(key(&plain), Ok(plain.file_path.key().to_owned()));
        assert!(key(&result(1, Picture::Original, true)).unwrap().ends_with(".preview.jpg"));
        assert!(key(&result(1, Picture::Blurred, true)).unwrap().ends_with(".preview.jpg"));
        assert_eq!(key(&result(1, Picture::Blurred, false)), Err(NoPicture::Withheld));
        assert_eq!(key(&result(1, Picture::Withheld, true)), Err(NoPicture::Withheld));
    }

    #[test]
    fn an_object_that_is_not_the_frames_own_is_not_shown() {
        for path in ["other/cam-1.x.jpg", "frames/cam-2.x.jpg", "frames/secret"] {
            let mut foreign = result(1, Picture::Original, false);
            foreign.file_path = path.parse().unwrap();
            assert_eq!(key(&foreign), Err(NoPicture::Foreign), "{path}");
        }
        // a blurred result that passes the original off as its preview
        let mut sly = result(1, Picture::Blurred, true);
        sly.preview_path = Some(sly.file_path.clone());
        assert_eq!(key(&sly), Err(NoPicture::Foreign));
    }

    #[test]
    fn the_last_eight_are_remembered() {
        let mut pictures = Pictures::default();
        assert_eq!(pictures.get(None), Err(NoPicture::NoResult));
        let results: Vec<_> = (1..=9).map(|n| result(n, Picture::Original, false)).collect();
        for result in &results {
            pictures.push(result, BUCKET);
        }
        assert_eq!(pictures.get(Some(results[0].frame_id)), Err(NoPicture::Forgotten));
        assert_eq!(pictures.get(Some(results[1].frame_id)).unwrap().frame, results[1].frame_id);
        assert_eq!(pictures.get(None).unwrap().frame, results[8].frame_id);
    }

    #[test]
    fn a_device_that_became_more_private_takes_its_pictures_back() {
        let mut pictures = Pictures::default();
        let open = result(1, Picture::Original, false);
        pictures.push(&open, BUCKET);
        pictures.push(&result(2, Picture::Blurred, true), BUCKET);
        assert_eq!(pictures.get(Some(open.frame_id)), Err(NoPicture::Withheld));
        pictures.push(&result(3, Picture::Original, false), BUCKET);
        assert!(pictures.get(Some(open.frame_id)).is_ok());
    }
}
