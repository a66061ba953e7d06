//! How the bus speaks with one NATS: <https://docs.nats.io/reference/reference-protocols/nats-protocol>.

use std::collections::VecDeque;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use conversation::ConversationId;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::oneshot;

use crate::remote::address::{Address, Credentials};
use crate::remote::interest::Ticket;
use crate::remote::outgoing::Command;
use crate::remote::socket::{Socket, Tls};
use crate::remote::wire::{Door, Heard, Opened, Refusal, Wire};
use crate::{MAX_PAYLOAD_BYTES, Topic};

/// The port of a server that names none.
pub(super) const DEFAULT_PORT: u16 = 4222;

/// The longest line, in bytes: `INFO` names every server of the cluster.
const MAX_LINE_BYTES: usize = 64 << 10;

const CONVERSATION_PREFIX: &str = "fd.conversation.";

const NODES: &str = "fd.nodes";

const NO_NATS: &str = "it does not speak like NATS";

/// The subject of a topic. A site, a visitor and an ordinal have no `.`, `*`, `>` and no space.
pub(super) fn subject(topic: &Topic) -> String {
    match topic {
        Topic::Conversation(id) => format!("{CONVERSATION_PREFIX}{}", id.as_str().replace('/', ".")),
        Topic::Nodes => NODES.to_owned(),
    }
}

fn topic(subject: &str) -> Option<Topic> {
    if subject == NODES {
        return Some(Topic::Nodes);
    }
    let id = subject.strip_prefix(CONVERSATION_PREFIX)?.replace('.', "/");
    ConversationId::parse(&id).ok().map(Topic::Conversation)
}

/// How to get into a NATS.
#[derive(Clone)]
pub(super) struct NatsDoor {
    pub(super) credentials: Credentials,
    pub(super) tls: Option<Tls>,
}

impl Door for NatsDoor {
    type Wire = NatsWire;

    async fn open(&self, address: &Address) -> Result<Opened<NatsWire>, String> {
        let mut socket = Socket::connect(address).await.map_err(|error| format!("cannot connect: {error}"))?;
        let mut input = BytesMut::new();
        let greeting = read_line(&mut socket, &mut input).await?;
        let info = greeting.strip_prefix("INFO ").ok_or(NO_NATS)?;
        let info: Value = serde_json::from_str(info).map_err(|_| NO_NATS.to_owned())?;
        match &self.tls {
            Some(tls) => {
                socket = socket.secure(tls, address).await.map_err(|error| format!("TLS with it fails: {error}"))?;
            }
            None if info["tls_required"] == true => return Err("it asks for TLS: write tls:// for nats://".to_owned()),
            None => {}
        }
        let hello = format!("CONNECT {}\r\nPING\r\n", self.introduction());
        let failed = |error: std::io::Error| format!("cannot speak with it: {error}");
        socket.write_all(hello.as_bytes()).await.map_err(failed)?;
        socket.flush().await.map_err(failed)?;
        loop {
            let line = read_line(&mut socket, &mut input).await?;
            match line.split(' ').next() {
                Some("PONG") => break,
                Some("-ERR") => return Err(format!("it refused: {line}")),
                _ => {}
            }
        }
        let max_payload = info["max_payload"].as_u64().and_then(|bytes| usize::try_from(bytes).ok());
        let others = info["connect_urls"].as_array().into_iter().flatten().filter_map(Value::as_str);
        let others = others.filter_map(|text| Address::parse(text, DEFAULT_PORT)).collect();
        Ok(Opened { socket, wire: NatsWire::new(max_payload.unwrap_or(MAX_PAYLOAD_BYTES)), input, others })
    }
}

impl NatsDoor {
    fn introduction(&self) -> Value {
        let mut words = json!({
            "verbose": false, "pedantic": false, "lang": "rust", "version": env!("CARGO_PKG_VERSION"), "name": "frontdesk",
            "protocol": 1, "echo": true, "tls_required": self.tls.is_some(),
        });
        match &self.credentials {
            Credentials { name: Some(name), password: Some(password) } => {
                words["user"] = json!(name);
                words["pass"] = json!(password);
            }
            Credentials { name: Some(token), .. } | Credentials { password: Some(token), .. } => {
                words["auth_token"] = json!(token);
            }
            Credentials { name: None, password: None } => {}
        }
        words
    }
}

async fn read_line(socket: &mut Socket, input: &mut BytesMut) -> Result<String, String> {
    loop {
        if let Some((line, length)) = line(input)? {
            let line = String::from_utf8_lossy(line).into_owned();
            input.advance(length);
            return Ok(line);
        }
        match socket.read_buf(input).await {
            Ok(0) => return Err("it closed the connection".to_owned()),
            Ok(_) => {}
            Err(error) => return Err(format!("cannot read: {error}")),
        }
    }
}

/// The first line, and how many bytes it has with its end.
fn line(input: &[u8]) -> Result<Option<(&[u8], usize)>, String> {
    match input.iter().take(MAX_LINE_BYTES).position(|byte| *byte == b'\n') {
        Some(end) => {
            let line = input[..end].strip_suffix(b"\r").unwrap_or(&input[..end]);
            Ok(Some((line, end + 1)))
        }
        None if input.len() >= MAX_LINE_BYTES => Err(NO_NATS.to_owned()),
        None => Ok(None),
    }
}

/// What one connection waits for.
///
/// NATS confirms nothing. But it answers a `PING` only after everything that came before it, and says before that what it
/// refused. So a subscription stands, and a message is published, when the next `PING` is answered.
pub(super) struct NatsWire {
    max_payload: usize,
    expected: VecDeque<Expected>,
    /// What one answer has said beyond the first.
    heard: VecDeque<Heard>,
    wants_ping: bool,
    /// Something was published after the last ping. It can wait until that is answered.
    wants_ping_later: bool,
    pings: usize,
    owes_pong: bool,
}

#[derive(Debug)]
enum Expected {
    Subscribed(Topic, Ticket),
    Published { topic: Topic, payload: Bytes, tries: u8 },
    Answer(oneshot::Sender<()>),
    Pong,
}

impl NatsWire {
    fn new(max_payload: usize) -> Self {
        Self {
            max_payload,
            expected: VecDeque::new(),
            heard: VecDeque::new(),
            wants_ping: false,
            wants_ping_later: false,
            pings: 0,
            owes_pong: false,
        }
    }
}

impl Wire for NatsWire {
    fn encode(&mut self, command: Command, output: &mut BytesMut) {
        match command {
            Command::Publish { payload, .. } if payload.len() > self.max_payload => {
                let reason =
                    format!("it takes {} bytes at most: set its max_payload to {MAX_PAYLOAD_BYTES}", self.max_payload);
                let command = Command::Probe(oneshot::channel().0);
                self.heard.push_back(Heard::Refused { command, reason, why: Refusal::Final });
            }
            Command::Publish { topic, payload, tries } => {
                output.put_slice(format!("PUB {} {}\r\n", subject(&topic), payload.len()).as_bytes());
                output.put_slice(&payload);
                output.put_slice(b"\r\n");
                self.wants_ping_later = true;
                self.expected.push_back(Expected::Published { topic, payload, tries });
            }
            Command::Subscribe(topic, ticket) => {
                output.put_slice(format!("SUB {} {ticket}\r\n", subject(&topic)).as_bytes());
                self.wants_ping = true;
                self.expected.push_back(Expected::Subscribed(topic, ticket));
            }
            Command::Unsubscribe(_, ticket) => output.put_slice(format!("UNSUB {ticket}\r\n").as_bytes()),
            Command::Probe(answer) => {
                self.wants_ping = true;
                self.expected.push_back(Expected::Answer(answer));
            }
        }
    }

    fn end_batch(&mut self, output: &mut BytesMut) {
        if std::mem::take(&mut self.owes_pong) {
            output.put_slice(b"PONG\r\n");
        }
        if self.wants_ping || (self.wants_ping_later && self.pings == 0) {
            output.put_slice(b"PING\r\n");
            (self.wants_ping, self.wants_ping_later) = (false, false);
            self.pings += 1;
            self.expected.push_back(Expected::Pong);
        }
    }

    fn decode(&mut self, input: &mut BytesMut) -> Result<Option<Heard>, String> {
        if let Some(heard) = self.heard.pop_front() {
            return Ok(Some(heard));
        }
        let Some((line, length)) = line(input)? else { return Ok(None) };
        let line = std::str::from_utf8(line).map_err(|_| NO_NATS.to_owned())?;
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        let heard = match word {
            "MSG" => return message(rest).and_then(|head| take_message(head, length, input)),
            "PING" => {
                self.owes_pong = true;
                Heard::Other
            }
            "PONG" => self.pong()?,
            "-ERR" => self.refused(rest)?,
            "INFO" if is_leaving(rest) => return Err("it is about to shut down".to_owned()),
            "INFO" | "+OK" => Heard::Other,
            _ => return Err(NO_NATS.to_owned()),
        };
        input.advance(length);
        Ok(Some(heard))
    }

    fn unanswered(self) -> impl Iterator<Item = Command> {
        self.expected.into_iter().filter_map(|expected| match expected {
            Expected::Published { topic, payload, tries } => Some(Command::Publish { topic, payload, tries }),
            _ => None,
        })
    }
}

impl NatsWire {
    fn pong(&mut self) -> Result<Heard, String> {
        loop {
            match self.expected.pop_front().ok_or_else(|| NO_NATS.to_owned())? {
                Expected::Pong => {
                    self.pings -= 1;
                    return Ok(self.heard.pop_front().unwrap_or(Heard::Other));
                }
                Expected::Subscribed(topic, ticket) => self.heard.push_back(Heard::Subscribed(topic, ticket)),
                Expected::Published { .. } => {}
                Expected::Answer(answer) => {
                    let _ = answer.send(());
                }
            }
        }
    }

    /// `'Permissions Violation for Subscription to "fd.conversation.shop.v.1"'` concerns one topic, everything else the
    /// connection.
    fn refused(&mut self, text: &str) -> Result<Heard, String> {
        let lower = text.to_ascii_lowercase();
        if !lower.contains("permissions violation") {
            return Err(format!("it refused: {text}"));
        }
        let topic = text.split('"').nth(1).and_then(topic);
        let concerns = |expected: &Expected| match expected {
            Expected::Subscribed(asked, _) => Some(asked) == topic.as_ref() && lower.contains("subscription"),
            Expected::Published { topic: sent, .. } => Some(sent) == topic.as_ref() && lower.contains("publish"),
            _ => false,
        };
        let refused = self.expected.iter().position(concerns).and_then(|at| self.expected.remove(at));
        let command = match refused {
            Some(Expected::Subscribed(topic, ticket)) => Command::Subscribe(topic, ticket),
            Some(Expected::Published { topic, payload, tries }) => Command::Publish { topic, payload, tries },
            _ => return Ok(Heard::Other),
        };
        Ok(Heard::Refused { command, reason: format!("it refused: {text}"), why: Refusal::Final })
    }
}

/// Lame duck mode: the server asks its clients to go before it goes.
fn is_leaving(info: &str) -> bool {
    serde_json::from_str::<Value>(info).is_ok_and(|info| info["ldm"] == true)
}

/// `subject sid [reply-to] bytes`: the topic and the length of the payload.
fn message(head: &str) -> Result<(Option<Topic>, usize), String> {
    let mut words = head.split_ascii_whitespace();
    let subject = words.next().unwrap_or_default();
    let bytes = words.next_back().and_then(|bytes| bytes.parse().ok());
    // Nobody else publishes on these subjects; but who does must not fill this node's memory.
    let bytes = bytes.filter(|bytes| *bytes <= 64 * MAX_PAYLOAD_BYTES).ok_or_else(|| NO_NATS.to_owned())?;
    Ok((topic(subject), bytes))
}

fn take_message(
    (topic, bytes): (Option<Topic>, usize),
    head: usize,
    input: &mut BytesMut,
) -> Result<Option<Heard>, String> {
    let Some(payload) = input.get(head..head + bytes) else { return Ok(None) };
    // A copy, because the payload would keep everything that was read with it.
    let payload = Bytes::copy_from_slice(payload);
    match input.get(head + bytes..head + bytes + 2) {
        None => return Ok(None),
        Some(b"\r\n") => input.advance(head + bytes + 2),
        Some(_) => return Err(NO_NATS.to_owned()),
    }
    Ok(Some(topic.map_or(Heard::Other, |topic| Heard::Message(topic, payload))))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shop(ordinal: u32) -> Topic {
        Topic::Conversation(ConversationId::new("shop", "v-1_a", ordinal).unwrap())
    }

    fn publish(text: &'static str) -> Command {
        Command::Publish { topic: shop(1), payload: Bytes::from_static(text.as_bytes()), tries: 0 }
    }

    /// What is said for `commands`, and heard of `input` after them.
    #[track_caller]
    fn check(commands: Vec<Command>, said: &str, input: &str, expected: &[&str]) -> NatsWire {
        let mut wire = NatsWire::new(100);
        let mut output = BytesMut::new();
        commands.into_iter().for_each(|command| wire.encode(command, &mut output));
        wire.end_batch(&mut output);
        assert_eq!(output, said.replace('|', "\r\n"));
        let mut input = BytesMut::from(input.replace('|', "\r\n").as_bytes());
        let mut heard = Vec::new();
        while let Some(one) = wire.decode(&mut input).unwrap_or_else(|error| {
            heard.push(error);
            None
        }) {
            heard.push(format!("{one:?}"));
        }
        assert_eq!(heard.len(), expected.len(), "{heard:?}");
        for (heard, expected) in heard.iter().zip(expected) {
            assert!(heard.contains(expected), "{heard} has no {expected}");
        }
        wire
    }

    #[test]
    fn a_subject_reads_back_as_its_topic() {
        assert_eq!(subject(&shop(7)), "fd.conversation.shop.v-1_a.7");
        assert_eq!(topic(&subject(&shop(7))), Some(shop(7)));
        for other in [
            "",
            "fd.conversation.shop.v",
            "fd.conversation.shop.v.1.2",
            "fd.conversation.shop.v.0",
            "fd.other.shop.v.1",
        ] {
            assert_eq!(topic(other), None, "{other}");
        }
    }

    #[test]
    fn a_subscription_stands_when_the_ping_after_it_is_answered() {
        let commands = vec![Command::Subscribe(shop(1), 4), publish("hi"), Command::Subscribe(shop(2), 5)];
        let said = "SUB fd.conversation.shop.v-1_a.1 4|PUB fd.conversation.shop.v-1_a.1 2|hi|SUB fd.conversation.shop.v-1_a.2 5|PING|";
        let stand = ["(Conversation(shop/v-1_a/1), 4)", "(Conversation(shop/v-1_a/2), 5)"];
        let wire = check(commands, said, "PONG|", &stand);
        assert_eq!(wire.unanswered().count(), 0);
    }

    #[test]
    fn a_message_is_heard_when_it_is_whole() {
        let message = "MSG fd.conversation.shop.v-1_a.1 9 4|a|b|";
        check(vec![], "", message, &["a\\r\\nb"]);
        for end in 0..message.len() {
            check(vec![], "", &message[..end], &[]);
        }
        check(vec![], "", "MSG fd.conversation.shop.v-1_a.1 9 reply.to 0||", &["b\"\""]);
        check(vec![], "", "MSG other.subject 9 2|hi|", &["Other"]);
    }

    #[test]
    fn a_refusal_concerns_its_topic_only() {
        let commands = vec![Command::Subscribe(shop(1), 4), Command::Subscribe(shop(2), 5)];
        let said = "SUB fd.conversation.shop.v-1_a.1 4|SUB fd.conversation.shop.v-1_a.2 5|PING|";
        let refusal = "-ERR 'Permissions Violation for Subscription to \"fd.conversation.shop.v-1_a.1\"'|PONG|";
        check(
            commands,
            said,
            refusal,
            &[
                "Refused { command: Subscribe(Conversation(shop/v-1_a/1), 4)",
                "Subscribed(Conversation(shop/v-1_a/2), 5)",
            ],
        );
        check(vec![], "", "-ERR 'Stale Connection'|", &["Stale Connection"]);
    }

    #[test]
    fn what_nats_does_not_send_ends_the_connection() {
        for wrong in ["PONG|", "HTTP/1.1 400|", "MSG a 1 x|", "MSG a 1 999999999|", "MSG a 1 2|hi!!"] {
            check(vec![], "", wrong, &[NO_NATS]);
        }
        check(vec![], "", "INFO {\"ldm\":true}|", &["shut down"]);
        check(vec![], "", "INFO {\"ldm\":false}|+OK|", &["Other", "Other"]);
    }

    #[test]
    fn a_server_that_pings_gets_its_pong() {
        let mut wire = check(vec![], "", "PING|", &["Other"]);
        let mut output = BytesMut::new();
        wire.end_batch(&mut output);
        wire.end_batch(&mut output);
        assert_eq!(output, "PONG\r\n");
    }

    #[test]
    fn what_was_published_after_the_last_answer_is_given_back() {
        let said = "PUB fd.conversation.shop.v-1_a.1 3|one|PUB fd.conversation.shop.v-1_a.1 3|two|PING|";
        assert_eq!(check(vec![publish("one"), publish("two")], said, "", &[]).unanswered().count(), 2);
        let mut wire = check(vec![publish("one"), publish("two")], said, "PONG|", &["Other"]);
        let mut output = BytesMut::new();
        wire.encode(publish("three"), &mut output);
        wire.end_batch(&mut output);
        output.clear();
        wire.encode(publish("four"), &mut output);
        wire.end_batch(&mut output);
        assert!(!output.ends_with(b"PING\r\n"), "one is under way");
        assert_eq!(wire.unanswered().count(), 2);
    }

    #[test]
    fn what_the_server_would_not_take_is_not_sent() {
        let large = Command::Publish { topic: shop(1), payload: Bytes::from(vec![0; 101]), tries: 0 };
        check(vec![large], "", "", &["max_payload"]);
    }
}
