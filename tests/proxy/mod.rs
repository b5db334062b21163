//! Connections of clients into connections to one server: the network between them, made slow or taken away.
//!
//! It knows no protocol, so it serves Postgres, Redis and Kafka alike. Clients of Kafka go where the broker says: the
//! broker of `dev/stack` has listeners that advertise a proxy's address.

mod line;
mod network;

use std::io;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use socket2::SockRef;

pub use network::Carried;
use network::Network;

/// How many connections may wait to be accepted.
const BACKLOG: i32 = 1024;

/// A network of its own between clients and one server. It ends when dropped, and every connection with it.
pub struct Proxy {
    address: SocketAddr,
    listener: Arc<TcpListener>,
    network: Arc<Network>,
    accepting: Option<JoinHandle<()>>,
}

impl Proxy {
    /// Listens and carries. `round_trip` is what a question and its answer take longer than without it: half of it for
    /// each way.
    ///
    /// # Errors
    /// Where `listen` is taken.
    pub fn start(listen: SocketAddr, to: SocketAddr, round_trip: Duration) -> io::Result<Self> {
        let listener = Arc::new(bind(listen)?);
        let network = Arc::new(Network::new(round_trip));
        let address = listener.local_addr()?;
        let accepting = std::thread::spawn({
            let (listener, network) = (listener.clone(), network.clone());
            move || accept(&listener, &network, to)
        });
        Ok(Self { address, listener, network, accepting: Some(accepting) })
    }

    /// Where clients connect.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on nothing arrives on either side, as if a cable were pulled: connections stay and are silent, a new one
    /// is made and gets no answer.
    pub fn cut(&self) {
        self.network.cut();
    }

    /// From now on there is no server: connections end, a new one is refused.
    pub fn refuse(&self) {
        self.network.refuse();
        // A socket that has been shut down keeps its port and listens to nobody.
        SockRef::from(&*self.listener).shutdown(Shutdown::Both).ok();
    }

    /// From now on servers hear what clients say, and clients hear nothing: what is committed is not acknowledged.
    pub fn drop_answers(&self) {
        self.network.mute();
    }

    /// From now on each connection is reset (RST) once so many bytes more have gone to its server, in the middle of whatever
    /// they are.
    pub fn reset_after(&self, bytes: u64) {
        self.network.reset_after(bytes);
    }

    /// Servers lose the connections that there are now; clients are not told. New ones are sound.
    pub fn half_open(&self) {
        self.network.half_open();
    }

    /// What each way of a connection carries from now on, in bytes a second; a last resort of a network, at least 20.
    pub fn throttle(&self, bytes_per_second: u64) {
        self.network.set_rate(bytes_per_second);
    }

    /// All is well again. What was underway when the network was cut arrives now, in order; a connection of which something
    /// was lost is reset.
    ///
    /// # Errors
    /// Where somebody else has taken the port in the meantime.
    pub fn heal(&self) -> io::Result<()> {
        SockRef::from(&*self.listener).listen(BACKLOG)?;
        self.network.heal();
        Ok(())
    }

    /// For what is sent from now on.
    pub fn set_round_trip(&self, round_trip: Duration) {
        self.network.set_round_trip(round_trip);
    }

    /// Bytes that have been let through so far.
    pub fn carried(&self) -> Carried {
        self.network.carried()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.network.end();
        SockRef::from(&*self.listener).shutdown(Shutdown::Both).ok();
        if let Some(accepting) = self.accepting.take() {
            accepting.join().ok();
        }
    }
}

/// Linux lets a socket keep its port when it is shut down only if the port was asked for by number.
fn bind(listen: SocketAddr) -> io::Result<TcpListener> {
    let listener = TcpListener::bind(listen)?;
    if listen.port() != 0 {
        return Ok(listener);
    }
    let free = listener.local_addr()?;
    drop(listener);
    TcpListener::bind(free)
}

fn accept(listener: &TcpListener, network: &Arc<Network>, to: SocketAddr) {
    while network.until_listening() {
        let Ok((client, _)) = listener.accept() else {
            continue;
        };
        let network = network.clone();
        std::thread::spawn(move || connect(client, to, &network));
    }
}

/// A client has no server until the network is whole.
fn connect(client: TcpStream, to: SocketAddr, network: &Network) {
    if !network.is_passable() {
        return;
    }
    let Ok(server) = TcpStream::connect(to) else {
        return;
    };
    if let Ok(Some(connection)) = network.enter(&client, &server) {
        line::carry_both_ways(&client, &server, connection, network);
        network.leave(connection);
    }
}
