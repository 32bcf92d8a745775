//! Reads: one statement per plan, that holds everything that decides.
//!
//! In charge of: who the caller is (`who`), the verdicts of the entities (`a`), the rows of each node, and one row format
//! for all branches. It must not know how rows are told apart again by name: it gives the [`Layout`].
//!
//! Every row that comes back is `branch, n, parent, id` and then slots, typed by how values travel; a branch uses the
//! slots it needs and leaves the others null. Branch 0 is the head: one row whose `n` holds the verdicts as bits.

use uuid::Uuid;

use super::{Statement, array};
use crate::permission::{Class, Right, belongs, rule};
use crate::plan::filter::{Filter, Operator};
use crate::plan::page::Key;
use crate::plan::{Include, Node, Pick, Plan};
use crate::schema::kind::{Kind, Wire};
use crate::schema::{ADMINISTRATORS, Column, Entity, Link, LinkRule, Relation, Schema, quote};

pub mod aggregate;

/// The bits of the head's `n`.
pub mod verdict {
    /// The caller is somebody.
    pub const USER: i64 = 1;
    /// The row that the request names may be peeked.
    pub const PEEKABLE: i64 = 2;
    /// The row that the request starts from may be read.
    pub const PARENT: i64 = 4;
    /// What a to-one leads to may be peeked.
    pub const TARGET: i64 = 8;
    /// The first named entity; the others follow.
    pub const ENTITY: u32 = 8;
}

/// How to read the rows that come back.
#[derive(Debug, Default)]
pub struct Layout<'s> {
    /// By branch number, from 1.
    pub branches: Vec<Branch<'s>>,
    /// The entities that the head judges, and what each is asked.
    pub named: Vec<(&'s Entity, Right)>,
}

/// The rows of one branch.
#[derive(Debug)]
pub enum Branch<'s> {
    /// Rows of a node.
    Rows(Rows<'s>),
    /// Linkage: `parent` is linked to `id`, `n`th.
    Links {
        /// The branch (its place in the layout) that the parents are in.
        from: usize,
        /// Along which relation.
        relation: &'s Relation,
        /// How many are linked at most before the list is cut.
        size: i64,
        /// Where the bits of a grant's own stand.
        bits: Option<usize>,
    },
    /// One row, whose `n` is how many there are.
    Total,
    /// Groups of rows with their measures; the group's id is the first slot.
    Groups(Vec<aggregate::Told>),
}

/// Where the values of a node's rows stand.
#[derive(Debug)]
pub struct Rows<'s> {
    /// Whose rows.
    pub entity: &'s Entity,
    /// Attributes and their columns in the row.
    pub columns: Vec<(&'s Column, usize)>,
    /// All relationships that are shown; to-one ones with their column in the row.
    pub relations: Vec<(&'s Relation, Option<usize>)>,
    /// Of attributes that not everybody is served: where they stand, and where it stands whether the caller is.
    pub limited: Vec<(usize, usize)>,
    /// The sort keys as text, for cursors.
    pub keys: Vec<usize>,
    /// Of linkage that is grants: their own bits.
    pub bits: Option<usize>,
    /// Seven booleans: what the caller may do.
    pub may: Vec<(Right, usize)>,
}

/// Columns before the slots.
pub const FIXED: usize = 4;

struct Speller<'s> {
    schema: &'s Schema,
    statement: Statement,
    /// Entity and right → a boolean of `a`.
    gates: Vec<(usize, Right)>,
    ctes: Vec<String>,
    /// For each branch: number, `n`, parent, id, source, and slot expressions.
    branches: Vec<Spelled>,
    layout: Layout<'s>,
    /// Whether the rows are only worked with: then peek is enough of their columns, too.
    is_search: bool,
    /// Whether the root is a page, with its sort keys beside it.
    is_paged: bool,
    /// How many rows of the root are shown.
    size: i64,
    /// Most rows that all parents of one include have together.
    most: i64,
    /// How far a list is walked.
    walk: i64,
}

struct Spelled {
    n: String,
    parent: String,
    id: &'static str,
    from: String,
    slots: Vec<(Wire, String)>,
}

/// Spells a plan. With `only_entities`, nothing but the verdict of the entities is asked.
pub fn read<'s>(schema: &'s Schema, plan: &Plan<'s>, session: Option<Uuid>, only_entities: bool) -> (Statement, Layout<'s>) {
    let asked: Vec<_> = plan.named.iter().filter(|e| !(plan.is_lifted && e.at == plan.root.entity.at)).collect();
    let mut speller = Speller {
        schema,
        statement: Statement { keep: !plan.is_fancy(), ..Statement::default() },
        gates: asked.iter().map(|e| (e.at, plan.asks(e))).collect(),
        is_search: plan.is_search(),
        is_paged: false,
        size: plan.root.window.size,
        most: plan.most_included,
        walk: plan.walk,
        ctes: vec![],
        branches: vec![],
        layout: Layout { named: asked.iter().map(|e| (**e, plan.asks(e))).collect(), ..Layout::default() },
    };
    let who = who(&mut speller.statement, session);
    let mut head = vec![format!("case when a.id is not null then {} else 0 end", verdict::USER)];
    if !only_entities {
        head.extend(speller.root(plan));
    }
    head.extend(
        (0..asked.len()).map(|i| format!("case when a.g{i} then {} else 0 end", 1_i64 << (verdict::ENTITY as usize + i))),
    );
    speller.finish(&who, &head.join(" + "))
}

/// `who`: the caller as the session says now, always exactly one row.
pub fn who(statement: &mut Statement, session: Option<Uuid>) -> String {
    let session = statement.bind(session.map(|s| s.to_string()));
    format!(
        "who as materialized (select s.session, s.id, coalesce(s.groups, '{{}}'::uuid[]) as groups, \
         coalesce('{ADMINISTRATORS}'::uuid = any(s.groups), false) as admin \
         from (values (1)) as one left join lateral (select s.id as session, u.id, \
         array(select m.source from \"usergroup.members\" m where m.target = u.id) as groups \
         from session s join user_account u on u.id = s.\"user\" and u.active \
         where s.id = {session}::uuid and s.ended_at is null and s.expires_at > now()) s on true)"
    )
}

/// Whether the caller may do this with the entity: the rule on its row in `world`.
pub fn gate(entity: &Entity, right: Right) -> String {
    let name = entity.name.replace('\'', "''");
    let held = rule(right, crate::permission::Subject { row: "w", is_group: false });
    format!("coalesce((select {held} from world w where w.name = '{name}'), false)")
}

impl<'s> Speller<'s> {
    /// The name of the boolean that says whether the entity grants the right.
    fn gate(&mut self, entity: &Entity, right: Right) -> String {
        let at = self.gates.iter().position(|g| *g == (entity.at, right)).unwrap_or_else(|| {
            self.gates.push((entity.at, right));
            self.gates.len() - 1
        });
        format!("a.g{at}")
    }

    fn root(&mut self, plan: &Plan<'s>) -> Vec<String> {
        let node = &plan.root;
        let table = node.entity.table();
        let subject = node.entity.subject("t");
        let right = node.guard.right();
        let gate = if plan.is_lifted { "true".to_owned() } else { self.gate(node.entity, plan.asks(node.entity)) };
        let mut head = vec![];
        match plan.pick {
            Pick::One(id) => {
                let id = self.statement.bind(Some(id.to_string()));
                let found = format!(
                    "select 1::bigint as _n, t.* from {table} t where {gate} and t.id = {id}::uuid and {}",
                    rule(right, subject)
                );
                self.ctes.push(format!("r0 as materialized (select t.* from a cross join lateral ({found}) t)"));
                let peek = format!("exists (select from {table} t where t.id = {id}::uuid and {})", rule(Right::Peek, subject));
                head.push(format!("case when exists (select from r0) or {peek} then {} else 0 end", verdict::PEEKABLE));
            }
            Pick::Mine => {
                let found = format!(
                    "select 1::bigint as _n, t.* from {table} t where {gate} and t.id = a.id and {}",
                    rule(right, subject)
                );
                self.ctes.push(format!("r0 as materialized (select t.* from a cross join lateral ({found}) t)"));
                let peek = format!("exists (select from {table} t where t.id = a.id and {})", rule(Right::Peek, subject));
                head.push(format!("case when exists (select from r0) or {peek} then {} else 0 end", verdict::PEEKABLE));
            }
            Pick::Page => self.page("r0", node, None, &gate),
            Pick::Related { parent, id, relation } => {
                let id = self.statement.bind(Some(id.to_string()));
                let from = parent.subject("t");
                let open = self.gate(parent, Right::Read);
                let start = format!(
                    "select t.* from {} t where {open} and t.id = {id}::uuid and {}",
                    parent.table(),
                    rule(Right::Read, from)
                );
                self.ctes.push(format!("p0 as materialized (select t.* from a cross join lateral ({start}) t)"));
                self.page("r0", node, Some((parent, relation)), &gate);
                let peek =
                    format!("exists (select from {} t where t.id = {id}::uuid and {})", parent.table(), rule(Right::Peek, from));
                head.push(format!("case when exists (select from p0) or {peek} then {} else 0 end", verdict::PEEKABLE));
                head.push(format!("case when exists (select from p0) then {} else 0 end", verdict::PARENT));
                if !relation.is_many() {
                    let link = self.link(parent, relation, "p", "t", false);
                    let seen = format!("exists (select from p0 p, {table} t where {link} and {})", rule(Right::Peek, subject));
                    head.push(format!("case when {seen} then {} else 0 end", verdict::TARGET));
                }
            }
        }
        let along = if let Pick::Related { relation, .. } = plan.pick { Some(relation) } else { None };
        self.rows("r0", node, along);
        if node.window.total.is_some() {
            let from = "c0 t".to_owned();
            self.branches.push(Spelled {
                n: "t.n".to_owned(),
                parent: "null::uuid".to_owned(),
                id: "null::uuid",
                from,
                slots: vec![],
            });
            self.layout.branches.push(Branch::Total);
        }
        head
    }

    /// A CTE of a page of a node's rows, of all or of those linked to `p0`; and of their total, where it was asked for.
    fn page(&mut self, name: &str, node: &Node<'s>, from: Option<(&'s Entity, &'s Relation)>, gate: &str) {
        self.is_paged = true;
        let entity = node.entity;
        let (table, window) = (entity.table(), &node.window);
        let mut held = rule(node.guard.right(), entity.subject("t"));
        let (mut source, mut conditions, mut bits) = ("a".to_owned(), vec![gate.to_owned()], String::new());
        if let Some((parent, relation)) = from {
            source += " cross join p0 p";
            conditions.push(self.link(parent, relation, "p", "t", true));
            if node.guard.right() == Right::Peek {
                held = own_links(relation, held, "p");
                bits = grant_bits(relation, "p").map(|bits| format!(", {bits} as _bits")).unwrap_or_default();
            }
        }
        for filter in &node.filters {
            let spelled = self.filter(entity, filter, "t");
            conditions.push(spelled);
        }
        if let Some(most) = window.total {
            let most = self.statement.bind(Some(most.to_string()));
            self.ctes.push(format!(
                "c0 as materialized (select count(*) as n from (select from {source} cross join {table} t where {} and {held} limit {most}::bigint) c)",
                conditions.join(" and ")
            ));
        }
        let keys: Vec<String> = node.order.iter().map(|key| self.key(node.entity, key)).collect();
        let backwards = window.before.is_some();
        if let Some(values) = window.after.as_ref().or(window.before.as_ref()) {
            let beyond = self.beyond(&node.order, &keys, values, backwards);
            conditions.push(beyond);
        }
        let order = order(&node.order, &keys, backwards);
        let shown: Vec<_> = keys.iter().enumerate().map(|(i, key)| format!("({key})::text as _k{i}")).collect();
        let shown = format!("t.*, {}{bits}", shown.join(", "));
        let limit = self.statement.bind(Some((window.size.saturating_add(1)).to_string()));
        let offset = self.statement.bind(Some(window.offset.to_string()));
        let part = format!("order by {order} limit {limit}::bigint offset {offset}::bigint");
        let conditions = conditions.join(" and ");
        if from.is_some() || node.guard.right() != Right::Read {
            let rows = format!("select {shown} from {table} t where {conditions} and {held} {part}");
            self.ctes.push(format!(
                "{name} as materialized (select row_number() over () as _n, t.* from {source} cross join lateral ({rows}) t)"
            ));
            return;
        }
        // Who sees much finds a page among the first rows in order; who sees little of much would walk for ever. So the
        // walk is bounded; where it comes up short, the page is put together from what the caller may see at all: their
        // own rows, those of their groups, and the first of those that guests may see (of all, for administrators).
        let walked = format!("select t.* from {table} t where {conditions} order by {order} limit {}", self.walk);
        let walk = format!("select {shown} from ({walked}) t where {held} {part}");
        let first = format!("order by {order} limit {limit}::bigint + {offset}::bigint");
        let guest = format!("t.permission & {} <> 0", Right::Read.bit());
        let own_group = if entity.subject("t").is_group { " or t.id = any((select groups from a)::uuid[])" } else { "" };
        let arms = [
            format!("select t.id from {table} t where {conditions} and t.owner = a.id"),
            format!("select t.id from {table} t where {conditions} and (t.groups && (select groups from a){own_group})"),
            format!("(select t.id from {table} t where {conditions} and {guest} {first})"),
            format!("(select t.id from {table} t where (select admin from a) and {conditions} {first})"),
        ];
        let is_short = format!(
            "(select count(*) from w0) < {limit}::bigint and (select count(*) from a cross join lateral ({}) t) >= {}",
            walked.replacen("select t.*", "select", 1),
            self.walk
        );
        let seen = format!("select {shown} from f0 f join {table} t on t.id = f.id where {conditions} and {held} {part}");
        self.ctes.push(format!("w0 as materialized (select t.* from a cross join lateral ({walk}) t)"));
        self.ctes.push(format!("s0 as materialized (select {is_short} as is_short)"));
        self.ctes.push(format!(
            "f0 as materialized (select f.id from a cross join lateral ({}) f where (select is_short from s0))",
            arms.join(" union ")
        ));
        self.ctes.push(format!(
            "{name} as materialized (select row_number() over () as _n, t.* from (select * from w0 where not (select is_short from s0) \
             union all select t.* from a cross join lateral ({seen}) t where (select is_short from s0)) t)"
        ));
    }

    /// The branch of a CTE's rows, and those of what is included from them.
    fn rows(&mut self, cte: &str, node: &Node<'s>, grants: Option<&Relation>) {
        let mut slots: Vec<(Wire, String)> = vec![];
        let mut rows = Rows {
            entity: node.entity,
            columns: vec![],
            relations: vec![],
            limited: vec![],
            keys: vec![],
            bits: None,
            may: vec![],
        };
        for column in &node.columns {
            rows.columns.push((column, slots.len()));
            slots.push((column.kind.wire(), value(column, node.entity)));
            if column.is_limited() {
                rows.limited.push((slots.len() - 1, slots.len()));
                slots.push((Wire::Boolean, may_see(column, node.entity, "t")));
            }
        }
        for relation in &node.relations {
            let slot = (!relation.is_many()).then(|| {
                let linked = self.linked_id(node.entity, relation);
                slots.push((Wire::Uuid, linked));
                slots.len() - 1
            });
            rows.relations.push((relation, slot));
        }
        if cte == "r0" && self.is_paged {
            for i in 0..node.order.len() {
                rows.keys.push(slots.len());
                slots.push((Wire::Text, format!("t._k{i}")));
            }
        }
        if cte == "r0" && node.guard.right() == Right::Peek && grants.is_some_and(|r| grant_bits(r, "p").is_some()) {
            rows.bits = Some(slots.len());
            slots.push((Wire::Integer, "t._bits::bigint".to_owned()));
        }
        if node.tells_may {
            for right in Right::ALL {
                rows.may.push((right, slots.len()));
                slots.push((Wire::Boolean, format!("coalesce({}, false)", rule(right, node.entity.subject("t")))));
            }
        }
        let n = if cte == "r0" { "t._n" } else { "0" };
        self.branches.push(Spelled {
            n: n.to_owned(),
            parent: "null::uuid".to_owned(),
            id: "t.id",
            from: format!("a cross join {cte} t"),
            slots,
        });
        self.layout.branches.push(Branch::Rows(rows));
        let from = self.layout.branches.len() - 1;
        for include in &node.includes {
            self.include(cte, from, node.entity, include);
        }
    }

    fn include(&mut self, parent: &str, from_branch: usize, entity: &'s Entity, include: &Include<'s>) {
        let (relation, node) = (include.relation, &include.node);
        let number = self.branches.len();
        let (links, rows) = (format!("l{number}"), format!("r{number}"));
        let (peek, read) = (self.gate(node.entity, Right::Peek), self.gate(node.entity, Right::Read));
        let table = node.entity.table();
        let link = self.link(entity, relation, "p", "t", true);
        let held = own_links(relation, rule(Right::Peek, node.entity.subject("t")), "p");
        // What may only be peeked comes last, and in no order that would tell of its values.
        let read_rule = rule(Right::Read, node.entity.subject("t"));
        let keys: Vec<String> = node.order.iter().map(|key| self.key(node.entity, key)).collect();
        let keys: Vec<String> = keys.iter().map(|key| format!("case when {read_rule} then {key} end")).collect();
        let order = order(&node.order, &keys, false);
        let limit = self.statement.bind(Some((node.window.size + 1).to_string()));
        let most = self.statement.bind(Some((self.most + 1).to_string()));
        let bits = grant_bits(relation, "p").map(|b| format!(", {} as _bits", b.replace("t.id", "x.id"))).unwrap_or_default();
        // The row that only tells of a next page brings nothing along.
        let shown = if parent == "r0" {
            format!("p._n <= {}::bigint", self.statement.bind(Some(self.size.to_string())))
        } else {
            "true".to_owned()
        };
        self.ctes.push(format!(
            "{links} as materialized (select p.id as parent, x.id, x._n{bits} from a cross join {parent} p \
             cross join lateral (select x.id, row_number() over () as _n from (select t.id from {table} t where {peek} and {link} and {held} order by coalesce({read_rule}, false) desc, {order}, t.id \
             limit {limit}::bigint) x) x where {shown} limit {most}::bigint)"
        ));
        self.ctes.push(format!(
            "{rows} as materialized (select t.* from a cross join lateral (select t.* from {table} t \
             where {read} and t.id in (select l.id from {links} l where l._n <= {size}) and {held}) t)",
            size = node.window.size,
            held = rule(Right::Read, node.entity.subject("t")),
        ));
        if relation.is_many() {
            let from = format!("{links} t");
            let bits = grant_bits(relation, "p").map(|_| 0);
            let slots = bits.iter().map(|_| (Wire::Integer, "t._bits::bigint".to_owned())).collect();
            self.branches.push(Spelled { n: "t._n".to_owned(), parent: "t.parent".to_owned(), id: "t.id", from, slots });
            self.layout.branches.push(Branch::Links { from: from_branch, relation, size: node.window.size, bits });
        }
        self.rows(&rows, node, None);
    }

    /// The id that a to-one relation of row `t` leads to, if the caller may know of it.
    fn linked_id(&mut self, entity: &Entity, relation: &Relation) -> String {
        let target = self.schema.target(relation);
        let gate = self.gate(target, Right::Peek);
        let link = self.link(entity, relation, "t", "x", true);
        format!("(select x.id from {} x where {gate} and {link} and {})", target.table(), rule(Right::Peek, target.subject("x")))
    }

    /// Whether row `child` is what `relation` leads to from row `parent`.
    fn link(&self, entity: &Entity, relation: &Relation, parent: &str, child: &str, with_rule: bool) -> String {
        let linked = match &relation.link {
            Link::One { column } => format!("{child}.id = {parent}.{}", quote(column)),
            Link::Inverse { column } => format!("{child}.{} = {parent}.id", quote(column)),
            Link::Through { table, near, far } => {
                format!("{child}.id in (select l.{far} from {} l where l.{near} = {parent}.id)", quote(table))
            }
            Link::Array { ids, .. } => format!("{child}.id = any({parent}.{})", quote(ids)),
        };
        // Who is in a group is served to those with update on it; everybody sees their own groups.
        if with_rule && relation.rule == LinkRule::Membership {
            let (group, user) = if entity.name == "usergroup" { (parent, child) } else { (child, parent) };
            let group_rule = rule(Right::Update, crate::permission::Subject { row: group, is_group: true });
            return format!("{linked} and ({user}.id = a.id or {group_rule})");
        }
        linked
    }

    /// A column in a condition or an order.
    fn spelled(&self, column: &Column, entity: &Entity, row: &str) -> String {
        if self.is_search && row == "t" { format!("t.{}", quote(&column.name)) } else { seen(column, entity, row) }
    }

    /// The expression of a sort key over row `t`.
    fn key(&mut self, entity: &Entity, key: &Key<'s>) -> String {
        let last = key.steps.last().map_or(entity, |relation| self.schema.target(relation));
        let column = |row: &str| key.column.map_or_else(|| format!("{row}.id"), |c| self.spelled(c, last, row));
        let mut spelled = column(&format!("x{}", key.steps.len()));
        if key.steps.is_empty() {
            return column("t");
        }
        for (depth, relation) in key.steps.iter().enumerate().rev() {
            let target = self.schema.target(relation);
            let (row, parent) = (format!("x{}", depth + 1), if depth == 0 { "t".to_owned() } else { format!("x{depth}") });
            let link = self.link(target, relation, &parent, &row, true);
            spelled = format!(
                "(select {spelled} from {} {row} where {link} and {})",
                target.table(),
                rule(Right::Read, target.subject(&row))
            );
        }
        spelled
    }

    /// The rows beyond a cursor, in the order's direction or against it. Nulls come last ascending, first descending.
    fn beyond(&mut self, order: &[Key<'s>], keys: &[String], values: &[Option<String>], backwards: bool) -> String {
        let mut spelled = "false".to_owned();
        for ((key, expression), value) in order.iter().zip(keys).zip(values).rev() {
            let kind = key.column.map_or(Kind::Uuid, |c| c.kind.clone()).sql();
            let descends = key.descends != backwards;
            let (after, same) = match value {
                Some(value) => {
                    let value = self.statement.bind(Some(value.clone()));
                    let sign = if descends { "<" } else { ">" };
                    let nulls = if key.is_nullable() && !descends { format!(" or {expression} is null") } else { String::new() };
                    (format!("({expression} {sign} {value}::{kind}{nulls})"), format!("{expression} = {value}::{kind}"))
                }
                None if descends => (format!("{expression} is not null"), format!("{expression} is null")),
                None => ("false".to_owned(), format!("{expression} is null")),
            };
            spelled = if spelled == "false" { after } else { format!("({after} or {same} and {spelled})") };
        }
        spelled
    }

    fn filter(&mut self, entity: &'s Entity, filter: &Filter<'s>, row: &str) -> String {
        let mut joined = |parts: &[Filter<'s>], word: &str| {
            let parts: Vec<_> = parts.iter().map(|p| self.filter(entity, p, row)).collect();
            format!("({})", parts.join(word))
        };
        match filter {
            Filter::And(parts) => joined(parts, " and "),
            Filter::Or(parts) => joined(parts, " or "),
            Filter::Not(part) => format!("({}) is not true", self.filter(entity, part, row)),
            Filter::Compare { steps, column, operator, values } => {
                self.compare(entity, steps, *column, *operator, values, row, 0)
            }
        }
    }

    #[allow(clippy::too_many_arguments)] // the parts of one condition
    fn compare(
        &mut self,
        entity: &'s Entity,
        steps: &[&'s Relation],
        column: Option<&'s Column>,
        operator: Operator,
        values: &[String],
        row: &str,
        depth: usize,
    ) -> String {
        let Some((relation, rest)) = steps.split_first() else { return self.comparison(entity, column, operator, values, row) };
        let target = self.schema.target(relation);
        let inner = format!("f{depth}");
        let link = self.link(entity, relation, row, &inner, true);
        let held = rule(Right::Read, target.subject(&inner));
        // "author is null": there is none that the caller may read.
        let ends_at_relation = rest.is_empty() && column.is_none();
        if ends_at_relation && matches!(operator, Operator::Null | Operator::NotNull) {
            let not = if operator == Operator::Null { "not " } else { "" };
            return format!("{not}exists (select from {} {inner} where {link} and {held})", target.table());
        }
        let condition = self.compare(target, rest, column, operator, values, &inner, depth + 1);
        format!("exists (select from {} {inner} where {link} and {held} and {condition})", target.table())
    }

    fn comparison(
        &mut self,
        entity: &Entity,
        column: Option<&'s Column>,
        operator: Operator,
        values: &[String],
        row: &str,
    ) -> String {
        let kind = column.map_or(Kind::Uuid, |c| c.kind.clone());
        let plain = column.map_or_else(|| format!("{row}.id"), |c| self.spelled(c, entity, row));
        let fold = |text: String| if kind == Kind::Email { format!("lower({text})") } else { text };
        let left = fold(plain.clone());
        let cast = kind.sql();
        let mut one = || {
            let value = self.statement.bind(values.first().cloned());
            fold(format!("{value}::{cast}"))
        };
        match operator {
            Operator::Null => format!("{plain} is null"),
            Operator::NotNull => format!("{plain} is not null"),
            Operator::Eq => format!("{left} = {}", one()),
            Operator::Ne => format!("{left} is distinct from {}", one()),
            Operator::Lt => format!("{left} < {}", one()),
            Operator::Le => format!("{left} <= {}", one()),
            Operator::Gt => format!("{left} > {}", one()),
            Operator::Ge => format!("{left} >= {}", one()),
            Operator::Contains => format!("strpos({plain}, {}::text) > 0", one()),
            Operator::ContainsIgnoringCase => format!("strpos(lower({plain}), lower({}::text)) > 0", one()),
            Operator::Starts => format!("starts_with({plain}, {}::text)", one()),
            Operator::In | Operator::NotIn => {
                let folded = values.iter().map(|v| Some(if kind == Kind::Email { v.to_lowercase() } else { v.clone() }));
                let list = self.statement.bind(Some(array(folded)));
                let found = format!("{left} = any({list}::{cast}[])");
                if operator == Operator::In { found } else { format!("({found}) is not true") }
            }
        }
    }

    /// Puts everything together, with the slots of all branches laid out over each other.
    fn finish(mut self, who: &str, head: &str) -> (Statement, Layout<'s>) {
        let mut kinds: Vec<Wire> = vec![]; // the slots, in order
        let mut placed: Vec<Vec<usize>> = vec![];
        for branch in &self.branches {
            let mut taken = vec![false; kinds.len()];
            let places = branch.slots.iter().map(|(wire, _)| {
                let free = kinds.iter().enumerate().position(|(i, k)| k == wire && !taken.get(i).copied().unwrap_or(false));
                let at = free.unwrap_or_else(|| {
                    kinds.push(*wire);
                    kinds.len() - 1
                });
                taken.resize(kinds.len(), false);
                taken[at] = true;
                at
            });
            placed.push(places.collect());
        }
        let empty: Vec<String> = kinds.iter().map(|k| format!("null::{}", k.sql())).collect();
        let line = |branch: usize, n: &str, parent: &str, id: &str, slots: &[String], from: &str| {
            let slots: String = slots.iter().map(|s| format!(", {s}")).collect();
            format!("select {branch}::bigint, ({n})::bigint, {parent}, {id}{slots} from {from}")
        };
        let mut lines = vec![line(0, head, "a.session", "a.id", &empty, "a")];
        for (at, (branch, places)) in self.branches.iter().zip(&placed).enumerate() {
            let mut slots = empty.clone();
            for ((_, expression), place) in branch.slots.iter().zip(places) {
                slots[*place].clone_from(expression);
            }
            lines.push(line(at + 1, &branch.n, &branch.parent, branch.id, &slots, &branch.from));
        }
        for (branch, places) in self.layout.branches.iter_mut().zip(&placed) {
            let seat = |slot: &mut usize| *slot = places[*slot] + FIXED;
            if let Branch::Groups(told) = branch {
                told.iter_mut().for_each(|t| seat(&mut t.slot));
            }
            if let Branch::Links { bits: Some(bits), .. } = branch {
                seat(bits);
            }
            if let Branch::Rows(rows) = branch {
                rows.columns.iter_mut().for_each(|(_, s)| seat(s));
                rows.relations.iter_mut().filter_map(|(_, s)| s.as_mut()).for_each(seat);
                rows.limited.iter_mut().for_each(|(s, flag)| {
                    seat(s);
                    seat(flag);
                });
                rows.keys.iter_mut().for_each(seat);
                rows.bits.iter_mut().for_each(seat);
                rows.may.iter_mut().for_each(|(_, s)| seat(s));
            }
        }
        let entities = self.schema.entities();
        let gates: Vec<_> =
            self.gates.iter().enumerate().map(|(i, (at, right))| format!(", {} as g{i}", gate(&entities[*at], *right))).collect();
        let a = format!("a as materialized (select a.*{} from who a)", gates.concat());
        let ctes: Vec<_> = [who.to_owned(), a].into_iter().chain(self.ctes).collect();
        self.statement.sql = format!("with {} {}", ctes.join(", "), lines.join(" union all "));
        (self.statement, self.layout)
    }
}

/// The bits that a grant of row `p` to group `t` has of its own, where such links have bits.
fn grant_bits(relation: &Relation, parent: &str) -> Option<String> {
    let Link::Array { ids, bits: Some(bits) } = &relation.link else { return None };
    let (ids, bits) = (quote(ids), quote(bits));
    Some(format!("(select g.bits from unnest({parent}.{ids}, {parent}.{bits}) as g (id, bits) where g.id = t.id limit 1)"))
}

/// To a row's owner all its grants are shown, and to everybody their own groups.
fn own_links(relation: &Relation, held: String, parent: &str) -> String {
    match relation.rule {
        LinkRule::Grant => format!("({held} or {parent}.owner = a.id)"),
        LinkRule::Membership => format!("({held} or {parent}.id = a.id)"),
        _ => held,
    }
}

fn order(keys: &[Key<'_>], spelled: &[String], backwards: bool) -> String {
    let keys = keys.iter().zip(spelled).map(|(key, e)| format!("{e}{}", if key.descends != backwards { " desc" } else { "" }));
    keys.collect::<Vec<_>>().join(", ")
}

/// Whether the caller is served a column of a row that they may read.
fn may_see(column: &Column, entity: &Entity, row: &str) -> String {
    belongs(column.readers.as_deref().unwrap_or(&[Class::Guest]), entity.subject(row))
}

/// A column as the caller sees it: null in rows where they are not served it.
fn seen(column: &Column, entity: &Entity, row: &str) -> String {
    let name = format!("{row}.{}", quote(&column.name));
    match column.is_limited() {
        true => format!("(case when {} then {name} end)", may_see(column, entity, row)),
        false => name,
    }
}

/// A column of row `t` as it travels.
fn value(column: &Column, entity: &Entity) -> String {
    let name = seen(column, entity, "t");
    match &column.kind {
        Kind::Decimal { .. } => format!("{name}::text"),
        Kind::Rating => format!("{name}::bigint"),
        _ if column.name == "permission" || column.name == "version" => format!("{name}::bigint"),
        _ => name,
    }
}
