//! Streams in the Confluent wire format: every message exactly once a row or a reject, whatever the registry does.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::apicurio::Apicurio;
use super::front::Front;
use super::{registry, settings, text, unique};
use crate::config::redis::server::Server;
use crate::installation::{FABRIC, Installation, Process, told};
use crate::proxy::Proxy;
use crate::streams::bench::Bench;
use crate::visible::asked;

/// A stream of payments whose schemas a registry has, and what was produced to it.
struct Case {
    bench: Bench,
    front: Front,
    /// Ids of good records, and values of bad ones, with how often each is to be there.
    rows: BTreeMap<String, i64>,
    rejects: BTreeMap<Vec<u8>, i64>,
}

impl Case {
    async fn new(partitions: i32) -> Self {
        let front = Front::of(Apicurio.url());
        let mut bench = Bench::new(partitions).await;
        bench.installation.set("FABRIC_SCHEMA_REGISTRY_URL", &front.url());
        bench.installation.set("FABRIC_SCHEMA_REGISTRY_TIMEOUT", "2s");
        let json = bench.definition("in Avro");
        bench.apply(&json.replace("value: json", "value: avro\n  schemaRegistry: true"));
        Self { bench, front, rows: BTreeMap::new(), rejects: BTreeMap::new() }
    }

    async fn produce(&mut self, values: Vec<(Vec<u8>, Option<String>)>) {
        for (value, id) in &values {
            match id {
                Some(id) => *self.rows.entry(id.clone()).or_default() += 1,
                None => *self.rejects.entry(value.clone()).or_default() += 1,
            }
        }
        // The bench's own account is of JSON.
        self.bench.produce_values(values.into_iter().map(|(value, id)| (value, id.is_some())).collect()).await;
    }

    async fn produce_good(&mut self, schema: u32, numbers: std::ops::Range<u32>, write: fn(u32, &str) -> Vec<u8>) {
        let good = numbers.map(|number| {
            let id = format!("P{number}");
            (message(schema, &write(number, &id)), Some(id))
        });
        self.produce(good.collect()).await;
    }

    /// An independent reader: every message is exactly once a row or a reject, byte for byte, and there is no other.
    async fn account(&self) {
        let all: i64 = self.rows.values().chain(self.rejects.values()).sum();
        self.bench.until(all.try_into().unwrap()).await;
        let pool = &self.bench.installation.database.pool;
        let rows: Vec<(String, i64)> =
            sqlx::query_as("select id, count(*) from payments group by id").fetch_all(pool).await.unwrap();
        assert_eq!(rows.into_iter().collect::<BTreeMap<_, _>>(), self.rows);
        let rejects: Vec<(Vec<u8>, i64)> =
            sqlx::query_as("select source, count(*) from fabric.stream_rejects group by source")
                .fetch_all(pool)
                .await
                .unwrap();
        assert_eq!(rejects.into_iter().collect::<BTreeMap<_, _>>(), self.rejects);
    }

    /// What each reject says, and how many say so.
    async fn reasons(&self) -> Vec<(String, String)> {
        sqlx::query_as(
            "select distinct reasons -> 0 ->> 'rule', reasons -> 0 ->> 'message' from fabric.stream_rejects order by 1, 2",
        )
        .fetch_all(&self.bench.installation.database.pool)
        .await
        .unwrap()
    }

    /// Waits until the stream says what it waits for: nothing of `records` is loaded or rejected then.
    async fn until_waits(&self, words: &str, records: i64) {
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            let listed = self.bench.installation.json(0, &["streams", "list", "--json"]);
            let stream = &listed[0];
            if stream["reason"].as_str().is_some_and(|reason| reason.starts_with("waiting: ") && reason.contains(words))
            {
                assert_eq!((&stream["state"], &stream["rejected"]), (&json!("running"), &json!(0)), "{stream}");
                assert_eq!(stream["waiting"], json!(records), "lag is told all the while");
                return;
            }
            assert!(Instant::now() < deadline, "{stream}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

/// Confluent's wire format.
fn message(schema: u32, datum: &[u8]) -> Vec<u8> {
    [&[0], &schema.to_be_bytes()[..], datum].concat()
}

/// Avro's zigzag varint.
fn long(value: i64) -> Vec<u8> {
    let mut left = ((value << 1) ^ (value >> 63)).cast_unsigned();
    let mut bytes = Vec::new();
    while left >= 0x80 {
        bytes.push(left as u8 | 0x80);
        left >>= 7;
    }
    bytes.push(left as u8);
    bytes
}

fn string(text: &str) -> Vec<u8> {
    [long(text.len() as i64), text.as_bytes().to_vec()].concat()
}

/// A first version: an integer amount, no city.
fn first(name: &str) -> Value {
    let fields = json!([{ "name": "id", "type": "string" }, { "name": "amount", "type": "int" }]);
    json!({ "type": "record", "name": name, "fields": fields })
}

fn write_first(number: u32, id: &str) -> Vec<u8> {
    [string(id), long(i64::from(number % 7 + 1))].concat()
}

/// A second one: a field before, a wider number, an address.
fn second(name: &str) -> Value {
    let address =
        json!({ "type": "record", "name": "Address", "fields": [{ "name": "city", "type": ["null", "string"] }] });
    let fields = json!([
        { "name": "channel", "type": "string" }, { "name": "id", "type": "string" },
        { "name": "amount", "type": "long" }, { "name": "address", "type": address },
    ]);
    json!({ "type": "record", "name": name, "fields": fields })
}

fn write_second(number: u32, id: &str) -> Vec<u8> {
    [string("web"), string(id), long(i64::from(number % 7 + 1)), long(1), string("Zürich")].concat()
}

/// Both versions of one subject.
async fn registered() -> (u32, u32) {
    let (subject, name) = (unique("payments"), unique("Payment"));
    let first = Apicurio.register(&subject, &first(&name)).await;
    (first, Apicurio.register(&subject, &second(&name)).await)
}

#[tokio::test]
async fn records_of_two_schemas_over_four_partitions_are_loaded_and_each_id_is_asked_for_once() {
    let (one, two) = registered().await;
    let mut case = Case::new(4).await;
    let _validator = case.bench.installation.validator();
    for round in 0..4 {
        let begin = round * 1_000;
        case.produce_good(one, begin..begin + 500, write_first).await;
        case.produce_good(two, begin + 500..begin + 1_000, write_second).await;
    }
    case.account().await;
    assert_eq!((case.front.asked_for(one), case.front.asked_for(two)), (1, 1));
    let places = "select count(*) from payments where _partition between 0 and 3 and _feed_version = 2
                  and amount = substr(id, 2)::int % 7 + 1
                  and city is not distinct from case when substr(id, 2)::int % 1000 >= 500 then 'Zürich' end";
    assert_eq!(case.bench.installation.database.number(places).await, 4_000);
}

#[tokio::test]
async fn what_its_schema_cannot_decode_is_a_reject_with_its_bytes_and_nothing_else_is() {
    let (one, two) = registered().await;
    let mut case = Case::new(1).await;
    let _validator = case.bench.installation.validator();
    let whole = write_second(1, "P1");
    let bad = [
        message(two, &whole[..whole.len() - 1]),
        message(two, &[whole.clone(), vec![0]].concat()),
        message(two, &[0xff; 40]),
        message(one, b""),
        vec![0, 0, 0],
        b"{\"id\":\"P1\",\"amount\":1}".to_vec(),
        Vec::new(),
    ];
    case.produce_good(one, 0..100, write_first).await;
    case.produce(bad.into_iter().map(|value| (value, None)).collect()).await;
    case.produce(vec![(message(one, &[string("Q1"), long(1)].concat()), None)]).await;
    case.produce_good(two, 100..200, write_second).await;
    case.account().await;
    let reasons = case.reasons().await;
    assert!(reasons.iter().all(|(rule, _)| rule == "schema-error" || rule == "id.pattern"), "{reasons:?}");
    assert!(reasons.iter().any(|(_, why)| why.contains(&format!("id {two}"))), "{reasons:?}");
}

#[tokio::test]
async fn a_schema_that_cannot_be_read_as_the_feed_is_a_reject_that_names_it() {
    let fields = json!([{ "name": "id", "type": "string" }, { "name": "amount", "type": "boolean" }]);
    let schema = json!({ "type": "record", "name": unique("Odd"), "fields": fields });
    let odd = Apicurio.register(&unique("odd"), &schema).await;
    let json = json!({ "schema": r#"{"$schema":"http://json-schema.org/draft-07/schema#","type":"object"}"#, "schemaType": "JSON" });
    let foreign = Apicurio.register_as(&unique("foreign"), json).await;
    let (one, _) = registered().await;
    let mut case = Case::new(1).await;
    let _validator = case.bench.installation.validator();
    case.produce(vec![(message(odd, &[string("P1"), vec![1]].concat()), None)]).await;
    case.produce(vec![(message(foreign, b"{}"), None)]).await;
    case.produce_good(one, 0..10, write_first).await;
    case.account().await;
    let reasons = case.reasons().await;
    assert!(reasons.iter().any(|(_, why)| why.contains(&format!("id {odd}")) && why.contains("amount")), "{reasons:?}");
    let of_json = |why: &str| why.contains(&format!("id {foreign}")) && why.contains("is of type JSON");
    assert!(reasons.iter().any(|(_, why)| of_json(why)), "{reasons:?}");
}

#[tokio::test]
async fn an_id_that_the_registry_does_not_know_waits_then_is_a_reject_and_counts_once_it_is_there() {
    let (one, two) = registered().await;
    let mut case = Case::new(1).await;
    case.bench.installation.set("FABRIC_SCHEMA_REGISTRY_ID_PATIENCE", "4s");
    let denied = format!("/schemas/ids/{two}");
    let known = json!({ "schema": first("Payment").to_string() }).to_string();
    case.front.answer_with(move |path| match path.ends_with(&denied) {
        true => (404, r#"{"error_code":40403,"message":"Schema not found"}"#.into()),
        false => (200, known.clone()),
    });
    let _validator = case.bench.installation.validator();
    case.produce_good(one, 0..100, write_first).await;
    case.account().await;
    case.produce(vec![(message(two, &write_second(1, "P1")), None)]).await;
    case.produce_good(one, 100..200, write_first).await;
    let words = format!("the schema registry at {} does not know schema id {two}; it is asked again", case.front.url());
    case.until_waits(&words, 101).await;
    case.account().await;
    let reasons = case.reasons().await;
    let (rule, why) = &reasons[0];
    assert!(rule == "schema-error" && why.contains(&format!("id {two}")) && why.contains(&case.front.url()), "{why}");

    case.front.hand_on();
    // Within the time that lies between two questions.
    tokio::time::sleep(Duration::from_secs(1)).await;
    case.produce_good(two, 200..300, write_second).await;
    case.account().await;
    let listed = case.bench.installation.json(0, &["streams", "list", "--json"]);
    assert_eq!(listed[0]["reason"], Value::Null);
}

#[tokio::test]
async fn ids_that_nobody_knows_are_waited_for_side_by_side() {
    let (one, _) = registered().await;
    let mut case = Case::new(1).await;
    case.bench.installation.set("FABRIC_SCHEMA_REGISTRY_ID_PATIENCE", "2s");
    let of_one = format!("/schemas/ids/{one}");
    let known = json!({ "schema": first("Payment").to_string() }).to_string();
    case.front.answer_with(move |path| match path.ends_with(&of_one) {
        true => (200, known.clone()),
        false => (404, r#"{"error_code":40403,"message":"Schema not found"}"#.into()),
    });
    let _validator = case.bench.installation.validator();
    let began = Instant::now();
    // As a producer of something else leaves them: each names another schema.
    let foreign = (0..150).map(|number| (message(u32::MAX - number, b"\x02x"), None));
    case.produce(foreign.collect()).await;
    case.produce_good(one, 0..150, write_first).await;
    case.account().await;
    assert!(began.elapsed() < Duration::from_secs(50), "{:?}", began.elapsed());
}

#[tokio::test]
async fn with_redis_a_schema_is_asked_for_once_whichever_process_needs_it() {
    let (one, two) = registered().await;
    let server = Server::start(&[]).await;
    let mut case = Case::new(4).await;
    case.bench.installation.set("FABRIC_REDIS_URL", &server.url());
    let first = case.bench.installation.validator();
    case.produce_good(one, 0..400, write_first).await;
    case.account().await;
    first.terminate();
    let _second = case.bench.installation.validator();
    case.produce_good(one, 400..800, write_first).await;
    case.produce_good(two, 800..1_200, write_second).await;
    case.account().await;
    assert_eq!((case.front.asked_for(one), case.front.asked_for(two)), (1, 1));
}

#[tokio::test]
async fn while_the_registry_is_away_its_partitions_wait_and_nothing_is_rejected_or_lost() {
    let (one, two) = registered().await;
    let mut case = Case::new(2).await;
    let proxy = Proxy::start("127.0.0.1:0".parse().unwrap(), case.front.address(), Duration::ZERO).unwrap();
    let url = case.front.url().replace(&case.front.address().to_string(), &proxy.address().to_string());
    case.bench.installation.set("FABRIC_SCHEMA_REGISTRY_URL", &url);
    let validator = case.bench.installation.validator();
    case.produce_good(one, 0..200, write_first).await;
    case.account().await;

    proxy.refuse();
    // Known schemas need no registry.
    case.produce_good(one, 200..400, write_first).await;
    case.account().await;
    case.produce_good(two, 400..1_000, write_second).await;
    case.until_waits(&format!("the schema registry at {url} does not answer (connection refused)"), 600).await;
    ready_with_a_note(&validator, "does not answer").await;
    proxy.heal().unwrap();
    case.account().await;
    assert!(case.rejects.is_empty());
    let (_, body) = asked::get(&asked::address(&validator).await, "/metrics");
    assert!(body.contains("fabric_schema_registry_well 1"), "{body}");
}

/// It is ready all the while: other streams go on.
async fn ready_with_a_note(validator: &Process, words: &str) {
    let address = asked::address(validator).await;
    let ready = asked::until(&address, "/health/ready", 200, |body| body.contains("schemaRegistry")).await;
    assert!(ready["notes"]["schemaRegistry"].as_str().unwrap().contains(words), "{ready}");
}

#[tokio::test]
async fn a_stream_that_waits_for_the_registry_leaves_the_memory_to_others() {
    let (_, two) = registered().await;
    let mut case = Case::new(4).await;
    // Less than one batch of one of the four partitions takes.
    case.bench.installation.set("FABRIC_VALIDATE_QUEUE_BYTES", "4MiB");
    case.front.answer_with(|_| (503, String::new()));
    let validator = case.bench.installation.validator();
    let write_long =
        |number: u32, id: &str| [string(&"x".repeat(20_000)), write_second(number, id)[4..].to_vec()].concat();
    case.produce_good(two, 0..1_600, write_long).await;
    case.until_waits("is in trouble (HTTP 503)", 1_600).await;

    let topic = format!("{}other", case.bench.installation.prefix);
    case.bench.make_topic_named(&topic, 1).await;
    let other = case.bench.definition("another").replace(&case.bench.topic, &topic);
    case.bench.apply(&other.replace("feed: payments", "feed: other"));
    for number in 0..100 {
        case.bench.send_to(&topic, format!(r#"{{"id":"P{number}","amount":1}}"#).as_bytes()).await;
    }
    case.bench.installation.until(100, "select count(*) from other").await;
    // Nothing is in flight that its end would have to wait for.
    let asked = Instant::now();
    validator.terminate();
    assert!(asked.elapsed() < Duration::from_secs(15), "{:?}", asked.elapsed());
    let _validator = case.bench.installation.validator();
    case.front.hand_on();
    case.bench.installation.until(1_600, "select count(*) from payments").await;
    case.bench.remove_topic(&topic).await;
    case.account().await;
}

#[tokio::test]
async fn a_registry_that_answers_nonsense_is_waited_for_as_one_that_is_away() {
    let (one, _) = registered().await;
    let mut case = Case::new(1).await;
    case.front.answer_with(|_| (200, "<html>welcome</html>".into()));
    let _validator = case.bench.installation.validator();
    case.produce_good(one, 0..100, write_first).await;
    case.until_waits("does not answer as Confluent's API has it", 100).await;
    case.front.answer_with(|_| (404, "<html>not here</html>".into()));
    case.until_waits("HTTP 404, which is not of the API", 100).await;
    case.front.hand_on();
    case.account().await;
}

#[tokio::test]
async fn validators_killed_while_they_wait_for_the_registry_lose_and_double_nothing() {
    let (one, two) = registered().await;
    let mut case = Case::new(2).await;
    case.front.answer_with(|_| (503, String::new()));
    let first = case.bench.installation.validator();
    case.produce_good(one, 0..300, write_first).await;
    case.until_waits("is in trouble (HTTP 503)", 300).await;
    first.kill();
    let _second = case.bench.installation.validator();
    case.front.hand_on();
    case.produce_good(two, 300..600, write_second).await;
    case.account().await;
}

#[tokio::test]
async fn a_stream_that_needs_a_registry_where_none_is_set_says_so_and_waits() {
    let (one, _) = registered().await;
    let mut case = Case::new(1).await;
    let url = case.front.url();
    case.bench.installation.set("FABRIC_SCHEMA_REGISTRY_URL", "");
    let without = case.bench.installation.validator();
    case.produce_good(one, 0..50, write_first).await;
    case.until_waits("FABRIC_SCHEMA_REGISTRY_URL", 50).await;
    drop(without);
    case.bench.installation.set("FABRIC_SCHEMA_REGISTRY_URL", &url);
    let _with = case.bench.installation.validator();
    case.account().await;
}

#[tokio::test]
async fn describe_names_the_subject_its_last_schema_and_how_to_register_the_first() {
    let mut case = Case::new(1).await;
    case.bench.installation.set("FABRIC_SCHEMA_REGISTRY_URL", Apicurio.url());
    let installation = &case.bench.installation;
    let subject = format!("{}-value", case.bench.topic);
    let described = installation.succeed(&["streams", "describe", "payments"]);
    assert!(described.contains(&format!("{subject}: the schema registry at")), "{described}");
    let (_, hint) = described.split_once("the feed's fields make:\n").unwrap();
    run_in_shell(installation, hint);

    let described = installation.json(0, &["streams", "describe", "payments", "--json"]);
    assert_eq!(
        (&described["registry"]["subject"], &described["registry"]["latest"]["version"]),
        (&json!(subject), &json!(1))
    );
    let id = described["registry"]["latest"]["id"].as_u64().unwrap();
    let registered = text(&registry(&settings(Apicurio.url()), None), id.try_into().unwrap()).await;
    let own: Value = serde_json::from_str(&installation.succeed(&["feeds", "schema", "payments"])).unwrap();
    assert_eq!(serde_json::from_str::<Value>(&registered).unwrap(), own);
    let described = installation.succeed(&["streams", "describe", "payments"]);
    assert!(described.contains(&format!("1, is schema id {id} of")) && !described.contains("curl"), "{described}");
}

/// As somebody does who copies it.
fn run_in_shell(installation: &Installation, script: &str) {
    let fabric = installation.fabric(&[]);
    let environment = fabric.get_envs().filter_map(|(name, value)| Some((name, value?)));
    let folder = Path::new(FABRIC).parent().unwrap().display();
    let path = format!("{folder}:{}", std::env::var("PATH").unwrap());
    let mut shell = Command::new("bash");
    let output = shell.args(["-o", "pipefail", "-ec", script]).envs(environment).env("PATH", path).output().unwrap();
    assert!(output.status.success(), "{script}\n{}", told(&output));
}
