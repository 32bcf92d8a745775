//! Connections: accepting, limiting, and letting go.
//!
//! In charge of: time limits before there is a request (first byte, head), HTTP/1 and HTTP/2, and draining.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

use super::{App, Door, Peer, service};

/// How HTTP/2 begins.
const HTTP2: &[u8] = b"PRI * HTTP/2.0";

/// Serves until `stop` is done, then finishes what runs, at most for the configured time.
pub async fn serve(app: Arc<App>, listener: TcpListener, door: Door, stop: impl Future<Output = ()>) {
    let service = service(&app, door);
    let places = Arc::new(Semaphore::new(app.config.limits.connections));
    let graceful = GracefulShutdown::new();
    let mut stop = std::pin::pin!(stop);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = &mut stop => break,
        };
        let Ok((stream, peer)) = accepted else {
            tokio::time::sleep(Duration::from_millis(50)).await; // out of file descriptors: let some go first
            continue;
        };
        let Ok(place) = places.clone().try_acquire_owned() else { continue }; // dropped: closed at once
        let told = move |mut request: http::Request<hyper::body::Incoming>| {
            request.extensions_mut().insert(Peer(peer.ip()));
            if request.uri().path_and_query().is_none() {
                *request.uri_mut() = http::Uri::from_static("/"); // CONNECT names no path, and warp's filter wants one
            }
            request
        };
        let service = TowerToHyperService::new(tower::util::MapRequest::new(service.clone(), told));
        let (watcher, app) = (graceful.watcher(), app.clone());
        tokio::spawn(async move {
            let limits = &app.config.limits;
            let Ok(Some(is_http2)) = tokio::time::timeout(limits.header, first_bytes(&stream)).await else { return };
            _ = stream.set_nodelay(true);
            let io = TokioIo::new(stream);
            if is_http2 {
                let mut http = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
                http.timer(TokioTimer::new())
                    .keep_alive_interval(limits.idle)
                    .keep_alive_timeout(limits.header)
                    .max_concurrent_streams(100);
                _ = watcher.watch(http.serve_connection(io, service)).await;
            } else {
                let mut http = hyper::server::conn::http1::Builder::new();
                http.timer(TokioTimer::new()).header_read_timeout(limits.header);
                _ = watcher.watch(http.serve_connection(io, service)).await;
            }
            drop(place);
        });
    }
    drop(listener);
    if tokio::time::timeout(app.config.limits.drain, graceful.shutdown()).await.is_err() {
        tracing::warn!("some requests did not finish in time");
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
