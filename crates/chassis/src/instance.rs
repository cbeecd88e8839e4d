//! A name for this instance among its like.

/// Host name and process id, in characters that are safe in topics and file names: `gateway-1-4711`.
///
/// In a container the host name is the container's, so replicas differ; on one host the process id tells
/// instances apart.
pub fn instance_name() -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let host: String = host
        .trim()
        .chars()
        .take(40)
        .map(|c| if c.is_ascii_alphanumeric() || c == '-' || c == '_' { c } else { '-' })
        .collect();
    let host = if host.is_empty() { "node" } else { &host };
    format!("{host}-{}", std::process::id())
}
