//! Logging in at an OpenID provider: who gets in, what they may do, and for how long.

use std::time::Duration;

use people_counter_engage::access::{Role, User, hash_password};
use people_counter_engage::{Config, ENDPOINTS};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::access::{code, furnish, log_in, refusal, with_cookie};
use crate::oidc_browser::{Browser, config, cookie, location, session};
use crate::oidc_provider::{Mood, Provider};
use crate::stage::{Engage, Stage, eventually};
use crate::viewer::open_with;

const PASSWORD: &str = "correct horse";

#[tokio::test(flavor = "multi_thread")]
async fn who_is_in_a_group_gets_in_and_sees_what_the_group_may() {
    let (stage, provider) = (Stage::set().await, Provider::start().await);
    furnish(&stage).await;
    let mut config = config(&stage, &provider);
    config.access.session_length = Duration::from_secs(3600);
    let engage = stage.engage_with(config).await;
    let mut browser = Browser::of(&engage);
    let start = format!("{}/api/v1/session/oidc", browser.base());
    let offered = json!({"name": "Example SSO", "url": start, "only": true});
    let nobody = engage.json("/api/v1/session").await;
    assert_eq!(nobody, json!({"accessControl": true, "user": null, "provider": offered}));

    let answer = browser.start("/?device=own-1").await;
    let set = cookie(&answer, "people-counter-login").unwrap();
    for attribute in ["Path=/;", "HttpOnly", "SameSite=Lax", "Max-Age=600"] {
        assert!(set.contains(attribute), "{set}");
    }
    assert_eq!(answer.headers()["cache-control"], "no-store");
    let page: url::Url = location(&answer).parse().unwrap();
    let scope = page.query_pairs().find(|(name, _)| name == "scope").unwrap().1.into_owned();
    assert_eq!(scope, "openid profile email");

    let answer = browser.back(&provider.log_in(&page)).await;
    assert_eq!(answer.status(), StatusCode::SEE_OTHER);
    assert_eq!(location(&answer), format!("{}/?device=own-1", browser.base()));
    let set = cookie(&answer, "people-counter-session").unwrap();
    for attribute in ["Path=/;", "HttpOnly", "SameSite=Strict", "Max-Age=3600"] {
        assert!(set.contains(attribute), "{set}");
    }
    let ended = cookie(&answer, "people-counter-login").unwrap();
    assert!(ended.starts_with("people-counter-login=;") && ended.contains("Max-Age=0"), "{ended}");

    let session = session(&answer).unwrap();
    let known = with_cookie(&engage, "/api/v1/session", &session).await.json::<Value>().await.unwrap();
    assert_eq!(known["user"], json!({"name": "anna", "role": "viewer"}));
    let seen = with_cookie(&engage, "/api/v1/devices", &session).await.text().await.unwrap();
    assert!(seen.contains("own-1") && !seen.contains("foreign"), "{seen}");
    let mut viewer = open_with(&engage, Some(("cookie", &session))).await.unwrap();
    assert_eq!(viewer.take().await["summary"]["people"], 10);
    drop(viewer);
    // a signature holds for what was signed
    let (text, signature) = session.rsplit_once('.').unwrap();
    let group = text.rsplit_once('.').unwrap().0;
    for forged in [format!("{group}.61646d696e73.{signature}"), format!("{text}.{}", "0".repeat(64))] {
        let refused = with_cookie(&engage, "/api/v1/devices", &forged).await;
        assert_eq!(refused.status(), StatusCode::UNAUTHORIZED, "{forged}");
    }
    let out = engage.ask(&Method::DELETE, "/api/v1/session", None).await;
    assert!(
        out.headers()["set-cookie"].to_str().unwrap().contains("people-counter-session=; Path=/; Max-Age=0")
    );
    engage.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_route_with_every_role_of_a_group() {
    let (stage, provider) = (Stage::set().await, Provider::start().await);
    furnish(&stage).await;
    let mut config = config(&stage, &provider);
    let groups = [
        ("viewers", Role::Viewer, "*"),
        ("own-viewers", Role::Viewer, "own-*"),
        ("operators", Role::Operator, "*"),
        ("own-operators", Role::Operator, "own-*"),
        ("administrators", Role::Administrator, "*"),
        ("own-administrators", Role::Administrator, "own-*"),
    ];
    let listed =
        groups.map(|(group, role, devices)| json!({"group": group, "role": role, "devices": [devices]}));
    config.access.oidc.as_mut().unwrap().groups = serde_json::from_value(json!(listed)).unwrap();
    let engage = stage.engage_with(config).await;
    for (group, role, devices) in groups {
        provider.script().claims = json!({"groups": ["others", group]});
        let mut browser = Browser::of(&engage);
        let session = session(&browser.log_in(&provider).await).unwrap();
        for endpoint in ENDPOINTS {
            let method = Method::from_bytes(endpoint.method.as_bytes()).unwrap();
            // nobody is to be removed
            let device = if endpoint.method == "DELETE" { "own-9" } else { "own-1" };
            let url = format!("{}{}", browser.base(), endpoint.path.replace("{id}", device));
            let client =
                reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
            let answer = client.request(method, url).header("cookie", &session).send().await.unwrap();
            let (asked, status) =
                (format!("{} {} by {group}", endpoint.method, endpoint.path), answer.status());
            match refusal(endpoint, Some((role, devices))) {
                Some((expected, expected_code)) => {
                    assert_eq!((status, code(answer).await.as_str()), (expected, expected_code), "{asked}");
                }
                None => assert!(
                    ![StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN].contains(&status),
                    "{asked}: {status}"
                ),
            }
        }
        let seen = with_cookie(&engage, "/api/v1/devices", &session).await.text().await.unwrap();
        assert_eq!(seen.contains("foreign"), devices == "*", "{group}");
    }
    engage.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_in_no_group_does_not_get_in() {
    let (stage, provider) = (Stage::set().await, Provider::start().await);
    let engage = stage.engage_with(config(&stage, &provider)).await;
    let mut browser = Browser::of(&engage);
    for claims in [json!({"groups": ["Lobby", "lobby2"]}), json!({"groups": []}), json!({"roles": ["lobby"]})]
    {
        provider.script().claims = claims.clone();
        let answer = browser.log_in(&provider).await;
        assert_eq!(browser.reason(&answer), "no-group", "{claims}");
        assert_eq!(location(&answer), format!("{}/?device=own-1#login=no-group", browser.base()));
    }
    engage.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_groups_may_be_anywhere_among_the_claims() {
    let (stage, provider) = (Stage::set().await, Provider::start().await);
    let mut config = config(&stage, &provider);
    config.access.oidc.as_mut().unwrap().groups_claim = "realm_access.roles".into();
    let engage = stage.engage_with(config).await;
    provider.script().claims =
        json!({"realm_access": {"roles": ["lobby", "admins"]}, "preferred_username": null});
    let answer = Browser::of(&engage).log_in(&provider).await;
    let session = session(&answer).unwrap();
    let known = with_cookie(&engage, "/api/v1/session", &session).await.json::<Value>().await.unwrap();
    assert_eq!(known["user"], json!({"name": "0815", "role": "administrator"}), "the first group counts");
    engage.stop().await;
}

/// What is changed, and how.
type Change = (&'static str, fn(&mut Config));

/// The same engage with another configuration: who has a session of before.
async fn restarted(stage: &Stage, config: Config, session: &str) -> StatusCode {
    let engage = stage.engage_with(config).await;
    let status = with_cookie(&engage, "/api/v1/devices", session).await.status();
    engage.stop().await;
    status
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_outlives_a_restart_but_not_its_group_provider_or_time() {
    let (stage, provider) = (Stage::set().await, Provider::start().await);
    let good = config(&stage, &provider);
    let engage = stage.engage_with(good.clone()).await;
    let session = session(&Browser::of(&engage).log_in(&provider).await).unwrap();
    engage.stop().await;
    assert_eq!(restarted(&stage, good.clone(), &session).await, StatusCode::OK);
    let changes: [Change; 5] = [
        ("its group", |config| config.access.oidc.as_mut().unwrap().groups.truncate(1)),
        ("the provider", |config| config.access.oidc.as_mut().unwrap().issuer.push_str("/other")),
        ("the client", |config| config.access.oidc.as_mut().unwrap().client_id.push('2')),
        ("the claim", |config| config.access.oidc.as_mut().unwrap().groups_claim = "roles".into()),
        ("the key", |config| config.access.session_key = Some("x".repeat(32))),
    ];
    for (what, change) in changes {
        let mut config = good.clone();
        change(&mut config);
        assert_eq!(restarted(&stage, config, &session).await, StatusCode::UNAUTHORIZED, "without {what}");
    }

    let mut short = good;
    short.access.session_length = Duration::from_secs(6);
    let engage = stage.engage_with(short).await;
    let session = crate::oidc_browser::session(&Browser::of(&engage).log_in(&provider).await).unwrap();
    let mut viewer = open_with(&engage, Some(("cookie", &session))).await.unwrap();
    let closed = loop {
        match viewer.next().await {
            Ok(message) => viewer.ack(&message).await,
            Err(closed) => break closed,
        }
    };
    assert_eq!(closed, (1008, "the login has ended".into()));
    assert_eq!(with_cookie(&engage, "/api/v1/devices", &session).await.status(), StatusCode::UNAUTHORIZED);
    engage.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_is_away_keeps_nobody_else_out_and_is_asked_again() {
    let (stage, provider) = (Stage::set().await, Provider::start().await);
    provider.script().mood = Mood::Away;
    let mut config = config(&stage, &provider);
    config.access.users = vec![User {
        name: "bert".into(),
        password_hash: hash_password(PASSWORD).unwrap(),
        role: Role::Viewer,
        devices: vec!["*".into()],
    }];
    let engage = stage.engage_with(config).await;
    assert_eq!(engage.json("/api/v1/session").await["provider"]["only"], false);
    let mut browser = Browser::of(&engage);
    let reason = async |browser: &mut Browser| {
        let answer = browser.start("/?q=a").await;
        browser.reason(&answer)
    };
    assert_eq!(reason(&mut browser).await, "unavailable");
    assert_eq!(log_in(&engage, "bert", PASSWORD).await.status(), StatusCode::OK);

    provider.script().mood = Mood::Silent;
    eventually("it is asked again", async || {
        let before = provider.asked("/.well-known/openid-configuration");
        assert_eq!(reason(&mut browser).await, "unavailable");
        (provider.asked("/.well-known/openid-configuration") > before).then_some(())
    })
    .await;
    provider.script().mood = Mood::Fine;
    let page = eventually("it is back", async || {
        let answer = browser.start("/").await;
        let there = location(&answer);
        there.starts_with(&provider.issuer).then(|| there.parse::<url::Url>().unwrap())
    })
    .await;
    assert!(session(&browser.back(&provider.log_in(&page)).await).is_some());

    // it goes away while somebody is at its page
    for mood in [Mood::Away, Mood::Silent, Mood::Unavailable] {
        provider.script().mood = Mood::Fine;
        let page = browser.page("/").await;
        let back = provider.log_in(&page);
        provider.script().mood = mood;
        let answer = browser.back(&back).await;
        assert_eq!(browser.reason(&answer), "unavailable", "{mood:?}");
    }
    engage.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_provider_there_is_nothing_to_log_in_at() {
    let stage = Stage::set().await;
    let engage = stage.engage().await;
    for path in ["/api/v1/session/oidc", "/api/v1/session/oidc/callback?code=a&state=b"] {
        let answer = engage.get(path).await;
        assert_eq!(
            (answer.status(), code(answer).await.as_str()),
            (StatusCode::NOT_FOUND, "no-provider"),
            "{path}"
        );
    }
    engage.stop().await;
}

/// The secret as the provider wants it, until it takes it.
async fn gets_in(engage: &Engage, provider: &Provider) -> bool {
    session(&Browser::of(engage).log_in(provider).await).is_some()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_client_says_who_it_is_as_the_provider_wants() {
    let (stage, provider) = (Stage::set().await, Provider::start().await);
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "old\n").unwrap();
    let mut config = config(&stage, &provider);
    let settings = config.access.oidc.as_mut().unwrap();
    (settings.client_secret, settings.client_secret_file) = (None, Some(file.path().into()));
    for methods in
        [None, Some(vec!["client_secret_basic", "client_secret_post"]), Some(vec!["client_secret_post"])]
    {
        provider.script().methods = methods.clone();
        let engage = stage.engage_with(config.clone()).await;
        std::fs::write(file.path(), "old\n").unwrap();
        assert!(!gets_in(&engage, &provider).await, "{methods:?}: another secret");
        std::fs::write(file.path(), format!("{}\n", crate::oidc_provider::SECRET)).unwrap();
        assert!(gets_in(&engage, &provider).await, "{methods:?}: the secret rotates");
        engage.stop().await;
    }
    config.access.oidc.as_mut().unwrap().client_secret_file = None;
    provider.script().methods = None;
    provider.script().secret = None;
    let engage = stage.engage_with(config).await;
    assert!(gets_in(&engage, &provider).await, "a public client has no secret");
    engage.stop().await;
}
