//! Templates: what feeds take over from them, what they pin, what a new version does to them.

use fabric::config::{self, Applied, Change, ConfigError, Edit, Kind, Outcome, Propagate, TemplateEdited, active_feed};
use fabric::feed::Constraint;

use super::{active, apply, load};
use crate::database::Database;
use crate::installation::{Installation, told};

const LAYOUT: &str = "template: card-layout\nlayout: { format: delimited, delimiter: '|' }\nfields:\n  - { name: id, type: string, required: true }\n  - { name: amount, type: integer, minimum: 1 }\n";
const FEED: &str = "feed: cards\nextends: [card-layout]\nfields:\n  - { name: amount, maximum: 100 }\n";

async fn template(database: &Database, document: &str, propagate: Propagate) -> Result<TemplateEdited, ConfigError> {
    config::edit_template(&database.pool, "template.yaml", document, &Edit::default(), propagate, &load()).await
}

#[tokio::test]
async fn a_feed_keeps_the_version_of_a_template_that_it_was_applied_with() {
    let database = Database::new().await;
    template(&database, LAYOUT, Propagate::No).await.unwrap();
    assert_eq!(apply(&database, FEED).await, 1);
    let minimum = async || {
        let feed = active_feed(&database.pool, "cards").await.unwrap().feed;
        match &feed.fields[1].constraints[..] {
            [Constraint::Minimum(bound), Constraint::Maximum(_)] => bound.text.clone(),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(minimum().await, "1");
    let edited = template(&database, &LAYOUT.replace("minimum: 1", "minimum: 5"), Propagate::No).await.unwrap();
    let touched = &edited.touched[..];
    assert!(
        matches!(touched, [one] if (one.feed.as_str(), one.version, one.pins) == ("cards", 1, 1) && one.outcome == Outcome::WouldChange),
        "{touched:?}"
    );
    assert_eq!(minimum().await, "1");
    // The same document with another template is another version.
    assert_eq!(apply(&database, FEED).await, 2);
    let late = Edit { based_on: Some(1), ..Edit::default() };
    let refused = super::edit(&database, &FEED.replace("100", "99"), late).await.unwrap_err().to_string();
    assert!(refused.contains("-    minimum: 1\n+    minimum: 5\n"), "{refused}");
    assert_eq!(minimum().await, "5");
    let pins = "select count(*) from fabric.feed_versions where pins = jsonb_build_object('card-layout', version)";
    assert_eq!(database.number(pins).await, 2);
    let checksums = "select count(*) from fabric.feed_versions where sha256 = sha256(convert_to(resolved, 'UTF8'))";
    assert_eq!(database.number(checksums).await, 2);
}

#[tokio::test]
async fn propagation_makes_the_new_versions_of_all_feeds_in_one_step_or_none() {
    let database = Database::new().await;
    template(&database, LAYOUT, Propagate::No).await.unwrap();
    apply(&database, FEED).await;
    apply(&database, &FEED.replace("feed: cards", "feed: other-cards")).await;
    apply(&database, &super::cards(1).replace("feed: cards", "feed: alone")).await;
    let edited = template(&database, &LAYOUT.replace("minimum: 1", "minimum: 5"), Propagate::Yes).await.unwrap();
    let changed = Outcome::Changed(Applied::New { version: 2 });
    assert!(edited.touched.len() == 2 && edited.touched.iter().all(|feed| feed.outcome == changed), "{edited:?}");
    assert_eq!((active(&database, "cards").await, active(&database, "other-cards").await), (2, 2));
    assert_eq!(active(&database, "alone").await, 1);
    // 200 is above the feeds' maximum.
    let broken = LAYOUT.replace("minimum: 1", "minimum: 200");
    let refused = template(&database, &broken, Propagate::Yes).await.unwrap_err();
    assert!(
        matches!(&refused, ConfigError::Propagation { faults, .. } if faults.contains("no integer passes")),
        "{refused}"
    );
    assert_eq!(database.number("select count(*) from fabric.template_versions").await, 2);
    assert_eq!((active(&database, "cards").await, active(&database, "other-cards").await), (2, 2));
    // Going back is a change like any other.
    let change = Change { propagate: Propagate::Yes, ..Change::default() };
    let back = config::roll_back(&database.pool, Kind::Template, "card-layout", None, &change, &load()).await.unwrap();
    let again = Outcome::Changed(Applied::Unchanged { version: 1 });
    assert!(back.touched.len() == 2 && back.touched.iter().all(|feed| feed.outcome == again), "{back:?}");
    assert_eq!(active(&database, "cards").await, 1);
}

#[tokio::test]
async fn a_template_that_is_extended_is_not_retired_and_a_retired_one_not_extended() {
    let database = Database::new().await;
    template(&database, LAYOUT, Propagate::No).await.unwrap();
    template(&database, "template: other\nextends: [card-layout]\n", Propagate::No).await.unwrap();
    apply(&database, FEED).await;
    let retire = async |kind, name| config::retire(&database.pool, kind, name, None).await;
    let refused = retire(Kind::Template, "card-layout").await.unwrap_err().to_string();
    assert!(refused.contains("feed cards, template other"), "{refused}");
    retire(Kind::Template, "other").await.unwrap();
    retire(Kind::Feed, "cards").await.unwrap();
    retire(Kind::Template, "card-layout").await.unwrap();
    let refused = super::edit(&database, &FEED.replace("100", "99"), Edit::default()).await.unwrap_err().to_string();
    assert!(refused.starts_with("cards.yaml:2:11  extends: there is no template `card-layout`"), "{refused}");
}

#[tokio::test]
async fn templates_that_extend_each_other_in_a_circle_are_refused() {
    let database = Database::new().await;
    template(&database, LAYOUT, Propagate::No).await.unwrap();
    template(&database, "template: a\nextends: [card-layout]\n", Propagate::No).await.unwrap();
    let circle = LAYOUT.replace("layout: {", "extends: [a]\nlayout: {");
    let refused = template(&database, &circle, Propagate::No).await.unwrap_err().to_string();
    assert!(
        refused.contains("template a v1:2:11  extends: templates go in a circle: card-layout → a → card-layout"),
        "{refused}"
    );
}

#[tokio::test]
async fn people_see_where_each_line_came_from_and_what_changed() {
    let installation = Installation::bare(Database::new().await);
    let layout = installation.write("layout.yaml", LAYOUT);
    let pii =
        installation.write("pii.yaml", "template: pii-rules\nfields:\n  - { name: id, pii: true, maxLength: 8 }\n");
    let feed = installation.write("cards.yaml", FEED.replace("[card-layout]", "[card-layout, pii-rules]"));
    let missing = told(&installation.run(&["feeds", "apply", &feed]));
    assert!(missing.contains("cards.yaml:2:11  extends: there is no template `card-layout`"), "{missing}");
    installation.succeed(&["templates", "apply", &layout, &pii, "--message", "to begin with"]);
    installation.succeed(&["feeds", "apply", &feed]);
    let shown = installation.succeed(&["feeds", "show", "cards", "--resolved"]);
    let shown: Vec<&str> = shown.lines().filter(|line| !line.contains("sha256")).collect();
    insta::assert_snapshot!(shown.join("\n"));
    // Locally, with the templates' files, it is the same feed.
    let data = installation.write("data.txt", "id|amount\nabc|7\nabcdefghi|7\nabc|101\n");
    let folder = installation.folder.path().to_str().unwrap().to_owned();
    for templates in [vec![layout.as_str(), pii.as_str()], vec![folder.as_str()]] {
        let check = [&["check", &feed, &data, "--json", "--templates"], &templates[..]].concat();
        let report = installation.json(0, &check);
        assert_eq!((report["records"].as_u64(), report["rejected"].as_u64()), (Some(3), Some(2)), "{report}");
    }
    let strict =
        installation.write("pii.yaml", "template: pii-rules\nfields:\n  - { name: id, pii: true, maxLength: 9 }\n");
    let told = installation.succeed(&["templates", "apply", &strict]);
    assert!(told.starts_with("pii-rules v2  applied\n  feed cards v1 would change (it pins pii-rules v1)\n"), "{told}");
    let told = installation.succeed(&["templates", "activate", "pii-rules", "2", "--propagate"]);
    assert!(told.contains("feed cards v2  applied"), "{told}");
    let diff = installation.succeed(&["feeds", "diff", "cards"]);
    assert!(diff.contains("-    maxLength: 8\n+    maxLength: 9\n"), "{diff}");
    let listed = installation.json(0, &["templates", "list", "--json"]);
    assert_eq!(listed[1]["feeds"], serde_json::json!(["cards"]), "{listed}");
    let history = installation.succeed(&["templates", "history", "card-layout"]);
    assert!(history.contains("to begin with"), "{history}");
}

#[tokio::test]
async fn a_template_that_no_feed_can_extend_is_refused_with_its_place() {
    let installation = Installation::bare(Database::new().await);
    for (document, expected) in [
        ("fields: []\n", "template.yaml:1:1  `template` is missing"),
        ("template: x\nfeed: y\n", "template.yaml:2:1  this is a feed, not a template"),
        ("template: x\nlayuot: {}\n", "template.yaml:2:1  `layuot` is not an option of a feed; did you mean `layout`?"),
        ("template: x\nfields:\n  - { name: a, minLength: 3, minimum: 4 }\n", "`minimum` is not an option of string"),
        ("template: x\nfields:\n  - { name: a, minimum: many }\n", "template.yaml:3:25  a.minimum: "),
        (
            "template: x\nlayout: delimited\n",
            "template.yaml:2:9  layout: found `delimited`; expected the options of layout",
        ),
        ("template: x\nextends: [y]\n", "template.yaml:2:11  extends: there is no template `y`"),
    ] {
        let file = installation.write("template.yaml", document);
        let refused = installation.run(&["templates", "apply", &file]);
        let said = told(&refused);
        assert!(refused.status.code() == Some(2) && said.contains(expected), "{document}{said}");
    }
    let file =
        installation.write("template.yaml", "template: x\nprimaryKey: [id]\nfields: [ { name: b, pii: true } ]\n");
    installation.succeed(&["templates", "apply", &file]);
    let as_feed = told(&installation.run(&["feeds", "apply", &file]));
    assert!(as_feed.contains("this is a template, not a feed: `fabric templates apply FILE`"), "{as_feed}");
}

#[tokio::test]
async fn a_job_is_judged_by_the_versions_that_it_began_with_whatever_is_activated_meanwhile() {
    let installation = Installation::new().await;
    let layout = installation.write("layout.yaml", LAYOUT);
    let feed = installation.write("cards.yaml", FEED);
    installation.succeed(&["templates", "apply", &layout]);
    installation.succeed(&["feeds", "apply", &feed]);
    let data = installation.write("data.txt", "id|amount\na|1\nb|7\nc|101\n");
    let job = installation.json(0, &["ingest", "cards", &data, "--json"])["job"].to_string();
    for minimum in ["5", "50", "70"] {
        installation.write("layout.yaml", LAYOUT.replace("minimum: 1", &format!("minimum: {minimum}")));
        installation.succeed(&["templates", "apply", &layout, "--propagate"]);
    }
    assert_eq!(active(&installation.database, "cards").await, 4);
    let validator = installation.validator();
    let report = installation.json(0, &["jobs", "wait", &job, "--json"]);
    assert_eq!(report["feedVersion"], 1, "{report}");
    assert_eq!(report["rejectsByRule"], serde_json::json!({ "amount.maximum": 1 }), "{report}");
    let again = installation.json(0, &["ingest", "cards", &data, "--again", "--wait", "--json"]);
    assert_eq!((&again["feedVersion"], &again["loaded"]), (&4.into(), &0.into()), "{again}");
    validator.terminate();
}
