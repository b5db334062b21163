//! Redis behind TLS: believed where its certificate is of a known authority and of its name, else told of and left alone.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use super::server::Server;
use super::{apply, eventually, key};
use crate::installation::{Installation, Process};

/// An authority of the test's own, and certificates that it has signed.
struct Authority<'f> {
    folder: &'f Path,
}

impl<'f> Authority<'f> {
    fn new(folder: &'f Path) -> Self {
        openssl(
            folder,
            &[
                "req",
                "-x509",
                "-newkey",
                "ec",
                "-pkeyopt",
                "ec_paramgen_curve:P-256",
                "-nodes",
                "-days",
                "2",
                "-subj",
                "/CN=Test authority",
                "-keyout",
                "ca.key",
                "-out",
                "ca.crt",
            ],
        );
        Self { folder }
    }

    fn path(&self, name: &str) -> String {
        self.folder.join(name).to_str().unwrap().to_owned()
    }

    /// Certificate and key of whoever is called so: `DNS:…`, `IP:…`.
    fn sign(&self, name: &str, called: &str) -> (String, String) {
        let [key, request, certificate] = ["key", "csr", "crt"].map(|ending| format!("{name}.{ending}"));
        openssl(
            self.folder,
            &[
                "req",
                "-newkey",
                "ec",
                "-pkeyopt",
                "ec_paramgen_curve:P-256",
                "-nodes",
                "-subj",
                &format!("/CN={name}"),
                "-addext",
                &format!("subjectAltName={called}"),
                "-keyout",
                &key,
                "-out",
                &request,
            ],
        );
        openssl(
            self.folder,
            &[
                "x509",
                "-req",
                "-days",
                "2",
                "-in",
                &request,
                "-CA",
                "ca.crt",
                "-CAkey",
                "ca.key",
                "-CAcreateserial",
                "-copy_extensions",
                "copy",
                "-out",
                &certificate,
            ],
        );
        (self.path(&certificate), self.path(&key))
    }

    async fn server(&self, name: &str, called: &str) -> Server {
        let (certificate, key) = self.sign(name, called);
        Server::with_tls(&certificate, &key, &self.path("ca.crt")).await
    }
}

fn openssl(folder: &Path, arguments: &[&str]) {
    let output = Command::new("openssl").current_dir(folder).args(arguments).output().unwrap();
    assert!(output.status.success(), "openssl {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// A process that makes the active feed ready, and leaves it in Redis.
fn process(installation: &Installation, host: &str, port: u16, authority: &str) -> Process {
    let url = format!("rediss://{host}:{port}");
    installation.start_with(&[("FABRIC_REDIS_URL", &url), ("SSL_CERT_FILE", authority)], &["validate"])
}

const PATIENCE: Duration = Duration::from_secs(30);

#[tokio::test]
async fn a_certificate_of_a_known_authority_and_of_its_name_is_believed_and_no_other() {
    let installation = Installation::new().await;
    apply(&installation, 1);
    let authority = Authority::new(installation.folder.path());
    let other = tempfile::tempdir().unwrap();
    let other = Authority::new(other.path());
    let good = authority.server("good", "DNS:localhost,IP:127.0.0.1").await;
    let elsewhere = authority.server("elsewhere", "DNS:redis.elsewhere.example").await;
    let known = authority.path("ca.crt");

    let believing: Vec<_> =
        ["localhost", "127.0.0.1"].map(|host| process(&installation, host, good.port, &known)).into();
    let unknown = process(&installation, "localhost", good.port, &other.path("ca.crt"));
    let misnamed = process(&installation, "localhost", elsewhere.port, &known);

    let stands = || good.cli(&["get", &key(&installation, 1)]).starts_with("# 1");
    eventually("the feed stands in Redis", async || stands()).await;
    for process in &believing {
        process.until_says("partitions assigned", PATIENCE).await;
        assert!(!process.log().contains("no TLS"), "{}", process.log());
    }
    unknown.until_says("no TLS (", PATIENCE).await;
    misnamed.until_says("no TLS (", PATIENCE).await;
    for process in [&unknown, &misnamed] {
        process.until_says("SSL_CERT_FILE names further authorities", PATIENCE).await;
        process.until_says("partitions assigned", PATIENCE).await;
    }
    assert!(!elsewhere.cli(&["keys", "*"]).contains("cards"), "nothing was given to a stranger");
    let mut processes = believing;
    processes.extend([unknown, misnamed]);
    for process in processes {
        process.terminate();
    }
}
