//! Descriptors: decoding never panics, and what is taken is written back byte for byte.
#![no_main]

use esper_verifier::descriptor::Descriptor;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(d) = Descriptor::decode(bytes) {
        assert_eq!(d.encode(), bytes);
    }
});
