//! Times, sizes and memory of commitments and sums; one subject a run, since peak memory is the process's.
//!
//! ```text
//! measure security MAX_OPENINGS
//! measure schedules                                                  JSON, as pinned by the tests
//! measure opening  NUM_VARS WIDTH LOG_INV_RATE POW_BITS LEVEL POINTS     WIDTH columns of 2^(NUM_VARS - 5)
//! measure sum      NUM_VARS, at least 9
//! ```

use std::time::Instant;

use esper_commitment::{
    EF, F, MAX_VARS, MIN_VARS, PcsParams, PrimeCharacteristicRing, Size, Transcript, commit, compose, open,
    opening_security, prove_fraction_sum, verify_fraction_sum, verify_opening,
};

/// Resident memory in GiB: `VmHWM` is the peak, `VmRSS` the present.
fn memory(key: &str) -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with(key)).unwrap_or("none 0");
    line.split_whitespace().nth(1).and_then(|kib| kib.parse::<f64>().ok()).unwrap_or(0.0) / 1_048_576.0
}

fn milliseconds<T>(work: impl FnOnce() -> T) -> (f64, T) {
    let start = Instant::now();
    let out = work();
    (start.elapsed().as_secs_f64() * 1e3, out)
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

fn small_values(len: usize) -> Vec<F> {
    let mut state = 42u64;
    let mut word = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    (0..len).map(|_| F::from_i64(i64::from(word() as i8))).collect()
}

fn security(max_openings: usize) {
    for openings in 1..=max_openings {
        let (mut worst, mut at) = (f64::MAX, 0);
        for num_vars in MIN_VARS..=MAX_VARS {
            let params = PcsParams::for_proof(num_vars, openings);
            let Some(terms) = opening_security(num_vars, &params, 8) else {
                println!("{openings} openings, 2^{num_vars}: level not reached");
                continue;
            };
            let total = compose(&vec![terms.opening; openings]);
            if total < worst {
                (worst, at) = (total, num_vars);
            }
        }
        println!("{openings} openings: {worst:.2} bits at 2^{at}");
    }
}

fn schedules() {
    let rows = (MIN_VARS..=MAX_VARS).map(|num_vars| {
        let texts = [1, 2, 3, 4, 8].map(|openings| {
            let schedule = PcsParams::for_proof(num_vars, openings).schedule(num_vars).expect("in range");
            format!("\"{schedule}\"")
        });
        format!("[{}]", texts.join(",\n "))
    });
    println!("[{}]", rows.collect::<Vec<_>>().join(",\n"));
}

fn opening(size: Size, params: PcsParams, points: usize) {
    let num_vars = size.num_vars;
    let values = small_values(size.cells());
    let (commit_ms, (root, committed)) = milliseconds(|| commit(values, &params));
    let (kept, commit_peak) = (memory("VmRSS"), memory("VmHWM"));
    let mut tr = Transcript::new("measure");
    tr.absorb_root(&root);
    let at: Vec<Vec<EF>> = (0..points).map(|_| tr.challenges(num_vars)).collect();
    let start = tr.clone();
    let (open_ms, (claimed, proof)) = milliseconds(|| open(&committed, &at, &mut tr));
    let (setup_ms, _) = milliseconds(|| {
        for _ in 0..100 {
            std::hint::black_box(params.schedule(num_vars));
        }
    });
    let verify = || {
        let mut tr = start.clone();
        milliseconds(|| verify_opening(&root, size, &params, &at, &claimed, &proof, &mut tr).expect("honest"))
            .0
    };
    let verify_ms = median((0..51).map(|_| verify()).collect());
    let bits = opening_security(num_vars, &params, points).map_or(0.0, |terms| terms.opening);
    println!(
        "2^{num_vars} width {} rate 1/{} pow {} level {}: commit {commit_ms:.0} ms (kept {kept:.2}, peak {commit_peak:.2} GiB) \
         open {open_ms:.0} ms (peak {:.2} GiB) verify {verify_ms:.3} ms (set-up {:.4}) proof {:.1} KiB {bits:.2} bits",
        size.width,
        1 << params.log_inv_rate,
        params.pow_bits,
        params.security_level,
        memory("VmHWM"),
        setup_ms / 100.0,
        proof.len() as f64 / 1024.0,
    );
}

fn sum(num_vars: usize) {
    let mut tr = Transcript::new("measure");
    let alpha = tr.challenge();
    let half = 1usize << (num_vars - 1);
    let values = small_values(half);
    let mut counts = [0u64; 256];
    let mut numerators = vec![F::ONE; half];
    let mut denominators: Vec<EF> = values.iter().map(|&v| alpha - v).collect();
    for &v in &values {
        counts[(0..256).find(|&i| F::from_i64(i - 128) == v).expect("a byte") as usize] += 1;
    }
    for (i, &count) in (-128..).zip(&counts) {
        numerators.push(-F::from_u64(count));
        denominators.push(alpha - F::from_i64(i));
    }
    numerators.resize(2 * half, F::ZERO);
    denominators.resize(2 * half, EF::ONE);
    let before = memory("VmHWM");
    let start = tr.clone();
    let (prove_ms, (proof, _)) = milliseconds(|| prove_fraction_sum(numerators, denominators, &mut tr));
    let times = (0..51).map(|_| {
        milliseconds(|| verify_fraction_sum(num_vars, &proof, &mut start.clone()).expect("honest")).0
    });
    println!(
        "2^{num_vars} fractions: prove {prove_ms:.0} ms (peak {before:.2} before, {:.2} GiB) verify {:.3} ms \
         proof {:.1} KiB",
        memory("VmHWM"),
        median(times.collect()),
        proof.len() as f64 / 1024.0,
    );
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let subject = arguments.next().unwrap_or_default();
    let numbers: Vec<usize> = arguments.filter_map(|argument| argument.parse().ok()).collect();
    match (subject.as_str(), numbers.as_slice()) {
        ("security", &[max_openings]) => security(max_openings),
        ("schedules", &[]) => schedules(),
        ("opening", &[num_vars, width, log_inv_rate, pow_bits, security_level, points]) => {
            opening(Size { num_vars, width }, PcsParams { log_inv_rate, pow_bits, security_level }, points);
        }
        ("sum", &[num_vars]) => sum(num_vars),
        _ => eprintln!("see the head of this file for its arguments"),
    }
}
