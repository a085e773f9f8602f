//! header: it is of the network, and the block's id is its hash, which alone covers the bytes of the VRF.

use alloc::format;

use crate::judge::{Broken, Case, Judged};
use crate::links::short;
use crate::verdict::Status;

pub fn judge(case: &mut Case<'_>) -> Judged {
    let header = case.header();
    if header.genesis_hash != case.network.genesis_hash {
        return Err(Broken(format!("it is of network {}", short(&header.genesis_hash))));
    }
    let found = short(&header.block_id);
    if header.block_id != case.proven.block_id {
        return Err(Broken(format!("its hash {found} is not the block's id")));
    }
    Ok((Status::Ok, format!("height {}, {found}", header.height)))
}
