//! The proxy as a process of its own, for benchmarks: `cargo run --example proxy -- --help`.

#[path = "mod.rs"]
mod proxy;

use std::io::Write as _;
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::Parser as _;
use proxy::Proxy;

/// Stands between clients and one server and makes their network slow, or takes it away.
///
/// The address to connect to is the first line of standard output. Orders are read from standard input, one a line:
/// `cut`, `heal`, `refuse`, `drop-answers`, `half-open`, `reset-after 1000`, `throttle 50000`, `round-trip 2ms`, and
/// `carried`, which prints the bytes carried to the server and back. It runs until it is killed.
///
/// Example: proxy --to 127.0.0.1:5432 --round-trip 1ms
#[derive(clap::Parser)]
struct Arguments {
    /// Where clients connect; port 0 takes a free one
    #[arg(long, default_value = "127.0.0.1:0", value_name = "HOST:PORT")]
    listen: SocketAddr,
    /// The server
    #[arg(long, value_name = "HOST:PORT")]
    to: String,
    /// What a question and its answer take longer than without the proxy: half of it each way
    #[arg(long, default_value = "0ms", value_name = "TIME", value_parser = duration)]
    round_trip: Duration,
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let to = arguments.to.to_socket_addrs().ok().and_then(|mut found| found.next());
    let to = to.with_context(|| format!("--to {} is no address", arguments.to))?;
    let proxy = Proxy::start(arguments.listen, to, arguments.round_trip)
        .with_context(|| format!("--listen {} cannot be listened on", arguments.listen))?;
    println!("{}", proxy.address());
    std::io::stdout().flush()?;
    for line in std::io::stdin().lines() {
        if let Err(error) = obey(&proxy, line?.trim()) {
            eprintln!("proxy: {error:#}");
        }
    }
    // Without orders it goes on carrying.
    loop {
        std::thread::park();
    }
}

fn obey(proxy: &Proxy, order: &str) -> anyhow::Result<()> {
    match order.split_once(' ').unwrap_or((order, "")) {
        ("cut", "") => proxy.cut(),
        ("heal", "") => proxy.heal()?,
        ("refuse", "") => proxy.refuse(),
        ("drop-answers", "") => proxy.drop_answers(),
        ("half-open", "") => proxy.half_open(),
        ("reset-after", bytes) => proxy.reset_after(bytes.parse().context("reset-after takes a number of bytes")?),
        ("throttle", rate) => proxy.throttle(rate.parse().context("throttle takes a number of bytes a second")?),
        ("round-trip", time) => proxy.set_round_trip(duration(time)?),
        ("carried", "") => {
            let carried = proxy.carried();
            println!("{} {}", carried.to_server, carried.to_client);
        }
        _ => bail!(
            "`{order}` is no order; there are: cut, heal, refuse, drop-answers, half-open, reset-after BYTES, throttle RATE, round-trip TIME, carried"
        ),
    }
    Ok(())
}

/// `1ms`, `0.5ms`, `250us`, `2s`.
fn duration(text: &str) -> anyhow::Result<Duration> {
    let units = [("ms", 1e-3), ("us", 1e-6), ("s", 1.0)];
    let found = units.iter().find_map(|(name, seconds)| Some((text.strip_suffix(name)?, seconds)));
    let (number, seconds) = found.with_context(|| format!("`{text}` has no unit: ms, us or s"))?;
    let number: f64 = number.parse().with_context(|| format!("`{text}` is no time, such as 0.5ms"))?;
    Duration::try_from_secs_f64(number * seconds).with_context(|| format!("`{text}` is no time, such as 0.5ms"))
}
