//! One invocation of a function: its payload out, its lines in.

use std::time::{Duration, Instant};

use bytes::Bytes;
use conversation::Millis;
use futures_util::StreamExt;
use protocol::function::Lines;
use serde::de::DeserializeOwned;

use crate::gap::Gap;
use crate::invoke::{Body, InvokeError};
use crate::node::Node;

/// First wait after "throttled"; doubles up to [`MAX_THROTTLED_WAIT`].
const THROTTLED_WAIT: Duration = Duration::from_millis(50);

/// Longest wait between two tries of a throttled invocation.
const MAX_THROTTLED_WAIT: Duration = Duration::from_millis(800);

/// Throttled for longer than this, nobody waits any more: a visitor waits for words, not for places.
const MAX_THROTTLED: Duration = Duration::from_secs(8);

/// How long after its outcome the end of a response is waited for. It follows at once, unless something is wrong.
const END_WITHIN: Duration = Duration::from_secs(1);

/// The lines of a function's response.
pub(crate) struct Reader {
    function: String,
    body: Body,
    lines: Lines,
}

/// Why a response that had begun does not go on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Broken {
    #[error(transparent)]
    Function(#[from] InvokeError),
    #[error("its response paused for too long")]
    Silent,
}

impl Reader {
    /// Invokes `function`, and waits a little where all of its places are taken.
    ///
    /// # Errors
    /// There is no response.
    pub(crate) async fn invoke(
        node: &Node,
        function: &str,
        request: &impl serde::Serialize,
        deadline: Millis,
    ) -> Result<Self, InvokeError> {
        let body = invoke_patiently(node, function, payload(function, request)?, deadline).await?;
        Ok(Self { function: function.to_owned(), body, lines: Lines::default() })
    }

    /// The next line; `None` when the body has ended.
    ///
    /// # Errors
    /// The function died, or wrote what is no line.
    pub(crate) async fn next<T: DeserializeOwned>(&mut self) -> Result<Option<T>, InvokeError> {
        loop {
            if let Some(line) = self.poll_line()? {
                return Ok(Some(line));
            }
            match self.body.next().await {
                Some(chunk) => self.lines.handle_chunk(&chunk?),
                None => return Ok(None),
            }
        }
    }

    /// As [`Reader::next`], unless nothing at all comes for as long as `gap` allows. Whatever comes is a sign that the function
    /// lives, be it a part of a line.
    ///
    /// # Errors
    /// The function died, wrote what is no line, or is silent for too long.
    pub(crate) async fn next_within<T: DeserializeOwned>(&mut self, gap: &mut Gap) -> Result<Option<T>, Broken> {
        loop {
            if let Some(line) = self.poll_line()? {
                return Ok(Some(line));
            }
            let chunk = tokio::select! {
                biased;
                chunk = self.body.next() => chunk,
                () = gap.over() => return Err(Broken::Silent),
            };
            gap.handle_heard(tokio::time::Instant::now());
            match chunk {
                Some(chunk) => self.lines.handle_chunk(&chunk.map_err(Broken::Function)?),
                None => return Ok(None),
            }
        }
    }

    fn poll_line<T: DeserializeOwned>(&mut self) -> Result<Option<T>, InvokeError> {
        self.lines.poll_line().map_err(|_| self.failed())
    }

    /// Nothing more is wanted of it. Its end is read all the same, beside whatever follows: a connection whose response was not
    /// read to the end cannot carry another, and a new one costs the next turn 0.3 ms.
    pub(crate) fn finish(mut self) {
        tokio::spawn(async move {
            let read_to_end = async { while let Some(Ok(_)) = self.body.next().await {} };
            // In vain: then the connection is closed.
            let _in_time = tokio::time::timeout(END_WITHIN, read_to_end).await;
        });
    }

    /// The function ended before it should.
    pub(crate) fn failed(&self) -> InvokeError {
        InvokeError::Failed(self.function.clone())
    }
}

async fn invoke_patiently(node: &Node, name: &str, payload: Bytes, deadline: Millis) -> Result<Body, InvokeError> {
    let started = Instant::now();
    let mut wait = THROTTLED_WAIT;
    loop {
        match node.invoker.invoke(name, payload.clone(), deadline).await {
            Err(InvokeError::Throttled(_)) if started.elapsed() + wait < MAX_THROTTLED => {
                // Full jitter: those that were refused together must not come back together.
                tokio::time::sleep(wait.mul_f64(rand::random::<f64>())).await;
                wait = (wait * 2).min(MAX_THROTTLED_WAIT);
            }
            other => return other,
        }
    }
}

fn payload(function: &str, request: &impl serde::Serialize) -> Result<Bytes, InvokeError> {
    let unreachable = |error: serde_json::Error| InvokeError::Unreachable {
        function: function.to_owned(),
        reason: error.to_string(),
    };
    let traceparent = telemetry::traces::traceparent();
    let payload = match traceparent.is_empty() {
        true => serde_json::to_vec(request),
        false => serde_json::to_vec(&Traced { request, traceparent }),
    };
    Ok(payload.map_err(unreachable)?.into())
}

/// A request that belongs to a trace. A field of the payload gets through every way in which functions are invoked; Lambda
/// hands on no header.
#[derive(serde::Serialize)]
struct Traced<'r, R> {
    #[serde(flatten)]
    request: &'r R,
    /// As W3C's Trace Context writes it.
    traceparent: String,
}
