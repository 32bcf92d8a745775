//! Letters: `templates/<letter>/{subject,text,html}.hbs`, in languages, and what becomes of them.
//!
//! In charge of: reading and checking templates, rendering. Sending is [`post`]. It must not know actions.

pub mod post;

use std::collections::BTreeMap;

use handlebars::Handlebars;
use lettre::Message;
use lettre::message::header::{Header, HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart, SinglePart};
use serde_json::{Map, Value as Json};

use crate::error::{Error, Result};
use crate::locale::{folded, kinds};
use crate::statement::outbox::Others;
use crate::template;
use crate::yaml::Complaint;

/// The parts of a letter; only `html` may be missing.
const PARTS: &[&str] = &["subject", "text", "html"];

/// All letters of a project.
#[derive(Debug, Default)]
pub struct Letters {
    text: Handlebars<'static>,
    html: Handlebars<'static>,
    /// Folder (`letter` or `letter.language`) → its parts.
    folders: BTreeMap<String, Vec<&'static str>>,
}

/// A letter, as it is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rendered {
    /// One line.
    pub subject: String,
    /// Plain.
    pub text: String,
    /// If the letter has that part.
    pub html: Option<String>,
}

/// Values that every letter has beside those that are sent with it: where links lead, and to whom it goes.
pub const KNOWN: &[&str] = &["base", "to"];

impl Letters {
    /// Reads templates: path below `templates/` (`letter/text.hbs`; `layout/…` are partials) and text. Of two of one path
    /// the later counts.
    ///
    /// # Errors
    /// Every complaint about every file.
    pub fn load(files: &[(String, String)]) -> Result<Letters, Vec<Complaint>> {
        let mut letters = Letters::default();
        letters.text.set_strict_mode(true);
        letters.html.set_strict_mode(true);
        letters.text.register_escape_fn(handlebars::no_escape);
        let mut complaints = vec![];
        let mut complain = |path: &str, (line, column): (usize, usize), words: String| {
            let file = format!("templates/{path}");
            complaints.push(Complaint { file, line: line as u64, column: column as u64, words });
        };
        for (path, text) in files {
            let Some((folder, part)) = path.split_once('/').and_then(|(folder, file)| Some((folder, file.strip_suffix(".hbs")?)))
            else {
                complain(path, (0, 0), "a template is <letter>/{subject,text,html}.hbs".to_owned());
                continue;
            };
            let name = format!("{folder}/{part}");
            // What the last line ends with is the file's, not the letter's.
            let text = text.trim_end();
            let registry = if part == "html" || folder == "layout" && part.ends_with("html") {
                &mut letters.html
            } else {
                &mut letters.text
            };
            if let Err(error) = registry.register_template_string(&name, text) {
                complain(path, error.pos().unwrap_or_default(), format!("not a template: {}", error.reason()));
            }
            match PARTS.iter().find(|known| **known == part) {
                _ if folder == "layout" => {}
                Some(part) => letters.folders.entry(folder.to_owned()).or_default().push(part),
                None => complain(path, (0, 0), format!("a letter has the parts {}; not `{part}`", PARTS.join(", "))),
            }
        }
        for (folder, parts) in &letters.folders {
            for missing in ["subject", "text"].iter().filter(|part| !parts.contains(part)) {
                complain(folder, (0, 0), format!("the letter has no {missing}.hbs"));
            }
        }
        for (folder, parts) in &letters.folders {
            for part in parts {
                if let Err(words) = letters.rehearse(folder, part) {
                    complain(&format!("{folder}/{part}.hbs"), (0, 0), words);
                }
            }
        }
        if complaints.is_empty() { Ok(letters) } else { Err(complaints) }
    }

    /// Renders a part with stand-ins, for what no values can mend: partials and helpers that aren't there.
    fn rehearse(&self, folder: &str, part: &str) -> Result<(), String> {
        let registry = if part == "html" { &self.html } else { &self.text };
        registry.get_template(&format!("{folder}/{part}")).map_or(Ok(vec![]), |template| template::paths(template, true))?;
        let letter = folder.split('.').next().unwrap_or(folder);
        let names = self.values(letter).into_iter().chain(KNOWN.iter().map(|name| (*name).to_owned()));
        let values: Map<String, Json> = names.map(|name| (name.clone(), Json::String(name))).collect();
        match registry.render(&format!("{folder}/{part}"), &values).map_err(|error| error.reason().to_string()) {
            Err(words) if ["artial", "elper", "ecorator", "nclude"].iter().any(|hint| words.contains(hint)) => Err(words),
            _ => Ok(()),
        }
    }

    /// The letters' names, without languages.
    pub fn names(&self) -> Vec<&str> {
        self.folders.keys().filter(|folder| !folder.contains('.')).map(String::as_str).collect()
    }

    /// The values that a letter's templates name, in any language; those of [`KNOWN`] left out.
    pub fn values(&self, letter: &str) -> Vec<String> {
        let mut names = vec![];
        for (folder, parts) in self.folders.iter().filter(|(folder, _)| folder.split('.').next() == Some(letter)) {
            for part in parts {
                let registry = if *part == "html" { &self.html } else { &self.text };
                if let Some(template) = registry.get_template(&format!("{folder}/{part}")) {
                    let paths = template::paths(template, true).unwrap_or_default();
                    names.extend(paths.iter().filter_map(|path| path.split('.').next()).map(str::to_owned));
                }
            }
        }
        names.retain(|name| !KNOWN.contains(&name.as_str()));
        names.sort_unstable();
        names.dedup();
        names
    }

    /// A letter with the names of its values in their places, for the terminal.
    ///
    /// # Errors
    /// Words that name the letters that there are.
    pub fn preview(&self, letter: &str, language: Option<&str>) -> Result<String, String> {
        if !self.names().contains(&letter) {
            return Err(format!("there is no letter `{letter}`; known: {}", self.names().join(", ")));
        }
        let names = self.values(letter).into_iter().chain(KNOWN.iter().map(|name| (*name).to_owned()));
        let values = names.map(|name| (name.clone(), Json::String(format!("[{name}]")))).collect();
        let rendered = self.render(letter, language, &values).map_err(|e| format!("{letter} can't be rendered: {e:?}"))?;
        let html = rendered.html.map(|html| format!("\n\n{html}")).unwrap_or_default();
        Ok(format!("Subject: {}\n\n{}{html}", rendered.subject, rendered.text))
    }

    /// The folder of a letter in a language, or in what it is a kind of: `de` for `de-AT`; whatever their case.
    fn localized(&self, letter: &str, language: Option<&str>) -> Option<String> {
        let language = folded(language?);
        let is_it = |folder: &&String, kind: &str| {
            folder.strip_prefix(letter).and_then(|rest| rest.strip_prefix('.')).is_some_and(|rest| folded(rest) == kind)
        };
        kinds(&language).find_map(|kind| self.folders.keys().find(|folder| is_it(folder, kind)).cloned())
    }

    /// Renders a letter, in a language if it is there in that.
    ///
    /// # Errors
    /// A letter or a value that isn't there: a defect of the action that sent it.
    pub fn render(&self, letter: &str, language: Option<&str>, values: &Map<String, Json>) -> Result<Rendered> {
        let folder = self.localized(letter, language).unwrap_or_else(|| letter.to_owned());
        let parts = self.folders.get(&folder).ok_or_else(|| Error::internal(format!("there is no letter {folder}")))?;
        let part =
            |registry: &Handlebars<'_>, part: &str| registry.render(&format!("{folder}/{part}"), values).map_err(Error::internal);
        let subject = part(&self.text, "subject")?.split_whitespace().collect::<Vec<_>>().join(" ");
        let html = if parts.contains(&"html") { Some(part(&self.html, "html")?) } else { None };
        Ok(Rendered { subject, text: part(&self.text, "text")?, html })
    }
}

impl Rendered {
    /// The message as it goes over the wire.
    ///
    /// # Errors
    /// An address that can't be written to.
    pub fn message(&self, from: &Mailbox, to: &str, others: &Others, id: &str) -> Result<Message> {
        let mailbox = |address: &str| plain(address)?.parse::<Mailbox>().map_err(Error::internal);
        let mut builder = Message::builder().from(from.clone()).to(mailbox(to)?);
        for address in &others.to {
            builder = builder.to(mailbox(address)?);
        }
        for address in &others.cc {
            builder = builder.cc(mailbox(address)?);
        }
        for address in &others.bcc {
            builder = builder.bcc(mailbox(address)?);
        }
        if let Some(address) = &others.reply_to {
            builder = builder.reply_to(mailbox(address)?);
        }
        let builder = builder.subject(&self.subject).message_id(Some(id.to_owned())).header(AutoSubmitted);
        let message = match &self.html {
            Some(html) => builder.multipart(MultiPart::alternative_plain_html(self.text.clone(), html.clone())),
            None => builder.singlepart(SinglePart::plain(self.text.clone())),
        };
        message.map_err(Error::internal)
    }
}

/// An address with its domain as every server takes it: `xn--…` for letters that aren't ASCII.
fn plain(address: &str) -> Result<String> {
    match address.rsplit_once('@') {
        Some((local, domain)) if !domain.is_ascii() => {
            let domain = idna::domain_to_ascii(domain).map_err(|_| Error::internal("a domain that is none"))?;
            Ok(format!("{local}@{domain}"))
        }
        _ => Ok(address.to_owned()),
    }
}

/// Says that nobody is there to be answered by a machine (RFC 3834).
#[derive(Clone)]
struct AutoSubmitted;

impl Header for AutoSubmitted {
    fn name() -> HeaderName {
        HeaderName::new_from_ascii_str("Auto-Submitted")
    }

    fn parse(_: &str) -> std::result::Result<AutoSubmitted, Box<dyn std::error::Error + Send + Sync>> {
        Ok(AutoSubmitted)
    }

    fn display(&self) -> HeaderValue {
        HeaderValue::new(AutoSubmitted::name(), "auto-generated".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn b40_domains_go_out_as_every_server_takes_them() {
        assert_eq!(plain("ada@münchen.example").expect("a domain"), "ada@xn--mnchen-3ya.example");
        assert_eq!(plain("größe@example.org").expect("a domain"), "größe@example.org");
        let rendered = Rendered { subject: "s".to_owned(), text: "t".to_owned(), html: None };
        let message = rendered
            .message(&"a@example.org".parse().expect("an address"), "ada@münchen.example", &Others::default(), "<x@y>")
            .expect("a message");
        let text = String::from_utf8(message.formatted()).expect("text");
        assert!(text.contains("To: ada@xn--mnchen-3ya.example") && text.contains("Auto-Submitted: auto-generated"), "{text}");
    }

    fn files(all: &[(&str, &str)]) -> Vec<(String, String)> {
        all.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect()
    }

    #[test]
    fn letters_are_rendered_in_their_language_and_escaped_where_they_are_html() {
        let letters = Letters::load(&files(&[
            ("a/subject.hbs", "Hi {{name}}\n"),
            ("a/text.hbs", "{{> layout/foot}} {{name}}\n"),
            ("a/html.hbs", "<b>{{name}}</b>{{#if more}}{{extra.x}}{{/if}}{{last}}"),
            ("a.de/subject.hbs", "Hallo {{name}}"),
            ("a.de/text.hbs", "{{name}} {{to}}"),
            ("layout/foot.hbs", "--"),
        ]))
        .expect("good");
        assert_eq!(letters.names(), ["a"]);
        let mut values = letters.values("a");
        values.sort();
        assert_eq!(values, ["extra", "last", "more", "name"]);
        let values =
            json!({"name": "<größe>\r\nBcc: x", "more": false, "last": "", "to": "t"}).as_object().cloned().expect("an object");
        let rendered = letters.render("a", Some("fr"), &values).expect("rendered");
        assert_eq!((rendered.subject.as_str(), rendered.text.as_str()), ("Hi <größe> Bcc: x", "-- <größe>\r\nBcc: x"));
        assert_eq!(rendered.html.as_deref(), Some("<b>&lt;größe&gt;\r\nBcc: x</b>"));
        for language in ["de", "DE", "de-AT", "de_CH-1996"] {
            assert_eq!(letters.render("a", Some(language), &values).expect("rendered").subject, "Hallo <größe> Bcc: x");
        }
        assert!(letters.render("a", None, &Map::new()).is_err() && letters.render("b", None, &values).is_err());
    }

    #[test]
    fn every_fault_of_every_template_is_told() {
        let bad = files(&[
            ("a/subject.hbs", "{{#if"),
            ("b/text.hbs", "x"),
            ("b/body.hbs", "x"),
            ("loose.hbs", "x"),
            ("c/subject.hbs", "x"),
            ("c/text.hbs", "{{> layout/nope}}"),
            ("d/subject.hbs", "{{shout x 1}}"),
            ("d/text.hbs", "x"),
        ]);
        let said: Vec<_> = Letters::load(&bad).expect_err("bad").iter().map(ToString::to_string).collect();
        for words in [
            "templates/a/subject.hbs",
            "the letter has no text.hbs",
            "the letter has no subject.hbs",
            "not `body`",
            "templates/loose.hbs",
            "templates/c/text.hbs",
            "templates/d/subject.hbs",
        ] {
            assert!(said.iter().any(|s| s.contains(words)), "{words} in {said:?}");
        }
    }
}
