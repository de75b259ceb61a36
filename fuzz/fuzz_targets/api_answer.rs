#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    connectors::fuzzing::api_answer(data);
});
