use std::net::SocketAddr;
use std::path::PathBuf;

/// Why a broker, a store or a proxy did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The port is taken or not allowed.
    #[error("cannot listen on {addr} for the {what}: {source}; choose another port, or 0 for a free one")]
    Bind {
        /// What was to listen: `broker`, `object store`, …
        what: &'static str,
        /// The address that was asked for.
        addr: SocketAddr,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// The folder for the data cannot be created, read or written, or another one uses it.
    #[error("cannot use the folder {} for the {what}: {source}", path.display())]
    Folder {
        /// Whose data it is: `broker`, `object store`.
        what: &'static str,
        /// The folder.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// An option has a value that cannot work.
    #[error("option {option} of the {what}: {reason}")]
    Option {
        /// Whose option: `broker`, `object store`.
        what: &'static str,
        /// The field.
        option: &'static str,
        /// What is wrong with it and what is allowed.
        reason: String,
    },
    /// The broker refused to run.
    #[error("cannot start the broker on {addr}: {reason}")]
    Broker {
        /// The address it was to listen on.
        addr: SocketAddr,
        /// What the broker said.
        reason: String,
    },
    /// The operating system gave no thread to run in.
    #[error("cannot start a thread for the {what}: {source}")]
    Thread {
        /// What was to run in it.
        what: &'static str,
        /// What the operating system said.
        source: std::io::Error,
    },
}
