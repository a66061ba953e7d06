//! Logs of which a store lost the end.

use expect_test::expect;

use crate::desk::check;

#[test]
fn a_log_that_lost_its_end_is_read_anew_and_clients_are_reset() {
    check(
        "read
        send a hello
        stored
        answer Good evening.
        stored
        pull
        lose 1
        send b more
        taken by note somebody else was here
        read
        pull
        read
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
            > answer Good evening.
              append 2: answer to 1 (Complete) "Good evening.", nothing due, unless claimed
            > stored
              publish event 2
              wake
            > pull
              gets 1: visitor a "hello"
              gets 2: answer to 1 (Complete) "Good evening."
            > lose 1
            > send b more
              append 3: visitor b "more", due at 33000
            > taken by note somebody else was here
              read after 1
            > read
              read after 0
              wake
            > pull
            > read
              publish who runs the turn?
              append 3: visitor b "more", due at 33000
              wake
            > stored
              ack #2 at 3
              publish event 3
              wake
            > pull
              is reset, gets up to 3
              gets 1: visitor a "hello"
              gets 2 hidden
              gets 3: visitor b "more"
        "#]],
    );
}

#[test]
fn a_log_that_is_another_one_is_noticed_by_looking_again() {
    check(
        "read
        send a hello
        stored
        failure
        stored
        pull
        lose 1
        wait 10
        elsewhere answer 1 Another answer.
        refresh
        read
        read
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
            > failure
              append 2: answer to 1 (Fallback, offers a person) "I can't answer right now. Would you like to talk to a person?", nothing due, unless claimed
            > stored
              publish event 2
              wake
            > pull
              gets 1: visitor a "hello"
              gets 2: answer to 1 (Fallback, offers a person) "I can't answer right now. Would you like to talk to a person?"
            > lose 1
            > wait 10
            > elsewhere answer 1 Another answer.
            > refresh
              read after 1
            > read
              read after 0
              wake
            > read
              wake
            > pull
              is reset, gets up to 2
              gets 1: visitor a "hello"
              gets 2: answer to 1 (Complete) "Another answer."
        "#]],
    );
}

#[test]
fn an_event_that_contradicts_what_is_known_makes_the_node_look_again() {
    check(
        "read
        send a hello
        stored
        answer One.
        stored
        lose 1
        wait 10
        elsewhere answer 1 Two.
        hear
        read
        read",
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
            > answer One.
              append 2: answer to 1 (Complete) "One.", nothing due, unless claimed
            > stored
              publish event 2
              wake
            > lose 1
            > wait 10
            > elsewhere answer 1 Two.
            > hear
              read after 1
            > read
              read after 0
              wake
            > read
              wake
        "#]],
    );
}

#[test]
fn an_append_that_meets_nothing_is_not_tried_again_at_once() {
    check(
        "read
        send a hello
        taken by note nobody can read this
        lose 1
        read
        timeout
        read",
        expect![[r#"
              read after 0
            > read
              wake
            > send a hello
              append 1: visitor a "hello", due at 33000
            > taken by note nobody can read this
              read after 0
            > lose 1
            > read
              refuse #1: Unavailable, wait 500
              wake
            > timeout
              at 1500
              read after 0
            > read
              wake
        "#]],
    );
}

#[test]
fn a_client_that_holds_an_event_of_a_lost_log_is_reset_though_the_new_one_is_longer() {
    check(
        "read
        send a hello
        stored
        answer Good evening.
        stored
        resume 1
        resume 2
        resume 3",
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
            > answer Good evening.
              append 2: answer to 1 (Complete) "Good evening.", nothing due, unless claimed
            > stored
              publish event 2
              wake
            > resume 1
              After(1)
            > resume 2
              After(2)
            > resume 3
              Reset
        "#]],
    );
}

#[test]
fn a_client_that_is_as_far_as_the_new_log_is_reset_too() {
    check(
        "read
        send a hello
        stored
        answer Good evening.
        stored
        pull
        lose 1
        wait 5
        elsewhere agent k Hi.
        forget
        read
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
            > answer Good evening.
              append 2: answer to 1 (Complete) "Good evening.", nothing due, unless claimed
            > stored
              publish event 2
              wake
            > pull
              gets 1: visitor a "hello"
              gets 2: answer to 1 (Complete) "Good evening."
            > lose 1
            > wait 5
            > elsewhere agent k Hi.
            > forget
              read after 0
            > read
              publish who runs the turn?
              wake
            > pull
              reads history after 2
              is reset
              gets 1: visitor a "hello"
              gets 2: agent "Hi."
        "#]],
    );
}

#[test]
fn a_log_that_was_lost_during_a_rest_is_noticed_when_it_is_over() {
    check(
        "read
        send a hello
        stored
        answer Good evening.
        stored
        pull
        lose 1
        rest
        pull
        read
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
            > answer Good evening.
              append 2: answer to 1 (Complete) "Good evening.", nothing due, unless claimed
            > stored
              publish event 2
              wake
            > pull
              gets 1: visitor a "hello"
              gets 2: answer to 1 (Complete) "Good evening."
            > lose 1
            > rest
              read after 0
            > pull
            > read
              publish who runs the turn?
              wake
            > pull
              is reset, gets up to 1
              gets 1: visitor a "hello"
        "#]],
    );
}

#[test]
fn a_rest_in_which_nothing_was_lost_resets_nobody() {
    check(
        "read
        send a hello
        stored
        answer Good evening.
        stored
        pull
        elsewhere agent k hello
        rest
        read
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
            > answer Good evening.
              append 2: answer to 1 (Complete) "Good evening.", nothing due, unless claimed
            > stored
              publish event 2
              wake
            > pull
              gets 1: visitor a "hello"
              gets 2: answer to 1 (Complete) "Good evening."
            > elsewhere agent k hello
            > rest
              read after 0
            > read
              wake
            > pull
              gets 3: agent "hello"
        "#]],
    );
}
