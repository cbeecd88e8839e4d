//! How the files of the page are served.

use crate::stage::Stage;

#[tokio::test(flavor = "multi_thread")]
async fn the_page_is_asked_for_again_and_not_sent_twice() {
    let stage = Stage::set().await;
    let engage = stage.engage().await;
    let page = engage.get("/").await;
    assert_eq!(page.status(), 200);
    assert_eq!(page.headers()["content-type"], "text/html; charset=utf-8");
    assert_eq!(page.headers()["cache-control"], "no-cache");
    let tag = page.headers()["etag"].clone();
    let again = engage.http.get(format!("http://{}/index.html", engage.addr)).header("if-none-match", tag);
    assert_eq!(again.send().await.unwrap().status(), 304);
    engage.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_files_of_the_page_are_kept_under_the_address_of_their_version() {
    let stage = Stage::set().await;
    let engage = stage.engage().await;
    let page = engage.get("/").await.text().await.unwrap();
    let script = page.split("src=\"").nth(1).and_then(|rest| rest.split('"').next()).unwrap();
    let answer = engage.get(&format!("/{script}")).await;
    assert_eq!(answer.status(), 200, "{script}");
    assert_eq!(answer.headers()["content-type"], "text/javascript; charset=utf-8");
    assert!(answer.headers()["cache-control"].to_str().unwrap().contains("immutable"), "{script}");
    // another replica may still be, or already be, of another version
    let version = script.split('/').nth(1).unwrap();
    let other = engage.get(&format!("/{}", script.replace(version, "0123"))).await;
    assert_eq!(
        (other.status().as_u16(), &other.headers()["cache-control"]),
        (200, &"no-cache".parse().unwrap())
    );
    engage.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn files_of_a_folder_are_served_as_they_are_now() {
    let stage = Stage::set().await;
    let folder = tempfile::tempdir().unwrap();
    let mut config = stage.config();
    config.http.assets_dir = Some(folder.path().into());
    let engage = stage.engage_with(config).await;
    let missing = engage.get("/").await;
    assert_eq!(missing.status(), 404);
    let text = missing.text().await.unwrap();
    assert!(text.contains("assets_dir"), "{text}");
    for content in ["one", "two"] {
        std::fs::write(folder.path().join("index.html"), content).unwrap();
        let page = engage.get("/").await;
        assert_eq!(page.headers()["cache-control"], "no-cache");
        assert_eq!(page.text().await.unwrap(), content);
    }
    engage.stop().await;
}
