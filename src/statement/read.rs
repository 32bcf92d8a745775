//! Reads: one statement per plan, that holds everything that decides.
//!
//! In charge of: the verdicts of the entities (`a`), the rows of each node, and one row format for all branches. It must not
//! know how rows are told apart again by name: it gives the [`Layout`].
//!
//! Every row that comes back is `branch, n, parent, id` and then slots, typed by how values travel; a branch uses the
//! slots it needs and leaves the others null. Branch 0 is the head: one row whose `n` holds the verdicts as bits.

use condition::{may_see, order, seen};
use uuid::Uuid;

use super::who::{gate, verdict, who};
use super::{Statement, array};
use crate::permission::{Right, rule};
use crate::plan::{Include, Node, Pick, Plan};
use crate::schema::kind::{Kind, Wire};
use crate::schema::{Column, Entity, Link, LinkRule, Relation, Schema, quote};

pub mod aggregate;
mod condition;
mod layout;
mod page;

pub use layout::{Branch, FIXED, Layout, Rows};

struct Speller<'s> {
    schema: &'s Schema,
    statement: Statement,
    /// Entity and right → a boolean of `a`.
    gates: Vec<(usize, Right)>,
    ctes: Vec<String>,
    /// For each branch: number, `n`, parent, id, source, and slot expressions.
    branches: Vec<Spelled>,
    layout: Layout<'s>,
    /// The entities that relationships lead to.
    targets: Vec<&'s Entity>,
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
        targets: vec![],
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
            Pick::One(_) | Pick::Mine => {
                let id = match plan.pick {
                    Pick::One(id) => format!("{}::uuid", self.statement.bind(Some(id.to_string()))),
                    _ => "a.id".to_owned(),
                };
                let found = format!(
                    "select 1::bigint as _n, t.* from {table} t where {gate} and t.id = {id} and {}",
                    rule(right, subject)
                );
                self.ctes.push(format!("r0 as materialized (select t.* from a cross join lateral ({found}) t)"));
                let peek = format!("exists (select from {table} t where t.id = {id} and {})", rule(Right::Peek, subject));
                head.push(format!("case when exists (select from r0) or {peek} then {} else 0 end", verdict::PEEKABLE));
            }
            Pick::These(ids) => {
                let ids = self.statement.bind(Some(array(ids.iter().map(|id| Some(id.to_string())))));
                let held = rule(right, subject);
                let found =
                    format!("select 1::bigint as _n, t.* from {table} t where {gate} and t.id = any({ids}::uuid[]) and {held}");
                self.ctes.push(format!("r0 as materialized (select t.* from a cross join lateral ({found}) t)"));
            }
            Pick::Page => self.page("r0", node, None, &gate),
            Pick::Related { parent, id, relation } => {
                head.extend(self.related(node, &gate, parent, id, relation));
            }
        }
        let along = if let Pick::Related { relation, .. } = plan.pick { Some(relation) } else { None };
        self.rows("r0", node, along);
        if let Some(linked) = &plan.linked {
            let (read, held) = (self.gate(linked.entity, Right::Read), rule(Right::Read, linked.entity.subject("t")));
            let shown = self.statement.bind(Some(self.size.to_string()));
            self.ctes.push(format!(
                "s1 as materialized (select t.* from a cross join lateral (select t.* from r0 t where {read} and t._n <= {shown}::bigint and {held}) t)"
            ));
            self.rows("s1", linked, None);
        }
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

    /// Rows that are linked to one row, which the caller must be able to read.
    fn related(&mut self, node: &Node<'s>, gate: &str, parent: &'s Entity, id: Uuid, relation: &'s Relation) -> Vec<String> {
        let id = self.statement.bind(Some(id.to_string()));
        let from = parent.subject("t");
        let open = self.gate(parent, Right::Read);
        let start =
            format!("select t.* from {} t where {open} and t.id = {id}::uuid and {}", parent.table(), rule(Right::Read, from));
        self.ctes.push(format!("p0 as materialized (select t.* from a cross join lateral ({start}) t)"));
        self.page("r0", node, Some((parent, relation)), gate);
        let peek = format!("exists (select from {} t where t.id = {id}::uuid and {})", parent.table(), rule(Right::Peek, from));
        let mut head = vec![
            format!("case when exists (select from p0) or {peek} then {} else 0 end", verdict::PEEKABLE),
            format!("case when exists (select from p0) then {} else 0 end", verdict::PARENT),
        ];
        if !relation.is_many() {
            let link = self.link(parent, relation, "p", "t", false);
            let held = rule(Right::Peek, node.entity.subject("t"));
            let seen = format!("exists (select from p0 p, {} t where {link} and {held})", node.entity.table());
            head.push(format!("case when {seen} then {} else 0 end", verdict::TARGET));
        }
        head
    }

    /// The branch of a CTE's rows, and those of what is included from them.
    fn rows(&mut self, cte: &str, node: &Node<'s>, grants: Option<&Relation>) {
        let mut slots: Vec<(Wire, String)> = vec![];
        let mut rows = Rows {
            entity: node.entity,
            columns: vec![],
            relations: vec![],
            limited: vec![],
            version: None,
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
            let target = self.schema.target(relation);
            if !self.targets.iter().any(|e| e.at == target.at) {
                self.targets.push(target);
            }
        }
        if cte == "r0" && !self.is_paged {
            rows.version = Some(slots.len());
            slots.push((Wire::Integer, "t.version::bigint".to_owned()));
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
        // What may only be peeked is linked, but not searched by its values.
        let asked = if node.filters.is_empty() { Right::Peek } else { Right::Read };
        let (peek, read) = (self.gate(node.entity, asked), self.gate(node.entity, Right::Read));
        let table = node.entity.table();
        let link = self.link(entity, relation, "p", "t", true);
        let mut held = own_links(relation, rule(asked, node.entity.subject("t")), "p");
        for filter in &node.filters {
            let spelled = self.filter(node.entity, filter, "t");
            held = format!("{held} and {spelled}");
        }
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
            let shape = include.shape.clone();
            self.layout.branches.push(Branch::Links { from: from_branch, relation, size: node.window.size, bits, shape });
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

    /// A column of `a`: the numbers of the entities that relationships lead to and that the caller may read. Links to others are
    /// left out (`permissions.md` §4).
    fn open(&mut self, kinds: &mut Vec<Wire>) -> Option<String> {
        if self.targets.is_empty() {
            return None;
        }
        kinds.push(Wire::Text);
        self.layout.open = Some(kinds.len() - 1 + FIXED);
        let numbers: String =
            self.targets.iter().map(|e| format!(" when '{}' then '{}'", e.name.replace('\'', "''"), e.at)).collect();
        let held = rule(Right::Read, crate::permission::Subject { row: "w", is_group: false });
        Some(format!(", (select string_agg(case w.name{numbers} end, ' ') from world w where {held}) as open"))
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
        let open = self.open(&mut kinds);
        let empty: Vec<String> = kinds.iter().map(|k| format!("null::{}", k.sql())).collect();
        let mut head_slots = empty.clone();
        if open.is_some()
            && let Some(last) = head_slots.last_mut()
        {
            "a.open".clone_into(last);
        }
        let line = |branch: usize, n: &str, parent: &str, id: &str, slots: &[String], from: &str| {
            let slots: String = slots.iter().map(|s| format!(", {s}")).collect();
            format!("select {branch}::bigint, ({n})::bigint, {parent}, {id}{slots} from {from}")
        };
        let mut lines = vec![line(0, head, "a.session", "a.id", &head_slots, "a")];
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
                rows.version.iter_mut().for_each(seat);
                rows.may.iter_mut().for_each(|(_, s)| seat(s));
            }
        }
        let entities = self.schema.entities();
        let gates: Vec<_> =
            self.gates.iter().enumerate().map(|(i, (at, right))| format!(", {} as g{i}", gate(&entities[*at], *right))).collect();
        let a = format!("a as materialized (select a.*{}{} from who a)", gates.concat(), open.unwrap_or_default());
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

/// A column of row `t` as it travels.
fn value(column: &Column, entity: &Entity) -> String {
    let name = seen(column, entity, "t");
    match &column.kind {
        Kind::Decimal { .. } => format!("{name}::text"),
        _ => name, // integers of any width are widened by the head's
    }
}
