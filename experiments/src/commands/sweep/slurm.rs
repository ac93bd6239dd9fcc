//! A grid as a job array of Slurm: the file for `sbatch`, with cores, memory and time from the plan.
//!
//! Each job is a shard, by its number from 0, so that one can be submitted again alone. srun is the parent, since it
//! hands signals on: before the time is over, Slurm sends SIGUSR1, the run writes its checkpoint and ends with 130, and
//! the script puts the job back into the queue, which `--requeue` does only for nodes that fail. Who cancels a job ends
//! the script as well, which then puts nothing back.

use super::again::Again;
use super::flags::SweepFlags;
use super::forecast::{Forecast, duration};
use super::plan::Plan;
use super::shard::Shard;
use crate::files::out_file::{OutFile, Own};
use crate::terminal::error::{Error, Result};
use crate::terminal::output::shell_word;
use crate::terminal::parse::distinct;
use datasets::shown;
use std::env::current_exe;
use std::path::{Path, PathBuf};

const FIRST_LINES: &str = "#!/bin/bash\n# Written by skein sweep --slurm: ";
/// Jobs of an array that nobody has chosen.
const MOST_JOBS: usize = 8;
/// Seconds between Slurm's signal and the end of the time: a step and the writing of a checkpoint fit in.
const SIGNAL: usize = 120;

/// What a job is given.
#[derive(Debug, PartialEq)]
struct Job {
    cores: usize,
    mib: usize,
    minutes: usize,
}

impl Job {
    /// Half as much again as the plan says, since another node may be slower, and something for data and start.
    fn of(cores: usize, seconds: f64, mib: f64) -> Self {
        let up = |x: f64, unit: f64| ((x / unit).ceil() * unit) as usize;
        Self {
            cores,
            mib: up(1.5 * mib + 512.0, 128.0),
            minutes: up(1.5 * seconds / 60.0 + 10.0, 5.0),
        }
    }

    /// As Slurm reads it.
    fn time(&self) -> String {
        let (hours, minutes) = (self.minutes / 60, self.minutes % 60);
        match hours {
            ..24 => format!("{hours}:{minutes:02}:00"),
            _ => format!("{}-{:02}:{minutes:02}:00", hours / 24, hours % 24),
        }
    }
}

/// Writes the file; how to submit it.
pub(super) fn write(
    flags: &SweepFlags,
    path: &Path,
    grid: &Path,
    plan: &Plan,
    threads: usize,
) -> Result<String> {
    let own = Own {
        what: "no job array of this program",
        is: |text| text.starts_with(FIRST_LINES),
    };
    let file = OutFile::new(path, flags.overwrite, Some(&own))?;
    let all: Vec<usize> = (0..plan.cells.len()).collect();
    let groups = plan.cells.iter().map(|cell| cell.config.groups);
    let cores = threads.min(groups.max().unwrap_or(1));
    let forecast = Forecast::of(grid, plan, &all, cores)?;
    let left = forecast.cells.len();
    if left == 0 {
        let message = format!("{}: nothing is left to be trained", shown::name(grid));
        return Err(Error::usage(message).hint("skein table prints what came of it"));
    }
    let jobs = flags.array.unwrap_or(left.min(MOST_JOBS));
    let shards = (1..=jobs).map(|number| seconds(&forecast, plan, Shard { number, of: jobs }));
    let longest = shards.fold(0.0, f64::max);
    let job = Job::of(cores, longest, forecast.most_mib());

    let again = [
        ("--slurm", true),
        ("--array", true),
        ("--constraint", true),
        ("--overwrite", false),
    ];
    let again = again
        .into_iter()
        .fold(Again::here(), |again, (flag, takes_value)| {
            again.without(flag, takes_value)
        });
    let shard = format!("auto/{jobs}");
    let program = current_exe().unwrap_or_else(|_| PathBuf::from("skein"));
    let command = again.with(&["--shard", &shard]).text(&shell_word(&program));
    let what = format!(
        "{left} runs of {}, at most {} a job by its plan",
        shown::name(grid),
        duration(longest)
    );
    file.write(script(&what, jobs, &job, flags.constraint.as_deref(), &command).as_bytes())?;
    let name = shell_word(path);
    Ok(format!(
        "{}: {what}\njobs: {jobs}, cores of each: {}, memory: {} MiB, time: {}; from this folder:\n  sbatch {name}\n  squeue --me\n",
        shown::name(path),
        job.cores,
        job.mib,
        job.time()
    ))
}

/// What a shard takes, with all trials before its cells: jobs need not see each other's.
fn seconds(forecast: &Forecast, plan: &Plan, shard: Shard) -> f64 {
    let own = || forecast.cells.iter().filter(|(i, _)| shard.has(*i));
    let groups = distinct(own().filter_map(|(i, _)| plan.cells[*i].group));
    let trials = forecast.groups.iter();
    let trials = trials.filter(|(group, _)| groups.contains(group));
    own().chain(trials).map(|(_, seconds)| seconds).sum()
}

fn script(what: &str, jobs: usize, job: &Job, constraint: Option<&str>, command: &str) -> String {
    let constraint = match constraint {
        Some(feature) => format!("#SBATCH --constraint={feature}"),
        None => "##SBATCH --constraint=FEATURE".to_string(),
    };
    let Job { cores, mib, .. } = job;
    format!(
        "{FIRST_LINES}{what}.\n\
         #SBATCH --job-name=skein-sweep\n\
         #SBATCH --array=0-{}\n\
         #SBATCH --ntasks=1\n\
         #SBATCH --cpus-per-task={cores}\n\
         #SBATCH --mem={mib}M\n\
         #SBATCH --time={}\n\
         #SBATCH --signal=USR1@{SIGNAL}\n\
         #SBATCH --requeue\n\
         #SBATCH --open-mode=append\n\
         #SBATCH --output=skein-%A_%a.log\n\
         # Kinds of CPU round differently: name a feature that one kind has.\n\
         {constraint}\n\
         \n\
         srun --ntasks=1 --cpus-per-task=\"$SLURM_CPUS_PER_TASK\" \\\n  \
           {command}\n\
         code=$?\n\
         # Its checkpoint is written: the same job goes on when it is its turn again.\n\
         if [ \"$code\" = 130 ]; then\n    \
           scontrol requeue \"${{SLURM_ARRAY_JOB_ID}}_${{SLURM_ARRAY_TASK_ID}}\"\n\
         fi\n\
         exit \"$code\"\n",
        jobs - 1,
        job.time()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_has_more_than_the_plan_says_in_round_numbers() {
        let job = Job::of(4, 3600.0, 100.0);
        let expected = Job {
            cores: 4,
            mib: 768,
            minutes: 100,
        };
        assert_eq!(job, expected);
        assert_eq!(job.time(), "1:40:00");
        assert_eq!(Job::of(1, 1.0, 1.0).time(), "0:15:00");
        assert_eq!(Job::of(1, 200_000.0, 1.0).time(), "3-11:30:00");
    }

    #[test]
    fn the_script_is_a_whole_one() {
        let job = Job::of(2, 60.0, 60.0);
        let text = script("2 runs", 2, &job, None, "skein sweep --shard auto/2");
        let expected = "#!/bin/bash\n\
            # Written by skein sweep --slurm: 2 runs.\n\
            #SBATCH --job-name=skein-sweep\n\
            #SBATCH --array=0-1\n\
            #SBATCH --ntasks=1\n\
            #SBATCH --cpus-per-task=2\n\
            #SBATCH --mem=640M\n\
            #SBATCH --time=0:15:00\n\
            #SBATCH --signal=USR1@120\n\
            #SBATCH --requeue\n\
            #SBATCH --open-mode=append\n\
            #SBATCH --output=skein-%A_%a.log\n\
            # Kinds of CPU round differently: name a feature that one kind has.\n\
            ##SBATCH --constraint=FEATURE\n\
            \n\
            srun --ntasks=1 --cpus-per-task=\"$SLURM_CPUS_PER_TASK\" \\\n  skein sweep --shard auto/2\n\
            code=$?\n\
            # Its checkpoint is written: the same job goes on when it is its turn again.\n\
            if [ \"$code\" = 130 ]; then\n    \
            scontrol requeue \"${SLURM_ARRAY_JOB_ID}_${SLURM_ARRAY_TASK_ID}\"\nfi\n\
            exit \"$code\"\n";
        assert_eq!(text, expected);
        let text = script("2 runs", 2, &job, Some("zen3"), "skein");
        assert!(text.contains("\n#SBATCH --constraint=zen3\n"), "{text}");
    }
}
