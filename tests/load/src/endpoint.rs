//! The invoke API, with a function `ai` that answers at a given pace and says when it did what.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use bytes::Bytes;
use protocol::function::{AiAnswer, AiLine, AiOutcome, AiRequest, encode_line};
use tokio::net::TcpListener;

/// How the function answers.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    /// From the invocation to the first piece.
    pub(crate) first_token: Duration,
    /// From piece to piece, and from the last one to the outcome.
    pub(crate) token: Duration,
    /// How many pieces.
    pub(crate) tokens: usize,
}

/// When what happened to each turn, on one clock. A turn is known by the number at the start of the visitor's text.
#[derive(Debug)]
pub(crate) struct Stamps {
    began: Instant,
    /// Pieces of each turn.
    pieces: usize,
    invoked: Vec<AtomicU64>,
    /// Of every piece, turn by turn.
    written: Vec<AtomicU64>,
}

/// The function's server.
#[derive(Debug)]
pub(crate) struct Endpoint {
    /// Where it is.
    pub(crate) address: SocketAddr,
    /// What it has seen.
    pub(crate) stamps: Arc<Stamps>,
}

impl Stamps {
    fn new(turns: usize, pieces: usize) -> Self {
        let empty = |n: usize| (0..n).map(|_| AtomicU64::new(0)).collect();
        Self { began: Instant::now(), pieces, invoked: empty(turns), written: empty(turns * pieces) }
    }

    /// When the turn's invocation arrived, and when its first piece was written; `None`: not yet.
    pub(crate) fn of(&self, turn: usize) -> Option<(Instant, Instant)> {
        Some((self.at(&self.invoked, turn)?, self.piece(turn, 0)?))
    }

    /// When this piece of the turn's answer was written; `None`: not yet.
    pub(crate) fn piece(&self, turn: usize, piece: usize) -> Option<Instant> {
        self.at(&self.written, turn * self.pieces + piece)
    }

    fn at(&self, stamps: &[AtomicU64], number: usize) -> Option<Instant> {
        let nanos = stamps.get(number)?.load(Ordering::Acquire);
        (nanos > 0).then(|| self.began + Duration::from_nanos(nanos))
    }

    fn stamp(&self, stamps: &[AtomicU64], number: Option<usize>, at: Instant) {
        let nanos = u64::try_from((at - self.began).as_nanos()).unwrap_or(u64::MAX);
        if let Some(stamp) = number.and_then(|number| stamps.get(number)) {
            stamp.store(nanos, Ordering::Release);
        }
    }
}

impl Endpoint {
    /// Serves until the program ends; stamps the first `turns` turns.
    ///
    /// # Errors
    /// No port.
    pub(crate) async fn start(pace: Pace, turns: usize) -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let stamps = Arc::new(Stamps::new(turns, pace.tokens));
        let router = Router::new()
            .route("/2015-03-31/functions/ai/invocations", post(invoke))
            .with_state((pace, Arc::clone(&stamps)));
        // One piece, one packet: waiting for more would be measured as the node's time.
        let listener = axum::serve::ListenerExt::tap_io(listener, |stream| drop(stream.set_nodelay(true)));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Ok(Self { address, stamps })
    }
}

async fn invoke(State((pace, stamps)): State<(Pace, Arc<Stamps>)>, payload: Bytes) -> Response {
    let invoked = Instant::now();
    let request: AiRequest = match serde_json::from_slice(&payload) {
        Ok(request) => request,
        Err(error) => return (axum::http::StatusCode::BAD_REQUEST, error.to_string()).into_response(),
    };
    let turn = request.messages.last().and_then(|message| message.text.split(' ').next()?.parse().ok());
    stamps.stamp(&stamps.invoked, turn, invoked);
    let body = async_stream::stream! {
        tokio::time::sleep(pace.first_token).await;
        let mut text = String::new();
        for number in 0..pace.tokens {
            stamps.stamp(&stamps.written, turn.map(|turn| turn * pace.tokens + number), Instant::now());
            text.push_str(TOKEN);
            yield line(&AiLine::Delta(TOKEN.to_owned()));
            tokio::time::sleep(pace.token).await;
        }
        let answer = AiAnswer { text, ..AiAnswer::default() };
        yield line(&AiLine::Outcome(AiOutcome::Answer(answer)));
    };
    Body::from_stream(body).into_response()
}

/// About as long as a token of English is.
pub(crate) const TOKEN: &str = "word ";

fn line(line: &AiLine) -> Result<Bytes, Infallible> {
    // These types are always JSON; an empty chunk would show as an answer that breaks off.
    Ok(encode_line(line).unwrap_or_default().into())
}
