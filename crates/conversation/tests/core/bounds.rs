use conversation::Policy;
use expect_test::expect;

use crate::desk::check_with;

#[test]
fn texts_are_bounded_and_not_empty() {
    check_with(
        Policy { max_text_bytes: 5, ..Policy::default() },
        "read
         send a 12345
         stored
         send b 123456
         send c  
         rate 3 123456",
        expect![[r#"
              read after 0
            > read
              wake
            > send a 12345
              append 1: visitor a "12345", due at 33000
            > stored
              ack #1 at 1
              publish event 1
              publish turn 1 run A at 0: ""
              invoke turn 1 run A until 31000: visitor: 12345
              wake
            > send b 123456
              refuse #2: TextTooLong { max: 5 }, wait 0
            > send c
              refuse #3: TextEmpty, wait 0
            > rate 3 123456
              refuse #4: TextTooLong { max: 5 }, wait 0
        "#]],
    );
}

#[test]
fn an_answer_over_its_bound_is_cut_and_the_run_cancelled() {
    check_with(
        Policy { max_answer_bytes: 8, ..Policy::default() },
        "read
         send a hello
         stored
         delta 茶茶
         delta 茶
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
            > delta 茶茶
              publish turn 1 run A at 0: "茶茶"
              wake
            > delta 茶
              cancel run A
              append 2: answer to 1 (Interrupted, offers a person) "茶茶", nothing due, unless claimed
            > stored
              publish event 2
              wake
        "#]],
    );
}

#[test]
fn commands_that_wait_are_bounded() {
    check_with(
        Policy { max_waiting: 2, ..Policy::default() },
        "read
         send a one
         send b two
         send c three
         send d four
         stored",
        expect![[r#"
              read after 0
            > read
              wake
            > send a one
              append 1: visitor a "one", due at 33000
            > send b two
            > send c three
            > send d four
              refuse #4: Busy, wait 500
            > stored
              ack #1 at 1
              publish event 1
              append 2: visitor b "two", due at 33000
              wake
        "#]],
    );
}

#[test]
fn a_full_log_takes_no_message_and_still_an_ending() {
    check_with(
        Policy { max_events: 18, ..Policy::default() },
        "read
         send a one
         stored
         answer Hi
         stored
         send b two
         send a one
         ask
         stored
         close
         routed queue
         stored",
        expect![[r#"
              read after 0
            > read
              wake
            > send a one
              append 1: visitor a "one", due at 33000
            > stored
              ack #1 at 1
              publish event 1
              publish turn 1 run A at 0: ""
              invoke turn 1 run A until 31000: visitor: one
              wake
            > answer Hi
              append 2: answer to 1 (Complete) "Hi", nothing due, unless claimed
            > stored
              publish event 2
              wake
            > send b two
              refuse #2: Full, wait 0
            > send a one
              ack #3 at 1
            > ask
              append 3: handover (VisitorAsked) "Last question: one\nLast answer: Hi", due at 6000
            > stored
              ack #4 at 3
              publish event 3
              route
              wake
            > close
              append 4: closed by Visitor, nothing due
            > routed queue
            > stored
              ack #5 at 4
              publish event 4
              wake
        "#]],
    );
}
