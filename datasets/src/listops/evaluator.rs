//! Reads one expression as it is printed, and computes its value: a machine with a stack that knows the printed form
//! only and shares nothing with the generator, so that each checks the other.
//!
//! The printed form is binary. An operator is applied to one argument at a time, `( [MAX 2 )`, `( ( [MAX 2 ) 9 )`, and
//! closed by one more pair, `( ( ( [MAX 2 ) 9 ) ] )`. So every `)` has exactly two things since its `(`: an operator
//! with the arguments so far, and either a value or the bracket `]`.

use super::{CLOSE, DIGIT, MAX, MED, MIN, SUM};
use crate::shown::quoted;

/// What stands on the stack.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Item {
    /// `(`, not yet closed.
    Open,
    /// An operator with the arguments so far; how many of each digit stands in the other stack.
    Operator,
    /// A digit, or an operator that has been closed.
    Value(u8),
    /// `]`.
    Close,
}

/// An operator, and how often each digit is among its arguments.
struct Applied {
    operator: u8,
    counts: [u32; 10],
}

impl Applied {
    /// The value, by counting: nothing is sorted. `None` without arguments.
    fn value(&self) -> Option<u8> {
        let digits = || (0u8..10).zip(self.counts);
        let mut held = digits()
            .filter(|&(_, count)| count > 0)
            .map(|(digit, _)| digit);
        // The digit at a place of the sorted arguments.
        let at = |place: u32| {
            let mut below = 0;
            let found = digits().find(|&(_, count)| {
                below += count;
                place < below
            });
            found.map(|(digit, _)| digit)
        };
        let n: u32 = self.counts.iter().sum();
        match self.operator {
            MIN => held.next(),
            MAX => held.next_back(),
            MED if n % 2 == 1 => at(n / 2),
            MED => Some((at((n / 2).checked_sub(1)?)? + at(n / 2)?) / 2),
            _ if n == 0 => None,
            _ => {
                let rest = digits().map(|(digit, count)| count % 10 * u32::from(digit));
                Some((rest.sum::<u32>() % 10) as u8)
            }
        }
    }
}

/// The codes of an expression (without parentheses, with brackets), and its value; or what is wrong with it, and at
/// which byte, counted from 1.
pub(super) fn evaluate(text: &[u8]) -> Result<(Vec<u8>, u8), (usize, String)> {
    let mut codes = Vec::new();
    let mut stack: Vec<Item> = Vec::new();
    let mut operators: Vec<Applied> = Vec::new();
    let mut at = 0;
    for word in text.split(|&byte| byte == b' ') {
        let column = at + 1;
        at += word.len() + 1;
        let (code, item) = match word {
            b"" => continue, // two blanks in a row
            b"(" => {
                stack.push(Item::Open);
                continue;
            }
            b")" => {
                let item = close(&mut stack, &mut operators).map_err(|what| (column, what))?;
                stack.push(item);
                continue;
            }
            word => match code(word).ok_or_else(|| (column, unknown(word)))? {
                CLOSE => (CLOSE, Item::Close),
                digit @ DIGIT.. => (digit, Item::Value(digit - DIGIT)),
                operator => {
                    operators.push(Applied {
                        operator,
                        counts: [0; 10],
                    });
                    (operator, Item::Operator)
                }
            },
        };
        codes.push(code);
        stack.push(item);
    }
    match stack[..] {
        [Item::Value(value)] => Ok((codes, value)),
        [] => Err((1, "there is no expression".into())),
        _ => {
            let open = stack.iter().filter(|&&item| item == Item::Open).count();
            let what = if open > 0 {
                format!("the expression ends with parentheses open: {open}")
            } else {
                "the expression does not end as one value".into()
            };
            Err((text.len(), what))
        }
    }
}

/// The codes of an expression without parentheses, such as `[MAX 2 9 [MIN 4 7 ] 0 ]`; or what is wrong with it, and at
/// which byte, counted from 1. Blanks around `]` may be left out.
pub(super) fn plain(text: &[u8]) -> Result<Vec<u8>, (usize, String)> {
    let mut codes = Vec::new();
    // Arguments so far of each operator that is open.
    let mut open: Vec<usize> = Vec::new();
    let mut at = 0;
    while at < text.len() {
        let rest = &text[at..];
        let end = |byte: &u8| *byte == b' ' || *byte == b']';
        let (column, length) = match rest[0] {
            b' ' => {
                at += 1;
                continue;
            }
            b']' => (at + 1, 1),
            _ => (at + 1, rest.iter().position(end).unwrap_or(rest.len())),
        };
        let word = &rest[..length];
        at += length;
        if !codes.is_empty() && open.is_empty() {
            return Err((column, "the expression has ended before this".into()));
        }
        let code = code(word).ok_or_else(|| (column, unknown(word)))?;
        match code {
            CLOSE => match open.pop() {
                None => return Err((column, "this bracket closes nothing".into())),
                Some(0) => {
                    return Err((column, "an operator without arguments has no value".into()));
                }
                Some(_) => {}
            },
            _ => {
                if let Some(arguments) = open.last_mut() {
                    *arguments += 1;
                }
                if code < DIGIT {
                    open.push(0);
                }
            }
        }
        codes.push(code);
    }
    match open.len() {
        _ if codes.is_empty() => Err((1, "there is no expression".into())),
        0 => Ok(codes),
        open => {
            let what = format!("the expression ends with brackets open: {open}");
            Err((text.len(), what))
        }
    }
}

/// The code of a word; none for parentheses, which are no tokens, and for what is no word.
fn code(word: &[u8]) -> Option<u8> {
    match word {
        b"[MIN" => Some(MIN),
        b"[MAX" => Some(MAX),
        b"[MED" => Some(MED),
        b"[SM" => Some(SUM),
        b"]" => Some(CLOSE),
        &[digit @ b'0'..=b'9'] => Some(DIGIT + (digit - b'0')),
        _ => None,
    }
}

/// What a `)` makes of the pair on top of the stack.
fn close(stack: &mut Vec<Item>, operators: &mut Vec<Applied>) -> Result<Item, String> {
    let (right, left, open) = (stack.pop(), stack.pop(), stack.pop());
    let (Some(Item::Open), Some(Item::Operator), Some(right)) = (open, left, right) else {
        return Err(
            "this parenthesis does not close a pair of an operator and its next argument or bracket"
                .into(),
        );
    };
    // As many operators as items of that kind: each is pushed with its own, and taken with it below.
    match (right, operators.last_mut()) {
        (Item::Value(value), Some(applied)) => {
            applied.counts[usize::from(value)] += 1;
            Ok(Item::Operator)
        }
        (Item::Close, Some(applied)) => {
            let value = applied
                .value()
                .ok_or("an operator without arguments has no value")?;
            operators.pop();
            Ok(Item::Value(value))
        }
        _ => Err("this parenthesis closes a pair without an argument".into()),
    }
}

/// A word that is none, shortened and with its control characters escaped.
fn unknown(word: &[u8]) -> String {
    let what = match word.contains(&0) {
        true => "a NUL byte in the word",
        false => "no word:",
    };
    format!("{what} {}", quoted(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_expressions_are_the_codes_of_printed_ones() {
        for (plain_form, printed) in [
            ("7", "7"),
            ("[MAX 2 9 ]", "( ( ( [MAX 2 ) 9 ) ] )"),
            ("[MAX 2 9]", "( ( ( [MAX 2 ) 9 ) ] )"),
            (
                " [MED [SM 4 5 ]  1 ]",
                "( ( ( [MED ( ( ( [SM 4 ) 5 ) ] ) ) 1 ) ] )",
            ),
        ] {
            let (codes, _) = evaluate(printed.as_bytes()).unwrap();
            assert_eq!(plain(plain_form.as_bytes()), Ok(codes), "{plain_form}");
        }
        for (text, column, what) in [
            ("", 1, "there is no expression"),
            ("[MAX 2 9", 8, "brackets open: 1"),
            ("[MAX ]", 6, "without arguments"),
            ("2 ]", 3, "has ended before this"),
            ("]", 1, "closes nothing"),
            ("[MAX 2 x ]", 8, "no word: \"x\""),
            ("[MAX 12 ]", 6, "no word: \"12\""),
        ] {
            let (at, problem) = plain(text.as_bytes()).unwrap_err();
            assert!(at == column && problem.contains(what), "{at}: {problem}");
        }
    }

    #[test]
    fn expressions_have_their_values() {
        for (text, value) in [
            ("7", 7),
            ("( ( ( [MAX 2 ) 9 ) ] )", 9),
            ("( ( ( [MED 2 ) 1 ) ] )", 1),
            ("( ( ( ( [MED 2 ) 9 ) 4 ) ] )", 4),
            ("( ( ( ( ( [MED 0 ) 1 ) 8 ) 9 ) ] )", 4),
            ("( ( ( ( [SM 9 ) 9 ) 9 ) ] )", 7),
            ("( ( ( [MIN ( ( ( [SM 5 ) 5 ) ] ) ) 3 ) ] )", 0),
            ("( ( ( [SM 3 ) ( ( ( [MAX 2 ) 6 ) ] ) ) ] )", 9),
        ] {
            assert_eq!(evaluate(text.as_bytes()).map(|e| e.1), Ok(value), "{text}");
        }
        let codes = evaluate(b"( ( ( [MIN ( ( ( [SM 5 ) 5 ) ] ) ) 3 ) ] )").map(|e| e.0);
        assert_eq!(codes, Ok(vec![0, 3, 9, 9, 14, 7, 14]));
    }

    #[test]
    fn what_is_no_expression_is_refused_at_its_place() {
        for (text, column, words) in [
            ("", 1, "no expression"),
            ("( ( [MAX 2 ) ]", 14, "open: 1"),
            ("( ( [MAX 2 ) ] ) )", 18, "does not close a pair"),
            ("( [MAX ] )", 10, "without arguments"),
            ("( [MAX ( )", 10, "without an argument"),
            ("( 2 3 )", 7, "does not close"),
            ("[MAX", 4, "one value"),
            ("1 2", 3, "one value"),
            ("( ( [FIRST 2 ) ] )", 5, "no word: \"[FIRST\""),
            ("( ( [MAX 12 ) ] )", 10, "no word: \"12\""),
            ("( ( [MAX \0 ) ] )", 10, "NUL"),
            (")", 1, "does not close"),
        ] {
            let (at, what) = evaluate(text.as_bytes()).unwrap_err();
            assert!(
                what.contains(words) && at == column,
                "{text:?}: byte {at}: {what}"
            );
        }
    }
}
