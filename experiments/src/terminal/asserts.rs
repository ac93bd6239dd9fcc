//! What tests ask of a text.

/// Whether these words stand in a text; if not, shows it.
#[track_caller]
pub(crate) fn has(text: impl AsRef<str>, words: impl AsRef<str>) {
    let (text, words) = (text.as_ref(), words.as_ref());
    assert!(text.contains(words), "no {words:?} in\n{text}");
}
