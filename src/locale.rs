//! Texts for people in other languages than the files': `locale/<language>.yaml`, each text with its translation.
//!
//! In charge of: which language an answer is in, and what a text is called there. It knows texts, not where they stand.

use std::collections::{BTreeMap, HashMap};

use crate::template;
use crate::yaml::{self, Complaint, Reader};

/// The translations that come with Rowhouse: of its own actions and pages.
const OWN: &[(&str, &str)] = &[("de", include_str!("locale/de.yaml"))];
/// Most languages of a request that are looked at, and how long the name of one may be (RFC 5646, 4.4.1).
const LANGUAGES: usize = 10;
const LONGEST: usize = 35;
/// The language of our own texts and pages.
const ENGLISH: &str = "en";

/// All translations of a project.
#[derive(Debug, Default)]
pub struct Texts {
    /// Language → text → what it is there.
    languages: BTreeMap<String, HashMap<String, String>>,
}

impl Texts {
    /// Reads translations: path below the project (`locale/de.yaml`), and text. `said`: the texts that files say.
    ///
    /// # Errors
    /// Every complaint about every file: a text that nobody says, a translation that takes other values.
    pub fn load(files: &[(String, String)], said: &[&str]) -> Result<Texts, Vec<Complaint>> {
        let (mut texts, mut complaints) = (Texts::default(), vec![]);
        for (language, text) in OWN {
            let mut reader = Reader::new(language);
            texts.read(&mut reader, language, text, None);
            complaints.append(&mut reader.complaints);
        }
        let ours = texts.languages.values().flat_map(HashMap::keys).cloned();
        let known: Vec<String> = said.iter().map(|text| (*text).to_owned()).chain(ours).collect();
        for (path, text) in files {
            let mut reader = Reader::new(path);
            let language = path.rsplit('/').next().and_then(|file| file.strip_suffix(".yaml")).unwrap_or_default();
            texts.read(&mut reader, &folded(language), text, Some(&known));
            complaints.append(&mut reader.complaints);
        }
        if complaints.is_empty() { Ok(texts) } else { Err(complaints) }
    }

    fn read(&mut self, reader: &mut Reader, language: &str, text: &str, known: Option<&[String]>) {
        let tree = match yaml::from_str(reader.file(), text) {
            Ok(tree) => tree,
            Err(complaint) => return reader.complaints.push(complaint),
        };
        let texts = self.languages.entry(language.to_owned()).or_default();
        for (key, value) in reader.map(&tree) {
            let translation = reader.text(value).to_owned();
            if let Some(known) = known.filter(|known| !known.contains(&key.name)) {
                reader.unknown(key.mark, "text (none of the files says it)", &key.name, known);
            }
            let here = values(&key.name).unwrap_or_default();
            let there = values(&translation).unwrap_or_else(|words| {
                reader.complain(value.mark, words);
                vec![]
            });
            for missing in there.iter().filter(|value| !here.contains(value)) {
                reader.complain(value.mark, format!("`{missing}` is no value of the text that it translates"));
            }
            texts.insert(key.name.clone(), translation);
        }
    }

    /// The language of an answer, as [`choose`] has it; none: as the files say it.
    pub fn choose(&self, accepted: &[String], own: &str) -> Option<String> {
        choose(accepted, own, |language| self.languages.contains_key(language))
    }

    /// A text in a language; as it is where it isn't translated.
    pub fn say<'t>(&'t self, language: Option<&str>, text: &'t str) -> &'t str {
        self.translation(language, text).unwrap_or(text)
    }

    /// The translation of a text, where there is one.
    pub fn translation(&self, language: Option<&str>, text: &str) -> Option<&str> {
        self.languages.get(language?)?.get(text).map(String::as_str)
    }
}

/// The values that a text takes, or what is wrong with it.
fn values(text: &str) -> Result<Vec<String>, String> {
    if !text.contains("{{") {
        return Ok(vec![]);
    }
    let template = handlebars::Template::compile(text).map_err(|error| format!("not a template: {}", error.reason()))?;
    template::paths(&template, false)
}

/// The language of an answer: the first of those that are accepted that is there, else the project's own. None: that in which
/// our own texts are written.
/// `accepted`: from [`accepted`]; `own`: the project's.
pub fn choose(accepted: &[String], own: &str, is_there: impl Fn(&str) -> bool) -> Option<String> {
    let is_spoken = |language: &&String| is_there(language) || *language == own || *language == ENGLISH;
    let chosen = accepted.iter().find(is_spoken).map_or(own, String::as_str);
    Some(chosen).filter(|language| is_there(language)).map(str::to_owned)
}

/// A language as it is compared: `de-at`.
pub fn folded(language: &str) -> String {
    language.trim().to_lowercase().replace('_', "-")
}

/// A language and what it is a kind of, from the narrowest on: `de-at`, `de`.
pub fn kinds(language: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(Some(language), |kind| kind.rsplit_once('-').map(|(kind, _)| kind))
}

/// The languages that a request accepts, each with what it is a kind of, the most wanted first. `header`: `Accept-Language`.
pub fn accepted(header: Option<&str>) -> Vec<String> {
    let wanted = header.unwrap_or_default().split(',').take(LANGUAGES).filter_map(|part| {
        let (language, weight) = part.split_once(';').unwrap_or((part, "q=1"));
        let weight: f32 = weight.trim().strip_prefix("q=")?.trim().parse().ok()?;
        let language = folded(language);
        (weight > 0.0 && (1..=LONGEST).contains(&language.len())).then_some((language, weight))
    });
    let mut wanted: Vec<(String, f32)> = wanted.collect();
    wanted.sort_by(|(_, a), (_, b)| b.total_cmp(a));
    let mut found: Vec<String> = vec![];
    for (language, _) in &wanted {
        for kind in kinds(language) {
            if !found.iter().any(|other| *other == kind) {
                found.push(kind.to_owned());
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_wanted_language_that_there_is_is_spoken() {
        assert_eq!(
            accepted(Some("en;q=0.5, de-AT-1996,fr; q=0.9, ;q=1, x;q=0, y;q=z")),
            ["de-at-1996", "de-at", "de", "fr", "en"]
        );
        let texts = Texts::load(&[("locale/fr.yaml".to_owned(), "Success: Bien fait".to_owned())], &["Success"]).expect("good");
        let choose = |header: &str| texts.choose(&accepted(Some(header)), "en");
        assert_eq!(choose("de-CH"), Some("de".to_owned()));
        assert_eq!(choose("es, fr;q=0.8, de;q=0.1"), Some("fr".to_owned()));
        assert_eq!(choose("en-GB, de;q=0.8"), None, "the files' own");
        assert_eq!(choose("es"), None);
        let german = |header: &str| texts.choose(&accepted(Some(header)), "de");
        assert_eq!((german("es"), german("en"), german("de")), (Some("de".to_owned()), None, Some("de".to_owned())));
        let long = "a-".repeat(100_000);
        assert!(accepted(Some(&long)).is_empty(), "no language is so long");
        assert_eq!(
            (texts.say(Some("fr"), "Success"), texts.say(Some("fr"), "x"), texts.say(None, "Success")),
            ("Bien fait", "x", "Success")
        );
    }

    #[test]
    fn a_translation_is_of_a_text_and_takes_no_more_than_it() {
        let file = "Sucess: x\n\"Joined {{group}}\": \"{{group}} {{caller.email}}\"\nSuccess: \"{{#if\"\n";
        let said =
            Texts::load(&[("locale/fr.yaml".to_owned(), file.to_owned())], &["Success", "Joined {{group}}"]).expect_err("bad");
        let said: Vec<String> = said.iter().map(ToString::to_string).collect();
        assert!(said[0].contains("locale/fr.yaml:1:1") && said[0].contains("`Success`"), "{said:?}");
        assert!(said[1].contains("`caller.email` is no value"), "{said:?}");
        assert!(said[2].contains("not a template"), "{said:?}");
    }
}
