//! What an MLflow server does with runs, in memory.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

#[derive(Debug, Clone, Default)]
pub(crate) struct Run {
    pub(crate) name: String,
    pub(crate) status: String,
    pub(crate) ended: Option<i64>,
    pub(crate) params: BTreeMap<String, String>,
    pub(crate) tags: BTreeMap<String, String>,
    /// Key, step, time and value, each once.
    pub(crate) metrics: Vec<String>,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct State {
    pub(crate) experiments: Vec<String>,
    pub(crate) runs: BTreeMap<String, Run>,
    pub(crate) files: BTreeMap<String, usize>,
    /// Most metrics, and most parameters or tags, of a request.
    pub(crate) largest: (usize, usize),
    pub(crate) authorization: Vec<String>,
    left: Option<usize>,
    busy: usize,
    always: Option<String>,
}

pub(crate) struct Mlflow {
    pub(crate) url: String,
    state: Arc<Mutex<State>>,
}

impl Mlflow {
    pub(crate) fn start() -> Self {
        Self::with(State::default())
    }

    /// One that answers everything with this.
    pub(crate) fn answering(body: &str) -> Self {
        Self::with(State { always: Some(body.to_owned()), ..State::default() })
    }

    fn with(state: State) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let state = Arc::new(Mutex::new(state));
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = Arc::clone(&shared);
                std::thread::spawn(move || while answer(&stream, &shared).is_some() {});
            }
        });
        Self { url, state }
    }

    pub(crate) fn state(&self) -> State {
        self.state.lock().unwrap().clone()
    }

    /// From so many requests on, the answer is 500.
    pub(crate) fn refuse_after(&self, requests: usize) {
        self.state.lock().unwrap().left = Some(requests);
    }

    /// The next requests are answered with 503.
    pub(crate) fn busy_for(&self, requests: usize) {
        self.state.lock().unwrap().busy = requests;
    }
}

/// Answers one request of a connection; `None` at its end.
fn answer(mut stream: &TcpStream, state: &Mutex<State>) -> Option<()> {
    let mut reader = BufReader::new(stream);
    let mut first = String::new();
    reader.read_line(&mut first).ok().filter(|&bytes| bytes > 0)?;
    let mut words = first.split_whitespace();
    let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
    let (mut length, mut authorization) = (0, None);
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        match name.to_lowercase().as_str() {
            "content-length" => length = value.parse().ok()?,
            "authorization" => authorization = Some(value.to_owned()),
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let mut state = state.lock().ok()?;
    state.authorization.extend(authorization);
    let (status, said) = state.answer(&method, &path, &body);
    write!(stream, "HTTP/1.1 {status} X\r\nContent-Length: {}\r\n\r\n{said}", said.len()).ok()
}

impl State {
    fn answer(&mut self, method: &str, path: &str, body: &[u8]) -> (u16, String) {
        if let Some(always) = &self.always {
            return (200, always.clone());
        }
        if self.busy > 0 {
            self.busy -= 1;
            return (503, "busy".to_owned());
        }
        match &mut self.left {
            Some(0) => return (500, json!({ "error_code": "INTERNAL_ERROR", "message": "no" }).to_string()),
            Some(left) => *left = left.saturating_sub(1),
            None => {}
        }
        if let Some(file) = path.strip_prefix("/api/2.0/mlflow-artifacts/artifacts/") {
            assert_eq!(method, "PUT");
            self.files.insert(file.to_owned(), body.len());
            return (200, "{}".to_owned());
        }
        let what = path.strip_prefix("/api/2.0/mlflow/").unwrap();
        let said: Value = serde_json::from_slice(body).unwrap_or(Value::Null);
        self.api(what, &said)
    }

    fn api(&mut self, what: &str, said: &Value) -> (u16, String) {
        let text = |pointer: &str| said.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
        if let Some(name) = what.strip_prefix("experiments/get-by-name?experiment_name=") {
            let name = name.replace("%20", " ");
            return match self.experiments.iter().position(|one| *one == name) {
                Some(at) => (200, json!({ "experiment": { "experiment_id": (at + 1).to_string() } }).to_string()),
                None => (404, json!({ "error_code": "RESOURCE_DOES_NOT_EXIST", "message": "none" }).to_string()),
            };
        }
        match what {
            "experiments/create" => {
                self.experiments.push(text("/name"));
                (200, json!({ "experiment_id": self.experiments.len().to_string() }).to_string())
            }
            "runs/create" => {
                let id = format!("run-{}", self.runs.len() + 1);
                let run = Run { name: text("/run_name"), tags: pairs(said, "/tags"), ..Run::default() };
                self.runs.insert(id.clone(), run);
                (200, json!({ "run": info(&id) }).to_string())
            }
            "runs/search" => {
                let filter = text("/filter");
                let fits = |run: &Run| {
                    filter.split(" and ").all(|one| {
                        let (key, value) = one.split_once(" = ").unwrap();
                        let key = key.trim_start_matches("tags.").trim_matches('`');
                        run.tags.get(key).is_some_and(|tag| tag == value.trim_matches('\''))
                    })
                };
                let found: Vec<Value> = self.runs.iter().filter(|(_, run)| fits(run)).map(|(id, _)| info(id)).collect();
                (200, json!({ "runs": found }).to_string())
            }
            "runs/log-batch" => {
                let run = self.runs.get_mut(&text("/run_id")).unwrap();
                let metrics = said["metrics"].as_array().unwrap();
                let (params, tags) = (pairs(said, "/params"), pairs(said, "/tags"));
                let most = params.len().max(tags.len());
                self.largest = (self.largest.0.max(metrics.len()), self.largest.1.max(most));
                for metric in metrics {
                    let shown = metric.to_string();
                    if !run.metrics.contains(&shown) {
                        run.metrics.push(shown);
                    }
                }
                run.params.extend(params);
                run.tags.extend(tags);
                (200, "{}".to_owned())
            }
            "runs/update" => {
                let run = self.runs.get_mut(&text("/run_id")).unwrap();
                run.status = text("/status");
                run.ended = said["end_time"].as_i64();
                (200, "{}".to_owned())
            }
            other => panic!("{other}"),
        }
    }
}

fn info(id: &str) -> Value {
    json!({ "info": { "run_id": id, "artifact_uri": format!("mlflow-artifacts:/1/{id}/artifacts") } })
}

fn pairs(said: &Value, pointer: &str) -> BTreeMap<String, String> {
    let of = |one: &Value| (one["key"].as_str().unwrap().to_owned(), one["value"].as_str().unwrap().to_owned());
    said.pointer(pointer).and_then(Value::as_array).map(|all| all.iter().map(of).collect()).unwrap_or_default()
}
