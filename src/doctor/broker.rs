//! Kafka: whether it answers, and its version as far as its protocol tells.

use rdkafka::consumer::Consumer as _;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::{Check, Finding};
use crate::kafka;
use crate::report::figures;
use crate::settings::KafkaSettings;

/// For the first answer; what depends on Kafka is looked at after it.
const LIMIT: Duration = Duration::from_secs(4);
const VERSION_LIMIT: Duration = Duration::from_secs(2);

/// The oldest that fabric is tested against.
const OLDEST: (u32, u32) = (3, 5);

/// Which release first answered this version of Fetch: Apache Kafka, `FetchRequest.json`, and its releases.
const FETCH: [(i16, (u32, u32)); 5] = [(17, (3, 9)), (16, (3, 7)), (15, (3, 5)), (13, (3, 1)), (12, (2, 7))];
/// Since 4.0 older versions of Fetch than this are not answered (KIP-896).
const FETCH_LEAST_OF_4: i16 = 4;
const FETCH_KEY: i16 = 1;

/// `Err`: it does not answer, in words.
pub async fn look(settings: &KafkaSettings) -> Result<Finding, Finding> {
    let owned = settings.clone();
    let asked = tokio::task::spawn_blocking(move || {
        let answer = kafka::inquirer(&owned).and_then(|client| client.fetch_metadata(None, LIMIT));
        answer.map(|found| found.brokers().len()).map_err(|error| kafka::describe(&error, &owned))
    });
    let brokers = asked.await.unwrap_or_else(|error| Err(error.to_string()));
    let brokers = brokers.map_err(|words| Finding::told(Check::Kafka, &words))?;
    let version = if is_plain(settings) { version(&settings.brokers).await } else { None };
    Ok(verdict(&settings.brokers, brokers, version))
}

fn verdict(place: &str, brokers: usize, version: Option<(u32, u32)>) -> Finding {
    let brokers = figures::counted(brokers as u64, "broker", "brokers");
    match version {
        Some(version) if version < OLDEST => Finding::warn(
            Check::Kafka,
            format!("{place}, {brokers}, older than {}.{}", OLDEST.0, OLDEST.1),
            "upgrade it: fabric is not tested against so old a release",
        ),
        Some((major, minor)) => Finding::ok(Check::Kafka, format!("{major}.{minor} or newer at {place}, {brokers}")),
        None => Finding::ok(Check::Kafka, format!("answers at {place}, {brokers}; its version cannot be told")),
    }
}

/// Through TLS or SASL the question below cannot be put.
fn is_plain(settings: &KafkaSettings) -> bool {
    let protocol = settings.properties.iter().rev().find(|(key, _)| key == "security.protocol");
    protocol.is_none_or(|(_, value)| value.eq_ignore_ascii_case("plaintext"))
}

/// librdkafka keeps what brokers say of themselves to itself, so they are asked once more, by hand.
async fn version(brokers: &str) -> Option<(u32, u32)> {
    let place = brokers.split(',').next()?.trim();
    let place = place.rsplit("//").next()?;
    let answer = timeout(VERSION_LIMIT, api_versions(place)).await;
    release(answer.ok()?.ok()?.get(4..)?)
}

/// ApiVersions, version 0 (Kafka protocol guide): key 18, version 0, correlation 1, client id.
async fn api_versions(place: &str) -> std::io::Result<Vec<u8>> {
    /// Far above what a broker answers.
    const MOST: i32 = 1 << 16;
    let mut stream = TcpStream::connect(place).await?;
    stream.write_all(b"\0\0\0\x10\0\x12\0\0\0\0\0\x01\0\x06fabric").await?;
    let length = stream.read_i32().await?.clamp(0, MOST);
    let mut answer = vec![0; usize::try_from(length).unwrap_or(0)];
    stream.read_exact(&mut answer).await?;
    Ok(answer)
}

/// From error code, count, and (key, least, most) of each request that is answered, all big-endian.
fn release(answer: &[u8]) -> Option<(u32, u32)> {
    let apis = answer.get(6..)?.chunks_exact(6);
    let number = |bytes: &[u8], at: usize| i16::from_be_bytes([bytes[at], bytes[at + 1]]);
    let fetch = apis.into_iter().find(|api| number(api, 0) == FETCH_KEY)?;
    if number(fetch, 2) >= FETCH_LEAST_OF_4 {
        return Some((4, 0));
    }
    let known = FETCH.into_iter().find(|(version, _)| *version <= number(fetch, 4));
    Some(known.map_or((0, 0), |(_, release)| release))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Status;

    fn answering_fetch(least: i16, most: i16) -> Vec<u8> {
        let mut answer = vec![0, 0, 0, 0, 0, 2];
        for (key, least, most) in [(0, 0, 9), (FETCH_KEY, least, most)] {
            answer.extend([key, least, most].iter().flat_map(|number: &i16| number.to_be_bytes()));
        }
        answer
    }

    #[test]
    fn a_release_is_known_by_the_requests_that_it_answers() {
        assert_eq!(release(&answering_fetch(0, 15)), Some((3, 5)));
        assert_eq!(release(&answering_fetch(0, 14)), Some((3, 1)));
        assert_eq!(release(&answering_fetch(4, 17)), Some((4, 0)));
        assert_eq!(release(&answering_fetch(0, 3)), Some((0, 0)));
        assert_eq!(release(&[0, 0]), None);
    }

    #[test]
    fn an_old_release_is_a_warning_and_an_unknown_one_is_said_to_be() {
        assert_eq!(verdict("h:1", 1, Some((3, 1))).status, Status::Warn);
        assert_eq!(verdict("h:1", 3, Some((4, 0))).found, "4.0 or newer at h:1, 3 brokers");
        assert_eq!(verdict("h:1", 1, None).status, Status::Ok);
    }
}
