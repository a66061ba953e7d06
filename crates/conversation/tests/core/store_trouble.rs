use expect_test::expect;

use crate::desk::check;

#[test]
fn a_failed_append_refuses_all_that_waits_and_tries_the_store_again() {
    check(
        "read
         send a one
         send b two
         lost
         send c three
         timeout
         read
         send a one
         stored",
        expect![[r#"
              read after 0
            > read
              wake
            > send a one
              append 1: visitor a "one", due at 33000
            > send b two
            > lost
              refuse #1: Unavailable, wait 500
              refuse #2: Unavailable, wait 500
              wake
            > send c three
              refuse #3: Unavailable, wait 500
            > timeout
              at 1500
              read after 0
            > read
              wake
            > send a one
              append 1: visitor a "one", due at 33500
            > stored
              ack #4 at 1
              publish event 1
              publish turn 1 run A at 0: ""
              invoke turn 1 run A until 31500: visitor: one
              wake
        "#]],
    );
}

#[test]
fn waits_double_up_to_a_bound_while_the_store_is_down() {
    check(
        "read
         send a one
         lost
         timeout
         read fails
         timeout
         read fails
         timeout
         read fails
         timeout
         read fails
         timeout
         read fails
         timeout
         read",
        expect![[r#"
              read after 0
            > read
              wake
            > send a one
              append 1: visitor a "one", due at 33000
            > lost
              refuse #1: Unavailable, wait 500
              wake
            > timeout
              at 1500
              read after 0
            > read fails
              wake
            > timeout
              at 2500
              read after 0
            > read fails
              wake
            > timeout
              at 4500
              read after 0
            > read fails
              wake
            > timeout
              at 8500
              read after 0
            > read fails
              wake
            > timeout
              at 16500
              read after 0
            > read fails
              wake
            > timeout
              at 24500
              read after 0
            > read
              wake
        "#]],
    );
}

#[test]
fn an_append_that_was_stored_though_the_store_failed_is_found_published_and_answered() {
    check(
        "read
         send a one
         lost but stored
         timeout
         read
         send a one
         answer Hi
         stored",
        expect![[r#"
              read after 0
            > read
              wake
            > send a one
              append 1: visitor a "one", due at 33000
            > lost but stored
              refuse #1: Unavailable, wait 500
              wake
            > timeout
              at 1500
              read after 0
            > read
              publish event 1
              publish turn 1 run A at 0: ""
              invoke turn 1 run A until 31500: visitor: one
              wake
            > send a one
              ack #2 at 1
            > answer Hi
              append 2: answer to 1 (Complete) "Hi", nothing due, unless claimed
            > stored
              publish event 2
              wake
        "#]],
    );
}

#[test]
fn an_answer_survives_a_store_that_fails() {
    check(
        "read
         send a one
         stored
         delta Hi
         answer Hi
         lost
         timeout
         read
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
            > delta Hi
              publish turn 1 run A at 0: "Hi"
              wake
            > answer Hi
              append 2: answer to 1 (Complete) "Hi", nothing due, unless claimed
            > lost
              wake
            > timeout
              at 1500
              read after 0
            > read
              append 2: answer to 1 (Complete) "Hi", nothing due, unless claimed
              wake
            > stored
              publish event 2
              wake
        "#]],
    );
    check(
        "read
         send a one
         stored
         delta Hi
         answer Hi
         lost but stored
         timeout
         read",
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
            > delta Hi
              publish turn 1 run A at 0: "Hi"
              wake
            > answer Hi
              append 2: answer to 1 (Complete) "Hi", nothing due, unless claimed
            > lost but stored
              wake
            > timeout
              at 1500
              read after 0
            > read
              publish event 2
              wake
        "#]],
    );
}

#[test]
fn a_stop_whose_append_failed_is_refused_and_still_happens() {
    check(
        "read
         send a one
         stored
         delta Hi
         stop 1
         lost
         timeout
         read
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
            > delta Hi
              publish turn 1 run A at 0: "Hi"
              wake
            > stop 1
              cancel run A
              append 2: answer to 1 (Stopped) "Hi", nothing due
            > lost
              refuse #2: Unavailable, wait 500
              wake
            > timeout
              at 1500
              read after 0
            > read
              append 2: answer to 1 (Stopped) "Hi", nothing due
              wake
            > stored
              publish event 2
              wake
        "#]],
    );
}

#[test]
fn a_log_that_cannot_be_read_is_not_written() {
    check(
        "send a one
         read fails
         send a one
         timeout
         read
         send a one",
        expect![[r#"
              read after 0
            > send a one
            > read fails
              refuse #1: Unavailable, wait 500
              wake
            > send a one
              refuse #2: Unavailable, wait 500
            > timeout
              at 1500
              read after 0
            > read
              wake
            > send a one
              append 1: visitor a "one", due at 33500
        "#]],
    );
}

#[test]
fn a_log_that_breaks_a_rule_is_left_alone_and_nobody_waits() {
    check(
        "elsewhere answer 1 nobody asked
         send a one
         read
         send b two",
        expect![[r#"
              read after 0
            > elsewhere answer 1 nobody asked
            > send a one
            > read
              refuse #1: Unavailable, wait 8000
              wake
              violation: event 1 breaks the rule OneAnswer: the log is damaged or a writer is wrong
            > send b two
              refuse #2: Unavailable, wait 8000
              violation: event 1 breaks the rule OneAnswer: the log is damaged or a writer is wrong
        "#]],
    );
}
