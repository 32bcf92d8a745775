//! Markup that costs no more than it should: what parsing it takes grows with its length alone.
//!
//! In charge of: bounds on nesting and on attributes, found in one pass, before a parser sees it: a parser looks through all
//! open elements for some tags, and through all attributes of a tag for each of them.

/// Deepest that elements may stand in each other.
const DEPTH: usize = 200;
/// Most attributes of a tag.
const ATTRIBUTES: usize = 100;
/// Most characters that are written as references, or will be: for each of them the whole text after it is looked through.
const REFERENCES: usize = 5000;
const NO_BREAK_SPACE: char = '\u{a0}';

/// Elements that hold nothing, or that end where the next of their kind begins: they never stand in each other.
const FLAT: &[&str] = &[
    "area", "base", "br", "col", "dd", "dt", "embed", "hr", "img", "input", "li", "link", "meta", "optgroup", "option", "p",
    "param", "rb", "rp", "rt", "rtc", "source", "tbody", "td", "tfoot", "th", "thead", "tr", "track", "wbr",
];

/// Holds markup against the bounds.
///
/// # Errors
/// The end of a sentence that starts with the field's name.
pub fn bounded(text: &str) -> Result<(), String> {
    match text.chars().filter(|letter| matches!(*letter, '&' | NO_BREAK_SPACE)).nth(REFERENCES) {
        Some(_) => Err(format!("must have at most {REFERENCES} characters that are written as &…;")),
        None => tags(text),
    }
}

/// Elements that say how text looks.
const LOOKS: &[&str] = &["a", "b", "big", "code", "em", "font", "i", "nobr", "s", "small", "strike", "strong", "tt", "u"];

/// Holds tags against the bounds. What ends is looked for among what is open, as a parser does, so few are open.
fn tags(text: &str) -> Result<(), String> {
    let (mut open, mut rest): (Vec<&str>, &str) = (vec![], text);
    while let Some(at) = rest.find('<') {
        rest = &rest[at + 1..];
        let (closes, name) = match rest.strip_prefix('/') {
            Some(after) => (true, after),
            None => (false, rest),
        };
        let length = name.find(|c: char| !c.is_ascii_alphanumeric() && c != '-').unwrap_or(name.len());
        if !name.starts_with(|c: char| c.is_ascii_alphabetic()) {
            continue;
        }
        let (name, after) = name.split_at(length);
        let (attributes, end) = tag(after);
        rest = &after[end..];
        if attributes > ATTRIBUTES {
            return Err(format!("must have at most {ATTRIBUTES} attributes in a tag"));
        }
        if FLAT.iter().any(|flat| flat.eq_ignore_ascii_case(name)) {
            continue;
        }
        match closes {
            true => close(&mut open, name),
            false => open.push(name),
        }
        if open.len() > DEPTH {
            return Err(format!("must have elements at most {DEPTH} deep in each other"));
        }
    }
    Ok(())
}

/// Ends what is open by that name; where nothing is, nothing ends. What was opened within it ends too, but for what only says
/// how text looks: a parser opens that again in whatever comes next.
fn close(open: &mut Vec<&str>, name: &str) {
    let is = |names: &[&str], name: &str| names.iter().any(|other| other.eq_ignore_ascii_case(name));
    let Some(at) = open.iter().rposition(|other| other.eq_ignore_ascii_case(name)) else { return };
    let within = open.split_off(at);
    open.extend(within.into_iter().skip(1).filter(|inner| is(LOOKS, name) || is(LOOKS, inner)));
}

/// How many attributes a tag has, at most, and where it ends: of what follows its name.
fn tag(text: &str) -> (usize, usize) {
    let (mut quote, mut attributes, mut was_gap) = (None, 0, true);
    for (at, letter) in text.char_indices() {
        match (quote, letter) {
            (Some(mark), letter) if mark == letter => (quote, was_gap) = (None, true), // the next needs no space
            (Some(_), _) => {}
            (None, '>') => return (attributes, at + 1),
            (None, '"' | '\'') => quote = Some(letter),
            (None, letter) => {
                let is_gap = letter.is_ascii_whitespace() || letter == '/';
                attributes += usize::from(was_gap && !is_gap);
                was_gap = is_gap;
            }
        }
    }
    (attributes, text.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_write_is_within_the_bounds_and_what_hurts_is_not() {
        let long = |part: &str, count: usize| part.repeat(count);
        for good in [
            long("<p>one<br>two", 5000),
            format!("<ul>{}</ul>", long("<li>x", 5000)),
            format!("<table>{}</table>", long("<tr><td>1<td>2", 5000)),
            long("<b>x</b> 1 < 2 <= 3 ", 5000),
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
            long("<svg/>", 201),
            long("<ul><li>", 201),
            long("<b></i>", 201),
            long("<b><i></b>", 500) + &long("<u></s>", 201),
            (0..201).map(|n| format!("<div><i a{n}></div>")).collect(),
            long("&eacute;", 5001),
            long("\u{a0}x", 5001),
            format!("<b{attributes}>"),
            format!("<b {quoted}>"),
            format!("<b{slashed}"),
            format!("</b{attributes}>"),
        ] {
            assert!(bounded(&bad).is_err(), "{:.60}", bad);
        }
    }
}
