//! Another server, that actions ask: it says what it is told to, and remembers what it was asked.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

/// What arrived: the head's lines, and the body.
#[derive(Debug, Clone)]
pub struct Heard {
    pub head: String,
    pub body: String,
}

impl Heard {
    /// A header's value.
    pub fn header(&self, name: &str) -> String {
        let line = self.head.lines().find_map(|line| line.split_once(": ").filter(|(n, _)| n.eq_ignore_ascii_case(name)));
        line.unwrap_or_else(|| panic!("no {name} in {}", self.head)).1.to_owned()
    }
}

/// The server.
pub struct Web {
    pub url: String,
    says: Arc<Mutex<Vec<String>>>,
    heard: mpsc::UnboundedReceiver<Heard>,
}

impl Web {
    /// Listens on a free port.
    pub async fn new() -> Web {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let (send, heard) = mpsc::unbounded_channel();
        let says = Arc::new(Mutex::new(vec![]));
        let told = says.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (send, says) = (send.clone(), told.clone());
                tokio::spawn(async move { _ = talk(stream, &send, &says).await });
            }
        });
        Web { url, says, heard }
    }

    /// What it answers next, one after the other: status line, headers, body as they are; empty: nothing at all. Then 200.
    pub fn says(&self, says: &[&str]) {
        *self.says.lock().expect("no panic") = says.iter().map(|s| (*s).to_owned()).collect();
    }

    /// The next request that arrives.
    pub async fn heard(&mut self) -> Heard {
        tokio::time::timeout(Duration::from_secs(20), self.heard.recv()).await.expect("a request in time").expect("a request")
    }

    /// Whether nothing has arrived that wasn't looked at.
    pub fn is_empty(&self) -> bool {
        self.heard.is_empty()
    }
}

async fn talk(mut stream: TcpStream, send: &mpsc::UnboundedSender<Heard>, says: &Mutex<Vec<String>>) -> std::io::Result<()> {
    let mut bytes = vec![];
    let (head, length) = loop {
        let mut part = [0; 4096];
        match stream.read(&mut part).await? {
            0 => return Ok(()),
            n => bytes.extend_from_slice(&part[..n]),
        }
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, _)) = text.split_once("\r\n\r\n") {
            let length =
                head.to_lowercase().split("content-length: ").nth(1).map(|rest| rest.lines().next().unwrap_or("0").parse());
            break (head.to_owned(), head.len() + 4 + length.and_then(Result::ok).unwrap_or(0));
        }
    };
    while bytes.len() < length {
        let mut part = [0; 4096];
        let n = stream.read(&mut part).await?;
        bytes.extend_from_slice(&part[..n]);
    }
    let body = String::from_utf8_lossy(&bytes[head.len() + 4..]).into_owned();
    let answer = {
        let mut says = says.lock().expect("no panic");
        if says.is_empty() { "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok".to_owned() } else { says.remove(0) }
    };
    _ = send.send(Heard { head, body });
    if answer.is_empty() {
        return std::future::pending().await;
    }
    stream.write_all(answer.as_bytes()).await?;
    stream.shutdown().await
}
