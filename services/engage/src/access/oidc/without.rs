//! [`Client`] of a program without OpenID Connect: there is none, because a configuration with it is refused.

use serde_json::Value;

use super::Refused;
use super::settings::Provider;

/// There is none.
#[derive(Debug)]
pub(super) enum Client {}

impl Client {
    /// # Errors
    /// Always.
    pub(super) fn new(settings: &Provider) -> anyhow::Result<Self> {
        settings.check()?;
        anyhow::bail!("[access.oidc] this program was built without OpenID Connect")
    }

    pub(super) async fn authorization(&self, _: String, _: String, _: String) -> Result<String, Refused> {
        match *self {}
    }

    pub(super) async fn claims(&self, _: String, _: String, _: String) -> Result<Value, Refused> {
        match *self {}
    }
}
