//! A forgery is shown three ways: the witness checker names what is broken, the verifier refuses the
//! proof, and with exactly the broken checks taken out on both sides the same forgery is accepted.

use super::replay::Replay;
use esper_prover::checker::{Check, check};
use esper_prover::witness::Witness;
use esper_prover::{ModelKey, prove_witness};
use esper_verifier::{Statement, VerifyError, verify};
use std::sync::Mutex;

/// The switch is global: one proof at a time.
static SWITCH: Mutex<()> = Mutex::new(());

/// Proves and verifies without a switch, while no other test of the program sets one.
pub fn alone<T>(act: impl FnOnce() -> T) -> T {
    let _held = SWITCH.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    act()
}

fn copy(w: &Witness) -> Witness {
    Witness {
        instance: w.instance,
        modes: w.modes.clone(),
        layout: w.layout.clone(),
        cells: w.cells.clone(),
        ends: w.ends.clone(),
    }
}

fn outcome(key: &ModelKey, statement: &Statement, w: &Witness, off: &[Check]) -> Result<(), VerifyError> {
    let _held = SWITCH.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    take_out(off);
    let proof = prove_witness(key, statement, copy(w));
    let result = verify(statement, &proof).map(|_| ());
    take_out(&[]);
    result
}

#[cfg(feature = "relation-switch")]
fn take_out(off: &[Check]) {
    use esper_verifier::relation::switch::{set_off, set_tables_off};
    use esper_verifier::tables::Table;
    let mask = off.iter().fold(0, |m, c| if let Check::Relation(r) = c { m | 1 << *r as usize } else { m });
    let tags: Vec<u64> = off
        .iter()
        .filter_map(|c| match c {
            Check::Relation(_) => None,
            // Keys off the mask are looked up with those on it.
            Check::Table(Table::ExpOffMask) => Some(Table::ExpOnMask.tag()),
            Check::Table(t) => Some(t.tag()),
        })
        .collect();
    set_off(mask);
    set_tables_off(&tags);
}

#[cfg(not(feature = "relation-switch"))]
fn take_out(_: &[Check]) {}

/// The accepted twin.
#[track_caller]
pub fn accepted(name: &str, key: &ModelKey, statement: &Statement, w: &Witness) {
    assert_eq!(check(key, statement, w), [], "{name}: an honest witness breaks something");
    assert_eq!(outcome(key, statement, w, &[]), Ok(()), "{name}");
}

/// Shows that `forged` breaks exactly `expected` (checks with their layers), and that this is why it is refused.
#[track_caller]
pub fn refused(name: &str, forged: &Replay<'_>, expected: &[(Check, usize)]) {
    let Replay { key, w, statement, .. } = forged;
    let broken: Vec<(Check, usize)> = check(key, statement, w).iter().map(|b| (b.check, b.layer)).collect();
    let same = broken.len() == expected.len() && broken.iter().all(|b| expected.contains(b));
    assert!(same, "{name}: {broken:?} are broken, not {expected:?}");
    let reason = outcome(key, statement, w, &[]);
    assert!(reason.is_err(), "{name}: accepted");
    if cfg!(feature = "relation-switch") {
        let off: Vec<Check> = expected.iter().map(|e| e.0).collect();
        assert_eq!(outcome(key, statement, w, &off), Ok(()), "{name}: refused for another reason as well");
    }
}

/// Runs `act` with checks taken out on both sides, while no other test of the program sets a switch.
pub fn without<T>(off: &[Check], act: impl FnOnce() -> T) -> T {
    let _held = SWITCH.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    take_out(off);
    let result = act();
    take_out(&[]);
    result
}
