//! Why a server does not start.

use std::error::Error;
use std::io;
use std::net::SocketAddr;

/// Why a server does not start, or ended.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// There is nothing to serve.
    #[error("there is no model to serve; name at least one")]
    NoModel,
    /// Two models would have the same address.
    #[error("two models are called `{name}`; serve one of them, or export one again under another name")]
    Twice {
        /// The name.
        name: String,
    },
    /// An option that cannot be.
    #[error("{option} is {value}; it must be {wanted}")]
    Option {
        /// As it is written on the command line.
        option: &'static str,
        /// What it is.
        value: String,
        /// What it may be.
        wanted: &'static str,
    },
    /// Nothing can be listened to there.
    #[error("cannot listen at {address}: {source}{}", hint(source))]
    Bind {
        /// The address.
        address: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
    /// The thread of a model cannot be started.
    #[error("cannot start the thread of model `{model}`")]
    Thread {
        /// The model.
        model: String,
        /// What the system says.
        source: io::Error,
    },
    /// The threads that answer cannot be started.
    #[error("cannot start the threads that answer requests")]
    Runtime(#[source] io::Error),
    /// Signals cannot be received.
    #[error("cannot receive signals")]
    Signals(#[source] io::Error),
}

/// What to do about an address.
fn hint(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::AddrInUse => "; another program listens there: choose another --port, or 0 for any that is free",
        io::ErrorKind::PermissionDenied => "; ports below 1024 are for the system: choose another --port",
        io::ErrorKind::AddrNotAvailable => "; this machine has no such address: choose another --host",
        _ => "",
    }
}

/// An error and what caused it.
pub(crate) fn chain(error: &dyn Error) -> String {
    let mut message = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        message.push_str(": ");
        message.push_str(&error.to_string());
        cause = error.source();
    }
    message
}
