//! What the checks need to stand on: resources made for them, and ways to look at them again.

use std::pin::Pin;

use serde_json::{Map, Value, json};

use crate::exchange::{Exchange, Failure, not_applicable};
use crate::suite::Suite;
use crate::target::{Kind, Relation};

/// Pages after which a walk gives up: a collection in use has more rows than a check may look at.
const MOST_PAGES: usize = 400;

/// A resource on the server.
#[derive(Debug)]
pub struct Made {
    pub url: String,
    pub name: String,
    pub id: String,
    /// The resource object as the server gave it.
    pub resource: Value,
    /// The response that brought it.
    pub reply: Exchange,
}

impl Made {
    /// Its resource identifier object.
    pub fn identifier(&self) -> Value {
        json!({"type": self.name, "id": self.id})
    }

    /// Its identity.
    pub fn identity(&self) -> (&str, &str) {
        (&self.name, &self.id)
    }

    /// A request document that changes it.
    pub fn change(&self, members: Value) -> Value {
        let mut data = self.identifier();
        if let (Some(data), Value::Object(members)) = (data.as_object_mut(), members) {
            data.extend(members);
        }
        json!({ "data": data })
    }

    /// A link of one of its relationships, as an absolute URL.
    pub fn relation_link(&self, relation: &str, link: &str) -> Result<String, Failure> {
        match self.reply.link(&self.resource["relationships"][relation]["links"][link]) {
            Some(url) => Ok(url),
            None => not_applicable(format!("the relationship `{relation}` has no `{link}` link")),
        }
    }
}

impl<'t> Suite<'t> {
    /// The described resource.
    pub fn kind(&self) -> &'t Kind {
        &self.description().resource
    }

    /// Path of its collection.
    pub fn collection(&self) -> &'t str {
        &self.kind().path
    }

    /// Name of the text attribute that may be changed.
    pub fn rename(&self) -> &'t str {
        &self.description().rename
    }

    /// The described to-one relation.
    pub fn to_one(&self) -> Result<&'t Relation, Failure> {
        let relation = self.description().to_one.as_ref();
        relation.ok_or_else(|| Failure::NotApplicable("the description names no to-one relation".into()))
    }

    /// The described to-many relation.
    pub fn to_many(&self) -> Result<&'t Relation, Failure> {
        let relation = self.description().to_many.as_ref();
        relation.ok_or_else(|| Failure::NotApplicable("the description names no to-many relation".into()))
    }

    /// Both, as far as there are any.
    pub fn relations(&self) -> Result<Vec<&'t Relation>, Failure> {
        let relations: Vec<_> = [&self.description().to_one, &self.description().to_many].into_iter().flatten().collect();
        if relations.is_empty() { not_applicable("the description names no relations") } else { Ok(relations) }
    }

    /// A new text for the attribute that may be changed.
    pub fn new_name(&self) -> String {
        format!("{}{}", self.kind().attributes[self.rename()].as_str().unwrap_or_default(), self.suffix())
    }

    /// A new resource of a kind, as a client would send it.
    pub async fn draft(&self, kind: &Kind) -> Result<Value, Failure> {
        let mut attributes = kind.attributes.clone();
        if let Some(unique) = &kind.unique {
            let text = attributes.get(unique).and_then(Value::as_str).unwrap_or_default();
            attributes.insert(unique.clone(), format!("{text}{}", self.suffix()).into());
        }
        let mut relationships = Map::new();
        for (name, target) in &kind.relationships {
            let target = self.make(target).await?;
            relationships.insert(name.clone(), json!({"data": target.identifier()}));
        }
        let mut data = json!({"type": kind.name, "attributes": attributes});
        if !relationships.is_empty() {
            data["relationships"] = relationships.into();
        }
        Ok(data)
    }

    /// Makes what a draft says.
    pub async fn create(&self, kind: &Kind, data: Value) -> Result<Made, Failure> {
        let reply = self.post(&kind.path, json!({ "data": data })).await?;
        reply.is(&[201], "a new resource to try the rule on")?;
        self.made(reply)
    }

    /// A new resource of a kind, or an existing one where the description says so.
    ///
    /// Boxed, because what is required may require something itself.
    pub fn make<'s>(&'s self, kind: &'s Kind) -> Pin<Box<dyn Future<Output = Result<Made, Failure>> + Send + 's>> {
        Box::pin(async move {
            if kind.existing.is_empty() {
                return self.create(kind, self.draft(kind).await?).await;
            }
            let id = &kind.existing[self.number() as usize % kind.existing.len()];
            let reply = self.get(&format!("{}/{id}", kind.path)).await?;
            reply.is(&[200], "the description says that this one exists")?;
            self.made(reply)
        })
    }

    /// A new resource of the described kind.
    pub async fn fresh(&self) -> Result<Made, Failure> {
        self.fresh_with(|_| {}).await
    }

    /// The same with changes to what is sent.
    pub async fn fresh_with(&self, change: impl FnOnce(&mut Value)) -> Result<Made, Failure> {
        let mut data = self.draft(self.kind()).await?;
        change(&mut data);
        self.create(self.kind(), data).await
    }

    /// A new resource with its relationship set: one identifier for a to-one, an array for a to-many.
    pub async fn fresh_linked(&self, relation: &Relation, linkage: Value) -> Result<Made, Failure> {
        self.fresh_with(|data| data["relationships"][&relation.name] = json!({ "data": linkage })).await
    }

    /// A new resource with both relations set, one target each.
    pub async fn fresh_complete(&self) -> Result<Made, Failure> {
        let mut linkage = Vec::new();
        if let Ok(relation) = self.to_one() {
            linkage.push((&relation.name, self.make(&relation.target).await?.identifier()));
        }
        if let Ok(relation) = self.to_many() {
            linkage.push((&relation.name, json!([self.make(&relation.target).await?.identifier()])));
        }
        self.fresh_with(|data| {
            for (name, linkage) in linkage {
                data["relationships"][name] = json!({ "data": linkage });
            }
        })
        .await
    }

    /// Two different targets of a relation.
    pub async fn two_targets(&self, relation: &Relation) -> Result<[Made; 2], Failure> {
        let first = self.make(&relation.target).await?;
        let second = self.make(&relation.target).await?;
        if first.id == second.id {
            return not_applicable(format!("the description names only one target for `{}`", relation.name));
        }
        Ok([first, second])
    }

    /// A resource that is no more: its id is well-formed and names nothing.
    pub async fn gone(&self, kind: &Kind) -> Result<Made, Failure> {
        if !kind.existing.is_empty() {
            return not_applicable(format!("no `{}` may be made and deleted, so none is known to be missing", kind.name));
        }
        let made = self.make(kind).await?;
        let reply = self.delete(&made.url).await?;
        reply.is_success("a resource that no longer exists, to try the rule with")?;
        Ok(made)
    }

    /// The resource as it is now.
    pub async fn again(&self, made: &Made) -> Result<Made, Failure> {
        let reply = self.get(&made.url).await?;
        reply.is(&[200], "the resource that was made before")?;
        self.made(reply)
    }

    /// The identities that a relationship holds now, in their order on the server.
    pub async fn linkage(&self, made: &Made, relation: &Relation) -> Result<Vec<String>, Failure> {
        let reply = self.get(&made.relation_link(&relation.name, "self")?).await?;
        reply.is(&[200], "the relationship's linkage")?;
        Ok(reply.ids().into_iter().map(|(_, id)| id.to_owned()).collect())
    }

    /// All resources of the collection, over all pages.
    pub async fn listing(&self, pairs: &[(&str, &str)]) -> Result<Vec<Value>, Failure> {
        let mut reply = self.get(self.collection()).query(pairs).await?;
        let mut all = Vec::new();
        for _ in 0..MOST_PAGES {
            reply.is(&[200], "a page of the collection")?;
            all.extend(reply.items()?.iter().cloned());
            match reply.top_link("next") {
                Some(next) => reply = self.get(&next).await?,
                None => return Ok(all),
            }
        }
        not_applicable(format!("the collection has more than {MOST_PAGES} pages"))
    }

    /// How many resources have this name: a request that failed must not have left one.
    pub async fn count_named(&self, name: &str) -> Result<usize, Failure> {
        let filter = self.description().filter.as_ref().filter(|filter| filter.attribute == self.rename());
        let pairs: Vec<_> = filter.map(|filter| (filter.parameter.as_str(), name)).into_iter().collect();
        let mut found = self.listing(&pairs).await?;
        found.retain(|resource| resource["attributes"][self.rename()] == name);
        // Traces of what should have failed are the suite's own to delete.
        for id in found.iter().filter_map(|resource| resource["id"].as_str()) {
            self.remember(format!("{}/{id}", self.collection()));
        }
        Ok(found.len())
    }

    /// The resource that a response holds.
    fn made(&self, reply: Exchange) -> Result<Made, Failure> {
        let data = reply.data().clone();
        let (Some(name), Some(id)) = (data["type"].as_str(), data["id"].as_str()) else {
            return Err(reply.broken("a resource with `type` and `id`"));
        };
        let Some(url) = self.url_of(&reply, &data).or_else(|| Some(reply.url.join(reply.header("location")?).ok()?.into()))
        else {
            return Err(reply.broken("a `self` link or a `Location` for the new resource"));
        };
        Ok(Made { url, name: name.to_owned(), id: id.to_owned(), resource: data.clone(), reply })
    }
}
