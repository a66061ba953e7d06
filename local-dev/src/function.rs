//! One function: owns its pool, its processes and its invocations.
//!
//! A single task takes one closed enum of inputs, so nothing here is shared or locked. The invoke API and the Runtime
//! API of each process talk to it through [`Function`].

use std::collections::HashMap;
use std::time::Instant;

use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use crate::fault::{Fault, FaultKind, Faults};
use crate::invocation::{FunctionError, Invocation, Reply};
use crate::places::{Asked, Places};
use crate::pool::{Action, Ending, InvocationId, PlaceId, Pool, PoolLimits, ProcessState};
use crate::process::{FunctionProcess, FunctionProgram, ProcessId};
use crate::status::{FunctionStatus, ProcessStatus};

/// A function that can be invoked. Cheap to clone; the function's processes end when [`RunningFunction`] is stopped.
#[derive(Clone, Debug)]
pub struct Function {
    inputs: mpsc::UnboundedSender<Input>,
}

/// A function with its task.
#[derive(Debug)]
pub struct RunningFunction {
    /// What others hold.
    pub function: Function,
    task: JoinHandle<()>,
}

/// Everything that can happen to a function.
///
/// The queue has no limit of its own: an open connection has at most one request, and a request at most one input, in it.
#[derive(Debug)]
enum Input {
    Invoke(Invocation, oneshot::Sender<Reply>),
    CallerGone(InvocationId),
    Next(ProcessId, oneshot::Sender<Invocation>),
    Respond(ProcessId, InvocationId, oneshot::Sender<Claim>),
    Responded(ProcessId, InvocationId),
    Failed(ProcessId, InvocationId, FunctionError, oneshot::Sender<bool>),
    Kill(ProcessId),
    Exited(ProcessId),
    Inject(Fault),
    Settled(oneshot::Sender<()>),
    Status(oneshot::Sender<FunctionStatus>),
    Stop,
}

/// What becomes of a response that a process begins.
#[derive(Debug)]
pub enum Claim {
    /// Goes to the caller.
    Caller(oneshot::Sender<Reply>),
    /// Goes to the caller until a first piece is through; then the process is killed.
    CallerThenCrash(oneshot::Sender<Reply>),
    /// Is read and thrown away, so that the function seems to hang.
    Discard,
    /// Belongs to no invocation of this process.
    Unknown,
}

/// The caller of one invocation; when this is dropped the function knows that nobody listens.
#[derive(Debug)]
pub struct Caller {
    invocation: InvocationId,
    function: Function,
}

impl Drop for Caller {
    fn drop(&mut self) {
        self.function.input(Input::CallerGone(self.invocation));
    }
}

impl RunningFunction {
    /// Starts the function with its warm processes.
    #[must_use]
    pub fn start(program: FunctionProgram, limits: PoolLimits) -> Self {
        let (inputs, received) = mpsc::unbounded_channel();
        let function = Function { inputs };
        let task = Task::new(program, limits, function.clone());
        Self { function, task: tokio::spawn(task.run(received)) }
    }

    /// Kills the function's processes and waits until they are gone.
    pub async fn stop(self) {
        self.function.input(Input::Stop);
        if let Err(error) = self.task.await {
            tracing::error!(%error, "the task of a function ended badly");
        }
    }
}

impl Function {
    /// Runs one invocation up to the first byte of its response.
    pub async fn invoke(&self, invocation: Invocation) -> Reply {
        let id = invocation.id;
        let caller = Caller { invocation: id, function: self.clone() };
        let (sender, reply) = oneshot::channel();
        self.input(Input::Invoke(invocation, sender));
        match reply.await {
            Ok(Reply::Response(response)) => Reply::Response(response.held_by(caller)),
            Ok(other) => other,
            Err(_) => Reply::Error(FunctionError::ended(id, Ending::Exited)),
        }
    }

    /// The process asks for an invocation; waits until there is one. `None`: there will be none.
    pub async fn next(&self, process: ProcessId) -> Option<Invocation> {
        self.ask(|sender| Input::Next(process, sender)).await
    }

    /// The process begins a response.
    pub async fn respond(&self, process: ProcessId, invocation: InvocationId) -> Claim {
        self.ask(|sender| Input::Respond(process, invocation, sender)).await.unwrap_or(Claim::Unknown)
    }

    /// The response has been read to its end.
    pub fn responded(&self, process: ProcessId, invocation: InvocationId) {
        self.input(Input::Responded(process, invocation));
    }

    /// The process reports an error instead of a response. False: it runs no such invocation.
    pub async fn failed(&self, process: ProcessId, invocation: InvocationId, error: FunctionError) -> bool {
        self.ask(|sender| Input::Failed(process, invocation, error, sender)).await.unwrap_or(false)
    }

    /// The process must go: it says that it cannot start, or a fault wants it.
    pub fn kill(&self, process: ProcessId) {
        self.input(Input::Kill(process));
    }

    /// The process has ended.
    pub(crate) fn exited(&self, process: ProcessId) {
        self.input(Input::Exited(process));
    }

    /// Makes coming invocations fail in a chosen way.
    pub fn inject(&self, fault: Fault) {
        self.input(Input::Inject(fault));
    }

    /// Waits until a first process asks for an invocation, or has failed to.
    pub async fn settled(&self) {
        self.ask(Input::Settled).await;
    }

    /// What the function's processes are doing; `None` once it is stopped.
    pub async fn status(&self) -> Option<FunctionStatus> {
        self.ask(Input::Status).await
    }

    fn input(&self, input: Input) {
        // A stopped function needs no inputs; whoever waits for an answer sees its channel closed.
        let _ = self.inputs.send(input);
    }

    async fn ask<T>(&self, input: impl FnOnce(oneshot::Sender<T>) -> Input) -> Option<T> {
        let (sender, answer) = oneshot::channel();
        self.input(input(sender));
        answer.await.ok()
    }
}

/// An invocation that has not been responded to.
struct Open {
    invocation: Invocation,
    fault: Option<FaultKind>,
    reply: oneshot::Sender<Reply>,
}

struct Task {
    program: FunctionProgram,
    limits: PoolLimits,
    function: Function,
    pool: Pool,
    places: Places<oneshot::Sender<Invocation>>,
    processes: HashMap<ProcessId, Slot>,
    last_process: u64,
    open: HashMap<InvocationId, Open>,
    faults: Faults,
    counts: Counts,
    /// Those who wait for the first process. `None`: it has started, or failed to.
    unsettled: Option<Vec<oneshot::Sender<()>>>,
}

/// A process as this task sees it.
struct Slot {
    process: FunctionProcess,
    invocations: u64,
}

#[derive(Default)]
struct Counts {
    starts: u64,
    ended: u64,
    throttled: u64,
}

impl Task {
    fn new(program: FunctionProgram, limits: PoolLimits, function: Function) -> Self {
        Self {
            program,
            limits,
            function,
            pool: Pool::new(limits),
            places: Places::new(limits.per_process),
            processes: HashMap::new(),
            last_process: 0,
            open: HashMap::new(),
            faults: Faults::default(),
            counts: Counts::default(),
            unsettled: Some(Vec::new()),
        }
    }

    async fn run(mut self, mut inputs: mpsc::UnboundedReceiver<Input>) {
        loop {
            self.pool.handle_time(Instant::now());
            while let Some(action) = self.pool.poll_action() {
                self.carry_out(action);
            }
            let due = self.pool.next_due().map(tokio::time::Instant::from_std);
            tokio::select! {
                input = inputs.recv() => match input {
                    None | Some(Input::Stop) => break,
                    Some(input) => self.handle(Instant::now(), input),
                },
                () = sleep_until(due) => {}
            }
        }
        for (_, slot) in self.processes {
            slot.process.kill_and_wait().await;
        }
    }

    fn handle(&mut self, now: Instant, input: Input) {
        match input {
            Input::Invoke(invocation, reply) => self.handle_invoke(now, invocation, reply),
            Input::CallerGone(invocation) => {
                self.pool.handle_caller_gone(invocation);
                self.forget_unless_running(invocation);
            }
            Input::Next(process, asking) => self.handle_next(now, process, asking),
            Input::Respond(process, invocation, claim) => {
                // Whoever asked is gone only if its connection is, and then the process ends, too.
                let _ = claim.send(self.claim(process, invocation));
            }
            Input::Responded(process, invocation) => self.handle_responded(now, process, invocation),
            Input::Failed(process, invocation, error, known) => {
                let _ = known.send(self.handle_failed(now, process, invocation, error));
            }
            Input::Kill(process) => self.kill(process),
            Input::Exited(process) => {
                self.unsettled = None;
                self.processes.remove(&process);
                self.counts.ended += 1;
                for place in self.places.remove(process) {
                    self.pool.handle_exit(now, place);
                }
            }
            Input::Inject(fault) => self.faults.add(fault),
            Input::Settled(settled) => {
                // Where nobody has to wait, the sender is dropped, which tells its receiver as well as sending does.
                if let Some(unsettled) = &mut self.unsettled {
                    unsettled.push(settled);
                }
            }
            Input::Status(status) => {
                let _ = status.send(self.status());
            }
            Input::Stop => {}
        }
    }

    fn handle_invoke(&mut self, now: Instant, invocation: Invocation, reply: oneshot::Sender<Reply>) {
        let fault = self.faults.take();
        if fault == Some(FaultKind::Throttle) {
            self.counts.throttled += 1;
            // A caller that has left needs no reply.
            let _ = reply.send(Reply::Throttled);
            return;
        }
        let (id, deadline) = (invocation.id, invocation.deadline);
        self.open.insert(id, Open { invocation, fault, reply });
        self.pool.handle_invoke(now, id, deadline);
    }

    fn handle_next(&mut self, now: Instant, process: ProcessId, asking: oneshot::Sender<Invocation>) {
        let pool = &self.pool;
        let waits =
            |place| matches!(pool.process(place), Some(ProcessState::Starting { .. } | ProcessState::Finishing { .. }));
        match self.places.ask(process, asking, waits) {
            Asked::Place(place) => {
                self.unsettled = None;
                self.pool.handle_next(now, place);
            }
            Asked::Spare => {}
            Asked::Unwanted => self.kill(process),
        }
    }

    fn handle_responded(&mut self, now: Instant, process: ProcessId, invocation: InvocationId) {
        let Some(place) = self.place(process, invocation) else { return };
        self.pool.handle_responded(place, invocation);
        if self.places.is_retiring(process) {
            self.pool.handle_exit(now, place);
            self.leave(place);
        }
    }

    fn claim(&mut self, process: ProcessId, invocation: InvocationId) -> Claim {
        if self.place(process, invocation).is_none() {
            return Claim::Unknown;
        }
        match self.open.get(&invocation).map(|open| open.fault) {
            None => Claim::Unknown,
            Some(Some(FaultKind::Hang)) => Claim::Discard,
            Some(fault) => self.open.remove(&invocation).map_or(Claim::Unknown, |open| match fault {
                Some(FaultKind::CrashMidStream) => Claim::CallerThenCrash(open.reply),
                _ => Claim::Caller(open.reply),
            }),
        }
    }

    fn handle_failed(
        &mut self,
        now: Instant,
        process: ProcessId,
        invocation: InvocationId,
        error: FunctionError,
    ) -> bool {
        let known = self.place(process, invocation).is_some();
        if known {
            self.reply(invocation, Reply::Error(error));
            self.handle_responded(now, process, invocation);
        }
        known
    }

    /// Where the process runs the invocation, if it does.
    fn place(&self, process: ProcessId, invocation: InvocationId) -> Option<PlaceId> {
        self.pool.running(invocation).filter(|place| self.places.process(*place) == Some(process))
    }

    fn carry_out(&mut self, action: Action) {
        match action {
            Action::Start(place) => self.start(place),
            Action::Deliver(place, invocation) => self.deliver(place, invocation),
            Action::Kill(place) => self.let_go(place),
            Action::End(invocation, Ending::Throttled) => {
                self.counts.throttled += 1;
                self.reply(invocation, Reply::Throttled);
            }
            Action::End(invocation, ending) => {
                self.reply(invocation, Reply::Error(FunctionError::ended(invocation, ending)));
            }
        }
    }

    fn start(&mut self, place: PlaceId) {
        match self.places.join(place) {
            Some(true) => return self.pool.handle_next(Instant::now(), place),
            Some(false) => return,
            None => {}
        }
        self.counts.starts += 1;
        self.last_process += 1;
        let process = ProcessId(self.last_process);
        match FunctionProcess::start(&self.program, process, self.limits.per_process, self.function.clone()) {
            Ok(started) => {
                self.places.open(process, place);
                self.processes.insert(process, Slot { process: started, invocations: 0 });
            }
            Err(error) => {
                tracing::error!(function = self.program.name, error = %error, "a function process cannot be started");
                self.unsettled = None;
                self.pool.handle_exit(Instant::now(), place);
            }
        }
    }

    fn deliver(&mut self, place: PlaceId, invocation: InvocationId) {
        let Some(process) = self.places.process(place) else { return };
        let Some(slot) = self.processes.get_mut(&process) else { return };
        slot.invocations += 1;
        let asking = self.places.take(place);
        let delivered = match (self.open.get(&invocation), asking) {
            (Some(open), Some(asking)) if open.fault != Some(FaultKind::Crash) => {
                asking.send(open.invocation.clone()).is_ok()
            }
            _ => false,
        };
        if !delivered {
            // A fault wants it, or the process stopped listening without ending. Its exit ends the invocation.
            self.kill(process);
        }
    }

    /// The pool has forgotten the place. Its process goes too; but one that runs other invocations finishes those, and gets
    /// no more where something hangs in it.
    fn let_go(&mut self, place: PlaceId) {
        let Some(process) = self.places.process(place) else { return };
        if self.limits.per_process == 1 {
            return self.kill(process);
        }
        let is_idle = self.places.is_asking(place);
        self.leave(place);
        if is_idle {
            return;
        }
        for place in self.places.retire(process) {
            if matches!(self.pool.process(place), Some(ProcessState::Idle { .. } | ProcessState::Finishing { .. })) {
                self.pool.handle_exit(Instant::now(), place);
                self.leave(place);
            }
        }
    }

    fn leave(&mut self, place: PlaceId) {
        if let Some(process) = self.places.leave(place) {
            self.kill(process);
        }
    }

    /// Kills the process; [`Input::Exited`] follows.
    fn kill(&mut self, process: ProcessId) {
        if let Some(slot) = self.processes.get_mut(&process) {
            slot.process.kill();
        }
    }

    fn reply(&mut self, invocation: InvocationId, reply: Reply) {
        if let Some(open) = self.open.remove(&invocation) {
            // A caller that has left needs no reply.
            let _ = open.reply.send(reply);
        }
    }

    fn forget_unless_running(&mut self, invocation: InvocationId) {
        if self.pool.running(invocation).is_none() {
            self.open.remove(&invocation);
        }
    }

    fn status(&self) -> FunctionStatus {
        let processes = self.pool.processes().filter_map(|(place, state)| {
            let slot = self.processes.get(&self.places.process(place)?)?;
            Some(ProcessStatus::new(slot.process.pid(), state, slot.invocations))
        });
        FunctionStatus {
            limit: self.limits.most,
            starts: self.counts.starts,
            ended: self.counts.ended,
            throttled: self.counts.throttled,
            waiting: self.pool.waiting(),
            processes: processes.collect(),
        }
    }
}

async fn sleep_until(due: Option<tokio::time::Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due).await,
        None => std::future::pending().await,
    }
}
