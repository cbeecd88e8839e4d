//! What is said about a configuration of an OpenID provider that cannot work.

use std::process::Command;

/// What `--check-config` says.
fn checked(oidc: &str, variables: &[(&str, &str)]) -> (bool, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("engage.toml");
    let text = format!(
        "[store]\nbucket = 'frames'\n[access.oidc]\nissuer = 'https://sso.example.com'\nclient_id = 'people-counter'\n\
         public_url = 'http://127.0.0.1:8080'\n{oidc}[[access.oidc.groups]]\ngroup = 'staff'\nrole = 'viewer'\n"
    );
    std::fs::write(&path, text).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_people-counter-engage"))
        .args(["--check-config", "--config"])
        .arg(&path)
        .envs(variables.iter().copied())
        .output()
        .unwrap();
    (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[cfg(not(feature = "oidc"))]
#[test]
fn a_program_without_it_says_which_feature_it_lacks() {
    let (good, said) = checked("", &[]);
    assert!(!good && said.contains("build it with `--features oidc`"), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
}

#[cfg(feature = "oidc")]
#[test]
fn what_cannot_work_is_said_in_one_sentence() {
    for (oidc, variables, expected) in [
        ("", &[][..], None),
        ("", &[("ENGAGE__ACCESS__OIDC__CLIENT_SECRET", "s3cret")][..], None),
        (
            "client_secret_file = '/run/secret'\n",
            &[("ENGAGE__ACCESS__OIDC__CLIENT_SECRET", "s3cret")],
            Some("client_secret is given twice, keep either client_secret or client_secret_file"),
        ),
        ("client_secret = ''\n", &[], Some("client_secret is empty")),
        ("groups_claim = ''\n", &[], Some("groups_claim is empty")),
        ("scope = ['openid']\n", &[], Some("scope")),
        ("", &[("ENGAGE__ACCESS__OIDC__PUBLIC_URL", "https://people.example.com")], Some("[http] hosts")),
        ("", &[("ENGAGE__ACCESS__OIDC__ISSUER", "http://sso.example.com")], Some("must begin with https://")),
    ] {
        let (good, said) = checked(oidc, variables);
        assert_eq!(good, expected.is_none(), "{oidc}{variables:?}: {said}");
        if let Some(expected) = expected {
            assert!(said.contains(expected) && !said.contains("s3cret"), "{oidc}{variables:?}: {said}");
            assert!(said.contains("oidc"), "it names the section: {said}");
        }
    }
}

#[cfg(feature = "oidc")]
#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_is_not_there_is_said_at_the_start() {
    let stage = crate::stage::Stage::set().await;
    let provider = crate::oidc_provider::Provider::start().await;
    let mut config = crate::oidc_browser::config(&stage, &provider);
    let settings = config.access.oidc.as_mut().unwrap();
    (settings.client_secret, settings.client_secret_file) = (None, Some("/nowhere/secret".into()));
    let said = crate::stage::Engage::refused(config).await;
    assert!(said.contains("[access.oidc]: client_secret_file: cannot read /nowhere/secret"), "{said}");
}
