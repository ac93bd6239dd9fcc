//! The command line of this process, with some flags out and others in: what is to be pasted, or stands in a script.

use std::env::args_os;

/// A command line in words.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Again {
    /// From the name of the command on.
    words: Vec<String>,
}

impl Again {
    /// That of this process; what is not UTF-8 in it is lost, as it would be in a script.
    pub(super) fn here() -> Self {
        let words = args_os().skip(1);
        Self::of(words.map(|word| word.to_string_lossy().into_owned()))
    }

    fn of(words: impl IntoIterator<Item = String>) -> Self {
        Self {
            words: words.into_iter().collect(),
        }
    }

    /// Without a flag, and the word after it if it takes one.
    pub(super) fn without(mut self, flag: &str, takes_value: bool) -> Self {
        let begins = format!("{flag}=");
        let mut kept = Vec::new();
        let mut words = self.words.drain(..);
        while let Some(word) = words.next() {
            match word {
                word if word == flag => {
                    if takes_value {
                        words.next();
                    }
                }
                word if takes_value && word.starts_with(&begins) => {}
                word => kept.push(word),
            }
        }
        drop(words);
        Self { words: kept }
    }

    /// With words at its end.
    pub(super) fn with(mut self, words: &[&str]) -> Self {
        self.words.extend(words.iter().map(|word| word.to_string()));
        self
    }

    /// As a shell takes it, after the name of the program.
    pub(super) fn text(&self, program: &str) -> String {
        let words = self.words.iter();
        words.fold(program.to_string(), |text, word| text + " " + &quoted(word))
    }
}

/// A word that a shell leaves as it is.
fn quoted(word: &str) -> String {
    crate::terminal::output::shell_word(std::path::Path::new(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_go_with_their_values_and_words_are_quoted() {
        let words = [
            "sweep",
            "--seeds",
            "1,2",
            "--plan",
            "--set=text.data=a b",
            "--out",
            "my runs",
        ];
        let again = || Again::of(words.map(String::from));
        let text = again().without("--plan", false).without("--seeds", true);
        let text = text.with(&["--seeds", "1,2,3"]).text("skein");
        assert_eq!(
            text,
            "skein sweep '--set=text.data=a b' --out 'my runs' --seeds 1,2,3"
        );
        let text = again().without("--set", true).without("--out", true);
        assert_eq!(text.text("skein"), "skein sweep --seeds 1,2 --plan");
        assert_eq!(again().without("--none", true), again());
    }
}
