//! Regenerates the code in `crates/protocol/src/generated`.

fn main() -> anyhow::Result<()> {
    schema::generate(&schema::protocol_dir().join("src/generated"))
}
