//! How often a loader waits for the server, counted on the wire.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use fabric::load::Outcome;
use fabric::settings::PostgresSettings;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::bench::{Bench, keyless};

/// Passes bytes on, and counts the times that the client spoke after the server had.
#[derive(Default)]
struct Turns {
    count: AtomicUsize,
    client_spoke_last: AtomicBool,
}

async fn pass(
    turns: Arc<Turns>,
    from_client: bool,
    mut from: impl tokio::io::AsyncRead + Unpin,
    mut to: impl tokio::io::AsyncWrite + Unpin,
) {
    let mut buffer = vec![0; 1 << 16];
    while let Ok(read @ 1..) = from.read(&mut buffer).await {
        if !turns.client_spoke_last.swap(from_client, Ordering::SeqCst) && from_client {
            turns.count.fetch_add(1, Ordering::SeqCst);
        }
        if to.write_all(&buffer[..read]).await.is_err() {
            return;
        }
    }
}

async fn proxy(settings: &PostgresSettings) -> (PostgresSettings, Arc<Turns>) {
    let options: sqlx::postgres::PgConnectOptions = settings.url.parse().unwrap();
    let (host, port) = (options.get_host().to_owned(), options.get_port());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("127.0.0.1:{}", listener.local_addr().unwrap().port());
    let turns = Arc::new(Turns::default());
    let counted = Arc::clone(&turns);
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let server = TcpStream::connect((host.as_str(), port)).await.unwrap();
            let (from_client, to_client) = client.into_split();
            let (from_server, to_server) = server.into_split();
            tokio::spawn(pass(Arc::clone(&counted), true, from_client, to_server));
            tokio::spawn(pass(Arc::clone(&counted), false, from_server, to_client));
        }
    });
    let url = settings.url.replace(&format!("{}:{}", options.get_host(), port), &address);
    assert_ne!(url, settings.url, "FABRIC_POSTGRES_URL names host and port");
    (PostgresSettings { url, ..settings.clone() }, turns)
}

#[tokio::test]
async fn a_chunk_takes_four_round_trips_and_six_with_rejects() {
    let bench = Bench::new(&keyless(), "").await;
    let (through, turns) = proxy(&bench.database.settings).await;
    let mut loader = bench.loader_through(&through).await;
    for (text, rejected, most) in [("a|1\n", 0, 4), ("a|1\nb|-1\n", 1, 6), ("a|-1\n", 1, 4)] {
        let chunk = bench.chunk(bench.job().await, text);
        let before = turns.count.load(Ordering::SeqCst);
        let outcome = loader.load(&chunk).await.unwrap();
        let took = turns.count.load(Ordering::SeqCst) - before;
        assert!(matches!(outcome, Outcome::Loaded { rejected: found, .. } if found == rejected), "{outcome:?}");
        assert_eq!(took, most, "{text}");
    }
}
