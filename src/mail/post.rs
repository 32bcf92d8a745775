//! The post: letters wait in the outbox, and leave by SMTP.
//!
//! In charge of: putting a letter in, and sending one that is due. A secret stays sealed while it waits, and is wiped when it
//! is sent.

use lettre::message::Mailbox;
use lettre::message::dkim::{DkimCanonicalization, DkimCanonicalizationType, DkimConfig, DkimSigningAlgorithm, DkimSigningKey};
use lettre::message::header::HeaderName;
use lettre::transport::smtp::response::{Category, Code};
use lettre::{AsyncSmtpTransport, AsyncTransport as _, Tokio1Executor};
use serde_json::{Map, Value as Json};
use uuid::Uuid;

use super::{Letters, Rendered};
use crate::account::seal::Seal;
use crate::config::{self, Config};
use crate::error::{Cause, Result};
use crate::outbox::{Outbox, Undone};
use crate::statement::outbox::{self, Claimed, Letter as Waiting, NewLetter, Others};
use crate::statement::query::Internal;
use crate::store::Store;

/// Under which purpose values are sealed.
const PURPOSE: &str = "letter";

/// How letters leave.
enum Way {
    /// They wait: nothing is configured.
    None,
    /// They are printed into the log, whole: for development.
    Log,
    /// By SMTP.
    Smtp(AsyncSmtpTransport<Tokio1Executor>),
}

/// How letters leave, and from whom they come.
pub struct Post {
    way: Way,
    from: Mailbox,
    signature: Option<DkimConfig>,
    waiting: Outbox<Waiting>,
}

/// A letter that is to be sent.
#[derive(Debug)]
pub struct Letter {
    /// Its row.
    pub id: Uuid,
    /// The address.
    pub to: String,
    /// Who gets it beside, and who is answered.
    pub others: Others,
    /// The letter's name.
    pub name: String,
    /// The language, if one was asked for.
    pub language: Option<String>,
    /// The values.
    pub values: Map<String, Json>,
}

impl Post {
    /// From the configuration.
    ///
    /// # Errors
    /// Words for the person at the terminal.
    pub fn open(config: &Config) -> Result<Post, String> {
        let mail = &config.mail;
        let way = match &mail.smtp {
            _ if mail.print => Way::Log,
            None => Way::None,
            Some(url) => {
                let builder = AsyncSmtpTransport::<Tokio1Executor>::from_url(url.expose());
                let builder = builder
                    .map_err(|_| "mail.smtp: smtps://user:password@host, smtp://host?tls=required or smtp://host".to_owned())?;
                Way::Smtp(builder.timeout(Some(mail.timeout)).build())
            }
        };
        let from: Mailbox =
            mail.from.parse().map_err(|_| "mail.from: an address such as Rowhouse <post@example.org>".to_owned())?;
        let signature = signature(mail, from.email.domain())?;
        Ok(Post { way, from, signature, waiting: Outbox::new(outbox::MAIL, &config.outbox, mail.timeout, mail.timeout * 2, 10) })
    }

    /// Says that there may be something to send.
    pub fn wake(&self) {
        self.waiting.wake();
    }

    /// The statement that puts a letter into the outbox. `secrets`: texts that may stand nowhere in the clear.
    pub fn put(&self, seal: &Seal, letter: &Letter, secrets: &[String]) -> Internal<()> {
        let (hidden, shown): (Vec<_>, Vec<_>) =
            letter.values.clone().into_iter().partition(|(_, value)| is_secret(value, secrets));
        let sealed =
            (!hidden.is_empty()).then(|| seal.seal_text(PURPOSE, &Json::Object(hidden.iter().cloned().collect()).to_string()));
        let shown: Map<String, Json> =
            shown.into_iter().chain(hidden.into_iter().map(|(name, _)| (name, "***".into()))).collect();
        let message = format!("<{}@{}>", letter.id, self.from.email.domain());
        let Letter { id, to, others, name, language, .. } = letter;
        let others = serde_json::to_string(others).unwrap_or_default(); // texts can always be written
        let values = Json::Object(shown).to_string();
        outbox::put_letter(&NewLetter {
            id: *id,
            to,
            others: &others,
            name,
            message_id: &message,
            values: &values,
            language: language.as_deref(),
            sealed: sealed.as_deref(),
        })
    }

    /// Whether letters leave.
    pub fn has_way(&self) -> bool {
        !matches!(self.way, Way::None)
    }

    /// Sends what waits, until `stop` is done. `base`: what links begin with.
    pub async fn work(&self, store: &Store, seal: &Seal, letters: &Letters, base: &str, stop: impl Future<Output = ()>) {
        if let Way::None = self.way {
            return stop.await;
        }
        let send = |claimed: Claimed<Waiting>| {
            let sent = async move {
                let letter = claimed.what;
                let rendered = render(&letter, seal, letters, base).map_err(Undone::never)?;
                self.send(&letter, &rendered).await
            };
            Box::pin(sent) as futures_util::future::BoxFuture<'_, _>
        };
        self.waiting.work(store, send, stop).await;
    }

    async fn send(&self, letter: &Waiting, rendered: &Rendered) -> Result<(), Undone> {
        let (to, message_id) = (letter.to.as_str(), letter.message_id.as_str());
        match &self.way {
            Way::None => Err(Undone::later("no way out")),
            Way::Log => {
                let others = serde_json::to_string(&letter.others).unwrap_or_default();
                tracing::info!(to, others, subject = rendered.subject, "a letter\n{}", rendered.text);
                Ok(())
            }
            Way::Smtp(transport) => {
                let mut message = rendered
                    .message(&self.from, to, &letter.others, message_id)
                    .map_err(|_| Undone::never("the address can't be written to"))?;
                if let Some(signature) = &self.signature {
                    message.sign(signature);
                }
                // On a task of its own: where the letter is given up midway, the conversation still comes to its end, and no later
                // letter on the same connection hears the answers that were meant for this one.
                let transport = transport.clone();
                let sent = tokio::spawn(async move { transport.send(message).await }).await;
                let sent = sent.map_err(|_| Undone::later("sending it broke off"))?;
                sent.map(|_| ()).map_err(|error| {
                    // 52x and 53x are about us, such as a wrong password: no fault of the letter's.
                    let is_ours = |code: Code| matches!(code.category, Category::Connections | Category::Unspecified3);
                    // What no server takes that can't say UTF-8, it never takes.
                    let is_plain = |address: &str| address.split('@').next().unwrap_or_default().is_ascii();
                    let mut all = letter.others.recipients().map(String::as_str).chain([to]);
                    let is_unspeakable = error.is_client() && !all.all(is_plain);
                    let is_final = is_unspeakable || error.is_permanent() && !error.status().is_some_and(is_ours);
                    let words = format!("{:?}", Cause::new(error));
                    if is_final { Undone::never(words) } else { Undone::later(words) }
                })
            }
        }
    }
}

/// Whether a secret stands in a value, however deep: also as a name in it.
fn is_secret(value: &Json, secrets: &[String]) -> bool {
    let has = |text: &str| secrets.iter().any(|secret| text.contains(secret.as_str()));
    match value {
        Json::String(text) => has(text),
        Json::Array(items) => items.iter().any(|item| is_secret(item, secrets)),
        Json::Object(map) => map.iter().any(|(name, value)| has(name) || is_secret(value, secrets)),
        Json::Number(number) => has(&number.to_string()),
        Json::Null | Json::Bool(_) => false,
    }
}

/// What letters are signed with, over what tells them from others.
fn signature(mail: &config::Mail, domain: &str) -> Result<Option<DkimConfig>, String> {
    let (selector, key) = match (&mail.dkim_selector, &mail.dkim_key) {
        (None, None) => return Ok(None),
        (Some(selector), Some(key)) => (selector.clone(), key.expose().trim()),
        _ => return Err("mail.dkim_selector and mail.dkim_key go together".to_owned()),
    };
    let algorithm = if key.starts_with("-----BEGIN") { DkimSigningAlgorithm::Rsa } else { DkimSigningAlgorithm::Ed25519 };
    let key = DkimSigningKey::new(key, algorithm)
        .map_err(|_| "mail.dkim_key: an RSA key as PKCS#1 PEM (openssl genrsa -traditional), or 32 bytes in base64".to_owned())?;
    // The body's own (Content-Type) are no headers of the message to lettre: named, they would be found by those who verify.
    let headers = ["From", "To", "Cc", "Reply-To", "Subject", "Date", "Message-ID", "MIME-Version", "Auto-Submitted"];
    let relaxed = DkimCanonicalizationType::Relaxed;
    let canonical = DkimCanonicalization { header: relaxed, body: relaxed };
    Ok(Some(DkimConfig::new(selector, domain.to_owned(), key, headers.map(HeaderName::new_from_ascii_str).to_vec(), canonical)))
}

fn render(letter: &Waiting, seal: &Seal, letters: &Letters, base: &str) -> Result<Rendered, String> {
    let mut values = letter.values.clone();
    if let Some(sealed) = &letter.sealed {
        let open = seal.unseal(PURPOSE, sealed).ok_or("its secrets were sealed with another secret_key")?;
        values.extend(serde_json::from_slice::<Map<String, Json>>(&open).map_err(|_| "its secrets can't be read")?);
    }
    values.insert("base".to_owned(), base.into());
    values.insert("to".to_owned(), letter.to.as_str().into());
    let rendered = letters.render(&letter.name, letter.language.as_deref(), &values);
    rendered.map_err(|_| "its template can't be rendered with its values".to_owned())
}
