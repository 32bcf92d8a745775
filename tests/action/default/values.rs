//! Values that nobody should send, for each kind of input: of other types, too long, of two lines; and texts that are only text.

use serde_json::{Value as Json, json};

/// Text like any other: it is kept and told as it is, never rendered, run, unescaped or cut.
pub const TEXTS: &[&str] = &[
    "{{caller.email}} {{{config}}} {{ 7*7 }} {% raw %} ${x} <%= 1 %>",
    "{{#each x}}{{token}}{{/each}} {{> layout/foot}}",
    "<script>alert('x')</script><img src=x onerror=y>&amp;&lt;",
    "Robert'); drop table user_account; --  %_\\ \" ` $1 :x",
    "\u{202e}nimda\u{202c} \u{200b}аdmin ａｄｍｉｎ ﬁ ß İ ı",
    "👩‍👩‍👧 🏳️‍🌈 é é \u{2028}x",
];

/// Not text, nor a number of any use, nor yes or no.
fn types() -> Vec<Json> {
    vec![json!(7), json!(-0.5), json!(1e300), json!(true), json!(["x"]), json!([]), json!({"x": 1}), json!({"eq": ["id", null]})]
}

fn texts(more: &[&str], length: usize) -> Vec<Json> {
    let more = more.iter().map(|text| json!(text)).chain([json!("x".repeat(length + 1)), json!("é".repeat(length + 1))]);
    types().into_iter().chain(more).collect()
}

/// What text of one line doesn't take.
pub fn line(length: usize) -> Vec<Json> {
    texts(&["", "a\u{0}b", "\u{0}", "a\r\nBcc: eve@example.org", "a\nb", "a\u{85}b", "a\u{1b}[2Jb"], length)
}

/// What text of several lines doesn't take.
pub fn text(length: usize) -> Vec<Json> {
    texts(&["a\u{0}b"], length)
}

/// What a password that is given doesn't take.
pub fn secret() -> Vec<Json> {
    texts(&["", "a\u{0}b"], 256)
}

/// What an address doesn't take: others beside it, headers, what isn't one.
pub fn address() -> Vec<Json> {
    let more = [
        "",
        " ",
        "x",
        "@",
        "x@",
        "@example.org",
        "x@y@example.org",
        "{{caller.email}}",
        "x@{{config}}",
        "x y@example.org",
        "x@example.org\r\nBcc: eve@example.org",
        "x@example.org\nDATA\n.\n",
        "x\u{0}@example.org",
        "x@example.org\u{0}",
        "x@example.org,eve@example.org",
        "x@example.org;eve@example.org",
        "x@example.org eve@example.org",
        "X <x@example.org>",
        "<x@example.org>",
        "\"x\"@example.org",
        "x@example..org",
        "x@-example.org",
        "x@example.org'--",
        "x@[127.0.0.1]",
    ];
    let long = format!("x@{}.org", "x".repeat(250));
    texts(&more, 260).into_iter().chain([json!(long), json!(format!("{}@example.org", "x".repeat(65)))]).collect()
}

/// What a row's id doesn't take. Text that is no row's id is not found, instead.
pub fn row() -> Vec<Json> {
    types()
}

/// What an id doesn't take.
pub fn uuid() -> Vec<Json> {
    types().into_iter().chain(["x", "", "' or true --"].map(Json::from)).collect()
}

/// What yes or no doesn't take.
pub fn flag() -> Vec<Json> {
    types().into_iter().filter(|value| !value.is_boolean()).chain([json!("true"), json!("")]).collect()
}

/// … and nothing, of an input that must be there.
pub fn required(values: Vec<Json>) -> Vec<Json> {
    values.into_iter().chain([Json::Null]).collect()
}
