//! Samples into a batch.

use crate::error::{Error, Here, Result};
use crate::tensor::Tensor;

/// What becomes of samples that are put together into a batch: tensors of one shape are stacked, numbers become a tensor `[n]`,
/// and of tuples each part by itself.
pub trait Collate: Sized + Send {
    /// The batch.
    type Batch: Send;

    /// Puts samples together, of which there is at least one.
    ///
    /// # Errors
    /// If they do not fit each other.
    #[track_caller]
    fn collate(samples: Vec<Self>) -> Result<Self::Batch>;
}

impl Collate for Tensor {
    type Batch = Self;

    fn collate(samples: Vec<Self>) -> Result<Self> {
        if let Some(first) = samples.first()
            && let Some(i) = samples.iter().position(|sample| sample.shape() != first.shape())
        {
            let (shape, wanted) = (samples[i].shape(), first.shape());
            let message = format!("sample {i} of the batch has shape {shape:?}, the first {wanted:?}");
            return Err(Error::shape("collate", message)
                .with_help("sequences of different lengths are brought to one by data::Padding, in collate_with"));
        }
        Self::stack(&samples.iter().collect::<Vec<_>>(), 0).here()
    }
}

macro_rules! numbers {
    ($($t:ty)*) => {$(
        impl Collate for $t {
            type Batch = Tensor;

            #[track_caller]
            fn collate(samples: Vec<Self>) -> Result<Tensor> {
                let count = samples.len();
                Tensor::from_vec(samples, [count])
            }
        }
    )*};
}

numbers!(f32 f64 i64 i32 u8 bool);

impl<A: Collate, B: Collate> Collate for (A, B) {
    type Batch = (A::Batch, B::Batch);

    fn collate(samples: Vec<Self>) -> Result<Self::Batch> {
        let (a, b) = samples.into_iter().unzip();
        Ok((A::collate(a)?, B::collate(b)?))
    }
}

impl<A: Collate, B: Collate, C: Collate> Collate for (A, B, C) {
    type Batch = (A::Batch, B::Batch, C::Batch);

    fn collate(samples: Vec<Self>) -> Result<Self::Batch> {
        let (mut a, mut b, mut c) = (Vec::new(), Vec::new(), Vec::new());
        for sample in samples {
            a.push(sample.0);
            b.push(sample.1);
            c.push(sample.2);
        }
        Ok((A::collate(a)?, B::collate(b)?, C::collate(c)?))
    }
}
