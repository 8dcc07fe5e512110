//! MLflow's REST API, as far as runs need it (<https://mlflow.org/docs/latest/rest-api.html>).

use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use ureq::http::Response;

use crate::MlflowError;

/// Most bytes of an answer.
const MOST: u64 = 16 << 20;
/// Attempts where a server is busy or a connection breaks.
const ATTEMPTS: u32 = 3;
/// Characters of an answer that are quoted.
const QUOTED: usize = 300;

/// Who one is.
#[derive(Clone, PartialEq, Eq)]
pub enum Credentials {
    /// Sent as a bearer token.
    Token(String),
    /// Basic authentication.
    Basic {
        /// The user.
        user: String,
        /// The password.
        password: String,
    },
}

/// How a server is asked.
#[derive(Clone)]
pub struct ServerOptions {
    /// Sent with every request, if there are any.
    pub credentials: Option<Credentials>,
    /// For connecting, and for each answer.
    pub timeout: Duration,
    /// Before another attempt.
    pub pause: Duration,
}

impl Default for ServerOptions {
    fn default() -> Self {
        Self { credentials: None, timeout: Duration::from_secs(30), pause: Duration::from_millis(500) }
    }
}

/// An MLflow server.
pub struct Server {
    agent: ureq::Agent,
    base: String,
    options: ServerOptions,
}

/// What a request carries.
enum Body<'a> {
    None,
    Json(&'a Value),
    File(&'a [u8]),
}

impl Server {
    /// A server at an address such as `http://127.0.0.1:5000`. Nothing is sent yet.
    ///
    /// # Errors
    /// [`MlflowError::Address`] for anything but `http` and `https`. A user and a password in it are refused: they would stand in messages and
    /// in the history of the shell.
    pub fn new(url: &str, options: ServerOptions) -> Result<Self, MlflowError> {
        let base = url.trim_end_matches('/');
        let problem = match base.split_once("://") {
            Some(("http" | "https", rest)) if rest.contains('@') => {
                let shown = base.rsplit_once('@').map_or("", |(_, host)| host).to_owned();
                let problem = "it may not have an `@`: user and password belong in MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD";
                return Err(MlflowError::Address { url: shown, problem });
            }
            Some(("http" | "https", rest)) if !rest.is_empty() && !rest.contains(char::is_whitespace) => None,
            Some(("http" | "https", _)) => Some("it has no host"),
            _ => Some("it does not begin with http:// or https://"),
        };
        if let Some(problem) = problem {
            return Err(MlflowError::Address { url: url.to_owned(), problem });
        }
        let config = ureq::Agent::config_builder()
            .timeout_resolve(Some(options.timeout))
            .timeout_connect(Some(options.timeout))
            .timeout_send_request(Some(options.timeout))
            .timeout_recv_response(Some(options.timeout))
            .timeout_per_read(Some(options.timeout))
            .http_status_as_error(false)
            .user_agent(concat!("medley/", env!("CARGO_PKG_VERSION")));
        Ok(Self { agent: config.build().into(), base: base.to_owned(), options })
    }

    /// The page of a run.
    pub fn page(&self, experiment: &str, run: &str) -> String {
        format!("{}/#/experiments/{experiment}/runs/{run}", self.base)
    }

    /// The identifier of an experiment, which is made if there is none of this name.
    ///
    /// # Errors
    /// [`MlflowError`].
    pub fn experiment(&self, name: &str) -> Result<String, MlflowError> {
        let path = format!("experiments/get-by-name?experiment_name={}", escaped(name));
        if let Some(found) = self.ask_if_any("GET", &path, Body::None)? {
            return self.text(&found, "/experiment/experiment_id", &path);
        }
        let made = self.ask("POST", "experiments/create", Body::Json(&json!({ "name": name })))?;
        self.text(&made, "/experiment_id", "experiments/create")
    }

    /// A run of an experiment that has all these tags, if there is one: its identifier and where its artifacts go.
    ///
    /// # Errors
    /// [`MlflowError`].
    pub fn find(&self, experiment: &str, tags: &[(&str, &str)]) -> Result<Option<(String, String)>, MlflowError> {
        let of = |(key, value): &(&str, &str)| format!("tags.`{key}` = '{}'", value.replace(['\'', '\\'], "_"));
        let filter = tags.iter().map(of).collect::<Vec<_>>().join(" and ");
        let body = json!({ "experiment_ids": [experiment], "filter": filter, "max_results": 1 });
        let found = self.ask("POST", "runs/search", Body::Json(&body))?;
        match found.pointer("/runs/0") {
            Some(run) => self.run_of(run, "runs/search").map(Some),
            None => Ok(None),
        }
    }

    /// Makes a run; its identifier and where its artifacts go. It is asked for once: an answer that is lost may be of a run that was made.
    ///
    /// # Errors
    /// [`MlflowError`].
    pub fn create(
        &self,
        experiment: &str,
        name: &str,
        begun: i64,
        tags: &[(String, String)],
    ) -> Result<(String, String), MlflowError> {
        let body = json!({ "experiment_id": experiment, "run_name": name, "start_time": begun, "tags": pairs(tags) });
        let url = format!("{}/api/2.0/mlflow/runs/create", self.base);
        let answer = self.exchange_within(1, "POST", &url, &Body::Json(&body), "runs/create")?;
        let made: Value = self.parse(&answer, "runs/create")?;
        self.run_of(made.get("run").unwrap_or(&Value::Null), "runs/create")
    }

    /// Logs at most 1000 metrics (`{key, value, timestamp, step}`), 100 parameters and 100 tags.
    ///
    /// # Errors
    /// [`MlflowError`].
    pub fn log(
        &self,
        run: &str,
        metrics: &[Value],
        params: &[(String, String)],
        tags: &[(String, String)],
    ) -> Result<(), MlflowError> {
        let body = json!({ "run_id": run, "metrics": metrics, "params": pairs(params), "tags": pairs(tags) });
        self.ask("POST", "runs/log-batch", Body::Json(&body)).map(drop)
    }

    /// Says how a run ended.
    ///
    /// # Errors
    /// [`MlflowError`].
    pub fn end(&self, run: &str, status: &str, ended: Option<i64>) -> Result<(), MlflowError> {
        let body = match ended {
            Some(ended) => json!({ "run_id": run, "status": status, "end_time": ended }),
            None => json!({ "run_id": run, "status": status }),
        };
        self.ask("POST", "runs/update", Body::Json(&body)).map(drop)
    }

    /// Sends a file to where a run's artifacts go; `false` where they do not go through the server.
    ///
    /// # Errors
    /// [`MlflowError`].
    pub fn upload(&self, artifacts: &str, name: &str, bytes: &[u8]) -> Result<bool, MlflowError> {
        // `mlflow-artifacts:/1/abc/artifacts`, or with a host after two slashes.
        let Some(rest) = artifacts.strip_prefix("mlflow-artifacts:") else { return Ok(false) };
        let path = match rest.strip_prefix("//") {
            Some(with_host) => with_host.split_once('/').map_or("", |(_, path)| path),
            None => rest.trim_start_matches('/'),
        };
        let url = format!("{}/api/2.0/mlflow-artifacts/artifacts/{path}/{}", self.base, escaped(name));
        self.exchange("PUT", &url, &Body::File(bytes), "storing an artifact").map(|_| true)
    }

    fn run_of(&self, run: &Value, what: &str) -> Result<(String, String), MlflowError> {
        Ok((self.text(run, "/info/run_id", what)?, self.text(run, "/info/artifact_uri", what)?))
    }

    fn text(&self, answer: &Value, pointer: &str, what: &str) -> Result<String, MlflowError> {
        let text = answer.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
        text.ok_or_else(|| self.strange(what, format!("no `{pointer}`")))
    }

    fn strange(&self, what: &str, problem: String) -> MlflowError {
        MlflowError::Answer { url: self.base.clone(), what: what.to_owned(), problem }
    }

    fn ask(&self, method: &str, path: &str, body: Body<'_>) -> Result<Value, MlflowError> {
        let what = path.split('?').next().unwrap_or(path);
        self.ask_if_any(method, path, body)?.ok_or_else(|| MlflowError::Refused {
            url: self.base.clone(),
            status: 404,
            what: what.to_owned(),
            problem: "it is not there".to_owned(),
        })
    }

    /// `None` where there is no such thing.
    fn ask_if_any(&self, method: &str, path: &str, body: Body<'_>) -> Result<Option<Value>, MlflowError> {
        let what = path.split('?').next().unwrap_or(path);
        let url = format!("{}/api/2.0/mlflow/{path}", self.base);
        match self.exchange(method, &url, &body, what) {
            Ok(answer) => self.parse(&answer, what).map(Some),
            Err(MlflowError::Refused { status: 404, problem, .. }) if problem.contains("RESOURCE_DOES_NOT_EXIST") => {
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    fn parse<T: DeserializeOwned>(&self, answer: &str, what: &str) -> Result<T, MlflowError> {
        serde_json::from_str(answer).map_err(|error| self.strange(what, format!("no JSON ({error})")))
    }

    /// Sends a request until it is answered, some times at most.
    fn exchange(&self, method: &str, url: &str, body: &Body<'_>, what: &str) -> Result<String, MlflowError> {
        self.exchange_within(ATTEMPTS, method, url, body, what)
    }

    fn exchange_within(
        &self,
        attempts: u32,
        method: &str,
        url: &str,
        body: &Body<'_>,
        what: &str,
    ) -> Result<String, MlflowError> {
        let mut left = attempts;
        loop {
            left -= 1;
            let again = match self.send(method, url, body) {
                Ok(mut response) => {
                    let status = response.status().as_u16();
                    let text = response.body_mut().with_config().limit(MOST).read_to_string();
                    match text {
                        Ok(text) if (200..300).contains(&status) => return Ok(text),
                        Ok(text) => {
                            let (url, what) = (self.base.clone(), what.to_owned());
                            let refused = MlflowError::Refused { url, status, what, problem: quoted(&text) };
                            if !may_pass(status) {
                                return Err(refused);
                            }
                            refused
                        }
                        Err(error) => self.strange(what, error.to_string()),
                    }
                }
                Err(error) => MlflowError::Unreachable { url: self.base.clone(), problem: error.to_string() },
            };
            if left == 0 {
                return Err(again);
            }
            std::thread::sleep(self.options.pause);
        }
    }

    /// Waits as long as between two attempts.
    pub(crate) fn pause(&self) {
        std::thread::sleep(self.options.pause);
    }

    fn send(&self, method: &str, url: &str, body: &Body<'_>) -> Result<Response<ureq::Body>, ureq::Error> {
        if let Body::None = body {
            let mut request = self.agent.get(url);
            if let Some(authorization) = self.authorization() {
                request = request.header("Authorization", authorization);
            }
            return request.call();
        }
        let mut request = if method == "PUT" { self.agent.put(url) } else { self.agent.post(url) };
        if let Some(authorization) = self.authorization() {
            request = request.header("Authorization", authorization);
        }
        match body {
            Body::Json(value) => request.header("Content-Type", "application/json").send(value.to_string()),
            Body::File(bytes) => request.header("Content-Type", "application/octet-stream").send(*bytes),
            Body::None => request.send_empty(),
        }
    }

    fn authorization(&self) -> Option<String> {
        Some(match self.options.credentials.as_ref()? {
            Credentials::Token(token) => format!("Bearer {token}"),
            Credentials::Basic { user, password } => {
                format!("Basic {}", BASE64_STANDARD.encode(format!("{user}:{password}")))
            }
        })
    }
}

/// Whether a refusal is of a server that is busy or starting.
pub(crate) fn may_pass(status: u16) -> bool {
    matches!(status, 408 | 429 | 502..=504)
}

fn pairs(pairs: &[(String, String)]) -> Vec<Value> {
    pairs.iter().map(|(key, value)| json!({ "key": key, "value": value })).collect()
}

/// What a server says, shortened: MLflow answers with a code and a message.
fn quoted(text: &str) -> String {
    let parsed: Option<Value> = serde_json::from_str(text).ok();
    let part = |name: &str| parsed.as_ref()?.get(name)?.as_str().map(str::to_owned);
    let said = match (part("error_code"), part("message")) {
        (Some(code), Some(message)) => format!("{code}: {message}"),
        _ => text.trim().to_owned(),
    };
    let short: String = said.chars().map(|c| if c.is_control() { ' ' } else { c }).take(QUOTED).collect();
    if short.is_empty() { "nothing".to_owned() } else { short }
}

/// A text in an address.
fn escaped(text: &str) -> String {
    let of = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => char::from(byte).to_string(),
        byte => format!("%{byte:02X}"),
    };
    text.bytes().map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_address_is_refused() {
        for url in ["", "localhost:5000", "ftp://a", "http://", "http://a b", "file:///tmp/mlruns"] {
            let Err(error) = Server::new(url, ServerOptions::default()) else { panic!("{url} was taken") };
            assert!(error.to_string().contains("http://127.0.0.1:5000"), "{error}");
        }
        let Err(error) = Server::new("http://me:secret@host:1", ServerOptions::default()) else { panic!("taken") };
        let message = error.to_string();
        assert!(message.contains("MLFLOW_TRACKING_USERNAME") && !message.contains("secret"), "{message}");
        Server::new("http://127.0.0.1:5000/", ServerOptions::default()).unwrap();
    }

    #[test]
    fn answers_are_quoted_in_short() {
        assert_eq!(quoted(r#"{"error_code": "X", "message": "no\nway"}"#), "X: no way");
        assert_eq!(quoted(""), "nothing");
        assert_eq!(quoted(&"a".repeat(1_000)).len(), QUOTED);
        assert_eq!(escaped("a b/ü"), "a%20b%2F%C3%BC");
    }
}
