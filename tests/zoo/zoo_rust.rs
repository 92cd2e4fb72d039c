// SPDX-License-Identifier: Apache-2.0
// Rust: iterators, closures, a hash map, threads.
use std::collections::HashMap;
use std::io::Write;
use std::time::{Duration, Instant};

#[inline(never)]
fn zoo_count(words: &[String]) -> HashMap<&str, usize> {
    let mut counts = HashMap::new();
    for word in words {
        *counts.entry(&word[..2]).or_insert(0) += 1;
    }
    counts
}

#[inline(never)]
fn zoo_work(seed: &mut u32) -> usize {
    let mut words: Vec<String> = (0..500)
        .map(|_| {
            *seed = seed.wrapping_mul(1664525).wrapping_add(1013904223);
            format!("{:08}", *seed >> 8)
        })
        .collect();
    words.sort_by(|a, b| b.cmp(a));
    zoo_count(&words).len()
}

fn main() {
    println!("ready");
    std::io::stdout().flush().unwrap();
    let end = Instant::now() + Duration::from_secs(30);
    let threads: Vec<_> = (0..2u32)
        .map(|i| {
            std::thread::spawn(move || {
                let mut seed = i + 1;
                let mut sum = 0;
                while Instant::now() < end {
                    sum += zoo_work(&mut seed);
                }
                sum
            })
        })
        .collect();
    let sum: usize = threads.into_iter().map(|t| t.join().unwrap()).sum();
    std::process::exit(if sum == 0 { 1 } else { 0 });
}
