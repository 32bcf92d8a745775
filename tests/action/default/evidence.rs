//! What an action did: everything that it could have changed, looked at before and after.

use std::collections::BTreeMap;

use futures_util::future::join_all;
use serde_json::Value as Json;

use crate::house::{Someone, World};

/// How often each status was answered to fifty calls at once.
pub async fn fifty(who: &[&Someone<'_>], action: &str, body: &Json) -> BTreeMap<u16, usize> {
    let all = join_all((0..50).map(|n| who[n % who.len()].act(action, body.clone()))).await;
    let mut seen = BTreeMap::new();
    all.iter().for_each(|answer| *seen.entry(answer.status).or_default() += 1);
    seen
}

/// Everything that an action could have changed.
pub async fn everything(world: &World) -> Vec<String> {
    rows(world, "t::text").await
}

/// … whatever the rows' versions are: what is done already may raise them.
pub async fn contents(world: &World) -> Vec<String> {
    rows(world, "(to_jsonb(t) - 'version' - 'updated_at')::text").await
}

async fn rows(world: &World, row: &str) -> Vec<String> {
    let mut all = vec![];
    for table in [
        "user_account",
        "usergroup",
        "\"usergroup.members\"",
        "session",
        "join_request",
        "(select id, \"to\", letter from mail)",
        "rowhouse.token",
        "rowhouse.refresh",
        "rowhouse.claim_code",
        "world",
        "action",
        "article",
        "tag",
    ] {
        let rows = world.sql(&format!("select {row} from {table} t order by 1")).await;
        all.extend(rows.iter().map(|row| format!("{table} {}", row.text(0).unwrap_or_default())));
    }
    all
}

/// Nothing changed between two looks; else what did.
pub fn same(before: &[String], after: &[String], words: &str) {
    let gone: Vec<_> = before.iter().filter(|row| !after.contains(row)).collect();
    let come: Vec<_> = after.iter().filter(|row| !before.contains(row)).collect();
    assert!(gone.is_empty() && come.is_empty(), "{words}: {gone:#?} became {come:#?}");
}

/// None of them may, and nothing of it is done.
pub async fn refuses(world: &World, action: &str, body: &Json, them: &[(&Someone<'_>, u16)]) {
    let before = everything(world).await;
    for (at, (who, status)) in them.iter().enumerate() {
        let answer = who.act(action, body.clone()).await;
        assert_eq!(answer.status, *status, "{action} by number {at}: {}", answer.text);
    }
    same(&before, &everything(world).await, &format!("{action}: who is refused changes nothing"));
}

/// A token that somebody was sent, without the letter.
pub async fn token(world: &World, owner: &Someone<'_>, purpose: &str, data: &str, row: Option<&str>) -> String {
    let token = rowhouse::account::token::fresh().expect("randomness");
    let hash = rowhouse::account::token::hash(&token).iter().map(|b| format!("{b:02x}")).collect::<String>();
    let row = row.map_or("null".to_owned(), |row| format!("'{row}'"));
    let several = matches!(purpose, "undo_email_change" | "invite_member");
    let sql = format!(
        "insert into rowhouse.token (hash, owner, purpose, data, expires_at, several, row) \
         values ('\\x{hash}', '{}', '{purpose}', '{data}', now() + interval '1 minute', {several}, {row})",
        owner.id
    );
    world.sql(&sql).await;
    token
}
