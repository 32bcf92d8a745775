//! A step from what is there to what is wanted: its statement, what it may cost, what it asks of rows.

use crate::schema::{quote, text};

/// What a step may cost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Risk {
    /// Nothing is lost.
    Additive,
    /// This is lost. What would be lost may stay, unused, until it is allowed.
    Loses(String),
    /// Values are rewritten and some may not fit; nothing works until it is allowed.
    Rewrites(String),
}

/// What a step asks of what is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Demand {
    /// `<entity>.<field>`.
    pub field: String,
    /// What is asked, and of whom: "is to be unique, but these share a value with others".
    pub words: String,
    /// What helps.
    pub remedy: &'static str,
    /// The rows that don't meet it: a query with the columns `id` and `value`.
    pub(super) misfits: String,
    /// Of a change of type: the rows that meet it, and whose value is another one afterwards.
    pub(super) altered: Option<String>,
    /// What isn't ours and depends on what is changed or dropped: a query with the columns `id`, null, and `value`.
    pub(super) dependents: Option<String>,
}

impl Demand {
    /// One of rows, whose words are still to be said.
    pub(super) fn of(field: &str, misfits: String) -> Demand {
        Demand { field: field.to_owned(), words: String::new(), remedy: "", misfits, altered: None, dependents: None }
    }

    /// That nothing which isn't ours depends on a table, or on a column of it.
    pub(super) fn free(table: &str, column: Option<&str>) -> Demand {
        let field = column.map_or(table.to_owned(), |column| format!("{table}.{column}"));
        let part = column.map_or(String::new(), |column| {
            let attribute = format!("attrelid = d.refobjid and attname = {}", text(column));
            format!(" and d.refobjsubid = (select attnum from pg_attribute where {attribute})")
        });
        let dependents = format!(
            "select distinct null::text as id, coalesce(r.ev_class::regclass::text, pg_describe_object(d.classid, d.objid, 0)) as value
from pg_depend d
left join pg_rewrite r on d.classid = 'pg_rewrite'::regclass and r.oid = d.objid
left join pg_constraint c on d.classid = 'pg_constraint'::regclass and c.oid = d.objid and strpos(c.conname, '.fk.') > 0
where d.refclassid = 'pg_class'::regclass and d.refobjid = to_regclass({}) and d.deptype = 'n' and c.oid is null{part}",
            text(&format!("public.{}", quote(table)))
        );
        Demand {
            dependents: Some(dependents),
            ..Demand::of(&field, "select null::text as id, null::text as value where false".to_owned())
        }
    }

    /// The rows that don't meet it: a query with the columns `id` and `value`.
    pub fn misfits(&self) -> &str {
        &self.misfits
    }

    /// The rows whose value is another one afterwards, as [`Demand::misfits`].
    pub fn altered(&self) -> Option<&str> {
        self.altered.as_deref()
    }

    /// What isn't ours and depends on it: a query with the columns `id`, null, and `value`.
    pub fn dependents(&self) -> Option<&str> {
        self.dependents.as_deref()
    }
}

/// One step from what is there to what is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The statement. Nobody else makes one: a step is run as it is.
    pub(super) sql: String,
    /// What it may cost.
    pub risk: Risk,
    /// Whether nodes that run with the files before go on: what they serve is still there, and what they write is still taken.
    pub is_borne: bool,
    /// What it asks of rows.
    pub demand: Option<Demand>,
}

impl Step {
    /// The statement.
    pub fn sql(&self) -> &str {
        &self.sql
    }
}

pub(in crate::schema) fn additive(sql: String) -> Step {
    Step { sql, risk: Risk::Additive, is_borne: true, demand: None }
}

/// One after which nodes with the files before don't find what they know, or leave out what must be there.
pub(in crate::schema) fn demanding(sql: String) -> Step {
    Step { is_borne: false, ..additive(sql) }
}
