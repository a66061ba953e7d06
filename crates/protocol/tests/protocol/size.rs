//! How much goes over the wire.

use conversation::{AnswerEnd, Audience, Body, Event, MessageId};
use protocol::event_for;
use protocol::v1::{self, ClientFrame, ServerFrame};
use protocol::wire::{Subprotocol, encode, encode_client};

/// A conversation of six turns, every frame of it, as one visitor's connection carries it: pieces of about one token.
fn conversation() -> (Vec<ClientFrame>, Vec<ServerFrame>) {
    let mut sent = vec![v1::Hello { site: "shop".into(), language: "en".into(), ..Default::default() }.into()];
    let mut received = vec![
        v1::Welcome {
            visitor: "v5mB2kXq9Lr7Tn3Zc8Wd".into(),
            token: "t".repeat(230),
            token_expires_at_ms: 1_792_592_000_000,
            opened: Some(v1::Opened { conversation: 1, head: 0, reset: false }),
            now_ms: 1_790_000_000_000,
            max_text_bytes: 4_000,
        }
        .into(),
    ];
    let mut seq = 0;
    for turn in 0..6u8 {
        let id = MessageId([turn; 16]);
        let text = "Do you ship the jasmine tea to Norway, and how long does it take?";
        sent.push(v1::Send { id: id.0.to_vec(), text: text.into() }.into());
        seq += 1;
        received.push(v1::Ack { id: id.0.to_vec(), seq }.into());
        received.push(event(seq, Body::VisitorMessage { id, text: text.into() }));

        let answer = "Yes, we ship **jasmine tea** to Norway. A parcel takes four to six working days and \
                      costs 12 euros; orders over 80 euros are free of postage. Customs duty may be added by \
                      the Norwegian post office, which sends you a message before it delivers."
            .repeat(2);
        let mut offset = 0;
        for word in answer.split_inclusive(' ') {
            received.push(v1::Delta { turn: seq, run: 1, offset, text: word.into() }.into());
            offset += word.len() as u32;
        }
        let turn = seq;
        seq += 1;
        let end = AnswerEnd::Complete;
        received.push(event(
            seq,
            Body::Answer { turn, text: answer.into(), end, offer_person: false, sources: None, choices: None },
        ));
    }
    (sent, received)
}

fn event(seq: u32, body: Body) -> ServerFrame {
    event_for(&Event { seq, at: 1_790_000_000_000 + u64::from(seq) * 4_000, body }, Audience::Visitor).into()
}

/// Bytes of a WebSocket frame: RFC 6455, 5.2.
fn websocket_frame(payload: usize, masked: bool) -> usize {
    let length = match payload {
        0..=125 => 0,
        126..=65_535 => 2,
        _ => 8,
    };
    2 + length + if masked { 4 } else { 0 } + payload
}

fn bytes_on_the_wire(subprotocol: Subprotocol) -> usize {
    let (sent, received) = conversation();
    let up = sent.iter().map(|frame| websocket_frame(encode_client(frame, subprotocol).unwrap().len(), true));
    let down = received.iter().map(|frame| websocket_frame(encode(frame, subprotocol).unwrap().len(), false));
    up.chain(down).sum()
}

#[test]
fn protobuf_takes_at_most_half_the_bytes_of_json() {
    let (proto, json) = (bytes_on_the_wire(Subprotocol::Proto), bytes_on_the_wire(Subprotocol::Json));
    println!("protobuf {proto} bytes, JSON {json} bytes: {:.1} %", 100.0 * proto as f64 / json as f64);
    assert!(proto * 2 <= json, "protobuf {proto} bytes, JSON {json} bytes");
}
