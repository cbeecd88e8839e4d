//! [`Login`]: answers a camera's question for a user and a password, Basic or Digest.

use http_auth::{PasswordClient, PasswordParams};
use reqwest::header::{HeaderMap, WWW_AUTHENTICATE};

use super::Trouble;
use crate::config::Credentials;

/// Credentials, and the question they were last asked with.
#[derive(Debug)]
pub struct Login {
    credentials: Option<Credentials>,
    question: Option<PasswordClient>,
}

impl Login {
    pub fn new(credentials: Option<Credentials>) -> Self {
        Self { credentials, question: None }
    }

    /// The `Authorization` of a GET of `target`, once the camera has asked for one.
    pub fn authorization(&mut self, target: &str) -> Option<String> {
        let credentials = self.credentials.as_ref()?;
        let question = self.question.as_mut()?;
        let answer = question.respond(&PasswordParams {
            username: &credentials.username,
            password: credentials.password.reveal(),
            uri: target,
            method: "GET",
            body: Some(&[]),
        });
        answer.inspect_err(|error| tracing::warn!("cannot answer the camera's question: {error}")).ok()
    }

    /// The camera answered 401 to a request that had an answer to its last question, or not. Ok: ask again, there
    /// is an answer to this question now.
    ///
    /// # Errors
    /// There is no way in.
    pub fn asked(&mut self, headers: &HeaderMap, is_first: bool) -> Result<(), Trouble> {
        if self.credentials.is_none() {
            return Err(Trouble::login(false));
        }
        // the answer to a question of this very moment was refused
        if !is_first {
            self.question = None;
            return Err(Trouble::login(true));
        }
        let mut builder = PasswordClient::builder();
        for challenge in headers.get_all(WWW_AUTHENTICATE).iter().filter_map(|value| value.to_str().ok()) {
            builder = builder.challenges(challenge);
        }
        match builder.build() {
            Ok(question) => {
                self.question = Some(question);
                Ok(())
            }
            Err(error) => Err(Trouble::sore(format!(
                "the camera wants a login that is neither Basic nor Digest ({error}), set it to one of those"
            ))),
        }
    }
}

#[cfg(test)]
mod tests {
    use reqwest::header::HeaderValue;

    use super::*;
    use crate::config::Secret;

    fn headers(challenges: &[&'static str]) -> HeaderMap {
        let values = challenges.iter().map(|text| (WWW_AUTHENTICATE, HeaderValue::from_static(text)));
        values.collect()
    }

    fn login() -> Login {
        Login::new(Some(Credentials { username: "Mufasa".into(), password: Secret::from("Circle of Life") }))
    }

    #[test]
    fn digest_is_preferred_to_basic() {
        let digest = "Digest realm=\"http-auth@example.org\", qop=\"auth, auth-int\", algorithm=SHA-256, nonce=\"abc\"";
        for order in [["Basic realm=\"camera\"", digest], [digest, "Basic realm=\"camera\""]] {
            let mut login = login();
            login.asked(&headers(&order), true).unwrap();
            let answer = login.authorization("/dir/index.html").unwrap();
            assert!(answer.starts_with("Digest ") && answer.contains("uri=\"/dir/index.html\""), "{answer}");
            assert!(!answer.contains("Circle"), "{answer}");
        }
    }

    #[test]
    fn the_count_of_a_nonce_rises() {
        let mut login = login();
        login.asked(&headers(&["Digest realm=\"r\", qop=\"auth\", nonce=\"abc\""]), true).unwrap();
        assert!(login.authorization("/").unwrap().contains("nc=00000001"));
        assert!(login.authorization("/").unwrap().contains("nc=00000002"));
    }

    #[test]
    fn no_way_in_is_told() {
        let basic = headers(&["Basic realm=\"camera\""]);
        let trouble = Login::new(None).asked(&basic, true).unwrap_err();
        assert!(trouble.to_string().contains("asks for a user name"), "{trouble}");
        let trouble = login().asked(&basic, false).unwrap_err();
        assert!(trouble.to_string().contains("refuses the user name"), "{trouble}");
        assert!(trouble.is_sore());
        let trouble = login().asked(&headers(&["Negotiate"]), true).unwrap_err();
        assert!(trouble.to_string().contains("neither Basic nor Digest"), "{trouble}");
    }
}
