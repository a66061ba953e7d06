//! The document's examples are frames: JSON and bytes say the same, and are what the code writes.

use prost::Message;
use protocol::Subprotocol;
use protocol::v1::{ClientFrame, ServerFrame};
use protocol::wire::{decode_client, decode_server, encode, encode_client};
use serde_json::Value;

use crate::markdown;

/// The examples: which side sends, its JSON, its bytes in hexadecimal.
fn examples() -> Vec<(String, String, String)> {
    let fences = markdown::fences();
    let frames: Vec<_> =
        fences.iter().filter(|(kind, _)| kind.ends_with("client") || kind.ends_with("server")).collect();
    let pairs = frames.chunks(2).map(|pair| {
        let [(json_kind, json), (hex_kind, hex)] = pair else { panic!("an example without bytes: {pair:?}") };
        let side = json_kind.strip_prefix("json ").unwrap_or_else(|| panic!("no JSON: {json_kind}"));
        assert_eq!(hex_kind, &format!("hex {side}"), "the bytes of {json}");
        (side.to_owned(), json.clone(), hex.split_whitespace().collect())
    });
    pairs.collect()
}

/// The frame of `json` as both subprotocols write it, and what `hex` reads as in JSON.
fn written(side: &str, json: &str, hex: &str) -> (Value, String, Option<Value>) {
    let bytes: Option<Vec<u8>> =
        (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(hex.get(at..at + 2)?, 16).ok()).collect();
    let value = |json: &[u8]| serde_json::from_slice(json).unwrap();
    match side {
        "client" => {
            let frame = ClientFrame::from(decode_client(json.as_bytes(), Subprotocol::Json).unwrap());
            let read = bytes.and_then(|bytes| decode_client(&bytes, Subprotocol::Proto).ok());
            let read = read.map(|kind| value(&encode_client(&kind.into(), Subprotocol::Json).unwrap()));
            (value(&encode_client(&frame, Subprotocol::Json).unwrap()), hex_of(&frame), read)
        }
        "server" => {
            let frame = ServerFrame::from(decode_server(json.as_bytes(), Subprotocol::Json).unwrap());
            let read = bytes.and_then(|bytes| decode_server(&bytes, Subprotocol::Proto).ok());
            let read = read.map(|kind| value(&encode(&kind.into(), Subprotocol::Json).unwrap()));
            (value(&encode(&frame, Subprotocol::Json).unwrap()), hex_of(&frame), read)
        }
        other => panic!("an example of {other}"),
    }
}

fn hex_of(frame: &impl Message) -> String {
    frame.encode_to_vec().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn every_example_is_what_the_code_writes_and_reads() {
    let mut wrong = vec![];
    for (side, json, hex) in examples() {
        let (as_json, as_hex, read) = written(&side, &json, &hex);
        let given: Value = serde_json::from_str(&json).unwrap();
        if (&given, &hex, &read) != (&as_json, &as_hex, &Some(given.clone())) {
            wrong.push(format!("{json}\nshould be {as_json}\nwith the bytes {as_hex}\n"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn there_is_an_example_of_every_frame_that_is_not_obvious() {
    let examples: Vec<_> = examples().into_iter().map(|(_, json, _)| json).collect();
    for kind in ["hello", "welcome", "send", "ack", "event", "delta", "error", "begin", "opened", "goAway", "hidden"] {
        assert!(examples.iter().any(|json| json.contains(&format!("\"{kind}\""))), "no example of {kind}");
    }
}
