//! What the page asks for besides the stream: nodes and history.

use people_counter_tests::browser::Browser;
use people_counter_tests::wait::{eventually, free_port};

use crate::demo;

#[tokio::test(flavor = "multi_thread")]
async fn the_nodes_and_the_history_of_the_demonstration_are_shown() {
    let folder = tempfile::tempdir().unwrap();
    let port = free_port().to_string();
    let (_demo, rest) = demo::start(&["--port", &port, "--cameras", "1"], folder.path()).await;
    let browser = Browser::start(1280, 900, false).await;
    browser.open(&format!("{}/?view=nodes", rest.base())).await;
    for node in ["node-1", "node-2"] {
        browser.until(&format!("tr[data-node={node}][data-online=true]")).await;
        let row = browser.text(&format!("tr[data-node={node}]")).await.unwrap();
        assert!(row.contains("inference") && row.contains("person-nanodet"), "{row}");
    }
    // a page that was opened later knows what was counted before
    browser.open(&format!("{}/?device=camera-1", rest.base())).await;
    browser.until(".chart-plot:not([hidden])").await;
    eventually("the server's memory is on the page", || async {
        browser.text(".device-history").await?.contains("This server remembers").then_some(())
    })
    .await;
    browser.close().await;
}
