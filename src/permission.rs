//! The rule: who may do what with a row.
//!
//! In charge of: rights, bits, and the rule of `may(caller, right, row)`, written once, as the four lines that SQL
//! and explanations are made of. Nothing else in Rowhouse decides. It must not know entities, requests or
//! connections: it speaks of "the row called `t`" and "the actor called `a`".
//!
//! One integer on every row, seven rights, three classes (guest `<<0`, owner `<<7`, group `<<14`).

use serde_json::Value as Json;

/// What somebody may want with a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Right {
    /// Know that the row exists.
    Peek,
    /// Be served its data. Implies peek.
    Read,
    /// Add a row; asked of the entity only.
    Create,
    /// Change its fields.
    Update,
    /// Remove it.
    Delete,
    /// Run an action on it.
    Execute,
    /// Link to it.
    Refer,
}

impl Right {
    /// All of them, in the order of their bits.
    pub const ALL: [Right; 7] =
        [Right::Peek, Right::Read, Right::Create, Right::Update, Right::Delete, Right::Execute, Right::Refer];

    /// The guest bit; the owner's is `<< 7`, the group's `<< 14`.
    pub const fn bit(self) -> i32 {
        1 << self as i32
    }

    /// The word for files and answers.
    pub const fn word(self) -> &'static str {
        match self {
            Right::Peek => "peek",
            Right::Read => "read",
            Right::Create => "create",
            Right::Update => "update",
            Right::Delete => "delete",
            Right::Execute => "execute",
            Right::Refer => "refer",
        }
    }

    /// The right of that name.
    pub fn from_word(word: &str) -> Option<Right> {
        Right::ALL.into_iter().find(|r| r.word() == word)
    }

    /// The bits of the guest class any of which grants this right: peek is also granted by read.
    const fn mask(self) -> i32 {
        match self {
            Right::Peek => Right::Peek.bit() | Right::Read.bit(),
            other => other.bit(),
        }
    }
}

/// Of whom a bit speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// Everybody.
    Guest,
    /// The row's owner.
    Owner,
    /// Members of the groups that the row is granted to.
    Group,
}

impl Class {
    /// All of them, in the order of their bits.
    pub const ALL: [Class; 3] = [Class::Guest, Class::Owner, Class::Group];

    /// How far its bits are shifted.
    pub const fn shift(self) -> i32 {
        match self {
            Class::Guest => 0,
            Class::Owner => 7,
            Class::Group => 14,
        }
    }

    /// The word for files.
    pub const fn word(self) -> &'static str {
        match self {
            Class::Guest => "guest",
            Class::Owner => "owner",
            Class::Group => "group",
        }
    }
}

/// The permission of a row: 0–2097151.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Permission(i32);

impl Permission {
    /// Nothing for anybody but administrators.
    pub const NONE: Permission = Permission(0);
    /// Everything for everybody.
    pub const MAX: i32 = 2_097_151;
    /// The bits of the group class: all that a grant of its own may carry.
    pub const GROUP: i32 = 2_080_768;

    /// From the wire's integer; none when out of range.
    pub fn new(bits: i64) -> Option<Permission> {
        i32::try_from(bits).ok().filter(|b| (0..=Permission::MAX).contains(b)).map(Permission)
    }

    /// From JSON: the integer, or words: `{"guest": ["read"], "owner": "all"}`.
    ///
    /// # Errors
    /// The end of a sentence that starts with the field's name.
    pub fn read(value: &Json) -> Result<Permission, String> {
        let wanted = || {
            let rights = Right::ALL.map(Right::word).join(", ");
            format!(
                "must be a number from 0 to {}, or an object of guest, owner and group, each all or a list of {rights}",
                Permission::MAX
            )
        };
        let Json::Object(classes) = value else {
            return value.as_i64().and_then(Permission::new).ok_or_else(wanted);
        };
        let mut permission = Permission::NONE;
        for (name, rights) in classes {
            let class = Class::ALL.into_iter().find(|class| class.word() == name).ok_or_else(wanted)?;
            let rights: Vec<Right> = match rights {
                Json::String(all) if all == "all" => Right::ALL.to_vec(),
                Json::Array(words) => {
                    let right = |word: &Json| Right::from_word(word.as_str()?);
                    words.iter().map(right).collect::<Option<_>>().ok_or_else(wanted)?
                }
                Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) | Json::Object(_) => return Err(wanted()),
            };
            permission = permission.with(class, &rights);
        }
        Ok(permission)
    }

    /// The integer.
    pub const fn bits(self) -> i32 {
        self.0
    }

    /// With these rights for this class, too.
    #[must_use]
    pub fn with(self, class: Class, rights: &[Right]) -> Permission {
        Permission(rights.iter().fold(self.0, |bits, r| bits | r.bit() << class.shift()))
    }
}

/// How the rule finds its row in a statement.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// The row's alias.
    pub row: &'a str,
    /// Whether the row is a group: a row of `usergroup` counts as granted to itself.
    pub is_group: bool,
}

/// How the rule finds the caller in a statement. What is known of a caller chooses which lines can hold at all.
#[derive(Debug, Clone, Copy)]
pub enum Actor<'a> {
    /// Whoever the row `a` of the statement says (`a.id uuid` or null for a guest, `a.groups uuid[]`, `a.admin boolean`).
    Row,
    /// An administrator.
    Administrator,
    /// Nobody in particular.
    Guest,
    /// A user, by an expression of their id; and one of the groups that they are in, if they are in any.
    User {
        /// Of type uuid.
        id: &'a str,
        /// Of type uuid[].
        groups: Option<&'a str>,
    },
}

/// A condition that never holds.
const NEVER: &str = "false";
/// A condition that always holds.
const ALWAYS: &str = "true";

/// Conditions any of which is enough.
fn any(conditions: impl IntoIterator<Item = String>) -> String {
    let some: Vec<String> = conditions.into_iter().filter(|condition| condition != NEVER).collect();
    match some.as_slice() {
        _ if some.iter().any(|condition| condition == ALWAYS) => ALWAYS.to_owned(),
        [] => NEVER.to_owned(),
        some => format!("({})", some.join(" or ")),
    }
}

impl Actor<'_> {
    /// Expressions of the caller's id and groups; none where there can be no such.
    fn names(&self) -> (Option<&str>, Option<&str>) {
        match self {
            Actor::Row => (Some("a.id"), Some("a.groups")),
            Actor::Administrator | Actor::Guest => (None, None),
            Actor::User { id, groups } => (Some(id), *groups),
        }
    }

    fn is_administrator(&self) -> String {
        match self {
            Actor::Row => "a.admin",
            Actor::Administrator => ALWAYS,
            Actor::Guest | Actor::User { .. } => NEVER,
        }
        .to_owned()
    }

    /// The four lines of the rule, in order, each a condition over the row and the caller. The first that holds is the reason.
    pub fn lines(&self, right: Right, subject: Subject<'_>) -> [String; 4] {
        let t = subject.row;
        let [guest, owner, group] = Class::ALL.map(|c| right.mask() << c.shift());
        let (id, groups) = self.names();
        let owned = id.map(|id| format!("{t}.owner = {id} and {t}.permission & {owner} <> 0"));
        let granted = groups.map(|mine| {
            let granted = format!(
                "{t}.groups && {mine} and case when {t}.group_bits is null then {t}.permission & {group} <> 0 \
                 else {GRANTED}({t}.groups, {t}.group_bits, {mine}, {t}.permission, {group}) end"
            );
            match subject.is_group {
                true => format!("({t}.id = any({mine}) and {t}.permission & {group} <> 0 or {granted})"),
                false => granted,
            }
        });
        let never = || NEVER.to_owned();
        [
            self.is_administrator(),
            format!("{t}.permission & {guest} <> 0"),
            owned.unwrap_or_else(never),
            granted.unwrap_or_else(never),
        ]
    }

    /// `may(caller, right, row)` as one condition. It may be null (a guest is nobody's owner): as a value, wrap it in
    /// `coalesce(…, false)`.
    pub fn rule(&self, right: Right, subject: Subject<'_>) -> String {
        any(self.lines(right, subject))
    }

    /// The same by more than the guests' bit, which says nothing of whom it is that asks.
    pub fn beyond_guest(&self, right: Right, subject: Subject<'_>) -> String {
        let [administrator, _, owner, group] = self.lines(right, subject);
        any([administrator, owner, group])
    }

    /// The number of the first line that holds, from 1; null where none does.
    pub fn line(&self, right: Right, subject: Subject<'_>) -> String {
        let lines = self.lines(right, subject);
        let cases: String = lines.iter().zip(1..).map(|(line, number)| format!(" when {line} then {number}")).collect();
        format!("(case{cases} end)")
    }

    /// Whether the caller is of one of these classes to a row that they may use anyway: who reads or writes a column of it.
    pub fn belongs(&self, classes: &[Class], subject: Subject<'_>) -> String {
        let t = subject.row;
        let (id, groups) = self.names();
        let of = |class: &Class| match (class, id, groups) {
            (Class::Guest, ..) => ALWAYS.to_owned(),
            (Class::Owner, Some(id), _) => format!("{t}.owner = {id}"),
            (Class::Group, _, Some(mine)) if subject.is_group => format!("({t}.groups && {mine} or {t}.id = any({mine}))"),
            (Class::Group, _, Some(mine)) => format!("{t}.groups && {mine}"),
            (Class::Owner | Class::Group, ..) => NEVER.to_owned(),
        };
        format!("coalesce({}, false)", any([self.is_administrator()].into_iter().chain(classes.iter().map(of))))
    }

    /// Who may change a row's permission, owner and grants: its owner and administrators.
    pub fn chmod(&self, row: &str) -> String {
        any([self.is_administrator(), self.names().0.map_or(NEVER.to_owned(), |id| format!("{row}.owner = {id}"))])
    }

    /// Whether a row is the caller themselves.
    pub fn is(&self, row: &str) -> String {
        self.names().0.map_or(NEVER.to_owned(), |id| format!("{row}.id = {id}"))
    }
}

/// The function that asks of grants with bits of their own. Such are rare, and a sub-query in their place would cost its
/// set-up in each copy of the rule. Its version stands in its name: never changed, for another node may call it.
pub const GRANTED: &str = "rowhouse.granted_1";

/// What makes [`GRANTED`]: of a row's groups with their bits, whether one that is the caller's grants what the mask says.
pub const GRANTED_FUNCTION: &str = "
create function rowhouse.granted_1(groups uuid[], bits integer[], mine uuid[], permission integer, mask integer)
returns boolean language plpgsql immutable parallel safe as $note$
begin
  return exists (
    select from unnest(groups, bits) as g (id, bits)
    where g.id = any(mine) and coalesce(g.bits, permission) & mask <> 0);
end $note$";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_are_as_the_table_says() {
        let all = |r| Class::ALL.map(|c| Permission::NONE.with(c, &[r]).bits());
        assert_eq!(all(Right::Peek), [1, 128, 16384]);
        assert_eq!(all(Right::Read), [2, 256, 32768]);
        assert_eq!(all(Right::Create), [4, 512, 65536]);
        assert_eq!(all(Right::Update), [8, 1024, 131_072]);
        assert_eq!(all(Right::Delete), [16, 2048, 262_144]);
        assert_eq!(all(Right::Execute), [32, 4096, 524_288]);
        assert_eq!(all(Right::Refer), [64, 8192, 1_048_576]);
        assert_eq!(Permission::NONE.with(Class::Owner, &Right::ALL).bits(), 16256);
        assert_eq!(Permission::NONE.with(Class::Owner, &[Right::Read, Right::Read]).bits(), 256, "named twice, held once");
        assert_eq!(Permission::NONE.with(Class::Group, &Right::ALL).bits(), Permission::GROUP);
        assert_eq!(Class::ALL.iter().fold(Permission::NONE, |p, c| p.with(*c, &Right::ALL)).bits(), Permission::MAX);
    }

    #[test]
    fn the_wire_knows_no_other_integers() {
        assert_eq!(Permission::new(-1), None);
        assert_eq!(Permission::new(2_097_152), None);
        assert_eq!(Permission::new(2_097_151).map(Permission::bits), Some(2_097_151));
    }
}
