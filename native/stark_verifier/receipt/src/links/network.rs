//! network: name and genesis hash are one known pair.

use alloc::format;
use alloc::string::String;

use crate::around::{Around, Network};
use crate::form::Receipt;
use crate::judge::Broken;
use crate::links::short;

/// The network, and words for it. A name that needs escapes is none that is known.
pub fn known<'a>(receipt: &Receipt<'_>, around: &'a Around) -> Result<(&'a Network, String), Broken> {
    let named = around.networks.iter().find(|one| one.name == receipt.network);
    let found = named.ok_or("no network of this name is known here")?;
    let name = String::from_utf8_lossy(&found.name);
    let known = short(&found.genesis_hash);
    if found.genesis_hash != receipt.genesis_hash {
        let given = short(&receipt.genesis_hash);
        return Err(Broken(format!("genesis {given} is not that of {name}, {known}")));
    }
    Ok((found, format!("{name} {known}")))
}
