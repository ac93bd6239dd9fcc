//! Work that takes longer than a page waits: replays and evaluations. A page asks again until it is done, and the same
//! question finds the same work, also after a reload or from another window. One is worked on at a time; what nobody asks
//! for any more is broken off.

use super::work::{Done, Work, Worker};
use crate::train::replay::Watch;
use serde::Serialize;
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// Nobody wants what nobody has asked for in this time: browsers wake a page in the background once a minute.
const PATIENCE: Duration = Duration::from_secs(90);
/// The same while something else waits.
const PATIENCE_OF_OTHERS: Duration = Duration::from_secs(5);
/// Answers that are kept, the latest asked for.
const KEPT: usize = 12;
/// Tapes among them: a tape keeps all its numbers.
const TAPES: usize = 2;

/// How far some work is.
#[derive(Serialize, Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct HowFar {
    state: &'static str,
    done: usize,
    all: usize,
}

/// What is said of some work.
pub(super) enum Status {
    Working(HowFar),
    Done(Arc<Done>),
    Failed(String),
}

/// Some work, the times of the first and of the last question about it, where it stands, and whether anybody has had its
/// answer.
struct Job {
    work: Work,
    came: Instant,
    asked: Instant,
    stands: Stands,
    is_told: bool,
}

enum Stands {
    Waiting,
    Working { done: usize, all: usize },
    Ended(Result<Arc<Done>, String>),
}

/// All work.
#[derive(Default)]
pub(super) struct Jobs(Arc<Shared>);

#[derive(Default)]
struct Shared {
    board: Mutex<Board>,
    /// Rung when there is something to do.
    bell: Condvar,
}

#[derive(Default)]
struct Board {
    jobs: Vec<Job>,
    has_worker: bool,
}

impl Shared {
    fn board(&self) -> MutexGuard<'_, Board> {
        // Nothing on it is half done between two statements.
        self.board.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Board {
    /// Drops answers that were asked for longest ago. One that is still to be fetched stays.
    fn tidy(&mut self) {
        self.jobs.sort_by_key(|job| std::cmp::Reverse(job.asked));
        let (mut tapes, mut all) = (0, 0);
        self.jobs.retain(|job| {
            let Stands::Ended(ended) = &job.stands else {
                return true;
            };
            let is_tape = ended.as_ref().is_ok_and(|done| done.is_tape());
            all += 1;
            tapes += usize::from(is_tape);
            let is_awaited = !job.is_told && job.asked.elapsed() < PATIENCE;
            is_awaited || (all <= KEPT && (!is_tape || tapes <= TAPES))
        });
    }

    /// Whether the work under way is still wanted.
    fn is_wanted(&self, work: &Work) -> bool {
        let waits = |job: &Job| matches!(job.stands, Stands::Waiting);
        let patience = match self.jobs.iter().any(waits) {
            true => PATIENCE_OF_OTHERS,
            false => PATIENCE,
        };
        let own = self.jobs.iter().find(|job| job.work == *work);
        own.is_some_and(|job| job.asked.elapsed() < patience)
    }
}

impl Jobs {
    /// Where some work stands; what is not known yet is begun. `stop` breaks it off.
    pub(super) fn ask(&self, work: Work, stop: bool) -> Status {
        let mut board = self.0.board();
        let place = board.jobs.iter().position(|job| job.work == work);
        if stop {
            // The worker sees that it is gone.
            if let Some(place) = place {
                board.jobs.remove(place);
            }
            return Status::Failed("it was stopped".into());
        }
        let Some(place) = place else {
            board.jobs.push(Job {
                work,
                came: Instant::now(),
                asked: Instant::now(),
                stands: Stands::Waiting,
                is_told: false,
            });
            if !std::mem::replace(&mut board.has_worker, true) {
                let shared = Arc::clone(&self.0);
                thread::spawn(move || shared.work());
            }
            self.0.bell.notify_one();
            return Status::Working(HowFar::WAITING);
        };
        let job = &mut board.jobs[place];
        job.asked = Instant::now();
        job.is_told |= matches!(job.stands, Stands::Ended(_));
        match &job.stands {
            Stands::Waiting => Status::Working(HowFar::WAITING),
            Stands::Working { done, all } => Status::Working(HowFar {
                state: "working",
                done: *done,
                all: *all,
            }),
            Stands::Ended(Ok(done)) => Status::Done(Arc::clone(done)),
            Stands::Ended(Err(_)) => {
                // Told once: whoever asks again has it tried again.
                let Stands::Ended(Err(sentence)) = board.jobs.remove(place).stands else {
                    unreachable!("it was looked at")
                };
                Status::Failed(sentence)
            }
        }
    }
}

impl HowFar {
    const WAITING: HowFar = HowFar {
        state: "waiting",
        done: 0,
        all: 0,
    };
}

impl Shared {
    /// Takes one job after the other, for as long as the process lives.
    fn work(&self) {
        let mut worker = Worker::default();
        loop {
            let work = self.next();
            let mut watch = Follower {
                shared: self,
                work: &work,
                remarks: Vec::new(),
            };
            let done = catch_unwind(AssertUnwindSafe(|| worker.work(&work, &mut watch)));
            let remarks = watch.remarks;
            let ended: Result<Arc<Done>, String> = match done {
                Ok(Ok(done)) => Ok(Arc::new(done.with(remarks))),
                Ok(Err(error)) => Err(error.sentence()),
                Err(_) => {
                    worker = Worker::default(); // It may be in the middle of anything.
                    Err("the engine has stopped at this question; the terminal says where".into())
                }
            };
            let mut board = self.board();
            if let Some(job) = board.jobs.iter_mut().find(|job| job.work == work) {
                job.stands = Stands::Ended(ended);
            }
            board.tidy();
        }
    }

    /// The job that has waited longest and is still wanted.
    fn next(&self) -> Work {
        let mut board = self.board();
        loop {
            board.jobs.retain(|job| {
                !matches!(job.stands, Stands::Waiting) || job.asked.elapsed() < PATIENCE
            });
            let jobs = board.jobs.iter_mut();
            let waiting = jobs.filter(|job| matches!(job.stands, Stands::Waiting));
            if let Some(job) = waiting.min_by_key(|job| job.came) {
                job.stands = Stands::Working { done: 0, all: 0 };
                return job.work.clone();
            }
            board = self
                .bell
                .wait(board)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// Tells the board how far a job is, and breaks it off when nobody wants it.
struct Follower<'a> {
    shared: &'a Shared,
    work: &'a Work,
    remarks: Vec<String>,
}

impl Watch for Follower<'_> {
    fn remark(&mut self, remark: String) {
        self.remarks.push(remark);
    }

    fn at(&mut self, done: usize, all: usize) -> ControlFlow<()> {
        let mut board = self.shared.board();
        if !board.is_wanted(self.work) {
            board.jobs.retain(|job| job.work != *self.work);
            return ControlFlow::Break(());
        }
        if let Some(job) = board.jobs.iter_mut().find(|job| job.work == *self.work) {
            job.stands = Stands::Working { done, all };
        }
        ControlFlow::Continue(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::study::work::tests::some;

    /// Until the work has failed, as it must without a run.
    fn failed(jobs: &Jobs, work: &Work) -> String {
        loop {
            match jobs.ask(work.clone(), false) {
                Status::Failed(sentence) => return sentence,
                Status::Working(_) => thread::sleep(Duration::from_millis(1)),
                Status::Done(_) => panic!("there is nothing to work on"),
            }
        }
    }

    #[test]
    fn the_same_question_is_the_same_work_and_a_failure_is_told_once() {
        let jobs = Jobs::default();
        let (one, other) = (some("no-such-run", 1), some("no-such-run", 2));
        for work in [&one, &other] {
            assert!(matches!(jobs.ask(work.clone(), false), Status::Working(_)));
        }
        assert_eq!(jobs.0.board().jobs.len(), 2);
        assert!(failed(&jobs, &one).contains("it has no config.toml"));
        assert!(failed(&jobs, &other).contains("it has no config.toml"));
        assert!(jobs.0.board().jobs.is_empty());
    }

    #[test]
    fn what_nobody_wants_is_broken_off() {
        let shared = Shared::default();
        let [own, other] = [1, 2].map(|step| some("run", step));
        let job = |work: &Work, asked, stands| Job {
            work: work.clone(),
            came: asked,
            asked,
            stands,
            is_told: false,
        };
        let working = || Stands::Working { done: 0, all: 0 };
        let mut watch = Follower {
            shared: &shared,
            work: &own,
            remarks: Vec::new(),
        };
        let at = |jobs: Vec<Job>, watch: &mut Follower<'_>| {
            shared.board().jobs = jobs;
            watch.at(3, 7)
        };
        let lately = Instant::now().checked_sub(2 * PATIENCE_OF_OTHERS);
        let lately = lately.expect("the machine has been on for so long");
        let go_on = at(vec![job(&own, lately, working())], &mut watch);
        assert!(go_on.is_continue());
        let is_told = matches!(
            shared.board().jobs[0].stands,
            Stands::Working { done: 3, all: 7 }
        );
        assert!(is_told);
        let waiting = job(&other, Instant::now(), Stands::Waiting);
        let go_on = at(vec![job(&own, lately, working()), waiting], &mut watch);
        assert!(go_on.is_break() && shared.board().jobs.len() == 1);
        // Stopped.
        assert!(at(Vec::new(), &mut watch).is_break());
    }
}
