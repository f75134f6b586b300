//! Values and gradients as PyTorch, scikit-learn, pandas, `tokenizers` and `transformers` compute them; see `README.md` beside this file.

#[path = "../common/golden.rs"]
mod golden;
#[path = "../common/gpt.rs"]
mod gpt;
#[path = "../common/published.rs"]
mod published;

mod activations;
mod attention;
mod augment;
mod bert;
mod binary;
mod channel_norms;
#[cfg(feature = "chat")]
mod chat_templates;
mod classifiers;
mod components;
mod compress;
#[cfg(all(feature = "fft", feature = "linalg"))]
mod configurations;
mod convolution;
mod curves;
mod explain;
mod fairness;
#[cfg(feature = "fft")]
mod fft;
mod files;
mod generative;
mod gguf;
mod gguf_models;
mod gpt2;
mod gpt_options;
mod image_ops;
mod images;
mod initializers;
mod keras;
mod layers;
#[cfg(feature = "linalg")]
mod linalg;
mod llama;
mod lora;
mod losses;
mod matmul;
mod metrics;
mod more_layers;
mod more_losses;
mod more_metrics;
mod more_ops;
mod more_optimizers;
mod norms;
#[cfg(feature = "linalg")]
mod one_shot;
mod optimizer_rules;
mod optimizers;
mod per_example;
#[cfg(feature = "image")]
mod pictures;
mod pooling;
mod preprocessing;
mod pretrained;
mod privacy;
mod published_tokenizers;
mod qat;
mod quality;
mod quantize;
mod random_rules;
mod recurrent;
mod reductions;
mod reliability;
mod resnet;
mod schedules;
mod self_attention;
mod shape_index;
mod t5;
mod tables;
mod tensor_options;
mod tensorboard;
mod text_models;
mod tokenizers;
mod tokens;
mod torch_files;
mod transformer;
mod transforms;
mod translation;
mod types;
mod unary;
mod vision_models;
#[cfg(feature = "fft")]
mod whisper;
mod zoo;
