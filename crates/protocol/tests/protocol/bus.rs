//! What nodes tell each other.

use std::sync::Arc;

use conversation::{Notice, TurnText};
use proptest::collection::vec;
use proptest::prelude::*;
use protocol::bus::{BusError, BusMessage, ClockNotice, HeardClock};

use crate::any;

fn message() -> impl Strategy<Value = BusMessage> {
    let told = (any::<u32>(), any::<u32>(), any::<u32>(), any::text(), any::<u64>()).prop_map(
        |(turn, run, offset, text, deadline)| TurnText {
            turn,
            run,
            offset: offset as usize,
            text: text.into(),
            deadline,
        },
    );
    let notice = prop_oneof![
        (any::core_event(), any::<u64>())
            .prop_map(|(event, previous_at)| Notice::Event { event: Arc::new(event), previous_at }),
        told.prop_map(Notice::Turn),
        Just(Notice::AskTurn),
    ];
    ("[a-z0-9]{0,20}", notice).prop_map(|(node, notice)| BusMessage { node, notice })
}

proptest! {
    #[test]
    fn a_message_comes_back_as_it_went(message in message()) {
        prop_assert_eq!(BusMessage::decode(&message.encode()).unwrap(), message);
    }

    #[test]
    fn any_bytes_are_a_message_or_an_error(bytes in vec(any::<u8>(), 0..200)) {
        let _ = BusMessage::decode(&bytes);
        let _ = ClockNotice::decode(&bytes);
    }

    #[test]
    fn a_spoiled_message_is_a_message_or_an_error(
        bytes in message().prop_flat_map(|message| any::mutated(message.encode()))
    ) {
        let _ = BusMessage::decode(&bytes);
        let _ = ClockNotice::decode(&bytes);
    }
}

#[test]
fn a_message_of_a_newer_node_is_told_apart_from_a_damaged_one() {
    assert!(matches!(BusMessage::decode(&[0x0a, 0x01, b'n', 0x9a, 0x06, 0x00]), Err(BusError::UnknownKind)));
    assert!(matches!(BusMessage::decode(&[0x0a, 0x09, b'n']), Err(BusError::NotProto(_))));
    assert!(matches!(BusMessage::decode(&[0x12, 0x02, 0x08, 0x00]), Err(BusError::Event(_))));
}

#[test]
fn what_a_node_says_of_clocks_reads_back_as_written() {
    let heard = HeardClock { node: "there/2".to_owned(), at: 1_790_000_000_000, held: 9_999 };
    for heard in [vec![], vec![heard.clone()], vec![heard.clone(), HeardClock { at: 0, ..heard.clone() }]] {
        let notice = ClockNotice { node: "here/1".to_owned(), at: 1_790_000_000_007, heard };
        assert_eq!(ClockNotice::decode(&notice.encode()).unwrap(), notice);
    }
    assert!(ClockNotice::decode(&[0x0a, 0xff]).is_err());
}
