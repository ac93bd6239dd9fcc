//! A complete automatic differentiation in 20 lines of use: `cargo run -p engine --example scalar`.

use engine::{Tape, Tensor};

fn main() {
    // One neuron, y = (w x + b)², at w = 2, x = 3, b = -1.
    let tape = Tape::traced();
    let number = |name, value: f64| tape.leaf(name, Tensor::scalar(value));
    let (w, x, b) = (number("w", 2.0), number("x", 3.0), number("b", -1.0));
    let z = &w * &x + &b;
    let y = &z * &z;
    println!("y = {}", y.item());

    // dy/dw = 2 z x, dy/dx = 2 z w, dy/db = 2 z
    let gradients = tape.backward(&y);
    println!(
        "dy/dw = {}, dy/dx = {}, dy/db = {}",
        gradients.of(&w).item(),
        gradients.of(&x).item(),
        gradients.of(&b).item()
    );

    println!("\nthe tape, and where each gradient is written:");
    for (i, node) in tape.records().iter().enumerate() {
        let gradient = node.gradient_norm.unwrap_or(0.0);
        println!(
            "{i} {:9} from {:6} |gradient| {gradient:4}  {}",
            node.name,
            format!("{:?}", node.parents),
            node.location
        );
    }
}
