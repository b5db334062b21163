//! Proxies between single processes and servers.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::Duration;

use crate::installation::Installation;
use crate::proxied::{KafkaProxy, Way};
use crate::proxy::Proxy;
use crate::scenario::{Scenario, Server, Who};

enum Kind {
    Kafka(KafkaProxy),
    Postgres(Way),
    Redis(Proxy),
}

#[derive(Default)]
pub struct Ways(HashMap<Who, Vec<Kind>>);

impl Ways {
    /// Those that the scenario's faults need.
    pub async fn of(scenario: &Scenario, installation: &Installation) -> Self {
        let mut ways = Self::default();
        for who in everybody(scenario) {
            let mut its = Vec::new();
            if scenario.is_behind_a_proxy(who, Server::Kafka) {
                its.push(Kind::Kafka(KafkaProxy::new().await));
            }
            if scenario.is_behind_a_proxy(who, Server::Postgres) {
                its.push(Kind::Postgres(Way::to_postgres(installation)));
            }
            if scenario.is_behind_a_proxy(who, Server::Redis) {
                let listen = "127.0.0.1:0".parse().expect("an address");
                its.push(Kind::Redis(Proxy::start(listen, redis(), Duration::ZERO).expect("a free port")));
            }
            ways.0.insert(who, its);
        }
        ways
    }

    pub fn environment(&self, who: Who) -> Vec<(&'static str, String)> {
        let variable = |kind: &Kind| match kind {
            Kind::Kafka(way) => ("FABRIC_KAFKA_BROKERS", way.brokers()),
            Kind::Postgres(way) => ("FABRIC_POSTGRES_URL", way.url.clone()),
            Kind::Redis(proxy) => ("FABRIC_REDIS_URL", format!("redis://{}", proxy.address())),
        };
        self.0.get(&who).into_iter().flatten().map(variable).collect()
    }

    pub fn to(&self, who: Who, server: Server) -> Option<&Proxy> {
        self.0.get(&who)?.iter().find_map(|kind| match (kind, server) {
            (Kind::Kafka(way), Server::Kafka) => Some(&way.proxy),
            (Kind::Postgres(way), Server::Postgres) => Some(&way.proxy),
            (Kind::Redis(proxy), Server::Redis) => Some(proxy),
            _ => None,
        })
    }
}

fn everybody(scenario: &Scenario) -> impl Iterator<Item = Who> {
    let validators = (0..scenario.validators + scenario.later_validators).map(Who::Validator);
    let stewards = (0..scenario.stewards).map(Who::Steward);
    validators.chain(stewards).chain((0..scenario.jobs.len()).map(Who::Publisher))
}

fn redis() -> SocketAddr {
    let url = std::env::var("FABRIC_REDIS_URL").expect("FABRIC_REDIS_URL: see `dev/stack env`");
    url.trim_start_matches("redis://").parse().expect("an address")
}
