//! Scalars for TensorBoard, on request: files of events that the `tensorboard` package reads.
//!
//! A file is a row of records, each a length, the bytes of one `Event` in the wire format of protocol buffers, and
//! checksums of both. Of an event only what scalars need is written, by hand: a generator of code and a runtime would
//! be more than these few fields.
//!
//! ```text
//! Event       1 wall_time double   2 step int64   3 file_version string   5 Summary   7 SessionLog
//! Summary     1 Value, repeated    Value: 1 tag string   2 simple_value float   8 tensor   9 metadata
//! SessionLog  1 status, of which START is 1
//! ```
//!
//! The settings of the run are what its HPARAMS page shows: a value without a number whose metadata are for that plugin.
//!
//! ```text
//! metadata           1 plugin_data: 1 plugin_name string   2 content bytes, of HParamsPluginData
//! HParamsPluginData  3 session_start_info
//! SessionStartInfo   1 hparams, a map: 1 key string, 2 value   4 group_name string   5 start_time_secs double
//! value              2 double   3 string   4 bool
//! ```
//!
//! Every start of a run has a file of its own, whose second event says from which step it goes on: TensorBoard forgets
//! what earlier files say of that step and later ones, which a killed run may have written.

use crate::terminal::error::{Error, Result};
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

/// What every name begins with; TensorBoard reads no other files.
pub(crate) const NAME: &str = "events.out.tfevents.";

/// Of the numbers in names, which have ten digits, those after this one are for the files that follow.
const LATEST: u64 = 9_999_000_000;

/// A file of events that is being written.
pub(crate) struct Events {
    path: PathBuf,
    file: File,
}

impl Events {
    /// A new file in the folder of a run that has `done` steps behind it.
    pub(crate) fn create(folder: &Path, done: usize) -> Result<Events> {
        // Files are read in the order of their names, so that each must come after all that are there, whatever the
        // clock says.
        let mut began = (now() as u64).min(LATEST);
        let list =
            fs::read_dir(folder).map_err(|cause| Error::file("cannot list", folder, &cause))?;
        for entry in list.flatten() {
            let name = entry.file_name();
            let number = name.to_str().and_then(|name| name.strip_prefix(NAME));
            let number = number.and_then(|rest| rest.split('.').next()?.parse::<u64>().ok());
            // Longer numbers are not ours, and would come before shorter ones.
            let number = number.filter(|&number| number < 9_999_999_999);
            began = began.max(number.map_or(0, |number| number + 1));
        }
        let path = folder.join(format!("{NAME}{began:010}.run"));
        let file = OpenOptions::new().append(true).create_new(true).open(&path);
        let file = file.map_err(|cause| Error::file("cannot create", &path, &cause))?;
        let mut events = Events { path, file };
        events.write(&start(now(), done + 1))?;
        Ok(events)
    }

    /// Appends numbers that belong to a step, by their tags.
    pub(crate) fn push(&mut self, step: usize, scalars: &[(String, f64)]) -> Result<()> {
        self.write(&record(&scalar_event(now(), step, scalars)))
    }

    /// The settings of the run, by which TensorBoard sorts and filters runs.
    pub(crate) fn settings(&mut self, run: &str, settings: &toml::Table) -> Result<()> {
        self.write(&record(&settings_event(now(), run, settings)))
    }

    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        // At once, as a line of metrics is: whoever looks at a run wants its latest steps.
        self.file
            .write_all(bytes)
            .map_err(|cause| Error::file("cannot write", &self.path, &cause))
    }
}

/// Seconds since 1970.
fn now() -> f64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0.0, |since| since.as_secs_f64())
}

/// What a file begins with: the version of the format, and that steps from `step` on come anew.
fn start(time: f64, step: usize) -> Vec<u8> {
    let mut version = time_and_step(time, step);
    bytes(&mut version, 3, b"brain.Event:2");
    let mut session = time_and_step(time, step);
    bytes(&mut session, 7, &[1 << 3, 1]);
    [record(&version), record(&session)].concat()
}

/// An event of scalars.
fn scalar_event(time: f64, step: usize, scalars: &[(String, f64)]) -> Vec<u8> {
    let mut summary = Vec::new();
    for (tag, number) in scalars {
        let mut value = Vec::new();
        bytes(&mut value, 1, tag.as_bytes());
        value.push(2 << 3 | 5); // four bytes follow
        value.extend((*number as f32).to_le_bytes());
        bytes(&mut summary, 1, &value);
    }
    let mut event = time_and_step(time, step);
    bytes(&mut event, 5, &summary);
    event
}

/// An event of settings.
fn settings_event(time: f64, run: &str, settings: &toml::Table) -> Vec<u8> {
    let mut info = Vec::new();
    for (name, setting) in settings {
        let mut value = Vec::new();
        let number = match setting {
            toml::Value::Boolean(on) => {
                value.extend([4 << 3, u8::from(*on)]);
                None
            }
            toml::Value::Integer(number) => Some(*number as f64),
            toml::Value::Float(number) => Some(*number),
            toml::Value::String(text) => {
                bytes(&mut value, 3, text.as_bytes());
                None
            }
            other => {
                bytes(&mut value, 3, other.to_string().as_bytes());
                None
            }
        };
        if let Some(number) = number {
            double(&mut value, 2, number);
        }
        let mut entry = Vec::new();
        bytes(&mut entry, 1, name.as_bytes());
        bytes(&mut entry, 2, &value);
        bytes(&mut info, 1, &entry);
    }
    bytes(&mut info, 4, run.as_bytes());
    double(&mut info, 5, time);
    let (mut content, mut plugin, mut metadata) = (Vec::new(), Vec::new(), Vec::new());
    bytes(&mut content, 3, &info);
    bytes(&mut plugin, 1, b"hparams");
    bytes(&mut plugin, 2, &content);
    bytes(&mut metadata, 1, &plugin);
    let (mut value, mut summary) = (Vec::new(), Vec::new());
    bytes(&mut value, 1, b"_hparams_/session_start_info");
    bytes(&mut value, 8, &[1 << 3, 1, 2 << 3 | 2, 2, 2 << 3 | 2, 0]); // No float: one dimension of length 0.
    bytes(&mut value, 9, &metadata);
    bytes(&mut summary, 1, &value);
    let mut event = time_and_step(time, 0);
    bytes(&mut event, 5, &summary);
    event
}

/// The first two fields of an event.
fn time_and_step(time: f64, step: usize) -> Vec<u8> {
    let mut event = Vec::new();
    double(&mut event, 1, time);
    event.push(2 << 3);
    varint(&mut event, step as u64);
    event
}

/// A field of eight bytes.
fn double(message: &mut Vec<u8>, field: u8, number: f64) {
    message.push(field << 3 | 1);
    message.extend(number.to_le_bytes());
}

/// A field of bytes: a string or a message.
fn bytes(message: &mut Vec<u8>, field: u8, content: &[u8]) {
    message.push(field << 3 | 2);
    varint(message, content.len() as u64);
    message.extend(content);
}

/// A number in groups of seven bits, the lowest first.
fn varint(message: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        message.push(number as u8 | 0x80);
        number >>= 7;
    }
    message.push(number as u8);
}

/// The bytes of an event as they stand in a file.
fn record(event: &[u8]) -> Vec<u8> {
    let length = (event.len() as u64).to_le_bytes();
    let mut record = length.to_vec();
    record.extend(masked(crc32c(&length)).to_le_bytes());
    record.extend(event);
    record.extend(masked(crc32c(event)).to_le_bytes());
    record
}

/// A checksum as it is stored: of records inside records, the sums would be of sums otherwise.
fn masked(crc: u32) -> u32 {
    crc.rotate_right(15).wrapping_add(0xa282_ead8)
}

/// The cyclic redundancy check of Castagnoli's polynomial, bit by bit: events are short.
fn crc32c(bytes: &[u8]) -> u32 {
    let mut crc = !0u32;
    for &byte in bytes {
        crc ^= u32::from(byte);
        for _ in 0..8 {
            let odd = crc & 1 == 1;
            crc >>= 1;
            if odd {
                crc ^= 0x82f6_3b78;
            }
        }
    }
    !crc
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The check value of the polynomial's catalogue, and RFC 3720, B.4.
    #[test]
    fn the_checksum_is_the_published_one() {
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
        assert_eq!(crc32c(&[0; 32]), 0x8a91_36aa);
        assert_eq!(crc32c(&[0xff; 32]), 0x62a8_ab43);
    }

    #[test]
    fn numbers_of_several_bytes_have_their_lowest_bits_first() {
        let of = |number| {
            let mut message = Vec::new();
            varint(&mut message, number);
            message
        };
        assert_eq!(of(0), [0]);
        assert_eq!(of(300), [0xac, 0x02]);
        assert_eq!(of(u64::MAX).len(), 10);
    }

    /// Those of the tensorboard package's own writer (2.21.0): step 300 with 0.5 and -2, after a start at step 300.
    #[test]
    fn a_file_has_the_bytes_that_tensorboard_writes() {
        let scalars = [("train/loss".to_string(), 0.5), ("x".to_string(), -2.0)];
        let mut file = start(1.5, 300);
        file.extend(record(&scalar_event(2.5, 300, &scalars)));
        let stored = include_bytes!("../../tests/reference/start-300.tfevents");
        assert!(file == stored, "{}", file.escape_ascii());
    }

    /// That of the tensorboard package (2.21.0), hparams_pb, but for step 0, which it leaves out, and the order of the map.
    #[test]
    fn settings_have_the_bytes_that_tensorboard_writes() {
        let settings = "attn = \"skein\"\nfeatures = 16\nlearning_rate = 0.001\npad = false\n";
        let event = settings_event(2.5, "run", &settings.parse().unwrap());
        let hparams = "0a0f0a046174746e12071a05736b65696e0a150a08666561747572657312091100000000000030400a1a0a0d6c6561\
                       726e696e675f72617465120911fca9f1d24d62503f0a090a0370616412022000";
        let expected = [
            "09000000000000044010002a97010a94010a1c5f68706172616d735f2f73657373696f6e5f73746172745f696e666f\
             42060801120212004a6c0a6a0a0768706172616d73125f1a5d",
            hparams,
            "220372756e290000000000000440",
        ];
        let got: String = event.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(got, expected.concat());
    }

    #[test]
    fn a_later_file_has_a_later_name_whatever_the_clock_says() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(format!("{NAME}9999999990.other")), b"").unwrap();
        let names: Vec<PathBuf> = (0..3)
            .map(|done| Events::create(folder.path(), done).unwrap().path)
            .collect();
        assert!(names.is_sorted() && names[0].ends_with(format!("{NAME}9999999991.run")));
    }
}
