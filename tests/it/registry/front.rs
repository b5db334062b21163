//! A way to a schema registry that counts what is asked there, and may answer in its place.

use std::net::SocketAddr;
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::Response;
use tokio::sync::oneshot;

/// HTTP's status and a body, for a path.
type Answers = Box<dyn Fn(&str) -> (u16, String) + Send>;

/// It ends when dropped.
pub struct Front {
    address: SocketAddr,
    path: String,
    desk: Arc<Desk>,
    _end: oneshot::Sender<()>,
}

struct Desk {
    /// Scheme, host and port of the registry behind.
    behind: String,
    asked: Mutex<Vec<Asked>>,
    instead: Mutex<Option<Answers>>,
}

/// A question.
#[derive(Debug, Clone)]
pub struct Asked {
    pub path: String,
    pub authorization: Option<String>,
}

impl Front {
    /// Of the registry whose API stands at `url`.
    pub fn of(url: &str) -> Self {
        let begins = url.find("://").unwrap() + 3;
        let path = begins + url[begins..].find('/').unwrap_or(url.len() - begins);
        let desk = Desk { behind: url[..path].to_owned(), asked: Mutex::default(), instead: Mutex::default() };
        let (desk, path) = (Arc::new(desk), url[path..].to_owned());
        let (end, ended) = oneshot::channel();
        let (put, take) = channel();
        // Of its own: a test that waits for a program must not keep it from answering.
        let serving = Arc::clone(&desk);
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
                put.send(listener.local_addr().unwrap()).unwrap();
                let service = Router::new().fallback(answer).with_state(serving);
                tokio::select! {
                    served = axum::serve(listener, service) => served.unwrap(),
                    _ = ended => {}
                }
            });
        });
        Self { address: take.recv().unwrap(), path, desk, _end: end }
    }

    pub fn url(&self) -> String {
        format!("http://{}{}", self.address, self.path)
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Every question so far.
    pub fn asked(&self) -> Vec<Asked> {
        self.desk.asked.lock().unwrap().clone()
    }

    /// How often it was asked for the schema of an id.
    pub fn asked_for(&self, id: u32) -> usize {
        let end = format!("/schemas/ids/{id}");
        self.asked().iter().filter(|asked| asked.path.ends_with(&end)).count()
    }

    /// From now on this answers, and not the registry.
    pub fn answer_with(&self, answers: impl Fn(&str) -> (u16, String) + Send + 'static) {
        *self.desk.instead.lock().unwrap() = Some(Box::new(answers));
    }

    /// From now on the registry answers.
    pub fn hand_on(&self) {
        *self.desk.instead.lock().unwrap() = None;
    }
}

async fn answer(State(desk): State<Arc<Desk>>, request: Request) -> Response<Body> {
    let path = request.uri().path().to_owned();
    let header = request.headers().get("authorization");
    let authorization = header.map(|value| value.to_str().unwrap().to_owned());
    desk.asked.lock().unwrap().push(Asked { path: path.clone(), authorization });
    let instead = desk.instead.lock().unwrap().as_ref().map(|answers| answers(&path));
    let (status, body) = match instead {
        Some(answer) => answer,
        None => {
            let answer = reqwest::get(format!("{}{path}", desk.behind)).await.unwrap();
            (answer.status().as_u16(), answer.text().await.unwrap())
        }
    };
    Response::builder().status(status).body(Body::from(body)).unwrap()
}
