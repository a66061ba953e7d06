//! A network that does to single requests what it is told.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::AbortHandle;

use super::server;

/// What becomes of a request.
pub(crate) enum Fate {
    /// It does not arrive: the connection breaks before.
    Cut,
    /// It is carried out, but the connection breaks before the answer.
    LoseAnswer,
    /// It is refused with this error of DynamoDB.
    Refuse(&'static str),
    /// The first channel is told that it is there; it goes on when the second one says so.
    Hold(oneshot::Sender<()>, oneshot::Receiver<()>),
}

/// Forwards requests to a server. Ends when it is dropped.
pub(crate) struct Proxy {
    address: SocketAddr,
    plan: Arc<Plan>,
    task: AbortHandle,
}

#[derive(Default)]
struct Plan {
    /// The operation that a fate is for. The first that fits is used up.
    fates: Mutex<VecDeque<(&'static str, Fate)>>,
    seen: Mutex<Vec<String>>,
}

impl Proxy {
    pub(crate) async fn start(to: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let plan = Arc::new(Plan::default());
        let for_task = plan.clone();
        let task = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let plan = for_task.clone();
                // A client that leaves ends its connection.
                tokio::spawn(async move { serve(client, to, &plan).await.ok() });
            }
        });
        Self { address, plan, task: task.abort_handle() }
    }

    pub(crate) fn url(&self) -> String {
        server::url(self.address)
    }

    /// The next requests for `operation` meet these fates.
    pub(crate) fn plan(&self, operation: &'static str, fates: impl IntoIterator<Item = Fate>) {
        self.plan.fates.lock().unwrap().extend(fates.into_iter().map(|fate| (operation, fate)));
    }

    /// The next request for `operation` stops here. Returns what waits for its arrival, and what lets it go on.
    pub(crate) fn hold(&self, operation: &'static str) -> (oneshot::Receiver<()>, oneshot::Sender<()>) {
        let ((there, arrival), (go, permission)) = (oneshot::channel(), oneshot::channel());
        self.plan(operation, [Fate::Hold(there, permission)]);
        (arrival, go)
    }

    /// Whether every planned fate has met its request.
    pub(crate) fn all_met(&self) -> bool {
        self.plan.fates.lock().unwrap().is_empty()
    }

    /// From now on it is a good network.
    pub(crate) fn forget_plans(&self) {
        self.plan.fates.lock().unwrap().clear();
    }

    /// The operations asked for since the last call.
    pub(crate) fn take_seen(&self) -> Vec<String> {
        std::mem::take(&mut *self.plan.seen.lock().unwrap())
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Plan {
    fn fate_of(&self, operation: &str) -> Option<Fate> {
        self.seen.lock().unwrap().push(operation.to_owned());
        let mut fates = self.fates.lock().unwrap();
        let place = fates.iter().position(|(of, _)| *of == operation)?;
        fates.remove(place).map(|(_, fate)| fate)
    }
}

async fn serve(client: TcpStream, to: SocketAddr, plan: &Plan) -> io::Result<()> {
    let mut client = BufReader::new(client);
    let mut server = BufReader::new(TcpStream::connect(to).await?);
    loop {
        let request = read_message(&mut client).await?;
        let fate = plan.fate_of(&operation(&request));
        let loses_answer = matches!(fate, Some(Fate::LoseAnswer));
        match fate {
            Some(Fate::Cut) => return Ok(()),
            Some(Fate::Refuse(error)) => {
                client.get_mut().write_all(&refusal(error)).await?;
                continue;
            }
            Some(Fate::Hold(there, permission)) => {
                let _ = there.send(());
                let _ = permission.await;
            }
            Some(Fate::LoseAnswer) | None => {}
        }
        server.get_mut().write_all(&request).await?;
        let answer = read_message(&mut server).await?;
        if loses_answer {
            return Ok(());
        }
        client.get_mut().write_all(&answer).await?;
    }
}

/// Reads one request or answer: head, and as much body as it says.
async fn read_message(from: &mut BufReader<TcpStream>) -> io::Result<Vec<u8>> {
    let (mut message, mut body) = (Vec::new(), 0);
    loop {
        let start = message.len();
        if from.read_until(b'\n', &mut message).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let line = String::from_utf8_lossy(&message[start..]).to_ascii_lowercase();
        if let Some(length) = line.strip_prefix("content-length:") {
            body = length.trim().parse().map_err(io::Error::other)?;
        }
        if line.trim().is_empty() {
            break;
        }
    }
    let start = message.len();
    message.resize(start + body, 0);
    from.read_exact(&mut message[start..]).await?;
    Ok(message)
}

/// The operation of a request: `X-Amz-Target: DynamoDB_20120810.PutItem`.
fn operation(request: &[u8]) -> String {
    let text = String::from_utf8_lossy(request);
    let (_, rest) = text.split_once("DynamoDB_20120810.").unwrap_or_default();
    rest.chars().take_while(char::is_ascii_alphanumeric).collect()
}

fn refusal(error: &str) -> Vec<u8> {
    let body = format!(r#"{{"__type":"com.amazonaws.dynamodb.v20120810#{error}","message":"said the test"}}"#);
    let length = body.len();
    format!(
        "HTTP/1.1 400 Bad Request\r\ncontent-type: application/x-amz-json-1.0\r\ncontent-length: {length}\r\n\r\n{body}"
    )
    .into_bytes()
}
