//! How a command fails: one line that says what was wrong and what was expected, one that says what to do about it.
//! Commands return a [`Result`], and `main` hands it to [`exit`](super::output::exit). What is a mistake in the program
//! itself panics instead.

use crate::machine::memory::lacking;
use datasets::{DataError, shown};
use std::fmt;
use std::io;
use std::path::Path;

/// What every fallible function of this crate returns.
pub type Result<T> = std::result::Result<T, Error>;

/// A failure in words for the person at the terminal.
///
/// It is deliberately not a `std::error::Error`: that lets `?` turn every foreign error into one (see `From` below).
#[derive(Clone, Debug)]
pub struct Error {
    pub(super) code: u8,
    message: String,
    hint: Option<String>,
    /// What the operating system said, if it refused.
    refused: Option<io::ErrorKind>,
}

/// There is no more room on a disk.
pub(crate) const FULL: &[io::ErrorKind] =
    &[io::ErrorKind::StorageFull, io::ErrorKind::QuotaExceeded];
/// There is no such file.
pub(crate) const MISSING: &[io::ErrorKind] = &[io::ErrorKind::NotFound];

impl Error {
    /// A wrong flag, setting or choice of folder: exit code 2.
    pub fn usage(message: impl Into<String>) -> Self {
        Self {
            code: 2,
            message: message.into(),
            hint: None,
            refused: None,
        }
    }

    /// Whatever else stops a command: exit code 1.
    pub fn failure(message: impl Into<String>) -> Self {
        Self {
            code: 1,
            message: message.into(),
            hint: None,
            refused: None,
        }
    }

    /// Flags that clap refuses, without its usage text: the first paragraph is what was wrong, a tip
    /// is the hint, and without one that is `hint`.
    pub fn flags(error: &clap::Error, hint: &str) -> Self {
        let text = error.render().to_string();
        let (message, rest) = text.split_once("\n\n").unwrap_or((&text, ""));
        let message = message.trim_start_matches("error: ");
        let words: Vec<&str> = message.split_whitespace().collect();
        let tip = rest
            .lines()
            .find_map(|line| line.trim().strip_prefix("tip: "));
        Self::usage(words.join(" ")).hint(tip.unwrap_or(hint))
    }

    /// Data that cannot be used: where, what is wrong and expected; then their hint.
    pub fn data(error: DataError) -> Self {
        let text = error.to_string();
        let end = format!("; hint: {}", error.hint);
        Self::failure(text.strip_suffix(&end).unwrap_or(&text)).hint(error.hint)
    }

    /// The operating system refused: `doing` reads like "cannot write". The hint is about a path that was given by
    /// hand; for others there is `hint_if`.
    pub fn file(doing: &str, path: &Path, cause: &io::Error) -> Self {
        let error = Self {
            refused: Some(cause.kind()),
            ..Self::failure(format!("{doing} {}: {cause}", path.display()))
        };
        match cause.kind() {
            kind if FULL.contains(&kind) => {
                error.hint("free some space, then give the same command again")
            }
            io::ErrorKind::FileTooLarge => {
                error.hint("raise the limit on file sizes (`ulimit -f`)")
            }
            io::ErrorKind::PermissionDenied if ["cannot read", "cannot list"].contains(&doing) => {
                error.hint("change its permissions, or those of the folders around it")
            }
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                error.hint("choose a place that you may use, or change its permissions")
            }
            io::ErrorKind::NotFound => {
                error.hint("check the spelling; relative paths start at the current folder")
            }
            io::ErrorKind::IsADirectory => error.hint("name a file in that folder"),
            io::ErrorKind::NotADirectory => error.hint("what stands for a folder there is a file"),
            io::ErrorKind::InvalidFilename => error.hint("choose a shorter name"),
            _ => error,
        }
    }

    /// What was wrong, and what to do about it.
    pub(crate) fn parts(&self) -> (&str, Option<&str>) {
        (&self.message, self.hint.as_deref())
    }

    /// Whether the operating system refused for one of these reasons.
    pub(crate) fn is_refusal(&self, kinds: &[io::ErrorKind]) -> bool {
        self.refused.is_some_and(|kind| kinds.contains(&kind))
    }

    /// The same error where exit code 1 says something else, as in `diff`: exit code 2.
    pub(crate) fn not_an_answer(self) -> Self {
        Self { code: 2, ..self }
    }

    /// The same error with its place before the message.
    pub fn at(self, place: &str) -> Self {
        Self {
            message: format!("{place}: {}", self.message),
            ..self
        }
    }

    /// The same error that asks, before its hint, whether the one of `known` was meant that is most like `word`, if one
    /// is.
    pub(crate) fn did_you_mean<'a>(
        self,
        word: &str,
        known: impl IntoIterator<Item = &'a str>,
    ) -> Self {
        match (nearest(word, known), &self.hint) {
            (None, _) => self,
            (Some(name), None) => self.hint(format!("did you mean `{name}`?")),
            (Some(name), Some(hint)) => {
                let hint = format!("did you mean `{name}`? {hint}");
                self.hint(hint)
            }
        }
    }

    /// Likewise, of what TOML says of a name that it does not know: "unknown field `step`, expected one of `task`,
    /// `steps`". Any other message asks for nothing.
    pub(crate) fn meant_in(self, message: &str) -> Self {
        let mut names = message.split('`').skip(1).step_by(2);
        match names.next() {
            Some(word) if message.starts_with("unknown ") => self.did_you_mean(word, names),
            _ => self,
        }
    }

    /// The error as one sentence, for a page: what to do about it follows in parentheses.
    pub(crate) fn sentence(&self) -> String {
        let message = shown::name(&self.message);
        match &self.hint {
            Some(hint) => format!("{message} ({})", shown::name(hint)),
            None => message,
        }
    }

    /// The same error with what to do about it, in place of an earlier hint.
    pub fn hint(self, hint: impl Into<String>) -> Self {
        Self {
            hint: Some(hint.into()),
            ..self
        }
    }

    /// The same error with another hint if that is why the operating system refused.
    pub(crate) fn hint_if(self, kinds: &[io::ErrorKind], hint: impl Into<String>) -> Self {
        match self.is_refusal(kinds) {
            true => self.hint(hint),
            false => self,
        }
    }
}

/// The one of `known` that is most like `word`, if one is.
pub(crate) fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    const ALIKE: f64 = 0.8;
    let word = word.to_lowercase();
    let likeness = |name: &str| match word.strip_prefix(name) {
        // skeinformer is skein, not skein-nonorm.
        Some(rest) if rest.starts_with(char::is_alphabetic) => 1.0,
        _ => strsim::jaro_winkler(&word, name),
    };
    let known = known.into_iter().map(|name| (likeness(name), name));
    let best = known.reduce(|best, next| if next.0 > best.0 { next } else { best });
    best.filter(|best| best.0 >= ALIKE).map(|(_, name)| name)
}

/// Errors of other crates, causes included: a failure whose message is theirs.
impl<E: std::error::Error> From<E> for Error {
    fn from(error: E) -> Self {
        let mut message = error.to_string();
        let mut cause = error.source();
        while let Some(error) = cause {
            message.push_str(&format!(": {error}"));
            cause = error.source();
        }
        Self::failure(message.replace('\n', " "))
    }
}

/// `error: ...` and, if there is one, `hint: ...`, a line each whatever a file name or a foreign message contains.
impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error: {}", shown::name(&self.message))?;
        match &self.hint {
            Some(hint) => write!(f, "\nhint: {}", shown::name(hint)),
            None => Ok(()),
        }
    }
}

/// Refuses what takes more memory than there is: `what` needs so many bytes at least.
pub(crate) fn refuse_more(what: &str, bytes: f64, hint: &str) -> Result<()> {
    match lacking(what, bytes) {
        None => Ok(()),
        Some(message) => Err(Error::usage(message).hint(hint)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::terminal::asserts::has;

    #[test]
    fn an_error_is_one_line_and_a_hint() {
        let error = Error::usage("M\u{fc}ller\n\x1b[31m\u{202e}").hint("use\tanother");
        assert_eq!(
            error.to_string(),
            "error: M\u{fc}ller\\n\\x1b[31m\\u{202e}\nhint: use\\tanother"
        );
        assert_eq!(Error::failure("x").to_string(), "error: x");
    }

    #[test]
    fn what_was_probably_meant_is_asked_for_in_the_hint() {
        let names = ops::attention::names();
        for (word, meant) in [
            ("skin", Some("skein")),
            ("Skein", Some("skein")),
            ("skeinformer", Some("skein")),
            ("skien-uniform", Some("skein-uniform")),
            ("lineformer", Some("linformer")),
            ("nystromformer", Some("nystrom")),
            ("softmx", Some("softmax")),
            ("full", None),
            ("", None),
        ] {
            assert_eq!(nearest(word, names.iter().copied()), meant, "{word}");
        }
        assert_eq!(nearest("lra9", ["lra", "lra-9", "lra-6"]), Some("lra-9"));
        let message = "unknown field `step`, expected one of `task`, `steps`";
        let told = |error: Error| error.meant_in(message).to_string();
        assert_eq!(
            told(Error::usage("x")),
            "error: x\nhint: did you mean `steps`?"
        );
        let error = Error::usage("x").hint("see --help");
        assert_eq!(
            told(error),
            "error: x\nhint: did you mean `steps`? see --help"
        );
        let other = Error::usage("x").meant_in("duplicate key `steps`");
        assert_eq!(other.to_string(), "error: x");
    }

    #[test]
    fn a_hint_is_about_the_cause_and_what_was_done() {
        let of =
            |doing: &str, kind: io::ErrorKind| Error::file(doing, Path::new("x"), &kind.into());
        let full = of("cannot write", io::ErrorKind::StorageFull);
        let hint = "hint: free some space, then give the same command again";
        assert!(full.to_string().ends_with(hint), "{full}");
        let of_run = full
            .hint_if(MISSING, "restore it")
            .hint_if(FULL, "free some");
        assert!(of_run.to_string().ends_with("hint: free some"), "{of_run}");
        for (doing, hint) in [("read", "change its"), ("write", "choose a place")] {
            let error = of(&format!("cannot {doing}"), io::ErrorKind::PermissionDenied);
            has(error.to_string(), format!("hint: {hint}"));
        }
        let usage = Error::usage("wrong").hint_if(FULL, "free some");
        assert_eq!(usage.to_string(), "error: wrong");
    }

    #[test]
    fn what_is_too_large_is_refused_with_what_to_do() {
        refuse_more("this", 1e6, "take less").unwrap();
        let error = refuse_more("this", 1e30, "take less").unwrap_err();
        let end = " that are free\nhint: take less";
        assert!(error.to_string().ends_with(end), "{error}");
    }

    #[test]
    fn question_mark_keeps_the_message_of_a_foreign_error() {
        let parse = || -> Result<u8> { Ok("300".parse::<u8>()?) };
        assert!(
            parse()
                .unwrap_err()
                .to_string()
                .starts_with("error: number too large")
        );
    }
}
