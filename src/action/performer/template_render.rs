//! `template.render`: a letter's templates as text, for an answer or a column.

use serde_json::{Map, Value as Json, json};

use super::{Gives, Performer, plain, text};
use crate::action::run::Run;
use crate::error::Result;

/// Gives `subject`, `text` and `html`. The values stand beside its parameters.
pub static PERFORMER: Performer = Performer {
    gives: Gives::Values(&["subject", "text", "html"]),
    takes_values: true,
    tells: true,
    ..plain("template.render", &[("template", true), ("language", false)], |run, with| Box::pin(render(run, with)))
};

async fn render(run: &mut Run<'_>, with: &Map<String, Json>) -> Result<Json> {
    let mut values = with.clone();
    values.insert("base".to_owned(), run.app.config.link_base().into());
    values.entry("to").or_insert_with(|| "".into());
    let language = with.get("language").and_then(Json::as_str);
    let rendered = run.app.actions.letters.render(&text(with, "template"), language, &values)?;
    Ok(json!({"subject": rendered.subject, "text": rendered.text, "html": rendered.html}))
}
