//! What a method says of draws that cannot be its own: it stops with a sentence, which here becomes an answer.

use std::any::Any;
use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Once;

thread_local!(static QUIET: Cell<bool> = const { Cell::new(false) });

/// What `work` returns, or the sentence with which it stopped, which nothing prints. Where a panic ends the program, as
/// in WebAssembly, so does this.
pub(crate) fn without_panic<X>(work: impl FnOnce() -> X) -> Result<X, String> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let usual = panic::take_hook();
        panic::set_hook(Box::new(move |panicked| {
            if !QUIET.get() {
                usual(panicked);
            }
        }));
    });
    QUIET.set(true);
    let worked = panic::catch_unwind(AssertUnwindSafe(work));
    QUIET.set(false);
    worked.map_err(|panicked| sentence(&*panicked))
}

fn sentence(panicked: &(dyn Any + Send)) -> String {
    let text = panicked.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panicked.downcast_ref::<&str>().copied());
    let line = text.and_then(|text| text.lines().next());
    line.unwrap_or("the method cannot take them").to_string()
}
