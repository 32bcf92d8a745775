//! Fuzz targets: whatever bytes arrive, the pure parts answer with a value or with faults that name their place.
//!
//! `cargo test` runs the corpus (`__fuzz__/<target>/corpus`) and a thousand random inputs each; `make fuzz` goes on for a
//! while. Random bytes seldom get past a grammar's first word: so they also pick from its words.

use std::path::Path;
use std::sync::{Arc, LazyLock};

use bolero::check;
use rowhouse::config::{Config, load};
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
