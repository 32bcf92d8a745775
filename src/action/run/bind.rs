//! Which rows the names of a running action stand for, and which of its declared rights hold for them.

use serde_json::Value as Json;
use uuid::Uuid;

use super::{Bound, Run};
use crate::access::write::Lifted;
use crate::action::{InputKind, Lift, Outcome, SubjectUse};
use crate::error::{Error, Result};
use crate::permission::Right;
use crate::request::body::uuid;
use crate::schema::Entity;
use crate::statement::action as statement;

impl<'a> Run<'a> {
    /// Binds the rows that are known from the start, and resolves those that inputs name.
    pub(super) async fn begin(&mut self, entity: &'a Entity, subject: Option<Uuid>) -> Result<()> {
        let users = self.app.schema.system("user_account");
        self.rows.insert("caller".to_owned(), Bound { entity: users, is_made: true }); // what everybody knows of themselves
        if self.action.subject != SubjectUse::None {
            self.rows.insert("subject".to_owned(), Bound { entity, is_made: false });
        }
        if let Some(id) = subject {
            let values = self.values(entity, &[id]).await?.pop().unwrap_or_default();
            self.hold("subject".to_owned(), values)?;
        } else if self.action.subject != SubjectUse::None {
            self.scope.insert("subject".to_owned(), Json::Null);
        }
        self.lift_known(entity, subject);
        for input in &self.action.inputs {
            if let InputKind::Row(name) = &input.kind {
                let entity = self.deed.planner.entity(name)?;
                self.rows.insert(input.name.clone(), Bound { entity, is_made: false });
                let Some(id) = self.id(&input.name) else { continue };
                self.deed.require(entity, id, Right::Peek).await?;
                if input.beyond_guest {
                    self.deed.require_beyond_guest(entity, id).await?;
                }
                let values = self.values(entity, &[id]).await?.pop().unwrap_or_default();
                self.hold(input.name.clone(), values)?;
            }
        }
        Ok(())
    }

    /// Declared rights hold for the subject row and the caller's own user row from the start.
    pub(super) fn lift_known(&mut self, entity: &'a Entity, subject: Option<Uuid>) {
        let mut more = Lifted::default();
        for (lift, rights) in &self.action.rights {
            match lift {
                Lift::Entity(name) => {
                    more.entities.push((name.clone(), rights.clone()));
                    let caller = self.caller.filter(|_| name == "user_account");
                    let rows = subject.filter(|_| *name == entity.name).into_iter().chain(caller);
                    more.rows.extend(rows.map(|id| (id, rights.clone())));
                }
                Lift::Subject => more.rows.extend(subject.map(|id| (id, rights.clone()))),
                Lift::Read(_) => {}
            }
        }
        self.lift(more);
    }

    /// Rights that hold from here on, as this action declares them.
    fn lift(&mut self, more: Lifted) {
        self.own.extend(more.clone());
        self.deed.lifted.extend(more);
    }

    /// … and for rows made here, which count as the caller's for their grants where update is declared on their entity; …
    pub(super) fn lift_made(&mut self, entity: &Entity, id: Uuid) {
        let of = |declared: &[(Lift, Vec<Right>)]| {
            let is_meant = |(lift, _): &&(Lift, Vec<Right>)| *lift == Lift::Entity(entity.name.clone());
            let rights: Vec<Right> = declared.iter().filter(is_meant).flat_map(|(_, rights)| rights.clone()).collect();
            let made = if rights.contains(&Right::Update) { vec![id] } else { vec![] };
            let rows = if rights.is_empty() { vec![] } else { vec![(id, rights)] };
            Lifted { entities: vec![], rows, made }
        };
        self.deed.lifted.extend(of(&self.lent));
        self.lift(of(&self.action.rights));
    }

    /// … and for rows found by a named read.
    pub(super) fn lift_found(&mut self, outcome: &Outcome, id: Uuid) {
        let is_meant = |lift: &Lift| matches!(lift, Lift::Read(name) if Some(name) == outcome.name.as_ref());
        let rights = self.action.rights.iter().filter(|(lift, _)| is_meant(lift));
        let rows = rights.map(|(_, rights)| (id, rights.clone())).collect();
        self.lift(Lifted { rows, ..Lifted::default() });
    }

    /// The values of rows, as far as there is room for them: what there is none for isn't sent.
    pub(super) async fn values(&mut self, entity: &Entity, ids: &[Uuid]) -> Result<Vec<Json>> {
        let rows = self.deed.scope.run(&statement::row_values(entity, ids, self.held.left())).await?;
        rows.into_iter().map(|row| row.ok_or(self.held.exceeded().into())).collect()
    }

    /// A row's values as files may speak of it, if it is there.
    ///
    /// # Errors
    /// What the statement ran into.
    pub async fn row_of(&mut self, entity: &str, id: Uuid) -> Result<Option<Json>> {
        let entity = self.deed.planner.entity(entity)?;
        Ok(self.values(entity, &[id]).await?.pop())
    }

    pub(super) fn id(&self, name: &str) -> Option<Uuid> {
        let id = self.scope.get(name)?.get("id")?.as_str()?;
        Some(uuid(id).unwrap_or_default())
    }

    /// The row that a name stands for. A guest has no `caller`; what a skipped outcome would have found is not there.
    pub(super) fn row(&self, name: &str) -> Result<(&'a Entity, Uuid)> {
        let missing = match name {
            "caller" => Error::Unauthenticated { bad_token: self.asked.caller.sent_token, reason: None },
            _ => Error::NotFound,
        };
        match (self.rows.get(name), self.id(name)) {
            (Some(bound), Some(id)) => Ok((bound.entity, id)),
            _ => Err(missing),
        }
    }

    pub(super) fn bind(&mut self, outcome: &Outcome, entity: &'a Entity, is_made: bool) {
        if let Some(name) = &outcome.name {
            self.rows.insert(name.clone(), Bound { entity, is_made });
        }
    }
}
