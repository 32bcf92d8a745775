//! Files that are meant to hurt: each is told what is wrong with it.

use serde_json::json;

use super::transfers::{flow, import};
use crate::house::hostile;

#[tokio::test]
async fn each_is_told_what_is_wrong_with_it() {
    let world = flow().await;
    let ada = world.user("ada", &[]).await;
    for (at, (format, bytes, words)) in
        hostile::files().into_iter().enumerate().filter(|(_, (_, bytes, _))| bytes.len() < 700_000)
    {
        let row = import(&ada, json!({"format": format}), &bytes).await;
        let told = row["faults"].to_string();
        assert!(row["state"] == "failed" && told.contains(words) || words.is_empty(), "file {at}: {words} in {row}");
        assert!(!told.contains("500") && !told.contains("internal"), "{row}");
    }
}
