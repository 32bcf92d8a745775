//! The Atomic Operations extension (AO).

use serde_json::{Value, json};

use crate::exchange::{Exchange, Failure, Verdict, not_applicable};
use crate::media::{ATOMIC, json_api_with};
use crate::suite::{Ask, Suite};

fn endpoint<'t>(suite: &Suite<'t>) -> Result<&'t str, Failure> {
    let operations = suite.description().operations.as_deref();
    operations.ok_or_else(|| Failure::NotApplicable("the server offers no atomic operations".into()))
}

/// A request of the extension: it names itself in both headers.
fn atomic<'s>(ask: Ask<'s>) -> Ask<'s> {
    ask.content_type(json_api_with("ext", ATOMIC)).accept(json_api_with("ext", ATOMIC))
}

async fn operate(suite: &Suite<'_>, operations: Value) -> Result<Exchange, Failure> {
    atomic(suite.post(endpoint(suite)?, json!({"atomic:operations": operations}))).await
}

/// A draft of the described resource with a name.
async fn named(suite: &Suite<'_>, name: &str) -> Result<Value, Failure> {
    let mut data = suite.draft(suite.kind()).await?;
    data["attributes"][suite.rename()] = name.into();
    Ok(data)
}

/// Holds if a request failed and left nothing of these names.
async fn no_trace(suite: &Suite<'_>, reply: &Exchange, names: &[&str], because: &str) -> Verdict {
    reply.is_refused(because)?;
    for name in names {
        let left = suite.count_named(name).await?;
        reply.holds(left == 0, format!("no trace of it, not {left} resources named `{name}`"))?;
    }
    Ok(())
}

/// AO1: the request's form and the response's.
pub async fn documents(suite: &Suite<'_>) -> Verdict {
    let place = endpoint(suite)?;
    let name = suite.new_name();
    let add = json!({"op": "add", "data": named(suite, &name).await?});
    atomic(suite.get(place)).await?.is(&[405, 404], "only POST is defined here")?;
    let change = atomic(suite.patch(place, json!({"atomic:operations": [add]}))).await?;
    change.is(&[405, 404], "only POST is defined here")?;
    let beside = json!({"type": suite.kind().name, "id": "1"});
    for (body, because) in [
        (json!({"meta": {}}), "there are no `atomic:operations`"),
        (json!({"atomic:operations": {}}), "`atomic:operations` is no array"),
        (json!({"atomic:operations": [add], "data": beside}), "`data` beside `atomic:operations`"),
        (json!({"atomic:operations": [add], "included": []}), "`included` beside `atomic:operations`"),
    ] {
        no_trace(suite, &atomic(suite.post(place, body)).await?, &[&name], because).await?;
    }
    let reply = operate(suite, json!([add])).await?;
    reply.is(&[200], "one operation that creates a resource")?;
    reply.holds(reply.at("/atomic:results").is_array(), "`atomic:results`")?;
    let other = ["data", "included", "errors", "atomic:operations"].into_iter().find(|name| reply.at("").get(*name).is_some());
    reply.holds(other.is_none(), format!("no `{}` beside `atomic:results`", other.unwrap_or_default())).map(drop)
}

/// AO2: what an operation is made of.
pub async fn operations(suite: &Suite<'_>) -> Verdict {
    endpoint(suite)?;
    let made = suite.fresh().await?;
    let rename = suite.rename();
    let (name, other) = (suite.new_name(), suite.new_name());
    let data = json!({"type": made.name, "id": made.id, "attributes": {rename: name}});
    for (operation, because) in [
        (json!({"op": "replace", "ref": made.identifier(), "data": data}), "`op` is none of the three"),
        (json!({"ref": made.identifier(), "data": data}), "there is no `op`"),
        (json!({"op": "update", "ref": made.identifier(), "href": made.url, "data": data}), "both `ref` and `href`"),
    ] {
        let reply = operate(suite, json!([operation])).await?;
        reply.is_refused(because)?;
        let now = suite.again(&made).await?;
        reply.holds(now.resource["attributes"][rename] != name, "nothing to be changed")?;
    }
    let path = suite.locate(&made.url)?.path().to_owned();
    for (target, value) in [(json!({"ref": made.identifier()}), &name), (json!({"href": path}), &other)] {
        let mut operation = json!({"op": "update", "data": made.change(json!({"attributes": {rename: value}}))["data"]});
        if let (Some(operation), Value::Object(target)) = (operation.as_object_mut(), target) {
            operation.extend(target);
        }
        let reply = operate(suite, json!([operation])).await?;
        reply.is(&[200, 204], "a change")?;
        let now = suite.again(&made).await?;
        reply.holds(now.resource["attributes"][rename] == **value, format!("`{rename}` to be `{value}`"))?;
    }
    let reply = operate(suite, json!([{"op": "remove", "ref": made.identifier()}])).await?;
    reply.is(&[200, 204], "a removal")?;
    suite.get(&made.url).await?.is(&[404], "it was removed by an operation").map(drop)
}

/// AO3: local identities.
pub async fn local_ids(suite: &Suite<'_>) -> Verdict {
    endpoint(suite)?;
    let rename = suite.rename();
    let (first, second) = (suite.new_name(), suite.new_name());
    let mut data = named(suite, &first).await?;
    data["lid"] = json!("a");
    let local = json!({"type": suite.kind().name, "lid": "a"});
    let mut change = local.clone();
    change["attributes"] = json!({rename: second});
    let add = json!({"op": "add", "data": data});
    let update = json!({"op": "update", "ref": local, "data": change});
    no_trace(suite, &operate(suite, json!([update, add])).await?, &[&first, &second], "the `lid` is used before it is given")
        .await?;
    let mut operations = vec![add, update];
    if let Ok(relation) = suite.to_many() {
        let target = suite.make(&relation.target).await?;
        let link = json!({"type": suite.kind().name, "lid": "a", "relationship": relation.name});
        operations.push(json!({"op": "add", "ref": link, "data": [target.identifier()]}));
    }
    let reply = operate(suite, operations.into()).await?;
    reply.is(&[200], "a resource is made, then changed and linked by its `lid`")?;
    let id = reply.at("/atomic:results/0/data/id").as_str().unwrap_or_default();
    let now = suite.get(&format!("{}/{id}", suite.collection())).await?;
    now.is(&[200], "it was made by an operation")?;
    now.holds(now.at("/data/attributes")[rename] == *second, format!("`{rename}` as the second operation set it"))?;
    if let Ok(relation) = suite.to_many() {
        let url = now.link(&now.data()["relationships"][&relation.name]["links"]["self"]);
        let linkage = suite.get(&url.ok_or_else(|| now.broken("a link of the relationship"))?).await?;
        linkage.holds(linkage.ids().len() == 1, "the target that the third operation linked")?;
    }
    Ok(())
}

/// AO4: all or nothing, in order.
pub async fn all_or_nothing(suite: &Suite<'_>) -> Verdict {
    endpoint(suite)?;
    let (name, other) = (suite.new_name(), suite.new_name());
    let gone = suite.gone(suite.kind()).await?;
    let made = suite.fresh().await?;
    let change = made.change(json!({"attributes": {suite.rename(): other}}));
    let good = [
        json!({"op": "add", "data": named(suite, &name).await?}),
        json!({"op": "update", "ref": made.identifier(), "data": change["data"]}),
    ];
    let bad = json!({"op": "remove", "ref": gone.identifier()});
    let reply = operate(suite, json!([good[0], good[1], bad])).await?;
    no_trace(suite, &reply, &[&name, &other], "the last operation removes what was deleted").await?;
    // In order: of two changes the later one stays.
    let later = made.change(json!({"attributes": {suite.rename(): name}}));
    let reply = operate(suite, json!([good[1], {"op": "update", "ref": made.identifier(), "data": later["data"]}])).await?;
    reply.is(&[200, 204], "two changes")?;
    let now = suite.again(&made).await?;
    reply.holds(now.resource["attributes"][suite.rename()] == name, "the later of two changes to stay").map(drop)
}

/// AO5: results as the operations.
pub async fn results(suite: &Suite<'_>) -> Verdict {
    endpoint(suite)?;
    let names = [suite.new_name(), suite.new_name()];
    let made = suite.fresh().await?;
    let operations = json!([
        {"op": "add", "data": named(suite, &names[0]).await?},
        {"op": "remove", "ref": made.identifier()},
        {"op": "add", "data": named(suite, &names[1]).await?},
    ]);
    let reply = operate(suite, operations).await?;
    reply.is(&[200], "two resources are made, one is removed")?;
    let results = reply.at("/atomic:results").as_array().map_or(&[][..], Vec::as_slice);
    reply.holds(results.len() == 3 && results.iter().all(Value::is_object), "three results, each an object")?;
    let in_order = [0, 2].iter().zip(&names).all(|(index, name)| results[*index]["data"]["attributes"][suite.rename()] == **name);
    reply.holds(in_order, "results in the order of the operations")?;
    let alone = suite.fresh().await?;
    let reply = operate(suite, json!([{"op": "remove", "ref": alone.identifier()}])).await?;
    reply.is(&[200, 204], "nothing is returned")?;
    let empty = reply.status == 204 || reply.at("/atomic:results").as_array().is_some_and(|results| results.len() == 1);
    reply.holds(empty, "one result for one operation").map(drop)
}

/// AO6: what was created is shown.
pub async fn created(suite: &Suite<'_>) -> Verdict {
    endpoint(suite)?;
    let name = suite.new_name();
    let reply = operate(suite, json!([{"op": "add", "data": named(suite, &name).await?}])).await?;
    reply.is(&[200], "a resource whose id the server assigns")?;
    let data = reply.at("/atomic:results/0/data");
    let shown = data["type"] == *suite.kind().name && data["id"].is_string() && data["attributes"][suite.rename()] == *name;
    reply.holds(shown, "the new resource as `data` of its result").map(drop)
}

/// AO7: malformed operations.
pub async fn malformed(suite: &Suite<'_>) -> Verdict {
    endpoint(suite)?;
    let name = suite.new_name();
    let add = json!({"op": "add", "data": named(suite, &name).await?});
    for bad in [json!({"op": "conformance"}), json!("add"), json!({"op": "update", "ref": {"id": "1"}, "data": {}})] {
        let reply = operate(suite, json!([add, bad])).await?;
        no_trace(suite, &reply, &[&name], "the second operation is malformed").await?;
        reply.is(&[400], "the second operation is malformed")?;
        let pointer = reply.at("/errors/0/source/pointer").as_str().unwrap_or_default();
        reply.ought(pointer.starts_with("/atomic:operations/1"), "a pointer to /atomic:operations/1")?;
    }
    Ok(())
}

/// AO8: an operation may no more than its single route.
pub async fn permissions(suite: &Suite<'_>) -> Verdict {
    let place = endpoint(suite)?;
    if suite.headers().is_empty() {
        return not_applicable("the suite sends no credentials that it could leave out");
    }
    let made = suite.fresh().await?;
    let name = suite.new_name();
    let change = made.change(json!({"attributes": {suite.rename(): name}}));
    let mut tried = false;
    for (single, operation) in [
        (
            suite.post(suite.collection(), json!({"data": named(suite, &name).await?})),
            json!({"op": "add", "data": named(suite, &name).await?}),
        ),
        (suite.patch(&made.url, change.clone()), json!({"op": "update", "ref": made.identifier(), "data": change["data"]})),
        (suite.delete(&made.url), json!({"op": "remove", "ref": made.identifier()})),
    ] {
        if single.anonymous().await?.succeeded() {
            continue;
        }
        tried = true;
        let reply = atomic(suite.post(place, json!({"atomic:operations": [operation]}))).anonymous().await?;
        no_trace(suite, &reply, &[&name], "the single request without credentials was refused").await?;
        suite.again(&made).await?;
    }
    if tried { Ok(()) } else { not_applicable("everything may be written without credentials") }
}
