//! What a model's stories are worth, counted.

use std::collections::HashSet;

use demotic::models::{Generate, GenerateOptions};
use demotic::prelude::*;
use demotic::text::{Sampler, Tokenizer};
use serde_json::{Value, json};

use crate::saved::LanguageModel;
use crate::stories::{self, END, Language, Quality};

/// Titles are drawn with another seed than those of the corpus.
const TITLES_SEED: u64 = 2026;

/// Lets a model write stories for titles that no story of its corpus has, prints what they are worth, and returns
/// it.
pub fn stories(
    model: &impl LanguageModel,
    tokenizer: &dyn Tokenizer,
    corpus: &str,
    count: usize,
    sampler: &Sampler,
    seed: u64,
) -> Result<Value> {
    let read: HashSet<&str> = stories::sentences(corpus).into_iter().collect();
    let mut results = serde_json::Map::new();
    println!("{count} stories in each language, for titles that are not in the corpus:");
    for language in Language::ALL {
        let grammar = language.grammar()?;
        let mut titles = Vec::new();
        let mut rng = Rng::seed(TITLES_SEED);
        while titles.len() < count {
            let story = grammar.story(&mut rng);
            // A title is a line of its own, and so one of the sentences.
            titles.extend(story.lines().next().filter(|title| !read.contains(title)).map(str::to_string));
        }
        let prompts = titles.iter().map(|title| tokenizer.encode(&format!("{title}\n"))).collect::<Result<Vec<_>>>()?;
        let line = tokenizer.encode("\n")?;
        let mut options = GenerateOptions::new()
            .sampler(sampler.clone())
            .sliding_window()
            .max_new_tokens(tokens_of_a_story(tokenizer, corpus)?);
        if !line.is_empty() {
            options = options.stop_sequence(&line.repeat(2));
        }
        let mut quality = Quality::default();
        let mut new_stories = 0;
        let written = model.generate_batch(&prompts, &options, &mut Rng::seed(seed))?;
        for (title, story) in titles.iter().zip(written) {
            let text = tokenizer.decode(&story.tokens)?;
            let text = text.split(END).next().unwrap_or_default().trim().to_string();
            quality += Quality::of(title, &text, &grammar, &read);
            new_stories += usize::from(!corpus.contains(&text));
        }
        println!("{}:\n{quality}", language.name());
        results.insert(
            language.name().to_lowercase(),
            json!({
                "stories": quality.stories,
                "new_stories": new_stories,
                "faultless_stories": quality.whole,
                "known_words": Quality::share(quality.known, quality.words),
                "accepted_sentences": Quality::share(quality.accepted, quality.sentences),
                "fitting_sentences": Quality::share(quality.in_keeping, quality.sentences),
                "new_sentences": Quality::share(quality.new, quality.sentences),
            }),
        );
    }
    println!();
    Ok(Value::Object(results))
}

/// A half more tokens than the first stories of the corpus have.
fn tokens_of_a_story(tokenizer: &dyn Tokenizer, corpus: &str) -> Result<usize> {
    let mut longest = 0;
    for story in corpus.split(END).take(50) {
        longest = longest.max(tokenizer.encode(story)?.len());
    }
    Ok(longest + longest / 2)
}
