//! From text to text: every kind of tokenizer with a GPT.

use std::path::PathBuf;

use demotic::layers::{Embedding, Linear, Weight};
use demotic::models::{FinishReason, Generate, GenerateOptions, Gpt, GptConfig};
use demotic::prelude::*;
use demotic::text::{BpeTokenizer, CharTokenizer, Sampler, Tokenizer, WordPieceTokenizer, WordTokenizer};

const PROMPT: &str = "Once upon a time";
const STORY: &str = ", naïve models met 文字 and 🙂👩‍👧 under the café's rainbow 🌈. They learned a lot!";
const CONTEXT: usize = 160;

/// A tokenizer, what it makes of the story (with word pieces, as the `tokenizers` package does), a text to stop at, and what
/// comes before that.
struct Kind {
    tokenizer: Box<dyn Tokenizer>,
    story: &'static str,
    stop: &'static str,
    before: &'static str,
}

fn kinds() -> Result<Vec<Kind>> {
    let path = |name: &str| {
        PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/..")).join("tests/golden/tokenizers").join(name)
    };
    let mut words = WordTokenizer::new();
    words.fit_on_texts([PROMPT, STORY])?;
    let bytes = |tokenizer: BpeTokenizer| Kind {
        tokenizer: Box::new(tokenizer),
        story: STORY,
        stop: "\u{200d}👧 un",
        before: ", naïve models met 文字 and 🙂👩",
    };
    #[allow(unused_mut)]
    let mut kinds = vec![
        Kind { tokenizer: Box::new(CharTokenizer::fit([PROMPT, STORY])?), ..bytes(BpeTokenizer::bytes()) },
        bytes(BpeTokenizer::bytes()),
        bytes(BpeTokenizer::from_files(path("vocab.json"), path("merges.txt"), &["<|endoftext|>"])?),
        Kind {
            tokenizer: Box::new(words),
            story: " naïve models met文字and 🙂👩‍👧 under the café's rainbow 🌈 they learned a lot",
            stop: "they l",
            before: " naïve models met文字and 🙂👩‍👧 under the café's rainbow 🌈 ",
        },
        Kind {
            tokenizer: Box::new(WordPieceTokenizer::from_vocab(path("bert_vocab.txt"))?.without_special_tokens()),
            story: ", naive models met [UNK] 字 and [UNK] under the cafe ' s rainbow [UNK]. they learned a lot!",
            stop: "the cafe",
            before: ", naive models met [UNK] 字 and [UNK] under ",
        },
    ];
    #[cfg(feature = "tokenizers")]
    for name in ["gemma", "never"] {
        // Almost all characters are runs of bytes.
        let published = std::fs::read_to_string(path("published.json")).unwrap();
        let published: serde_json::Value = serde_json::from_str(&published).unwrap();
        let mut file = published[name]["json"].clone();
        file["normalizer"] = serde_json::json!({"type": "Replace", "pattern": {"String": " "}, "content": "▁"});
        let tokenizer = demotic::text::HuggingFaceTokenizer::from_json(&file.to_string())?;
        kinds.push(Kind { tokenizer: Box::new(tokenizer), ..bytes(BpeTokenizer::bytes()) });
    }
    Ok(kinds)
}

/// Whether characters without a token are several tokens of bytes, which are decoded together.
fn falls_back(tokenizer: &dyn Tokenizer) -> bool {
    tokenizer.id("<0x00>").is_some()
}

/// A GPT that says these tokens after a prompt of this length: they depend on the position alone.
fn reciting(prompt: usize, tokens: &[i64], vocab: usize) -> Result<Gpt> {
    let config = GptConfig::new(vocab, CONTEXT).layers(1).heads(2).hidden_size(CONTEXT).intermediate_size(8).untied();
    let mut model = Gpt::new(config, &mut Rng::seed(0))?;
    let mut places = vec![0.0f32; CONTEXT * CONTEXT];
    let mut head = vec![0.0f32; vocab * CONTEXT];
    for place in 0..CONTEXT {
        places[place * CONTEXT + place] = 10.0;
    }
    for (i, token) in tokens.iter().enumerate() {
        head[*token as usize * CONTEXT + prompt - 1 + i] = 10.0;
    }
    model.transformer.wpe = Embedding::from_pretrained(&Tensor::from_vec(places, [CONTEXT, CONTEXT])?, false)?;
    model.lm_head = Some(Linear { weight: Weight::new(Tensor::from_vec(head, [vocab, CONTEXT])?)?, bias: None });
    Ok(model)
}

/// The whole text, which must be that of the pieces, the tokens, and why it ended.
fn generated(
    model: &Gpt,
    tokenizer: &dyn Tokenizer,
    options: &GenerateOptions,
    seed: u64,
) -> Result<(String, usize, FinishReason)> {
    let whole = model.generate_text(tokenizer, PROMPT, options, &mut Rng::seed(seed))?;
    let mut stream = model.stream_text(tokenizer, PROMPT, options, &mut Rng::seed(seed))?;
    let pieces = stream.by_ref().collect::<Result<Vec<_>>>()?;
    assert!(pieces.iter().all(|piece| !piece.is_empty()));
    assert_eq!((pieces.concat(), stream.finish_reason()), (whole.text.clone(), Some(whole.finish)));
    Ok((whole.text, pieces.len(), whole.finish))
}

#[test]
fn a_story_comes_out_as_it_went_in() -> Result<()> {
    for Kind { tokenizer, story, stop, before } in kinds()? {
        let (prompt, tokens) = (tokenizer.encode(PROMPT)?, tokenizer.encode(STORY)?);
        let model = reciting(prompt.len(), &tokens, tokenizer.vocab_size())?;
        let options = GenerateOptions::new().sampler(Sampler::greedy()).max_new_tokens(tokens.len());
        assert_eq!(model.generate(&prompt, &options, &mut Rng::seed(0))?.tokens, tokens, "{tokenizer:?}");
        let (text, pieces, finish) = generated(&model, &*tokenizer, &options, 0)?;
        assert_eq!((text.as_str(), finish), (story, FinishReason::MaxNewTokens));
        if story == STORY && tokens.len() > STORY.chars().count() && !falls_back(&*tokenizer) {
            // Some characters are several tokens.
            assert_eq!(pieces, STORY.chars().count());
        }
        let (text, _, finish) = generated(&model, &*tokenizer, &options.clone().stop_text(stop), 0)?;
        assert_eq!((text.as_str(), finish), (before, FinishReason::StopText(0)));
        // Tokens 7 to 9 as a sequence, and one that never comes.
        let options = options.stop_sequence(&[tokens[0], tokens[0]]).stop_sequence(&tokens[7..10]);
        let (text, _, finish) = generated(&model, &*tokenizer, &options, 0)?;
        assert_eq!(finish, FinishReason::StopSequence(1));
        let [all, start] = [[&*prompt, &tokens[..7]].concat(), prompt].map(|ids| tokenizer.decode(&ids));
        assert_eq!(start? + &text, all?);
    }
    Ok(())
}

#[test]
fn pieces_of_random_tokens_are_the_text_of_all() -> Result<()> {
    for Kind { tokenizer, .. } in kinds()? {
        let prompt = tokenizer.encode(PROMPT)?;
        let config = GptConfig::new(tokenizer.vocab_size(), 32).layers(1).heads(1).hidden_size(8);
        let model = Gpt::new(config, &mut Rng::seed(1))?;
        let options = GenerateOptions::new().max_new_tokens(70).sliding_window();
        for seed in 0..3 {
            let tokens = model.generate(&prompt, &options, &mut Rng::seed(seed))?.tokens;
            let (text, _, _) = generated(&model, &*tokenizer, &options, seed)?;
            let all = tokenizer.decode(&[&*prompt, &tokens].concat())?;
            let shown = tokenizer.decode(&prompt)?;
            // Byte fallback makes marks of a run of bytes that is no UTF-8 as a whole, and the prompt ends with such a run.
            let same = shown.chars().zip(all.chars()).take_while(|(a, b)| a == b).map(|(a, _)| a.len_utf8()).sum();
            assert!(shown.len() == same || falls_back(&*tokenizer));
            assert_eq!(shown[..same].to_string() + &text, all);
        }
    }
    Ok(())
}
