//! A call of an action: who calls, from where, and with what.

use std::net::{IpAddr, Ipv4Addr};

use serde_json::{Map, Value as Json};
use uuid::Uuid;

use crate::account::Caller;
use crate::request::once::Once;
use crate::share::networks;
use crate::statement::event::Origin;

/// A call.
#[derive(Debug, Clone)]
pub struct Call {
    /// Its own, however often its transaction is done.
    pub id: Uuid,
    /// Who calls.
    pub caller: Caller,
    /// From where.
    pub address: IpAddr,
    /// Where it comes from by the word of a proxy that isn't trusted.
    pub behind: Option<IpAddr>,
    /// Whether it is the server's own: a schedule, a listener, the terminal.
    pub is_own: bool,
    /// With what, as the browser says.
    pub agent: String,
    /// The language that texts for people are said in; none: as files say them.
    pub language: Option<String>,
    /// The request's id: ours.
    pub request: String,
    /// What its sender calls it.
    pub sent_request: Option<String>,
    /// The row that the path names.
    pub subject: Option<String>,
    /// What was sent.
    pub attributes: Map<String, Json>,
    /// Whether everything is rolled back in the end.
    pub is_rehearsal: bool,
    /// What the call is, where it is to be done once.
    pub once: Option<Once>,
}

impl Call {
    /// One of the server's own, with no inputs. `agent`: which part of it calls; `request`: what its changes are noted with.
    pub fn own(caller: Caller, agent: &str, request: Uuid) -> Call {
        Call {
            id: Uuid::now_v7(),
            caller,
            address: Ipv4Addr::LOCALHOST.into(),
            behind: None,
            is_own: true,
            agent: agent.to_owned(),
            language: None,
            request: request.to_string(),
            sent_request: None,
            subject: None,
            attributes: Map::new(),
            is_rehearsal: false,
            once: None,
        }
    }

    /// The networks that its attempts are counted for, each with its most, where one address has `most`.
    pub fn networks(&self, most: u32) -> Vec<(String, i64)> {
        networks(self.address, self.behind, most)
    }

    /// What is noted with its changes.
    pub fn origin(&self) -> Origin<'_> {
        Origin { request: &self.request, sent_request: self.sent_request.as_deref(), ..Origin::default() }
    }

    /// What the session's row says of the device.
    pub fn device(&self) -> String {
        self.agent.chars().filter(|c| !c.is_control()).take(500).collect()
    }
}
