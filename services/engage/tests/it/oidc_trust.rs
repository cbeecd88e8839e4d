//! Logging in at an OpenID provider: what is not believed.

use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::access::{code, log_in};
use crate::oidc_browser::{Browser, config, location, session};
use crate::oidc_provider::{Key, Provider, Signature};
use crate::stage::Stage;

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_counts_once_and_in_the_browser_that_asked() {
    let (stage, provider) = (Stage::set().await, Provider::start().await);
    let engage = stage.engage_with(config(&stage, &provider)).await;
    let mut browser = Browser::of(&engage);
    let page = browser.page("/").await;
    let back = provider.log_in(&page);
    let state = back.query_pairs().find(|(name, _)| name == "state").unwrap().1.into_owned();

    // with a state that nobody gave, or none
    let changed = |to: &str| back.as_str().replace(&state, to).parse().unwrap();
    for tampered in [changed(&"0".repeat(state.len())), changed("")] {
        let answer = browser.back(&tampered).await;
        assert_eq!(browser.reason(&answer), "stale", "{tampered}");
    }
    // in a browser that did not ask, and in one that asked for something else
    let mut other = Browser::of(&engage);
    let answer = other.back(&back).await;
    assert_eq!(other.reason(&answer), "stale", "without a cookie");
    other.page("/").await;
    let answer = other.back(&back).await;
    assert_eq!(other.reason(&answer), "stale", "with the cookie of another login");
    // with a cookie that was changed
    let genuine = browser.pending.clone();
    browser.pending = genuine.as_deref().map(|cookie| cookie.replacen('.', ".1", 1));
    let answer = browser.back(&back).await;
    assert_eq!(browser.reason(&answer), "stale", "with a cookie of one's own");
    assert_eq!(provider.asked("/token"), 0, "the provider is not bothered with any of it");

    // all of that did not use it up; a second time it is
    browser.pending = genuine;
    assert!(session(&browser.back(&back).await).is_some());
    let answer = browser.back(&back).await;
    assert_eq!(browser.reason(&answer), "stale", "replayed");
    assert_eq!(provider.asked("/token"), 1);
    engage.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn claims_that_are_for_somebody_else_are_not_believed() {
    let (stage, provider) = (Stage::set().await, Provider::start().await);
    let engage = stage.engage_with(config(&stage, &provider)).await;
    let mut browser = Browser::of(&engage);
    for (what, claim) in [
        ("another login", json!({"nonce": "0".repeat(64)})),
        ("no login", json!({"nonce": null})),
        ("another client", json!({"aud": "somebody-else"})),
        ("another client too", json!({"aud": [crate::oidc_provider::CLIENT, "somebody-else"]})),
        ("another provider", json!({"iss": "https://evil.example"})),
        ("an earlier time", json!({"exp": 1_700_000_000, "iat": 1_699_999_000})),
        ("nobody", json!({"sub": null})),
    ] {
        let mut claims = json!({"groups": ["admins"]});
        claims.as_object_mut().unwrap().extend(claim.as_object().unwrap().clone());
        provider.script().claims = claims;
        let answer = browser.log_in(&provider).await;
        assert_eq!(browser.reason(&answer), "invalid", "a token for {what}");
    }
    provider.script().claims = json!({"groups": ["admins"]});
    assert!(session(&browser.log_in(&provider).await).is_some());
    engage.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_providers_keys_count_and_new_ones_are_fetched() {
    let (stage, provider) = (Stage::set().await, Provider::start().await);
    let engage = stage.engage_with(config(&stage, &provider)).await;
    let mut browser = Browser::of(&engage);
    assert!(session(&browser.log_in(&provider).await).is_some());
    for (what, signature) in [
        ("a foreign key of the same name", Signature::By(Key::new("first"))),
        ("a key that is not published", Signature::By(Key::new("hidden"))),
        ("no key", Signature::Without),
        ("the client's secret", Signature::BySecret),
    ] {
        provider.script().signature = signature;
        let answer = browser.log_in(&provider).await;
        assert_eq!(browser.reason(&answer), "invalid", "signed by {what}");
    }
    let fetched = provider.asked("/keys");
    provider.script().exchange_key(Key::new("second"));
    assert!(session(&browser.log_in(&provider).await).is_some(), "the provider has a new key");
    assert_eq!(provider.asked("/keys"), fetched + 1);
    // a new one under the old name, as some providers do that name none
    provider.script().exchange_key(Key::new("second"));
    assert!(
        session(&browser.log_in(&provider).await).is_some(),
        "the provider has a new key of the same name"
    );
    assert!(session(&browser.log_in(&provider).await).is_some());
    assert_eq!(provider.asked("/keys"), fetched + 2, "what is known is not fetched again");
    engage.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_refuses_is_believed() {
    let (stage, provider) = (Stage::set().await, Provider::start().await);
    let engage = stage.engage_with(config(&stage, &provider)).await;
    let mut browser = Browser::of(&engage);
    for (answer, reason) in [
        ("error=access_denied&error_description=no", "denied"),
        ("error=temporarily_unavailable", "unavailable"),
        ("", "invalid"),
        ("code=made-up", "invalid"),
    ] {
        let mut back = provider.log_in(&browser.page("/").await);
        let state = back.query_pairs().find(|(name, _)| name == "state").unwrap().1.into_owned();
        back.set_query(Some(&format!("{answer}&state={state}")));
        let answered = browser.back(&back).await;
        assert_eq!(browser.reason(&answered), reason, "{answer}");
    }
    engage.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_returns_to_this_service_alone() {
    let (stage, provider) = (Stage::set().await, Provider::start().await);
    let engage = stage.engage_with(config(&stage, &provider)).await;
    let mut browser = Browser::of(&engage);
    for evil in [
        "https://evil.example/",
        "//evil.example/",
        "/\\evil.example",
        "evil.example",
        "javascript:alert(1)",
        "/\r\nset-cookie: a=b",
        "/\t/evil.example",
        "/#login=denied",
        "",
    ] {
        let answer = browser.start(evil).await;
        assert!(answer.headers().get("location").is_none() && browser.pending.is_none(), "{evil:?}");
        assert_eq!(
            (answer.status(), code(answer).await.as_str()),
            (StatusCode::BAD_REQUEST, "bad-request"),
            "{evil:?}"
        );
    }
    // an at sign or a dot makes no other host of it, because the address is complete before the path
    for odd in ["/@evil.example", "/.evil.example/"] {
        let page = browser.page(odd).await;
        let answer = browser.back(&provider.log_in(&page)).await;
        assert_eq!(location(&answer), format!("{}{odd}", browser.base()));
    }
    engage.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn attempts_are_limited_and_passwords_with_them() {
    let (stage, provider) = (Stage::set().await, Provider::start().await);
    let engage = stage.engage_with(config(&stage, &provider)).await;
    let mut browser = Browser::of(&engage);
    // a good login costs nothing, nor does what no login of this browser asked for
    let foreign = format!("{}/api/v1/session/oidc/callback?code=a&state=b", browser.base()).parse().unwrap();
    for _ in 0..30 {
        let answer = browser.back(&foreign).await;
        assert_eq!(browser.reason(&answer), "stale");
    }
    for _ in 0..12 {
        assert!(session(&browser.log_in(&provider).await).is_some());
    }
    let mut limited = None;
    for _ in 0..30 {
        let mut guess = provider.log_in(&browser.page("/").await);
        let state = guess.query_pairs().find(|(name, _)| name == "state").unwrap().1.into_owned();
        guess.set_query(Some(&format!("code=made-up&state={state}")));
        let answer = browser.back(&guess).await;
        match browser.reason(&answer).as_str() {
            "invalid" => {}
            "too-many" => {
                limited = Some(answer.headers()["retry-after"].to_str().unwrap().parse::<u32>().unwrap());
                assert!(answer.headers().get("set-cookie").is_none(), "the login can be answered later");
                break;
            }
            other => panic!("{other}"),
        }
    }
    let wait = limited.expect("guesses are not limited");
    assert!((1..=6).contains(&wait), "{wait}");
    let answer = log_in(&engage, "anna", "guess").await;
    assert_eq!(answer.status(), StatusCode::TOO_MANY_REQUESTS, "passwords are limited by the same count");
    let session: Value = engage.json("/api/v1/session").await;
    assert_eq!(session["accessControl"], true, "other requests are not concerned");
    engage.stop().await;
}
