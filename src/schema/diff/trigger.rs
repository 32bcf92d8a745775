//! The triggers that a schema wants: notes of what happens, versions that rise, the stamp of what is known.

use super::wanted::Wanted;
use crate::schema::{Column, Entity, Happening, Link, Listener, OnDelete, Schema, object_name, quote, text};

/// The triggers that note what happens to an entity's rows, for its history and for listeners.
pub(super) fn notes(entity: &Entity, listeners: &[Listener], wanted: &mut [Wanted]) {
    let names = |pick: &dyn Fn(&Column) -> bool| {
        entity.columns.iter().filter(|c| pick(c)).map(|c| c.name.as_str()).collect::<Vec<_>>().join(",")
    };
    let of = |is_before: bool| listeners.iter().filter(move |l| l.entity == entity.name && l.is_before == is_before);
    let after: Vec<_> = of(false).map(|l| format!("{}:{}", l.happening.word(), l.action)).collect();
    let before: Vec<_> = Happening::ALL.iter().filter(|h| of(true).any(|l| l.happening == **h)).map(|h| h.word()).collect();
    let history = match (&entity.states, entity.audit) {
        (_, true) => "*",
        (Some(machine), false) => machine.column.as_str(),
        (None, false) => "",
    };
    if history.is_empty() && after.is_empty() && before.is_empty() {
        return;
    }
    let secrets = names(&|c| !c.hidden && c.kind.is_secret());
    let arguments = [&entity.name, &names(&|c| c.hidden), &secrets, history, &after.join(","), &before.join(",")].map(text);
    let mut note = |table: &str, events: &str, function: String| {
        let name = object_name(&entity.name, "note", "trigger", &format!("{table} {function}"));
        let sql = format!(
            "create trigger {} after {events} on {} for each row execute function {function}",
            quote(&name),
            quote(table)
        );
        wanted.iter_mut().filter(|w| w.name == table).for_each(|w| w.triggers.push((name.clone(), sql.clone())));
    };
    note(&entity.name, "insert or update or delete", format!("rowhouse.note({})", arguments.join(", ")));
    for relation in entity.relations.iter().filter(|_| entity.audit) {
        if let Link::Through { table, near: "source", .. } = &relation.link {
            note(table, "insert or delete", format!("rowhouse.note_link({}, {})", text(&entity.name), text(&relation.name)));
        }
    }
}

/// The triggers that raise the version of a row which loses a link because the other row is deleted: PostgreSQL takes it away,
/// and nobody else would say that the row isn't what it was.
pub(super) fn raises(schema: &Schema, wanted: &mut [Wanted]) {
    for entity in schema.entities() {
        for relation in entity.relations.iter().filter(|r| r.on_delete == OnDelete::SetNull && r.name != "owner") {
            let Link::One { column } = &relation.link else { continue };
            let name = quote(column);
            let when = format!("old.{name} is not null and new.{name} is null and new.version = old.version");
            let trigger = object_name(&entity.name, column, "raise", &when);
            let sql = format!(
                "create trigger {} before update of {name} on {} for each row when ({when}) execute function rowhouse.raise_version()",
                quote(&trigger),
                entity.table(),
            );
            wanted.iter_mut().filter(|w| w.name == entity.name).for_each(|w| w.triggers.push((trigger.clone(), sql.clone())));
        }
    }
}

/// The triggers that keep the ids of users and groups that are gone, and refuse them to new ones.
pub(super) fn gone(wanted: &mut [Wanted]) {
    for want in wanted.iter_mut().filter(|want| matches!(want.name.as_str(), "user_account" | "usergroup")) {
        for events in ["after delete", "before insert"] {
            let name = object_name(&want.name, "gone", "trigger", events);
            let table = quote(&want.name);
            let sql =
                format!("create trigger {} {events} on {table} for each row execute function rowhouse.gone()", quote(&name));
            want.triggers.push((name, sql));
        }
    }
}

/// The triggers that renew the stamp for each row of `world` and `action` that really changed, whoever changes it and however:
/// what is known of entities and actions is proven by it.
pub(super) fn stamps(wanted: &mut [Wanted]) {
    for want in wanted.iter_mut().filter(|want| matches!(want.name.as_str(), "world" | "action")) {
        let table = quote(&want.name);
        for (events, when) in [
            ("insert or delete", "for each row"),
            ("update", "for each row when (old.* is distinct from new.*)"),
            ("truncate", "for each statement"),
        ] {
            let name = object_name(&want.name, "stamp", "trigger", &format!("{events} {when}"));
            let trigger = quote(&name);
            let sql = format!(
                "do $stamp$ begin
  create trigger {trigger} after {events} on {table} {when} execute function rowhouse.renew_stamp();
  alter table {table} enable always trigger {trigger};
end $stamp$"
            );
            want.triggers.push((name, sql));
        }
    }
}
