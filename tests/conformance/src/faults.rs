//! Errors (ER): most of it is watched on every error of the run; the checks provoke a few of each sort.

use serde_json::{Value, json};

use crate::document::{Part, pieces};
use crate::exchange::{Exchange, Verdict, not_applicable};
use crate::media::{JSON_API, json_api_with};
use crate::observe::Sight;
use crate::suite::Suite;
use crate::target::Description;

/// ER1 (watch): an array of objects that say something.
pub fn error_objects(exchange: &Exchange, _: &Description) -> Sight {
    let Some(errors) = exchange.json_api().and_then(|document| document.get("errors")) else { return Ok(false) };
    let Some(errors) = errors.as_array() else { return Err("`errors` that is no array".into()) };
    match errors.iter().position(|error| error.as_object().is_none_or(|members| members.is_empty())) {
        Some(index) => Err(format!("an error object without members at /errors/{index}")),
        None => Ok(true),
    }
}

/// ER1: there is an error to look at.
pub async fn has_errors(suite: &Suite<'_>) -> Verdict {
    let gone = suite.gone(suite.kind()).await?;
    let reply = suite.get(&gone.url).await?;
    reply.is(&[404], "a resource that was deleted")?;
    if reply.text.is_empty() { not_applicable("errors come without a body, which is allowed") } else { Ok(()) }
}

/// ER2 (watch): what an error says is text, its status too.
pub fn error_members(exchange: &Exchange, _: &Description) -> Sight {
    let Some(document) = exchange.json_api() else { return Ok(false) };
    let mut tried = false;
    for piece in pieces(document).iter().filter(|piece| piece.part == Part::Error) {
        if !piece.value["status"].is_string() {
            return Err(format!("no string as `status` at {}/", piece.place));
        }
        let texts = ["id", "code", "title", "detail"];
        if let Some(name) = texts.into_iter().find(|name| piece.value.get(*name).is_some_and(|text| !text.is_string())) {
            return Err(format!("`{name}` at {}/ that is no string", piece.place));
        }
        tried = true;
    }
    Ok(tried)
}

/// ER2: the same problem has the same title.
pub async fn stable_titles(suite: &Suite<'_>) -> Verdict {
    let (one, other) = (suite.gone(suite.kind()).await?, suite.gone(suite.kind()).await?);
    let (first, second) = (suite.get(&one.url).await?, suite.get(&other.url).await?);
    let title = first.at("/errors/0/title");
    if title.is_null() {
        return not_applicable("errors have no title");
    }
    second.holds(second.at("/errors/0/title") == title, format!("the title {title}, as for the same problem before")).map(drop)
}

/// ER3 (watch): pointers point into the request.
pub fn pointers(exchange: &Exchange, _: &Description) -> Sight {
    let Some(document) = exchange.json_api() else { return Ok(false) };
    let mut tried = false;
    for piece in pieces(document).iter().filter(|piece| piece.part == Part::Source) {
        let Some(pointer) = piece.value.get("pointer") else { continue };
        let found = pointer.as_str().and_then(|pointer| exchange.sent.as_ref()?.pointer(pointer));
        if found.is_none() {
            return Err(format!("the pointer {pointer} at {}, which names nothing in the request", piece.place));
        }
        tried = true;
    }
    Ok(tried)
}

/// ER3: faults of several kinds, for the watch to look at.
pub async fn provoked_pointers(suite: &Suite<'_>) -> Verdict {
    let mut faulty = Vec::new();
    let draft = suite.draft(suite.kind()).await?;
    let mut wrong = draft.clone();
    wrong["attributes"][suite.rename()] = json!({"not": "a text"});
    faulty.push(wrong);
    let mut bare = draft.clone();
    bare["attributes"] = json!({});
    faulty.push(bare);
    faulty.push(json!({"type": suite.kind().name}));
    faulty.push(json!({"type": "conformanceNoSuchType", "attributes": draft["attributes"]}));
    if let Ok(relation) = suite.to_many() {
        let mut wrong = draft;
        wrong["relationships"][&relation.name] = json!({"data": {"type": relation.target.name, "id": "no such id"}});
        faulty.push(wrong);
    }
    let mut pointed = false;
    for data in faulty {
        let reply = suite.post(suite.collection(), json!({ "data": data })).await?;
        pointed |= reply.has("/errors/0/source/pointer");
    }
    if pointed { Ok(()) } else { not_applicable("errors name no pointers, which is allowed") }
}

/// ER4: which parameter or header it was.
pub async fn sources(suite: &Suite<'_>) -> Verdict {
    let name = "conformanceNoSuchThing";
    for (parameter, value) in [("sort", name), ("include", name), ("conformance", "1")] {
        let reply = suite.get(suite.collection()).query(&[(parameter, value)]).await?;
        if reply.status == 400 {
            let named = reply.at("/errors/0/source/parameter") == parameter;
            reply.holds(named, format!("`source.parameter` to be `{parameter}`"))?;
        }
    }
    let unacceptable = suite.get(suite.collection()).accept(format!("{JSON_API}; charset=utf-8")).await?;
    names_header(&unacceptable, 406, "accept")?;
    let draft = json!({ "data": suite.draft(suite.kind()).await? });
    let content_type = json_api_with("ext", "https://example.org/no-such-extension");
    let unsupported = suite.post(suite.collection(), draft).content_type(content_type).await?;
    names_header(&unsupported, 415, "content-type")
}

fn names_header(reply: &Exchange, status: u16, header: &str) -> Verdict {
    if reply.status != status {
        return Ok(());
    }
    let named = reply.at("/errors/0/source/header").as_str().is_some_and(|named| named.eq_ignore_ascii_case(header));
    reply.holds(named, format!("`source.header` to be `{header}`")).map(drop)
}

/// ER5 (watch): the response's status fits those of its errors.
pub fn general_status(exchange: &Exchange, _: &Description) -> Sight {
    let errors = exchange.json_api().and_then(|document| document.get("errors")?.as_array());
    let statuses: Option<Vec<&str>> = errors.and_then(|errors| errors.iter().map(|error| error["status"].as_str()).collect());
    let Some(statuses) = statuses.filter(|statuses| !statuses.is_empty()) else { return Ok(false) };
    let own = exchange.status.to_string();
    if statuses.iter().all(|status| *status == statuses[0]) {
        return if statuses[0] == own { Ok(true) } else { Err(format!("the status \"{}\" in its errors", statuses[0])) };
    }
    // Several different ones: the general status of the worse class.
    let class = if statuses.iter().any(|status| status.starts_with('5')) { "500" } else { "400" };
    if own == class { Ok(true) } else { Err(format!("errors of the statuses {}; expected {class}", statuses.join(", "))) }
}

/// ER5: a request with two problems.
pub async fn several_problems(suite: &Suite<'_>) -> Verdict {
    let mut data = suite.draft(suite.kind()).await?;
    let names: Vec<_> = suite.kind().attributes.keys().cloned().collect();
    for name in names {
        data["attributes"][&name] = json!({"not": ["a", "proper", "value"]});
    }
    data["relationships"]["conformanceNoSuchRelation"] = json!({"data": Value::Null});
    let reply = suite.post(suite.collection(), json!({ "data": data })).await?;
    reply.is_refused("attributes of the wrong type and an unknown relationship").map(drop)
}
