//! Where values come from: defaults < `rowhouse.toml` < environment < flags.
//!
//! In charge of: reporting all faults at once, and saying where each value came from.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use super::Config;
use super::keys::{KEYS, Key};

/// A value with the layer that it came from.
#[derive(Clone)]
struct Set {
    value: String,
    from: String,
}

/// The configuration together with where each value came from.
pub struct Loaded {
    /// The values.
    pub config: Config,
    /// What was ignored, and why.
    pub warnings: Vec<String>,
    sets: Vec<Set>,
}

impl fmt::Debug for Loaded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.describe())
    }
}

impl Loaded {
    /// Every key with meaning, value and source, for people; secrets as `***`.
    pub fn describe(&self) -> String {
        let mut text = String::new();
        for (key, set) in KEYS.iter().zip(&self.sets) {
            let shown = match (key.secret, set.value.as_str()) {
                (_, "") => "(not set)",
                (true, _) => "***",
                (false, value) => value,
            };
            text += &format!("{} = {shown}\n    {}; from {}\n", key.name, key.meaning, set.from);
        }
        for (name, value) in &self.config.public {
            text += &format!("public.{name} = {value}\n    seen by actions as config.public.{name}; from rowhouse.toml\n");
        }
        text
    }
}

/// Layers defaults, `<project>/rowhouse.toml`, the environment and the flags.
///
/// # Errors
/// Every fault of every layer, each a sentence that names the key, the value's source and what would be right.
pub fn load(environment: &BTreeMap<String, String>, flags: &[(&'static str, String)]) -> Result<Loaded, Vec<String>> {
    let mut faults = vec![];
    let mut config = Config::default();
    let mut sets: Vec<Set> = KEYS.iter().map(|k| Set { value: k.default.to_owned(), from: "default".to_owned() }).collect();
    let mut set =
        |name: &str, value: String, from: String, faults: &mut Vec<String>| match KEYS.iter().position(|k| k.name == name) {
            Some(at) => sets[at] = Set { value, from },
            None => {
                let names: Vec<_> = KEYS.iter().map(|k| k.name).collect();
                let hint = crate::yaml::nearest(name, &names).map(|n| format!("; did you mean {n}?")).unwrap_or_default();
                faults.push(format!("{from}: unknown key {name}{hint}"));
            }
        };
    let mut warnings = vec![];
    let variable = |key: &Key| format!("ROWHOUSE_{}", key.name.to_uppercase().replace('.', "_"));
    let find = |name: &str| {
        let flag = flags.iter().find(|(n, _)| *n == name).map(|(_, v)| v.clone());
        flag.or_else(|| environment.get(&format!("ROWHOUSE_{}", name.to_uppercase())).cloned())
    };
    let project = find("project").unwrap_or_else(|| ".".to_owned());
    let file = Path::new(&project).join("rowhouse.toml");
    match std::fs::read_to_string(&file) {
        Ok(text) => match text.parse::<toml::Table>() {
            Ok(table) => flatten("", &table, &mut |name, value| match name.strip_prefix("public.") {
                Some(public) => _ = config.public.insert(public.to_owned(), value),
                None => set(&name, value, file.display().to_string(), &mut faults),
            }),
            Err(error) => faults.push(format!("{}: {}", file.display(), error.to_string().trim())),
        },
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => faults.push(format!("{}: {error}", file.display())),
    }
    for (name, value) in environment.iter().filter(|(n, _)| n.starts_with("ROWHOUSE_")) {
        match KEYS.iter().find(|k| variable(k) == *name) {
            Some(key) => set(key.name, value.clone(), format!("environment {name}"), &mut faults),
            None if is_of_service(name) => {
                warnings.push(format!("environment {name} is ignored: an orchestrator speaks of a service"))
            }
            None => {
                let known: Vec<String> = KEYS.iter().map(variable).collect();
                let known: Vec<&str> = known.iter().map(String::as_str).collect();
                let hint = crate::yaml::nearest(name, &known).map(|n| format!("; did you mean {n}?")).unwrap_or_default();
                faults.push(format!("environment: unknown variable {name}{hint}"));
            }
        }
    }
    for (name, value) in flags {
        set(name, value.clone(), format!("flag --{}", name.replace(['.', '_'], "-")), &mut faults);
    }
    for (key, set) in KEYS.iter().zip(&sets) {
        if let Err(words) = (key.apply)(&mut config, set.value.trim()) {
            let shown = if key.secret { "***" } else { &set.value };
            faults.push(format!("{} ({}): {shown:?} is not {words}", key.name, set.from));
        }
    }
    if config.page.size > config.page.most {
        faults.push("page.size is above page.most".to_owned());
    }
    if !sets.iter().zip(KEYS).any(|(s, k)| k.name == "data" && s.from != "default") {
        config.data = config.project.join(".rowhouse");
    }
    if faults.is_empty() { Ok(Loaded { config, warnings, sets }) } else { Err(faults) }
}

/// Whether an orchestrator put a variable in for a service called rowhouse: `ROWHOUSE_SERVICE_HOST`, `ROWHOUSE_PORT_80_TCP`, …
fn is_of_service(variable: &str) -> bool {
    let rest = variable.strip_prefix("ROWHOUSE_").unwrap_or_default();
    let is = |end: &str| rest == end || rest.ends_with(&format!("_{end}"));
    let has = |middle: &str| rest.starts_with(middle) || rest.contains(&format!("_{middle}"));
    is("SERVICE_HOST") || is("SERVICE_PORT") || has("SERVICE_PORT_") || is("PORT") || has("PORT_")
}

fn flatten(prefix: &str, table: &toml::Table, visit: &mut dyn FnMut(String, String)) {
    for (key, value) in table {
        let name = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
        match value {
            toml::Value::Table(inner) => flatten(&name, inner, visit),
            toml::Value::String(text) => visit(name, text.clone()),
            toml::Value::Array(items) => {
                let texts: Vec<_> = items.iter().map(|i| i.as_str().map_or_else(|| i.to_string(), str::to_owned)).collect();
                visit(name, texts.join(","));
            }
            other => visit(name, other.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn environment(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
    }

    #[test]
    fn defaults_pass_their_own_checks() {
        let loaded = load(&BTreeMap::new(), &[]).expect("defaults");
        assert_eq!(loaded.config.listen, "127.0.0.1:6336");
        assert_eq!(loaded.config.limits.request, Duration::from_secs(30));
    }

    #[test]
    fn flags_win_over_the_environment_and_say_so() {
        let env = environment(&[("ROWHOUSE_LISTEN", "127.0.0.1:1"), ("ROWHOUSE_DATABASE_URL", "postgres://u:geheim@h/d")]);
        let loaded = load(&env, &[("listen", "127.0.0.1:2".to_owned())]).expect("good");
        assert_eq!(loaded.config.listen, "127.0.0.1:2");
        let text = loaded.describe();
        assert!(text.contains("from flag --listen") && text.contains("database.url = ***"));
        assert!(!text.contains("geheim") && !format!("{loaded:?} {:?}", loaded.config).contains("geheim"));
    }

    #[test]
    fn all_faults_are_reported_at_once_and_secrets_are_not_echoed() {
        let env = environment(&[("ROWHOUSE_LISTEN", "x"), ("ROWHOUSE_SECRET_KEY", "geheim"), ("ROWHOUSE_LISTNE", "y")]);
        let faults = load(&env, &[("page.size", "0".to_owned())]).expect_err("four faults");
        assert_eq!(faults.len(), 4, "{faults:?}");
        assert!(!faults.join("").contains("geheim"));
    }

    #[test]
    fn what_an_orchestrator_says_of_a_service_is_ignored_and_what_nobody_knows_is_not() {
        let of_service = ["SERVICE_HOST", "SERVICE_PORT", "SERVICE_PORT_HTTP", "PORT", "PORT_6336_TCP", "PORT_6336_TCP_ADDR"];
        let pairs: Vec<(String, &str)> = of_service.iter().map(|name| (format!("ROWHOUSE_{name}"), "x")).collect();
        let pairs: Vec<(&str, &str)> = pairs.iter().map(|(name, value)| (name.as_str(), *value)).collect();
        let loaded = load(&environment(&pairs), &[]).expect("ignored");
        assert_eq!(loaded.warnings.len(), of_service.len());
        let faults = load(&environment(&[("ROWHOUSE_LISTNE", "x")]), &[]).expect_err("unknown");
        assert!(faults[0].contains("did you mean ROWHOUSE_LISTEN?"), "{faults:?}");
    }

    #[test]
    fn levels_of_the_log_and_origins_that_would_do_nothing_are_refused() {
        let with = |key: &'static str, value: &str| load(&BTreeMap::new(), &[(key, value.to_owned())]);
        for log in ["nonsense", "infos", "rowhouse=loud", "rowhouse", "=info", "info,", "info;debug", "my module=info"] {
            let faults = with("log", log).expect_err(log);
            assert!(faults[0].contains("one of off, error, warn, info, debug, trace, or module=level"), "{log}: {faults:?}");
        }
        for log in ["info", "warn,rowhouse::http=debug", "off"] {
            assert_eq!(with("log", log).expect(log).config.log, log);
        }
        for origin in
            ["https://*.example.org", "example.org", "https://a@example.org", "https://example.org/x", "https://x?y", "**"]
        {
            let faults = with("cors_origins", origin).expect_err(origin);
            assert!(faults[0].contains("no part of them *"), "{origin}: {faults:?}");
        }
        assert!(with("cors_origins", "https://a.example, *").expect_err("both")[0].contains("* alone"));
        let spelled = with("cors_origins", "https://Example.ORG:443, http://localhost:3000/, http://x:80").expect("good");
        assert_eq!(spelled.config.cors_origins, ["https://example.org", "http://localhost:3000", "http://x"]);
    }

    #[test]
    fn the_projects_file_stands_between_defaults_and_environment() {
        let folder = std::env::temp_dir().join(format!("rowhouse-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        let written = |text: &str| std::fs::write(folder.join("rowhouse.toml"), text).expect("written");
        let flag = [("project", folder.display().to_string())];
        written("listen = \"127.0.0.1:1\"\ncors_origins = [\"https://a.example\"]\n[page]\nsize = 7\n[public]\nname = \"x\"\n");
        let loaded = load(&environment(&[("ROWHOUSE_LISTEN", "127.0.0.1:2")]), &flag).expect("good");
        assert_eq!((loaded.config.listen.as_str(), loaded.config.page.size), ("127.0.0.1:2", 7));
        assert!(loaded.describe().contains("rowhouse.toml") && loaded.config.public["name"] == "x");
        written("listne = \"x\"\n[page]\nsize = \"many\"\n");
        let faults = load(&BTreeMap::new(), &flag).expect_err("two faults").join("\n");
        assert!(
            faults.contains("rowhouse.toml: unknown key listne; did you mean listen?") && faults.contains("page.size"),
            "{faults}"
        );
        written("listen = ");
        assert!(load(&BTreeMap::new(), &flag).expect_err("no TOML")[0].contains("rowhouse.toml"));
        std::fs::remove_dir_all(&folder).expect("removed");
    }
}
