//! report.html: it is there when a run has ended, says what the run's files say, escapes whatever they hold, and shows
//! itself in a browser without a complaint and without being wider than a phone. `curves` asks its curves.

use crate::support::{copy, fits, has, refused};
use std::ffi::OsStr;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

/// The page of a run of 50,000 steps weighs less without its numbers, and these are 11 bytes each.
const LIGHT: usize = 150_000;
const NUMBERS: usize = 11 * (4 * 50_000 + 2 * 12 * 1_000);
/// A step of that run whose loss is a peak.
pub(crate) const PEAK: (usize, f64) = (33_333, 9.5);
/// CSS pixels across of a common phone.
pub(crate) const PHONE: usize = 390;

fn run(command: &str, args: &[&OsStr]) -> Output {
    crate::skein(command).args(args).output().unwrap()
}

pub(crate) fn report(args: &[&Path]) -> Output {
    let args: Vec<&OsStr> = args.iter().map(|path| path.as_os_str()).collect();
    run("report", &args)
}

pub(crate) fn succeed(output: &Output) {
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{told}");
}

/// A run that has ended, of texts in a folder whose name would be HTML.
fn ended() -> &'static Path {
    static RUN: OnceLock<PathBuf> = OnceLock::new();
    RUN.get_or_init(|| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("report");
        let _ = fs::remove_dir_all(&folder);
        let texts = folder.join("<b>\"texts\"&");
        for (half, count) in [("train", 40), ("test", 5)] {
            for class in ["neg", "pos"] {
                let folder = texts.join(half).join(class);
                fs::create_dir_all(&folder).unwrap();
                for i in 0..count {
                    fs::write(folder.join(format!("{i}.txt")), format!("{class} {i} {half}")).unwrap();
                }
            }
        }
        let out = folder.join("run");
        let flags = "--budget smoke --steps 6 --warmup 1 --eval-every 2 --batch 4 --features 8 --max-len 16";
        let mut args: Vec<&OsStr> = flags.split_whitespace().map(OsStr::new).collect();
        args.extend([OsStr::new("--data"), texts.as_os_str()]);
        args.extend([OsStr::new("--out"), out.as_os_str()]);
        succeed(&run("text", &args));
        out
    })
}

pub(crate) fn page(path: &Path) -> String {
    fs::read_to_string(path).unwrap()
}

/// A run of 50,000 steps, as its files would have it, with an evaluation every 50.
pub(crate) fn long(to: &Path) {
    copy(ended(), to);
    let (mut metrics, mut timings) = (String::new(), String::new());
    for step in 1..=50_000 {
        let x = f64::from(step);
        let loss = 0.4 + (-x / 9e3).exp() * 0.3 + (x * 12.9898).sin() * 0.1;
        let accuracy = 1.0 - loss / 2.0;
        let peak = (step as usize == PEAK.0).then_some(PEAK.1);
        let _ = writeln!(
            metrics,
            "{{\"step\":{step},\"loss\":{},\"accuracy\":{accuracy},\"learning_rate\":1e-4,\
             \"gradient_norm\":{},\"tokens\":99}}",
            peak.unwrap_or(loss),
            1.0 + loss
        );
        let _ = writeln!(
            timings,
            "{{\"step\":{step},\"seconds\":0.5,\"tokens_per_second\":1.0}}"
        );
        if step % 50 == 0 {
            let norms: Vec<String> = [
                "embeddings",
                "transformer_0",
                "transformer_1",
                "norm",
                "seq_classifer",
            ]
            .iter()
            .map(|layer| {
                format!(
                    "{{\"layer\":\"{layer}\",\"parameters\":{},\"gradient\":{loss}}}",
                    5.0 + loss
                )
            })
            .collect();
            let _ = writeln!(
                metrics,
                "{{\"step\":{step},\"dev\":{{\"loss\":{loss},\"accuracy\":{accuracy},\"examples\":9}},\
                 \"norms\":[{}]}}",
                norms.join(",")
            );
        }
    }
    for (file, few, many) in [
        ("config.toml", "\nsteps = 6\n", "\nsteps = 50000\n"),
        ("result.json", "\"steps\": 6,", "\"steps\": 50000,"),
    ] {
        let path = to.join(file);
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(few), "{text}");
        fs::write(&path, text.replace(few, many)).unwrap();
    }
    fs::write(to.join("metrics.jsonl"), metrics).unwrap();
    fs::write(to.join("timings.jsonl"), timings).unwrap();
}

/// The scripts of a page: the attributes and the text of each; and the page without them.
fn scripts(html: &str) -> (Vec<(&str, &str)>, String) {
    let mut pieces = html.split("<script");
    let mut rest = pieces.next().unwrap().to_string();
    let script = |piece| {
        let (script, after): (&str, &str) = str::split_once(piece, "</script>").expect("an end");
        rest.push_str(after);
        script.split_once('>').unwrap()
    };
    (pieces.map(script).collect(), rest)
}

/// Every tag that is opened is closed, in order; what is left besides them and the scripts has neither `<` nor `>`.
fn assert_well_formed(html: &str) {
    let (_, body) = html.split_once("</style>").expect("a style sheet");
    let (_, body) = scripts(body.split_once("<body>").expect("a body").1);
    let mut open: Vec<&str> = Vec::new();
    for piece in body.split('<').skip(1) {
        let (tag, rest) = piece.split_once('>').expect("a tag that ends");
        assert!(!rest.contains('>'), "{piece}");
        if let Some(name) = tag.strip_prefix('/') {
            match open.pop() {
                Some(last) => assert_eq!(last, name),
                None => assert!(["body", "html"].contains(&name), "{name}"),
            }
        } else if !tag.ends_with('/') {
            open.push(tag.split_whitespace().next().unwrap());
        }
    }
    assert!(open.is_empty(), "{open:?}");
}

/// Nothing is loaded, and one script runs, beside its numbers.
fn assert_alone(html: &str) {
    let (scripts, rest) = scripts(html);
    let attributes: Vec<&str> = scripts
        .iter()
        .map(|(attributes, _)| attributes.trim())
        .collect();
    let expected = [
        "type=\"application/json\" id=\"numbers\"",
        "type=\"module\"",
    ];
    assert_eq!(attributes, expected);
    // The name of SVG's elements is no address, and the place of a clipping region is in the page.
    let code = scripts[1]
        .1
        .replace("http://www.w3.org/2000/svg", "")
        .replace("url(#", "");
    for text in [&rest, &code] {
        for word in [
            "<link",
            "<img",
            "<iframe",
            "src=",
            "href=",
            "url(",
            "@import",
            "import ",
            "import(",
            "fetch(",
            "javascript:",
            "http:",
            "https:",
        ] {
            assert!(!text.contains(word), "{word}");
        }
    }
    for word in [
        "default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-",
        "name=\"viewport\"",
        "@media print",
        "charset=\"utf-8\"",
    ] {
        assert!(html.contains(word), "{word}");
    }
}

/// The figures of a page, as its script reads them.
fn figures(html: &str) -> serde_json::Value {
    serde_json::from_str(scripts(html).0[0].1).unwrap()
}

#[test]
fn a_run_that_ends_leaves_a_report_of_all_it_knows() {
    let html = page(&ended().join("report.html"));
    assert_well_formed(&html);
    assert_alone(&html);
    for part in [
        "<h1>Text with skein</h1>",
        "test accuracy, 10 examples",
        "token frequencies",
        "majority class",
        "aria-label=\"Loss\"",
        "aria-label=\"Accuracy\"",
        "steps (count)",
        "cross-entropy (nats)",
        "</svg>transformer_1</li>",
        "<td>skein</td>",
        "<td>layer_norm</td>",
        "<span>eval every</span> <span>2</span>",
        "<span>cpu</span>",
        "protocol clean: dev = the texts of train",
    ] {
        assert!(html.contains(part), "{part}");
    }
    let result: serde_json::Value =
        serde_json::from_slice(&fs::read(ended().join("result.json")).unwrap()).unwrap();
    let accuracy = 100.0 * result["test"]["accuracy"].as_f64().unwrap();
    assert!(html.contains(&format!(">{accuracy:.2}%</p>")));

    // What was taken for what, with the names of the classes.
    let confusion: Vec<Vec<usize>> = serde_json::from_value(result["confusion"].clone()).unwrap();
    let (_, table) = html.split_once("<table class=\"confusion\">").unwrap();
    let (table, _) = table.split_once("</table>").unwrap();
    for (row, name) in confusion.iter().zip(["neg", "pos"]) {
        let of: usize = row.iter().sum();
        assert_eq!(of, 5);
        let (_, shown) = table
            .split_once(&format!("<th scope=\"row\">{name}</th>"))
            .unwrap();
        let (shown, _) = shown.split_once("</tr>").unwrap();
        for count in row {
            let field = format!("{:.1}%<small>{count}</small>", 20.0 * *count as f64);
            assert!(shown.contains(&field), "{field}: {shown}");
        }
    }
    // And the command that makes it again.
    let (_, command) = html.split_once("<code class=\"command\">").unwrap();
    let (command, _) = command.split_once("</code>").unwrap();
    for part in [
        "skein text --attn skein --features 8 --seed 42 --data &#39;",
        " --budget smoke --steps 6 --batch 4 ",
        " --warmup 1 --eval-every 2 ",
        " --max-len 16",
    ] {
        assert!(
            command.replace('\'', "&#39;").contains(part),
            "{part}: {command}"
        );
    }
}

#[test]
fn what_a_run_holds_is_never_html() {
    let html = page(&ended().join("report.html"));
    assert!(!html.contains("<b>"), "the name of the data is HTML");
    assert!(html.contains("&lt;b&gt;&quot;texts&quot;&amp;"));
}

#[test]
fn the_report_is_made_again_from_the_folder_alone() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    copy(ended(), &run);
    fs::remove_file(run.join("report.html")).unwrap();
    succeed(&report(&[&run]));
    assert_eq!(
        page(&run.join("report.html")),
        page(&ended().join("report.html"))
    );

    // Not ended yet; begun by a program that wrote less; a line that is being written.
    for file in ["result.json", "data.json", "operators.json"] {
        fs::remove_file(run.join(file)).unwrap();
    }
    let metrics = page(&run.join("metrics.jsonl")).replace("\"norms\"", "\"other\"");
    fs::write(run.join("metrics.jsonl"), metrics + "{\"step\":7,").unwrap();
    succeed(&report(&[&run]));
    let html = page(&run.join("report.html"));
    assert_well_formed(&html);
    assert!(html.contains("after step 6 of 6") && html.contains("there is no test yet"));
    assert!(!html.contains("Norms by layer") && !html.contains("What was taken for what"));

    // Before the first evaluation, dev is in no legend.
    has(&html, "</svg>dev</li>");
    let steps = page(&run.join("metrics.jsonl"));
    let steps = steps.lines().filter(|line| !line.contains("\"dev\""));
    let steps: String = steps.take(1).map(|line| format!("{line}\n")).collect();
    fs::write(run.join("metrics.jsonl"), steps).unwrap();
    succeed(&report(&[&run]));
    let html = page(&run.join("report.html"));
    assert_well_formed(&html);
    has(&html, "</svg>train</li>");
    assert!(!html.contains("dev</li>") && !figures(&html).to_string().contains("\"dev\""));
}

#[test]
fn a_result_of_before_has_a_report_and_a_wrong_matrix_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    copy(ended(), &run);
    let path = run.join("result.json");
    let whole: serde_json::Value = serde_json::from_str(&page(&path)).unwrap();
    let mut older = whole.clone();
    older.as_object_mut().unwrap().remove("confusion").unwrap();
    fs::write(&path, older.to_string()).unwrap();
    succeed(&report(&[&run]));
    let html = page(&run.join("report.html"));
    assert_well_formed(&html);
    assert!(html.contains("test accuracy, 10 examples") && !html.contains("taken for"));
    for wrong in [
        "[[5,0],[5]]",
        "[[9,0],[0,9]]",
        "[[0,0],[0,0]]",
        "[[-1,6],[0,5]]",
    ] {
        let mut altered = whole.clone();
        altered["confusion"] = serde_json::from_str(wrong).unwrap();
        fs::write(&path, altered.to_string()).unwrap();
        has(refused(&report(&[&run]), 1), "result.json");
    }
}

#[test]
fn runs_of_several_seeds_are_one_curve_with_a_band() {
    let folder = tempfile::tempdir().unwrap();
    let runs = ["s1", "s2", "other"].map(|name| folder.path().join(name));
    for (seed, run) in ["1", "2", "1"].iter().zip(&runs) {
        copy(ended(), run);
        for (file, before) in [
            ("config.toml", "seed = 42"),
            ("result.json", "\"seed\": 42"),
        ] {
            let text = page(&run.join(file));
            assert!(text.contains(before), "{text}");
            let after = before.replace("42", seed);
            fs::write(run.join(file), text.replace(before, &after)).unwrap();
        }
    }
    let config = page(&runs[2].join("config.toml")).replace("dropout = 0.1", "dropout = 0.2");
    fs::write(runs[2].join("config.toml"), config).unwrap();
    let out = folder.path().join("all.html");
    let args = [folder.path(), Path::new("--out"), &out];
    succeed(&report(&args));
    let html = page(&out);
    assert_well_formed(&html);
    assert_alone(&html);
    for once in ["</svg>skein (2 runs)</li>", "</svg>other</li>"] {
        assert_eq!(html.matches(once).count(), 1, "{once}");
    }
    has(&html, "a band from the lowest to the highest");
    for chart in figures(&html)[0]["charts"].as_array().unwrap() {
        for line in chart["series"].as_array().unwrap() {
            let several = line["name"] == "skein (2 runs)";
            assert_eq!(line.get("low").is_some(), several, "{line}");
            // Of runs that are alike, the mean is each.
            assert!(
                !several || (line["low"] == line["y"] && line["high"] == line["y"]),
                "{line}"
            );
        }
    }
}

#[test]
fn a_run_without_timings_has_a_report_over_steps() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    copy(ended(), &run);
    fs::remove_file(run.join("timings.jsonl")).unwrap();
    succeed(&report(&[&run]));
    let html = page(&run.join("report.html"));
    assert_well_formed(&html);
    assert!(html.contains("timings.jsonl is not there"));
    assert!(html.contains("aria-label=\"Loss\"") && !html.contains("training time"));

    let out = folder.path().join("both.html");
    succeed(&report(&[&run, ended(), Path::new("--out"), &out]));
    let html = page(&out);
    assert_well_formed(&html);
    let remark = format!("no curve over time: {}.", run.display());
    assert!(html.contains(&remark), "{html}");
    let whole = page(&ended().join("report.html"));
    assert!(!whole.contains("timings.jsonl is not there"));
}

#[test]
fn several_runs_are_compared_in_one_page() {
    let folder = tempfile::tempdir().unwrap();
    let (one, other) = (folder.path().join("a/run"), folder.path().join("b/run"));
    copy(ended(), &one);
    copy(ended(), &other);
    let config = page(&other.join("config.toml")).replace("dropout = 0.1", "dropout = 0.2");
    fs::write(other.join("config.toml"), config).unwrap();
    let out = folder.path().join("both.html");
    succeed(&report(&[&one, &other, Path::new("--out"), &out]));
    let html = page(&out);
    assert_well_formed(&html);
    assert_alone(&html);
    assert!(html.contains("<h1>2 runs compared</h1>"));
    // Folders of one name are told apart by their paths.
    assert!(html.contains(&format!("<td class=\"text\">{}</td>", one.display())));
    let (_, differ) = html.split_once("Settings that differ").unwrap();
    let (differ, all) = differ.split_once("Settings of all").unwrap();
    assert!(differ.contains(">dropout<") && differ.contains(">0.2<") && !differ.contains(">seed<"));
    assert!(all.contains(">seed<") && !all.contains(">dropout<"));
}

/// The rows of a page's table of what differs: names of the columns, then a run each.
fn differing(html: &str) -> Vec<Vec<String>> {
    let (_, differ) = html.split_once("Settings that differ").unwrap();
    let (differ, _) = differ.split_once("Settings of all").unwrap();
    let cells = |row: &str| -> Vec<String> {
        let cells = row.split("</td>").flat_map(|cell| cell.split("</th>"));
        let cells = cells.filter_map(|cell| Some(cell.rsplit_once('>')?.1.to_string()));
        cells.filter(|cell| !cell.trim().is_empty()).collect()
    };
    let rows = differ.split("</tr>").map(cells);
    rows.filter(|row| !row.is_empty()).collect()
}

#[test]
fn what_runs_were_computed_from_and_by_is_among_the_settings() {
    let folder = tempfile::tempdir().unwrap();
    let (one, other) = (folder.path().join("one"), folder.path().join("other"));
    copy(ended(), &one);
    copy(ended(), &other);
    let out = folder.path().join("both.html");
    let compared = || {
        succeed(&report(&[&one, &other, Path::new("--out"), &out]));
        let html = page(&out);
        assert_well_formed(&html);
        html
    };
    let html = compared();
    has(
        &html,
        "Settings that differ</h2><p class=\"soft\">None.</p>",
    );
    let environment: toml::Table = page(&one.join("environment.toml")).parse().unwrap();
    let start = &environment["start"][0];
    let result: serde_json::Value = serde_json::from_str(&page(&one.join("result.json"))).unwrap();
    for (name, value, other_value) in [
        ("code", start["code"].as_str(), "0123456789abcdef"),
        ("product", start["product"].as_str(), "another"),
        ("kernel path", start["kernel"].as_str(), "another"),
        (
            "SHA-256 of the data",
            result["data_sha256"].as_str(),
            "another",
        ),
    ] {
        let value = value.unwrap();
        has(&html, format!("<span>{name}</span> <span>{value}</span>"));
        let files = ["environment.toml", "result.json", "data.json"];
        let before = files.map(|file| page(&other.join(file)));
        for (file, text) in files.iter().zip(&before) {
            let quoted = |value: &str| format!("\"{value}\"");
            let text = text.replace(&quoted(value), &quoted(other_value));
            fs::write(other.join(file), text).unwrap();
        }
        let expected = [["run", name], ["one", value], ["other", other_value]];
        assert_eq!(differing(&compared()), expected);
        // Before its end, too.
        fs::remove_file(other.join("result.json")).unwrap();
        assert_eq!(differing(&compared()), expected);
        for (file, text) in files.iter().zip(&before) {
            fs::write(other.join(file), text).unwrap();
        }
    }
}

#[test]
fn a_grid_is_all_runs_below_it() {
    let folder = tempfile::tempdir().unwrap();
    let grid = folder.path().join("grid");
    for name in ["b", "a", "deeper/c"] {
        copy(ended(), &grid.join(name));
    }
    fs::create_dir_all(grid.join(".locks/d")).unwrap();
    let out = folder.path().join("grid.html");
    succeed(&report(&[&grid, &grid.join("a"), Path::new("--out"), &out]));
    let html = page(&out);
    assert_well_formed(&html);
    assert!(html.contains("<h1>3 runs compared</h1>"));
    let places = ["a", "b", "c"].map(|name| html.find(&format!("<td class=\"text\">{name}</td>")));
    assert!(places.is_sorted() && places[0].is_some(), "{places:?}");

    // One run below is that run.
    let single = folder.path().join("single");
    copy(ended(), &single.join("run"));
    fs::remove_file(single.join("run/report.html")).unwrap();
    succeed(&report(&[&single]));
    assert!(page(&single.join("run/report.html")).contains("<h1>Text with skein</h1>"));
}

#[test]
fn runs_that_are_kept_for_their_outcome_are_compared() {
    let sweep = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/sweep");
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("sweep.html");
    succeed(&report(&[&sweep, Path::new("--out"), &out]));
    let html = page(&out);
    assert_well_formed(&html);
    assert_alone(&html);
    assert!(html.contains("<h1>30 runs compared</h1>"));
    assert!(html.contains("No metrics.jsonl, so no curves: listops-linformer-s1, "));
    let accuracy = "<td class=\"text\">listops-linformer-s1</td><td class=\"text\">linformer</td>\
                    <td class=\"n\">36.15%</td><td class=\"n\">1.6415</td><td class=\"n\">37.40%</td>";
    assert!(html.contains(accuracy), "{html}");
    let unknown = "<span>code</span> <span>unknown</span>";
    assert!(html.contains(unknown), "{html}");

    let run = folder.path().join("run");
    copy(&sweep.join("text-skein-s1"), &run);
    fs::remove_file(run.join("environment.toml")).unwrap();
    succeed(&report(&[&run]));
    let html = page(&run.join("report.html"));
    assert_well_formed(&html);
    assert!(html.contains("metrics.jsonl is not there: the run was kept for its outcome."));
}

#[test]
fn numbers_that_no_run_has_written_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    copy(ended(), &run);
    let share = "expected a share from 0 to 1";
    let amount = "expected a finite number from 0 on";
    let count = "expected a count from 1 to 2^32";
    for (file, name, wrong, expected) in [
        ("metrics.jsonl", "\"accuracy\":", "37.5", share),
        ("metrics.jsonl", "\"loss\":", "-1", amount),
        (
            "metrics.jsonl",
            "\"gradient_norm\":",
            "1e999",
            "number out of range",
        ),
        ("metrics.jsonl", "\"dev\":{\"loss\":", "-1", amount),
        ("metrics.jsonl", "\"parameters\":", "-1", amount),
        ("timings.jsonl", "\"tokens_per_second\":", "-1", amount),
        ("operators.json", "\"wall_ms\": ", "-1", amount),
        ("data.json", "\"examples\": [\n    ", "0", count),
        ("result.json", "\"accuracy\": ", "37.5", share),
    ] {
        let before = page(&run.join(file));
        let (start, rest) = before.split_once(name).expect(name);
        let end = rest.find([',', '}', '\n']).unwrap();
        fs::write(
            run.join(file),
            format!("{start}{name}{wrong}{}", &rest[end..]),
        )
        .unwrap();
        let told = refused(&report(&[&run]), 1);
        assert!(told.contains(file) && told.contains(expected), "{told}");
        fs::write(run.join(file), before).unwrap();
    }
    succeed(&report(&[&run]));
}

#[test]
fn a_run_that_sketched_nothing_is_called_exact() {
    let folder = tempfile::tempdir().unwrap();
    let (one, other) = (folder.path().join("one"), folder.path().join("other"));
    copy(ended(), &one);
    copy(ended(), &other);
    let path = other.join("result.json");
    let mut result: serde_json::Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    assert_eq!(result["exact_examples"], 0);
    result["exact_examples"] = result["lengths"]["examples"].clone();
    fs::write(&path, result.to_string()).unwrap();
    let out = folder.path().join("both.html");
    succeed(&report(&[&one, &other, Path::new("--out"), &out]));
    let html = page(&out);
    for method in [">skein</td>", ">skein (exact)</td>"] {
        assert_eq!(html.matches(method).count(), 1, "{method}");
    }
    assert!(html.contains("Exact: nothing was sketched"));
    for (run, part) in [(&one, false), (&other, true)] {
        succeed(&report(&[run]));
        let html = page(&run.join("report.html"));
        assert_eq!(html.contains("in 100.00% of the examples"), part);
    }
}

#[test]
fn help_fits_eighty_columns() {
    let output = report(&[Path::new("--help")]);
    succeed(&output);
    let help = String::from_utf8(output.stdout).unwrap();
    fits(&help);
}

#[test]
fn what_is_no_run_and_what_is_no_report_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let told = refused(&report(&[folder.path()]), 2);
    assert!(told.contains("is not the folder of a run"), "{told}");
    let thesis = folder.path().join("thesis.html");
    fs::write(&thesis, "years of work").unwrap();
    let told = refused(&report(&[ended(), Path::new("--out"), &thesis]), 2);
    has(&told, "thesis.html exists and is no report");
    assert_eq!(page(&thesis), "years of work");
    let flags = [
        ended(),
        Path::new("--out"),
        &thesis,
        Path::new("--overwrite"),
    ];
    succeed(&report(&flags));
    assert_well_formed(&page(&thesis));
    let lost = folder.path().join("missing/page.html");
    let told = refused(&report(&[ended(), Path::new("--out"), &lost]), 1);
    assert!(told.contains("cannot write "), "{told}");
    refused(&report(&[]), 2);

    let run = folder.path().join("run");
    copy(ended(), &run);
    fs::write(run.join("metrics.jsonl"), "{\"step\":1}\n").unwrap();
    let before = page(&run.join("report.html"));
    let told = refused(&report(&[&run]), 1);
    has(&told, "metrics.jsonl:1: expected a line of the run");
    assert_eq!(page(&run.join("report.html")), before);
}

/// A browser, if there is one: as Debian calls it, and others.
pub(crate) fn browser() -> Option<&'static str> {
    let names = ["chromium", "chromium-browser", "google-chrome"];
    names
        .into_iter()
        .find(|name| Command::new(name).arg("--version").output().is_ok())
}

/// The browser of the tests that need one. Elsewhere than in CI there may be none, and nobody should need one to test the
/// rest; in CI, which sets the variable, a test that looks at nothing must not pass.
pub(crate) fn browser_or_skip() -> Option<&'static str> {
    let browser = browser();
    if browser.is_none() {
        let in_ci = std::env::var_os("CI").is_some();
        assert!(!in_ci, "there is no chromium: CI needs one");
        println!("SKIPPED the browser: there is no chromium");
    }
    browser
}

/// What a page in a file has become after its scripts, and the complaints.
pub(crate) fn opened(browser: &str, file: &Path) -> (String, Vec<String>) {
    let profile = tempfile::tempdir().unwrap();
    let output = Command::new(browser)
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--dump-dom"])
        .args(["--enable-logging=stderr", "--window-size=1200,900"])
        .arg("--virtual-time-budget=20000")
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .arg(format!("file://{}", file.display()))
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    let complaints = told.lines().filter(|line| line.contains("CONSOLE"));
    let complaints = complaints.map(str::to_string).collect();
    (
        String::from_utf8_lossy(&output.stdout).into_owned(),
        complaints,
    )
}

/// What a script that has the page in a frame, as wide as a phone, returns: its `d` is the document of the page, as
/// soon as it has curves.
pub(crate) fn asked(browser: &str, page: &str, script: &str) -> serde_json::Value {
    let folder = tempfile::tempdir().unwrap();
    let frame = page.replace('&', "&amp;").replace('"', "&quot;");
    let framed = format!(
        "<!doctype html><meta charset=\"utf-8\"><iframe id=\"f\" width=\"{PHONE}\" height=\"3000\" style=\"border:0\" \
         srcdoc=\"{frame}\"></iframe><pre id=\"answer\"></pre><script>\n\
         const ask = (d) => {{ {script} }};\n\
         let waited = 0;\n\
         const wait = () => {{\n\
           const drawn = f.contentDocument.querySelector(\"[data-series]\");\n\
           if (!drawn && waited++ < 100) setTimeout(wait, 100);\n\
           else answer.textContent = JSON.stringify(ask(f.contentDocument));\n\
         }};\n\
         f.onload = wait;</script>"
    );
    let file = folder.path().join("frame.html");
    fs::write(&file, framed).unwrap();
    let (dom, complaints) = opened(browser, &file);
    assert!(complaints.is_empty(), "{complaints:?}");
    let (_, answer) = dom.split_once("<pre id=\"answer\">").unwrap();
    let (answer, _) = answer.split_once("</pre>").unwrap();
    serde_json::from_str(
        &answer
            .replace("&lt;", "<")
            .replace("&gt;", ">")
            .replace("&amp;", "&"),
    )
    .unwrap_or_else(|error| panic!("{error}: {answer}"))
}

#[test]
fn a_browser_has_no_complaint_and_a_phone_is_wide_enough() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder
        .path()
        .join("a-run-with-a-rather-long-name-as-sweeps-have-them");
    long(&run);
    succeed(&report(&[&run]));
    let one = page(&run.join("report.html"));
    assert_well_formed(&one);
    let numbers = scripts(&one).0[0].1.len();
    assert!(numbers < NUMBERS, "{numbers} bytes of numbers");
    assert!(one.len() - numbers < LIGHT, "{} bytes", one.len() - numbers);
    assert!(one.contains("Of 50,000 steps, one in 167 is drawn."));
    let both = folder.path().join("both.html");
    succeed(&report(&[&run, ended(), Path::new("--out"), &both]));
    let both = page(&both);
    assert!(both.len() < 2 * LIGHT, "{} bytes", both.len());

    let Some(browser) = browser_or_skip() else {
        return;
    };
    // What is looked for is seen where it is: a page that asks for a picture, and one that has another script, both of
    // which its policy forbids.
    let wrong = folder.path().join("wrong.html");
    for more in [
        "<img src=\"http://127.0.0.1/a.png\">",
        "<script>document.title = \"another\"</script>",
    ] {
        fs::write(&wrong, both.replace("<body>", &format!("<body>{more}"))).unwrap();
        let (dom, complaints) = opened(browser, &wrong);
        assert!(!complaints.is_empty(), "{more}");
        assert!(!dom.contains("<title>another"), "{more}");
    }
    for html in [&one, &both] {
        let file = folder.path().join("page.html");
        fs::write(&file, html).unwrap();
        let (dom, complaints) = opened(browser, &file);
        assert!(complaints.is_empty(), "{complaints:?}");
        // The script has been there, and has left no picture as it was.
        assert!(dom.contains("data-curves=") && dom.contains("Theme: system"));
        assert!(!dom.contains("<figure class=\"still\""));
        // A scroll bar at the side takes a part.
        let width = asked(browser, html, "return d.documentElement.scrollWidth;");
        assert!(width.as_u64().unwrap() <= PHONE as u64, "{width}");
    }
}
