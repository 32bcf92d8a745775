//! Markup that costs no more than it should: what parsing it takes grows with its length alone.
//!
//! In charge of: markup written anew before a parser sees it, so that there is one way to read it: tags with quoted attributes and
//! text, without comments, declarations, drawings, and what isn't markup at all; and bounds on that. A parser looks through
//! all open elements for some tags, through all attributes of a tag for each of them, and writing looks through the text for each reference.

/// Deepest that elements may stand in each other, as far as that is seen here.
const DEPTH: usize = 200;
/// Most tags, however they stand: a parser may see others open than we do.
const TAGS: usize = 10_000;
/// Most attributes of a tag.
const ATTRIBUTES: usize = 100;
/// Most characters that are written as references, or will be.
const REFERENCES: usize = 5000;
const NO_BREAK_SPACE: char = '\u{a0}';

/// Elements that hold nothing, or that end where the next of their kind begins: they seldom stand in each other.
const FLAT: &[&str] = &[
    "area", "base", "br", "col", "dd", "dt", "embed", "hr", "img", "input", "li", "link", "meta", "option", "p", "param",
    "source", "tbody", "td", "tfoot", "th", "thead", "tr", "track", "wbr",
];
/// Elements that say how text looks: a parser opens them again in what comes after whatever they stood in.
const LOOKS: &[&str] = &["a", "b", "big", "code", "em", "font", "i", "nobr", "s", "small", "strike", "strong", "tt", "u"];
/// Elements whose content is another language: they go with it.
const FOREIGN: &[&str] = &["script", "style"];
/// Elements after which a parser reads by other rules: they go, and their content is markup like any other.
const OTHER: &[&str] = &[
    "iframe",
    "math",
    "noembed",
    "noframes",
    "noscript",
    "plaintext",
    "svg",
    "template",
    "textarea",
    "title",
    "xmp",
    "frameset",
    "select",
];

fn is(names: &[&str], name: &str) -> bool {
    names.iter().any(|other| other.eq_ignore_ascii_case(name))
}

/// Markup within the bounds, in the one way that there is to read it.
///
/// # Errors
/// The end of a sentence that starts with the field's name.
pub fn bounded(text: &str) -> Result<String, String> {
    let mut writer = Writer { out: String::with_capacity(text.len()), open: vec![], tags: 0 };
    let mut rest = text;
    while let Some(at) = rest.find('<') {
        writer.out.push_str(&rest[..at]);
        rest = writer.markup(&rest[at..])?;
    }
    writer.out.push_str(rest);
    match writer.out.chars().filter(|letter| matches!(*letter, '&' | NO_BREAK_SPACE)).nth(REFERENCES) {
        Some(_) => Err(format!("must have at most {REFERENCES} characters that are written as &…;")),
        None => Ok(writer.out),
    }
}

struct Writer<'t> {
    out: String,
    /// The names of the elements that are open.
    open: Vec<&'t str>,
    tags: usize,
}

impl<'t> Writer<'t> {
    /// What begins with `<`. Gives what comes after it.
    fn markup(&mut self, text: &'t str) -> Result<&'t str, String> {
        let after = |end: &str| text.find(end).map_or("", |at| &text[at + end.len()..]);
        if text.starts_with("<!--") {
            return Ok(after("-->"));
        }
        if text.starts_with("<!") || text.starts_with("<?") {
            return Ok(after(">"));
        }
        let closes = text.starts_with("</");
        let named = &text[if closes { 2 } else { 1 }..];
        let length = named.find(|c: char| !c.is_ascii_alphanumeric() && c != '-').unwrap_or(named.len());
        let (name, inside) = named.split_at(length);
        if !name.starts_with(|c: char| c.is_ascii_alphabetic()) {
            self.out.push_str("&lt;");
            return Ok(&text[1..]);
        }
        let Some((attributes, rest)) = attributes(inside)? else { return Ok("") }; // a tag that isn't whole is none
        if is(FOREIGN, name) {
            return Ok(if closes { rest } else { skipped(rest, name) });
        }
        if !is(OTHER, name) {
            self.tag(name, closes, &attributes)?;
        }
        Ok(rest)
    }

    fn tag(&mut self, name: &'t str, closes: bool, attributes: &[(&str, &str)]) -> Result<(), String> {
        self.tags += 1;
        if self.tags > TAGS {
            return Err(format!("must have at most {TAGS} tags"));
        }
        self.out.push_str(if closes { "</" } else { "<" });
        self.out.push_str(name);
        for (name, value) in attributes.iter().filter(|_| !closes) {
            let value = value.replace('"', "&quot;").replace('<', "&lt;");
            self.out.extend([" ", name, "=\"", &value, "\""]);
        }
        self.out.push('>');
        match (is(FLAT, name), closes) {
            (true, _) => {}
            (false, true) => self.close(name),
            (false, false) => self.open.push(name),
        }
        if self.open.len() > DEPTH {
            return Err(format!("must have elements at most {DEPTH} deep in each other"));
        }
        Ok(())
    }

    /// Ends what is open by that name; where nothing is, nothing ends. What was opened within it ends too, but for what only
    /// says how text looks.
    fn close(&mut self, name: &str) {
        let Some(at) = self.open.iter().rposition(|other| other.eq_ignore_ascii_case(name)) else { return };
        let within = self.open.split_off(at);
        self.open.extend(within.into_iter().skip(1).filter(|inner| is(LOOKS, name) || is(LOOKS, inner)));
    }
}

/// What comes after the end of an element whose content is no markup.
fn skipped<'t>(mut text: &'t str, name: &str) -> &'t str {
    while let Some(at) = text.find("</") {
        text = &text[at + 2..];
        if text.get(..name.len()).is_some_and(|end| end.eq_ignore_ascii_case(name)) {
            return text.find('>').map_or("", |at| &text[at + 1..]);
        }
    }
    ""
}

/// A tag's attributes, of which the names are plain, and what comes after the tag; none where it doesn't end.
#[allow(clippy::type_complexity, reason = "pairs of names and values, and the rest")]
fn attributes(mut text: &str) -> Result<Option<(Vec<(&str, &str)>, &str)>, String> {
    let mut found = vec![];
    loop {
        text = text.trim_start_matches(|c: char| c.is_ascii_whitespace() || c == '/');
        if let Some(rest) = text.strip_prefix('>') {
            return Ok(Some((found, rest)));
        }
        let Some(first) = text.chars().next() else { return Ok(None) };
        // (A name may begin with =, says the standard.)
        let rest = &text[first.len_utf8()..];
        let end = rest.find(|c: char| c.is_ascii_whitespace() || matches!(c, '/' | '>' | '=')).unwrap_or(rest.len());
        let (name, after) = text.split_at(first.len_utf8() + end);
        let after = after.trim_start_matches(|c: char| c.is_ascii_whitespace());
        let (value, after) = match after.strip_prefix('=') {
            None => ("", after),
            Some(value) => {
                let value = value.trim_start_matches(|c: char| c.is_ascii_whitespace());
                match value.chars().next() {
                    Some(quote @ ('"' | '\'')) => {
                        let Some(end) = value[1..].find(quote) else { return Ok(None) };
                        (&value[1..=end], &value[end + 2..])
                    }
                    _ => value.split_at(value.find(|c: char| c.is_ascii_whitespace() || c == '>').unwrap_or(value.len())),
                }
            }
        };
        text = after;
        if name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | ':' | '.')) {
            found.push((name, value));
        }
        if found.len() > ATTRIBUTES {
            return Err(format!("must have at most {ATTRIBUTES} attributes in a tag"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_write_means_what_it_meant() {
        for (written, read) in [
            ("<p>one<br>two <b class=x id='a > b'>1 < 2</b>", "<p>one<br>two <b class=\"x\" id=\"a > b\">1 &lt; 2</b>"),
            ("a <!-- <b \" --> b <!doctype html>c<?x ?>", "a  b c"),
            ("<style>b { }</style>x<script>if (a</b>c) {}</SCRIPT >y", "xy"),
            ("<textarea><b>x</b></textarea><svg/onload=x>y", "<b>x</b>y"),
            ("<b x\"y title=\"&quot;\" / z>&amp;lt;</b", "<b title=\"&quot;\" z=\"\">&amp;lt;"),
            ("<a href=/x?a=1&b=2>x", "<a href=\"/x?a=1&b=2\">x"),
            ("<b a='\"<'>", "<b a=\"&quot;&lt;\">"),
            ("<b a=\"never ends>x", ""),
        ] {
            assert_eq!(bounded(written).as_deref(), Ok(read), "{written}");
        }
    }

    #[test]
    fn what_people_write_is_within_the_bounds_and_what_hurts_is_not() {
        let long = |part: &str, count: usize| part.repeat(count);
        for good in [
            long("<p>one<br>two", 3000),
            format!("<ul>{}</ul>", long("<li>x", 5000)),
            format!("<table>{}</table>", long("<tr><td>1<td>2", 3000)),
            long("<b>x</b> 1 < 2 <= 3 ", 2000),
            format!("<img src=\"data:{}\" alt='a > b'>", long("A B ", 5000)),
            format!("{}{}", long("<div>", 200), long("</div>", 200)),
        ] {
            assert!(bounded(&good).is_ok(), "{:.60}", good);
        }
        let attributes = (0..101).map(|n| format!(" a{n}")).collect::<String>();
        let quoted = (0..101).map(|n| format!("a{n}=\"\"")).collect::<String>();
        let slashed = (0..101).map(|n| format!("/a{n}")).collect::<String>();
        for bad in [
            long("<div>", 201),
            long("<DIV\n>", 201),
            long("<b a=1>", 201),
            long("<x-y><p>", 201),
            long("<ul><li>", 201),
            long("<b></i>", 201),
            long("<b><i></b>", 500) + &long("<u></s>", 201),
            long("<div><!--</div>-->", 201),
            long("<b x\"><div>", 201),
            long("<rb>", 201),
            long("<div><table></div>", 10_001),
            (0..201).map(|n| format!("<div><i a{n}></div>")).collect(),
            long("&eacute;", 5001),
            long("< ", 5001),
            long("\u{a0}x", 5001),
            format!("<b{attributes}>"),
            format!("<b {quoted}>"),
            format!("<b{slashed}>"),
            format!("</b{attributes}>"),
        ] {
            assert!(bounded(&bad).is_err(), "{:.60}", bad);
        }
    }
}
