//! Numbers in the files of a run, each in its range: what no run has written is refused where it is read, with its line,
//! and never averaged, drawn or printed.

use serde::de::{Deserialize, Deserializer, Error};
use std::fmt::Display;

/// A share, such as an accuracy.
pub(crate) fn share<'de, D: Deserializer<'de>>(number: D) -> Result<f64, D::Error> {
    let is_share = |x: &f64| (0.0..=1.0).contains(x);
    checked(f64::deserialize(number)?, is_share, "a share from 0 to 1")
}

/// A loss, a norm, a time: whatever is measured from 0 on.
pub(crate) fn amount<'de, D: Deserializer<'de>>(number: D) -> Result<f64, D::Error> {
    let is_amount = |x: &f64| *x >= 0.0 && x.is_finite();
    let expected = "a finite number from 0 on";
    checked(f64::deserialize(number)?, is_amount, expected)
}

/// The same, where it need not be known.
pub(crate) fn amount_if_any<'de, D: Deserializer<'de>>(number: D) -> Result<Option<f64>, D::Error> {
    #[derive(serde::Deserialize)]
    struct Amount(#[serde(deserialize_with = "amount")] f64);
    Ok(Option::<Amount>::deserialize(number)?.map(|Amount(number)| number))
}

/// How many there are of what a run cannot be without.
pub(crate) fn count<'de, D: Deserializer<'de>>(number: D) -> Result<usize, D::Error> {
    let is_count = |n: &usize| (1..=u32::MAX as usize).contains(n);
    checked(
        usize::deserialize(number)?,
        is_count,
        "a count from 1 to 2^32",
    )
}

/// The same of the three splits.
pub(crate) fn counts<'de, D: Deserializer<'de>>(numbers: D) -> Result<[usize; 3], D::Error> {
    #[derive(serde::Deserialize)]
    struct Count(#[serde(deserialize_with = "count")] usize);
    Ok(<[Count; 3]>::deserialize(numbers)?.map(|Count(number)| number))
}

fn checked<N: Display, E: Error>(
    number: N,
    is: impl Fn(&N) -> bool,
    expected: &str,
) -> Result<N, E> {
    match is(&number) {
        true => Ok(number),
        false => Err(E::custom(format!("{number}: expected {expected}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::terminal::asserts::has;

    #[derive(serde::Deserialize, Debug, PartialEq)]
    struct Numbers {
        #[serde(deserialize_with = "share")]
        share: f64,
        #[serde(deserialize_with = "amount")]
        amount: f64,
        #[serde(default, deserialize_with = "amount_if_any")]
        perhaps: Option<f64>,
        #[serde(deserialize_with = "count")]
        count: usize,
    }

    fn json(share: &str, amount: &str, perhaps: &str, count: &str) -> Result<Numbers, String> {
        let text = format!(
            "{{\"share\":{share},\n\"amount\":{amount},\n\"perhaps\":{perhaps},\n\"count\":{count}}}"
        );
        serde_json::from_str(&text).map_err(|error| error.to_string())
    }

    #[test]
    fn the_ends_of_the_ranges_are_in_them() {
        for (share, amount, perhaps, count) in
            [("0", "0", "null", "1"), ("1.0", "1e300", "0", "4294967295")]
        {
            json(share, amount, perhaps, count).unwrap();
        }
        let text = "share = 0.5\namount = 2.0\ncount = 3";
        let expected = Numbers {
            share: 0.5,
            amount: 2.0,
            perhaps: None,
            count: 3,
        };
        assert_eq!(toml::from_str::<Numbers>(text).unwrap(), expected);
    }

    #[test]
    fn what_is_out_of_range_is_refused_with_its_line_and_what_was_expected() {
        let share = "expected a share from 0 to 1 at line 1";
        let amount = "expected a finite number from 0 on at line";
        let count = "expected a count from 1 to 2^32 at line 4";
        for (numbers, expected) in [
            (["37.5", "1", "1", "1"], share),
            (["1.0000000000000002", "1", "1", "1"], share),
            (["-1e-9", "1", "1", "1"], share),
            (["1", "-0.1", "1", "1"], amount),
            (["1", "1", "-2", "1"], amount),
            (["1", "1", "1", "0"], count),
            (["1", "1", "1", "4294967296"], count),
            (["1", "1e999", "1", "1"], "number out of range at line 2"),
            (["1", "null", "1", "1"], "invalid type: null"),
            (["1", "1", "1", "-1"], "invalid value: integer `-1`"),
        ] {
            let [share, amount, perhaps, count] = numbers;
            let told = json(share, amount, perhaps, count).unwrap_err();
            assert!(told.contains(expected), "{numbers:?}: {told}");
        }
        // TOML has words for what is no number.
        for word in ["nan", "inf", "-inf", "-1.0"] {
            let text = format!("share = 1.0\namount = {word}\ncount = 3");
            let told = toml::from_str::<Numbers>(&text).unwrap_err();
            has(told.message(), "expected a finite number from 0 on");
            assert_eq!(told.span().unwrap().start, text.find(word).unwrap());
        }
    }
}
