//! Element types: 16-bit leaves, narrow integers, and what the operations make of them.

use demotic::losses::{self, CrossEntropy};
use demotic::prelude::*;
use demotic::{DType, ErrorKind};

const SIXTEEN: [DType; 2] = [DType::BF16, DType::F16];

#[test]
fn sixteen_bit_leaves_have_gradients_of_32_bits() -> Result<()> {
    for dtype in SIXTEEN {
        let x = tensor![1.0, 2.0, -3.0].to_dtype(dtype).tracked()?;
        // 2⁻¹² is lost when it is added to 16 in either type, but not in the gradient.
        let loss = x.mul_scalar(16.0).sum().add(&x.mul_scalar(1.0 / 4096.0).sum())?;
        let grads = loss.backward()?;
        let g = grads.wrt(&x)?;
        assert_eq!(g.dtype(), DType::F32);
        assert_eq!(g.to_vec::<f32>()?, [16.0 + 1.0 / 4096.0; 3]);
    }
    let e = Tensor::arange(3)?.tracked().unwrap_err();
    assert_eq!(e.message(), "tracked: a tensor with gradients must be f32 or f64, not i64");
    Ok(())
}

#[test]
fn a_parameter_of_16_bits_learns() -> Result<()> {
    for dtype in SIXTEEN {
        let mut rng = Rng::seed(1);
        let x = Tensor::normal([64, 4], 0.0, 1.0, &mut rng)?.to_dtype(dtype);
        let y = x.matmul(&tensor![[1.0], [-2.0], [0.5], [3.0]].to_dtype(dtype))?;
        let mut w = Param::new(Tensor::full_dtype([4, 1], 0.0, dtype)?)?;
        let mut first = None;
        let mut last = 0.0;
        for _ in 0..200 {
            let loss = losses::mse(&x.matmul(w.value())?, &y)?;
            assert_eq!(loss.dtype(), DType::F32);
            last = loss.item()?;
            first.get_or_insert(last);
            let g = loss.backward()?.wrt(w.value())?.clone();
            let step = w.value().detach().to_dtype(DType::F32).sub(&g.mul_scalar(0.1))?;
            w.set(&step.to_dtype(dtype))?;
        }
        assert!(last < 1e-3 * first.unwrap_or(0.0), "{dtype}: from {first:?} to {last}");
    }
    Ok(())
}

#[test]
fn losses_of_16_bit_predictions_are_those_of_the_same_numbers() -> Result<()> {
    type LossOf = fn(&Tensor, &Tensor) -> Result<Tensor>;
    let of_numbers: [(&str, LossOf); 5] = [
        ("mse", losses::mse),
        ("mae", losses::mae),
        ("huber", |x, y| losses::huber(x, y, 0.5)),
        ("bce", losses::bce),
        ("bce_with_logits", losses::bce_with_logits),
    ];
    for dtype in SIXTEEN {
        let mut rng = Rng::seed(3);
        let (x, y) = (Tensor::uniform([32, 5], 0.1, 0.9, &mut rng)?, Tensor::uniform([32, 5], 0.1, 0.9, &mut rng)?);
        let (x, y) = (x.to_dtype(dtype), y.to_dtype(dtype));
        let wide = |x: &Tensor| x.to_dtype(DType::F32);
        for (name, loss) in of_numbers {
            assert_eq!(loss(&x, &y)?.to_vec::<f32>()?, loss(&wide(&x), &wide(&y))?.to_vec::<f32>()?, "{name} {dtype}");
        }
        let classes = Tensor::from_vec((0..32).map(|i| i % 5).collect::<Vec<i64>>(), 32)?;
        let loss = |x: &Tensor| CrossEntropy::new().loss(x, &classes);
        assert_eq!(loss(&x)?.to_vec::<f32>()?, loss(&wide(&x))?.to_vec::<f32>()?);
    }
    Ok(())
}

#[test]
fn dropout_of_16_bit_types_is_scaled_in_32_bits() -> Result<()> {
    for dtype in SIXTEEN {
        let x = Tensor::normal([1000], 0.0, 1.0, &mut Rng::seed(2))?.to_dtype(dtype);
        let y = x.dropout(0.3, &mut Rng::seed(5))?;
        let wide = x.to_dtype(DType::F32).dropout(0.3, &mut Rng::seed(5))?;
        assert_eq!(y.dtype(), dtype);
        assert_eq!(y.to_f64_vec(), wide.to_dtype(dtype).to_f64_vec());
    }
    let e = Tensor::arange(3)?.dropout(0.5, &mut Rng::seed(0)).unwrap_err();
    assert_eq!(e.message(), "dropout: the input must be f32 or f64, not i64");
    Ok(())
}

#[test]
fn narrow_integers_are_made_converted_and_shown() -> Result<()> {
    let x = Tensor::from_vec(vec![-128_i8, 0, 127], 3)?;
    assert_eq!((x.dtype(), x.dtype().size()), (DType::I8, 1));
    assert_eq!(x.to_vec::<i8>()?, [-128, 0, 127]);
    assert_eq!(x.to_string(), "[-128,    0,  127]\n[3] i8");
    let y = Tensor::from_slice(&[i32::MIN, -1, i32::MAX], 3)?;
    assert_eq!(y.to_string(), "[-2147483648,          -1,  2147483647]\n[3] i32");
    assert_eq!(y.to_dtype(DType::I8).to_vec::<i8>()?, [-128, -1, 127]);
    assert_eq!(y.to_dtype(DType::I64).to_vec::<i64>()?, [i64::from(i32::MIN), -1, i64::from(i32::MAX)]);
    assert_eq!(tensor![2.9, -2.9, 1e20].to_dtype(DType::I32).to_vec::<i32>()?, [2, -2, i32::MAX]);
    // With a number, as all narrow integers, they become I64.
    assert_eq!((&y + 1).to_vec::<i64>()?, [i64::from(i32::MIN) + 1, 0, 1 << 31]);
    assert_eq!((&x * 0.5).to_vec::<f32>()?, [-64.0, 0.0, 63.5]);
    assert_eq!(x.div(&x)?.to_vec::<f32>()?[0], 1.0);
    assert_eq!(x.gt_scalar(200.0).to_vec::<bool>()?, [false; 3]);
    assert_eq!(x.lt_scalar(0.5).to_vec::<bool>()?, [true, true, false]);
    assert_eq!(x.neg().to_vec::<i64>()?, [128, 0, -127]);
    assert_eq!(x.index_add(0, &Tensor::arange(1)?, &Tensor::from_vec(vec![-1_i8], 1)?)?.to_vec::<i8>()?, [127, 0, 127]);
    let e = x.add(&y).unwrap_err();
    assert_eq!((e.kind(), e.message().as_str()), (ErrorKind::DType, "add: operands of types i8 and i32"));
    Ok(())
}

#[test]
fn indices_may_be_of_32_bits() -> Result<()> {
    let x = tensor![[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]];
    let index = Tensor::from_vec(vec![2_i32, 0], 2)?;
    let wide = index.to_dtype(DType::I64);
    let same = |a: Tensor, b: Tensor| assert_eq!(a.to_f64_vec(), b.to_f64_vec());
    same(x.index_select(0, &index)?, x.index_select(0, &wide)?);
    same(index.embedding(&x, None)?, wide.embedding(&x, None)?);
    same(index.one_hot(3)?, wide.one_hot(3)?);
    same(x.index(&index)?, x.index(&wide)?);
    let e = x.index_select(0, &Tensor::from_vec(vec![7_i32], 1)?).unwrap_err();
    assert_eq!(e.message(), "index_select: index 7 (element 0) is out of range for dimension 0 of [3, 2] (size 3)");
    Ok(())
}
