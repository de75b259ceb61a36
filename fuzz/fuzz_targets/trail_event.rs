#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    trail::fuzzing::trail_event(data);
});
