//! [`Attempts`]: how often somebody may try to log in.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Attempts that an address has at first, and most that it may save up.
const SAVED: f64 = 10.0;

/// Time after which it has another one.
const EVERY: Duration = Duration::from_secs(6);

/// Most addresses that are remembered.
const ADDRESSES: usize = 10_000;

#[derive(Debug, Clone, Copy)]
struct Left {
    attempts: f64,
    at: Instant,
}

impl Left {
    fn now(self, now: Instant) -> Self {
        let gained = now.duration_since(self.at).as_secs_f64() / EVERY.as_secs_f64();
        Self { attempts: (self.attempts + gained).min(SAVED), at: now }
    }
}

/// The attempts of each address, of a network of the last 64 bits under IPv6.
#[derive(Debug)]
pub(super) struct Attempts(Mutex<HashMap<IpAddr, Left>>);

impl Attempts {
    pub(super) fn new() -> Self {
        Self(Mutex::default())
    }

    /// Takes one attempt, or says in how many seconds there is another one.
    pub(super) fn take(&self, peer: IpAddr) -> Result<(), u32> {
        self.take_at(peer, Instant::now())
    }

    fn take_at(&self, peer: IpAddr, now: Instant) -> Result<(), u32> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let peer = network(peer);
        if known.len() >= ADDRESSES && !known.contains_key(&peer) {
            known.retain(|_, left| left.now(now).attempts < SAVED);
            if known.len() >= ADDRESSES {
                return Err(EVERY.as_secs() as u32);
            }
        }
        let left = known.entry(peer).or_insert(Left { attempts: SAVED, at: now });
        *left = left.now(now);
        if left.attempts < 1.0 {
            return Err(((1.0 - left.attempts) * EVERY.as_secs_f64()).ceil() as u32);
        }
        left.attempts -= 1.0;
        Ok(())
    }

    /// The attempt was a good one, and costs nothing.
    pub(super) fn succeeded(&self, peer: IpAddr) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(left) = known.get_mut(&network(peer)) {
            left.attempts = (left.attempts + 1.0).min(SAVED);
        }
    }
}

fn network(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::from([a, b, c, d, 0, 0, 0, 0])
        }
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_some_attempts_and_then_one_at_a_time() {
        let (attempts, start) = (Attempts::new(), Instant::now());
        let peer: IpAddr = "2001:db8::1".parse().unwrap();
        for _ in 0..10 {
            assert_eq!(attempts.take_at(peer, start), Ok(()));
        }
        assert_eq!(attempts.take_at(peer, start), Err(6));
        assert_eq!(attempts.take_at("2001:db8::2".parse().unwrap(), start), Err(6), "the same network");
        assert_eq!(attempts.take_at("2001:db8:1::1".parse().unwrap(), start), Ok(()));
        assert_eq!(attempts.take_at("::ffff:10.0.0.1".parse().unwrap(), start), Ok(()));
        assert_eq!(attempts.take_at(peer, start + EVERY), Ok(()));
        assert_eq!(attempts.take_at(peer, start + EVERY), Err(6));
        attempts.succeeded(peer);
        assert_eq!(attempts.take_at(peer, start + EVERY), Ok(()), "a success costs nothing");
    }

    #[test]
    fn the_memory_is_bounded() {
        let (attempts, start) = (Attempts::new(), Instant::now());
        for n in 0..ADDRESSES {
            let peer = IpAddr::from(u32::try_from(n).unwrap().to_be_bytes());
            assert_eq!(attempts.take_at(peer, start), Ok(()));
        }
        let one_more = IpAddr::from([255, 0, 0, 1]);
        assert_eq!(
            attempts.take_at(one_more, start),
            Err(6),
            "nobody who tries too often is forgotten for it"
        );
        assert_eq!(attempts.take_at(one_more, start + EVERY), Ok(()));
        assert_eq!(attempts.0.lock().unwrap().len(), 1);
    }
}
