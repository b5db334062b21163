//! The state that all connections of a proxy share: whether bytes pass, how long they take, how many have passed.

use std::collections::HashMap;
use std::io;
use std::net::{Shutdown, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard};
use std::time::Duration;

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Whole,
    Cut,
    Refusing,
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

struct Inner {
    state: State,
    connections: HashMap<Connection, [TcpStream; 2]>,
    entered: u64,
    carried: Carried,
}

pub struct Network {
    inner: Mutex<Inner>,
    changed: Condvar,
    /// Of one way, in nanoseconds.
    delay: AtomicU64,
}

impl Network {
    pub fn new(round_trip: Duration) -> Self {
        let inner = Inner { state: State::Whole, connections: HashMap::new(), entered: 0, carried: Carried::default() };
        let network = Self { inner: Mutex::new(inner), changed: Condvar::new(), delay: AtomicU64::new(0) };
        network.set_round_trip(round_trip);
        network
    }

    pub fn cut(&self) {
        self.change_to(State::Cut);
    }

    pub fn heal(&self) {
        self.change_to(State::Whole);
    }

    pub fn refuse(&self) {
        self.change_to(State::Refusing);
    }

    /// For good.
    pub fn end(&self) {
        self.change_to(State::Ended);
    }

    fn change_to(&self, state: State) {
        let mut inner = self.lock();
        inner.state = state;
        if matches!(state, State::Refusing | State::Ended) {
            for (_, sides) in inner.connections.drain() {
                for side in sides {
                    side.shutdown(Shutdown::Both).ok();
                }
            }
        }
        self.changed.notify_all();
    }

    /// Waits while the network is cut; whether these bytes may go on. None does once the network has been cut.
    pub fn passes(&self, way: Way, bytes: usize) -> bool {
        let mut inner = self.while_it_is(State::Cut);
        let carried = match way {
            Way::ToServer => &mut inner.carried.to_server,
            Way::ToClient => &mut inner.carried.to_client,
        };
        *carried += bytes as u64;
        inner.state == State::Whole
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
        let sides = [client.try_clone()?, server.try_clone()?];
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
