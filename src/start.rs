//! From a configuration to a server: files, database, keys, socket, in this order.
//!
//! In charge of: refusing loudly, with words for the person at the terminal, before anything is served.

pub mod schedules;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use tokio::net::TcpListener;

use crate::account::Caller;
use crate::account::password::Hasher;
use crate::account::seal::Seal;
use crate::account::token::Tokens;
use crate::action::call::Call;
use crate::action::run;
use crate::action::{Action, Actions};
use crate::action::{task, transfer};
use crate::config::Config;
use crate::error::{Error, Fault};
use crate::http::asked::Door;
use crate::http::client_address::Warned;
use crate::http::metrics::Metrics;
use crate::http::outflow::Outflow;
use crate::http::{App, listen};
use crate::mail::post::Post;
use crate::outbox::Outbox;
use crate::outgoing::Outgoing;
use crate::permission::Permission;
use crate::project;
use crate::schema::{Schema, words};
use crate::share::{OF_CALLER, Shares};
use crate::statement::account::NewUser;
use crate::statement::outbox::{TASKS, TRANSFERS};
use crate::statement::{account, sweep, write};
use crate::store::Store;
use crate::store::local::{Cluster, Options};
use crate::store::migrate::{self, DeclaredAction, Report};
use crate::yaml::{self, Reader};

/// The database of a configuration: the configured one, or the local cluster.
pub struct Opened {
    /// PostgreSQL.
    pub store: Store,
    cluster: Option<Arc<Cluster>>,
}

/// Whether what would be lost may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Destructive {
    Refused,
    Allowed,
}

impl Opened {
    /// Starts the local cluster again whenever it dies; never done.
    async fn tend(&self) {
        let Some(cluster) = &self.cluster else { return std::future::pending().await };
        loop {
            tokio::time::sleep(Duration::from_secs(1)).await;
            let cluster = cluster.clone();
            if let Ok(Err(words)) = tokio::task::spawn_blocking(move || cluster.tend()).await {
                tracing::error!(words, "the local cluster is down");
            }
        }
    }

    /// Lets go of the database; a local cluster that nobody else uses stops.
    pub async fn close(self) {
        self.store.close();
        if let Some(cluster) = self.cluster {
            _ = tokio::task::spawn_blocking(move || cluster.leave()).await;
        }
    }
}

/// Reads and checks the project's files.
///
/// # Errors
/// Every complaint, a line each.
pub fn project(config: &Config) -> Result<(Schema, Actions), String> {
    project::load(&config.project).map_err(|complaints| complaints.iter().map(|c| c.to_string()).collect::<Vec<_>>().join("\n"))
}

/// Opens the database, and waits for nothing: whether it answers the first statement tells. `makes`: whether a cluster is made
/// where none is configured and none is there; a command that only asks would answer from an empty one.
///
/// # Errors
/// Words for the person at the terminal.
pub async fn open(config: &Config, makes: bool) -> Result<Opened, String> {
    let (url, cluster) = match &config.database.url {
        Some(url) => (url.expose().to_owned(), None),
        None => {
            let (data, binaries, user) = (config.data.clone(), config.database.binaries.clone(), config.database.user.clone());
            let start = move || {
                let options = Options { data: &data, binaries: binaries.as_deref(), user: &user, settings: &[], makes };
                Cluster::start(&options)
            };
            let cluster = tokio::task::spawn_blocking(start).await.map_err(|e| e.to_string())??;
            (cluster.url(), Some(Arc::new(cluster)))
        }
    };
    Ok(Opened { store: Store::open(&url, &config.database)?, cluster })
}

/// Brings the database to the schema.
///
/// # Errors
/// Words that name what would be lost or rewritten, or what PostgreSQL ran into.
pub async fn apply(store: &Store, schema: &Schema, actions: &Actions, destructive: Destructive) -> Result<Report, String> {
    let allowed = destructive == Destructive::Allowed;
    let report = migrate::apply(store, schema, &rows(actions), allowed).await.map_err(told)?;
    if !report.faults.is_empty() {
        return Err(format!("the database can't be brought to the schema:\n  {}", report.faults.join("\n  ")));
    }
    let rewrites: Vec<_> = report.rewrites().collect();
    match rewrites.is_empty() || allowed {
        true => Ok(report),
        false => Err(format!(
            "the schema changes types, which rewrites values:\n  {}\nLook at `rowhouse plan`, then run `rowhouse apply --allow-destructive`.",
            rewrites.join("\n  ")
        )),
    }
}

/// Actions as their rows in `action` want them.
pub fn rows(actions: &Actions) -> Vec<DeclaredAction> {
    let row = |a: &crate::action::Action| DeclaredAction {
        entity: a.entity.clone(),
        name: a.name.clone(),
        label: a.label.clone(),
        description: a.description.clone(),
        policy: a.policy.clone(),
        listens: a.listens.clone(),
        was: a.was.clone(),
    };
    actions.all().iter().map(row).collect()
}

/// The one-time code for the first administrator, made at first need; none once it is spent.
///
/// # Errors
/// What PostgreSQL ran into, or another secret key than the code was sealed with.
pub async fn claim_code(store: &Store, seal: &Seal) -> Result<Option<String>, String> {
    let mut bytes = [0; 20];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| "no randomness".to_owned())?;
    const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
    let code: String = bytes.iter().map(|b| char::from(LETTERS[usize::from(*b) % LETTERS.len()])).collect();
    let sealed = seal.seal_text("claim-code", &code);
    store.read(&account::keep_claim(&sealed)).await.map_err(told)?;
    let Some(sealed) = store.read(&account::find_claim()).await.map_err(told)? else { return Ok(None) };
    let code = seal.unseal("claim-code", &sealed).and_then(|code| String::from_utf8(code).ok());
    code.map(Some).ok_or_else(|| "the claim code was sealed with another secret_key".to_owned())
}

/// A permission as somebody writes it at the terminal: the integer, or a map as in files.
///
/// # Errors
/// What is wrong with it.
pub fn permission(text: &str) -> Result<Permission, String> {
    let tree = yaml::from_str("--from", text).map_err(|complaint| complaint.to_string())?;
    let mut reader = Reader::new("--from");
    let permission = words::permission(&mut reader, &tree);
    match reader.complaints.first() {
        Some(complaint) => Err(complaint.to_string()),
        None => Ok(permission),
    }
}

/// What a person is told of an error while starting: with its cause, which no client ever sees.
pub fn told(error: Error) -> String {
    match error {
        Error::Internal(cause) => format!("PostgreSQL refused: {cause:?}"),
        Error::Unavailable(_) => "PostgreSQL doesn't answer (the log says more)".to_owned(),
        other => other.detail(),
    }
}

/// Makes everything that requests need.
///
/// # Errors
/// Words for the person at the terminal.
pub async fn app(config: Config, schema: Schema, actions: Actions, store: &Store) -> Result<Arc<App>, String> {
    let seal = Seal::open(config.secret_key.as_ref(), &config.data)?;
    let tokens = Tokens::load(store, &seal, &config.token).await.map_err(told)?;
    claim_code(store, &seal).await?;
    let hasher = Hasher::new(&config)?;
    let post = Post::open(&config)?;
    // What is done in the background leaves most connections to those who wait for an answer.
    let at_once = (config.database.pool / 4).clamp(1, 10);
    let tasks = Outbox::new(TASKS, &config.outbox, config.limits.request, config.limits.request * 2, at_once);
    let transfers = Outbox::new(TRANSFERS, &config.outbox, transfer::LONGEST, transfer::LEASE, at_once);
    let outgoing = Outgoing::open(&config.outgoing)?;
    let (outflow, uploads) =
        (Outflow::new(config.limits.answers.max(OF_CALLER * config.limits.answer)), Shares::new(config.limits.uploads));
    Ok(Arc::new(App {
        config,
        schema,
        actions,
        limiters: Default::default(),
        store: store.clone(),
        tokens,
        hasher,
        seal,
        post,
        tasks,
        transfers,
        outgoing,
        metrics: Metrics::default(),
        outflow,
        descriptions: Default::default(),
        warned: Warned::default(),
        uploads,
    }))
}

/// Makes a user who is an administrator, and spends the claim code.
///
/// # Errors
/// Words for the person at the terminal: what is wrong with the values, or that the address is taken.
pub async fn create_administrator(config: &Config, schema: &Schema, store: &Store, person: [&str; 3]) -> Result<(), String> {
    let [email, name, password] = person;
    let user = schema.system("user_account");
    let check = |field: &str, text: &str| {
        let column = user.column(field).unwrap_or_else(|| unreachable!("{field} is embedded"));
        column.kind.check(&column.bounds, &text.into()).map_err(|words| format!("--{field} {words}"))
    };
    let (email, name) = (check("email", email)?, check("name", name)?);
    let hasher = Hasher::new(config)?;
    hasher.policy().judge(password, &[&email, &name]).map_err(|words| format!("the password {words}"))?;
    let hash = hasher.hash(password.to_owned()).await.map_err(told)?;
    let id = uuid::Uuid::now_v7();
    let made = async {
        let mut scope = store.begin().await?;
        scope.run(&write::administrators_lock()).await?;
        scope.run(&account::make_user(&NewUser { id, email: &email, name: &name, hash: &hash })).await?;
        scope.run(&write::join_groups(id)).await?;
        scope.run(&account::make_administrator(id)).await?;
        scope.run(&account::spend_claim()).await?;
        scope.commit().await
    };
    made.await.map_err(|error: Error| match error {
        Error::Conflict(_) => format!("{email} is taken: sign in as that user, and use the claim code"),
        other => told(other),
    })
}

/// Calls an action as somebody, from the terminal. Gives the directives.
///
/// # Errors
/// Words for the person at the terminal: what is wrong with what was written, or the refusal as a client would see it.
pub async fn act(
    app: &App,
    action: &str,
    email: Option<&str>,
    subject: Option<String>,
    inputs: &[String],
) -> Result<String, String> {
    let found = action.split_once('/').and_then(|(entity, name)| app.actions.find(entity, name));
    let found = found.ok_or_else(|| format!("there is no action {action}; it is written <entity>/<name>"))?;
    let mut attributes = serde_json::Map::new();
    for input in inputs {
        let (name, value) = input.split_once('=').ok_or_else(|| format!("--input {input}: NAME=VALUE is wanted"))?;
        attributes.insert(name.to_owned(), serde_json::from_str(value).unwrap_or_else(|_| value.into()));
    }
    let session = match email {
        None => None,
        Some(email) => {
            let session = uuid::Uuid::now_v7();
            let made = app.store.read(&account::open_for(session, email)).await.map_err(told)?;
            Some(made.then_some(session).ok_or_else(|| format!("there is no active user {email}"))?)
        }
    };
    act_within(app, found, session, subject, attributes).await
}

/// Calls an action within a session of somebody, which ends with it.
///
/// # Errors
/// Words for the person at the terminal.
async fn act_within(
    app: &App,
    found: &Action,
    session: Option<uuid::Uuid>,
    subject: Option<String>,
    attributes: serde_json::Map<String, serde_json::Value>,
) -> Result<String, String> {
    let caller = Caller { session, sent_token: session.is_some(), ..Caller::default() };
    let call = Call { subject, attributes, ..Call::own(caller, "terminal", uuid::Uuid::now_v7()) };
    let done = run::run(&app.means(), found, &call).await;
    if let Some(session) = session {
        app.store.read(&account::close(session, false)).await.map_err(told)?;
    }
    match done {
        Ok(done) => Ok(format!("{:#}", serde_json::Value::Array(done.directives))),
        Err(error @ (Error::Internal(_) | Error::Unavailable(_))) => Err(told(error)),
        Err(error) => {
            let line = |fault: &Fault| match fault.why() {
                Some(why) => format!("{} ({why})", fault.detail),
                None => fault.detail.clone(),
            };
            Err(error.faults().iter().map(line).collect::<Vec<_>>().join("\n"))
        }
    }
}

/// Serves until `stop` is done. `listening` is told the address.
///
/// # Errors
/// Words for the person at the terminal.
pub async fn serve(mut config: Config, listening: impl FnOnce(&str), stop: impl Future<Output = ()>) -> Result<(), String> {
    let (schema, actions) = project(&config)?;
    schema.warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
    let listener = bind(&config.listen).await?;
    // What links are made of, where nothing else is said: where it really listens.
    config.listen = listener.local_addr().map_err(|e| e.to_string())?.to_string();
    let metrics = match &config.metrics_listen {
        Some(address) => Some(bind(address).await?),
        None => None,
    };
    let opened = open(&config, true).await?;
    let served = async {
        let report = apply(&opened.store, &schema, &actions, Destructive::Refused).await?;
        for loss in report.losses() {
            tracing::warn!("not in the schema any more, and kept: {loss} (rowhouse apply --allow-destructive removes it)");
        }
        let app = app(config, schema, actions, &opened.store).await?;
        schedules::unusable(&app).await.iter().for_each(|words| tracing::warn!("{words}"));
        if !app.post.has_way() {
            tracing::warn!("letters wait: neither mail.smtp nor mail.print says how they leave");
        }
        if app.config.mail.link_base.is_none() {
            let base = app.config.link_base();
            tracing::warn!("mail.link_base isn't set: links in letters lead to pages of ours at {base}");
            if app.config.public_url.is_none() && listener.local_addr().is_ok_and(|address| address.ip().is_unspecified()) {
                tracing::warn!("nobody gets to {base} from elsewhere: public_url says where others reach this server");
            }
        }
        let address = listener.local_addr().map_err(|e| e.to_string())?;
        listening(&format!("http://{address}"));
        let stop = stop.shared();
        let counted = async {
            match metrics {
                Some(listener) => listen::serve(app.clone(), listener, Door::Metrics, stop.clone()).await,
                None => stop.clone().await,
            }
        };
        // Letters and tasks that are under way are finished, too: else they are done twice, or wait for their lease.
        let worked = async {
            let late = async {
                stop.clone().await;
                tokio::time::sleep(app.config.limits.drain).await;
            };
            let worked = async { tokio::join!(mail(&app, stop.clone()), tasks(&app, stop.clone())) };
            tokio::select! { _ = worked => {}, () = late => tracing::warn!("some letters or tasks did not finish in time") }
        };
        let served = async { tokio::join!(listen::serve(app.clone(), listener, Door::Public, stop.clone()), counted, worked) };
        tokio::select! { _ = served => {}, () = opened.tend() => {}, () = schedules::run(&app) => {}, () = sweeps(&app) => {} }
        Ok(())
    };
    let result = served.await;
    opened.close().await;
    result
}

/// When what is over is first taken away, and how often from then on.
const FIRST_SWEEP: std::time::Duration = std::time::Duration::from_mins(1);
const SWEEP: std::time::Duration = std::time::Duration::from_hours(1);

/// Takes away what is over, for ever.
async fn sweeps(app: &App) {
    tokio::time::sleep(FIRST_SWEEP).await;
    loop {
        sweep(app).await;
        tokio::time::sleep(SWEEP).await;
    }
}

/// Takes away what is over: sessions, tokens, attempts, files that nobody came for, parts of uploads that broke off. What can't be
/// taken away now keeps nothing else.
pub async fn sweep(app: &App) {
    for statement in sweep::all() {
        loop {
            match app.store.read(&statement).await {
                Ok(1..) => {}
                Ok(0) => break,
                Err(error) => {
                    tracing::warn!(?error, "what is over could not be taken away");
                    break;
                }
            }
        }
    }
}

/// Does the tasks that wait, until `stop` is done.
pub async fn tasks(app: &App, stop: impl Future<Output = ()>) {
    let means = &app.means();
    let stop = stop.shared();
    tokio::join!(
        app.tasks.work(&app.store, |row| Box::pin(async move { task::work(means, &row).await }), stop.clone()),
        app.transfers.work(&app.store, |row| Box::pin(async move { task::work(means, &row).await }), stop),
    );
}

/// Sends the letters that wait, until `stop` is done.
pub async fn mail(app: &App, stop: impl Future<Output = ()>) {
    app.post.work(&app.store, &app.seal, &app.actions.letters, &app.config.link_base(), stop).await;
}

async fn bind(address: &str) -> Result<TcpListener, String> {
    TcpListener::bind(address).await.map_err(|e| format!("can't listen on {address}: {e}"))
}
