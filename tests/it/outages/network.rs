//! The network of the tests is what it says it is: before a fault that it makes may show anything.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};
use rdkafka::{Offset, TopicPartitionList};

use super::proxied::KafkaProxy;
use crate::installation::{Installation, brokers};
use crate::proxy::Proxy;

const ROUND_TRIP: Duration = Duration::from_millis(2);

#[test]
fn a_round_trip_takes_the_time_that_it_was_given() {
    let proxy = before(echo(), Duration::ZERO);
    let mut client = connect(&proxy);
    let plain = quickest_tenth(&mut client);
    proxy.set_round_trip(ROUND_TRIP);
    let slow = quickest_tenth(&mut client);
    // The quickest, since this machine does other things too. A way with the kernel's usual slack is late by 50 µs.
    let error = slow.saturating_sub(plain).abs_diff(ROUND_TRIP);
    assert!(error < Duration::from_micros(100), "{plain:?} without, {slow:?} with {ROUND_TRIP:?}");
}

#[test]
fn a_delay_costs_time_and_no_throughput() {
    const BYTES: usize = 64 * 1024 * 1024;
    let proxy = before(echo(), 20 * ROUND_TRIP);
    let client = connect(&proxy);
    let began = Instant::now();
    std::thread::scope(|scope| {
        scope.spawn(|| (&client).write_all(&vec![7; BYTES]).unwrap());
        (&client).read_exact(&mut vec![0; BYTES]).unwrap();
    });
    // Read by read it would be a thousand ways of 20 ms.
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    assert_eq!((proxy.carried().to_server, proxy.carried().to_client), (BYTES as u64, BYTES as u64));
}

#[test]
fn a_cut_silences_a_connection_and_healing_delivers_what_was_underway() {
    let proxy = before(echo(), Duration::ZERO);
    let mut client = connect(&proxy);
    exchange(&mut client).unwrap();
    proxy.cut();
    client.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
    let mut late = connect(&proxy);
    late.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
    assert!(exchange(&mut client).is_err());
    assert!(exchange(&mut late).is_err());
    proxy.heal().unwrap();
    for mut client in [client, late] {
        client.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        client.read_exact(&mut [0]).unwrap();
    }
}

#[test]
fn a_server_that_is_away_refuses_and_is_back_at_the_same_address() {
    let proxy = before(echo(), Duration::ZERO);
    let mut client = connect(&proxy);
    exchange(&mut client).unwrap();
    proxy.refuse();
    assert!(exchange(&mut client).is_err());
    assert_eq!(TcpStream::connect(proxy.address()).unwrap_err().kind(), std::io::ErrorKind::ConnectionRefused);
    proxy.heal().unwrap();
    exchange(&mut connect(&proxy)).unwrap();
}

#[test]
fn answers_that_are_dropped_leave_what_was_asked_done_and_end_in_a_reset() {
    let (server, heard) = listener();
    let proxy = before(server, Duration::ZERO);
    let mut client = connect(&proxy);
    exchange(&mut client).unwrap();
    proxy.drop_answers();
    client.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
    assert_eq!(exchange(&mut client).unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
    assert_eq!(heard.load(std::sync::atomic::Ordering::Relaxed), 2);
    proxy.heal().unwrap();
    client.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    assert_eq!(client.read(&mut [0]).unwrap_err().kind(), std::io::ErrorKind::ConnectionReset);
    exchange(&mut connect(&proxy)).unwrap();
}

#[test]
fn a_reset_strikes_in_the_middle_of_a_message() {
    let (server, heard) = listener();
    let proxy = before(server, Duration::ZERO);
    let mut client = connect(&proxy);
    exchange(&mut client).unwrap();
    proxy.reset_after(10);
    client.write_all(&[1; 25]).unwrap();
    client.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let ended = (0..100).find_map(|_| client.read(&mut [0]).err()).expect("no more than ten come back");
    assert_eq!(ended.kind(), std::io::ErrorKind::ConnectionReset);
    assert_eq!(heard.load(std::sync::atomic::Ordering::Relaxed), 11);
    proxy.heal().unwrap();
    let mut client = connect(&proxy);
    (0..20).for_each(|_| exchange(&mut client).unwrap());
}

#[test]
fn a_half_open_connection_is_silent_until_it_is_reset_and_a_new_one_is_sound() {
    let proxy = before(echo(), Duration::ZERO);
    let mut client = connect(&proxy);
    exchange(&mut client).unwrap();
    proxy.half_open();
    client.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
    assert_eq!(exchange(&mut client).unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
    exchange(&mut connect(&proxy)).unwrap();
    proxy.heal().unwrap();
    client.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    assert_eq!(client.read(&mut [0]).unwrap_err().kind(), std::io::ErrorKind::ConnectionReset);
}

#[test]
fn a_throttled_connection_carries_so_many_bytes_a_second() {
    let proxy = before(echo(), Duration::ZERO);
    let mut client = connect(&proxy);
    proxy.throttle(100_000);
    let began = Instant::now();
    client.write_all(&[7; 50_000]).unwrap();
    client.read_exact(&mut [0; 50_000]).unwrap();
    let took = began.elapsed();
    assert!((0.4..5.0).contains(&took.as_secs_f64()), "{took:?}");
}

#[tokio::test]
async fn a_cut_stops_what_is_fetched_from_kafka_and_healing_goes_on() {
    let installation = Installation::new().await;
    let topic = format!("{}dead-letters", installation.prefix);
    let way = KafkaProxy::new().await;
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", way.brokers())
        .set("group.id", "none")
        .set("enable.auto.commit", "false")
        .create()
        .unwrap();
    let mut partitions = TopicPartitionList::new();
    partitions.add_partition_offset(&topic, 0, Offset::Beginning).unwrap();
    consumer.assign(&partitions).unwrap();

    produce(&topic, "before");
    assert_eq!(next(&consumer, Duration::from_secs(30)), Some("before".to_owned()));
    way.proxy.cut();
    let carried = way.proxy.carried();
    produce(&topic, "during");
    // A consumer in a network that is cut cannot be dropped: first heal, then hold.
    let during = next(&consumer, Duration::from_secs(2));
    let carried_during = way.proxy.carried();
    way.proxy.heal().unwrap();
    assert_eq!((during, carried_during), (None, carried));
    assert_eq!(next(&consumer, Duration::from_secs(30)), Some("during".to_owned()));
}

/// Past the proxies.
fn produce(topic: &str, payload: &str) {
    let producer: BaseProducer = ClientConfig::new().set("bootstrap.servers", brokers()).create().unwrap();
    producer.send(BaseRecord::<(), str>::to(topic).payload(payload)).unwrap();
    producer.flush(Duration::from_secs(30)).unwrap();
}

fn next(consumer: &BaseConsumer, at_most: Duration) -> Option<String> {
    use rdkafka::Message as _;
    let deadline = Instant::now() + at_most;
    while Instant::now() < deadline {
        // An error is a broker that does not answer: the client itself tries again.
        if let Some(Ok(message)) = consumer.poll(Duration::from_millis(100)) {
            return Some(String::from_utf8(message.payload().unwrap().to_vec()).unwrap());
        }
    }
    None
}

/// A server that sends back what it is sent.
fn echo() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for client in listener.incoming() {
            std::thread::spawn(move || {
                let client = client.unwrap();
                client.set_nodelay(true).unwrap();
                std::io::copy(&mut &client, &mut &client).ok();
            });
        }
    });
    address
}

/// As [`echo`], and how many bytes it has heard.
fn listener() -> (SocketAddr, std::sync::Arc<std::sync::atomic::AtomicUsize>) {
    use std::sync::atomic::{AtomicUsize, Ordering};
    let heard = std::sync::Arc::new(AtomicUsize::new(0));
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (address, counts) = (listener.local_addr().unwrap(), heard.clone());
    std::thread::spawn(move || {
        for client in listener.incoming() {
            let (mut client, counts) = (client.unwrap(), counts.clone());
            std::thread::spawn(move || {
                let mut bytes = [0; 1024];
                while let Ok(read @ 1..) = client.read(&mut bytes) {
                    counts.fetch_add(read, Ordering::Relaxed);
                    if client.write_all(&bytes[..read]).is_err() {
                        return;
                    }
                }
            });
        }
    });
    (address, heard)
}

fn before(server: SocketAddr, round_trip: Duration) -> Proxy {
    Proxy::start("127.0.0.1:0".parse().unwrap(), server, round_trip).unwrap()
}

fn connect(proxy: &Proxy) -> TcpStream {
    let client = TcpStream::connect(proxy.address()).unwrap();
    client.set_nodelay(true).unwrap();
    client
}

fn exchange(client: &mut TcpStream) -> std::io::Result<()> {
    client.write_all(&[1])?;
    client.read_exact(&mut [0])
}

/// Of two hundred round trips, one after another.
fn quickest_tenth(client: &mut TcpStream) -> Duration {
    let mut times: Vec<Duration> = (0..200)
        .map(|_| {
            let began = Instant::now();
            exchange(client).unwrap();
            began.elapsed()
        })
        .collect();
    times.sort();
    times[times.len() / 10]
}
