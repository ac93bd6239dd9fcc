//! The rooms of this crate: an arrow, a `crate::` or `super::` path in the code of a file, goes up the list in
//! `src/lib.rs` and never down, and the files of a room form no circle. What is only for tests may do as it likes.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// Who needs whom, and in how many files both are.
type Arrows = BTreeMap<String, BTreeSet<String>>;

/// The modules of `src` with the code of their files, such as `settings::config`.
fn modules(folder: &Path, place: &[String], found: &mut BTreeMap<Vec<String>, String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_string();
        let inner = [place, std::slice::from_ref(&name)].concat();
        if path.is_dir() {
            modules(&path, &inner, found);
        } else if path.extension().is_some_and(|end| end == "rs") && name != "lib" {
            let text = fs::read_to_string(&path).unwrap();
            let code = text.split("#[cfg(test)]\nmod tests").next().unwrap();
            let lines = code.lines().map(|line| line.split("//").next().unwrap());
            let module = if name == "mod" { place.to_vec() } else { inner };
            found.insert(module, lines.collect::<Vec<_>>().join("\n"));
        }
    }
}

/// The paths that begin with `crate` or `super` in the code of a module, from `crate` on.
fn paths(module: &[String], code: &str) -> Vec<Vec<String>> {
    let is_word = |sign: char| sign.is_alphanumeric() || sign == '_' || sign == ':';
    let words = code.split(|sign: char| !is_word(sign));
    let from_root = |word: &str| {
        let mut names: Vec<String> = word.split("::").map(str::to_string).collect();
        let mut place = module.to_vec();
        match names[0].as_str() {
            "crate" => Some(names.split_off(1)),
            "super" => {
                while names.first().is_some_and(|name| name == "super") {
                    names.remove(0);
                    place.pop();
                }
                Some([place, names].concat())
            }
            _ => None,
        }
    };
    words.filter_map(from_root).collect()
}

/// The nodes of a circle, if there is one.
fn circle(arrows: &Arrows) -> Option<Vec<String>> {
    let mut left = arrows.clone();
    loop {
        let names: BTreeSet<String> = left.keys().cloned().collect();
        let before = left.len();
        left.retain(|_, needed| needed.iter().any(|name| names.contains(name)));
        if left.len() == before {
            break;
        }
    }
    // Each of these needs another of these.
    let mut walk = vec![left.keys().next()?.clone()];
    loop {
        let next = left[walk.last()?]
            .iter()
            .find(|name| left.contains_key(*name))?;
        if let Some(first) = walk.iter().position(|name| name == next) {
            return Some(walk.split_off(first));
        }
        walk.push(next.clone());
    }
}

#[test]
fn a_circle_is_found_and_what_hangs_on_it_is_not_part_of_it() {
    let arrows = |pairs: &[(&str, &str)]| {
        let mut arrows = Arrows::new();
        for (from, to) in pairs {
            arrows
                .entry(from.to_string())
                .or_default()
                .insert(to.to_string());
        }
        arrows
    };
    assert_eq!(circle(&arrows(&[("a", "b"), ("b", "c"), ("a", "c")])), None);
    let round = circle(&arrows(&[("a", "b"), ("b", "c"), ("c", "b"), ("c", "d")]));
    assert_eq!(round.unwrap(), ["b", "c"]);
}

#[test]
fn arrows_go_up_the_list_of_rooms_and_files_of_a_room_form_no_circle() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let page = fs::read_to_string(src.join("lib.rs")).unwrap();
    let page = page.lines().filter(|line| line.starts_with("//!"));
    let page = page.collect::<Vec<_>>().join("\n");
    let rooms: Vec<&str> = page
        .split("[`")
        .skip(1)
        .map(|rest| rest.split('`').next().unwrap())
        .collect();
    let rank = |room: &str| {
        let rank = rooms.iter().position(|known| *known == room);
        rank.unwrap_or_else(|| panic!("src/lib.rs has a room {room} that is not in its list"))
    };

    let mut code = BTreeMap::new();
    modules(&src, &[], &mut code);
    code.retain(|module, _| module[0] != "bin");
    let mut wrong = Vec::new();
    let mut within: BTreeMap<String, Arrows> = BTreeMap::new();
    let mut count = 0;
    for (module, code_of) in &code {
        let from = module.join("::");
        let grouped = rooms.iter().map(|room| format!("crate::{room}::{{"));
        if let Some(path) = grouped
            .chain(["crate::{".into()])
            .find(|path| code_of.contains(path))
        {
            wrong.push(format!("{from}: write out the paths of {path}...}}"));
        }
        for mut path in paths(module, code_of) {
            while !path.is_empty() && !code.contains_key(&path) {
                path.pop();
            }
            let to = path.join("::");
            let (Some(room), Some(needed)) = (module.first(), path.first()) else {
                continue;
            };
            if rank(needed) > rank(room) {
                wrong.push(format!(
                    "{from} needs {to}: {needed} is below {room} in src/lib.rs"
                ));
            }
            let files = (module.get(1), path.get(1));
            if let (true, (Some(file), Some(other))) = (room == needed, files)
                && file != other
            {
                let of_room = within.entry(room.clone()).or_default();
                of_room
                    .entry(file.clone())
                    .or_default()
                    .insert(other.clone());
            }
            count += 1;
        }
    }
    for (room, arrows) in &within {
        if let Some(files) = circle(arrows) {
            wrong.push(format!(
                "{room}: {} form a circle, each needs the next",
                files.join(" -> ")
            ));
        }
    }
    assert!(count > 200, "{count} arrows");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
