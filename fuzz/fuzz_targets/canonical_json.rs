#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    connectors::fuzzing::canonical_json(data);
});
