//! Messages that are no records: each a reject with its bytes, none lost, none in the way of others.

use super::bench::Bench;

/// Reasons of the rejects, each once, in order.
async fn rules(bench: &Bench) -> Vec<String> {
    sqlx::query_scalar("select distinct reasons -> 0 ->> 'rule' from fabric.stream_rejects order by 1")
        .fetch_all(&bench.installation.database.pool)
        .await
        .unwrap()
}

#[tokio::test]
async fn values_that_are_no_json_are_rejects_with_their_bytes() {
    let mut bench = Bench::new(1).await;
    let _validator = bench.installation.validator();
    let bad: [&[u8]; 7] =
        [b"", b"not json", b"[1,2]", b"{\"id\":\"P1\"", b"{\"id\":\"\xff\"}", b"null", b"{\"id\":\"P1\",\"id\":3}"];
    let mut values: Vec<(Vec<u8>, bool)> = bad.iter().map(|value| (value.to_vec(), false)).collect();
    values.push((br#"{"id":"P5","amount":1,"address":"nowhere"}"#.to_vec(), true));
    values.push((br#"{"id":"P6","amount":1,"address":{"city":"a\u0000b"}}"#.to_vec(), false));
    bench.produce_values(values).await;
    bench.account().await;
    assert_eq!(rules(&bench).await, ["city.nul", "id.pattern", "schema-error"]);
}

#[tokio::test]
async fn a_null_value_and_one_over_the_limit_are_rejects() {
    let mut bench = Bench::new(1).await;
    bench.installation.set("FABRIC_INGEST_RECORD_BYTES", "100000");
    let _validator = bench.installation.validator();
    bench.produce_null().await;
    let long = format!(r#"{{"id":"P1","amount":1,"note":"{}"}}"#, "x".repeat(200_000));
    bench.send(long.as_bytes()).await;
    bench.produce(0, 10).await;
    bench.until(12).await;
    assert_eq!(rules(&bench).await, ["amount.exclusiveMinimum", "record.null", "record.tooLong"]);
    let kept = "select max(byte_length) from fabric.stream_rejects where octet_length(source) < byte_length";
    assert_eq!(bench.installation.database.number(kept).await, long.len() as i64);
}

#[tokio::test]
async fn lines_of_text_are_judged_as_those_of_files_are() {
    let bench = Bench::new(1).await;
    let definition = format!(
        "feed: payments\nstream: {{ topic: {}, value: delimited }}\nlayout: {{ format: delimited, delimiter: \"|\", header: false }}\n\
         fields:\n  - {{ name: id, type: string, required: true }}\n  - {{ name: amount, type: \"decimal(12,2)\" }}\n  \
         - {{ name: city, type: string }}\ntarget: {{ table: lines }}\n",
        bench.topic
    );
    bench.apply(&definition);
    let _validator = bench.installation.validator();
    let lines: [&[u8]; 8] = [
        b"P1|1.5|Bern",
        b"P2||\n",
        b"P3|x|Bern",
        b"P4|1",
        b"P5|1|a\nP6|1|b",
        b"|1|a",
        b"P7|1|\xff",
        b"P8|1|\"Z|H\"\r\n",
    ];
    for line in lines {
        bench.send(line).await;
    }
    bench.until(lines.len()).await;
    let loaded: Vec<String> = sqlx::query_scalar("select concat_ws('/', id, amount, city) from lines order by _offset")
        .fetch_all(&bench.installation.database.pool)
        .await
        .unwrap();
    assert_eq!(loaded, ["P1/1.50/Bern", "P2", "P8/1.00/Z|H"]);
    let expected = ["amount.type", "city.encoding", "id.required", "record.fieldCount", "schema-error"];
    assert_eq!(rules(&bench).await, expected);
}

#[tokio::test]
async fn what_the_table_refuses_is_a_reject_that_names_the_record_which_loaded() {
    let bench = Bench::new(1).await;
    let keyed = format!("{}primaryKey: [id]\n", bench.definition("keyed")).replace("feed: payments", "feed: keyed");
    bench.apply_refused(&keyed, &format!("topic {} is of feed payments already", bench.topic));
    bench.installation.succeed(&["feeds", "retire", "payments"]);
    bench.apply(&keyed);
    let _validator = bench.installation.validator();
    for id in ["P1", "P2", "P1", "P1"] {
        bench.send(format!(r#"{{"id":"{id}","amount":1}}"#).as_bytes()).await;
    }
    bench.until(4).await;
    assert_eq!(bench.installation.database.number("select count(*) from keyed").await, 2);
    let why: Vec<String> =
        sqlx::query_scalar("select reasons -> 0 ->> 'message' from fabric.stream_rejects order by \"offset\"")
            .fetch_all(&bench.installation.database.pool)
            .await
            .unwrap();
    let same = format!("has the same id as offset 0 of {} partition 0, which loaded", bench.topic);
    assert_eq!(why, [same.clone(), same]);
    assert_eq!(bench.installation.database.number("select rejected from fabric.stream_positions").await, 2);
    assert_eq!(bench.installation.database.number("select window_rejected from fabric.stream_positions").await, 2);
}

#[tokio::test]
async fn a_key_that_is_not_what_the_feed_expects_is_a_reject() {
    let bench = Bench::new(1).await;
    let keyed = |comment: &str| bench.definition(comment).replace("value: json", "value: json\n  key: id");
    bench.apply(&keyed("keyed"));
    let described = bench.installation.succeed(&["streams", "describe", "payments"]);
    assert!(described.contains("key      the text of id: records of one key keep their order"), "{described}");
    let validator = bench.installation.validator();
    for key in [Some("P1"), Some("P2"), None] {
        bench.send_keyed(&bench.topic, key, br#"{"id":"P1","amount":1}"#).await;
    }
    bench.until(3).await;
    let why: Vec<String> = sqlx::query_scalar("select reasons::text from fabric.stream_rejects order by \"offset\"")
        .fetch_all(&bench.installation.database.pool)
        .await
        .unwrap();
    assert_eq!((rules(&bench).await, why.len()), (vec!["record.key".to_owned()], 2));
    assert!(why[0].contains("is not the key of its message, which is P2"), "{why:?}");
    assert!(why[1].contains("is not the key of its message, which has none"), "{why:?}");

    // A feed that expects none takes any.
    validator.terminate();
    bench.apply(&bench.definition("any key"));
    let _validator = bench.installation.validator();
    bench.send_keyed(&bench.topic, Some("P2"), br#"{"id":"P4","amount":1}"#).await;
    bench.until(4).await;
    assert_eq!(rules(&bench).await, ["record.key"]);
    assert_eq!(bench.installation.database.number("select count(*) from payments").await, 2);
}
