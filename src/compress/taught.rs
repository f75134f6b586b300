//! What a teacher has said or written before the student learns from it.

use crate::data::Dataset;
use crate::error::{Error, Result};
use crate::layers::Layer;
use crate::losses::IGNORE_INDEX;
use crate::models::{Generate, GenerateOptions};
use crate::rng::Rng;
use crate::tensor::Tensor;

use super::distill::stored_targets;

/// A data set together with what a teacher says of its examples: batches of inputs, targets and the teacher's scores, for
/// [`Distill::stored`](super::Distill::stored).
///
/// ```
/// use demotic::compress::{Distill, Taught};
/// use demotic::prelude::*;
///
/// let mut rng = Rng::seed(0);
/// let teacher = sequential![Linear::new(4, 32, &mut rng)?, Relu, Linear::new(32, 3, &mut rng)?];
/// let data = TensorDataset::new(Tensor::normal([64, 4], 0.0, 1.0, &mut rng)?, Tensor::randint(0, 3, [64], &mut rng)?)?;
/// let taught = Taught::by(&teacher, data, 32)?; // the teacher is not needed from here on
/// let mut student = Linear::new(4, 3, &mut rng)?;
/// Trainer::with_task(Distill::stored(2.0, 0.9), Adam::new(0.01)).epochs(2).fit(&mut student, &taught, &mut rng)?;
/// # Ok::<(), demotic::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Taught<D> {
    data: D,
    said: Tensor,
}

impl<D: Dataset<Batch = (Tensor, Tensor)>> Taught<D> {
    /// With what a teacher says now: see [`stored_targets`].
    ///
    /// # Errors
    /// Those of [`stored_targets`].
    #[track_caller]
    pub fn by(teacher: &impl Layer, data: D, batch_size: usize) -> Result<Self> {
        let said = stored_targets(teacher, &data, batch_size)?;
        Self::new(data, said)
    }

    /// With what it has said of all examples, `[examples, .., classes]`.
    ///
    /// # Errors
    /// If it is not of as many examples.
    #[track_caller]
    pub fn new(data: D, said: Tensor) -> Result<Self> {
        if said.shape().first() != Some(&data.len()) {
            let message = format!("a teacher's scores of shape {:?} for {} examples", said.shape(), data.len());
            return Err(Error::shape("Taught", message));
        }
        Ok(Self { data, said })
    }
}

impl<D: Dataset<Batch = (Tensor, Tensor)>> Dataset for Taught<D> {
    type Batch = (Tensor, Tensor, Tensor);

    fn len(&self) -> usize {
        self.data.len()
    }

    #[track_caller]
    fn batch(&self, indices: &[usize], rng: &mut Rng) -> Result<Self::Batch> {
        let (x, y) = self.data.batch(indices, rng)?;
        let places = Tensor::from_vec(indices.iter().map(|i| *i as i64).collect(), [indices.len()])?;
        Ok((x, y, self.said.index_select(0, &places)?))
    }
}

/// What a language model writes behind these prompts, to learn from (Kim and Rush, *Sequence-level knowledge distillation*, 2016): inputs
/// and targets `[texts, time]`, in which each token is to be predicted that the teacher has written, and prompts and what is behind short
/// texts do not count. The loss is [`token_cross_entropy`](crate::losses::token_cross_entropy); the student may be of any family that has
/// the same vocabulary.
///
/// ```
/// use demotic::compress::written;
/// use demotic::models::{GenerateOptions, Gpt, GptConfig, RecurrentLm, RecurrentLmConfig};
/// use demotic::prelude::*;
///
/// let mut rng = Rng::seed(0);
/// let teacher = Gpt::new(GptConfig::new(20, 32).layers(1).hidden_size(16).heads(2), &mut rng)?;
/// let (x, y) = written(&teacher, &[[3i64, 4], [5, 6]], &GenerateOptions::new().max_new_tokens(8), &mut rng)?;
/// assert_eq!((x.shape(), y.shape()), (&[2, 9][..], &[2, 9][..]));
///
/// let mut student = RecurrentLm::new(RecurrentLmConfig::new(20), &mut rng)?;
/// let texts = TensorDataset::new(x, y)?;
/// Trainer::new(losses::token_cross_entropy, Adam::new(0.01)).epochs(1).fit(&mut student, &texts, &mut rng)?;
/// # Ok::<(), demotic::Error>(())
/// ```
///
/// # Errors
/// Those of [`Generate::generate_batch`], and if nothing was written.
#[track_caller]
pub fn written<P: AsRef<[i64]>>(
    teacher: &impl Generate,
    prompts: &[P],
    options: &GenerateOptions,
    rng: &mut Rng,
) -> Result<(Tensor, Tensor)> {
    let all = teacher.generate_batch(prompts, options, rng)?;
    let samples = all.len() / prompts.len().max(1);
    let mut texts = Vec::new();
    for (i, continuation) in all.iter().enumerate().filter(|(_, continuation)| !continuation.tokens.is_empty()) {
        let prompt = prompts[i / samples.max(1)].as_ref();
        texts.push((prompt.len(), [prompt, &continuation.tokens].concat()));
    }
    let Some(time) = texts.iter().map(|(_, text)| text.len() - 1).max() else {
        return Err(Error::state("written", "the teacher has written nothing").with_help("allow more max_new_tokens"));
    };
    let (mut x, mut y) = (vec![0; texts.len() * time], vec![IGNORE_INDEX; texts.len() * time]);
    for ((prompt, text), (x, y)) in texts.iter().zip(x.chunks_mut(time).zip(y.chunks_mut(time))) {
        let known = text.len() - 1;
        x[..known].copy_from_slice(&text[..known]);
        y[prompt - 1..known].copy_from_slice(&text[*prompt..]);
    }
    Ok((Tensor::from_vec(x, [texts.len(), time])?, Tensor::from_vec(y, [texts.len(), time])?))
}
