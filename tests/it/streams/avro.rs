//! Records in Avro, each message naming its schema by a fingerprint: whoever wrote them, by whichever of its versions.

use apache_avro::types::Value;
use apache_avro::writer::datum::GenericDatumWriter;
use apache_avro::{Decimal, Schema};
use fabric::record::avro::fingerprint;
use serde_json::json;

use super::bench::{Bench, multiset, take};
use crate::installation::told;

/// A value of the topic, and the row that it is to be; `None`: a reject.
type Sent = (Vec<u8>, Option<String>);

/// The stream of [`Bench`], in Avro.
fn definition(bench: &Bench, scale: u8) -> String {
    bench
        .definition("in Avro")
        .replace("value: json", "value: avro")
        .replace("decimal(12,2)", &format!("decimal(12,{scale})"))
}

/// As the specification has it ("Single-object encoding"), by the reference implementation.
fn message(schema: &Schema, value: Value) -> Vec<u8> {
    let datum = GenericDatumWriter::builder(schema).build().unwrap().write_value_to_vec(value).unwrap();
    [&[0xc3, 0x01][..], &fingerprint(schema), &datum].concat()
}

fn record(fields: &[(&str, Value)]) -> Value {
    Value::Record(fields.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect())
}

fn text(text: impl Into<String>) -> Value {
    Value::String(text.into())
}

fn decimal(unscaled: i64) -> Value {
    Value::Decimal(Decimal::from(unscaled.to_be_bytes()))
}

fn payment(fields: &serde_json::Value) -> Schema {
    let schema = json!({ "type": "record", "name": "Payment", "namespace": "org.example", "fields": fields });
    Schema::parse(&schema).unwrap()
}

fn add(bench: &Bench, file: &str, schema: &Schema) -> String {
    let file = bench.installation.write(file, serde_json::to_string_pretty(schema).unwrap());
    bench.installation.succeed(&["schemas", "add", &file])
}

fn decimal_of(scale: u8) -> serde_json::Value {
    json!({ "type": "bytes", "logicalType": "decimal", "precision": 12, "scale": scale })
}

/// Writers of four versions, and what none of them wrote.
struct Writers {
    /// The feed's own.
    own: Schema,
    /// Renames the id, widens the amount, has more beside.
    renamed: Schema,
    /// Has an amount that is no decimal.
    float: Schema,
    /// Nobody was told of it.
    stranger: Schema,
}

impl Writers {
    fn new(bench: &Bench) -> Self {
        let own = bench.installation.succeed(&["feeds", "schema", "payments"]);
        Self {
            own: Schema::parse_str(&own).unwrap(),
            renamed: payment(&json!([
                { "name": "tags", "type": { "type": "array", "items": "string" } },
                { "name": "key", "type": "string", "aliases": ["id"] },
                { "name": "amount", "type": ["null", decimal_of(4), "int"] },
            ])),
            float: payment(&json!([{ "name": "id", "type": "string" }, { "name": "amount", "type": "double" }])),
            stranger: payment(
                &json!([{ "name": "id", "type": "string" }, { "name": "amount", "type": decimal_of(0) }]),
            ),
        }
    }

    fn sent(&self, number: usize) -> Sent {
        let id = format!("P{number}");
        let union = |branch: u32, value: Value| Value::Union(branch, Box::new(value));
        let city = |name: &str| union(1, record(&[("city", union(1, text(name)))]));
        let none = || union(0, Value::Null);
        let tags = Value::Array(vec![text("a"), text("b")]);
        match number % 10 {
            0 => (message(&self.own, record(&[("id", text(&id)), ("amount", decimal(-1)), ("address", none())])), None),
            1 => (message(&self.float, record(&[("id", text(id)), ("amount", Value::Double(1.5))])), None),
            2 => (message(&self.stranger, record(&[("id", text(id)), ("amount", decimal(1))])), None),
            3 => {
                let whole =
                    message(&self.own, record(&[("id", text(id)), ("amount", decimal(1)), ("address", none())]));
                (whole[..whole.len() - 1].to_vec(), None)
            }
            4 => {
                let value = record(&[("tags", tags), ("key", text(&id)), ("amount", union(1, decimal(12_500)))]);
                (message(&self.renamed, value), Some(format!("{id}/1.25/-")))
            }
            5 => {
                let value = record(&[("tags", tags), ("key", text(&id)), ("amount", union(2, Value::Int(7)))]);
                (message(&self.renamed, value), Some(format!("{id}/7.00/-")))
            }
            6 => {
                let value = record(&[("tags", tags), ("key", text(&id)), ("amount", union(0, Value::Null))]);
                (message(&self.renamed, value), None)
            }
            7 => (format!(r#"{{"id":"{id}","amount":1}}"#).into_bytes(), None),
            _ => {
                let value = record(&[("id", text(&id)), ("amount", decimal(1_250)), ("address", city("Zürich"))]);
                (message(&self.own, value), Some(format!("{id}/12.50/Zürich")))
            }
        }
    }
}

/// Every value is exactly once a row or a reject with its bytes, and there is no other.
async fn account(bench: &Bench, sent: &[Sent]) {
    bench.until(sent.len()).await;
    let pool = &bench.installation.database.pool;
    let rows = "select concat_ws('/', id, amount, coalesce(city, '-')) from payments";
    let mut rows = multiset::<String>(sqlx::query_scalar(rows).fetch_all(pool).await.unwrap());
    let sources = sqlx::query_scalar("select source from fabric.stream_rejects").fetch_all(pool).await.unwrap();
    let mut rejects = multiset::<Vec<u8>>(sources);
    for (value, row) in sent {
        let found = match row {
            Some(row) => take(&mut rows, row),
            None => take(&mut rejects, value),
        };
        assert!(found, "{row:?} of {value:02x?}");
    }
    assert!(rows.is_empty() && rejects.is_empty(), "nobody sent {rows:?} {rejects:?}");
}

async fn messages(bench: &Bench, like: &str) -> Vec<String> {
    let query = "select distinct reasons -> 0 ->> 'message' from fabric.stream_rejects
                  where reasons -> 0 ->> 'rule' = 'schema-error' and reasons -> 0 ->> 'message' like $1 order by 1";
    sqlx::query_scalar(query).bind(like).fetch_all(&bench.installation.database.pool).await.unwrap()
}

#[tokio::test]
async fn records_of_every_writer_are_rows_or_rejects_that_name_their_schemas() {
    let mut bench = Bench::new(3).await;
    bench.apply(&definition(&bench, 2));
    let writers = Writers::new(&bench);
    assert!(add(&bench, "renamed.avsc", &writers.renamed).contains("org.example.Payment is known now, fingerprint "));
    assert!(add(&bench, "renamed.avsc", &writers.renamed).contains("was known already"));
    add(&bench, "float.avsc", &writers.float);
    let validator = bench.installation.validator();
    let sent: Vec<Sent> = (0..2_000).map(|number| writers.sent(number)).collect();
    bench.produce_values(sent.iter().map(|(value, row)| (value.clone(), row.is_some())).collect()).await;
    account(&bench, &sent).await;

    let rules = "select string_agg(rule || ' ' || count, ', ' order by rule)
                   from (select reasons -> 0 ->> 'rule' as rule, count(*) from fabric.stream_rejects group by 1) t";
    let rules: String = sqlx::query_scalar(rules).fetch_one(&bench.installation.database.pool).await.unwrap();
    assert_eq!(rules, "amount.exclusiveMinimum 200, amount.required 200, schema-error 800");
    let hex = |schema: &Schema| -> String { fingerprint(schema).iter().map(|byte| format!("{byte:02x}")).collect() };
    let (own, float, stranger) = (hex(&writers.own), hex(&writers.float), hex(&writers.stranger));
    let unresolvable = format!(
        "is of schema fingerprint {float} (org.example.Payment), which cannot be read as fabric.feeds.payments (fingerprint \
         {own}): /amount is double there, and decimal, int or long (or a string, for decimal(12,2)) is wanted"
    );
    assert_eq!(messages(&bench, "%cannot be read%").await, [unresolvable]);
    let unknown = format!("is of a schema that is not known, fingerprint {stranger}: `fabric schemas add FILE`");
    assert_eq!(messages(&bench, "%not known%").await, [unknown]);
    let undecodable = messages(&bench, "is not of schema%").await;
    assert!(
        undecodable[0].starts_with(&format!(
            "is not of schema fingerprint {own} (fabric.feeds.payments), which it names: it ends in the middle"
        )),
        "{undecodable:?}"
    );
    assert_eq!(messages(&bench, "is not Avro%").await.len(), 1);

    // Known from now on: later messages are read, earlier ones stay as they were judged.
    add(&bench, "stranger.avsc", &writers.stranger);
    let later = record(&[("id", text("P9999")), ("amount", decimal(3))]);
    bench.send(&message(&writers.stranger, later)).await;
    bench.until(sent.len() + 1).await;
    let amount = "select amount::bigint from payments where id = 'P9999'";
    assert_eq!(bench.installation.database.number(amount).await, 3);
    validator.terminate();
}

#[tokio::test]
async fn schemas_are_listed_shown_and_audited_and_two_of_one_fingerprint_are_refused() {
    let bench = Bench::new(1).await;
    bench.apply(&definition(&bench, 2));
    let writer = payment(&json!([{ "name": "at", "type": { "type": "long", "logicalType": "timestamp-millis" } }]));
    let said = add(&bench, "writer.avsc", &writer);
    let fingerprint = said.trim().rsplit(' ').next().unwrap().to_owned();
    let installation = &bench.installation;
    let listed = installation.json(0, &["schemas", "list", "--json"]);
    let names: Vec<&str> = listed.as_array().unwrap().iter().map(|schema| schema["name"].as_str().unwrap()).collect();
    let own = ["chunk", "config-event", "job-closed", "job-event", "job-opened"];
    let (ours, added): (Vec<&str>, Vec<&str>) = names.into_iter().partition(|name| own.contains(name));
    assert_eq!((&ours[..], &added[..]), (&own[..], &["feed payments v2", "org.example.Payment"][..]));
    assert!(installation.succeed(&["schemas", "list"]).contains(&fingerprint));
    let shown = installation.succeed(&["schemas", "show", &fingerprint]);
    assert_eq!(Schema::parse_str(&shown).unwrap(), writer);
    let unknown = installation.run(&["schemas", "show", "00"]);
    assert_eq!((unknown.status.code(), told(&unknown).contains("fabric schemas list")), (Some(2), true));
    let audited = installation.json(0, &["audit", "--kind", "schema", "--json"]);
    assert_eq!((&audited[0]["action"], &audited[0]["name"]), (&"add".into(), &"org.example.Payment".into()));
    assert_eq!(audited.as_array().unwrap().len(), 1);

    let other = payment(&json!([{ "name": "at", "type": { "type": "long", "logicalType": "timestamp-micros" } }]));
    for (file, text, words) in [
        ("other.avsc", serde_json::to_string(&other).unwrap(), "other logical types or aliases"),
        ("none.avsc", "{".to_owned(), "is no Avro schema"),
        ("text.avsc", "\"string\"".to_owned(), "something else than a record"),
    ] {
        let file = installation.write(file, &text);
        let refused = installation.run(&["schemas", "add", &file]);
        assert_eq!((refused.status.code(), told(&refused).contains(words)), (Some(2), true), "{}", told(&refused));
    }
    // A feed whose amounts would be told apart by nothing.
    bench.apply_refused(&definition(&bench, 4), "which is stored, and other logical types or aliases");
    let old = installation.succeed(&["feeds", "schema", "payments", "--version", "1"]);
    assert_eq!(old, installation.succeed(&["feeds", "schema", "payments"]), "of JSON and of Avro alike");
}
