use super::*;
use crate::tensor;
use crate::tensor::DType;

/// Expected value from PyTorch: `F.cross_entropy(logits, targets).exp()`.
#[test]
fn perplexity_is_the_exponential_of_the_loss() {
    let logits = tensor![[[1.0, 2.0, 0.5], [0.0, -1.0, 3.0]], [[0.25, 0.25, 0.25], [9.0, 9.0, 9.0]]];
    let targets = Tensor::from_nested([[1i64, 0], [2, -100]]).unwrap();
    assert!((perplexity(&logits, &targets).unwrap() - 4.678_394_484_378_122).abs() < 1e-5);
    let e = perplexity(&logits, &Tensor::from_nested([1i64, 0]).unwrap()).unwrap_err();
    let message = "perplexity: logits of shape [2, 2, 3] and targets of shape [2], expected [.., classes] and [..]";
    assert_eq!(e.message(), message);
    assert!(perplexity(&tensor![1.0], &targets).is_err());
    assert!(perplexity(&Tensor::zeros([0, 3]).unwrap(), &Tensor::full_dtype([0], 0.0, DType::I64).unwrap()).is_err());
    assert_eq!(bits_per_character(1.0, 3, 0).unwrap_err().message(), "bits_per_character: the text has no characters");
}
