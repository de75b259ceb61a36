#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    vault::fuzzing::seal_way(data);
});
