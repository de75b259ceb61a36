#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    sandbox::fuzzing::graphql_request(data);
});
