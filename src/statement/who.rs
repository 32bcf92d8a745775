//! Who asks, and what they may: asked in the statement itself ([`who`], [`gate`]), or known to the process and proven in it.
//!
//! In charge of: the proof. A process may know a caller's groups and what the entities grant them; each statement that uses
//! this proves in its own snapshot that it still holds, by the caller's session, their memberships whole and in order, and the
//! stamp, which is another for each change of `world` and `action`. Where it doesn't hold, no row of an entity is touched.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use uuid::Uuid;

use super::query::{Guarded, Sql, Value, literal};
use super::row::Row;
use crate::error::Result;
use crate::permission::{Actor, Right, Subject};
use crate::schema::{ADMINISTRATORS, Entity, Schema};

/// `who`: the caller as the session says now. One row; none where a session is named that is over: then whatever is made of
/// it does nothing.
pub(in crate::statement) fn who(sql: &mut Sql, session: Option<Uuid>) -> String {
    let session = sql.bind(session);
    format!(
        "who as materialized (
  select s.session, s.id, coalesce(s.groups, '{{}}'::uuid[]) as groups,
    coalesce('{ADMINISTRATORS}'::uuid = any(s.groups), false) as admin
  from (values (1)) as one
  left join lateral (
    select s.id as session, u.id,
      array(select m.source from \"usergroup.members\" m where m.target = u.id order by m.source) as groups
    from session s join user_account u on u.id = s.\"user\" and u.active
    where s.id = {session}::uuid and s.ended_at is null and s.expires_at > now()) s on true
  where {session}::uuid is null or s.session is not null)"
    )
}

/// Whether the caller `a` may do this with the entity: the rule on its row in `world`.
pub(in crate::statement) fn gate(entity: &Entity, right: Right) -> String {
    let held = Actor::Row.rule(right, Subject { row: "w", is_group: false });
    format!("coalesce((select {held} from world w where w.name = {}), false)", literal(&entity.name))
}

/// What somebody is, as far as it chooses the lines of the rule that can hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Standing {
    /// Nobody in particular.
    Guest,
    /// In no group.
    Alone,
    /// In some group.
    Member,
    /// An administrator.
    Administrator,
}

/// Where the proof's parameters stand: the stamp, and of a user the session, the user and the groups.
const STAMP: &str = "$1::uuid";
const SESSION: &str = "$2::uuid";
const ME: &str = "$3::uuid";
const GROUPS: &str = "$4::uuid[]";

impl Standing {
    /// As the rule finds them in a proven statement.
    pub(in crate::statement) fn actor(self) -> Actor<'static> {
        match self {
            Standing::Guest => Actor::Guest,
            Standing::Alone => Actor::User { id: ME, groups: None },
            Standing::Member => Actor::User { id: ME, groups: Some(GROUPS) },
            Standing::Administrator => Actor::Administrator,
        }
    }

    /// The caller's id; none for a guest.
    pub(in crate::statement) fn me(self) -> Option<&'static str> {
        (self != Standing::Guest).then_some(ME)
    }

    /// The caller's groups, where they matter.
    pub(in crate::statement) fn groups(self) -> Option<&'static str> {
        (self == Standing::Member).then_some(GROUPS)
    }

    /// `proof`: one row, whose `ok` says whether what is known holds.
    pub(in crate::statement) fn proof(self) -> String {
        let stamp = format!("(select s.value from rowhouse.stamp s) = {STAMP}");
        if self == Standing::Guest {
            return format!("proof as materialized (select coalesce({stamp}, false) as ok)");
        }
        format!(
            "proof as materialized (
  select coalesce({stamp}
    and (
      select array(select m.source from \"usergroup.members\" m where m.target = u.id order by m.source) = {GROUPS}
      from session s join user_account u on u.id = s.\"user\" and u.active
      where s.id = {SESSION} and s.ended_at is null and s.expires_at > now() and u.id = {ME}), false) as ok)"
        )
    }
}

/// What is known of an entity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Gate {
    /// The bits of the rights that it grants.
    rights: u8,
    /// Whether triggers stand on its table, so that what changes there is noted or heard.
    is_noted: bool,
    /// Whether foreign keys lead to its table, so that others change with it, or keep it.
    is_referred_to: bool,
}

impl Gate {
    /// Of an entity of which the database says nothing.
    const CLOSED: Gate = Gate { rights: 0, is_noted: true, is_referred_to: true };
}

/// What entities and actions grant a caller. Many callers are granted the same: it is shared.
#[derive(Debug, Default, PartialEq, Eq, Hash)]
pub struct Gates {
    /// By the entity's place in the schema.
    entities: Vec<Gate>,
    /// Entity and name of the actions whose own rows grant execute, in order.
    actions: Vec<(String, String)>,
}

/// What a process knows of a caller. It decides nothing but where the statement proves it.
#[derive(Debug, Clone)]
pub struct Known {
    stamp: Uuid,
    session: Option<Uuid>,
    user: Option<Uuid>,
    groups: Vec<Uuid>,
    is_administrator: bool,
    gates: Arc<Gates>,
}

impl Known {
    /// Somebody of a standing, to whom everything is granted: for goldens, and for trying how statements are spelled. It is
    /// worth nothing, for no stamp is nil.
    pub fn example(schema: &Schema, standing: Standing) -> Known {
        let (me, group) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let rights = Right::ALL.into_iter().fold(0, |bits, right| bits | bit(right));
        let open = Gate { rights, is_noted: false, is_referred_to: false };
        let entities = schema.entities().iter().map(|_| open).collect();
        Known {
            stamp: Uuid::nil(),
            session: (standing != Standing::Guest).then_some(me),
            user: (standing != Standing::Guest).then_some(me),
            groups: if standing == Standing::Member { vec![group] } else { vec![] },
            is_administrator: standing == Standing::Administrator,
            gates: Arc::new(Gates { entities, actions: vec![] }),
        }
    }

    /// The caller's user row; none for a guest.
    pub fn user(&self) -> Option<Uuid> {
        self.user
    }

    /// Whether they are an administrator.
    pub fn is_administrator(&self) -> bool {
        self.is_administrator
    }

    /// What chooses the lines of the rule.
    pub fn standing(&self) -> Standing {
        match self.user {
            None => Standing::Guest,
            Some(_) if self.is_administrator => Standing::Administrator,
            Some(_) if self.groups.is_empty() => Standing::Alone,
            Some(_) => Standing::Member,
        }
    }

    fn gate(&self, entity: &Entity) -> Gate {
        self.gates.entities.get(entity.at).copied().unwrap_or(Gate::CLOSED)
    }

    /// Whether an entity grants a right.
    pub fn may(&self, entity: &Entity, right: Right) -> bool {
        self.gate(entity).rights & bit(right) != 0
    }

    /// Whether triggers stand on an entity's table; also where nothing is known of it.
    pub fn is_noted(&self, entity: &Entity) -> bool {
        self.gate(entity).is_noted
    }

    /// Whether foreign keys lead to an entity's table; also where nothing is known of it.
    pub fn is_referred_to(&self, entity: &Entity) -> bool {
        self.gate(entity).is_referred_to
    }

    /// Whether an action's own row grants execute.
    pub fn may_run(&self, entity: &str, action: &str) -> bool {
        let at = |(e, a): &(String, String)| (e.as_str(), a.as_str()).cmp(&(entity, action));
        self.gates.actions.binary_search_by(at).is_ok()
    }

    /// The same, with what entities and actions grant shared.
    pub fn sharing(self, share: impl FnOnce(Arc<Gates>) -> Arc<Gates>) -> Known {
        Known { gates: share(self.gates.clone()), ..self }
    }

    /// The parameters of the proof.
    pub(in crate::statement) fn values(&self) -> Vec<Value> {
        let mut values = vec![Value::from(self.stamp)];
        if let Some(user) = self.user {
            values.extend([Value::from(self.session), user.into(), super::query::ids(&self.groups)]);
        }
        values
    }
}

fn bit(right: Right) -> u8 {
    u8::try_from(right.bit()).unwrap_or(0) // seven rights
}

/// What the database says of a caller, read in one snapshot.
#[derive(Debug)]
pub struct Learned {
    head: Option<Head>,
    entities: HashMap<String, Gate>,
    actions: HashSet<(String, String)>,
    /// The digest of the schema that was applied last.
    pub schema: String,
}

#[derive(Debug)]
struct Head {
    session: Option<Uuid>,
    user: Option<Uuid>,
    groups: Vec<Uuid>,
    is_administrator: bool,
    stamp: Uuid,
}

impl Learned {
    /// What is known from now on; none where the session is over.
    pub fn known(self, schema: &Schema) -> Option<Known> {
        let Head { session, user, groups, is_administrator, stamp } = self.head?;
        let of = |entity: &Entity| self.entities.get(&entity.name).copied().unwrap_or(Gate::CLOSED);
        let entities = schema.entities().iter().map(of).collect();
        let mut actions: Vec<_> = self.actions.into_iter().collect();
        actions.sort_unstable();
        Some(Known { stamp, session, user, groups, is_administrator, gates: Arc::new(Gates { entities, actions }) })
    }
}

/// Asks everything that may be known of a caller.
pub fn learn(session: Option<Uuid>) -> Guarded<Learned> {
    let mut sql = Sql::new();
    let who = who(&mut sql, session);
    let own = |row| Actor::Row.rule(Right::Execute, Subject { row, is_group: false });
    let w = Subject { row: "w", is_group: false };
    let bits = Right::ALL.map(|right| format!("case when {} then {} else 0 end", Actor::Row.rule(right, w), right.bit()));
    let sql = sql.with(format!(
        "with {who}
select 0::bigint, s.schema, null::text, null::bigint, a.session, a.id, a.groups, a.admin, s.value, null::boolean
from rowhouse.stamp s left join who a on true
union all
select 1, w.name, null, {}, null, null, null, w.name = any(array(
  select c.relname from pg_trigger t join pg_class c on c.oid = t.tgrelid
  where c.relnamespace = 'public'::regnamespace and not t.tgisinternal
    and t.tgfoid is distinct from to_regproc('rowhouse.raise_version'))), null, w.name = any(array(
  select c.relname from pg_constraint f join pg_class c on c.oid = f.confrelid
  where c.relnamespace = 'public'::regnamespace and f.contype = 'f'))
from who a, world w
union all
select 2, t.entity, t.name, null, null, null, null, null, null, null from who a, action t where {}",
        bits.join(" + "),
        own("t"),
    ));
    Guarded::new(sql, |rows| {
        let (mut head, mut entities, mut actions, mut schema) = (None, HashMap::new(), HashSet::new(), String::new());
        for row in &rows {
            match row.column::<i64>(0)? {
                0 => {
                    schema = row.column(1)?;
                    head = read_head(row)?;
                }
                1 => {
                    let rights = u8::try_from(row.column::<i64>(3)?).unwrap_or(0);
                    let gate = Gate { rights, is_noted: row.column(7)?, is_referred_to: row.column(9)? };
                    entities.insert(row.column(1)?, gate);
                }
                _ => _ = actions.insert((row.column(1)?, row.column(2)?)),
            }
        }
        Ok(Learned { head, entities, actions, schema })
    })
}

/// None where there is no caller: the session is over.
fn read_head(row: &Row) -> Result<Option<Head>> {
    let Some(groups) = row.optional(6)? else { return Ok(None) };
    let (session, user) = (row.optional(4)?, row.optional(5)?);
    Ok(Some(Head { session, user, groups, is_administrator: row.column(7)?, stamp: row.column(8)? }))
}

/// Only the proof: whether what is known holds now.
pub fn proof(known: &Known) -> Guarded<Option<()>> {
    let text = format!("with {}\nselect p.ok from proof p", known.standing().proof());
    Guarded::proven(text.into(), known.values(), |_| Ok(()))
}
