//! Metamorphic rules, as properties of worlds that nobody thought of: more rights never show less, fewer never more.

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use tokio::runtime::Handle;
use uuid::Uuid;

use crate::house::{Someone, World};

const ROWS: usize = 5;
const GROUPS: usize = 3;
/// Ada, Bob and Eve.
const USERS: usize = 3;

/// How a row is granted to a group: not, by the row's bits, or by bits of the grant's own.
type Grant = Option<Option<i32>>;

#[derive(Debug, Clone)]
struct Row {
    permission: i32,
    owner: Option<usize>,
    grants: [Grant; GROUPS],
}

/// One change of a world. Those of the first half only add rights.
#[derive(Debug, Clone)]
enum Change {
    Bits(usize, i32),
    Grant(usize, usize, Option<i32>),
    Join(usize, usize),
    TakeBits(usize, i32),
    Ungrant(usize, usize),
    Leave(usize, usize),
}

impl Change {
    fn adds(&self) -> bool {
        matches!(self, Change::Bits(..) | Change::Grant(..) | Change::Join(..))
    }
}

#[derive(Debug, Clone)]
struct Case {
    rows: Vec<Row>,
    members: [[bool; GROUPS]; USERS],
    change: Change,
}

/// Bits with few set: worlds in which much is forbidden tell more.
fn bits() -> impl Strategy<Value = i32> {
    (0..1 << 21, 0..1 << 21).prop_map(|(a, b): (i32, i32)| a & b)
}

fn cases() -> impl Strategy<Value = Case> {
    let grant = || prop_oneof![3 => Just(None), 1 => Just(Some(None)), 2 => bits().prop_map(|b| Some(Some(b & 0x1f_c000)))];
    let row = (bits(), proptest::option::of(0..USERS), [grant(), grant(), grant()]).prop_map(|(permission, owner, grants)| Row {
        permission,
        owner,
        grants,
    });
    let members = proptest::array::uniform3(proptest::array::uniform3(any::<bool>()));
    let change = prop_oneof![
        (0..ROWS, bits()).prop_map(|(row, bits)| Change::Bits(row, bits)),
        (0..ROWS, 0..GROUPS, proptest::option::of(bits())).prop_map(|(r, g, b)| Change::Grant(r, g, b.map(|b| b & 0x1f_c000))),
        (0..USERS, 0..GROUPS).prop_map(|(user, group)| Change::Join(user, group)),
        (0..ROWS, bits()).prop_map(|(row, bits)| Change::TakeBits(row, bits)),
        (0..ROWS, 0..GROUPS).prop_map(|(row, group)| Change::Ungrant(row, group)),
        (0..USERS, 0..GROUPS).prop_map(|(user, group)| Change::Leave(user, group)),
    ];
    (proptest::collection::vec(row, ROWS), members, change).prop_map(|(rows, members, change)| Case { rows, members, change })
}

fn changed(case: &Case) -> Case {
    let mut next = case.clone();
    match case.change {
        Change::Bits(row, bits) => next.rows[row].permission |= bits,
        // A grant that is there stays what it is: other bits in its place would be another change.
        Change::Grant(row, group, bits) if next.rows[row].grants[group].is_none() => next.rows[row].grants[group] = Some(bits),
        Change::Grant(..) => {}
        Change::Join(user, group) => next.members[user][group] = true,
        Change::TakeBits(row, bits) => next.rows[row].permission &= !bits,
        Change::Ungrant(row, group) => next.rows[row].grants[group] = None,
        Change::Leave(user, group) => next.members[user][group] = false,
    }
    next
}

struct Scene<'w> {
    world: &'w World,
    people: Vec<Someone<'w>>,
    admin: Someone<'w>,
    groups: Vec<Uuid>,
    rows: Vec<Uuid>,
}

impl Scene<'_> {
    async fn set(&self, case: &Case) {
        let mut sql = vec!["delete from article".to_owned()];
        for (row, id) in case.rows.iter().zip(&self.rows) {
            let granted = self.groups.iter().zip(&row.grants).filter_map(|(group, grant)| grant.map(|bits| (group, bits)));
            let (groups, bits): (Vec<String>, Vec<String>) = granted
                .map(|(group, bits)| (format!("'{group}'"), bits.map_or("null".to_owned(), |bits| bits.to_string())))
                .unzip();
            let owner = row.owner.map_or("null".to_owned(), |owner| format!("'{}'", self.people[owner].id));
            sql.push(format!(
                "insert into article (id, owner, permission, groups, group_bits, title, author) values ('{id}', {owner}, {}, \
                 array[{}]::uuid[], array[{}]::integer[], 'x', '{}')",
                row.permission,
                groups.join(", "),
                bits.join(", "),
                self.admin.id,
            ));
        }
        for (user, groups) in self.people.iter().zip(&case.members) {
            for (group, is_in) in self.groups.iter().zip(groups) {
                let both = format!("source = '{group}' and target = '{}'", user.id);
                sql.push(format!("delete from \"usergroup.members\" where {both}"));
                if *is_in {
                    sql.push(format!(
                        "insert into \"usergroup.members\" (source, target, created_at) values ('{group}', '{}', now())",
                        user.id
                    ));
                }
            }
        }
        let body = sql.iter().map(|sql| format!("{sql};")).collect::<String>();
        self.world.sql(&format!("do $scene$ begin {body} end $scene$")).await;
    }

    /// What each of them sees: the guest, the three, and the administrator.
    async fn seen(&self) -> Vec<Vec<String>> {
        let mut all = vec![];
        for who in std::iter::once(&self.world.guest()).chain(&self.people).chain([&self.admin]) {
            let mut listed = who.get("/api/article?page[total]=exact").await.is(200);
            assert_eq!(listed.json["meta"]["page"]["total"].take(), listed.ids().len());
            let mut ids = listed.ids();
            ids.sort();
            all.push(ids);
        }
        all
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn more_rights_never_show_less_and_fewer_never_more() {
    let world = World::new().await;
    let admin = world.administrator().await;
    let people = vec![world.user("ada", &[]).await, world.user("bob", &[]).await, world.user("eve", &[]).await];
    let mut groups = vec![];
    for name in ["one", "two", "three"] {
        groups.push(
            admin.make("usergroup", serde_json::json!({"name": name}), serde_json::json!({})).await.parse().expect("an id"),
        );
    }
    let scene = Scene { world: &world, people, admin, groups, rows: (0..ROWS).map(|_| Uuid::now_v7()).collect() };
    let runtime = Handle::current();
    let mut runner = TestRunner::new(Config { cases: 40, failure_persistence: None, max_shrink_iters: 60, ..Config::default() });
    let result = tokio::task::block_in_place(|| {
        runner.run(&cases(), |case| {
            let (before, after, single) = runtime.block_on(async {
                scene.set(&case).await;
                let before = scene.seen().await;
                scene.set(&changed(&case)).await;
                let mut single = vec![];
                for id in &scene.rows {
                    single.push(scene.people[0].get(&format!("/api/article/{id}")).await.status == 200);
                }
                (before, scene.seen().await, single)
            });
            for (who, (before, after)) in before.iter().zip(&after).enumerate() {
                let (fewer, more) = if case.change.adds() { (before, after) } else { (after, before) };
                prop_assert!(fewer.iter().all(|id| more.contains(id)), "{who} saw {before:?}, and then {after:?}");
            }
            for seen in &after {
                prop_assert!(after[0].iter().all(|id| seen.contains(id)), "whoever signs in sees what guests see");
            }
            prop_assert_eq!(after[4].len(), ROWS, "administrators see all");
            let listed: Vec<bool> = scene.rows.iter().map(|id| after[1].contains(&id.to_string())).collect();
            prop_assert_eq!(single, listed, "one row and a list agree");
            Ok(())
        })
    });
    result.unwrap_or_else(|fault| panic!("{fault}"));
    // The control: they see what they are shown.
    let rows = (0..ROWS).map(|n| Row { permission: if n == 0 { 2 } else { 0 }, owner: None, grants: [None; GROUPS] }).collect();
    scene.set(&Case { rows, members: Default::default(), change: Change::Join(0, 0) }).await;
    let seen = scene.seen().await;
    assert_eq!([seen[0].len(), seen[4].len()], [1, ROWS]);
}
