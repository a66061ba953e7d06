use std::net::Ipv4Addr;
use std::sync::Mutex;

use futures_util::stream;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::*;
use crate::model::{End, Model, Piece, Pieces};
use crate::prompt::Prompt;
use crate::settings::Settings;

/// A model whose pieces a test gives out, and that tells when its stream is dropped.
struct HeldModel {
    streams: Mutex<mpsc::UnboundedReceiver<Pieces>>,
}

impl Model for HeldModel {
    fn answer(&self, _prompt: Prompt) -> Pieces {
        self.streams.lock().unwrap().try_recv().unwrap_or_else(|_| Box::pin(stream::empty()))
    }

    fn name(&self) -> &str {
        "held"
    }
}

/// One answer that a test writes piece by piece.
struct Answer(mpsc::UnboundedSender<Piece>);

impl Answer {
    fn say(&self, text: &str) {
        self.0.send(Piece::Text(text.to_owned())).unwrap();
    }

    fn end(self) {
        self.0.send(Piece::End(End::Complete)).unwrap();
    }
}

/// A proxy with one place, for `function`.
struct Scene {
    address: SocketAddr,
    streams: mpsc::UnboundedSender<Pieces>,
    stop: oneshot::Sender<()>,
    serving: JoinHandle<std::io::Result<()>>,
}

impl Scene {
    async fn start(stop_within: Duration) -> Self {
        let (streams, received) = mpsc::unbounded_channel();
        let config = Config::parse(
            "[turn]\ndeadline_ms = 600000\n[ai]\nfirst_token_ms = 60000\ngap_ms = 60000\ntotal_ms = 120000\n",
            [],
        )
        .unwrap();
        let model = Arc::new(HeldModel { streams: Mutex::new(received) });
        let metrics = Arc::new(telemetry::AiMetrics::new([], []).unwrap());
        let ai = Ai { model, settings: Arc::new(Settings::new(&config)), metrics };
        let settings = ProxySettings {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            function: "ai".into(),
            concurrency: 1,
            stop_within,
        };
        let bound = Bound::new(ai, settings, Arc::new(|| "ai_something 1\n".to_owned())).await.unwrap();
        let address = bound.address().unwrap();
        let (stop, stopped) = oneshot::channel();
        let serving = tokio::spawn(bound.serve(async { drop(stopped.await) }));
        Self { address, streams, stop, serving }
    }

    /// The next answer of the model.
    fn answer(&self) -> Answer {
        let (pieces, received) = mpsc::unbounded_channel();
        let pieces_of = |mut received: mpsc::UnboundedReceiver<Piece>| {
            stream::poll_fn(move |cx| received.poll_recv(cx).map(|piece| piece.map(Ok)))
        };
        self.streams.send(Box::pin(pieces_of(received))).unwrap();
        Answer(pieces)
    }

    async fn send(&self, head: &str, body: &str) -> Heard {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let request = format!("{head}host: x\r\ncontent-length: {}\r\n\r\n{body}", body.len());
        stream.write_all(request.as_bytes()).await.unwrap();
        Heard { stream, text: String::new() }
    }

    async fn get(&self, path: &str) -> Heard {
        self.send(&format!("GET {path} HTTP/1.1\r\nconnection: close\r\n"), "").await
    }

    async fn turn(&self) -> Heard {
        self.send("POST /2015-03-31/functions/ai/invocations HTTP/1.1\r\nconnection: close\r\n", TURN).await
    }
}

const TURN: &str = r#"{"site":"shop","conversation":"shop/v/1","turn":1,"language":"en","deadline_ms":9223372036854775807,
    "messages":[{"role":"visitor","text":"Which bike is the lightest?"}]}"#;

/// What the server has answered.
struct Heard {
    stream: TcpStream,
    text: String,
}

impl Heard {
    /// Reads until `part` is there. The runner's own time limit ends it otherwise.
    async fn until(&mut self, part: &str) {
        while !self.text.contains(part) {
            let mut bytes = [0; 4096];
            let read = self.stream.read(&mut bytes).await.unwrap();
            assert!(read > 0, "no {part:?} in {:?}", self.text);
            self.text.push_str(std::str::from_utf8(&bytes[..read]).unwrap());
        }
    }

    /// All of it.
    async fn whole(mut self) -> String {
        self.stream.read_to_string(&mut self.text).await.unwrap();
        self.text
    }
}

const LONG: Duration = Duration::from_secs(600);

#[tokio::test]
async fn a_piece_is_sent_while_the_model_still_writes() {
    let scene = Scene::start(LONG).await;
    let answer = scene.answer();
    let mut heard = scene.turn().await;
    answer.say("The Kestrel");
    heard.until(r#"{"delta":"The Kestrel"}"#).await;
    assert!(heard.text.starts_with("HTTP/1.1 200 OK\r\n"), "{}", heard.text);
    assert!(heard.text.contains("content-type: application/x-ndjson\r\n"), "{}", heard.text);
    answer.say(", 7.9 kg.");
    answer.end();
    heard.until("The Kestrel, 7.9 kg.").await;
    assert!(heard.whole().await.ends_with("\r\n0\r\n\r\n"));
}

#[tokio::test]
async fn one_turn_too_many_is_refused_as_lambda_refuses_it_and_the_place_is_free_afterwards() {
    let scene = Scene::start(LONG).await;
    let answer = scene.answer();
    let mut heard = scene.turn().await;
    answer.say("Hi");
    heard.until("Hi").await;
    let refused = scene.turn().await.whole().await;
    assert!(refused.starts_with("HTTP/1.1 429 Too Many Requests\r\n"), "{refused}");
    assert!(refused.contains("x-amzn-errortype: TooManyRequestsException\r\n"), "{refused}");
    let page = scene.get("/metrics").await.whole().await;
    for line in ["ai_proxy_turns_running 1\n", "ai_proxy_throttled_total 1\n", "ai_something 1\n"] {
        assert!(page.contains(line), "{line} is not in {page}");
    }
    answer.end();
    heard.whole().await;
    scene.answer().end();
    assert!(scene.turn().await.whole().await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn a_caller_that_leaves_ends_its_turn_and_the_models_stream() {
    let scene = Scene::start(LONG).await;
    let answer = scene.answer();
    let mut heard = scene.turn().await;
    answer.say("Hi");
    heard.until("Hi").await;
    drop(heard);
    answer.0.closed().await;
    scene.answer().end();
    assert!(scene.turn().await.whole().await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn a_turn_that_runs_is_finished_after_the_signal_to_stop() {
    let scene = Scene::start(LONG).await;
    let answer = scene.answer();
    let mut heard = scene.turn().await;
    answer.say("Hi");
    heard.until("Hi").await;
    scene.stop.send(()).unwrap();
    // It listens no more once a connection is refused.
    while TcpStream::connect(scene.address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    answer.say(" there");
    answer.end();
    assert!(heard.whole().await.contains(r#""text":"Hi there""#));
    scene.serving.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_turn_that_takes_too_long_to_stop_is_broken_off() {
    let scene = Scene::start(Duration::ZERO).await;
    let answer = scene.answer();
    let mut heard = scene.turn().await;
    answer.say("Hi");
    heard.until("Hi").await;
    scene.stop.send(()).unwrap();
    scene.serving.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_deadline_in_the_header_counts_as_well_as_the_payloads() {
    let scene = Scene::start(LONG).await;
    let late =
        "POST /2015-03-31/functions/ai/invocations HTTP/1.1\r\nconnection: close\r\nlambda-runtime-deadline-ms: 1\r\n";
    let heard = scene.send(late, TURN).await.whole().await;
    assert!(heard.contains(r#"{"outcome":{"failure":{"reason":"deadline"}}}"#), "{heard}");
    let odd = late.replace(": 1\r\n", ": soon\r\n");
    assert!(scene.send(&odd, TURN).await.whole().await.contains("InvalidRequestContentException"));
}

#[tokio::test]
async fn bad_requests_are_named_and_run_nothing() {
    let scene = Scene::start(LONG).await;
    let other = "POST /2015-03-31/functions/routing/invocations HTTP/1.1\r\nconnection: close\r\n";
    assert!(scene.send(other, TURN).await.whole().await.contains("ResourceNotFoundException"));
    let ours = other.replace("routing", "ai");
    assert!(scene.send(&ours, "{").await.whole().await.contains("InvalidRequestContentException"));
    assert!(scene.send(&ours, "{}").await.whole().await.contains(r#""reason":"invalid_request""#));
    let mut heard = scene.send(&ours, &"x".repeat(LONGEST_PAYLOAD + 1)).await;
    heard.until("RequestTooLargeException").await;
}

#[tokio::test]
async fn health_is_asked_without_a_turn() {
    let scene = Scene::start(LONG).await;
    assert!(scene.get("/healthz").await.whole().await.ends_with("ok\n"));
}
