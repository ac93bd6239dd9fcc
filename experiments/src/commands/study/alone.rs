//! The page as one file that needs no server: its modules, the engine as WebAssembly, and the answers to what it first
//! shows.
//!
//! cargo compiles the engine when the file is written, from the source of this program. Where it cannot, the page has
//! the recorded answers alone. With both, the page itself compares what its engine answers with what this one did.

use super::page;
use crate::show::script::{hash, json_inside};
use crate::terminal::error::{Error, Result};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use std::env;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Browsers run this.
const TARGET: &str = "wasm32-unknown-unknown";
/// What begins the page.
const START: &str = r#"import "main.js";"#;
/// The lines of the page in whose place the file has the texts themselves: the first around the name of a style sheet.
const STYLE: [&str; 2] = [r#"<link rel="stylesheet" href=""#, r#"">"#];
const SCRIPT: &str = r#"<script type="module" src="main.js"></script>"#;
/// Before this line stands the policy of the file.
const ICON: &str = r#"<link rel="icon""#;

/// Whether a file that begins so is such a page.
pub(super) fn is_page(text: &str) -> bool {
    text.starts_with("<!doctype html>") && text.contains("<title>skein study")
}

/// What a page shows first.
#[derive(clap::Args, Debug)]
pub(super) struct First {
    /// Method that the page shows first
    #[arg(long, value_name = "NAME", default_value = "skein")]
    pub(super) attn: String,
    /// Tokens, at most 64
    #[arg(long, value_name = "N", default_value = "8")]
    pub(super) n: usize,
    /// Columns of the head, at most 64
    #[arg(long, value_name = "N", default_value = "3")]
    pub(super) p: usize,
    /// Features d of the method
    #[arg(long, value_name = "N", default_value = "4", visible_alias = "d")]
    pub(super) features: usize,
    /// Of Q, K, V, dy and all draws
    // A page's numbers are doubles, which have every integer up to here.
    #[arg(long, value_name = "N", default_value = "7")]
    #[arg(value_parser = clap::value_parser!(u64).range(..1 << 53))]
    pub(super) seed: u64,
}

impl First {
    /// As the address of the page has it: nothing where the page shows it without being told.
    pub(super) fn hash(&self) -> String {
        let First {
            attn,
            n,
            p,
            features,
            seed,
        } = self;
        let usual = ("skein", 8, 3, 4, 7);
        if (&**attn, *n, *p, *features, *seed) == usual {
            return String::new();
        }
        format!("#method&attn={attn}&n={n}&p={p}&features={features}&seed={seed}")
    }

    /// The questions of a page that shows this, and at first an operator in the other room, with their answers.
    pub(super) fn answers(&self) -> Result<Vec<(String, String)>> {
        let First {
            attn,
            n,
            p,
            features,
            seed,
        } = self;
        let exact =
            json!({"ask": "method", "attn": "softmax-nodrop", "n": n, "p": p, "seed": seed});
        let scene = json!({
            "ask": "method", "attn": attn, "n": n, "p": p,
            "features": features, "precision": "f64", "seed": seed,
        });
        let answer = |question: serde_json::Value| {
            let question = question.to_string();
            match ::answer::answer(&question) {
                Ok(answer) => Ok((question, answer)),
                Err(refused) => Err(Error::usage(refused.0)),
            }
        };
        let operator = json!({"ask": "operator", "name": "layer_norm", "settings": {}, "seed": 7});
        let lists = [json!({"ask": "methods"}), json!({"ask": "operators"})];
        let questions = lists.into_iter().chain([exact, scene, operator]);
        questions.map(answer).collect()
    }
}

/// The page.
pub(super) fn html(first: &First, answers: &[(String, String)], engine: Option<&[u8]>) -> String {
    let mut parts = String::new();
    let mut part = |id: &str, kind: &str, text: &str| {
        let _ = writeln!(parts, r#"<script id="{id}" type="{kind}">{text}</script>"#);
    };
    let modules: serde_json::Map<String, serde_json::Value> = page::modules()
        .map(|(name, text)| {
            // Names with a dot and a slash would be looked for beside a module, which here has no place.
            let text = text.replace(r#"from "./"#, r#"from ""#);
            let url = format!("data:text/javascript;base64,{}", STANDARD.encode(text));
            (name.to_string(), url.into())
        })
        .collect();
    let modules = json_inside(&json!({"imports": modules}).to_string());
    let text = |value: serde_json::Value| json_inside(&value.to_string());
    part("modules", "importmap", &modules);
    part("first", "application/json", &text(json!(first.hash())));
    part("recorded", "application/json", &text(json!(answers)));
    if let Some(engine) = engine {
        part("engine", "application/wasm", &STANDARD.encode(engine));
    }
    part("start", "module", START);
    // What is in the file, and nothing else.
    let policy = format!(
        "default-src 'none'; script-src '{}' '{}' data: 'wasm-unsafe-eval'; worker-src blob:; \
         style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'",
        hash(&modules),
        hash(START)
    );
    let (before, after) = page::index()
        .split_once(ICON)
        .expect("the page has an icon");
    let policy = format!(r#"<meta http-equiv="Content-Security-Policy" content="{policy}">"#);
    let mut html = format!("{before}{policy}\n{ICON}{after}");
    while let Some((before, rest)) = html.split_once(STYLE[0]) {
        let (name, after) = rest.split_once(STYLE[1]).expect("the link ends");
        let (_, text) = page::file(&format!("/{name}")).expect("the page has this file");
        html = format!("{before}<style>\n{text}</style>{after}");
    }
    html.replace(SCRIPT, &parts)
}

/// The engine as WebAssembly, compiled now; or why there is none, and what would help.
pub(super) fn engine() -> std::result::Result<Vec<u8>, (String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let manifest = root.join("Cargo.toml");
    if !manifest.is_file() {
        let why = format!(
            "the source of this program is no longer in {}",
            root.display()
        );
        return Err((
            why,
            "run it where it was built: cargo run --release --bin skein".into(),
        ));
    }
    let add = format!("rustup target add {TARGET}");
    let libraries = Command::new("rustc")
        .args(["--print", "target-libdir", "--target", TARGET])
        .output()
        .map_err(|cause| {
            (
                format!("cannot run rustc: {cause}"),
                "install Rust".to_string(),
            )
        })?;
    let libraries = PathBuf::from(String::from_utf8_lossy(&libraries.stdout).trim());
    if !libraries.is_dir() {
        return Err((format!("Rust has no target {TARGET} here"), add));
    }
    let folder = root.join("target/page");
    let built = Command::new(env::var_os("CARGO").unwrap_or("cargo".into()))
        .args([
            "build",
            "--release",
            "--locked",
            "--quiet",
            "-p",
            "answer-module",
        ])
        .args(["--target", TARGET, "--manifest-path"])
        .arg(&manifest)
        .arg("--target-dir")
        .arg(&folder)
        .env("CARGO_PROFILE_RELEASE_DEBUG", "false")
        .env("CARGO_PROFILE_RELEASE_STRIP", "true")
        .stdin(Stdio::null())
        .status()
        .map_err(|cause| {
            (
                format!("cannot run cargo: {cause}"),
                "install Rust".to_string(),
            )
        })?;
    if !built.success() {
        let by_hand = format!("cargo build -p answer-module --target {TARGET}");
        return Err(("cargo could not compile the engine".to_string(), by_hand));
    }
    let file = folder.join(TARGET).join("release/answer_module.wasm");
    fs::read(&file).map_err(|cause| (format!("cannot read {}: {cause}", file.display()), add))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn first(attn: &str) -> First {
        First {
            attn: attn.to_string(),
            n: 6,
            p: 2,
            features: 3,
            seed: 5,
        }
    }

    #[test]
    fn the_page_has_all_its_modules_and_loads_nothing() {
        let first = first("skein");
        let answers = first.answers().unwrap();
        let page = html(&first, &answers, Some(b"\0asm"));
        assert!(is_page(&page));
        for gone in [" src=", "href=\"style.css"] {
            assert!(!page.contains(gone), "{gone}");
        }
        for module in page.split("data:text/javascript;base64,").skip(1) {
            let (module, _) = module.split_once('"').unwrap();
            let module = String::from_utf8(STANDARD.decode(module).unwrap()).unwrap();
            assert!(!module.contains(r#"from "./"#), "{module}");
        }
        for there in [
            "\"ask.js\":\"data:",
            "AGFzbQ==</script>",
            "n=6\\u0026p=2\\u0026features=3\\u0026seed=5",
            "<style>",
        ] {
            assert!(page.contains(there), "{there}");
        }
        // Nothing of an answer can end its element.
        assert_eq!(
            page.matches("<script").count(),
            page.matches("</script>").count()
        );
        assert_eq!(answers.len(), 5);
        let alone = html(&first, &answers, None);
        assert!(!alone.contains("application/wasm\">"));
    }

    #[test]
    fn what_the_engine_refuses_is_no_page() {
        let refused = first("skien").answers().unwrap_err().to_string();
        assert!(
            refused.contains("unknown attention method `skien`"),
            "{refused}"
        );
    }
}
