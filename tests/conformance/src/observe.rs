//! Rules that every response of the run has to keep: a watch looks at each one.

use reqwest::Url;
use serde_json::Value;

use crate::document::{Part, Piece, doubled, is_identifier, pieces, unlinked};
use crate::exchange::Exchange;
use crate::media::Media;
use crate::target::Description;

/// What a watch saw: nothing to judge, a kept rule, or (as an error) what breaks it: `got 200 with …`.
pub type Sight = Result<bool, String>;

/// Looks at all pieces of some parts; the rule counts as tried if there is one.
fn look(exchange: &Exchange, parts: &[Part], mut judge: impl FnMut(&Piece) -> Result<(), String>) -> Sight {
    let Some(document) = exchange.json_api() else { return Ok(false) };
    let mut tried = false;
    for piece in pieces(document).iter().filter(|piece| parts.contains(&piece.part)) {
        judge(piece)?;
        tried = true;
    }
    Ok(tried)
}

fn demand(condition: bool, why: impl FnOnce() -> String) -> Result<(), String> {
    if condition { Ok(()) } else { Err(why()) }
}

const LINKS: [Part; 4] = [Part::TopLinks, Part::ResourceLinks, Part::RelationshipLinks, Part::ErrorLinks];
const NAMED: [Part; 2] = [Part::Resource, Part::Identifier];
const PAGING: [&str; 4] = ["first", "last", "prev", "next"];

/// CN1: what is a JSON:API document is sent as one, with no parameters but `ext` and `profile`.
pub fn media_type(exchange: &Exchange, _: &Description) -> Sight {
    let members = ["data", "errors", "jsonapi", "atomic:results"];
    let document = exchange.document.as_ref().filter(|document| members.iter().any(|name| document.get(*name).is_some()));
    if document.is_none() {
        return Ok(false);
    }
    let sent = exchange.header("content-type").unwrap_or("nothing");
    let media = Media::parse(sent).filter(Media::is_json_api);
    let plain = media.is_some_and(|media| media.parameters.iter().all(|(name, _)| matches!(name.as_str(), "ext" | "profile")));
    demand(plain, || format!("a JSON:API document as `{sent}`")).map(|()| true)
}

/// CN9: extension members need `ext` in the media type, which in turn needs a request for it.
pub fn extension_named(exchange: &Exchange, _: &Description) -> Sight {
    let (Some(document), Some(media)) = (exchange.json_api().and_then(Value::as_object), exchange.media()) else {
        return Ok(false);
    };
    let applied: Vec<_> = media.uris("ext").collect();
    let asked: Vec<_> = [Some(exchange.accept.as_str()), exchange.content_type.as_deref()].into_iter().flatten().collect();
    for uri in &applied {
        demand(asked.iter().any(|asked| asked.contains(uri)), || format!("the extension {uri}, for which nobody asked"))?;
    }
    let foreign = document.keys().find(|name| name.contains(':'));
    match foreign {
        Some(name) if applied.is_empty() => Err(format!("`{name}`, but no `ext` in its content type")),
        _ => Ok(!applied.is_empty()),
    }
}

/// CN10: `Vary: Accept`, once extensions or profiles are offered.
pub fn vary(exchange: &Exchange, description: &Description) -> Sight {
    if (description.operations.is_none() && !description.cursor) || exchange.json_api().is_none() {
        return Ok(false);
    }
    let vary = exchange.headers.get_all("vary").iter().filter_map(|value| value.to_str().ok());
    let listed = vary
        .flat_map(|value| value.split(','))
        .any(|name| matches!(name.trim(), "*") || name.trim().eq_ignore_ascii_case("accept"));
    demand(listed, || "no `Accept` in its `Vary`".into()).map(|()| true)
}

/// DS1: an object with something in it.
pub fn top_level(exchange: &Exchange, _: &Description) -> Sight {
    if exchange.text.is_empty() || !exchange.media().is_some_and(|media| media.is_json_api()) {
        return Ok(false);
    }
    let Some(members) = exchange.document.as_ref().and_then(Value::as_object) else {
        return Err("a body that is no JSON object".into());
    };
    let filled = members.keys().any(|name| matches!(name.as_str(), "data" | "errors" | "meta") || name.contains(':'));
    demand(filled, || "none of `data`, `errors`, `meta` at the top level".into()).map(|()| true)
}

/// DS2: data or errors.
pub fn data_or_errors(exchange: &Exchange, _: &Description) -> Sight {
    look(exchange, &[Part::Document], |piece| {
        demand(piece.value.get("data").is_none() || piece.value.get("errors").is_none(), || "both `data` and `errors`".into())
    })
}

/// DS3: nothing is included in nothing.
pub fn included_with_data(exchange: &Exchange, _: &Description) -> Sight {
    look(exchange, &[Part::Document], |piece| {
        demand(piece.value.get("included").is_none() || piece.value.get("data").is_some(), || "`included` without `data`".into())
    })
}

/// DS5: only members that are defined. Names of links stay free: the text derives relation types from them.
pub fn known_members(exchange: &Exchange, _: &Description) -> Sight {
    const KNOWN: [(Part, &[&str]); 8] = [
        (Part::Document, &["data", "errors", "meta", "jsonapi", "links", "included"]),
        (Part::JsonApi, &["version", "ext", "profile", "meta"]),
        (Part::Resource, &["type", "id", "lid", "attributes", "relationships", "links", "meta"]),
        (Part::Identifier, &["type", "id", "lid", "meta"]),
        (Part::Relationship, &["links", "data", "meta"]),
        (Part::Link, &["href", "rel", "describedby", "title", "type", "hreflang", "meta"]),
        (Part::Error, &["id", "links", "status", "code", "title", "detail", "source", "meta"]),
        (Part::Source, &["pointer", "parameter", "header"]),
    ];
    look(exchange, &KNOWN.map(|(part, _)| part), |piece| {
        let known = KNOWN.iter().find(|(part, _)| *part == piece.part).map_or(&[][..], |(_, names)| names);
        // Members of extensions carry their namespace; whether one was applied is CN9.
        let strange = piece.members().map(|(name, _)| name).find(|name| !known.contains(&name.as_str()) && !name.contains(':'));
        strange.map_or(Ok(()), |name| Err(format!("the member `{name}` at {}/, which is not defined there", piece.place)))
    })
}

/// DS6: identities are strings.
pub fn identity_strings(exchange: &Exchange, _: &Description) -> Sight {
    look(exchange, &NAMED, |piece| {
        let odd = ["type", "id", "lid"].into_iter().find(|name| piece.value.get(*name).is_some_and(|value| !value.is_string()));
        let missing = piece.value.get("type").is_none();
        demand(odd.is_none() && !missing, || format!("`{}` at {}/ that is no string", odd.unwrap_or("type"), piece.place))
    })
}

/// DS22: what a server sends has an id.
pub fn ids_present(exchange: &Exchange, _: &Description) -> Sight {
    look(exchange, &NAMED, |piece| {
        demand(piece.value.get("id").is_some_and(|id| !id.is_null()), || format!("no `id` at {}/", piece.place))
    })
}

/// DS7: attributes and relationships share one namespace with `type` and `id`.
pub fn one_namespace(exchange: &Exchange, _: &Description) -> Sight {
    look(exchange, &[Part::Resource], |piece| {
        let (attributes, relationships) = (piece.value.get("attributes"), piece.value.get("relationships"));
        for (name, fields) in [("attributes", attributes), ("relationships", relationships)] {
            let Some(fields) = fields else { continue };
            demand(fields.is_object(), || format!("`{name}` at {}/ that are no object", piece.place))?;
            let reserved = ["type", "id"].into_iter().find(|name| fields.get(*name).is_some());
            demand(reserved.is_none(), || format!("a field `{}` at {}/{name}", reserved.unwrap_or_default(), piece.place))?;
        }
        let mut names = relationships.and_then(Value::as_object).into_iter().flatten().map(|(name, _)| name);
        let both = names.find(|name| attributes.is_some_and(|attributes| attributes.get(*name).is_some()));
        both.map_or(Ok(()), |name| Err(format!("`{name}` both as attribute and relationship at {}/", piece.place)))
    })
}

/// DS8: the name of a relation with an ending for ids gives a foreign key away.
pub fn no_foreign_keys(exchange: &Exchange, _: &Description) -> Sight {
    look(exchange, &[Part::Resource], |piece| {
        let relationships = piece.value["relationships"].as_object().into_iter().flatten();
        for (relation, relationship) in relationships.filter(|(_, relationship)| !relationship["data"].is_array()) {
            for stem in [Some(relation.as_str()), relationship["data"]["type"].as_str()].into_iter().flatten() {
                let keys = ["_id", "-id", "Id", "_uuid", "_fk"].map(|ending| format!("{stem}{ending}"));
                let key = keys.iter().find(|key| piece.value["attributes"].get(key.as_str()).is_some());
                demand(key.is_none(), || format!("the foreign key `{stem}…id` among the attributes at {}/", piece.place))?;
            }
        }
        Ok(())
    })
}

/// DS9: a relationship says something.
pub fn relationship_members(exchange: &Exchange, _: &Description) -> Sight {
    look(exchange, &[Part::Relationship], |piece| {
        let links = piece.value.get("links");
        let linked = links.is_some_and(|links| ["self", "related"].iter().any(|name| links.get(*name).is_some()));
        let extended = [piece.value, links.unwrap_or(&Value::Null)].into_iter().filter_map(Value::as_object);
        let filled = linked || ["data", "meta"].iter().any(|name| piece.value.get(*name).is_some());
        let extended = || extended.flatten().any(|(name, _)| name.contains(':'));
        demand(filled || extended(), || format!("no `self` or `related` link, `data` or `meta` at {}/", piece.place))
    })
}

/// DS10: linkage is made of identifiers.
pub fn linkage_shape(exchange: &Exchange, _: &Description) -> Sight {
    look(exchange, &[Part::Relationship], |piece| match piece.value.get("data") {
        None | Some(Value::Null) => Ok(()),
        Some(Value::Array(many)) if many.iter().all(is_identifier) => Ok(()),
        Some(one) if is_identifier(one) => Ok(()),
        Some(_) => Err(format!("linkage at {}/data that is not made of resource identifiers", piece.place)),
    })
}

/// DS13: full linkage. Where fields were left out on request, linkage may be among them (DS14).
pub fn full_linkage(exchange: &Exchange, _: &Description) -> Sight {
    let Some(document) = exchange.json_api().filter(|document| document.get("included").is_some()) else { return Ok(false) };
    demand(document["included"].is_array(), || "`included` that is no array".into())?;
    if exchange.url.query_pairs().any(|(name, _)| name.starts_with("fields")) {
        return Ok(false);
    }
    let loose = unlinked(document);
    let first = loose.first().map(|(name, id)| format!("{name}/{id} in `included`, to which no linkage leads"));
    first.map_or(Ok(document["included"] != serde_json::json!([])), Err)
}

/// DS15: every resource once.
pub fn no_doubles(exchange: &Exchange, _: &Description) -> Sight {
    let Some(document) = exchange.json_api().filter(|document| document.get("included").is_some()) else { return Ok(false) };
    doubled(document).map_or(Ok(true), |(name, id)| Err(format!("{name}/{id} more than once")))
}

/// DS16: meta is an object.
pub fn meta_objects(exchange: &Exchange, _: &Description) -> Sight {
    look(exchange, &[Part::Meta], |piece| demand(piece.value.is_object(), || format!("{} that is no object", piece.place)))
}

/// DS17: links are links.
pub fn links(exchange: &Exchange, _: &Description) -> Sight {
    look(exchange, &LINKS, |piece| demand(piece.value.is_object(), || format!("{} that is no object", piece.place)))?;
    look(exchange, &[Part::Link], |piece| {
        let wrong = |what: &str| format!("{what} at {}: {}", piece.place, piece.value);
        match piece.value {
            Value::Null => Ok(()),
            Value::String(href) => demand(is_reference(&exchange.url, href), || wrong("a link that is no URI reference")),
            Value::Object(link) => {
                let href = link.get("href").and_then(Value::as_str);
                demand(href.is_some_and(|href| is_reference(&exchange.url, href)), || wrong("a link object without `href`"))?;
                let tags = link.get("hreflang").into_iter().flat_map(crate::document::each);
                demand(tags.into_iter().all(|tag| tag.as_str().is_some_and(is_language)), || wrong("a bad `hreflang`"))?;
                let rel = link.get("rel").is_none_or(|rel| rel.as_str().is_some_and(is_relation_type));
                demand(rel, || wrong("a bad `rel`"))
            }
            _ => Err(wrong("neither a string nor an object nor `null`")),
        }
    })
}

/// DS19: names of members and types.
pub fn member_names(exchange: &Exchange, _: &Description) -> Sight {
    let holders = [Part::Attributes, Part::Relationships, Part::Meta].into_iter().chain(LINKS);
    look(exchange, &holders.collect::<Vec<_>>(), |piece| {
        let bad = piece.members().map(|(name, _)| name).find(|name| !name.split(':').all(is_member_name));
        bad.map_or(Ok(()), |name| Err(format!("the illegal member name `{name}` at {}/", piece.place)))
    })?;
    look(exchange, &NAMED, |piece| {
        let name = piece.value["type"].as_str().unwrap_or_default();
        demand(name.is_empty() || is_member_name(name), || format!("the illegal type `{name}` at {}/", piece.place))
    })
}

/// DS21: the object `jsonapi`.
pub fn json_api_object(exchange: &Exchange, _: &Description) -> Sight {
    look(exchange, &[Part::JsonApi], |piece| {
        demand(piece.value.is_object(), || "`jsonapi` that is no object".into())?;
        demand(piece.value.get("version").is_none_or(Value::is_string), || "a `jsonapi.version` that is no string".into())?;
        for name in ["ext", "profile"] {
            let uris = piece.value.get(name).map(|uris| uris.as_array().is_some_and(|uris| uris.iter().all(Value::is_string)));
            demand(uris.unwrap_or(true), || format!("`jsonapi.{name}` that is no array of URIs"))?;
        }
        Ok(())
    })
}

/// FE14: paging links stand beside the collection that they page.
pub fn paging_links_in_place(exchange: &Exchange, _: &Description) -> Sight {
    let Some(document) = exchange.json_api() else { return Ok(false) };
    let pages = |links: &Value| PAGING.iter().any(|name| links.get(*name).is_some_and(|link| !link.is_null()));
    let top = pages(&document["links"]);
    demand(!top || document["data"].is_array(), || "paging links, but no collection as primary data".into())?;
    look(exchange, &[Part::Resource], |piece| {
        demand(!pages(&piece.value["links"]), || format!("paging links in a single resource at {}/links", piece.place))
    })?;
    look(exchange, &[Part::Relationship], |piece| {
        let many = piece.value.get("data").is_none_or(Value::is_array);
        demand(many || !pages(&piece.value["links"]), || format!("paging links in a to-one at {}/links", piece.place))
    })?;
    Ok(top)
}

/// Whether a member name is legal, without `@` and namespaces.
pub fn is_member_name(name: &str) -> bool {
    let global = |letter: char| letter.is_ascii_alphanumeric() || letter >= '\u{80}';
    let inside = |letter: char| global(letter) || matches!(letter, '-' | '_' | ' ');
    name.starts_with(global) && name.ends_with(global) && name.chars().all(inside)
}

fn is_reference(base: &Url, href: &str) -> bool {
    !href.contains(|letter: char| letter.is_whitespace() || letter.is_control() || matches!(letter, '<' | '>' | '"'))
        && base.join(href).is_ok()
}

fn is_language(tag: &str) -> bool {
    let subtag = |subtag: &str| (1..=8).contains(&subtag.len()) && subtag.bytes().all(|byte| byte.is_ascii_alphanumeric());
    tag.split('-').all(subtag) && tag.starts_with(|letter: char| letter.is_ascii_alphabetic())
}

fn is_relation_type(rel: &str) -> bool {
    let token = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || matches!(letter, '.' | '-');
    (rel.starts_with(|letter: char| letter.is_ascii_lowercase()) && rel.chars().all(token)) || Url::parse(rel).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_begin_and_end_well() {
        assert!(["a", "user_account", "übung", "a b", "9"].into_iter().all(is_member_name));
        assert!(!["", "_a", "a-", "a.b", "a:b", "@a", "a[b]", "a+"].into_iter().any(is_member_name));
    }

    #[test]
    fn languages_and_relation_types_are_told_apart_from_noise() {
        assert!(is_language("de-CH-1901") && !is_language("e n") && !is_language("") && !is_language("1e"));
        assert!(is_relation_type("self") && is_relation_type("https://example.org/rel") && !is_relation_type("Not Good"));
    }
}
