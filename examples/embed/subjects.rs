//! Sentences about a few subjects, for an encoder that knows nothing yet.

use demotic::Rng;

/// What each subject is talked about with: who, does what, and how.
const SUBJECTS: [[[&str; 6]; 3]; 5] = [
    [
        ["rain", "snow", "wind", "thunder", "fog", "sunshine"],
        ["falls", "blows", "freezes", "clears", "darkens", "storms"],
        ["today", "tonight", "outside", "overhead", "coldly", "softly"],
    ],
    [
        ["soup", "bread", "sauce", "rice", "cake", "salad"],
        ["boils", "bakes", "simmers", "cools", "rises", "burns"],
        ["deliciously", "slowly", "overnight", "evenly", "sweetly", "gently"],
    ],
    [
        ["team", "runner", "goalkeeper", "coach", "captain", "striker"],
        ["wins", "scores", "trains", "loses", "jumps", "sprints"],
        ["fast", "bravely", "again", "together", "fairly", "twice"],
    ],
    [
        ["bank", "market", "trader", "investor", "fund", "broker"],
        ["lends", "buys", "sells", "pays", "borrows", "earns"],
        ["cheaply", "monthly", "daily", "abroad", "profitably", "quietly"],
    ],
    [
        ["cat", "dog", "horse", "sparrow", "hedgehog", "rabbit"],
        ["sleeps", "barks", "eats", "hides", "purrs", "chirps"],
        ["lazily", "happily", "shyly", "outdoors", "loudly", "indoors"],
    ],
];

/// What is searched where nothing else is given, with the number of its subject.
pub const LINES: [(usize, &str); 10] = [
    (0, "the wind blows overhead"),
    (0, "fog darkens softly"),
    (1, "the bread bakes slowly"),
    (1, "a cake rises sweetly"),
    (2, "the captain wins again"),
    (2, "a runner sprints fast"),
    (3, "the broker sells cheaply"),
    (3, "a fund pays monthly"),
    (4, "the horse eats outdoors"),
    (4, "a hedgehog hides shyly"),
];

/// Questions that share no word with the lines of their subject, except for the smallest.
pub const QUERIES: [(usize, &str); 5] = [
    (0, "snow falls tonight"),
    (1, "the soup boils gently"),
    (2, "a goalkeeper trains together"),
    (3, "the bank lends abroad"),
    (4, "a cat purrs lazily"),
];

/// How many subjects there are.
pub const COUNT: usize = SUBJECTS.len();

/// All words, behind the tokens that are special.
pub fn vocabulary() -> Vec<&'static str> {
    let special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "the", "a"];
    special.into_iter().chain(SUBJECTS.into_iter().flatten().flatten()).collect()
}

/// A sentence about a subject.
pub fn sentence(subject: usize, rng: &mut Rng) -> String {
    let mut one = |words: &[&'static str]| words[(rng.next_u64() % words.len() as u64) as usize];
    let [who, does, how] = &SUBJECTS[subject];
    format!("{} {} {} {}", one(&["the", "a"]), one(who), one(does), one(how))
}
