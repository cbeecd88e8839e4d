//! [`Trouble`]: why a source gives no pictures now.

use std::error::Error;
use std::fmt;
use std::io;
use std::time::Duration;

/// Why a source gives no pictures now, in one sentence for the device's status. It names no address, file or user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    sentence: String,
    /// Trying again soon can do harm.
    is_sore: bool,
}

impl Trouble {
    /// Trouble that may pass at any moment.
    pub fn new(sentence: impl Into<String>) -> Self {
        Self { sentence: sentence.into(), is_sore: false }
    }

    /// Trouble that only a person can end, and that makes a camera lock its account when it is tried often.
    pub fn sore(sentence: impl Into<String>) -> Self {
        Self { sentence: sentence.into(), is_sore: true }
    }

    /// Nothing came for `time`.
    pub fn silent(time: Duration) -> Self {
        Self::new(format!("the camera has sent nothing for {time:?}; it is opened again"))
    }

    /// The camera sends, but nothing that can be used.
    pub fn useless(time: Duration) -> Self {
        Self::new(format!(
            "the camera sends data but no whole JPEG picture for {time:?}, check that the url is that of an MJPEG stream or of a picture"
        ))
    }

    /// A login was refused.
    pub fn login(had_credentials: bool) -> Self {
        Self::sore(if had_credentials {
            "the camera refuses the user name or the password, check username and password of the source"
        } else {
            "the camera asks for a user name and a password, give the source username and password_file"
        })
    }

    /// What a failed network operation comes down to.
    pub fn network(error: &(dyn Error + 'static)) -> Self {
        let mut deepest = error;
        let mut kind = io_kind(error);
        while let Some(source) = cause(deepest) {
            deepest = source;
            kind = kind.or(io_kind(deepest));
        }
        if let Some(error) = deepest.downcast_ref::<rustls::Error>()
            && let Some(sentence) = tls(error)
        {
            return Self::new(sentence);
        }
        Self::io(kind, &deepest.to_string())
    }

    /// What an error comes down to of which there is only a text, whose first line matters.
    pub fn text(text: &str) -> Self {
        let line = text.lines().next().unwrap_or_default();
        Self::io(errno(line).map(|errno| io::Error::from_raw_os_error(errno).kind()), line)
    }

    fn io(kind: Option<io::ErrorKind>, text: &str) -> Self {
        Self::new(match kind {
            Some(io::ErrorKind::ConnectionRefused) => {
                "the camera refuses the connection, check that it is on and that the port in the url is right"
                    .into()
            }
            Some(io::ErrorKind::TimedOut) => NO_ANSWER.into(),
            Some(io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable) => {
                "the camera cannot be reached, check the network and the host in the url".into()
            }
            Some(
                io::ErrorKind::ConnectionReset
                | io::ErrorKind::ConnectionAborted
                | io::ErrorKind::BrokenPipe
                | io::ErrorKind::UnexpectedEof,
            ) => "the camera has closed the connection".into(),
            _ => format!("the connection to the camera failed: {text}"),
        })
    }

    /// No connection within the time for it.
    pub fn no_answer() -> Self {
        Self::new(NO_ANSWER)
    }

    /// Whether to wait for long before the next attempt.
    pub fn is_sore(&self) -> bool {
        self.is_sore
    }
}

const NO_ANSWER: &str =
    "the camera does not answer, check that it is on and that the host in the url is right";

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.sentence)
    }
}

/// What is wrong with TLS, where somebody can do something about it.
fn tls(error: &rustls::Error) -> Option<String> {
    match error {
        rustls::Error::InvalidCertificate(_) => Some(format!(
            "the camera's certificate is not trusted ({error}), give the authority that signed it as ca_file of the source"
        )),
        rustls::Error::InvalidMessage(_) => Some(
            "the camera does not speak TLS at this port, check the port of the url, or leave the s of its scheme away"
                .into(),
        ),
        _ => None,
    }
}

/// The number in `(os error 111)`.
pub fn errno(text: &str) -> Option<i32> {
    let (_, number) = text.rsplit_once("(os error ")?;
    number.split_once(')')?.0.parse().ok()
}

/// What is behind an error. An I/O error does not call what it is made of its source.
fn cause<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a (dyn Error + 'static)> {
    match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
        Some(inner) => Some(inner),
        None => error.source(),
    }
}

fn io_kind(error: &(dyn Error + 'static)) -> Option<io::ErrorKind> {
    error.downcast_ref::<io::Error>().map(io::Error::kind).filter(|kind| *kind != io::ErrorKind::Other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cause_deep_inside_makes_the_sentence() {
        let inner = io::Error::from(io::ErrorKind::ConnectionRefused);
        let outer = io::Error::other(io::Error::other(inner));
        assert!(Trouble::network(&outer).to_string().contains("refuses the connection"));
        let text = "cannot connect: Connection refused (os error 111)\n\nconn: 127.0.0.1";
        assert!(Trouble::text(text).to_string().contains("refuses the connection"));
        assert!(Trouble::text("odd\nmore").to_string().ends_with("odd"));
        let foreign = rustls::Error::InvalidCertificate(rustls::CertificateError::UnknownIssuer);
        let foreign = io::Error::new(io::ErrorKind::InvalidData, foreign);
        assert!(Trouble::network(&foreign).to_string().contains("ca_file of the source"));
        let strange = io::Error::other("seven seals");
        assert!(Trouble::network(&strange).to_string().contains("seven seals"));
    }
}
