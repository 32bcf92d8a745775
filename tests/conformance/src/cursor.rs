//! The Cursor Pagination profile (CP).

use serde_json::Value;

use crate::exchange::{Exchange, Failure, Verdict, not_applicable};
use crate::fetching::set_rank;
use crate::media::accept_cursor;
use crate::suite::Suite;

const PROFILE: &str = "://jsonapi.org/profiles/ethanresnick/cursor-pagination/";
/// Rows of the suite's own, so that there are several pages of two in the emptiest collection.
const ROWS: usize = 5;
/// Pages after which a walk ends: what is compared is the beginning then.
const MOST_PAGES: usize = 50;

fn offered(suite: &Suite<'_>) -> Verdict {
    if suite.description().cursor { Ok(()) } else { not_applicable("the server does not offer the cursor profile") }
}

/// A page under the profile.
async fn page(suite: &Suite<'_>, pairs: &[(&str, &str)]) -> Result<Exchange, Failure> {
    suite.get(suite.collection()).query(pairs).accept(accept_cursor()).await
}

async fn good_page(suite: &Suite<'_>, pairs: &[(&str, &str)]) -> Result<Exchange, Failure> {
    let reply = page(suite, pairs).await?;
    reply.is(&[200], "a page")?.items()?;
    Ok(reply)
}

async fn follow(suite: &Suite<'_>, from: &Exchange, link: &str) -> Result<Exchange, Failure> {
    let url = from.top_link(link).ok_or_else(|| from.broken(format!("a `{link}` link")))?;
    let reply = suite.get(&url).accept(accept_cursor()).await?;
    reply.is(&[200], "a page that a link led to")?.items()?;
    Ok(reply)
}

fn ids(reply: &Exchange) -> Vec<String> {
    reply.ids().into_iter().map(|(_, id)| id.to_owned()).collect()
}

/// Rows that are equal in the sortable attribute; the ids are the suite's own.
async fn rows(suite: &Suite<'_>) -> Result<Vec<String>, Failure> {
    let mut own = Vec::new();
    for _ in 0..ROWS {
        let sortable = suite.description().sortable.as_deref();
        let row = suite.fresh_with(|data| {
            if let Some(field) = sortable {
                set_rank(data, field, 1);
            }
        });
        own.push(row.await?.id);
    }
    Ok(own)
}

/// The ids of the collection (or its beginning), page by page, and whether the end was reached.
async fn walk(suite: &Suite<'_>, pairs: &[(&str, &str)]) -> Result<(Vec<Vec<String>>, bool), Failure> {
    let mut reply = good_page(suite, pairs).await?;
    let mut pages = vec![ids(&reply)];
    while !reply.at("/links/next").is_null() {
        if pages.len() == MOST_PAGES {
            return Ok((pages, false));
        }
        reply = follow(suite, &reply, "next").await?;
        pages.push(ids(&reply));
    }
    Ok((pages, true))
}

/// CP1: equal rows have an order too, and every walk keeps it.
pub async fn unique_order(suite: &Suite<'_>) -> Verdict {
    offered(suite)?;
    let Some(field) = &suite.description().sortable else {
        return not_applicable("the description names no sortable attribute");
    };
    let own = rows(suite).await?;
    for sort in [field.clone(), format!("-{field}")] {
        let mut walks = Vec::new();
        for size in ["2", "3"] {
            let (pages, ended) = walk(suite, &[("sort", &sort), ("page[size]", size)]).await?;
            let all = pages.concat();
            let told = format!("asked {}?sort={sort}&page[size]={size} over all pages; got ", suite.collection());
            if let Some(id) = all.iter().enumerate().find(|(index, id)| all[..*index].contains(id)).map(|(_, id)| id) {
                return Err(Failure::Broken(format!("{told}{id} twice; expected each row once")));
            }
            if let Some(id) = own.iter().find(|id| ended && !all.contains(id)) {
                return Err(Failure::Broken(format!("{told}no {id}; expected each row once")));
            }
            walks.push(all);
        }
        let least = walks[0].len().min(walks[1].len());
        if walks[0][..least] != walks[1][..least] {
            let told = format!("asked {}?sort={sort} by pages of two and of three", suite.collection());
            return Err(Failure::Broken(format!("{told}; got {walks:?}; expected the same order")));
        }
    }
    Ok(())
}

/// Whether an error has a type link of the profile, as a link or (as in the profile's sample) an array of links.
fn has_type(reply: &Exchange, name: &str) -> bool {
    let link = reply.at("/errors/0/links/type");
    let links = link.as_array().map_or(std::slice::from_ref(link), Vec::as_slice);
    let href = |link: &Value| link.as_str().or_else(|| link["href"].as_str()).map(str::to_owned);
    let ending = format!("{PROFILE}{name}");
    links.iter().filter_map(href).any(|href| href.trim_end_matches('/').ends_with(&ending))
}

fn names_parameter(reply: &Exchange, parameter: &str) -> Verdict {
    reply.is(&[400], "the parameter's value is invalid")?;
    reply.holds(reply.at("/errors/0/source/parameter") == parameter, format!("`source.parameter` to be `{parameter}`")).map(drop)
}

/// CP2: sizes.
pub async fn sizes(suite: &Suite<'_>) -> Verdict {
    offered(suite)?;
    for size in ["0", "-1", "two", "1.5", ""] {
        names_parameter(&page(suite, &[("page[size]", size)]).await?, "page[size]")?;
    }
    rows(suite).await?;
    let exact = good_page(suite, &[("page[size]", "3")]).await?;
    exact.holds(exact.items()?.len() == 3, "three rows, as asked")?;
    let most = suite.description().max_page_size;
    let reply = page(suite, &[("page[size]", &most.map_or(1_000_000_000, |most| most + 1).to_string())]).await?;
    if most.is_none() && reply.status == 200 {
        return Ok(());
    }
    names_parameter(&reply, "page[size]")?;
    let told = reply.at("/errors/0/meta/page/maxSize").as_u64();
    reply.holds(told.is_some() && (most.is_none() || told == most), "`meta.page.maxSize` to be the largest size")?;
    reply.holds(has_type(&reply, "max-size-exceeded"), format!("`links.type` to be https{PROFILE}max-size-exceeded")).map(drop)
}

/// CP3: bad cursors, unsupported order.
pub async fn bad_cursors(suite: &Suite<'_>) -> Verdict {
    offered(suite)?;
    for parameter in ["page[after]", "page[before]"] {
        names_parameter(&page(suite, &[(parameter, "conformance-no-cursor")]).await?, parameter)?;
    }
    let reply = page(suite, &[("sort", "conformanceNoSuchField"), ("page[size]", "2")]).await?;
    reply.is(&[400], "a sort field that there can't be")?;
    // The profile means sorts that can't be paged; for a field that doesn't exist its words are no more than fitting.
    let named = reply.at("/errors/0/source/parameter") == "sort" && has_type(&reply, "unsupported-sort");
    reply.ought(named, format!("`source.parameter` to be `sort`, `links.type` https{PROFILE}unsupported-sort")).map(drop)
}

/// CP4: both links, always.
pub async fn both_links(suite: &Suite<'_>) -> Verdict {
    offered(suite)?;
    rows(suite).await?;
    let both = |reply: &Exchange| reply.has("/links/prev") && reply.has("/links/next");
    let mut reply = good_page(suite, &[("page[size]", "2")]).await?;
    let null = reply.has("/links/prev") && reply.at("/links/prev").is_null();
    reply.holds(null, "`prev` as `null`: it is the first page")?;
    reply.holds(
        reply.at("/links/next").is_string() || reply.at("/links/next").is_object(),
        "a `next` link: there are more rows",
    )?;
    for _ in 0..MOST_PAGES {
        reply.holds(both(&reply), "both `prev` and `next`, be it as `null`")?;
        if reply.at("/links/next").is_null() {
            break;
        }
        reply = follow(suite, &reply, "next").await?;
        reply.holds(!reply.items()?.is_empty(), "rows: without `page[before]` it is known whether there is a next page")?;
    }
    if let Ok(relation) = suite.to_many() {
        let made = suite.fresh().await?;
        let empty = suite.get(&made.relation_link(&relation.name, "related")?).accept(accept_cursor()).await?;
        let null = both(&empty) && empty.at("/links/prev").is_null() && empty.at("/links/next").is_null();
        empty.holds(null, "`prev` and `next` as `null`: the collection is empty")?;
    }
    Ok(())
}

/// CP5: pages join without gap or overlap, in both directions.
pub async fn pages_join(suite: &Suite<'_>) -> Verdict {
    offered(suite)?;
    rows(suite).await?;
    let (pages, ended) = walk(suite, &[("page[size]", "2")]).await?;
    let size = suite.description().max_page_size.unwrap_or(100).to_string();
    let big = good_page(suite, &[("page[size]", &size)]).await?;
    let (walked, whole) = (pages.concat(), ids(&big));
    let least = walked.len().min(whole.len());
    let complete = !ended || !big.at("/links/next").is_null() || walked.len() == whole.len();
    big.holds(complete && walked[..least] == whole[..least], format!("the rows of the walk by pages of two: {walked:?}"))?;
    let uneven = pages.iter().rev().skip(1).any(|page| page.len() != 2);
    big.holds(!uneven, format!("pages of two but for the last, not {pages:?}"))?;
    // And back again: from the third page by `prev`.
    let first = good_page(suite, &[("page[size]", "2")]).await?;
    let second = follow(suite, &first, "next").await?;
    let third = follow(suite, &second, "next").await?;
    let back = follow(suite, &third, "prev").await?;
    back.holds(ids(&back) == ids(&second), format!("the rows right before the cursor: {:?}", ids(&second)))?;
    let home = follow(suite, &back, "prev").await?;
    home.holds(ids(&home) == ids(&first), format!("the rows right before the cursor: {:?}", ids(&first))).map(drop)
}

/// The cursor in a link.
fn cursor(suite: &Suite<'_>, reply: &Exchange, link: &str, parameter: &str) -> Result<String, Failure> {
    let missing = || reply.broken(format!("a `{link}` link with `{parameter}`"));
    let url = suite.locate(&reply.top_link(link).ok_or_else(missing)?)?;
    let found = url.query_pairs().find(|(name, _)| name == parameter).map(|(_, value)| value.into_owned());
    found.ok_or_else(missing)
}

/// CP6: ranges.
pub async fn ranges(suite: &Suite<'_>) -> Verdict {
    offered(suite)?;
    rows(suite).await?;
    let one = good_page(suite, &[("page[size]", "1")]).await?;
    let after = cursor(suite, &one, "next", "page[after]")?;
    // `prev` of the page that starts at the fourth row: whatever comes before the fourth.
    let three = good_page(suite, &[("page[size]", "3")]).await?;
    let before = cursor(suite, &follow(suite, &three, "next").await?, "prev", "page[before]")?;
    let range = [("page[after]", after.as_str()), ("page[before]", before.as_str())];
    let reply = page(suite, &range).await?;
    if reply.is(&[200, 400], "a range")?.status == 400 {
        let expected = format!("`links.type` to be https{PROFILE}range-pagination-not-supported");
        return reply.holds(has_type(&reply, "range-pagination-not-supported"), expected).map(drop);
    }
    let rows = ids(&three);
    reply.holds(ids(&reply) == rows[1..], format!("the rows between: {:?}", &rows[1..]))?;
    let cut = |reply: &Exchange| *reply.at("/meta/page/rangeTruncated") == true;
    reply.holds(!cut(&reply), "no `rangeTruncated`: this is all")?;
    let reply = page(suite, &[range[0], range[1], ("page[size]", "1")]).await?;
    reply.is(&[200], "a range, of which one row is asked for")?;
    reply.holds(ids(&reply) == rows[1..2], format!("the first row of the range, {}", rows[1]))?;
    reply.holds(cut(&reply), "`meta.page.rangeTruncated` to be true").map(drop)
}

/// CP7: what may be told besides.
pub async fn page_meta(suite: &Suite<'_>) -> Verdict {
    offered(suite)?;
    rows(suite).await?;
    let reply = good_page(suite, &[("page[size]", "3")]).await?;
    let mut told = false;
    if let Some(total) = reply.at("/meta/page").get("total") {
        let all = total.as_u64().filter(|total| *total >= ROWS as u64);
        reply.holds(all.is_some(), "`meta.page.total` to be the number of all rows")?;
        told = true;
    }
    if let Some(estimate) = reply.at("/meta/page").get("estimatedTotal") {
        let guess = estimate.get("bestGuess").is_none_or(Value::is_u64);
        reply.holds(estimate.is_object() && guess, "`estimatedTotal` to be an object, its `bestGuess` an integer")?;
        told = true;
    }
    let cursors = reply.items()?.iter().map(|item| item["meta"]["page"].get("cursor"));
    for (index, cursor) in cursors.enumerate().filter_map(|(index, cursor)| Some((index, cursor?))) {
        let Some(cursor) = cursor.as_str() else { return Err(reply.broken("a string as `meta.page.cursor`")) };
        let next = good_page(suite, &[("page[size]", "1"), ("page[after]", cursor)]).await?;
        if let Some(expected) = ids(&reply).get(index + 1) {
            next.holds(ids(&next) == [expected.as_str()], format!("the row after that cursor, {expected}"))?;
        }
        told = true;
    }
    if told { Ok(()) } else { not_applicable("pages tell neither cursors nor totals, which is allowed") }
}
