//! [`Secret`]: never shown, in no log and no printed configuration.

use std::fmt;
use std::path::Path;

use anyhow::{Context, ensure};
use serde::{Deserialize, Serialize, Serializer};

/// A password, token or key.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// The secret itself.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }

    /// The secret of the setting `key`, or what is in the file of `{key}_file` now, so that it may rotate.
    pub(crate) fn read(key: &str, value: Option<&Self>, file: Option<&Path>) -> anyhow::Result<Option<Self>> {
        let Some(path) = file else { return Ok(value.cloned()) };
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("{key}_file: cannot read {}", path.display()))?;
        let text = text.trim_end_matches(['\r', '\n']);
        ensure!(!text.is_empty(), "{key}_file: {} is empty, write the secret into it", path.display());
        Ok(Some(Self(text.to_owned())))
    }

    /// Checks that the secret `key` is given at most once, and not as an empty text.
    pub(crate) fn check(key: &str, value: Option<&Self>, file: Option<&Path>) -> anyhow::Result<()> {
        ensure!(value.is_none() || file.is_none(), "{key} is given twice, keep either {key} or {key}_file");
        ensure!(value.is_none_or(|secret| !secret.0.is_empty()), "{key} is empty, leave it out or set it");
        Ok(())
    }

    /// `text` without this secret.
    pub(crate) fn redact(&self, text: &str) -> String {
        if self.0.is_empty() { text.to_owned() } else { text.replace(&self.0, "[redacted]") }
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str("[redacted]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_shows_nowhere_and_may_rotate_in_its_file() {
        let secret = Secret::from("hunter2");
        assert!(!format!("{secret:?} {}", serde_json::to_string(&secret).unwrap()).contains("hunter2"));
        assert_eq!(secret.redact("said hunter2"), "said [redacted]");
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        for text in ["first", "second"] {
            std::fs::write(&path, format!("{text}\n")).unwrap();
            assert_eq!(Secret::read("token", None, Some(&path)).unwrap().unwrap().expose(), text);
        }
        let twice = Secret::check("token", Some(&secret), Some(&path)).unwrap_err().to_string();
        assert!(twice.contains("token_file"), "{twice}");
        assert!(Secret::check("token", Some(&Secret::from("")), None).is_err());
        std::fs::write(&path, "\n").unwrap();
        let empty = Secret::read("token", None, Some(&path)).unwrap_err().to_string();
        assert!(empty.contains("token_file") && empty.contains("empty"), "{empty}");
        std::fs::remove_file(&path).unwrap();
        assert!(Secret::read("token", None, Some(&path)).unwrap_err().to_string().contains("token_file"));
    }
}
