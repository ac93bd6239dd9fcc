//! Every operator: gradients agree with finite differences, parts add up, docs are there, limits are refused.

use serde_json::Value;

use super::catalogue::operators;
use crate::answer;

fn asked(question: &str) -> Value {
    let answer = answer(question).unwrap_or_else(|refused| panic!("{question}: {refused}"));
    serde_json::from_str(&answer).unwrap()
}

fn operator(rest: &str) -> Value {
    asked(&format!(r#"{{"ask": "operator", {rest}}}"#))
}

fn refused(rest: &str) -> String {
    let question = format!(r#"{{"ask": "operator", {rest}}}"#);
    let refused = answer(&question).expect_err(rest).to_string();
    assert!(!refused.contains('\n'), "{refused}");
    refused
}

fn numbers(rows: &Value) -> Vec<f64> {
    let rows = rows.as_array().unwrap().iter();
    rows.flat_map(|row| row.as_array().unwrap())
        .map(|x| x.as_f64().unwrap())
        .collect()
}

/// Every operator at its usual size, the smallest, and sizes of every word of its settings.
fn questions() -> Vec<String> {
    let mut questions = Vec::new();
    for listed in asked(r#"{"ask": "operators"}"#).as_array().unwrap() {
        let name = listed["name"].as_str().unwrap();
        questions.push(format!(r#""name": "{name}""#));
        questions.push(format!(r#""name": "{name}", "seed": 3"#));
        for setting in listed["settings"].as_array().unwrap() {
            for word in setting["words"].as_array().unwrap() {
                let set = &setting["name"];
                questions.push(format!(
                    r#""name": "{name}", "settings": {{{set}: {word}}}"#
                ));
            }
        }
        let [rows, columns] = ["rows", "columns"].map(|size| &listed[size]["least"]);
        let d = listed["settings"].to_string().contains(r#""d""#);
        let settings = if d { r#""d": 1"# } else { "" };
        questions.push(format!(
            r#""name": "{name}", "rows": {rows}, "columns": {columns}, "settings": {{{settings}}}"#
        ));
    }
    questions
}

#[test]
fn the_list_has_what_the_docs_say_and_every_name_once() {
    let list = asked(r#"{"ask": "operators"}"#);
    let list = list.as_array().unwrap();
    assert_eq!(list.len(), operators().len());
    for (at, listed) in list.iter().enumerate() {
        assert_ne!(listed["about"], "", "{listed}");
        assert_ne!(listed["takes"], "", "{listed}");
        assert!(!listed["inputs"].as_array().unwrap().is_empty(), "{listed}");
        assert!(
            !list[..at]
                .iter()
                .any(|other| other["name"] == listed["name"])
        );
    }
    let layer_norm = list.iter().find(|listed| listed["name"] == "layer_norm");
    let layer_norm = layer_norm.unwrap();
    assert!(
        layer_norm["about"]
            .as_str()
            .unwrap()
            .starts_with("Layer normalisation of every row")
    );
    assert!(
        layer_norm["takes"]
            .as_str()
            .unwrap()
            .contains("x (n, c), gain and bias (1, c)")
    );
}

/// Operators that a model's tape can have, and those for research, are all in the list.
#[test]
fn every_operator_that_ops_checks_is_in_the_list() {
    let names: Vec<&str> = operators().iter().map(|operator| operator.name).collect();
    let methods = ops::attention::suite::cases();
    let is_method = |name: &str| methods.iter().any(|case| case.operator == name);
    for case in ops::cases() {
        let name = case.operator;
        assert!(names.contains(&name) || is_method(name), "{name}");
    }
}

#[test]
fn every_gradient_agrees_with_finite_differences() {
    for question in questions() {
        let answer = operator(&question);
        let mut some = false;
        for gradient in answer["gradients"].as_array().unwrap() {
            let wrong = gradient["finite"]["wrong"].as_array().unwrap();
            assert!(wrong.is_empty(), "{question}: {gradient}");
            let shape = |rows: &Value| (numbers(rows).len(), rows.as_array().unwrap().len());
            let input = answer["inputs"].as_array().unwrap().iter();
            let mut input = input.filter(|input| input["name"] == gradient["of"]);
            assert_eq!(
                shape(&gradient["rows"]),
                shape(&input.next().unwrap()["rows"])
            );
            some |= numbers(&gradient["rows"]).iter().any(|x| *x != 0.0);
        }
        // A softmax of one class is 1 whatever its logits, and a sparse S of one row may be 0.
        let least = question.contains(r#""rows": 1, "columns": 1"#);
        assert!(some || least, "{question}");
    }
}

#[test]
fn parts_of_a_gradient_add_up_to_it() {
    for (name, of, count) in [
        ("layer_norm", "x", 3),
        ("position_norm", "x", 3),
        ("gelu", "x", 2),
        ("softmax", "logits", 2),
        ("gumbel_softmax", "logits", 2),
        ("cross_entropy", "logits", 2),
    ] {
        for seed in 1..6 {
            let answer = operator(&format!(
                r#""name": "{name}", "columns": 5, "seed": {seed}"#
            ));
            let [sum] = answer["sums"].as_array().unwrap().as_slice() else {
                panic!("{answer}");
            };
            let parts = sum["parts"].as_array().unwrap();
            assert_eq!((&sum["of"], parts.len()), (&of.into(), count));
            let gradients = answer["gradients"].as_array().unwrap().iter();
            let mut gradient = gradients.filter(|gradient| gradient["of"] == of);
            let gradient = numbers(&gradient.next().unwrap()["rows"]);
            let mut total = vec![0.0; gradient.len()];
            for part in parts {
                let part = numbers(&part["rows"]);
                assert!(part.iter().any(|x| *x != 0.0), "{name}: a part is nothing");
                for (total, x) in total.iter_mut().zip(part) {
                    *total += x;
                }
            }
            for (total, gradient) in total.iter().zip(&gradient) {
                assert!(
                    (total - gradient).abs() <= 1e-12,
                    "{name}: {total}, {gradient}"
                );
            }
            assert!(
                sum["largest_difference"].as_f64().unwrap() <= 1e-12,
                "{sum}"
            );
        }
    }
}

/// The means over all draws are the truth, to 1e-12, wherever the estimate is unbiased.
#[test]
fn all_draws_of_an_estimate_have_the_mean_that_its_docs_say() {
    let cases = [
        (r#""name": "importance-sampling""#, true, Some(2)),
        (
            r#""name": "importance-sampling", "settings": {"d": 1}"#,
            true,
            Some(2),
        ),
        (
            r#""name": "importance-sampling", "rows": 3, "settings": {"d": 4}"#,
            true,
            Some(2),
        ),
        (r#""name": "sampled-mean""#, true, Some(1)),
        (
            r#""name": "sampled-mean", "settings": {"baseline": "constant 1"}"#,
            true,
            Some(1),
        ),
        (
            r#""name": "sampled-mean", "settings": {"baseline": "leave one out", "d": 3}"#,
            true,
            Some(1),
        ),
        (r#""name": "column-sampling""#, true, Some(2)),
        (
            r#""name": "column-sampling", "settings": {"scheme": "uniform"}"#,
            true,
            None,
        ),
        (
            r#""name": "column-sampling", "settings": {"scheme": "uniform, distinct"}"#,
            true,
            None,
        ),
        (
            r#""name": "column-sampling", "settings": {"scheme": "by weight, distinct, biased"}"#,
            false,
            None,
        ),
    ];
    for (question, unbiased, terms) in cases {
        for seed in [7, 11] {
            let answer = operator(&format!(r#"{question}, "seed": {seed}"#));
            let all = &answer["all_draws"];
            let draws = all["draws"].as_array().unwrap();
            let total =
                |name: &str| -> f64 { draws.iter().map(|draw| draw[name].as_f64().unwrap()).sum() };
            assert!((total("probability") - 1.0).abs() < 1e-12, "{question}");
            assert!((total("frequency") - 1.0).abs() < 1e-12, "{question}");
            for mean in all["means"].as_array().unwrap() {
                let error = mean["error"].as_f64().unwrap();
                // Of the logits a tape has a part at most; see below.
                if mean["of"] != "logits" {
                    assert_eq!(error <= 1e-12, unbiased, "{question}: {mean}");
                    assert_eq!(mean["unbiased"], unbiased, "{question}: {mean}");
                }
            }
            match terms {
                None => assert!(all["terms"].is_null()),
                Some(count) => {
                    let terms = &all["terms"];
                    assert_eq!(terms["terms"].as_array().unwrap().len(), count);
                    for term in terms["terms"].as_array().unwrap() {
                        let size = numbers(&term["mean"])
                            .iter()
                            .fold(0.0, |a: f64, x| a.max(x.abs()));
                        assert!(size > 1e-2, "{question}: {term}");
                    }
                    let error = terms["complete"]["error"].as_f64().unwrap();
                    assert!(error <= 1e-12, "{question}: {terms}");
                    assert_eq!(terms["complete"]["unbiased"], true);
                }
            }
        }
    }
}

/// On a tape draws are constants: the mean gradient of the logits is another one than that of the mean.
#[test]
fn what_draws_as_constants_leave_out_is_not_nothing() {
    for (name, right) in [
        ("importance-sampling", false),
        ("sampled-mean", false),
        // Both terms are left out, and cancel.
        ("column-sampling", true),
    ] {
        let answer = operator(&format!(r#""name": "{name}""#));
        let means = answer["all_draws"]["means"].as_array().unwrap().iter();
        let mut logits = means.filter(|mean| mean["of"] == "logits");
        let logits = logits.next().unwrap();
        assert_eq!(logits["unbiased"], right, "{name}: {logits}");
        assert_eq!(
            logits["error"].as_f64().unwrap() > 1e-2,
            !right,
            "{name}: {logits}"
        );
    }
}

/// Frequencies are those of the samplers: 2000 samples are within five standard errors.
#[test]
fn samplers_draw_as_often_as_the_probabilities_say() {
    for question in [
        r#""name": "importance-sampling""#,
        r#""name": "column-sampling", "settings": {"scheme": "uniform"}"#,
        r#""name": "column-sampling", "settings": {"scheme": "uniform, distinct"}"#,
        r#""name": "column-sampling", "settings": {"scheme": "by weight, distinct, biased"}"#,
    ] {
        let answer = operator(question);
        let all = &answer["all_draws"];
        let samples = all["samples"].as_f64().unwrap();
        for draw in all["draws"].as_array().unwrap() {
            let [p, frequency] = ["probability", "frequency"].map(|x| draw[x].as_f64().unwrap());
            let error = (p * (1.0 - p) / samples).sqrt();
            assert!((p - frequency).abs() < 5.0 * error, "{question}: {draw}");
        }
    }
}

#[test]
fn docs_and_source_are_those_of_the_file() {
    let answer = operator(r#""name": "layer_norm""#);
    let source = &answer["sources"][0];
    assert_eq!(source["file"], "ops/src/layer_norm.rs");
    assert_eq!(source["docs"][0]["of"], Value::Null);
    let text = source["docs"][0]["text"].as_str().unwrap();
    assert!(text.contains("\n```text\nx̂ = (x - m) / σ"), "{text}");
    let lines = source["lines"].as_array().unwrap();
    let marked = |which: &str| {
        lines[source[which].as_u64().unwrap() as usize - 1]
            .as_str()
            .unwrap()
    };
    assert!(
        marked("forward").starts_with("fn node<"),
        "{}",
        marked("forward")
    );
    assert!(
        marked("backward").contains("move |dy|"),
        "{}",
        marked("backward")
    );
    let written = &answer["written"];
    assert_eq!(written["file"], source["file"]);
    assert!(written["line"].as_u64() <= source["backward"].as_u64());
    // Of a file with several operators, docs of the others are left out.
    let answer = operator(r#""name": "scatter""#);
    let docs = answer["sources"][0]["docs"].as_array().unwrap().iter();
    let of: Vec<&str> = docs.filter_map(|doc| doc["of"].as_str()).collect();
    assert_eq!(of, ["scatter", "scatter_node", "scatter_add_rows"]);
}

#[test]
fn every_operator_is_marked_in_its_source() {
    for listed in operators() {
        let name = listed.name;
        let answer = operator(&format!(r#""name": "{name}""#));
        let sources = answer["sources"].as_array().unwrap();
        let written = &answer["written"]["file"];
        let own = sources.iter().find(|source| &source["file"] == written);
        // The mean of the sampled rows is a pool, whose file is told elsewhere.
        let Some(own) = own else {
            assert_eq!(name, "sampled-mean");
            continue;
        };
        let lines = own["lines"].as_array().unwrap();
        let [forward, backward] = ["forward", "backward"].map(|which| {
            let line = own[which]
                .as_u64()
                .unwrap_or_else(|| panic!("{name}: no {which}"));
            (line, lines[line as usize - 1].as_str().unwrap())
        });
        assert!(forward.1.contains("fn "), "{name}: {forward:?}");
        assert!(backward.1.contains("|d"), "{name}: {backward:?}");
        assert!(forward.0 < backward.0, "{name}");
        assert!(answer["saved_bytes"].is_u64(), "{name}");
        for source in sources {
            assert!(
                !source["docs"].as_array().unwrap().is_empty(),
                "{name}: {}",
                source["file"]
            );
        }
    }
}

#[test]
fn given_inputs_and_dy_are_taken() {
    let answer = operator(
        r#""name": "linear", "rows": 1, "columns": 2, "settings": {"outputs": 1},
           "inputs": {"x": [[2, 3]], "W": [[5, 7]], "b": [[1]]}, "dy": [[10]]"#,
    );
    assert_eq!(numbers(&answer["y"]), [32.0]);
    let gradient = |of: usize| numbers(&answer["gradients"][of]["rows"]);
    assert_eq!(gradient(0), [50.0, 70.0]);
    assert_eq!(gradient(1), [20.0, 30.0]);
    assert_eq!(gradient(2), [10.0]);
    assert_eq!(answer["multiply_adds"], serde_json::json!([2, 4]));
}

#[test]
fn draws_have_a_seed_of_their_own() {
    let [one, other] =
        [3, 4].map(|seed| operator(&format!(r#""name": "sketch_rows", "draw_seed": {seed}"#)));
    assert_eq!(one["inputs"], other["inputs"]);
    assert_ne!(one["shown"], other["shown"]);
}

#[test]
fn what_is_beyond_the_limits_is_refused_in_one_sentence() {
    for (question, told) in [
        (
            r#""name": "layernorm""#,
            "unknown operator \"layernorm\", expected one of layer_norm, ",
        ),
        (
            r#""name": "gelu", "rows": 65"#,
            "rows = 65: expected 1 to 64",
        ),
        (
            r#""name": "gelu", "columns": 0"#,
            "columns = 0: expected 1 to 64",
        ),
        (r#""name": "pair", "rows": 2"#, "rows = 2: expected 1"),
        (
            r#""name": "gelu", "settings": {"depth": 2}"#,
            "settings: unknown \"depth\", expected none",
        ),
        (
            r#""name": "linear", "settings": {"outputs": 0}"#,
            "outputs = 0: expected a whole number from 1 to 64",
        ),
        (
            r#""name": "linear", "settings": {"outputs": 1.5}"#,
            "outputs = 1.5: expected a whole number",
        ),
        (
            r#""name": "dropout", "settings": {"rate": 1}"#,
            "rate = 1: expected a number from 0 to 0.99",
        ),
        (
            r#""name": "dropout", "settings": {"rate": "much"}"#,
            "rate = \"much\": expected a number",
        ),
        (
            r#""name": "sketch_rows", "settings": {"family": "fair"}"#,
            "family = \"fair\": expected gaussian, ",
        ),
        (
            r#""name": "sketch_rows", "settings": {"family": "srht", "d": 9}"#,
            "of srht expected at most 8 columns",
        ),
        (
            r#""name": "sketch_rows", "settings": {"family": "uniform, distinct", "d": 7}"#,
            "of uniform, distinct expected at most 6 columns",
        ),
        (
            r#""name": "cross_entropy", "settings": {"label": 3}"#,
            "label = 3: expected one below the 3 columns",
        ),
        (
            r#""name": "rotary", "settings": {"heads": 3}"#,
            "heads = 3: expected a divisor of the 4 columns",
        ),
        (
            r#""name": "fourier_filter", "settings": {"segments": 2}"#,
            "segments = 2: expected a divisor",
        ),
        (
            r#""name": "convolution", "columns": 40"#,
            "taps = 3: W has 120 rows, expected at most 64",
        ),
        (
            r#""name": "gelu", "inputs": {"y": [[1]]}"#,
            "inputs: unknown \"y\", expected x",
        ),
        (
            r#""name": "gelu", "inputs": {"x": [[1]]}"#,
            "x: expected 4 rows of 3 numbers",
        ),
        (
            r#""name": "gelu", "rows": 1, "columns": 1, "dy": [[1, 2]]"#,
            "dy: expected 1 row of 1 number",
        ),
        (
            r#""name": "importance_sum", "inputs": {"p": [[0.5], [0.5], [0.5], [0]]}"#,
            "p: expected probabilities of at least 0.01",
        ),
        (
            r#""name": "score_function", "rows": 1, "settings": {"baseline": "leave one out"}"#,
            "baseline: expected two samples or more to leave one out",
        ),
        (
            r#""name": "importance-sampling", "rows": 6, "settings": {"d": 4}"#,
            "4 of 6 rows: expected at most 256 ways to draw them, not 1296",
        ),
        (
            r#""name": "importance-sampling", "inputs": {"logits": [[0, 0, 0, -99]]}"#,
            "logits: expected probabilities of at least 0.000001",
        ),
        (
            r#""name": "column-sampling", "columns": 2, "settings": {"scheme": "uniform, distinct", "d": 3}"#,
            "d = 3: expected at most 2 distinct rows",
        ),
        (r#""name": "gelu", "colour": 1"#, "unknown field `colour`"),
    ] {
        let refused = refused(question);
        assert!(refused.contains(told), "{question}: {refused}");
    }
}

/// Whatever the sizes: an answer or a sentence of this crate, never one of a panic.
#[test]
fn sizes_and_settings_at_their_ends_do_not_end_in_a_panic() {
    let list = asked(r#"{"ask": "operators"}"#);
    for listed in list.as_array().unwrap() {
        let name = &listed["name"];
        for ends in ["least", "most"] {
            let [rows, columns] = ["rows", "columns"].map(|size| &listed[size][ends]);
            let at = usize::from(ends == "most");
            let settings = listed["settings"].as_array().unwrap().iter();
            let settings = settings.map(|setting| {
                let value = match setting["range"].as_array() {
                    Some(range) => &range[at],
                    None => setting["words"].as_array().unwrap().last().unwrap(),
                };
                format!("{}: {value}", setting["name"])
            });
            let settings: Vec<String> = settings.collect();
            let question = format!(
                r#"{{"ask": "operator", "name": {name}, "rows": {rows}, "columns": {columns},
                    "settings": {{{}}}}}"#,
                settings.join(", ")
            );
            if let Err(refused) = answer(&question) {
                assert!(
                    refused.to_string().contains("expected"),
                    "{question}: {refused}"
                );
            }
        }
    }
}
