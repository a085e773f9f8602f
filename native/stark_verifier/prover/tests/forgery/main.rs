//! One forgery for each line of the specification, shown with the relation that catches it and with that relation taken
//! out. The switch holds for the whole process: whoever proves or verifies here goes through `common::forge`.

#[path = "../common/mod.rs"]
mod common;
mod forgery_attention;
mod forgery_leaf_claims;
mod forgery_lookup;
mod forgery_model;
mod forgery_norm;
mod forgery_parts;
mod forgery_rounding;
mod forgery_top_k;
mod forgery_twins;
