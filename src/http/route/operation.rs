//! The route of atomic operations: a list of steps, one transaction, one answer.

use bytes::Bytes;
use http::StatusCode;
use serde_json::{Value as Json, json};
use uuid::Uuid;

use super::write::{finish, judge_passwords, no_parameters, readable, rehearse};
use crate::access::write::Deed;
use crate::access::write::many::{Pace, Step};
use crate::access::{self, Answer, Source};
use crate::action::event::settle;
use crate::document;
use crate::error::{Error, Fault, Result};
use crate::http::App;
use crate::http::asked::Asked;
use crate::http::reply::{self, Response};
use crate::plan::change::{Change, Verb};
use crate::plan::{Pick, Plan};
use crate::request::Query;
use crate::request::media::Form;
use crate::request::once::Once;
use crate::request::operation::{self, Does, Op, Operation};
use crate::schema::Entity;
use crate::store::twice;

/// What an operation answers with: the row that it made or changed.
type Shown<'s> = Option<(&'s Entity, Uuid)>;

/// POST /api/operations.
pub async fn run(app: &App, asked: &Asked, body: &Bytes) -> Result<Response> {
    let document = readable(asked, body, true)?;
    no_parameters(asked)?;
    let once = asked.once(body)?;
    let read = operation::read(&document, app.base(), app.config.limits.operations, &mut Uuid::now_v7);
    let operations = read.map_err(Error::Unreadable)?;
    let (mut steps, mut shown) = (vec![], vec![]);
    for operation in &operations {
        let (step, row) = step(app, operation);
        steps.push(step);
        shown.push(row);
    }
    finish_all(app, asked, &operations, &mut steps, once.as_ref()).await?;
    let (operations, steps, shown, once) = (&operations, &steps, &shown, &once);
    let (means, call) = (&app.means(), &asked.call(app));
    let mut pace = Pace::Batches;
    loop {
        let done = twice(|| async move {
            let mut deed = Deed::begin(&app.store, app.planner(), asked.caller, &asked.origin()).await?;
            if let Some(kept) = deed.done_before(once.as_ref()).await? {
                return Ok(Ok((results(app, asked, &mut deed, &rows(app, &kept)).await?, true)));
            }
            if let Err((at, error)) = deed.all(steps, pace).await {
                return match error {
                    Error::Again => Err(Error::Again),
                    error => Ok(Err(error.within(&operations[at].at))),
                };
            }
            let whole = |error: Error| error.within("/atomic:operations");
            let mut settled = settle(means, call, deed, kept(shown)).await.map_err(whole)?;
            let body = results(app, asked, settled.deed(), shown).await?;
            settled.complete().await.map_err(whole)?;
            Ok(Ok((body, false)))
        });
        match done.await? {
            Ok((body, is_replayed)) => {
                means.wake(false, false);
                let response = body.map_or_else(reply::nothing, |body| reply::document(StatusCode::OK, Form::Atomic, body));
                return Ok(if is_replayed { reply::replayed(response) } else { response });
            }
            // Something in a batch went wrong: one by one it is told which.
            Err(_) if pace == Pace::Batches => pace = Pace::Single,
            Err(error) => return Err(error),
        }
    }
}

/// Makes what is dear of all operations, once all of it was rehearsed: what one does may depend on another.
async fn finish_all<'s>(
    app: &'s App,
    asked: &Asked,
    operations: &[Operation],
    steps: &mut [Step<'s>],
    once: Option<&Once>,
) -> Result<()> {
    let changes = steps.iter_mut().filter_map(Step::change).filter(|change| !change.unfinished.is_empty());
    if changes.map(|change| judge_passwords(app.hasher.policy(), change)).count() == 0 {
        return Ok(());
    }
    let rehearsed = rehearse(app, asked, steps, once, None).await?;
    rehearsed.map_err(|(at, error)| error.within(&operations[at].at))?;
    for change in steps.iter_mut().filter_map(Step::change) {
        finish(app, change).await?;
    }
    Ok(())
}

/// What is kept of the answer under an idempotency key: which rows it showed.
fn kept(shown: &[Shown<'_>]) -> Json {
    shown.iter().map(|row| row.map_or(Json::Null, |(entity, id)| json!([entity.name, id]))).collect()
}

fn rows<'s>(app: &'s App, kept: &Json) -> Vec<Shown<'s>> {
    let row = |row: &Json| {
        let entity = app.schema.entity(row[0].as_str()?)?;
        Some((entity, row[1].as_str()?.parse().ok()?))
    };
    kept.as_array().into_iter().flatten().map(row).collect()
}

/// An operation as the same request by itself would be planned.
fn step<'s>(app: &'s App, operation: &Operation) -> (Step<'s>, Shown<'s>) {
    let planner = app.planner();
    match &operation.does {
        Does::Create { id, resource } => {
            let Some(entity) = app.schema.entity(&resource.kind) else { return (Step::Nothing(None), None) };
            (Step::Create(planner.change(entity, *id, true, resource)), Some((entity, *id)))
        }
        Does::Update { kind, id, resource, expected } => {
            let Some(entity) = app.schema.entity(kind) else { return (Step::Nothing(None), None) };
            (Step::Update(planner.change(entity, *id, false, resource), expected.clone()), Some((entity, *id)))
        }
        Does::Delete { kind, id, expected } => match app.schema.entity(kind) {
            Some(entity) => (Step::Delete(entity, *id, expected.clone()), None),
            None => (Step::Nothing(None), None),
        },
        Does::Link { kind, id, relation, op, linkage, expected } => {
            let Some(entity) = app.schema.entity(kind) else { return (Step::Nothing(None), None) };
            let Some(relation) = entity.relation(relation) else { return (Step::Nothing(Some(entity)), None) };
            let verb = match op {
                Op::Add => Verb::Add,
                Op::Update => Verb::Replace,
                Op::Remove => Verb::Remove,
            };
            let mut faults = vec![];
            if !relation.is_many() && verb != Verb::Replace {
                faults.push(Fault::new("bad-operation", format!("`{}` is to-one: use update.", relation.name)).at("/op"));
            }
            let link = planner.link(relation, verb, linkage, "", &mut faults);
            let expected = expected.clone();
            let step = match relation.is_many() {
                true => Step::Link { entity, id: *id, link, relation, faults, expected },
                false => Step::Update(Change::links(entity, *id, link, faults), expected),
            };
            (step, None)
        }
    }
}

/// The document of results: each row as the caller may read it; none where there is nothing to say (AO5).
async fn results(app: &App, asked: &Asked, deed: &mut Deed<'_>, shown: &[Shown<'_>]) -> Result<Option<Vec<u8>>> {
    if shown.iter().all(Option::is_none) {
        return Ok(None);
    }
    let mut entities: Vec<&Entity> = vec![];
    for (entity, _) in shown.iter().flatten() {
        if !entities.iter().any(|e| e.at == entity.at) {
            entities.push(entity);
        }
    }
    let ids = entities.iter().map(|entity| {
        let of = |row: &Shown<'_>| row.filter(|(e, _)| e.at == entity.at).map(|(_, id)| id);
        shown.iter().filter_map(of).collect::<Vec<Uuid>>()
    });
    let ids: Vec<Vec<Uuid>> = ids.collect();
    let plans: Vec<Plan<'_>> =
        entities.iter().zip(&ids).map(|(entity, ids)| app.planner().read(entity, Pick::These(ids), &Query::default())).collect();
    let mut answers: Vec<Option<Answer<'_>>> = vec![];
    for plan in &plans {
        let caller = deed.caller();
        match access::read(Source::Scope(&mut deed.scope), &app.schema, caller, plan).await {
            Ok(answer) => answers.push(Some(answer)),
            Err(error) if error.is_refusal() => answers.push(None),
            Err(error) => return Err(error),
        }
    }
    let place = app.place(asked, Form::Atomic);
    let rows: Vec<Option<(Option<&Answer<'_>>, Uuid)>> = shown
        .iter()
        .map(|row| {
            let (entity, id) = (*row)?;
            let at = entities.iter().position(|e| e.at == entity.at)?;
            Some((answers[at].as_ref(), id))
        })
        .collect();
    document::results(&app.schema, &rows, &place).map(Some)
}
