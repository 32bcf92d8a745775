//! The route of files: what an import reads is sent here, what an export wrote is fetched here; both part by part.

use bytes::{Buf, Bytes, BytesMut};
use futures_util::{Stream, StreamExt as _};
use http::{HeaderValue, StatusCode, header};
use serde_json::Value as Json;
use tokio::sync::mpsc;
use uuid::Uuid;

use super::Route;
use crate::access::write::Deed;
use crate::account::{Caller, token};
use crate::action::event::settle;
use crate::action::transfer::PART;
use crate::action::transfer::export::named;
use crate::error::{Error, Fault, Result};
use crate::http::App;
use crate::http::asked::Asked;
use crate::http::reply::{self, Content, Response};
use crate::permission::Right;
use crate::request::body::uuid;
use crate::statement::transfer;
use crate::store::Store;

fn conflict(words: &str) -> Error {
    Error::conflict(Fault::new("not-now", words))
}

/// PUT /file/<transfer>: the file of an import that waits for one. It starts when the last byte is there.
pub async fn receive<B: Buf>(
    app: &App,
    asked: &Asked,
    route: &Route,
    body: impl Stream<Item = Result<B, warp::Error>> + Send,
) -> Result<Response> {
    let id = uuid(&route.id).unwrap_or_default();
    waits(app, asked, id).await?;
    let _share = app.uploads.at_once().ok_or(Error::Unavailable(2))?;
    // Under an id of its own: what breaks off is nobody's, and of two files the first that is whole counts.
    let upload = Upload { id: Uuid::now_v7(), store: app.store.clone(), is_given: false };
    let (mut body, mut part, mut number, mut size) = (std::pin::pin!(body), BytesMut::new(), 0, 0);
    let most = app.config.limits.file;
    loop {
        // Whoever sends nothing for as long as a whole body may take sends nothing more.
        let piece = tokio::time::timeout(app.config.limits.body_time, body.next()).await.map_err(|_| Error::Timeout)?;
        let Some(piece) = piece else { break };
        let mut piece = piece.map_err(|_| Error::Unreadable(vec![Fault::new("broken-body", "The body broke off.")]))?;
        size += piece.remaining();
        if size > most {
            return Err(Error::TooLarge(format!("A file has at most {most} bytes.")));
        }
        while piece.has_remaining() {
            let count = piece.remaining().min(PART - part.len());
            part.extend_from_slice(&piece.copy_to_bytes(count));
            if part.len() == PART {
                app.store.read(&transfer::put(upload.id, number, &part.split())).await?;
                number += 1;
            }
        }
    }
    app.store.read(&transfer::put(upload.id, number, &part)).await?;
    let mut deed = waits(app, asked, id).await?;
    deed.scope.run(&transfer::give(upload.id, id)).await?;
    deed.scope.run(&transfer::start(id, asked.caller.session)).await?;
    settle(&app.means(), &asked.call(app), deed, Json::Null).await?.complete().await?;
    upload.given();
    app.transfers.wake();
    Ok(reply::nothing())
}

/// A file that is being sent: what is there of it goes, however it ends, unless it was given to its transfer.
struct Upload {
    id: Uuid,
    store: Store,
    is_given: bool,
}

impl Upload {
    fn given(mut self) {
        self.is_given = true;
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        let (id, store) = (self.id, self.store.clone());
        if let (false, Ok(runtime)) = (self.is_given, tokio::runtime::Handle::try_current()) {
            runtime.spawn(async move { store.read(&transfer::clear(id, false)).await });
        }
    }
}

/// An import that waits for its file, locked, for who may send one.
async fn waits<'a>(app: &'a App, asked: &Asked, id: Uuid) -> Result<Deed<'a>> {
    let mut deed = Deed::begin(&app.store, app.planner(), asked.caller, &asked.origin()).await?;
    deed.require_alone(app.schema.system("transfer"), id, Right::Execute).await?;
    if deed.scope.run(&transfer::is_waiting(id)).await? {
        Ok(deed)
    } else {
        Err(conflict("This is no import that waits for its file."))
    }
}

/// GET /file/<transfer>: the file of an export that is done, or the rows of an import that came to nothing.
pub async fn send(app: &App, asked: &Asked, route: &Route) -> Result<Response> {
    sent(app, asked, asked.caller, uuid(&route.id).unwrap_or_default()).await
}

/// GET /download/<token>: the same by a link, which its first GET claims. It is good again where nothing of the file was sent.
pub async fn follow(app: &App, asked: &Asked, route: &Route) -> Result<Response> {
    let hash = token::hash(&route.id);
    let statement = if asked.is_head { transfer::claimable(&hash) } else { transfer::claim(&hash) };
    let link = app.store.read(&statement).await?.ok_or(Error::NotFound)?;
    let caller = Caller { session: uuid(&link.session), ..Caller::default() };
    let answered = sent(app, asked, caller, link.transfer).await;
    if answered.is_err() && !asked.is_head {
        app.store.read(&transfer::give_back(&hash, &link)).await?;
    }
    let mut response = answered?;
    response.headers_mut().insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    Ok(response)
}

async fn sent(app: &App, asked: &Asked, caller: Caller, id: Uuid) -> Result<Response> {
    let mut deed = Deed::begin(&app.store, app.planner(), caller, &asked.origin()).await?;
    deed.require(app.schema.system("transfer"), id, Right::Read).await?;
    let row = deed.scope.run(&transfer::find(id)).await?.ok_or(Error::NotFound)?;
    row.require_file()?;
    let is_faulty = row.kind == "import";
    // What is in it was read under the rights of then: whoever may read none of it any more is given none of it.
    let others = row.options["entities"].as_array().into_iter().flatten().filter_map(Json::as_str);
    for name in [row.entity.as_str()].into_iter().chain(others) {
        let right = if is_faulty { Right::Create } else { Right::Read };
        deed.require_entity(app.planner().entity(name)?, right).await?;
    }
    let count = deed.scope.run(&transfer::parts(id, is_faulty)).await?;
    if count == 0 {
        return Err(conflict("This file is gone; export again."));
    }
    let share = app.uploads.at_once().ok_or(Error::Unavailable(2))?;
    let store = app.store.clone();
    let (parts, received) = mpsc::channel(1);
    tokio::spawn(async move {
        let _share = share; // until the last part is taken
        for number in 0..count {
            let found = store.read(&transfer::part(id, number, is_faulty)).await;
            let part = match found.map_err(|_| std::io::Error::other("the database is away")) {
                Ok(Some(bytes)) => Ok(Bytes::from(bytes)),
                Ok(None) => Err(std::io::Error::other("the file went away meanwhile")), // and not: it ends here
                Err(error) => Err(error),
            };
            let is_last = part.is_err();
            if parts.send(part).await.is_err() || is_last {
                break; // nobody reads any more
            }
        }
    });
    let (name, kind) = named(&row);
    let mut response = reply::with_type(StatusCode::OK, kind, vec![]);
    let headers = response.headers_mut();
    if let Ok(named) = HeaderValue::from_str(&format!("attachment; filename=\"{name}\"")) {
        headers.insert(header::CONTENT_DISPOSITION, named);
    }
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    *response.body_mut() = Content::Parts(received);
    Ok(response)
}
