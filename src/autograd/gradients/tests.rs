use super::*;
use crate::tensor;

/// Nothing is added to any of them if one does not fit.
#[test]
fn gradients_of_other_types_change_nothing() -> Result<()> {
    let leaves = [tensor![0.0].tracked()?, tensor![0.0].tracked()?, tensor![0.0].tracked()?];
    let of = |values: [Tensor; 2]| Gradients::of(leaves[..2].iter().zip(values));
    let mut sum = of([tensor![1.0], tensor![2.0]]);
    let wide = tensor![4.0].to_dtype(DType::F64);
    let e = sum.accumulate_scaled(of([tensor![3.0], wide.clone()]), 0.5).unwrap_err();
    assert_eq!(e.message(), "add: operands of types f32 and f64");
    assert_eq!((sum.wrt(&leaves[0])?.item()?, sum.wrt(&leaves[1])?.item()?), (1.0, 2.0));
    // Nor is one that was not there before.
    let third = [(&leaves[0], tensor![3.0]), (&leaves[1], wide), (&leaves[2], tensor![5.0])];
    assert!(sum.accumulate(Gradients::of(third.into_iter())).is_err());
    assert_eq!((sum.len(), sum.wrt(&leaves[0])?.item()?), (2, 1.0));
    sum.accumulate_scaled(of([tensor![3.0], tensor![4.0]]), 0.5)?;
    assert_eq!((sum.wrt(&leaves[0])?.item()?, sum.wrt(&leaves[1])?.item()?), (2.5, 4.0));
    Ok(())
}
