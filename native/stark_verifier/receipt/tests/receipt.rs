//! What the comparison with Python's verifier cannot reach; all else is compared in `tests/unit/receipts`.

use esper_receipt::wide::{attempts, from_bytes, less, product};
use esper_receipt::{Around, StarkJudge, judge_bytes};

fn number(digits: &str) -> [u64; 8] {
    let padded = format!("{digits:0>128}");
    let mut bytes = [0; 64];
    for (byte, pair) in bytes.iter_mut().zip(padded.as_bytes().chunks(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    }
    from_bytes(&bytes)
}

#[test]
fn attempts_are_the_range_over_the_target() {
    for (target, expected) in [
        (
            "0",
            "13407807929942597099574024998205846127479365820592393377723561443721764030073546976801874298166903427690031858186486050853753882811946569946433649006084096",
        ),
        (
            "1",
            "13407807929942597099574024998205846127479365820592393377723561443721764030073546976801874298166903427690031858186486050853753882811946569946433649006084096",
        ),
        (
            "2",
            "6703903964971298549787012499102923063739682910296196688861780721860882015036773488400937149083451713845015929093243025426876941405973284973216824503042048",
        ),
        (
            "3",
            "4469269309980865699858008332735282042493121940197464459241187147907254676691182325600624766055634475896677286062162016951251294270648856648811216335361365",
        ),
        (
            "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
            "1",
        ),
        (
            "80000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000",
            "2",
        ),
        (
            "80000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000001",
            "1",
        ),
        (
            "10000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000",
            "65536",
        ),
        (
            "555555555555555555555555555555555555555555555555555555555555555555555555555555555555555555555555555555555555555555555555555555",
            "768",
        ),
        (
            "a6ebd69fe29d76d4330f1446beab0c11fdecb91ce375bc8fbbcbde5c0994164d8399f767c45",
            "10094560942293153750032773514577769892456295147374633332004219302",
        ),
        (
            "de5271007814e8a25f2dd97f1cfb10f62827688de6a16a3b0d464138a62332553fc1ea36f17fd374c6a5387777330bdbd7210dff076ce2ef87b0b125ec1d7da0",
            "1",
        ),
        (
            "1617959ce3f1f65a8",
            "526405618037516894061413708930011520729582567721143700233864640097376295442830895379614035723898389123099187164816628769053342043816454",
        ),
    ] {
        assert_eq!(attempts(&number(target)), expected, "{target}");
    }
}

#[test]
fn products_have_no_lost_carries() {
    let found = product(
        &number(
            "cc11d357c30d8b7628dbd25e63b229f1c4069545de11cc9dea959c212e9c82b1478c281d687c966c377b9aa2bb2edb20035b73993fd4235992edcf451a1afe87",
        ),
        0x9e115e4b9e30691c238642ea126a1e48,
    );
    let hex: String = found.iter().rev().map(|word| format!("{word:016x}")).collect();
    assert_eq!(
        hex,
        "7e00d8ca06230bdfd70822d5af9085c20ecc57337a994c7df64eaa60c6bdfa63e2ce05f113f713d636ab981f7315eba9eee7615f02e1d0172c4557c1e8583516fda15972456fd60a61948ef7635167f8"
    );
    let most = product(&[u64::MAX; 8], u128::MAX);
    assert_eq!(
        most,
        [1, 0, u64::MAX, u64::MAX, u64::MAX, u64::MAX, u64::MAX, u64::MAX, u64::MAX - 1, u64::MAX]
    );
}

#[test]
fn the_highest_word_decides() {
    assert!(less(&[9, 1], &[0, 2]));
    assert!(!less(&[9, 2], &[0, 2]));
    assert!(less(&[0, 2], &[1, 2]));
    assert!(!less(&[1, 2], &[1, 2]));
}

#[test]
fn nothing_known_is_no_network() {
    let around = Around::read(&[0x92, 1, 0x90], &[]).unwrap();
    assert!(around.networks.is_empty());
    assert_eq!(judge_bytes(b"", &around, &StarkJudge).exit_code(), 1);
}

#[test]
fn records_of_another_form_are_refused() {
    let networks: &[u8] = &[0x92, 1, 0x90];
    for (networks, asked) in
        [(&[][..], &[][..]), (&[0x92, 2, 0x90], &[]), (networks, &[0x95]), (networks, &[0])]
    {
        assert!(Around::read(networks, asked).is_err());
    }
}
