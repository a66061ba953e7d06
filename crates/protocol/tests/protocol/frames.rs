//! Frames there and back, and bytes that are no frame.

use proptest::collection::vec;
use proptest::prelude::*;
use protocol::v1::{self, ErrorCode, client_frame, server_frame};
use protocol::wire::{DecodeError, Subprotocol, decode_client, decode_server, encode, encode_client, encode_delta};

use crate::any;

const BOTH: [Subprotocol; 2] = Subprotocol::ALL;

fn subprotocol() -> impl Strategy<Value = Subprotocol> {
    prop_oneof![Just(Subprotocol::Proto), Just(Subprotocol::Json)]
}

proptest! {
    #[test]
    fn a_client_frame_comes_back_as_it_went(frame in any::client_frame(), subprotocol in subprotocol()) {
        let bytes = encode_client(&frame, subprotocol).unwrap();
        prop_assert_eq!(Some(decode_client(&bytes, subprotocol).unwrap()), frame.kind);
    }

    #[test]
    fn a_server_frame_comes_back_as_it_went(frame in any::server_frame(), subprotocol in subprotocol()) {
        let bytes = encode(&frame, subprotocol).unwrap();
        prop_assert_eq!(Some(decode_server(&bytes, subprotocol).unwrap()), frame.kind);
    }

    #[test]
    fn any_bytes_are_a_frame_or_a_named_error(bytes in vec(any::<u8>(), 0..400), subprotocol in subprotocol()) {
        let _ = decode_client(&bytes, subprotocol);
        let _ = decode_server(&bytes, subprotocol);
    }

    #[test]
    fn a_spoiled_client_frame_is_a_frame_or_a_named_error(
        (subprotocol, bytes) in (any::client_frame(), subprotocol()).prop_flat_map(|(frame, subprotocol)| {
            let bytes = encode_client(&frame, subprotocol).unwrap();
            (Just(subprotocol), any::mutated(bytes.to_vec()))
        })
    ) {
        let _ = decode_client(&bytes, subprotocol);
    }

    #[test]
    fn a_spoiled_server_frame_is_a_frame_or_a_named_error(
        (subprotocol, bytes) in (any::server_frame(), subprotocol()).prop_flat_map(|(frame, subprotocol)| {
            let bytes = encode(&frame, subprotocol).unwrap();
            (Just(subprotocol), any::mutated(bytes.to_vec()))
        })
    ) {
        let _ = decode_server(&bytes, subprotocol);
    }

    #[test]
    fn the_short_way_to_write_a_delta_writes_the_same_bytes(
        turn in prop_oneof![Just(0), any::<u32>()],
        run in prop_oneof![Just(0), any::<u32>()],
        offset in prop_oneof![Just(0), any::<u32>()],
        text in prop_oneof![any::text(), "[a-z]{100,300}"],
        subprotocol in subprotocol(),
    ) {
        let long_way = encode(&v1::Delta { turn, run, offset, text: text.clone() }.into(), subprotocol).unwrap();
        prop_assert_eq!(encode_delta(turn, run, offset, &text, subprotocol).unwrap(), long_way);
    }
}

fn error_of(bytes: &[u8], subprotocol: Subprotocol) -> DecodeError {
    decode_client(bytes, subprotocol).unwrap_err()
}

#[test]
fn a_kind_of_frame_that_is_not_known_is_told_apart_from_nonsense() {
    // Field 99, length-delimited, 2 bytes.
    let proto_unknown = [0x9a, 0x06, 0x02, 0x08, 0x01];
    for (bytes, subprotocol, code) in [
        (proto_unknown.as_slice(), Subprotocol::Proto, ErrorCode::UnknownFrame),
        (b"".as_slice(), Subprotocol::Proto, ErrorCode::UnknownFrame),
        (&[0x0a, 0x05, 0x01], Subprotocol::Proto, ErrorCode::Malformed),
        (&[0xff; 20], Subprotocol::Proto, ErrorCode::Malformed),
        (br#"{"teleport":{"to":1}}"#, Subprotocol::Json, ErrorCode::UnknownFrame),
        (b"{}", Subprotocol::Json, ErrorCode::UnknownFrame),
        (b"", Subprotocol::Json, ErrorCode::Malformed),
        (b"[]", Subprotocol::Json, ErrorCode::Malformed),
        (br#"{"send":{"id":"AAAA","text":7}}"#, Subprotocol::Json, ErrorCode::Malformed),
        (br#"{"send":{"id":"not base64!","text":"a"}}"#, Subprotocol::Json, ErrorCode::Malformed),
        (br#"{"ping":{}} {"ping":{}}"#, Subprotocol::Json, ErrorCode::Malformed),
        (br#"{"ping":{},"close":{}}"#, Subprotocol::Json, ErrorCode::Malformed),
    ] {
        assert_eq!(error_of(bytes, subprotocol).code(), code, "{subprotocol:?} {:?}", String::from_utf8_lossy(bytes));
    }
}

#[test]
fn fields_of_a_newer_version_are_ignored() {
    let send = v1::Send { id: vec![7; 16], text: "hi".into() };
    let json = br#"{"send":{"id":"BwcHBwcHBwcHBwcHBwcHBw==","text":"hi","colour":{"r":[1,2]}},"trace":"x"}"#;
    assert_eq!(decode_client(json, Subprotocol::Json).unwrap(), client_frame::Kind::Send(send.clone()));

    let mut proto = encode_client(&send.clone().into(), Subprotocol::Proto).unwrap().to_vec();
    proto.extend([0x9a, 0x06, 0x01, 0x00]);
    assert_eq!(decode_client(&proto, Subprotocol::Proto).unwrap(), client_frame::Kind::Send(send));
}

#[test]
fn a_value_of_a_newer_enum_reads_as_unspecified_in_json_and_stays_a_number_in_protobuf() {
    let json = br#"{"event":{"seq":3,"closed":{"by":"CLOSED_BY_MOON"}}}"#;
    let server_frame::Kind::Event(event) = decode_server(json, Subprotocol::Json).unwrap() else { panic!("no event") };
    assert_eq!(event.body, Some(v1::event::Body::Closed(v1::Closed { by: 0 })));

    let newer = v1::Event { seq: 3, at_ms: 0, body: Some(v1::event::Body::Closed(v1::Closed { by: 77 })) };
    let proto = encode(&newer.clone().into(), Subprotocol::Proto).unwrap();
    assert_eq!(decode_server(&proto, Subprotocol::Proto).unwrap(), server_frame::Kind::Event(newer));
}

#[test]
fn a_deep_nest_is_refused_or_skipped_without_using_the_stack() {
    for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
        let nest = format!("{}1{}", open.repeat(100_000), close.repeat(100_000));
        for frame in [
            nest.clone(),
            format!(r#"{{"send":{{"id":"","text":{nest}}}}}"#),
            format!(r#"{{"stop":{{"turn":{nest}}}}}"#),
            format!(r#"{{"ping":{nest}}}"#),
            format!(r#"{{"ping":{{}},"later":{nest}}}"#),
        ] {
            let _ = decode_client(frame.as_bytes(), Subprotocol::Json);
        }
        let in_a_text = format!(r#"{{"send":{{"text":{nest}}}}}"#);
        assert_eq!(error_of(in_a_text.as_bytes(), Subprotocol::Json).code(), ErrorCode::Malformed);
    }
    // Groups (wire type 3) nest without a length, so they are protobuf's bomb.
    let groups = vec![0x0b; 100_000];
    assert_eq!(error_of(&groups, Subprotocol::Proto).code(), ErrorCode::Malformed);
}

#[test]
fn an_announced_length_reserves_no_memory() {
    // A text of 4 GiB is announced, 3 bytes follow.
    let bytes = [0x12, 0xff, 0xff, 0xff, 0xff, 0x0f, 0x12, 0xff, 0xff];
    assert_eq!(error_of(&bytes, Subprotocol::Proto).code(), ErrorCode::Malformed);
}

#[test]
fn invalid_utf8_is_refused_in_both() {
    let proto = [0x12, 0x04, 0x12, 0x02, 0xc3, 0x28];
    assert_eq!(error_of(&proto, Subprotocol::Proto).code(), ErrorCode::Malformed);
    let json = b"{\"send\":{\"text\":\"\xc3\x28\"}}";
    assert_eq!(error_of(json, Subprotocol::Json).code(), ErrorCode::Malformed);
}

#[test]
fn an_error_says_where_and_never_repeats_what_was_sent() {
    let errors = [
        error_of(br#"{"hello":{"site":"shop","conversation":"my-secret"}}"#, Subprotocol::Json),
        error_of(br#"{"hello":{"token":"my-secret"#, Subprotocol::Json),
        error_of(b"\x0a\x10\x12\x0bmy-secret\xff\xff", Subprotocol::Proto),
    ];
    for error in &errors {
        assert!(!format!("{error} {error:?}").contains("secret"), "{error:?}");
    }
    assert!(errors[0].to_string().ends_with("at column 51 of line 1"), "{}", errors[0]);
}

#[test]
fn an_enum_number_without_a_name_is_refused_in_json() {
    let frame = v1::Error { code: 12_345, ..Default::default() }.into();
    assert!(encode(&frame, Subprotocol::Json).is_err());
}

#[test]
fn the_first_known_subprotocol_that_is_offered_is_chosen() {
    assert_eq!(
        Subprotocol::choose("frontdesk.v2.proto, frontdesk.v1.json,frontdesk.v1.proto"),
        Some(Subprotocol::Json)
    );
    assert_eq!(Subprotocol::choose("frontdesk.v1.proto"), Some(Subprotocol::Proto));
    assert_eq!(Subprotocol::choose("chat, FRONTDESK.V1.PROTO"), None);
    assert_eq!(Subprotocol::choose(""), None);
    assert_eq!(BOTH.map(|known| Subprotocol::choose(known.name())), BOTH.map(Some));
}
