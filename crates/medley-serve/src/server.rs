//! The server: it listens, and stops without losing what it has accepted.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use medley_package::Classifier;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{Semaphore, watch};
use tokio::time::{sleep, timeout};
use tokio_io_timeout::TimeoutStream;

use crate::http::{App, router};
use crate::{Hosted, ServeError, ServeOptions};

/// SIGTERM within this time of another is the same one.
const SAME: Duration = Duration::from_secs(2);

/// For so long requests are read, once nobody is let in any more.
const LINGER: Duration = Duration::from_millis(100);

/// Asks a server to stop, from any thread.
#[derive(Debug, Clone)]
pub struct Stop(watch::Sender<u8>);

impl Default for Stop {
    fn default() -> Self {
        Self(watch::Sender::new(0))
    }
}

impl Stop {
    /// The first time, the server takes in nothing more and answers what it has; the second time, it ends at once.
    pub fn request(&self) {
        self.0.send_modify(|times| *times = times.saturating_add(1));
    }

    /// Waits until it was requested so often.
    async fn requested(&self, often: u8) {
        let mut seen = self.0.subscribe();
        // The sender lives as long as this.
        let _ = seen.wait_for(|&times| times >= often).await;
    }
}

/// How a server ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ended {
    /// Whether everything that it had accepted was answered.
    pub complete: bool,
}

/// Classifiers, each with its thread, ready to be asked.
#[derive(Debug)]
pub struct Server {
    app: Arc<App>,
    options: ServeOptions,
}

impl Server {
    /// Starts a thread for each classifier, which owns it from now on. Their models' names are those in the addresses.
    ///
    /// # Errors
    /// [`ServeError`] for no classifier, two of one name, or options that cannot be.
    pub fn new(classifiers: Vec<Box<dyn Classifier>>, options: ServeOptions) -> Result<Self, ServeError> {
        Self::hosting(classifiers.into_iter().map(Hosted::new).collect(), options)
    }

    /// As [`Self::new`], for models that several classifiers compute, or that are explained.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn hosting(models: Vec<Hosted>, options: ServeOptions) -> Result<Self, ServeError> {
        Ok(Self { app: Arc::new(App::new(models, &options)?), options })
    }

    /// All addresses, as a service that needs no network.
    pub fn router(&self) -> Router {
        router(Arc::clone(&self.app))
    }

    /// Takes an address, and gives a server that answers there once it [runs](Bound::run).
    ///
    /// # Errors
    /// [`ServeError::Bind`], [`ServeError::Runtime`].
    pub fn bind(self, address: SocketAddr) -> Result<Bound, ServeError> {
        let runtime = Builder::new_multi_thread().enable_all().thread_name("http").build();
        let runtime = runtime.map_err(ServeError::Runtime)?;
        let bound = |source| ServeError::Bind { address, source };
        let listener = runtime.block_on(TcpListener::bind(address)).map_err(bound)?;
        let address = listener.local_addr().map_err(bound)?;
        Ok(Bound { server: self, runtime, listener, address })
    }
}

impl Drop for Server {
    /// The threads compute what waits, and end.
    fn drop(&mut self) {
        self.app.models.close();
    }
}

/// A server with an address.
#[derive(Debug)]
pub struct Bound {
    server: Server,
    runtime: Runtime,
    listener: TcpListener,
    address: SocketAddr,
}

impl Bound {
    /// Where it listens; the port is the one that the system chose if 0 was asked for.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Requests the stop at SIGINT and SIGTERM. Programs such as `timeout` and schedulers send SIGTERM to a process and to its group:
    /// within two seconds that is one.
    ///
    /// # Errors
    /// [`ServeError::Signals`].
    pub fn stop_at_signals(&self, stop: Stop) -> Result<(), ServeError> {
        use tokio::signal::unix::{SignalKind, signal};
        let _inside = self.runtime.enter();
        for kind in [SignalKind::interrupt(), SignalKind::terminate()] {
            let (mut signals, stop) = (signal(kind).map_err(ServeError::Signals)?, stop.clone());
            self.runtime.spawn(async move {
                let mut last: Option<Instant> = None;
                while signals.recv().await.is_some() {
                    let again = kind == SignalKind::terminate() && last.is_some_and(|then| then.elapsed() < SAME);
                    if !again {
                        last = Some(Instant::now());
                        stop.request();
                    }
                }
            });
        }
        Ok(())
    }

    /// Answers until it is asked to stop, then what was accepted.
    pub fn run(self, stop: &Stop) -> Ended {
        let Self { server, runtime, listener, address } = self;
        let app = Arc::clone(&server.app);
        tracing::info!(%address, models = app.models.names(), "listening");
        let complete = runtime.block_on(async {
            tokio::select! {
                biased;
                () = stop.requested(2) => false,
                complete = serve(&server, listener, stop) => complete,
            }
        });
        // Nobody waits for what is left, if there is any.
        runtime.shutdown_timeout(Duration::from_millis(if complete { 1000 } else { 0 }));
        app.models.close();
        if complete {
            app.models.wait(Duration::from_secs(5));
        }
        tracing::info!(complete, "stopped");
        Ended { complete }
    }
}

/// Serves connections until it is asked to stop. True if all that was accepted has been answered.
async fn serve(server: &Server, listener: TcpListener, stop: &Stop) -> bool {
    let (app, limits) = (&server.app, server.options.limits);
    let mut connections = Connections {
        service: server.router(),
        graceful: GracefulShutdown::new(),
        slots: Arc::new(Semaphore::new(limits.connections)),
        header_timeout: limits.header_timeout,
        write_timeout: limits.write_timeout,
        app: Arc::clone(app),
    };
    let asked = stop.requested(1);
    tokio::pin!(asked);
    loop {
        tokio::select! {
            biased;
            () = &mut asked => break,
            accepted = connections.accept(&listener) => accepted,
        }
    }
    app.stop();
    // Those that the system has accepted for us have been told that they are connected.
    while timeout(Duration::ZERO, connections.accept(&listener)).await.is_ok() {}
    drop(listener);
    // What has arrived but was not read yet: a connection without a request is closed at once.
    sleep(LINGER).await;
    let open = connections.graceful.count();
    tracing::info!(open, "stopping: what was accepted is answered");
    timeout(limits.grace, connections.graceful.shutdown()).await.is_ok()
}

struct Connections {
    service: Router,
    graceful: GracefulShutdown,
    slots: Arc<Semaphore>,
    header_timeout: Duration,
    write_timeout: Duration,
    app: Arc<App>,
}

impl Connections {
    /// Waits for a free slot and a connection, and serves it on the side.
    async fn accept(&mut self, listener: &TcpListener) {
        // Never closed.
        let Ok(slot) = Arc::clone(&self.slots).acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, _)) => self.serve(stream, slot),
            Err(error) if is_of_the_client(&error) => {}
            Err(error) => {
                // Too many open files, most of the time: they get fewer.
                tracing::error!(%error, "cannot accept a connection");
                sleep(Duration::from_millis(100)).await;
            }
        }
    }

    fn serve(&self, stream: TcpStream, slot: impl Send + 'static) {
        // An answer is one write, and nobody wants to wait for more to be sent with it.
        let _ = stream.set_nodelay(true);
        let mut http = http1::Builder::new();
        http.timer(TokioTimer::new()).header_read_timeout(self.header_timeout).max_buf_size(64 << 10);
        // Who asks and never reads would be waited for without end.
        let mut stream = TimeoutStream::new(stream);
        stream.set_write_timeout(Some(self.write_timeout));
        let stream = TokioIo::new(Box::pin(stream));
        let connection = http.serve_connection(stream, TowerToHyperService::new(self.service.clone()));
        let connection = self.graceful.watch(connection);
        let open = Open::new(&self.app);
        tokio::spawn(async move {
            let _held = (slot, open);
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection ended");
            }
        });
    }
}

/// Counts a connection while it is open.
struct Open(Arc<App>);

impl Open {
    fn new(app: &Arc<App>) -> Self {
        app.metrics.connections.inc();
        Self(Arc::clone(app))
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.metrics.connections.dec();
    }
}

fn is_of_the_client(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}
