//! Atomic operations: a document → steps in order, each what a request of its own would be.
//!
//! In charge of: the extension's grammar, and who is meant by `ref`, `href` and `lid`. Pure.

use serde_json::{Map, Value as Json, json};
use uuid::Uuid;

use super::body::{self, Lids, Linkage, Resource, uuid};
use super::precondition::Expected;
use super::segments;
use crate::error::Fault;

/// One operation.
#[derive(Debug)]
pub struct Operation {
    /// What is to be done.
    pub does: Does,
    /// Where it stands in the document: a JSON pointer.
    pub at: String,
}

/// What an operation does.
#[derive(Debug)]
#[allow(missing_docs)] // the words of JSON:API
pub enum Does {
    Create { id: Uuid, resource: Resource },
    Update { kind: String, id: Uuid, resource: Resource, expected: Expected },
    Delete { kind: String, id: Uuid, expected: Expected },
    Link { kind: String, id: Uuid, relation: String, op: Op, linkage: Linkage, expected: Expected },
}

/// The extension's three words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Op {
    Add,
    Update,
    Remove,
}

/// Who is meant.
#[derive(Debug, Default)]
struct Target {
    kind: String,
    /// Nil where it can be nobody.
    id: Option<Uuid>,
    relation: Option<String>,
}

struct Reader<'a> {
    /// What hrefs may begin with.
    base: &'a str,
    /// New rows by `lid`, so far.
    lids: Lids,
    new_id: &'a mut dyn FnMut() -> Uuid,
}

/// Takes a document of operations apart (AO1–AO3, AO7). `most`: how many there may be; `new_id` makes the ids of new rows.
///
/// # Errors
/// Every fault of every operation's form.
pub fn read(document: &Json, base: &str, most: usize, new_id: &mut dyn FnMut() -> Uuid) -> Result<Vec<Operation>, Vec<Fault>> {
    const AT: &str = "/atomic:operations";
    let bad = |words: &str| vec![Fault::new("bad-document", words).at("")];
    let top = document.as_object().ok_or_else(|| bad("An object with `atomic:operations` is wanted."))?;
    if let Some(name) = ["data", "included", "errors"].iter().find(|name| top.contains_key(**name)) {
        return Err(vec![Fault::new("bad-document", format!("`{name}` doesn't go with operations.")).at(format!("/{name}"))]);
    }
    let list = top.get("atomic:operations").ok_or_else(|| bad("`atomic:operations`, a list, is wanted."))?;
    let list = list.as_array().filter(|list| !list.is_empty());
    let list = list.ok_or_else(|| vec![Fault::new("bad-document", "A list of operations, at least one, is wanted.").at(AT)])?;
    if list.len() > most {
        return Err(vec![Fault::new("too-many", format!("At most {most} operations at once.")).at(AT)]);
    }
    let mut reader = Reader { base, lids: Lids::new(), new_id };
    let (mut read, mut faults) = (vec![], vec![]);
    for (place, item) in list.iter().enumerate() {
        let at = format!("{AT}/{place}");
        match reader.operation(item) {
            Ok(does) => read.push(Operation { does, at }),
            Err(more) => faults.extend(more.into_iter().map(|fault| fault.within(&at))),
        }
    }
    if faults.is_empty() { Ok(read) } else { Err(faults) }
}

fn fault(words: impl Into<String>, at: &str) -> Vec<Fault> {
    vec![Fault::new("bad-operation", words).at(at)]
}

impl Reader<'_> {
    fn operation(&mut self, json: &Json) -> Result<Does, Vec<Fault>> {
        let item = json.as_object().ok_or_else(|| fault("An operation is an object.", ""))?;
        let op = match item.get("op").and_then(Json::as_str) {
            Some("add") => Op::Add,
            Some("update") => Op::Update,
            Some("remove") => Op::Remove,
            Some(_) => return Err(fault("`op` is add, update or remove.", "/op")),
            None => return Err(fault("`op` is add, update or remove: text.", if item.contains_key("op") { "/op" } else { "" })),
        };
        if item.get("meta").is_some_and(|meta| !meta.is_object()) {
            return Err(fault("`meta` must be an object.", "/meta"));
        }
        let expected = Expected::read(match item.get("meta").and_then(|meta| meta.get("if_match")) {
            None => None,
            Some(tag) => Some(tag.as_str().ok_or_else(|| fault("`if_match` is an ETag, as text.", "/meta/if_match"))?),
        });
        let target = self.target(item)?;
        let data = || item.get("data").ok_or_else(|| fault("`data` is missing.", ""));
        match (op, target) {
            (op, Some(Target { kind, id: Some(id), relation: Some(relation) })) => {
                let mut linkage = body::linkage(data()?, "/data")?;
                let mut faults = vec![];
                linkage.resolve(&self.lids, "/data", &mut faults);
                if !faults.is_empty() {
                    return Err(faults);
                }
                Ok(Does::Link { kind, id, relation, op, linkage, expected })
            }
            (Op::Remove, Some(Target { kind, id: Some(id), relation: None })) => Ok(Does::Delete { kind, id, expected }),
            (Op::Remove, _) => Err(fault("`remove` needs a `ref` (or `href`) that names a resource.", "")),
            (Op::Add, Some(Target { id: Some(_), .. })) => {
                let at = if item.contains_key("ref") { "/ref" } else { "/href" };
                Err(fault("`add` makes a new resource: its place is a collection.", at))
            }
            (Op::Add, target) => self.create(data()?, target),
            (Op::Update, Some(Target { id: None, .. })) => Err(fault("`update` changes one resource: name it.", "/href")),
            (Op::Update, target) => {
                let (mut resource, faults) = self.resource(data()?)?;
                if !faults.is_empty() {
                    return Err(faults);
                }
                let lid = resource.lid.take().filter(|_| resource.id.is_none());
                let named = match lid {
                    Some(lid) => Some(self.lid(&resource.kind, &lid, "/data/lid")?),
                    None => None,
                };
                let (kind, id) = match target {
                    Some(Target { kind, id: Some(id), .. }) => (kind, id),
                    _ => (resource.kind.clone(), named.or_else(|| resource.id.as_deref().and_then(uuid)).unwrap_or_default()),
                };
                if named.is_some() || resource.id.is_none() && item.contains_key("ref") {
                    resource.id = Some(named.unwrap_or(id).to_string());
                }
                Ok(Does::Update { kind, id, resource, expected })
            }
        }
    }

    fn create(&mut self, data: &Json, target: Option<Target>) -> Result<Does, Vec<Fault>> {
        let mut resource = body::resource(&json!({"data": data}))?;
        if target.is_some_and(|target| target.kind != resource.kind) {
            return Err(fault("`type` is not the collection's.", "/data/type"));
        }
        let id = resource.id.as_deref().and_then(uuid).unwrap_or_else(|| (self.new_id)());
        if let Some(lid) = &resource.lid {
            // It may link to itself.
            if self.lids.insert((resource.kind.clone(), lid.clone()), id).is_some() {
                return Err(fault(format!("`{}` names another one already.", crate::error::short(lid)), "/data/lid"));
            }
        }
        let faults = resource.resolve(&self.lids);
        if faults.is_empty() { Ok(Does::Create { id, resource }) } else { Err(faults) }
    }

    fn resource(&self, data: &Json) -> Result<(Resource, Vec<Fault>), Vec<Fault>> {
        let mut resource = body::resource(&json!({"data": data}))?;
        let faults = resource.resolve(&self.lids);
        Ok((resource, faults))
    }

    fn lid(&self, kind: &str, lid: &str, at: &str) -> Result<Uuid, Vec<Fault>> {
        let found = self.lids.get(&(kind.to_owned(), lid.to_owned())).copied();
        let words = || format!("No new {} was called `{}` before.", crate::error::short(kind), crate::error::short(lid));
        found.ok_or_else(|| vec![Fault::new("unknown-lid", words()).at(at)])
    }

    /// What `ref` or `href` names.
    fn target(&self, item: &Map<String, Json>) -> Result<Option<Target>, Vec<Fault>> {
        match (item.get("ref"), item.get("href")) {
            (Some(_), Some(_)) => Err(fault("`ref` and `href` don't go together.", "/href")),
            (None, None) => Ok(None),
            (None, Some(href)) => self.href(href.as_str().unwrap_or_default()).map(Some),
            (Some(reference), None) => self.reference(reference).map(Some),
        }
    }

    fn reference(&self, json: &Json) -> Result<Target, Vec<Fault>> {
        let item = json.as_object().ok_or_else(|| fault("`ref` is an object.", "/ref"))?;
        let text = |name: &str| match item.get(name).map(Json::as_str) {
            None => Ok(None),
            Some(Some(text)) => Ok(Some(text)),
            Some(None) => Err(fault(format!("`{name}` must be text."), &format!("/ref/{name}"))),
        };
        let kind = text("type")?.ok_or_else(|| fault("`type` is missing.", "/ref"))?;
        let id = match (text("id")?, text("lid")?) {
            (Some(_), Some(_)) => return Err(fault("`id` and `lid` don't go together.", "/ref/lid")),
            (Some(id), None) => uuid(id).unwrap_or_default(),
            (None, Some(lid)) => self.lid(kind, lid, "/ref/lid")?,
            (None, None) => return Err(fault("`id` or `lid` is missing.", "/ref")),
        };
        Ok(Target { kind: kind.to_owned(), id: Some(id), relation: text("relationship")?.map(str::to_owned) })
    }

    fn href(&self, href: &str) -> Result<Target, Vec<Fault>> {
        let path = href.strip_prefix(self.base).unwrap_or(href);
        let parts = segments(path).unwrap_or_default();
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        let target = |kind: &str, id: Option<&str>, relation: Option<&str>| Target {
            kind: kind.to_owned(),
            id: id.map(|id| uuid(id).unwrap_or_default()),
            relation: relation.map(str::to_owned),
        };
        match parts.as_slice() {
            ["api", kind] => Ok(target(kind, None, None)),
            ["api", kind, id] => Ok(target(kind, Some(id), None)),
            ["api", kind, id, "relationships", relation] => Ok(target(kind, Some(id), Some(relation))),
            _ => Err(fault("`href` is a path here: /api/<type>, /api/<type>/<id> or its /relationships/<name>.", "/href")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(operations: Json) -> Result<Vec<Operation>, Vec<Fault>> {
        read(&json!({"atomic:operations": operations}), "http://x", 9, &mut Uuid::now_v7)
    }

    #[test]
    fn ao2_ao3_ao7_lids_name_what_was_added_before_and_every_fault_is_told() {
        let good = taken(json!([
            {"op": "add", "data": {"type": "a", "lid": "1", "relationships": {"self": {"data": {"type": "a", "lid": "1"}}}}},
            {"op": "update", "data": {"type": "a", "lid": "1"}},
            {"op": "add", "href": "http://x/api/b", "data": {"type": "b"}},
            {"op": "add", "ref": {"type": "a", "lid": "1", "relationship": "bs"}, "data": []},
            {"op": "remove", "ref": {"type": "a", "lid": "1"}, "meta": {"if_match": "\"1-x\""}},
        ]))
        .expect("good");
        let Does::Create { id, resource } = &good[0].does else { panic!("{good:?}") };
        assert_eq!(
            resource.relationships[0].1,
            Linkage::One(Some(body::Identifier { kind: "a".into(), id: Some(*id), lid: Some("1".into()), permission: None }))
        );
        assert!(matches!(&good[4].does, Does::Delete { id: same, expected: Expected::Versions(_), .. } if same == id));
        let bad = taken(json!([
            1, {}, {"op": "add"}, {"op": "remove"}, {"op": "remove", "ref": {"type": "a", "id": "x"}, "href": "/api/a"},
            {"op": "update", "ref": {"type": "a", "lid": "later"}, "data": {}}, {"op": "add", "data": {"type": "a", "lid": "later"}},
            {"op": "add", "data": {"type": "a", "lid": "later"}}, {"op": "update", "href": "/elsewhere", "data": {}},
        ]))
        .expect_err("bad");
        let places: Vec<_> = bad.iter().map(|fault| format!("{:?}", fault.source)).collect();
        for place in ["0\"", "1\"", "2\"", "3\"", "4/href", "5/ref/lid", "7/data/lid", "8/href"] {
            assert!(places.iter().any(|p| p.contains(&format!("/atomic:operations/{place}"))), "{place} in {places:?}");
        }
        for bad in [json!([]), json!({}), json!(null), json!((0..10).collect::<Vec<_>>())] {
            assert!(taken(bad).is_err());
        }
        assert!(read(&json!({"atomic:operations": [{}], "data": null}), "", 9, &mut Uuid::now_v7).is_err(), "AO1");
    }
}
