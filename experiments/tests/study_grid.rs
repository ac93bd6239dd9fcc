//! The room of a grid of `skein study`: what the server tells of cells, means and what is left, and that the page shows it.

use crate::study::Server;
use crate::support::{copy, has, names, printed};
use crate::sweep::Place;
use serde_json::{Value, json};
use std::fs::{self, File};
use std::path::Path;
use std::time::{Duration, SystemTime};

const STEPS: usize = 8;

fn answered(server: &Server, path: &str, question: &Value) -> Value {
    let (status, text) = server.post(path, &question.to_string());
    assert_eq!(status, 200, "{path} {question}: {text}");
    serde_json::from_str(&text).unwrap()
}

fn lines(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// A run as one that was stopped long ago after so many lines.
fn stop(run: &Path, after: usize) {
    fs::remove_file(run.join("result.json")).unwrap();
    let path = run.join("metrics.jsonl");
    let text = fs::read_to_string(&path).unwrap();
    let kept: String = text.split_inclusive('\n').take(after).collect();
    fs::write(&path, kept).unwrap();
    let file = File::options().append(true).open(&path).unwrap();
    let age = Duration::from_secs(3600);
    file.set_modified(SystemTime::now() - age).unwrap();
}

fn close(one: &Value, other: f64) {
    let one = one.as_f64().unwrap();
    assert!((one - other).abs() <= 1e-12 * other.abs(), "{one} {other}");
}

/// vmean and skein with three seeds: of vmean one cell has ended, one was stopped half way, one is under way; of skein
/// one has ended, one has failed before it had a folder, one is not there. And one of other settings. The file is that of
/// the run under way: who holds it adds to it.
fn grid(place: &Place) -> File {
    let mut sweep = crate::skein("sweep");
    sweep.args("--tasks text --methods vmean,skein --seeds 1,2,3 --out".split(' '));
    sweep.arg(place.grid()).args(place.settings(STEPS));
    printed(&sweep.output().unwrap());
    let at = |name: &str| place.grid().join(name);
    let other = at("text-vmean-features=9-s1");
    copy(&at("text-vmean-s1"), &other);
    let config = fs::read_to_string(other.join("config.toml")).unwrap();
    let config = config.replace("features = 8\n", "features = 9\n");
    fs::write(other.join("config.toml"), config).unwrap();
    // Four steps and two evaluations.
    stop(&at("text-vmean-s2"), 6);
    fs::remove_file(at("text-vmean-s3").join("result.json")).unwrap();
    let metrics = at("text-vmean-s3").join("metrics.jsonl");
    let file = File::options().append(true).open(metrics).unwrap();
    file.set_modified(SystemTime::now()).unwrap();
    file.try_lock().unwrap();
    for gone in ["text-skein-s2", "text-skein-s3"] {
        fs::remove_dir_all(at(gone)).unwrap();
    }
    fs::create_dir_all(at(".failed")).unwrap();
    fs::write(at(".failed/text-skein-s2.toml"), "cause = \"no room\"\n").unwrap();
    file
}

#[test]
fn cells_means_and_what_is_left_are_those_of_the_runs() {
    let place = Place::new();
    let _under_way = grid(&place);
    let at = |name: &str| place.grid().join(name);
    let before = names(&place.grid());
    let server = Server::of(&[&place.grid()]);
    let told = answered(&server, "/grid", &json!({}));
    let name = told["grid"].as_str().unwrap();
    assert_eq!(told["grids"], json!([name]));
    assert_eq!(told["seeds"], json!([1, 2, 3]));
    assert_eq!(told["remarks"], json!([]));
    let columns = told["columns"].as_array().unwrap();
    let titles: Vec<&str> = columns
        .iter()
        .map(|column| column["title"].as_str().unwrap())
        .collect();
    assert_eq!(titles.len(), 2);
    for title in ["text, features = 8", "text, features = 9"] {
        assert!(titles.contains(&title), "{titles:?}");
    }
    let column = |title: &str| &columns[titles.iter().position(|other| *other == title).unwrap()];
    let cells = |title: &str, attn: &str| -> Vec<Value> {
        let rows = column(title)["rows"].as_array().unwrap();
        let row = rows.iter().find(|row| row["attn"] == attn).unwrap();
        row["cells"].as_array().unwrap().clone()
    };
    let stages = |title: &str, attn: &str| -> Vec<String> {
        let stage = |cell: &Value| cell["stage"].as_str().unwrap().to_string();
        cells(title, attn).iter().map(stage).collect()
    };
    let (eight, nine) = ("text, features = 8", "text, features = 9");
    assert_eq!(stages(eight, "vmean"), ["ended", "stopped", "running"]);
    assert_eq!(stages(eight, "skein"), ["ended", "failed", "new"]);
    assert_eq!(stages(nine, "vmean"), ["ended", "new", "new"]);
    assert_eq!(stages(nine, "skein"), ["new", "new", "new"]);
    let skein = cells(eight, "skein");
    assert_eq!(skein[1]["cause"], "no room");
    assert_eq!(skein[2]["name"], Value::Null);
    assert_eq!(skein[0]["name"], format!("{name}/text-skein-s1"));
    let result: Value =
        serde_json::from_str(&fs::read_to_string(at("text-skein-s1").join("result.json")).unwrap())
            .unwrap();
    assert_eq!(skein[0]["test"], result["test"]);

    // What is left: steps and evaluations of the pace of the latest steps.
    let pace = |run: &str| {
        let timings = lines(&at(run).join("timings.jsonl"));
        let seconds = timings.iter().map(|line| line["seconds"].as_f64().unwrap());
        let mut seconds: Vec<f64> = seconds.collect();
        seconds.sort_by(f64::total_cmp);
        seconds[seconds.len() / 2]
    };
    let stopped = &cells(eight, "vmean")[1];
    assert_eq!(
        (&stopped["done"], &stopped["steps"]),
        (&json!(4), &json!(STEPS))
    );
    // Evaluations every two steps of the two examples that dev has, and the test of eight, in batches of four.
    let steps = |count: f64| count + (2.0 * count / 2.0 + 8.0) / 4.0 / 3.0;
    let own = pace("text-vmean-s2");
    close(&stopped["left"]["seconds_per_step"], own);
    close(&stopped["left"]["seconds"], own * steps(4.0));
    assert_eq!(stopped["left"]["own"], true);
    close(
        &skein[2]["left"]["seconds"],
        pace("text-skein-s1") * steps(8.0),
    );
    assert_eq!(skein[2]["left"]["own"], false);
    assert_eq!(skein[1]["left"], Value::Null);
    assert_eq!(cells(nine, "skein")[0]["left"], Value::Null);

    // Means: of those that have ended, or of all over the steps that all have.
    let question = json!({ "grid": name, "column": eight });
    let means = |begun: bool| {
        let mut question = question.clone();
        question["begun"] = json!(begun);
        answered(&server, "/means", &question)
    };
    let of = |told: &Value, attn: &str| -> Value {
        let methods = told["methods"].as_array().unwrap();
        methods
            .iter()
            .find(|of| of["attn"] == attn)
            .unwrap()
            .clone()
    };
    let dev = |run: &str, number: &str| -> Vec<(Value, f64)> {
        let lines = lines(&at(run).join("metrics.jsonl"));
        let dev = lines.iter().filter(|line| !line["dev"].is_null());
        dev.map(|line| (line["step"].clone(), line["dev"][number].as_f64().unwrap()))
            .collect()
    };
    let ended = of(&means(false), "vmean");
    assert_eq!(
        (&ended["seeds"], &ended["ended"]),
        (&json!([1]), &json!(true))
    );
    let expected: Vec<Value> = dev("text-vmean-s1", "loss")
        .into_iter()
        .map(|(step, loss)| json!([step, loss]))
        .collect();
    assert_eq!(ended["dev_loss"]["points"], json!(expected));
    assert_eq!(ended["dev_loss"]["band"], Value::Null);
    let all = of(&means(true), "vmean");
    assert_eq!(
        (&all["seeds"], &all["ended"]),
        (&json!([1, 2, 3]), &json!(false))
    );
    for (curve, number) in [("dev_loss", "loss"), ("dev_accuracy", "accuracy")] {
        let runs = ["text-vmean-s1", "text-vmean-s2", "text-vmean-s3"].map(|run| dev(run, number));
        let points = all[curve]["points"].as_array().unwrap();
        assert_eq!(points.len(), 2);
        for (i, point) in points.iter().enumerate() {
            let values = runs.clone().map(|run| run[i].1);
            assert_eq!(point[0], runs[0][i].0);
            close(&point[1], values.iter().sum::<f64>() / 3.0);
            let band = &all[curve]["band"][i];
            close(
                &band[1],
                values.iter().copied().fold(f64::INFINITY, f64::min),
            );
            close(&band[2], values.iter().copied().fold(0.0, f64::max));
        }
    }
    assert_eq!(all["train_loss"]["points"].as_array().unwrap().len(), 4);
    let accuracy = of(&means(false), "skein")["test_accuracy"].clone();
    assert_eq!(accuracy[0], result["test"]["accuracy"]);
    assert_eq!(accuracy, json!([accuracy[0], accuracy[0], accuracy[0]]));

    for (question, words) in [
        (json!({ "grid": "no/such" }), "no such grid"),
        (json!({ "grid": format!("{name}/..") }), "no such grid"),
    ] {
        let (status, told) = server.post("/grid", &question.to_string());
        assert_eq!(status, 404, "{question}");
        has(&told, words);
    }
    let question = json!({ "grid": name, "column": "listops" });
    let (status, told) = server.post("/means", &question.to_string());
    assert_eq!(status, 404);
    has(&told, "no such column");
    assert_eq!(names(&place.grid()), before, "nothing is written");
    the_page_shows(&server, name, &all);
}

/// What a browser shows of it.
fn the_page_shows(server: &Server, name: &str, all: &Value) {
    let hash = format!("#grid&grid={}&begun=1", name.replace('/', "%2F"));
    let Some(room) = server.opened(&hash) else {
        return;
    };
    // skein before vmean or after it, as the registry has them.
    let cells = ["ESREFNENNNNN", "EFNESRNNNENN"];
    let shown = cells
        .iter()
        .any(|cells| room.contains(&format!("data-cells=\"{cells}\"")));
    assert!(shown, "{room}");
    has(&room, "skein, seed 2: failed; no room");
    has(&room, "skein (seed 3)");
    has(&room, "vmean, seed 2: stopped; 4 of 8 steps");
    has(&room, "12 cells: ");
    has(&room, "run=");
    let (_, row) = room.split_once("data-method=\"vmean\"").unwrap();
    let (row, _) = row.split_once("</tr>").unwrap();
    for curve in ["dev_loss", "dev_accuracy"] {
        let last = all[curve]["points"].as_array().unwrap().last().unwrap();
        // 1 and not 1.0, as in a browser.
        has(row, format!("value=\"{}\"", last[1].as_f64().unwrap()));
    }
    for title in ["Dev loss", "Dev accuracy", "Train loss"] {
        let figure = room
            .split_once(&format!("data-curves=\"{title}\""))
            .unwrap()
            .1;
        has(figure.split_once("</figure>").unwrap().0, "class=\"band\"");
    }
}

#[test]
fn a_constant_is_drawn_with_its_own_numbers_on_the_axis() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    let mut text = crate::skein("text");
    text.args(
        "--attn vmean --data builtin --budget smoke --steps 3 --warmup 1 --threads 1".split(' '),
    );
    printed(&text.arg("--out").arg(&run).output().unwrap());
    let metrics = run.join("metrics.jsonl");
    let constant: String = lines(&metrics)
        .into_iter()
        .map(|mut line| {
            if line["dev"].is_null() {
                line["learning_rate"] = json!(0.001);
            }
            format!("{line}\n")
        })
        .collect();
    fs::write(&metrics, constant).unwrap();
    let server = Server::of(&[&run]);
    let name = answered(&server, "/runs", &json!({}))[0]["name"].clone();
    let hash = format!("#run&run={}", name.as_str().unwrap().replace('/', "%2F"));
    let Some(room) = server.opened(&hash) else {
        return;
    };
    let (_, figure) = room.split_once("data-curves=\"Learning rate\"").unwrap();
    let (figure, _) = figure.split_once("</figure>").unwrap();
    let ticks: Vec<f64> = figure
        .split("class=\"end y\"")
        .skip(1)
        .map(|text| {
            let (_, text) = text.split_once('>').unwrap();
            let (number, _) = text.split_once('<').unwrap();
            number.replace('−', "-").parse().unwrap()
        })
        .collect();
    assert!(ticks.contains(&0.001), "{ticks:?}");
    assert!(
        ticks.iter().all(|tick| (0.0005..=0.0015).contains(tick)),
        "{ticks:?}"
    );
}
