//! Multilinear extensions with closed forms. Points list the most significant index bit first.

use alloc::vec;
use alloc::vec::Vec;
use esper_commitment::{EF, F, PrimeCharacteristicRing};

/// Bits needed to index `n` items: ceil(log2 n), 0 for n <= 1.
pub const fn index_bits(n: usize) -> usize {
    if n <= 1 { 0 } else { (usize::BITS - (n - 1).leading_zeros()) as usize }
}

/// eq(x, y) of two points of equal length.
pub fn eq_points(x: &[EF], y: &[EF]) -> EF {
    debug_assert_eq!(x.len(), y.len());
    x.iter().zip(y).fold(EF::ONE, |acc, (&a, &b)| {
        let ab = a * b;
        acc * (ab + ab - a - b + EF::ONE)
    })
}

/// eq(x, index); 0 where the index does not fit.
pub fn eq_index(x: &[EF], index: usize) -> EF {
    let n = x.len();
    if n < usize::BITS as usize && index >> n != 0 {
        return EF::ZERO;
    }
    x.iter().enumerate().fold(EF::ONE, |acc, (i, &v)| {
        let bit = index >> (n - 1 - i) & 1;
        acc * if bit == 1 { v } else { EF::ONE - v }
    })
}

/// All 2^n values of eq(x, .), times `scale`, in index order.
pub fn eq_table(x: &[EF], scale: EF) -> Vec<EF> {
    let mut table = vec![EF::ZERO; 1 << x.len()];
    table[0] = scale;
    let mut filled = 1;
    for &v in x {
        // The new coordinate is less significant than those so far: entry i becomes 2i and 2i + 1.
        for i in (0..filled).rev() {
            let hi = table[i] * v;
            table[2 * i + 1] = hi;
            table[2 * i] = table[i] - hi;
        }
        filled *= 2;
    }
    table
}

/// (sum of eq(x, i), sum of i eq(x, i)) over 0 <= i < len, for len <= 2^n.
pub fn prefix_sums(x: &[EF], len: usize) -> (EF, EF) {
    let n = x.len();
    debug_assert!(len <= 1 << n);
    if len == 1 << n {
        return (EF::ONE, index_value(x));
    }
    // For every set bit of len: the aligned block that shares the bits above and has 0 there.
    let (mut count, mut weighted) = (EF::ZERO, EF::ZERO);
    let (mut above, mut prefix) = (EF::ONE, 0usize);
    for (i, &v) in x.iter().enumerate() {
        if prefix == len {
            break;
        }
        let size = 1usize << (n - 1 - i);
        if len & size != 0 {
            let block = above * (EF::ONE - v);
            count += block;
            weighted += block * (index_value(&x[i + 1..]) + EF::from(F::from_u64(prefix as u64)));
            above *= v;
            prefix += size;
        } else {
            above *= EF::ONE - v;
        }
    }
    (count, weighted)
}

/// Sum of eq(x, i) over 0 <= i < len, for len <= 2^n.
pub fn prefix_mass(x: &[EF], len: usize) -> EF {
    let n = x.len();
    debug_assert!(len <= 1 << n);
    if len == 1 << n {
        return EF::ONE;
    }
    let (mut sum, mut above) = (EF::ZERO, EF::ONE);
    // Bits below the lowest one of len add nothing.
    let used = n - (len.trailing_zeros() as usize).min(n);
    for (i, &v) in x[..used].iter().enumerate() {
        let one = above * v;
        if len >> (n - 1 - i) & 1 == 1 {
            sum += above - one;
            above = one;
        } else {
            above -= one;
        }
    }
    sum
}

/// Sum of eq(x, i) over start <= i < end.
pub fn range_sum(x: &[EF], start: usize, end: usize) -> EF {
    prefix_mass(x, end) - prefix_mass(x, start)
}

/// The extension of i -> i.
pub fn index_value(x: &[EF]) -> EF {
    x.iter().fold(EF::ZERO, |acc, &v| acc + acc + v)
}

/// Sums over 0 <= c < len of eq(x, a + c mod 2^n) eq(y, b + c mod 2^n) for points of n coordinates,
/// `a`, `b` < 2^n and len <= 2^n; entry [i][j] keeps the c for which a + c carries i out of n bits, and b + c
/// carries j.
///
/// The bits that a, b and len all end in zeros of are a product. Over the others, additions with carry and the
/// comparison with `len` form an automaton, least significant bit first: eight states, so the cost is linear in
/// the number of bits.
pub fn carried_overlap(x: &[EF], a: usize, y: &[EF], b: usize, len: usize) -> [[EF; 2]; 2] {
    let n = x.len();
    debug_assert!(y.len() == n && a >> n == 0 && b >> n == 0 && len <= 1 << n);
    let zeros = ((a | b | len).trailing_zeros() as usize).min(n);
    let whole = eq_points(&x[n - zeros..], &y[n - zeros..]);
    // state[carry_x][carry_y][less]: None is an unreachable state.
    let mut state: [[[Option<EF>; 2]; 2]; 2] = [[[None; 2]; 2]; 2];
    state[0][0][0] = Some(whole);
    for i in zeros..n {
        let (xi, yi) = (x[n - 1 - i], y[n - 1 - i]);
        let both = xi * yi;
        let w = [[EF::ONE - xi - yi + both, yi - both], [xi - both, both]];
        let (abit, bbit, lbit) = (a >> i & 1, b >> i & 1, len >> i & 1);
        let mut next: [[[Option<EF>; 2]; 2]; 2] = [[[None; 2]; 2]; 2];
        let reached = state.iter().flatten().flatten().enumerate().filter_map(|(at, v)| v.map(|v| (at, v)));
        for (at, v) in reached {
            let (cx, cy, less) = (at >> 2, at >> 1 & 1, at & 1);
            for c in 0..2 {
                let (sx, sy) = (abit + c + cx, bbit + c + cy);
                let less = if c == lbit { less } else { usize::from(c < lbit) };
                let add = v * w[sx & 1][sy & 1];
                let slot = &mut next[sx >> 1][sy >> 1][less];
                *slot = Some(slot.map_or(add, |s| s + add));
            }
        }
        state = next;
    }
    // All c have n bits; len = 2^n leaves none out.
    let kept = |[equal, less]: [Option<EF>; 2]| {
        let equal = if len >> n == 1 { equal } else { None };
        equal.unwrap_or(EF::ZERO) + less.unwrap_or(EF::ZERO)
    };
    state.map(|row| row.map(kept))
}

/// Sum over j <= t of prod_i wj_i[bit of j] wt_i[bit of t]: a causal mask under bitwise weights,
/// most significant bit first.
pub fn causal_sum(wj: &[[EF; 2]], wt: &[[EF; 2]]) -> EF {
    debug_assert_eq!(wj.len(), wt.len());
    let (mut equal, mut less) = (EF::ONE, EF::ZERO);
    for (j, t) in wj.iter().zip(wt) {
        less = less * (j[0] + j[1]) * (t[0] + t[1]) + equal * j[0] * t[1];
        equal *= j[0] * t[0] + j[1] * t[1];
    }
    equal + less
}

/// Bitwise weights of eq(x, .).
pub fn bit_weights(x: &[EF]) -> Vec<[EF; 2]> {
    x.iter().map(|&v| [EF::ONE - v, v]).collect()
}

/// Bitwise weights of eq(x, .) eq(y, .).
pub fn bit_weights_pair(x: &[EF], y: &[EF]) -> Vec<[EF; 2]> {
    x.iter().zip(y).map(|(&a, &b)| [(EF::ONE - a) * (EF::ONE - b), a * b]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use esper_commitment::Transcript;

    fn point(n: usize, seed: u64) -> Vec<EF> {
        let mut t = Transcript::new("test");
        t.absorb_u64(seed);
        t.challenges(n)
    }

    #[test]
    fn closed_forms_equal_sums() {
        let x = point(5, 1);
        let ex = eq_table(&x, EF::ONE);
        for (i, &e) in ex.iter().enumerate() {
            assert_eq!(eq_index(&x, i), e);
        }
        for len in 0..=32 {
            let (c, w) = prefix_sums(&x, len);
            assert_eq!(c, ex[..len].iter().copied().sum::<EF>());
            assert_eq!(prefix_mass(&x, len), c);
            let direct: EF = ex[..len].iter().enumerate().map(|(i, &e)| e * F::from_u64(i as u64)).sum();
            assert_eq!(w, direct);
        }
        let (p, q) = (point(4, 3), point(4, 4));
        let (ep, eq) = (eq_table(&p, EF::ONE), eq_table(&q, EF::ONE));
        for (a, b, len) in (0..16 * 16 * 17).map(|i| (i / 17 / 16, i / 17 % 16, i % 17)) {
            let mut direct = [[EF::ZERO; 2]; 2];
            for c in 0..len {
                let (i, j) = (a + c, b + c);
                direct[i / 16][j / 16] += ep[i % 16] * eq[j % 16];
            }
            assert_eq!(carried_overlap(&p, a, &q, b, len), direct, "{a} {b} {len}");
        }
        let (p, q) = (point(3, 3), point(3, 4));
        let (ep, eq) = (eq_table(&p, EF::ONE), eq_table(&q, EF::ONE));
        let direct: EF = (0..8).flat_map(|j| (j..8).map(move |t| (j, t))).map(|(j, t)| ep[j] * eq[t]).sum();
        assert_eq!(causal_sum(&bit_weights(&p), &bit_weights(&q)), direct);
    }
}
