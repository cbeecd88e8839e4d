use std::time::Duration;

/// What is wrong with the network.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// Nothing: every byte goes through at once.
    #[default]
    None,
    /// Nobody is there: open connections are reset, new ones refused.
    Refuse,
    /// Somebody is there but hangs up: open connections are reset, new ones as soon as they are
    /// accepted.
    Drop,
    /// Silence: connections are accepted and stay open, what is sent is swallowed, nothing comes
    /// back, and not even the end of one side reaches the other. Connections that have lost bytes
    /// are reset when the fault is over; the others go on.
    HalfOpen,
    /// Every byte, in either direction, arrives that much later; a round trip takes twice that.
    Latency(Duration),
    /// Each direction of each connection carries so many bytes a second (at least 1).
    Bandwidth(u64),
    /// A connection is closed when one of its directions has carried exactly so many bytes, counted
    /// from now on: in the middle of a body, a frame, a packet.
    CutAfter(u64),
}

impl Fault {
    /// Does it end the connections that are open?
    pub(super) fn ends_connections(self) -> bool {
        matches!(self, Self::Refuse | Self::Drop)
    }
}
