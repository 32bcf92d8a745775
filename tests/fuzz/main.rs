//! Fuzz targets: whatever bytes arrive, the pure parts answer with a value or with faults that name their place.
//!
//! `cargo test` runs the corpus (`__fuzz__/<target>/corpus`) and a thousand random inputs each; `make fuzz` goes on for a
//! while. Random bytes seldom get past a grammar's first word: so they also pick from its words.

use std::path::Path;
use std::sync::{Arc, LazyLock};

use bolero::check;
use rowhouse::action::transfer::table::{self, Format, Layout};
use rowhouse::config::Config;
use rowhouse::config::layers::load;
use rowhouse::error::{Fault, Source};
use rowhouse::plan::{Pick, Plan, Planner};
use rowhouse::request::precondition::Expected;
use rowhouse::request::{Query, aggregate::Aggregate, body, media, operation, precondition, segments};
use rowhouse::schema::Schema;
use rowhouse::statement::query::Guarded;
use rowhouse::statement::read::{self, Part};
use rowhouse::statement::who::{Known, Standing};
use serde_json::{Value as Json, json};
use uuid::Uuid;

static CONFIG: LazyLock<Config> = LazyLock::new(|| load(&Default::default(), &[]).expect("defaults").config);
static SCHEMA: LazyLock<Schema> =
    LazyLock::new(|| rowhouse::project::load(Path::new("tests/projects/odd")).expect("a project").0);

fn planner() -> Planner<'static> {
    Planner { schema: &SCHEMA, limits: &CONFIG.limits, page: &CONFIG.page }
}

/// The input as it is, or, where it begins with an even byte, as words of a grammar.
fn text(input: &[u8], words: &[&str]) -> String {
    match input.split_first() {
        Some((first, rest)) if first % 2 == 0 => rest.iter().map(|byte| words[usize::from(*byte) % words.len()]).collect(),
        _ => String::from_utf8_lossy(input).into_owned(),
    }
}

/// A statement's placeholders are its values, and no value stands in its text.
fn check_statement<T>(statement: &Guarded<T>) {
    for at in 1..=statement.parameters() {
        assert!(statement.text().contains(&format!("${at}")), "${at} is bound for nothing: {}", statement.text());
    }
    assert!(!statement.text().contains(&format!("${}", statement.parameters() + 1)), "a placeholder without a value");
    assert!(!statement.text().contains("zzz"), "{}", statement.text());
}

fn check_plan(plan: &Plan<'_>) {
    if !plan.faults.is_empty() {
        return; // then only the entities are asked
    }
    for standing in [Standing::Guest, Standing::Alone, Standing::Member, Standing::Administrator] {
        let known = Known::example(&SCHEMA, standing);
        for part in [Part::First, Part::Candidates] {
            check_statement(&Arc::new(read::shape(&SCHEMA, plan, &known, part)).read(plan, &known));
        }
    }
}

fn check_parameters(faults: &[Fault]) {
    for fault in faults {
        assert!(!fault.detail.is_empty() && !matches!(fault.source, Source::Pointer(_)), "{fault:?}");
    }
}

fn check_pointers(faults: &[Fault], document: &Json) {
    assert!(!faults.is_empty());
    for fault in faults {
        let Source::Pointer(pointer) = &fault.source else { panic!("{fault:?} has no place") };
        assert!(document.pointer(pointer).is_some(), "ER3: {fault:?} points at nothing in {document}");
    }
}

const QUERY: &[&str] = &[
    "&",
    "=",
    "[",
    "]",
    ".",
    ",",
    "-",
    "%5B",
    "%5D",
    "+",
    "%00",
    "%zz",
    "filter",
    "sort",
    "page",
    "include",
    "fields",
    "size",
    "number",
    "after",
    "before",
    "total",
    "exact",
    "name",
    "who",
    "orders",
    "where",
    "select",
    "größe",
    "eq",
    "ge",
    "in",
    "null",
    "contains",
    "{\"eq\":[\"name\",\"zzz\"]}",
    "{\"and\":[",
    "]}",
    "zzz",
    "1",
    "'",
    "\"",
    "a",
    "next",
    "group",
    "measure",
    "count",
    "sum(select)",
    "having",
];

#[test]
fn query() {
    check!().for_each(|input: &[u8]| {
        let text = text(input, QUERY);
        let read_as = |name: &str| {
            let entity = SCHEMA.entity(name).expect("there");
            let query = Query::read(&text);
            let plan = planner().read(entity, Pick::Page, &query);
            check_parameters(&plan.faults);
            check_plan(&plan);
            let relation = &entity.relations[0];
            let plan = planner().linkage(entity, Uuid::nil(), relation, &query);
            check_plan(&plan);
            let totals = planner().totals(entity, &Aggregate::read(&text));
            check_parameters(&totals.faults);
            if totals.faults.is_empty() {
                let known = Known::example(&SCHEMA, Standing::Member);
                let shape = Arc::new(read::aggregate::totals(&SCHEMA, &totals, &known));
                check_statement(&shape.totals(&totals, &known));
            }
        };
        read_as("a");
        read_as("order");
        _ = segments(&text);
    });
}

const CURSOR: &[&str] = &["WyJ4Il0", "W", "A", "=", "-", "_", "bnVsbA", "[", "\""];

#[test]
fn cursors() {
    check!().for_each(|input: &[u8]| {
        let cursor = text(input, CURSOR);
        let query = form_urlencoded::Serializer::new(String::new()).append_pair("page[after]", &cursor).finish();
        let plan = planner().read(SCHEMA.entity("order").expect("there"), Pick::Page, &Query::read(&query));
        assert!(!plan.faults.is_empty(), "nobody guesses a cursor: {cursor}");
        check_parameters(&plan.faults);
    });
}

const NAMES: &[&str] = &[
    "data",
    "type",
    "id",
    "lid",
    "attributes",
    "relationships",
    "meta",
    "order",
    "a",
    "where",
    "next",
    "select",
    "größe",
    "from",
    "permission",
    "atomic:operations",
    "op",
    "add",
    "update",
    "remove",
    "ref",
    "href",
    "/api/a",
    "relationship",
    "018f0000-0000-7000-8000-000000000000",
    "zzz",
    "\0",
    "if_match",
    "\"1-x\"",
    "@x",
    "a/b",
    "~",
];

/// JSON of a form that a document might have: of each byte a choice.
fn value(bytes: &mut std::slice::Iter<'_, u8>, depth: usize) -> Json {
    let mut next = || usize::from(bytes.next().copied().unwrap_or(0));
    let (choice, much) = (next(), next());
    match choice % 10 {
        0..=4 if depth < 7 => {
            let names: Vec<_> = (0..much % 6).map(|_| NAMES[next() % NAMES.len()]).collect();
            names.into_iter().map(|name| (name.to_owned(), value(bytes, depth + 1))).collect()
        }
        5 if depth < 7 => (0..much % 4).map(|_| value(bytes, depth + 1)).collect(),
        6 => [Json::Null, json!(1), json!(-1e9), json!(true)][much % 4].clone(),
        _ => json!(NAMES[much % NAMES.len()]),
    }
}

/// A document: what a client might send, with a part of it anything.
fn document(input: &[u8]) -> String {
    let Some((first, rest)) = input.split_first() else { return String::new() };
    let mut bytes = rest.iter();
    let mut any = || value(&mut bytes, 2);
    let whole = match first % 6 {
        0 => json!({"data": any(), "meta": any()}),
        1 => json!({"data": {"type": "order", "id": any(), "attributes": any(), "relationships": any()}}),
        2 => {
            json!({"data": {"type": "order", "lid": "1", "relationships": {"where": {"data": [any(), any()]}, "next": {"data": any()}}}})
        }
        3 => {
            json!({"atomic:operations": [any(), any(), {"op": "add", "data": any()}, {"op": "update", "ref": any(), "data": any()}, {"op": "remove", "href": any()}]})
        }
        4 => any(),
        _ => return String::from_utf8_lossy(rest).into_owned(),
    };
    whole.to_string()
}

#[test]
fn documents() {
    check!().for_each(|input: &[u8]| {
        let text = document(input);
        let Ok(document) = body::json(text.as_bytes()) else { return };
        assert_eq!(serde_json::from_str::<Json>(&text).ok().as_ref(), Some(&document), "read as everybody reads it");
        match body::resource(&document) {
            Ok(mut resource) => {
                _ = resource.resolve(&body::Lids::new());
                for is_new in [true, false] {
                    let change = planner().change(SCHEMA.entity("order").expect("there"), Uuid::nil(), is_new, &resource);
                    if !change.faults.is_empty() {
                        check_pointers(&change.faults, &document);
                    }
                }
            }
            Err(faults) => check_pointers(&faults, &document),
        }
        if let Err(faults) = body::relationship(&document) {
            check_pointers(&faults, &document);
        }
        if let Err(faults) = operation::read(&document, "", 1000, &mut Uuid::now_v7) {
            check_pointers(&faults, &document);
        }
    });
}

const MEDIA: &[&str] = &[
    "application/vnd.api+json",
    "application/json",
    "*/*",
    "application/*",
    ";",
    ",",
    "=",
    "\"",
    " ",
    "q=",
    "0",
    "1",
    ".5",
    "ext",
    "profile",
    "charset=utf-8",
    "https://jsonapi.org/ext/atomic",
    "https://jsonapi.org/profiles/ethanresnick/cursor-pagination/",
    "\\",
];

#[test]
fn media_types() {
    check!().for_each(|input: &[u8]| {
        let text = text(input, MEDIA);
        _ = (media::content(Some(&text), false), media::content(Some(&text), true), media::action_content(Some(&text)));
        _ = media::accept(Some(&text));
        if !text.contains('"') {
            let also = format!("{text}, application/vnd.api+json");
            assert!(media::accept(Some(&also)).is_ok(), "CN6: one good among several: {also}");
        }
        _ = precondition::is_known(Some(&text), "\"1-x\"");
        assert_ne!(Expected::read(Some(&text)), Expected::Unsaid);
    });
}

const TABLE: &[&str] = &[
    "name",
    "größe",
    ",",
    ";",
    "\n",
    "\r\n",
    "\"",
    "\"\"",
    "1",
    "0.5",
    "x",
    "[",
    "]",
    "{",
    "}",
    ":",
    "null",
    "\\u0000",
    "\u{feff}",
    "<row>",
    "</row>",
    "<row r=\"3\">",
    "<c>",
    "<c t=\"s\">",
    "<c t=\"b\" r=\"B2\">",
    "<c s=\"1\">",
    "<c t=\"inlineStr\">",
    "<c t=\"e\"/>",
    "</c>",
    "<v>",
    "</v>",
    "<is>",
    "</is>",
    "<t>",
    "</t>",
    "<rPh>",
    "</rPh>",
    "<si>",
    "</si>",
    "&amp;",
    "&#x0;",
    "&x;",
    "<![CDATA[",
    "]]>",
    "<!--",
    "-->",
    "45351.75",
    "-1",
    "1e308",
    "<numFmt numFmtId=\"7\" formatCode=\"[h]:mm;@\"/>",
    "<cellXfs>",
    "<xf numFmtId=\"7\"/>",
    "</cellXfs>",
];

/// A workbook whose sheet, shared texts and styles are these.
fn workbook(parts: [&str; 3]) -> Vec<u8> {
    let names = ["xl/worksheets/s.xml", "xl/t.xml", "xl/f.xml"];
    let kinds = ["worksheet", "sharedStrings", "styles"];
    let leads = (0..3).map(|at| format!("<Relationship Id=\"{at}\" Type=\"/{}\" Target=\"/{}\"/>", kinds[at], names[at]));
    let leads = format!("<Relationships>{}</Relationships>", leads.collect::<String>());
    let book = "<workbook><workbookPr date1904=\"1\"/><sheets><sheet name=\"A\" r:id=\"0\"/></sheets></workbook>";
    let [sheet, texts, styles] = parts;
    let sheet = format!("<worksheet><sheetData>{sheet}</sheetData></worksheet>");
    let files = [
        ("xl/workbook.xml", book),
        ("xl/_rels/workbook.xml.rels", &leads),
        (names[0], &sheet),
        (names[1], texts),
        (names[2], styles),
    ];
    let mut archive = zip::ZipWriter::new(std::io::Cursor::new(vec![]));
    let stored = zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    for (name, text) in files {
        archive.start_file(name, stored).expect("begun");
        std::io::Write::write_all(&mut archive, text.as_bytes()).expect("written");
    }
    archive.finish().expect("finished").into_inner()
}

#[test]
fn tables() {
    check!().for_each(|input: &[u8]| {
        let Some((first, rest)) = input.split_first() else { return };
        let words = || text(rest, TABLE);
        let (format, bytes) = match first % 5 {
            0 => ("csv", words().into_bytes()),
            1 => ("json", words().into_bytes()),
            2 => ("xlsx", rest.to_vec()),
            3 => {
                // A workbook of which some bytes are others.
                let mut bytes = workbook(["<row><c t=\"inlineStr\"><is><t>a</t></is></c></row>", "", ""]);
                for pair in rest.chunks_exact(2) {
                    let at = usize::from(pair[0]) * 7 % bytes.len();
                    bytes[at] = pair[1];
                }
                ("xlsx", bytes)
            }
            _ => {
                let words = words();
                let at = words.char_indices().map(|(at, _)| at).nth(words.chars().count() / 2).unwrap_or(0);
                let (sheet, others) = words.split_at(at);
                ("xlsx", workbook([sheet, &format!("<sst>{others}</sst>"), &format!("<styleSheet>{others}</styleSheet>")]))
            }
        };
        let mut number = 0;
        let read =
            table::rows(std::io::Cursor::new(bytes), &Layout::of(Format::of(format, false)), &Default::default(), &mut |lines| {
                assert!(!lines.is_empty());
                for line in lines {
                    number += 1;
                    assert!(line.number == number && line.place > 0, "{line:?}");
                    assert!(line.iter().all(|(name, _)| !name.is_empty() && name.len() < 256), "{line:?}");
                }
                Ok(())
            });
        if let Err(stop) = read {
            assert!(matches!(&stop, table::Stop::Broken(words) if words.ends_with('.')), "{stop:?}");
        }
    });
}
