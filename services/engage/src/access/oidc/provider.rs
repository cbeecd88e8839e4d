//! [`Client`]: asks the provider, and verifies what it says.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use openidconnect::core::{
    CoreAuthenticationFlow, CoreClient, CoreClientAuthMethod, CoreIdToken, CoreJwsSigningAlgorithm,
    CoreProviderMetadata,
};
use openidconnect::{
    AuthType, AuthorizationCode, ClaimsVerificationError, ClientId, ClientSecret, CsrfToken,
    EndpointMaybeSet, EndpointNotSet, EndpointSet, HttpRequest, HttpResponse, IssuerUrl, Nonce,
    PkceCodeChallenge, PkceCodeVerifier, RedirectUrl, RequestTokenError, Scope, TokenResponse as _,
};
use reqwest::StatusCode;
use serde_json::Value;
use tokio::sync::Mutex;
use tokio::time::timeout;

use super::settings::Provider;
use super::{PATH, Refused, words};
use crate::client::{self, BodyError};
use crate::secret::Secret;

/// Largest answer that is read, bytes.
const MAX_BODY: usize = 1 << 20;

/// How long it is not asked again about itself after it did not answer.
const PAUSE: Duration = Duration::from_secs(2);

/// How long what it said about itself is good for.
const GOOD_FOR: Duration = Duration::from_secs(3600);

/// Signatures that only the provider can make: none with a shared secret.
const ALGORITHMS: [CoreJwsSigningAlgorithm; 9] = [
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha256,
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha384,
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha512,
    CoreJwsSigningAlgorithm::RsaSsaPssSha256,
    CoreJwsSigningAlgorithm::RsaSsaPssSha384,
    CoreJwsSigningAlgorithm::RsaSsaPssSha512,
    CoreJwsSigningAlgorithm::EcdsaP256Sha256,
    CoreJwsSigningAlgorithm::EcdsaP384Sha384,
    CoreJwsSigningAlgorithm::EdDsa,
];

/// The library's client, as discovery leaves it.
type Discovered = CoreClient<
    EndpointSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointMaybeSet,
    EndpointMaybeSet,
>;

/// What is known of the provider.
#[derive(Debug, Default)]
struct Known {
    /// What it said about itself, and its keys.
    metadata: Option<(Instant, Arc<CoreProviderMetadata>)>,
    /// Why it did not answer the last time.
    failure: Option<(Instant, String)>,
}

/// One of the provider's clients: this service.
#[derive(Debug)]
pub(super) struct Client {
    http: reqwest::Client,
    issuer: IssuerUrl,
    id: ClientId,
    secret: Option<Secret>,
    secret_file: Option<PathBuf>,
    redirect: RedirectUrl,
    scopes: Vec<Scope>,
    timeout: Duration,
    /// Locked while the provider is asked about itself, so that this is done once for all who wait.
    known: Mutex<Known>,
}

/// A request got no answer that can be read.
#[derive(Debug, thiserror::Error)]
enum Broken {
    #[error(transparent)]
    Request(reqwest::Error),
    #[error(transparent)]
    Body(#[from] BodyError),
    #[error("it answers {0}")]
    Status(StatusCode),
}

impl From<reqwest::Error> for Broken {
    fn from(error: reqwest::Error) -> Self {
        Self::Request(error.without_url())
    }
}

async fn send(http: reqwest::Client, request: HttpRequest) -> Result<HttpResponse, Broken> {
    let response = http.execute(request.try_into()?).await?;
    let (status, headers) = (response.status(), response.headers().clone());
    if status.is_server_error() {
        return Err(Broken::Status(status));
    }
    let mut answer = HttpResponse::new(client::body(response, MAX_BODY).await?.to_vec());
    (*answer.status_mut(), *answer.headers_mut()) = (status, headers);
    Ok(answer)
}

fn unavailable(error: impl Into<anyhow::Error>) -> Refused {
    Refused::Unavailable(format!("the provider cannot be asked: {}", words(&format!("{:#}", error.into()))))
}

fn invalid(error: impl Into<anyhow::Error>) -> Refused {
    Refused::Invalid(words(&format!("{:#}", error.into())))
}

impl Client {
    /// Nothing is asked yet.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub(super) fn new(settings: &Provider) -> anyhow::Result<Self> {
        let Provider { client_secret: secret, client_secret_file: secret_file, .. } = settings;
        Secret::read("client_secret", secret.as_ref(), secret_file.as_deref()).context("[access.oidc]")?;
        Ok(Self {
            http: client::new(settings.ca_file.as_deref()).context("[access.oidc]")?,
            issuer: IssuerUrl::new(settings.issuer.clone()).context("[access.oidc] issuer")?,
            id: ClientId::new(settings.client_id.clone()),
            secret: secret.clone(),
            secret_file: secret_file.clone(),
            redirect: RedirectUrl::new(settings.public(&format!("{PATH}/callback")))
                .context("[access.oidc] public_url")?,
            // the library asks for `openid` itself
            scopes: settings
                .scopes
                .iter()
                .filter(|scope| *scope != "openid")
                .cloned()
                .map(Scope::new)
                .collect(),
            timeout: settings.timeout,
            known: Mutex::default(),
        })
    }

    /// The address at which somebody logs in.
    ///
    /// # Errors
    /// When the provider does not answer.
    pub(super) async fn authorization(
        &self,
        state: String,
        nonce: String,
        verifier: String,
    ) -> Result<String, Refused> {
        let metadata = self.metadata(None).await?;
        let client = self.client(&metadata)?;
        let challenge = PkceCodeChallenge::from_code_verifier_sha256(&PkceCodeVerifier::new(verifier));
        let request = client.authorize_url(
            CoreAuthenticationFlow::AuthorizationCode,
            || CsrfToken::new(state),
            || Nonce::new(nonce),
        );
        let (address, _, _) =
            request.add_scopes(self.scopes.iter().cloned()).set_pkce_challenge(challenge).url();
        Ok(address.into())
    }

    /// The verified claims of whom the provider gave `code` to.
    ///
    /// # Errors
    /// When the provider does not answer, does not know the code, or its answer does not hold.
    pub(super) async fn claims(
        &self,
        code: String,
        nonce: String,
        verifier: String,
    ) -> Result<Value, Refused> {
        let asked = Instant::now();
        let metadata = self.metadata(None).await?;
        let client = self.client(&metadata)?;
        let http = |request| send(self.http.clone(), request);
        let request = client.exchange_code(AuthorizationCode::new(code)).map_err(invalid)?;
        let request = request.set_pkce_verifier(PkceCodeVerifier::new(verifier)).request_async(&http);
        let answer = timeout(self.timeout, request).await.map_err(|_| self.silent())?;
        let answer = answer.map_err(|error| match error {
            RequestTokenError::Request(error) => unavailable(error),
            RequestTokenError::ServerResponse(said) => Refused::Invalid(words(&said.to_string())),
            RequestTokenError::Parse(error, _) => invalid(error),
            RequestTokenError::Other(said) => Refused::Invalid(words(&said)),
        })?;
        let token = answer.id_token().ok_or_else(|| Refused::Invalid("it has no ID token".into()))?;
        let nonce = Nonce::new(nonce);
        match verify(&client, token, &nonce) {
            // it may sign with a new key by now
            Err(ClaimsVerificationError::SignatureVerification(_)) => {
                let renewed = self.metadata(Some(asked)).await?;
                verify(&self.client(&renewed)?, token, &nonce).map_err(invalid)?;
            }
            verified => verified.map_err(invalid)?,
        }
        payload(token)
    }

    /// What the provider says about itself, no older than it is good for, nor than `since`.
    async fn metadata(&self, since: Option<Instant>) -> Result<Arc<CoreProviderMetadata>, Refused> {
        let mut known = self.known.lock().await;
        if let Some((at, metadata)) = &known.metadata
            && at.elapsed() < GOOD_FOR
            && since.is_none_or(|since| *at >= since)
        {
            return Ok(Arc::clone(metadata));
        }
        if let Some((at, failure)) = &known.failure
            && at.elapsed() < PAUSE
        {
            return Err(Refused::Unavailable(failure.clone()));
        }
        match self.discover().await {
            Ok(metadata) => {
                let metadata = Arc::new(metadata);
                *known = Known { metadata: Some((Instant::now(), Arc::clone(&metadata))), failure: None };
                Ok(metadata)
            }
            Err(refused) => {
                known.failure = Some((Instant::now(), refused.to_string()));
                Err(refused)
            }
        }
    }

    async fn discover(&self) -> Result<CoreProviderMetadata, Refused> {
        let http = |request| send(self.http.clone(), request);
        let asked = CoreProviderMetadata::discover_async(self.issuer.clone(), &http);
        let metadata = timeout(self.timeout, asked).await.map_err(|_| self.silent())?.map_err(unavailable)?;
        check_addresses(&metadata)?;
        Ok(metadata)
    }

    fn silent(&self) -> Refused {
        Refused::Unavailable(format!("the provider does not answer within {} s", self.timeout.as_secs_f64()))
    }

    fn client(&self, metadata: &CoreProviderMetadata) -> Result<Discovered, Refused> {
        let secret = Secret::read("client_secret", self.secret.as_ref(), self.secret_file.as_deref());
        let secret = secret.map_err(|error| Refused::Unavailable(format!("[access.oidc] {error:#}")))?;
        let secret = secret.map(|secret| ClientSecret::new(secret.expose().to_owned()));
        let methods = metadata.token_endpoint_auth_methods_supported();
        // `client_secret_basic` is what holds where nothing is said
        let takes = |method| methods.is_none_or(|methods| methods.contains(&method));
        let in_body =
            !takes(CoreClientAuthMethod::ClientSecretBasic) && takes(CoreClientAuthMethod::ClientSecretPost);
        let client = CoreClient::from_provider_metadata(metadata.clone(), self.id.clone(), secret);
        Ok(client.set_redirect_uri(self.redirect.clone()).set_auth_type(if in_body {
            AuthType::RequestBody
        } else {
            AuthType::BasicAuth
        }))
    }
}

/// A provider that is reached by TLS must name no address without, or whoever sits in between can be anybody.
fn check_addresses(metadata: &CoreProviderMetadata) -> Result<(), Refused> {
    let token = metadata.token_endpoint().map(|address| address.url());
    let mut named =
        [metadata.authorization_endpoint().url(), metadata.jwks_uri().url()].into_iter().chain(token);
    let plain = named.find(|address| address.scheme() != "https");
    match plain.filter(|_| metadata.issuer().url().scheme() == "https") {
        Some(address) => {
            let reason = format!("the provider names {address}, which is not https: mend its public address");
            Err(Refused::Unavailable(words(&reason)))
        }
        None => Ok(()),
    }
}

/// Signature, issuer, audience, end and nonce.
fn verify(client: &Discovered, token: &CoreIdToken, nonce: &Nonce) -> Result<(), ClaimsVerificationError> {
    let verifier = client.id_token_verifier().set_allowed_algs(ALGORITHMS);
    token.claims(&verifier, nonce).map(|_| ())
}

/// All claims of a token that was verified, those too that the library does not know.
fn payload(token: &CoreIdToken) -> Result<Value, Refused> {
    let text = token.to_string();
    let payload = text.split('.').nth(1).unwrap_or_default();
    serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(payload).map_err(invalid)?).map_err(invalid)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn metadata(issuer: &str, changed: &str) -> CoreProviderMetadata {
        let mut metadata = json!({
            "issuer": issuer,
            "authorization_endpoint": format!("{issuer}/authorize"),
            "token_endpoint": format!("{issuer}/token"),
            "jwks_uri": format!("{issuer}/keys"),
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
        });
        if !changed.is_empty() {
            metadata[changed] = json!("http://login.example.com/x");
        }
        serde_json::from_value(metadata).unwrap()
    }

    #[test]
    fn a_provider_with_tls_names_no_address_without() {
        let good = "https://login.example.com";
        assert!(check_addresses(&metadata(good, "")).is_ok());
        assert!(check_addresses(&metadata("http://127.0.0.1:8080", "")).is_ok());
        for changed in ["authorization_endpoint", "token_endpoint", "jwks_uri"] {
            let refused = check_addresses(&metadata(good, changed)).unwrap_err();
            assert!(refused.to_string().contains("http://login.example.com/x"), "{changed}: {refused}");
        }
    }
}
