//! The integers of one batch, layer by layer over all rows at once: what the witness cells hold.
//! Arrays are `[column][row]`, row = sequence * T + position.

use crate::matrix::integer_product;
use esper_model::{Layer, Linear, Model};
use esper_verifier::boundary::Boundary;
use esper_verifier::descriptor::{CLAMP_CLASSES, ClampClass, Descriptor};
use esper_verifier::model_layout::EXP_ENTRIES;
use esper_verifier::modes::{Modes, WideSites};
use esper_verifier::statement::Instance;
use esper_verifier::tables::magnitude;
use rayon::prelude::*;

/// A rounding site: the value before the shift, and its output.
pub struct SiteTrace {
    /// A, so that the output is sat(RS(A, s)).
    pub before: Vec<i64>,
    /// y.
    pub output: Vec<i32>,
}

/// A norm: V, e, idx per row, and the rounding.
pub struct NormTrace {
    /// Sum of squares plus eps.
    pub squares: Vec<i64>,
    /// Exponent.
    pub exponent: Vec<u32>,
    /// Index into the rsqrt table.
    pub index: Vec<u32>,
    /// Normed input.
    pub site: SiteTrace,
}

/// Attention: columns (head, key position) or (head, channel).
pub struct AttentionTrace {
    /// D' on the mask, 0 off it.
    pub diff: Vec<i64>,
    /// Overflow of D' beyond the exp table's last key.
    pub overflow: Vec<i64>,
    /// Remainder below a half unit.
    pub rem: Vec<i64>,
    /// exp values.
    pub exp: Vec<i64>,
    /// 1 at the first key that reaches the maximum.
    pub reached: Vec<i64>,
    /// Row maxima.
    pub max: Vec<i64>,
    /// Output.
    pub o: Vec<i32>,
    /// Division remainder and 2 Z - 1 - remainder.
    pub division: [Vec<i64>; 2],
}

/// One layer.
pub struct LayerTrace {
    /// Before attention, before the MLP.
    pub norms: [NormTrace; 2],
    /// Rotated queries, rotated keys, values.
    pub qkv: [SiteTrace; 3],
    /// Attention.
    pub attention: AttentionTrace,
    /// Update of the attention output.
    pub update_o: SiteTrace,
    /// Gate.
    pub gate: SiteTrace,
    /// silu of the gate.
    pub silu: Vec<i64>,
    /// silu * up.
    pub z: SiteTrace,
    /// Update of the MLP output.
    pub update_down: SiteTrace,
}

/// The whole batch.
pub struct Trace {
    /// Layers.
    pub layers: Vec<LayerTrace>,
    /// Final norm, if it was run.
    pub final_norm: Option<NormTrace>,
    /// Logits at the answer rows: `[answer][vocab]`.
    pub logits: Vec<Vec<i64>>,
    /// Residual behind the last layer.
    pub residual: Vec<i32>,
}

/// RS(x, s), halves up.
fn round_shift(x: i64, s: u32) -> i64 {
    if s == 0 { x } else { (x + (1 << (s - 1))) >> s }
}

fn site(before: Vec<i64>, shift: u32, bits: u32) -> SiteTrace {
    let m = magnitude(bits);
    let output = before.par_iter().map(|&a| round_shift(a, shift).clamp(-m, m) as i32).collect();
    SiteTrace { before, output }
}

fn norm(model: &Model, x: &[i32], gain: &[i32], shift: u32, rows: usize) -> NormTrace {
    let mut squares = vec![model.eps_term as i64; rows];
    for col in x.chunks(rows) {
        squares.iter_mut().zip(col).for_each(|(s, &v)| *s += i64::from(v) * i64::from(v));
    }
    let exponent: Vec<u32> = squares.iter().map(|&v| (63 - (v as u64).leading_zeros()) >> 1).collect();
    let index: Vec<u32> = squares
        .iter()
        .zip(&exponent)
        .map(|(&v, &e)| {
            let t = 2 * e as i32 - 10;
            (if t >= 0 { v >> t } else { v << -t }) as u32
        })
        .collect();
    let factor: Vec<i64> = index
        .iter()
        .zip(&exponent)
        .map(|(&i, &e)| i64::from(model.rsqrt[i as usize]) << (model.emax - e))
        .collect();
    let before = x
        .par_chunks(rows)
        .zip(gain)
        .flat_map_iter(|(col, &g)| {
            col.iter().zip(&factor).map(move |(&x, &r)| i64::from(x) * r * i64::from(g))
        })
        .collect();
    NormTrace { squares, exponent, index, site: site(before, shift, 16) }
}

/// Rotates columns (head, half, pair) by position.
fn rotate(model: &Model, a: &[i64], positions: usize, rows: usize) -> Vec<i64> {
    let (hd, pairs) = (model.shape.head_dim, model.shape.head_dim / 2);
    let mut out = vec![0; a.len()];
    for (out, a) in out.chunks_mut(hd * rows).zip(a.chunks(hd * rows)) {
        for i in 0..pairs {
            for r in 0..rows {
                let at = (r % positions) * pairs + i;
                let (c, s) = (i64::from(model.rope_cos[at]), i64::from(model.rope_sin[at]));
                let (x, y) = (a[i * rows + r], a[(i + pairs) * rows + r]);
                out[i * rows + r] = x * c - y * s;
                out[(i + pairs) * rows + r] = x * s + y * c;
            }
        }
    }
    out
}

fn attention(
    model: &Model,
    l: &Layer,
    q: &[i32],
    k: &[i32],
    v: &[i32],
    positions: usize,
    rows: usize,
) -> AttentionTrace {
    let (hd, heads) = (model.shape.head_dim, model.shape.heads);
    let group = heads / model.shape.kv_heads;
    let half = l.score_shift - 1;
    struct Head {
        pairs: [Vec<i64>; 5],
        max: Vec<i64>,
        o: Vec<i32>,
        division: [Vec<i64>; 2],
    }
    let one = |h: usize| -> Head {
        let cells = positions * rows;
        let mut pairs = [(); 5].map(|()| vec![0i64; cells]);
        let [diff, overflow, rem, exp, reached] = &mut pairs;
        let (mut max, mut o) = (vec![0; rows], vec![0; hd * rows]);
        let mut division = [vec![0; hd * rows], vec![0; hd * rows]];
        let q = &q[h * hd * rows..][..hd * rows];
        let (k, v) = (&k[h / group * hd * rows..][..hd * rows], &v[h / group * hd * rows..][..hd * rows]);
        let mut scores = vec![0i64; positions];
        for r in 0..rows {
            let (first, t) = (r - r % positions, r % positions);
            for (j, u) in scores[..=t].iter_mut().enumerate() {
                *u = (0..hd).map(|c| i64::from(q[c * rows + r]) * i64::from(k[c * rows + first + j])).sum();
            }
            let top = scores[..=t].iter().copied().max().unwrap_or(0);
            max[r] = top;
            let mut z = 0;
            let mut found = false;
            for (j, &u) in scores[..=t].iter().enumerate() {
                let at = j * rows + r;
                let shifted = top - u + (1 << half);
                let full = shifted >> half;
                rem[at] = shifted - (full << half);
                diff[at] = full.min(EXP_ENTRIES as i64);
                overflow[at] = full - diff[at];
                let d = round_shift(top - u, l.score_shift).min(4095);
                exp[at] = i64::from(model.exp[d as usize]);
                debug_assert_eq!(d, (diff[at] >> 1).min(4095));
                if u == top && !found {
                    reached[at] = 1;
                    found = true;
                }
                z += exp[at];
            }
            for c in 0..hd {
                let n: i64 = (0..=t).map(|j| exp[j * rows + r] * i64::from(v[c * rows + first + j])).sum();
                let q = (2 * n + z).div_euclid(2 * z);
                o[c * rows + r] = q as i32;
                division[0][c * rows + r] = 2 * n + z - 2 * z * q;
                division[1][c * rows + r] = 2 * z - 1 - division[0][c * rows + r];
            }
        }
        Head { pairs, max, o, division }
    };
    let all: Vec<Head> = (0..heads).into_par_iter().map(one).collect();
    let join =
        |f: &dyn Fn(&Head) -> &Vec<i64>| all.iter().flat_map(|h| f(h).iter().copied()).collect::<Vec<i64>>();
    AttentionTrace {
        diff: join(&|h| &h.pairs[0]),
        overflow: join(&|h| &h.pairs[1]),
        rem: join(&|h| &h.pairs[2]),
        exp: join(&|h| &h.pairs[3]),
        reached: join(&|h| &h.pairs[4]),
        max: join(&|h| &h.max),
        o: all.iter().flat_map(|h| h.o.iter().copied()).collect(),
        division: [join(&|h| &h.division[0]), join(&|h| &h.division[1])],
    }
}

fn linear_site(linear: &Linear, h: &[i32], rows: usize, bits: u32) -> SiteTrace {
    site(integer_product(linear, h, rows), linear.shift, bits)
}

/// The embedding's rows of `tokens`, `[column][row]`.
pub fn embedded(model: &Model, tokens: &[u32]) -> Vec<i32> {
    let (rows, dim) = (tokens.len(), model.shape.dim);
    let mut x = vec![0i32; dim * rows];
    for (r, &t) in tokens.iter().enumerate() {
        let row = &model.embed[t as usize * dim..][..dim];
        row.iter().enumerate().for_each(|(i, &v)| x[i * rows + r] = v);
    }
    x
}

/// A boundary's values, `[column][row]`.
pub fn residual_of(boundary: &Boundary) -> Vec<i32> {
    let rows = boundary.rows().len();
    let mut x = vec![0; boundary.dim() * rows];
    for (r, row) in boundary.rows().enumerate() {
        row.iter().enumerate().for_each(|(i, &v)| x[i * rows + r] = v);
    }
    x
}

/// The boundary of a residual `[column][row]`.
pub fn boundary_of(x: &[i32], dim: usize) -> Boundary {
    let rows = x.len() / dim;
    Boundary::new((0..x.len()).map(|i| x[i % dim * rows + i / dim]).collect(), dim)
}

/// Runs a layer and adds its updates to the residual `x`.
pub fn run_layer(model: &Model, l: &Layer, x: &mut [i32], instance: &Instance) -> LayerTrace {
    let (rows, positions) = (instance.rows(), instance.positions);
    let add = |x: &mut [i32], u: &SiteTrace| x.iter_mut().zip(&u.output).for_each(|(x, &u)| *x += u);
    let norm1 = norm(model, x, &l.norm1_gain, l.norm1_shift, rows);
    let h = &norm1.site.output;
    let turned = |linear: &Linear| {
        let a = rotate(model, &integer_product(linear, h, rows), positions, rows);
        site(a, linear.shift + 16, 16)
    };
    let (q, k, v) = (turned(&l.q), turned(&l.k), linear_site(&l.v, h, rows, 16));
    let attention = attention(model, l, &q.output, &k.output, &v.output, positions, rows);
    let update_o = linear_site(&l.o, &attention.o, rows, l.o_bits);
    add(x, &update_o);
    let norm2 = norm(model, x, &l.norm2_gain, l.norm2_shift, rows);
    let gate = linear_site(&l.gate, &norm2.site.output, rows, l.gate_bits);
    let middle = 1 << (l.gate_bits - 1);
    let silu: Vec<i64> = gate.output.iter().map(|&g| i64::from(l.silu[(g + middle) as usize])).collect();
    let mut product = integer_product(&l.up, &norm2.site.output, rows);
    product.iter_mut().zip(&silu).for_each(|(a, &s)| *a *= s);
    let z = site(product, l.up.shift, l.z_bits);
    let update_down = linear_site(&l.down, &z.output, rows, l.down_bits);
    add(x, &update_down);
    LayerTrace { norms: [norm1, norm2], qkv: [q, k, v], attention, update_o, gate, silu, z, update_down }
}

impl Trace {
    /// Runs the model's layers on the residual `x`, `[column][row]`; the final norm and logits at `answer_rows` if those
    /// are asked for.
    pub fn run(
        model: &Model,
        instance: &Instance,
        mut x: Vec<i32>,
        answer_rows: Option<&Vec<usize>>,
    ) -> Self {
        let rows = instance.rows();
        let layers = model.layers.iter().map(|l| run_layer(model, l, &mut x, instance)).collect();
        let Some(answer_rows) = answer_rows else {
            return Self { layers, final_norm: None, logits: vec![], residual: x };
        };
        let final_norm = norm(model, &x, &model.final_gain, model.final_shift, rows);
        let h = &final_norm.site.output;
        let picked: Vec<i32> = h.chunks(rows).flat_map(|col| answer_rows.iter().map(|&r| col[r])).collect();
        let by_token = integer_product(&model.lm_head, &picked, answer_rows.len());
        let answers = answer_rows.len();
        let logits =
            (0..answers).map(|a| by_token.iter().skip(a).step_by(answers).copied().collect()).collect();
        Self { layers, final_norm: Some(final_norm), logits, residual: x }
    }

    /// The modes that this batch needs: clamps that fire, values beyond 16 bits, score overflow, slack.
    pub fn modes(&self, d: &Descriptor, slack_max: i64) -> Modes {
        let mut modes = Modes::off(d.layers.len());
        let clamped = |s: &SiteTrace, shift: u32, bits: u32| {
            s.before.par_iter().any(|&a| round_shift(a, shift).abs() > magnitude(bits))
        };
        let mut on = [false; CLAMP_CLASSES];
        let mut top = 0;
        for ((t, l), wide) in self.layers.iter().zip(&d.layers).zip(&mut modes.wide) {
            let [qs, ks, vs, os, gs, us, ds] = l.shifts;
            let sites = [
                (ClampClass::Norm, &t.norms[0].site, l.norm1_shift, 16),
                (ClampClass::Norm, &t.norms[1].site, l.norm2_shift, 16),
                (ClampClass::Qk, &t.qkv[0], qs + 16, 16),
                (ClampClass::Qk, &t.qkv[1], ks + 16, 16),
                (ClampClass::V, &t.qkv[2], vs, 16),
                (ClampClass::Gate, &t.gate, gs, l.gate_bits),
                (ClampClass::Z, &t.z, us, l.z_bits),
                (ClampClass::UpdateO, &t.update_o, os, l.o_bits),
                (ClampClass::UpdateDown, &t.update_down, ds, l.down_bits),
            ];
            for (class, s, shift, bits) in sites {
                on[class as usize] |= clamped(s, shift, bits);
            }
            let beyond = |s: &SiteTrace| s.output.iter().any(|v| i64::from(v.abs()) > magnitude(16));
            *wide = WideSites { o: beyond(&t.update_o), down: beyond(&t.update_down), z: beyond(&t.z) };
            top = top.max(t.attention.overflow.iter().copied().max().unwrap_or(0));
        }
        on[ClampClass::Norm as usize] |=
            self.final_norm.as_ref().is_some_and(|norm| clamped(&norm.site, d.final_shift, 16));
        modes.clamp = on;
        for (w, l) in modes.wide.iter_mut().zip(&d.layers) {
            // A clamp needs every site of its class ranged at its width.
            w.o |= on[ClampClass::UpdateO as usize] && l.o_bits > 16;
            w.down |= on[ClampClass::UpdateDown as usize] && l.down_bits > 16;
            w.z |= on[ClampClass::Z as usize] && l.z_bits > 16;
        }
        modes.overflow = match top {
            0 => 0,
            1..=0xffff => 1,
            _ => 2,
        };
        modes.slack_top = slack_max >= 1 << 32;
        modes
    }
}
