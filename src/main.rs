//! The command line; no decisions.

use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use rowhouse::access::explain;
use rowhouse::access::view::View;
use rowhouse::account::seal::Seal;
use rowhouse::config::{self, Config};
use rowhouse::openapi;
use rowhouse::schema::diff::Risk;
use rowhouse::start::{self, Destructive};
use rowhouse::store::migrate;
use rowhouse::store::regrant;

/// Answers are made of many small pieces, and this allocator is made for such.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[derive(Parser)]
#[command(name = "rowhouse", version, about = "PostgreSQL behind, JSON:API in front, a permission on every row.")]
struct Line {
    #[command(flatten)]
    flags: Flags,
    #[command(subcommand)]
    command: Command,
}

#[derive(Args)]
struct Flags {
    /// Folder with schema/, actions/, templates/ of your own
    #[arg(long, global = true)]
    project: Option<String>,
    /// Folder for the local database cluster and its secrets
    #[arg(long, global = true)]
    data: Option<String>,
    /// Address and port to serve on; port 0 takes a free one
    #[arg(long, global = true)]
    listen: Option<String>,
    /// PostgreSQL 14 or newer; without it a local cluster is managed in the data folder
    #[arg(long, global = true)]
    database_url: Option<String>,
    /// Folder with initdb and postgres for the local cluster
    #[arg(long, global = true)]
    database_binaries: Option<String>,
    /// Any other key of `rowhouse config`
    #[arg(long = "set", value_name = "KEY=VALUE", global = true)]
    sets: Vec<String>,
}

#[derive(Subcommand)]
enum Command {
    /// Serve
    Serve,
    /// Write a small project into a new folder
    New {
        /// The folder
        folder: std::path::PathBuf,
    },
    /// Check all files and say what is wrong
    Check,
    /// Print what `apply` would do to the database
    Plan,
    /// Bring the database to the schema
    Apply {
        /// Also do what loses or rewrites data
        #[arg(long)]
        allow_destructive: bool,
    },
    /// What administrators do at the terminal
    Admin {
        #[command(subcommand)]
        deed: Admin,
    },
    /// Letters
    Mail {
        #[command(subcommand)]
        deed: Mail,
    },
    /// Actions
    Action {
        #[command(subcommand)]
        deed: Act,
    },
    /// Print the whole as OpenAPI 3.1
    Openapi,
    /// Print every key with meaning, value and where it came from
    Config,
}

#[derive(Subcommand)]
enum Mail {
    /// Print a letter, with the names of its values in their places
    Preview {
        /// The letter's name
        letter: String,
        /// A language, such as de
        #[arg(long)]
        language: Option<String>,
    },
}

#[derive(Subcommand)]
enum Act {
    /// Call an action as somebody, and print the directives: rowhouse action run article/publish --as ada@example.org --subject <id>
    Run {
        /// <entity>/<name>
        action: String,
        /// The address of the user who calls; without it a guest does
        #[arg(long = "as", value_name = "EMAIL")]
        caller: Option<String>,
        /// The row that it works on
        #[arg(long)]
        subject: Option<String>,
        /// An input; the value is JSON, or else text
        #[arg(long = "input", value_name = "NAME=VALUE")]
        inputs: Vec<String>,
    },
}

#[derive(Subcommand)]
enum Admin {
    /// Print the one-time code that makes a signed-in user the first administrator
    ClaimCode,
    /// Who may do something with a row: rowhouse admin who-can update article/<id>
    WhoCan {
        /// peek, read, create, update, delete, execute or refer
        right: String,
        /// <entity>/<id>
        row: String,
    },
    /// The rights on an entity, its new rows and its actions, as they are now
    Matrix {
        /// The entity's name
        entity: String,
    },
    /// Give rows that still have the rights which new rows got before those of today; all others stay
    Regrant {
        /// The entity's name
        entity: String,
        /// Rows with this permission instead: the integer, or { owner: all, group: [read] }
        #[arg(long, value_name = "PERMISSION")]
        from: Option<String>,
        /// Only say how many there are
        #[arg(long)]
        dry_run: bool,
    },
    /// Make a user who is an administrator, and spend the claim code; the password is read from standard input
    Create {
        /// The address to sign in with
        #[arg(long)]
        email: String,
        /// The person's name
        #[arg(long)]
        name: String,
    },
}

fn flags(flags: &Flags) -> Result<Vec<(&'static str, String)>, String> {
    let named = [
        ("project", &flags.project),
        ("data", &flags.data),
        ("listen", &flags.listen),
        ("database.url", &flags.database_url),
        ("database.binaries", &flags.database_binaries),
    ];
    let mut all: Vec<_> = named.into_iter().filter_map(|(name, value)| Some((name, value.clone()?))).collect();
    for set in &flags.sets {
        let (name, value) = set.split_once('=').ok_or_else(|| format!("--set {set}: KEY=VALUE is wanted"))?;
        let key =
            config::keys::KEYS.iter().find(|k| k.name == name).ok_or_else(|| format!("--set {set}: there is no key {name}"))?;
        all.push((key.name, value.to_owned()));
    }
    Ok(all)
}

#[allow(clippy::print_stderr)] // this is the terminal's side
fn main() -> ExitCode {
    let line = Line::parse();
    let environment = std::env::vars_os().filter_map(|(k, v)| Some((k.into_string().ok()?, v.into_string().ok()?))).collect();
    let loaded = flags(&line.flags).map_err(|e| vec![e]).and_then(|flags| config::layers::load(&environment, &flags));
    let loaded = match loaded {
        Ok(loaded) => loaded,
        Err(faults) => {
            faults.iter().for_each(|fault| eprintln!("{fault}"));
            return ExitCode::from(2);
        }
    };
    let filter = format!("{},{},hyper=info", loaded.config.log, rowhouse::store::QUIET);
    let _log = rowhouse::log::start(&filter); // until the end
    loaded.warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
    if let Command::Config = line.command {
        say(loaded.describe().trim_end());
        return ExitCode::SUCCESS;
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(run(line.command, loaded.config)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(words) => {
            eprintln!("{words}");
            ExitCode::FAILURE
        }
    }
}

async fn run(command: Command, config: Config) -> Result<(), String> {
    match command {
        Command::Serve => start::serve(config, |url| say(format!("listening on {url}")), stopped()).await,
        Command::Check => {
            let (schema, actions) = start::project(&config)?;
            schema.warnings.iter().for_each(|warning| say(format!("warning: {warning}")));
            say(format!("{} entities and {} actions, no complaints", schema.entities().len(), actions.all().len()));
            Ok(())
        }
        Command::Plan => {
            let (schema, actions) = start::project(&config)?;
            let opened = start::open(&config, false).await?;
            let report = migrate::plan(&opened.store, &schema, &start::rows(&actions)).await.map_err(start::told);
            opened.close().await;
            let report = report?;
            print(&report);
            match report.faults.is_empty() {
                true => Ok(()),
                false => Err("it can't be done like this: see above".to_owned()),
            }
        }
        Command::Apply { allow_destructive } => {
            let (schema, actions) = start::project(&config)?;
            let opened = start::open(&config, true).await?;
            let destructive = if allow_destructive { Destructive::Allowed } else { Destructive::Refused };
            let report = start::apply(&opened.store, &schema, &actions, destructive).await;
            opened.close().await;
            print(&report?);
            Ok(())
        }
        Command::Admin { deed } => {
            say(administer(&deed, &config).await?.trim_end());
            Ok(())
        }
        Command::New { folder } => {
            rowhouse::project::create(&folder)?;
            say(format!("rowhouse serve --project {}", folder.display()));
            Ok(())
        }
        Command::Mail { deed: Mail::Preview { letter, language } } => {
            let (_, actions) = start::project(&config)?;
            say(actions.letters.preview(&letter, language.as_deref())?);
            Ok(())
        }
        Command::Action { deed: Act::Run { action, caller, subject, inputs } } => {
            let (schema, actions) = start::project(&config)?;
            let opened = start::open(&config, false).await?;
            let said = async {
                start::apply(&opened.store, &schema, &actions, Destructive::Refused).await?;
                let app = start::app(config, schema, actions, &opened.store).await?;
                start::act(&app, &action, caller.as_deref(), subject, &inputs).await
            }
            .await;
            opened.close().await;
            say(said?);
            Ok(())
        }
        Command::Openapi => {
            let (schema, actions) = start::project(&config)?;
            let base = config.public_url.as_deref().unwrap_or_default();
            let source = openapi::Source { schema: &schema, actions: &actions, limits: &config.limits, page: &config.page, base };
            say(format!("{:#}", openapi::document(&source, &View::whole(), None)));
            Ok(())
        }
        Command::Config => Ok(()),
    }
}

/// What is done on the server itself, past all permissions; gives what there is to say.
async fn administer(deed: &Admin, config: &Config) -> Result<String, String> {
    let (schema, actions) = start::project(config)?;
    let password = match deed {
        Admin::Create { .. } => Some(read_password()?),
        _ => None,
    };
    let opened = start::open(config, false).await?;
    let said = async {
        start::apply(&opened.store, &schema, &actions, Destructive::Refused).await?;
        match deed {
            Admin::ClaimCode => {
                let seal = Seal::open(config.secret_key.as_ref(), &config.data)?;
                let code = start::claim_code(&opened.store, &seal).await?;
                code.ok_or_else(|| "the claim code is spent: there is an administrator already".to_owned())
            }
            Admin::WhoCan { right, row } => explain::who_can(&opened.store, &schema, right, row).await,
            Admin::Matrix { entity } => explain::matrix(&opened.store, &schema, entity).await,
            Admin::Regrant { entity, from, dry_run } => {
                let entity = schema.entity(entity).ok_or_else(|| format!("there is no entity {entity}"))?;
                let from = from.as_deref().map(start::permission).transpose()?;
                regrant::regrant(&opened.store, entity, from, *dry_run).await.map_err(start::told)
            }
            Admin::Create { email, name } => {
                let person = [email, name, password.as_deref().unwrap_or_default()];
                start::create_administrator(config, &schema, &opened.store, person).await?;
                Ok(format!("{email} is an administrator"))
            }
        }
    }
    .await;
    opened.close().await;
    said
}

/// The first line of standard input.
fn read_password() -> Result<String, String> {
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).map_err(|e| format!("standard input: {e}"))?;
    let password = line.trim_end_matches(['\n', '\r']);
    if password.is_empty() {
        Err("the password is read from standard input, and there was none".to_owned())
    } else {
        Ok(password.to_owned())
    }
}

fn print(report: &migrate::Report) {
    for step in &report.steps {
        if !step.is_borne {
            say("-- nodes that run with the files before answer 503 from here on: start them again with the new ones");
        }
        match &step.risk {
            Risk::Additive => {}
            Risk::Loses(what) => say(format!("-- needs --allow-destructive, loses {what}")),
            Risk::Rewrites(what) => say(format!("-- needs --allow-destructive, rewrites {what}")),
        }
        say(format!("{};", step.sql()));
    }
    report.values.iter().chain(&report.faults).for_each(|said| say(format!("-- {said}")));
    if report.faults.is_empty() && report.steps.is_empty() && report.values.is_empty() {
        say("-- nothing to do");
    }
}

/// Writes a line for whoever called.
fn say(line: impl std::fmt::Display) {
    use std::io::Write as _;
    _ = writeln!(std::io::stdout(), "{line}"); // who reads no further, as `head`, wants no more
}

/// Done at SIGTERM or Ctrl-C.
async fn stopped() {
    use tokio::signal::unix::{SignalKind, signal};
    match signal(SignalKind::terminate()) {
        Ok(mut terminate) => tokio::select! {
            _ = terminate.recv() => {}
            _ = tokio::signal::ctrl_c() => {}
        },
        Err(_) => _ = tokio::signal::ctrl_c().await,
    }
}
