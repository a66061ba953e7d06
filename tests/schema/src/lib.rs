//! Makes the Rust code in `crates/protocol/src/generated` from the `.proto` files beside it.
//!
//! The code is checked in, so that building Frontdesk compiles neither a protobuf compiler nor a code generator. After
//! a change of the schema: `cargo run -p schema`.

use std::path::{Path, PathBuf};

use anyhow::Context;
use prost::Message;

/// The client's schema, and the package of its messages.
pub const CLIENT_PROTO: &str = "frontdesk.v1.proto";

/// The nodes' schema.
pub const INTERNAL_PROTO: &str = "frontdesk.internal.v1.proto";

/// The files that [`generate`] writes.
pub const GENERATED: [&str; 3] = ["frontdesk.v1.rs", "frontdesk.v1.serde.rs", "frontdesk.internal.v1.rs"];

/// Messages that carry a token or an identity. `crates/protocol/src/redact.rs` writes their `Debug`, without it.
const SECRET_MESSAGES: [&str; 3] = [".frontdesk.v1.Hello", ".frontdesk.v1.Welcome", ".frontdesk.v1.Token"];

/// The folder of `crates/protocol`.
pub fn protocol_dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../crates/protocol")
}

/// The compiled schema, with comments.
///
/// # Errors
/// A `.proto` file that cannot be read or is wrong.
pub fn descriptors() -> anyhow::Result<protox::Compiler> {
    let mut compiler = protox::Compiler::new([protocol_dir().join("proto")])?;
    compiler.include_source_info(true).include_imports(true);
    compiler.open_files([CLIENT_PROTO, INTERNAL_PROTO])?;
    Ok(compiler)
}

/// Writes the files [`GENERATED`] into `out`.
///
/// # Errors
/// A schema that does not compile, or a file that cannot be written.
pub fn generate(out: &Path) -> anyhow::Result<()> {
    let compiled = descriptors()?;
    let set = compiled.file_descriptor_set();

    pbjson_build::Builder::new()
        .register_descriptors(&set.encode_to_vec())?
        .ignore_unknown_fields()
        .ignore_unknown_enum_variants()
        .out_dir(out)
        .build(&[".frontdesk.v1"])
        .context("the JSON code was not written")?;

    prost_build::Config::new()
        .skip_debug(SECRET_MESSAGES)
        .out_dir(out)
        .compile_fds(set)
        .context("the protobuf code was not written")?;
    Ok(())
}
