//! The state that all connections of a proxy share: what becomes of bytes, how long they take, how many have passed.

use std::collections::HashMap;
use std::io;
use std::net::{Shutdown, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard};
use std::time::Duration;

use socket2::SockRef;

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Whole,
    Cut,
    Refusing,
    /// What servers say arrives nowhere.
    Mute,
    Ended,
}

/// Which way bytes go.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Way {
    ToServer,
    ToClient,
}

/// Bytes that were let through, over all connections.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Carried {
    pub to_server: u64,
    pub to_client: u64,
}

/// A connection that has entered and not yet left.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Connection(u64);

/// What becomes of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    Arrives,
    /// As many of them; then the connection is reset.
    ArrivesInPart(usize),
    /// As if they had been sent.
    Vanishes,
    /// The connection ends.
    Ended,
    /// The connection ends without a word.
    Reset,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Line {
    Sound,
    /// The server's side is closed, and the client is not told.
    HalfOpen,
    Reset,
}

struct Sides {
    client: TcpStream,
    server: TcpStream,
    line: Line,
    to_server: u64,
    /// Something that the server said has vanished: what comes later would be nonsense.
    has_gap: bool,
}

impl Sides {
    /// Both ends hear of it at once, and whoever reads here ends.
    fn reset(&mut self) {
        self.line = Line::Reset;
        for side in [&self.client, &self.server] {
            SockRef::from(side).set_linger(Some(Duration::ZERO)).ok();
            // Nothing is sent by this. The reset is, once the last handle of the socket is closed.
            side.shutdown(Shutdown::Read).ok();
        }
    }
}

struct Inner {
    state: State,
    connections: HashMap<Connection, Sides>,
    entered: u64,
    carried: Carried,
    /// Of each connection's bytes to its server.
    reset_after: Option<u64>,
}

pub struct Network {
    inner: Mutex<Inner>,
    changed: Condvar,
    /// Of one way, in nanoseconds.
    delay: AtomicU64,
    /// Bytes a second of one way of one connection; 0: as many as may be.
    rate: AtomicU64,
}

impl Network {
    pub fn new(round_trip: Duration) -> Self {
        let inner = Inner {
            state: State::Whole,
            connections: HashMap::new(),
            entered: 0,
            carried: Carried::default(),
            reset_after: None,
        };
        let network = Self {
            inner: Mutex::new(inner),
            changed: Condvar::new(),
            delay: AtomicU64::new(0),
            rate: AtomicU64::new(0),
        };
        network.set_round_trip(round_trip);
        network
    }

    pub fn cut(&self) {
        self.change_to(State::Cut);
    }

    pub fn refuse(&self) {
        self.change_to(State::Refusing);
    }

    pub fn mute(&self) {
        self.change_to(State::Mute);
    }

    pub fn heal(&self) {
        let mut inner = self.lock();
        inner.reset_after = None;
        for sides in inner.connections.values_mut() {
            if sides.has_gap || sides.line == Line::HalfOpen {
                sides.reset();
            }
        }
        drop(inner);
        self.rate.store(0, Ordering::Relaxed);
        self.change_to(State::Whole);
    }

    /// For good.
    pub fn end(&self) {
        self.change_to(State::Ended);
    }

    /// From now on each connection is reset once so many bytes more have gone to its server.
    pub fn reset_after(&self, bytes: u64) {
        let mut inner = self.lock();
        inner.reset_after = Some(bytes);
        for sides in inner.connections.values_mut() {
            sides.to_server = 0;
        }
    }

    /// Servers lose the connections that there are; clients are not told.
    pub fn half_open(&self) {
        for sides in self.lock().connections.values_mut() {
            sides.line = Line::HalfOpen;
            sides.server.shutdown(Shutdown::Both).ok();
        }
    }

    /// Of each way of each connection; 0: as many as may be.
    pub fn set_rate(&self, bytes_per_second: u64) {
        self.rate.store(bytes_per_second, Ordering::Relaxed);
    }

    pub fn rate(&self) -> Option<u64> {
        Some(self.rate.load(Ordering::Relaxed)).filter(|rate| *rate > 0)
    }

    fn change_to(&self, state: State) {
        let mut inner = self.lock();
        inner.state = state;
        if matches!(state, State::Refusing | State::Ended) {
            for (_, sides) in inner.connections.drain() {
                for side in [sides.client, sides.server] {
                    side.shutdown(Shutdown::Both).ok();
                }
            }
        }
        self.changed.notify_all();
    }

    /// Waits while the network is cut; what becomes of so many bytes. 0: of the news that the sender has ended.
    pub fn fate(&self, connection: Connection, way: Way, bytes: usize) -> Fate {
        let mut inner = self.while_it_is(State::Cut);
        let (state, reset_after) = (inner.state, inner.reset_after);
        if matches!(state, State::Refusing | State::Ended) {
            return Fate::Ended;
        }
        let Some(sides) = inner.connections.get_mut(&connection) else { return Fate::Ended };
        let fate = match (sides.line, way) {
            (Line::Reset, _) => Fate::Reset,
            (Line::HalfOpen, _) => Fate::Vanishes,
            (Line::Sound, Way::ToClient) if state == State::Mute => {
                sides.has_gap = true;
                Fate::Vanishes
            }
            (Line::Sound, Way::ToClient) => Fate::Arrives,
            (Line::Sound, Way::ToServer) => {
                let left = reset_after.map_or(u64::MAX, |limit| limit.saturating_sub(sides.to_server));
                sides.to_server += bytes as u64;
                match usize::try_from(left) {
                    Ok(left) if left < bytes => {
                        sides.line = Line::Reset;
                        Fate::ArrivesInPart(left)
                    }
                    _ => Fate::Arrives,
                }
            }
        };
        let arrived = match fate {
            Fate::Arrives => bytes,
            Fate::ArrivesInPart(part) => part,
            _ => 0,
        };
        match way {
            Way::ToServer => inner.carried.to_server += arrived as u64,
            Way::ToClient => inner.carried.to_client += arrived as u64,
        }
        fate
    }

    pub fn reset(&self, connection: Connection) {
        if let Some(sides) = self.lock().connections.get_mut(&connection) {
            sides.reset();
        }
    }

    /// Waits while the network is cut or nobody is admitted; whether a server may be connected to.
    pub fn is_passable(&self) -> bool {
        matches!(self.while_it_is(State::Cut).state, State::Whole | State::Mute)
    }

    /// Waits while clients are refused; whether there is anything to wait for.
    pub fn until_listening(&self) -> bool {
        self.while_it_is(State::Refusing).state != State::Ended
    }

    fn while_it_is(&self, state: State) -> MutexGuard<'_, Inner> {
        let inner = self.changed.wait_while(self.lock(), |inner| inner.state == state);
        inner.expect("no thread panics with the lock")
    }

    /// None where nobody may enter any more.
    pub fn enter(&self, client: &TcpStream, server: &TcpStream) -> io::Result<Option<Connection>> {
        let sides = Sides {
            client: client.try_clone()?,
            server: server.try_clone()?,
            line: Line::Sound,
            to_server: 0,
            has_gap: false,
        };
        let mut inner = self.lock();
        if matches!(inner.state, State::Refusing | State::Ended) {
            return Ok(None);
        }
        inner.entered += 1;
        let connection = Connection(inner.entered);
        inner.connections.insert(connection, sides);
        Ok(Some(connection))
    }

    pub fn leave(&self, connection: Connection) {
        self.lock().connections.remove(&connection);
    }

    pub fn set_round_trip(&self, round_trip: Duration) {
        let one_way = u64::try_from(round_trip.as_nanos() / 2).expect("nobody waits for centuries");
        self.delay.store(one_way, Ordering::Relaxed);
    }

    pub fn delay(&self) -> Duration {
        Duration::from_nanos(self.delay.load(Ordering::Relaxed))
    }

    pub fn carried(&self) -> Carried {
        self.lock().carried
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().expect("no thread panics with the lock")
    }
}
