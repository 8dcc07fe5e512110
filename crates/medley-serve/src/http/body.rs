//! Bodies, within limits of size, memory and time.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::body::{Body, HttpBody as _};
use axum::http::{HeaderMap, header};
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt as _;
use tokio::time::timeout;

use super::ApiError;
use crate::options::Limits;

/// A body, and the room that it takes until it is dropped.
#[derive(Debug)]
pub(crate) struct Received {
    pub bytes: Bytes,
    #[expect(dead_code, reason = "held, and given back by its destructor")]
    room: Room,
}

/// Memory that all bodies share.
#[derive(Debug)]
pub(crate) struct Bodies {
    most: usize,
    held: AtomicUsize,
}

impl Bodies {
    pub(crate) fn new(most: usize) -> Self {
        Self { most, held: AtomicUsize::new(0) }
    }
}

/// A share of it, until this is dropped.
#[derive(Debug)]
pub(crate) struct Room {
    bodies: Arc<Bodies>,
    held: usize,
}

impl Room {
    fn of(bodies: &Arc<Bodies>) -> Self {
        Self { bodies: Arc::clone(bodies), held: 0 }
    }

    fn grow(&mut self, bytes: usize) -> Result<(), ApiError> {
        let more = |held: usize| held.checked_add(bytes).filter(|&held| held <= self.bodies.most);
        self.bodies.held.fetch_update(Ordering::AcqRel, Ordering::Acquire, more).map_err(|_| {
            ApiError::busy("the bodies of other requests take all the memory there is for them; try again after 1 s", 1)
        })?;
        self.held += bytes;
        Ok(())
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        self.bodies.held.fetch_sub(self.held, Ordering::AcqRel);
    }
}

/// Receives a body. One that is too large is read on for a while, and forgotten, so that a client that sends first and reads then gets to
/// read why.
pub(crate) async fn receive(
    headers: &HeaderMap,
    body: Body,
    limits: &Limits,
    bodies: &Arc<Bodies>,
) -> Result<Received, ApiError> {
    if let Some(encoding) = headers.get(header::CONTENT_ENCODING) {
        let encoding = String::from_utf8_lossy(encoding.as_bytes());
        if !encoding.eq_ignore_ascii_case("identity") {
            let encoding: String = encoding.chars().take(64).collect();
            return Err(ApiError::media_type(format!(
                "the content encoding {encoding:?} is not known; gzip, deflate and none are"
            )));
        }
    }
    let received = timeout(limits.body_timeout, collect(body, limits, bodies)).await;
    received.unwrap_or_else(|_| {
        Err(ApiError::slow_client(format!("the body was not there after {} s", limits.body_timeout.as_secs_f64())))
    })
}

async fn collect(body: Body, limits: &Limits, bodies: &Arc<Bodies>) -> Result<Received, ApiError> {
    let most = limits.max_body;
    let stated = body.size_hint().exact();
    let mut body = pin!(body);
    let mut room = Room::of(bodies);
    // The length that is stated is believed only as far as it is harmless.
    let mut bytes = BytesMut::with_capacity(stated.map_or(0, |length| length.min(1 << 16) as usize));
    let mut only = None;
    let mut total = 0usize;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| ApiError::bad_request(format!("the body cannot be read: {error}")))?;
        let Ok(data) = frame.into_data() else { continue };
        total = total.saturating_add(data.len());
        if total > most {
            (bytes, only) = (BytesMut::new(), None);
            room = Room::of(bodies);
            if total > most.saturating_mul(4) {
                break;
            }
            continue;
        }
        room.grow(data.len())?;
        // Most bodies come in one chunk, which need not be copied.
        match (total == data.len(), only.take()) {
            (true, _) => only = Some(data),
            (false, None) => bytes.extend_from_slice(&data),
            (false, Some(first)) => {
                bytes.extend_from_slice(&first);
                bytes.extend_from_slice(&data);
            }
        }
    }
    if total > most {
        return Err(ApiError::too_large(format!("the body has more than {most} bytes, which is the most")));
    }
    Ok(Received { bytes: only.unwrap_or_else(|| bytes.freeze()), room })
}
