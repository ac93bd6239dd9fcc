//! `--tensorboard`: a run and its continuation leave files of events whose steps are those of metrics.jsonl, read here
//! by what TensorBoard does: records in order, and a start that lets it forget what comes anew.

use crate::support::{printed, refused, write_texts};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

fn exp_text(flags: &str, folder: &Path) -> Output {
    let mut args: Vec<String> = flags.split_whitespace().map(str::to_string).collect();
    for arg in &mut args {
        *arg = arg.replace("RUN", folder.join("run").to_str().unwrap());
        *arg = arg.replace("TEXTS", folder.join("texts").to_str().unwrap());
    }
    Command::new(env!("CARGO_BIN_EXE_exp_text"))
        .args(args)
        .output()
        .unwrap()
}

/// A number of a varint, and the bytes after it.
fn varint(bytes: &[u8]) -> (u64, &[u8]) {
    let end = bytes.iter().position(|byte| byte & 0x80 == 0).unwrap();
    let number = bytes[..=end]
        .iter()
        .rev()
        .fold(0, |n, byte| n << 7 | u64::from(byte & 0x7f));
    (number, &bytes[end + 1..])
}

/// The fields of a message: number, and the number or the bytes of each.
fn fields(mut bytes: &[u8]) -> Vec<(u64, u64, &[u8])> {
    let mut found = Vec::new();
    while !bytes.is_empty() {
        let (key, rest) = varint(bytes);
        let (number, length, rest) = match key & 7 {
            0 => {
                let (number, rest) = varint(rest);
                (number, 0, rest)
            }
            1 => (0, 8, rest),
            5 => (0, 4, rest),
            2 => {
                let (length, rest) = varint(rest);
                (0, length as usize, rest)
            }
            other => panic!("wire type {other}"),
        };
        found.push((key >> 3, number, &rest[..length]));
        bytes = &rest[length..];
    }
    found
}

/// All scalars in the folder of a run, by tag and step, as TensorBoard has them.
fn scalars(run: &Path) -> BTreeMap<String, BTreeMap<u64, f32>> {
    let mut files: Vec<_> = fs::read_dir(run)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.to_str().unwrap().contains("tfevents"))
        .collect();
    files.sort();
    let mut all: BTreeMap<String, BTreeMap<u64, f32>> = BTreeMap::new();
    for file in files {
        let bytes = fs::read(file).unwrap();
        let mut rest = &bytes[..];
        // What a killed run leaves of a record is shorter than it says.
        while rest.len() >= 16 {
            let length = u64::from_le_bytes(rest[..8].try_into().unwrap()) as usize;
            if rest.len() < 16 + length {
                break;
            }
            let event = fields(&rest[12..12 + length]);
            rest = &rest[16 + length..];
            let step = event.iter().find(|(field, ..)| *field == 2).unwrap().1;
            for (field, _, content) in event {
                if field == 7 {
                    for steps in all.values_mut() {
                        steps.retain(|earlier, _| *earlier < step);
                    }
                }
                if field != 5 {
                    continue;
                }
                for (_, _, value) in fields(content) {
                    let value = fields(value);
                    // Settings are no scalars.
                    if value[1].0 != 2 {
                        continue;
                    }
                    let tag = String::from_utf8(value[0].2.to_vec()).unwrap();
                    let number = f32::from_le_bytes(value[1].2.try_into().unwrap());
                    let earlier = all.entry(tag).or_default().insert(step, number);
                    assert!(earlier.is_none(), "step {step} twice");
                }
            }
        }
    }
    all
}

#[test]
fn the_events_of_a_resumed_run_are_those_of_its_metrics() {
    let folder = tempfile::tempdir().unwrap();
    write_texts(
        &folder.path().join("texts"),
        [30, 4],
        &["neg", "pos"],
        |half, class, i| format!("{class} {i} {half}").into_bytes(),
    );
    let flags = "--budget smoke --steps 8 --warmup 1 --eval-every 4 --batch 4 --features 8 --max-len 16 \
                 --data TEXTS --out RUN --tensorboard --stop-after 6";
    printed(&exp_text(flags, folder.path()));
    let run = folder.path().join("run");
    // As after a kill: the last checkpoint is that of step 4, and a record is half written.
    fs::remove_file(run.join("checkpoint-6.bin")).unwrap();
    let events = fs::read_dir(&run)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let events = events.filter(|path| path.to_str().unwrap().contains("tfevents"));
    let events: Vec<_> = events.collect();
    assert_eq!(events.len(), 1);
    let mut bytes = fs::read(&events[0]).unwrap();
    bytes.truncate(bytes.len() - 3);
    fs::write(&events[0], bytes).unwrap();
    printed(&exp_text("--resume RUN --tensorboard", folder.path()));

    let all = scalars(&run);
    let metrics = fs::read_to_string(run.join("metrics.jsonl")).unwrap();
    let lines: Vec<Value> = metrics
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let expected = |place: &str| -> BTreeMap<u64, f32> {
        let number = |line: &Value| {
            Some((
                line["step"].as_u64()?,
                line.pointer(place)?.as_f64()? as f32,
            ))
        };
        lines.iter().filter_map(number).collect()
    };
    for (tag, place) in [
        ("train/loss", "/loss"),
        ("train/accuracy", "/accuracy"),
        ("train/learning_rate", "/learning_rate"),
        ("train/gradient_norm", "/gradient_norm"),
        ("dev/loss", "/dev/loss"),
        ("dev/accuracy", "/dev/accuracy"),
        ("parameters/embeddings", "/norms/0/parameters"),
        ("gradient/embeddings", "/norms/0/gradient"),
    ] {
        assert!(!expected(place).is_empty(), "{place}");
        assert_eq!(all[tag], expected(place), "{tag}");
    }
    assert_eq!(all["train/loss"].len(), 8);
    let result: Value =
        serde_json::from_slice(&fs::read(run.join("result.json")).unwrap()).unwrap();
    let accuracy = result["test"]["accuracy"].as_f64().unwrap() as f32;
    assert_eq!(all["test/accuracy"], BTreeMap::from([(8, accuracy)]));

    // Exported afterwards, they are the same; and both know the settings.
    let mut table = crate::skein("table");
    table.arg(&run).args(["--tensorboard", "log"]);
    table.current_dir(folder.path());
    printed(&table.output().unwrap());
    let log = folder.path().join("log/run");
    assert_eq!(scalars(&log), all);
    for folder in [&run, &log] {
        let files = fs::read_dir(folder).unwrap();
        let files = files.map(|entry| entry.unwrap().path());
        let events = files.filter(|path| path.to_str().unwrap().contains("tfevents"));
        for file in events {
            let text = String::from_utf8_lossy(&fs::read(file).unwrap()).into_owned();
            for name in ["_hparams_/session_start_info", "embedding_std", "skein"] {
                assert!(text.contains(name), "{name}");
            }
        }
    }
    let told = refused(&table.output().unwrap(), 2);
    assert!(told.contains("log/run is there already"), "{told}");
}

#[test]
fn nobody_has_events_who_did_not_ask() {
    let folder = tempfile::tempdir().unwrap();
    write_texts(
        &folder.path().join("texts"),
        [30, 4],
        &["neg", "pos"],
        |half, class, i| format!("{class} {i} {half}").into_bytes(),
    );
    let flags = "--budget smoke --steps 1 --warmup 1 --batch 2 --max-len 16 --data TEXTS --out RUN";
    printed(&exp_text(flags, folder.path()));
    assert!(scalars(&folder.path().join("run")).is_empty());
}
