//! One connection as two lines, one each way: what comes in at one end goes out at the other, a delay later.
//!
//! A line is as long as its delay: many segments are underway at once, each leaves when its own time has come, so a
//! delay costs time and no throughput.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::sync::LazyLock;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use super::network::{Network, Way};

/// Bytes of one read at most.
const SEGMENT: usize = 64 * 1024;

/// Segments underway on one line at most: at 16 MiB, a way of 1 ms carries up to 16 GiB/s and one of 50 ms 320 MiB/s.
const UNDERWAY: usize = 256;

/// How late the kernel may wake a thread so as to save power (prctl(2), `PR_SET_TIMERSLACK`, in nanoseconds): it is
/// 50,000 unless told, a tenth of a way of 0.5 ms.
const TIMER_SLACK: u64 = 1;

enum Event {
    Segment {
        due: Instant,
        bytes: Vec<u8>,
        filled: usize,
    },
    /// Nothing more will come.
    End {
        due: Instant,
    },
}

/// Returns when both ways have ended.
pub fn carry_both_ways(client: &TcpStream, server: &TcpStream, network: &Network) {
    // What a client sends leaves at once, and so it must from here.
    client.set_nodelay(true).ok();
    server.set_nodelay(true).ok();
    std::thread::scope(|scope| {
        scope.spawn(|| carry(client, server, Way::ToServer, network));
        carry(server, client, Way::ToClient, network);
    });
}

fn carry(from: &TcpStream, to: &TcpStream, way: Way, network: &Network) {
    let (put, take) = channel();
    let (give_back, spare) = channel();
    std::thread::scope(|scope| {
        scope.spawn(|| receive(from, put, spare, network));
        if send(to, take, give_back, way, network).is_none() {
            from.shutdown(Shutdown::Both).ok();
            to.shutdown(Shutdown::Both).ok();
        }
    });
}

fn receive(mut from: &TcpStream, put: Sender<Event>, spare: Receiver<Vec<u8>>, network: &Network) {
    let mut made = 0;
    while let Some(mut bytes) = next_buffer(&spare, &mut made) {
        let filled = from.read(&mut bytes).unwrap_or(0);
        let due = Instant::now() + network.delay();
        let event = if filled == 0 { Event::End { due } } else { Event::Segment { due, bytes, filled } };
        if put.send(event).is_err() || filled == 0 {
            return;
        }
    }
}

/// Waits for one to come back where all are underway; none where the other end of the line is gone.
fn next_buffer(spare: &Receiver<Vec<u8>>, made: &mut usize) -> Option<Vec<u8>> {
    if *made < UNDERWAY {
        return spare.try_recv().ok().or_else(|| {
            *made += 1;
            Some(vec![0; SEGMENT])
        });
    }
    spare.recv().ok()
}

/// None where the connection is broken off.
fn send(
    mut to: &TcpStream,
    take: Receiver<Event>,
    give_back: Sender<Vec<u8>>,
    way: Way,
    network: &Network,
) -> Option<()> {
    nix::sys::prctl::set_timerslack(TIMER_SLACK).ok();
    for event in take {
        let (due, filled) = match event {
            Event::Segment { due, filled, .. } => (due, filled),
            Event::End { due } => (due, 0),
        };
        sleep_until(due);
        if !network.passes(way, filled) {
            return None;
        }
        match event {
            Event::Segment { bytes, .. } => {
                to.write_all(&bytes[..filled]).ok()?;
                give_back.send(bytes).ok();
            }
            Event::End { .. } => {
                to.shutdown(Shutdown::Write).ok()?;
                return Some(());
            }
        }
    }
    None
}

/// Wakes before its time by as much as this machine is usually late, and spends the rest awake.
fn sleep_until(due: Instant) {
    let left = due.saturating_duration_since(Instant::now());
    if left > *LATENESS {
        std::thread::sleep(left - *LATENESS);
    }
    while Instant::now() < due {
        std::hint::spin_loop();
    }
}

/// By how much a thread usually wakes too late here, after a sleep of a usual delay: some 50 µs on a virtual machine.
static LATENESS: LazyLock<Duration> = LazyLock::new(|| {
    const SLEEP: Duration = Duration::from_micros(500);
    let mut late: Vec<Duration> = (0..20)
        .map(|_| {
            let began = Instant::now();
            std::thread::sleep(SLEEP);
            began.elapsed().saturating_sub(SLEEP)
        })
        .collect();
    late.sort();
    late[late.len() / 2].min(SLEEP)
});
