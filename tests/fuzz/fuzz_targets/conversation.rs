//! Whatever sequence of inputs a conversation gets, it neither panics nor breaks an invariant.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Err(breach) = simulation::feed(bytes) {
        panic!("{breach}");
    }
});
