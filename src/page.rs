//! Pages of ours: where the links of letters lead until a front end has their places. `templates/pages/<page>.hbs`, in other
//! languages `templates/pages.<language>/`, around each the `layout`.
//!
//! In charge of: which pages there are, their templates, and rendering. A page shows a form; what that does is an action's.

use std::collections::BTreeMap;

use handlebars::Handlebars;
use serde_json::json;

use crate::error::{Error, Result};
use crate::locale::{choose, folded};
use crate::template;
use crate::yaml::Complaint;

/// A page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Page {
    VerifyEmail,
    ResetPassword,
    ConfirmEmailChange,
    UndoEmailChange,
    AcceptInvitation,
}

impl Page {
    /// All of them.
    pub const ALL: [Page; 5] =
        [Page::VerifyEmail, Page::ResetPassword, Page::ConfirmEmailChange, Page::UndoEmailChange, Page::AcceptInvitation];

    /// Its name: that of its file, and of the action that its form is for.
    pub fn name(self) -> &'static str {
        match self {
            Page::VerifyEmail => "verify_email",
            Page::ResetPassword => "reset_password",
            Page::ConfirmEmailChange => "confirm_email_change",
            Page::UndoEmailChange => "undo_email_change",
            Page::AcceptInvitation => "accept_invitation",
        }
    }

    /// The entity of its action.
    pub fn entity(self) -> &'static str {
        match self {
            Page::AcceptInvitation => "usergroup",
            Page::VerifyEmail | Page::ResetPassword | Page::ConfirmEmailChange | Page::UndoEmailChange => "user_account",
        }
    }

    /// The inputs of its action that the form asks for.
    pub fn inputs(self) -> &'static [&'static str] {
        match self {
            Page::ResetPassword => &["token", "password", "passwordConfirm"],
            Page::VerifyEmail | Page::ConfirmEmailChange | Page::UndoEmailChange | Page::AcceptInvitation => &["token"],
        }
    }

    /// Whether its action is for who is signed in: then the form asks for login and password, too.
    pub fn signs_in(self) -> bool {
        self == Page::AcceptInvitation
    }
}

/// What a page shows.
#[derive(Debug, Default, Clone, Copy)]
pub struct Shown<'a> {
    /// The letter's token.
    pub token: &'a str,
    /// The login that was sent with the form.
    pub login: &'a str,
    /// What was wrong with what was sent.
    pub wrong: &'a str,
    /// What was done.
    pub done: &'a str,
    /// By which the style may stand in the page.
    pub nonce: &'a str,
}

/// The values that a page's template may take, beside those that it gives its layout.
const KNOWN: &[&str] = &["language", "nonce", "token", "login", "wrong", "done", "title"];
/// What stands around each page.
const LAYOUT: &str = "layout";

/// The templates of all pages, by language; `""`: that of the files.
#[derive(Debug, Default)]
pub struct Pages {
    languages: BTreeMap<String, Handlebars<'static>>,
}

/// The language of a folder of pages: `""` for `pages`, `de` for `pages.de`; none: it holds a letter.
pub fn language(folder: &str) -> Option<String> {
    match folder.split_once('.') {
        None if folder == "pages" => Some(String::new()),
        Some(("pages", language)) => Some(folded(language)),
        _ => None,
    }
}

impl Pages {
    /// Reads the templates of pages: path below `templates/` (`pages.de/verify_email.hbs`), and text. What a language has no
    /// template of its own for is as in `pages`.
    ///
    /// # Errors
    /// Every complaint about every file.
    pub fn load(files: &[(String, String)]) -> Result<Pages, Vec<Complaint>> {
        let (mut pages, mut complaints) = (Pages::default(), vec![]);
        let names: Vec<&str> = Page::ALL.map(Page::name).into_iter().chain([LAYOUT]).collect();
        let parts =
            |path: &str| path.split_once('/').map(|(folder, file)| (language(folder), file.trim_end_matches(".hbs").to_owned()));
        let own: Vec<_> =
            files.iter().filter(|(path, _)| parts(path).is_some_and(|(language, _)| language.as_deref() == Some(""))).collect();
        for (path, text) in files {
            let Some((Some(language), name)) = parts(path) else { continue };
            let mut complain = |(line, column): (usize, usize), words: String| {
                let file = format!("templates/{path}");
                complaints.push(Complaint { file, line: line as u64, column: column as u64, words });
            };
            if !names.contains(&name.as_str()) {
                complain((0, 0), format!("there is no page `{name}`; known: {}", names.join(", ")));
                continue;
            }
            let registry = pages.languages.entry(language).or_insert_with(|| {
                let mut registry = Handlebars::new();
                registry.set_strict_mode(true);
                for (path, text) in &own {
                    // What is wrong with it is said where it stands.
                    _ = registry.register_template_string(&parts(path).map(|(_, name)| name).unwrap_or_default(), text);
                }
                registry
            });
            if let Err(error) = registry.register_template_string(&name, text) {
                complain(error.pos().unwrap_or_default(), format!("not a template: {}", error.reason()));
                continue;
            }
            let taken = registry.get_template(&name).map_or(Ok(vec![]), |template| template::paths(template, true));
            match taken {
                Err(words) => complain((0, 0), words),
                Ok(taken) => {
                    for value in taken.iter().filter(|value| !KNOWN.contains(&value.as_str())) {
                        complain((0, 0), format!("a page takes {}; not `{value}`", KNOWN.join(", ")));
                    }
                }
            }
        }
        if complaints.is_empty() {
            // As it is asked, refused, and done: what stands under a condition is a part of it, too.
            let asked = Shown { token: "x", nonce: "x", ..Shown::default() };
            let shown = [Shown::default(), Shown { login: "x", wrong: "x", ..asked }, Shown { done: "x", ..asked }, asked];
            for (language, page) in pages.languages.keys().flat_map(|language| Page::ALL.map(|page| (language, page))) {
                if let Some(error) = shown.iter().find_map(|shown| pages.rendered(language, page, shown).err()) {
                    let file = format!("templates/pages/{}.hbs", page.name());
                    complaints.push(Complaint { file, line: 0, column: 0, words: format!("not a page: {error}") });
                }
            }
        }
        if complaints.is_empty() { Ok(pages) } else { Err(complaints) }
    }

    /// Renders a page, in the first of the accepted languages that there is. `own`: the project's language.
    ///
    /// # Errors
    /// A defect: pages are tried when they are read.
    pub fn render(&self, page: Page, accepted: &[String], own: &str, shown: &Shown<'_>) -> Result<String> {
        let language = choose(accepted, own, |language| self.languages.contains_key(language));
        self.rendered(language.as_deref().unwrap_or_default(), page, shown).map_err(Error::internal)
    }

    fn rendered(&self, language: &str, page: Page, shown: &Shown<'_>) -> Result<String, String> {
        let Shown { token, login, wrong, done, nonce } = *shown;
        let values = json!({
            "language": if language.is_empty() { "en" } else { language }, "token": token, "login": login, "wrong": wrong,
            "done": done, "nonce": nonce,
        });
        let registry = self.languages.get(language).ok_or("there are no pages")?;
        registry.render(page.name(), &values).map_err(|error| error.reason().to_string())
    }
}
