use ::ndarray::{Array2, Array3, ArrayD, IxDyn, ShapeBuilder, s};

use super::*;
use crate::tensor::DType;

#[test]
fn every_layout_of_an_array() -> Result<()> {
    let rows = Array3::from_shape_fn((2, 3, 4), |(i, j, k)| (100 * i + 10 * j + k) as f32);
    let columns = Array3::from_shape_fn((2, 3, 4).f(), |(i, j, k)| (100 * i + 10 * j + k) as f32);
    let part = rows.slice(s![.., ..;2, 1..;2]);
    let backwards = rows.slice(s![..;-1, .., ..]);
    for view in [rows.view(), columns.view(), part, backwards] {
        let x = Tensor::from_ndarray(&view)?;
        assert_eq!(x.shape(), view.shape());
        assert_eq!(x.to_vec::<f32>()?, view.iter().copied().collect::<Vec<_>>());
        assert_eq!(x.to_ndarray::<f32>()?.view(), view.into_dyn());
    }
    // In Fortran's order it is one piece, and a view of it.
    assert!(!Tensor::from_ndarray(&columns)?.is_contiguous());
    assert_eq!(Tensor::from_ndarray(&Array2::<u8>::zeros((0, 3)))?.shape(), [0, 3]);
    assert_eq!(Tensor::from_ndarray(&ArrayD::from_elem(IxDyn(&[]), 7_i64))?.item()?, 7.0);
    let many = ArrayD::from_elem(IxDyn(&[1; 9]), true);
    let e = Tensor::from_ndarray(&many).unwrap_err();
    assert!(e.message().ends_with("9 dimensions, at most 8 are supported"), "{e}");
    Ok(())
}

#[test]
fn views_see_the_same_memory() -> Result<()> {
    let mut x = Tensor::from_vec((0..12).map(|i| i as f64).collect(), [3, 4])?;
    assert!(std::ptr::eq(x.view_ndarray::<f64>()?.as_ptr(), x.data::<f64>().as_ptr()));
    {
        let part = x.narrow(1, 1, 2)?.transpose(0, 1)?;
        let view = part.view_ndarray::<f64>()?;
        assert_eq!(view.iter().copied().collect::<Vec<_>>(), part.to_vec::<f64>()?);
    }
    x.view_ndarray_mut::<f64>()?[[1, 2]] = -1.0;
    assert_eq!(x.to_vec::<f64>()?[6], -1.0);
    // A clone keeps its own.
    let kept = x.clone();
    x.view_ndarray_mut::<f64>()?.fill(0.0);
    assert_eq!(kept.to_vec::<f64>()?[6], -1.0);
    let e = x.view_ndarray::<f32>().unwrap_err();
    assert_eq!(e.message(), "view_ndarray: the elements must be f32, not f64");
    assert!(x.to_ndarray::<f32>().is_err() && x.view_ndarray_mut::<f32>().is_err());
    assert_eq!(Tensor::zeros([0, 3])?.view_ndarray::<f32>()?.shape(), [0, 3]);
    let wide = Tensor::ones([1, 3])?.broadcast_to([4, 3])?;
    match wide.view_ndarray::<f32>() {
        Ok(view) => assert_eq!(view.sum(), 12.0),
        Err(e) => assert_eq!(e.message(), "view_ndarray: a view of shape [4, 3] that repeats elements"),
    }
    assert_eq!(wide.to_ndarray::<f32>()?.sum(), 12.0);
    assert_eq!(Tensor::from_ndarray(&Array2::<half::f16>::zeros((2, 2)))?.dtype(), DType::F16);
    Ok(())
}
