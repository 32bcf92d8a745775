//! Everything at once, for `SOAK_SECONDS` (a minute; `make soak`: ten): two servers on one database, writers, readers, changing
//! rights, imports, listeners and rude clients, while connections are ended, PostgreSQL is started anew, and a server is killed.
//! No write that was acknowledged is lost, nothing is done twice, nobody is shown what they may not see or is refused what they
//! may, no request ends with an error of ours; and in the end the pools are whole, and memory is what it was.

mod history;
mod place;
#[path = "../house/process.rs"]
#[allow(dead_code, reason = "the tests of the process use more of it")]
mod process;
mod work;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use place::Place;
use reqwest::Method;
use work::{Ledger, Rights};

/// Between two things that go wrong.
const CALM: Duration = Duration::from_secs(4);
/// A task that was begun by who was killed is another's after two minutes.
const SETTLED: u64 = 240;

/// Does one thing after the other to them, until the end. Gives how much was done.
async fn chaos(place: &Place, seconds: u64) -> (usize, f64) {
    let (began, mut count, mut memory) = (Instant::now(), 0, 0.0);
    while began.elapsed().as_secs() < seconds {
        tokio::time::sleep(CALM).await;
        if memory == 0.0 && began.elapsed().as_secs() * 3 > seconds {
            memory = place.memory();
        }
        match count % 6 {
            0 | 2 | 4 => {
                let ends = "select count(pg_terminate_backend(pid)) from pg_stat_activity
                    where datname = 'soak' and pid <> pg_backend_pid() and random() < 0.5";
                place.sql(ends).await.expect("ended");
            }
            1 => place.restart_postgres("INT").await,
            3 => tokio::task::block_in_place(|| place.restart_node()),
            _ => place.restart_postgres("QUIT").await,
        }
        count += 1;
    }
    (count, memory)
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_done_twice_or_shown_wrongly() {
    let seconds = std::env::var("SOAK_SECONDS").ok().and_then(|seconds| seconds.parse().ok()).unwrap_or(60);
    let place = Arc::new(Place::new().await);
    let rights = Arc::new(Rights::new(&place).await);
    // Before anything goes wrong: whoever has no answer to a sign-up doesn't know who they are.
    let rude = place.person("rude").await;
    let (ordering, importing) = (place.person("orders").await, place.person("imports").await);
    let mut writing = vec![];
    for who in 0..4 {
        writing.push(place.person(&format!("writer{who}")).await);
    }
    let mut writers = vec![];
    for (who, token) in writing.into_iter().enumerate() {
        let place = place.clone();
        writers.push(tokio::spawn(async move { work::writer(&place, who, &token).await }));
    }
    let (p, q) = (place.clone(), place.clone());
    writers.push(tokio::spawn(async move { work::orders(&p, &ordering).await }));
    writers.push(tokio::spawn(async move { work::imports(&q, &importing).await }));
    let mut others = vec![];
    for at in 0..3 {
        let (place, rights, rude) = (place.clone(), rights.clone(), rude.clone());
        others.push(tokio::spawn(async move {
            match at {
                0 => rights.change(&place).await,
                1 => rights.read(&place).await,
                _ => work::rude(&place, &rude).await,
            }
        }));
    }
    let (troubles, memory_before) = chaos(&place, seconds).await;
    place.is_over.store(true, Ordering::Relaxed);
    let mut ledgers = vec![];
    for writer in writers {
        ledgers.push(writer.await.expect("no wrong answer"));
    }
    for other in others {
        other.await.expect("no wrong answer");
    }
    place
        .until("both answer", 30, async || {
            let mut is_ready = true;
            for node in 0..2 {
                is_ready &= place.ask(node, None, (Method::GET, "/readyz", None)).await.is_some_and(|a| a.status == 200);
            }
            is_ready
        })
        .await;
    settle(&place).await;
    audit(&place, &ledgers).await;
    let memory = place.memory();
    let (asked, unanswered) = (place.asked.load(Ordering::Relaxed), place.unanswered.load(Ordering::Relaxed));
    let rows: usize = ledgers.iter().map(|ledger| ledger.entries.len() + ledger.orders.len()).sum();
    let changes = *rights.changes.lock().expect("no panic");
    #[allow(clippy::print_stdout, reason = "the report")]
    let () = println!(
        "{seconds} s: {asked} requests, {unanswered} of them without an end, {rows} rows written, {changes} changes of rights, \
         {troubles} troubles; memory {memory_before:.0} MiB after a third, {memory:.0} MiB in the end"
    );
    // The control: there was work, and there was trouble.
    assert!(asked > 500 && unanswered > 5 && rows > 100 && changes > 50 && troubles > 5);
    assert!(memory < memory_before * 1.25 + 16.0, "memory grew from {memory_before} to {memory} MiB");
}

/// Waits until nothing is to be done any more, and nobody holds a connection.
async fn settle(place: &Place) {
    let left = "select (select count(*) from task where state = 'waiting')
        + (select count(*) from transfer where state in ('waiting', 'running'))";
    place.until("tasks and transfers end", SETTLED, async || place.sql(left).await.is_ok_and(|rows| rows[0][0] == "0")).await;
    for node in 0..2 {
        place.until("the pool is whole", 30, async || place.connections(node, "in use").await == Some(0)).await;
        let most = place.connections(node, "most").await.expect("said");
        assert!(place.connections(node, "idle").await.is_some_and(|idle| idle <= most));
        // And whoever wants as many as there are gets them.
        let asked = (0..4 * most).map(|_| place.ask(node, None, (Method::GET, "/api/note", None)));
        for answer in futures_util::future::join_all(asked).await {
            assert_eq!(answer.expect("an answer").status, 200);
        }
    }
}

async fn audit(place: &Place, ledgers: &[Ledger]) {
    let names = async |table: &str| -> Vec<String> {
        let rows = place.sql(&format!("select name from \"{table}\" order by name")).await.expect("read");
        rows.into_iter().map(|row| row[0].clone()).collect()
    };
    let (entries, orders, echoes) = (names("entry").await, names("order").await, names("echo").await);
    for (what, found) in [("entry", &entries), ("order", &orders), ("echo", &echoes)] {
        let twice: Vec<_> = found.windows(2).filter(|pair| pair[0] == pair[1]).collect();
        assert!(twice.is_empty(), "{what}: done twice: {twice:?}");
    }
    assert_eq!(orders, echoes, "each order is heard");
    let token = place.person("auditor").await;
    for ledger in ledgers {
        let lost: Vec<_> = ledger.orders.iter().filter(|name| !orders.contains(name)).collect();
        assert!(lost.is_empty(), "orders are lost: {lost:?}");
        for (id, history) in &ledger.entries {
            assert!(work::look(place, 0, Some(&token), id, history).await, "no answer");
        }
        for (id, start) in &ledger.imports {
            let state = &place.sql(&format!("select state, faults from transfer where id = '{id}'")).await.expect("read")[0];
            assert_eq!(state[0], "done", "{start}: {}", state[1]);
            let count = entries.iter().filter(|name| name.starts_with(start.as_str())).count();
            assert_eq!(count, work::IMPORTED, "{start}");
        }
    }
}
