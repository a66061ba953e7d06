//! Asking, with a socket and no library in between, so that every byte is seen.

use std::net::SocketAddr;
use std::time::Duration;

use provider::{Options, Provider, Settings};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// How long anything may take before a test has failed.
const PATIENCE: Duration = Duration::from_secs(20);

/// Fails if this takes too long.
pub(crate) async fn soon<T>(wanted: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, wanted).await.expect("this never came")
}

/// A provider whose answer is five short tokens.
pub(crate) async fn provider() -> Provider {
    with(|_| {}).await
}

/// The same with other settings.
pub(crate) async fn with(change: impl FnOnce(&mut Settings)) -> Provider {
    let mut settings = Settings::default();
    settings.answers.text = "a b c d e".to_owned();
    change(&mut settings);
    Provider::start(Options::with(settings)).await.unwrap()
}

/// A request for a streamed answer.
pub(crate) fn question(model: &str) -> Value {
    json!({"model": model, "stream": true, "messages": [{"role": "user", "content": "Hello?"}]})
}

/// A connection.
pub(crate) struct Socket(pub(crate) TcpStream);

/// A response, taken apart.
#[derive(Debug)]
pub(crate) struct Got {
    pub(crate) status: u16,
    /// Names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    /// Without the lengths of chunks.
    pub(crate) body: Vec<u8>,
    /// How many chunks there were.
    pub(crate) chunks: usize,
    /// Whether the last chunk came.
    pub(crate) is_whole: bool,
}

impl Socket {
    pub(crate) async fn open(address: SocketAddr) -> Self {
        Self(TcpStream::connect(address).await.unwrap())
    }

    pub(crate) async fn ask(&mut self, body: &Value, headers: &str) {
        let body = body.to_string();
        let head = format!("POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n", body.len());
        self.0.write_all(format!("{head}{headers}\r\n{body}").as_bytes()).await.unwrap();
    }

    /// Reads until `is_enough` says so, or to the end. Returns the bytes, and the error at the end.
    pub(crate) async fn read(&mut self, is_enough: impl Fn(&[u8]) -> bool) -> (Vec<u8>, Option<std::io::ErrorKind>) {
        let mut bytes = Vec::new();
        while !is_enough(&bytes) {
            match soon(self.0.read_buf(&mut bytes)).await {
                Ok(0) => return (bytes, None),
                Ok(_) => {}
                Err(error) => return (bytes, Some(error.kind())),
            }
        }
        (bytes, None)
    }

    /// Reads a whole response.
    pub(crate) async fn response(&mut self) -> Got {
        let (bytes, error) = self.read(|bytes| bytes.ends_with(b"0\r\n\r\n")).await;
        assert_eq!(error, None);
        Got::parse(&bytes)
    }
}

impl Got {
    pub(crate) fn parse(bytes: &[u8]) -> Self {
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").expect("no end of the headers");
        let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
        let mut lines = head.lines();
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let header =
            |line: &str| line.split_once(": ").map(|(name, value)| (name.to_owned(), value.to_owned())).unwrap();
        let mut got =
            Self { status, headers: lines.map(header).collect(), body: Vec::new(), chunks: 0, is_whole: false };
        let mut rest = &bytes[end + 4..];
        while let Some(at) = rest.windows(2).position(|two| two == b"\r\n") {
            let length = usize::from_str_radix(std::str::from_utf8(&rest[..at]).unwrap(), 16).unwrap();
            if length == 0 {
                got.is_whole = true;
                break;
            }
            got.chunks += 1;
            let from = at + 2;
            let to = (from + length).min(rest.len());
            got.body.extend_from_slice(&rest[from..to]);
            rest = rest.get(to + 2..).unwrap_or_default();
        }
        got
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The documents of the events.
    pub(crate) fn events(&self) -> Vec<Value> {
        let text = self.text();
        let data = text.lines().filter_map(|line| line.strip_prefix("data: ")).filter(|data| *data != "[DONE]");
        data.map(|data| serde_json::from_str(data).unwrap_or(Value::Null)).collect()
    }

    /// The texts of the deltas, put together.
    pub(crate) fn answer(&self) -> String {
        self.events().iter().filter_map(|event| event["choices"][0]["delta"]["content"].as_str()).collect()
    }

    /// How the answer ended.
    pub(crate) fn finish(&self) -> Option<String> {
        self.events().iter().find_map(|event| Some(event["choices"][0]["finish_reason"].as_str()?.to_owned()))
    }
}

/// One request on a connection of its own, to the end of its response.
pub(crate) async fn ask(provider: &Provider, model: &str) -> Got {
    ask_with(provider, &question(model), "").await
}

/// The same with other fields and headers.
pub(crate) async fn ask_with(provider: &Provider, body: &Value, headers: &str) -> Got {
    let mut socket = Socket::open(provider.address()).await;
    socket.ask(body, headers).await;
    socket.response().await
}
