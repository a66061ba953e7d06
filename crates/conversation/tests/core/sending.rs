use expect_test::expect;

use crate::desk::check;

#[test]
fn a_message_is_acknowledged_when_it_is_stored_and_not_before() {
    check(
        "read
         send a hello
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
        "#]],
    );
}

#[test]
fn what_is_sent_before_the_log_is_known_waits_for_it() {
    check(
        "elsewhere visitor a hello
         send a hello
         read",
        expect![[r#"
              read after 0
            > elsewhere visitor a hello
            > send a hello
            > read
              publish who runs the turn?
              ack #1 at 1
              wake
        "#]],
    );
}

#[test]
fn the_same_message_again_is_acknowledged_with_its_first_seq() {
    check(
        "read
         send a hello
         send a hello
         stored
         send a hello",
        expect![[r#"
              read after 0
            > read
              wake
            > send a hello
              append 1: visitor a "hello", due at 33000
            > send a hello
            > stored
              ack #1 at 1
              publish event 1
              ack #2 at 1
              publish turn 1 run A at 0: ""
              invoke turn 1 run A until 31000: visitor: hello
              wake
            > send a hello
              ack #3 at 1
        "#]],
    );
}

#[test]
fn an_id_with_another_text_is_refused() {
    check(
        "read
         send a hello
         stored
         send a goodbye",
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
            > send a goodbye
              refuse #2: IdReused, wait 0
        "#]],
    );
}

#[test]
fn who_loses_a_race_decides_again() {
    check(
        "read
         send a hello
         taken by visitor a hello
         read",
        expect![[r#"
              read after 0
            > read
              wake
            > send a hello
              append 1: visitor a "hello", due at 33000
            > taken by visitor a hello
              read after 0
            > read
              ack #1 at 1
              wake
        "#]],
    );
    check(
        "read
         send a hello
         taken by closed
         read",
        expect![[r#"
              read after 0
            > read
              wake
            > send a hello
              append 1: visitor a "hello", due at 33000
            > taken by closed
              read after 0
            > read
              refuse #1: Closed, wait 0
              wake
        "#]],
    );
}

#[test]
fn a_rating_counts_once_and_only_from_1_to_5() {
    check(
        "read
         close
         stored
         rate 4
         stored
         rate 4
         rate 5 thanks
         stored
         rate 0
         rate 6
         close
         send a hello",
        expect![[r#"
              read after 0
            > read
              wake
            > close
              append 1: closed by Visitor, nothing due
            > stored
              ack #1 at 1
              publish event 1
              wake
            > rate 4
              append 2: rated 4 "", nothing due
            > stored
              ack #2 at 2
              publish event 2
              wake
            > rate 4
              ack #3 at 2
            > rate 5 thanks
              append 3: rated 5 "thanks", nothing due
            > stored
              ack #4 at 3
              publish event 3
              wake
            > rate 0
              refuse #5: InvalidScore, wait 0
            > rate 6
              refuse #6: InvalidScore, wait 0
            > close
              ack #7 at 1
            > send a hello
              refuse #8: Closed, wait 0
        "#]],
    );
}
