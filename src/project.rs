//! A project: the embedded files, and those of the user's folder that add to them or override them.
//!
//! In charge of: finding files. What is in them is checked by `schema::file`.

use std::fs;
use std::path::Path;

use include_dir::{Dir, include_dir};

use crate::action::{self, Action, Actions};
use crate::locale::Texts;
use crate::mail::Letters;
use crate::page::{self, Pages};
use crate::schema::Schema;
use crate::schema::file::{self, File};
use crate::yaml::Complaint;

static ACTIONS: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/actions");
static TEMPLATES: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/templates");
static SCHEMA: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/schema");
/// Actions that every entity of a project has.
const EVERY: &str = "actions/every";
static STARTER: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/examples/starter");

/// Writes a small project into a folder that is empty or not there yet.
///
/// # Errors
/// Words for the person at the terminal.
pub fn create(folder: &Path) -> Result<(), String> {
    let told = |e: std::io::Error| format!("{}: {e}", folder.display());
    fs::create_dir_all(folder).map_err(told)?;
    if fs::read_dir(folder).map_err(told)?.next().is_some() {
        return Err(format!("{} is not empty: name a new folder", folder.display()));
    }
    STARTER.extract(folder).map_err(told)
}

/// Reads and checks all files of a project.
///
/// # Errors
/// Every complaint about every file.
pub fn load(folder: &Path) -> Result<(Schema, Actions), Vec<Complaint>> {
    let mut schema = schema(folder)?;
    let embedded = ACTIONS.dirs().flat_map(|d| d.files()).map(|f| File {
        path: format!("actions/{}", f.path().display()),
        text: f.contents_utf8().unwrap_or_default().to_owned(),
    });
    let (mut every, mut files): (Vec<File>, Vec<File>) = embedded.partition(|f| f.path.starts_with(EVERY));
    every.extend(read(folder, EVERY).map_err(|complaint| vec![complaint])?);
    let names = every.iter().map(|file| file.stem().to_owned()).collect();
    for entity in schema.entities() {
        let own = read(folder, &format!("actions/{}", entity.name)).map_err(|complaint| vec![complaint])?;
        if !entity.is_system() {
            // What every entity has, unless it has one of its own by that name.
            let path = |file: &File| file.path.replacen(EVERY, &format!("actions/{}", entity.name), 1);
            files.extend(every.iter().map(|file| File { path: path(file), text: file.text.clone() }));
        }
        files.extend(own);
    }
    let overlooked = overlooked(&schema, folder);
    if !overlooked.is_empty() {
        return Err(overlooked);
    }
    let templates = templates(folder).map_err(|complaint| vec![complaint])?;
    let is_page = |(path, _): &(String, String)| path.split('/').next().is_some_and(|folder| page::language(folder).is_some());
    let (pages, letters): (Vec<_>, Vec<_>) = templates.into_iter().partition(is_page);
    let mut actions = action::file::load(&schema, Letters::load(&letters)?, &files)?;
    actions.every = names;
    actions.pages = Pages::load(&pages)?;
    let said: Vec<&str> = actions.all().iter().flat_map(Action::texts).collect();
    let translations = read(folder, "locale").map_err(|complaint| vec![complaint])?;
    let translations: Vec<_> = translations.into_iter().map(|file| (file.path, file.text)).collect();
    actions.texts = Texts::load(&translations, &said)?;
    schema.actions = actions.all().iter().map(|action| format!("{}/{}", action.entity, action.name)).collect();
    Ok((schema, actions))
}

fn schema(folder: &Path) -> Result<Schema, Vec<Complaint>> {
    let embedded = SCHEMA
        .files()
        .map(|f| File { path: format!("schema/{}", f.path().display()), text: f.contents_utf8().unwrap_or_default().to_owned() });
    let own = read(folder, "schema").map_err(|complaint| vec![complaint])?;
    file::load(&embedded.chain(own).collect::<Vec<_>>())
}

/// Files that would be overlooked: actions of no entity, and what lies too high or too deep.
fn overlooked(schema: &Schema, folder: &Path) -> Vec<Complaint> {
    let names: Vec<&str> = schema.entities().iter().map(|e| e.name.as_str()).chain(["every"]).collect();
    let mut complaints = vec![];
    let mut complain = |file: String, words: String| complaints.push(Complaint { file, line: 0, column: 0, words });
    let places = [
        ("schema", 0, "schema/<entity>.yaml"),
        ("actions", 1, "actions/<entity>/<name>.yaml"),
        ("templates", 1, "templates/<letter>/<part>.hbs"),
        ("locale", 0, "locale/<language>.yaml"),
    ];
    for (below, depth, place) in places {
        for path in files(&folder.join(below)) {
            let Ok(path) = path.strip_prefix(folder) else { continue };
            let steps: Vec<String> = path.iter().map(|step| step.to_string_lossy().into_owned()).collect();
            let shown = steps.join("/");
            let is_one = place.rsplit_once('.').is_some_and(|(_, ending)| shown.ends_with(&format!(".{ending}")));
            if steps.len() != depth + 2 || !is_one {
                complain(shown, format!("it would be overlooked here: a file is {place}"));
            } else if below == "actions" && !names.contains(&steps[1].as_str()) {
                let hint = crate::yaml::nearest(&steps[1], &names).map(|n| format!("; did you mean `{n}`?")).unwrap_or_default();
                complain(shown, format!("there is no entity `{}`{hint} An action is {place}", steps[1]));
            }
        }
    }
    complaints
}

/// Files of ours below a folder, however deep.
fn files(folder: &Path) -> Vec<std::path::PathBuf> {
    let mut found = vec![];
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        match path.is_dir() {
            true => found.extend(files(&path)),
            false => {
                let ending = path.extension().map(|x| x.to_string_lossy().to_lowercase()).unwrap_or_default();
                if matches!(ending.as_str(), "yaml" | "yml" | "hbs") {
                    found.push(path);
                }
            }
        }
    }
    found.sort();
    found
}

/// Templates of letters and pages: path below `templates/`, and text; the project's after the embedded ones.
fn templates(folder: &Path) -> Result<Vec<(String, String)>, Complaint> {
    let embedded = TEMPLATES.dirs().flat_map(|dir| dir.files());
    let mut found: Vec<_> =
        embedded.map(|f| (f.path().display().to_string(), f.contents_utf8().unwrap_or_default().to_owned())).collect();
    let Ok(folders) = fs::read_dir(folder.join("templates")) else { return Ok(found) };
    for entry in folders.flatten() {
        let complain =
            |e: std::io::Error| Complaint { file: entry.path().display().to_string(), line: 0, column: 0, words: e.to_string() };
        let Ok(files) = fs::read_dir(entry.path()) else { continue };
        for file in files.flatten().filter(|file| file.path().extension().is_some_and(|x| x == "hbs")) {
            let path = format!("{}/{}", entry.file_name().to_string_lossy(), file.file_name().to_string_lossy());
            found.retain(|(known, _)| *known != path);
            found.push((path, fs::read_to_string(file.path()).map_err(complain)?));
        }
    }
    Ok(found)
}

fn read(folder: &Path, below: &str) -> Result<Vec<File>, Complaint> {
    let complain = |path: &str, words: String| Complaint { file: path.to_owned(), line: 0, column: 0, words };
    if !folder.is_dir() {
        return Err(complain(&folder.display().to_string(), "there is no such project folder".to_owned()));
    }
    let entries = match fs::read_dir(folder.join(below)) {
        Ok(entries) => entries,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(vec![]),
        Err(e) => return Err(complain(below, e.to_string())),
    };
    let mut files = vec![];
    for entry in entries.flatten().filter(|e| e.path().extension().is_some_and(|x| x == "yaml")) {
        let path = format!("{below}/{}", entry.file_name().to_string_lossy());
        let text = fs::read_to_string(entry.path()).map_err(|e| complain(&path, e.to_string()))?;
        files.push(File { path, text });
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(files)
}
