//! The models of the comparison, their optimiser and its schedule: compositions of operators, never a gradient.
//!
//! Reading order:
//!
//! 1. [`config`]: the sizes of a model, and its choices: the divisor of the pooling, rows for padding, how positions
//!    start;
//! 2. [`document`]: what a model reads;
//! 3. `encoder`: embeddings, the layers around an attention, the last norm;
//! 4. [`smoother`]: what S3Attention does before it projects;
//! 5. [`classifier`]: one or two documents pooled, the head, the loss;
//! 6. [`adamw`] and [`schedule`]: one step of training and its rate;
//! 7. [`weights`]: parameters as safetensors under the reference's names;
//! 8. `parts`, used by all of these: pairs of parameters, and their values at the start.
//!
//! This crate knows no file and no flag: bytes come in and go out, errors are values. One step on one example:
//!
//! ```
//! use engine::{Draws, Seed, Tape};
//! use models::{AdamW, Document, Model, ModelConfig, OneCycle};
//! use ops::attention::{Options, find};
//!
//! let options = Options { features: 256, dropout: 0.1, ..Options::default() };
//! let method = find::<f32>("skein").unwrap().method(&options);
//! let seed = Seed(42);
//! let (model, mut params) = Model::new(ModelConfig::new(512, 1024, 2, 1), method, seed);
//! let mut adamw = AdamW::new(&params, 0.0);
//! let schedule = OneCycle::new(1e-4, 80, 1000, false).unwrap();
//!
//! let document = Document::text(b"good".iter().map(|&byte| u32::from(byte) + 1).collect());
//! let (draws, dropout) = (Draws::live(seed.stream("draws")), seed.stream("dropout"));
//! let mut sums = params.zeros();
//! {
//!     let tape = Tape::new();
//!     let bound = params.bind(&tape);
//!     let loss = model.loss(&bound, &[document], 1, &draws, Some(dropout));
//!     assert!((loss.item() - 0.69).abs() < 0.2); // about ln 2: it has seen nothing yet
//!     bound.accumulate(tape.backward(&loss), &mut sums);
//! }
//! adamw.step(&mut params, &sums, schedule.rate(0), schedule.beta1(0)).unwrap();
//! ```

// Every public function that can fail or panic says when.
#![warn(clippy::missing_errors_doc, clippy::missing_panics_doc)]

pub mod adamw;
pub mod classifier;
pub mod config;
pub mod document;
mod encoder;
mod parts;
pub mod schedule;
pub mod smoother;
pub mod weights;

pub use adamw::{AdamW, StepError};
pub use classifier::{Model, predicted};
pub use config::{ConfigError, ModelConfig, Places, Pooling};
pub use document::Document;
pub use schedule::{OneCycle, ScheduleError};
pub use weights::{WeightsError, load_safetensors, to_safetensors};
