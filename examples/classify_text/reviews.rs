//! Reviews from a small grammar in which single words say little: negation turns an opinion round, and after "but" or "although"
//! it matters which of two opinions wins.

use demotic::Rng;

const SUBJECTS: [&str; 10] = [
    "the food",
    "the service",
    "the room",
    "the film",
    "the plot",
    "the music",
    "the staff",
    "the view",
    "the price",
    "the story",
];
const GOOD: [&str; 8] = ["good", "excellent", "lovely", "great", "pleasant", "charming", "perfect", "delightful"];
const BAD: [&str; 8] = ["bad", "awful", "boring", "poor", "terrible", "unpleasant", "disappointing", "dreadful"];

pub struct Review {
    pub text: String,
    /// 1 if it is a good review.
    pub class: i64,
}

/// A random review.
pub fn review(rng: &mut Rng) -> Review {
    let good = rng.below(2) == 1;
    let text = match rng.below(4) {
        0 => opinion(good, rng),
        // What comes last counts.
        1 => format!("{} but {}", opinion(!good, rng), opinion(good, rng)),
        // What comes first counts.
        2 => format!("{} although {}", opinion(good, rng), opinion(!good, rng)),
        _ => format!("although {} {}", opinion(!good, rng), opinion(good, rng)),
    };
    Review { text, class: i64::from(good) }
}

/// A statement that praises or does not.
fn opinion(good: bool, rng: &mut Rng) -> String {
    let subject = SUBJECTS[rng.below(SUBJECTS.len())];
    let (verb, praises) = match rng.below(4) {
        0 => ("was", true),
        1 => ("was really", true),
        2 => ("was not", false),
        _ => ("was never", false),
    };
    let words = if good == praises { GOOD } else { BAD };
    format!("{subject} {verb} {}", words[rng.below(words.len())])
}
