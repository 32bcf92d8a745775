//! Files in and out: what people hit with spreadsheets, links, and what is lost on the way. Each test names its cases.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::Method;
use serde_json::{Value as Json, json};

use super::transfers::{counts, import, over};
use crate::house::answer::Answer;
use crate::house::hostile::{workbook, workbook_of};
use crate::house::{Someone, World};

const FILES: &str = "tests/projects/files";

async fn world() -> World {
    let world = World::of_with(FILES, |config| {
        config.outbox.poll = std::time::Duration::from_millis(50);
        config.limits.action_rate = false;
        config.limits.body = 4_000_000;
    })
    .await;
    world.run_tasks();
    world
}

/// Imports members.
async fn members(who: &Someone<'_>, inputs: Json, content: impl AsRef<[u8]>) -> Json {
    let mut order = json!({"entity": "member"});
    order.as_object_mut().expect("an object").extend(inputs.as_object().cloned().expect("an object"));
    import(who, order, content).await
}

/// The only fault of an import that failed: row, field, code and words.
fn fault(row: &Json) -> (i64, String, String, String) {
    assert!(row["state"] == "failed" || row["failed"] == 1, "{row}");
    let faults = row["faults"].as_array().expect("a list");
    assert_eq!(faults.len(), 1, "{row}");
    let text = |name: &str| faults[0][name].as_str().expect("text").to_owned();
    (faults[0]["row"].as_i64().expect("a number"), text("field"), text("code"), text("message"))
}

fn done(row: &Json, wanted: [i64; 4]) {
    assert_eq!((row["state"].as_str(), counts(row)), (Some("done"), wanted), "{row}");
}

async fn begun(who: &Someone<'_>, order: Json) -> (String, Json) {
    let begun = who.act("world/export_data", order).await.is(200);
    let id = begun.json[0]["Attributes"]["id"].as_str().expect("an id").to_owned();
    let row = over(who, &id).await;
    (id, row)
}

async fn export(who: &Someone<'_>, order: Json) -> Vec<u8> {
    let (id, row) = begun(who, order).await;
    assert_eq!(row["state"], "done", "{row}");
    who.get(&format!("/file/{id}")).await.is(200).bytes
}

async fn text(who: &Someone<'_>, order: Json) -> String {
    String::from_utf8(export(who, order).await).expect("text")
}

/// Rows of a sheet, from cells as XML or as text.
fn rows(rows: &[&[&str]]) -> String {
    let cell = |cell: &&str| match cell.starts_with('<') {
        true => (*cell).to_owned(),
        false => format!("<c t=\"inlineStr\"><is><t>{cell}</t></is></c>"),
    };
    rows.iter().map(|cells| format!("<row>{}</row>", cells.iter().map(cell).collect::<String>())).collect()
}

/// Styles: 1 a day, 2 a point in time, 3 a time, 4 a duration.
const STYLES: &str =
    "<cellXfs><xf numFmtId=\"0\"/><xf numFmtId=\"14\"/><xf numFmtId=\"22\"/><xf numFmtId=\"20\"/><xf numFmtId=\"46\"/></cellXfs>";

async fn all(world: &World, column: &str) -> Vec<Option<String>> {
    let found = world.sql(&format!("select {column}::text from member order by name")).await;
    found.iter().map(|row| row.text(0).map(str::to_owned)).collect()
}

fn some(values: &[&str]) -> Vec<Option<String>> {
    values.iter().map(|value| Some((*value).to_owned())).collect()
}

#[tokio::test]
async fn a07_b52_cells_of_a_workbook_are_what_their_columns_want() {
    let world = world().await;
    let ada = world.user("ada", &[]).await;
    let sheet =
        |more: &[&[&str]]| rows(&[&[&["name", "seen", "born", "shift", "note", "score", "active"][..]][..], more].concat());
    let good: &[&[&str]] = &[
        &[
            "a",
            "<c s=\"1\"><v>45322</v></c>",
            "<c s=\"2\"><v>45322</v></c>",
            "<c s=\"3\"><v>0.354166666666667</v></c>",
            "<c s=\"3\"><v>0.395833333333333</v></c>",
            "<c><v>5</v></c>",
            "<c><v>1</v></c>",
        ],
        &[
            "b",
            "<c><v>45322.5</v></c>",
            "<c><v>45322</v></c>",
            "<c><v>0.5</v></c>",
            "<c s=\"4\"><v>1.25</v></c>",
            "5",
            "<c t=\"b\"><v>0</v></c>",
        ],
        &["c", "2024-01-31T00:00:00Z", "2024-01-31", "8:30", "<c s=\"1\"><v>45322</v></c>", "<c/>", "true"],
    ];
    done(&members(&ada, json!({"format": "xlsx"}), workbook(&sheet(good), "", STYLES)).await, [3, 3, 0, 0]);
    let seen = "to_char(seen at time zone 'UTC', 'YYYY-MM-DD HH24:MI')";
    assert_eq!(all(&world, seen).await, some(&["2024-01-31 00:00", "2024-01-31 12:00", "2024-01-31 00:00"]));
    assert_eq!(all(&world, "born").await, some(&["2024-01-31"; 3]));
    assert_eq!(all(&world, "shift").await, some(&["08:30:00", "12:00:00", "08:30:00"]));
    assert_eq!(all(&world, "note").await, some(&["09:30:00", "30:00:00", "2024-01-31"]));
    assert_eq!(all(&world, "active").await, some(&["true", "false", "true"]));
    world.sql("delete from member").await;
    // Its clock, and the other epoch.
    let old = workbook_of("<workbookPr date1904=\"1\"/>", &[("A", "visible", &sheet(&good[..1]))], "", STYLES);
    done(&members(&ada, json!({"format": "xlsx", "zone": "Europe/Vienna"}), old).await, [1, 1, 0, 0]);
    assert_eq!(all(&world, seen).await, some(&["2028-01-31 23:00"]));
    assert_eq!(all(&world, "born").await, some(&["2028-02-01"]));
    // What doesn't fit is a fault, and nothing is lost.
    for (field, cell, words) in [
        ("born", "<c s=\"2\"><v>45322.5</v></c>", "`born` takes a day, and the cell has a time, too: 2024-01-31T12:00:00."),
        ("shift", "<c s=\"2\"><v>45322.5</v></c>", "`shift` takes a time of day, and the cell has a day, too"),
        ("score", "<c s=\"3\"><v>0.5</v></c>", "`score` takes a number, and the cell is a day or a time: 12:00:00."),
        ("score", "<c t=\"e\"><v>#N/A</v></c>", "`score` holds no value, but #N/A."),
        ("note", "<c t=\"e\"><v>#REF!</v></c>", "`note` holds no value, but #REF!."),
        ("note", "<c t=\"str\"><f>1+1</f></c>", "`note` holds no value, but a formula without its result."),
        ("score", "1,5", "`score` is no number as programs write one: say in which `locale` it is, such as de."),
        ("seen", "2024-01-31 08:30", "`seen` is a time of some clock: say of which `zone`, such as Europe/Vienna or UTC."),
        ("meta", "broken", "`meta` is no JSON: a text in it stands in quotation marks."),
        ("meta", "{broken", "`meta` is no JSON: key must be a string at line 1 column 2."),
        ("meta", "{&quot;a&quot;: 1, &quot;a&quot;: 2}", "`meta` is no JSON: a key stands twice in one object"),
        ("active", "perhaps", "`active` must be true or false."),
        ("shift", "25:00", "`shift` must be a time such as 13:45:00."),
    ] {
        let file = workbook(&rows(&[&["name", field], &["fine", ""], &["bad", cell]]), "", STYLES);
        let told = fault(&members(&ada, json!({"format": "xlsx"}), file).await);
        assert_eq!((told.0, told.1.as_str()), (3, field), "{cell}");
        assert!(told.3.contains(words), "{cell}: {told:?}");
    }
}

#[tokio::test]
async fn a07_people_write_in_a_language_that_is_named() {
    let world = world().await;
    let ada = world.user("ada", &[]).await;
    let file = "name;weight;price;born;seen;shift;active;score\nx;1.234,5;-0,25;31.01.2024;31.1.2024 08:30;8:30;Ja;1.000\n";
    done(&members(&ada, json!({"locale": "de", "zone": "Europe/Vienna"}), file).await, [1, 1, 0, 0]);
    let values = "concat_ws('|', weight, price, born, seen at time zone 'UTC', shift, active, score)";
    assert_eq!(all(&world, values).await, some(&["1234.5|-0.2500|2024-01-31|2024-01-31 07:30:00|08:30:00|t|1000"]));
    for (field, value) in [("score", "1.5"), ("born", "1/31/2024"), ("active", "yes"), ("born", "31.1.24")] {
        assert_eq!(
            fault(&members(&ada, json!({"locale": "de"}), format!("name;{field}\nx;{value}\n")).await).1,
            field,
            "{value}"
        );
    }
    for (option, value) in [
        ("locale", json!("xx")),
        ("zone", json!("Mars/Phobos")),
        ("encoding", json!("klingon")),
        ("delimiter", json!("ab")),
        ("columns", json!({"a": "nmae"})),
        ("columns", json!(["name"])),
        ("constants", json!({"nmae": 1})),
        ("columns", json!({"a": "name", "b": "name"})),
    ] {
        let refused = ada.act("world/import_data", json!({"entity": "member", "format": "csv", option: value})).await.is(422);
        assert!(refused.text.contains(&format!("\"field\":\"{option}\"")), "{option} {value}: {}", refused.text);
    }
}

#[tokio::test]
async fn a08_b50_b54_nothing_is_lost_quietly() {
    let world = world().await;
    let ada = world.user("ada", &[]).await;
    // Rows of commas are none; columns without a name whose cells are empty aren't either.
    done(&members(&ada, json!({}), "name,note,,\nGalway,x,,\n,,,\n,,\n\nCork,y,,\n").await, [2, 2, 0, 0]);
    let told = fault(&members(&ada, json!({}), "name,,\nx,,\n\ny,,z\n").await);
    assert_eq!((told.0, told.2.as_str()), (4, "no-name"), "{told:?}");
    assert!(told.3.contains("Column C has no name"), "{told:?}");
    let told = fault(&members(&ada, json!({}), "name,note\nAda,\"never closed\nBob,x\nCy,y\n").await);
    assert!(told.3.contains("Row 2: a quotation mark is never closed."), "{told:?}");
    let told = fault(&members(&ada, json!({}), "name,note\nAda,\"closed \"too early\"\nBob,x\n").await);
    assert!(told.3.contains("Row 2: after a quotation mark that closes a cell something else stands."), "{told:?}");
    for (file, words) in [("name,note\nx,1\ny\n", "has 1 cells, and the first row names 2"), ("name\nx\ny,1\n", "has 2 cells")] {
        let told = fault(&members(&ada, json!({}), file).await);
        assert!(told.0 == 3 && told.3.contains(words), "{told:?}");
    }
    // What was said of a stored value stays where a cell is none.
    done(&members(&ada, json!({}), "name,mail,score\nx,x@example.org,77\n").await, [1, 1, 0, 0]);
    let sheet = rows(&[&["name", "mail", "score"], &["x", "x@example.org", "<c t=\"e\"><v>#N/A</v></c>"]]);
    let row = members(&ada, json!({"format": "xlsx", "key": "mail", "mode": "each"}), workbook(&sheet, "", "")).await;
    assert_eq!(counts(&row), [1, 0, 0, 1], "{row}");
    assert_eq!(world.sql("select score from member where mail = 'x@example.org'").await[0].int(0), Some(77));
    // Covers, hidden sheets, and those that are named.
    let (cover, data) = (rows(&[&["Read me"]]), rows(&[&["name"], &["found"]]));
    let hidden = rows(&[&["name"], &["secret"]]);
    let book = workbook_of("", &[("Old", "hidden", &hidden), ("Cover", "visible", &cover), ("Data", "visible", &data)], "", "");
    let row = members(&ada, json!({"format": "xlsx"}), &book).await;
    done(&row, [1, 1, 0, 0]);
    assert_eq!(row["found"]["sheet"], "Data", "{row}");
    for (sheet, wanted) in [("old", "Old"), ("1", "Old"), ("3", "Data")] {
        let row = members(&ada, json!({"format": "xlsx", "sheet": sheet}), &book).await;
        assert_eq!((row["state"].as_str(), row["found"]["sheet"].as_str()), (Some("done"), Some(wanted)), "{row}");
    }
    let told = fault(&members(&ada, json!({"format": "xlsx", "sheet": "cover"}), &book).await);
    assert!(
        told.3.contains("member has no attribute `Read me`") && told.3.contains("There are other sheets, too: `Old`, `Data`"),
        "{told:?}"
    );
    let told = fault(&members(&ada, json!({"format": "xlsx", "sheet": "4"}), &book).await);
    assert!(told.3.contains("There is no sheet `4`; there are: `Old`, `Cover`, `Data`."), "{told:?}");
    let covers = workbook_of("", &[("A", "visible", &cover), ("B", "visible", &cover)], "", "");
    let told = fault(&members(&ada, json!({"format": "xlsx"}), covers).await);
    assert!(told.3.contains("no sheet's first row names a column") && told.3.contains("`sheet`"), "{told:?}");
    let told = fault(&members(&ada, json!({"format": "xlsx"}), workbook("", "", "")).await);
    assert!(told.3.contains("The sheet `A` has no rows."), "{told:?}");
    // One mistake is told once, whatever it is repeated.
    let many: String = (0..300).map(|n| format!("n{n},x\n")).collect();
    let told = fault(&members(&ada, json!({}), format!("name,ntoe\n{many}")).await);
    assert!(told.0 == 1 && told.1 == "ntoe" && told.3.contains("Did you mean `note`?"), "{told:?}");
}

#[tokio::test]
async fn a10_delimiter_and_encoding_are_found_or_named_and_told() {
    let world = world().await;
    let ada = world.user("ada", &[]).await;
    let wide: Vec<u8> = "\u{feff}name\tnote\nGröße\tx, y\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let files: &[(&[u8], Json, &str, &str)] = &[
        ("name;note\nGröße;x, y\n".as_bytes(), json!({}), "UTF-8", ";"),
        (b"name|note\nGr\xc3\xb6\xc3\x9fe|x, y\n", json!({}), "UTF-8", "|"),
        (&wide, json!({}), "UTF-16LE", "\t"),
        (b"name;note\nGr\xf6\xdfe;x, y\n", json!({"encoding": "latin1"}), "windows-1252", ";"),
        ("name;note,note\n".as_bytes(), json!({"delimiter": ",", "columns": {"name;note": "name"}}), "UTF-8", ","),
        ("name\ttext\nGröße\tx, y\n".as_bytes(), json!({"delimiter": "tab", "columns": {"text": "note"}}), "UTF-8", "\t"),
        ("\"name\";\"note\"\r\n\"Größe\";\"x, y\"\r\n".as_bytes(), json!({}), "UTF-8", ";"),
    ];
    for (file, inputs, encoding, delimiter) in files {
        let row = members(&ada, inputs.clone(), file).await;
        assert_eq!(row["state"], "done", "{row}");
        assert_eq!((&row["found"]["encoding"], &row["found"]["delimiter"]), (&json!(encoding), &json!(delimiter)), "{row}");
        if row["created"] == 1 {
            assert_eq!(all(&world, "name || '|' || note").await, some(&["Größe|x, y"]), "{row}");
        }
        world.sql("delete from member").await;
    }
    let told = fault(&members(&ada, json!({}), b"name;note\nGr\xf6\xdfe;x\nGr\xf6\xdfer;y\n").await);
    assert!(
        told.0 == 2 && told.3.contains("It is neither UTF-8 nor UTF-16: say which `encoding` it is, such as windows-1252."),
        "{told:?}"
    );
    // Rows are counted as people count them.
    let told = fault(&members(&ada, json!({}), "\nnote,name,score\n\n\"a\nb\",x,1\r\n,c,\"x\"\r\n").await);
    assert_eq!((told.0, told.1.as_str()), (5, "score"), "{told:?}");
}

#[tokio::test]
async fn a10_b59_columns_are_mapped_left_out_or_the_same_in_every_row_and_faulty_rows_come_back() {
    let world = world().await;
    let (ada, bob) = (world.user("ada", &[]).await, world.user("bob", &[]).await);
    let file = "Full name,Junk,Points,pass\nx,1,7,\ny,2,many,geheim\nz,3,9,\n";
    let inputs = json!({"columns": {"Full name": "name", "Junk": null, "Points": "score"}, "constants": {"mood": "so, so"}, "mode": "each"});
    let started = json!({"entity": "member", "format": "csv", "content": STANDARD.encode(file)});
    let mut order = started.clone();
    order.as_object_mut().expect("an object").extend(inputs.as_object().cloned().expect("an object"));
    let id = ada.act("world/import_data", order).await.is(200).json[0]["Attributes"]["id"].as_str().expect("an id").to_owned();
    let row = over(&ada, &id).await;
    done(&row, [3, 2, 0, 1]);
    let fields: Vec<_> = row["faults"].as_array().expect("a list").iter().map(|fault| (&fault["row"], &fault["field"])).collect();
    assert_eq!(fields, [(&json!(3), &json!("Points")), (&json!(3), &json!("pass"))], "{row}");
    assert_eq!(all(&world, "mood").await, some(&["so, so", "so, so"]));
    // What came to nothing comes back, with the words, and without what is secret.
    let back = ada.get(&format!("/file/{id}")).await.is(200);
    assert_eq!(back.header("content-disposition"), "attachment; filename=\"member_faults.csv\"");
    assert_eq!(
        back.text,
        "\u{feff}Full name,Junk,Points,pass,import_fault\ny,2,many,,`score` must be a whole number of at most 64 bits. `pass` can't be imported.\n"
    );
    bob.get(&format!("/file/{id}")).await.is(404);
    // Mended, it goes in as it is.
    done(&members(&ada, inputs, back.text.replace("many", "8")).await, [1, 1, 0, 0]);
    // Of JSON each row has its own columns.
    let rows = r#"[{"name": "a", "score": "x"}, {"name": "b", "extra": 1}, {"name": "c"}]"#;
    let order = json!({"entity": "member", "format": "json", "mode": "each", "content": STANDARD.encode(rows)});
    let id = ada.act("world/import_data", order).await.is(200).json[0]["Attributes"]["id"].as_str().expect("an id").to_owned();
    done(&over(&ada, &id).await, [3, 1, 0, 2]);
    let back = ada.get(&format!("/file/{id}")).await.is(200).text;
    let back: Vec<Json> = back.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!((&back[0]["score"], &back[1]["extra"], back.len()), (&json!("x"), &json!(1), 2));
    assert!(back[1]["import_fault"].as_str().is_some_and(|words| words.contains("no attribute `extra`")));
    let missing = members(&ada, json!({"columns": {"Nmae": "name"}}), "Name\nx\n").await["faults"].to_string();
    assert!(missing.contains("The file has no column `Nmae`.") && missing.contains("no attribute `Name`"), "{missing}");
    let missing = fault(&members(&ada, json!({}), "note\nx\ny\nz\n").await);
    assert_eq!((missing.1.as_str(), missing.2.as_str()), ("name", "required"), "{missing:?}");
    // Null in JSON is null, as in every body; an empty cell says nothing of a new row.
    world.sql("delete from member").await;
    done(&members(&ada, json!({"format": "json"}), r#"[{"name": "a", "note": null}, {"name": "b"}]"#).await, [2, 2, 0, 0]);
    done(&members(&ada, json!({}), "name,note\nc,\nd,'\n").await, [2, 2, 0, 0]);
    assert_eq!(
        all(&world, "note").await,
        [None, Some("said nothing".to_owned()), Some("said nothing".to_owned()), Some(String::new())]
    );
    // A body that is too large says where files go.
    let large = json!({"entity": "member", "format": "csv", "content": "x".repeat(4_100_000)});
    let refused = ada.act("world/import_data", large).await.is(413);
    assert!(refused.text.contains("PUT /file/<id>: leave `content` out"), "{}", refused.text);
}

#[tokio::test]
async fn a11_a12_rows_are_linked_by_what_is_unique_and_to_those_that_come_later() {
    let world = world().await;
    let (ada, bob) = (world.user("ada", &[]).await, world.user("bob", &[]).await);
    for name in ["red", "green", "blue, \"dark\""] {
        ada.make("skill", json!({"name": name}), json!({})).await;
    }
    let red = ada.make("team", json!({"code": "RED"}), json!({})).await;
    bob.make("team", json!({"code": "HIDDEN", "permission": 0}), json!({})).await;
    let told = fault(&members(&ada, json!({}), "name,team\nm,RED\n").await);
    assert!(told.1 == "team" && told.3.contains("`team` takes the id of a team; by something unique"), "{told:?}");
    for code in ["GREEN", "HIDDEN"] {
        let told = fault(&members(&ada, json!({}), format!("name,team.code\nfine,RED\nm,{code}\n")).await);
        assert_eq!((told.0, told.1.as_str(), told.2.as_str()), (3, "team.code", "no-row"));
        assert_eq!(told.3, format!("There is no team whose `code` is `{code}`, or none that you may see."));
    }
    let file = format!(
        "name,team.code,skills.name,boss.mail,mail,friends.mail,team\nboy,,red; green,old@example.org,boy@example.org,\"old@example.org, girl@example.org\",{red}\nold,RED,\"[\"\"blue, \\\"\"dark\\\"\"\"\"]\",old@example.org,old@example.org,,\ngirl,,,,girl@example.org,girl@example.org,\n"
    );
    let told = fault(&members(&ada, json!({}), &file).await);
    assert!(told.3.contains("`team` has two values") || told.2 == "twice", "{told:?}");
    let file = file.replace(",team\n", ",Squad\n");
    let row = members(&ada, json!({"columns": {"Squad": null}}), &file).await;
    done(&row, [3, 3, 0, 0]);
    let sql = "select m.name || ':' || coalesce(b.name, '') || ':' || coalesce(t.code, '') || ':'
        || (select coalesce(string_agg(s.name, '+' order by s.name), '') from \"member.skills\" l join skill s on s.id = l.target where l.source = m.id) || ':'
        || (select coalesce(string_agg(f.name, '+' order by f.name), '') from \"member.friends\" l join member f on f.id = l.target where l.source = m.id)
        from member m left join member b on b.id = m.boss left join team t on t.id = m.team order by m.name";
    let found: Vec<_> = world.sql(sql).await.iter().map(|row| row.text(0).expect("text").to_owned()).collect();
    assert_eq!(found, ["boy:old::green+red:girl+old", "girl::::girl", "old:old:RED:blue, \"dark\":"]);
    // In a file of rows that stand on their own, those that come later aren't there.
    world.sql("delete from member").await;
    let row =
        members(&ada, json!({"mode": "each"}), "name,mail,boss.mail\na,a@example.org,b@example.org\nb,b@example.org,\n").await;
    assert_eq!(counts(&row), [2, 1, 0, 1], "{row}");
    let told = fault(
        &members(&ada, json!({}), "name,mail,boss.mail\nc,c@example.org,nobody@example.org\nd,d@example.org,c@example.org\n")
            .await,
    );
    assert_eq!((told.0, told.1.as_str()), (2, "boss.mail"), "{told:?}");
    assert_eq!(all(&world, "name").await, some(&["b"]));
}

#[tokio::test]
async fn b37_n2_what_an_import_can_not_set_is_a_fault_and_administrators_move_it_in() {
    let world = world().await;
    let (ada, bob, admin) = (world.user("ada", &[]).await, world.user("bob", &[]).await, world.administrator().await);
    let jobs = async |who: &Someone<'_>, inputs: Json, file: &str| {
        let mut order = json!({"entity": "job"});
        order.as_object_mut().expect("an object").extend(inputs.as_object().cloned().expect("an object"));
        import(who, order, file).await
    };
    for (field, value) in
        [("status", "done"), ("created_at", "2001-02-03T04:05:06Z"), ("version", "7"), ("updated_at", "2001-02-03T04:05:06Z")]
    {
        for who in [&ada, &admin] {
            let told = fault(&jobs(who, json!({}), &format!("title,{field}\nfine,\nlegacy,{value}\nlegacy,{value}\n")).await);
            assert_eq!((told.0, told.1.as_str(), told.2.as_str()), (3, field, "read-only"), "{told:?}");
        }
    }
    let told = fault(&jobs(&ada, json!({}), "title,status\nx,nonsense\n").await);
    assert_eq!(told.1, "status");
    done(&jobs(&ada, json!({}), "title,status\nx,open\ny,\n").await, [2, 2, 0, 0]);
    let told = fault(&jobs(&ada, json!({}), &format!("title,owner\nx,{}\n", bob.id)).await);
    assert_eq!(told.0, 2);
    let refused = ada.act("world/import_data", json!({"entity": "job", "format": "csv", "mode": "move_in"})).await;
    assert!(refused.status == 403, "{}", refused.text);
    // Owners, states, and when they were made; also of those who are gone, whose ids nobody gets again.
    let gone = uuid::Uuid::now_v7();
    let id = uuid::Uuid::now_v7();
    let file = format!(
        "id,title,status,created_at,owner\n{id},old,done,2001-02-03T04:05:06Z,{}\n{},of nobody,doing,2001-02-03T04:05:06.789Z,{gone}\n",
        bob.id,
        uuid::Uuid::now_v7()
    );
    done(&jobs(&admin, json!({"mode": "move_in"}), &file).await, [2, 2, 0, 0]);
    for groups in [json!([5]), json!(["nobody"]), json!(["=1"]), json!(7)] {
        let rows = json!([{"title": "x", "usergroups": groups}]).to_string();
        let row = jobs(&admin, json!({"mode": "move_in", "format": "json"}), &rows).await;
        assert_eq!(fault(&row).1, "usergroups", "{groups}: nothing of a list is left out");
    }
    let own = bob.get(&format!("/api/job/{id}")).await.is(200);
    assert_eq!(own.json["data"]["attributes"]["status"], "done");
    assert_eq!(own.json["data"]["attributes"]["created_at"], "2001-02-03T04:05:06Z");
    assert_eq!(own.json["data"]["relationships"]["owner"]["data"]["id"], bob.id.to_string());
    let history = admin.get(&format!("/history/job/{id}")).await.is(200);
    assert_eq!(history.all("action"), ["world/import_data (move_in)"], "{}", history.text);
    let sql =
        format!("insert into user_account (id, owner, permission, email) values ('{gone}', '{gone}', 0, 'late@example.org')");
    assert!(world.beside.ask(&sql).await.is_err(), "an id that was somebody's is never given again");
    // A user, and a group, that are deleted leave theirs.
    let group = admin.make("usergroup", json!({"name": "short-lived"}), json!({})).await;
    admin.delete(&format!("/api/usergroup/{group}")).await.is(204);
    admin.delete(&format!("/api/user_account/{}", ada.id)).await.is(204);
    for (table, id, more) in [("usergroup", group, "'again'"), ("user_account", ada.id.to_string(), "'again@example.org'")] {
        let column = if table == "usergroup" { "name" } else { "email" };
        let sql = format!("insert into {table} (id, permission, {column}) values ('{id}', 0, {more})");
        assert!(world.beside.ask(&sql).await.is_err(), "{table}");
    }
}

/// Texts that a file must not change.
const TEXTS: &[&str] = &[
    "plain",
    "",
    "'",
    "''",
    "=1+1",
    "'=1",
    " spaced ",
    "a\nb\r\nc",
    "größe, \"x\"; y|z\t.",
    "_x000D_",
    "\u{1}control\u{b}",
    "1,5",
    "2024-01-31",
    "true",
    "null",
    "{}",
    "[]",
    "&lt;<b>&amp;</b>]]>",
    "𝄞 \u{fffd} \u{202e}",
    "0042",
    "+49 170",
    "#N/A",
    "-",
];

#[tokio::test]
async fn a12_what_went_out_comes_back_as_it_went_with_owners_dates_and_links() {
    let world = world().await;
    let (ada, bob, admin) = (world.user("ada", &[]).await, world.user("bob", &[]).await, world.administrator().await);
    let teams =
        [ada.make("team", json!({"code": "red"}), json!({})).await, bob.make("team", json!({"code": "größe"}), json!({})).await];
    let mut skills = vec![];
    for name in ["sing", "a, b; c", "[\"x\"]", "=1"] {
        skills.push(ada.make("skill", json!({"name": name}), json!({})).await);
    }
    let mut state = 88_172_645_463_325_252_u64;
    let mut next = move |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state % u64::try_from(below).expect("small")).expect("small")
    };
    let mut ids: Vec<String> = vec![];
    for n in 0..30 {
        let pick = |next: &mut dyn FnMut(usize) -> usize, values: &[Json]| values[next(values.len())].clone();
        let attributes = json!({
            "name": format!("n{n}"), "mail": if n % 3 == 0 { Json::Null } else { json!(format!("m{n}@example.org")) },
            "note": if next(6) == 0 { Json::Null } else { json!(TEXTS[next(TEXTS.len())]) },
            "seen": pick(&mut next, &[Json::Null, json!("2024-01-31T12:00:00Z"), json!("1815-06-18T11:30:00.000001Z"), json!("9999-12-31T23:59:59.999Z"), json!("2024-02-29T23:59:59.123Z")]),
            "born": pick(&mut next, &[Json::Null, json!("2024-02-29"), json!("1899-12-31"), json!("1900-03-01"), json!("9999-12-31")]),
            "shift": pick(&mut next, &[Json::Null, json!("00:00:00"), json!("23:59:59.999999"), json!("08:30:00.5")]),
            "score": pick(&mut next, &[Json::Null, json!(0), json!(-7), json!(i64::MAX), json!(i64::MIN), json!(1_000_000_000_000_000_i64)]),
            "weight": pick(&mut next, &[Json::Null, json!(0.1), json!(-1.5e300), json!(5e-324), json!(109_225.610_891_037_15), json!(3)]),
            "price": pick(&mut next, &[Json::Null, json!("12.5000"), json!("-9999999999999999.9999"), json!("0.0001")]),
            "active": pick(&mut next, &[Json::Null, json!(true), json!(false)]),
            "meta": pick(&mut next, &[Json::Null, json!({"a": [1, null, "größe"]}), json!("text"), json!(7), json!("7"), json!([]), json!(true)]),
            "mood": pick(&mut next, &[Json::Null, json!("good"), json!("so, so")]),
        });
        let who = if next(2) == 0 { &ada } else { &bob };
        let mut links = json!({});
        if next(2) == 0 {
            links["team"] = json!({"data": {"type": "team", "id": teams[next(2)]}});
        }
        let some: Vec<Json> = skills.iter().filter(|_| next(3) == 0).map(|id| json!({"type": "skill", "id": id})).collect();
        links["skills"] = json!({"data": some});
        ids.push(who.make("member", attributes, links).await);
    }
    // Links to each other, also to those that come later, and in rings.
    for _ in 0..25 {
        let (a, b) = (next(ids.len()), next(ids.len()));
        world.sql(&format!("update member set boss = '{}' where id = '{}'", ids[b], ids[a])).await;
        world
            .sql(&format!(
                "insert into \"member.friends\" (source, target, created_at) values ('{}', '{}', now()) on conflict do nothing",
                ids[a], ids[b]
            ))
            .await;
    }
    world.sql("update member set created_at = created_at - random() * interval '9 years'").await;
    world.sql("update member set owner = null where name = 'n7'").await;
    let group = admin.make("usergroup", json!({"name": "some"}), json!({})).await;
    world
        .sql(&format!("update member set groups = array['{group}'::uuid], group_bits = array[16384] where name in ('n1', 'n8')"))
        .await;
    world.sql(&format!("update member set groups = array['{group}'::uuid] where name = 'n2'")).await;
    let whole = async || -> Vec<Json> {
        serde_json::from_str(&text(&admin, json!({"entity": "member", "format": "json"})).await).expect("JSON")
    };
    let sorted = |mut rows: Vec<Json>| {
        for row in &mut rows {
            for name in ["skills", "friends", "usergroups"] {
                row[name].as_array_mut().expect("a list").sort_by_key(Json::to_string);
            }
        }
        rows
    };
    let went = sorted(whole().await);
    assert_eq!(went.len(), 30);
    for (format, more) in [
        ("json", json!({})),
        ("csv", json!({})),
        ("xlsx", json!({})),
        ("csv", json!({"names": true, "mark": true})),
        ("xlsx", json!({"names": true})),
    ] {
        let mut order = json!({"entity": "member", "format": format});
        order.as_object_mut().expect("an object").extend(more.as_object().cloned().expect("an object"));
        let file = export(&admin, order).await;
        world.sql("delete from member").await;
        let row = members(&admin, json!({"mode": "move_in", "key": "id", "format": format}), &file).await;
        done(&row, [30, 30, 0, 0]);
        let came = sorted(whole().await);
        for (went, came) in went.iter().zip(&came) {
            assert_eq!(went, came, "{format} {more}");
        }
        assert_eq!(went.len(), came.len());
    }
}

async fn follow(who: &Someone<'_>, method: Method, url: &str) -> Answer {
    who.send(who.request(method, url)).await
}

#[tokio::test]
async fn b56_exports_for_people_and_a_link_that_a_browser_follows() {
    let world = world().await;
    let (ada, bob) = (world.user("ada", &[]).await, world.user("bob", &[]).await);
    let team = ada.make("team", json!({"code": "red", "name": "Reds"}), json!({})).await;
    let link = json!({"team": {"data": {"type": "team", "id": team}}});
    let boss = ada.make("member", json!({"name": "ann", "score": 3}), link.clone()).await;
    let mut links = link.clone();
    links["boss"] = json!({"data": {"type": "member", "id": boss}});
    ada.make("member", json!({"name": "zoe", "score": 1}), links).await;
    ada.make("member", json!({"name": "bea", "score": 2}), json!({})).await;
    let order = json!({
        "entity": "member", "order": "-score", "filter": {"ge": ["score", 1]}, "mark": true,
        "columns": ["name", "score", "team.code", "boss.team.name", "team"],
    });
    let file = text(&ada, order).await;
    assert_eq!(
        file,
        format!("\u{feff}name,score,team.code,boss.team.name,team\nann,3,red,,{team}\nbea,2,,,\nzoe,1,red,Reds,{team}\n")
    );
    let filtered =
        text(&ada, json!({"entity": "member", "columns": ["name"], "filter": "filter[score][gt]=1", "order": "name"})).await;
    assert_eq!(filtered, "name\nann\nbea\n");
    for (option, value) in [
        ("columns", json!(["nmae"])),
        ("columns", json!(["team.nmae"])),
        ("columns", json!(["pass"])),
        ("columns", json!("name")),
        ("entities", json!(["nothing"])),
        ("entities", json!("team")),
    ] {
        let refused = ada.act("world/export_data", json!({"entity": "member", option: value})).await.is(422);
        assert!(refused.text.contains(&format!("\"field\":\"{option}\"")), "{}", refused.text);
    }
    for (option, value) in
        [("order", json!("nmae")), ("filter", json!({"eq": ["nmae", 1]})), ("filter", json!("filter[score]=1&page[size]=1"))]
    {
        let (_, row) = begun(&ada, json!({"entity": "member", option: value})).await;
        assert_eq!(row["state"], "failed", "{row}");
    }
    // Several in one: an archive, or a sheet each.
    let archive = export(&ada, json!({"entity": "member", "entities": ["team", "skill"]})).await;
    let mut archive = zip::ZipArchive::new(std::io::Cursor::new(archive)).expect("an archive");
    let names: Vec<_> = archive.file_names().map(|name| name.expect("text").into_owned()).collect();
    assert_eq!(names, ["member.csv", "team.csv", "skill.csv"]);
    let mut teams = String::new();
    std::io::Read::read_to_string(&mut archive.by_name("team.csv").expect("there"), &mut teams).expect("text");
    assert!(teams.starts_with("id,code,name,") && teams.contains(",red,Reds,"), "{teams}");
    let book = export(&ada, json!({"entity": "member", "entities": ["team"], "format": "xlsx"})).await;
    let row = import(&bob, json!({"entity": "team", "format": "xlsx", "sheet": "team", "mode": "each", "columns": {"id": null, "created_at": null, "owner": null, "permission": null, "usergroups": null}}), &book).await;
    assert!(
        row["failed"] == 1 && row["faults"][0]["message"].as_str().is_some_and(|words| words.contains("`code` is taken")),
        "{row}"
    );
    // A link: for who asked, once, for a minute, and asked again when it is followed.
    let (id, _) = begun(&ada, json!({"entity": "member"})).await;
    let download = format!("transfer/{id}/download");
    bob.act(&download, json!({})).await.is(404);
    let ask = async || {
        let told = ada.act(&download, json!({})).await.is(200);
        assert_eq!(told.json[0]["ResponseType"], "client.file.download", "{}", told.text);
        assert_eq!(
            (&told.json[0]["Attributes"]["name"], &told.json[0]["Attributes"]["contentType"]),
            (&json!("member.csv"), &json!("text/csv; charset=utf-8"))
        );
        told.json[0]["Attributes"]["url"].as_str().expect("a path").to_owned()
    };
    let (guest, url) = (world.guest(), ask().await);
    assert!(url.len() > "/download/".len() + 40, "{url}");
    assert!(
        world.sql(&format!("select 1 from rowhouse.token where hash = convert_to('{}', 'UTF8')", &url[10..])).await.is_empty(),
        "hashed"
    );
    let head = async |url: &str| guest.request(Method::HEAD, url).send().await.expect("answered").status().as_u16();
    assert_eq!([head(&url).await, head(&url).await], [200, 200], "nothing is claimed");
    let got = follow(&guest, Method::GET, &url).await.is(200);
    assert!(got.text.contains("zoe"));
    assert_eq!(
        ["cache-control", "referrer-policy", "content-disposition"].map(|name| got.header(name)),
        ["no-store", "no-referrer", "attachment; filename=\"member.csv\""]
    );
    follow(&guest, Method::GET, &url).await.is(404);
    assert_eq!(head(&url).await, 404);
    follow(&guest, Method::GET, "/download/nothing").await.is(404);
    let url = ask().await;
    let both = tokio::join!(follow(&guest, Method::GET, &url), follow(&guest, Method::GET, &url));
    let mut statuses = [both.0.status, both.1.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 404], "the first has it");
    // Given back only where nothing of it was sent.
    let url = ask().await;
    world.sql("update world set permission = 0, groups = '{}', group_bits = null where name = 'member'").await;
    follow(&guest, Method::GET, &url).await.is(403);
    world.sql("update world set permission = 2097151 where name = 'member'").await;
    follow(&guest, Method::GET, &url).await.is(200);
    let url = ask().await;
    world.sql("update rowhouse.token set expires_at = now() where purpose = 'download'").await;
    follow(&guest, Method::GET, &url).await.is(404);
    let url = ask().await;
    ada.act("user_account/signout", json!({})).await.is(200);
    let over = follow(&guest, Method::GET, &url).await;
    assert!(over.status == 401 || over.status == 404, "{}", over.text);
}

#[tokio::test]
async fn a_transfer_can_be_stopped() {
    let world = world().await;
    let (ada, bob) = (world.user("ada", &[]).await, world.user("bob", &[]).await);
    for (mode, most) in [("all", 0), ("each", 100)] {
        let holder = world.hold("lock table member in share mode").await;
        let rows: String = (0..400).map(|n| format!("t{n}\n")).collect();
        let order =
            json!({"entity": "member", "format": "csv", "mode": mode, "content": STANDARD.encode(format!("name\n{rows}"))});
        let id =
            ada.act("world/import_data", order).await.is(200).json[0]["Attributes"]["id"].as_str().expect("an id").to_owned();
        world.held_up().await;
        bob.act(&format!("transfer/{id}/stop"), json!({})).await.is(404);
        ada.act(&format!("transfer/{id}/stop"), json!({})).await.is(200);
        holder.batch_execute("commit").await.expect("let go");
        world.settled().await;
        assert_eq!(over(&ada, &id).await["state"], "stopped");
        assert!(world.sql("select 1 from member").await.len() <= most, "{mode}");
        assert!(world.sql("select 1 from rowhouse.part").await.is_empty());
        ada.act(&format!("transfer/{id}/stop"), json!({})).await.is(409);
        world.sql("delete from member").await;
    }
}

#[tokio::test]
async fn b20_n5_an_action_that_finds_more_than_it_works_on_says_so() {
    let world = World::of_with(FILES, |config| config.limits.each = 5).await;
    let ada = world.user("ada", &[]).await;
    for n in 0..5 {
        ada.make("member", json!({"name": format!("n{n}")}), json!({})).await;
    }
    let told = async |action: &str| ada.act(&format!("member/{action}"), json!({})).await;
    assert!(told("count").await.is(200).text.contains("5 members"));
    ada.make("member", json!({"name": "one more"}), json!({})).await;
    assert!(told("first").await.is(200).text.contains("3 members"), "where the file says to stop");
    for action in ["count", "many"] {
        let refused = told(action).await.is(422);
        assert!(refused.text.contains("more than 5 rows of member to work with (limits.each)"), "{}", refused.text);
    }
}

#[tokio::test]
async fn what_was_no_whole_row_is_mended_before_it_goes_in_again() {
    let world = world().await;
    let ada = world.user("ada", &[]).await;
    let begun = async |inputs: Json, content: &[u8]| {
        let mut order = json!({"entity": "member", "format": "csv", "mode": "each", "content": STANDARD.encode(content)});
        order.as_object_mut().expect("an object").extend(inputs.as_object().cloned().expect("an object"));
        let id =
            ada.act("world/import_data", order).await.is(200).json[0]["Attributes"]["id"].as_str().expect("an id").to_owned();
        let row = over(&ada, &id).await;
        (row, ada.get(&format!("/file/{id}")).await.is(200).text)
    };
    // A comma too many, and too few: what stands beyond is told, and nothing is taken as it looks.
    let (row, back) = begun(json!({}), b"name,note,score\nSmith, John,Galway,5\nshort\nfine,x,1\n").await;
    assert_eq!(counts(&row), [3, 1, 0, 2], "{row}");
    assert!(row["faults"].to_string().contains("The first beyond is `5`."), "{row}");
    let again = members(&ada, json!({"mode": "each"}), &back).await;
    assert_eq!(counts(&again), [2, 0, 0, 2], "{again}");
    assert!(again["faults"].to_string().contains("mend it, and empty `import_fault`"), "{again}");
    let mended = "name,note,score,import_fault\nshort,,,\n";
    done(&members(&ada, json!({}), mended).await, [1, 1, 0, 0]);
    // It reads as the file did, in whatever encoding and with whatever delimiter that was.
    let inputs = json!({"encoding": "windows-1252", "delimiter": ";"});
    let (row, back) = begun(inputs.clone(), b"name;score\nM\xfcller;x\nlast;1").await;
    assert_eq!(
        (counts(&row), row["faults"].as_array().map(Vec::len)),
        ([2, 1, 0, 1], Some(1)),
        "also without an end of line: {row}"
    );
    let mut inputs = inputs;
    inputs["mode"] = json!("all");
    done(&members(&ada, inputs, back.replace(";x;", ";7;")).await, [1, 1, 0, 0]);
    assert_eq!(world.sql("select 1 from member where name = 'Müller' and score = 7").await.len(), 1);
    // What is secret is in it under no name.
    let (row, back) = begun(json!({"columns": {"PIN code": "pass"}}), b"PIN code,name\n1234-topsecret,x\n").await;
    assert!(row["failed"] == 1 && back.contains("PIN code") && !back.contains("topsecret"), "{back}");
    // A spreadsheet's clock is the same in it.
    let sheet = rows(&[&["name", "seen", "score"], &["x", "<c s=\"2\"><v>45322.354166666664</v></c>", "bad"]]);
    let order = json!({"entity": "member", "format": "xlsx", "zone": "Europe/Vienna", "mode": "each", "content": STANDARD.encode(workbook(&sheet, "", STYLES))});
    let id = ada.act("world/import_data", order).await.is(200).json[0]["Attributes"]["id"].as_str().expect("an id").to_owned();
    over(&ada, &id).await;
    let back = ada.get(&format!("/file/{id}")).await.is(200).text.replace("bad", "8");
    done(&members(&ada, json!({"zone": "Europe/Vienna"}), back).await, [1, 1, 0, 0]);
    let at = world.sql("select (seen at time zone 'UTC')::text from member where score = 8").await;
    assert_eq!(at[0].text(0), Some("2024-01-31 07:30:00"));
}

#[tokio::test]
async fn nothing_of_a_row_stands_twice_or_for_several_and_what_was_not_served_stays() {
    let world = world().await;
    let (ada, admin) = (world.user("ada", &[]).await, world.administrator().await);
    let mut teams = vec![];
    for (code, sign) in [("RED", "RED"), ("BLUE", " RED")] {
        teams.push(ada.make("team", json!({"code": code, "sign": sign}), json!({})).await);
    }
    for (inputs, rows, words) in [
        (json!({"columns": {"Name": "name"}}), json!([{"Name": "kept?", "name": "other"}]), "`name` has two values"),
        (json!({"constants": {"score": 9}}), json!([{"name": "x", "score": 5}]), "`score` has two values"),
        (json!({}), json!([{"name": "x", "team": teams[0], "team.code": "RED"}]), "`team` has two values"),
        (json!({}), json!([{"name": "x", "team": [teams[0], teams[1]]}]), "`team` leads to one row, and here are 2"),
        (json!({"columns": {"Nmae": null}}), json!([{"name": "x"}]), "The file has no column `Nmae`."),
        (json!({}), json!([{"name": "x"}, {}]), "`name` is required"),
    ] {
        let mut inputs = inputs;
        inputs["format"] = json!("json");
        let row = members(&ada, inputs, rows.to_string()).await;
        assert!(row["state"] == "failed" && row["faults"].to_string().contains(words), "{words}: {row}");
    }
    let wide: serde_json::Map<String, Json> = (0..1001).map(|n| (format!("c{n}"), json!(1))).collect();
    let row = members(&ada, json!({"format": "json"}), json!([wide]).to_string()).await;
    assert!(row["faults"].to_string().contains("at most 1000 columns"), "{row}");
    let many: serde_json::Map<String, Json> = (0..1001).map(|n| (format!("c{n}"), json!("x"))).collect();
    ada.act("world/import_data", json!({"entity": "member", "format": "csv", "columns": many})).await.is(422);
    // Space belongs to what is unique; each mistake of a row is told at once.
    done(&members(&ada, json!({}), "name,team.sign\na,RED\nb, RED\n").await, [2, 2, 0, 0]);
    assert_eq!(
        world
            .sql(
                "select 1 from member m join team t on t.id = m.team and t.sign = case m.name when 'a' then 'RED' else ' RED' end"
            )
            .await
            .len(),
        2
    );
    let row = members(&ada, json!({}), "name,boss\na,nonsense\nb,none\n").await;
    assert_eq!(row["faults"].as_array().map(Vec::len), Some(2), "{row}");
    let renamed = json!({"columns": {"Title2": "name", "name": null}});
    done(&members(&ada, renamed, "Title2,name\nx,y\n").await, [1, 1, 0, 0]);
    let long = format!("{}, x;name;note\n1;x;y\n", "n".repeat(80));
    let row = members(&ada, json!({"columns": {format!("{}, x", "n".repeat(80)): null}}), long).await;
    assert_eq!((row["state"].as_str(), &row["found"]["delimiter"]), (Some("done"), &json!(";")), "{row}");
    // Whose address is whose is told nobody who may not read it.
    world.user("bob", &[]).await;
    let probe = async |mail: &str| {
        fault(&members(&admin, json!({"mode": "move_in"}), format!("name,owner.email\nx,{mail}\n,\n")).await).3
    };
    assert!(probe("nobody@example.org").await.contains("no user_account"));
    let probe = async |mail: &str| members(&ada, json!({}), format!("name,owner.email\nx,{mail}\n")).await["faults"].to_string();
    assert_eq!(probe("bob@example.org").await, probe("nobb@example.org").await.replace("nobb", "bob"));
    // An empty cell takes nothing away that may not have been served.
    world.sql("delete from member").await;
    let id = ada.make("member", json!({"name": "x", "secret": "precious", "permission": 2_097_151}), json!({})).await;
    let bob = world.user("rob", &[]).await;
    let row = members(&bob, json!({"key": "id"}), format!("id,name,secret\n{id},y,\n")).await;
    done(&row, [1, 0, 1, 0]);
    assert_eq!(world.sql("select 1 from member where name = 'y' and secret = 'precious'").await.len(), 1);
}
