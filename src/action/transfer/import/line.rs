//! A line of a file: what it says of a row of an entity.
//!
//! In charge of: that nothing of it is left out without a word. What its columns may be is in [`field`](super::field).

use std::collections::{HashMap, HashSet};

use serde_json::{Map, Value as Json, json};
use uuid::Uuid;

use super::field::{FAULT, Field, is_told, names};
use crate::action::transfer::table::{Cell, Format, Line};
use crate::action::transfer::{Mode, Transfer};
use crate::error::{Fault, short};
use crate::permission::Permission;
use crate::plan::change::{Change, FAULTS};
use crate::request::body::{self, step};
use crate::schema::{Column, LinkRule, Relation, Write};

/// What begins the words of a row that was no whole row.
pub const BROKEN: char = '!';
/// Rows that a file names by something else than their ids, or that may not be there yet: the file's column, and the text.
#[derive(Debug, Default)]
pub(super) struct Links {
    pub found: HashMap<(String, String), Option<Uuid>>,
}

/// A row of a file as a change, like the document that a client would send.
pub(super) struct Drawn<'s> {
    pub change: Change<'s>,
    /// Whether it is linked to rows of its own entity that aren't there: they may come later in the file.
    pub is_deferred: bool,
}

/// What is to be made of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// A new row.
    Create,
    /// A row that is there.
    Update,
    /// Links to rows of the same file that weren't there when it was made.
    Links,
}

/// The columns of a line and those that all lines have in common, as what they are: the file's name, the field's, the cell.
pub(super) fn fields<'l, 's: 'l>(
    transfer: &'l Transfer<'s>,
    line: &'l Line,
) -> impl Iterator<Item = (&'l str, &'l str, Field<'s>, std::borrow::Cow<'l, Cell>)> {
    let own = line.iter().map(move |(file, cell)| {
        let (name, field) =
            transfer.import.fields.get(file).map_or((file, Field::Unknown), |(name, field)| (name.as_str(), *field));
        (file, name, field, std::borrow::Cow::Borrowed(cell))
    });
    let constants =
        transfer.import.constants.iter().map(|(name, field, value)| {
            (name.as_str(), name.as_str(), *field, std::borrow::Cow::Owned(Cell::Json(value.clone())))
        });
    own.chain(constants)
}

/// The texts that name rows in a cell: one, or a list of them. An id is what it is without the space around it; of what is
/// unique of a row the space belongs to it.
pub(super) fn named(relation: &Relation, by: Option<&Column>, cell: &Cell) -> Vec<String> {
    if let Cell::Json(Json::Array(items)) = cell {
        return items.iter().map(text_of).collect();
    }
    let text = match (cell, by) {
        (Cell::Empty | Cell::Json(Json::Null), _) => return vec![],
        (_, Some(_)) if !relation.is_many() => cell.shown(),
        _ => cell.shown().trim().to_owned(),
    };
    if text.is_empty() && (by.is_none() || relation.is_many()) {
        return vec![];
    }
    if !relation.is_many() {
        return vec![text];
    }
    match serde_json::from_str::<Vec<String>>(&text) {
        Ok(items) => items,
        Err(_) => text.split([',', ';', '\n']).map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned).collect(),
    }
}

/// An item of a list as text: what is none stays what it is, and names nothing.
fn text_of(item: &Json) -> String {
    item.as_str().map_or_else(|| item.to_string(), str::to_owned)
}

/// An id, in whatever case.
pub(super) fn id_of(text: &str) -> Option<Uuid> {
    Uuid::try_parse(text).ok().filter(|_| text.len() == 36)
}

/// Whether rows of a file may be linked so to rows that come later in it.
pub(super) fn is_deferrable(transfer: &Transfer<'_>, relation: &Relation) -> bool {
    transfer.mode != Mode::Each
        && relation.target == transfer.entity.at
        && !relation.required
        && relation.rule == LinkRule::Declared
}

/// Draws a change from a line.
pub(super) fn draw<'s>(transfer: &Transfer<'s>, line: &Line, id: Uuid, part: Part, links: &Links) -> Drawn<'s> {
    let entity = transfer.entity;
    let mut draft =
        Draft { transfer, part, attributes: Map::new(), relationships: Map::new(), faults: vec![], moved: vec![], groups: None };
    let (mut is_deferred, mut owner) = (false, None);
    let mut met: HashSet<String> = HashSet::new();
    if let Some((code, words)) = &line.fault {
        // What else is wrong with it would only follow from that.
        let change =
            Change { is_new: part == Part::Create, ..Change::links(entity, id, None, vec![Fault::new(code, words.clone())]) };
        return Drawn { change, is_deferred: false };
    }
    for (file, name, field, cell) in fields(transfer, line) {
        // Of a table that is told of its first row; of JSON each row has its own.
        let is_json = transfer.format == Format::Json && part != Part::Links;
        let base = || name.split('.').next().unwrap_or_default().to_owned();
        if is_json && !matches!(field, Field::Nothing | Field::Unknown) && !met.insert(base()) {
            draft.fault("twice", file, format!("`{}` has two values in this row.", short(&base())));
            continue;
        }
        match field {
            // What was no whole row came back as a row that looks like one.
            Field::Nothing if file == FAULT && part != Part::Links && cell.shown().starts_with(BROKEN) => {
                draft.fault("not-mended", FAULT, format!("This was no whole row: mend it, and empty `{FAULT}`."));
            }
            Field::Id if part != Part::Links && !cell.is_empty() => draft.id(id, cell.shown().trim()),
            Field::Id | Field::Nothing => {}
            Field::Unknown if is_json => draft.unknown(file, name),
            Field::Groups if part != Part::Links => draft.groups(file, &cell),
            Field::Column(column) if part != Part::Links => draft.column(column, &cell),
            Field::Unknown | Field::Column(_) | Field::Groups => {}
            Field::Link(relation, by) => {
                let names = named(relation, by, &cell);
                let may_wait = is_deferrable(transfer, relation);
                if part == Part::Links && !may_wait {
                    continue;
                }
                let found = draft.targets(file, relation, by, &names, links);
                match found {
                    Err(missing) if may_wait && missing.may_come && part != Part::Links => is_deferred = true,
                    Err(missing) => draft.faults.extend(missing.faults),
                    Ok(ids) if relation.rule == LinkRule::Owner && transfer.mode == Mode::MoveIn => {
                        // Of a row that is there, an empty cell says nothing.
                        owner = Some(ids.first().copied()).filter(|owner| owner.is_some() || part == Part::Create);
                    }
                    // It is theirs anyway, and rows of whom nothing is said go together.
                    Ok(ids) if relation.rule == LinkRule::Owner && part == Part::Create && ids.first() == transfer.user.get() => {
                    }
                    Ok(ids) => draft.link(relation, &ids, &cell),
                }
            }
        }
    }
    let Draft { attributes, relationships, faults, moved, groups, .. } = draft;
    let mut document = json!({"data": {"type": entity.name, "attributes": attributes, "relationships": relationships}});
    if part != Part::Create {
        document["data"]["id"] = json!(id);
    }
    let change = match body::resource(&document) {
        Ok(resource) => {
            let mut change = transfer.means.planner().change(entity, id, part == Part::Create, &resource);
            change.faults.extend(faults);
            change.sets.retain(|(set, _)| !moved.iter().any(|(column, _): &(&Column, _)| column.name == set.name));
            change.sets.extend(moved);
            (change.owner, change.groups) = (owner, groups);
            change
        }
        Err(more) => Change::links(entity, id, None, faults.into_iter().chain(more).collect()),
    };
    Drawn { change, is_deferred }
}

/// Rows that a cell names and that aren't there.
struct Missing {
    faults: Vec<Fault>,
    /// Whether they may come later in the file.
    may_come: bool,
}

/// What is made of a line's cells.
struct Draft<'t, 's> {
    transfer: &'t Transfer<'s>,
    part: Part,
    attributes: Map<String, Json>,
    relationships: Map<String, Json>,
    faults: Vec<Fault>,
    /// What only an administrator brings along from elsewhere.
    moved: Vec<(&'s Column, Option<String>)>,
    /// The groups that the row is granted to, likewise.
    groups: Option<Vec<(Uuid, Option<i32>)>>,
}

impl<'s> Draft<'_, 's> {
    fn fault(&mut self, code: &'static str, file: &str, words: String) {
        self.faults.push(Fault::new(code, words).at(format!("/data/attributes{}", step(file))));
    }

    fn unknown(&mut self, file: &str, name: &str) {
        if self.faults.len() < FAULTS {
            self.faults.push(unknown(self.transfer, file, name));
        }
    }

    /// The groups that the row is granted to: their ids, each with bits of its own where it has any.
    fn groups(&mut self, file: &str, cell: &Cell) {
        let texts = match cell {
            Cell::Json(Json::Array(items)) => items.iter().map(text_of).collect(),
            cell => cell
                .shown()
                .split([',', ';'])
                .map(|part| part.trim().to_owned())
                .filter(|part| !part.is_empty())
                .collect::<Vec<_>>(),
        };
        if self.transfer.mode != Mode::MoveIn {
            if !texts.is_empty() {
                let words = format!("`{file}` are granted by whoever owns a row; administrators may say `mode: move_in`.");
                self.fault("read-only", file, words);
            }
            return;
        }
        let grant = |text: &String| {
            let (id, bits) = text.split_once('=').map_or((text.as_str(), None), |(id, bits)| (id, Some(bits)));
            let bits = bits
                .map(|bits| bits.parse::<i32>().ok().filter(|bits| bits & !Permission::GROUP == 0))
                .map_or(Some(None), |b| b.map(Some))?;
            Some((id_of(id)?, bits))
        };
        match texts.iter().map(grant).collect::<Option<Vec<_>>>() {
            None => self.fault(
                "invalid",
                file,
                format!("`{file}` is a list of ids of groups, each with its bits where it has any: id=16384."),
            ),
            Some(groups) if groups.is_empty() && self.part == Part::Update => {}
            Some(groups) => self.groups = Some(groups),
        }
    }

    /// An id is the row's, or becomes it where clients choose ids.
    fn id(&mut self, id: Uuid, sent: &str) {
        let by_id = self.transfer.key.as_deref() == Some("id");
        let is_it = id_of(sent) == Some(id) || self.part == Part::Update && id.is_nil();
        let words = match self.part {
            _ if is_it => return,
            Part::Create if by_id => "There is no row of this `id` that you know of.",
            Part::Create if self.transfer.entity.client_ids => "`id` is a UUID, in lower case and with hyphens.",
            Part::Create => {
                let words = "Ids are made by the server: leave `id` out, with `columns: { id: null }`, or say `key: id`.";
                return self.faults.push(Fault::new("read-only", words).at("/data/id"));
            }
            Part::Update | Part::Links => "`id` is another than that of the row that is known by the key.",
        };
        self.faults.push(Fault::new("no-row", words).at("/data/id"));
    }

    fn column(&mut self, column: &'s Column, cell: &Cell) {
        let (transfer, name) = (self.transfer, column.name.as_str());
        let is_new = self.part == Part::Create;
        let is_explicit = matches!(cell, Cell::Json(Json::Null));
        let value = match transfer.import.writing.value(&column.kind, cell) {
            Ok(value) => value,
            Err(words) => return self.fault("invalid", name, format!("`{name}` {words}.")),
        };
        if column.kind.is_secret() {
            if value.is_some() {
                self.fault("secret", name, format!("`{name}` can't be imported."));
            }
            return;
        }
        let machine = transfer.entity.states.as_ref().filter(|machine| machine.column == name);
        match (column.write, value) {
            (Write::System, Some(value)) if transfer.mode == Mode::MoveIn && (machine.is_some() || name == "created_at") => {
                match column.kind.check(&column.bounds, &value) {
                    Ok(text) => self.moved.push((column, Some(text))),
                    Err(words) => self.fault("invalid", name, format!("`{name}` {words}.")),
                }
            }
            (Write::System, None) => {}
            (Write::System, Some(value)) if is_new => match machine {
                Some(machine) if value == Json::String(machine.initial.clone()) => {}
                Some(machine) => {
                    let words = "administrators may say `mode: move_in`";
                    let initial = &machine.initial;
                    let words = format!("`{name}` begins as {initial}, and is moved by its events; {words}.");
                    self.fault("read-only", name, words);
                }
                None => {
                    let may_move = if name == "created_at" { "; administrators may say `mode: move_in`" } else { "" };
                    let words =
                        format!("`{name}` is set by the system: leave it out, with `columns: {{ {name}: null }}`{may_move}.");
                    self.fault("read-only", name, words);
                }
            },
            (_, Some(value)) => _ = self.attributes.insert(name.to_owned(), value),
            // An empty cell says nothing of a new row, unless it is all that was known of it; and nothing of what can't be empty.
            // What may not have been served is not taken away by a cell in which nothing stands.
            (_, None) if column.is_limited() && !is_new && !is_explicit && transfer.mode != Mode::MoveIn => {}
            (_, None) if is_explicit || (!is_new || transfer.mode == Mode::MoveIn) && !column.refuses_null() => {
                self.attributes.insert(name.to_owned(), Json::Null);
            }
            (_, None) => {}
        }
    }

    /// The ids of the rows that a cell names.
    fn targets(
        &self,
        file: &str,
        relation: &Relation,
        by: Option<&Column>,
        names: &[String],
        links: &Links,
    ) -> Result<Vec<Uuid>, Missing> {
        let (mut ids, mut faults, mut may_come) = (vec![], vec![], true);
        let target = &self.transfer.means.schema.target(relation).name;
        for name in names {
            let found = links.found.get(&(file.to_owned(), name.clone()));
            let id = match by {
                Some(_) => found.copied().flatten(),
                None => id_of(name).filter(|_| found.is_none_or(Option::is_some)),
            };
            let words = match (id, by) {
                (Some(id), _) => {
                    ids.push(id);
                    continue;
                }
                (None, Some(by)) => {
                    format!("There is no {target} whose `{}` is `{}`, or none that you may see.", by.name, short(name))
                }
                (None, None) if id_of(name).is_some() => format!("There is no {target} `{name}`, or none that you may see."),
                (None, None) => {
                    may_come = false;
                    let relation = &relation.name;
                    format!(
                        "`{relation}` takes the id of a {target}; by something unique it is named in a column `{relation}.…`."
                    )
                }
            };
            faults.push(Fault::new("no-row", words).at(format!("/data/relationships{}", step(file))));
        }
        if ids.len() > 1 && !relation.is_many() {
            may_come = false;
            let words = format!("`{}` leads to one row, and here are {}.", relation.name, ids.len());
            faults.push(Fault::new("too-many", words).at(format!("/data/relationships{}", step(file))));
        }
        if faults.is_empty() { Ok(ids) } else { Err(Missing { faults, may_come }) }
    }

    fn link(&mut self, relation: &Relation, ids: &[Uuid], cell: &Cell) {
        let target = &self.transfer.means.schema.target(relation).name;
        let identifiers: Vec<Json> = ids.iter().map(|id| json!({"type": target, "id": id})).collect();
        let says_nothing = ids.is_empty() && !matches!(cell, Cell::Json(_)) && (self.part == Part::Create || relation.required);
        if says_nothing || ids.is_empty() && relation.rule == LinkRule::Owner || self.part == Part::Links && ids.is_empty() {
            return;
        }
        let data = match relation.is_many() {
            true => Json::Array(identifiers),
            false => identifiers.into_iter().next().unwrap_or(Json::Null),
        };
        self.relationships.insert(relation.name.clone(), json!({"data": data}));
    }
}

/// A column that is nothing of the entity.
pub(super) fn unknown(transfer: &Transfer<'_>, file: &str, name: &str) -> Fault {
    let (schema, entity) = (transfer.means.schema, transfer.entity);
    let relation = name.split_once('.').and_then(|(relation, _)| entity.relation(relation)).or_else(|| entity.relation(name));
    let hint = match relation {
        Some(relation) if is_told(relation) => format!(" Of `{}` only a column that is unique names a row.", relation.name),
        Some(_) => " Files don't have this relationship.".to_owned(),
        None => {
            let names = names(schema, entity);
            crate::yaml::nearest(name, &names).map(|near| format!(" Did you mean `{near}`?")).unwrap_or_default()
        }
    };
    let words = format!("{} has no attribute `{}`.{hint}{}", entity.name, short(name), transfer.other_sheets());
    Fault::new("unknown-attribute", words).at(format!("/data/attributes{}", step(file)))
}

/// The column of a file that a fault speaks of: by its pointer, or by the name in its words.
pub(super) fn column_of(transfer: &Transfer<'_>, line: Option<&Line>, fault: &Fault) -> String {
    let pointer = match &fault.source {
        crate::error::Source::Pointer(pointer) => pointer.as_str(),
        _ => "",
    };
    let mut steps = pointer.split('/').skip_while(|step| !matches!(*step, "attributes" | "relationships" | "id"));
    let place = steps.next();
    let name = match (place, steps.next()) {
        (Some("id"), _) => "id".to_owned(),
        (_, Some(name)) => name.replace("~1", "/").replace("~0", "~"),
        (_, None) if fault.code == "required" => fault.detail.split('`').nth(1).unwrap_or_default().to_owned(),
        (_, None) => String::new(),
    };
    let is_of = |field: &str| field == name || field.split_once('.').is_some_and(|(relation, _)| relation == name);
    let mapped =
        transfer.import.mapped.iter().find(|(_, field)| field.as_deref().is_some_and(is_of)).map(|(file, _)| file.clone());
    let own = || line.and_then(|line| line.iter().map(|(file, _)| file.to_owned()).find(|file| is_of(file)));
    mapped.or_else(own).unwrap_or(name)
}
