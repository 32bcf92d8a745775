//! The house that tests live in: a world (server and database of its own), someone who asks, what is answered, the wire
//! to PostgreSQL, and SQL beside it; and how long a test may take.

pub mod answer;
pub mod beside;
pub mod hostile;
pub mod process;
pub mod smtp;
pub mod watch;
pub mod web;
pub mod wire;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use rowhouse::config::{self, Config, Secret};
use rowhouse::http::asked::Door;
use rowhouse::http::{App, listen};
use rowhouse::start::{self, Destructive};
use rowhouse::store::Store;
use rowhouse::store::local::{Cluster, Options};
use serde_json::{Value as Json, json};
use tokio::sync::oneshot;
use uuid::Uuid;

use answer::Answer;
use beside::{Beside, Row};
use watch::Watched;
use wire::Wire;

/// The word that rows carry which somebody may not see. Whoever hears it has heard too much.
pub const CANARY: &str = "canary-0f7d";

static CLUSTER: OnceLock<Cluster> = OnceLock::new();
static TEMPLATE: OnceLock<String> = OnceLock::new();

/// The cluster of all tests; `make test` stops it.
pub fn cluster() -> &'static Cluster {
    CLUSTER.get_or_init(|| {
        let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/test-cluster");
        let settings = [
            "fsync=off",
            "synchronous_commit=off",
            "full_page_writes=off",
            "max_connections=300",
            "max_wal_size=128MB",
            "autovacuum=off",
        ];
        Cluster::start(&Options { data: &data, binaries: None, user: "postgres", settings: &settings, makes: true })
            .expect("a cluster")
    })
}

/// Writes a project of these files, by their paths in it. Gives its folder.
pub fn project<P: AsRef<str>, T: AsRef<str>>(files: &[(P, T)]) -> String {
    let folder = std::env::temp_dir().join(format!("rowhouse-{}", Uuid::now_v7()));
    std::fs::create_dir_all(folder.join("schema")).expect("a folder");
    for (path, text) in files {
        let path = folder.join(path.as_ref());
        path.parent().map(std::fs::create_dir_all).expect("a folder").expect("made");
        std::fs::write(path, text.as_ref()).expect("written");
    }
    folder.to_str().expect("a path").to_owned()
}

/// A schema of cases that users make, which are open or closed. Each part as lines with their indent: `columns` and `events` are
/// further ones; `close` is what the event of that name says beside its states and that users may fire it.
pub fn cases(columns: &str, close: &str, events: &str) -> String {
    format!(
        "grants: {{ users: [peek, read, create, execute] }}
default_permission: {{ owner: [peek, read, execute], guest: [peek] }}
columns:
  title:  {{ type: label }}
  status: {{ type: enum, options: [open, closed] }}
{columns}states:
  column: status
  initial: open
  events:
    close:
      from: open
      to: closed
      permission: {{ group: [execute] }}
      grants: [users]
{close}{events}"
    )
}

/// The URL of a database of the tests' cluster.
pub fn database_url(name: &str) -> String {
    cluster().url().replace("/postgres", &format!("/{name}"))
}

fn settings(url: &str) -> Config {
    let loaded = config::layers::load(&BTreeMap::new(), &[("listen", "127.0.0.1:0".to_owned())]).expect("defaults");
    let mut config = loaded.config;
    config.project = PathBuf::from("examples/newsroom");
    config.database.url = Some(Secret::new(url));
    config.database.pool = 16; // all of a test come from one address, and many requests are of one person
    config.database.lock = Duration::from_secs(60); // who holds a row for a test lets it go, however slow the machine is
    config.secret_key = Some(Secret::new("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="));
    config.password_cost = 4;
    (config.mail.per_recipient, config.mail.per_sender) = (1000, 1000); // fifty at once are no flood
    config.schedule_poll = std::time::Duration::from_millis(100);
    config.mail.link_base = Some("https://front.example".to_owned());
    config
}

/// Runs on a thread and runtime of its own: for what is made once for all tests.
fn apart<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> T {
    let run = move || tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime").block_on(work);
    std::thread::spawn(run).join().expect("no panic")
}

/// Limits of a database, as the defaults have them.
pub fn limits() -> config::Database {
    settings("postgres://x/y").database
}

/// The way to the cluster itself, in which databases are made and dropped.
fn administration() -> Beside {
    Beside::of(&cluster().superuser_url())
}

/// A database of a world and its twins, by its URL. It goes with the last of them: hundreds of worlds fill a disk.
struct Database(String);

impl Drop for Database {
    fn drop(&mut self) {
        let name = self.0.rsplit('/').next().unwrap_or_default().to_owned();
        apart(async move {
            _ = administration().ask(&format!("drop database {name} with (force)")).await; // or `sweep` does
        });
    }
}

/// A new empty database; gives its URL.
pub async fn empty_database() -> String {
    let name = format!("w{}", Uuid::now_v7().simple());
    administration().sql(&format!("create database {name} owner rowhouse_server")).await;
    database_url(&name)
}

/// Drops databases of runs that ended more than an hour ago; their names tell when they were made.
async fn sweep(admin: &Beside) {
    let old = "select datname::text from pg_database where datname ~ '^[wt][0-9a-f]{32}$' \
               and to_timestamp(('x' || substr(datname, 2, 12))::bit(48)::bigint / 1000.0) < now() - interval '1 hour' limit 300";
    for row in admin.sql(old).await {
        _ = admin.ask(&format!("drop database if exists {}", row.text(0).expect("a name"))).await; // or another run does
    }
}

fn template() -> &'static str {
    TEMPLATE.get_or_init(|| {
        let name = format!("t{}", Uuid::now_v7().simple());
        let made = name.clone();
        apart(async move {
            let admin = administration();
            sweep(&admin).await;
            admin.sql(&format!("create database {made} owner rowhouse_server")).await;
            let config = settings(&database_url(&made));
            let project = start::project(&config).expect("a project");
            let store = Store::open(&database_url(&made), &config.database).expect("a store");
            start::apply(&store, &project.0, &project.1, Destructive::Refused).await.expect("applied");
            store.close();
        });
        name
    })
}

/// A server with a database of its own.
pub struct World {
    /// Where it listens.
    pub url: String,
    /// What it is made of.
    pub app: Arc<App>,
    /// What goes between it and PostgreSQL.
    pub wire: Wire,
    /// The database's URL, past the wire.
    database: Arc<Database>,
    pub beside: Beside,
    client: reqwest::Client,
    _stop: oneshot::Sender<()>,
    _watched: Watched,
}

impl World {
    /// A new world from the template.
    pub async fn new() -> World {
        World::with(|_| {}).await
    }

    /// A new world with other settings.
    pub async fn with(change: impl FnOnce(&mut Config)) -> World {
        let name = format!("w{}", Uuid::now_v7().simple());
        let template = tokio::task::spawn_blocking(template).await.expect("no panic");
        administration().sql(&format!("create database {name} owner rowhouse_server template {template}")).await;
        World::on(Arc::new(Database(database_url(&name))), change).await
    }

    /// A new world of another project, by its folder.
    pub async fn of(project: &str) -> World {
        World::of_with(project, |_| {}).await
    }

    /// A new world of another project, with other settings.
    pub async fn of_with(project: &str, change: impl FnOnce(&mut Config)) -> World {
        let url = empty_database().await;
        let mut config = settings(&url);
        config.project = PathBuf::from(project);
        let (schema, actions) = start::project(&config).expect("a project");
        let store = Store::open(&url, &config.database).expect("a store");
        start::apply(&store, &schema, &actions, Destructive::Refused).await.expect("applied");
        store.close();
        let both = |config: &mut Config| {
            config.project = PathBuf::from(project);
            change(config);
        };
        World::on(Arc::new(Database(url)), both).await
    }

    /// Another server on the same database.
    pub async fn twin(&self) -> World {
        self.twin_with(|_| {}).await
    }

    /// Another server on the same database, with other settings.
    pub async fn twin_with(&self, change: impl FnOnce(&mut Config)) -> World {
        World::on(self.database.clone(), |config| {
            config.clone_from(&self.app.config);
            change(config);
        })
        .await
    }

    /// How many statements the server's own connections keep prepared, of some of them.
    pub async fn prepared(&self) -> Vec<i64> {
        let mut found = vec![self.app.store.read_small(&rowhouse::statement::prepared()).await.expect("counted")];
        for _ in 0..4 {
            found.push(self.app.store.read(&rowhouse::statement::prepared()).await.expect("counted"));
        }
        found
    }

    async fn on(database: Arc<Database>, change: impl FnOnce(&mut Config)) -> World {
        let (wire, url) = Wire::before(&database.0).await;
        let mut config = settings(&url);
        change(&mut config);
        config.database.url = Some(Secret::new(url.clone()));
        let (schema, actions) = start::project(&config).expect("a project");
        let store = Store::open(&url, &config.database).expect("a store");
        let app = start::app(config, schema, actions, &store).await.expect("an app");
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let outbox = app.clone();
        tokio::spawn(async move { rowhouse::start::mail(&outbox, std::future::pending()).await });
        let (stop, stopped) = oneshot::channel::<()>();
        tokio::spawn(listen::serve(app.clone(), listener, Door::Public, async move { _ = stopped.await }));
        let beside = Beside::of(&database.0);
        World { url, app, wire, database, beside, client: reqwest::Client::new(), _stop: stop, _watched: Watched::new() }
    }

    /// Runs scheduled actions from now on, as a server does; else nobody looks for them while statements are counted.
    pub fn run_schedules(&self) {
        let app = self.app.clone();
        tokio::spawn(async move { rowhouse::start::schedules::run(&app).await });
    }

    /// Does tasks from now on, as a server does.
    pub fn run_tasks(&self) {
        let app = self.app.clone();
        tokio::spawn(async move { rowhouse::start::tasks(&app, std::future::pending()).await });
    }

    /// Waits until no task waits any more, by asking.
    pub async fn settled(&self) {
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(60);
        while std::time::Instant::now() < deadline {
            if self.sql("select 1 from task where state = 'waiting'").await.is_empty() {
                return;
            }
        }
        panic!("tasks wait for ever: {:?}", self.sql("select error from task where state = 'waiting'").await[0].text(0));
    }

    /// Waits until a statement gives rows, by asking.
    pub async fn until(&self, sql: &str) {
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(120);
        while self.sql(sql).await.is_empty() {
            assert!(std::time::Instant::now() < deadline, "it never came to that: {sql}");
        }
    }

    /// Runs SQL past all permissions, and past the server: for setting scenes, and for looking at what became of them.
    pub async fn sql(&self, sql: &str) -> Vec<Row> {
        self.beside.sql(sql).await
    }

    /// Runs SQL as the cluster's superuser, which the server isn't.
    pub async fn as_superuser(&self, sql: &str) -> Vec<Row> {
        Beside::of(&self.database.0.replace("rowhouse_server:", "rowhouse:")).sql(sql).await
    }

    /// Holds what a statement locks, until what it gives goes.
    pub async fn hold(&self, lock: &str) -> tokio_postgres::Client {
        let client = beside::connect(&self.database.0).await;
        client.batch_execute(&format!("begin; {lock}")).await.expect("held");
        client
    }

    /// Waits until a statement waits for what somebody holds, by asking.
    pub async fn held_up(&self) {
        let waits = "select 1 from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'";
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(60);
        while self.sql(waits).await.is_empty() {
            assert!(std::time::Instant::now() < deadline, "nobody waits");
        }
    }

    /// Nobody in particular.
    pub fn guest(&self) -> Someone<'_> {
        Someone { world: self, id: Uuid::nil(), token: None, hears_canaries: false }
    }

    /// A new user, signed in, in the group `users` and those named.
    pub async fn user(&self, name: &str, groups: &[&str]) -> Someone<'_> {
        let (id, session) = (Uuid::now_v7(), Uuid::now_v7());
        let email = format!("{name}@example.org");
        self.sql(&format!(
            "insert into user_account (id, owner, permission, name, email, active, email_verified) values ('{id}', '{id}', 16257, '{name}', '{email}', true, false)"
        ))
        .await;
        for group in ["users"].iter().chain(groups) {
            let group = format!("(select id from usergroup where declared and name = '{group}')");
            self.sql(&format!("insert into \"usergroup.members\" (source, target, created_at) values ({group}, '{id}', now())"))
                .await;
        }
        self.sql(&format!(
            "insert into session (id, owner, permission, expires_at, \"user\") values ('{session}', '{id}', 4480, now() + interval '1 hour', '{id}')"
        ))
        .await;
        let token = self.app.tokens.sign(id, session, &email).expect("a token");
        Someone { world: self, id, token: Some(token), hears_canaries: groups.contains(&"administrators") }
    }

    /// An administrator.
    pub async fn administrator(&self) -> Someone<'_> {
        self.user("admin", &["administrators"]).await
    }
}

/// Who asks.
#[derive(Clone)]
pub struct Someone<'w> {
    world: &'w World,
    /// The user's id; nil for a guest.
    pub id: Uuid,
    /// What is sent as `Authorization`.
    pub token: Option<String>,
    /// Whether rows marked with the canary may be served to them.
    pub hears_canaries: bool,
}

impl Someone<'_> {
    /// The same somebody, asking another server of the same database.
    pub fn at<'w>(&self, world: &'w World) -> Someone<'w> {
        Someone { world, id: self.id, token: self.token.clone(), hears_canaries: self.hears_canaries }
    }

    /// GET.
    pub async fn get(&self, path: &str) -> Answer {
        self.send(self.request(reqwest::Method::GET, path)).await
    }

    /// POST of JSON:API.
    pub async fn post(&self, path: &str, body: Json) -> Answer {
        self.write(reqwest::Method::POST, path, &body).await
    }

    /// PATCH of JSON:API.
    pub async fn patch(&self, path: &str, body: Json) -> Answer {
        self.write(reqwest::Method::PATCH, path, &body).await
    }

    /// POST on an action.
    pub async fn act(&self, action: &str, body: Json) -> Answer {
        self.send(
            self.request(reqwest::Method::POST, &format!("/action/{action}"))
                .header("Content-Type", "application/json")
                .body(body.to_string()),
        )
        .await
    }

    /// DELETE with a body, as linkage wants it.
    pub async fn unlink(&self, path: &str, body: Json) -> Answer {
        self.write(reqwest::Method::DELETE, path, &body).await
    }

    /// DELETE.
    pub async fn delete(&self, path: &str) -> Answer {
        self.send(self.request(reqwest::Method::DELETE, path)).await
    }

    async fn write(&self, method: reqwest::Method, path: &str, body: &Json) -> Answer {
        self.send(self.request(method, path).header("Content-Type", "application/vnd.api+json").body(body.to_string())).await
    }

    /// Creates a row, gives its id.
    pub async fn make(&self, entity: &str, attributes: Json, relationships: Json) -> String {
        let data = json!({"data": {"type": entity, "attributes": attributes, "relationships": relationships}});
        let made = self.post(&format!("/api/{entity}"), data).await.is(201);
        made.header("location").rsplit('/').next().expect("an id").to_owned()
    }

    /// A request that may be changed before it is sent.
    pub fn request(&self, method: reqwest::Method, path: &str) -> reqwest::RequestBuilder {
        let request = self.world.client.request(method, format!("{}{path}", self.world.url));
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    /// Sends a request; what comes back is checked for leaks and form.
    pub async fn send(&self, request: reqwest::RequestBuilder) -> Answer {
        Answer::check(request.send().await.expect("an answer"), self.hears_canaries).await
    }
}
