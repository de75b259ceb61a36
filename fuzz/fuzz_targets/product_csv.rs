#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    sandbox::fuzzing::product_csv(data);
});
