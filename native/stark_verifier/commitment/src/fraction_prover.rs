//! Proving that a sum of fractions is 0. Mirrors [`crate::fraction`], which says in which order.
//!
//! A layer is held in blocks of eight fractions, as many as come before its tail of fractions 0 / 1: what lies in the
//! tail is never written, and its part of each sum has a closed form.

use alloc::vec::Vec;
use core::mem::size_of;

use crate::field::{
    EF, F, Field, PackedEF, PackedF, PackedFieldExtension, PackedValue, PrimeCharacteristicRing, parallel::*,
};
use crate::fraction::{GkrClaim, LOW_BITS, LayerPoint, begin, fraction_proof_len};
use crate::opening::eq_table;
use crate::transcript::Transcript;
use crate::wire::write;

/// Fractions of a block: of leaves, whole blocks are given.
pub const FRACTION_BLOCK: usize = 1 << LOW_BITS;
const BLOCK: usize = FRACTION_BLOCK;
/// Vectors of a block.
const VECTORS: usize = BLOCK / PackedF::WIDTH;
const _: () = assert!(VECTORS * PackedF::WIDTH == BLOCK && size_of::<PackedEF>() == 24 * PackedF::WIDTH);
/// Blocks that a task takes at least.
const BLOCKS_AT_ONCE: usize = 64;

/// Proves that `numerators[i] / denominators[i]` sum to 0.
///
/// Both have the same length, a power of two and at least 2; the index's most significant bit belongs to the first
/// coordinate of the claim's point. They must be fixed by what the transcript already holds.
///
/// # Panics
/// On other lengths, a vanishing denominator, or a sum that is not 0.
pub fn prove_fraction_sum(
    mut numerators: Vec<F>,
    mut denominators: Vec<EF>,
    tr: &mut Transcript,
) -> (Vec<u8>, GkrClaim) {
    let size = denominators.len();
    assert!(
        size.is_power_of_two() && size >= 2,
        "denominators: length {size}, must be a power of two above 1"
    );
    assert_eq!(numerators.len(), size, "numerators: length");
    numerators.resize(size.next_multiple_of(BLOCK), F::ZERO);
    denominators.resize(size.next_multiple_of(BLOCK), EF::ONE);
    let packed = denominators.par_chunks_exact(PackedF::WIDTH).map(PackedEF::from_ext_slice).collect();
    prove_fraction_sum_packed(numerators, packed, size.trailing_zeros() as usize, tr)
}

/// The same for `2^num_vars` fractions of which only the first are given, packed: those behind are 0 / 1.
///
/// There are whole blocks of 8 of them, and `numerators.len() / PackedF::WIDTH` denominators.
///
/// # Panics
/// As [`prove_fraction_sum`] does.
pub fn prove_fraction_sum_packed(
    numerators: Vec<F>,
    denominators: Vec<PackedEF>,
    num_vars: usize,
    tr: &mut Transcript,
) -> (Vec<u8>, GkrClaim) {
    let given = numerators.len();
    assert!(
        given.is_multiple_of(BLOCK) && given > 0,
        "numerators: length {given}, must be whole blocks of {BLOCK}"
    );
    assert!(given <= BLOCK.max(1 << num_vars), "numerators: {given} of them, of 2^{num_vars} fractions");
    assert_eq!(denominators.len() * PackedF::WIDTH, given, "denominators: length");
    let layers = Layers::new(Layer { n: Numerators::Base(numerators), d: denominators }, num_vars);
    layers.prove(tr)
}

/// Numerators of a layer: of the leaves in the base field.
enum Numerators {
    Base(Vec<F>),
    Extension(Vec<PackedEF>),
}

/// A layer above eight fractions, in vectors.
struct Layer {
    n: Numerators,
    d: Vec<PackedEF>,
}

impl Layer {
    fn blocks(&self) -> usize {
        self.d.len() / VECTORS
    }

    #[inline(always)]
    fn numerator(&self, vector: usize) -> PackedEF {
        match &self.n {
            Numerators::Base(n) => {
                let at = vector * PackedF::WIDTH;
                PackedEF::from(*PackedF::from_slice(&n[at..at + PackedF::WIDTH]))
            }
            Numerators::Extension(n) => n[vector],
        }
    }

    /// The fractions of a vector, 0 / 1 in the tail.
    #[inline(always)]
    fn at(&self, vector: usize) -> [PackedEF; 2] {
        if vector < self.d.len() {
            [self.numerator(vector), self.d[vector]]
        } else {
            [PackedEF::ZERO, PackedEF::ONE]
        }
    }

    /// The layer above: blocks 2 q and 2 q + 1 are added.
    fn added(&self) -> Self {
        let vectors = self.blocks().div_ceil(2) * VECTORS;
        let add = |vector: usize| {
            let [left, right] = children(vector);
            let [n0, d0] = self.at(left);
            if right >= self.d.len() {
                return (n0, d0);
            }
            let d1 = self.d[right];
            let n = match &self.n {
                Numerators::Base(n) => {
                    let part =
                        |vector: usize| *PackedF::from_slice(&n[vector * PackedF::WIDTH..][..PackedF::WIDTH]);
                    d1 * part(left) + d0 * part(right)
                }
                Numerators::Extension(n) => n0 * d1 + n[right] * d0,
            };
            (n, d0 * d1)
        };
        let (n, d) = (0..vectors).into_par_iter().with_min_len(BLOCKS_AT_ONCE * VECTORS).map(add).unzip();
        Self { n: Numerators::Extension(n), d }
    }

    /// The fractions of the only block.
    fn only_block(&self) -> Vec<[EF; 2]> {
        (0..VECTORS).flat_map(|vector| lanes(self.at(vector))).collect()
    }
}

/// Vectors of the layer below that are added for one of a layer.
#[inline(always)]
const fn children(vector: usize) -> [usize; 2] {
    let block = vector / VECTORS;
    let left = block * VECTORS + vector;
    [left, left + VECTORS]
}

/// The elements of all lanes.
fn lanes<const N: usize>(packed: [PackedEF; N]) -> impl Iterator<Item = [EF; N]> {
    (0..PackedF::WIDTH)
        .map(move |lane| packed.map(|p| <PackedEF as PackedFieldExtension<F, EF>>::extract(&p, lane)))
}

/// All layers, the leaves first: those of vectors down to one block, then plain ones down to one fraction.
struct Layers {
    num_vars: usize,
    packed: Vec<Layer>,
    plain: Vec<Vec<[EF; 2]>>,
}

impl Layers {
    fn new(leaves: Layer, num_vars: usize) -> Self {
        let mut packed = alloc::vec![leaves];
        for layer in 0..num_vars.saturating_sub(LOW_BITS) {
            packed.push(packed[layer].added());
        }
        let mut least = packed.pop().expect("the leaves at least").only_block();
        least.truncate(1 << num_vars.min(LOW_BITS));
        let mut plain = alloc::vec![least];
        while plain[plain.len() - 1].len() > 1 {
            let add = |pair: &[[EF; 2]]| {
                let ([n0, d0], [n1, d1]) = (pair[0], pair[1]);
                [n0 * d1 + n1 * d0, d0 * d1]
            };
            plain.push(plain[plain.len() - 1].chunks_exact(2).map(add).collect());
        }
        Self { num_vars, packed, plain }
    }

    fn prove(mut self, tr: &mut Transcript) -> (Vec<u8>, GkrClaim) {
        let mut out = Vec::with_capacity(fraction_proof_len(self.num_vars));
        let [mut numerator, mut denominator] = self.plain.pop().expect("a layer of one fraction")[0];
        assert!(numerator == EF::ZERO, "the fractions do not sum to 0");
        assert!(denominator != EF::ZERO, "a denominator vanishes");
        write::ext(&mut out, &denominator);
        begin(self.num_vars, tr);
        tr.absorb(denominator);
        let mut point = LayerPoint::default();
        for _ in 0..self.num_vars {
            let lambda = tr.challenge();
            let claim = numerator + lambda * denominator;
            let mut rounds = Rounds { claim, challenges: Vec::new(), out: &mut out, tr };
            let nodes = match self.plain.pop() {
                Some(below) => below.chunks_exact(2).map(|pair| Node::of(pair[0], pair[1], lambda)).collect(),
                None => rounds.blocks(self.packed.pop().expect("a layer for each variable"), &point, lambda),
            };
            let node = rounds.low(nodes, &point.low);
            let challenges = rounds.challenges;
            let [n0, d0, n1, d1] = [node.a - lambda * node.d0, node.d0, node.n1, node.d1];
            for value in [n0, d0, n1, d1] {
                write::ext(&mut out, &value);
                tr.absorb(value);
            }
            let branch = tr.challenge();
            numerator = n0 + branch * (n1 - n0);
            denominator = d0 + branch * (d1 - d0);
            point = point.below(&challenges, branch);
        }
        (out, GkrClaim { point: point.most_significant_first(), numerator, denominator })
    }
}

/// Two fractions that are added, with a = n0 + lambda d0: what is summed is d1 a + d0 n1, two products.
#[derive(Clone, Copy)]
struct Node<T> {
    a: T,
    d0: T,
    n1: T,
    d1: T,
}

impl Node<EF> {
    fn of([n0, d0]: [EF; 2], [n1, d1]: [EF; 2], lambda: EF) -> Self {
        Self { a: n0 + lambda * d0, d0, n1, d1 }
    }
}

impl<T: PrimeCharacteristicRing + Copy> Node<T> {
    /// Two fractions of the tail.
    fn tail(lambda: T) -> Self {
        Self { a: lambda, d0: T::ONE, n1: T::ZERO, d1: T::ONE }
    }

    #[inline(always)]
    fn value(&self) -> T {
        self.d1 * self.a + self.d0 * self.n1
    }

    #[inline(always)]
    fn minus(&self, other: &Self) -> Self {
        Self { a: self.a - other.a, d0: self.d0 - other.d0, n1: self.n1 - other.n1, d1: self.d1 - other.d1 }
    }

    /// The node between this and `other` at `r`.
    #[inline(always)]
    fn towards(&self, other: &Self, r: T) -> Self {
        let by = other.minus(self);
        Self {
            a: self.a + r * by.a,
            d0: self.d0 + r * by.d0,
            n1: self.n1 + r * by.n1,
            d1: self.d1 + r * by.d1,
        }
    }
}

/// Nodes of a layer whose first variables are bound, a column each, in vectors.
struct Nodes {
    columns: [Vec<PackedEF>; 4],
}

impl Nodes {
    #[inline(always)]
    fn at(&self, vector: usize) -> Node<PackedEF> {
        let [a, d0, n1, d1] = &self.columns;
        Node { a: a[vector], d0: d0[vector], n1: n1[vector], d1: d1[vector] }
    }
}

/// The rounds of one layer.
struct Rounds<'a> {
    claim: EF,
    challenges: Vec<EF>,
    out: &'a mut Vec<u8>,
    tr: &'a mut Transcript,
}

impl Rounds<'_> {
    /// Sends h, given by h(0) and its leading coefficient, at the coordinate `x`; the challenge.
    fn send(&mut self, x: EF, at0: EF, b: EF) -> EF {
        // The claim is h(0) + x (a + b). That x is 0 is as likely as any other of 2^191 values.
        let a = (self.claim - at0) * x.inverse() - b;
        for value in [a, b] {
            write::ext(self.out, &value);
            self.tr.absorb(value);
        }
        let r = self.tr.challenge();
        self.claim = at0 + r * (a + r * b);
        self.challenges.push(r);
        r
    }

    /// Binds the variables of the blocks, the layer below being given; the nodes of the block that is left.
    fn blocks(&mut self, below: Layer, point: &LayerPoint, lambda: EF) -> Vec<Node<EF>> {
        let packed_lambda = PackedEF::from(lambda);
        let mut blocks = below.blocks().div_ceil(2);
        let leaf = |vector: usize| {
            let [left, right] = children(vector);
            let ([n0, d0], [n1, d1]) = (below.at(left), below.at(right));
            Node { a: n0 + packed_lambda * d0, d0, n1, d1 }
        };
        let Some((&first, rest)) = point.blocks.split_first() else {
            return (0..VECTORS).flat_map(|vector| scalars(leaf(vector))).collect();
        };
        let low = eq_from_lowest(&point.low);
        let mut weights = EqLevels::new(rest, blocks.div_ceil(2));
        let total = |sums: [Sums; 2]| sums.map(|sums| lanes_weighted(&sums, &low));
        let sums = evaluate(&leaf, blocks, weights.level());
        let [at0, b] = total(sums);
        let mut r = self.send(first, at0 + lambda * weights.rest(), b);
        let mut nodes: Option<Nodes> = None;
        for &x in rest {
            weights.go_on();
            let (folded, sums) = match &nodes {
                None => fold_and_evaluate(&leaf, blocks, r, packed_lambda, weights.level()),
                Some(nodes) => fold_and_evaluate(&|v| nodes.at(v), blocks, r, packed_lambda, weights.level()),
            };
            nodes = Some(folded);
            blocks = blocks.div_ceil(2);
            let [at0, b] = total(sums);
            r = self.send(x, at0 + lambda * weights.rest(), b);
        }
        let r = PackedEF::from(r);
        let tail = Node::tail(packed_lambda);
        let load = |vector: usize| match &nodes {
            _ if vector >= blocks * VECTORS => tail,
            None => leaf(vector),
            Some(nodes) => nodes.at(vector),
        };
        (0..VECTORS).flat_map(|v| scalars(load(v).towards(&load(v + VECTORS), r))).collect()
    }

    /// Binds the low variables; the node that is left.
    fn low(&mut self, mut nodes: Vec<Node<EF>>, point: &[EF]) -> Node<EF> {
        for (round, &x) in point.iter().enumerate() {
            let weights = eq_from_lowest(&point[round + 1..]);
            let (mut at0, mut b) = (EF::ZERO, EF::ZERO);
            for (pair, &weight) in nodes.chunks_exact(2).zip(&weights) {
                at0 += weight * pair[0].value();
                b += weight * pair[1].minus(&pair[0]).value();
            }
            let r = self.send(x, at0, b);
            nodes = nodes.chunks_exact(2).map(|pair| pair[0].towards(&pair[1], r)).collect();
        }
        nodes[0]
    }
}

/// Sums over the blocks, for each place within one.
type Sums = [PackedEF; VECTORS];

/// h(0) and the leading coefficient of h over all pairs of blocks, the last one filled up with nothing: what a block without
/// a partner adds is that of a pair with the tail.
fn evaluate(load: &(impl Fn(usize) -> Node<PackedEF> + Sync), blocks: usize, weights: &[EF]) -> [Sums; 2] {
    let parts = weights.par_chunks(BLOCKS_AT_ONCE).enumerate().map(|(part, weights)| {
        let mut sums = [[PackedEF::ZERO; VECTORS]; 2];
        for (pair, &weight) in (part * BLOCKS_AT_ONCE..).zip(weights) {
            for vector in 0..VECTORS {
                let at = 2 * pair * VECTORS + vector;
                let nodes = [load(at), load(at + VECTORS)];
                add_pair(&mut sums, vector, &nodes, weight);
            }
        }
        sums
    });
    debug_assert_eq!(weights.len(), blocks.div_ceil(2));
    summed(parts.collect())
}

#[inline(always)]
fn add_pair(sums: &mut [Sums; 2], vector: usize, [x, y]: &[Node<PackedEF>; 2], weight: EF) {
    let weight = PackedEF::from(weight);
    sums[0][vector] += weight * x.value();
    sums[1][vector] += weight * y.minus(x).value();
}

fn summed(parts: Vec<[Sums; 2]>) -> [Sums; 2] {
    parts.into_iter().fold([[PackedEF::ZERO; VECTORS]; 2], |mut all, part| {
        all.iter_mut().flatten().zip(part.iter().flatten()).for_each(|(sum, &more)| *sum += more);
        all
    })
}

/// Binds a variable of `blocks` blocks at `r` and evaluates the pairs of the blocks that are left, in one pass.
fn fold_and_evaluate(
    load: &(impl Fn(usize) -> Node<PackedEF> + Sync),
    blocks: usize,
    r: EF,
    lambda: PackedEF,
    weights: &[EF],
) -> (Nodes, [Sums; 2]) {
    let (r, tail) = (PackedEF::from(r), Node::tail(lambda));
    let left = blocks.div_ceil(2);
    let mut columns = [(); 4].map(|()| alloc::vec![PackedEF::ZERO; left * VECTORS]);
    let load = |vector: usize| if vector < blocks * VECTORS { load(vector) } else { tail };
    let [a, d0, n1, d1] = &mut columns;
    let size = 2 * BLOCKS_AT_ONCE * VECTORS;
    let parts = a
        .par_chunks_mut(size)
        .zip(d0.par_chunks_mut(size))
        .zip(n1.par_chunks_mut(size).zip(d1.par_chunks_mut(size)))
        .zip(weights.par_chunks(BLOCKS_AT_ONCE))
        .enumerate()
        .map(|(part, (((a, d0), (n1, d1)), weights))| {
            let mut sums = [[PackedEF::ZERO; VECTORS]; 2];
            for (pair, &weight) in weights.iter().enumerate() {
                for vector in 0..VECTORS {
                    let mut fold = |block: usize| {
                        let at = block * VECTORS + vector;
                        if at >= a.len() {
                            return tail;
                        }
                        let [left, right] = children(part * size + at);
                        let node = load(left).towards(&load(right), r);
                        (a[at], d0[at], n1[at], d1[at]) = (node.a, node.d0, node.n1, node.d1);
                        node
                    };
                    let nodes = [fold(2 * pair), fold(2 * pair + 1)];
                    add_pair(&mut sums, vector, &nodes, weight);
                }
            }
            sums
        })
        .collect();
    (Nodes { columns }, summed(parts))
}

/// `eq(point, .)` over the bits of an index, the first coordinate for the lowest.
fn eq_from_lowest(point: &[EF]) -> Vec<EF> {
    let from_highest: Vec<EF> = point.iter().rev().copied().collect();
    eq_table(&from_highest)
}

fn lanes_weighted(sums: &Sums, low: &[EF]) -> EF {
    let values = sums.iter().flat_map(|&vector| lanes([vector]));
    values.zip(low).map(|([value], &weight)| value * weight).sum()
}

/// `eq(point, .)` over the pairs of blocks that come before the tail, for each round: the first coordinate leaves first.
struct EqLevels {
    levels: Vec<Vec<EF>>,
}

impl EqLevels {
    /// For all of `point`, then all but its first coordinate, and so on; `pairs` of the first are wanted.
    fn new(point: &[EF], pairs: usize) -> Self {
        let mut wanted = Vec::with_capacity(point.len() + 1);
        wanted.push(pairs);
        for level in 0..point.len() {
            wanted.push(wanted[level].div_ceil(2));
        }
        let mut levels = alloc::vec![alloc::vec![EF::ONE]];
        for (&x, &wanted) in point.iter().zip(&wanted).rev() {
            let above = &levels[levels.len() - 1];
            let mut table = EF::zero_vec(wanted);
            table.par_chunks_mut(2).zip(above).with_min_len(1 << 10).for_each(|(pair, &weight)| {
                let one = weight * x;
                pair[0] = weight - one;
                if let Some(odd) = pair.get_mut(1) {
                    *odd = one;
                }
            });
            levels.push(table);
        }
        Self { levels }
    }

    /// Weights of this round.
    fn level(&self) -> &[EF] {
        &self.levels[self.levels.len() - 1]
    }

    /// What all other places weigh together.
    fn rest(&self) -> EF {
        EF::ONE - self.level().iter().copied().sum::<EF>()
    }

    fn go_on(&mut self) {
        self.levels.pop();
    }
}

fn scalars(node: Node<PackedEF>) -> impl Iterator<Item = Node<EF>> {
    lanes([node.a, node.d0, node.n1, node.d1]).map(|[a, d0, n1, d1]| Node { a, d0, n1, d1 })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fraction::{GkrError, verify_fraction_sum};
    use crate::transcript::Transcript;
    use crate::wire::WireError;

    /// Fractions that sum to 0, the last of those before the tail making up for the others.
    fn fractions(num_vars: usize, given: usize, tr: &mut Transcript) -> (Vec<F>, Vec<EF>) {
        let size = 1usize << num_vars;
        let mut denominators = tr.challenges(given);
        let mut numerators: Vec<F> = (0..given as u64).map(|i| F::from_u64(i * i % 7 + 1)).collect();
        // 1 / d and -1 / d side by side; an odd one out has the numerator 0.
        for i in (1..given).step_by(2) {
            denominators[i] = denominators[i - 1];
            numerators[i] = -numerators[i - 1];
        }
        if given % 2 == 1 {
            numerators[given - 1] = F::ZERO;
        }
        numerators.resize(size, F::ZERO);
        denominators.resize(size, EF::ONE);
        (numerators, denominators)
    }

    /// Value of the extension of values at a point, the first coordinate for the most significant bit.
    fn at(values: &[EF], point: &[EF]) -> EF {
        let mut values = values.to_vec();
        for &x in point {
            let (zero, one) = values.split_at(values.len() / 2);
            values = zero.iter().zip(one).map(|(&zero, &one)| zero + x * (one - zero)).collect();
        }
        values[0]
    }

    fn check(num_vars: usize, given: usize, packed: bool) {
        let mut tr = Transcript::new("test");
        let (numerators, denominators) = fractions(num_vars, given, &mut tr);
        let mut theirs = tr.clone();
        let (proof, claim) = if packed {
            let kept = given.next_multiple_of(BLOCK);
            let denominators: Vec<PackedEF> =
                denominators[..kept].chunks(PackedF::WIDTH).map(PackedEF::from_ext_slice).collect();
            prove_fraction_sum_packed(numerators[..kept].to_vec(), denominators, num_vars, &mut tr)
        } else {
            prove_fraction_sum(numerators.clone(), denominators.clone(), &mut tr)
        };
        assert_eq!(proof.len(), fraction_proof_len(num_vars));
        let numerators: Vec<EF> = numerators.into_iter().map(EF::from).collect();
        assert_eq!(claim.numerator, at(&numerators, &claim.point), "{num_vars} {given}");
        assert_eq!(claim.denominator, at(&denominators, &claim.point), "{num_vars} {given}");
        let found = verify_fraction_sum(num_vars, &proof, &mut theirs.clone()).expect("an honest proof");
        assert_eq!(found, claim);
        let mut ours = theirs.clone();
        verify_fraction_sum(num_vars, &proof, &mut ours).expect("an honest proof");
        assert_eq!(ours.challenge(), tr.challenge(), "both sides go on from the same state");
        // Every element of the proof matters.
        for place in (0..proof.len()).step_by(24) {
            let mut forged = proof.clone();
            forged[place] ^= 1;
            match verify_fraction_sum(num_vars, &forged, &mut theirs.clone()) {
                Err(GkrError::Layer { .. } | GkrError::Wire(WireError::NotCanonical { .. })) => {}
                Ok(other) if place + 96 >= proof.len() => assert_ne!(other, claim),
                other => panic!("{num_vars} {given}, byte {place}: {other:?}"),
            }
        }
        theirs.absorb_u64(0);
        // A sum of two fractions has no round: any transcript leads to a claim, but to another.
        let elsewhere = verify_fraction_sum(num_vars, &proof, &mut theirs);
        assert!(elsewhere.is_err() || num_vars == 1 && elsewhere != Ok(claim), "another transcript");
    }

    #[test]
    fn claims_are_the_values_of_the_extensions() {
        for num_vars in 1..=9 {
            check(num_vars, 1 << num_vars, false);
        }
    }

    #[test]
    fn a_tail_is_the_same_whether_it_is_written_or_not() {
        for num_vars in 3..=9 {
            for given in [1, 2, 7, 8, 9, 15, 17, 24, 33, 40, 57, 100, 130, 255, 256, 300, 511, 512] {
                if given <= 1 << num_vars {
                    check(num_vars, given, true);
                    check(num_vars, given, false);
                }
            }
        }
    }

    #[test]
    fn whole_tasks_and_their_ends_add_up() {
        for given in [
            2 * BLOCK * BLOCKS_AT_ONCE,
            4 * BLOCK * BLOCKS_AT_ONCE + 3,
            8 * BLOCK * BLOCKS_AT_ONCE - 5,
            9 * BLOCK * BLOCKS_AT_ONCE + 1,
        ] {
            let mut tr = Transcript::new("test");
            let (numerators, denominators) = fractions(13, given, &mut tr);
            let mut theirs = tr.clone();
            let (proof, claim) = prove_fraction_sum(numerators.clone(), denominators.clone(), &mut tr);
            let numerators: Vec<EF> = numerators.into_iter().map(EF::from).collect();
            assert_eq!(claim.numerator, at(&numerators, &claim.point));
            assert_eq!(claim.denominator, at(&denominators, &claim.point));
            assert_eq!(verify_fraction_sum(13, &proof, &mut theirs), Ok(claim));
        }
    }

    #[test]
    #[should_panic(expected = "do not sum to 0")]
    fn a_sum_that_is_not_0_is_not_proven() {
        let mut tr = Transcript::new("test");
        let (mut numerators, denominators) = fractions(4, 9, &mut tr);
        numerators[2] += F::ONE;
        prove_fraction_sum(numerators, denominators, &mut tr);
    }

    #[test]
    #[should_panic(expected = "a denominator vanishes")]
    fn a_denominator_of_0_is_not_proven() {
        let mut tr = Transcript::new("test");
        let (mut numerators, mut denominators) = fractions(4, 9, &mut tr);
        (numerators[8], denominators[8]) = (F::ZERO, EF::ZERO);
        prove_fraction_sum(numerators, denominators, &mut tr);
    }
}
