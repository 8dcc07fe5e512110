//! Trained networks over HTTP.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

use medley_tests::lab::Lab;
use medley_tests::program::{command, must};
use serde_json::Value;

/// `medley serve ARGUMENTS`, at the address that it has printed.
struct Serving {
    child: Child,
    address: String,
}

impl Serving {
    fn start(lab: &Lab, arguments: &[&str]) -> Self {
        let mut command = command(lab.path());
        command.arg("serve").args(arguments).args(["--port", "0", "--log", "json"]);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim().strip_prefix("http://").unwrap_or_else(|| panic!("{line:?}")).to_owned();
        Self { child, address }
    }

    /// Status and JSON of the answer to a request.
    fn ask(&self, method: &str, path: &str, body: &[u8]) -> (u16, Value) {
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.write_all(&[head.as_bytes(), body].concat()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head[9..12].parse().unwrap(), serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {answer}")))
    }

    /// Ends it as systemd and containers do; the exit code and the log.
    fn terminate(mut self) -> (Option<i32>, String) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
        let mut log = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut log).unwrap();
        (self.child.wait().unwrap().code(), log)
    }
}

#[test]
fn served_answers_are_those_of_predict() {
    let lab = Lab::with_tasks(&["breastmnist", "retinamnist"], 12);
    lab.config("base", &["breastmnist", "retinamnist"], "");
    lab.train("base", &["--set", "train.epochs=1"]);
    must(lab.path(), &["data", "export", "breastmnist", "--data", "data", "--out", "exported", "--open-test-labels"]);
    let picture = fs_err::read_dir(lab.path().join("exported/breastmnist")).unwrap().next().unwrap().unwrap().path();
    let path = picture.to_str().unwrap();
    let said = must(lab.path(), &["predict", path, "--model", "runs/base-1", "--task", "breastmnist", "--json"]);
    let expected: Value = serde_json::from_str(&said.stdout).unwrap();

    // One thread, as the run had.
    let serving = Serving::start(&lab, &["runs/base-1"]);
    let (status, ready) = serving.ask("GET", "/v2/health/ready", b"");
    assert_eq!((status, &ready["ready"]), (200, &Value::Bool(true)));
    let (status, answer) = serving.ask("POST", "/models/breastmnist/predict", &fs_err::read(&picture).unwrap());
    assert_eq!(status, 200, "{answer}");
    let numbers = |values: &Value| -> Vec<f32> {
        let list = values.as_array().unwrap().iter();
        list.map(|value| value.get("probability").unwrap_or(value).as_f64().unwrap() as f32).collect()
    };
    assert_eq!(numbers(&answer["probabilities"]), numbers(&expected["results"][0]["probabilities"]));
    assert_eq!((&answer["synthetic"], &answer["notice"]), (&Value::Bool(true), &"Not for clinical use".into()));
    let (status, explained) =
        serving.ask("POST", "/models/breastmnist/predict?explain=grad-cam", &fs_err::read(&picture).unwrap());
    assert_eq!((status, &explained["map"]["class"]), (200, &answer["label"]), "{explained}");
    assert!(explained["map"]["data"].as_str().unwrap().starts_with("iVBORw0KGgo"), "{explained}");
    let (status, index) = serving.ask("POST", "/v2/repository/index", b"");
    assert_eq!((status, index.as_array().map(Vec::len)), (200, Some(2)), "{index}");
    let (status, error) = serving.ask("POST", "/predict", b"no picture");
    assert_eq!(status, 400);
    assert!(error["error"].as_str().unwrap().contains("several models"), "{error}");

    let busy = serving.address.rsplit(':').next().unwrap().to_owned();
    for (arguments, code, part) in [
        (vec!["serve", "runs/base-1", "--port", &busy], 2, "choose another --port"),
        (vec!["serve", "runs/base-1", "--max-batch", "0"], 2, "--max-batch is 0; it must be from 1 to 65536"),
        (vec!["serve", "runs/base-1", "runs/base-1"], 2, "two models are called"),
        (vec!["serve", "data"], 4, "neither a run folder"),
        (vec!["serve"], 2, "MODEL"),
    ] {
        let said = lab.run(&arguments);
        assert_eq!(said.code, Some(code), "{arguments:?}: {said:?}");
        assert!(said.stderr.contains(part), "{arguments:?}: {}", said.stderr);
    }

    let (code, log) = serving.terminate();
    assert_eq!(code, Some(0), "{log}");
    assert!(log.contains("serving base-1.breastmnist, base-1.retinamnist"), "{log}");
    let lines: Vec<Value> = log.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let answered =
        lines.iter().find(|line| line["route"] == "/models/{model}/predict").unwrap_or_else(|| panic!("{log}"));
    assert_eq!((&answered["status"], &answered["model"]), (&200.into(), &"base-1.breastmnist".into()));
    assert!(lines.iter().any(|line| line["message"] == "stopped" && line["complete"] == true), "{log}");
}
