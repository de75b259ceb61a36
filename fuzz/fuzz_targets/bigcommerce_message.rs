#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    connectors::fuzzing::bigcommerce_message(data);
});
