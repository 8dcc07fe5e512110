//! A server whose models compute nothing: for clients, pages and load to be tried on.
//!
//! `cargo run -p medley-serve --example fake -- --port 8080 --models breast,moles --delay-ms 0`

#[path = "../tests/integration/fake.rs"]
#[allow(clippy::unwrap_used, reason = "it is shared with tests")]
mod fake;

use std::error::Error;
use std::io::Write as _;
use std::time::Duration;

use medley_serve::{Hosted, ServeOptions, Server, Stop};

use crate::fake::{Fake, FakeExplainer, Kind, model};

fn main() -> Result<(), Box<dyn Error>> {
    let (mut port, mut models, mut delay) = (0, "breast".to_owned(), Duration::ZERO);
    let mut options = ServeOptions::default();
    let mut arguments = std::env::args().skip(1);
    while let Some(option) = arguments.next() {
        let value = arguments.next().ok_or_else(|| format!("{option} needs a value"))?;
        match option.as_str() {
            "--port" => port = value.parse()?,
            "--models" => models = value,
            "--delay-ms" => delay = Duration::from_millis(value.parse()?),
            "--max-batch" => options.batching.max_batch = value.parse()?,
            "--max-delay-ms" => options.batching.max_delay = Duration::from_millis(value.parse()?),
            "--queue" => options.batching.queue = value.parse()?,
            other => return Err(format!("unknown option {other}").into()),
        }
    }
    let classifier = |name: &str| {
        let kind = match name {
            "moles" => Kind::Colour,
            "chest" => Kind::Labels,
            "nodule" => Kind::Volumes,
            _ => Kind::Binary,
        };
        let (mut fake, _) = Fake::new(model(name, kind));
        fake.delay = delay;
        Hosted::new(Box::new(fake)).with_explainer(Box::new(FakeExplainer::new().0))
    };
    let hosted = models.split(',').map(classifier).collect();
    let bound = Server::hosting(hosted, options)?.bind(([127, 0, 0, 1], port).into())?;
    let stop = Stop::default();
    bound.stop_at_signals(stop.clone())?;
    writeln!(std::io::stdout(), "http://{}", bound.address())?;
    let ended = bound.run(&stop);
    if ended.complete { Ok(()) } else { Err("something was lost".into()) }
}
