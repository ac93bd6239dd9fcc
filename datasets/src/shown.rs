//! How names, and pieces of what stands in files, are shown to people: whatever is in them, they move no cursor, turn no
//! line round, and stay on their line.
//!
//! Called wherever a message holds the name of a file or quotes from one, and by whoever prints pages. What can be seen
//! is left as it is, in all languages; everything else is shown by its escape, as Rust writes it.

use std::borrow::Cow;
use std::ffi::OsStr;
use std::fmt::Write;

/// The most bytes that are quoted of a field.
const QUOTED: usize = 20;

/// A name on one line.
pub fn name(name: impl AsRef<OsStr>) -> String {
    bytes(name.as_ref().as_encoded_bytes())
}

/// A name between quotes.
pub(crate) fn quoted_name(path: impl AsRef<OsStr>) -> String {
    format!("\"{}\"", name(path))
}

/// The beginning of a field between quotes: of a bounded length, whatever stands in the file.
pub(crate) fn quoted(field: &[u8]) -> String {
    let mut end = field.len().min(QUOTED);
    // Not in the midst of a letter of UTF-8, which has four bytes at most.
    let inner = |at: usize| field.get(at).is_some_and(|byte| byte >> 6 == 0b10);
    end -= (0..4).find(|back| !inner(end - back)).unwrap_or(0);
    let dots = if field.len() > end { "..." } else { "" };
    format!("\"{}{dots}\"", bytes(&field[..end]))
}

/// A text of several lines, line breaks and tabs as they are.
pub fn page(text: &str) -> Cow<'_, str> {
    let stays = |c: char| is_visible(c) || c == '\n' || c == '\t';
    if text.chars().all(stays) {
        return text.into();
    }
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        match stays(c) {
            true => shown.push(c),
            false => escape(c, &mut shown),
        }
    }
    shown.into()
}

/// Whether a character can be seen where it stands. No control character can, nor what turns the direction of writing,
/// ends a line or takes no room; what joins the letters of some scripts and the parts of pictures, U+200C and U+200D,
/// belongs to these.
pub fn is_visible(c: char) -> bool {
    !c.is_control()
        && !matches!(c,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// A piece of text on one line.
pub fn bytes(bytes: &[u8]) -> String {
    let mut shown = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            match is_visible(c) {
                true => shown.push(c),
                false => escape(c, &mut shown),
            }
        }
        for byte in chunk.invalid() {
            let _ = write!(shown, "\\x{byte:02x}"); // A string takes all.
        }
    }
    shown
}

fn escape(c: char, shown: &mut String) {
    let _ = match c {
        '\n' => shown.write_str("\\n"),
        '\r' => shown.write_str("\\r"),
        '\t' => shown.write_str("\\t"),
        c if c.is_ascii() => write!(shown, "\\x{:02x}", u32::from(c)),
        c => write!(shown, "\\u{{{:x}}}", u32::from(c)),
    };
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::ffi::OsStrExt;

    #[test]
    fn what_can_be_seen_stays_and_all_else_is_escaped() {
        for visible in [
            "runs/text-skein-s42",
            "M\u{fc}ller, u\u{308}, \u{6f22}\u{5b57}\u{3000}\u{202f}PM, \u{645}\u{200c}\u{6cc}, \u{1f468}\u{200d}\u{1f469}",
            "C:\\data \"x\" 'y'",
        ] {
            assert_eq!(name(visible), visible);
            assert_eq!(page(visible), visible);
        }
        for (hidden, shown) in [
            ("a\x1b[31mb", "a\\x1b[31mb"),
            ("\0\x07\x7f\u{9b}", "\\x00\\x07\\x7f\\u{9b}"),
            (
                "\u{202e}gnp.exe \u{2066}\u{200f}\u{61c}",
                "\\u{202e}gnp.exe \\u{2066}\\u{200f}\\u{61c}",
            ),
            ("\u{2028}\u{feff}\u{85}", "\\u{2028}\\u{feff}\\u{85}"),
            ("Icon\r", "Icon\\r"),
        ] {
            assert_eq!(name(hidden), shown);
            assert_eq!(page(hidden), shown);
        }
        assert_eq!(name("a\nb\tc"), "a\\nb\\tc");
        assert_eq!(page("a\nb\tc\x1b"), "a\nb\tc\\x1b");
        assert_eq!(name(OsStr::from_bytes(b"caf\xe9")), "caf\\xe9");
    }

    #[test]
    fn a_quotation_is_short_and_cuts_no_letter() {
        assert_eq!(quoted(b""), "\"\"");
        assert_eq!(quoted(&[b'x'; 20]), format!("\"{}\"", "x".repeat(20)));
        assert_eq!(quoted(&[b'x'; 21]), format!("\"{}...\"", "x".repeat(20)));
        let letters = "\u{6f22}".repeat(9); // 27 bytes
        assert_eq!(
            quoted(letters.as_bytes()),
            format!("\"{}...\"", "\u{6f22}".repeat(6))
        );
        assert_eq!(
            quoted(&[0xbf; 30]),
            format!("\"{}...\"", "\\xbf".repeat(20))
        );
        assert_eq!(quoted(b"\x1b\xff\t"), "\"\\x1b\\xff\\t\"");
    }
}
