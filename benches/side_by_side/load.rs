//! The load generator: keep-alive connections on one thread, each sends when it was answered.
//!
//! In charge of: requests, whole answers, their latencies. An answer that isn't 200 or 201 ends the bench with its text.

use std::cell::{Cell, RefCell};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::runtime::Runtime;

type Body = Box<dyn Fn(&str, u64) -> String>;

/// What is asked.
pub struct Ask {
    pub method: &'static str,
    pub path: Box<dyn Fn(&mut Random) -> String>,
    /// Of the path and a number that nobody had before.
    pub body: Option<Body>,
}

/// Who is asked, and as whom.
pub struct Target {
    pub address: SocketAddr,
    /// Lines of the head beside Host and Content-Length.
    pub headers: String,
}

/// What a slot gave.
pub struct Measured {
    pub done: u64,
    pub seconds: f64,
    pub p50: f64,
    pub p99: f64,
}

impl Measured {
    pub fn rate(&self) -> f64 {
        self.done as f64 / self.seconds
    }
}

/// Good enough to choose rows.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Random {
        Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % n
    }

    pub fn one_of<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.below(all.len())]
    }
}

thread_local! {
    static NUMBER: Cell<u64> = const { Cell::new(1) };
}

/// A number that nobody had before.
pub fn number() -> u64 {
    NUMBER.replace(NUMBER.get() + 1)
}

pub struct Connection {
    stream: TcpStream,
    request: Vec<u8>,
    answer: Vec<u8>,
}

impl Connection {
    pub async fn open(target: &Target) -> Connection {
        Connection::open_from(target, 1).await
    }

    /// From one of this machine's own addresses, 127.0.0.1 and on: of each the server takes so many connections.
    pub async fn open_from(target: &Target, host: u8) -> Connection {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind((Ipv4Addr::new(127, 0, 0, host), 0).into()).unwrap();
        let stream = socket.connect(target.address).await.unwrap_or_else(|e| panic!("{}: {e}", target.address));
        stream.set_nodelay(true).unwrap();
        Connection { stream, request: vec![], answer: vec![] }
    }

    /// Sends one request and reads its answer, of which the status must be good. Gives the whole answer.
    pub async fn ask(&mut self, target: &Target, method: &str, path: &str, body: Option<&str>) -> &[u8] {
        use std::io::Write as _;
        self.request.clear();
        write!(self.request, "{method} {path} HTTP/1.1\r\nHost: bench\r\n{}", target.headers).unwrap();
        match body {
            Some(body) => write!(self.request, "Content-Length: {}\r\n\r\n{body}", body.len()).unwrap(),
            None => self.request.extend_from_slice(b"\r\n"),
        }
        self.stream.write_all(&self.request).await.unwrap();
        self.answer.clear();
        let mut head = None;
        loop {
            let read = self.stream.read_buf(&mut self.answer).await.unwrap();
            assert!(read > 0, "{method} {path}: hung up after {:?}", String::from_utf8_lossy(&self.answer));
            if head.is_none() {
                head = Head::read(&self.answer);
            }
            match &head {
                Some(head) if head.is_whole(&self.answer) => break,
                _ => {}
            }
        }
        let is_good = [&b"200"[..], b"201"].contains(&&self.answer[9..12]);
        assert!(is_good, "{method} {path} {body:?}\n{}", String::from_utf8_lossy(&self.answer));
        &self.answer
    }
}

/// As much of an answer's head as tells where it ends.
struct Head {
    length: usize,
    body: Option<usize>,
}

impl Head {
    fn read(answer: &[u8]) -> Option<Head> {
        let length = answer.windows(4).position(|w| w == b"\r\n\r\n")? + 4;
        let head = std::str::from_utf8(&answer[..length]).unwrap_or_default();
        let value =
            |line: &str| line.split_once(':').filter(|(k, _)| k.eq_ignore_ascii_case("content-length"))?.1.trim().parse().ok();
        Some(Head { length, body: head.lines().skip(1).find_map(value) })
    }

    /// Without a length the answer comes in chunks, and JSON never holds what ends the last one.
    fn is_whole(&self, answer: &[u8]) -> bool {
        match self.body {
            Some(length) => answer.len() >= self.length + length,
            None => answer[self.length - 2..].ends_with(b"\r\n0\r\n\r\n"),
        }
    }
}

/// Asks on so many connections for so long.
pub fn run(runtime: &Runtime, target: &Target, ask: &Ask, connections: usize, seconds: f64) -> Measured {
    run_on(runtime, &[target], ask, connections, seconds)
}

/// The same on several servers, in equal shares.
pub fn run_on(runtime: &Runtime, targets: &[&Target], ask: &Ask, connections: usize, seconds: f64) -> Measured {
    let latencies = RefCell::new(Vec::<u32>::with_capacity(1 << 18));
    let started = Cell::new(Instant::now());
    let one = async |place: usize, target: &Target, mut connection: Connection| {
        let mut random = Random::new(number() + place as u64);
        let end = started.get() + Duration::from_secs_f64(seconds);
        loop {
            let path = (ask.path)(&mut random);
            let body = ask.body.as_ref().map(|b| b(&path, number()));
            let sent = Instant::now();
            if sent >= end {
                break;
            }
            connection.ask(target, ask.method, &path, body.as_deref()).await;
            latencies.borrow_mut().push(sent.elapsed().as_micros() as u32);
        }
    };
    let elapsed = runtime.block_on(async {
        let mut open = vec![];
        for target in targets.iter().cycle().take(connections) {
            open.push((*target, Connection::open(target).await));
        }
        started.set(Instant::now());
        let all = open.into_iter().enumerate().map(|(place, (target, connection))| one(place, target, connection));
        futures_util::future::join_all(all).await;
        started.get().elapsed()
    });
    measured(latencies.into_inner(), elapsed.as_secs_f64())
}

/// Asks so many times a second, whether answers come or not: a latency counts from when the request was due.
pub fn paced(
    runtime: &Runtime,
    target: &Target,
    ask: &Ask,
    rate: f64,
    seconds: f64,
    beside: Option<(&Target, &Ask, usize)>,
) -> Measured {
    const CONNECTIONS: usize = 32;
    let latencies = RefCell::new(Vec::<u32>::new());
    let next = Cell::new(0_u32);
    let one = async |began: Instant, mut connection: Connection, mut random: Random| {
        loop {
            let due = began + Duration::from_secs_f64(f64::from(next.replace(next.get() + 1)) / rate);
            if due >= began + Duration::from_secs_f64(seconds) {
                break;
            }
            tokio::time::sleep_until(due.into()).await;
            let path = (ask.path)(&mut random);
            connection.ask(target, ask.method, &path, None).await;
            latencies.borrow_mut().push(due.elapsed().as_micros() as u32);
        }
    };
    let noise = async |end: Instant, target: &Target, ask: &Ask| {
        let (mut connection, mut random) = (Connection::open(target).await, Random::new(number()));
        while Instant::now() < end {
            let path = (ask.path)(&mut random);
            let body = ask.body.as_ref().map(|b| b(&path, number()));
            connection.ask(target, ask.method, &path, body.as_deref()).await;
        }
    };
    runtime.block_on(async {
        let mut open = vec![];
        for _ in 0..CONNECTIONS {
            open.push(Connection::open(target).await);
        }
        let began = Instant::now();
        let end = began + Duration::from_secs_f64(seconds);
        let reads = open.into_iter().map(|connection| one(began, connection, Random::new(number())));
        let noises = beside.into_iter().flat_map(|(target, ask, n)| (0..n).map(move |_| (target, ask)));
        let noises = noises.map(|(target, ask)| noise(end, target, ask));
        futures_util::future::join(futures_util::future::join_all(reads), futures_util::future::join_all(noises)).await;
    });
    measured(latencies.into_inner(), seconds)
}

/// From so many addresses: one has half of what a server takes.
const HOSTS: u8 = 4;

/// Very many connections, each of which asks once in `period`, as often as fits into `seconds`.
pub fn rarely(runtime: &Runtime, target: &Target, ask: &Ask, (connections, period): (usize, Duration), seconds: f64) -> Measured {
    let latencies = RefCell::new(Vec::<u32>::new());
    let one = async |began: Instant, place: usize, mut connection: Connection| {
        let mut random = Random::new(number());
        let mut due = began + period.mul_f64(place as f64 / connections as f64);
        while due < began + Duration::from_secs_f64(seconds) {
            tokio::time::sleep_until(due.into()).await;
            let path = (ask.path)(&mut random);
            connection.ask(target, ask.method, &path, None).await;
            latencies.borrow_mut().push(due.elapsed().as_micros() as u32);
            due += period;
        }
    };
    runtime.block_on(async {
        let mut open = vec![];
        for host in (1..=HOSTS).cycle().take(connections) {
            open.push(Connection::open_from(target, host).await);
        }
        let began = Instant::now();
        let all = open.into_iter().enumerate().map(|(place, connection)| one(began, place, connection));
        futures_util::future::join_all(all).await;
    });
    measured(latencies.into_inner(), seconds)
}

fn measured(mut latencies: Vec<u32>, seconds: f64) -> Measured {
    latencies.sort_unstable();
    let at = |share: f64| {
        let place = ((latencies.len() as f64 * share) as usize).min(latencies.len().saturating_sub(1));
        latencies.get(place).map_or(f64::NAN, |us| f64::from(*us) / 1000.0)
    };
    Measured { done: latencies.len() as u64, seconds, p50: at(0.5), p99: at(0.99) }
}
