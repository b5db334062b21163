//! A validator that is started before what it needs says what it waits for, and goes on once it is there.

use std::net::SocketAddr;
use std::time::Duration;

use sqlx::postgres::PgConnectOptions;
use tokio::net::{TcpListener, TcpStream};

use crate::accounting::account;
use crate::database::Database;
use crate::installation::{Installation, brokers};

const SOON: Duration = Duration::from_secs(30);

fn load(installation: &Installation) -> (i64, String) {
    installation.apply_card_transactions();
    let file = installation.card_transactions("cards.txt", 1_000);
    let report = installation.json(0, &["ingest", "card-transactions", &file, "--wait", "--json"]);
    assert_eq!(report["state"], "completed", "{report}");
    (report["job"].as_i64().unwrap(), file)
}

#[tokio::test]
async fn a_validator_waits_for_topics_and_migrations_and_then_loads() {
    let installation = Installation::bare(Database::empty().await);
    let validator = installation.validator();
    validator.until_says("fabric topics apply", SOON).await;
    installation.succeed(&["topics", "apply"]);
    validator.until_says("run `fabric migrate`", SOON).await;
    installation.succeed(&["migrate"]);
    validator.until_says("everything answers now", SOON).await;
    let (job, file) = load(&installation);
    account(&installation.database.pool, job, file.as_ref()).await;
    validator.terminate();
}

/// A port where nobody listens yet.
async fn absent() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap()
}

/// From now on the port answers for the server.
async fn appears(port: SocketAddr, server: String) {
    let listener = TcpListener::bind(port).await.unwrap();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let server = server.clone();
            tokio::spawn(async move {
                let mut server = TcpStream::connect(server).await.unwrap();
                tokio::io::copy_bidirectional(&mut client, &mut server).await.ok();
            });
        }
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_validator_waits_for_kafka_and_postgres_names_their_addresses_and_then_joins() {
    let mut installation = Installation::new().await;
    let (kafka, postgres) = (absent().await, absent().await);
    let url = installation.database.settings.url.clone();
    let options: PgConnectOptions = url.parse().unwrap();
    let server = format!("{}:{}", options.get_host(), options.get_port());
    assert!(url.contains(&server), "{server}");
    installation.set("FABRIC_KAFKA_BROKERS", &kafka.to_string());
    installation.set("FABRIC_POSTGRES_URL", &url.replace(&server, &postgres.to_string()));

    let validator = installation.validator();
    validator.until_says(&format!("Kafka does not answer at {kafka} (connection refused)"), SOON).await;
    // Others of the process say so too; this is said by who waits for it.
    validator.until_says("Trying again until it does", SOON).await;
    appears(kafka, brokers()).await;
    validator.until_says(&format!("Postgres does not answer at {postgres} (connection refused)"), SOON).await;
    appears(postgres, server).await;
    validator.until_says("everything answers now", SOON).await;
    validator.until_says("partitions assigned", SOON).await;
    validator.terminate();
}

#[tokio::test]
async fn a_validator_that_waits_ends_when_it_is_asked_to() {
    let mut installation = Installation::new().await;
    installation.set("FABRIC_POSTGRES_URL", "postgres://127.0.0.1:1/nowhere");
    let validator = installation.validator();
    validator.until_says("Postgres does not answer at 127.0.0.1:1", SOON).await;
    validator.terminate();
}
