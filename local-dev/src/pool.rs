//! Which process of a function runs which invocation: a state machine without I/O, given the time.
//!
//! One process runs one invocation at a time, as on Lambda. An invocation takes the process that was used last; where
//! none is free, a process is started for it; at the limit it is refused. The caller feeds `handle_*` and then carries
//! out every [`Action`] that [`Pool::poll_action`] returns.
//!
//! Where a process runs several invocations at once, what is called a process here is one of its places
//! (`places.rs`).
//!
//! A process goes `Starting → Idle → Busy → Finishing → Idle …`. *Finishing* is the moment between the end of a response
//! and the request for the next invocation.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use uuid::Uuid;

/// Names one invocation; its text form is the request id that the function sees.
pub type InvocationId = Uuid;

/// Names one place of a function for as long as `local-dev` runs; never used twice. Where a process runs one invocation at a
/// time, it has one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PlaceId(pub u64);

/// The numbers that shape a pool.
#[derive(Clone, Copy, Debug)]
pub struct PoolLimits {
    /// The most places at once, and so the most invocations.
    pub most: usize,
    /// How many places a process has: how many invocations it runs at once.
    pub per_process: usize,
    /// How many processes are kept even when nothing is asked of them.
    pub warm: usize,
    /// How long a process above `warm` may stay idle.
    pub idle: Duration,
    /// How long a process may take from its start to its first request for an invocation. Lambda allows 10 s.
    pub start: Duration,
    /// How long after its deadline a process is killed.
    pub grace: Duration,
}

impl Default for PoolLimits {
    fn default() -> Self {
        Self {
            most: 32,
            per_process: 1,
            warm: 1,
            idle: Duration::from_secs(60),
            start: Duration::from_secs(10),
            grace: Duration::from_millis(500),
        }
    }
}

/// What the owner of the pool has to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Start a process under this name.
    Start(PlaceId),
    /// Give the invocation to the process, which is asking for one.
    Deliver(PlaceId, InvocationId),
    /// Kill the process. The pool has forgotten it.
    Kill(PlaceId),
    /// Tell the caller that nothing more will come of its invocation.
    End(InvocationId, Ending),
}

/// Why an invocation ended without a whole response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// As many processes as allowed are at work.
    Throttled,
    /// The deadline, and the grace after it, passed.
    TimedOut,
    /// The process that ran it is gone.
    Exited,
    /// The process that was to run it did not start.
    StartFailed,
}

/// What one process is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProcessState {
    /// Started, and has not asked for an invocation yet.
    Starting {
        /// When it was started.
        since: Instant,
    },
    /// Asks for an invocation.
    Idle {
        /// Since when.
        since: Instant,
    },
    /// Runs an invocation.
    Busy {
        /// Which.
        invocation: InvocationId,
        /// When it must have ended.
        deadline: Instant,
        /// Nobody waits for the response any more; the process goes on to its end, as on Lambda.
        abandoned: bool,
    },
    /// Has responded, and has not asked for another invocation yet.
    Finishing {
        /// The deadline of the invocation it has responded to.
        deadline: Instant,
    },
}

#[derive(Clone, Copy, Debug)]
struct Waiting {
    invocation: InvocationId,
    deadline: Instant,
}

/// The processes of one function and the invocations that wait for one.
///
/// There are never more invocations waiting than processes that are about to ask for one.
#[derive(Debug)]
pub struct Pool {
    limits: PoolLimits,
    processes: BTreeMap<PlaceId, ProcessState>,
    waiting: VecDeque<Waiting>,
    actions: VecDeque<Action>,
    last_process: u64,
    failed_starts: u32,
    start_not_before: Option<Instant>,
}

impl Pool {
    /// An empty pool. The first [`Pool::handle_time`] starts the warm processes.
    #[must_use]
    pub fn new(limits: PoolLimits) -> Self {
        Self {
            limits,
            processes: BTreeMap::new(),
            waiting: VecDeque::new(),
            actions: VecDeque::new(),
            last_process: 0,
            failed_starts: 0,
            start_not_before: None,
        }
    }

    /// Somebody invokes the function.
    pub fn handle_invoke(&mut self, now: Instant, invocation: InvocationId, deadline: Instant) {
        if deadline <= now {
            return self.end(invocation, Ending::TimedOut);
        }
        let waiting = Waiting { invocation, deadline };
        if let Some(process) = self.idle_used_last() {
            return self.deliver(process, waiting);
        }
        if self.waiting.len() >= self.coming() {
            if self.processes.len() >= self.limits.most {
                return self.end(invocation, Ending::Throttled);
            }
            self.start(now);
        }
        self.waiting.push_back(waiting);
    }

    /// A process asks for an invocation.
    pub fn handle_next(&mut self, now: Instant, process: PlaceId) {
        let Some(state) = self.processes.get_mut(&process) else { return };
        if let ProcessState::Busy { invocation, .. } = *state {
            // It asked for more without a response: on Lambda, too, that ends the invocation as failed.
            self.actions.push_back(Action::End(invocation, Ending::Exited));
        }
        *state = ProcessState::Idle { since: now };
        self.failed_starts = 0;
        if let Some(waiting) = self.waiting.pop_front() {
            self.deliver(process, waiting);
        }
    }

    /// The response of the invocation has been read to its end, or its error.
    pub fn handle_responded(&mut self, process: PlaceId, invocation: InvocationId) {
        let Some(state) = self.processes.get_mut(&process) else { return };
        if let ProcessState::Busy { invocation: running, deadline, .. } = *state
            && running == invocation
        {
            *state = ProcessState::Finishing { deadline };
        }
    }

    /// The process has ended, or could not be started.
    pub fn handle_exit(&mut self, now: Instant, process: PlaceId) {
        let Some(state) = self.processes.remove(&process) else { return };
        match state {
            ProcessState::Busy { invocation, .. } => self.end(invocation, Ending::Exited),
            ProcessState::Starting { .. } => self.handle_start_failed(now),
            ProcessState::Idle { .. } | ProcessState::Finishing { .. } => {}
        }
        while self.waiting.len() > self.coming() {
            self.start(now);
        }
    }

    /// Nobody waits for the response any more.
    pub fn handle_caller_gone(&mut self, invocation: InvocationId) {
        self.waiting.retain(|waiting| waiting.invocation != invocation);
        for state in self.processes.values_mut() {
            if let ProcessState::Busy { invocation: running, abandoned, .. } = state
                && *running == invocation
            {
                *abandoned = true;
            }
        }
    }

    /// Time has passed: ends what is late, lets go what is idle, starts what is missing.
    pub fn handle_time(&mut self, now: Instant) {
        self.end_late_waiting(now);
        self.kill_late_processes(now);
        self.let_go_idle(now);
        if self.start_not_before.is_none_or(|at| at <= now) {
            self.start_not_before = None;
            while self.processes.len() < self.limits.warm.min(self.limits.most) {
                self.start(now);
            }
        }
    }

    /// The next thing to do; `None` when all is done.
    pub fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// When [`Pool::handle_time`] next has something to do.
    #[must_use]
    pub fn next_due(&self) -> Option<Instant> {
        let waiting = self.waiting.iter().map(|waiting| waiting.deadline + self.limits.grace);
        let processes = self.processes.values().filter_map(|state| match state {
            ProcessState::Idle { since } => {
                (self.processes.len() > self.limits.warm).then_some(*since + self.limits.idle)
            }
            other => Some(self.late_at(other)),
        });
        waiting.chain(processes).chain(self.start_not_before).min()
    }

    /// The processes and what each is doing, oldest first.
    pub fn processes(&self) -> impl Iterator<Item = (PlaceId, &ProcessState)> {
        self.processes.iter().map(|(process, state)| (*process, state))
    }

    /// What the process is doing; `None` for one that is gone.
    #[must_use]
    pub fn process(&self, process: PlaceId) -> Option<&ProcessState> {
        self.processes.get(&process)
    }

    /// Where the invocation runs.
    #[must_use]
    pub fn running(&self, invocation: InvocationId) -> Option<PlaceId> {
        let runs = |state: &ProcessState| matches!(state, ProcessState::Busy { invocation: running, .. } if *running == invocation);
        self.processes.iter().find(|(_, state)| runs(state)).map(|(process, _)| *process)
    }

    /// How many invocations wait for a process.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    fn idle_used_last(&self) -> Option<PlaceId> {
        let idle = self.processes.iter().filter_map(|(process, state)| match state {
            ProcessState::Idle { since } => Some((*since, *process)),
            _ => None,
        });
        idle.max().map(|(_, process)| process)
    }

    /// How many processes will ask for an invocation without being given anything first.
    fn coming(&self) -> usize {
        let coming =
            |state: &&ProcessState| matches!(state, ProcessState::Starting { .. } | ProcessState::Finishing { .. });
        self.processes.values().filter(coming).count()
    }

    fn start(&mut self, now: Instant) {
        self.last_process += 1;
        let process = PlaceId(self.last_process);
        self.processes.insert(process, ProcessState::Starting { since: now });
        self.actions.push_back(Action::Start(process));
    }

    fn deliver(&mut self, process: PlaceId, Waiting { invocation, deadline }: Waiting) {
        self.processes.insert(process, ProcessState::Busy { invocation, deadline, abandoned: false });
        self.actions.push_back(Action::Deliver(process, invocation));
    }

    fn end(&mut self, invocation: InvocationId, ending: Ending) {
        self.actions.push_back(Action::End(invocation, ending));
    }

    /// The invocation that a process was started for fails with it, as on Lambda; warm processes come back ever later, after
    /// 100 ms first and 51 s at last.
    fn handle_start_failed(&mut self, now: Instant) {
        if self.waiting.len() > self.coming()
            && let Some(waiting) = self.waiting.pop_front()
        {
            self.end(waiting.invocation, Ending::StartFailed);
        }
        let pause = Duration::from_millis(100 << self.failed_starts.min(9));
        self.failed_starts = self.failed_starts.saturating_add(1);
        self.start_not_before = Some(now + pause);
    }

    fn end_late_waiting(&mut self, now: Instant) {
        let grace = self.limits.grace;
        let (late, rest) = self.waiting.drain(..).partition(|waiting| waiting.deadline + grace <= now);
        self.waiting = rest;
        let late: VecDeque<Waiting> = late;
        for waiting in late {
            self.end(waiting.invocation, Ending::TimedOut);
        }
    }

    fn kill_late_processes(&mut self, now: Instant) {
        let late = |state: &ProcessState| !matches!(state, ProcessState::Idle { .. }) && self.late_at(state) <= now;
        let late: Vec<PlaceId> = self.processes().filter(|(_, state)| late(state)).map(|(id, _)| id).collect();
        for process in late {
            self.actions.push_back(Action::Kill(process));
            if let Some(ProcessState::Busy { invocation, .. }) = self.processes.get(&process) {
                let invocation = *invocation;
                self.end(invocation, Ending::TimedOut);
                self.processes.remove(&process);
            }
            self.handle_exit(now, process);
        }
    }

    fn late_at(&self, state: &ProcessState) -> Instant {
        match state {
            ProcessState::Starting { since } => *since + self.limits.start,
            ProcessState::Idle { since } => *since + self.limits.idle,
            ProcessState::Busy { deadline, .. } | ProcessState::Finishing { deadline } => *deadline + self.limits.grace,
        }
    }

    /// Lets go the processes that were idle longest, down to the warm ones.
    fn let_go_idle(&mut self, now: Instant) {
        let mut idle: Vec<(Instant, PlaceId)> = self
            .processes()
            .filter_map(|(process, state)| match state {
                ProcessState::Idle { since } if *since + self.limits.idle <= now => Some((*since, process)),
                _ => None,
            })
            .collect();
        idle.sort();
        let most = self.processes.len().saturating_sub(self.limits.warm);
        for (_, process) in idle.into_iter().take(most) {
            self.processes.remove(&process);
            self.actions.push_back(Action::Kill(process));
        }
    }
}

#[cfg(test)]
#[path = "pool_tests.rs"]
mod tests;
