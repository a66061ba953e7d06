//! What the assistant says before it gives a conversation to people.

use expect_test::expect;

use crate::desk::check;

#[test]
fn what_the_visitor_reads_before_a_handover_is_in_the_same_event() {
    check(
        "read
         send a hello
         stored
         handover We are sorry.
         stored
         routed nobody
         stored",
        expect![[r#"
              read after 0
            > read
              wake
            > send a hello
              append 1: visitor a "hello", due at 33000
            > stored
              ack #1 at 1
              publish event 1
              publish turn 1 run A at 0: ""
              invoke turn 1 run A until 31000: visitor: hello
              wake
            > handover We are sorry.
              append 2: handover (Assistant) "Last question: hello" after "We are sorry.", due at 6000, unless claimed
            > stored
              publish event 2
              route
              wake
            > routed nobody
              append 3: assigned to Queue, nothing due, unless claimed
            > stored
              publish event 3
              wake
        "#]],
    );
}

#[test]
fn a_node_that_dies_with_a_handover_and_its_last_words_leaves_both_or_neither() {
    check(
        "read
         send a hello
         stored
         handover We are sorry.
         lost but stored
         forget
         read
         wait 5000
         due 7
         read
         routed nobody
         stored
         pull",
        expect![[r#"
              read after 0
            > read
              wake
            > send a hello
              append 1: visitor a "hello", due at 33000
            > stored
              ack #1 at 1
              publish event 1
              publish turn 1 run A at 0: ""
              invoke turn 1 run A until 31000: visitor: hello
              wake
            > handover We are sorry.
              append 2: handover (Assistant) "Last question: hello" after "We are sorry.", due at 6000, unless claimed
            > lost but stored
              wake
            > forget
              read after 0
            > read
              publish who runs the turn?
              wake
            > wait 5000
              route
            > due 7
              publish who runs the turn?
              read after 1
            > read
              wake
            > routed nobody
              append 3: assigned to Queue, nothing due, under claim 7
            > stored
              publish event 3
              wake
            > pull
              gets 1: visitor a "hello"
              gets 2: handover (Assistant) "Last question: hello" after "We are sorry."
              gets 3: assigned to Queue
        "#]],
    );
    check(
        "read
         send a hello
         stored
         handover We are sorry.
         forget
         read
         wait 32000
         due 7
         read
         answer Hello.
         stored",
        expect![[r#"
              read after 0
            > read
              wake
            > send a hello
              append 1: visitor a "hello", due at 33000
            > stored
              ack #1 at 1
              publish event 1
              publish turn 1 run A at 0: ""
              invoke turn 1 run A until 31000: visitor: hello
              wake
            > handover We are sorry.
              append 2: handover (Assistant) "Last question: hello" after "We are sorry.", due at 6000, unless claimed
            > forget
              read after 0
            > read
              publish who runs the turn?
              wake
            > wait 32000
              publish turn 1 run B at 0: ""
              invoke turn 1 run B until 63000: visitor: hello
            > due 7
              read after 0
            > read
              wake
            > answer Hello.
              append 2: answer to 1 (Complete) "Hello.", nothing due, under claim 7
            > stored
              publish event 2
              wake
        "#]],
    );
}

#[test]
fn what_was_written_before_a_handover_stays() {
    check(
        "read
         send a hello
         stored
         delta Let me
         handover
         stored
         routed nobody
         stored",
        expect![[r#"
              read after 0
            > read
              wake
            > send a hello
              append 1: visitor a "hello", due at 33000
            > stored
              ack #1 at 1
              publish event 1
              publish turn 1 run A at 0: ""
              invoke turn 1 run A until 31000: visitor: hello
              wake
            > delta Let me
              publish turn 1 run A at 0: "Let me"
              wake
            > handover
              append 2: handover (Assistant) "Last question: hello" after "Let me", due at 6000, unless claimed
            > stored
              publish event 2
              route
              wake
            > routed nobody
              append 3: assigned to Queue, nothing due, unless claimed
            > stored
              publish event 3
              wake
        "#]],
    );
}
