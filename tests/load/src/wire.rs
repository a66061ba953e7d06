//! Bytes on the wire of a recorded conversation, protobuf against JSON.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::Context;
use protocol::Subprotocol;
use protocol::v1::{client_frame, event, server_frame};
use protocol::wire;

use crate::recording::{Recorded, parse};
use crate::table::Table;

/// What is measured.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Options {
    /// The recording; else the one in tests/load/recorded
    #[arg(long)]
    recording: Option<PathBuf>,
}

/// The recording that comes with this program.
const RECORDING: &str = include_str!("../recorded/shop.ndjson");

/// Frames of one kind.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Sum {
    frames: usize,
    proto: usize,
    json: usize,
}

pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    let text = match &options.recording {
        Some(path) => std::fs::read_to_string(path).with_context(|| format!("{} cannot be read", path.display()))?,
        None => RECORDING.to_owned(),
    };
    let mut table = Table::new(&["frames", "n", "protobuf", "JSON", "protobuf / JSON"]);
    let sums = sums(&parse(&text)?)?;
    let whole = sums.values().fold(Sum::default(), |whole, sum| Sum {
        frames: whole.frames + sum.frames,
        proto: whole.proto + sum.proto,
        json: whole.json + sum.json,
    });
    for (name, sum) in sums.iter().map(|(name, sum)| (*name, sum)).chain([("the whole conversation", &whole)]) {
        let share = format!("{:.1} %", 100.0 * sum.proto as f64 / sum.json as f64);
        table.row([name, &sum.frames.to_string(), &sum.proto.to_string(), &sum.json.to_string(), &share]);
    }
    println!("{table}");
    println!("Bytes, with WebSocket headers (RFC 6455, 5.2) and a client's masks; without TCP, TLS and compression.");
    Ok(())
}

/// Bytes by kind of frame, in both subprotocols.
fn sums(recorded: &[Recorded]) -> anyhow::Result<BTreeMap<&'static str, Sum>> {
    let mut sums = BTreeMap::<_, Sum>::new();
    for frame in recorded {
        let bytes = |subprotocol| {
            anyhow::Ok(match frame {
                Recorded::Client(kind) => {
                    on_the_wire(wire::encode_client(&kind.clone().into(), subprotocol)?.len(), true)
                }
                Recorded::Node(kind) => on_the_wire(wire::encode(&kind.clone().into(), subprotocol)?.len(), false),
            })
        };
        let sum = sums.entry(name(frame)).or_default();
        sum.frames += 1;
        sum.proto += bytes(Subprotocol::Proto)?;
        sum.json += bytes(Subprotocol::Json)?;
    }
    Ok(sums)
}

/// A frame's payload and its header. Clients mask, nodes do not.
fn on_the_wire(payload: usize, is_masked: bool) -> usize {
    let length = match payload {
        0..=125 => 0,
        126..=65_535 => 2,
        _ => 8,
    };
    2 + length + if is_masked { 4 } else { 0 } + payload
}

fn name(frame: &Recorded) -> &'static str {
    use server_frame::Kind;
    match frame {
        Recorded::Client(client_frame::Kind::Hello(_)) => "Hello",
        Recorded::Client(client_frame::Kind::Send(_)) => "Send",
        Recorded::Client(client_frame::Kind::Stop(_)) => "Stop",
        Recorded::Client(_) => "other frames of the client",
        Recorded::Node(Kind::Welcome(_)) => "Welcome",
        Recorded::Node(Kind::Ack(_)) => "Ack",
        Recorded::Node(Kind::Delta(_)) => "Delta",
        Recorded::Node(Kind::Event(event)) => match event.body {
            Some(event::Body::VisitorMessage(_)) => "Event: visitor's message",
            Some(event::Body::Answer(_)) => "Event: answer",
            _ => "Event: others",
        },
        Recorded::Node(_) => "other frames of the node",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_those_of_the_websocket_protocol() {
        let sizes = [(0, false, 2), (125, false, 127), (126, false, 130), (65_536, false, 65_546), (10, true, 16)];
        for (payload, is_masked, expected) in sizes {
            assert_eq!(on_the_wire(payload, is_masked), expected, "{payload}");
        }
    }

    #[test]
    fn the_recording_is_of_several_turns_in_two_languages_and_protobuf_takes_at_most_half() {
        let recorded = parse(RECORDING).unwrap();
        let sums = sums(&recorded).unwrap();
        assert!(sums["Send"].frames >= 6 && sums["Delta"].frames >= 200, "{sums:?}");
        let is_chinese = |frame: &Recorded| match frame {
            Recorded::Client(client_frame::Kind::Send(send)) => send.text.contains('茶'),
            _ => false,
        };
        assert!(recorded.iter().any(is_chinese));
        let (proto, json) = sums.values().fold((0, 0), |(proto, json), sum| (proto + sum.proto, json + sum.json));
        assert!(proto * 2 <= json, "protobuf {proto} bytes, JSON {json} bytes");
    }
}
