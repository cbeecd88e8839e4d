//! A network camera that speaks HTTP: a stream of JPEGs, or one at each request.

use std::time::Duration;

use anyhow::Context;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE};
use reqwest::{Certificate, Client, Response, StatusCode, Url, redirect};
use tokio::time::{Instant, timeout, timeout_at};

use super::login::Login;
use super::retry::{Finished, Session};
use super::taker::Taker;
use super::{Feed, Manner, Trouble};
use crate::config;
use crate::jpeg::{self, Splitter};
use crate::picture::Refusal;

/// The source.
#[derive(Debug)]
pub struct Http {
    client: Client,
    url: Url,
    login: Login,
    manner: Manner,
    timeout: Duration,
}

/// What a camera sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Content {
    /// Pictures without an end.
    Stream,
    /// One picture.
    Picture,
    /// Something to be read.
    Text,
}

impl Http {
    pub(super) fn open(config: &config::HttpCamera, manner: Manner) -> anyhow::Result<Self> {
        let mut client = Client::builder()
            .user_agent(concat!("people-counter-ingest/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(config.timeout)
            // a redirect could send the login to another host
            .redirect(redirect::Policy::none())
            .danger_accept_invalid_certs(!config.verify_certificate)
            // a proxy of the environment is for the way out, not for cameras
            .no_proxy();
        if let Some(path) = &config.ca_file {
            let problem = || format!("cannot use the certificates in {}", path.display());
            let pem = std::fs::read(path).with_context(problem)?;
            for certificate in Certificate::from_pem_bundle(&pem).with_context(problem)? {
                client = client.add_root_certificate(certificate);
            }
        }
        Ok(Self {
            client: client.build().context("cannot make an HTTP client")?,
            url: config.url.bare(),
            login: Login::new(config.credentials()?),
            manner,
            timeout: config.timeout,
        })
    }

    /// Asks the camera, twice if it wants to know who asks.
    async fn get(&mut self) -> Result<Response, Trouble> {
        for is_first in [true, false] {
            let mut request = self.client.get(self.url.clone());
            if let Some(answer) = self.login.authorization(&target(&self.url)) {
                request = request.header(AUTHORIZATION, answer);
            }
            let response = match timeout(self.timeout, request.send()).await {
                Ok(Ok(response)) => response,
                Ok(Err(error)) if error.is_timeout() => return Err(Trouble::no_answer()),
                Ok(Err(error)) => return Err(Trouble::network(&error)),
                Err(_elapsed) => return Err(Trouble::no_answer()),
            };
            match response.status() {
                status if status.is_success() => return Ok(response),
                StatusCode::UNAUTHORIZED => self.login.asked(response.headers(), is_first)?,
                status => return Err(refused(status)),
            }
        }
        Err(Trouble::login(true))
    }

    /// Takes of the endless `response` what is due.
    async fn stream(&self, mut response: Response, feed: &Feed) -> Result<Finished, Trouble> {
        let mut splitter = Splitter::new(self.max_bytes());
        let mut taker = Taker::new(feed, self.manner);
        let mut deadline = Instant::now() + self.timeout;
        let mut is_silent = true;
        loop {
            let chunk = match timeout_at(deadline, response.chunk()).await {
                Ok(Ok(Some(chunk))) => chunk,
                Ok(Ok(None)) => return Err(Trouble::new("the camera has ended the stream")),
                Ok(Err(error)) => return Err(Trouble::network(&error)),
                Err(_elapsed) if is_silent => return Err(Trouble::silent(self.timeout)),
                Err(_elapsed) => return Err(Trouble::useless(self.timeout)),
            };
            is_silent = false;
            splitter.room().extend_from_slice(&chunk);
            while let Some(found) = splitter.picture() {
                match found {
                    Ok((data, info)) => {
                        taker.jpeg(&data, info);
                        deadline = Instant::now() + self.timeout;
                        is_silent = true;
                    }
                    Err(refusal) => taker.refused(refusal),
                }
            }
            // where there is always more to read, the time limit above is never looked at
            if Instant::now() >= deadline {
                return Err(Trouble::useless(self.timeout));
            }
        }
    }

    /// Takes the one picture of `response`.
    async fn picture(&self, mut response: Response, taker: &mut Taker<'_>) -> Result<(), Trouble> {
        let deadline = Instant::now() + self.timeout;
        let mut file = Vec::new();
        loop {
            match timeout_at(deadline, response.chunk()).await {
                Ok(Ok(Some(chunk))) => file.extend_from_slice(&chunk),
                Ok(Ok(None)) => break,
                Ok(Err(error)) => return Err(Trouble::network(&error)),
                Err(_elapsed) => return Err(Trouble::silent(self.timeout)),
            }
            if file.len() > self.max_bytes() {
                taker.refused(Refusal::TooLarge);
                return Ok(());
            }
        }
        match jpeg::scan(&file) {
            Ok(info) => taker.jpeg(&file, info),
            Err(refusal) => taker.refused(refusal),
        }
        Ok(())
    }

    fn max_bytes(&self) -> usize {
        usize::try_from(self.manner.limits.bytes).unwrap_or(usize::MAX)
    }
}

impl Session for Http {
    async fn run(&mut self, feed: &Feed) -> Result<Finished, Trouble> {
        let mut taker = Taker::of_all(feed, self.manner);
        let mut ticks = feed.tempo().ticks(self.manner.interval);
        loop {
            ticks.tick().await;
            let response = self.get().await?;
            match content(&response) {
                Content::Stream => return self.stream(response, feed).await,
                Content::Picture => self.picture(response, &mut taker).await?,
                Content::Text => {
                    return Err(Trouble::new(
                        "the camera answers with a text instead of pictures, check the path of the url",
                    ));
                }
            }
        }
    }
}

/// What stands in the first line of the request.
fn target(url: &Url) -> String {
    match url.query() {
        Some(query) => format!("{}?{query}", url.path()),
        None => url.path().into(),
    }
}

/// Many a camera says nothing, or something odd, about what it streams.
fn content(response: &Response) -> Content {
    let header = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let kind = header.unwrap_or_default().trim_start().to_ascii_lowercase();
    if kind.starts_with("image/") {
        Content::Picture
    } else if kind.starts_with("text/html") || kind.contains("json") || kind.contains("xml") {
        Content::Text
    } else {
        Content::Stream
    }
}

fn refused(status: StatusCode) -> Trouble {
    match status {
        StatusCode::FORBIDDEN => Trouble::sore(
            "the camera forbids this user to see pictures (403), change the user's rights there",
        ),
        StatusCode::NOT_FOUND => Trouble::new(
            "the camera has nothing at this address (404), check the path of the url in the camera's manual",
        ),
        status if status.is_redirection() => Trouble::new(format!(
            "the camera points to another address ({}), give that one as the url (perhaps https://)",
            status.as_u16()
        )),
        status => Trouble::new(format!("the camera answers {status}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_target_is_what_is_asked_for() {
        let target = |text: &str| target(&text.parse().unwrap());
        assert_eq!(target("http://camera"), "/");
        assert_eq!(target("http://camera/axis/video.cgi?camera=1&fps=5#x"), "/axis/video.cgi?camera=1&fps=5");
    }
}
