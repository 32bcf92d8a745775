//! A JSON:API document taken apart: every object that the specification defines, with its place.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

/// What an object in a document is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    Document,
    JsonApi,
    Resource,
    Identifier,
    Attributes,
    Relationships,
    Relationship,
    TopLinks,
    ResourceLinks,
    RelationshipLinks,
    ErrorLinks,
    Link,
    Meta,
    Error,
    Source,
}

/// An object (or what stands where one should) and where it is.
#[derive(Debug)]
pub struct Piece<'d> {
    pub part: Part,
    pub value: &'d Value,
    /// Its place as a JSON Pointer (unescaped: it is for people).
    pub place: String,
}

impl<'d> Piece<'d> {
    /// Its members, without `@`-members: those are not part of JSON:API.
    pub fn members(&self) -> impl Iterator<Item = (&'d String, &'d Value)> + use<'d> {
        self.value.as_object().into_iter().flatten().filter(|(name, _)| !name.starts_with('@'))
    }
}

/// `type` and `id`.
pub type Identity<'d> = (&'d str, &'d str);

/// All pieces of a document.
pub fn pieces(document: &Value) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    take_document(document, &mut pieces);
    pieces
}

/// The identities of one resource, or of an array of them; what has none is left out.
pub fn identities(data: &Value) -> Vec<Identity<'_>> {
    each(data).filter_map(identity).collect()
}

/// The identity of one resource or identifier.
pub fn identity(value: &Value) -> Option<Identity<'_>> {
    Some((value.get("type")?.as_str()?, value.get("id")?.as_str()?))
}

/// One value, or each value of an array; none for `null`.
pub fn each(data: &Value) -> impl Iterator<Item = &Value> {
    let one = (!data.is_array() && !data.is_null()).then_some(data);
    one.into_iter().chain(data.as_array().into_iter().flatten())
}

/// Resources in `included` that no chain of linkage leads to from the primary data.
pub fn unlinked(document: &Value) -> Vec<Identity<'_>> {
    let included: BTreeMap<_, _> =
        each(&document["included"]).filter_map(|resource| Some((identity(resource)?, resource))).collect();
    let mut reached = BTreeSet::new();
    let mut open: Vec<&Value> = each(&document["data"]).collect();
    while let Some(next) = open.pop() {
        // Identifiers as primary data (of a relationship URL) lead to the resource that they name.
        let own = identity(next).filter(|own| reached.insert(*own)).and_then(|own| included.get(&own).copied());
        open.extend(own.filter(|own| !std::ptr::eq(*own, next)));
        let relationships = next.get("relationships").and_then(Value::as_object).into_iter().flatten();
        let linked = relationships.filter_map(|(_, relationship)| relationship.get("data")).flat_map(each).filter_map(identity);
        open.extend(linked.filter(|id| !reached.contains(id)).filter_map(|id| included.get(&id).copied()));
    }
    included.into_keys().filter(|id| !reached.contains(id)).collect()
}

/// Resource objects (not identifiers) that appear more than once.
pub fn doubled(document: &Value) -> Option<Identity<'_>> {
    let mut seen = BTreeSet::new();
    let primary = each(&document["data"]).filter(|value| !is_identifier(value));
    primary.chain(each(&document["included"])).filter_map(identity).find(|id| !seen.insert(*id))
}

/// An identifier has nothing but identity and meta.
pub fn is_identifier(value: &Value) -> bool {
    let members = value.as_object();
    members.is_some_and(|members| members.keys().all(|name| matches!(name.as_str(), "type" | "id" | "lid" | "meta")))
}

fn take<'d>(part: Part, value: &'d Value, place: &str, pieces: &mut Vec<Piece<'d>>) -> Option<&'d Map<String, Value>> {
    pieces.push(Piece { part, value, place: place.to_owned() });
    value.as_object()
}

fn take_document<'d>(document: &'d Value, pieces: &mut Vec<Piece<'d>>) {
    let Some(members) = take(Part::Document, document, "", pieces) else { return };
    for (name, value) in members {
        let place = format!("/{name}");
        match name.as_str() {
            "jsonapi" => take_with_meta(Part::JsonApi, value, &place, pieces),
            "links" => take_links(Part::TopLinks, value, &place, pieces),
            "meta" => take_with_meta(Part::Meta, value, &place, pieces),
            "data" | "included" => take_data(value, &place, name == "included", pieces),
            "errors" => for_each(value, &place, |value, place| take_error(value, place, pieces)),
            "atomic:results" => for_each(value, &place, |result, place| {
                if let Some(data) = result.get("data") {
                    take_data(data, &format!("{place}/data"), false, pieces);
                }
                take_meta_of(result, place, pieces);
            }),
            _ => {}
        }
    }
}

fn for_each<'d>(value: &'d Value, place: &str, mut take: impl FnMut(&'d Value, &str)) {
    match value {
        Value::Array(values) => {
            values.iter().enumerate().for_each(|(index, value)| take(value, &format!("{place}/{index}")));
        }
        Value::Null => {}
        value => take(value, place),
    }
}

fn take_data<'d>(data: &'d Value, place: &str, included: bool, pieces: &mut Vec<Piece<'d>>) {
    for_each(data, place, |value, place| {
        if is_identifier(value) && !included {
            take_with_meta(Part::Identifier, value, place, pieces);
        } else {
            take_resource(value, place, pieces);
        }
    });
}

fn take_resource<'d>(resource: &'d Value, place: &str, pieces: &mut Vec<Piece<'d>>) {
    let Some(members) = take(Part::Resource, resource, place, pieces) else { return };
    take_meta_of(resource, place, pieces);
    if let Some(attributes) = members.get("attributes") {
        take(Part::Attributes, attributes, &format!("{place}/attributes"), pieces);
    }
    if let Some(links) = members.get("links") {
        take_links(Part::ResourceLinks, links, &format!("{place}/links"), pieces);
    }
    if let Some(relationships) = members.get("relationships") {
        let place = format!("{place}/relationships");
        take(Part::Relationships, relationships, &place, pieces);
        let named = relationships.as_object().into_iter().flatten();
        for (name, relationship) in named.filter(|(name, _)| !name.starts_with('@')) {
            take_relationship(relationship, &format!("{place}/{name}"), pieces);
        }
    }
}

fn take_relationship<'d>(relationship: &'d Value, place: &str, pieces: &mut Vec<Piece<'d>>) {
    let Some(members) = take(Part::Relationship, relationship, place, pieces) else { return };
    take_meta_of(relationship, place, pieces);
    if let Some(links) = members.get("links") {
        take_links(Part::RelationshipLinks, links, &format!("{place}/links"), pieces);
    }
    if let Some(data) = members.get("data") {
        let place = format!("{place}/data");
        for_each(data, &place, |value, place| take_with_meta(Part::Identifier, value, place, pieces));
    }
}

fn take_error<'d>(error: &'d Value, place: &str, pieces: &mut Vec<Piece<'d>>) {
    let Some(members) = take(Part::Error, error, place, pieces) else { return };
    take_meta_of(error, place, pieces);
    if let Some(source) = members.get("source") {
        take(Part::Source, source, &format!("{place}/source"), pieces);
    }
    if let Some(links) = members.get("links") {
        take_links(Part::ErrorLinks, links, &format!("{place}/links"), pieces);
    }
}

fn take_links<'d>(part: Part, links: &'d Value, place: &str, pieces: &mut Vec<Piece<'d>>) {
    let Some(members) = take(part, links, place, pieces) else { return };
    for (name, link) in members.iter().filter(|(name, _)| !name.starts_with('@')) {
        let place = format!("{place}/{name}");
        // The cursor profile's sample holds `type` as an array, where 1.1 defines one link: both are accepted.
        match link {
            Value::Array(_) if part == Part::ErrorLinks && name == "type" => {
                for_each(link, &place, |link, place| take_with_meta(Part::Link, link, place, pieces));
            }
            link => take_with_meta(Part::Link, link, &place, pieces),
        }
    }
}

fn take_with_meta<'d>(part: Part, value: &'d Value, place: &str, pieces: &mut Vec<Piece<'d>>) {
    take(part, value, place, pieces);
    if part != Part::Meta {
        take_meta_of(value, place, pieces);
    }
}

fn take_meta_of<'d>(value: &'d Value, place: &str, pieces: &mut Vec<Piece<'d>>) {
    if let Some(meta) = value.get("meta") {
        take(Part::Meta, meta, &format!("{place}/meta"), pieces);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn linkage_is_followed_through_included_resources() {
        let id = |name: &str| json!({"type": "t", "id": name});
        let linked = |name: &str, to: &str| json!({"type": "t", "id": name, "relationships": {"r": {"data": [id(to)]}}});
        let mut document = json!({"data": linked("1", "2"), "included": [linked("2", "3"), linked("3", "1")]});
        assert!(unlinked(&document).is_empty());
        // Two that only know each other are not reachable, though each is identified somewhere.
        document["included"] = json!([linked("2", "2"), linked("4", "5"), linked("5", "4")]);
        assert_eq!(unlinked(&document), [("t", "4"), ("t", "5")]);
        assert!(unlinked(&json!({"data": [id("2")], "included": [linked("2", "3"), linked("3", "3")]})).is_empty());
    }

    #[test]
    fn doubles_are_found_but_identifiers_do_not_count() {
        let resource = json!({"type": "t", "id": "1", "attributes": {}});
        assert!(doubled(&json!({"data": resource, "included": [resource]})).is_some());
        assert!(doubled(&json!({"data": [{"type": "t", "id": "1"}], "included": [resource]})).is_none());
    }

    #[test]
    fn pieces_know_their_places() {
        let document = json!({
            "data": [{"type": "t", "id": "1", "relationships": {"r": {"links": {"self": {"href": "/x", "meta": {}}}}}}],
            "errors": [{"links": {"type": ["/a", "/b"]}}],
        });
        let pieces = pieces(&document);
        let place = |part| pieces.iter().filter(|piece| piece.part == part).map(|piece| &*piece.place).collect::<Vec<_>>();
        assert_eq!(place(Part::RelationshipLinks), ["/data/0/relationships/r/links"]);
        assert_eq!(place(Part::Meta), ["/data/0/relationships/r/links/self/meta"]);
        assert_eq!(place(Part::Link), ["/data/0/relationships/r/links/self", "/errors/0/links/type/0", "/errors/0/links/type/1"]);
    }
}
