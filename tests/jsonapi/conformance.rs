//! The suite that anyone can aim at any server, aimed at ours: every rule of §1–§7, by its id.

use conformance::{Outcome, Target};

use crate::house::World;

#[tokio::test]
async fn every_rule_of_the_specification_holds() {
    let world = World::new().await;
    let admin = world.administrator().await;
    let base = format!("{}/api", world.url);
    let description = include_str!("../conformance/newsroom.json");
    let target = Target::from_json(&base, description).expect("a description");
    let target = target.with_token(admin.token.as_deref().expect("signed in")).expect("a token");
    let report = conformance::run(&target).await;
    assert!(report.conforms(), "{report}");
    let broken = report.results.iter().filter(|finding| matches!(finding.outcome, Outcome::Broken(_)));
    assert_eq!(broken.count(), 0, "{report}");
    // What doesn't apply to us is known by name.
    let not_ours: Vec<_> =
        report.results.iter().filter(|f| matches!(f.outcome, Outcome::NotApplicable(_))).map(|f| f.id).collect();
    assert_eq!(not_ours, ["CP7"], "{report}");
}
