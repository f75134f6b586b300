//! Training steps of common models, timed: `cargo bench --bench workloads -- NAME --threads N [--seconds S] [--profile]`.
//!
//! Prints one line, `workload framework threads dtype median_ms min_ms n steps_per_s peak_rss_mb final_loss` and
//! `key=value` extras, in the same format for every library that is compared. `--profile` adds where the time of a step
//! goes, by operation. Without a name, all workloads run for a moment each.

mod images;
mod language;
mod measure;
mod mlp;
mod private;
mod published;

use demotic::Result;
use measure::Options;

type Workload = fn(&Options) -> Result<()>;

const WORKLOADS: [(&str, Workload); 22] = [
    ("mlp_tabular", mlp::tabular),
    ("mlp_mnist", mlp::mnist),
    ("mlp_infer_1", mlp::infer_1),
    ("mlp_infer_128", mlp::infer_128),
    ("cnn_mnist", images::cnn_mnist),
    ("resnet18_infer", images::resnet18_infer),
    ("resnet18_train", images::resnet18_train),
    ("lstm_lm", language::lstm_lm),
    ("gpt_char", language::gpt_char),
    ("gpt2_124m_train", language::gpt2_124m_train),
    ("gpt2_124m_decode", language::gpt2_124m_decode),
    ("gpt2_124m_prefill", language::gpt2_124m_prefill),
    ("gpt2_124m_decode_q8_0", published::gpt2_124m_decode_q8_0),
    ("gpt2_124m_decode_q4_0", published::gpt2_124m_decode_q4_0),
    ("private_digits", private::digits),
    ("private_digits_wide", private::digits_wide),
    ("private_gpt_char", private::gpt_char),
    ("private_lstm_lm", private::lstm_lm),
    ("bert_base_infer", published::bert_base_infer),
    ("smollm2_decode", published::smollm2_decode),
    ("smollm2_prompt_512", published::smollm2_prompt_512),
    ("minilm_1000", published::minilm_1000),
];

fn main() -> Result<()> {
    let options = Options::from_args(std::env::args().skip(1))?;
    let run = || match &options.workload {
        Some(name) => match WORKLOADS.iter().find(|(known, _)| known == name) {
            Some((_, workload)) => workload(&options),
            None => {
                let names = WORKLOADS.map(|(name, _)| name).join(", ");
                Err(measure::usage(&format!("there is no workload `{name}`, but {names}")))
            }
        },
        None => WORKLOADS.iter().try_for_each(|(name, workload)| workload(&options.named(name))),
    };
    demotic::parallel::with_threads(options.threads, run)?
}
