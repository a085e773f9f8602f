//! A model in parts with a statement about it, and a forger's chain of parts.

use super::{answered, key, prompts};
use esper_model::Shape;
use esper_model::synthetic::{Options, random_model};
use esper_prover::parts::{chain, ends};
use esper_prover::prove::prove_part_witness;
use esper_prover::trace::{Trace, boundary_of, embedded, residual_of};
use esper_prover::witness::Witness;
use esper_prover::{ModelKey, PartedModel, boundaries};
use esper_verifier::boundary::Boundary;
use esper_verifier::descriptor::Descriptor;
use esper_verifier::statement::Instance;
use esper_verifier::{Statement, parts_id};
use std::sync::Arc;

/// Three layers, sizes that are no powers of two; rows of a residual end inside a byte.
pub const THREE: Shape =
    Shape { vocab: 53, dim: 19, hidden: 28, layers: 3, heads: 6, kv_heads: 2, head_dim: 6, max_seq: 16 };

/// A model in parts, and what it says.
pub struct Parted {
    /// The whole model, to compare with.
    pub whole: ModelKey,
    /// Keys of the parts.
    pub keys: Vec<ModelKey>,
    /// Their descriptors.
    pub parts: Vec<Descriptor>,
    /// The id that a registry holds.
    pub id: [u8; 64],
    /// Statement.
    pub statement: Statement,
    /// Its sizes.
    pub instance: Instance,
    /// The residuals between parts.
    pub between: Vec<Boundary>,
}

/// Ids of a list of descriptors, as one.
pub fn id_of(parts: &[Descriptor]) -> [u8; 64] {
    parts_id(&parts.iter().map(Descriptor::model_id).collect::<Vec<_>>())
}

/// The bytes of a proof in parts.
pub fn join(parts: &[Descriptor], between: &[Boundary], proofs: &[Vec<u8>]) -> Vec<u8> {
    let between: Vec<Vec<u8>> = between.iter().map(|b| b.encode(&parts[0])).collect();
    let parts: Vec<Vec<u8>> = parts.iter().map(Descriptor::encode).collect();
    esper_prover::parts::join(&parts, &between, proofs)
}

impl Parted {
    /// A synthetic model of a seed, cut, that answers prompts of a seed with up to `answers` tokens each.
    pub fn new(seed: u64, shape: Shape, cuts: &[usize], prompt_seed: u32, answers: usize) -> Self {
        let whole = key(seed, shape, Options::default());
        let statement = answered(&whole, &prompts(shape.vocab, &[3, 4, 2], prompt_seed), 8, answers, 3);
        let model = random_model(seed, shape, Options::default()).expect("a model within bounds");
        let parted = PartedModel::new(Arc::new(model), cuts).expect("cuts");
        let keys: Vec<ModelKey> = (0..parted.count()).map(|i| parted.key(i).expect("a key")).collect();
        let parts: Vec<Descriptor> = keys.iter().map(|k| k.descriptor.clone()).collect();
        let between = boundaries(&parted, &statement).expect("residuals");
        let instance = statement.check(&parts[0]).expect("a statement");
        Self { whole, keys, id: id_of(&parts), parts, statement, instance, between }
    }

    /// Witness of a part between residuals of its own choice.
    pub fn witness(&self, index: usize, between: &[Boundary]) -> Witness {
        Witness::between(&self.keys[index], &self.statement, ends(between, index)).expect("a witness")
    }

    /// Proof of a part from a witness, bound to published residuals.
    pub fn proof(&self, index: usize, published: &[Boundary], w: Witness) -> Vec<u8> {
        let chain = chain(&self.parts, &self.instance, published);
        prove_part_witness(&self.keys[index], &self.statement, &chain, w)
    }

    /// Honest proofs of all parts.
    pub fn proofs(&self) -> Vec<Vec<u8>> {
        (0..self.keys.len()).map(|i| self.proof(i, &self.between, self.witness(i, &self.between))).collect()
    }

    /// The bytes of a proof with these proofs of the parts.
    pub fn join(&self, proofs: &[Vec<u8>]) -> Vec<u8> {
        join(&self.parts, &self.between, proofs)
    }

    /// Goes on from `between[from]` as a forger has changed it: the residuals behind it, and the statement, become what
    /// follows. Answers of one token only.
    pub fn follow(&mut self, from: usize) {
        let rows = self.statement.answer_rows(&self.instance);
        let mut x = residual_of(&self.between[from]);
        for index in from + 1..self.keys.len() {
            let last = index + 1 == self.keys.len();
            let trace = Trace::run(&self.keys[index].model, &self.instance, x, last.then_some(&rows));
            x = trace.residual;
            if !last {
                self.between[index] = boundary_of(&x, self.parts[0].dim);
                continue;
            }
            for (s, logits) in self.statement.sequences.iter_mut().zip(trace.logits) {
                let mut all: Vec<(u32, i64)> =
                    logits.into_iter().enumerate().map(|(v, l)| (v as u32, l)).collect();
                all.sort_by_key(|&(v, l)| (-l, v));
                all.truncate(self.statement.top_k);
                s.answer = vec![all[0].0];
                s.top = vec![all];
            }
        }
    }

    /// The first residual of the model's own embedding.
    pub fn first(&self) -> Boundary {
        let x = embedded(&self.whole.model, &self.statement.row_tokens(&self.instance));
        boundary_of(&x, self.parts[0].dim)
    }
}

/// A residual with one value changed.
pub fn changed(boundary: &Boundary, row: usize, column: usize, by: i32) -> Boundary {
    let dim = boundary.dim();
    let mut values: Vec<i32> = boundary.rows().flatten().copied().collect();
    values[row * dim + column] += by;
    Boundary::new(values, dim)
}

/// A residual with its rows in another order.
pub fn permuted(boundary: &Boundary, a: usize, b: usize) -> Boundary {
    let mut rows: Vec<&[i32]> = boundary.rows().collect();
    rows.swap(a, b);
    Boundary::new(rows.concat(), boundary.dim())
}
