//! One TLS provider for the process.

/// Makes ring the process's TLS provider, unless one has been chosen already. Call it before the first TLS
/// connection; calling it again does no harm.
pub fn install_crypto() {
    // an error says that a provider is in place, which is all we want
    drop(rustls::crypto::ring::default_provider().install_default());
}
