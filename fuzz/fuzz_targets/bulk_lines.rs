#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    connectors::fuzzing::bulk_lines(data);
});
