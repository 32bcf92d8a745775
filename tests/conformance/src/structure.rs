//! Document structure (DS), as far as requests have to be made for it; the rest is watched.

use serde_json::{Value, json};

use crate::document::{doubled, unlinked};
use crate::exchange::{Exchange, Failure, Verdict, not_applicable};
use crate::fixture::Made;
use crate::suite::Suite;
use crate::target::Relation;

/// DS4: one or many, as the URL says.
pub async fn one_or_many(suite: &Suite<'_>) -> Verdict {
    let made = suite.fresh().await?;
    let many = suite.get(suite.collection()).await?;
    many.is(&[200], "a collection")?.items()?;
    let one = suite.get(&made.url).await?;
    one.is(&[200], "a resource")?.holds(one.data().is_object(), "an object as `data`")?;
    if let Ok(relation) = suite.to_one() {
        for link in ["related", "self"] {
            let reply = suite.get(&made.relation_link(&relation.name, link)?).await?;
            reply.is(&[200], "a to-one relation")?;
            let single = reply.has("/data") && (reply.data().is_object() || reply.data().is_null());
            reply.holds(single, "one resource or `null` as `data`")?;
        }
    }
    if let Ok(relation) = suite.to_many() {
        let single = suite.make(&relation.target).await?;
        let linked = suite.fresh_linked(relation, json!([single.identifier()])).await?;
        for (made, count) in [(&made, 0), (&linked, 1)] {
            for link in ["related", "self"] {
                let reply = suite.get(&made.relation_link(&relation.name, link)?).await?;
                reply.is(&[200], "a to-many relation")?;
                reply.holds(reply.items()?.len() == count, format!("an array of {count}"))?;
            }
        }
    }
    Ok(())
}

/// DS5: a server ignores members that it doesn't know.
pub async fn ignores_unknown_members(suite: &Suite<'_>) -> Verdict {
    let mut data = suite.draft(suite.kind()).await?;
    data["conformance"] = json!({"unknown": true});
    if let Ok(relation) = suite.to_many() {
        let mut identifier = suite.make(&relation.target).await?.identifier();
        identifier["conformance"] = json!(1);
        data["relationships"][&relation.name] = json!({"data": [identifier], "conformance": []});
    }
    let reply = suite.post(suite.collection(), json!({"data": data, "conformance": "unknown"})).await?;
    reply.is(&[201], "unknown members are ignored")?;
    let made = suite.fresh().await?;
    let mut change = made.change(json!({"attributes": {suite.rename(): suite.new_name()}, "conformance": [1]}));
    change["conformance"] = json!(null);
    suite.patch(&made.url, change).await?.is_success("unknown members are ignored").map(drop)
}

/// DS10: linkage follows cardinality.
pub async fn linkage_cardinality(suite: &Suite<'_>) -> Verdict {
    let empty = suite.fresh().await?;
    let full = suite.fresh_complete().await?;
    for relation in suite.relations()? {
        let many = suite.description().to_many.as_ref().is_some_and(|many| many.name == relation.name);
        let shape = |linkage: &Value, filled: bool| match many {
            true => linkage.as_array().is_some_and(|ids| ids.len() == usize::from(filled)),
            false => linkage.is_object() || (!filled && linkage.is_null()),
        };
        for (made, filled) in [(&empty, false), (&full, true)] {
            let words = format!("the linkage of a to-{} with {} target", if many { "many" } else { "one" }, u8::from(filled));
            let reply = suite.get(&made.relation_link(&relation.name, "self")?).await?;
            reply.is(&[200], "linkage")?.holds(shape(reply.data(), filled), &words)?;
            let document = suite.get(&made.url).query(&[("include", &relation.name)]).await?;
            if document.succeeded() {
                let linkage = document.at("/data/relationships").get(&relation.name).and_then(|relation| relation.get("data"));
                document.holds(linkage.is_some_and(|linkage| shape(linkage, filled)), words)?;
            }
        }
    }
    Ok(())
}

/// DS11: the related link works when empty and stays.
pub async fn related_link_stays(suite: &Suite<'_>) -> Verdict {
    for relation in suite.relations()? {
        let made = suite.fresh().await?;
        let before = made.relation_link(&relation.name, "related")?;
        suite.get(&before).await?.is(&[200], "a related link, though nothing is related")?;
        let target = suite.make(&relation.target).await?.identifier();
        let many = suite.description().to_many.as_ref().is_some_and(|many| many.name == relation.name);
        let linkage = if many { json!([target]) } else { target };
        let change = made.change(json!({"relationships": {&relation.name: {"data": linkage}}}));
        let reply = suite.patch(&made.url, change).await?;
        if reply.status == 403 {
            continue;
        }
        reply.is_success("a new target")?;
        let now = suite.again(&made).await?;
        let after = now.relation_link(&relation.name, "related")?;
        now.reply.holds(before == after, format!("the related link to stay {before}"))?;
        suite.get(&after).await?.is(&[200], "a related link")?;
    }
    Ok(())
}

/// DS12: the self link of a resource leads to it.
pub async fn self_link(suite: &Suite<'_>) -> Verdict {
    let made = suite.fresh().await?;
    let Some(link) = made.reply.link(&made.resource["links"]["self"]) else {
        return not_applicable("resources have no `self` link");
    };
    let reply = suite.get(&link).await?;
    reply.is(&[200], "the resource's own link")?;
    reply.holds(reply.ids() == [made.identity()], format!("{}/{}", made.name, made.id)).map(drop)
}

/// A compound document of the described resource, for what it is asked to include.
async fn compound(suite: &Suite<'_>, made: &Made, pairs: &[(&str, &str)]) -> Result<Exchange, Failure> {
    let reply = suite.get(&made.url).query(pairs).await?;
    if reply.status == 400 {
        return not_applicable("the server refuses `include` here with 400");
    }
    reply.is(&[200], "a compound document")?;
    Ok(reply)
}

/// DS13: full linkage, down a path of two if the server goes there.
pub async fn full_linkage(suite: &Suite<'_>) -> Verdict {
    let made = suite.fresh_complete().await?;
    let names: Vec<_> = suite.relations()?.iter().map(|relation| relation.name.clone()).collect();
    let include = names.join(",");
    let mut documents = vec![compound(suite, &made, &[("include", &include)]).await?];
    documents[0].holds(documents[0].included().len() >= names.len(), format!("{} included resources", names.len()))?;
    documents.push(suite.get(suite.collection()).query(&[("include", &include)]).await?);
    if let Some(path) = nested_path(suite, &made).await? {
        documents.push(compound(suite, &made, &[("include", &path)]).await?);
    }
    for reply in documents.iter().filter_map(|reply| Some((reply, reply.document.as_ref()?))) {
        let loose = unlinked(reply.1);
        reply.0.holds(loose.is_empty(), format!("linkage to each included resource, but nothing leads to {loose:?}"))?;
    }
    Ok(())
}

/// A path of two relations that the server includes: through a relation and on by whatever its target has.
pub async fn nested_path(suite: &Suite<'_>, made: &Made) -> Result<Option<String>, Failure> {
    for relation in suite.relations()? {
        let related = suite.get(&made.relation_link(&relation.name, "related")?).await?;
        let resource = if related.data().is_array() { related.at("/data/0") } else { related.data() };
        for name in resource["relationships"].as_object().into_iter().flatten().map(|(name, _)| name) {
            let path = format!("{}.{name}", relation.name);
            if suite.get(&made.url).query(&[("include", &path)]).await?.succeeded() {
                return Ok(Some(path));
            }
        }
    }
    Ok(None)
}

/// DS14: what sparse fieldsets hide may be included all the same.
pub async fn hidden_linkage(suite: &Suite<'_>) -> Verdict {
    let relation = suite.to_many()?;
    let target = suite.make(&relation.target).await?;
    let made = suite.fresh_linked(relation, json!([target.identifier()])).await?;
    let fields = format!("fields[{}]", made.name);
    let reply = compound(suite, &made, &[("include", &relation.name), (&fields, suite.rename())]).await?;
    let hidden = reply.at("/data/relationships").get(&relation.name).is_none();
    reply.holds(hidden, format!("no `{}` among the fields", relation.name))?;
    reply.holds(reply.included() == [target.identity()], "the target in `included`, though its linkage is hidden").map(drop)
}

/// DS15: a target of two resources is included once; so is primary data to which a path leads back: not at all.
pub async fn no_doubles(suite: &Suite<'_>) -> Verdict {
    let relation: &Relation = suite.to_many().or_else(|_| suite.to_one())?;
    let target = suite.make(&relation.target).await?;
    let many = suite.to_many().is_ok();
    let linkage = if many { json!([target.identifier()]) } else { target.identifier() };
    let made = suite.fresh_linked(relation, linkage.clone()).await?;
    suite.fresh_linked(relation, linkage).await?;
    let mut replies = vec![compound(suite, &made, &[("include", &relation.name)]).await?];
    // Both on one page: the newest if the server can say so, else whatever comes.
    replies.push(suite.get(suite.collection()).query(&[("include", &relation.name)]).await?);
    if let Some(path) = nested_path(suite, &made).await? {
        replies.push(compound(suite, &made, &[("include", &path)]).await?);
        replies.push(suite.get(suite.collection()).query(&[("include", &path)]).await?);
    }
    for reply in &replies {
        let double = reply.document.as_ref().and_then(doubled);
        reply.holds(double.is_none(), format!("each resource once, not {double:?} twice"))?;
    }
    Ok(())
}

/// DS18: the self link of a document is what was asked.
pub async fn document_self(suite: &Suite<'_>) -> Verdict {
    let made = suite.fresh().await?;
    let fields = format!("fields[{}]", made.name);
    for place in [suite.collection(), &made.url] {
        let reply = suite.get(place).query(&[(&fields, suite.rename())]).await?;
        reply.is(&[200], "sparse fields")?;
        let link = reply.at("/links/self");
        let Some(own) = reply.link(link) else { return not_applicable("documents have no `self` link, which is allowed") };
        let own = suite.locate(&own)?;
        let same = own.path() == reply.url.path() && own.query_pairs().eq(reply.url.query_pairs());
        reply.ought(same, format!("`links.self` to be {}", reply.url))?;
        let applied = reply.media().is_some_and(|media| !media.parameters.is_empty());
        let typed = !applied || link["type"].is_string();
        reply.ought(typed, "`links.self` as an object with `type`, since an extension or profile was applied")?;
    }
    if suite.description().cursor {
        let reply = suite.get(suite.collection()).accept(crate::media::accept_cursor()).await?;
        let applied = reply.media().is_some_and(|media| media.names_cursor());
        reply.ought(!applied || reply.at("/links/self/type").is_string(), "`links.self` as an object with `type`")?;
    }
    Ok(())
}

/// DS19: names differ by case.
pub async fn case_sensitive(suite: &Suite<'_>) -> Verdict {
    let name = suite.rename();
    let other = if name.to_uppercase() == name { name.to_lowercase() } else { name.to_uppercase() };
    let made = suite.fresh().await?;
    if other == name || made.resource["attributes"].get(&other).is_some() {
        return not_applicable(format!("`{name}` has no other case"));
    }
    let change = suite.new_name();
    // Whether the unknown attribute is ignored or refused is open; that it is another one is not.
    let reply = suite.patch(&made.url, made.change(json!({"attributes": {&other: change}}))).await?;
    let now = suite.again(&made).await?;
    reply.holds(now.resource["attributes"][name] != change, format!("`{name}` to stay: `{other}` is another name"))?;
    let fields = format!("fields[{}]", made.name);
    let reply = suite.get(&made.url).query(&[(&fields, &other)]).await?;
    let shown = reply.at("/data/attributes").get(name).is_some();
    reply.holds(!shown, format!("no `{name}`: `{other}` is another name")).map(drop)
}

/// DS20: @-members mean nothing.
pub async fn at_members(suite: &Suite<'_>) -> Verdict {
    let mut data = suite.draft(suite.kind()).await?;
    let note = json!({"@type": "Conformance"});
    data["@context"] = note.clone();
    data["attributes"]["@note"] = note.clone();
    if let Ok(relation) = suite.to_many() {
        let mut identifier = suite.make(&relation.target).await?.identifier();
        identifier["@note"] = note.clone();
        data["relationships"][&relation.name] = json!({"data": [identifier], "@note": note});
        data["relationships"]["@note"] = note.clone();
    }
    let reply = suite.post(suite.collection(), json!({"data": data, "@context": note})).await?;
    reply.is(&[201], "@-members are ignored")?;
    let made = suite.fresh().await?;
    let name = suite.new_name();
    let mut change = made.change(json!({"attributes": {suite.rename(): name, "@note": note}}));
    change["@context"] = note;
    let reply = suite.patch(&made.url, change).await?;
    reply.is_success("@-members are ignored")?;
    let now = suite.again(&made).await?;
    now.reply
        .holds(now.resource["attributes"][suite.rename()] == name, "the attribute beside the @-member to be stored")
        .map(drop)
}

/// DS22: a new resource may have a `lid` and no `id`.
pub async fn new_without_id(suite: &Suite<'_>) -> Verdict {
    let mut data = suite.draft(suite.kind()).await?;
    data["lid"] = json!("conformance-1");
    let reply = suite.post(suite.collection(), json!({ "data": data })).await?;
    reply.is(&[201], "a new resource with a `lid`")?;
    reply.holds(reply.at("/data/id").is_string(), "a resource with an `id`")?;
    let made = suite.fresh().await?;
    let change = json!({"data": {"type": made.name, "lid": "conformance-2", "attributes": {suite.rename(): suite.new_name()}}});
    let reply = suite.patch(&made.url, change).await?;
    reply.is_refused("an `id` may be absent only for a new resource").map(drop)
}
