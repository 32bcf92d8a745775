//! Creating, updating and deleting resources (CU, without what is about linkage).

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use crate::exchange::{Exchange, Verdict, not_applicable};
use crate::fixture::Made;
use crate::suite::Suite;

/// CU1: what fails leaves no trace: a good change beside a link to a resource that no longer exists.
pub async fn all_or_nothing(suite: &Suite<'_>) -> Verdict {
    let rename = suite.rename();
    for relation in suite.relations()? {
        let gone = suite.gone(&relation.target).await?.identifier();
        let many = suite.description().to_many.as_ref().is_some_and(|many| many.name == relation.name);
        let bad = |good: &[Value]| if many { Value::Array([good, std::slice::from_ref(&gone)].concat()) } else { gone.clone() };
        let name = suite.new_name();
        let mut data = suite.draft(suite.kind()).await?;
        data["attributes"][rename] = name.as_str().into();
        data["relationships"][&relation.name] = json!({"data": bad(&[])});
        let reply = suite.post(suite.collection(), json!({ "data": data })).await?;
        reply.is_refused("the relationship names a resource that was deleted")?;
        let left = suite.count_named(&name).await?;
        reply.holds(left == 0, format!("no trace of it, not {left} resources named `{name}`"))?;

        let good = suite.make(&relation.target).await?.identifier();
        let made = suite.fresh().await?;
        let before = suite.linkage(&made, relation).await?;
        let members = json!({"attributes": {rename: name}, "relationships": {&relation.name: {"data": bad(&[good])}}});
        let reply = suite.patch(&made.url, made.change(members)).await?;
        reply.is_refused("the relationship names a resource that was deleted")?;
        let now = suite.again(&made).await?;
        reply.holds(now.resource["attributes"][rename] != name, format!("`{rename}` to stay as it was"))?;
        reply.holds(suite.linkage(&made, relation).await? == before, format!("`{}` to stay as it was", relation.name))?;
    }
    Ok(())
}

/// CU2: what a new resource has to look like.
pub async fn shape_of_new(suite: &Suite<'_>) -> Verdict {
    let rename = suite.rename();
    let name = suite.new_name();
    let mut data = suite.draft(suite.kind()).await?;
    data["attributes"][rename] = name.as_str().into();
    let mut untyped = data.clone();
    untyped.as_object_mut().map(|members| members.remove("type"));
    let mut bodies = vec![
        (json!({ "data": untyped }), "there is no `type`"),
        (json!({ "data": [data.clone()] }), "there is an array where one resource belongs"),
        (json!({ "data": null }), "there is no resource"),
        (json!({ "meta": {} }), "there is no `data`"),
    ];
    for relation in suite.relations().unwrap_or_default() {
        let mut dataless = data.clone();
        dataless["relationships"][&relation.name] = json!({"meta": {}});
        bodies.push((json!({ "data": dataless }), "there is a relationship without `data`"));
    }
    for (body, because) in bodies {
        let reply = suite.post(suite.collection(), body).await?;
        reply.is_refused(because)?;
        reply.holds(suite.count_named(&name).await? == 0, "nothing to be made")?;
    }
    Ok(())
}

/// CU3: 201 and the resource.
pub async fn created(suite: &Suite<'_>) -> Verdict {
    let made = suite.fresh().await?;
    let name = suite.new_name();
    let mut data = suite.draft(suite.kind()).await?;
    data["attributes"][suite.rename()] = name.as_str().into();
    let reply = suite.post(suite.collection(), json!({ "data": data })).await?;
    reply.is(&[201], "a new resource whose id the server assigns")?;
    let own = reply.data()["type"] == *made.name && reply.data()["id"].is_string() && reply.data()["id"] != *made.id;
    reply.holds(own, "a resource with an id of its own")?;
    reply.holds(reply.at("/data/attributes")[suite.rename()] == *name, "the attribute as it was sent").map(drop)
}

/// CU4: where it is.
pub async fn location(suite: &Suite<'_>) -> Verdict {
    let reply = suite.fresh().await?.reply;
    let location = reply.header("location").map(str::to_owned);
    let Some(location) = location.as_deref() else { return reply.ought(false, "a `Location` header").map(drop) };
    let Ok(resolved) = reply.url.join(location).map(String::from) else {
        return reply.ought(false, "a `Location` that is a URI reference").map(drop);
    };
    if let Some(own) = reply.link(&reply.data()["links"]["self"]) {
        reply.holds(resolved == own, format!("`Location` to be {own}, as `links.self` is, not {location}"))?;
    }
    let there = suite.get(&resolved).await?;
    there.holds(there.ids() == reply.ids(), "the new resource at its `Location`").map(drop)
}

/// CU5: 201 is said when it is done, 204 only where the client knows everything.
pub async fn created_means_done(suite: &Suite<'_>) -> Verdict {
    let body = json!({ "data": suite.draft(suite.kind()).await? });
    let reply = suite.post(suite.collection(), body).await?;
    reply.is(&[201, 202], "only with a client's id there may be a 204")?;
    if reply.status == 201 {
        let url = suite.url_of(&reply, reply.data()).ok_or_else(|| reply.broken("a way to the new resource"))?;
        suite.get(&url).await?.is(&[200], "it was said to be created")?;
    }
    if !suite.description().client_ids {
        return Ok(());
    }
    let mut data = suite.draft(suite.kind()).await?;
    let id = uuid(suite.number());
    data["id"] = id.as_str().into();
    let reply = suite.post(suite.collection(), json!({ "data": data })).await?;
    reply.is(&[201, 202, 204], "a new resource with the client's id")?;
    if reply.status == 204 {
        let url = format!("{}/{id}", suite.collection());
        suite.remember(url.clone());
        let now = suite.get(&url).await?;
        now.is(&[200], "it was said to be created")?;
        let sent = data["attributes"].as_object().into_iter().flatten();
        for (name, value) in sent {
            now.holds(
                now.at("/data/attributes")[name] == *value,
                format!("`{name}` as sent: 204 says that nothing was changed"),
            )?;
        }
    }
    Ok(())
}

/// CU6: the client's ids.
pub async fn client_ids(suite: &Suite<'_>) -> Verdict {
    let mut data = suite.draft(suite.kind()).await?;
    let id = uuid(suite.number());
    data["id"] = id.as_str().into();
    let reply = suite.post(suite.collection(), json!({ "data": data })).await?;
    if !suite.description().client_ids {
        return reply.is(&[403], "client-generated ids are not supported").map(drop);
    }
    suite.remember(format!("{}/{id}", suite.collection()));
    reply.is(&[201, 202, 204], "client-generated ids are supported")?;
    let mut data = suite.draft(suite.kind()).await?;
    data["id"] = id.into();
    suite.post(suite.collection(), json!({ "data": data })).await?.is(&[409], "this id exists already").map(drop)
}

/// A random-looking UUID (version 4): time and a counter make it unique, which is all that is needed here.
fn uuid(number: u64) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos());
    let bits = (now << 16 | u128::from(number & 0xffff)).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
    let bits = bits & !(0xf << 76) & !(0x3 << 62) | (0x4 << 76) | (0x2 << 62);
    let hex = format!("{bits:032x}");
    [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
}

/// CU7: a type that the collection doesn't hold.
pub async fn wrong_type(suite: &Suite<'_>) -> Verdict {
    let mut names = vec!["conformanceNoSuchType"];
    names.extend(suite.relations().unwrap_or_default().iter().map(|relation| relation.target.name.as_str()));
    for name in names.into_iter().filter(|name| *name != suite.kind().name) {
        let mut data = suite.draft(suite.kind()).await?;
        data["type"] = name.into();
        let reply = suite.post(suite.collection(), json!({ "data": data })).await?;
        reply.is(&[409], "the type is not among those of the collection")?;
    }
    Ok(())
}

/// CU8: links to what is missing.
pub async fn missing_related(suite: &Suite<'_>) -> Verdict {
    let made = suite.fresh().await?;
    for relation in suite.relations()? {
        let gone = suite.gone(&relation.target).await?.identifier();
        let many = suite.description().to_many.as_ref().is_some_and(|many| many.name == relation.name);
        let relationships = json!({&relation.name: {"data": if many { json!([gone]) } else { gone }}});
        let mut data = suite.draft(suite.kind()).await?;
        data["relationships"][&relation.name] = relationships[&relation.name].clone();
        let reply = suite.post(suite.collection(), json!({ "data": data })).await?;
        reply.is(&[404], "a related resource was deleted")?;
        let reply = suite.patch(&made.url, made.change(json!({"relationships": relationships}))).await?;
        // Replacing a to-many may be refused before anything is looked up.
        reply.is(if many { &[404, 403] } else { &[404] }, "a related resource was deleted")?;
    }
    Ok(())
}

/// CU9: the identity in a change.
pub async fn identity_of_change(suite: &Suite<'_>) -> Verdict {
    let (made, other) = (suite.fresh().await?, suite.fresh().await?);
    let name = suite.new_name();
    let attributes = json!({suite.rename(): name});
    let changed = |members: Value| json!({"data": members});
    let bodies = [
        (changed(json!({"id": made.id, "attributes": attributes})), None, "there is no `type`"),
        (changed(json!({"type": made.name, "attributes": attributes})), None, "there is no `id`"),
        (json!({"data": [{"type": made.name, "id": made.id, "attributes": attributes}]}), None, "there is an array"),
        (changed(json!({"type": made.name, "id": other.id, "attributes": attributes})), Some(409), "the `id` is another one's"),
        (
            changed(json!({"type": "conformanceNoSuchType", "id": made.id, "attributes": attributes})),
            Some(409),
            "the `type` differs",
        ),
    ];
    for (body, status, because) in bodies {
        let reply = suite.patch(&made.url, body).await?;
        match status {
            Some(status) => reply.is(&[status], because)?,
            None => reply.is_refused(because)?,
        };
        for made in [&made, &other] {
            let now = suite.again(made).await?;
            reply.holds(now.resource["attributes"][suite.rename()] != name, "nothing to be changed")?;
        }
    }
    Ok(())
}

/// CU10: what is left out stays.
pub async fn left_out_stays(suite: &Suite<'_>) -> Verdict {
    let made = suite.fresh_complete().await?;
    let before = suite.again(&made).await?;
    let name = suite.new_name();
    let reply = suite.patch(&made.url, made.change(json!({"attributes": {suite.rename(): name}}))).await?;
    reply.is_success("one attribute is changed")?;
    let now = suite.again(&made).await?;
    reply.holds(now.resource["attributes"][suite.rename()] == name, "the attribute to be changed")?;
    for field in suite.kind().attributes.keys().filter(|field| *field != suite.rename()) {
        let same = now.resource["attributes"][field] == before.resource["attributes"][field];
        reply.holds(same, format!("`{field}`, which was left out, to stay {}", before.resource["attributes"][field]))?;
    }
    for relation in suite.relations().unwrap_or_default() {
        let kept = suite.linkage(&made, relation).await?.len() == 1;
        reply.holds(kept, format!("`{}`, which was left out, to keep its target", relation.name))?;
    }
    Ok(())
}

/// CU12: 204 is for changes that did just what was asked; 200 shows what is.
pub async fn says_what_changed(suite: &Suite<'_>) -> Verdict {
    let made = suite.fresh().await?;
    let before = suite.again(&made).await?;
    let name = suite.new_name();
    let reply = suite.patch(&made.url, made.change(json!({"attributes": {suite.rename(): name}}))).await?;
    reply.is(&[200, 202, 204], "a change")?;
    if reply.status == 202 {
        return not_applicable("changes are accepted and done later (202)");
    }
    let now = suite.again(&made).await?;
    if reply.data().is_object() {
        let same = reply.at("/data/attributes") == &now.resource["attributes"];
        return reply.holds(same, format!("the resource as a GET shows it: {}", now.resource["attributes"])).map(drop);
    }
    let mut asked = before.resource["attributes"].clone();
    asked[suite.rename()] = name.into();
    let same = asked == now.resource["attributes"];
    reply.holds(same, "200 with the resource, since more was changed than was asked for").map(drop)
}

/// CU13: changes that can't be.
pub async fn impossible_changes(suite: &Suite<'_>) -> Verdict {
    let gone = suite.gone(suite.kind()).await?;
    let change = gone.change(json!({"attributes": {suite.rename(): suite.new_name()}}));
    suite.patch(&gone.url, change).await?.is(&[404], "this resource was deleted")?;
    let Some(unique) = &suite.kind().unique else { return Ok(()) };
    let (one, other) = (suite.fresh().await?, suite.fresh().await?);
    let taken = &one.resource["attributes"][unique];
    let reply = suite.patch(&other.url, other.change(json!({"attributes": {unique: taken}}))).await?;
    // Whether it has to be unique is the server's business; a refusal is not a server error.
    reply.holds(reply.status < 500, "no server error for a value that is taken")?;
    let now = suite.again(&other).await?;
    let kept = reply.succeeded() || now.resource["attributes"][unique] == other.resource["attributes"][unique];
    reply.holds(kept, "the value to stay, since the change was refused").map(drop)
}

/// CU18: deleting.
pub async fn deleting(suite: &Suite<'_>) -> Verdict {
    let made: Made = suite.fresh().await?;
    let reply: Exchange = suite.delete(&made.url).await?;
    reply.is(&[200, 202, 204], "a resource is deleted")?;
    match reply.status {
        204 => reply.holds(reply.text.is_empty(), "no body with 204")?,
        200 => reply.holds(reply.has("/meta") && !reply.has("/data"), "nothing but `meta` with 200")?,
        _ => return not_applicable("deletions are accepted and done later (202)"),
    };
    suite.get(&made.url).await?.is(&[404], "it was deleted")?;
    let again = suite.delete(&made.url).await?;
    again.ought(again.status == 404, "404 (it was deleted before)").map(drop)
}

#[cfg(test)]
mod tests {
    use super::uuid;

    #[test]
    fn ids_have_version_and_variant() {
        let (one, other) = (uuid(1), uuid(2));
        assert_ne!(one, other);
        for id in [one, other] {
            assert_eq!((id.len(), id.as_bytes()[14]), (36, b'4'), "{id}");
            assert!(matches!(id.as_bytes()[19], b'8'..=b'b'), "{id}");
        }
    }
}
