#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    access::fuzzing::policy_texts(data);
});
