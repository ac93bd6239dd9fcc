//! Every method gives the loss and the gradients in WebAssembly that it gives here.
//!
//! The target wasm32-unknown-unknown does not come with Rust, so the test is ignored unless asked for; `.ci/run`
//! installs the target and asks. By hand:
//!
//! ```console
//! $ rustup target add wasm32-unknown-unknown
//! $ cargo test -p wasm -- --ignored
//! ```

use std::process::Command;
use std::{env, fs};

use engine::Real;
use engine::cpu::Product;
use wasmi::{Engine, Linker, Module, Store, TypedFunc};

const TARGET: &str = "wasm32-unknown-unknown";

/// This crate, compiled for the target in a folder beside this test's.
fn compiled() -> Vec<u8> {
    let program = env::current_exe().unwrap(); // target/debug/deps/gradients-...
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
    fs::read(folder.join(TARGET).join("debug/wasm.wasm")).unwrap()
}

/// The module in an interpreter.
struct Browser {
    store: Store<()>,
    compute: TypedFunc<(u32, u32), u32>,
    number: TypedFunc<u32, u64>,
}

impl Browser {
    fn start(code: &[u8]) -> Browser {
        let engine = Engine::default();
        let module = Module::new(&engine, code).unwrap();
        let imports: Vec<&str> = module.imports().map(|import| import.name()).collect();
        assert!(imports.is_empty(), "imports {imports:?}, expected none");
        let mut store = Store::new(&engine, ());
        let instance = Linker::new(&engine).instantiate(&mut store, &module);
        let instance = instance.unwrap().start(&mut store).unwrap();
        let compute = instance.get_typed_func(&store, "compute").unwrap();
        let number = instance.get_typed_func(&store, "number").unwrap();
        Browser {
            store,
            compute,
            number,
        }
    }

    /// As [`wasm::gradient`].
    fn gradient(&mut self, method: usize, double: bool) -> Vec<f64> {
        let asked = (method as u32, u32::from(double));
        let count = self.compute.call(&mut self.store, asked).unwrap();
        let number = |index| self.number.call(&mut self.store, index).unwrap();
        (0..count).map(number).map(f64::from_bits).collect()
    }
}

fn compare<T: Real>(browser: &mut Browser, epsilon: f64) {
    for (method, name) in ops::attention::names().into_iter().enumerate() {
        let case = format!("{name}, {}", T::NAME);
        let there = browser.gradient(method, T::NAME == "f64");
        let here = wasm::gradient::<T>(name).into_iter().map(T::f64);
        let here: Vec<f64> = here.collect();
        assert_eq!(here.len(), there.len(), "{case}");
        let largest = here[1..].iter().fold(0.0, |most: f64, x| most.max(x.abs()));
        assert!(here[0] > 0.5 && largest > 1e-3, "{case}: nothing to learn");
        let errors = here.iter().zip(&there).map(|(x, y)| (x - y).abs());
        let error = errors.fold(0.0, f64::max) / largest;
        // Measured, where products are fused here: at most 5.6 epsilon in f32 and 4.7 in f64, of nystrom.
        assert!(error <= 20.0 * epsilon, "{case}: error {error:e}");
        // Nothing but the matrix product depends on the CPU.
        if Product::Matrixmultiply.instructions() == "portable" {
            assert_eq!(here, there, "{case}: expected the same bits");
        }
    }
}

#[test]
#[ignore = "needs the target wasm32-unknown-unknown, which .ci/run installs"]
fn every_method_computes_in_webassembly_what_it_computes_here() {
    let mut browser = Browser::start(&compiled());
    compare::<f32>(&mut browser, f32::EPSILON.into());
    compare::<f64>(&mut browser, f64::EPSILON);
}
