//! Embeds the demo shop anew when a file of it is added or taken away.

fn main() {
    println!("cargo:rerun-if-changed=../web/demo");
}
