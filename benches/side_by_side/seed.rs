//! The rows that are asked for, made by SQL, and the requests for them.

use std::rc::Rc;

use tokio::runtime::Runtime;

use crate::cluster::Cluster;
use crate::load::{Ask, Random};

/// How a database is filled.
pub struct Size {
    pub rows: u64,
    pub users: u64,
    pub groups: u64,
    /// Of them, the caller's.
    pub mine: u64,
}

/// Users, rows of theirs with a mix of permissions: every fifth is private, a quarter is granted to a group, one grant
/// in fifty has bits of its own; every twentieth row is the caller's. Five rows share a title.
pub fn seed(cluster: &Cluster, runtime: &Runtime, database: &str, email: &str, size: &Size) {
    let Size { rows, users, groups, mine } = size;
    let others = users - 1;
    let sql = format!(
        "create function pg_temp.u(kind text, n bigint) returns uuid language sql immutable as \
             $$ select ('00000000-0000-7000-' || kind || '-' || lpad(to_hex(n), 12, '0'))::uuid $$; \
         create temp table me as select id from user_account where email = '{email}'; \
         insert into user_account (id, owner, permission, name, email, active, email_verified) \
             select u, u, 16259, 'User ' || n, 'user' || n || '@example.test', true, true \
             from generate_series(2, {users}) n, pg_temp.u('9000', n) u; \
         update user_account set permission = permission | 3; \
         insert into usergroup (id, permission, name, joinable, declared) \
             select pg_temp.u('a000', n), 16256 + 49152, 'Group ' || n, false, false \
             from generate_series(1, {groups}) n; \
         insert into \"usergroup.members\" (source, target) select pg_temp.u('a000', n), me.id \
             from generate_series(1, {mine}) n, me; \
         insert into \"usergroup.members\" (source, target) select pg_temp.u('a000', 1 + n % {groups}), pg_temp.u('9000', n) \
             from generate_series(2, {users}) n; \
         insert into article (id, owner, permission, groups, group_bits, title, body, status, price, author, created_at) \
         select pg_temp.u('8000', n), \
             case when n % 20 = 0 then me.id else pg_temp.u('9000', 2 + n % {others}) end, \
             16256 + case when n % 5 = 0 then 0 when n % 7 = 0 then 67 else 3 end \
                 + case when n % 3 = 0 then 49152 else 49152 + 131072 end, \
             case when n % 4 = 1 then array[pg_temp.u('a000', 1 + n / 4 % {groups})] else '{{}}' end, \
             case when n % 200 = 5 then array[49152] end, \
             'article-' || n / 5, repeat(md5(n::text) || ' ', 12), \
             (array['draft', 'review', 'published'])[1 + n % 3], n % 1000 / 10.0, \
             case when n % 20 = 0 then me.id else pg_temp.u('9000', 2 + n * 7 % {others}) end, \
             timestamptz '2025-01-01 00:00:00+00' + n * interval '10 seconds' \
         from generate_series(1, {rows}) n, me"
    );
    cluster.sql(runtime, database, &sql);
    cluster.sql(runtime, database, "vacuum analyze");
}

/// An operation, as it is asked of each.
pub struct Operation {
    pub key: &'static str,
    pub name: &'static str,
    pub ours: Ask,
    pub peer: Ask,
    /// The bare statement, with pgbench's variables `id`, `own`, `title`, `me` and `fresh`.
    pub bare: &'static str,
}

/// Ids and titles to choose from.
pub struct Known {
    pub visible: Vec<String>,
    pub own: Vec<String>,
    pub titles: Vec<String>,
    pub me: String,
}

impl Known {
    pub fn of(cluster: &Cluster, runtime: &Runtime, database: &str, email: &str) -> Known {
        let one = |sql: &str| cluster.ask(runtime, database, sql).into_iter().map(|mut r| r.remove(0)).collect::<Vec<_>>();
        let me = one(&format!("select id from user_account where email = '{email}'")).remove(0);
        let visible = "select id from article where permission & 2 <> 0 order by md5(id::text) limit 20000";
        let titles = "select distinct title from article where permission & 2 <> 0 limit 20000";
        let own = format!("select id from article where owner = '{me}' order by md5(id::text) limit 20000");
        Known { visible: one(visible), own: one(&own), titles: one(titles), me }
    }
}

fn get(path: impl Fn(&mut Random) -> String + 'static) -> Ask {
    Ask { method: "GET", path: Box::new(path), body: None }
}

fn fixed(path: &'static str) -> Ask {
    get(move |_| path.to_owned())
}

/// The six operations of the table.
pub fn operations(known: &Rc<Known>) -> Vec<Operation> {
    let row = |base: &'static str, of: fn(&Known) -> &Vec<String>| {
        let known = known.clone();
        move |random: &mut Random| format!("{base}{}", random.one_of(of(&known)))
    };
    let visible: fn(&Known) -> &Vec<String> = |k| &k.visible;
    let own: fn(&Known) -> &Vec<String> = |k| &k.own;
    let titles: fn(&Known) -> &Vec<String> = |k| &k.titles;
    let patch = Ask {
        method: "PATCH",
        path: Box::new(row("/api/article/", own)),
        body: Some(Box::new(|path, n| {
            let id = path.rsplit('/').next().unwrap_or_default();
            format!(r#"{{"data":{{"type":"article","id":"{id}","attributes":{{"title":"{n:09}"}}}}}}"#)
        })),
    };
    let post = |path: &'static str, body: fn(u64) -> String| Ask {
        method: "POST",
        path: Box::new(move |_| path.to_owned()),
        body: Some(Box::new(move |_, n| body(n))),
    };
    vec![
        Operation {
            key: "row",
            name: "one row",
            ours: get(row("/api/article/", visible)),
            peer: get(row("/article?id=eq.", visible)),
            bare: "select * from article where id = :id::uuid",
        },
        Operation {
            key: "page",
            name: "page of 25 with sort",
            ours: fixed("/api/article?sort=-created_at&page[size]=25"),
            peer: fixed("/article?order=created_at.desc&limit=25"),
            bare: "select * from article order by created_at desc, id desc limit 26",
        },
        Operation {
            key: "include",
            name: "page with include=author",
            ours: fixed("/api/article?sort=-created_at&page[size]=25&include=author"),
            peer: fixed("/article?select=*,account(id,name)&order=created_at.desc&limit=25"),
            bare: "select * from article t left join user_account u on u.id = t.author \
                   order by t.created_at desc, t.id desc limit 26",
        },
        Operation {
            key: "filter",
            name: "filter on an index",
            ours: get(row("/api/article?filter[title]=", titles)),
            peer: get(row("/article?title=eq.", titles)),
            bare: "select * from article where title = :title::text limit 26",
        },
        Operation {
            key: "update",
            name: "update",
            ours: patch,
            peer: Ask {
                method: "PATCH",
                path: Box::new(row("/article?id=eq.", own)),
                body: Some(Box::new(|_, n| format!(r#"{{"title":"{n:09}"}}"#))),
            },
            bare: "update article set title = :fresh::text, version = version + 1, updated_at = now() \
                   where id = :own::uuid returning *",
        },
        Operation {
            key: "create",
            name: "create",
            ours: post("/api/article", |n| {
                format!(r#"{{"data":{{"type":"article","attributes":{{"title":"{n:09}","body":"some text"}}}}}}"#)
            }),
            peer: post("/article", |n| format!(r#"{{"title":"{n:09}","body":"some text"}}"#)),
            bare: "insert into article (id, owner, permission, groups, title, body, status, author) \
                   values (gen_random_uuid(), :me::uuid, 16259, '{}', :fresh::text, 'some text', 'draft', :me::uuid) returning *",
        },
    ]
}

/// Rows of which the caller may see one in `every`, half of these as their owner and half by a group of theirs; a quarter of
/// the others is granted to other groups.
pub fn scarce(cluster: &Cluster, runtime: &Runtime, database: &str, email: &str, rows: u64, every: u64) {
    seed(cluster, runtime, database, email, &Size { rows: 0, users: 1000, groups: 100, mine: 3 });
    let sql = format!(
        "insert into article (id, owner, permission, groups, title, body, status, price, author, created_at) \
         select ('00000000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid, \
             case when n % (2 * {every}) = 0 then me.id else other.id end, 16256 + 49152, \
             case when n % (2 * {every}) = {every} then array['00000000-0000-7000-a000-000000000001'::uuid] \
                 when n % {every} <> 0 and n % 4 = 1 then array[granted.id] else '{{}}' end, \
             'article-' || n, repeat(md5(n::text) || ' ', 12), 'draft', n % 1000 / 10.0, other.id, \
             timestamptz '2025-01-01 00:00:00+00' + n * interval '10 seconds' \
         from (select id from user_account where email = '{email}') me, generate_series(1, {rows}) n, \
             lateral (select ('00000000-0000-7000-9000-' || lpad(to_hex(2 + n % 999), 12, '0'))::uuid) other (id), \
             lateral (select ('00000000-0000-7000-a000-' || lpad(to_hex(4 + n % 97), 12, '0'))::uuid) granted (id)"
    );
    cluster.sql(runtime, database, &sql);
    cluster.sql(runtime, database, "vacuum analyze");
}
