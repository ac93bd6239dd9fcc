//! What a batch system says to a process about its place: as a part of a job, beside others, on so many cores. All of it
//! is said by environment variables, none of which changes a number of a run.

use std::fs;

/// A variable of the environment, if it is there and says something.
pub(crate) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// A variable by its name, so that tests need no environment.
pub(crate) type Lookup<'a> = &'a dyn Fn(&str) -> Option<String>;

fn number(env: Lookup, name: &str) -> Option<usize> {
    env(name)?.parse().ok()
}

/// How many processes were started as one program, if they are several, and the variable that says so. A batch script
/// of several tasks is no such process, though Slurm counts its tasks.
pub(crate) fn ranks(env: Lookup) -> Option<(&'static str, usize)> {
    let several = |name: &'static str| Some((name, number(env, name).filter(|&count| count > 1)?));
    let of_step = || {
        env("SLURM_PROCID")?;
        match env("SLURM_STEP_NUM_TASKS") {
            Some(_) => several("SLURM_STEP_NUM_TASKS"),
            None => env("SLURM_STEP_ID").and_then(|_| several("SLURM_NTASKS")),
        }
    };
    several("OMPI_COMM_WORLD_SIZE")
        .or_else(|| several("PMI_SIZE"))
        .or_else(of_step)
}

/// The cores of a task, where the batch system says how many were asked for.
pub(crate) fn cores(env: Lookup) -> Option<usize> {
    number(env, "SLURM_CPUS_PER_TASK").filter(|&count| count > 0)
}

/// The job as its batch system calls it, such as 1234 or 1234_5 for a part of an array.
pub(crate) fn job(env: Lookup) -> Option<String> {
    let part = env("SLURM_ARRAY_JOB_ID").zip(env("SLURM_ARRAY_TASK_ID"));
    part.map(|(job, part)| format!("{job}_{part}"))
        .or_else(|| env("SLURM_JOB_ID"))
}

/// The name of this machine, where the system or its environment tells it.
pub(crate) fn host() -> Option<String> {
    let told = fs::read_to_string("/proc/sys/kernel/hostname").ok();
    let told = told.map(|name| name.trim().to_string());
    told.filter(|name| !name.is_empty())
        .or_else(|| variable("HOSTNAME"))
        .or_else(|| variable("COMPUTERNAME"))
}

/// The place of this process in an array of jobs, from 0, and how many places there are where that is told.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Place {
    pub(crate) index: usize,
    /// Of an array whose numbers are without gaps; `index` is from its smallest one then.
    pub(crate) within: Option<(usize, usize)>,
}

/// Of Slurm, whose arrays may begin anywhere and go in steps, or of an indexed job of Kubernetes.
pub(crate) fn place(env: Lookup) -> Option<Place> {
    if let Some(id) = number(env, "SLURM_ARRAY_TASK_ID") {
        let of = |name: &str| number(env, name);
        let within = of("SLURM_ARRAY_TASK_COUNT")
            .zip(of("SLURM_ARRAY_TASK_MIN"))
            .and_then(|(count, least)| {
                let step = of("SLURM_ARRAY_TASK_STEP").unwrap_or(1).max(1);
                let from = id.checked_sub(least)?;
                let whole = from.is_multiple_of(step) && from / step < count;
                whole.then_some((from / step, count))
            });
        return Some(Place { index: id, within });
    }
    let index = number(env, "JOB_COMPLETION_INDEX")?;
    Some(Place {
        index,
        within: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn env(said: &str) -> impl Fn(&str) -> Option<String> {
        let pairs = said.split_whitespace().map(|pair| {
            let (name, value) = pair.split_once('=').unwrap();
            (name.to_string(), value.to_string())
        });
        let all: Vec<(String, String)> = pairs.collect();
        move |name| {
            let found = all.iter().find(|(known, _)| known == name);
            found.map(|(_, value)| value.clone())
        }
    }

    #[test]
    fn several_processes_of_one_start_are_noticed_and_a_batch_script_is_not() {
        for (said, expected) in [
            ("", None),
            ("OMPI_COMM_WORLD_SIZE=4", Some(("OMPI_COMM_WORLD_SIZE", 4))),
            ("OMPI_COMM_WORLD_SIZE=1", None),
            ("PMI_SIZE=2 PMI_RANK=0", Some(("PMI_SIZE", 2))),
            (
                "SLURM_PROCID=1 SLURM_STEP_ID=0 SLURM_NTASKS=3",
                Some(("SLURM_NTASKS", 3)),
            ),
            (
                "SLURM_PROCID=1 SLURM_STEP_NUM_TASKS=2 SLURM_NTASKS=2",
                Some(("SLURM_STEP_NUM_TASKS", 2)),
            ),
            // A step of one task in a job of three; the batch script of a job of three.
            ("SLURM_PROCID=0 SLURM_STEP_NUM_TASKS=1 SLURM_NTASKS=3", None),
            ("SLURM_PROCID=0 SLURM_NTASKS=3", None),
            ("SLURM_NTASKS=3", None),
        ] {
            assert_eq!(ranks(&env(said)), expected, "{said}");
        }
    }

    #[test]
    fn a_place_is_counted_from_the_least_number_of_an_array() {
        let of = |said: &str| place(&env(said));
        let array = |id, least, count, step| {
            of(&format!(
                "SLURM_ARRAY_TASK_ID={id} SLURM_ARRAY_TASK_MIN={least} SLURM_ARRAY_TASK_COUNT={count} \
                 SLURM_ARRAY_TASK_STEP={step}"
            ))
            .unwrap()
        };
        let within = |index, place, count| Place {
            index,
            within: Some((place, count)),
        };
        assert_eq!(array(0, 0, 4, 1), within(0, 0, 4));
        assert_eq!(array(8, 5, 4, 1), within(8, 3, 4));
        assert_eq!(array(9, 1, 5, 4), within(9, 2, 5));
        // Numbers with gaps, such as --array=1,5,9: nobody knows the second's place.
        assert_eq!(array(9, 1, 3, 1).within, None);
        assert_eq!(array(2, 1, 5, 4).within, None);
        let kubernetes = of("JOB_COMPLETION_INDEX=2").unwrap();
        assert_eq!((kubernetes.index, kubernetes.within), (2, None));
        assert_eq!(of("SLURM_ARRAY_TASK_MIN=0"), None);
    }

    #[test]
    fn cores_and_job_are_those_of_the_allocation() {
        let said = env("SLURM_CPUS_PER_TASK=6 SLURM_JOB_ID=90");
        assert_eq!((cores(&said), job(&said)), (Some(6), Some("90".into())));
        let said = env(
            "SLURM_CPUS_PER_TASK=0 SLURM_JOB_ID=91 SLURM_ARRAY_JOB_ID=90 SLURM_ARRAY_TASK_ID=3",
        );
        assert_eq!((cores(&said), job(&said)), (None, Some("90_3".into())));
        assert_eq!((cores(&env("")), job(&env(""))), (None, None));
    }
}
