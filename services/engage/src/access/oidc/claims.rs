//! What the claims of an ID token mean here.

use serde_json::Value;

use super::settings::Group;

/// Longest name of somebody, bytes: it is in the cookie.
const LONGEST_NAME: usize = 64;

/// The claims that somebody is called by, the best one first.
const NAMES: [&str; 3] = ["preferred_username", "email", "sub"];

/// What somebody is called, without what cannot be shown, and cut where it is too long.
pub(super) fn name(claims: &Value) -> Option<String> {
    let texts = NAMES.iter().filter_map(|claim| claims.get(claim)?.as_str());
    let mut shown = texts.map(|text| {
        let plain: String = text.chars().filter(|c| !c.is_control()).collect();
        let plain = plain.trim();
        plain[..plain.floor_char_boundary(LONGEST_NAME)].to_owned()
    });
    shown.find(|name| !name.is_empty())
}

/// The first of `groups` that somebody is in, by the claim at `path`: a list of texts, or one text.
pub(super) fn group<'a>(claims: &Value, path: &str, groups: &'a [Group]) -> Option<&'a Group> {
    let claim = at(claims, path)?;
    // whoever may write any address into their profile is not the one it belongs to
    if path == "email" && !is_true(claims.get("email_verified")) {
        return None;
    }
    let held = |name: &str| match claim {
        Value::String(one) => one == name,
        Value::Array(all) => all.iter().any(|one| one == name),
        _ => false,
    };
    groups.iter().find(|group| held(&group.group))
}

/// The claim at a path. A `.` may lead into an object or be part of a name, as in that of a claim that is an address.
fn at<'a>(claims: &'a Value, path: &str) -> Option<&'a Value> {
    let inside =
        || path.match_indices('.').find_map(|(dot, _)| at(claims.get(&path[..dot])?, &path[dot + 1..]));
    claims.get(path).or_else(inside)
}

/// Some providers write it as a text.
fn is_true(claim: Option<&Value>) -> bool {
    claim.is_some_and(|claim| *claim == Value::Bool(true) || claim == "true")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::access::Role;

    fn groups() -> Vec<Group> {
        let group = |name: &str, role| Group { group: name.into(), role, devices: vec!["*".into()] };
        vec![group("admins", Role::Administrator), group("/staff/lobby", Role::Viewer)]
    }

    fn found(claims: Value, path: &str) -> Option<String> {
        group(&claims, path, &groups()).map(|group| group.group.clone())
    }

    #[test]
    fn groups_are_found_wherever_providers_put_them() {
        let lobby = Some("/staff/lobby".to_owned());
        // Keycloak, with and without full paths, and its roles
        assert_eq!(found(json!({"groups": ["/x", "/staff/lobby"]}), "groups"), lobby);
        assert_eq!(
            found(json!({"realm_access": {"roles": ["admins"]}}), "realm_access.roles"),
            Some("admins".into())
        );
        let client = json!({"resource_access": {"people.counter": {"roles": ["admins"]}}});
        assert_eq!(found(client, "resource_access.people.counter.roles"), Some("admins".into()));
        // a claim whose name is an address
        assert_eq!(
            found(json!({"https://example.com/groups": ["/staff/lobby"]}), "https://example.com/groups"),
            lobby
        );
        // one text
        assert_eq!(found(json!({"hd": "admins"}), "hd"), Some("admins".into()));
    }

    #[test]
    fn the_first_group_of_the_configuration_counts() {
        assert_eq!(found(json!({"groups": ["/staff/lobby", "admins"]}), "groups"), Some("admins".into()));
    }

    #[test]
    fn whatever_else_is_no_group() {
        for claims in [
            json!({}),
            json!({"groups": null}),
            json!({"groups": []}),
            json!({"groups": ["admin", "Admins", " admins", 1, {"admins": true}]}),
            json!({"groups": {"admins": true}}),
            json!({"groups": "admins,x"}),
            json!({"groups": [["admins"]]}),
            json!([]),
        ] {
            assert_eq!(found(claims.clone(), "groups"), None, "{claims}");
        }
        assert_eq!(found(json!({"a": {"b": ["admins"]}}), "a.c"), None);
        assert_eq!(found(json!({"a": {"b": ["admins"]}}), "."), None);
    }

    #[test]
    fn an_address_counts_when_it_is_verified() {
        for (verified, expected) in
            [(json!(true), true), (json!("true"), true), (json!(false), false), (json!(null), false)]
        {
            let claims = json!({"email": "admins", "email_verified": verified});
            assert_eq!(found(claims.clone(), "email").is_some(), expected, "{claims}");
        }
    }

    #[test]
    fn somebody_is_called_by_the_best_name_there_is() {
        let all = json!({"sub": "0815", "email": "a@example.com", "preferred_username": "anna"});
        assert_eq!(name(&all).unwrap(), "anna");
        assert_eq!(name(&json!({"sub": "0815", "email": "a@example.com"})).unwrap(), "a@example.com");
        assert_eq!(name(&json!({"sub": "0815", "preferred_username": " \n", "email": 1})).unwrap(), "0815");
        assert_eq!(name(&json!({})), None);
        assert_eq!(name(&json!({"sub": "a\u{7}b\r\n"})).unwrap(), "ab");
        let long = name(&json!({"sub": "ä".repeat(100)})).unwrap();
        assert_eq!(long, "ä".repeat(32), "cut between characters");
    }
}
