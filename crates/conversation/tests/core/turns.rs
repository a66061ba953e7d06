use expect_test::expect;

use crate::desk::check;

#[test]
fn an_answer_is_streamed_and_then_appended() {
    check(
        "read
         send a hello
         stored
         delta Hi
         delta  there
         pull
         answer Hi there
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
            > delta Hi
              publish turn 1 run A at 0: "Hi"
              wake
            > delta  there
              publish turn 1 run A at 2: " there"
              wake
            > pull
              gets 1: visitor a "hello"
              gets turn 1 run A at 0: "Hi there"
            > answer Hi there
              append 2: answer to 1 (Complete) "Hi there", nothing due, unless claimed
            > stored
              publish event 2
              wake
            > pull
              gets 2: answer to 1 (Complete) "Hi there"
        "#]],
    );
}

#[test]
fn a_message_before_the_first_piece_restarts_the_turn_with_both() {
    check(
        "read
         send a one
         stored
         send b two
         stored
         delta of A late
         delta of B yes
         answer of B yes
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
            > send b two
              append 2: visitor b "two", due at 33000
            > stored
              ack #2 at 2
              publish event 2
              cancel run A
              publish turn 2 run B at 0: ""
              invoke turn 2 run B until 31000: visitor: one | visitor: two
              wake
            > delta of A late
            > delta of B yes
              publish turn 2 run B at 0: "yes"
              wake
            > answer of B yes
              append 3: answer to 2 (Complete) "yes", nothing due, unless claimed
            > stored
              publish event 3
              wake
        "#]],
    );
}

#[test]
fn a_message_after_the_first_piece_waits_and_gets_its_own_turn() {
    check(
        "read
         send a one
         stored
         delta first
         send b two
         stored
         answer first
         stored
         answer second
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
            > answer first
              append 3: answer to 1 (Complete) "first", due at 33000, unless claimed
            > stored
              publish event 3
              publish turn 2 run B at 0: ""
              invoke turn 2 run B until 31000: visitor: one | assistant: first | visitor: two
              wake
            > answer second
              append 4: answer to 2 (Complete) "second", nothing due, unless claimed
            > stored
              publish event 4
              wake
        "#]],
    );
}

#[test]
fn a_function_that_says_nothing_until_the_deadline_leads_to_the_fallback() {
    check(
        "read
         send a 你好
         stored
         timeout
         stored
         answer late",
        expect![[r#"
              read after 0
            > read
              wake
            > send a 你好
              append 1: visitor a "你好", due at 33000
            > stored
              ack #1 at 1
              publish event 1
              publish turn 1 run A at 0: ""
              invoke turn 1 run A until 31000: visitor: 你好
              wake
            > timeout
              at 32000
              cancel run A
              append 2: answer to 1 (Fallback, offers a person) "我暂时无法回答。需要我为您转接人工客服吗？", nothing due, unless claimed
            > stored
              publish event 2
              wake
            > answer late
        "#]],
    );
}

#[test]
fn a_function_that_breaks_off_leaves_its_part_and_the_offer_of_a_person() {
    check(
        "read
         send a hello
         stored
         delta Hi
         failure
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
            > delta Hi
              publish turn 1 run A at 0: "Hi"
              wake
            > failure
              append 2: answer to 1 (Interrupted, offers a person) "Hi", nothing due, unless claimed
            > stored
              publish event 2
              wake
        "#]],
    );
}

#[test]
fn an_empty_answer_is_as_bad_as_none() {
    check(
        "read
         send a hello
         stored
         answer
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
            > answer
              append 2: answer to 1 (Fallback, offers a person) "I can't answer right now. Would you like to talk to a person?", nothing due, unless claimed
            > stored
              publish event 2
              wake
        "#]],
    );
}

#[test]
fn an_unanswered_turn_found_in_the_log_is_asked_about_and_then_run() {
    check(
        "elsewhere visitor a hello
         read
         timeout
         answer Hi
         stored",
        expect![[r#"
              read after 0
            > elsewhere visitor a hello
            > read
              publish who runs the turn?
              wake
            > timeout
              at 2000
              publish turn 1 run A at 0: ""
              invoke turn 1 run A until 32000: visitor: hello
            > answer Hi
              append 2: answer to 1 (Complete) "Hi", nothing due, unless claimed
            > stored
              publish event 2
              wake
        "#]],
    );
}

#[test]
fn a_due_turn_is_run_after_nobody_said_to_be_at_it() {
    check(
        "elsewhere visitor a hello
         wait 32000
         due 7
         read
         read
         timeout",
        expect![[r#"
              read after 0
            > elsewhere visitor a hello
            > wait 32000
            > due 7
              publish who runs the turn?
            > read
              read after 0
              wake
            > read
              wake
            > timeout
              at 34000
              publish turn 1 run A at 0: ""
              invoke turn 1 run A until 64000: visitor: hello
        "#]],
    );
}

#[test]
fn a_turn_that_waited_too_long_gets_the_fallback_and_no_run() {
    check(
        "elsewhere visitor a hello
         wait 130000
         due 7
         read
         read
         timeout
         stored",
        expect![[r#"
              read after 0
            > elsewhere visitor a hello
            > wait 130000
            > due 7
              publish who runs the turn?
            > read
              read after 0
              wake
            > read
              wake
            > timeout
              at 132000
              append 2: answer to 1 (Fallback, offers a person) "I can't answer right now. Would you like to talk to a person?", nothing due, under claim 7
            > stored
              publish event 2
              wake
        "#]],
    );
}

#[test]
fn the_lines_of_a_turn_end_with_what_is_open() {
    check(
        "elsewhere visitor a one
         elsewhere visitor b two
         elsewhere answer 1 first
         elsewhere note secret
         read
         timeout",
        expect![[r#"
              read after 0
            > elsewhere visitor a one
            > elsewhere visitor b two
            > elsewhere answer 1 first
            > elsewhere note secret
            > read
              publish who runs the turn?
              wake
            > timeout
              at 2000
              publish turn 2 run A at 0: ""
              invoke turn 2 run A until 32000: visitor: one | assistant: first | visitor: two
        "#]],
    );
}

#[test]
fn two_turns_without_an_answer_lead_to_people() {
    check(
        "read
         send a one
         stored
         timeout
         stored
         send b two
         stored
         failure
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
            > timeout
              at 32000
              cancel run A
              append 2: answer to 1 (Fallback, offers a person) "I can't answer right now. Would you like to talk to a person?", nothing due, unless claimed
            > stored
              publish event 2
              wake
            > send b two
              append 3: visitor b "two", due at 64000
            > stored
              ack #2 at 3
              publish event 3
              publish turn 3 run B at 0: ""
              invoke turn 3 run B until 62000: visitor: one | assistant: I can't answer right now. Would you like to talk to a person? | visitor: two
              wake
            > failure
              append 4: handover (Failures) 113 bytes, due at 37000, unless claimed
            > stored
              publish event 4
              route
              wake
        "#]],
    );
}
