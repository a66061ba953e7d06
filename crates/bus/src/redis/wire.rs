//! How the bus speaks with one Redis: `HELLO`, `SSUBSCRIBE`, `SUNSUBSCRIBE`, `SPUBLISH`, `PING`.

use std::collections::VecDeque;

use bytes::{Buf, Bytes, BytesMut};
use conversation::ConversationId;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::resp::{self, Value};
use crate::Topic;
use crate::remote::address::{Address, Credentials};
use crate::remote::outgoing::Command;
use crate::remote::socket::{Socket, Tls};
use crate::remote::wire::{Door, Heard, Opened, Refusal, Wire};

const CONVERSATION_PREFIX: &str = "fd:{";
const CONVERSATION_SUFFIX: &str = "}:conversation";

/// No conversation's: its id would have slashes.
const NODES: &str = "fd:{nodes}";

/// The channel of a topic. What stands in braces decides the slot, so that a conversation's messages and its log are on
/// the same server.
pub(super) fn channel(topic: &Topic) -> String {
    match topic {
        Topic::Conversation(id) => format!("{CONVERSATION_PREFIX}{id}{CONVERSATION_SUFFIX}"),
        Topic::Nodes => NODES.to_owned(),
    }
}

fn topic(channel: &str) -> Option<Topic> {
    if channel == NODES {
        return Some(Topic::Nodes);
    }
    let id = channel.strip_prefix(CONVERSATION_PREFIX)?.strip_suffix(CONVERSATION_SUFFIX)?;
    ConversationId::parse(id).ok().map(Topic::Conversation)
}

/// How to get into a Redis.
#[derive(Clone)]
pub(super) struct RedisDoor {
    pub(super) credentials: Credentials,
    pub(super) tls: Option<Tls>,
}

impl Door for RedisDoor {
    type Wire = RedisWire;

    async fn open(&self, address: &Address) -> Result<Opened<RedisWire>, String> {
        let mut conversation = Introduced::new(self, address).await?;
        let Introduced { socket, input } = &mut conversation;
        socket.flush().await.map_err(|error| error.to_string())?;
        let input = std::mem::take(input);
        let wire = RedisWire { server: address.clone(), expected: VecDeque::new() };
        Ok(Opened { socket: conversation.socket, wire, input, others: Vec::new() })
    }
}

/// A connection that was let in, and asked one thing at a time.
pub(super) struct Introduced {
    socket: Socket,
    input: BytesMut,
}

impl Introduced {
    /// Connects and says who we are.
    pub(super) async fn new(door: &RedisDoor, address: &Address) -> Result<Self, String> {
        let connected = async {
            let socket = Socket::connect(address).await?;
            match &door.tls {
                Some(tls) => socket.secure(tls, address).await,
                None => Ok(socket),
            }
        };
        let socket = connected.await.map_err(|error| format!("cannot connect: {error}"))?;
        let mut introduced = Self { socket, input: BytesMut::new() };
        let mut words: Vec<&[u8]> = vec![b"HELLO", b"3"];
        let Credentials { name, password } = &door.credentials;
        if name.is_some() || password.is_some() {
            let name = name.as_deref().unwrap_or("default");
            words.extend([&b"AUTH"[..], name.as_bytes(), password.as_deref().unwrap_or_default().as_bytes()]);
        }
        introduced.ask(&words, |_| ()).await?;
        Ok(introduced)
    }

    /// Asks something and reads the answer.
    pub(super) async fn ask<T>(&mut self, words: &[&[u8]], read: impl Fn(&Value<'_>) -> T) -> Result<T, String> {
        let mut output = BytesMut::new();
        resp::encode(words, &mut output);
        let failed = |error: std::io::Error| format!("cannot speak with it: {error}");
        self.socket.write_all(&output).await.map_err(failed)?;
        self.socket.flush().await.map_err(failed)?;
        loop {
            if let Some((value, length)) = resp::decode(&self.input).map_err(|_| NO_REDIS.to_owned())? {
                let answer = match &value {
                    Value::Error(_) => Err(format!("it refused: {}", value.text())),
                    _ => Ok(read(&value)),
                };
                self.input.advance(length);
                return answer;
            }
            if self.socket.read_buf(&mut self.input).await.map_err(failed)? == 0 {
                return Err("it closed the connection".to_owned());
            }
        }
    }
}

const NO_REDIS: &str = "it does not speak like Redis 7";

/// One connection's questions that wait for their answers. Redis answers in order.
pub(super) struct RedisWire {
    server: Address,
    expected: VecDeque<Command>,
}

impl Wire for RedisWire {
    fn encode(&mut self, command: Command, output: &mut BytesMut) {
        match &command {
            Command::Publish { topic, payload, .. } => {
                resp::encode(&[b"SPUBLISH", channel(topic).as_bytes(), payload], output);
            }
            Command::Subscribe(topic, _) => resp::encode(&[b"SSUBSCRIBE", channel(topic).as_bytes()], output),
            Command::Unsubscribe(topic, _) => resp::encode(&[b"SUNSUBSCRIBE", channel(topic).as_bytes()], output),
            Command::Probe(_) => resp::encode(&[b"PING"], output),
        }
        self.expected.push_back(command);
    }

    fn end_batch(&mut self, _output: &mut BytesMut) {}

    fn decode(&mut self, input: &mut BytesMut) -> Result<Option<Heard>, String> {
        let Some((value, length)) = resp::decode(input).map_err(|_| NO_REDIS.to_owned())? else { return Ok(None) };
        let heard = match &value {
            Value::Push(parts) => self.pushed(parts),
            _ => self.answered(&value),
        };
        input.advance(length);
        heard.map(Some)
    }

    fn unanswered(self) -> impl Iterator<Item = Command> {
        self.expected.into_iter()
    }
}

impl RedisWire {
    fn pushed(&mut self, parts: &[Value<'_>]) -> Result<Heard, String> {
        let (kind, topic) = match parts {
            [kind, channel, ..] => (kind.text(), topic(channel.text())),
            _ => return Ok(Heard::Other),
        };
        let Some(topic) = topic else { return Ok(Heard::Other) };
        match (kind, parts.get(2)) {
            // A copy, because the payload would keep everything that was read with it.
            ("smessage", Some(Value::Text(payload))) => Ok(Heard::Message(topic, Bytes::copy_from_slice(payload))),
            ("ssubscribe", _) => match self.expected.pop_front() {
                Some(Command::Subscribe(asked, ticket)) if asked == topic => Ok(Heard::Subscribed(topic, ticket)),
                _ => Err(NO_REDIS.to_owned()),
            },
            ("sunsubscribe", _) => match self.expected.front() {
                Some(Command::Unsubscribe(asked, _)) if *asked == topic => {
                    self.expected.pop_front();
                    Ok(Heard::Other)
                }
                // The slot was given to another server.
                _ => Ok(Heard::Ended(topic)),
            },
            _ => Ok(Heard::Other),
        }
    }

    fn answered(&mut self, value: &Value<'_>) -> Result<Heard, String> {
        match (self.expected.pop_front(), value) {
            (None, _) => Err(NO_REDIS.to_owned()),
            (Some(command), Value::Error(_)) => Ok(self.refused(command, value.text())),
            (Some(Command::Probe(answer)), _) => {
                let _ = answer.send(());
                Ok(Heard::Other)
            }
            (Some(Command::Publish { .. }), _) => Ok(Heard::Other),
            (Some(Command::Subscribe(..) | Command::Unsubscribe(..)), _) => Err(NO_REDIS.to_owned()),
        }
    }

    fn refused(&self, command: Command, text: &str) -> Heard {
        let mut words = text.split(' ');
        let why = match words.next() {
            Some("MOVED") => self.moved(words).unwrap_or(Refusal::Later),
            Some("ASK" | "CLUSTERDOWN" | "TRYAGAIN" | "LOADING" | "MASTERDOWN" | "BUSY") => Refusal::Later,
            _ => Refusal::Final,
        };
        let hint = match why {
            Refusal::Moved(..) => " (the address of a cluster begins with redis-cluster://)",
            _ => "",
        };
        Heard::Refused { command, reason: format!("{} refused: {text}{hint}", self.server), why }
    }

    /// `3999 127.0.0.1:6381`; without a host it is this one's.
    fn moved<'t>(&self, mut words: impl Iterator<Item = &'t str>) -> Option<Refusal> {
        let slot = words.next()?.parse().ok().filter(|slot| usize::from(*slot) < super::slots::SLOTS)?;
        let to = words.next()?;
        let to = match to.strip_prefix(':') {
            Some(port) => Address { host: self.server.host.clone(), port: port.parse().ok()? },
            None => Address::parse(to, 0)?,
        };
        Some(Refusal::Moved(slot, to))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wire() -> RedisWire {
        RedisWire { server: Address { host: "one".to_owned(), port: 1 }, expected: VecDeque::new() }
    }

    fn shop(ordinal: u32) -> Topic {
        Topic::Conversation(ConversationId::new("shop", "v-1_a", ordinal).unwrap())
    }

    fn publish() -> Command {
        Command::Publish { topic: shop(1), payload: Bytes::from_static(b"text"), tries: 0 }
    }

    /// What is heard of `input` after `commands`, as text.
    #[track_caller]
    fn check(commands: Vec<Command>, input: &str, expected: &[&str]) {
        let mut wire = wire();
        let mut output = BytesMut::new();
        commands.into_iter().for_each(|command| wire.encode(command, &mut output));
        let mut input = BytesMut::from(input.replace('|', "\r\n").as_bytes());
        let mut heard = Vec::new();
        loop {
            match wire.decode(&mut input) {
                Ok(Some(one)) => heard.push(format!("{one:?}")),
                Ok(None) => break,
                Err(error) => {
                    heard.push(error);
                    break;
                }
            }
        }
        assert_eq!(heard.len(), expected.len(), "{heard:?}");
        for (heard, expected) in heard.iter().zip(expected) {
            assert!(heard.contains(expected), "{heard} has no {expected}");
        }
    }

    const SUBSCRIBED: &str = ">3|$10|ssubscribe|$27|fd:{shop/v-1_a/1}:conversation|:1|";
    const UNSUBSCRIBED: &str = ">3|$12|sunsubscribe|$27|fd:{shop/v-1_a/1}:conversation|:0|";

    fn pushed(text: &str) -> String {
        text.replace("$27", &format!("${}", channel(&shop(1)).len()))
    }

    #[test]
    fn a_channel_reads_back_as_its_topic() {
        assert_eq!(channel(&shop(7)), "fd:{shop/v-1_a/7}:conversation");
        assert_eq!(topic(&channel(&shop(7))), Some(shop(7)));
        for other in ["", "fd:{}:conversation", "fd:{shop/v/0}:conversation", "fd:{shop/v/1}:other"] {
            assert_eq!(topic(other), None, "{other}");
        }
    }

    #[test]
    fn confirmations_belong_to_their_questions() {
        let commands = vec![Command::Subscribe(shop(1), 4), Command::Unsubscribe(shop(1), 4), publish()];
        let input = pushed(SUBSCRIBED) + &pushed(UNSUBSCRIBED) + ":1|";
        check(commands, &input, &["Subscribed(Conversation(shop/v-1_a/1), 4)", "Other", "Other"]);
        check(vec![Command::Subscribe(shop(2), 4)], &pushed(SUBSCRIBED), &[NO_REDIS]);
        check(vec![], "+OK|", &[NO_REDIS]);
        check(vec![], "HTTP/1.1 400|", &[NO_REDIS]);
    }

    #[test]
    fn a_message_between_two_answers_is_heard() {
        let message = pushed(">3|$8|smessage|$27|fd:{shop/v-1_a/1}:conversation|$2|hi|");
        check(vec![publish(), publish()], &format!(":1|{message}:1|"), &["Other", "b\"hi\"", "Other"]);
    }

    #[test]
    fn a_subscription_that_the_server_ends_is_noticed() {
        check(vec![publish()], &(pushed(UNSUBSCRIBED) + ":1|"), &["Ended", "Other"]);
    }

    #[test]
    fn a_refusal_says_what_to_do() {
        check(vec![publish()], "-MOVED 3999 two:2|", &["Moved(3999, Address { host: \"two\", port: 2 })"]);
        check(vec![publish()], "-MOVED 3999 :2|", &["Moved(3999, Address { host: \"one\", port: 2 })"]);
        check(vec![publish()], "-MOVED 99999 two:2|", &["Later"]);
        check(vec![publish()], "-CLUSTERDOWN The cluster is down|", &["Later"]);
        check(vec![publish()], "-NOPERM no permission|", &["Final"]);
    }

    #[test]
    fn what_has_no_answer_is_given_back() {
        let mut wire = wire();
        let mut output = BytesMut::new();
        wire.encode(publish(), &mut output);
        wire.encode(Command::Subscribe(shop(1), 1), &mut output);
        wire.decode(&mut BytesMut::from(":1\r\n")).unwrap();
        let left: Vec<_> = wire.unanswered().collect();
        assert!(matches!(left.as_slice(), [Command::Subscribe(_, 1)]));
    }
}
