//! Nothing about who may do what is believed because it was true before: whatever changes, through either of
//! two nodes or by SQL beside them, also while a write waits, the next answer of each node is the model's.

use std::sync::atomic::{AtomicUsize, Ordering};

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use tokio::runtime::Handle;

use super::model::{ADMINISTRATORS, Ask, GROUPS, GUEST, Granted, Model, OWN, PEOPLE, ROWS, Told, USERS};
use super::oracle::{Grant, RIGHTS};
use super::scene::{Change, Scene, Stage, Way};
use crate::house::World;

/// The person who is an administrator at first.
const AMY: usize = 4;
const CASES: u32 = 24;
const STEPS: usize = 30;

/// What a write waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hold {
    /// The row, before it is judged.
    Row,
    /// The table, before it is changed.
    Table,
}

/// Somebody asks, something changes, and they ask the same at the same node; or it changes while they wait.
#[derive(Debug, Clone, Copy)]
struct Step {
    change: Change,
    ask: Ask,
    /// Who asks, if it isn't the person whom the change is about.
    who: usize,
    is_anybody: bool,
    node: usize,
    hold: Option<Hold>,
}

#[derive(Debug, Clone)]
struct Case {
    start: Model,
    steps: Vec<Step>,
}

fn permission() -> impl Strategy<Value = i32> {
    (0..1 << 21, 0..1 << 21, 0..5).prop_map(|(a, b, kind): (i32, i32, i32)| match kind {
        0 => a | b,
        1 => a & b,
        _ => (a | b) & !127,
    })
}

fn grant() -> impl Strategy<Value = Grant> {
    let own = (0..1 << 7, 0..1 << 7).prop_map(|(a, b)| Grant::Own((a | b) << 14));
    prop_oneof![4 => Just(Grant::None), 2 => Just(Grant::RowsBits), 2 => own]
}

fn granted() -> BoxedStrategy<Granted> {
    let owner = prop_oneof![1 => Just(None), 3 => (0..PEOPLE).prop_map(Some)];
    let grants = proptest::array::uniform6(grant());
    (permission(), owner, grants)
        .prop_map(|(permission, owner, mut grants)| {
            grants[ADMINISTRATORS] = Grant::None; // they may anyway
            Granted { permission, owner, grants }
        })
        .boxed()
}

/// Of the entity or the action: more often open to users than not, else nobody would get to the rows.
fn opened() -> BoxedStrategy<Granted> {
    let mostly = (granted(), 0..3).prop_map(|(mut granted, kind)| {
        granted.permission |= if kind == 0 { 127 } else { 0 };
        granted.grants[USERS] = if kind == 0 { granted.grants[USERS] } else { Grant::Own(127 << 14) };
        granted
    });
    prop_oneof![2 => mostly, 1 => granted()].boxed()
}

fn way() -> impl Strategy<Value = Way> {
    let place = (0..2_usize, any::<bool>());
    let api = place.prop_map(|(node, is_from_person)| Way::Api { node, is_from_person });
    prop_oneof![1 => Just(Way::Sql), 1 => api]
}

fn change() -> BoxedStrategy<Change> {
    let (who, group) = (|| 0..PEOPLE, || 0..GROUPS);
    prop_oneof![
        3 => (who(), way()).prop_map(|(who, way)| Change::SignOut(who, way)),
        3 => who().prop_map(Change::Expire),
        1 => who().prop_map(Change::Revive),
        1 => who().prop_map(Change::SignIn),
        5 => (who(), group(), way()).prop_map(|(who, group, way)| Change::Join(who, group, way)),
        5 => (who(), group(), way()).prop_map(|(who, group, way)| Change::Leave(who, group, way)),
        2 => (OWN, way()).prop_map(|(group, way)| Change::Dissolve(group, way)),
        2 => (who(), way()).prop_map(|(who, way)| Change::Deactivate(who, way)),
        2 => (who(), way()).prop_map(|(who, way)| Change::Activate(who, way)),
        4 => (opened(), way()).prop_map(|(granted, way)| Change::Entity(granted, way)),
        2 => (granted(), way()).prop_map(|(granted, way)| Change::NewRows(granted, way)),
        3 => (opened(), way()).prop_map(|(granted, way)| Change::Action(granted, way)),
        5 => (0..ROWS, granted()).prop_map(|(row, granted)| Change::Row(row, granted)),
    ]
    .boxed()
}

fn write() -> BoxedStrategy<Ask> {
    let row = || 0..ROWS;
    prop_oneof![
        3 => row().prop_map(Ask::Patch),
        2 => row().prop_map(Ask::Paint),
        1 => row().prop_map(Ask::Delete),
        2 => Just(Ask::Create),
    ]
    .boxed()
}

fn read() -> BoxedStrategy<Ask> {
    let lists = [Ask::List, Ask::List, Ask::Filter, Ask::Count, Ask::Related, Ask::Linkage, Ask::Include];
    prop_oneof![
        1 => Just(Ask::Mine),
        4 => (0..ROWS).prop_map(Ask::One),
        6 => proptest::sample::select(lists.to_vec()),
        2 => (0..RIGHTS.len()).prop_map(Ask::Explain),
    ]
    .boxed()
}

fn step() -> BoxedStrategy<Step> {
    let hold = prop_oneof![Just(Hold::Row), Just(Hold::Table)];
    let held = |(ask, hold)| (ask, Some(if ask == Ask::Create { Hold::Table } else { hold }));
    let asks = prop_oneof![
        4 => read().prop_map(|ask| (ask, None)),
        2 => write().prop_map(|ask| (ask, None)),
        2 => (write(), hold).prop_map(held),
    ];
    (change(), asks, 0..=GUEST, proptest::bool::weighted(0.3), 0..2_usize)
        .prop_map(|(change, asks, who, is_anybody, node)| {
            let (ask, hold) = asks;
            Step { change, ask, who, is_anybody, node, hold }
        })
        .boxed()
}

fn cases() -> impl Strategy<Value = Case> {
    let members = proptest::array::uniform5(proptest::array::uniform6(any::<bool>()));
    let rows = proptest::array::uniform5(granted());
    (members, opened(), granted(), opened(), rows, proptest::collection::vec(step(), STEPS)).prop_map(
        |(mut members, entity, new_rows, action, rows, steps)| {
            for (who, groups) in members.iter_mut().enumerate() {
                groups[ADMINISTRATORS] = who == AMY;
                groups[USERS] = who != 3;
            }
            let (is_signed_in, is_active) = ([true; PEOPLE], [true; PEOPLE]);
            Case { start: Model { is_signed_in, is_active, members, entity, new_rows, action, rows }, steps }
        },
    )
}

/// As it should be; else words.
type Right<T> = Result<T, String>;

/// Takes a step. Gives whether the change changed the answer; an error is what was answered in place of what
/// should have been.
async fn take<'w>(stage: &Stage<'w>, scene: &mut Scene<'w>, step: &Step) -> Right<bool> {
    let change = step.change.that_matters(&scene.model);
    let who = change.person().filter(|_| !step.is_anybody).unwrap_or(step.who);
    let before = scene.model.told(who, step.ask);
    if let Some(hold) = step.hold {
        return meddle(stage, scene, (who, step, hold), change, &before).await;
    }
    expect(stage, scene, (who, step), &before).await.map_err(|said| format!("before {change:?}, {said}"))?;
    Box::pin(stage.change(scene, change, None)).await;
    let after = scene.model.told(who, step.ask);
    expect(stage, scene, (who, step), &after).await.map_err(|said| format!("after {change:?}, {said}"))?;
    Ok(before != after)
}

async fn expect(stage: &Stage<'_>, scene: &Scene<'_>, asks: (usize, &Step), wanted: &Told) -> Right<()> {
    let (who, step) = asks;
    let told = Box::pin(stage.ask(&scene.callers[who], step.node, step.ask)).await;
    stage.put_back(scene, step.ask, &told).await;
    match told == *wanted {
        true => Ok(()),
        false => Err(format!("{who} asks {:?} at node {}: {told:?}, not {wanted:?}", step.ask, step.node)),
    }
}

/// Has somebody's write wait, changes something, and lets it go on.
async fn meddle<'w>(
    stage: &Stage<'w>,
    scene: &mut Scene<'w>,
    (who, step, hold): (usize, &Step, Hold),
    change: Change,
    before: &Told,
) -> Right<bool> {
    let (world, caller) = (stage.nodes[0], scene.callers[who].clone());
    let row = if let Ask::Patch(row) | Ask::Paint(row) | Ask::Delete(row) = step.ask { row } else { 0 };
    // A row is changed by who holds it; of others, a sweep may hold them and wait for this one.
    let (hold, change) = match change {
        Change::Row(_, granted) if step.ask != Ask::Create => (Hold::Row, Change::Row(row, granted)),
        Change::SignIn(who) => (hold, Change::Revive(who)), // who waits has the token that they came with
        change => (hold, change),
    };
    let lock = match hold {
        Hold::Row => format!("select from tag where id = '{}' for update", stage.rows[row]),
        Hold::Table => "lock table tag in share mode".to_owned(), // read, and not written
    };
    let holder = world.hold(&lock).await;
    let mut asked = Box::pin(stage.ask(&caller, step.node, step.ask));
    let early = tokio::select! { biased; told = &mut asked => Some(told), () = world.held_up() => None };
    Box::pin(stage.change(scene, change, Some(&holder))).await;
    holder.batch_execute("commit").await.expect("let go");
    let after = scene.model.told(who, step.ask);
    let has_waited = early.is_none();
    let told = match early {
        Some(told) => told,
        None => asked.await,
    };
    stage.put_back(scene, step.ask, &told).await;
    let is_right = match (has_waited, before.is_refused()) {
        (false, _) => told == *before,
        (true, true) => told == *before || told == after, // refused for good reason when it was asked
        // Whether an action may run is asked when its subject is locked: this one has it, and waits for the table.
        (true, false) if matches!((step.ask, hold), (Ask::Paint(_), Hold::Table)) => told == *before || told == after,
        (true, false) => told == after, // as if it had been sent after the change
    };
    let turned = has_waited && *before != after;
    let said = || {
        let waits = if has_waited { "waits for" } else { "doesn't wait for" };
        let asks = format!("{who} asks {:?} at node {} and {waits} {change:?}", step.ask, step.node);
        format!("{asks}: {told:?}, but before it is {before:?}, after it {after:?}")
    };
    if is_right { Ok(turned) } else { Err(said()) }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_answer_is_the_models_whatever_has_changed_wherever() {
    let world = World::new().await;
    let twin = world.twin().await;
    let stage = Stage::new([&world, &twin]).await;
    let runtime = Handle::current();
    let default = Config::default();
    let config = Config { cases: CASES, failure_persistence: None, max_shrink_iters: 100, ..default };
    let mut runner = TestRunner::new(config);
    // How often a change changed the answer, at once and to a write that waited.
    let (turned, turned_waiting) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let result = tokio::task::block_in_place(|| {
        runner
            .run(&cases(), |case| {
                let taken = runtime.block_on(async {
                    let mut scene = Box::pin(stage.scene(&case.start)).await;
                    for (at, step) in case.steps.iter().enumerate() {
                        let taken = Box::pin(take(&stage, &mut scene, step)).await; // large, in debug builds
                        let has_turned = taken.map_err(|said| format!("step {at}: {said}"))?;
                        let counter = if step.hold.is_some() { &turned_waiting } else { &turned };
                        counter.fetch_add(usize::from(has_turned), Ordering::SeqCst);
                    }
                    Ok::<_, String>(())
                });
                taken.map_err(TestCaseError::fail)
            })
            .map_err(|fault| fault.to_string())
    });
    result.unwrap_or_else(|fault| panic!("{fault}"));
    // The control: there was something to notice.
    let turned = [turned.into_inner(), turned_waiting.into_inner()];
    assert!(turned[0] > 30 && turned[1] > 5, "{turned:?}");
}
