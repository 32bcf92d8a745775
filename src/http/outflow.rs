//! What goes out: how many bytes of answers may wait to be taken, and how long somebody may take nothing.
//!
//! In charge of: the bytes of answers until the last is sent; and of a connection, whether it works, rests, or is stalled.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::Notify;

use crate::share::{Asker, Share, Shares};

/// Answers below this many bytes aren't counted: there are no more of them than connections and streams.
const SMALL: usize = 4096;
/// Bytes that are handed to the connection at a time: it keeps what it was handed.
const PIECE: usize = 64 * 1024;

/// The bytes of all answers that wait to be taken, in units of which one caller and one address have their shares.
#[derive(Debug)]
pub struct Outflow {
    units: Shares,
    waiting: AtomicUsize,
}

/// Bytes of a unit.
const UNIT: usize = 64 * 1024;

struct Counted {
    bytes: Bytes,
    outflow: Arc<Outflow>,
    _shares: Vec<Share>,
}

impl AsRef<[u8]> for Counted {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.outflow.waiting.fetch_sub(self.bytes.len(), Ordering::Relaxed);
    }
}

impl Outflow {
    /// `most`: bytes of all answers together.
    pub fn new(most: usize) -> Arc<Outflow> {
        Arc::new(Outflow { units: Shares::new(most / UNIT), waiting: AtomicUsize::new(0) })
    }

    /// The bytes that wait.
    pub fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    /// Counts an answer until its last byte is sent; none where there is no room for it, or none of the asker's.
    pub fn counted(self: &Arc<Self>, bytes: Bytes, asker: Asker) -> Option<Bytes> {
        if bytes.len() < SMALL {
            return Some(bytes);
        }
        let units = bytes.len().div_ceil(UNIT);
        let shares = (0..units).map(|_| self.units.for_asker(asker)).collect::<Option<_>>()?;
        self.waiting.fetch_add(bytes.len(), Ordering::Relaxed);
        Some(Bytes::from_owner(Counted { bytes, outflow: self.clone(), _shares: shares }))
    }
}

/// What a connection does, as far as one can see from here.
#[derive(Debug)]
pub struct Pulse {
    began: Instant,
    /// When something last happened, in milliseconds from the beginning.
    last: AtomicU64,
    /// Requests whose answers aren't sent yet.
    requests: AtomicUsize,
    /// When the socket began to take nothing; 0: it takes what it is given.
    blocked: AtomicU64,
    /// Of each answer that is being sent: when somebody last took of it; 0: it is we who have nothing for them.
    answers: Mutex<Vec<Weak<AtomicU64>>>,
    /// Said to the connection's task.
    pub verdict: Notify,
    is_cut: AtomicBool,
    /// When it was told that it rests too long; 0: not yet.
    told: AtomicU64,
}

/// What becomes of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It goes on.
    Works,
    /// It rests for so long that it is let go.
    Rests,
    /// It takes nothing of what was sent to it.
    Stalled,
}

impl Pulse {
    /// Of a connection that begins.
    pub fn new() -> Arc<Pulse> {
        Arc::new(Pulse {
            began: Instant::now(),
            last: AtomicU64::new(1),
            requests: AtomicUsize::new(0),
            blocked: AtomicU64::new(0),
            answers: Mutex::default(),
            verdict: Notify::new(),
            is_cut: AtomicBool::new(false),
            told: AtomicU64::new(0),
        })
    }

    fn now(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX).max(1)
    }

    fn touch(&self) {
        self.last.store(self.now(), Ordering::Relaxed);
    }

    /// A request begins; it is over when what is given is dropped.
    pub fn request(self: &Arc<Self>) -> InWork {
        self.requests.fetch_add(1, Ordering::Relaxed);
        self.touch();
        InWork(self.clone())
    }

    /// What becomes of it: `idle` it may rest, and `stall` take nothing of all that is sent to it. Who was told that they rest,
    /// and goes on resting, is stalled.
    pub fn state(&self, idle: Duration, stall: Duration) -> State {
        let now = self.now();
        let is_over = |since: u64, most: Duration| since != 0 && Duration::from_millis(now.saturating_sub(since)) > most;
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        answers.retain(|answer| answer.strong_count() > 0);
        let untaken = answers.iter().filter_map(Weak::upgrade).map(|since| is_over(since.load(Ordering::Relaxed), stall));
        let (any, all) = untaken.fold((false, true), |(any, all), is| (any || is, all && is));
        if any && all || is_over(self.blocked.load(Ordering::Relaxed), stall) {
            return State::Stalled;
        }
        if self.requests.load(Ordering::Relaxed) > 0 || !is_over(self.last.load(Ordering::Relaxed), idle) {
            self.told.store(0, Ordering::Relaxed);
            return State::Works;
        }
        match self.told.compare_exchange(0, now, Ordering::Relaxed, Ordering::Relaxed) {
            Err(since) if is_over(since, stall) => State::Stalled,
            Ok(_) => State::Rests,
            Err(_) => State::Works, // it has a little time to go
        }
    }

    /// Ends it: at once, or when what runs is done.
    pub fn end(&self, at_once: bool) {
        self.is_cut.fetch_or(at_once, Ordering::Relaxed);
        self.verdict.notify_one();
    }

    /// Whether it is to end at once.
    pub fn is_cut(&self) -> bool {
        self.is_cut.load(Ordering::Relaxed)
    }
}

/// A request that is being answered.
pub struct InWork(Arc<Pulse>);

impl Drop for InWork {
    fn drop(&mut self) {
        self.0.touch();
        self.0.requests.fetch_sub(1, Ordering::Relaxed);
    }
}

pin_project_lite::pin_project! {
    /// An answer's body, in pieces: what isn't taken stays here, where it is seen.
    pub struct Taken<B> {
        #[pin]
        inner: B,
        rest: Bytes,
        since: Arc<AtomicU64>,
        work: InWork,
    }
}

impl<B> Taken<B> {
    /// The body of a request's answer.
    pub fn new(inner: B, work: InWork) -> Taken<B> {
        let since = Arc::new(AtomicU64::new(work.0.now()));
        work.0.answers.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::downgrade(&since));
        Taken { inner, rest: Bytes::new(), since, work }
    }
}

impl<B: Body<Data = Bytes>> Body for Taken<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let this = self.project();
        if this.rest.is_empty() {
            this.since.store(0, Ordering::Relaxed); // from here on it is we who have nothing
            let frame = match ready!(this.inner.poll_frame(context)) {
                Some(Ok(frame)) => frame,
                other => return Poll::Ready(other),
            };
            match frame.into_data() {
                Ok(bytes) => *this.rest = bytes,
                Err(trailers) => return Poll::Ready(Some(Ok(trailers))),
            }
        }
        this.since.store(this.work.0.now(), Ordering::Relaxed);
        let piece = this.rest.split_to(this.rest.len().min(PIECE));
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let (mut hint, rest) = (self.inner.size_hint(), self.rest.len() as u64);
        if let Some(upper) = hint.upper() {
            hint.set_upper(upper.saturating_add(rest));
        }
        hint.set_lower(hint.lower().saturating_add(rest));
        hint
    }
}

/// A socket that says when it takes nothing.
pub struct Watched<S> {
    /// The socket.
    pub stream: S,
    /// Of its connection.
    pub pulse: Arc<Pulse>,
}

impl<S> Watched<S> {
    fn noted(&self, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        let blocked = &self.pulse.blocked;
        match &written {
            Poll::Ready(_) => blocked.store(0, Ordering::Relaxed),
            Poll::Pending => _ = blocked.compare_exchange(0, self.pulse.now(), Ordering::Relaxed, Ordering::Relaxed),
        }
        written
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, into)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.noted(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, pieces);
        self.noted(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_count_until_the_last_of_them_is_gone_and_nobody_has_all_of_them() {
        let from = |address: &str| Asker { session: None, address: address.parse().expect("an address") };
        let (one, other) = (from("192.0.2.1"), from("192.0.2.2"));
        let outflow = Outflow::new(8 * UNIT);
        let first = outflow.counted(Bytes::from(vec![1; 3 * UNIT]), one).expect("room");
        assert!(outflow.counted(Bytes::from(vec![1; 2 * UNIT]), one).is_none(), "an address has half");
        assert!(
            outflow.counted(Bytes::from(vec![1; 500]), one).is_some()
                && outflow.counted(Bytes::from(vec![1; 4 * UNIT]), other).is_some()
        );
        let piece = first.slice(5999..);
        drop(first);
        assert_eq!(outflow.waiting(), 3 * UNIT, "a piece of them is there still");
        drop(piece);
        assert_eq!(outflow.waiting(), 0);
        assert!(outflow.counted(Bytes::from(vec![1; 4 * UNIT]), one).is_some());
    }
}
