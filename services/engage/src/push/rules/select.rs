//! [`Selector`]: which devices a rule is about.

use std::collections::BTreeMap;

use people_counter_events::DeviceStatus;

/// Devices by id, by labels, or by both.
#[derive(Debug, Clone, Default)]
pub(super) struct Selector {
    /// A glob that the id matches.
    pub(super) devices: Option<String>,
    /// Globs that the values of these labels match, all of them.
    pub(super) labels: BTreeMap<String, String>,
}

impl Selector {
    pub(super) fn selects(&self, device: &DeviceStatus) -> bool {
        self.devices.as_ref().is_none_or(|glob| matches(glob, device.device_id.as_str()))
            && self
                .labels
                .iter()
                .all(|(name, glob)| device.labels.get(name).is_some_and(|value| matches(glob, value)))
    }
}

/// Whether `text` matches `glob`, in which `*` stands for any text and `?` for any one character.
fn matches(glob: &str, text: &str) -> bool {
    let (glob, text): (Vec<char>, Vec<char>) = (glob.chars().collect(), text.chars().collect());
    let (mut g, mut t) = (0, 0);
    // where to go on when the rest does not fit: behind the last star, which then takes one more
    let mut retry: Option<(usize, usize)> = None;
    while t < text.len() {
        match glob.get(g) {
            Some('*') => {
                retry = Some((g + 1, t));
                g += 1;
            }
            Some('?') => (g, t) = (g + 1, t + 1),
            Some(letter) if *letter == text[t] => (g, t) = (g + 1, t + 1),
            _ => {
                let Some((after_star, taken)) = retry else { return false };
                retry = Some((after_star, taken + 1));
                (g, t) = (after_star, taken + 1);
            }
        }
    }
    glob[g..].iter().all(|letter| *letter == '*')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::samples::status;

    #[test]
    fn globs() {
        for (glob, text, expected) in [
            ("*", "", true),
            ("*", "cam-1", true),
            ("cam-?", "cam-1", true),
            ("cam-?", "cam-12", false),
            ("cam-*", "cam-12", true),
            ("*-1", "cam-1-1", true),
            ("*a*b*", "xxaxxbxx", true),
            ("*a*b*", "xxbxxaxx", false),
            ("a*", "ba", false),
            ("", "a", false),
            ("", "", true),
            ("grün-?", "grün-ö", true),
        ] {
            assert_eq!(matches(glob, text), expected, "{glob} against {text}");
        }
    }

    #[test]
    fn id_and_every_label_have_to_match() {
        let mut device = status("lobby-1", 1, 1);
        device.labels = [("floor".into(), "2".into()), ("room".into(), "lobby".into())].into();
        let selector = |devices: Option<&str>, labels: &[(&str, &str)]| Selector {
            devices: devices.map(Into::into),
            labels: labels.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect(),
        };
        assert!(selector(None, &[]).selects(&device));
        assert!(selector(Some("lobby-*"), &[("floor", "2"), ("room", "l*")]).selects(&device));
        assert!(!selector(Some("lobby-*"), &[("floor", "3")]).selects(&device));
        assert!(!selector(Some("hall-*"), &[("floor", "2")]).selects(&device));
        assert!(!selector(None, &[("building", "*")]).selects(&device), "a label that is not there");
    }
}
