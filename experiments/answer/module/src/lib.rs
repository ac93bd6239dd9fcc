//! [`answer`](::answer::answer) as WebAssembly, so that a page answers its questions itself, without a server.
//!
//! Compiled for wasm32-unknown-unknown this is a module that imports nothing. Texts pass through one piece of its
//! memory: [`space`] makes room for a question and says where; the caller writes the question there; [`ask`] puts the
//! answer, or the sentence of a refusal, into its place and says which of the two it is; [`start`] and [`length`] say
//! where it lies.

use std::cell::RefCell;

thread_local!(static TEXT: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) });

/// Makes room for a question of so many bytes and says where it is.
#[unsafe(no_mangle)]
pub extern "C" fn space(bytes: usize) -> *mut u8 {
    TEXT.with_borrow_mut(|text| {
        text.clear();
        text.resize(bytes, 0);
        text.as_mut_ptr()
    })
}

/// Answers the question that lies in the space; 1 if it has an answer and 0 if it is refused.
#[unsafe(no_mangle)]
pub extern "C" fn ask() -> u32 {
    let question = TEXT.take();
    let answered = match str::from_utf8(&question) {
        Ok(question) => answer::answer(question).map_err(|refused| refused.0),
        Err(_) => Err("expected a question in UTF-8".to_string()),
    };
    let is_answer = u32::from(answered.is_ok());
    let (Ok(text) | Err(text)) = answered;
    TEXT.set(text.into_bytes());
    is_answer
}

/// Where the answer lies, until the next question.
#[unsafe(no_mangle)]
pub extern "C" fn start() -> *const u8 {
    TEXT.with_borrow(Vec::as_ptr)
}

/// How many bytes it has.
#[unsafe(no_mangle)]
pub extern "C" fn length() -> usize {
    TEXT.with_borrow(Vec::len)
}
