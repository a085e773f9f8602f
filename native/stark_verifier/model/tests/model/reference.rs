//! The rules of G16 written down as plainly as possible, in i128, one token after the other: what the engine is
//! compared with. It shares no code with the engine.

use esper_model::{Layer, Linear, Model};

/// How often each clamp acted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClampCount {
    pub norm: usize,
    pub qk: usize,
    pub v: usize,
    pub gate: usize,
    pub z: usize,
    pub u_o: usize,
    pub u_d: usize,
    /// Score differences of more than 32767 half units, and of more than 32767 + 2^16.
    pub overflow: [usize; 2],
}

fn rs(x: i128, s: u32) -> i128 {
    (x + (1 << (s - 1))).div_euclid(1 << s)
}

fn sat(x: i128, bits: u32, count: &mut usize) -> i128 {
    let max = (1 << (bits - 1)) - 1;
    *count += usize::from(x.abs() > max);
    x.clamp(-max, max)
}

fn linear(m: &Linear, h: &[i128]) -> Vec<i128> {
    (0..m.out)
        .map(|o| {
            let row = &m.weight[o * m.inp..(o + 1) * m.inp];
            row.iter().zip(h).map(|(&w, h)| i128::from(w) * h).sum::<i128>() * i128::from(m.mult[o])
        })
        .collect()
}

fn norm(model: &Model, x: &[i128], gain: &[i32], shift: u32, count: &mut usize) -> Vec<i128> {
    let v: i128 = x.iter().map(|x| x * x).sum::<i128>() + i128::from(model.eps_term);
    let bit_length = (128 - v.leading_zeros()) as i32;
    let e = (bit_length - 1) >> 1;
    let t = 2 * e - 10;
    let idx = if t < 0 { v << -t } else { v >> t };
    assert!((1024..=4095).contains(&idx));
    let r = i128::from(model.rsqrt[idx as usize]) << (model.emax as i32 - e);
    x.iter().zip(gain).map(|(x, &g)| sat(rs(x * r * i128::from(g), shift), 16, count)).collect()
}

fn rotary(model: &Model, a: &[i128], position: usize, s: u32, count: &mut usize) -> Vec<i128> {
    let width = model.shape.head_dim;
    let half = width / 2;
    let mut out = vec![0; a.len()];
    for head in 0..a.len() / width {
        for i in 0..half {
            let (first, second) = (head * width + i, head * width + i + half);
            let c = i128::from(model.rope_cos[position * half + i]);
            let si = i128::from(model.rope_sin[position * half + i]);
            out[first] = sat(rs(a[first] * c - a[second] * si, s + 16), 16, count);
            out[second] = sat(rs(a[first] * si + a[second] * c, s + 16), 16, count);
        }
    }
    out
}

/// Attention of one head; keys and values are whole rows, `start` is the head's first channel in them.
fn attend(
    model: &Model,
    layer: &Layer,
    q: &[i128],
    keys: &[Vec<i128>],
    values: &[Vec<i128>],
    start: usize,
    count: &mut ClampCount,
) -> Vec<i128> {
    let u: Vec<i128> = keys.iter().map(|k| q.iter().zip(&k[start..]).map(|(q, k)| q * k).sum()).collect();
    let top = *u.iter().max().unwrap();
    let exps: Vec<i128> = u
        .iter()
        .map(|u| {
            let half_units = (top - u + (1 << (layer.score_shift - 1))) >> (layer.score_shift - 1);
            count.overflow[0] += usize::from(half_units > 32767);
            count.overflow[1] += usize::from(half_units > 32767 + 65535);
            i128::from(model.exp[rs(top - u, layer.score_shift).min(4095) as usize])
        })
        .collect();
    let z: i128 = exps.iter().sum();
    (0..q.len())
        .map(|c| {
            let n: i128 = exps.iter().zip(values).map(|(e, v)| e * v[start + c]).sum();
            (2 * n + z).div_euclid(2 * z)
        })
        .collect()
}

/// Logits after every token, `[position][vocab]` flat, and the clamps met.
pub fn logits(model: &Model, tokens: &[u32]) -> (Vec<i64>, ClampCount) {
    let s = &model.shape;
    let mut count = ClampCount::default();
    let mut keys = vec![Vec::new(); s.layers];
    let mut values = vec![Vec::new(); s.layers];
    let mut out = Vec::new();
    for (position, &token) in tokens.iter().enumerate() {
        let row = &model.embed[token as usize * s.dim..(token as usize + 1) * s.dim];
        let mut x: Vec<i128> = row.iter().map(|&e| e.into()).collect();
        for (index, layer) in model.layers.iter().enumerate() {
            let h = norm(model, &x, &layer.norm1_gain, layer.norm1_shift, &mut count.norm);
            let q = rotary(model, &linear(&layer.q, &h), position, layer.q.shift, &mut count.qk);
            keys[index].push(rotary(model, &linear(&layer.k, &h), position, layer.k.shift, &mut count.qk));
            let v = linear(&layer.v, &h);
            values[index]
                .push(v.iter().map(|&a| sat(rs(a, layer.v.shift), 16, &mut count.v)).collect::<Vec<_>>());
            let mut o = Vec::new();
            for (head, q) in q.chunks(s.head_dim).enumerate() {
                let start = head / (s.heads / s.kv_heads) * s.head_dim;
                o.extend(attend(model, layer, q, &keys[index], &values[index], start, &mut count));
            }
            for (x, a) in x.iter_mut().zip(linear(&layer.o, &o)) {
                *x += sat(rs(a, layer.o.shift), layer.o_bits, &mut count.u_o);
            }
            let h = norm(model, &x, &layer.norm2_gain, layer.norm2_shift, &mut count.norm);
            let z: Vec<i128> = linear(&layer.gate, &h)
                .into_iter()
                .zip(linear(&layer.up, &h))
                .map(|(gate, up)| {
                    let g = sat(rs(gate, layer.gate.shift), layer.gate_bits, &mut count.gate);
                    let silu = layer.silu[(g + (1 << (layer.gate_bits - 1))) as usize];
                    sat(rs(i128::from(silu) * up, 32), layer.z_bits, &mut count.z)
                })
                .collect();
            for (x, a) in x.iter_mut().zip(linear(&layer.down, &z)) {
                *x += sat(rs(a, layer.down.shift), layer.down_bits, &mut count.u_d);
            }
        }
        let h = norm(model, &x, &model.final_gain, model.final_shift, &mut count.norm);
        out.extend(linear(&model.lm_head, &h).into_iter().map(|l| i64::try_from(l).unwrap()));
    }
    (out, count)
}
