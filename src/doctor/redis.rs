//! Redis: whether it answers a PING. It is a cache: one that is absent costs speed only, and is a note.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::{Check, Finding};

const LIMIT: Duration = Duration::from_secs(2);
const WITHOUT: &str = "processes ask Postgres instead";

/// `url`: `redis://[USER:PASSWORD@]HOST[:PORT][/DATABASE]`, as `redis.url` has it.
pub async fn look(url: &str) -> Finding {
    let Some(place) = address(url) else {
        return Finding::note(Check::Redis, format!("none in redis.url (FABRIC_REDIS_URL); {WITHOUT}"));
    };
    let answer = timeout(LIMIT, ping(&place)).await;
    let answer = answer.unwrap_or_else(|_| Err(std::io::ErrorKind::TimedOut.into()));
    verdict(&place, answer.map_err(|error| error.to_string()))
}

fn verdict(place: &str, answer: Result<String, String>) -> Finding {
    match answer {
        // One that wants a password answers too.
        Ok(said) if said.starts_with("+PONG") || said.starts_with("-NOAUTH") => {
            Finding::ok(Check::Redis, format!("answers at {place}"))
        }
        Ok(_) => Finding::note(Check::Redis, format!("what answers at {place} is not Redis; {WITHOUT}")),
        Err(error) => Finding::note(Check::Redis, format!("does not answer at {place} ({error}); {WITHOUT}")),
    }
}

async fn ping(place: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(place).await?;
    stream.write_all(b"PING\r\n").await?;
    let mut answer = [0; 64];
    let length = stream.read(&mut answer).await?;
    Ok(String::from_utf8_lossy(&answer[..length]).into_owned())
}

/// `HOST:PORT`; 6379 where the URL names no port.
fn address(url: &str) -> Option<String> {
    let (_, rest) = url.split_once("://")?;
    let authority = rest.split(['/', '?']).next()?;
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let has_port = host.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    match host {
        "" => None,
        host if has_port => Some(host.to_owned()),
        host => Some(format!("{host}:6379")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Status;

    #[test]
    fn an_address_is_what_a_url_says_without_its_password() {
        assert_eq!(address("redis://h:1").as_deref(), Some("h:1"));
        assert_eq!(address("rediss://u:p@h/0").as_deref(), Some("h:6379"));
        assert_eq!(address("h:1"), None);
    }

    #[test]
    fn an_absent_redis_is_a_note_and_one_that_wants_a_password_is_there() {
        assert_eq!(verdict("h:1", Err("refused".into())).status, Status::Note);
        assert_eq!(verdict("h:1", Ok("-NOAUTH Authentication required.\r\n".into())).status, Status::Ok);
    }
}
