//! Schema files: what loads, and what is said of what doesn't.

use rowhouse::schema::file::{File, load};
use rowhouse::schema::{Link, LinkRule, Schema};
use rowhouse::yaml::Complaint;

fn embedded() -> Vec<File> {
    ["action", "session", "user_account", "usergroup", "world"]
        .map(|name| {
            let path = format!("schema/{name}.yaml");
            File { text: std::fs::read_to_string(&path).expect("an embedded file"), path }
        })
        .to_vec()
}

fn with(files: &[(&str, &str)]) -> Result<Schema, Vec<Complaint>> {
    let own = files.iter().map(|(name, text)| File { path: format!("schema/{name}.yaml"), text: (*text).to_owned() });
    load(&embedded().into_iter().chain(own).collect::<Vec<_>>())
}

fn complaint(text: &str) -> String {
    let complaints = with(&[("article", text)]).expect_err("a complaint");
    assert_eq!(complaints.len(), 1, "{complaints:?}");
    complaints[0].to_string()
}

#[test]
fn the_embedded_files_load() {
    let schema = with(&[]).expect("no complaint");
    assert_eq!(schema.groups, ["administrators", "users"]);
    let user = schema.entity("user_account").expect("there");
    assert!(user.served("password").is_none() && user.column("password").is_some());
    assert_eq!(user.relation("member_of").map(|r| r.rule), Some(LinkRule::Membership));
    assert_eq!(user.relation("owner").map(|r| r.rule), Some(LinkRule::Owner));
}

#[test]
fn any_word_may_name_an_entity_or_a_field() {
    let schema = with(&[
        ("order", "columns: { select: { type: integer }, größe: { type: float } }\nrelations: { user: { belongs_to: größe, inverse: orders } }"),
        ("größe", "columns: { table: { type: label } }"),
    ])
    .expect("no complaint");
    let order = schema.entity("order").expect("there");
    assert_eq!(order.table(), "public.\"order\"");
    let back = schema.entity("größe").and_then(|e| e.relation("orders")).expect("the inverse");
    assert_eq!(back.link, Link::Inverse { column: "user".to_owned() });
    assert_eq!(schema.target(back).name, "order");
}

#[test]
fn a_projects_file_adds_to_an_embedded_one() {
    let schema = with(&[("user_account", "label: Person\ncolumns: { phone: { type: label } }")]).expect("no complaint");
    let user = schema.entity("user_account").expect("there");
    assert_eq!(user.label, "Person");
    assert!(user.column("phone").is_some() && user.column("email").is_some());
}

#[test]
fn what_the_file_does_not_say_is_users_everything_and_rows_their_owners() {
    let schema = with(&[("article", "columns: { title: { type: label } }")]).expect("no complaint");
    let article = schema.entity("article").expect("there");
    assert_eq!(article.policy.permission.bits(), 0);
    assert_eq!(article.policy.grants[0].group, "users");
    assert_eq!(article.policy.grants[0].permission.map(|p| p.bits()), Some(2_080_768));
    assert_eq!(article.default_permission.bits(), 16256);
}

#[test]
fn complaints_name_file_line_column_and_the_nearest_word() {
    let broken: &[(&str, &str)] = &[
        ("colums: {}", "schema/article.yaml:1:1: unknown key `colums`; did you mean `columns`?"),
        ("columns:\n  title: { type: lable }", "schema/article.yaml:2:18: unknown type `lable`; did you mean `label`?"),
        (
            "columns:\n  title: { type: label, requird: true }",
            "schema/article.yaml:2:25: unknown key `requird`; did you mean `required`?",
        ),
        ("columns: { title: {} }", "schema/article.yaml:1:12: `type` is missing"),
        ("columns: { type: { type: label } }", "schema/article.yaml:1:12: `type` is taken"),
        ("columns: { owner: { type: label } }", "schema/article.yaml:1:12: `owner` is taken"),
        ("columns: { _x: { type: label } }", "schema/article.yaml:1:12: `_x` can't be a name"),
        ("columns: { a.b: { type: label } }", "schema/article.yaml:1:12: `a.b` can't be a name"),
        ("columns: { n: { type: integer, default: x } }", "schema/article.yaml:1:41: this default must be a whole number"),
        ("columns: { n: { type: boolean, min: 1 } }", "schema/article.yaml:1:32: `min` means nothing for type boolean"),
        ("columns: { n: { type: text, pattern: '(' } }", "schema/article.yaml:1:38: not a regular expression"),
        ("columns: { n: { type: enum } }", "schema/article.yaml:1:12: an enum needs `options`"),
        ("permission: { guests: [read] }", "schema/article.yaml:1:15: unknown key `guests`; did you mean `guest`?"),
        ("permission: { guest: [raed] }", "schema/article.yaml:1:23: unknown right `raed`; did you mean `read`?"),
        ("permission: 2097152", "schema/article.yaml:1:13: a permission is at most 2097151"),
        (
            "relations: { a: { belongs_to: usr_account } }",
            "schema/article.yaml:1:14: there is no entity `usr_account`; did you mean `user_account`?",
        ),
        ("relations: { a: {} }", "schema/article.yaml:1:14: a relation needs"),
        (
            "relations: { a: { belongs_to: article, required: true, on_delete: set_null } }",
            "schema/article.yaml:1:14: a required relation can't",
        ),
        (
            "relations: { a: { belongs_to: user_account, inverse: email } }",
            "schema/article.yaml:1:14: `user_account` has a field `email` already",
        ),
        (
            "default_order: [-titel]\ncolumns: { title: { type: label } }",
            "schema/article.yaml:1:17: there is no column `titel` to sort by; did you mean `title`?",
        ),
        ("join_groups: [administrators]", "schema/article.yaml:1:15: nobody becomes an administrator"),
        ("columns: { n: { type: text, read: [ownr] } }", "schema/article.yaml:1:36: unknown class `ownr`; did you mean `owner`?"),
        (
            "columns: { n: { type: password, read: [owner] } }",
            "schema/article.yaml:1:12: a column of type password is served to nobody",
        ),
        (
            "default_order: [n]\ncolumns: { n: { type: label, read: [owner] } }",
            "schema/article.yaml:1:17: `n` can't be sorted by",
        ),
        ("a: [", "schema/article.yaml:"),
    ];
    for (text, words) in broken {
        let said = match with(&[("article", text)]) {
            Ok(_) => panic!("{text} loads"),
            Err(complaints) => complaints.iter().map(ToString::to_string).collect::<Vec<_>>(),
        };
        assert!(said.iter().any(|s| s.starts_with(words)), "{text}\nwanted {words}\nsaid {said:?}");
    }
}

#[test]
fn all_complaints_are_said_at_once() {
    let complaints = with(&[("article", "colums: {}\nlable: x"), ("operations", "label: x")]).expect_err("complaints");
    assert_eq!(complaints.len(), 3, "{complaints:?}");
}

#[test]
fn entities_that_require_each_other_in_a_ring_are_refused() {
    let said = with(&[
        ("egg", "relations: { hen: { belongs_to: hen, required: true } }"),
        ("hen", "relations: { egg: { belongs_to: egg, required: true } }"),
    ])
    .expect_err("a ring");
    assert!(said[0].words.starts_with("egg → hen → egg"), "{said:?}");
    assert!(complaint("relations: { parent: { belongs_to: article, required: true } }").contains("article → article"));
}

#[test]
fn a25_a26_what_would_not_hold_or_can_not_be_read_is_said() {
    let guests = "permission: { guest: [create] }\ncolumns:\n  name: { type: label, unique: owner }\n";
    assert!(complaint(guests).contains("3:3: `name` is unique per owner, and guests, who own nothing, may create"));
    assert!(complaint("columns:\n  null: { type: label }\n").contains("stands in quotes here"));
}

#[test]
fn n20_options_that_no_index_takes_by_their_order_are_a_complaint() {
    let file = |count: usize| {
        let options = (0..count).map(|at| format!("o{:x}", at * 0x9e37_79b9)).collect::<Vec<_>>().join(", ");
        format!("default_order: [-kind]\ncolumns:\n  kind: {{ type: enum, options: [{options}] }}\n")
    };
    assert!(with(&[("article", &file(100))]).is_ok());
    assert!(complaint(&file(2000)).contains("1:17: `kind`: 2000 options are too many for an order by default"));
}

#[test]
fn a03_a_file_for_an_entity_that_rowhouse_brings_says_so_and_breaks_nothing() {
    let of = |name: &str, text: &str| with(&[(name, text)]);
    let talks = of("session", "columns: { room: { type: label, required: true } }").expect_err("sign-in would be 500");
    assert!(
        talks[0].words.starts_with("`session` is Rowhouse's own, which knows nothing of `room`: required, it wants a default")
    );
    assert_eq!((talks[0].line, talks[0].column), (1, 12));
    for (name, text, words) in [
        ("world", "columns: { population: { type: integer, required: true } }", "it wants a default"),
        ("user_account", "columns: { username: { type: name, required: true } }", "it wants a default"),
        (
            "user_account",
            "columns: { email: { type: text, required: true } }",
            "`email` of `user_account` is Rowhouse's own: its type",
        ),
        ("action", "relations: { team: { belongs_to: usergroup, required: true } }", "it can't be required"),
        (
            "user_account",
            "relations: { boss: { belongs_to: user_account, required: true, default: caller } }",
            "it can't be required",
        ),
    ] {
        let complaints = of(name, text).expect_err(text);
        assert!(complaints.iter().any(|complaint| complaint.words.contains(words)), "{text}: {complaints:?}");
    }
    let added = "columns: { phone: { type: label } }";
    let warned = of("user_account", added).expect("a warning for one release");
    assert!(warned.warnings[0].words.contains("says `extends: true`"), "{:?}", warned.warnings);
    let said = of("user_account", &format!("extends: true\n{added}")).expect("said");
    assert!(said.warnings.is_empty() && said.system("user_account").column("phone").is_some());
    assert!(of("user_account", "default_permission: { owner: all }").expect("no columns").warnings.is_empty());
}

#[test]
fn what_is_unique_together_names_fields_and_values_that_there_are() {
    let file = |unique: &str| {
        format!(
            "columns:\n  day: {{ type: date }}\n  n: {{ type: integer }}\n  j: {{ type: json }}\nrelations: {{ many: {{ many_to_many: article }}, one: {{ belongs_to: article }} }}\nunique:\n  - {unique}\n"
        )
    };
    for (unique, words) in [
        ("[dya, n]", "`article` has no column or relation to one row `dya`; did you mean `day`?"),
        ("[day, many]", "`article` has no column or relation to one row `many`"),
        ("[day, day]", "`day` is named twice"),
        ("[day, j]", "a column of type json can't be unique"),
        ("{ fields: [day], where: { n: x } }", "`n` must be a whole number"),
        ("{ fields: [day], where: { m: 1 } }", "no column or relation to one row `m`"),
        ("{ fields: [day], where: { one: x } }", "of `one` only null can be asked"),
        ("{ fields: [day], where: { n: { gt: 1 } } }", "or `{ not: one of these }` is wanted"),
        ("{ where: { n: 1 } }", "what is unique together is a list of fields"),
        ("day", "each of them is a list of fields, as in [[room, day]]"),
        ("{ fields: [day], were: { n: 1 } }", "did you mean `where`?"),
    ] {
        let said = complaint(&file(unique));
        assert!(said.starts_with("schema/article.yaml:7:") && said.contains(words), "{unique}: {said}");
    }
    let guests = complaint(&format!("permission: {{ guest: [create] }}\n{}", file("[owner, day]")));
    assert!(guests.contains("guests, who own nothing, may create"), "{guests}");
}

#[test]
fn what_postgresql_could_not_take_is_said() {
    for (text, words) in [
        ("columns: { ctid: { type: label } }", "`ctid` is taken"),
        ("columns: { a: { type: label }, xmin: { type: label } }", "`xmin` is taken"),
        ("columns: { a: { type: enum, options: [\"a\\0b\"] } }", "without control characters"),
        ("columns: { a: { type: enum, options: [a, b, a] } }", "`a` is there twice"),
    ] {
        assert!(complaint(text).contains(words), "{text}: {}", complaint(text));
    }
}
