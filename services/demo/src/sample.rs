//! The sample clip, which is part of the program.

use anyhow::Context;
use rust_embed::RustEmbed;
use tempfile::TempDir;

/// 80 frames of a street scene; see `sample/README.md` for origin and licence.
#[derive(RustEmbed)]
#[folder = "sample/"]
struct Clip;

/// Names of the frames; origin and licence lie beside them.
fn names() -> impl Iterator<Item = std::borrow::Cow<'static, str>> {
    Clip::iter().filter(|name| name.ends_with(".jpg"))
}

/// Writes the frames into a temporary folder that goes when the value is dropped.
pub(crate) fn unpack() -> anyhow::Result<TempDir> {
    let folder = TempDir::with_prefix("people-counter-").context("cannot make a temporary folder")?;
    for name in names() {
        let frame = Clip::get(&name).with_context(|| format!("sample frame {name} is missing"))?;
        let path = folder.path().join(name.as_ref());
        std::fs::write(&path, frame.data).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(folder)
}

/// How many frames the clip has.
pub(crate) fn frames() -> usize {
    names().count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clip_is_unpacked_and_leaves_nothing_behind() {
        let folder = unpack().unwrap();
        let path = folder.path().to_owned();
        assert_eq!(std::fs::read_dir(&path).unwrap().count(), frames());
        assert!(frames() >= 60, "{} frames", frames());
        drop(folder);
        assert!(!path.exists());
    }
}
