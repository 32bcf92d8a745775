//! Action files: what is said of those that can't run, and the list of those that lift anything.

use rowhouse::action::{Lift, file};
use rowhouse::schema::file::File;

fn said(text: &str) -> Vec<String> {
    let (schema, _) = rowhouse::project::load(std::path::Path::new("examples/newsroom")).expect("no complaints");
    let file = File { path: "actions/article/x.yaml".to_owned(), text: text.to_owned() };
    match file::load(&schema, Default::default(), &[file]) {
        Ok(_) => vec![],
        Err(complaints) => complaints.iter().map(ToString::to_string).collect(),
    }
}

const RESPOND: &str = "  - { respond: client.reload }\n";

#[test]
fn complaints_of_actions_name_the_place_and_the_nearest_word() {
    let broken: &[(&str, &str)] = &[
        ("outcoms: []", ":1:1: unknown key `outcoms`; did you mean `outcomes`?"),
        ("label: x", ":1:1: `outcomes` is missing"),
        ("outcomes: []", ":1:11: an action answers something: add a respond"),
        ("subject: always\noutcomes:\nR", ":1:10: unknown subject `always`"),
        ("limit: often\noutcomes:\nR", ":1:8: a limit is written like 10/minute/ip"),
        ("permission: { guest: [excute] }\noutcomes:\nR", ":1:23: unknown right `excute`; did you mean `execute`?"),
        ("grants: [editros]\noutcomes:\nR", ":1:9: unknown group that a schema file names `editros`; did you mean `editors`?"),
        ("inputs: { a: { type: lable } }\noutcomes:\nR", ":1:22: unknown type `lable`; did you mean `label`?"),
        ("inputs: { a: {} }\noutcomes:\nR", ":1:11: `type` is missing"),
        ("inputs: { a: { type: row, entity: artikel } }\noutcomes:\nR", ": unknown entity `artikel`; did you mean `article`?"),
        ("inputs: { a: { type: label, equals: b } }\noutcomes:\nR", ": unknown input `b`"),
        (
            "inputs: { a: { type: integer, one_of: [x] } }\noutcomes:\nR",
            ":1:11: \"x\" can't be a value of `a`: it must be a whole number",
        ),
        ("inputs: { a: { type: integer, default: x } }\noutcomes:\nR", ": \"x\" can't be a value of `a`"),
        ("inputs: { caller: { type: label } }\noutcomes:\nR", ":1:11: `caller` is a name already"),
        ("outcomes:\n  - { as: x }\nR", ":2:5: an outcome does exactly one of"),
        ("outcomes:\n  - { create: article, delete: caller }\nR", ":2:5: an outcome does exactly one of"),
        ("outcomes:\n  - { read: article, as: \"\" }\nR", ": `` can't be a name"),
        (
            "subject: required\noutcomes:\n  - { update: subject, with: { title: \"{{caller.name.first}}\" } }\nR",
            ": `caller.name` has nothing in it",
        ),
        (
            "outcomes:\n  - { create: tag, with: { name: x }, as: made }\n  - { create: tag, with: { name: \"{{made.name.x}}\" } }\nR",
            ": `made.name` has nothing in it",
        ),
        ("schedule: often\nrun_as: a@b.c\noutcomes:\nR", ":1:11: a schedule is written like 0 7 * * *"),
        ("schedule: 0 7 * * *\noutcomes:\nR", ":1:11: `run_as` is missing"),
        ("run_as: a@b.c\noutcomes:\nR", ":1:9: `run_as` means nothing without `schedule`"),
        (
            "schedule: 0 7 * * *\nrun_as: a@b.c\nsubject: required\noutcomes:\nR",
            ": an action that runs by itself has neither a subject nor inputs",
        ),
        ("safe: true\noutcomes:\n  - { delete: caller }\nR", ": a safe action only reads, responds and fails"),
        ("outcomes:\n  - { each: { in: nothing, as: x }, do: [{ respond: client.reload }] }", ": unknown list `nothing`"),
        (
            "outcomes:\n  - { read: article, as: found }\n  - { each: { in: fund, as: x }, do: [{ respond: client.reload }] }",
            ":3:13: unknown list `fund`; did you mean `found`?",
        ),
        (
            "outcomes:\n  - { read: article, as: found }\n  - { each: { in: found, as: found }, do: [{ respond: client.reload }] }",
            ":3:13: `found` is a name already",
        ),
        (
            "outcomes:\n  - { read: article, as: found }\n  - { each: { in: found, as: x } }\nR",
            ":3:13: `do` says what is done with each row",
        ),
        (
            "outcomes:\n  - { read: article, as: found }\n  - { each: { in: found, as: x }, do: [{ delete: x }] }\n  - { delete: x }\nR",
            ":4:15: unknown row `x`",
        ),
        ("outcomes:\n  - { call: artikel/publish }", ":2:13: unknown entity `artikel`; did you mean `article`?"),
        ("outcomes:\n  - { call: article/publsh }", ": unknown action `article/publsh`; known: `article/x`"),
        ("subject: required\noutcomes:\n  - { call: article/x }", ":3:13: article/x works on a row: name its `subject`"),
        ("outcomes:\n  - { call: article/x, subject: caller }", ":2:13: `caller` is a row of user_account, not of article"),
        ("outcomes:\n  - { call: article/x, with: { titel: x } }", ":2:13: unknown input `titel`"),
        (
            "outcomes:\n  - { respond: client.notify, with: { type: info, title: x, message: y }, do: [] }",
            ": `do` means nothing for respond",
        ),
        ("outcomes:\n  - { creat: article }\nR", ":2:7: unknown key `creat`; did you mean `create`?"),
        ("outcomes:\n  - { create: artikle, with: {} }\nR", ":2:15: unknown entity `artikle`; did you mean `article`?"),
        ("outcomes:\n  - { create: article, with: { titel: x } }\nR", ":2:15: unknown field `titel`; did you mean `title`?"),
        ("outcomes:\n  - { create: article, with: { tags: x } }\nR", ":2:15: unknown field `tags`"),
        ("outcomes:\n  - { create: article, with: { slug: x } }\nR", ":2:15: `title` of article is required: say what it is"),
        ("outcomes:\n  - { create: comment, with: {} }\nR", " of comment is required: say what it is"),
        (
            "outcomes:\n  - { create: article, with: { title: x, status: publishd } }\nR",
            ":2:15: `status` must be one of draft, review, published",
        ),
        ("outcomes:\n  - { create: article, with: { title: x, words: many } }\nR", ":2:15: `words` must be a whole number"),
        ("outcomes:\n  - { create: article, with: { title: null } }\nR", ":2:15: `title` is required, and can't be null"),
        ("outcomes:\n  - { read: article, where: { words: many } }\nR", ":2:38: `words` must be a whole number"),
        (
            "inputs: { a: { type: label, required: true } }\noutcomes:\n  - { call: article/x }\nR",
            ":3:13: article/x can't do without the input `a`",
        ),
        ("outcomes:\n  - { create: article, with: { title: \"{{nobody}}\" } }\nR", ": unknown name `nobody`"),
        ("outcomes:\n  - { create: article, with: { title: \"{{#if}}\" } }\nR", ": not a template"),
        (
            "outcomes:\n  - { create: article, with: { title: x }, as: a }\n  - { update: b, with: { title: y } }\nR",
            ":3:15: unknown row `b`; did you mean `a`?",
        ),
        (
            "outcomes:\n  - { update: later, with: { title: y } }\n  - { create: article, with: { title: x }, as: later }\nR",
            ":2:15: unknown row `later`",
        ),
        (
            "inputs: { a: { type: row, entity: article } }\noutcomes:\n  - { update: a, with: { title: y } }\nR",
            ":3:15: `a` is an input",
        ),
        (
            "inputs: { a: { type: row, entity: user_account } }\noutcomes:\n  - { create: tag, owner: a, with: { name: y } }\nR",
            ":3:15: `a` is an input",
        ),
        (
            "outcomes:\n  - { create: tag, as: t, with: { name: y } }\n  - { create: tag, owner: t, with: { name: y } }\nR",
            ":3:15: `t` is no user",
        ),
        ("outcomes:\n  - { create: tag, as: caller, with: { name: y } }\nR", ": `caller` is a name already"),
        (
            "outcomes:\n  - { create: user_account, with: { name: x, email: y, password: geheim } }\nR",
            ": `password` takes an input of type password with `new: true`",
        ),
        ("outcomes:\n  - { delete: subject }\nR", ":2:15: unknown row `subject`"),
        ("outcomes:\n  - { read: article, where: { titel: x } }\nR", ":2:31: unknown field `titel`; did you mean `title`?"),
        ("outcomes:\n  - { read: article, where: { secret_note: x } }\nR", ":2:31: unknown field `secret_note`"),
        ("outcomes:\n  - { read: article, where: { author.nam: x } }\nR", ":2:31: unknown field `nam`; did you mean `name`?"),
        ("outcomes:\n  - { read: article, where: { or: [{ eqal: [title, x] }] } }\nR", ": unknown key `eqal`"),
        ("outcomes:\n  - { read: article, where: { contains: [words, 1] } }\nR", ": `words` can't be compared by contains"),
        ("outcomes:\n  - { read: article, where: { gt: words } }\nR", ": unknown field `gt`"),
        ("outcomes:\n  - { read: article, sort: [-titel] }\nR", ":2:29: unknown field `titel`; did you mean `title`?"),
        ("outcomes:\n  - { read: article, limit: 0 }\nR", ":2:29: a whole number from 1"),
        ("outcomes:\n  - { read: article, to: x }\nR", ":2:22: `to` means nothing for read"),
        (
            "subject: required\noutcomes:\n  - { link: subject.tag, to: caller }\nR",
            ":3:13: unknown to-many relation `tag`; did you mean `tags`?",
        ),
        (
            "outcomes:\n  - { perform: pasword.check, with: {} }\nR",
            ":2:16: unknown performer `pasword.check`; did you mean `password.check`?",
        ),
        ("outcomes:\n  - { perform: password.check, with: { email: x } }\nR", ": the parameter `password` is missing"),
        ("outcomes:\n  - { perform: session.open, with: { user: caller } }\nR", ": session.open takes only a proof"),
        (
            "inputs: { e: { type: email }, p: { type: password } }\noutcomes:\n  - &c { perform: password.check, with: { email: \"{{e}}\", password: \"{{p}}\" } }\n  - { perform: password.check, with: { email: \"{{e}}\", password: \"{{p}}\" } }\nR",
            ": an action checks one password",
        ),
        (
            "subject: required\ninputs: { p: { type: password } }\noutcomes:\n  - { perform: password.check, with: { email: \"{{subject.slug}}\", password: \"{{p}}\" } }\nR",
            ": a password is checked before `subject` is known",
        ),
        (
            "outcomes:\n  - { respond: client.notfy, with: {} }",
            ":2:16: unknown directive `client.notfy`; did you mean `client.notify`?",
        ),
        ("outcomes:\n  - { respond: client.notify, with: { type: info, title: x } }", ": the parameter `message` is missing"),
        (
            "outcomes:\n  - { respond: client.notify, with: { type: sucess, title: x, message: y } }",
            ":2:16: `type` must be one of success, info, warning, error",
        ),
        ("outcomes:\n  - { respond: client.redirect, with: { location: /, delay: soon } }", ": `delay` must be of type integer"),
        ("outcomes:\n  - { respond: client.redirect, with: { location: /, delay: -1 } }", ": `delay` must be at least 0"),
        (
            "outcomes:\n  - { respond: client.file.download, with: { name: x, contentType: y } }",
            ": a file comes by exactly one of `content` and `url`",
        ),
        ("outcomes:\n  - { perform: random, with: { length: 0 } }\nR", ": `length` must be at least 1 and at most 1000"),
        ("outcomes:\n  - { perform: random, with: { length: 8, of: emoji } }\nR", ": `of` must be one of digits, hex, letters"),
        ("outcomes:\n  - { perform: http.request, with: { url: x, after: while } }\nR", ": `after` must be one of commit"),
        (
            "outcomes:\n  - { perform: file.make, with: { name: x, format: xls, rows: [] } }\nR",
            ": `format` must be one of csv, json",
        ),
        ("outcomes:\n  - { perform: template.render, with: { template: nope } }\nR", ": unknown letter `nope`"),
        ("outcomes:\n  - { respond: row, with: { row: nobody } }", ": unknown row `nobody`"),
        ("outcomes:\n  - { fail: { status: 500, message: x } }\nR", ":2:23: a whole number from 400 to 499"),
        ("outcomes:\n  - { fail: { message: x } }\nR", ": `status` is missing"),
        ("outcomes:\n  - { create: tag, with: { name: x }, when: \"a >\" }\nR", ": not a condition"),
        ("outcomes:\n  - { create: tag, with: { name: x }, when: nobody }\nR", ": unknown name `nobody`"),
        ("rights: { artikel: [read] }\noutcomes:\nR", ":1:11: unknown entity `artikel`; did you mean `article`?"),
        ("rights: { read.x: [read] }\noutcomes:\nR", ":1:11: unknown read outcome `x`"),
        ("rights: { article: [raed] }\noutcomes:\nR", ":1:21: unknown right `raed`; did you mean `read`?"),
        // steps of paths, of whatever stands before them
        (
            "subject: required\noutcomes:\n  - { update: subject, with: { title: \"{{subject.titel}}\" } }\nR",
            ":3:39: unknown value of `subject` `titel`; did you mean `title`?",
        ),
        (
            "subject: required\noutcomes:\n  - { update: subject, with: { title: \"a {{subject.secret_note}}\" } }\nR",
            ": unknown value of `subject` `secret_note`",
        ),
        (
            "subject: required\noutcomes:\n  - { update: subject, with: { title: x }, when: subject.staus == 'x' }\nR",
            ": unknown value of `subject` `staus`; did you mean `status`?",
        ),
        (
            "subject: required\noutcomes:\n  - { update: subject, with: { title: \"{{subject.tags}}\" } }\nR",
            ": unknown value of `subject` `tags`",
        ),
        (
            "subject: required\noutcomes:\n  - { update: subject, with: { title: \"{{subject.author.name}}\" } }\nR",
            ": `subject.author` has nothing in it",
        ),
        (
            "outcomes:\n  - { create: tag, with: { name: \"{{caller.pasword}}\" } }\nR",
            ": unknown value of `caller` `pasword`; known: `id`, `email`, `name`, `groups`",
        ),
        (
            "inputs: { a: { type: label } }\noutcomes:\n  - { create: tag, with: { name: \"{{a.b}}\" } }\nR",
            ": `a` has nothing in it",
        ),
        ("outcomes:\n  - { create: tag, with: { name: \"{{config.secret}}\" } }\nR", ": unknown value of `config` `secret`"),
        (
            "outcomes:\n  - { perform: random, as: r, with: { length: 1 } }\n  - { create: tag, with: { name: \"{{r.text}}\" } }\nR",
            ": `r` has nothing in it",
        ),
        (
            "outcomes:\n  - { perform: http.request, as: r, with: { url: x } }\n  - { create: tag, with: { name: x }, when: r.statsu == 200 }\nR",
            ": unknown value of `r` `statsu`; did you mean `status`?",
        ),
        (
            "outcomes:\n  - { read: article, as: all }\n  - { each: { in: all, as: one }, do: [{ update: one, with: { title: \"{{one.titel}}\" } }] }\nR",
            ": unknown value of `one` `titel`; did you mean `title`?",
        ),
        (
            "on: { after_update: article }\noutcomes:\n  - { create: tag, with: { name: x }, when: event.befor.title == 'x' }\nR",
            ": unknown value of `event` `befor`; did you mean `before`?",
        ),
        (
            "on: { after_update: [article, comment] }\noutcomes:\n  - { create: tag, with: { name: \"{{event.after.titel}}\" } }\nR",
            ": unknown value of `event.after` `titel`; did you mean `title`?",
        ),
        // what leads past names, and what could never work
        (
            "subject: required\noutcomes:\n  - { update: subject, with: { title: \"x {{this.subject.titel}}\" } }\nR",
            ": unknown value of `subject` `titel`; did you mean `title`?",
        ),
        (
            "subject: required\noutcomes:\n  - { update: subject, with: { title: \"x {{#each this}}{{this}}{{/each}}\" } }\nR",
            ": not a template: `this` is an item of an #each: name a value",
        ),
        ("outcomes:\n  - { create: tag, with: { name: \"x {{@first}}\" } }\nR", ": not a template: `@first` is nothing here"),
        ("outcomes:\n  - { create: tag, with: { name: \"x {{shout caller.name}}\" } }\nR", ": `shout` is no helper"),
        (
            "outcomes:\n  - { read: article, as: found }\n  - { create: tag, with: { name: x }, when: found.titel == 'x' }\nR",
            ": `found` is a list: go through it by `each`",
        ),
        (
            "outcomes:\n  - { read: article, as: found }\n  - { create: tag, with: { name: \"x {{found.[0].titel}}\" } }\nR",
            ": unknown value of `found.0` `titel`; did you mean `title`?",
        ),
        (
            "on: { after_update: article }\noutcomes:\n  - { create: tag, with: { name: x }, when: event.after.title.words == 1 }\nR",
            ": `event.after.title` has nothing in it",
        ),
        (
            "on: { after_update: article }\noutcomes:\n  - { create: tag, with: { name: \"{{event.entity.x}}\" } }\nR",
            ": `event.entity` has nothing in it",
        ),
        (
            "on: { after_update: article }\noutcomes:\n  - { create: tag, with: { name: \"{{event.after.id}}\" } }\nR",
            ": unknown value of `event.after` `id`",
        ),
        ("outcomes:\n  - { create: tag, with: { name: x, version: 3 } }\nR", ":2:15: `version` is what the system sets"),
        (
            "subject: required\noutcomes:\n  - { update: subject, with: { author: 7 } }\nR",
            ":3:15: `author` takes a row, its id, or null",
        ),
        ("outcomes:\n  - { read: article, where: {} }\nR", ":2:29: `where` takes at least one condition"),
        ("outcomes:\n  - { read: article, where: { or: [] } }\nR", ":2:35: `or` takes at least one condition"),
        ("outcomes:\n  - { read: article, where: { gt: [words, abc] } }\nR", ": `words` must be a whole number"),
        ("outcomes:\n  - { read: article, where: { in: [status, [draft, nosuch]] } }\nR", ": `status` must be one of"),
        ("outcomes:\n  - { read: article, where: { author: x } }\nR", ": `author` must be"),
        ("outcomes:\n  - { read: article, sort: [author] }\nR", ": `author` has no order to sort by"),
        ("outcomes:\n  - { read: article, sort: [settings] }\nR", ": `settings` has no order to sort by"),
        (
            "subject: required\noutcomes:\n  - { update: subject, with: { title: \"by {{subject.author}}\" } }\nR",
            ":3:15: `subject.author`: a link is told to nobody by an action",
        ),
        (
            "subject: required\noutcomes:\n  - { respond: client.notify, with: { type: info, title: x, message: \"{{subject.author}}\" } }",
            ":3:16: `subject.author`: a link is told to nobody",
        ),
        (
            "on: { before_update: article }\noutcomes:\n  - { fail: { status: 409, message: \"{{event.before.author}}\" } }",
            ": `event.before.author`: a link is told to nobody",
        ),
        ("inputs: { len: { type: label } }\noutcomes:\nR", ":1:11: `len` can't be a name"),
        ("outcomes:\n  - { read: article, as: my-row }\nR", ": `my-row` can't be a name"),
        ("outcomes:\n  - { read: article, as: event }\nR", ": `event` is a name already"),
        ("outcomes:\n  - { create: tag, with: { name: \"x {{> layout/foot}}\" } }\nR", ": not a template: partials"),
        (
            "inputs: { r: { type: label } }\noutcomes:\n  - { perform: token.spend, with: { purpose: p, token: t, entity: article, right: \"{{r}}\" } }\nR",
            ": `right` is a word as it stands, and goes with `entity`",
        ),
        (
            "outcomes:\n  - { perform: token.spend, with: { purpose: p, token: t, right: update } }\nR",
            ": `right` is a word as it stands, and goes with `entity`",
        ),
        ("inputs: { this: { type: label } }\noutcomes:\nR", ": `this` can't be a name"),
        ("inputs: { if: { type: label } }\noutcomes:\nR", ": `if` can't be a name"),
        (
            "subject: required\ninputs: { article_id: { type: uuid } }\noutcomes:\nR",
            ":2:11: `article_id` names the subject: it can't be an input as well",
        ),
        ("outcomes:\n  - { call: article/x }", ":2:13: it would call itself without end: say `when`"),
        ("outcomes: [", ": "),
        ("label: [x]\noutcomes:\nR", ":1:8: text is wanted here"),
    ];
    for (text, words) in broken {
        let text = text.replace("R", RESPOND).replace("&c ", "");
        let said = said(&text);
        assert!(
            said.iter().any(|s| s.starts_with("actions/article/x.yaml") && s.contains(words)),
            "{text}\nwanted {words}\nsaid {said:#?}"
        );
    }
}

#[test]
fn the_actions_that_lift_anything() {
    let mut list = String::new();
    for folder in ["examples/newsroom", "examples/starter", "tests/projects/odd"] {
        let (_, actions) = rowhouse::project::load(std::path::Path::new(folder)).expect("no complaints");
        for action in actions.all() {
            let rights = action.rights.iter().map(|(lift, rights)| {
                let whom = match lift {
                    Lift::Entity(name) => name.clone(),
                    Lift::Subject => "subject".to_owned(),
                    Lift::Read(name) => format!("read.{name}"),
                };
                format!("{whom}: {}", rights.iter().map(|r| r.word()).collect::<Vec<_>>().join(" "))
            });
            let performers = action.outcomes.iter().filter_map(|o| match &o.deed {
                rowhouse::action::Deed::Perform { performer, by_peek, .. } => {
                    Some(format!("performs {}{}", performer.name, if *by_peek { " (tells)" } else { "" }))
                }
                _ => None,
            });
            let lent = action.lends.iter().map(|(lender, _)| format!("has those of {lender}"));
            let all: Vec<_> = rights.chain(lent).chain(performers).collect();
            let line = format!("{}/{}: {}\n", action.entity, action.name, all.join(", "));
            if !all.is_empty() && !list.contains(&line) {
                list += &line;
            }
        }
    }
    insta::assert_snapshot!("lifting", list);
}

#[test]
fn what_is_fine_is_not_complained_about() {
    for good in [
        "subject: required\noutcomes:\n  - { create: article, as: made, with: { title: x, author: \"{{subject.author}}\" } }\n  - { respond: client.notify, with: { type: info, title: x, message: \"{{made.author}}\" }, when: subject.author is not none }",
        "subject: required\noutcomes:\n  - { update: subject, with: { title: \"{{subject.settings.theme.x}}\" }, when: subject.settings.theme == 'x' }\nR",
        "on: { before_update: [article, comment] }\noutcomes:\n  - { create: tag, with: { name: x }, when: event.entity == 'article' and event.after.title != event.before.title and event.after.settings.theme == 'x' and event.after.version > 1 }\nR",
        "outcomes:\n  - { read: article, as: found, where: { and: [{ gt: [words, -1] }, { in: [status, [draft, \"{{caller.name}}\"]] }, { not: { null: [author, true] } }] }, sort: [-words] }\n  - { create: tag, with: { name: \"x {{#each found}}{{title}} {{this.title}} {{@index}} {{../caller.name}} {{@root.caller.email}}{{else}}none{{/each}}\" }, when: \"found | length > 0 and found[0].title == 'x'\" }\nR",
        "inputs: { a: { type: json }, b: { type: row, entity: article } }\noutcomes:\n  - { create: tag, with: { name: \"{{a.b.c}} {{#if b}}{{b.title}}{{/if}} {{config.public.name}}\" }, when: a.x.y is defined }\nR",
    ] {
        let said = said(&good.replace("{ null:", "{ \"null\":").replace('R', RESPOND));
        assert!(said.is_empty(), "{good}\n{said:#?}");
    }
}

#[test]
fn circles_of_calls_are_told_unless_they_may_end() {
    let load = |files: &[(&str, &str)]| {
        let file = |(name, text): &(&str, &str)| File { path: format!("actions/article/{name}.yaml"), text: (*text).to_owned() };
        let files: Vec<_> = files.iter().map(file).collect();
        let (schema, _) = rowhouse::project::load(std::path::Path::new("examples/newsroom")).expect("no complaints");
        let loaded = file::load(&schema, Default::default(), &files).map(|_| ());
        loaded.map_err(|complaints| complaints.iter().map(ToString::to_string).collect::<Vec<_>>())
    };
    let to = |name: &str| format!("outcomes:\n  - {{ call: article/{name} }}");
    let end = "outcomes:\n  - { respond: client.reload }";
    let said = load(&[("a", to("b").as_str()), ("b", &to("c")), ("c", &to("b")), ("d", end)]).expect_err("a circle");
    assert_eq!(said.len(), 2, "{said:#?}");
    assert!(said[0].starts_with("actions/article/b.yaml:2:13: it would call itself"), "{said:#?}");
    let may_end =
        "inputs: { n: { type: integer } }\noutcomes:\n  - { call: article/b, when: n == 1 }\n  - { respond: client.reload }";
    load(&[("a", to("b").as_str()), ("b", &to("c")), ("c", may_end), ("d", end)]).expect("no circle that has no end");
    let said = load(&[("a b", end)]).expect_err("a name");
    assert!(said[0].contains("`a b` can't be a name"), "{said:#?}");
}

#[test]
fn files_that_would_be_overlooked_are_said_to_be() {
    let folder = std::env::temp_dir().join(format!("rowhouse-overlooked-{}", uuid::Uuid::now_v7()));
    for path in [
        "schema/old/article.yaml",
        "actions/publish.yaml",
        "actions/usergruop/x.yaml",
        "actions/usergroup/old/x.yaml",
        "templates/loose.hbs",
        "templates/letter/old/text.hbs",
        "templates/letter/text.HBS",
        "schema/article.yml",
        "actions/usergroup/Greet.YAML",
    ] {
        std::fs::create_dir_all(folder.join(path).parent().expect("a folder")).expect("a folder");
        std::fs::write(folder.join(path), "").expect("written");
    }
    std::fs::write(folder.join("actions/README.md"), "anything").expect("written");
    let said: Vec<_> = rowhouse::project::load(&folder).expect_err("complaints").iter().map(ToString::to_string).collect();
    std::fs::remove_dir_all(&folder).expect("removed");
    for words in [
        "schema/old/article.yaml: it would be overlooked here: a file is schema/<entity>.yaml",
        "actions/publish.yaml: it would be overlooked here: a file is actions/<entity>/<name>.yaml",
        "actions/usergruop/x.yaml: there is no entity `usergruop`; did you mean `usergroup`?",
        "actions/usergroup/old/x.yaml: it would be overlooked",
        "templates/loose.hbs: it would be overlooked here: a file is templates/<letter>/<part>.hbs",
        "templates/letter/old/text.hbs: it would be overlooked",
        "templates/letter/text.HBS: it would be overlooked",
        "schema/article.yml: it would be overlooked here: a file is schema/<entity>.yaml",
        "actions/usergroup/Greet.YAML: it would be overlooked",
    ] {
        assert!(said.iter().any(|s| s.starts_with(words)), "{words} in {said:#?}");
    }
    assert_eq!(said.len(), 9);
}
