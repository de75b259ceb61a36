#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    connectors::fuzzing::shopify_message(data);
});
