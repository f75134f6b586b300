//! Digits, spoken by a machine: a buzzing throat, and a mouth that moves from one vowel to another.

use std::f64::consts::TAU;

use demotic::data::Audio;
use demotic::{Result, Rng};

const RATE: u32 = 16_000;

/// The length of every sound, in hundredths of a second.
pub const FRAMES: usize = 120;

/// The two lowest resonances of the mouth, in hertz: as in bee, bit, bet, bat, father, bought, book, boot, but, bird.
const VOWELS: [(f64, f64); 10] = [
    (280.0, 2250.0),
    (400.0, 1920.0),
    (550.0, 1770.0),
    (690.0, 1660.0),
    (710.0, 1100.0),
    (590.0, 880.0),
    (450.0, 1030.0),
    (310.0, 870.0),
    (620.0, 1200.0),
    (470.0, 1350.0),
];

/// From which vowel to which each digit moves.
const DIGITS: [[usize; 2]; 10] = [[0, 5], [7, 8], [7, 7], [9, 0], [5, 9], [4, 1], [1, 2], [2, 8], [3, 0], [4, 0]];

/// What was said, and when.
pub struct Spoken {
    pub digits: Vec<i64>,
    pub sound: Audio,
    /// In seconds.
    pub start: f64,
    pub end: f64,
}

/// One to three digits, by a voice that is another one each time, at a place that is another one each time, in some noise.
pub fn spoken(rng: &mut Rng) -> Result<Spoken> {
    let count = FRAMES * RATE as usize / 100;
    let mut samples = vec![0.0; count];
    let number = 1 + rng.below(3);
    let digits: Vec<i64> = (0..number).map(|_| rng.below(10) as i64).collect();
    let (pitch, mouth) = (between(rng, 110.0, 190.0), between(rng, 0.93, 1.07));
    let start = between(rng, 0.02, 0.12);
    let mut at = start;
    let mut end = start;
    for digit in &digits {
        let length = between(rng, 0.25, 0.31);
        say(&mut samples, *digit as usize, at, length, pitch, mouth);
        end = at + length;
        at = end + between(rng, 0.02, 0.05);
    }
    let samples = samples.into_iter().map(|x| (x + between(rng, -0.01, 0.01)) as f32).collect();
    Ok(Spoken { digits, sound: Audio::new(samples, RATE)?, start, end })
}

fn between(rng: &mut Rng, low: f64, high: f64) -> f64 {
    low + (high - low) * rng.uniform()
}

fn say(samples: &mut [f64], digit: usize, start: f64, length: f64, pitch: f64, mouth: f64) {
    let [from, to] = DIGITS[digit].map(|vowel| VOWELS[vowel]);
    let (first, count) = ((start * f64::from(RATE)) as usize, (length * f64::from(RATE)) as usize);
    let harmonics = (3000.0 / pitch) as usize;
    for (i, sample) in samples.iter_mut().skip(first).take(count).enumerate() {
        let part = i as f64 / count as f64;
        let move_ = ((part - 0.25) * 2.0).clamp(0.0, 1.0);
        let blend = |a: f64, b: f64| (a + (b - a) * move_) * mouth;
        let (low, high) = (blend(from.0, to.0), blend(from.1, to.1));
        let phase = TAU * pitch * (i as f64 / f64::from(RATE));
        let loud = (part * 12.0).min((1.0 - part) * 12.0).min(1.0) * 0.25;
        let sum: f64 = (1..=harmonics)
            .map(|k| {
                let f = pitch * k as f64;
                let near = |resonance: f64, width: f64| 1.0 / (1.0 + ((f - resonance) / width).powi(2));
                (near(low, 70.0) + 0.7 * near(high, 110.0)) * (phase * k as f64).sin()
            })
            .sum();
        *sample += loud * sum;
    }
}
