use super::*;

const LONG: Duration = Duration::from_secs(30);

/// A pool in virtual time, with its actions taken down as text.
struct Scene {
    pool: Pool,
    now: Instant,
}

impl Scene {
    fn new(most: usize) -> Self {
        let pool = Pool::new(PoolLimits { most, ..PoolLimits::default() });
        Self { pool, now: Instant::now() }
    }

    /// A pool whose warm process is idle.
    fn warm(most: usize) -> Self {
        let mut scene = Self::new(most);
        assert_eq!(scene.time(Duration::ZERO), ["start 1"]);
        assert_eq!(scene.next(1), [""; 0]);
        scene
    }

    fn actions(&mut self) -> Vec<String> {
        let mut lines = Vec::new();
        while let Some(action) = self.pool.poll_action() {
            lines.push(match action {
                Action::Start(process) => format!("start {}", process.0),
                Action::Deliver(process, invocation) => format!("deliver {} {}", process.0, invocation.as_u128()),
                Action::Kill(process) => format!("kill {}", process.0),
                Action::End(invocation, ending) => format!("end {} {ending:?}", invocation.as_u128()),
            });
        }
        lines
    }

    fn time(&mut self, passed: Duration) -> Vec<String> {
        self.now += passed;
        self.pool.handle_time(self.now);
        self.actions()
    }

    fn invoke(&mut self, invocation: u128) -> Vec<String> {
        self.pool.handle_invoke(self.now, Uuid::from_u128(invocation), self.now + LONG);
        self.actions()
    }

    fn next(&mut self, process: u64) -> Vec<String> {
        self.pool.handle_next(self.now, PlaceId(process));
        self.actions()
    }

    fn responded(&mut self, process: u64, invocation: u128) -> Vec<String> {
        self.pool.handle_responded(PlaceId(process), Uuid::from_u128(invocation));
        self.actions()
    }

    /// The process ends; what the owner does next is to let time pass.
    fn exit(&mut self, process: u64) -> Vec<String> {
        self.pool.handle_exit(self.now, PlaceId(process));
        self.pool.handle_time(self.now);
        self.actions()
    }
}

#[test]
fn a_process_is_used_again() {
    let mut scene = Scene::warm(4);
    assert_eq!(scene.invoke(1), ["deliver 1 1"]);
    assert_eq!(scene.responded(1, 1), [""; 0]);
    assert_eq!(scene.next(1), [""; 0]);
    assert_eq!(scene.invoke(2), ["deliver 1 2"]);
}

#[test]
fn an_invocation_waits_for_a_process_that_has_just_responded() {
    let mut scene = Scene::warm(4);
    scene.invoke(1);
    scene.responded(1, 1);
    assert_eq!(scene.invoke(2), [""; 0]);
    assert_eq!(scene.next(1), ["deliver 1 2"]);
}

#[test]
fn as_many_processes_run_as_there_are_invocations_up_to_the_limit() {
    let mut scene = Scene::warm(2);
    assert_eq!(scene.invoke(1), ["deliver 1 1"]);
    assert_eq!(scene.invoke(2), ["start 2"]);
    assert_eq!(scene.invoke(3), ["end 3 Throttled"]);
    assert_eq!(scene.next(2), ["deliver 2 2"]);
    assert_eq!(scene.invoke(4), ["end 4 Throttled"]);
}

#[test]
fn the_process_used_last_is_used_first() {
    let mut scene = Scene::warm(3);
    scene.invoke(1);
    scene.invoke(2);
    scene.next(2);
    scene.responded(2, 2);
    scene.next(2);
    scene.time(Duration::from_millis(1));
    scene.responded(1, 1);
    scene.next(1);
    assert_eq!(scene.invoke(3), ["deliver 1 3"]);
}

#[test]
fn a_process_that_frees_itself_takes_the_invocation_that_waits_for_a_start() {
    let mut scene = Scene::warm(3);
    scene.invoke(1);
    assert_eq!(scene.invoke(2), ["start 2"]);
    scene.responded(1, 1);
    assert_eq!(scene.next(1), ["deliver 1 2"]);
    assert_eq!(scene.next(2), [""; 0]);
}

#[test]
fn a_crash_ends_its_invocation_and_is_replaced() {
    let mut scene = Scene::warm(2);
    scene.invoke(1);
    assert_eq!(scene.exit(1), ["end 1 Exited", "start 2"]);
}

#[test]
fn a_failed_start_ends_the_invocation_that_waits_for_it() {
    let mut scene = Scene::warm(2);
    scene.invoke(1);
    scene.invoke(2);
    assert_eq!(scene.exit(2), ["end 2 StartFailed"]);
}

#[test]
fn a_process_that_dies_after_its_response_leaves_the_waiting_invocation_to_a_new_one() {
    let mut scene = Scene::warm(2);
    scene.invoke(1);
    scene.responded(1, 1);
    scene.invoke(2);
    assert_eq!(scene.exit(1), ["start 2"]);
    assert_eq!(scene.next(2), ["deliver 2 2"]);
}

#[test]
fn failed_starts_come_back_ever_later() {
    let mut scene = Scene::new(2);
    assert_eq!(scene.time(Duration::ZERO), ["start 1"]);
    assert_eq!(scene.exit(1), [""; 0]);
    assert_eq!(scene.time(Duration::from_millis(99)), [""; 0]);
    assert_eq!(scene.time(Duration::from_millis(1)), ["start 2"]);
    assert_eq!(scene.exit(2), [""; 0]);
    assert_eq!(scene.time(Duration::from_millis(199)), [""; 0]);
    assert_eq!(scene.pool.next_due(), Some(scene.now + Duration::from_millis(1)));
    assert_eq!(scene.time(Duration::from_millis(1)), ["start 3"]);
}

#[test]
fn an_invocation_is_never_held_back_by_failed_starts() {
    let mut scene = Scene::new(2);
    scene.time(Duration::ZERO);
    scene.exit(1);
    assert_eq!(scene.invoke(1), ["start 2"]);
}

#[test]
fn a_process_that_hangs_is_killed_after_the_deadline_and_its_grace() {
    let mut scene = Scene::warm(2);
    scene.invoke(1);
    assert_eq!(scene.pool.next_due(), Some(scene.now + LONG + Duration::from_millis(500)));
    assert_eq!(scene.time(LONG + Duration::from_millis(499)), [""; 0]);
    assert_eq!(scene.time(Duration::from_millis(1)), ["kill 1", "end 1 TimedOut", "start 2"]);
    assert_eq!(scene.exit(1), [""; 0]);
}

#[test]
fn a_process_that_never_asks_again_is_killed() {
    let mut scene = Scene::warm(2);
    scene.invoke(1);
    scene.responded(1, 1);
    assert_eq!(scene.time(LONG + Duration::from_millis(500)), ["kill 1", "start 2"]);
}

#[test]
fn a_process_that_never_starts_is_killed_and_its_invocation_ends() {
    let mut scene = Scene::new(2);
    scene.time(Duration::ZERO);
    assert_eq!(scene.invoke(1), [""; 0]);
    assert_eq!(scene.time(Duration::from_secs(10)), ["kill 1", "end 1 StartFailed"]);
}

#[test]
fn an_invocation_whose_deadline_has_passed_never_reaches_a_process() {
    let mut scene = Scene::warm(2);
    scene.pool.handle_invoke(scene.now, Uuid::from_u128(1), scene.now);
    assert_eq!(scene.actions(), ["end 1 TimedOut"]);
}

#[test]
fn a_caller_that_leaves_does_not_free_the_process() {
    let mut scene = Scene::warm(1);
    scene.invoke(1);
    scene.pool.handle_caller_gone(Uuid::from_u128(1));
    let state = scene.pool.process(PlaceId(1));
    assert!(matches!(state, Some(ProcessState::Busy { abandoned: true, .. })), "{state:?}");
    assert_eq!(scene.invoke(2), ["end 2 Throttled"]);
    scene.responded(1, 1);
    scene.next(1);
    assert_eq!(scene.invoke(3), ["deliver 1 3"]);
}

#[test]
fn a_caller_that_leaves_before_delivery_takes_its_invocation_along() {
    let mut scene = Scene::new(1);
    scene.time(Duration::ZERO);
    scene.invoke(1);
    scene.pool.handle_caller_gone(Uuid::from_u128(1));
    assert_eq!(scene.next(1), [""; 0]);
    assert_eq!(scene.invoke(2), ["deliver 1 2"]);
}

#[test]
fn idle_processes_are_let_go_down_to_the_warm_one() {
    let mut scene = Scene::warm(3);
    scene.invoke(1);
    scene.invoke(2);
    scene.next(2);
    scene.responded(1, 1);
    scene.next(1);
    scene.time(Duration::from_secs(20));
    scene.responded(2, 2);
    scene.next(2);
    assert_eq!(scene.pool.next_due(), Some(scene.now + Duration::from_secs(40)));
    assert_eq!(scene.time(Duration::from_secs(40)), ["kill 1"]);
    assert_eq!(scene.pool.next_due(), None);
    assert_eq!(scene.time(Duration::from_secs(600)), [""; 0]);
    assert_eq!(scene.invoke(3), ["deliver 2 3"]);
}

#[test]
fn asking_again_without_a_response_ends_the_invocation() {
    let mut scene = Scene::warm(1);
    scene.invoke(1);
    assert_eq!(scene.next(1), ["end 1 Exited"]);
}

mod any_sequence {
    use proptest::prelude::*;

    use super::*;

    /// One step of an owner that feeds the pool whatever real processes could do, in any order.
    #[derive(Clone, Debug)]
    enum Step {
        Invoke,
        Next(usize),
        Respond(usize),
        Exit(usize),
        Leave(u128),
        Time(u64),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            4 => Just(Step::Invoke),
            4 => (0..8usize).prop_map(Step::Next),
            4 => (0..8usize).prop_map(Step::Respond),
            1 => (0..8usize).prop_map(Step::Exit),
            1 => (1..40u128).prop_map(Step::Leave),
            1 => (0..40_000u64).prop_map(Step::Time),
        ]
    }

    /// What the owner knows: which invocations are neither ended, responded nor left by their caller.
    #[derive(Default)]
    struct Ledger {
        open: std::collections::BTreeSet<u128>,
        delivered: std::collections::BTreeMap<u64, u128>,
        next_invocation: u128,
    }

    fn pick(scene: &Scene, index: usize) -> Option<u64> {
        let ids: Vec<u64> = scene.pool.processes().map(|(process, _)| process.0).collect();
        (!ids.is_empty()).then(|| ids[index % ids.len()])
    }

    fn apply(scene: &mut Scene, ledger: &mut Ledger, step: &Step) {
        match *step {
            Step::Invoke => {
                ledger.next_invocation += 1;
                ledger.open.insert(ledger.next_invocation);
                scene.pool.handle_invoke(scene.now, Uuid::from_u128(ledger.next_invocation), scene.now + LONG);
            }
            Step::Next(index) => {
                if let Some(process) = pick(scene, index) {
                    ledger.delivered.remove(&process);
                    scene.pool.handle_next(scene.now, PlaceId(process));
                }
            }
            Step::Respond(index) => {
                if let Some(process) = pick(scene, index)
                    && let Some(invocation) = ledger.delivered.remove(&process)
                {
                    ledger.open.remove(&invocation);
                    scene.pool.handle_responded(PlaceId(process), Uuid::from_u128(invocation));
                }
            }
            Step::Exit(index) => {
                if let Some(process) = pick(scene, index) {
                    scene.pool.handle_exit(scene.now, PlaceId(process));
                }
            }
            Step::Leave(invocation) => {
                let running = ledger.delivered.values().any(|running| *running == invocation);
                if !running {
                    ledger.open.remove(&invocation);
                }
                scene.pool.handle_caller_gone(Uuid::from_u128(invocation));
            }
            Step::Time(ms) => scene.now += Duration::from_millis(ms),
        }
        scene.pool.handle_time(scene.now);
    }

    fn carry_out(scene: &mut Scene, ledger: &mut Ledger) {
        while let Some(action) = scene.pool.poll_action() {
            match action {
                Action::Deliver(process, invocation) => {
                    assert!(ledger.open.contains(&invocation.as_u128()), "delivered what is not open");
                    let before = ledger.delivered.insert(process.0, invocation.as_u128());
                    assert!(before.is_none_or(|before| !ledger.open.contains(&before)), "two at once");
                }
                Action::End(invocation, _) => {
                    assert!(ledger.open.remove(&invocation.as_u128()), "ended twice");
                }
                Action::Start(_) | Action::Kill(_) => {}
            }
        }
    }

    proptest! {
        #[test]
        fn every_invocation_is_running_waiting_or_ended_once(steps in prop::collection::vec(step(), 1..120)) {
            let mut scene = Scene::new(3);
            let mut ledger = Ledger::default();
            for step in &steps {
                apply(&mut scene, &mut ledger, step);
                carry_out(&mut scene, &mut ledger);
                let busy = scene.pool.processes().filter(|(_, state)| matches!(state, ProcessState::Busy { .. })).count();
                prop_assert!(scene.pool.processes().count() <= 3);
                prop_assert_eq!(busy + scene.pool.waiting(), ledger.open.len());
                prop_assert!(scene.pool.processes().count() >= 1 || scene.pool.next_due().is_some());
            }
        }
    }
}
