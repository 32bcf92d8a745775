//! Updating relationships (CU11, CU14–CU17).

use serde_json::{Value, json};

use crate::exchange::{Exchange, Failure, Verdict, not_applicable};
use crate::fixture::Made;
use crate::suite::Suite;
use crate::target::Relation;

/// Holds if a relationship has exactly these targets, each once.
async fn expect_links(suite: &Suite<'_>, reply: &Exchange, made: &Made, relation: &Relation, expected: &[&Made]) -> Verdict {
    let mut now = suite.linkage(made, relation).await?;
    let mut ids: Vec<_> = expected.iter().map(|target| target.id.as_str()).collect();
    now.sort_unstable();
    ids.sort_unstable();
    reply.holds(now == ids, format!("`{}` to be {ids:?} afterwards, not {now:?}", relation.name)).map(drop)
}

/// Lets a refusal of the whole operation pass, for it is allowed: but then nothing may have happened.
fn allowed(reply: Exchange, because: &str) -> Result<Exchange, Failure> {
    match reply.status {
        403 => not_applicable("the server refuses this with 403, which is allowed"),
        _ => {
            reply.is(&[200, 202, 204], because)?;
            Ok(reply)
        }
    }
}

fn identifiers(targets: &[&Made]) -> Value {
    json!({"data": targets.iter().map(|target| target.identifier()).collect::<Vec<_>>()})
}

/// CU11: to-many in a change of the resource.
pub async fn replaced_in_resource(suite: &Suite<'_>) -> Verdict {
    let relation = suite.to_many()?;
    let [one, other] = suite.two_targets(relation).await?;
    let made = suite.fresh_linked(relation, json!([one.identifier()])).await?;
    let name = suite.new_name();
    for (targets, before) in [(&[&other][..], &[&one][..]), (&[], &[&other])] {
        let members = json!({"attributes": {suite.rename(): name}, "relationships": {&relation.name: identifiers(targets)}});
        let reply = suite.patch(&made.url, made.change(members)).await?;
        reply.is(&[200, 204, 403], "a to-many is replaced")?;
        if reply.status == 403 {
            let now = suite.again(&made).await?;
            reply.holds(now.resource["attributes"][suite.rename()] != name, "the whole change to be refused")?;
            return expect_links(suite, &reply, &made, relation, before).await;
        }
        expect_links(suite, &reply, &made, relation, targets).await?;
    }
    Ok(())
}

/// CU14: to-one relationship URLs.
pub async fn to_one(suite: &Suite<'_>) -> Verdict {
    let relation = suite.to_one()?;
    let target = suite.make(&relation.target).await?;
    let made = suite.fresh().await?;
    let url = made.relation_link(&relation.name, "self")?;
    let reply = allowed(suite.patch(&url, json!({"data": target.identifier()})).await?, "a new target")?;
    expect_links(suite, &reply, &made, relation, &[&target]).await?;
    for body in [json!({"data": [target.identifier()]}), json!({"meta": {}}), json!({"data": target.id})] {
        let reply = suite.patch(&url, body).await?;
        reply.is_refused("this is neither an identifier nor `null`")?;
        expect_links(suite, &reply, &made, relation, &[&target]).await?;
    }
    let reply = suite.patch(&url, json!({"data": null})).await?;
    if relation.nullable {
        reply.is(&[200, 202, 204], "the relationship is removed")?;
        return expect_links(suite, &reply, &made, relation, &[]).await;
    }
    reply.is_refused("the description says that it can't be empty")?;
    expect_links(suite, &reply, &made, relation, &[&target]).await
}

/// CU15: adding to a to-many.
pub async fn adding(suite: &Suite<'_>) -> Verdict {
    let relation = suite.to_many()?;
    let [one, other] = suite.two_targets(relation).await?;
    let made = suite.fresh().await?;
    let url = made.relation_link(&relation.name, "self")?;
    let reply = allowed(suite.post(&url, identifiers(&[&one])).await?, "a target is added")?;
    expect_links(suite, &reply, &made, relation, &[&one]).await?;
    for (body, after) in [
        (identifiers(&[&one]), &[&one][..]),
        (identifiers(&[&one, &other, &other]), &[&one, &other]),
        (json!({"data": []}), &[&one, &other]),
    ] {
        let reply = suite.post(&url, body).await?;
        reply.is(&[200, 202, 204], "targets are added that may be there already")?;
        expect_links(suite, &reply, &made, relation, after).await?;
    }
    let reply = suite.post(&url, json!({"data": other.identifier()})).await?;
    reply.is_refused("`data` is no array").map(drop)
}

/// CU16: taking from a to-many.
pub async fn removing(suite: &Suite<'_>) -> Verdict {
    let relation = suite.to_many()?;
    let [one, other] = suite.two_targets(relation).await?;
    let made = suite.fresh_linked(relation, json!([one.identifier(), other.identifier()])).await?;
    let url = made.relation_link(&relation.name, "self")?;
    let reply = suite.delete(&url).body(identifiers(&[&one])).await?;
    if reply.status == 403 {
        return expect_links(suite, &reply, &made, relation, &[&one, &other]).await;
    }
    reply.is(&[200, 202, 204], "a target is removed")?;
    expect_links(suite, &reply, &made, relation, &[&other]).await?;
    let reply = suite.delete(&url).body(identifiers(&[&one])).await?;
    reply.is(&[200, 202, 204], "the target is gone already")?;
    expect_links(suite, &reply, &made, relation, &[&other]).await?;
    // The targets themselves stay: only the link was removed. A server may collect garbage, so this isn't asked of it.
    let reply = suite.delete(&url).body(identifiers(&[&one, &other])).await?;
    reply.is(&[200, 202, 204], "one is gone already, the other is removed")?;
    expect_links(suite, &reply, &made, relation, &[]).await
}

/// CU17: replacing a to-many.
pub async fn replacing(suite: &Suite<'_>) -> Verdict {
    let relation = suite.to_many()?;
    let [one, other] = suite.two_targets(relation).await?;
    let made = suite.fresh_linked(relation, json!([one.identifier()])).await?;
    let url = made.relation_link(&relation.name, "self")?;
    let reply = suite.patch(&url, identifiers(&[&other])).await?;
    if reply.status == 403 {
        return expect_links(suite, &reply, &made, relation, &[&one]).await;
    }
    reply.is(&[200, 202, 204], "the relationship is replaced")?;
    expect_links(suite, &reply, &made, relation, &[&other]).await?;
    if let Ok(gone) = suite.gone(&relation.target).await {
        let reply = suite.patch(&url, identifiers(&[&one, &gone])).await?;
        reply.is_refused("one of the targets was deleted")?;
        expect_links(suite, &reply, &made, relation, &[&other]).await?;
    }
    let reply = suite.patch(&url, json!({"data": null})).await?;
    reply.is_refused("`data` is no array")?;
    expect_links(suite, &reply, &made, relation, &[&other]).await?;
    let reply = suite.patch(&url, json!({"data": []})).await?;
    reply.is(&[200, 202, 204], "the relationship is emptied")?;
    expect_links(suite, &reply, &made, relation, &[]).await
}
