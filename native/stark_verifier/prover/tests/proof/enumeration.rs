//! Scaled-down relations, all inputs against all witnesses, modulo a small prime: every input within
//! its bound has exactly one witness, and its output is the integer model's. Where a bound is given up
//! a second witness appears, so the bounds are what makes it unique.

use esper_verifier::tables::magnitude;
use std::collections::BTreeSet;

/// Smallest prime above `n`.
fn prime_above(n: i64) -> i64 {
    (n + 1..).find(|&p| (2..).take_while(|d| d * d <= p).all(|d| p % d != 0)).expect("a prime")
}

fn round_shift(a: i64, s: u32) -> i64 {
    (a + (1 << (s - 1))) >> s
}

/// A rounding site at small widths.
#[derive(Clone, Copy)]
struct Site {
    b: u32,
    s: u32,
    /// Half width of the table of f.
    reach: i64,
    p: i64,
}

impl Site {
    /// Largest |A| that the table of f serves.
    fn served(&self) -> i64 {
        let (m, n) = (magnitude(self.b), 2 * magnitude(self.b) + 1);
        ((n * self.reach + m) << self.s) - (1 << (self.s - 1))
    }

    /// All outputs y that some witness gives, and the number of witnesses. `w_low` is the smallest w admitted.
    fn witnesses(&self, a: i64, w_low: i64) -> (BTreeSet<i64>, usize) {
        let (m, n) = (magnitude(self.b), 2 * magnitude(self.b) + 1);
        let (mut outputs, mut count) = (BTreeSet::new(), 0);
        for f in -self.reach..=self.reach {
            for w in w_low..=m {
                for rem in 0..1 << self.s {
                    let left = a + (1 << (self.s - 1)) - ((n * f + w) << self.s) - rem;
                    if left.rem_euclid(self.p) == 0 {
                        let sigma = f.signum();
                        outputs.insert((1 - sigma * sigma) * w + m * sigma);
                        count += 1;
                    }
                }
            }
        }
        (outputs, count)
    }
}

fn sites() -> Vec<Site> {
    let mut all = vec![];
    for (b, s, reach) in [(2, 1, 1), (2, 2, 2), (3, 1, 1), (3, 2, 1), (3, 3, 2), (4, 1, 3), (4, 2, 2)] {
        let site = Site { b, s, reach, p: 0 };
        let (m, n) = (magnitude(b), 2 * magnitude(b) + 1);
        // Soundness: X + 2^s (N Q + Mx) + 2^s < p.
        let span = site.served() + ((n * reach + m) << s) + (1 << s);
        all.push(Site { p: prime_above(span), ..site });
    }
    all
}

#[test]
fn a_rounding_has_one_witness_and_its_output_is_clamped() {
    for site in sites() {
        let m = magnitude(site.b);
        for a in -site.served()..=site.served() {
            let (outputs, count) = site.witnesses(a, -m);
            let wanted = round_shift(a, site.s).clamp(-m, m);
            assert_eq!((outputs, count), (BTreeSet::from([wanted]), 1), "b {} s {} A {a}", site.b, site.s);
        }
    }
}

#[test]
fn a_table_of_two_to_the_b_entries_admits_a_second_witness() {
    for site in sites() {
        let m = magnitude(site.b);
        let doubled = (-site.served()..=site.served()).filter(|&a| site.witnesses(a, -m - 1).1 > 1).count();
        assert!(doubled > 0, "b {} s {}", site.b, site.s);
    }
}

#[test]
fn a_field_below_the_bound_admits_a_second_output() {
    for site in sites() {
        let m = magnitude(site.b);
        let small = Site { p: prime_above(site.served() + 1), ..site };
        let wrong = (-site.served()..=site.served()).any(|a| small.witnesses(a, -m).0.len() > 1);
        assert!(wrong, "b {} s {} p {}", site.b, site.s, small.p);
    }
}

/// Wide digits: every w of b bits is a + (2^(b/2) + 1) c in exactly one way, and nothing else is.
#[test]
fn digits_of_a_wide_value_are_exact() {
    for b in [4u32, 6, 8, 10] {
        let base = (1i64 << (b / 2)) + 1;
        let mut values: Vec<i64> =
            (0..base).flat_map(|a| (0..base - 2).map(move |c| a + base * c - magnitude(b))).collect();
        values.sort_unstable();
        let all: Vec<i64> = (-magnitude(b)..=magnitude(b)).collect();
        assert_eq!(values, all);
    }
}

/// 2N + Z = 2Z o + rem with loose limbs for rem and 2Z - 1 - rem.
#[test]
fn a_division_has_one_witness() {
    let (z_max, v_max) = (6i64, 3i64);
    // Limbs of 4 bits span more than 2 Z - 1 but two of them less than p.
    let limb = 1 << 4;
    let p = prime_above(2 * z_max * v_max + z_max + 2 * z_max * (v_max + 1) + 2 * limb);
    for z in 1..=z_max {
        for n in -z * v_max..=z * v_max {
            let mut found = vec![];
            for o in -v_max - 1..=v_max + 1 {
                for rem in 0..limb {
                    let second = (2 * z - 1 - rem).rem_euclid(p);
                    if (2 * n + z - 2 * z * o - rem).rem_euclid(p) == 0 && second < limb {
                        found.push(o);
                    }
                }
            }
            assert_eq!(found, [(2 * n + z).div_euclid(2 * z)], "N {n} Z {z}");
        }
    }
}

/// idx P + rem = 2^T0 V with idx in [4, 15] and (e, P) from a table: the scaled-down 1024..4095.
#[test]
fn a_norm_has_one_exponent_and_index() {
    // e = (bitlen(V) - 1) >> 1, t = 2 e - 2, T0 = max(0, 2 - 2 emin).
    let (emin, emax) = (0u32, 4u32);
    let t0 = 2 - 2 * emin;
    let limb = 1i64 << 9;
    let p = prime_above((1 << (2 * emax + 2 + t0)) + 16 * (1 << (2 * emax)) + 2 * limb);
    for v in 1i64..1 << (2 * emax + 2) {
        let mut found = vec![];
        for e in emin..=emax {
            let power = 1i64 << (2 * e + t0 - 2);
            for idx in 4..16 {
                let rem = ((v << t0) - idx * power).rem_euclid(p);
                if rem < limb && (power - 1 - rem).rem_euclid(p) < limb {
                    found.push((e, idx));
                }
            }
        }
        let e = (63 - v.leading_zeros()) >> 1;
        let t = 2 * e as i32 - 2;
        let idx = if t >= 0 { v >> t } else { v << -t };
        assert_eq!(found, [(e, idx)], "V {v}");
    }
}

/// The maximum at half-unit resolution: W + 2^(s-1) = 2^(s-1) (D' + O) + r, O (end - D') = 0, B W = 0,
/// sum of B = 1, D' in 1..=end on the mask. Three keys, all small scores, all M.
#[test]
fn only_the_maximum_passes() {
    let (s, end) = (2u32, 7i64);
    let (half, o_limit) = (1i64 << (s - 1), 1i64 << 4);
    let range = 6i64;
    let p = prime_above(half * (end + o_limit) + 4 * range + 2 * half);
    // All (D', O, r) of a W, as their exp index.
    let exps = |w: i64| -> Vec<i64> {
        let mut out = vec![];
        for (d, o, r) in
            (1..=end).flat_map(|d| (0..o_limit).flat_map(move |o| (0..half).map(move |r| (d, o, r))))
        {
            let holds = (w + half - half * (d + o) - r).rem_euclid(p) == 0;
            if holds && (o * (end - d)).rem_euclid(p) == 0 {
                out.push(d >> 1);
            }
        }
        out
    };
    for (a, b, c) in (-range..=range)
        .flat_map(|a| (-range..=range).flat_map(move |b| [-range, 0, range].map(|c| (a, b, c))))
    {
        let scores = [a, b, c];
        let top = scores.into_iter().max().expect("three scores");
        for m in 0..p {
            let gaps = scores.map(|u| (m - u).rem_euclid(p));
            // B can be 1 in sum only where some W is 0.
            let passes = gaps.contains(&0) && gaps.iter().all(|&w| !exps(w).is_empty());
            assert_eq!(passes, m == top.rem_euclid(p), "scores {scores:?} M {m}");
        }
        for u in scores {
            let wanted = round_shift(top - u, s).min(end >> 1);
            assert_eq!(exps(top - u), [wanted], "gap {}", top - u);
        }
    }
}
