//! An OpenID provider that does as it is told, also wrongly.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use ring::digest::{SHA256, digest};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use serde_json::{Value, json};
use url::Url;

use crate::receiver::{Receiver, Reply, Request};

pub const CLIENT: &str = "people-counter";
pub const SECRET: &str = "s3cret";

/// A key that tokens are signed with (ES256).
pub struct Key {
    pub id: &'static str,
    pair: Box<EcdsaKeyPair>,
}

impl Key {
    pub fn new(id: &'static str) -> Self {
        let (random, kind) = (SystemRandom::new(), &ECDSA_P256_SHA256_FIXED_SIGNING);
        let document = EcdsaKeyPair::generate_pkcs8(kind, &random).unwrap();
        Self { id, pair: Box::new(EcdsaKeyPair::from_pkcs8(kind, document.as_ref(), &random).unwrap()) }
    }

    fn jwk(&self) -> Value {
        let point = &self.pair.public_key().as_ref()[1..];
        let (x, y) = point.split_at(32);
        json!({"kty": "EC", "use": "sig", "crv": "P-256", "alg": "ES256", "kid": self.id, "x": encoded(x), "y": encoded(y)})
    }
}

/// How tokens are signed.
pub enum Signature {
    By(Key),
    /// Not at all.
    Without,
    /// With what others know too.
    BySecret,
}

impl Signature {
    fn token(&self, claims: &Value) -> String {
        let header = match self {
            Self::By(key) => json!({"alg": "ES256", "kid": key.id}),
            Self::Without => json!({"alg": "none"}),
            Self::BySecret => json!({"alg": "HS256"}),
        };
        let signed = format!("{}.{}", encoded(header.to_string()), encoded(claims.to_string()));
        let signature = match self {
            Self::By(key) => {
                key.pair.sign(&SystemRandom::new(), signed.as_bytes()).unwrap().as_ref().to_vec()
            }
            Self::Without => Vec::new(),
            Self::BySecret => {
                let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, SECRET.as_bytes());
                ring::hmac::sign(&key, signed.as_bytes()).as_ref().to_vec()
            }
        };
        format!("{signed}.{}", encoded(signature))
    }
}

fn encoded(bytes: impl AsRef<[u8]>) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

/// How it answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mood {
    Fine,
    /// It closes every connection.
    Away,
    /// It answers nothing.
    Silent,
    /// What stands before it says that it is away.
    Unavailable,
}

/// Somebody who has logged in at its page.
struct Granted {
    nonce: String,
    challenge: String,
    redirect: String,
}

pub struct Script {
    pub mood: Mood,
    /// What it publishes.
    pub keys: Vec<Value>,
    pub signature: Signature,
    /// Claims of the next tokens beside the usual ones; `null` takes one away.
    pub claims: Value,
    /// How its clients say who they are; `Authorization: Basic` when it says nothing.
    pub methods: Option<Vec<&'static str>>,
    /// `None` for a public client.
    pub secret: Option<&'static str>,
    granted: HashMap<String, Granted>,
}

impl Script {
    /// Signs with another key from now on, and publishes that alone.
    pub fn exchange_key(&mut self, key: Key) {
        self.keys = vec![key.jwk()];
        self.signature = Signature::By(key);
    }

    fn answer(&self, issuer: &str, request: &Request) -> Reply {
        match self.mood {
            Mood::Fine => {}
            Mood::Away => return Reply::Close,
            Mood::Silent => return Reply::Silence,
            Mood::Unavailable => return Reply::Answer(503, Vec::new(), "<h1>maintenance</h1>".into()),
        }
        match request.path.as_str() {
            "/.well-known/openid-configuration" => {
                let mut metadata = json!({
                    "issuer": issuer, "authorization_endpoint": format!("{issuer}/authorize"),
                    "token_endpoint": format!("{issuer}/token"), "jwks_uri": format!("{issuer}/keys"),
                    "response_types_supported": ["code"], "subject_types_supported": ["public"],
                    "id_token_signing_alg_values_supported": ["ES256", "HS256", "none"],
                });
                if let Some(methods) = &self.methods {
                    metadata["token_endpoint_auth_methods_supported"] = json!(methods);
                }
                Reply::json(200, metadata)
            }
            "/keys" => Reply::json(200, json!({"keys": self.keys})),
            "/token" => self.token(issuer, request).unwrap_or_else(|error| {
                Reply::json(400, json!({"error": error, "error_description": "as the script says"}))
            }),
            _ => Reply::status(404),
        }
    }

    fn token(&self, issuer: &str, request: &Request) -> Result<Reply, &'static str> {
        let form: HashMap<String, String> = url::form_urlencoded::parse(&request.body).into_owned().collect();
        let field = |name: &str| form.get(name).map_or("", String::as_str);
        let basic = self
            .secret
            .map(|secret| format!("Basic {}", BASE64_STANDARD.encode(format!("{CLIENT}:{secret}"))));
        let known = match self.methods.as_deref() {
            _ if self.secret.is_none() => {
                field("client_id") == CLIENT && request.header("authorization").is_empty()
            }
            Some(["client_secret_post"]) => {
                field("client_id") == CLIENT && Some(field("client_secret")) == self.secret
            }
            _ => Some(request.header("authorization")) == basic.as_deref(),
        };
        if !known {
            return Err("invalid_client");
        }
        let granted = self.granted.get(field("code")).ok_or("invalid_grant")?;
        let challenge = encoded(digest(&SHA256, field("code_verifier").as_bytes()));
        if challenge != granted.challenge || field("redirect_uri") != granted.redirect {
            return Err("invalid_grant");
        }
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let mut claims = json!({
            "iss": issuer, "sub": "0815", "aud": CLIENT, "iat": now, "exp": now + 300, "nonce": granted.nonce,
            "preferred_username": "anna"
        });
        for (name, claim) in self.claims.as_object().unwrap() {
            claims[name] = claim.clone();
        }
        claims.as_object_mut().unwrap().retain(|_, claim| !claim.is_null());
        let token = self.signature.token(&claims);
        Ok(Reply::json(200, json!({"access_token": "a", "token_type": "Bearer", "id_token": token})))
    }
}

pub struct Provider {
    pub issuer: String,
    receiver: Receiver,
    script: Arc<Mutex<Script>>,
}

impl Provider {
    pub async fn start() -> Self {
        let key = Key::new("first");
        let script = Arc::new(Mutex::new(Script {
            mood: Mood::Fine,
            keys: vec![key.jwk()],
            signature: Signature::By(key),
            claims: json!({"groups": ["lobby"]}),
            methods: None,
            secret: Some(SECRET),
            granted: HashMap::new(),
        }));
        let answering = Arc::clone(&script);
        let receiver = Receiver::start(move |_, request| {
            let issuer = format!("http://{}", request.header("host"));
            answering.lock().unwrap().answer(&issuer, request)
        })
        .await;
        Self { issuer: format!("http://{}", receiver.addr), receiver, script }
    }

    pub fn script(&self) -> MutexGuard<'_, Script> {
        self.script.lock().unwrap()
    }

    /// How often it was asked for this.
    pub fn asked(&self, path: &str) -> usize {
        self.receiver.requests().iter().filter(|request| request.path == path).count()
    }

    /// Somebody logs in at its page, whose address this is; where the browser is sent back to.
    pub fn log_in(&self, page: &Url) -> Url {
        assert!(page.as_str().starts_with(&format!("{}/authorize?", self.issuer)), "{page}");
        let asked: HashMap<String, String> = page.query_pairs().into_owned().collect();
        let field = |name: &str| asked[name].clone();
        assert_eq!((field("response_type").as_str(), field("client_id").as_str()), ("code", CLIENT));
        assert_eq!(field("code_challenge_method"), "S256");
        let mut script = self.script();
        let code = format!("code/{}", script.granted.len());
        let mut back: Url = field("redirect_uri").parse().unwrap();
        back.query_pairs_mut().append_pair("code", &code).append_pair("state", &field("state"));
        let granted = Granted {
            nonce: field("nonce"),
            challenge: field("code_challenge"),
            redirect: field("redirect_uri"),
        };
        script.granted.insert(code, granted);
        back
    }
}
