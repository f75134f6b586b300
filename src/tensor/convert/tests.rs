use super::*;
use crate::{ErrorKind, tensor};

#[test]
fn views_give_their_elements_in_row_major_order() {
    let x = tensor![[1.0, 2.0], [3.0, 4.0]];
    assert_eq!(x.to_vec::<f32>().unwrap(), [1.0, 2.0, 3.0, 4.0]);
    assert_eq!(x.t().to_vec::<f32>().unwrap(), [1.0, 3.0, 2.0, 4.0]);
    assert_eq!(x.t().to_f64_vec(), [1.0, 3.0, 2.0, 4.0]);
    assert_eq!(x.as_slice::<f32>().unwrap(), [1.0, 2.0, 3.0, 4.0]);
    assert!(Tensor::zeros([0, 2]).unwrap().as_slice::<f32>().unwrap().is_empty());
}

#[test]
fn wrong_types_are_refused_word_for_word() {
    let mut x = tensor![1.0];
    let e = x.to_vec::<f64>().unwrap_err();
    assert_eq!((e.kind(), e.message().as_str()), (ErrorKind::DType, "to_vec: the elements are f32, not f64"));
    let literals = "Tensor::from_vec(vec![1.0]) makes f64, tensor![1.0] and 1.0_f32 make f32";
    assert_eq!(e.help(), Some(format!("convert with to_dtype(DType::F64); {literals}").as_str()));
    assert_eq!(x.as_slice::<i64>().unwrap_err().message(), "as_slice: the elements are f32, not i64");
    assert_eq!(x.as_mut_slice::<bool>().unwrap_err().message(), "as_mut_slice: the elements are f32, not bool");
}

#[test]
fn strided_views_have_no_slice() {
    let e = tensor![[1.0, 2.0], [3.0, 4.0]].t().as_slice::<f32>().unwrap_err();
    assert_eq!(e.message(), "as_slice: the tensor of shape [2, 2] is a strided view");
    assert_eq!(e.help(), Some("call contiguous() first, or use to_vec()"));
}

#[test]
fn writing_changes_no_other_tensor() {
    let original = tensor![[1.0, 2.0], [3.0, 4.0]];
    for mut copy in [original.clone(), original.t(), original.broadcast_to([2, 2, 2]).unwrap()] {
        let before = copy.to_vec::<f32>().unwrap();
        copy.as_mut_slice::<f32>().unwrap()[1] = 9.0;
        let after = copy.to_vec::<f32>().unwrap();
        assert_eq!((after[0], after[1], &after[2..]), (before[0], 9.0, &before[2..]));
        assert_eq!(original.to_vec::<f32>().unwrap(), [1.0, 2.0, 3.0, 4.0]);
    }
}

#[test]
fn writing_in_place_needs_no_copy() {
    let mut x = tensor![1.0, 2.0];
    let place = x.as_slice::<f32>().unwrap().as_ptr();
    x.as_mut_slice::<f32>().unwrap()[0] = 5.0;
    assert_eq!(x.as_slice::<f32>().unwrap().as_ptr(), place);
    assert_eq!(x.to_vec::<f32>().unwrap(), [5.0, 2.0]);
}

#[test]
fn recorded_tensors_are_not_written_to() {
    let mut x = tensor![1.0].tracked().unwrap();
    let e = x.as_mut_slice::<f32>().unwrap_err();
    assert_eq!(e.message(), "as_mut_slice: writing into a tensor that gradients are recorded for");
    assert_eq!(e.help(), Some("write into detach()ed values instead"));
}

#[test]
fn an_item_is_a_single_element() {
    assert_eq!(tensor![[[7.5]]].item().unwrap(), 7.5);
    assert_eq!(Tensor::from_nested([true]).unwrap().item().unwrap(), 1.0);
    let e = tensor![1.0, 2.0].item().unwrap_err();
    assert_eq!(e.message(), "item: a tensor of shape [2] has 2 elements, expected one");
    assert_eq!(e.help(), Some("reduce it first, for example with mean() or sum()"));
    assert!(Tensor::zeros([0]).unwrap().item().is_err());
}
