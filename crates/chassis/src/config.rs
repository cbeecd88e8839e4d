//! Configuration: defaults, then a TOML file, then credentials, then the environment.
//!
//! `INGEST__MQTT__URL` sets `mqtt.url` of the service whose prefix is `INGEST`; two underscores after the
//! prefix too, because Kubernetes puts variables such as `INGEST_PORT` into pods. A file
//! `$CREDENTIALS_DIRECTORY/mqtt.password` (systemd's `LoadCredential=`) sets `mqtt.password`.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;

/// A configuration that cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// A file is missing or unreadable.
    #[error("cannot read {}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A key is unknown, or a value does not fit.
    #[error("configuration is not valid: {0}")]
    Invalid(#[from] config::ConfigError),
}

/// Reads the configuration of the service whose environment variables start with `prefix`.
///
/// # Errors
/// [`ConfigError`] names the file, key or variable.
pub fn load<C: DeserializeOwned>(prefix: &str, file: Option<&Path>) -> Result<C, ConfigError> {
    let credentials = std::env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from);
    load_from(prefix, file, credentials.as_deref(), std::env::vars().collect())
}

/// [`load`] with the environment as parameters.
///
/// # Errors
/// As [`load`].
pub fn load_from<C: DeserializeOwned>(
    prefix: &str,
    file: Option<&Path>,
    credentials: Option<&Path>,
    environment: HashMap<String, String>,
) -> Result<C, ConfigError> {
    let mut builder = config::Config::builder();
    if let Some(path) = file {
        // opened here first: the crate below does not say why it cannot read a file
        std::fs::File::open(path).map_err(|source| ConfigError::File { path: path.into(), source })?;
        builder = builder.add_source(config::File::from(path).format(config::FileFormat::Toml));
    }
    // values stay text until their field asks for a number: a password 007 must not become 7
    let variables = config::Environment::with_prefix(prefix)
        .prefix_separator("__")
        .separator("__")
        .source(Some(environment));
    if let Some(folder) = credentials {
        builder = builder.add_source(read_credentials(folder)?);
    }
    Ok(builder.add_source(variables).build()?.try_deserialize()?)
}

/// Each file named like a key (`mqtt.password`) sets that key.
fn read_credentials(folder: &Path) -> Result<config::Config, ConfigError> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| ConfigError::File { path, source }
    };
    let mut found = config::Config::builder();
    for entry in std::fs::read_dir(folder).map_err(failed(folder))? {
        let path = entry.map_err(failed(folder))?.path();
        let Some(key) = path.file_name().and_then(|name| name.to_str()).filter(|name| name.contains('.'))
        else {
            continue;
        };
        let secret = std::fs::read_to_string(&path).map_err(failed(&path))?;
        found = found.set_override(key, secret.trim_end_matches(['\r', '\n']))?;
    }
    Ok(found.build()?)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(default, deny_unknown_fields)]
    struct Sample {
        name: String,
        mqtt: Mqtt,
    }

    #[derive(Debug, Default, Deserialize, PartialEq)]
    #[serde(default, deny_unknown_fields)]
    struct Mqtt {
        url: String,
        password: Option<String>,
        window: u16,
    }

    impl Default for Sample {
        fn default() -> Self {
            Self { name: "default".into(), mqtt: Mqtt::default() }
        }
    }

    fn load(file: &str, variables: &[(&str, &str)]) -> Result<Sample, ConfigError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sample.toml");
        std::fs::write(&path, file).unwrap();
        let variables = variables.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        load_from("SAMPLE", Some(&path), None, variables)
    }

    #[test]
    fn the_environment_wins_over_the_file_over_the_defaults() {
        let config = load("[mqtt]\nurl = \"file\"\nwindow = 4", &[("SAMPLE__MQTT__URL", "env")]).unwrap();
        assert_eq!(config.name, "default");
        assert_eq!(config.mqtt, Mqtt { url: "env".into(), password: None, window: 4 });
        let config = load("", &[("SAMPLE__MQTT__WINDOW", "7"), ("SAMPLE__MQTT__PASSWORD", "007")]).unwrap();
        assert_eq!(config.mqtt.window, 7);
        assert_eq!(config.mqtt.password.as_deref(), Some("007"), "a password stays as it was written");
    }

    #[test]
    fn variables_of_kubernetes_are_left_alone() {
        assert!(load("", &[("SAMPLE_PORT", "tcp://10.0.0.1:80"), ("SAMPLE_SERVICE_HOST", "x")]).is_ok());
    }

    #[test]
    fn unknown_keys_and_wrong_values_are_named() {
        let message = load("[mqtt]\nurll = \"x\"", &[]).unwrap_err().to_string();
        assert!(message.contains("urll") && message.contains("expected"), "{message}");
        let message = load("", &[("SAMPLE__MQTT__URLL", "x")]).unwrap_err().to_string();
        assert!(message.contains("urll"), "{message}");
        let message = load("[mqtt]\nwindow = \"many\"", &[]).unwrap_err().to_string();
        assert!(message.contains("window"), "{message}");
        let message = load("[mqtt", &[]).unwrap_err().to_string();
        assert!(message.contains("sample.toml"), "{message}");
        let missing = Path::new("nowhere.toml");
        let error = load_from::<Sample>("SAMPLE", Some(missing), None, HashMap::new()).unwrap_err();
        assert!(error.to_string().contains("nowhere.toml"), "{error}");
    }

    #[test]
    fn credentials_come_from_files_named_like_keys() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("mqtt.password"), "s3cret\n").unwrap();
        std::fs::write(folder.path().join("unrelated"), "x").unwrap();
        let config: Sample = load_from("SAMPLE", None, Some(folder.path()), HashMap::new()).unwrap();
        assert_eq!(config.mqtt.password.as_deref(), Some("s3cret"));
        let elsewhere = tempfile::tempdir().unwrap();
        let file = elsewhere.path().join("sample.toml");
        std::fs::write(&file, "[mqtt]\npassword = \"file\"\nwindow = 3").unwrap();
        let variables = HashMap::from([("SAMPLE__MQTT__WINDOW".into(), "5".into())]);
        let config: Sample = load_from("SAMPLE", Some(&file), Some(folder.path()), variables).unwrap();
        assert_eq!(config.mqtt.password.as_deref(), Some("s3cret"), "a credential wins over the file");
        assert_eq!(config.mqtt.window, 5, "the environment wins over both");
        let variables = HashMap::from([("SAMPLE__MQTT__PASSWORD".into(), "environment".into())]);
        let config: Sample = load_from("SAMPLE", None, Some(folder.path()), variables).unwrap();
        assert_eq!(config.mqtt.password.as_deref(), Some("environment"));
    }

    proptest! {
        /// Whatever stands in the file and the environment: a configuration or one sentence, never a panic.
        #[test]
        fn fuzz_files_and_environment(
            lines in prop::collection::vec("(\\[mqtt\\]|(name|mqtt|url|window|[a-z.]{0,6})( = .{0,12})?|.{0,12})", 0..6),
            variables in prop::collection::hash_map("SAMPLE_?_?[A-Z_]{0,16}", ".{0,8}", 0..4),
        ) {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("sample.toml");
            std::fs::write(&path, lines.join("\n")).unwrap();
            if let Err(error) = load_from::<Sample>("SAMPLE", Some(&path), None, variables) {
                prop_assert!(!error.to_string().is_empty());
            }
        }
    }
}
