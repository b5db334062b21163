//! Turns Nagle's algorithm off on the connections to Postgres.
//!
//! A COPY ends with a small message behind its data. With Nagle's algorithm that message waits until the server has
//! acknowledged the data, and the server's kernel delays that by 40 ms. sqlx 0.9.0 leaves the algorithm on
//! (<https://github.com/transact-rs/sqlx/issues/4335>; mended after that release) and does not hand out its socket, so
//! it is found among the files of this process. Once sqlx sets the option itself this module can go.

use std::net::TcpStream;
use std::os::fd::{BorrowedFd, RawFd};

/// Sets `TCP_NODELAY` on every TCP connection of this process to one of these ports. What cannot be done costs speed
/// only, so it is left undone without a word: no TCP (a Unix socket), no `/proc` (not Linux).
pub(super) fn set(ports: &[u16]) {
    for fd in sockets() {
        // SAFETY: the number is only used to make a duplicate of our own, which fails if it was closed meanwhile. If it
        // was given to another file meanwhile, the duplicate is of that one, and its peer is asked for below.
        let duplicate = unsafe { BorrowedFd::borrow_raw(fd) }.try_clone_to_owned();
        let Ok(stream) = duplicate.map(TcpStream::from) else { continue };
        if stream.peer_addr().is_ok_and(|peer| ports.contains(&peer.port())) {
            stream.set_nodelay(true).ok();
        }
    }
}

/// Of this process (proc(5): a socket's link reads `socket:[inode]`).
fn sockets() -> Vec<RawFd> {
    let Ok(files) = std::fs::read_dir("/proc/self/fd") else { return vec![] };
    files
        .flatten()
        .filter(|file| std::fs::read_link(file.path()).is_ok_and(|link| link.to_string_lossy().starts_with("socket:")))
        .filter_map(|file| file.file_name().to_str()?.parse().ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn only_connections_to_the_ports_are_set() {
        let (ours, other) = (TcpListener::bind("127.0.0.1:0").unwrap(), TcpListener::bind("127.0.0.1:0").unwrap());
        let connect = |listener: &TcpListener| TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (to_ours, to_other) = (connect(&ours), connect(&other));
        set(&[ours.local_addr().unwrap().port()]);
        assert!(to_ours.nodelay().unwrap());
        assert!(!to_other.nodelay().unwrap());
    }
}
