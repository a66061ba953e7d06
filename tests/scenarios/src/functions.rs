//! Functions that do what the test says, when the test says it.

use std::sync::Arc;

use bytes::Bytes;
use conn_node::invoke::{Body, InvokeError, Invoked, Invoker};
use conversation::Millis;
use futures_util::stream;
use serde_json::{Value, json};
use tokio::sync::{Mutex, mpsc, oneshot};

use crate::soon;

/// An invoker whose calls the test answers. Clones are the same.
#[derive(Debug, Clone)]
pub struct Functions {
    ai: mpsc::UnboundedSender<Call>,
    routing: mpsc::UnboundedSender<Call>,
    calls: Calls,
}

/// The calls, as they come. Clones share them.
#[derive(Debug, Clone)]
pub struct Calls {
    ai: Arc<Mutex<mpsc::UnboundedReceiver<Call>>>,
    routing: Arc<Mutex<mpsc::UnboundedReceiver<Call>>>,
}

/// One invocation that waits for its answer.
pub struct Call {
    /// The payload.
    pub request: Value,
    /// When the node stops listening, Unix milliseconds.
    pub deadline: Millis,
    reply: oneshot::Sender<Result<Body, InvokeError>>,
}

/// An invocation whose body is being written. Dropping it ends the body.
#[derive(Debug)]
pub struct Answering {
    chunks: mpsc::UnboundedSender<Chunk>,
}

/// A part of an answer's body.
type Chunk = Result<Result<Bytes, InvokeError>, Fault>;

/// What makes the reader of an answer panic.
#[derive(Debug)]
struct Fault;

impl Functions {
    /// Functions that nobody has called.
    pub fn new() -> Self {
        let (ai, ai_calls) = mpsc::unbounded_channel();
        let (routing, routing_calls) = mpsc::unbounded_channel();
        let calls = Calls { ai: Arc::new(Mutex::new(ai_calls)), routing: Arc::new(Mutex::new(routing_calls)) };
        Self { ai, routing, calls }
    }

    /// The next call of the assistant.
    pub async fn ai(&self) -> Call {
        soon("a call of ai", async { self.calls.ai.lock().await.recv().await.unwrap() }).await
    }

    /// The next call of routing.
    pub async fn routing(&self) -> Call {
        soon("a call of routing", async { self.calls.routing.lock().await.recv().await.unwrap() }).await
    }

    /// Whether nobody waits for an answer of the assistant.
    pub async fn ai_is_quiet(&self) -> bool {
        self.calls.ai.lock().await.is_empty()
    }

    /// Whether nobody waits for an answer of routing.
    pub async fn routing_is_quiet(&self) -> bool {
        self.calls.routing.lock().await.is_empty()
    }
}

impl Default for Functions {
    fn default() -> Self {
        Self::new()
    }
}

impl Invoker for Functions {
    fn invoke<'a>(&'a self, function: &'a str, payload: Bytes, deadline: Millis) -> Invoked<'a> {
        Box::pin(async move {
            let calls = if function == "ai" { &self.ai } else { &self.routing };
            let (reply, replied) = oneshot::channel();
            let request = serde_json::from_slice(&payload).unwrap();
            calls.send(Call { request, deadline, reply }).unwrap();
            // A call that the test drops is a function that died.
            replied.await.unwrap_or_else(|_| Err(InvokeError::Failed(function.to_owned())))
        })
    }
}

impl Call {
    /// Begins to answer.
    pub fn accept(self) -> Answering {
        let (chunks, receiver) = mpsc::unbounded_channel();
        let body = stream::unfold(receiver, async |mut receiver: mpsc::UnboundedReceiver<Chunk>| {
            let chunk = receiver.recv().await?.unwrap_or_else(|Fault| panic!("as the test says"));
            Some((chunk, receiver))
        });
        // The node may have given the call up.
        let _ = self.reply.send(Ok(Box::pin(body)));
        Answering { chunks }
    }

    /// Answers with these lines and ends.
    pub fn answer_lines(self, lines: &[Value]) {
        let answering = self.accept();
        for line in lines {
            answering.line(line);
        }
    }

    /// Answers with `text` in one piece.
    pub fn answer(self, text: &str) {
        let answering = self.accept();
        answering.delta(text);
        answering.answer(text);
    }

    /// Answers with an assignment of the one conversation in the queue. `to` is as in the function's response.
    pub fn assign(self, to: Value) {
        let conversation = self.request["queue"][0]["conversation"].clone();
        let assignment = json!({"conversation": conversation, "to": to});
        self.answer_lines(&[json!({"outcome": {"assignments": [assignment]}})]);
    }

    /// Makes whoever reads the answer panic.
    pub fn make_panic(self) {
        self.accept().make_panic();
    }

    /// Does not answer.
    pub fn refuse(self, error: InvokeError) {
        let _ = self.reply.send(Err(error));
    }

    /// All places are taken.
    pub fn throttle(self) {
        self.refuse(InvokeError::Throttled("ai".to_owned()));
    }

    /// Waits until the node no longer wants an answer.
    pub async fn given_up(mut self) {
        soon("the end of a call that is not wanted any more", self.reply.closed()).await;
    }

    /// The texts of the messages, as `role: text`.
    pub fn messages(&self) -> Vec<String> {
        let messages = self.request["messages"].as_array().unwrap();
        let line =
            |message: &Value| format!("{}: {}", message["role"].as_str().unwrap(), message["text"].as_str().unwrap());
        messages.iter().map(line).collect()
    }
}

impl Answering {
    /// Writes a piece.
    pub fn delta(&self, text: &str) {
        self.line(&json!({"delta": text}));
    }

    /// Ends with an answer, and the body too.
    pub fn answer(self, text: &str) {
        self.line(&json!({"outcome": {"answer": {"text": text}}}));
    }

    /// Ends with a handover.
    pub fn hand_over(self) {
        self.line(&json!({"outcome": {"handover": {}}}));
    }

    /// Writes one line.
    pub fn line(&self, line: &Value) {
        self.bytes(format!("{line}\n"));
    }

    /// Writes bytes, which may be anything.
    pub fn bytes(&self, bytes: impl Into<Bytes>) {
        // The node may have given the call up.
        let _ = self.chunks.send(Ok(Ok(bytes.into())));
    }

    /// Breaks off with an error.
    pub fn fail(self) {
        let _ = self.chunks.send(Ok(Err(InvokeError::Failed("ai".to_owned()))));
    }

    /// Makes whoever reads it panic.
    pub fn make_panic(self) {
        let _ = self.chunks.send(Err(Fault));
    }

    /// Waits until the node no longer listens.
    pub async fn given_up(&self) {
        soon("the end of an answer that is not wanted any more", self.chunks.closed()).await;
    }
}
