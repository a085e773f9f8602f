//! What several test files need.

use std::path::PathBuf;

/// Folder of the 260K fixture, or `None` with a printed reason.
///
/// `ESPER_SHARED` names the folder that contains `models/`; unset, `../shared` beside the repository is tried.
pub fn fixture_dir() -> Option<PathBuf> {
    let shared = match std::env::var_os("ESPER_SHARED") {
        Some(folder) => PathBuf::from(folder),
        None => PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../../shared"),
    };
    let dir = shared.join("models/stories260K");
    if dir.join("g16.safetensors").is_file() {
        return Some(dir);
    }
    eprintln!("skipped: {} has no g16.safetensors; set ESPER_SHARED to the folder of models/", dir.display());
    None
}
