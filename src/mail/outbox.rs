//! The outbox: letters wait in the database, written by the transaction that sends them, and are worked off by any node.
//!
//! In charge of: at least once, in order for each address, with back-off; a secret stays sealed while it waits, and is
//! wiped when it is sent.

use std::time::Duration;

use lettre::message::Mailbox;
use lettre::{AsyncSmtpTransport, AsyncTransport as _, Tokio1Executor};
use serde_json::{Map, Value as Json};
use tokio::sync::Notify;
use uuid::Uuid;

use super::{Letters, Rendered};
use crate::account::seal::Seal;
use crate::config::Mail;
use crate::error::{Cause, Result};
use crate::statement::mail;
use crate::store::{Row, Store};

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

/// Where letters wait, and how they leave.
pub struct Outbox {
    way: Way,
    from: Mailbox,
    wake: Notify,
    poll: Duration,
    lease: Duration,
    tries: i64,
}

/// A letter that is to be sent.
#[derive(Debug)]
pub struct Letter {
    /// Its row.
    pub id: Uuid,
    /// The address.
    pub to: String,
    /// The letter's name.
    pub name: String,
    /// The language, if one was asked for.
    pub language: Option<String>,
    /// The values.
    pub values: Map<String, Json>,
}

impl Outbox {
    /// From the configuration.
    ///
    /// # Errors
    /// Words for the person at the terminal.
    pub fn open(config: &Mail) -> Result<Outbox, String> {
        let way = match &config.smtp {
            _ if config.print => Way::Log,
            None => Way::None,
            Some(url) => {
                let builder = AsyncSmtpTransport::<Tokio1Executor>::from_url(url.expose());
                let builder = builder
                    .map_err(|_| "mail.smtp: smtps://user:password@host, smtp://host?tls=required or smtp://host".to_owned())?;
                Way::Smtp(builder.timeout(Some(config.timeout)).build())
            }
        };
        let from = config.from.parse().map_err(|_| "mail.from: an address such as Rowhouse <post@example.org>".to_owned())?;
        Ok(Outbox { way, from, wake: Notify::new(), poll: config.poll, lease: config.timeout * 2, tries: config.tries })
    }

    /// Says that there may be something to send.
    pub fn wake(&self) {
        self.wake.notify_one();
    }

    /// The statement that puts a letter into the outbox. `secrets`: texts that may stand nowhere in the clear.
    pub fn put(&self, seal: &Seal, letter: &Letter, secrets: &[String]) -> crate::statement::Statement {
        let is_secret = |value: &Json| value.as_str().is_some_and(|text| secrets.iter().any(|secret| text.contains(secret)));
        let (hidden, shown): (Vec<_>, Vec<_>) = letter.values.clone().into_iter().partition(|(_, value)| is_secret(value));
        let sealed =
            (!hidden.is_empty()).then(|| seal.seal_text(PURPOSE, &Json::Object(hidden.iter().cloned().collect()).to_string()));
        let shown: Map<String, Json> =
            shown.into_iter().chain(hidden.into_iter().map(|(name, _)| (name, "***".into()))).collect();
        let message = format!("<{}@{}>", letter.id, self.from.email.domain());
        mail::put(
            letter.id,
            [&letter.to, &letter.name, &message, &Json::Object(shown).to_string()],
            letter.language.as_deref(),
            sealed,
        )
    }

    /// Works off what waits, for ever.
    pub async fn work(&self, store: &Store, seal: &Seal, letters: &Letters, base: &str) {
        if let Way::None = self.way {
            return std::future::pending().await;
        }
        loop {
            match self.round(store, seal, letters, base).await {
                Ok(0) => _ = tokio::time::timeout(self.poll, self.wake.notified()).await,
                Ok(_) => {}
                Err(error) => {
                    tracing::warn!(?error, "the outbox can't be worked off");
                    tokio::time::sleep(self.poll).await;
                }
            }
        }
    }

    /// Claims some letters and sends them. Gives how many.
    async fn round(&self, store: &Store, seal: &Seal, letters: &Letters, base: &str) -> Result<usize> {
        let claimed = store.read(&mail::claim(self.lease.as_secs().max(1))).await?;
        let sent = claimed.iter().map(|row| async move {
            let id = row.uuid(0).unwrap_or_default();
            let done = match self.render(row, seal, letters, base) {
                Ok(rendered) => self.send(row, &rendered).await,
                Err(words) => Err((words, true)),
            };
            let statement = match done {
                Ok(()) => mail::sent(id),
                Err((words, is_final)) => {
                    let tries = row.int(5).unwrap_or(1);
                    let is_dead = is_final || tries >= self.tries;
                    tracing::warn!(%id, tries, is_dead, words, "a letter was not sent");
                    // 10 s, 20 s, 40 s … an hour
                    let wait = (!is_dead).then(|| (10_u64 << tries.clamp(1, 9) >> 1).min(3600));
                    mail::failed(id, &words, wait)
                }
            };
            store.read(&statement).await
        });
        for done in futures_util::future::join_all(sent).await {
            done?;
        }
        Ok(claimed.len())
    }

    fn render(&self, row: &Row, seal: &Seal, letters: &Letters, base: &str) -> Result<Rendered, String> {
        let text = |at: usize| row.text(at).unwrap_or_default();
        let mut values: Map<String, Json> = serde_json::from_str(text(3)).unwrap_or_default();
        if let Some(sealed) = row.raw(4) {
            let open = seal.unseal(PURPOSE, sealed).ok_or("its secrets were sealed with another secret_key")?;
            values.extend(serde_json::from_slice::<Map<String, Json>>(&open).map_err(|_| "its secrets can't be read")?);
        }
        values.insert("base".to_owned(), base.into());
        values.insert("to".to_owned(), text(1).into());
        letters.render(text(2), row.text(7), &values).map_err(|_| "its template can't be rendered with its values".to_owned())
    }

    /// Sends one. The error says whether trying again is of no use.
    async fn send(&self, row: &Row, rendered: &Rendered) -> Result<(), (String, bool)> {
        let (to, message_id) = (row.text(1).unwrap_or_default(), row.text(6).unwrap_or_default());
        match &self.way {
            Way::None => Err(("no way out".to_owned(), false)),
            Way::Log => {
                tracing::info!(to, subject = rendered.subject, "a letter\n{}", rendered.text);
                Ok(())
            }
            Way::Smtp(transport) => {
                let message = rendered
                    .message(&self.from, to, message_id)
                    .map_err(|_| ("the address can't be written to".to_owned(), true))?;
                transport.send(message).await.map(|_| ()).map_err(|error| {
                    let is_final = error.is_permanent();
                    (format!("{:?}", Cause::new(error)), is_final)
                })
            }
        }
    }
}
