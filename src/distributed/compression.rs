//! Gradients that travel in fewer bytes.

use std::ops::Range;

use crate::error::{Error, Result, bug};
use crate::tensor::{DType, Tensor};

/// How gradients travel in fewer bytes. What is left out of one step is added to the next one (error feedback; Karimireddy et al., 2019), so
/// that nothing is lost, but the bits of a step depend on how many ranks there are.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Compression {
    /// In half of the bytes, as `BF16`: the range of `F32` with 8 bits of precision.
    Bf16,
    /// In half of the bytes, as `F16`: 11 bits of precision, at most 65504, beyond which a gradient becomes infinite.
    F16,
    /// This share of the numbers, those of the largest magnitude, each with its place: 8 bytes for each that is sent.
    TopK(f64),
}

/// What was left out of the buckets so far.
#[derive(Debug, Default)]
pub(super) struct Residuals(Vec<Option<Tensor>>);

impl Compression {
    #[track_caller]
    pub(super) fn check(self) -> Result<()> {
        match self {
            Self::TopK(share) if !(share > 0.0 && share <= 1.0) => {
                let message = format!("a share of {share}, expected more than 0 and at most 1");
                Err(Error::argument("Compression::TopK", message))
            }
            _ => Ok(()),
        }
    }

    /// The parts of a bucket as they travel.
    #[track_caller]
    pub(super) fn pack(
        self,
        residuals: &mut Residuals,
        bucket: usize,
        flat: &Tensor,
        cuts: &[Range<usize>],
    ) -> Result<Vec<Tensor>> {
        if residuals.0.len() <= bucket {
            residuals.0.resize(bucket + 1, None);
        }
        let due = match residuals.0[bucket].take() {
            Some(left) if left.shape() == flat.shape() && left.dtype() == flat.dtype() => flat.add(&left)?,
            _ => flat.clone(),
        };
        let (mut packed, mut sent) = (Vec::with_capacity(cuts.len()), Vec::with_capacity(cuts.len()));
        for cut in cuts {
            let part = due.narrow(0, cut.start, cut.len())?;
            let small = self.part(&part)?;
            sent.push(Self::unpack(&small, flat.dtype(), cut.len())?);
            packed.push(small);
        }
        residuals.0[bucket] = Some(due.sub(&Tensor::cat(&sent.iter().collect::<Vec<_>>(), 0)?)?);
        Ok(packed)
    }

    #[track_caller]
    fn part(self, part: &Tensor) -> Result<Tensor> {
        let share = match self {
            Self::Bf16 => return Ok(part.to_dtype(DType::BF16)),
            Self::F16 => return Ok(part.to_dtype(DType::F16)),
            Self::TopK(share) => share,
        };
        let values = part.to_dtype(DType::F32).to_vec::<f32>()?;
        let count = ((values.len() as f64 * share).ceil() as usize).min(values.len());
        if count == 0 {
            return Tensor::full_dtype([0], 0.0, DType::I32);
        }
        let mut order: Vec<u32> = (0..values.len() as u32).collect();
        // The places of larger magnitudes first, of equal ones that which comes first.
        let key = |place: &u32| (!values[*place as usize].abs().to_bits(), *place);
        order.select_nth_unstable_by_key(count - 1, key);
        order.truncate(count);
        crate::order::sort_by_key(&mut order, |place| u64::from(*place));
        let bits = order.iter().map(|place| values[*place as usize].to_bits() as i32);
        let list: Vec<i32> = order.iter().map(|place| *place as i32).chain(bits).collect();
        let length = list.len();
        Tensor::from_vec(list, [length])
    }

    /// A part as numbers again.
    #[track_caller]
    pub(super) fn unpack(packed: &Tensor, dtype: DType, len: usize) -> Result<Tensor> {
        if packed.dtype() != DType::I32 {
            return Ok(packed.to_dtype(dtype));
        }
        let list = packed.to_vec::<i32>()?;
        let (places, bits) = list.split_at(list.len() / 2);
        let mut values = vec![0.0_f32; len];
        for (place, bits) in places.iter().zip(bits) {
            match values.get_mut(*place as usize) {
                Some(value) => *value = f32::from_bits(*bits as u32),
                None => return Err(bug!("step", "place {place} in a part of {len} numbers")),
            }
        }
        Ok(Tensor::from_vec(values, [len])?.to_dtype(dtype))
    }
}
