//! Names of the chain's hashes.

use esper_digest::Tag;

const fn tag(name: &str) -> Tag {
    match Tag::new(name) {
        Ok(tag) => tag,
        // While compiling: all calls are those of the constants below.
        #[allow(clippy::panic)]
        Err(_) => panic!("no name of a tag"),
    }
}

pub const ADDRESS: Tag = tag("esper/address/v1");
pub const CALL_GROUP: Tag = tag("esper/call/group/v1");
pub const CALL_LANE: Tag = tag("esper/call/lane/v1");
pub const CALL_LIST: Tag = tag("esper/call/list/v1");
pub const CALLS_ROOT: Tag = tag("esper/call/groups/v1");
pub const HEADER: Tag = tag("esper/header/v1");
pub const MERKLE_LEAF: Tag = tag("esper/merkle/leaf/v1");
pub const MERKLE_NODE: Tag = tag("esper/merkle/node/v1");
pub const MERKLE_ROOT: Tag = tag("esper/merkle/root/v1");
pub const MMR_LEAF: Tag = tag("esper/mmr/leaf/v1");
pub const MMR_NODE: Tag = tag("esper/mmr/node/v1");
pub const OUTPUTS: Tag = tag("esper/work/outputs/v1");
pub const PROMISE: Tag = tag("esper/receipt/sign/v1");
pub const PROMPT: Tag = tag("esper/prompt/v1");
pub const PROMPT_BANK: Tag = tag("esper/prompt-bank/v1");
pub const PROOF: Tag = tag("esper/work/proof/v1");
pub const REQUEST: Tag = tag("esper/receipt/request/v1");
pub const STATE_KEY: Tag = tag("esper/state/key/v1");
pub const STATE_LEAF: Tag = tag("esper/state/leaf/v1");
pub const STATE_NODE: Tag = tag("esper/state/node/v1");
pub const STATE_ROOT: Tag = tag("esper/state/root/v1");
pub const STATE_VALUE: Tag = tag("esper/state/value/v1");
pub const TX_ROOT: Tag = tag("esper/tx/root/v1");
pub const TXID: Tag = tag("esper/tx/id/v1");
pub const VRF_PROOF: Tag = tag("esper/vrf/proof/v1");
pub const WORK: Tag = tag("esper/work/v1");
pub const WORK_DIGEST: Tag = tag("esper/work/digest/v1");
pub const WORK_INDEX: Tag = tag("esper/work/index/v1");
pub const WORK_MASK: Tag = tag("esper/work/mask/v1");
pub const WORK_SALT: Tag = tag("esper/work/salt/v1");
pub const WORK_SEED: Tag = tag("esper/work/seed/v1");
pub const WTXID: Tag = tag("esper/tx/witness-id/v1");
