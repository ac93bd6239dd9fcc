//! All settings of a run, each written once: its words, flag, default and range. `settings!` makes of them `Config`, one
//! flat struct, and `Settings`, what flags and files give of it. Whatever is in a [`Config`] that a run gets has been
//! checked. How many threads do the work is not a setting: it changes no number.

use crate::files::read::read_toml;
use crate::settings::choices::{Budget, Form, Positions, Protocol, Smoother, Task, method};
use crate::settings::product;
use crate::settings::setting::{Value, settings};
use crate::settings::source::Source;
use crate::terminal::error::{Error, Result};
use datasets::Black;
use engine::cpu::Product;
use models::ModelConfig;
use ops::Dropout;
use ops::attention::Options;
use std::fmt::Debug;
use std::ops::RangeInclusive;
use std::path::{self, Path};

/// Beyond this a batch is a mistake of typing, and its lists alone would fill the memory.
const LARGEST_BATCH: usize = 1 << 20;
/// Any other count; TOML's integers are signed, so not every `usize` could be written down.
const LARGEST: usize = u32::MAX as usize;
/// Deeper and wider models do not fit into memory, and where they do, no run of theirs ends.
const MOST_LAYERS: usize = 1 << 10;
const WIDEST: usize = 1 << 16;
/// A step takes this times the learning rate off every weight.
const MOST_DECAY: f64 = 10.0;

settings! {
    for (task, budget);

    /// Attention method; --list shows them [default: skein]
    attn: String {
        flag "NAME" in "What";
        default "skein".into();
    }

    // How many keys, rows, landmarks or projections the method may use; at most n of them are used. The short budgets have
    // their own number of them, below the lengths of their examples.
    /// Features: how many keys, rows or projections a method may use [default: of the budget]
    features: usize {
        flag "N" in "What";
        default 256;
        check within(1..=LARGEST);
    }

    /// Seed of every random number [default: 42]
    seed: u64 {
        flag "N" in "What";
        default 42;
        check |&seed, _| expect(i64::try_from(seed).is_ok(), format!("at most {}", i64::MAX));
    }

    // In a run: "builtin", or the absolute path. "auto" is settled before it begins.
    /// `builtin`; the path of the data set; or auto: what `skein data get` has put into the cache, else builtin
    /// [default: auto]
    data: String {
        flag "auto|builtin|PATH" in "What";
        default "auto".into();
    }

    /// clean: a careful experiment; paper: the released code's choices [default: clean]
    protocol: Protocol {
        flag "NAME" in "What";
        default Protocol::Clean;
    }

    // The preset that the settings below start from.
    /// smoke, quick or paper: skein TASK --help has a table of them [default: quick]
    budget: Budget {
        flag "NAME" in "Budget";
        default budget;
    }

    // Early stopping may use fewer.
    /// Steps of the schedule
    steps: usize {
        flag "N" in "Budget";
        default 50_000;
        check within(1..=LARGEST);
    }

    /// Examples a step
    batch: usize {
        flag "N" in "Budget";
        default 128;
        check within(1..=LARGEST_BATCH);
    }

    /// Highest learning rate of the schedule [also: --lr]
    learning_rate: f64 {
        flag "RATE" in "Budget" with (alias = "lr");
        default 1e-4;
        // Training is in f32: what is lost on the way there is no learning rate.
        check |&rate, _| expect(rate as f32 > 0.0 && (rate as f32).is_finite(), "a positive number such as 1e-4");
    }

    /// Steps until the highest learning rate
    warmup: usize {
        flag "N" in "Budget";
        default 80;
        check |&warmup, run| expect(warmup <= run.steps, format!("at most the number of steps, {}", run.steps));
    }

    /// Steps between evaluations on the dev split
    eval_every: usize {
        flag "N" in "Budget";
        default 500;
        check within(1..=LARGEST);
    }

    // All of dev and test; the release draws as many from dev as 2 to 18 visits of it take.
    /// Dev examples an evaluation; 0: all
    eval_examples: usize {
        flag "N" in "Budget";
        default 0;
        check within(0..=LARGEST);
    }

    /// Test examples at the end; 0: all
    test_examples: usize {
        flag "N" in "Budget";
        default 0;
        check within(0..=LARGEST);
    }

    /// Stop after N evaluations without a lower dev loss; 0: never
    patience: usize {
        flag "N" in "Budget";
        default 10;
        check within(0..=LARGEST);
    }

    /// Tokens of an example; the rest is cut off
    max_len: usize {
        flag "N" in "Budget";
        default *task.lengths().end();
        check length;
    }

    /// Probability of dropout
    dropout: f64 {
        flag "P" in "Budget";
        default 0.1;
        check |&rate, _| expect(ModelConfig::takes_dropout(rate), format!(
            "a probability from 0 to {}; below {:e}, none is dropped", ModelConfig::MOST_DROPOUT, Dropout::LEAST
        ));
    }

    // Rows of their own: token 0 at its position. The pooling still counts real tokens.
    /// Give padded positions to the attention as rows, as the released code did [default: false]
    pad: bool {
        flag "true|false" in "What";
        default false;
    }

    /// Black pixels are no tokens, as always under protocol paper
    skip_black: bool {
        flag "true|false" in "Budget";
        default false;
        older false;
        check for_pictures;
    }

    /// Standard deviation of the embedding tables at the start
    embedding_std: f64 {
        flag "STD" in "Budget";
        default ModelConfig::EMBEDDING_STD;
        older ModelConfig::EMBEDDING_STD;
        check |&std, _| expect(
            ModelConfig::takes_embedding_std(std), "a positive number of f32, up to 10, such as 0.02"
        );
    }

    /// learned: a table; sincos, sincos2d: one that begins as sines and cosines of the position, or of a pixel's row and
    /// column; rotary: queries and keys are turned; none
    positions: Positions {
        flag "NAME" in "Budget";
        default Positions::Learned;
        older Positions::Learned;
        check waves;
    }

    // The default: work for up to 16 threads, and 16 gradients in memory. Another number may change rounding.
    /// Groups of examples whose gradients are added in a fixed order
    groups: usize {
        flag "N" in "Budget";
        default 16;
        check within(1..=LARGEST_BATCH);
    }

    // They round differently.
    /// Matrix product of f32: matrixmultiply, or fixed-order (AVX2 or AVX-512) [default: matrixmultiply]
    #[serde(default, serialize_with = "product::serialize", deserialize_with = "product::given")]
    product: Product {
        flag "NAME" in "What";
        default product::default();
        older product::default();
    }

    // 0: a bag of words.
    /// Layers of the encoder [default: 2]
    layers: usize {
        flag "N" in "Model";
        default 2;
        older 2;
        check within(0..=MOST_LAYERS);
    }

    /// Columns of a token's vector [default: 64]
    dim: usize {
        flag "N" in "Model";
        default 64;
        older 64;
        check within(1..=WIDEST);
    }

    /// Columns between the two linear maps of a layer, and of the classifier [default: 128]
    hidden: usize {
        flag "N" in "Model";
        default 128;
        older 128;
        check within(1..=WIDEST);
    }

    /// Attention heads, which share the columns out among them [default: 2]
    heads: usize {
        flag "N" in "Model";
        default 2;
        older 2;
        check |&heads, run| expect(
            heads > 0 && run.dim.is_multiple_of(heads),
            format!("a number that divides dim, {}, without a rest", run.dim)
        );
    }

    /// Before the projections: none; fourier, the smoother of S3Attention; auto: fourier with s3 [default: auto]
    smoother: Smoother {
        flag "NAME" in "Model";
        default Smoother::Auto;
        older Smoother::Auto;
    }

    /// Form of the smoother: paper, or released [default: paper]
    s3: Form {
        flag "NAME" in "Model";
        default Form::Paper;
        older Form::Paper;
    }

    /// random, or FILE.safetensors: begin from the weights of another run [default: random]
    init: Source {
        flag "random|FILE" in "Model";
        default Source::Random;
        older Source::Random;
    }

    /// random, or FILE.safetensors of `skein scores`: draw the neighbours of spex-static by these, once an epoch
    /// [default: random]
    scores: Source {
        flag "random|FILE" in "Model";
        default Source::Random;
        older Source::Random;
        check |scores, run| expect(
            *scores == Source::Random || run.attn == SCORED,
            format!("random, since {} draws nothing by scores: {SCORED} does", run.attn)
        );
    }

    /// Weight decay of AdamW [default: 0.0]
    weight_decay: f64 {
        flag "RATE" in "Model";
        default 0.0;
        older 0.0;
        check |&decay, _| expect((0.0..=MOST_DECAY).contains(&decay), format!(
            "a number from 0 to {MOST_DECAY}, such as 0.01"
        ));
    }
}

/// The method whose neighbours are drawn by scores, and the one that learns these.
pub(crate) const SCORED: &str = "spex-static";
pub(crate) const ESTIMATOR: &str = "spex-estimator-fixed";

/// Whether a value can be honoured, else what was expected.
type Verdict = std::result::Result<(), String>;

fn expect(holds: bool, expected: impl Into<String>) -> Verdict {
    match holds {
        true => Ok(()),
        false => Err(expected.into()),
    }
}

/// The check of a count.
fn within(range: RangeInclusive<usize>) -> impl Fn(&usize, &Config) -> Verdict {
    move |count, _| match (range.start(), range.end()) {
        (least, _) if count < least => Err(format!("at least {least}")),
        (_, most) if count > most => Err(format!("at most {most}")),
        _ => Ok(()),
    }
}

/// Texts can be cut, pictures cannot; and enough built-in examples must be there.
fn length(length: &usize, run: &Config) -> Verdict {
    within(run.task.lengths())(length, run)?;
    let least = run.task.entry().least_builtin;
    let enough = run.data != "builtin" || *length >= least;
    expect(
        enough,
        format!("at least {least}, for enough built-in examples to be there"),
    )
}

fn for_pictures(on: &bool, run: &Config) -> Verdict {
    expect(
        !on || run.task.has_pictures(),
        "false, since the task has no pictures",
    )
}

/// As many columns for sines as for cosines; in a picture, for each of row and column.
fn waves(positions: &Positions, run: &Config) -> Verdict {
    let columns = match positions {
        Positions::Sincos => 2,
        Positions::Sincos2d => 4,
        _ => 1,
    };
    let grid = *positions == Positions::Sincos2d;
    expect(
        !grid || run.task.has_pictures(),
        "learned, sincos, rotary or none, since the task has no pictures",
    )?;
    let dim = run.dim;
    expect(
        dim.is_multiple_of(columns),
        format!("learned, rotary or none, since dim {dim} is no multiple of {columns}"),
    )
}

impl Settings {
    /// What `sincos2d`, the name that runs had for it, says of the positions.
    fn positions_by_another_name(&self) -> Option<Positions> {
        self.sincos2d.map(|on| match on {
            true => Positions::Sincos2d,
            false => Positions::Learned,
        })
    }
}

/// What a check says of a setting, as an error.
fn judge<T: Debug>(
    run: &Config,
    setting: &str,
    value: &T,
    check: impl Fn(&T, &Config) -> Verdict,
) -> Result<()> {
    check(value, run).map_err(|expected| wrong(setting, &format!("{value:?}"), &expected))
}

fn wrong(setting: &str, value: &str, expected: &str) -> Error {
    let flag = setting.replace('_', "-");
    Error::usage(format!("{setting} = {value}: expected {expected}")).hint(format!(
        "set it with --{flag}, or as {setting} in the --config file"
    ))
}

/// A path from the root on: a run may be resumed from another working directory.
fn absolute(setting: &str, path: &str, expected: &str) -> Result<String> {
    let absolute =
        path::absolute(path).map_err(|_| wrong(setting, &format!("{path:?}"), expected))?;
    absolute.into_os_string().into_string().map_err(|path| {
        wrong(
            setting,
            &path.display().to_string(),
            "a path that is UTF-8 from the root on, so that TOML can hold it",
        )
    })
}

impl Config {
    /// The configuration of the run in `folder`.
    pub(crate) fn of_run(folder: &Path) -> Result<Self> {
        if !folder.join("config.toml").exists() {
            let message = format!(
                "{} is not the folder of a run: it has no config.toml",
                folder.display()
            );
            return Err(Error::usage(message).hint("expected a folder such as runs/text-skein-s42"));
        }
        read_toml(&folder.join("config.toml")).map_err(|error: Error| {
            error.hint("restore it, or take the version that environment.toml names")
        })
    }

    /// This configuration if every setting is one that the run can honour; the first that is not, otherwise.
    pub(crate) fn checked(mut self, task: Task) -> Result<Self> {
        if self.task != task {
            let message = format!(
                "the configuration is of the task {}: expected {}",
                self.task.name(),
                task.name()
            );
            return Err(
                Error::usage(message).hint(format!("give it to skein {}", self.task.name()))
            );
        }
        method(&self.attn)?;
        self.refuse_wrong()?;
        if !["auto", "builtin"].contains(&&*self.data) {
            self.data = absolute("data", &self.data, "auto, builtin or the path of a folder")?;
        }
        for (setting, source) in [("init", &mut self.init), ("scores", &mut self.scores)] {
            if let Source::File { file, .. } = source {
                *file = absolute(setting, file, "random or the path of a file")?;
            }
        }
        Ok(self)
    }

    /// The same for the configuration of a run, which nobody can give anew.
    pub(crate) fn checked_of_run(self, task: Task) -> Result<Self> {
        let is_of_task = self.task == task;
        self.checked(task).map_err(|error| match is_of_task {
            true => error.hint("config.toml was altered, or is of another version: restore it"),
            false => error,
        })
    }

    /// The folder of the data set; none for the built-in corpus.
    pub fn data_folder(&self) -> Option<&Path> {
        (self.data != "builtin").then(|| Path::new(&self.data))
    }

    /// What the attention method takes from these settings.
    pub(crate) fn options(&self) -> Options {
        Options {
            features: self.features,
            dropout: self.dropout,
            released: self.protocol == Protocol::Paper,
        }
    }

    /// The smoother, settled.
    pub(crate) fn smoother(&self) -> Smoother {
        match self.smoother {
            Smoother::Auto => Smoother::of(&self.attn),
            settled => settled,
        }
    }

    /// What runs have in common that may be compared: all but method, seed, and where a file of weights is.
    pub(crate) fn but_method_and_seed(&self) -> Self {
        // The one that comes with a method is no other setting.
        let smoother = match self.smoother {
            usual if usual == Smoother::of(&self.attn) => Smoother::Auto,
            other => other,
        };
        Config {
            attn: String::new(),
            smoother,
            seed: 0,
            init: self.init.content(),
            ..self.clone()
        }
    }

    /// Whether loading gives the same data.
    pub(crate) fn same_data(&self, other: &Config) -> bool {
        let of = |c: &Config| {
            let data = c.data.clone();
            (c.task, data, c.protocol, c.budget, c.max_len, c.skip_black)
        };
        of(self) == of(other)
    }

    /// What black pixels are.
    pub(crate) fn black(&self) -> Black {
        match self.protocol {
            Protocol::Clean if !self.skip_black => Black::Kept,
            _ => Black::Skipped,
        }
    }

    /// Rows of the position table: the next power of two of `max_len`.
    pub fn position_rows(&self) -> usize {
        self.max_len.next_power_of_two()
    }

    /// The configuration as TOML, a setting a line. 0 and -0 are one setting.
    pub fn to_toml(&self) -> String {
        toml::to_string(&self.unsigned_zeros()).expect("numbers that TOML can hold, and strings")
    }

    /// The value of one setting, as it stands there.
    pub(crate) fn value(&self, setting: &str) -> toml::Value {
        let table = toml::Table::try_from(self.unsigned_zeros());
        let mut table = table.expect("numbers that TOML can hold, and strings");
        table.remove(setting).expect("a setting of the list")
    }

    fn unsigned_zeros(&self) -> Config {
        Config {
            dropout: self.dropout + 0.0,
            weight_decay: self.weight_decay + 0.0,
            ..self.clone()
        }
    }
}
