//! The members of a `.tar.gz`, in the forms that are in use: ustar, GNU and pax.
//!
//! Headers that say more about the member after them are no members: long names of GNU, and the headers of pax, of one
//! member or of all. Of what they say, the name is taken. What would change the contents is refused by its name, as an
//! error of the kind [`Unsupported`](io::ErrorKind::Unsupported): sparse files, and sizes that are not those of the
//! member's own header. No header can ask for more than a MiB of memory. What a system has left among the files, as
//! `__MACOSX` and `._name`, is passed over.
//!
//! Called by `image`, and by whoever unpacks archives.

use crate::file::{is_left_behind, is_of_system};
use flate2::bufread::MultiGzDecoder;
use std::io::{self, BufRead, Read};

/// The longest header of GNU or pax that is read; one with what macOS knows of a file has some kB.
const HEADER: u64 = 1 << 20;

/// A file in an archive, or a link.
pub struct Member<'a> {
    /// As the archive has it, folders and all.
    pub path: &'a [u8],
    /// A link has no contents of its own.
    pub is_link: bool,
    /// Bytes of its contents.
    pub size: u64,
    /// Its contents.
    pub contents: &'a mut dyn Read,
}

/// The archive inside of gzip. Several of gzip's files one after the other are one, as `gzip` itself takes them.
pub fn unzipped<R: BufRead>(source: R) -> MultiGzDecoder<R> {
    MultiGzDecoder::new(source)
}

/// Calls `each` with the members of `archive` in their order, and returns what is behind the last one; `broken` makes an
/// error of the number of an entry, counted from 1, and why the archive cannot be read from it on.
///
/// # Errors
/// Those of `each` and `broken`; the first ends it.
pub fn members<R: Read, E>(
    archive: R,
    broken: impl Fn(usize, io::Error) -> E,
    mut each: impl FnMut(Member<'_>) -> Result<(), E>,
) -> Result<R, E> {
    let mut archive = tar::Archive::new(archive);
    let mut next = Said::default();
    // `raw`: headers are read here, with a bound.
    let entries = archive.entries().map_err(|e| broken(1, e))?.raw(true);
    for (number, entry) in (1..).zip(entries) {
        let broken = |e| broken(number, e);
        let mut entry = entry.map_err(broken)?;
        let (size, kind) = (entry.size(), entry.header().entry_type().as_byte());
        let name = entry.path_bytes().into_owned();
        match kind {
            b'L' => next.path = Some(until_nul(&header(&mut entry, size).map_err(broken)?)),
            b'x' => {
                let header = header(&mut entry, size).map_err(broken)?;
                next.hear(&header).map_err(broken)?;
            }
            b'g' => {
                let header = header(&mut entry, size).map_err(broken)?;
                let mut all = Said::default();
                all.hear(&header).map_err(broken)?;
                if all.path.is_some() || all.size.is_some() {
                    let what = "a pax header gives all files one name or size";
                    return Err(broken(unsupported(what)));
                }
            }
            b'K' => {} // The target of a link.
            b'S' => return Err(broken(unsupported(SPARSE))),
            _ => {
                let Said { path, size: said } = std::mem::take(&mut next);
                if said.is_some_and(|said| said != size) {
                    let what = "a pax header gives a file another size than its own header";
                    return Err(broken(unsupported(what)));
                }
                let path = path.unwrap_or(name);
                // 0 and 7 are files; a link is one to a file, or a symbolic one.
                let is_link = matches!(kind, b'1' | b'2');
                if !is_link && !matches!(kind, b'0' | b'\0' | b'7') || is_left(&path) {
                    continue;
                }
                each(Member {
                    path: &path,
                    is_link,
                    size,
                    contents: &mut entry,
                })?;
            }
        }
    }
    Ok(archive.into_inner())
}

const SPARSE: &str = "a sparse file, whose holes are left out, is in it";

/// What headers have said about the next member.
#[derive(Default)]
struct Said {
    path: Option<Vec<u8>>,
    size: Option<u64>,
}

impl Said {
    /// Takes in a header of pax: records `LENGTH KEY=VALUE\n`, their length that of the whole record.
    fn hear(&mut self, header: &[u8]) -> io::Result<()> {
        let damaged = || io::Error::new(io::ErrorKind::InvalidData, "a pax header is damaged");
        let mut rest = header;
        // Some are filled up with NULs.
        while rest.first().is_some_and(|&byte| byte != 0) {
            let space = rest.iter().position(|&byte| byte == b' ');
            let (length, _) = rest.split_at(space.ok_or_else(damaged)?);
            let length: usize = number(length).ok_or_else(damaged)?;
            let record = rest
                .split_at_checked(length)
                .and_then(|(record, after)| {
                    rest = after;
                    record.strip_suffix(b"\n")
                })
                .ok_or_else(damaged)?;
            let record = record.get(space.unwrap_or(0) + 1..).ok_or_else(damaged)?;
            let equals = record.iter().position(|&byte| byte == b'=');
            let (key, value) = record.split_at(equals.ok_or_else(damaged)?);
            let value = &value[1..];
            match key {
                b"path" => self.path = Some(value.to_vec()),
                b"size" => self.size = Some(number(value).ok_or_else(damaged)?),
                key if key.starts_with(b"GNU.sparse.") => return Err(unsupported(SPARSE)),
                _ => {}
            }
        }
        Ok(())
    }
}

fn number<N: std::str::FromStr>(digits: &[u8]) -> Option<N> {
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// The contents of a header of so many bytes.
fn header(entry: &mut impl Read, size: u64) -> io::Result<Vec<u8>> {
    if size > HEADER {
        let what = format!("a header of {size} bytes is in it");
        return Err(unsupported(&what));
    }
    let mut bytes = vec![0; size as usize];
    entry.read_exact(&mut bytes)?;
    Ok(bytes)
}

fn until_nul(bytes: &[u8]) -> Vec<u8> {
    bytes
        .split(|&byte| byte == 0)
        .next()
        .unwrap_or(&[])
        .to_vec()
}

fn unsupported(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::Unsupported, what)
}

/// Whether a member is none of the data's, by its own name or that of a folder it is in. A hidden folder may be
/// somebody's.
fn is_left(path: &[u8]) -> bool {
    let mut steps = path.split(|&byte| byte == b'/').rev();
    steps.next().is_some_and(is_left_behind) || steps.any(is_of_system)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(kind: u8, name: &[u8], contents: &[u8]) -> Vec<u8> {
        let mut header = tar::Header::new_ustar();
        header.as_old_mut().name[..name.len()].copy_from_slice(name);
        header.set_size(contents.len() as u64);
        header.set_entry_type(tar::EntryType::new(kind));
        header.set_cksum();
        let mut bytes = [header.as_bytes(), contents].concat();
        bytes.resize(bytes.len().next_multiple_of(512), 0);
        bytes
    }

    /// A record of pax, with its length.
    fn record(key: &str, value: &str) -> Vec<u8> {
        let rest = format!(" {key}={value}\n");
        let length = rest.len() + 2; // For what has ten bytes to a hundred.
        format!("{length}{rest}").into_bytes()
    }

    /// Names and contents of all members, or the error.
    fn read(parts: &[Vec<u8>]) -> Result<Vec<(String, String)>, String> {
        let mut found = vec![];
        let archive = [&parts.concat()[..], &[0; 1024]].concat();
        let broken = |number, e| format!("{number}: {e}");
        members(&archive[..], broken, |member| {
            let mut contents = String::new();
            let read = member.contents.read_to_string(&mut contents);
            read.map_err(|e| e.to_string())?;
            let link = if member.is_link { " (link)" } else { "" };
            let name = member.path.escape_ascii();
            found.push((format!("{name}{link}"), contents));
            Ok(())
        })?;
        Ok(found)
    }

    #[test]
    fn headers_are_no_members_and_their_names_are_taken() {
        let long = format!("{}/end.txt", "x".repeat(150));
        let found = read(&[
            member(b'g', b"pax_global_header", &record("comment", "of git")),
            member(b'0', b"set/a.txt", b"A"),
            member(
                b'x',
                b"PaxHeaders/b.txt",
                &[record("mtime", "1.5"), record("path", "set/b\n=.txt")].concat(),
            ),
            member(b'0', b"set/cut", b"B"),
            member(b'L', b"././@LongLink", format!("{long}\0").as_bytes()),
            member(b'0', b"xxxx", b"C"),
            member(b'K', b"././@LongLink", b"far/away\0"),
            member(b'2', b"set/link", b""),
            member(b'x', b"PaxHeaders/d", &record("path", "of the folder")),
            member(b'5', b"set/folder/", b""),
            member(b'\0', b"set/d.txt", b"D"),
            member(b'7', b"set/e.txt", b"E"),
        ])
        .unwrap();
        let wanted = [
            ("set/a.txt", "A"),
            ("set/b\\n=.txt", "B"),
            (&long, "C"),
            ("set/link (link)", ""),
            ("set/d.txt", "D"),
            ("set/e.txt", "E"),
        ];
        assert_eq!(
            found,
            wanted.map(|(name, contents)| (name.into(), contents.into()))
        );
    }

    #[test]
    fn what_a_system_has_left_is_passed_over() {
        let names = [
            "./._set",
            "set/._a.txt",
            "__MACOSX/set/a.txt",
            "set/.DS_Store",
            "set/Thumbs.db",
            "set/Icon\r",
        ];
        let mut parts: Vec<_> = names.map(|name| member(b'0', name.as_bytes(), b"-")).into();
        parts.push(member(b'0', b"./.hidden/set/a.txt", b"A"));
        let found = read(&parts).unwrap();
        assert_eq!(found, [("./.hidden/set/a.txt".into(), "A".into())]);
    }

    #[test]
    fn what_would_change_the_contents_is_refused_by_its_name() {
        let file = member(b'0', b"a", b"A");
        let pax = |key: &str, value: &str| member(b'x', b"PaxHeaders/a", &record(key, value));
        for (parts, words) in [
            ([member(b'S', b"a", b"A"), vec![]], "1: a sparse file"),
            (
                [pax("GNU.sparse.realsize", "9"), file.clone()],
                "1: a sparse file",
            ),
            ([pax("size", "1"), file.clone()], ""),
            (
                [pax("size", "2"), file.clone()],
                "2: a pax header gives a file another size",
            ),
            (
                [pax("size", "-1"), file.clone()],
                "1: a pax header is damaged",
            ),
            (
                [member(b'g', b"g", &record("size", "1")), file.clone()],
                "1: a pax header gives all",
            ),
            (
                [member(b'x', b"x", b"9 path=b"), file.clone()],
                "1: a pax header is damaged",
            ),
            (
                [member(b'x', b"x", b"path"), file.clone()],
                "1: a pax header is damaged",
            ),
            (
                [member(b'x', b"x", b"0 a=b\n"), file.clone()],
                "1: a pax header is damaged",
            ),
            (
                [member(b'L', b"L", &vec![b'a'; 1 << 21]), file],
                "1: a header of 2097152 bytes",
            ),
        ] {
            match read(&parts) {
                Ok(found) => assert!(words.is_empty() && found.len() == 1, "{words}"),
                Err(error) => {
                    assert!(
                        !words.is_empty() && error.starts_with(words),
                        "{words}: {error}"
                    );
                }
            }
        }
    }
}
