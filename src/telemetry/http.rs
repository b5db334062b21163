//! Turns a process's health and figures into answers over HTTP: `/health/live`, `/health/ready`, `/metrics`.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use axum::{Json, Router};

use super::health::{Answer, Health};
use super::recorder::Metrics;

/// Prometheus' text format, version 0.0.4.
const TEXT_FORMAT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// What is observed is added up this often, asked or not: some thousand figures wait meanwhile.
const ADD_UP_INTERVAL: Duration = Duration::from_secs(5);

/// Why a process cannot be asked how it is.
#[derive(Debug, thiserror::Error)]
pub enum EndpointError {
    /// With the name of the setting.
    #[error(
        "{setting}: cannot listen on {address}: {error}.\n  \
         Another process may hold the port (`ss -ltnp`): give this one another, or port 0 for any that is free."
    )]
    Listen { setting: &'static str, address: String, error: std::io::Error },
    #[error("this process answers already")]
    Twice,
}

/// A socket that listens; nobody is answered before [`Endpoint::serve`].
pub struct Endpoint {
    listener: TcpListener,
    address: SocketAddr,
}

impl Endpoint {
    /// `address`: `host:port`, from `setting`. Port 0 is any that is free.
    pub fn listen(setting: &'static str, address: &str) -> Result<Self, EndpointError> {
        let listen = || {
            let listener = TcpListener::bind(address)?;
            listener.set_nonblocking(true)?;
            Ok((listener.local_addr()?, listener))
        };
        let (address, listener) =
            listen().map_err(|error| EndpointError::Listen { setting, address: address.to_owned(), error })?;
        Ok(Self { listener, address })
    }

    /// Where it listens in fact.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Counts from now on, and answers in the background until the runtime ends. Call it on the runtime.
    pub fn serve(self, health: Arc<Health>, metrics: Metrics) -> std::io::Result<()> {
        let listener = tokio::net::TcpListener::from_std(self.listener)?;
        let counted = metrics.clone();
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(ADD_UP_INTERVAL).await;
                counted.add_up();
            }
        });
        let routes = routes(health, metrics);
        tokio::spawn(async move {
            if let Err(error) = axum::serve(listener, routes).await {
                tracing::error!(%error, "health and metrics are not answered any more");
            }
        });
        Ok(())
    }
}

fn routes(health: Arc<Health>, metrics: Metrics) -> Router {
    let asked = Arc::clone(&health);
    Router::new()
        .route("/health/live", get(async move || answered(&asked.live(Instant::now()))))
        .route("/health/ready", get(async move || answered(&health.ready(Instant::now()))))
        .route("/metrics", get(async move || ([(header::CONTENT_TYPE, TEXT_FORMAT)], metrics.text())))
}

fn answered(answer: &Answer) -> Response {
    let status = if answer.ok { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(answer)).into_response()
}
