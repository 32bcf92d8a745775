//! The wire: a pass-through to PostgreSQL that counts statements, hears what comes back, and can be cut.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, UnixStream};
use tokio::sync::Notify;

/// What was heard.
#[derive(Clone, Default)]
pub struct Wire {
    executed: Arc<AtomicUsize>,
    heard: Arc<Mutex<Vec<u8>>>,
    is_cut: Arc<AtomicBool>,
    cut: Arc<Notify>,
}

impl Wire {
    /// Stands between a URL on a unix socket and whoever connects to the URL that it gives.
    pub async fn before(url: &str) -> (Wire, String) {
        let wire = Wire::default();
        let (head, rest) = url.rsplit_once('@').expect("user");
        let (host, database) = rest.split_once('/').expect("a database");
        let socket = format!("{}/.s.PGSQL.5432", host.replace("%2F", "/"));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let ear = wire.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                if ear.is_cut.load(Ordering::SeqCst) {
                    continue;
                }
                let Ok(server) = UnixStream::connect(&socket).await else { continue };
                tokio::spawn(ear.clone().pass(client, server));
            }
        });
        (wire, format!("{head}@127.0.0.1:{port}/{database}?sslmode=disable"))
    }

    async fn pass(self, client: tokio::net::TcpStream, server: UnixStream) {
        let ((mut from, mut to), (mut back, mut out)) = (client.into_split(), server.into_split());
        let ear = self.clone();
        let forth = async move {
            let (mut buffer, mut seen, mut is_started) = (vec![0; 65536], Vec::new(), false);
            while let Ok(count @ 1..) = from.read(&mut buffer).await {
                seen.extend_from_slice(&buffer[..count]);
                ear.count(&mut seen, &mut is_started);
                if out.write_all(&buffer[..count]).await.is_err() {
                    break;
                }
            }
        };
        let ear = self.clone();
        let backwards = async move {
            let mut buffer = vec![0; 65536];
            while let Ok(count @ 1..) = back.read(&mut buffer).await {
                ear.heard.lock().expect("no panic").extend_from_slice(&buffer[..count]);
                if to.write_all(&buffer[..count]).await.is_err() {
                    break;
                }
            }
        };
        tokio::select! { () = forth => {}, () = backwards => {}, () = self.cut.notified() => {} }
    }

    /// Counts Execute and Query in the frontend's messages.
    fn count(&self, seen: &mut Vec<u8>, is_started: &mut bool) {
        loop {
            let head = usize::from(*is_started);
            let Some(length) = seen.get(head..head + 4).and_then(|l| l.try_into().ok()).map(u32::from_be_bytes) else { return };
            let whole = head + length as usize;
            if seen.len() < whole {
                return;
            }
            if *is_started && matches!(seen[0], b'E' | b'Q') {
                self.executed.fetch_add(1, Ordering::SeqCst);
            }
            *is_started = true;
            seen.drain(..whole);
        }
    }

    /// Forgets what was heard so far.
    pub fn listen(&self) {
        self.executed.store(0, Ordering::SeqCst);
        self.heard.lock().expect("no panic").clear();
    }

    /// How many statements were executed.
    pub fn executed(&self) -> usize {
        self.executed.load(Ordering::SeqCst)
    }

    /// Whether PostgreSQL sent these bytes.
    pub fn heard(&self, word: &str) -> bool {
        self.heard.lock().expect("no panic").windows(word.len()).any(|w| w == word.as_bytes())
    }

    /// Cuts all connections and lets none through.
    pub fn cut(&self) {
        self.is_cut.store(true, Ordering::SeqCst);
        self.cut.notify_waiters();
    }

    /// Lets connections through again.
    pub fn mend(&self) {
        self.is_cut.store(false, Ordering::SeqCst);
    }
}
