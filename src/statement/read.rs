//! Reads: one statement per plan, that begins with the proof and holds everything else that decides.
//!
//! In charge of: a plan's shape: its text, its parameters, and the [`Layout`] of its rows.
//!
//! Without includes a read is one flat select; with includes, or with a total, its rows are CTEs, and come out in one format:
//! which branch a row is of, which row of it, and slots, typed by how values travel.
//!
//! Aliases: `p` the proof · `h` the row that a related list starts from · `t` a row that is read · `x` a row that is linked ·
//! `l` a pair · `f` rows that a path leads to · `r0` the root's rows, `l1`, `r1`, … those of includes, `c0` a total.

use uuid::Uuid;

use super::row::{Binary, Place};
use super::who::Known;
use crate::permission::{Actor, Right, Subject};
use crate::plan::{Include, Node, Pick, Plan};
use crate::schema::kind::{Kind, Wire};
use crate::schema::{Entity, Link, LinkRule, Relation, Schema, quote};
use condition::order;
use layout::{Attribute, Branch, FIXED, FIXED_BRANCHED, Layout, Rows};
pub use page::is_walked;
use shape::Param;
pub use shape::{Found, Part, Shape, key, key_of_totals};

pub mod aggregate;
pub mod change;
mod condition;
pub mod layout;
mod page;
mod shape;

struct Speller<'s> {
    schema: &'s Schema,
    known: &'s Known,
    actor: Actor<'static>,
    params: Vec<Param>,
    ctes: Vec<String>,
    branches: Vec<Spelled>,
    layout: Layout,
    /// How many comparisons with values were spelled.
    compared: usize,
    /// How many includes were spelled.
    included: usize,
    /// Whether the root is one row, which may be refused.
    is_one: bool,
    /// Whether the rows are only worked with: then peek is enough of their columns, too.
    is_search: bool,
    /// Most rows that all parents of one include have together.
    most: i64,
    /// How far a list is walked.
    walk: i64,
}

/// A branch that is spelled: its rows, and the expressions of its slots.
struct Spelled {
    n: &'static str,
    parent: &'static str,
    id: &'static str,
    from: String,
    slots: Vec<(Wire, String)>,
}

/// The root's rows, as a select over `p` (and `h`).
struct Root<'s> {
    /// Of rows `t`, with `_may` where the one row may be refused, and `_bits` of grants.
    rows: String,
    /// The expressions of the sort keys over `t`, which is [`Root::rows`], and the way in which they travel.
    keys: Vec<(Wire, String)>,
    /// The row that the rows start from: a lateral select, `h`.
    start: Option<String>,
    /// The relation along which they are linked to it.
    along: Option<&'s Relation>,
    /// Whether it is one row that is named, of which `_may` says whether it may be read.
    is_one: bool,
    /// Whether the rows come in an order.
    is_paged: bool,
    /// Whether the row is one that the statement changes: it says whether it did.
    is_change: bool,
}

/// Spells a plan, or the candidates of a page that came up short.
pub fn shape(schema: &Schema, plan: &Plan<'_>, known: &Known, part: Part) -> Shape {
    let mut speller = Speller::new(schema, known);
    (speller.is_search, speller.most, speller.walk) = (plan.is_search(), plan.most_included, plan.walk);
    let root = speller.root(plan, part);
    let is_branched = !plan.root.includes.is_empty() || plan.linked.is_some() || plan.root.window.total.is_some();
    match is_branched {
        false => speller.flat(root, plan),
        true => speller.branched(root, plan),
    }
}

impl<'s> Speller<'s> {
    fn new(schema: &'s Schema, known: &'s Known) -> Speller<'s> {
        Speller {
            schema,
            known,
            actor: known.standing().actor(),
            params: vec![],
            ctes: vec![],
            branches: vec![],
            layout: Layout::default(),
            compared: 0,
            included: 0,
            is_one: false,
            is_search: false,
            most: 0,
            walk: 0,
        }
    }

    /// A parameter's placeholder; those of the proof stand before.
    fn bind(&mut self, param: Param) -> String {
        let at = self.params.iter().position(|known| *known == param).unwrap_or_else(|| {
            self.params.push(param);
            self.params.len() - 1
        });
        let proven = if self.known.user().is_some() { 4 } else { 1 };
        format!("${}", at + 1 + proven)
    }

    fn root(&mut self, plan: &Plan<'s>, part: Part) -> Root<'s> {
        let node = &plan.root;
        let (table, subject, right) = (node.entity.table(), node.entity.subject("t"), node.guard.right());
        let plain = |rows: String| Root {
            rows,
            keys: vec![],
            start: None,
            along: None,
            is_one: false,
            is_paged: false,
            is_change: false,
        };
        let one = |speller: &Self, which: &str| {
            let [peek, read] = [Right::Peek, Right::Read].map(|right| speller.actor.rule(right, subject));
            let rows = format!(
                "select t.*, coalesce({read}, false) as _may\nfrom {table} t\nwhere p.ok and {which} and {peek}\noffset 0"
            );
            Root { is_one: true, ..plain(rows) }
        };
        match plan.pick {
            Pick::One(_) => {
                let id = self.bind(Param::Named);
                one(self, &format!("t.id = {id}::uuid"))
            }
            Pick::Mine => {
                let me = self.known.standing().me();
                one(self, &me.map_or_else(|| "false".to_owned(), |me| format!("t.id = {me}")))
            }
            Pick::These(_) => {
                let (ids, held) = (self.bind(Param::Named), self.actor.rule(right, subject));
                plain(format!("select t.*\nfrom {table} t\nwhere p.ok and t.id = any({ids}::uuid[]) and {held}\noffset 0"))
            }
            Pick::Page => self.page(node, None, part),
            Pick::Related { parent, relation, .. } => {
                let id = self.bind(Param::Named);
                let from = parent.subject("t");
                let [peek, read] = [Right::Peek, Right::Read].map(|right| self.actor.rule(right, from));
                let start = format!(
                    "select t.*, coalesce({read}, false) as _may\nfrom {} t\nwhere p.ok and t.id = {id}::uuid and {peek}\noffset 0",
                    parent.table()
                );
                let mut root = match relation.is_many() || right == Right::Peek {
                    true => self.page(node, Some((parent, relation)), part),
                    false => one(self, &format!("h._may and {}", self.link(parent, relation, "h", "t"))),
                };
                (root.start, root.along) = (Some(start), Some(relation));
                root
            }
        }
    }

    /// The slots of a node's rows `t`, and where they stand.
    fn slots(&mut self, node: &Node<'s>, root: Option<&Root<'s>>) -> (Vec<(Wire, String)>, Rows) {
        let (entity, mut slots) = (node.entity, vec![]);
        let mut rows =
            Rows { entity: entity.at, columns: vec![], relations: vec![], version: None, keys: vec![], bits: None, may: vec![] };
        // Nothing of a row that may only be peeked comes out.
        let is_refusable = root.is_some_and(|root| root.is_one) && self.actor.rule(Right::Read, entity.subject("t")) != "true";
        let mut put = |wire: Wire, value: String| {
            let value = if is_refusable { format!("case when t._may then {value} end") } else { value };
            slots.push((wire, value));
            slots.len() - 1
        };
        for column in &node.columns {
            let at = entity.columns.iter().position(|c| std::ptr::eq(c, *column)).unwrap_or_default();
            let value = Place::new(put(column.kind.wire(), travelling(&column.kind, self.seen(column, entity, "t"))));
            let is_served = column.is_limited().then(|| Place::new(put(Wire::Boolean, self.may_see(column, entity, "t"))));
            rows.columns.push((at, Attribute { value, is_served }));
        }
        for relation in &node.relations {
            let at = entity.relations.iter().position(|r| std::ptr::eq(r, *relation)).unwrap_or_default();
            let linked = (!relation.is_many()).then(|| Place::new(put(Wire::Uuid, self.linked_id(entity, relation))));
            rows.relations.push((at, linked));
        }
        if root.is_some_and(|root| !root.is_paged && root.along.is_none()) {
            rows.version = Some(Place::new(put(Wire::Integer, "t.version::bigint".to_owned())));
        }
        for (wire, key) in root.iter().flat_map(|root| &root.keys) {
            rows.keys.push((Place::new(put(*wire, key.clone())), *wire));
        }
        if let Some(along) = root.and_then(|root| root.along).filter(|_| node.guard.right() == Right::Peek)
            && let Some(bits) = grant_bits(along, "h", "t")
        {
            rows.bits = Some(Place::new(put(Wire::Integer, format!("({bits})::bigint"))));
        }
        for right in Right::ALL.into_iter().filter(|_| node.tells_may) {
            let held = self.actor.rule(right, entity.subject("t"));
            rows.may.push((right, Place::new(put(Wire::Boolean, format!("coalesce({held}, false)")))));
        }
        (slots, rows)
    }

    /// What the first columns say of the row that is named, and of the row that a to-one leads to.
    fn heads(root: &Root<'_>, spelled: impl Fn(&str) -> String) -> [String; 2] {
        let rows = match (root.start.is_some(), root.is_one) {
            (false, true) if root.is_change => return [spelled("t"), "exists (select from changed)".to_owned()],
            (false, true) => [Some("t"), None],
            (false, false) => [None, None],
            (true, true) => [Some("h"), Some("t")],
            (true, false) => [Some("h"), None],
        };
        rows.map(|row| row.map_or_else(|| "null::boolean".to_owned(), &spelled))
    }

    /// One select.
    fn flat(mut self, root: Root<'s>, plan: &Plan<'s>) -> Shape {
        let (slots, mut rows) = self.slots(&plan.root, Some(&root));
        rows.shift(FIXED);
        let [may, target] = Speller::heads(&root, |row| format!("{row}._may"));
        // Spelled inside: of a row that isn't there nothing is looked up.
        let values: String = slots.iter().enumerate().map(|(at, (_, value))| format!(",\n  {value} as s{at}")).collect();
        let names: String = (0..slots.len()).map(|at| format!(", t.s{at}")).collect();
        let own = if root.is_one { ", t._may" } else { "" };
        let start: String = root.start.iter().map(|start| format!("left join lateral (\n{start}) h on true\n")).collect();
        self.layout.branches.push(Branch::Rows(rows));
        let rows = &root.rows;
        let select = format!(
            "select p.ok, {may}, {target}, t.id{names}
from proof p
{start}left join lateral (
select t.id{own}{values}
from (
{rows}) t) t on true"
        );
        self.shape(select)
    }

    /// Several branches, whose rows are CTEs.
    fn branched(mut self, root: Root<'s>, plan: &Plan<'s>) -> Shape {
        let source = match &root.start {
            None => "proof p",
            Some(start) => {
                self.ctes.insert(0, format!("h0 as materialized (\n{}\n)", over("proof p", start)));
                "proof p cross join h0 h"
            }
        };
        let rows = format!("select row_number() over () as _n, t.* from ({}) t", root.rows);
        self.ctes.push(format!("r0 as materialized (\n{}\n)", over(source, &rows)));
        let [may, target] = Speller::heads(&root, |row| {
            let from = if row == "h" { "h0" } else { "r0" };
            format!("(select {row}._may from {from} {row})")
        });
        // The parent's columns, for links that are asked of it.
        let from = if root.along.is_some() { "r0 t cross join h0 h" } else { "r0 t" };
        self.is_one = root.is_one;
        self.rows("r0", from, &plan.root, Some(&root));
        if let Some(linked) = &plan.linked {
            let (shown, held) = (self.bind(Param::Shown), self.actor.rule(Right::Read, linked.entity.subject("t")));
            let gate = self.gate(linked.entity, Right::Read);
            self.ctes.push(format!(
                "s1 as materialized (\nselect t.* from r0 t where {gate} and t._n <= {shown}::bigint and {held}\n)"
            ));
            self.rows("s1", "s1 t", linked, None);
        }
        if plan.root.window.total.is_some() {
            self.branches.push(Spelled {
                n: "t.n",
                parent: "null::uuid",
                id: "null::uuid",
                from: "c0 t".to_owned(),
                slots: vec![],
            });
            self.layout.branches.push(Branch::Total);
        }
        self.layout.is_branched = true;
        let select = self.union(&format!("{may}, {target}"));
        self.shape(select)
    }

    fn shape(self, select: String) -> Shape {
        let ctes: Vec<String> = [self.known.standing().proof()].into_iter().chain(self.ctes).collect();
        Shape { text: format!("with {}\n{select}", ctes.join(",\n")).into(), params: self.params, layout: self.layout }
    }

    /// Whether an entity grants a right, for what is only narrowed by it.
    fn gate(&self, entity: &Entity, right: Right) -> &'static str {
        if self.known.may(entity, right) { "true" } else { "false" }
    }

    /// The branch of a CTE's rows, and those of what is included from them.
    fn rows(&mut self, cte: &str, from: &str, node: &Node<'s>, root: Option<&Root<'s>>) {
        let (slots, rows) = self.slots(node, root);
        let n = if root.is_some() { "t._n" } else { "0" };
        self.branches.push(Spelled { n, parent: "null::uuid", id: "t.id", from: from.to_owned(), slots });
        self.layout.branches.push(Branch::Rows(rows));
        let from_branch = self.layout.branches.len() - 1;
        for include in &node.includes {
            self.include(cte, from_branch, node.entity, include);
        }
    }

    fn include(&mut self, parent: &str, from: usize, entity: &'s Entity, include: &Include<'s>) {
        let (relation, node) = (include.relation, &include.node);
        let number = self.included;
        self.included += 1;
        let (links, rows) = (format!("l{}", number + 1), format!("r{}", number + 1));
        // What may only be peeked is linked, but not searched by its values.
        let asked = if node.filters.is_empty() { Right::Peek } else { Right::Read };
        let (table, subject) = (node.entity.table(), node.entity.subject("t"));
        let link = self.link(entity, relation, "p", "t");
        let [held, read] = [asked, Right::Read].map(|right| self.actor.rule(right, subject));
        let held = self.own_links(relation, held, "p");
        let conditions = self.conditions(node.entity, &node.filters);
        let beside: String = conditions.beside.iter().map(|c| format!(" and {c}")).collect();
        let behind = if conditions.behind.is_empty() { "true".to_owned() } else { conditions.behind.join(" and ") };
        // What may only be peeked comes last, and in no order that would tell of its values.
        let keys: Vec<String> = node.order.iter().map(|key| self.key(node.entity, key)).collect();
        let keys: Vec<String> = keys.iter().map(|key| format!("case when t._may then {key} end")).collect();
        let order = order(&node.order, &keys, false);
        let limit = self.bind(Param::Included(number));
        let most = self.most + 1;
        let bits = grant_bits(relation, "p", "x").map(|bits| format!(", ({bits}) as _bits")).unwrap_or_default();
        // The row that only tells of a next page brings nothing along.
        let shown = match (parent, self.is_one) {
            ("r0", true) => "p._may".to_owned(),
            ("r0", false) => format!("p._n <= {}::bigint", self.bind(Param::Shown)),
            _ => "true".to_owned(),
        };
        self.ctes.push(format!(
            "{links} as materialized (
select p.id as parent, x.id, x._n{bits}
from {parent} p cross join lateral (
  select x.id, row_number() over () as _n
  from (
    select t.id
    from (
      select t.*, coalesce({read}, false) as _may
      from {table} t
      where {gate} and {link} and {held}{beside}
      offset 0) t
    where {behind}
    order by t._may desc, {order}, t.id
    limit {limit}::bigint) x) x
where {shown}
limit {most}
)",
            gate = self.gate(node.entity, asked),
        ));
        self.ctes.push(format!(
            "{rows} as materialized (
select t.*
from {table} t
where {gate} and t.id in (select l.id from {links} l where l._n < {limit}::bigint) and {read}
)",
            gate = self.gate(node.entity, Right::Read),
        ));
        if relation.is_many() {
            let slots: Vec<_> =
                grant_bits(relation, "p", "x").map(|_| (Wire::Integer, "t._bits::bigint".to_owned())).into_iter().collect();
            let bits = (!slots.is_empty()).then(|| Place::new(0));
            self.branches.push(Spelled { n: "t._n", parent: "t.parent", id: "t.id", from: format!("{links} t"), slots });
            let at = entity.relations.iter().position(|r| std::ptr::eq(r, relation)).unwrap_or_default();
            self.layout.branches.push(Branch::Links { from, relation: at, include: number, bits });
        }
        let from = format!("{rows} t");
        self.rows(&rows, &from, node, None);
    }

    /// The id that a to-one relation of row `t` leads to, if the caller may know of it.
    fn linked_id(&self, entity: &Entity, relation: &Relation) -> String {
        let target = self.schema.target(relation);
        let held = self.actor.rule(Right::Peek, target.subject("x"));
        match &relation.link {
            _ if !self.known.may(target, Right::Peek) => "null::uuid".to_owned(),
            // A foreign key leads to a row. (The owner's has none.)
            Link::One { column } if held == "true" && relation.rule != LinkRule::Owner => format!("t.{}", quote(column)),
            _ => {
                let link = self.link(entity, relation, "t", "x");
                format!("(select x.id from {} x where {link} and {held})", target.table())
            }
        }
    }

    /// Whether row `child` is what `relation` leads to from row `parent`.
    fn link(&self, entity: &Entity, relation: &Relation, parent: &str, child: &str) -> String {
        let linked = match &relation.link {
            Link::One { column } => format!("{child}.id = {parent}.{}", quote(column)),
            Link::Inverse { column } => format!("{child}.{} = {parent}.id", quote(column)),
            Link::Through { table, near, far } => {
                format!("{child}.id in (select l.{far} from {} l where l.{near} = {parent}.id)", quote(table))
            }
            Link::Array { ids, .. } => format!("{child}.id = any({parent}.{})", quote(ids)),
        };
        // Who is in a group is served to those with update on it; everybody sees their own groups.
        if relation.rule == LinkRule::Membership {
            let (group, user) = if entity.name == "usergroup" { (parent, child) } else { (child, parent) };
            let may_change = self.actor.rule(Right::Update, Subject { row: group, is_group: true });
            return format!("{linked} and ({} or {may_change})", self.actor.is(user));
        }
        linked
    }

    /// To a row's owner all its grants are shown, and to everybody their own groups.
    fn own_links(&self, relation: &Relation, held: String, parent: &str) -> String {
        match relation.rule {
            LinkRule::Grant => format!("({held} or {})", self.actor.chmod(parent)),
            LinkRule::Membership => format!("({held} or {})", self.actor.is(parent)),
            LinkRule::Declared | LinkRule::Owner | LinkRule::System => held,
        }
    }

    /// Puts all branches together, their slots laid out over each other.
    fn union(&mut self, heads: &str) -> String {
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
        let empty: Vec<String> = kinds.iter().map(|kind| format!("null::{}", kind.sql())).collect();
        let nothing: String = empty.iter().map(|slot| format!(", {slot}")).collect();
        let mut lines =
            vec![format!("select p.ok, {heads}, null::uuid, 0::bigint, 0::bigint, null::uuid{nothing}\nfrom proof p")];
        for (at, (branch, places)) in self.branches.iter().zip(&placed).enumerate() {
            let mut slots = empty.clone();
            for ((_, expression), place) in branch.slots.iter().zip(places) {
                slots[*place].clone_from(expression);
            }
            let slots: String = slots.iter().map(|slot| format!(",\n  {slot}")).collect();
            let Spelled { n, parent, id, from, .. } = branch;
            lines.push(format!(
                "select true, null::boolean, null::boolean, {id}, {}::bigint, ({n})::bigint, {parent}{slots}\nfrom {from}",
                at + 1
            ));
        }
        for (branch, places) in self.layout.branches.iter_mut().zip(&placed) {
            match branch {
                Branch::Rows(rows) => rows.each(|place| places[place] + FIXED_BRANCHED),
                Branch::Links { bits, .. } => {
                    *bits = bits.map(|bits| Place::new(places[bits.at()] + FIXED_BRANCHED));
                }
                Branch::Total | Branch::Groups(_) => {}
            }
        }
        lines.join("\nunion all\n")
    }
}

impl Rows {
    /// Puts everything elsewhere.
    fn each(&mut self, to: impl Fn(usize) -> usize) {
        fn moved<T>(place: &mut Place<T>, to: &impl Fn(usize) -> usize) {
            *place = Place::new(to(place.at()));
        }
        for (_, Attribute { value, is_served }) in &mut self.columns {
            moved::<Binary>(value, &to);
            is_served.iter_mut().for_each(|place| moved(place, &to));
        }
        self.relations.iter_mut().filter_map(|(_, place)| place.as_mut()).for_each(|place| moved::<Uuid>(place, &to));
        self.keys.iter_mut().for_each(|(place, _)| moved(place, &to));
        self.version.iter_mut().chain(&mut self.bits).for_each(|place| moved(place, &to));
        self.may.iter_mut().for_each(|(_, place)| moved(place, &to));
    }

    fn shift(&mut self, by: usize) {
        self.each(|place| place + by);
    }
}

/// A select over the rows of a source, as rows of its own.
fn over(source: &str, rows: &str) -> String {
    format!("select t.* from {source} cross join lateral ({rows}) t")
}

/// The bits that a grant of row `parent` to group `child` has of its own, where such links have bits.
fn grant_bits(relation: &Relation, parent: &str, child: &str) -> Option<String> {
    let Link::Array { ids, bits: Some(bits) } = &relation.link else { return None };
    let (ids, bits) = (quote(ids), quote(bits));
    Some(format!("select g.bits from unnest({parent}.{ids}, {parent}.{bits}) as g (id, bits) where g.id = {child}.id limit 1"))
}

/// A value as it travels: integers of any width as the widest, decimals as text.
fn travelling(kind: &Kind, value: String) -> String {
    match (kind, kind.wire()) {
        (Kind::Decimal { .. }, _) => format!("{value}::text"),
        (_, Wire::Integer) => format!("{value}::bigint"),
        _ => value,
    }
}
