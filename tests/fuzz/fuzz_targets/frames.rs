//! Whatever bytes a client sends in either subprotocol: they are refused by name or understood, and what is understood can
//! be written and read again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use protocol::v1::ClientFrame;
use protocol::{Subprotocol, wire};

fuzz_target!(|bytes: &[u8]| {
    for subprotocol in [Subprotocol::Proto, Subprotocol::Json] {
        let Ok(kind) = wire::decode_client(bytes, subprotocol) else { continue };
        for other in [Subprotocol::Proto, Subprotocol::Json] {
            let frame = ClientFrame { kind: Some(kind.clone()) };
            let written = wire::encode_client(&frame, other).expect("what was read can be written");
            assert_eq!(wire::decode_client(&written, other).expect("what was written can be read"), kind);
        }
    }
});
