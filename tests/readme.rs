//! README's commands run as they stand.

use std::process::Command;

use crate::house::World;

#[tokio::test(flavor = "multi_thread")]
async fn the_commands_of_readme_run() {
    let world = World::new().await;
    let readme = std::fs::read_to_string("README.md").expect("README.md");
    let block = readme.split("```sh\n").find(|b| b.starts_with("curl")).and_then(|b| b.split("```").next()).expect("commands");
    let script = block.replace("http://127.0.0.1:6336", &world.url);
    let run = move || Command::new("sh").args(["-e", "-c", &script]).output();
    let output = tokio::task::spawn_blocking(run).await.expect("no panic").expect("sh runs");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said} {}", String::from_utf8_lossy(&output.stderr));
    for word in ["Created user", "ada@example.org", "Rowhouse", "change_password", "sign-in-needed"] {
        assert!(said.contains(word), "{word} in {said}");
    }
}

#[test]
fn the_action_of_readme_loads() {
    let readme = std::fs::read_to_string("README.md").expect("README.md");
    let yaml = readme
        .split("```yaml\n")
        .find(|block| block.starts_with("subject:"))
        .and_then(|r| r.split("```").next())
        .expect("an action file");
    let (schema, _) = rowhouse::project::load(std::path::Path::new("examples/newsroom")).expect("no complaints");
    let file = rowhouse::schema::file::File { path: "actions/article/publish.yaml".to_owned(), text: yaml.to_owned() };
    rowhouse::action::file::load(&schema, Default::default(), &[file]).expect("no complaints");
}

#[test]
fn every_key_that_readme_names_loads() {
    let readme = std::fs::read_to_string("README.md").expect("README.md");
    let blocks: Vec<_> = readme.split("```yaml\n").skip(1).filter_map(|r| r.split("```").next()).collect();
    let states = blocks.iter().find(|block| block.starts_with("states:")).expect("states");
    let yaml = format!("{}{states}", blocks[0]);
    let tag = rowhouse::schema::file::File { path: "schema/tag.yaml".to_owned(), text: String::new() };
    let article = rowhouse::schema::file::File { path: "schema/article.yaml".to_owned(), text: yaml };
    let embedded = ["action", "session", "user_account", "usergroup", "world"].map(|name| {
        let path = format!("schema/{name}.yaml");
        rowhouse::schema::file::File { text: std::fs::read_to_string(&path).expect("embedded"), path }
    });
    rowhouse::schema::file::load(&embedded.into_iter().chain([tag, article]).collect::<Vec<_>>()).expect("no complaints");
}

#[test]
fn the_file_of_docs_loads_and_all_types_are_in_it() {
    let docs = std::fs::read_to_string("docs/schema.md").expect("docs/schema.md");
    let yaml = docs.split("```yaml\n").nth(1).and_then(|rest| rest.split("```").next()).expect("a file");
    let folder = crate::house::project(&[("schema/ticket.yaml", yaml)]);
    let (schema, _) = rowhouse::project::load(folder.as_ref()).expect("no complaints");
    assert_eq!(schema.entity("ticket").expect("there").unique.len(), 2);
    for (word, _) in rowhouse::schema::kind::KINDS {
        assert!(docs.contains(&format!("`{word}`")), "{word} isn't in docs/schema.md");
    }
    for name in schema.entities().iter().filter(|entity| entity.name != "ticket") {
        assert!(docs.contains(&format!("`{}`", name.name)), "{} isn't in docs/schema.md", name.name);
    }
}
