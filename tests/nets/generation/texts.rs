use demotic::models::{FinishReason, Generate, GenerateOptions};
use demotic::prelude::*;
use demotic::text::{Sampler, Tokenizer};

use super::models::Whole;

/// One token for each byte.
#[derive(Debug)]
struct Bytes;

impl Tokenizer for Bytes {
    fn encode(&self, text: &str) -> Result<Vec<i64>> {
        Ok(text.bytes().map(i64::from).collect())
    }
    fn decode(&self, ids: &[i64]) -> Result<String> {
        let mut bytes = Vec::new();
        for id in ids {
            bytes.push(u8::try_from(*id).map_err(|_| Error::index("decode", format!("no token {id}")))?);
        }
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }
    fn vocab_size(&self) -> usize {
        256
    }
    fn token(&self, id: i64) -> Option<String> {
        u8::try_from(id).ok().map(|byte| char::from(byte).to_string())
    }
    fn id(&self, token: &str) -> Option<i64> {
        token.bytes().next().map(i64::from)
    }
    fn special_tokens(&self) -> Vec<(String, i64)> {
        Vec::new()
    }
}

/// A model that goes on with these bytes, whatever they follow, and then with token 256.
fn reciting(prompt: &str, text: &str) -> Whole<impl Fn(&[i64]) -> Vec<f32> + use<>> {
    let (start, bytes) = (prompt.len(), text.as_bytes().to_vec());
    Whole::new(257, None, move |tokens: &[i64]| {
        let mut logits = vec![0.0; 257];
        let next = tokens.len().checked_sub(start).and_then(|i| bytes.get(i));
        logits[next.map_or(256, |byte| usize::from(*byte))] = 40.0;
        logits
    })
}

fn options() -> GenerateOptions {
    GenerateOptions::new().sampler(Sampler::greedy()).end_tokens(&[256]).max_new_tokens(1000)
}

fn pieces(text: &str, options: &GenerateOptions) -> Result<(Vec<String>, FinishReason)> {
    let model = reciting("say: ", text);
    let mut stream = model.stream_text(&Bytes, "say: ", options, &mut Rng::seed(0))?;
    let pieces = stream.by_ref().collect::<Result<Vec<_>>>()?;
    let finish = stream.finish_reason().unwrap();
    let whole = model.generate_text(&Bytes, "say: ", options, &mut Rng::seed(0))?;
    assert_eq!((whole.text, whole.finish), (pieces.concat(), finish));
    Ok((pieces, finish))
}

#[test]
fn pieces_are_whole_characters() -> Result<()> {
    let (got, finish) = pieces("aé文🙂b", &options())?;
    assert_eq!(got, ["a", "é", "文", "🙂", "b"]);
    assert_eq!(finish, FinishReason::EndToken(256));
    let (got, finish) = pieces("a文", &options().max_new_tokens(3))?;
    assert_eq!((got.concat().as_str(), finish), ("a\u{fffd}", FinishReason::MaxNewTokens));
    Ok(())
}

#[test]
fn stop_texts_span_tokens_and_are_dropped() -> Result<()> {
    let (got, finish) = pieces("one. two. END three", &options().stop_text(" END"))?;
    assert_eq!((got.concat().as_str(), finish), ("one. two.", FinishReason::StopText(0)));
    // What began like the stop text came in one piece when it was known not to be.
    assert_eq!(got[4], " t");
    let (got, finish) = pieces("他说。她说：好。完", &options().stop_text("完了").stop_text("好。"))?;
    assert_eq!((got.concat().as_str(), finish), ("他说。她说：", FinishReason::StopText(1)));
    // A beginning alone is no stop.
    let (got, finish) = pieces("the EN", &options().stop_text(" END"))?;
    assert_eq!((got.concat().as_str(), finish), ("the EN", FinishReason::EndToken(256)));
    // Nothing may be left of it at all.
    let (got, finish) = pieces("END", &options().stop_text("END"))?;
    assert_eq!((got.len(), finish), (0, FinishReason::StopText(0)));
    Ok(())
}

#[test]
fn bad_texts_word_for_word() -> Result<()> {
    let model = reciting("a", "b");
    let error = |prompt: &str, options: GenerateOptions| {
        model.generate_text(&Bytes, prompt, &options, &mut Rng::seed(0)).unwrap_err().message()
    };
    assert_eq!(error("", options()), "generate: the prompt is empty");
    assert_eq!(error("a", options().stop_text("x").stop_text("")), "generate: stop text 1 is empty");
    assert_eq!(error("a", options().samples(2)), "generate: samples is 2, but one continuation is returned");
    // The model has a token that the tokenizer has not.
    let all = GenerateOptions::new().sampler(Sampler::greedy());
    let mut stream = model.stream_text(&Bytes, "a", &all, &mut Rng::seed(0))?;
    assert_eq!(stream.next().unwrap()?, "b");
    assert_eq!(stream.next().unwrap().unwrap_err().message(), "decode: no token 256");
    assert!(stream.next().is_none());
    Ok(())
}
