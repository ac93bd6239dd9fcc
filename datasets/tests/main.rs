//! The tests of datasets but those that count memory, as one program (see Cargo.toml).

mod builtin;
mod image;
mod imdb;
mod listops;
mod pathfinder;
mod retrieval;
mod support;
mod text_folder;
mod text_table;
mod verify;
