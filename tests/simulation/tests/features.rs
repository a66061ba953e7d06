//! The deliberate faults must not get into programs.

use std::process::Command;

#[test]
fn no_build_of_the_workspace_turns_the_faults_on() {
    let output = Command::new(env!("CARGO"))
        .args(["tree", "--workspace", "--offline", "--edges", "features", "--invert", "conversation"])
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
        .output()
        .unwrap();
    let tree = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(tree.contains("conn-node") && tree.contains("local-dev"), "the tree lacks the programs:\n{tree}");
    assert!(!tree.contains("feature \"faults\""), "faults are on:\n{tree}");
}
