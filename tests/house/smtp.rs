//! A listener that speaks SMTP as far as letters need it, and does what it is told with them.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

/// What it says when a letter's data has arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Says {
    Accepts,
    /// 451: try again.
    Later,
    /// 550: never.
    Never,
    /// 535: not from you, whatever the letter.
    NotYou,
    /// Takes the letter, and hangs up without a word: nobody knows whether it was taken.
    HangsUp,
    /// Takes the letter, and says so a second later.
    Slowly,
    /// Takes the letter, and says nothing for ever.
    Nothing,
}

/// A letter that arrived.
#[derive(Debug, Clone)]
pub struct Letter {
    pub to: String,
    /// All that it goes to.
    pub all: Vec<String>,
    pub text: String,
}

impl Letter {
    /// A header's value.
    pub fn header(&self, name: &str) -> String {
        let line = self.text.lines().find_map(|line| line.strip_prefix(&format!("{name}: ")));
        line.unwrap_or_else(|| panic!("no {name} in {}", self.text)).to_owned()
    }

    /// What it says, if it has one part.
    pub fn words(&self) -> String {
        let (head, body) = self.text.split_once("\r\n\r\n").expect("a body");
        match head.lines().find_map(|line| line.strip_prefix("Content-Transfer-Encoding: ")) {
            Some("base64") => String::from_utf8(STANDARD.decode(body.replace("\r\n", "")).expect("base64")).expect("text"),
            Some("quoted-printable") => {
                let parts = body.replace("=\r\n", "");
                let mut parts = parts.split('=');
                let mut bytes = parts.next().unwrap_or_default().as_bytes().to_vec();
                for part in parts {
                    bytes.push(u8::from_str_radix(&part[..2], 16).expect("a byte"));
                    bytes.extend(&part.as_bytes()[2..]);
                }
                String::from_utf8(bytes).expect("text")
            }
            _ => body.to_owned(),
        }
    }

    /// The token of the link in it.
    pub fn token(&self) -> String {
        let text = self.text.replace("=\r\n", "").replace("=3D", "=");
        let after = text.split("?token=").nth(1).unwrap_or_else(|| panic!("no link in {text}"));
        after.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '-' || *c == '_').collect()
    }
}

/// The listener.
pub struct Smtp {
    pub port: u16,
    says: Arc<Mutex<Vec<Says>>>,
    letters: mpsc::UnboundedReceiver<Letter>,
}

impl Smtp {
    /// Listens on a free port.
    pub async fn new() -> Smtp {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let (send, letters) = mpsc::unbounded_channel();
        let says = Arc::new(Mutex::new(vec![]));
        let told = says.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (send, says) = (send.clone(), told.clone());
                tokio::spawn(async move { _ = talk(stream, &send, &says).await });
            }
        });
        Smtp { port, says, letters }
    }

    /// What it says to the next letters, one after the other; then it accepts.
    pub fn says(&self, says: &[Says]) {
        *self.says.lock().expect("no panic") = says.to_vec();
    }

    /// Where letters go.
    pub fn url(&self) -> String {
        format!("smtp://127.0.0.1:{}", self.port)
    }

    /// The next letter that arrives.
    pub async fn letter(&mut self) -> Letter {
        let letter = tokio::time::timeout(Duration::from_secs(20), self.letters.recv()).await;
        letter.expect("a letter in time").expect("a letter")
    }

    /// Whether nothing has arrived that wasn't looked at.
    pub fn is_empty(&self) -> bool {
        self.letters.is_empty()
    }
}

async fn talk(stream: TcpStream, send: &mpsc::UnboundedSender<Letter>, says: &Mutex<Vec<Says>>) -> std::io::Result<()> {
    let (read, mut write) = stream.into_split();
    let mut lines = BufReader::new(read).lines();
    let mut all: Vec<String> = vec![];
    write.write_all(b"220 house\r\n").await?;
    while let Some(line) = lines.next_line().await? {
        let word = line.to_ascii_uppercase();
        let answer: &str = match word.split([' ', ':']).next().unwrap_or_default() {
            "EHLO" => "250-house\r\n250 8BITMIME\r\n",
            "MAIL" => {
                all.clear();
                "250 ok\r\n"
            }
            "RCPT" => {
                all.extend(line.split(['<', '>']).nth(1).map(str::to_owned));
                "250 ok\r\n"
            }
            "DATA" => {
                write.write_all(b"354 go on\r\n").await?;
                let mut text = String::new();
                while let Some(line) = lines.next_line().await?.filter(|line| line != ".") {
                    text += line.strip_prefix('.').unwrap_or(&line);
                    text += "\r\n";
                }
                let next = {
                    let mut says = says.lock().expect("no panic");
                    if says.is_empty() { Says::Accepts } else { says.remove(0) }
                };
                if matches!(next, Says::Accepts | Says::Slowly | Says::HangsUp | Says::Nothing) {
                    _ = send.send(Letter { to: all.first().cloned().unwrap_or_default(), all: all.clone(), text });
                }
                match next {
                    Says::Accepts => "250 taken\r\n",
                    Says::Slowly => {
                        tokio::time::sleep(Duration::from_secs(1)).await;
                        "250 taken\r\n"
                    }
                    Says::Later => "451 later\r\n",
                    Says::Never => "550 never\r\n",
                    Says::NotYou => "535 who are you\r\n",
                    Says::HangsUp => return Ok(()),
                    Says::Nothing => std::future::pending().await,
                }
            }
            "QUIT" => return write.write_all(b"221 bye\r\n").await,
            _ => "250 ok\r\n",
        };
        write.write_all(answer.as_bytes()).await?;
    }
    Ok(())
}
