//! Files that are there whole or not at all, and never in the place of what is somebody else's.

pub(crate) mod out_file;
pub(crate) mod read;
pub(crate) mod whole_file;
