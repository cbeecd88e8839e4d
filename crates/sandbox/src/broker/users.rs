//! Who may connect and what they may do.

use super::filter::{covers, without_share};
use super::options::User;
use mqtt5::broker::auth::{AuthProvider, AuthResult};
use mqtt5::packet::connect::ConnectPacket;
use mqtt5::protocol::v5::reason_codes::ReasonCode;
use std::future::{Future, ready};
use std::net::SocketAddr;
use std::pin::Pin;
use subtle::{Choice, ConstantTimeEq};

type Answer<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// The users of the options.
///
/// The broker's own check hashes with argon2, 18 ms of a core for every CONNECT, which is right for
/// stored passwords. Here they come in the clear from the options, so a comparison in constant time
/// gives nothing away and lets a thousand clients reconnect at once.
pub(super) struct Users(pub(super) Vec<User>);

impl Users {
    fn knows(&self, name: &[u8], password: &[u8]) -> bool {
        let same = |user: &User| user.name.as_bytes().ct_eq(name) & user.password.as_bytes().ct_eq(password);
        self.0.iter().fold(Choice::from(0), |found, user| found | same(user)).into()
    }

    fn allows(
        &self,
        filters: impl Fn(&User) -> &[String],
        client: &str,
        user: Option<&str>,
        wanted: &str,
    ) -> bool {
        let user = user.and_then(|name| self.0.iter().find(|user| user.name == name));
        user.is_some_and(|user| {
            filters(user).iter().any(|filter| {
                let filter = filter.replace("%u", &user.name).replace("%c", client);
                covers(&filter, wanted)
            })
        })
    }
}

impl AuthProvider for Users {
    fn authenticate<'a>(
        &'a self,
        connect: &'a ConnectPacket,
        _client: SocketAddr,
    ) -> Answer<'a, mqtt5::error::Result<AuthResult>> {
        let name = connect.username.as_deref().unwrap_or_default();
        let password: &[u8] = connect.password.as_deref().unwrap_or_default();
        let result = if self.knows(name.as_bytes(), password) {
            AuthResult::success_with_user(name)
        } else {
            AuthResult::fail(ReasonCode::BadUsernameOrPassword)
        };
        Box::pin(ready(Ok(result)))
    }

    fn authorize_publish<'a>(
        &'a self,
        client: &str,
        user: Option<&'a str>,
        topic: &'a str,
    ) -> Answer<'a, bool> {
        Box::pin(ready(self.allows(|user| &user.publish, client, user, topic)))
    }

    fn authorize_subscribe<'a>(
        &'a self,
        client: &str,
        user: Option<&'a str>,
        filter: &'a str,
    ) -> Answer<'a, bool> {
        Box::pin(ready(self.allows(|user| &user.subscribe, client, user, without_share(filter))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn users() -> Users {
        Users(vec![
            User::new("ann", "one").publish("rooms/%u/#").subscribe("orders/+"),
            User::new("bob", "two").publish("devices/%c/state"),
        ])
    }

    #[test]
    fn name_and_password_belong_together() {
        assert!(users().knows(b"ann", b"one"));
        for (name, password) in [("ann", "two"), ("ann", ""), ("", ""), ("carol", "one"), ("an", "none")] {
            assert!(!users().knows(name.as_bytes(), password.as_bytes()), "{name} {password}");
        }
    }

    #[test]
    fn placeholders_stand_for_the_user_and_the_client() {
        let users = users();
        let publishes = |user, topic| users.allows(|user| &user.publish, "device-1", Some(user), topic);
        assert!(publishes("ann", "rooms/ann/light"));
        assert!(!publishes("ann", "rooms/bob/light"));
        assert!(publishes("bob", "devices/device-1/state"));
        assert!(!publishes("bob", "devices/device-2/state"));
        assert!(!users.allows(|user| &user.publish, "device-1", None, "rooms/ann/light"));
    }
}
