//! The curves of pages in a browser: what they tell are the numbers of the run, no peak is lost, and what they know of
//! numbers is right.

use crate::report::{PEAK, PHONE, asked, browser_or_skip, long, opened, page, report, succeed};
use crate::support::has;
use std::fs;

/// Presses keys on the curves of a loss, and reads what is told.
const KEYS: &str = r##"
    const chart = d.querySelector('[data-curves="Loss"]');
    const picture = chart.querySelector(".plot svg");
    const press = (...keys) => keys.forEach((key) =>
      picture.dispatchEvent(new d.defaultView.KeyboardEvent("keydown", { key, cancelable: true })));
    const told = () => ({
      x: Number(chart.querySelector(".told strong").dataset.x),
      values: Object.fromEntries([...chart.querySelectorAll(".told div")].map((row) =>
        [row.querySelector("span").textContent, Number(row.querySelector("data").value)])),
      heard: chart.querySelector(".heard").textContent,
    });
    const ticks = (axis) => [...chart.querySelectorAll(`text.${axis}`)].map((text) => text.textContent);
    const series = () => [...chart.querySelectorAll("[data-series]")].map((group) => group.dataset.series);
    const button = (text) => [...d.querySelectorAll("#curves button")].find((found) => found.textContent === text);
"##;

#[test]
fn curves_tell_the_numbers_of_metrics_jsonl() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    long(&run);
    succeed(&report(&[&run]));
    let Some(browser) = browser_or_skip() else {
        return;
    };
    let ask = |script: &str| {
        asked(
            browser,
            &page(&run.join("report.html")),
            &format!("{KEYS}{script}"),
        )
    };
    let told = ask(
        "press('Home'); const first = told(); press('ArrowRight', 'ArrowRight'); const third = told();
         press('End', 'ArrowLeft'); return [first, third, told()];",
    );
    let metrics = page(&run.join("metrics.jsonl"));
    let lines: Vec<serde_json::Value> = metrics
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let steps: Vec<_> = lines
        .iter()
        .filter(|line| line.get("dev").is_none())
        .collect();
    let dev: Vec<_> = lines
        .iter()
        .filter(|line| line.get("dev").is_some())
        .collect();
    for (told, step, evaluation) in [
        (&told[0], 1u32, 0),
        (&told[1], 3, 0),
        (&told[2], 49_999, 999),
    ] {
        assert_eq!(told["x"], f64::from(step));
        assert_eq!(told["values"]["train"], steps[step as usize - 1]["loss"]);
        assert_eq!(told["values"]["dev"], dev[evaluation]["dev"]["loss"]);
        let heard = told["heard"].as_str().unwrap();
        has(
            heard,
            format!("step {};", indicatif::HumanCount(step.into())),
        );
        has(heard, "train 0.");
    }

    // The peak of one step is drawn, of 50,000 on a phone; and goes when its part is not shown.
    let axes = ask(
        "const all = [ticks('x'), ticks('y')]; press('Home'); for (let at = 0; at < 8; at++) press('+');
         const close = [ticks('x'), ticks('y')]; press('0'); return [all, close, [ticks('x'), ticks('y')]];",
    );
    let numbers = |ticks: &serde_json::Value| -> Vec<f64> {
        let ticks = ticks.as_array().unwrap().iter();
        ticks
            .map(|tick| tick.as_str().unwrap().replace(',', "").parse().unwrap())
            .collect()
    };
    for axis in axes
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|axes| axes.as_array().unwrap())
    {
        assert!(numbers(axis).len() >= 2, "{axis}");
    }
    assert!(
        *numbers(&axes[0][1]).last().unwrap() > PEAK.1 / 2.0,
        "{axes}"
    );
    assert!(numbers(&axes[1][1]).last().unwrap() <= &1.0, "{axes}");
    assert!(numbers(&axes[1][0]).last().unwrap() <= &200.0, "{axes}");
    assert_eq!(axes[2], axes[0]);

    // Dragging zooms, a button of the legend switches, smoothing leaves what is told.
    let shown = ask(
        "const before = series(); const dev = button('dev'); dev.click();
         const without = [series(), dev.getAttribute('aria-pressed')]; dev.click();
         const slider = d.querySelector('#curves input[type=range]'); slider.value = 0;
         slider.dispatchEvent(new d.defaultView.Event('input')); const raw = chart.querySelectorAll('path.raw').length;
         slider.value = 60; slider.dispatchEvent(new d.defaultView.Event('input'));
         const pale = chart.querySelectorAll('path.raw').length; press('Home');
         const value = told().values.train;
         const box = picture.getBoundingClientRect();
         const point = (kind, part) => picture.dispatchEvent(new d.defaultView.PointerEvent(kind, {
           clientX: box.left + part * box.width, clientY: box.top + 50, button: 0, pointerId: 1 }));
         picture.setPointerCapture = () => {};
         point('pointerdown', 0.5); point('pointermove', 0.6); point('pointerup', 0.7);
         const lengths = [...chart.querySelectorAll('path')].map((path) => path.getAttribute('d').split('L').length);
         const longest = Math.max(...lengths);
         return { before, without, raw, pale, value, dragged: ticks('x'), longest };",
    );
    assert_eq!(shown["before"], serde_json::json!(["train", "dev"]));
    assert_eq!(shown["without"], serde_json::json!([["train"], "false"]));
    assert_eq!((&shown["raw"], &shown["pale"]), (&0.into(), &1.into()));
    assert_eq!(shown["value"], steps[0]["loss"]);
    let dragged = numbers(&shown["dragged"]);
    assert!(
        dragged[0] > 20_000.0 && dragged.last().unwrap() < &40_000.0,
        "{dragged:?}"
    );
    // Two points a column of pixels, and one beyond each end.
    let longest = shown["longest"].as_u64().unwrap() as usize;
    assert!((PHONE / 2..2 * PHONE).contains(&longest), "{longest}");
}

#[test]
fn what_curves_know_of_numbers_is_right() {
    let Some(browser) = browser_or_skip() else {
        return;
    };
    let lines = include_str!("../src/show/page/lines.js");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("lines.html");
    let checks = r#"
        const wrong = [];
        const same = (what, got, expected) => {
          if (JSON.stringify(got) !== JSON.stringify(expected)) wrong.push(`${what}: ${JSON.stringify(got)}`);
        };
        const holds = (what, truth) => truth || wrong.push(what);
        const line = Array.from({ length: 50000 }, (_, at) => [at + 1, (at % 7) / 7]);
        line[33332][1] = 9;
        line[44444][1] = -9;
        line[100][1] = NaN;
        const thinned = extremes(line, 1, 50000, 300);
        holds("few", thinned.length <= 602 && thinned.length > 500);
        holds("both peaks", [9, -9].every((y) => thinned.some((point) => point[1] === y)));
        holds("in order", thinned.every((point, at) => at === 0 || thinned[at - 1][0] < point[0]));
        holds("no gap beside numbers", thinned.every(([, y]) => Number.isFinite(y)));
        same("few points are all there", extremes(line, 10, 12, 300), line.slice(8, 13));
        same("from the first on", extremes(line, 1, 2, 300), line.slice(0, 3));
        same("nothing", extremes([], 0, 1, 300), []);
        const gaps = Array.from({ length: 1000 }, (_, at) => [at, at < 500 ? NaN : 1]);
        holds("a gap stays", extremes(gaps, 0, 999, 20).filter(([, y]) => Number.isNaN(y)).length >= 10);
        same("raw", smoothed(line.slice(0, 3), 1), line.slice(0, 3));
        same("a constant", smoothed([[1, 4], [2, 4], [3, 4]], 10).map(([, y]) => Math.round(y * 1e9) / 1e9), [4, 4, 4]);
        // Half of each new one: (1/4 + 4/2) over the weights, 3/4.
        same("average", smoothed([[1, 1], [2, 4]], 3), [[1, 1], [2, 3]]);
        same("nearest", [0.2, 1.4, 1.6, 9].map((x) => nearest([[1, 0], [2, 0], [4, 0]], x)), [0, 0, 1, 2]);
        same("nearest of none", nearest([], 1), -1);
        same("round", ticks(0, 1, false, 6), [0, 0.2, 0.4, 0.6, 0.8, 1]);
        same("decades", ticks(1e-4, 1e2, true, 8), [1e-4, 1e-3, 1e-2, 1e-1, 1, 10, 100]);
        let state = 1;
        const random = () => (state = (state * 16807) % 2147483647) / 2147483647;
        for (let at = 0; at < 5000; at++) {
          const low = (random() - 0.3) * 10 ** (8 * random() - 4);
          const high = low + Math.abs(low) * 10 ** (6 * random() - 5) + 1e-12;
          const from = 10 ** (6 * random() - 3);
          for (const [a, b, log] of [[low, high, false], [from, from * 10 ** (8 * random() + 0.01), true]]) {
            const most = 3 + Math.floor(6 * random());
            const found = ticks(a, b, log, most);
            const slip = 1e-9 * Math.max(Math.abs(a), Math.abs(b));
            const inside = found.every((tick) => tick >= a - slip && tick <= b + slip);
            holds(`ticks of ${[a, b, log, most]}: ${found}`, found.length >= 2 && found.length <= most + 4 && inside);
          }
        }
        document.title = wrong.length ? wrong.slice(0, 5).join("; ") : "right";
    "#;
    let html = format!(
        "<!doctype html><meta charset=\"utf-8\"><title>?</title><script type=\"module\">{lines}{checks}</script>"
    );
    fs::write(&file, html).unwrap();
    let (dom, complaints) = opened(browser, &file);
    assert!(complaints.is_empty(), "{complaints:?}");
    has(&dom, "<title>right</title>");
}
