//! How numbers are written in tables.

use crate::numbers::statistics::Mean;
use std::time::Duration;

/// A number, or a dash where there is none.
pub(crate) fn or_dash<T>(x: Option<T>, write: impl FnOnce(T) -> String) -> String {
    x.map_or_else(|| "-".to_string(), write)
}

/// So many places.
pub(crate) fn places(digits: usize) -> impl Fn(f64) -> String {
    move |x| format!("{x:.digits$}")
}

/// All digits, for programs; nothing where there is no number.
pub(crate) fn exact(x: Option<f64>) -> String {
    x.map_or_else(String::new, |x| x.to_string())
}

/// Two places, none from 100 on.
pub(crate) fn two_places(x: f64) -> String {
    match x {
        ..100.0 => format!("{x:.2}"),
        _ => format!("{x:.0}"),
    }
}

/// Four places, of tiny ones the magnitude.
pub(crate) fn four_places(x: f64) -> String {
    match x {
        0.0 => "0".to_string(),
        ..1e-3 => format!("{x:.1e}"),
        ..1e3 => format!("{x:.4}"),
        x => format!("{x:.2e}"),
    }
}

/// Four places where there are some, short where numbers are large or tiny.
pub(crate) fn short(x: f64) -> String {
    match x {
        1e-3..10.0 => format!("{x:.4}"),
        10.0..1e5 => format!("{x:.0}"),
        _ => format!("{x:.1e}"),
    }
}

/// Three digits that matter of a number from 0.1 to 1,000, two of others; from 1,000 to 10,000 it is whole.
pub(crate) fn three_digits(x: f64) -> String {
    match x {
        0.0 => "0".to_string(),
        0.1..1.0 => format!("{x:.3}"),
        1.0..10.0 => format!("{x:.2}"),
        10.0..100.0 => format!("{x:.1}"),
        100.0..10_000.0 => format!("{x:.0}"),
        x => format!("{x:.1e}"),
    }
}

/// A mean with the standard error of its last digits: 0.507(8), 60.8(20).
pub(crate) fn with_error(Mean { mean, error }: Mean) -> String {
    if !(mean.is_finite() && error.is_finite()) {
        return "not finite".to_string();
    }
    // Two digits of the error, as far as they are within six places of the mean.
    let places = match error > 0.0 {
        true => (1 - error.log10().floor() as i32).clamp(0, 5) as usize,
        false => 4,
    };
    let digits = error * 10f64.powi(places as i32);
    match mean.abs() >= 1e6 || digits >= 1000.0 {
        true => format!("{mean:.2e}"),
        false => format!("{mean:.places$}({digits:.0})"),
    }
}

/// 1 - x, with as many places as x has: 0.93 of 0.07, where the subtraction leaves 0.9299999999999999.
pub(crate) fn complement(x: f64) -> String {
    let text = x.to_string();
    let places = text.split_once('.').map_or(0, |(_, places)| places.len());
    format!("{:.places$}", 1.0 - x)
}

/// Bytes in five letters at most.
pub(crate) fn bytes(bytes: usize) -> String {
    match bytes {
        0..10_000 => bytes.to_string(),
        10_000..10_240_000 => format!("{}K", bytes / 1024),
        _ => format!("{}M", bytes / 1024 / 1024),
    }
}

/// Microseconds in four places at most, on a slow machine too.
pub(crate) fn micros(time: Duration) -> String {
    match time.as_secs_f64() * 1e6 {
        few @ ..9.95 => format!("{few:.1}"),
        many @ ..9999.5 => format!("{many:.0}"),
        many => format!("{:.0}ms", many / 1e3),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mean_has_the_digits_that_its_error_leaves() {
        let text = |mean, error| with_error(Mean { mean, error });
        assert_eq!(text(0.94969, 0.00426), "0.9497(43)");
        assert_eq!(text(60.82, 1.95), "60.8(20)");
        assert_eq!(text(0.5, 0.0), "0.5000(0)");
        assert_eq!(text(1234.5, 210.0), "1234(210)");
        assert_eq!(text(1e9, 1e7), "1.00e9");
        assert_eq!(text(1.0, 1e-9), "1.00000(0)");
        assert_eq!(text(f64::NAN, 0.0), "not finite");
    }

    #[test]
    fn a_quantile_has_the_places_of_its_delta() {
        for (delta, expected) in [
            (0.07, "0.93"),
            (0.1, "0.9"),
            (0.05, "0.95"),
            (0.001, "0.999"),
            (1e-9, "0.999999999"),
        ] {
            assert_eq!(complement(delta), expected);
        }
    }
}
