//! Including related resources and leaving fields out (FE6–FE11).

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::exchange::{Exchange, Failure, Verdict, not_applicable};
use crate::fixture::Made;
use crate::structure::nested_path;
use crate::suite::Suite;
use crate::target::Relation;

/// A resource with one target in the relation that is included.
async fn linked<'s>(suite: &'s Suite<'_>) -> Result<(&'s Relation, Made, Made), Failure> {
    let relation = suite.to_many()?;
    let target = suite.make(&relation.target).await?;
    let made = suite.fresh_linked(relation, json!([target.identifier()])).await?;
    Ok((relation, made, target))
}

/// Whether `include` is offered at a URL: if not, 400 is right, and there is nothing to try.
fn offered(reply: Exchange) -> Result<Exchange, Failure> {
    match reply.status {
        400 => not_applicable("the server refuses `include` here with 400"),
        _ => Ok(reply),
    }
}

/// FE6: paths that there are not.
pub async fn unknown_include(suite: &Suite<'_>) -> Verdict {
    let made = suite.fresh().await?;
    let mut paths = vec!["conformanceNoSuchRelation".to_owned(), suite.rename().to_owned()];
    if let Ok(relation) = suite.to_many() {
        paths.push(format!("{}.conformanceNoSuchRelation", relation.name));
        paths.push(format!("{},conformanceNoSuchRelation", relation.name));
    }
    for path in &paths {
        for place in [&*made.url, suite.collection()] {
            suite.get(place).query(&[("include", path)]).await?.is(&[400], "a path that leads nowhere")?;
        }
    }
    Ok(())
}

/// FE7: `included` is there, even if empty.
pub async fn included_present(suite: &Suite<'_>) -> Verdict {
    let relation = suite.to_many()?;
    let made = suite.fresh().await?;
    let reply = offered(suite.get(&made.url).query(&[("include", &relation.name)]).await?)?;
    reply.is(&[200], "an empty relation is included")?;
    reply.holds(*reply.at("/included") == json!([]), "`included` as `[]`").map(drop)
}

/// FE8: nothing that was not asked for.
pub async fn included_only(suite: &Suite<'_>) -> Verdict {
    let (relation, _, _) = linked(suite).await?;
    let made = suite.fresh_complete().await?;
    let reply = offered(suite.get(&made.url).query(&[("include", &relation.name)]).await?)?;
    reply.is(&[200], "one relation is included")?;
    let linkage = suite.linkage(&made, relation).await?;
    let asked: BTreeSet<_> = linkage.iter().map(|id| (relation.target.name.as_str(), id.as_str())).collect();
    let included: BTreeSet<_> = reply.included().into_iter().collect();
    reply.holds(included == asked, format!("exactly {asked:?} in `included`"))?;
    let reply = suite.get(&format!("{}?include=", made.url)).await?;
    reply.is(&[200], "an empty `include` asks for nothing")?;
    reply.holds(reply.included().is_empty(), "nothing in `included`").map(drop)
}

/// FE9: intermediate resources.
pub async fn intermediate(suite: &Suite<'_>) -> Verdict {
    let made = suite.fresh_complete().await?;
    let Some(path) = nested_path(suite, &made).await? else {
        return not_applicable("the server includes no path of two relations");
    };
    let first = path.split('.').next().unwrap_or_default();
    let between = suite.get(&made.relation_link(first, "related")?).await?;
    let reply = suite.get(&made.url).query(&[("include", &path)]).await?;
    reply.is(&[200], "a path of two relations")?;
    let included = reply.included();
    reply.holds(between.ids().iter().all(|id| included.contains(id)), format!("the `{first}` in `included` too")).map(drop)
}

/// FE10: including elsewhere.
pub async fn included_elsewhere(suite: &Suite<'_>) -> Verdict {
    let (relation, made, target) = linked(suite).await?;
    let include = [("include", relation.name.as_str())];
    let reply = suite.get(&made.relation_link(&relation.name, "self")?).query(&include).await?;
    reply.is(&[200], "`include` on a relationship URL")?;
    reply.holds(reply.included() == [target.identity()], "the target in `included`")?;
    let mut data = suite.draft(suite.kind()).await?;
    data["relationships"][&relation.name] = json!({"data": [target.identifier()]});
    let reply = suite.post(suite.collection(), json!({ "data": data })).query(&include).await?;
    reply.is(&[201], "`include` on POST")?.holds(reply.included() == [target.identity()], "the target in `included`")?;
    let change = made.change(json!({"attributes": {suite.rename(): suite.new_name()}}));
    let reply = suite.patch(&made.url, change).query(&include).await?;
    reply.is_success("`include` on PATCH")?;
    let shown = reply.data().is_null() || reply.included() == [target.identity()];
    reply.holds(shown, "the target in `included`").map(drop)
}

/// FE11: exactly these fields.
pub async fn sparse_fields(suite: &Suite<'_>) -> Verdict {
    let made = suite.fresh_complete().await?;
    let fields = format!("fields[{}]", made.name);
    let name = suite.rename();
    for place in [made.url.as_str(), suite.collection()] {
        let one = suite.get(place).query(&[(&fields, name)]).await?;
        one.is(&[200], "one field")?;
        let shown = shown_fields(&one, &made.name);
        one.holds(shown.iter().all(|fields| *fields == [name]), format!("exactly the field `{name}`"))?;
        let none = suite.get(&format!("{place}?{}=", encoded(&fields))).await?;
        none.is(&[200], "no fields")?;
        none.holds(shown_fields(&none, &made.name).iter().all(Vec::is_empty), "no fields at all")?;
    }
    if let Ok(relation) = suite.to_many() {
        let pair = format!("{name},{}", relation.name);
        let two = suite.get(&made.url).query(&[(&fields, &pair)]).await?;
        two.is(&[200], "an attribute and a relationship")?;
        let wanted = BTreeSet::from([name, &relation.name]);
        let shown = shown_fields(&two, &made.name);
        let exact = shown.iter().all(|fields| fields.iter().copied().collect::<BTreeSet<_>>() == wanted);
        two.holds(exact, format!("exactly the fields `{pair}`"))?;
        included_fields(suite, &made, relation).await?;
    }
    Ok(())
}

/// The same for a type that is included.
async fn included_fields(suite: &Suite<'_>, made: &Made, relation: &Relation) -> Verdict {
    let target = &relation.target;
    let fields = format!("fields[{}]", target.name);
    let Some(field) = target.attributes.keys().next().filter(|_| target.name != made.name) else { return Ok(()) };
    for value in [field, ""] {
        let reply = suite.get(&made.url).query(&[("include", &relation.name), (&fields, value)]).await?;
        if reply.status == 400 {
            return Ok(());
        }
        let shown = shown_fields(&reply, &target.name);
        let exact = !shown.is_empty() && shown.iter().all(|fields| fields.join(",") == *value);
        reply.holds(exact, format!("exactly the fields `{value}` in the included {}", target.name))?;
    }
    Ok(())
}

fn encoded(name: &str) -> String {
    name.replace('[', "%5B").replace(']', "%5D")
}

/// The names of all fields of each resource of a type in a document.
fn shown_fields<'r>(reply: &'r Exchange, name: &str) -> Vec<Vec<&'r str>> {
    let resources = crate::document::each(reply.data()).chain(crate::document::each(reply.at("/included")));
    let fields = |resource: &'r Value| {
        let both = ["attributes", "relationships"].map(|kind| resource[kind].as_object());
        both.into_iter().flatten().flatten().map(|(name, _)| name.as_str()).filter(|name| !name.starts_with('@')).collect()
    };
    resources.filter(|resource| resource["type"] == name).map(fields).collect()
}
