//! Everything that is not the honest proof of the honest claim is refused, without panic.
#![cfg(feature = "prover")]

use crate::support::{Random, small_values, zero_sum};
use esper_commitment::{
    EF, F, GkrError, MAX_GKR_VARS, MAX_POINTS, PcsError, PcsParams, PrimeCharacteristicRing, PrimeField64,
    Root, Size, Transcript, WireError, commit, open, prove_fraction_sum, verify_fraction_sum, verify_opening,
};

/// An honest opening, to be changed one part at a time.
#[derive(Clone)]
struct Opening {
    root: Root,
    size: Size,
    params: PcsParams,
    points: Vec<Vec<EF>>,
    values: Vec<EF>,
    proof: Vec<u8>,
    start: Transcript,
}

impl Opening {
    /// Two points, one of them twice; all columns but the last 7.
    fn honest(num_vars: usize) -> Self {
        let size = Size { num_vars, width: 25 };
        let params = PcsParams::for_proof(num_vars, 2);
        let (root, committed) = commit(small_values(size.cells(), 3), &params);
        let mut tr = Transcript::new("test");
        tr.absorb_root(&root);
        let (a, b) = (tr.challenges(num_vars), tr.challenges(num_vars));
        let points = vec![a.clone(), b, a];
        let start = tr.clone();
        let (values, proof) = open(&committed, &points, &mut tr);
        let opening = Self { root, size, params, points, values, proof, start };
        opening.verify().expect("the honest opening is accepted");
        opening
    }

    fn verify(&self) -> Result<(), PcsError> {
        let mut tr = self.start.clone();
        verify_opening(&self.root, self.size, &self.params, &self.points, &self.values, &self.proof, &mut tr)
    }

    fn refused(&self, change: impl FnOnce(&mut Self)) -> PcsError {
        let mut changed = self.clone();
        change(&mut changed);
        changed.verify().expect_err("refused")
    }
}

#[test]
fn claims_that_are_not_the_proven_ones() {
    let honest = Opening::honest(12);
    for i in 0..3 {
        honest.refused(|o| o.values[i] += EF::ONE);
        honest.refused(|o| o.points[i][5] += EF::ONE);
    }
    honest.refused(|o| o.values.swap(0, 1));
    honest.refused(|o| o.points.swap(0, 1));
    honest.refused(|o| {
        o.points.pop();
        o.values.pop();
    });
    honest.refused(|o| {
        o.points.push(o.points[0].clone());
        o.values.push(o.values[0]);
    });
    for bit in 0..256 {
        honest.refused(|o| o.root.0[bit / 8] ^= 1 << (bit % 8));
    }
    let other = Opening::honest(13);
    honest.refused(|o| o.proof = other.proof.clone());
}

#[test]
fn another_transcript() {
    let honest = Opening::honest(11);
    honest.refused(|o| o.start.absorb_base(F::ZERO));
    honest.refused(|o| o.start.absorb_root(&honest.root));
    honest.refused(|o| o.start = Transcript::new("test"));
}

#[test]
fn arguments_that_fit_no_proof() {
    let honest = Opening::honest(11);
    assert!(matches!(honest.refused(|o| o.points.clear()), PcsError::Points { points: 0, values: 3 }));
    assert!(matches!(honest.refused(|o| o.values.clear()), PcsError::Points { points: 3, values: 0 }));
    let many = honest.refused(|o| {
        o.points = vec![o.points[0].clone(); MAX_POINTS + 1];
        o.values = vec![o.values[0]; MAX_POINTS + 1];
    });
    assert!(matches!(many, PcsError::Points { .. }));
    let short = honest.refused(|o| o.points[1].truncate(10));
    assert!(matches!(short, PcsError::PointLength { index: 1, actual: 10, expected: 11 }));
    assert!(matches!(honest.refused(|o| o.points[2].push(EF::ONE)), PcsError::PointLength { index: 2, .. }));
    for num_vars in [0, 4, 5, 9, 31, 64, usize::MAX] {
        assert!(matches!(honest.refused(|o| o.size.num_vars = num_vars), PcsError::Parameters { .. }));
    }
    for log_inv_rate in [0, 5, usize::MAX] {
        assert!(matches!(
            honest.refused(|o| o.params.log_inv_rate = log_inv_rate),
            PcsError::Parameters { .. }
        ));
    }
    for level in [1000, usize::MAX] {
        assert!(matches!(honest.refused(|o| o.params.security_level = level), PcsError::Parameters { .. }));
    }
    honest.refused(|o| o.params.pow_bits = 64);
    honest.refused(|o| o.params.pow_bits = usize::MAX);
}

#[test]
fn a_width_that_is_not_the_committed_one() {
    let honest = Opening::honest(12);
    for width in [0, 33, usize::MAX] {
        assert!(matches!(honest.refused(|o| o.size.width = width), PcsError::Parameters { .. }), "{width}");
    }
    // Rows of another length do not even decode.
    for width in (1..=32).filter(|&width| width != 25) {
        let error = honest.refused(|o| o.size.width = width);
        assert!(matches!(error, PcsError::Wire(_)), "{width}: {error}");
    }
}

/// Rows of `from` values, one after the other, as rows of `to`: cut, or with zeros behind. The first thing queried is
/// the committed codeword; `before` are the bytes in front of its rows.
fn with_rows(proof: &[u8], before: usize, count: usize, [from, to]: [usize; 2]) -> Vec<u8> {
    let (head, rest) = proof.split_at(before);
    let (rows, rest) = rest.split_at(count * from * 8);
    let mut out = head.to_vec();
    for row in rows.chunks(8 * from) {
        let mut row = row.to_vec();
        row.resize(8 * to, 0);
        out.extend(row);
    }
    out.extend_from_slice(rest);
    out
}

/// A leaf ends with zeros, so a column of zeros more or less leaves the tree what it is; the width is absorbed, and
/// nothing but it tells the two openings apart.
#[test]
fn rows_of_another_width_are_refused_even_where_the_tree_is_the_same() {
    let zeros = |width: usize| {
        let mut honest = Opening::honest(12);
        let size = Size { num_vars: 12, width };
        let mut cells = small_values(size.cells(), 3);
        cells[20 << 7..].fill(F::ZERO);
        let (root, committed) = commit(cells, &honest.params);
        let mut tr = Transcript::new("test");
        tr.absorb_root(&root);
        let points = vec![tr.challenges(12)];
        let start = tr.clone();
        let (values, proof) = open(&committed, &points, &mut tr);
        (honest.root, honest.size, honest.points, honest.values) = (root, size, points, values);
        (honest.proof, honest.start) = (proof, start);
        honest.verify().expect("honest");
        honest
    };
    let (narrow, wide) = (zeros(21), zeros(24));
    assert_eq!(narrow.root, wide.root, "both rows fill three blocks");
    assert_eq!(narrow.values, wide.values);
    // Value outside, first fold, root, value outside, work: then the rows.
    let before = 24 + 10 * 24 + 32 + 24 + 8;
    let queries = narrow.params.schedule(12).expect("in range").rounds[0].queries;
    let widened = with_rows(&narrow.proof, before, queries, [21, 24]);
    narrow.refused(|o| (o.size, o.proof) = (wide.size, widened.clone()));
    let narrowed = with_rows(&wide.proof, before, queries, [24, 21]);
    wide.refused(|o| (o.size, o.proof) = (narrow.size, narrowed.clone()));
}

/// Columns beyond the width are 0: a commitment to other cells there is not opened as if they were.
#[test]
fn cells_of_an_absent_column_are_zero() {
    let honest = Opening::honest(12);
    let params = honest.params;
    // A 26th column that is not 0, its rows cut to the 25 values that are taken.
    let size = Size { num_vars: 12, width: 26 };
    let (root, committed) = commit(small_values(size.cells(), 3), &params);
    let mut tr = Transcript::new("test");
    tr.absorb_root(&root);
    let points = vec![tr.challenges(12)];
    let start = tr.clone();
    let (values, proof) = open(&committed, &points, &mut tr);
    let before = 24 + 10 * 24 + 32 + 24 + 8;
    let queries = params.schedule(12).expect("in range").rounds[0].queries;
    let cut = with_rows(&proof, before, queries, [26, 25]);
    let forged = Opening { root, size: honest.size, params, points, values, proof: cut, start };
    forged.verify().expect_err("refused");
    // The value that the 26th column would give the polynomial is not one of the honest polynomial's.
    let cell = 25 << 7;
    let corner: Vec<EF> = (0..12).map(|bit| EF::from_usize(cell >> (11 - bit) & 1)).collect();
    let mut at_cell = Opening::honest(12);
    let (root, committed) = commit(small_values(honest.size.cells(), 3), &params);
    let mut tr = Transcript::new("test");
    tr.absorb_root(&root);
    at_cell.start = tr.clone();
    at_cell.points = vec![corner];
    (at_cell.values, at_cell.proof) = open(&committed, &at_cell.points, &mut tr);
    assert_eq!(at_cell.values, [EF::ZERO]);
    at_cell.verify().expect("the value 0");
    at_cell.refused(|o| o.values[0] = EF::ONE);
}

#[test]
fn a_proof_under_other_parameters() {
    let honest = Opening::honest(12);
    for (rate, pow, level) in [(0, 0, 1), (0, 1, 0), (1, 0, 0)] {
        honest.refused(|o| {
            o.params.log_inv_rate -= rate;
            o.params.pow_bits -= pow;
            o.params.security_level -= level;
        });
    }
}

#[test]
fn bytes_that_are_no_proof() {
    let honest = Opening::honest(11);
    let len = honest.proof.len();
    for kept in (0..len).step_by(97).chain(len - 40..len) {
        let error = honest.refused(|o| o.proof.truncate(kept));
        assert!(matches!(error, PcsError::Wire(WireError::Truncated { .. })), "{kept}: {error}");
    }
    for extra in [1, 8, 1000] {
        let error = honest.refused(|o| o.proof.resize(len + extra, 0));
        assert!(matches!(error, PcsError::Wire(WireError::Trailing { extra: e }) if e == extra), "{error}");
    }
    // The first items are extension elements: replace each of a few coefficients by itself plus the modulus or more.
    for at in (0..20 * 8).step_by(8) {
        for value in [F::ORDER_U64, u64::MAX] {
            let error = honest.refused(|o| o.proof[at..at + 8].copy_from_slice(&value.to_le_bytes()));
            assert!(matches!(error, PcsError::Wire(WireError::NotCanonical { at: a }) if a == at), "{error}");
        }
    }
}

#[test]
fn random_changes_of_the_bytes() {
    let honest = Opening::honest(13);
    let mut random = Random(0x9E37_79B9_7F4A_7C15);
    for round in 0..3000 {
        let len = honest.proof.len();
        honest.refused(|o| match round % 4 {
            0 => o.proof[random.below(len)] ^= 1 << random.below(8),
            1 => {
                let at = random.below(len);
                o.proof[at] = o.proof[at].wrapping_add(1 + random.below(255) as u8);
            }
            2 => {
                // A piece is cut out and made up for at the end.
                let at = random.below(len - 64);
                let cut = 1 + random.below(63);
                o.proof.drain(at..at + cut);
                o.proof.extend((0..cut).map(|i| (i + 1) as u8));
            }
            _ => {
                let (from, to) = (random.below(len - 8), random.below(len - 8));
                let word: [u8; 8] = o.proof[from..from + 8].try_into().expect("8 bytes");
                o.proof[to..to + 8].copy_from_slice(&word);
                o.proof[to] ^= u8::from(o.proof == honest.proof);
            }
        });
    }
}

#[test]
fn a_sum_that_is_not_the_proven_one() {
    const NUM_VARS: usize = 6;
    let mut tr = Transcript::new("test");
    let alpha = tr.challenge();
    let start = tr.clone();
    let (numerators, denominators) = zero_sum(NUM_VARS, alpha);
    let (proof, claim) = prove_fraction_sum(numerators, denominators, &mut tr);
    let verify = |proof: &[u8]| verify_fraction_sum(NUM_VARS, proof, &mut start.clone());
    assert_eq!(verify(&proof).as_ref(), Ok(&claim), "the honest twin is accepted");
    for at in (0..proof.len()).step_by(8) {
        let mut changed = proof.clone();
        let value = u64::from_le_bytes(changed[at..at + 8].try_into().expect("8 bytes"));
        changed[at..at + 8].copy_from_slice(&((value + 1) % F::ORDER_U64).to_le_bytes());
        assert_ne!(verify(&changed).as_ref(), Ok(&claim), "byte {at}: refused, or another claim");
        changed[at..at + 8].copy_from_slice(&u64::MAX.to_le_bytes());
        assert_eq!(verify(&changed), Err(GkrError::Wire(WireError::NotCanonical { at })));
    }
    for kept in 0..proof.len() {
        assert!(verify(&proof[..kept]).is_err());
    }
    let mut longer = proof.clone();
    longer.push(0);
    assert_eq!(verify(&longer), Err(GkrError::Wire(WireError::Trailing { extra: 1 })));
    let mut vanishing = proof.clone();
    vanishing[..24].fill(0);
    assert_eq!(verify(&vanishing), Err(GkrError::ZeroRootDenominator));
    assert!(verify_fraction_sum(NUM_VARS - 1, &proof, &mut start.clone()).is_err());
    for num_vars in [0, MAX_GKR_VARS + 1, usize::MAX] {
        let refused = verify_fraction_sum(num_vars, &proof, &mut start.clone());
        assert_eq!(refused, Err(GkrError::Variables { num_vars }));
    }
}
