//! Goldens of the SQL that decides who sees what, laid out, so that a change of it can be reviewed. `GOLDEN=write cargo test
//! --test main statement::golden` writes them anew.

use std::path::Path;
use std::sync::{Arc, LazyLock};

use rowhouse::config::Config;
use rowhouse::config::layers::load;
use rowhouse::permission::Right;
use rowhouse::plan::change::Change;
use rowhouse::plan::{Pick, Plan, Planner};
use rowhouse::request::Query;
use rowhouse::request::aggregate::Aggregate;
use rowhouse::schema::{Entity, Schema};
use rowhouse::statement::query::Guarded;
use rowhouse::statement::read::change::{Act, Brief};
use rowhouse::statement::read::{self, Part};
use rowhouse::statement::verdict::{self, Lock, Verdict};
use rowhouse::statement::who::{self, Known, Standing};
use rowhouse::statement::write::{self, Insert, Lifts, Parts};
use rowhouse::statement::{action, explain};
use uuid::Uuid;

static CONFIG: LazyLock<Config> = LazyLock::new(|| load(&Default::default(), &[]).expect("defaults").config);
static SCHEMA: LazyLock<Schema> = LazyLock::new(|| rowhouse::project::load(Path::new("examples/newsroom")).expect("a project").0);

/// What people read: each surface once as a member, and those whose text depends on who asks, as others too.
pub const READS: &[(&str, &str, &str)] = &[
    ("one row", "article", "one"),
    ("own account", "user_account", "mine"),
    ("several rows", "article", "these"),
    ("page by an index", "article", "page?sort=-published_at,title&page[size]=25"),
    ("page by no index", "article", "page?sort=words"),
    ("page after a cursor", "article", "page?sort=-created_at&page[after]="),
    ("page before a cursor", "article", "page?sort=-created_at&page[before]="),
    ("page with a total", "article", "page?page[total]=exact"),
    ("filter of a column", "article", "page?filter[title]=a&filter[words][gt]=3"),
    ("filter that searches", "article", "page?filter[title][starts]=a&sort=-published_at,title"),
    ("filter through relations", "article", "page?filter[section.articles.comments.text][contains]=a"),
    ("sort through a relation", "article", "page?sort=section.name"),
    ("filter tree", "article", "page?filter={\"or\":[{\"eq\":[\"title\",\"a\"]},{\"not\":{\"icontains\":[\"body\",\"b\"]}}]}"),
    ("limited columns", "tag", "page?sort=name"),
    ("include", "article", "page?include=author,comments.replies&sort=-created_at"),
    ("include that is shaped", "article", "one?include=comments&filter[comments][rating][gt]=3&sort[comments]=-rating"),
    ("related list", "article", "related:comments?sort=-created_at"),
    ("related row", "article", "related:author"),
    ("linkage", "article", "linkage:tags"),
    ("linkage of grants", "article", "linkage:usergroups"),
    ("linkage with what it leads to", "article", "linkage:comments?include=comments.replies"),
    ("members", "usergroup", "linkage:members"),
];

/// An aggregate with all that one can have.
pub const AGGREGATE: &str = "group=status,month(published_at),section.name&measure=count,sum(words),max(price)\
                             &filter[body][contains]=a&filter[words][gt]=1&having[count][gt]=1&sort=-count";

fn planner() -> Planner<'static> {
    Planner { schema: &SCHEMA, limits: &CONFIG.limits, page: &CONFIG.page }
}

const ROW: Uuid = Uuid::from_u128(7);

/// A plan of a fixed list. Cursors are made for its order.
pub fn plan<'s>(planner: Planner<'s>, entity: &'s Entity, what: &str) -> Plan<'s> {
    let (pick, query) = what.split_once('?').unwrap_or((what, ""));
    let mut query = query.to_owned();
    if query.ends_with("]=") {
        let order = planner.read(entity, Pick::Page, &Query::read("sort=-created_at"));
        let cursor = rowhouse::plan::page::cursor(&order.root, &[Some("2026-01-01T00:00:00Z"), Some(&ROW.to_string())]);
        query += &cursor;
    }
    let query = Query::read(&query);
    let relation = |name: &str| entity.relation(name).expect("a relation");
    let plan = match pick.split_once(':') {
        Some(("related", name)) => {
            let relation = relation(name);
            planner.read(planner.schema.target(relation), Pick::Related { parent: entity, id: ROW, relation }, &query)
        }
        Some((_, name)) => planner.linkage(entity, ROW, relation(name), &query),
        None => match pick {
            "one" => planner.read(entity, Pick::One(ROW), &query),
            "mine" => planner.read(entity, Pick::Mine, &query),
            "these" => planner.read(entity, Pick::These(&[ROW]), &query),
            _ => planner.read(entity, Pick::Page, &query),
        },
    };
    assert!(plan.faults.is_empty(), "{what}: {:?}", plan.faults);
    plan
}

fn golden(name: &str, text: &str) {
    let path = format!("tests/golden/sql/{}.sql", name.replace(' ', "_"));
    if std::env::var_os("GOLDEN").is_some_and(|does| does == "write") {
        std::fs::write(&path, format!("{text}\n")).expect("written");
    }
    let wanted = std::fs::read_to_string(&path).unwrap_or_else(|_| panic!("{path} is missing: GOLDEN=write makes it"));
    assert_eq!(format!("{text}\n"), wanted, "{path}: if it is meant, GOLDEN=write writes it anew");
}

fn statement(plan: &Plan<'_>, standing: Standing, part: Part) -> String {
    let known = Known::example(&SCHEMA, standing);
    Arc::new(read::shape(&SCHEMA, plan, &known, part)).read(plan, &known).text().to_owned()
}

#[test]
fn reads() {
    for (name, entity, what) in READS {
        let plan = plan(planner(), SCHEMA.entity(entity).expect("there"), what);
        golden(name, &statement(&plan, Standing::Member, Part::First));
    }
    let page = plan(planner(), SCHEMA.entity("article").expect("there"), READS[3].2);
    golden("page, candidates", &statement(&page, Standing::Member, Part::Candidates));
    for (who, standing) in
        [("guest", Standing::Guest), ("user in no group", Standing::Alone), ("administrator", Standing::Administrator)]
    {
        golden(&format!("page, {who}"), &statement(&page, standing, Part::First));
        let one = plan(planner(), SCHEMA.entity("article").expect("there"), "one");
        golden(&format!("one row, {who}"), &statement(&one, standing, Part::First));
    }
    golden("page, candidates, guest", &statement(&page, Standing::Guest, Part::Candidates));
}

fn of<T>(guarded: &Guarded<T>) -> &str {
    guarded.text()
}

#[test]
fn the_others() {
    let article = SCHEMA.entity("article").expect("there");
    let known = Known::example(&SCHEMA, Standing::Member);
    let totals = planner().totals(article, &Aggregate::read(AGGREGATE));
    assert!(totals.faults.is_empty(), "{:?}", totals.faults);
    let shape = Arc::new(read::aggregate::totals(&SCHEMA, &totals, &known));
    golden("aggregate", of(&shape.totals(&totals, &known)));
    golden("action's gate", of(&action::may_execute(article, ROW, &known)));
    golden("action's lock", of(&action::lock_subject(article, ROW, &known)));
    golden("proof", of(&who::proof(&known)));
    golden("proof, guest", of(&who::proof(&Known::example(&SCHEMA, Standing::Guest))));
    golden("learn", of(&who::learn(Some(ROW))));
    let gates = [(article, Right::Update)];
    let asked = Verdict { entity: article, ids: &[ROW], lifted: &[], gates: &gates, lock: None };
    let lock = Lock::changed(Right::Update);
    golden("lock", of(&verdict::lock(&asked, lock, Some(ROW))));
    golden("verdict", of(&verdict::judge(&asked, Some(ROW))));
    let title = article.column("title").expect("there");
    let nothing = Change::nothing(article, ROW);
    let change = Change { sets: vec![(title, Some("x".to_owned()))], ..nothing.clone() };
    let (sets, none) = (change.finished().expect("plain"), nothing.finished().expect("plain"));
    let parts = [Parts { id: ROW, sets, ones: &[("section", Some(ROW))], groups: None }];
    golden("update", of(&write::update(article, &parts, Lifts::default(), Some(ROW))));
    let insert = Insert { entity: article, owner: None, is_lifted: false, rows: &parts, callers: &["author"] };
    golden("create", of(&write::insert(&insert, Some(ROW))));
    golden("delete", of(&write::delete(article, &[ROW], Lifts::default(), Some(ROW))));
    let shown = plan(planner(), article, "one");
    let section = article.relation("section").expect("there");
    for act in [Act::Create, Act::Update, Act::Delete] {
        let sets = if act == Act::Delete { none } else { sets };
        let links = if act == Act::Delete { vec![] } else { vec![(section, "section", ROW)] };
        let callers = if act == Act::Create { vec!["author"] } else { vec![] };
        let versions = (act != Act::Create).then_some(&[7][..]);
        let brief = Brief { act, entity: article, id: ROW, sets, links, callers, versions };
        let shown = (act != Act::Delete).then_some(&shown);
        let shape = Arc::new(read::change::change(&SCHEMA, &brief, shown, &known));
        golden(&format!("{} in one message", act.right().word()), of(&shape.change(&brief, &known)));
    }
    for name in ["comments", "tags", "usergroups"] {
        let relation = article.relation(name).expect("there");
        let target = SCHEMA.target(relation);
        let targets = [rowhouse::plan::change::Target { id: ROW, bits: None }];
        let links = write::Links {
            entity: article,
            target,
            relation,
            id: ROW,
            verb: rowhouse::plan::change::Verb::Add,
            targets: &targets,
            asks: write::Asks::Update,
        };
        golden(&format!("link {name}"), of(&write::link(&links, Some(ROW))));
    }
    let question = explain::Question { entity: article, right: Right::Read, ids: vec![ROW], is_of_action: false };
    golden("explain", of(&explain::explain(&[question], None, Some(ROW))));
}
