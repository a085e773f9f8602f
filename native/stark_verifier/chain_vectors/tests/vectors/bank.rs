//! Prompts of a bank, and the made-up bank of the vectors of work and blocks.
//!
//! leaf = H(tokenizer_id || count || tokens || spans || (start, length) each || json_hash), u32 all.

use sha3::digest::{ExtendableOutput, Update, XofReader};
use sha3::{Digest, Sha3_512, Shake256};

use crate::hashing::hash;
use crate::merkle;
use crate::msgpack::Item;
use crate::network::network;

pub const USE: &str = "esper/prompt-bank/v1";

pub struct Prompt {
    pub tokenizer_id: [u8; 64],
    pub tokens: Vec<u64>,
    /// Start and length of what the seed replaces.
    pub mask_spans: Vec<(usize, usize)>,
    pub json_hash: [u8; 64],
}

impl Prompt {
    /// The prompt of the made-up bank at this place: its bytes are a hash's, every seventh has a mask.
    pub fn made_up(index: u64) -> Self {
        let mut noise = [0; 72];
        let mut stream = Shake256::default();
        stream.update(format!("prompt {index}").as_bytes());
        stream.finalize_xof().read(&mut noise);
        let (pairs, _) = noise[1..].as_chunks();
        let token = |pair: &[u8; 2]| 3 + u64::from(u16::from_be_bytes(*pair)) % 1021;
        Self {
            tokenizer_id: Sha3_512::digest(b"fake tokenizer").into(),
            tokens: pairs.iter().take(5 + usize::from(noise[0] % 31)).map(token).collect(),
            mask_spans: if index.is_multiple_of(7) { vec![(1, 2)] } else { vec![] },
            json_hash: Sha3_512::digest(noise).into(),
        }
    }

    /// A prompt as a block's body carries it.
    pub fn read(item: &Item<'_>) -> Self {
        let [tokenizer_id, tokens, spans, json_hash] = item.record();
        let span = |span: &Item<'_>| {
            let [start, length] = span.record();
            (start.number() as usize, length.number() as usize)
        };
        Self {
            tokenizer_id: tokenizer_id.sized(),
            tokens: tokens.items().iter().map(|token| token.number()).collect(),
            mask_spans: spans.items().iter().map(span).collect(),
            json_hash: json_hash.sized(),
        }
    }

    pub fn leaf(&self) -> [u8; 64] {
        let word = |value: u64| u32::try_from(value).unwrap().to_be_bytes();
        let tokens: Vec<u8> = self.tokens.iter().flat_map(|token| word(*token)).collect();
        let spans = self.mask_spans.iter().flat_map(|(start, length)| [*start, *length]);
        let spans: Vec<u8> = spans.flat_map(|value| word(value as u64)).collect();
        let counts = [self.tokens.len(), self.mask_spans.len()].map(|count| word(count as u64));
        let parts: [&[u8]; 6] =
            [&self.tokenizer_id, &counts[0], &tokens, &counts[1], &spans, &self.json_hash];
        hash("esper/prompt/v1", &parts)
    }
}

#[test]
fn the_made_up_bank_has_the_models_root() {
    let model = network().model;
    let leaves: Vec<_> = (0..model.bank_size).map(|i| Prompt::made_up(i).leaf()).collect();
    let items: Vec<&[u8]> = leaves.iter().map(|leaf| &leaf[..]).collect();
    assert_eq!(merkle::root(USE, &items), model.bank_root);
    assert_eq!(Prompt::made_up(0).tokenizer_id, model.tokenizer_id);
}
