//! Complete models.
//!
//! | | for |
//! |---|---|
//! | [`Mlp`] | tables of numbers: a few dense layers with activations and dropout |
//! | [`ConvNet`], [`LeNet`] | images: convolutions that say what is on them |
//! | [`Gpt`] | text: a decoder-only transformer that predicts the next token |
//! | [`Llama`] | text: the same as Llama, Mistral, Qwen, Phi-3 and Gemma are built |
//! | [`LanguageModel`] | text: any of the two, whichever a file holds |
//! | [`Bert`] | text: an encoder, a vector for each token or for the text; with heads that predict hidden tokens, classes of texts and tokens, answers |
//! | [`RecurrentLm`] | text: predicts the next token with an LSTM, GRU or plain recurrent network |
//! | [`TransformerClassifier`] | text: which class a sequence of tokens belongs to |
//! | [`TextCnn`] | text: the same by convolutions over a few tokens |
//! | [`Tcn`] | sequences of numbers or tokens: causal convolutions, an output at each place |
//! | [`Seq2SeqTransformer`], [`Seq2SeqLstm`] | from one sequence to another: translation, answers to questions |
//! | [`T5`], [`T5Encoder`] | the same with relative positions, as it is published; and vectors of texts |
//! | [`Whisper`] | from speech to text |
//! | [`ResNet`], [`Vgg`], [`DenseNet`], [`ConvNext`] | pictures: the networks of torchvision, whose files load |
//! | [`MobileNetV2`], [`MobileNetV3`], [`EfficientNet`] | the same for small devices |
//! | [`Vit`], [`VitForImageClassification`], [`DeitForImageClassification`] | pictures: transformers that look at patches |
//! | [`ImageClassifier`] | pictures: any published classifier, whichever a file holds |
//! | [`Clip`] | pictures and texts: vectors that are close where both belong together |
//! | [`UNet`] | a picture for a picture: what each pixel belongs to |
//! | [`Autoencoder`], [`Vae`] | short codes of examples, and new examples of codes |
//! | [`Dcgan`] | new pictures by two networks that learn against each other |
//! | [`Diffusion`] | new pictures by taking noise out step by step |
//! | [`LinearRegression`] | a baseline for numbers, fitted exactly by least squares |
//!
//! Language models implement [`CausalLm`], and [`Generate`] continues text with any of them.
//!
//! In the sources, each kind of data has a folder: `text`, `tabular`, `vision`; and there is one for what makes new data, `generative`. What
//! sees two kinds (`clip`), and the layers that both have (`encoder`), stand beside them.

mod clip;
mod encoder;
mod generative;
mod options;
mod tabular;
mod text;
mod vision;

pub use clip::{Clip, ClipConfig, ClipText, ClipVision};
pub use encoder::{EncoderConfig, EncoderLayer};
pub use generative::{
    Adversaries, Autoencoder, CodeDecoder, CodeEncoder, CoderConfig, Dcgan, DcganConfig, DcganDiscriminator,
    DcganGenerator, Denoiser, Diffusion, DiffusionConfig, DiffusionSampling, DiffusionUnet, DiffusionUnetConfig, Elbo,
    GaussianDiffusion, NoiseSchedule, Observed, Prediction, UnetAttention, UnetBlock, UnetResampling, UnetResidual,
    UnetTimes, Vae, VaeConfig,
};
pub use tabular::{LinearRegression, LinearRegressionConfig, Mlp, MlpConfig};
#[cfg(feature = "constraint")]
pub use text::Constraint;
pub(crate) use text::piece::{Links, Piece};
pub use text::{
    AnswerSpan, BatchGenerator, Beam, BeamSearch, BeamStop, Bert, BertConfig, BertFamily, BertForMaskedLm,
    BertForQuestionAnswering, BertForSequenceClassification, BertForTokenClassification, BertInputs, CancelHandle,
    CausalLm, Continuation, Encoded, EncoderDecoderState, FinishReason, Generate, GenerateOptions, Generator, Gpt,
    GptConfig, GptInputs, GptState, KvState, LanguageModel, LanguageModelClassifierConfig, LanguageModelConfig,
    LanguageModelForSequenceClassification, Likelihood, Llama, LlamaConfig, LlamaFamily, LmState, LogMel, MemoryNeed,
    Pooling, PositionKind, Positions, PrefixCached, PrefixState, PrefixStats, RecurrentCell, RecurrentLm,
    RecurrentLmConfig, RecurrentLmState, RopeConfig, RopeScaling, Seq2Seq, Seq2SeqLstm, Seq2SeqLstmConfig,
    Seq2SeqLstmState, Seq2SeqTokens, Seq2SeqTransformer, Seq2SeqTransformerConfig, Seq2SeqTransformerState,
    Speculation, SpeechSegment, SpeechTask, T5, T5Config, T5Encoder, Tcn, TcnBlock, TcnConfig, TcnState, TextCnn,
    TextCnnConfig, TextContinuation, TextGenerator, Token, TokenConstraint, TokenEmbedding, TokenInputs,
    TranscribeOptions, TransformerClassifier, TransformerClassifierConfig, Whisper, WhisperConfig, WhisperTokens, bert,
    gpt, llama, t5, whisper,
};
pub use vision::{
    ConvBlock, ConvNet, ConvNetConfig, ConvNext, ConvNextBlock, ConvNextConfig, DeitForImageClassification,
    DeitForImageClassificationWithTeacher, DenseBlock, DenseNet, DenseNetConfig, DenseTransition, EfficientNet,
    EfficientNetConfig, ImageClassifier, InvertedResidual, InvertedStage, LeNet, LeNetConfig, MobileNetV2,
    MobileNetV2Config, MobileNetV3, MobileNetV3Block, MobileNetV3Config, ResNet, ResNetBlock, ResNetConfig,
    ResNetShortcut, UNet, UNetConfig, UNetRise, UNetUp, Vgg, VggConfig, Vit, VitConfig, VitEmbeddings,
    VitForImageClassification,
};
