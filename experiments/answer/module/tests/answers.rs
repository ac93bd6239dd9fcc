//! The module answers questions in WebAssembly as this crate's dependency does here.
//!
//! The target wasm32-unknown-unknown does not come with Rust, so the test is ignored unless asked for; `.ci/run`
//! installs the target and asks. By hand:
//!
//! ```console
//! $ rustup target add wasm32-unknown-unknown
//! $ cargo test -p answer-module -- --ignored
//! ```

use std::process::Command;
use std::{env, fs};

use engine::cpu::Product;
use serde_json::Value;
use wasmi::{Engine, Linker, Memory, Module, Store, TypedFunc};

const TARGET: &str = "wasm32-unknown-unknown";

/// This crate, compiled for the target in a folder beside this test's.
fn compiled() -> Vec<u8> {
    let program = env::current_exe().unwrap(); // target/debug/deps/answers-...
    let folder = program.ancestors().nth(3).unwrap().join("wasm");
    let built = Command::new(env!("CARGO"))
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args(["build", "--locked", "--target", TARGET, "--target-dir"])
        .arg(&folder)
        .env("CARGO_PROFILE_DEV_OPT_LEVEL", "1")
        .env("CARGO_PROFILE_DEV_DEBUG", "false")
        .status()
        .unwrap();
    assert!(
        built.success(),
        "expected this crate to compile for {TARGET}; if the target is missing: rustup target add {TARGET}"
    );
    fs::read(folder.join(TARGET).join("debug/answer_module.wasm")).unwrap()
}

/// The module in an interpreter, spoken to as a page does.
struct Page {
    store: Store<()>,
    memory: Memory,
    space: TypedFunc<u32, u32>,
    ask: TypedFunc<(), u32>,
    start: TypedFunc<(), u32>,
    length: TypedFunc<(), u32>,
}

impl Page {
    fn open(code: &[u8]) -> Page {
        let engine = Engine::default();
        let module = Module::new(&engine, code).unwrap();
        let imports: Vec<&str> = module.imports().map(|import| import.name()).collect();
        assert!(imports.is_empty(), "imports {imports:?}, expected none");
        let mut store = Store::new(&engine, ());
        let instance = Linker::new(&engine).instantiate(&mut store, &module);
        let instance = instance.unwrap().start(&mut store).unwrap();
        Page {
            memory: instance.get_memory(&store, "memory").unwrap(),
            space: instance.get_typed_func(&store, "space").unwrap(),
            ask: instance.get_typed_func(&store, "ask").unwrap(),
            start: instance.get_typed_func(&store, "start").unwrap(),
            length: instance.get_typed_func(&store, "length").unwrap(),
            store,
        }
    }

    fn ask(&mut self, question: &[u8]) -> Result<String, String> {
        let at = self.space.call(&mut self.store, question.len() as u32);
        let at = at.unwrap() as usize;
        self.memory.write(&mut self.store, at, question).unwrap();
        let is_answer = self.ask.call(&mut self.store, ()).unwrap() == 1;
        let at = self.start.call(&mut self.store, ()).unwrap() as usize;
        let mut text = vec![0; self.length.call(&mut self.store, ()).unwrap() as usize];
        self.memory.read(&self.store, at, &mut text).unwrap();
        let text = String::from_utf8(text).unwrap();
        if is_answer { Ok(text) } else { Err(text) }
    }
}

/// All numbers of an answer, in order.
fn numbers(answer: &Value, into: &mut Vec<f64>) {
    match answer {
        Value::Number(number) => into.push(number.as_f64().unwrap()),
        Value::Array(list) => list.iter().for_each(|each| numbers(each, into)),
        Value::Object(parts) => parts.values().for_each(|each| numbers(each, into)),
        _ => {}
    }
}

/// What is asked of every method.
fn questions(attn: &str) -> [String; 3] {
    let scene = format!(r#""attn": "{attn}", "n": 5, "p": 2, "features": 2"#);
    [
        format!(r#"{{"ask": "method", {scene}}}"#),
        format!(r#"{{"ask": "entry", "of": "k", "row": 1, "col": 0, "scene": {{{scene}}}}}"#),
        format!(r#"{{"ask": "redraws", "count": 3, "features": [2], "scene": {{{scene}}}}}"#),
    ]
}

#[test]
#[ignore = "needs the target wasm32-unknown-unknown, which .ci/run installs"]
fn a_page_is_answered_as_this_machine_answers() {
    let mut page = Page::open(&compiled());
    // Nothing but the matrix product depends on the CPU.
    let same_bits = Product::Matrixmultiply.instructions() == "portable";
    for attn in ops::attention::names() {
        for question in questions(attn) {
            let (there, here) = (page.ask(question.as_bytes()), answer::answer(&question));
            let here = here.map_err(|refused| refused.0);
            if same_bits || here.is_err() {
                assert_eq!(there, here, "{question}");
                continue;
            }
            let [mut there, mut here] = [there, here].map(|text| {
                let mut found = Vec::new();
                numbers(&serde_json::from_str(&text.unwrap()).unwrap(), &mut found);
                found
            });
            // Finite differences magnify rounding, and are not compared where rounding differs.
            if question.contains("entry") {
                there.clear();
                here.clear();
            }
            assert_eq!(there.len(), here.len(), "{question}");
            let largest = here.iter().fold(1.0, |most: f64, x| most.max(x.abs()));
            for (there, here) in there.iter().zip(&here) {
                assert!((there - here).abs() <= 1e-12 * largest, "{question}");
            }
        }
    }
    for wrong in [&b"{"[..], b"\xff", b""] {
        assert!(page.ask(wrong).is_err());
    }
    assert!(page.ask(br#"{"ask": "methods"}"#).is_ok());
}
