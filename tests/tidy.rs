//! The rules of the house that a compiler doesn't hold.

use std::path::{Path, PathBuf};

/// The rooms in reading order, as `lib.rs` lists them.
fn rooms() -> Vec<String> {
    let lib = std::fs::read_to_string("src/lib.rs").expect("src/lib.rs");
    lib.lines().filter_map(|l| l.strip_prefix("pub mod ")?.strip_suffix(';').map(str::to_owned)).collect()
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = vec![];
    for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(files(&path));
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
    found
}

fn room_of(path: &Path) -> String {
    let first = path.strip_prefix("src").expect("in src").components().next().expect("a name");
    first.as_os_str().to_string_lossy().trim_end_matches(".rs").to_owned()
}

/// What a file says above its tests.
fn code(path: &Path) -> String {
    let text = std::fs::read_to_string(path).expect("a file");
    text.split("#[cfg(test)]").next().unwrap_or_default().to_owned()
}

#[test]
fn a_file_uses_only_what_stands_above_it() {
    let rooms = rooms();
    assert!(rooms.len() > 3, "lib.rs lists the rooms");
    for path in files(Path::new("src")) {
        let Some(mine) = rooms.iter().position(|r| *r == room_of(&path)) else { continue };
        for below in &rooms[mine + 1..] {
            assert!(!code(&path).contains(&format!("crate::{below}")), "{} uses {below}, which stands below it", path.display());
        }
    }
}

#[test]
fn only_the_store_knows_the_driver_and_only_http_knows_warp() {
    for path in files(Path::new("src")) {
        let (room, code) = (room_of(&path), code(&path));
        // What a row is, is read beside the SQL that names its columns, and what a parameter is, made there.
        let is_row = ["row.rs", "value.rs"].iter().any(|file| path == Path::new("src/statement").join(file));
        let knows = code.contains("tokio_postgres") || code.contains("deadpool");
        assert!(room == "store" || is_row && !code.contains("deadpool") || !knows, "{}", path.display());
        assert!(room == "http" || !code.contains("warp::"), "{}", path.display());
    }
}

#[test]
fn a_transaction_is_committed_in_few_places() {
    // Those of the store, beside its own: what is done at the terminal, past all permissions.
    let terminal = ["src/start.rs", "src/store/migrate.rs", "src/store/regrant.rs"];
    let places =
        ["src/access/write.rs", "src/account/token.rs", "src/store/scope.rs", "src/store/mod.rs"].into_iter().chain(terminal);
    for path in files(Path::new("src")).iter().filter(|path| code(path).contains(".commit()")) {
        assert!(places.clone().any(|place| path == Path::new(place)), "{} commits", path.display());
    }
}

#[test]
fn every_file_opens_with_what_it_is_in_charge_of() {
    for path in files(Path::new("src")).into_iter().chain(files(Path::new("tests"))) {
        let text = std::fs::read_to_string(&path).expect("a file");
        assert!(text.starts_with("//! "), "{} doesn't say what it is in charge of", path.display());
    }
}

#[test]
fn nothing_is_called_util() {
    for path in files(Path::new("src")) {
        for word in ["util", "helper", "manager", "service", "common", "misc"] {
            assert!(!path.to_string_lossy().contains(word), "{}", path.display());
        }
    }
}
