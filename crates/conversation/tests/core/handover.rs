use expect_test::expect;

use crate::desk::check;

#[test]
fn asking_for_a_person_hands_over_and_routes() {
    check(
        "read
         ask
         stored
         routed kim
         stored
         ask",
        expect![[r#"
              read after 0
            > read
              wake
            > ask
              append 1: handover (VisitorAsked) "", due at 6000
            > stored
              ack #1 at 1
              publish event 1
              route
              wake
            > routed kim
              append 2: assigned to Agent("kim"), nothing due, unless claimed
            > stored
              publish event 2
              wake
            > ask
              ack #2 at 1
        "#]],
    );
}

#[test]
fn asking_for_a_person_in_mid_answer_keeps_the_part_and_silences_the_assistant() {
    check(
        "read
         send a hello
         stored
         delta Let me
         ask
         stored
         delta  see
         stored
         answer Let me see
         pull
         routed queue
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
            > ask
              cancel run A
              append 2: answer to 1 (Stopped) "Let me", nothing due
            > stored
              publish event 2
              append 3: handover (VisitorAsked) "Last question: hello\nLast answer: Let me", due at 6000
              wake
            > delta  see
            > stored
              ack #2 at 3
              publish event 3
              route
              wake
            > answer Let me see
            > pull
              gets 1: visitor a "hello"
              gets 2: answer to 1 (Stopped) "Let me"
              gets 3: handover (VisitorAsked) "Last question: hello\nLast answer: Let me"
            > routed queue
              append 4: assigned to Queue, nothing due, unless claimed
            > stored
              publish event 4
              wake
        "#]],
    );
}

#[test]
fn the_assistant_can_give_a_turn_away() {
    check(
        "read
         send a hello
         stored
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
            > handover
              append 2: handover (Assistant) "Last question: hello", due at 6000, unless claimed
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
fn a_handover_of_a_turn_that_was_answered_meanwhile_is_dropped() {
    check(
        "read
         send a hello
         stored
         handover
         taken by answer 1 Hi
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
            > handover
              append 2: handover (Assistant) "Last question: hello", due at 6000, unless claimed
            > taken by answer 1 Hi
              read after 0
            > read
              wake
        "#]],
    );
}

#[test]
fn an_answer_that_meets_a_handover_is_dropped() {
    check(
        "read
         send a hello
         stored
         delta Hi
         answer Hi there
         taken by handover
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
            > delta Hi
              publish turn 1 run A at 0: "Hi"
              wake
            > answer Hi there
              append 2: answer to 1 (Complete) "Hi there", nothing due, unless claimed
            > taken by handover
              read after 0
            > read
              route
              wake
            > pull
              gets 1: visitor a "hello"
              gets 2: handover (VisitorAsked) ""
        "#]],
    );
}

#[test]
fn a_handover_heard_of_cancels_the_run() {
    check(
        "read
         send a hello
         stored
         delta Hi
         elsewhere handover
         hear
         delta  there
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
            > elsewhere handover
            > hear
              cancel run A
              route
              wake
            > delta  there
            > pull
              gets 1: visitor a "hello"
              gets 2: handover (VisitorAsked) ""
        "#]],
    );
}

#[test]
fn routing_that_meets_an_assignment_is_dropped() {
    check(
        "read
         ask
         stored
         elsewhere queue
         routed kim
         taken by note x
         read",
        expect![[r#"
              read after 0
            > read
              wake
            > ask
              append 1: handover (VisitorAsked) "", due at 6000
            > stored
              ack #1 at 1
              publish event 1
              route
              wake
            > elsewhere queue
            > routed kim
              append 2: assigned to Agent("kim"), nothing due, unless claimed
            > taken by note x
              read after 0
            > read
              wake
        "#]],
    );
}

#[test]
fn a_handover_that_nobody_assigned_is_routed_when_it_is_due() {
    check(
        "elsewhere handover
         wait 6000
         due 7
         read
         read
         timeout",
        expect![[r#"
              read after 0
            > elsewhere handover
            > wait 6000
            > due 7
              publish who runs the turn?
            > read
              read after 0
              wake
            > read
              wake
            > timeout
              at 8000
              route
        "#]],
    );
}

#[test]
fn a_close_ends_the_turn_and_keeps_the_part() {
    check(
        "read
         send a hello
         stored
         delta Hi
         close
         stored
         stored
         send b more
         ask
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
            > close
              cancel run A
              append 2: answer to 1 (Stopped) "Hi", nothing due
            > stored
              publish event 2
              append 3: closed by Visitor, nothing due
              wake
            > stored
              ack #2 at 3
              publish event 3
              wake
            > send b more
              refuse #3: Closed, wait 0
            > ask
              refuse #4: Closed, wait 0
            > stop 1
              ack #5 at 0
        "#]],
    );
}
