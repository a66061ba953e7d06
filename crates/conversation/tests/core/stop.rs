use expect_test::expect;

use crate::desk::check;

#[test]
fn stop_before_the_first_piece_ends_the_turn_with_nothing() {
    check(
        "read
         send a hello
         stored
         stop 1
         delta late
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
            > stop 1
              cancel run A
              append 2: answer to 1 (Stopped) "", nothing due
            > delta late
            > stored
              ack #2 at 2
              publish event 2
              wake
        "#]],
    );
}

#[test]
fn stop_after_the_first_piece_keeps_it() {
    check(
        "read
         send a hello
         stored
         delta Hi
         stop 1
         answer Hi there
         stored
         stop 1",
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
            > delta Hi
              publish turn 1 run A at 0: "Hi"
              wake
            > stop 1
              cancel run A
              append 2: answer to 1 (Stopped) "Hi", nothing due
            > answer Hi there
            > stored
              ack #2 at 2
              publish event 2
              wake
            > stop 1
              ack #3 at 0
        "#]],
    );
}

#[test]
fn stop_for_a_message_that_waits_behind_the_running_answer_means_both() {
    check(
        "read
         send a one
         stored
         delta first
         send b two
         stored
         stop 2
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
            > delta first
              publish turn 1 run A at 0: "first"
              wake
            > send b two
              append 2: visitor b "two", due at 33000
            > stored
              ack #2 at 2
              publish event 2
              wake
            > stop 2
              cancel run A
              append 3: answer to 2 (Stopped) "first", nothing due
            > stored
              ack #3 at 3
              publish event 3
              wake
        "#]],
    );
}

#[test]
fn stop_of_what_is_no_open_message_does_nothing() {
    check(
        "read
         stop 0
         stop 7
         send a hello
         stored
         delta Hi
         stop 7",
        expect![[r#"
              read after 0
            > read
              wake
            > stop 0
              ack #1 at 0
            > stop 7
              ack #2 at 0
            > send a hello
              append 1: visitor a "hello", due at 33000
            > stored
              ack #3 at 1
              publish event 1
              publish turn 1 run A at 0: ""
              invoke turn 1 run A until 31000: visitor: hello
              wake
            > delta Hi
              publish turn 1 run A at 0: "Hi"
              wake
            > stop 7
              ack #4 at 0
        "#]],
    );
}
