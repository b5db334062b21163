//! One connection as two lines, one each way: what comes in at one end goes out at the other, a delay later.
//!
//! A line is as long as its delay: many segments are underway at once, each leaves when its own time has come, so a
//! delay costs time and no throughput.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::sync::LazyLock;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use super::network::{Connection, Fate, Network, Way};

/// Bytes of one read at most.
const SEGMENT: usize = 64 * 1024;

/// Segments underway on one line at most: at 16 MiB, a way of 1 ms carries up to 16 GiB/s and one of 50 ms 320 MiB/s.
const UNDERWAY: usize = 256;

/// In which a slow network carries.
const SLICES_PER_SECOND: u64 = 20;

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

/// How a way came to its end.
enum End {
    /// As its sender ended it.
    Orderly,
    Broken,
    Reset,
}

/// Where it goes, and by which network.
#[derive(Clone, Copy)]
struct Course<'n> {
    connection: Connection,
    way: Way,
    network: &'n Network,
}

/// Returns when both ways have ended.
pub fn carry_both_ways(client: &TcpStream, server: &TcpStream, connection: Connection, network: &Network) {
    // What a client sends leaves at once, and so it must from here.
    client.set_nodelay(true).ok();
    server.set_nodelay(true).ok();
    std::thread::scope(|scope| {
        scope.spawn(|| carry(client, server, Course { connection, way: Way::ToServer, network }));
        carry(server, client, Course { connection, way: Way::ToClient, network });
    });
}

fn carry(from: &TcpStream, to: &TcpStream, course: Course<'_>) {
    let (put, take) = channel();
    let (give_back, spare) = channel();
    std::thread::scope(|scope| {
        scope.spawn(|| receive(from, put, spare, course.network));
        match send(to, take, give_back, course) {
            End::Orderly => {}
            End::Broken => {
                from.shutdown(Shutdown::Both).ok();
                to.shutdown(Shutdown::Both).ok();
            }
            End::Reset => course.network.reset(course.connection),
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

fn send(to: &TcpStream, take: Receiver<Event>, give_back: Sender<Vec<u8>>, course: Course<'_>) -> End {
    nix::sys::prctl::set_timerslack(TIMER_SLACK).ok();
    for event in take {
        let (due, filled) = match event {
            Event::Segment { due, filled, .. } => (due, filled),
            Event::End { due } => (due, 0),
        };
        sleep_until(due);
        let fate = course.network.fate(course.connection, course.way, filled);
        match (event, fate) {
            (_, Fate::Ended) => return End::Broken,
            (_, Fate::Reset) => return End::Reset,
            (Event::End { .. }, Fate::Vanishes) => return End::Orderly,
            (Event::End { .. }, _) => {
                return if to.shutdown(Shutdown::Write).is_ok() { End::Orderly } else { End::Broken };
            }
            (Event::Segment { bytes, .. }, Fate::Vanishes) => drop(give_back.send(bytes)),
            (Event::Segment { bytes, .. }, Fate::ArrivesInPart(part)) => {
                write(to, &bytes[..part], course.network).ok();
                return End::Reset;
            }
            (Event::Segment { bytes, .. }, Fate::Arrives) => {
                if write(to, &bytes[..filled], course.network).is_err() {
                    return End::Broken;
                }
                give_back.send(bytes).ok();
            }
        }
    }
    End::Broken
}

/// No faster than the network carries.
fn write(mut to: &TcpStream, mut bytes: &[u8], network: &Network) -> std::io::Result<()> {
    while let Some(rate) = network.rate()
        && !bytes.is_empty()
    {
        let most = usize::try_from(rate / SLICES_PER_SECOND).unwrap_or(usize::MAX).max(1);
        let (slice, rest) = bytes.split_at(most.min(bytes.len()));
        to.write_all(slice)?;
        std::thread::sleep(Duration::from_secs(1) / SLICES_PER_SECOND as u32);
        bytes = rest;
    }
    to.write_all(bytes)
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
