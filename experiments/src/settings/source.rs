//! What a run takes from another, if it does: the weights at which its parameters begin (`init`), or the scores by which
//! its neighbours are drawn (`scores`).

use std::fmt;

/// Between the path of a file and what is known of its content.
const KNOWN: &str = "@sha256:";

/// Random numbers, or what another run has learnt. In words `random`, or `FILE.safetensors`, with `@sha256:` and the
/// SHA-256 of its bytes as soon as that is known: a run that goes on does not need the file, and one that begins refuses
/// another.
#[derive(serde::Serialize, serde::Deserialize, Clone, PartialEq)]
#[serde(try_from = "String", into = "String")]
pub enum Source {
    /// Numbers of the seed.
    Random,
    /// What is in a safetensors file.
    File {
        /// Its path.
        file: String,
        /// Of its bytes, in hexadecimal digits.
        sha256: Option<String>,
    },
}

impl Source {
    /// As flags and files say it.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        if text == "random" {
            return Ok(Source::Random);
        }
        let (file, sha256) = match text.rsplit_once(KNOWN) {
            Some((file, sha256)) => (file, Some(sha256.to_string())),
            None => (text, None),
        };
        let is_hash =
            |text: &String| text.len() == 64 && text.chars().all(|c| c.is_ascii_hexdigit());
        match file.ends_with(".safetensors") && sha256.as_ref().is_none_or(is_hash) {
            true => Ok(Source::File {
                file: file.to_string(),
                sha256,
            }),
            false => Err(format!(
                "expected random or the path of a .safetensors file, with or without {KNOWN} and 64 digits after it"
            )),
        }
    }

    /// What decides about the run: not where the file is.
    pub(crate) fn content(&self) -> Self {
        match self {
            Source::Random => Source::Random,
            Source::File { sha256, .. } => Source::File {
                file: "FILE.safetensors".into(),
                sha256: sha256.clone(),
            },
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Source::Random => write!(f, "random"),
            Source::File { file, sha256: None } => write!(f, "{file}"),
            Source::File {
                file,
                sha256: Some(sha256),
            } => write!(f, "{file}{KNOWN}{sha256}"),
        }
    }
}

/// As in errors about settings.
impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl From<Source> for String {
    fn from(source: Source) -> String {
        source.to_string()
    }
}

impl TryFrom<String> for Source {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Source::parse(&text).map_err(|expected| format!("{text:?}: {expected}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_is_what_is_read() {
        let hash = "0123456789abcdef".repeat(4);
        for text in [
            "random",
            "w.safetensors",
            &format!("/a@b/w.safetensors@sha256:{hash}"),
        ] {
            assert_eq!(Source::parse(text).unwrap().to_string(), text);
        }
        for wrong in [
            "",
            "weights.bin",
            "w.safetensors@sha256:12",
            &format!("random@sha256:{hash}"),
        ] {
            let error = Source::parse(wrong).unwrap_err();
            assert!(
                error.starts_with("expected random or the path of a .safetensors file"),
                "{error}"
            );
        }
    }
}
