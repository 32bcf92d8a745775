//! Connections: accepting, limiting, and letting go.
//!
//! In charge of: time limits before there is a request (first byte, head), HTTP/1 and HTTP/2, one address's share, who rests too
//! long or takes nothing, and draining.

use std::future::Future;
use std::net::IpAddr;
use std::sync::{Arc, Weak};
use std::time::Duration;

use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulConnection;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc};
use tower::ServiceExt as _;

use super::asked::Door;
use super::client_address::Peer;
use super::outflow::{Pulse, State, Taken, Watched};
use super::{App, service};
use crate::share::{Asker, Shares};

/// How HTTP/2 begins.
const HTTP2: &[u8] = b"PRI * HTTP/2.0";
/// How often connections are looked at.
const LOOK: Duration = Duration::from_secs(1);
/// Most streams of an HTTP/2 connection at once.
const STREAMS: u32 = 100;

/// Serves until `stop` is done, then finishes what runs, at most for the configured time.
pub async fn serve(app: Arc<App>, listener: TcpListener, door: Door, stop: impl Future<Output = ()>) {
    let service = service(&app, door);
    let limits = &app.config.limits;
    let places = Arc::new(Semaphore::new(limits.connections));
    let shares = Shares::new(limits.connections);
    let mut open: Vec<Weak<Pulse>> = vec![];
    let (running, mut ended) = mpsc::channel::<()>(1);
    let mut look = tokio::time::interval(LOOK);
    look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut stop = std::pin::pin!(stop);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = look.tick() => {
                open.retain(|pulse| pulse.upgrade().is_some_and(|pulse| {
                    match pulse.state(limits.idle, limits.stall) {
                        State::Works => {}
                        State::Rests => pulse.end(false),
                        State::Stalled => pulse.end(true),
                    }
                    true
                }));
                continue;
            }
            () = &mut stop => break,
        };
        let Ok((stream, peer)) = accepted else {
            tokio::time::sleep(Duration::from_millis(50)).await; // out of file descriptors: let some go first
            continue;
        };
        // Who has none is closed at once. Behind a proxy of ours are many.
        let is_proxy = app.config.trusted_proxies.iter().any(|net| net.contains(&peer.ip().to_canonical()));
        let share = if is_proxy { None } else { shares.for_asker(Asker { session: None, address: peer.ip() }) };
        let (Ok(place), true) = (places.clone().try_acquire_owned(), is_proxy || share.is_some()) else { continue };
        let pulse = Pulse::new();
        open.push(Arc::downgrade(&pulse));
        let (app, service, running) = (app.clone(), service.clone(), running.clone());
        tokio::spawn(async move {
            connection(&app, stream, peer.ip(), &pulse, service).await;
            drop((place, share, running));
        });
    }
    drop((listener, running));
    open.iter().filter_map(Weak::upgrade).for_each(|pulse| pulse.end(false));
    if tokio::time::timeout(limits.drain, ended.recv()).await.is_err() {
        tracing::warn!("some requests did not finish in time");
    }
}

/// One connection, to its end.
async fn connection<S, B>(app: &App, stream: TcpStream, address: IpAddr, pulse: &Arc<Pulse>, service: S)
where
    S: tower::Service<http::Request<hyper::body::Incoming>, Response = http::Response<B>> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>> + Send,
    B: hyper::body::Body<Data = bytes::Bytes, Error: Into<Box<dyn std::error::Error + Send + Sync>>> + Send + 'static,
{
    let limits = &app.config.limits;
    let began = tokio::select! {
        began = tokio::time::timeout(limits.header, first_bytes(&stream)) => began,
        () = pulse.verdict.notified() => return,
    };
    let Ok(Some(is_http2)) = began else { return };
    _ = stream.set_nodelay(true);
    let io = TokioIo::new(Watched { stream, pulse: pulse.clone() });
    let of = pulse.clone();
    let service = hyper::service::service_fn(move |mut request: http::Request<hyper::body::Incoming>| {
        let names_host = request.version() == http::Version::HTTP_11;
        request.extensions_mut().insert(Peer { address, names_host });
        if request.uri().path_and_query().is_none() {
            *request.uri_mut() = http::Uri::from_static("/"); // CONNECT names no path, and warp's filter wants one
        }
        let (work, answer) = (of.request(), service.clone().oneshot(request));
        async move { answer.await.map(|answer| answer.map(|body| Taken::new(body, work))) }
    });
    if is_http2 {
        let mut http = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
        http.timer(TokioTimer::new())
            .keep_alive_interval(limits.idle)
            .keep_alive_timeout(limits.header)
            .max_concurrent_streams(STREAMS);
        until_its_end(http.serve_connection(io, service), pulse).await;
    } else {
        let mut http = hyper::server::conn::http1::Builder::new();
        http.timer(TokioTimer::new()).header_read_timeout(limits.header);
        until_its_end(http.serve_connection(io, service), pulse).await;
    }
}

/// Goes on until the client leaves; or, told so, until what runs is done; or until it is cut.
async fn until_its_end(connection: impl GracefulConnection, pulse: &Pulse) {
    let mut connection = std::pin::pin!(connection);
    loop {
        tokio::select! {
            _ = connection.as_mut() => return,
            () = pulse.verdict.notified() => match pulse.is_cut() {
                true => return,
                false => connection.as_mut().graceful_shutdown(),
            },
        }
    }
}

/// Waits for the first bytes and tells whether they are HTTP/2's; none when the client leaves.
async fn first_bytes(stream: &TcpStream) -> Option<bool> {
    let mut bytes = [0; HTTP2.len()];
    loop {
        let count = stream.peek(&mut bytes).await.ok().filter(|n| *n > 0)?;
        match count < bytes.len() && HTTP2.starts_with(&bytes[..count]) {
            true => tokio::time::sleep(Duration::from_millis(5)).await,
            false => return Some(bytes[..] == *HTTP2),
        }
    }
}
