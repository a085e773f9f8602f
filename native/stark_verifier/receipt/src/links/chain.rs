//! chain: a later header, on a chain that somebody here knows, has the block in its state.
//!
//! Anyone can write a header: without a tip all is checked but that, and the link stays open.

use alloc::format;
use alloc::string::ToString;

use crate::form::{Anchor, InState};
use crate::judge::{Broken, Case, Judged};
use crate::links::{long, short};
use crate::records::{Header, header, named_model, range, tier};
use crate::trees::{in_state, state_path};
use crate::verdict::Status;

const KIND_TIER: u8 = 14;
const KIND_BLOCKS: u8 = 23;

pub fn judge(case: &mut Case<'_>) -> Judged {
    let Some(anchor) = &case.proven.anchor else {
        return Ok((Status::Open, "no anchor: get the receipt again".to_string()));
    };
    let later = anchor_header(case, anchor)?;
    check_block(case, anchor, &later)?;
    check_tiers(case, anchor, &later)?;
    let known = case.around.blocks.iter().find(|(height, _)| *height == later.height);
    let Some((height, id)) = known else {
        let words = format!("compare --tip {}:{}", later.height, long(&later.block_id));
        return Ok((Status::Open, words));
    };
    let whose = &case.around.whose;
    if *id != later.block_id {
        return Err(Broken(format!("{whose} has block {} at height {height}", short(id))));
    }
    let words = format!("under height {height}, by {whose}");
    case.chain_holds = true;
    Ok((Status::Ok, words))
}

/// The later header.
pub fn anchor_header(case: &Case<'_>, anchor: &Anchor) -> Result<Header, Broken> {
    let found = header(&anchor.header, case.network.header_bytes)
        .map_err(|error| Broken(format!("the anchor cannot be read: must be {}", error.0)))?;
    if found.genesis_hash != case.network.genesis_hash {
        return Err(Broken(format!("the anchor is of network {}", short(&found.genesis_hash))));
    }
    Ok(found)
}

/// Whether the anchor's state has a record.
pub fn holds(later: &Header, kind: u8, id: &[u8], part: &InState) -> bool {
    in_state(&later.state_root, &state_path(kind, id), &part.record, part.count, &part.siblings)
}

fn check_block(case: &Case<'_>, anchor: &Anchor, later: &Header) -> Result<(), Broken> {
    if !holds(later, KIND_BLOCKS, b"blocks", &anchor.blocks) {
        return Err("the list of blocks does not stand in the anchor's state".into());
    }
    let blocks = range(&anchor.blocks.record)
        .map_err(|error| Broken(format!("the list of blocks cannot be read: must be {}", error.0)))?;
    let block = case.header();
    let leaf = [&block.block_id[..], &block.time_ms.to_be_bytes(), &anchor.weight].concat();
    if blocks.holds(block.height, &leaf, &anchor.block_path) {
        Ok(())
    } else {
        Err(Broken(format!("the block is not number {} of the anchor's chain", block.height)))
    }
}

fn check_tiers(case: &Case<'_>, anchor: &Anchor, later: &Header) -> Result<(), Broken> {
    let models = &case.proven.models;
    if anchor.tiers.len() != models.len() {
        return Err(Broken(format!("{} tiers for {} models", anchor.tiers.len(), models.len())));
    }
    for (data, part) in models.iter().zip(&anchor.tiers) {
        let model = named_model(data).map_err(|error| Broken(error.0.to_string()))?;
        let number = model.tier;
        if !holds(later, KIND_TIER, &[number as u8], part) {
            return Err(Broken(format!("tier {number} does not stand in the anchor's state")));
        }
        let entries = tier(&part.record)
            .map_err(|error| Broken(format!("tier {number} cannot be read: must be {}", error.0)))?;
        if !entries.contains(&model) {
            return Err(Broken(format!("tier {number} has another model")));
        }
    }
    Ok(())
}
