//! Fetching resources and relationships, and sorting and paging them (FE1–FE5, FE12–FE15).

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::document::{Part, pieces};
use crate::exchange::{Exchange, Failure, Verdict, not_applicable};
use crate::suite::Suite;

/// Resources of others in the collection whose links are followed, besides those of the suite's own.
const STRANGERS: usize = 3;
/// Pages after which the walk to the end of the collection is given up.
const MOST_PAGES: usize = 100;

/// FE1: every link given can be fetched.
pub async fn links_work(suite: &Suite<'_>) -> Verdict {
    let made = suite.fresh_complete().await?;
    let mut sources = vec![made.url.clone()];
    let relations = suite.relations().unwrap_or_default();
    for relation in &relations {
        for link in ["self", "related"] {
            sources.extend(made.relation_link(&relation.name, link));
        }
    }
    let include = relations.iter().map(|relation| relation.name.as_str()).collect::<Vec<_>>().join(",");
    let mut links = BTreeSet::new();
    gather(&suite.get(&made.url).query(&[("include", &include)]).await?, &mut links);
    gather(&made.reply, &mut links);
    for source in sources {
        gather(&suite.get(&source).await?, &mut links);
    }
    gather(&suite.get(suite.collection()).await?, &mut links);
    if links.is_empty() {
        return not_applicable("no response has a `self` or `related` link");
    }
    for link in links {
        let reply = suite.get(&link).await?;
        reply.is(&[200], "this URL was given as a `self` or `related` link")?;
        reply.holds(reply.has("/data"), "a document with `data`")?;
    }
    Ok(())
}

/// The links of a document that promise to be fetchable.
fn gather(reply: &Exchange, links: &mut BTreeSet<String>) {
    let Some(document) = reply.document.as_ref().filter(|_| reply.succeeded()) else { return };
    let mut strangers = 0;
    for piece in pieces(document) {
        strangers += usize::from(piece.part == Part::Resource);
        let names: &[&str] = match piece.part {
            // Of the links at the top only `self` of what can be asked again, not of a POST.
            Part::TopLinks if reply.method == reqwest::Method::GET => &["self"],
            Part::ResourceLinks => &["self"],
            Part::RelationshipLinks => &["self", "related"],
            _ => continue,
        };
        if strangers <= STRANGERS {
            links.extend(names.iter().filter_map(|name| reply.link(piece.value.get(*name)?)));
        }
    }
}

/// FE2: 200 and an array.
pub async fn collections(suite: &Suite<'_>) -> Verdict {
    let made = suite.fresh().await?;
    suite.get(suite.collection()).await?.is(&[200], "a collection")?.items()?;
    if let Ok(relation) = suite.to_many() {
        let reply = suite.get(&made.relation_link(&relation.name, "related")?).await?;
        reply.is(&[200], "an empty collection")?.holds(*reply.data() == json!([]), "`[]` as `data`")?;
    }
    if let Some(filter) = &suite.description().filter {
        let reply = suite.get(suite.collection()).query(&[(&filter.parameter, &suite.new_name())]).await?;
        reply.is(&[200], "a collection of which nothing passes the filter")?;
        reply.holds(*reply.data() == json!([]), "`[]` as `data`")?;
    }
    Ok(())
}

/// FE3: `null` for what may be one resource and isn't.
pub async fn empty_one(suite: &Suite<'_>) -> Verdict {
    let relation = suite.to_one()?;
    if !relation.nullable {
        return not_applicable(format!("the to-one `{}` is never empty", relation.name));
    }
    let made = suite.fresh().await?;
    let reply = suite.get(&made.relation_link(&relation.name, "related")?).await?;
    let null = reply.has("/data") && reply.data().is_null();
    reply.is(&[200], "an empty to-one relation")?.holds(null, "`null` as `data`").map(drop)
}

/// FE4: a missing resource.
pub async fn missing_resource(suite: &Suite<'_>) -> Verdict {
    let gone = suite.gone(suite.kind()).await?;
    suite.get(&gone.url).await?.is(&[404], "this resource was deleted")?;
    let invented = format!("{}/conformance-no-such-id", suite.collection());
    // An id of the wrong form may be called a bad request; it must not be found.
    suite.get(&invented).await?.is(&[404, 400], "there is no such resource").map(drop)
}

/// FE5: relationship URLs.
pub async fn relationship_urls(suite: &Suite<'_>) -> Verdict {
    let (empty, full, gone) = (suite.fresh().await?, suite.fresh_complete().await?, suite.gone(suite.kind()).await?);
    for relation in suite.relations()? {
        suite.get(&empty.relation_link(&relation.name, "self")?).await?.is(&[200], "an empty relationship")?;
        let reply = suite.get(&full.relation_link(&relation.name, "self")?).await?;
        reply.is(&[200], "a relationship")?;
        let linkage =
            reply.ids().len() == 1 && reply.at("/data/attributes").is_null() && reply.at("/data/0/attributes").is_null();
        reply.holds(linkage, "linkage with one resource identifier")?;
        let reply = suite.get(&gone.relation_link(&relation.name, "self")?).await?;
        reply.is(&[404], "a relationship of a resource that was deleted")?;
    }
    Ok(())
}

/// FE12: ascending, descending, by several fields, or 400.
pub async fn sorting(suite: &Suite<'_>) -> Verdict {
    let unknown = suite.get(suite.collection()).query(&[("sort", "conformanceNoSuchField")]).await?;
    unknown.is(&[400], "a sort field that there can't be")?;
    let Some(field) = &suite.description().sortable else {
        return not_applicable("the description names no sortable attribute (an unknown one is refused rightly)");
    };
    let mut ids = Vec::new();
    for rank in [2, 1, 3, 1] {
        ids.push((rank, suite.fresh_with(|data| set_rank(data, field, rank)).await?.id));
    }
    for (sort, turned) in [(field.clone(), false), (format!("-{field}"), true)] {
        let mut order = ranks(&suite.listing(&[("sort", &sort)]).await?, &ids);
        // A server that can't page either gives rows again and again: the beginning says enough.
        order.truncate(2 * ids.len());
        let expected = if turned { [3, 2, 1, 1] } else { [1, 1, 2, 3] };
        let words = format!("asked {}?sort={sort}; got the ranks {order:?}; expected {expected:?}", suite.collection());
        if order != expected {
            return Err(Failure::Broken(words));
        }
    }
    second_field(suite, field).await
}

/// Within equal values of the first field, the second one decides, in its own direction.
async fn second_field(suite: &Suite<'_>, field: &str) -> Verdict {
    let name = suite.rename();
    if name == field {
        return Ok(());
    }
    let (stem, mut ids) = (suite.new_name(), Vec::new());
    for rank in [2, 3, 1] {
        let change = |data: &mut Value| {
            set_rank(data, field, 7);
            data["attributes"][name] = format!("{stem}{rank}").into();
        };
        ids.push((rank, suite.fresh_with(change).await?.id));
    }
    for (sort, expected) in [(format!("{field},{name}"), [1, 2, 3]), (format!("{field},-{name}"), [3, 2, 1])] {
        let trial = suite.get(suite.collection()).query(&[("sort", &sort)]).await?;
        if trial.is(&[200, 400], "several sort fields, which a server may refuse")?.status == 400 {
            return Ok(());
        }
        let order = ranks(&suite.listing(&[("sort", &sort)]).await?, &ids);
        trial.holds(order == expected, format!("the ranks {expected:?} among equals, not {order:?}"))?;
    }
    Ok(())
}

/// Sets the sortable attribute so that any collation agrees on the order.
pub fn set_rank(data: &mut Value, field: &str, rank: u64) {
    let value = &mut data["attributes"][field];
    *value = if value.is_number() { rank.into() } else { format!("conformance {rank}").into() };
}

fn ranks(listing: &[Value], ids: &[(u64, String)]) -> Vec<u64> {
    let rank = |resource: &Value| ids.iter().find(|(_, id)| resource["id"] == **id).map(|(rank, _)| *rank);
    listing.iter().filter_map(rank).collect()
}

/// A collection paged by one, with at least two pages.
async fn first_of_pages(suite: &Suite<'_>) -> Result<Exchange, Failure> {
    suite.fresh().await?;
    suite.fresh().await?;
    let reply = suite.get(suite.collection()).query(&[("page[size]", "1")]).await?;
    if reply.status == 400 {
        return not_applicable("the server knows no `page[size]`");
    }
    reply.is(&[200], "the first page of one")?;
    Ok(reply)
}

/// FE13: the keys, and what they say at both ends.
pub async fn paging_links(suite: &Suite<'_>) -> Verdict {
    let first = first_of_pages(suite).await?;
    let links = first.at("/links").as_object();
    let other = ["previous", "prevPage", "nextPage", "firstPage", "lastPage", "start", "end"];
    let misnamed = links.into_iter().flatten().map(|(name, _)| name).find(|name| other.contains(&name.as_str()));
    first.holds(misnamed.is_none(), format!("`first`, `last`, `prev`, `next`, not `{}`", misnamed.map_or("", |name| name)))?;
    first.holds(first.at("/links/prev").is_null(), "no `prev`, or `null`: it is the first page")?;
    let Some(next) = first.top_link("next") else {
        return not_applicable("there are several pages, but no `next` link, which is allowed");
    };
    let second = suite.get(&next).await?;
    second
        .is(&[200], "the `next` page")?
        .holds(second.items()?.len() == 1 && second.ids() != first.ids(), "the one row after the first")?;
    if let Some(back) = second.top_link("prev") {
        let back = suite.get(&back).await?;
        back.holds(back.ids() == first.ids(), "the page before the second to be the first")?;
    }
    // One page as large as it goes: at its end there is no `next`, unless it is not the end.
    let mut page = suite.get(suite.collection()).await?;
    for _ in 0..MOST_PAGES {
        let Some(next) = page.top_link("next") else { break };
        let after = suite.get(&next).await?;
        after.is(&[200], "the `next` page")?;
        if after.items()?.is_empty() {
            return after.holds(after.top_link("next").is_none(), "no `next`, or `null`, after an empty page").map(drop);
        }
        page = after;
    }
    Ok(())
}

/// FE14: they are at the top level for primary data; the watch looks everywhere else.
pub async fn paging_links_at_top(suite: &Suite<'_>) -> Verdict {
    let reply = first_of_pages(suite).await?;
    let some = ["first", "last", "prev", "next"].iter().any(|name| reply.top_link(name).is_some());
    if !some {
        return not_applicable("there are several pages, but no paging links, which is allowed");
    }
    Ok(())
}

/// FE15: `page` pages, `filter` filters.
pub async fn reserved_families(suite: &Suite<'_>) -> Verdict {
    let paged = match first_of_pages(suite).await {
        Ok(reply) => reply.ought(reply.items()?.len() == 1, "one resource, as `page[size]` says").map(|_| true)?,
        Err(Failure::NotApplicable(_)) => false,
        Err(failure) => return Err(failure),
    };
    let Some(filter) = &suite.description().filter else {
        return if paged { Ok(()) } else { not_applicable("neither paging nor filtering is offered") };
    };
    let name = suite.new_name();
    let made = suite.fresh_with(|data| data["attributes"][&filter.attribute] = name.as_str().into()).await?;
    let reply = suite.get(suite.collection()).query(&[(&filter.parameter, &name)]).await?;
    reply.ought(filter.parameter.starts_with("filter"), "filtering by the family `filter`")?;
    reply.is(&[200], "the filter of the description")?;
    reply.ought(reply.ids() == [made.identity()], format!("only {}/{}", made.name, made.id)).map(drop)
}
