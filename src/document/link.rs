//! Links of documents: to themselves, and to the pages around.

use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

use super::Writer;
use super::value::plain;
use crate::access::Answer;
use crate::error::Result;
use crate::plan::{Guard, Plan, page};
use crate::request::media::Form;
use crate::statement::read::layout::Branch;
use crate::statement::row::Row;

/// Where a document is served: for its links.
pub struct Place<'a> {
    /// `public_url`, or nothing: then links are paths.
    pub base: &'a str,
    /// The request's path, as it came.
    pub path: &'a str,
    /// The request's query, as it came.
    pub query: &'a str,
    /// What it is written as.
    pub form: Form,
    /// Most bytes of it.
    pub most: usize,
    /// The names in `meta` under which a total stands beside its own place.
    pub total_as: &'a [String],
}

/// What may not stand in a query as it is (RFC 3986), though clients may send it (QP4).
const QUERY: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'<')
    .add(b'>')
    .add(b'[')
    .add(b']')
    .add(b'{')
    .add(b'}')
    .add(b'|')
    .add(b'\\')
    .add(b'^')
    .add(b'`');

impl Place<'_> {
    /// The document's own URL.
    pub(super) fn own(&self) -> String {
        let mark = if self.query.is_empty() { "" } else { "?" };
        format!("{}{}{mark}{}", self.base, self.path, utf8_percent_encode(self.query, QUERY))
    }
}

impl Writer<'_, '_> {
    pub(super) fn top_links(&mut self, plan: &Plan<'_>, answer: &Answer<'_>) -> Result<()> {
        let place = self.place;
        self.put("{\"self\":");
        let href = place.own();
        match place.form {
            Form::Plain | Form::Atomic => self.text(&href),
            // What applies is said where the document is named (DS18).
            Form::Cursors => {
                self.put("{\"href\":");
                self.text(&href);
                self.put(",\"type\":");
                self.text(place.form.media());
                self.put("}");
            }
        }
        if plan.root.guard == Guard::PEEK {
            self.put(",\"related\":");
            let related = place.path.replacen("/relationships/", "/", 1);
            self.text(&format!("{}{related}", place.base));
        }
        if plan.pick.is_collection() {
            let [prev, next] = self.neighbours(plan, answer)?;
            for (name, link) in [("first", Some(self.page(None))), ("prev", prev), ("next", next)] {
                self.put(&format!(",\"{name}\":"));
                match link {
                    Some(link) => self.text(&link),
                    None => self.put("null"),
                }
            }
        }
        self.put("}");
        Ok(())
    }

    /// Links to the pages before and after, where there may be one (CP4).
    fn neighbours(&self, plan: &Plan<'_>, answer: &Answer<'_>) -> Result<[Option<String>; 2]> {
        let window = &plan.root.window;
        let Some((Branch::Rows(layout), rows)) = answer.layout().branches.first().zip(answer.rows.first()) else {
            return Ok([None, None]);
        };
        if let Some(number) = window.number {
            let to = |n: i64| Some(self.page(Some(("page[number]", n.to_string()))));
            return Ok([if number > 1 { to(number - 1) } else { None }, if answer.has_more { to(number + 1) } else { None }]);
        }
        let cursor = |row: &Row| -> Result<String> {
            let keys = layout.keys.iter().map(|(place, wire)| row.binary(*place).map(|raw| plain(*wire, raw)).transpose());
            let keys = keys.collect::<Result<Vec<_>>>()?;
            Ok(page::cursor(&plan.root, &keys.iter().map(Option::as_deref).collect::<Vec<_>>()))
        };
        let link = |name, row: Option<&Row>| -> Result<Option<String>> {
            row.map(|row| Ok(self.page(Some((name, cursor(row)?))))).transpose()
        };
        let (before, after) = (link("page[before]", rows.first())?, link("page[after]", rows.last())?);
        Ok(match (&window.before, &window.after) {
            (Some(_), _) => [before.filter(|_| answer.has_more), after],
            (_, Some(_)) => [before, after.filter(|_| answer.has_more)],
            _ => [None, after.filter(|_| answer.has_more)],
        })
    }

    /// The request's URL with another place to page from.
    pub(super) fn page(&self, to: Option<(&str, String)>) -> String {
        let kept = form_urlencoded::parse(self.place.query.as_bytes())
            .filter(|(name, _)| !matches!(name.as_ref(), "page[after]" | "page[before]" | "page[number]"));
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(kept);
        if let Some((name, value)) = to {
            query.append_pair(name, &value);
        }
        let query = query.finish();
        let mark = if query.is_empty() { "" } else { "?" };
        format!("{}{}{mark}{query}", self.place.base, self.place.path)
    }
}
