use std::net::Ipv4Addr;
use std::sync::Mutex;

use futures_util::stream;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot};
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

/// A proxy, with one permit unless a test wants more.
struct Scene {
    address: SocketAddr,
    streams: mpsc::UnboundedSender<Pieces>,
    stop: oneshot::Sender<()>,
    serving: JoinHandle<()>,
}

impl Scene {
    async fn start(stop_within: Duration) -> Self {
        Self::start_within(stop_within, PATIENT).await
    }

    async fn start_within(stop_within: Duration, bounds: Bounds) -> Self {
        Self::start_with(1, stop_within, bounds).await
    }

    async fn start_with(concurrency: usize, stop_within: Duration, bounds: Bounds) -> Self {
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
            concurrency,
            stop_within,
            bounds,
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

/// Bounds that no test reaches.
const PATIENT: Bounds =
    Bounds { more_connections: 99, head_within: LONG, payload_within: LONG, payloads: LONGEST_PAYLOAD };

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
    scene.serving.await.unwrap();
}

#[tokio::test]
async fn a_turn_that_takes_too_long_to_stop_is_broken_off() {
    let scene = Scene::start(Duration::ZERO).await;
    let answer = scene.answer();
    let mut heard = scene.turn().await;
    answer.say("Hi");
    heard.until("Hi").await;
    scene.stop.send(()).unwrap();
    scene.serving.await.unwrap();
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

/// The head of a turn's request whose payload is still to come.
const HALF_A_TURN: &str =
    "POST /2015-03-31/functions/ai/invocations HTTP/1.1\r\nhost: x\r\ncontent-length: 5000000\r\n\r\n{";

impl Scene {
    async fn write(&self, text: &str) -> Heard {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(text.as_bytes()).await.unwrap();
        Heard { stream, text: String::new() }
    }

    /// Waits until so many turns run, by the page of metrics.
    async fn until_running(&self, turns: usize) {
        let line = format!("ai_proxy_turns_running {turns}\n");
        while !self.get("/metrics").await.whole().await.contains(&line) {}
    }
}

#[tokio::test]
async fn a_place_is_taken_before_the_payload_is_read_and_refused_at_once_without_one() {
    let scene = Scene::start(LONG).await;
    let _uploading = scene.write(HALF_A_TURN).await;
    scene.until_running(1).await;
    let mut refused = scene.write(HALF_A_TURN).await;
    refused.until("TooManyRequestsException").await;
    assert!(refused.text.starts_with("HTTP/1.1 429 "), "{}", refused.text);
}

#[tokio::test]
async fn a_refused_callers_connection_is_good_for_another_request() {
    let scene = Scene::start(LONG).await;
    let _uploading = scene.write(HALF_A_TURN).await;
    scene.until_running(1).await;
    let head = "POST /2015-03-31/functions/ai/invocations HTTP/1.1\r\nhost: x\r\ncontent-length: 100000\r\n\r\n";
    let mut caller = scene.write(head).await;
    caller.until("Rate Exceeded.").await;
    caller.stream.write_all(&vec![b' '; 100_000]).await.unwrap();
    caller.stream.write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    caller.until("ok\n").await;
}

#[tokio::test]
async fn a_payload_that_does_not_come_in_time_gives_its_place_back() {
    let bounds = Bounds { payload_within: Duration::from_millis(20), ..PATIENT };
    let scene = Scene::start_within(LONG, bounds).await;
    let mut heard = scene.write(HALF_A_TURN).await;
    heard.until("The request body did not come within 20 ms.").await;
    assert!(heard.text.starts_with("HTTP/1.1 408 "), "{}", heard.text);
    scene.until_running(0).await;
}

#[tokio::test]
async fn payloads_have_room_together_and_one_too_many_is_told_when_to_come_again() {
    let bounds = Bounds { payloads: 2 * TURN.len() - 1, ..PATIENT };
    let scene = Scene::start_with(3, LONG, bounds).await;
    let answer = scene.answer();
    let mut heard = scene.turn().await;
    answer.say("Hi");
    heard.until("Hi").await;

    let mut caller = scene.write(&with_length(TURN.len() + 100_000)).await;
    caller.stream.write_all(TURN.as_bytes()).await.unwrap();
    caller.until("no room for this one").await;
    assert!(caller.text.starts_with("HTTP/1.1 429 "), "{}", caller.text);
    assert!(caller.text.contains("retry-after: 1\r\n"), "{}", caller.text);
    assert!(caller.text.contains("x-amzn-errortype: TooManyRequestsException\r\n"), "{}", caller.text);
    let page = scene.get("/metrics").await.whole().await;
    for line in [format!("ai_proxy_payload_bytes {}\n", TURN.len()), "ai_proxy_throttled_total 1\n".to_owned()] {
        assert!(page.contains(&line), "{line} is not in {page}");
    }

    // The refused caller's connection is good for another request.
    caller.stream.write_all(&vec![b' '; 100_000]).await.unwrap();
    caller.stream.write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    caller.until("ok\n").await;

    answer.end();
    heard.whole().await;
    scene.answer().end();
    assert!(scene.turn().await.whole().await.starts_with("HTTP/1.1 200"));
}

#[test]
fn there_is_room_for_the_longest_payload_and_for_many_usual_ones() {
    assert_eq!(Bounds::of(1, 16_384).payloads, LONGEST_PAYLOAD);
    assert_eq!(Bounds::of(512, 16_384).payloads, 64 * 1024 * 1024);
    assert_eq!(Bounds::of(512, 1_048_576).payloads, 512 * LONGEST_PAYLOAD);
}

/// The head of a turn's request whose payload has so many bytes.
fn with_length(bytes: usize) -> String {
    format!("POST /2015-03-31/functions/ai/invocations HTTP/1.1\r\nhost: x\r\ncontent-length: {bytes}\r\n\r\n")
}

#[tokio::test]
async fn a_connection_that_sends_no_head_or_half_of_one_is_closed() {
    let bounds = Bounds { head_within: Duration::from_millis(20), ..PATIENT };
    let scene = Scene::start_within(LONG, bounds).await;
    for sent in ["", "GET /healthz HT"] {
        assert!(!scene.write(sent).await.whole().await.contains("200 OK"), "{sent:?}");
    }
}

#[tokio::test]
async fn connections_beyond_the_bound_wait_until_one_is_closed() {
    let bounds = Bounds { more_connections: 0, ..PATIENT };
    let scene = Scene::start_within(LONG, bounds).await;
    let mut first = scene.write("GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n").await;
    first.until("ok\n").await;
    let second = scene.get("/healthz").await;
    first.text.clear();
    first.stream.write_all(b"GET /metrics HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    first.until("ai_something 1\n").await;
    let nothing = second.stream.try_read(&mut [0; 1]).unwrap_err();
    assert_eq!(nothing.kind(), std::io::ErrorKind::WouldBlock, "the second was served beside the first");
    drop(first);
    assert!(second.whole().await.ends_with("ok\n"));
}

#[tokio::test]
async fn connections_without_a_turn_do_not_delay_the_stop() {
    let scene = Scene::start(LONG).await;
    let _unused = scene.write("").await;
    let _half_a_head = scene.write("GET /healthz HT").await;
    let mut idle = scene.write("GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n").await;
    idle.until("ok\n").await;
    scene.stop.send(()).unwrap();
    // The runner's own time limit is less than `LONG`.
    scene.serving.await.unwrap();
}
