//! Stop sequences, against a search through the whole text.

#![no_main]

use arbitrary::{Result, Unstructured};
use llama_arch::StopMatcher;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    // Bytes that do not suffice for all choices are no input.
    let _ = run(&mut Unstructured::new(bytes));
});

fn run(u: &mut Unstructured<'_>) -> Result<()> {
    let n = u.int_in_range(0..=4_usize)?;
    // Few different bytes, so that sequences begin and end alike.
    let narrow = |bytes: &[u8]| bytes.iter().map(|byte| byte % 3).collect::<Vec<u8>>();
    let mut stops = Vec::new();
    for _ in 0..n {
        let len = u.int_in_range(0..=4_usize)?;
        stops.push(narrow(u.bytes(len)?));
    }
    let mut matcher = StopMatcher::new(&stops);
    let (mut text, mut shown) = (Vec::new(), Vec::new());
    let mut stopped = None;
    while stopped.is_none() && !u.is_empty() {
        let len = u.int_in_range(0..=5_usize)?.min(u.len());
        let piece = narrow(u.bytes(len)?);
        text.extend_from_slice(&piece);
        stopped = matcher.push(&piece, &mut shown);
        assert!(text.starts_with(&shown));
    }
    let expected = search(&stops, &text);
    assert_eq!(
        stopped.map(|stopped| stops[stopped.index].clone()),
        expected.map(|e| e.1.to_vec())
    );
    match expected {
        Some((start, _)) => assert_eq!(shown, &text[..start]),
        None => {
            matcher.finish(&mut shown);
            assert_eq!(shown, text);
        }
    }
    Ok(())
}

/// Where the first sequence starts, and the longest that starts there.
fn search<'s>(stops: &'s [Vec<u8>], text: &[u8]) -> Option<(usize, &'s [u8])> {
    (0..text.len()).find_map(|start| {
        let here = stops.iter().filter(|stop| !stop.is_empty());
        let here = here.filter(|stop| text[start..].starts_with(stop));
        here.max_by_key(|stop| stop.len())
            .map(|stop| (start, stop.as_slice()))
    })
}
