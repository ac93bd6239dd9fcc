//! Every entry of the registry through the suite of laws, and every gradient case of the crate.

use engine::Seed;
use ops::attention::{find, registry, suite};

#[test]
fn every_entry_keeps_its_laws() {
    for entry in registry::<f64>() {
        suite::laws(&entry, Seed(9).stream("laws").stream(entry.name));
    }
}

#[test]
fn every_entry_has_right_gradients_that_are_not_zero_where_they_should_not_be() {
    for entry in registry::<f64>() {
        let method = (entry.build)(&ops::attention::Options {
            features: 4,
            dropout: 0.0,
            ..ops::attention::Options::default()
        });
        for n in suite::LENGTHS.into_iter().chain([suite::LONG]) {
            for dropout in [false, true] {
                let checked = suite::gradients(&entry, n, dropout, Seed(8).stream(entry.name));
                for input in checked
                    .unwrap_or_else(|failure| panic!("n = {n}, dropout {dropout}: {failure}"))
                {
                    let reads = method.reads();
                    let read = match input.input.as_str() {
                        "q" => reads.queries,
                        "k" => reads.keys,
                        _ => true,
                    };
                    let (name, input_name, norm) = (entry.name, input.input, input.norm);
                    // Where queries are keys a token sees its own only when there is no other: of
                    // two, each sees the other.
                    let few = if reads.queries && !reads.keys { 2 } else { 1 };
                    let alone = n <= few && ["q", "k"].contains(&input_name.as_str());
                    // A weighted mean of one value is that value, whatever q and k are; the weight of
                    // one value in a sum may depend on them or not.
                    let influences = match (alone, entry.laws.rows_sum_to_one) {
                        (true, true) => false,
                        (true, false) => continue,
                        _ => read,
                    };
                    assert_eq!(
                        norm > 1e-6,
                        influences,
                        "{name}, n = {n}: gradient of {input_name} has norm {norm:e}"
                    );
                }
            }
        }
    }
}

#[test]
fn names_are_unique_and_both_precisions_have_the_same() {
    let names: Vec<_> = registry::<f64>().iter().map(|entry| entry.name).collect();
    assert_eq!(
        names,
        registry::<f32>()
            .iter()
            .map(|entry| entry.name)
            .collect::<Vec<_>>()
    );
    for (i, name) in names.iter().enumerate() {
        assert!(!names[..i].contains(name), "{name} stands twice");
        assert!(find::<f32>(name).is_ok());
    }
}

#[test]
fn an_unknown_name_lists_the_known_ones() {
    let message = find::<f32>("skien")
        .err()
        .expect("no such method")
        .to_string();
    assert!(
        message.contains("`skien`") && message.contains("skein, skein-uniform"),
        "{message}"
    );
}
