//! README's commands run as they stand.

use std::process::Command;

use crate::house::World;

#[tokio::test(flavor = "multi_thread")]
async fn the_commands_of_readme_run() {
    let world = World::new().await;
    let readme = std::fs::read_to_string("README.md").expect("README.md");
    let commands: Vec<_> = readme.lines().filter(|l| l.starts_with("curl ")).collect();
    assert!(commands.len() >= 5);
    for command in commands {
        let here = command.replace("http://127.0.0.1:6336", &world.url);
        let output = tokio::task::spawn_blocking(move || Command::new("sh").args(["-c", &here]).output()).await;
        let output = output.expect("no panic").expect("curl runs");
        assert!(output.status.success() && !output.stdout.is_empty(), "{command}");
    }
}

#[test]
fn every_key_that_readme_names_loads() {
    let readme = std::fs::read_to_string("README.md").expect("README.md");
    let yaml = readme.split("```yaml\n").nth(1).and_then(|r| r.split("```").next()).expect("a schema file");
    let tag = rowhouse::schema::file::File { path: "schema/tag.yaml".to_owned(), text: String::new() };
    let article = rowhouse::schema::file::File { path: "schema/article.yaml".to_owned(), text: yaml.to_owned() };
    let embedded = ["action", "session", "user_account", "usergroup", "world"].map(|name| {
        let path = format!("schema/{name}.yaml");
        rowhouse::schema::file::File { text: std::fs::read_to_string(&path).expect("embedded"), path }
    });
    rowhouse::schema::file::load(&embedded.into_iter().chain([tag, article]).collect::<Vec<_>>()).expect("no complaints");
}
