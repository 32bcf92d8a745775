//! The reference model: `permissions.md` §3 again, in plain Rust, on purpose.

/// Rights by the place of their bit.
pub const RIGHTS: [&str; 7] = ["peek", "read", "create", "update", "delete", "execute", "refer"];

/// Who asks, as far as the rule cares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Actor {
    pub name: &'static str,
    pub is_user: bool,
    pub is_administrator: bool,
    pub is_owner: bool,
    pub is_member: bool,
}

/// How a row is granted to the group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grant {
    None,
    RowsBits,
    Own(i32),
}

/// A row, as far as the rule cares.
#[derive(Debug, Clone, Copy)]
pub struct Row {
    pub permission: i32,
    pub has_owner: bool,
    pub grant: Grant,
}

/// May the actor do this with the row?
pub fn may(actor: Actor, right: usize, row: Row) -> bool {
    let holds = |right: usize| {
        let guest = row.permission >> right & 1 == 1;
        let owner = row.has_owner && actor.is_user && actor.is_owner && row.permission >> (7 + right) & 1 == 1;
        let bits = match row.grant {
            Grant::None => 0,
            Grant::RowsBits => row.permission,
            Grant::Own(bits) => bits,
        };
        let group = actor.is_user && actor.is_member && bits >> (14 + right) & 1 == 1;
        actor.is_administrator || guest || owner || group
    };
    holds(right) || right == 0 && holds(1)
}

/// May the actor do this with a row that is granted to several groups? `theirs`: the grants to the actor's.
pub fn may_by_any(actor: Actor, right: usize, row: Row, theirs: &[Grant]) -> bool {
    let by = |is_member, grant| may(Actor { is_member, ..actor }, right, Row { grant, ..row });
    by(false, Grant::None) || theirs.iter().any(|grant| by(true, *grant))
}

/// The first line of §3 that holds, in its order.
pub fn line(actor: Actor, right: usize, row: Row) -> Option<i64> {
    let class = |class: &str| {
        let only = |owner, member| Actor {
            is_administrator: false,
            is_owner: actor.is_owner && owner,
            is_member: actor.is_member && member,
            ..actor
        };
        let guest_bits = if class == "guest" { row.permission & 127 } else { 0 };
        let row = Row { permission: row.permission & !127 | guest_bits, ..row };
        may(only(class == "owner", class == "group"), right, row)
    };
    if actor.is_administrator {
        return Some(1);
    }
    [(2, "guest"), (3, "owner"), (4, "group")].into_iter().find(|(_, name)| class(name)).map(|(n, _)| n)
}

/// Every kind of caller.
pub fn actors() -> Vec<Actor> {
    let actor =
        |name, is_user, is_administrator, is_owner, is_member| Actor { name, is_user, is_administrator, is_owner, is_member };
    vec![
        actor("guest", false, false, false, false),
        actor("stranger", true, false, false, false),
        actor("owner", true, false, true, false),
        actor("member", true, false, false, true),
        actor("owner and member", true, false, true, true),
        actor("administrator", true, true, false, false),
        actor("deactivated owner", false, false, true, true),
    ]
}
