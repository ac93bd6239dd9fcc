//! The models of the comparison and what trains them: compositions of operators, never a gradient.
//!
//! Reading order:
//!
//! 1. [`config`]: the sizes of a model, and its one choice, the divisor of the pooling;
//! 2. [`document`]: what a model reads;
//! 3. [`encoder`]: embeddings, the layers around an attention, the last norm;
//! 4. [`classifier`]: one or two documents pooled, the head, the loss;
//! 5. [`adamw`] and [`schedule`]: one step of training and its rate;
//! 6. [`weights`]: parameters as safetensors under the reference's names;
//! 7. underneath: [`parts`], the pairs of parameters that everything is made of, and how they start.
//!
//! This crate knows no file and no flag: bytes come in and go out, errors are values.

pub mod adamw;
pub mod classifier;
pub mod config;
pub mod document;
pub mod encoder;
pub mod parts;
pub mod schedule;
pub mod weights;

pub use adamw::AdamW;
pub use classifier::{Model, predicted};
pub use config::{ConfigError, ModelConfig, Pooling};
pub use document::Document;
pub use schedule::{OneCycle, ScheduleError};
pub use weights::{WeightsError, load_safetensors, to_safetensors};
