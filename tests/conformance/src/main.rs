//! `conformance --base http://127.0.0.1:7001/api --entity description.json [--token T] [--json]`

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use conformance::Target;

/// Tries every rule of JSON:API 1.1 on a server.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// Base URL of the API
    #[arg(long)]
    base: String,
    /// Description of a resource below it, a JSON file
    #[arg(long)]
    entity: PathBuf,
    /// Bearer token for every request
    #[arg(long)]
    token: Option<String>,
    /// Print the report as JSON
    #[arg(long)]
    json: bool,
}

/// Exit code where the suite could not start, as clap's own.
const MISUSE: u8 = 2;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let target = match target(&arguments) {
        Ok(target) => target,
        Err(why) => {
            eprintln!("{why}");
            return ExitCode::from(MISUSE);
        }
    };
    let report = conformance::run(&target).await;
    if arguments.json {
        println!("{:#}", serde_json::json!({ "base": arguments.base, "summary": report.summary(), "results": report.results }));
    } else {
        print!("JSON:API 1.1 at {}\n\n{report}", arguments.base);
    }
    if report.conforms() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn target(arguments: &Arguments) -> Result<Target, String> {
    let file = &arguments.entity;
    let description = std::fs::read_to_string(file).map_err(|why| format!("{}: {why}", file.display()))?;
    let target = Target::from_json(&arguments.base, &description).map_err(|why| why.to_string())?;
    match &arguments.token {
        Some(token) => target.with_token(token).map_err(|why| why.to_string()),
        None => Ok(target),
    }
}
