//! Builds again when a text is added to the demo site: the compiler itself only sees changes to those it knows.

#[allow(clippy::print_stdout, reason = "this is how a build script speaks to cargo")]
fn main() {
    println!("cargo::rerun-if-changed=../../web/demo/knowledge");
}
