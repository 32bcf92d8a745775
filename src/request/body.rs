//! JSON bodies: read strictly, and JSON:API documents taken apart.
//!
//! In charge of: refusing what JSON leaves open (a key twice, endless nesting), and the shape of resource objects and
//! linkage. Pure; knows no schema.

use std::collections::HashMap;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value as Json};
use uuid::Uuid;

use super::number::{Numbers, unkept};
use crate::budget::{Budget, ENTRY};
use crate::error::{Fault, short};
use crate::schema::kind::unkept_number;

/// A resource object of a request.
#[derive(Debug, Default)]
pub struct Resource {
    /// Its `type`.
    pub kind: String,
    /// Its `id`, if it has one.
    pub id: Option<String>,
    /// Whether it has the members `attributes` and `relationships`.
    pub has: [bool; 2],
    /// Its `lid`: a name for it in this document, where it has no id yet (DS22).
    pub lid: Option<String>,
    /// Attributes by name.
    pub attributes: Map<String, Json>,
    /// Relationships by name.
    pub relationships: Vec<(String, Linkage)>,
}

/// The `data` of a relationship.
#[derive(Debug, Clone, PartialEq)]
pub enum Linkage {
    /// To-one.
    One(Option<Identifier>),
    /// To-many.
    Many(Vec<Identifier>),
}

/// A resource identifier object.
#[derive(Debug, Clone, PartialEq)]
pub struct Identifier {
    /// Its `type`.
    pub kind: String,
    /// Its `id`; none where it is no UUID, so nothing can have it.
    pub id: Option<Uuid>,
    /// Its `lid`, where it has no `id`.
    pub lid: Option<String>,
    /// `meta.permission`, where it was sent: a number, or null for the row's own bits.
    pub permission: Option<Json>,
}

/// JSON in which no key stands twice, within a budget where there is one: of what it becomes.
#[derive(Clone, Copy, Default)]
pub struct Strict<'b> {
    budget: Option<&'b Budget>,
    numbers: Option<&'b Numbers>,
}

impl<'b> Strict<'b> {
    /// Within a budget.
    pub fn within(budget: &'b Budget, numbers: &'b Numbers) -> Strict<'b> {
        Strict { budget: Some(budget), numbers: Some(numbers) }
    }

    /// The next number: as it is written, where it isn't kept.
    fn number(self, kept: Json) -> Json {
        let unkept = self.numbers.and_then(|numbers| numbers.borrow_mut().pop_front()).flatten();
        unkept.map_or(kept, |text| unkept_number(&text))
    }

    /// A value that has so many bytes beside what each value has.
    fn take<E: serde::de::Error>(self, bytes: usize) -> Result<(), E> {
        let taken = self.budget.map_or(Ok(()), |budget| budget.take(size_of::<Json>() + bytes));
        taken.map_err(E::custom)
    }
}

impl<'de> DeserializeSeed<'de> for Strict<'_> {
    type Value = Json;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Json, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict<'_> {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }
    fn visit_unit<E: serde::de::Error>(self) -> Result<Json, E> {
        self.take(0).map(|()| Json::Null)
    }
    fn visit_bool<E: serde::de::Error>(self, v: bool) -> Result<Json, E> {
        self.take(0).map(|()| Json::Bool(v))
    }
    fn visit_i64<E: serde::de::Error>(self, v: i64) -> Result<Json, E> {
        self.take(0).map(|()| self.number(v.into()))
    }
    fn visit_u64<E: serde::de::Error>(self, v: u64) -> Result<Json, E> {
        self.take(0).map(|()| self.number(v.into()))
    }
    fn visit_f64<E: serde::de::Error>(self, v: f64) -> Result<Json, E> {
        self.take(0)?;
        let number = Number::from_f64(v).map(Json::Number).ok_or_else(|| E::custom("a number out of range"))?;
        Ok(self.number(number))
    }
    fn visit_str<E: serde::de::Error>(self, v: &str) -> Result<Json, E> {
        self.take(v.len()).map(|()| Json::String(v.to_owned()))
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Json, A::Error> {
        self.take(0)?;
        let mut items = vec![];
        while let Some(item) = seq.next_element_seed(self)? {
            items.push(item);
        }
        Ok(Json::Array(items))
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Json, A::Error> {
        self.take(0)?;
        let mut entries = Map::new();
        while let Some(key) = map.next_key::<String>()? {
            self.take(ENTRY + key.len())?;
            let value = map.next_value_seed(self)?;
            if entries.contains_key(&key) {
                return Err(serde::de::Error::custom("a key stands twice in one object"));
            }
            entries.insert(key, value);
        }
        Ok(Json::Object(entries))
    }
}

/// Reads JSON; a number that isn't kept exactly becomes [`unkept_number`], which only columns of floats take. A key that stands twice, or nesting beyond 128, is refused.
///
/// # Errors
/// A fault with line and column.
pub fn json(bytes: &[u8]) -> Result<Json, Fault> {
    let fault = |e| Fault::new("bad-json", format!("The body is not the JSON that is wanted: {e}.")).at("");
    value(bytes).map_err(fault)
}

/// The same of a value that stands somewhere else.
///
/// # Errors
/// What is wrong with it, with line and column.
pub fn value(bytes: &[u8]) -> Result<Json, serde_json::Error> {
    let numbers = unkept(bytes);
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let read = Strict { budget: None, numbers: numbers.as_ref() }.deserialize(&mut deserializer);
    read.and_then(|json| deserializer.end().map(|()| json))
}

/// A JSON pointer's step.
pub fn step(name: &str) -> String {
    format!("/{}", name.replace('~', "~0").replace('/', "~1"))
}

fn object<'j>(json: &'j Json, at: &str) -> Result<&'j Map<String, Json>, Vec<Fault>> {
    json.as_object().ok_or_else(|| vec![Fault::new("bad-document", "An object is wanted here.").at(at)])
}

/// The resource object of a create or update (CU2, CU9).
///
/// # Errors
/// Every fault of the document's shape.
pub fn resource(document: &Json) -> Result<Resource, Vec<Fault>> {
    let missing = || vec![Fault::new("bad-document", "A document with `data`, one resource object, is wanted.").at("")];
    let data = object(document, "")?.get("data").ok_or_else(missing)?;
    let data = object(data, "/data")?;
    let mut faults = vec![];
    let mut resource = Resource::default();
    match data.get("type").map(Json::as_str) {
        Some(Some(kind)) => resource.kind = kind.to_owned(),
        Some(None) => faults.push(Fault::new("bad-document", "`type` must be text.").at("/data/type")),
        None => faults.push(Fault::new("bad-document", "`type` is missing.").at("/data")),
    }
    match data.get("id").map(Json::as_str) {
        Some(Some(id)) => resource.id = Some(id.to_owned()),
        Some(None) => faults.push(Fault::new("bad-document", "`id` must be text.").at("/data/id")),
        None => {}
    }
    resource.has = ["attributes", "relationships"].map(|name| data.contains_key(name));
    resource.lid = text(data, "lid", "/data", &mut faults);
    meta(document, "", &mut faults);
    meta(&document["data"], "/data", &mut faults);
    match data.get("attributes") {
        None => {}
        Some(Json::Object(attributes)) => {
            resource.attributes =
                attributes.iter().filter(|(n, _)| !n.starts_with('@')).map(|(n, v)| (n.clone(), v.clone())).collect();
        }
        Some(_) => faults.push(Fault::new("bad-document", "`attributes` must be an object.").at("/data/attributes")),
    }
    match data.get("relationships") {
        None => {}
        Some(Json::Object(relationships)) => {
            for (name, value) in relationships.iter().filter(|(n, _)| !n.starts_with('@')) {
                let at = format!("/data/relationships{}", step(name));
                match value.as_object().and_then(|o| o.get("data")) {
                    None => faults.push(Fault::new("bad-document", "A relationship needs `data`.").at(at)),
                    Some(data) => match linkage(data, &format!("{at}/data")) {
                        Ok(linkage) => resource.relationships.push((name.clone(), linkage)),
                        Err(more) => faults.extend(more),
                    },
                }
            }
        }
        Some(_) => faults.push(Fault::new("bad-document", "`relationships` must be an object.").at("/data/relationships")),
    }
    if faults.is_empty() { Ok(resource) } else { Err(faults) }
}

/// The linkage of a request to `/relationships/x`.
///
/// # Errors
/// Every fault of the document's shape.
pub fn relationship(document: &Json) -> Result<Linkage, Vec<Fault>> {
    let missing = || vec![Fault::new("bad-document", "A document with `data`, resource linkage, is wanted.").at("")];
    let mut linkage = linkage(object(document, "")?.get("data").ok_or_else(missing)?, "/data")?;
    let mut faults = vec![];
    linkage.resolve(&Lids::new(), "/data", &mut faults);
    if faults.is_empty() { Ok(linkage) } else { Err(faults) }
}

/// Resource linkage, at a place of the document.
///
/// # Errors
/// Every fault of its shape.
pub fn linkage(data: &Json, at: &str) -> Result<Linkage, Vec<Fault>> {
    match data {
        Json::Null => Ok(Linkage::One(None)),
        Json::Array(items) => {
            let read = items.iter().enumerate().map(|(i, item)| identifier(item, &format!("{at}/{i}")));
            let (good, bad): (Vec<_>, Vec<_>) = read.partition(Result::is_ok);
            match bad.is_empty() {
                true => Ok(Linkage::Many(good.into_iter().flatten().collect())),
                false => Err(bad.into_iter().filter_map(Result::err).flatten().collect()),
            }
        }
        one => Ok(Linkage::One(Some(identifier(one, at)?))),
    }
}

fn identifier(json: &Json, at: &str) -> Result<Identifier, Vec<Fault>> {
    let object = object(json, at)?;
    let mut faults = vec![];
    let [kind, id, lid] = ["type", "id", "lid"].map(|name| text(object, name, at, &mut faults).filter(|text| !text.is_empty()));
    meta(json, at, &mut faults);
    if faults.is_empty() && (kind.is_none() || id.is_none() && lid.is_none()) {
        faults.push(Fault::new("bad-document", "A resource identifier needs `type` and `id` (or `lid`).").at(at));
    }
    let permission = object.get("meta").and_then(|m| m.get("permission")).cloned();
    let named = |kind| Identifier { kind, lid: lid.filter(|_| id.is_none()), id: id.as_deref().and_then(uuid), permission };
    if faults.is_empty() { Ok(named(kind.unwrap_or_default())) } else { Err(faults) }
}

/// A member that is text, if it is there.
fn text(object: &Map<String, Json>, name: &str, at: &str, faults: &mut Vec<Fault>) -> Option<String> {
    let value = object.get(name)?;
    if !value.is_string() {
        faults.push(Fault::new("bad-document", format!("`{name}` must be text.")).at(format!("{at}/{name}")));
    }
    value.as_str().map(str::to_owned)
}

/// `meta` is an object, wherever it stands (DS16).
fn meta(json: &Json, at: &str, faults: &mut Vec<Fault>) {
    if json.get("meta").is_some_and(|meta| !meta.is_object()) {
        faults.push(Fault::new("bad-document", "`meta` must be an object.").at(format!("{at}/meta")));
    }
}

/// What a document calls its new rows: `type` and `lid` → the id that the row gets.
pub type Lids = HashMap<(String, String), Uuid>;

impl Resource {
    /// Puts ids where relationships name new rows by `lid`.
    pub fn resolve(&mut self, lids: &Lids) -> Vec<Fault> {
        let mut faults = vec![];
        for (name, linkage) in &mut self.relationships {
            linkage.resolve(lids, &format!("/data/relationships{}/data", step(name)), &mut faults);
        }
        faults
    }
}

impl Linkage {
    /// Puts ids where new rows are named by `lid`.
    pub fn resolve(&mut self, lids: &Lids, at: &str, faults: &mut Vec<Fault>) {
        let (items, is_many) = match self {
            Linkage::One(item) => (item.as_mut_slice(), false),
            Linkage::Many(items) => (items.as_mut_slice(), true),
        };
        for (place, item) in items.iter_mut().enumerate() {
            let Some(lid) = &item.lid else { continue };
            item.id = lids.get(&(item.kind.clone(), lid.clone())).copied();
            if item.id.is_none() {
                let at = if is_many { format!("{at}/{place}/lid") } else { format!("{at}/lid") };
                faults.push(
                    Fault::new("unknown-lid", format!("No new {} was called `{}` before.", short(&item.kind), short(lid))).at(at),
                );
            }
        }
    }
}

/// An id as it is written: with hyphens, in whatever case (RFC 9562, 4). Others name nothing.
pub fn uuid(text: &str) -> Option<Uuid> {
    Uuid::try_parse(text).ok().filter(|id| id.to_string().eq_ignore_ascii_case(text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn json_is_read_strictly() {
        for bad in ["", "{", "{\"a\":1,\"a\":2}", "[1,]", "nul", "{\"a\":{\"b\":1,\"b\":1}}", "1e999", "\"\\ud800\"", "{} {}"] {
            assert!(json(bad.as_bytes()).is_err(), "{bad}");
        }
        assert!(json("[".repeat(10_000).as_bytes()).is_err());
        assert!(json(b"{\"a\": \"\xff\"}").is_err());
        assert_eq!(json(br#"{"a":[1,null,"x"]}"#), Ok(json!({"a": [1, null, "x"]})));
    }

    #[test]
    fn ds20_cu2_resources_are_taken_apart_with_all_faults() {
        let faults =
            resource(&json!({"data": {"id": 7, "attributes": [], "relationships": {"a/b": {}, "c": {"data": [{"type": 1}]}}}}))
                .expect_err("faults");
        assert_eq!(faults.len(), 5, "{faults:?}");
        assert!(format!("{faults:?}").contains("/data/relationships/a~1b"));
        let good = resource(&json!({"data": {"type": "t", "attributes": {"@x": 1, "y": 2}}, "unknown": 1})).expect("good");
        assert_eq!(good.attributes.len(), 1);
    }
}
