//! Which cells of a grid are this process's, where several machines share them out.

use crate::machine::allocation::{self, Lookup, Place};

/// `--shard`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Shard {
    /// From 1.
    pub(super) number: usize,
    pub(super) of: usize,
}

impl Shard {
    /// Whether the cell in this place, from 0, is one of it.
    pub(super) fn has(self, place: usize) -> bool {
        (place + 1) % self.of == self.number % self.of
    }
}

/// `I/K`; `auto` and `auto/K`, in an array of jobs.
pub(super) fn parse_shard(text: &str) -> Result<Shard, String> {
    read(text, &allocation::variable)
}

fn read(text: &str, env: Lookup) -> Result<Shard, String> {
    let expected = || {
        "expected I/K such as 1/3, with I from 1 to K, or auto or auto/K in an array of jobs"
            .to_string()
    };
    let (number, of) = match text.split_once('/') {
        Some((number, of)) => {
            let of: usize = of.parse().map_err(|_| expected())?;
            (number, Some(of))
        }
        None => (text, None),
    };
    let (number, of) = match (number, of) {
        ("auto", of) => of_array(allocation::place(env), of)?,
        (number, Some(of)) => (number.parse().map_err(|_| expected())?, of),
        _ => return Err(expected()),
    };
    match (1..=of).contains(&number) {
        true => Ok(Shard { number, of }),
        false if text.starts_with("auto") => Err(format!(
            "the number of this job is {} from 0, expected one below {of}",
            number - 1
        )),
        false => Err(expected()),
    }
}

/// The shard of a job of an array; without its size, what the batch system says of it.
fn of_array(place: Option<Place>, of: Option<usize>) -> Result<(usize, usize), String> {
    let Some(place) = place else {
        return Err(
            "expected a job of an array, with SLURM_ARRAY_TASK_ID or JOB_COMPLETION_INDEX".into(),
        );
    };
    // With a size, numbers are from 0, so that one job of an array can be submitted again alone.
    match (of, place.within) {
        (Some(of), _) => Ok((place.index.saturating_add(1), of)),
        (None, Some((index, of))) => Ok((index + 1, of)),
        (None, None) => Err(
            "the size of the array is not known, or its numbers have gaps: expected auto/K".into(),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cell_is_of_one_shard() {
        for of in 1..5 {
            let shards: Vec<Shard> = (1..=of).map(|number| Shard { number, of }).collect();
            for place in 0..9 {
                let having = shards.iter().filter(|shard| shard.has(place));
                assert_eq!(having.count(), 1, "{place} of {of}");
            }
        }
    }

    #[test]
    fn an_array_of_jobs_says_which_shard_a_process_has() {
        let slurm = |name: &str| {
            let value = match name {
                "SLURM_ARRAY_TASK_ID" => "7",
                "SLURM_ARRAY_TASK_MIN" => "5",
                "SLURM_ARRAY_TASK_COUNT" => "4",
                _ => return None,
            };
            Some(value.to_string())
        };
        let index = |name: &str| (name == "JOB_COMPLETION_INDEX").then(|| "2".to_string());
        let none = |_: &str| None;
        let shard = |number, of| Ok(Shard { number, of });
        assert_eq!(read("auto", &slurm), shard(3, 4));
        assert_eq!(read("auto/8", &slurm), shard(8, 8));
        assert_eq!(read("auto/8", &index), shard(3, 8));
        assert_eq!(read("2/3", &slurm), shard(2, 3));
        for (text, env, expected) in [
            ("auto", &none as Lookup, "expected a job of an array"),
            ("auto", &index, "expected auto/K"),
            (
                "auto/2",
                &index,
                "the number of this job is 2 from 0, expected one below 2",
            ),
            ("auto/0", &index, "the number of this job is 2 from 0"),
            ("auto/x", &index, "expected I/K"),
            ("3/2", &none, "expected I/K"),
            ("0/2", &none, "expected I/K"),
            ("1", &none, "expected I/K"),
        ] {
            let error = read(text, env).unwrap_err();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }
}
