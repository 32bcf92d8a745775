//! What the server sends for a request: read from PostgreSQL's log, never typed again, and made into scripts for pgbench.
//!
//! In charge of: asking with the log on, telling a request's statements from what an idle server says by itself, and
//! spelling them with pgbench's variables. Statements stand in order, with their transaction; their values are those of some
//! hundred requests, kept in a table of the schema `bench` that each client of pgbench looks into every hundredth time.

use std::collections::{HashMap, HashSet};
use std::io::{Read as _, Seek as _, SeekFrom};
use std::time::Duration;

use tokio::runtime::Runtime;
use tokio_postgres::SimpleQueryMessage;

use crate::cluster::Cluster;
use crate::load::{Ask, Connection, Random, Target, number};

/// Requests whose values pgbench is given: so many that 64 clients have several rows each to themselves.
const LOTS: usize = 512;

/// How often a client of pgbench uses the same values.
const TURNS: u32 = 100;

/// One message of the server's.
#[derive(Clone)]
struct Message {
    session: String,
    sql: String,
    values: Vec<Option<String>>,
    is_simple: bool,
    is_named: bool,
}

/// What a request is made of.
pub struct Captured {
    name: String,
    messages: Vec<Message>,
    lots: Vec<Lot>,
    kinds: Vec<Vec<String>>,
    /// What else was sent per request: by those that it woke.
    pub woken: f64,
}

struct Lot {
    values: Vec<Vec<Option<String>>>,
    id: Option<String>,
    title: Option<String>,
}

impl Captured {
    pub fn count(&self) -> usize {
        self.messages.len()
    }

    /// Messages that PostgreSQL parses and plans each time.
    pub fn unnamed(&self) -> usize {
        self.messages.iter().filter(|m| !m.is_named && !m.is_simple).count()
    }

    pub fn texts(&self) -> Vec<&str> {
        self.messages.iter().map(|m| m.sql.as_str()).collect()
    }
}

/// What an idle server asks PostgreSQL by itself.
pub fn idle(cluster: &Cluster, runtime: &Runtime, database: &str, patience: Duration) -> HashSet<String> {
    let from = size(cluster);
    cluster.log_statements(runtime, true);
    std::thread::sleep(patience);
    cluster.log_statements(runtime, false);
    read(cluster, from, database).into_iter().filter(|m| !is_bracket(&m.sql)).map(|m| m.sql).collect()
}

/// Asks some hundred times, one after the other, and reads what came of each.
pub fn capture(
    cluster: &Cluster,
    runtime: &Runtime,
    (name, database): (&str, &str),
    (target, ask): (&Target, &Ask),
    idle: &HashSet<String>,
) -> Captured {
    let from = size(cluster);
    cluster.log_statements(runtime, true);
    let mut asked = vec![];
    runtime.block_on(async {
        let marker = cluster.connect(database).await;
        let mut connection = Connection::open(target).await;
        let mut random = Random::new(7);
        for n in 0..LOTS {
            marker.simple_query(&format!("select 'request {n}'")).await.unwrap();
            let path = (ask.path)(&mut random);
            let body = ask.body.as_ref().map(|b| b(&path, number()));
            let answer = connection.ask(target, ask.method, &path, body.as_deref()).await;
            let text = |text: &str, key: &str| Some(text.split(key).nth(1)?.split('"').next()?.to_owned());
            let id = (ask.method == "POST").then(|| text(&String::from_utf8_lossy(answer), "\"id\":\"")).flatten();
            asked.push((id, body.and_then(|b| text(&b, "\"title\":\""))));
        }
        marker.simple_query("select 'request end'").await.unwrap();
    });
    cluster.log_statements(runtime, false);
    let mut groups: Vec<Vec<Message>> = vec![];
    for message in read(cluster, from, database) {
        match (message.sql.starts_with("select 'request "), groups.last_mut()) {
            (true, _) => groups.push(vec![]),
            (false, Some(group)) => group.push(message),
            (false, None) => {}
        }
    }
    groups.truncate(LOTS);
    let (mut requests, mut woken) = (vec![], 0);
    for (group, (id, title)) in groups.into_iter().zip(asked) {
        let all = group.len();
        let messages = own(group, idle);
        woken += all - messages.len();
        requests.push((messages, id, title));
    }
    // The shape that most have: another one now and then is a cache's miss, or somebody's turn at a queue.
    let shape = |messages: &[Message]| messages.iter().map(shape).collect::<Vec<_>>().join(";\n");
    let mut shapes: HashMap<String, usize> = HashMap::new();
    for (messages, ..) in &requests {
        *shapes.entry(shape(messages)).or_default() += 1;
    }
    let (most, often) = shapes.into_iter().max_by_key(|(_, n)| *n).expect("statements in PostgreSQL's log");
    assert!(often * 2 > LOTS, "{name}: the server sends something else each time: {often} of {LOTS} times\n{most}");
    let total = requests.len() as f64;
    requests.retain(|(messages, ..)| shape(messages) == most);
    let messages = requests[0].0.clone();
    let nulls = |messages: &[Message]| messages.iter().flat_map(|m| m.values.iter().map(Option::is_none)).collect::<Vec<_>>();
    requests.retain(|(other, ..)| nulls(other) == nulls(&messages));
    let values = |messages: Vec<Message>| messages.into_iter().map(|m| m.values).collect();
    let lots = requests.into_iter().map(|(m, id, title)| Lot { values: values(m), id, title }).collect();
    let kinds = runtime.block_on(async {
        let client = cluster.connect(database).await;
        let mut kinds = vec![];
        for message in &messages {
            kinds.push(match message.is_simple {
                true => vec![],
                false => {
                    let prepared = client.prepare(&message.sql).await.unwrap_or_else(|e| panic!("{e:?}\n{}", message.sql));
                    let kind = |k: &tokio_postgres::types::Type| format!("\"{}\".\"{}\"", k.schema(), k.name());
                    prepared.params().iter().map(kind).collect()
                }
            });
        }
        kinds
    });
    Captured { name: name.to_owned(), messages, lots, kinds, woken: woken as f64 / total }
}

/// The table of values, and the script: pgbench's counterpart of the request.
pub fn script(cluster: &Cluster, runtime: &Runtime, database: &str, captured: &Captured) -> Script {
    let mut columns: Vec<(String, Vec<String>)> = vec![]; // by name, with the value of each lot
    let (mut prepares, mut text, mut examples) = (String::new(), String::new(), vec![]);
    for (at, message) in captured.messages.iter().enumerate() {
        let is_insert = captured.lots[0].id.is_some() && message.sql.contains("insert into") && message.sql.contains("article");
        let (mut sent, mut first) = (vec![], vec![]); // each parameter, and as it was for the first request
        for (place, kind) in captured.kinds[at].iter().enumerate() {
            let variable = format!("m{at}p{}", place + 1);
            let value = |lot: &Lot| lot.values[at].get(place).cloned().flatten();
            first.push(format!("{}::{kind}", value(&captured.lots[0]).map_or("null".to_owned(), |v| quote(&v))));
            if captured.lots.iter().all(|lot| value(lot).is_none()) {
                sent.push("null".to_owned());
                continue;
            }
            let all: Vec<String> = captured.lots.iter().map(|lot| value(lot).unwrap_or_default()).collect();
            // What must be new each time: the title, and the id of a row that is made. It stands alone or in an array.
            let holds = |of: &dyn Fn(&Lot) -> Option<String>| {
                captured.lots.iter().zip(&all).all(|(lot, v)| of(lot).is_some_and(|part| v.contains(&part)))
            };
            let is_title = holds(&|lot| lot.title.clone());
            let fresh = match (is_insert && holds(&|lot| lot.id.clone()), is_title) {
                (true, _) => Some((captured.lots.iter().map(|l| l.id.clone()).collect::<Vec<_>>(), "gen_random_uuid()")),
                (_, true) => Some((captured.lots.iter().map(|l| l.title.clone()).collect(), "(:fresh)")),
                _ => None,
            };
            let Some((parts, new)) = fresh else {
                sent.push(format!(":{variable}"));
                columns.push((variable, all));
                continue;
            };
            if all.iter().zip(&parts).all(|(v, part)| Some(v) == part.as_ref()) {
                sent.push(format!("{new}::{kind}"));
                first[place] = format!("{new}::{kind}").replace("(:fresh)", "1");
                continue;
            }
            let around = all.iter().zip(&parts).map(|(v, part)| v.replace(part.as_deref().unwrap_or_default(), "*"));
            columns.push((variable.clone(), around.collect()));
            sent.push(format!("replace(:{variable}, '*', {new}::text)::{kind}"));
            let (_, around) = &columns[columns.len() - 1];
            first[place] = format!("replace({}, '*', {new}::text)::{kind}", quote(&around[0])).replace("(:fresh)", "1");
        }
        let example = |n: usize| first.get(n - 1).cloned().unwrap_or_else(|| format!("${n}"));
        examples.extend(for_pgbench(&message.sql, example));
        let parts = for_pgbench(&message.sql, |n| format!("${n}"));
        match (message.is_simple, parts.as_slice()) {
            (false, [one]) => {
                prepares += &format!("prepare m{at}{} as {one};\n", list(&captured.kinds[at]));
                text += &format!("execute m{at}{};\n", list(&sent));
            }
            _ => parts.iter().for_each(|part| text += &format!("{part};\n")),
        }
    }
    let table = format!("bench.lot_{}", captured.name);
    fill(cluster, runtime, database, &table, &columns);
    let names: Vec<_> = columns.iter().map(|(name, _)| name.as_str()).collect();
    Script { text: head(&table, &names, &prepares) + &text, lots: captured.lots.len(), example: examples }
}

pub struct Script {
    pub text: String,
    /// How many rows of values there are.
    pub lots: usize,
    /// The statements with the values of the first request, to look at what comes.
    example: Vec<String>,
}

/// A script of one statement, with its parameters' types and variables.
pub fn bare(table: &str, columns: &[&str], sql: &str, (kinds, values): (&[String], &[String]), lots: usize) -> Script {
    let prepares = format!("prepare bare{} as {sql};\n", list(kinds));
    let text = format!("execute bare{};\n", list(values));
    Script { text: head(table, columns, &prepares) + &text, lots, example: vec![] }
}

impl Script {
    /// Whether the statements still do what they did for the server. What they prove (a session, or what the server knew) may
    /// have ceased to hold, and pgbench would then measure how fast nothing is done.
    pub fn check(&self, cluster: &Cluster, runtime: &Runtime, database: &str) {
        runtime.block_on(async {
            let client = cluster.connect(database).await;
            if !self.example.iter().any(|sql| is_bracket(sql.trim())) {
                client.batch_execute("begin").await.unwrap();
            }
            let mut last = None;
            for sql in self.example.iter().filter(|sql| !sql.trim().to_ascii_lowercase().starts_with("commit")) {
                let said = client.simple_query(sql).await.unwrap_or_else(|e| panic!("{e:?}\n{sql}"));
                let rows = said.iter().filter_map(|m| if let SimpleQueryMessage::Row(row) = m { Some(row) } else { None });
                let rows: Vec<_> = rows.collect();
                assert!(rows.first().is_none_or(|row| row.get(0) != Some("f")), "no longer holds:\n{sql}");
                if sql.contains("article") {
                    last = Some(rows.len());
                }
            }
            client.batch_execute("rollback").await.unwrap();
            assert!(last != Some(0), "gives no row any more:\n{}", self.example.join(";\n"));
        });
    }
}

/// What stands between brackets, if anything does.
fn list(items: &[String]) -> String {
    if items.is_empty() { String::new() } else { format!("({})", items.join(", ")) }
}

/// What a script begins with: the statements that are prepared, a number that is new, and now and then other values. (pgbench's
/// own way to prepare sends a parameter as often as it is named, and PostgreSQL then reads it as often.)
pub fn head(table: &str, columns: &[&str], prepares: &str) -> String {
    let mut text = format!("\\set fresh random(1, 1000000000)\n\\set turn :turn + 1\n\\if :turn = 1\n{prepares}\\endif\n");
    if !columns.is_empty() {
        let quoted: Vec<_> = columns.iter().map(|column| format!("quote_literal({column}) as {column}")).collect();
        text += &format!(
            "\\if :turn % {TURNS} = 1\n\\set pick :client_id + :clients * random(0, :each - 1)\n\
             select {} from {table} where n = :pick::integer \\gset\n\\endif\n",
            quoted.join(", ")
        );
    }
    text
}

/// Makes a table of values.
pub fn fill(cluster: &Cluster, runtime: &Runtime, database: &str, table: &str, columns: &[(String, Vec<String>)]) {
    let Some((_, first)) = columns.first() else { return };
    let names: Vec<_> = columns.iter().map(|(name, _)| format!("{name} text not null")).collect();
    let rows = (0..first.len()).map(|n| {
        let values: Vec<_> = columns.iter().map(|(_, values)| quote(&values[n])).collect();
        format!("({n}, {})", values.join(", "))
    });
    let rows = rows.collect::<Vec<_>>().join(",\n");
    let sql = format!(
        "create schema if not exists bench; drop table if exists {table}; \
         create table {table} (n integer primary key, {}); insert into {table} values {rows}; analyze {table}",
        names.join(", ")
    );
    cluster.sql(runtime, database, &sql);
}

fn quote(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

fn size(cluster: &Cluster) -> u64 {
    std::fs::metadata(cluster.log()).map_or(0, |m| m.len())
}

/// A statement without what is a literal in it where it has no parameters: begin says which request it is for.
fn shape(message: &Message) -> String {
    match message.is_simple {
        false => message.sql.clone(),
        true => message.sql.split('\'').step_by(2).collect::<Vec<_>>().join("'"),
    }
}

/// Whether it begins or ends a transaction.
fn is_bracket(sql: &str) -> bool {
    ["begin", "commit", "rollback"].iter().any(|word| sql.to_ascii_lowercase().starts_with(word))
}

/// Of the messages of some time those of the request: whole transactions, and single statements before and in between.
fn own(group: Vec<Message>, idle: &HashSet<String>) -> Vec<Message> {
    let mut units: Vec<Vec<Message>> = vec![];
    let mut open: HashMap<String, usize> = HashMap::new(); // by session, its transaction
    for message in group {
        let sql = message.sql.to_ascii_lowercase();
        let session = message.session.clone();
        match open.get(&session) {
            Some(at) => {
                units[*at].push(message);
                if sql.starts_with("commit") || sql.starts_with("rollback") {
                    open.remove(&session);
                }
            }
            None => {
                if sql.starts_with("begin") {
                    open.insert(session, units.len());
                }
                units.push(vec![message]);
            }
        }
    }
    units.retain(|unit| !unit.iter().any(|m| idle.contains(&m.sql)));
    // What comes after a transaction's end was woken by it.
    if let Some(last) = units.iter().position(|unit| unit.len() > 1) {
        units.truncate(last + 1);
    }
    units.into_iter().flatten().collect()
}

/// The statements in the log since then.
fn read(cluster: &Cluster, from: u64, database: &str) -> Vec<Message> {
    let mut file = std::fs::File::open(cluster.log()).unwrap();
    file.seek(SeekFrom::Start(from)).unwrap();
    let mut text = String::new();
    file.read_to_string(&mut text).unwrap();
    let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(text.as_bytes());
    let mut found = vec![];
    for record in reader.records() {
        let record = record.expect("PostgreSQL's log is CSV");
        let column = |i: usize| record.get(i).unwrap_or_default();
        if column(2) != database {
            continue;
        }
        let (message, session) = (column(13), column(5).to_owned());
        if let Some(sql) = message.strip_prefix("statement: ") {
            let sql = sql.trim().to_owned();
            found.push(Message { session, sql, values: vec![], is_simple: true, is_named: false });
        } else if let Some((name, sql)) = message.strip_prefix("execute ").and_then(|m| m.split_once(": ")) {
            let is_named = name != "<unnamed>";
            found.push(Message { session, sql: sql.trim().to_owned(), values: values(column(14)), is_simple: false, is_named });
        }
    }
    found
}

/// `parameters: $1 = 'it''s', $2 = NULL`
fn values(detail: &str) -> Vec<Option<String>> {
    let mut rest = detail.split_once(": ").map_or("", |(_, values)| values);
    let mut found = vec![];
    while let Some((_, value)) = rest.split_once(" = ") {
        let Some(quoted) = value.strip_prefix('\'') else {
            found.push(None);
            rest = value.strip_prefix("NULL").expect("a value or NULL");
            continue;
        };
        let (mut text, mut end) = (String::new(), quoted.len());
        let mut chars = quoted.char_indices().peekable();
        while let Some((at, c)) = chars.next() {
            match (c, chars.peek()) {
                ('\'', Some((_, '\''))) => _ = chars.next(),
                ('\'', _) => {
                    end = at + 1;
                    break;
                }
                _ => {}
            }
            text.push(c);
        }
        found.push(Some(text));
        rest = &quoted[end..];
    }
    found
}

/// Spells SQL so that pgbench leaves it as it is: a colon in a literal begins no variable, and `$1` becomes one. Gives the
/// statements one by one, for pgbench can't prepare several at once.
fn for_pgbench(sql: &str, variable: impl Fn(usize) -> String) -> Vec<String> {
    let mut all = vec![String::new()];
    let mut rest = sql;
    while let Some(c) = rest.chars().next() {
        let text = all.last_mut().expect("one at least");
        let length = match c {
            '\'' => {
                let escapes = text.ends_with(['E', 'e']) && !text[..text.len() - 1].ends_with(|c: char| c.is_alphanumeric());
                let length = literal(rest, escapes);
                match rest[..length].contains(':') && !escapes {
                    true => *text += &format!("E{}", rest[..length].replace('\\', "\\\\").replace(':', "\\072")),
                    false => *text += &rest[..length].replace(':', "\\072"),
                }
                length
            }
            '"' => {
                let length = 1 + rest[1..].find('"').map_or(rest.len() - 1, |i| i + 1);
                *text += &rest[..length];
                length
            }
            '-' if rest.starts_with("--") => rest.find('\n').unwrap_or(rest.len()),
            '/' if rest.starts_with("/*") => rest.find("*/").map_or(rest.len(), |i| i + 2),
            '$' => {
                let digits = rest[1..].bytes().take_while(u8::is_ascii_digit).count();
                assert!(digits > 0, "dollar quotes in a statement of a request: {sql}");
                *text += &variable(rest[1..=digits].parse().unwrap());
                1 + digits
            }
            ':' if rest.starts_with("::") => {
                *text += "::";
                2
            }
            ':' => {
                *text += ": "; // a slice of an array
                1
            }
            ';' => {
                all.push(String::new());
                1
            }
            other => {
                text.push(other);
                other.len_utf8()
            }
        };
        rest = &rest[length..];
    }
    all.retain(|text| !text.trim().is_empty());
    all
}

/// How long the literal is that the text begins with.
fn literal(text: &str, escapes: bool) -> usize {
    let bytes = text.as_bytes();
    let mut at = 1;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' if escapes => at += 1,
            b'\'' if bytes.get(at + 1) == Some(&b'\'') => at += 1,
            b'\'' => return at + 1,
            _ => {}
        }
        at += 1;
    }
    at
}
