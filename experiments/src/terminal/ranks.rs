//! One program, one process: started as several by mpirun or srun, each would do all of the work again.

use crate::machine::allocation::{self, Lookup};
use crate::terminal::error::{Error, Result};

/// Refuses to be one of several processes of one start; `instead` is what does such work in several.
pub(crate) fn refuse_several(instead: &str) -> Result<()> {
    refuse(&allocation::variable, instead)
}

fn refuse(env: Lookup, instead: &str) -> Result<()> {
    let Some((variable, count)) = allocation::ranks(env) else {
        return Ok(());
    };
    let message = format!(
        "{count} processes were started at once ({variable}), each of which would train the same: expected one"
    );
    Err(Error::usage(message).hint(instead))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_of_several_processes_is_refused() {
        let env = |name: &str| (name == "PMI_SIZE").then(|| "4".to_string());
        let told = refuse(&env, "start one").unwrap_err().to_string();
        let expected = "error: 4 processes were started at once (PMI_SIZE), each of which would train the same: \
                        expected one\nhint: start one";
        assert_eq!(told, expected);
        assert!(refuse(&|_: &str| None, "").is_ok());
    }
}
