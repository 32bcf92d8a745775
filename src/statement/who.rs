//! Who asks, and whether an entity lets them: what stands in every statement that decides.

use uuid::Uuid;

use super::Statement;
use crate::permission::{Right, Subject, rule};
use crate::schema::{ADMINISTRATORS, Entity};

/// The bits in which a statement says what it found.
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
    let held = rule(right, Subject { row: "w", is_group: false });
    format!("coalesce((select {held} from world w where w.name = '{name}'), false)")
}
