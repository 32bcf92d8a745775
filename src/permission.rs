//! The rule: who may do what with a row.
//!
//! In charge of: rights, bits, and the rule of `may(caller, right, row)`, written once, as the four lines that SQL
//! and explanations are made of. Nothing else in Rowhouse decides. It must not know entities, requests or
//! connections: it speaks of "the row called `t`" and "the actor called `a`".
//!
//! One integer on every row, seven rights, three classes (guest `<<0`, owner `<<7`, group `<<14`).

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

/// The four lines of the rule, in order, each a condition over the row and the actor `a`
/// (`a.id uuid` or null for a guest, `a.groups uuid[]`, `a.admin boolean`). The first that holds is the reason.
pub fn lines(right: Right, subject: Subject<'_>) -> [String; 4] {
    let t = subject.row;
    let [guest, owner, group] = Class::ALL.map(|c| right.mask() << c.shift());
    let granted = format!(
        "{t}.groups && a.groups and case when {t}.group_bits is null then {t}.permission & {group} <> 0 \
         else exists (select from unnest({t}.groups, {t}.group_bits) as g (id, bits) \
         where g.id = any(a.groups) and coalesce(g.bits, {t}.permission) & {group} <> 0) end"
    );
    [
        "a.admin".to_owned(),
        format!("{t}.permission & {guest} <> 0"),
        format!("{t}.owner = a.id and {t}.permission & {owner} <> 0"),
        match subject.is_group {
            true => format!("({t}.id = any(a.groups) and {t}.permission & {group} <> 0 or {granted})"),
            false => granted,
        },
    ]
}

/// `may(caller, right, row)` as one condition. It may be null (a guest is nobody's owner): as a value, wrap it in `coalesce(…, false)`.
pub fn rule(right: Right, subject: Subject<'_>) -> String {
    let [admin, guest, owner, group] = lines(right, subject);
    format!("({admin} or {guest} or {owner} or {group})")
}

/// The number of the first line that holds, from 1; null where none does.
pub fn line(right: Right, subject: Subject<'_>) -> String {
    let [admin, guest, owner, group] = lines(right, subject);
    format!("(case when {admin} then 1 when {guest} then 2 when {owner} then 3 when {group} then 4 end)")
}

/// Whether the caller is of one of these classes to a row that they may use anyway: who reads or writes a column of it.
pub fn belongs(classes: &[Class], subject: Subject<'_>) -> String {
    let t = subject.row;
    let of = |class: &Class| match class {
        Class::Guest => "true".to_owned(),
        Class::Owner => format!("{t}.owner = a.id"),
        Class::Group if subject.is_group => format!("({t}.groups && a.groups or {t}.id = any(a.groups))"),
        Class::Group => format!("{t}.groups && a.groups"),
    };
    let all: Vec<_> = ["a.admin".to_owned()].into_iter().chain(classes.iter().map(of)).collect();
    format!("coalesce({}, false)", all.join(" or "))
}

/// Who may change a row's permission, owner and grants: its owner and administrators.
pub fn chmod(row: &str) -> String {
    format!("(a.admin or {row}.owner = a.id)")
}

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
