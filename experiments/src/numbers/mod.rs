//! What a number in a file may be; mean, standard error, median and quantiles of many; and what differences over the
//! same seeds say (`paired`, by Student's t in `student`).

pub(crate) mod paired;
pub(crate) mod range;
pub(crate) mod statistics;
pub(crate) mod student;
