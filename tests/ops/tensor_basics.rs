//! Tensors from outside: that views of views show the right elements, and nothing else changes.

use demotic::{DType, Result, Tensor, tensor};
use proptest::prelude::*;

/// A tensor as a list of elements that knows nothing of strides.
#[derive(Debug, Clone, PartialEq)]
struct Model {
    shape: Vec<usize>,
    elements: Vec<i64>,
}

impl Model {
    fn arange(shape: &[usize]) -> Self {
        let n = shape.iter().product::<usize>() as i64;
        Self { shape: shape.to_vec(), elements: (0..n).collect() }
    }

    /// The elements of another shape, each from the index that `from` says.
    fn pick(&self, shape: Vec<usize>, from: impl Fn(&[usize]) -> Vec<usize>) -> Self {
        let n = shape.iter().product();
        let element = |mut place: usize| {
            let mut index = vec![0; shape.len()];
            for i in (0..shape.len()).rev() {
                index[i] = place % shape[i];
                place /= shape[i];
            }
            let own = from(&index).iter().zip(&self.shape).fold(0, |place, (i, n)| place * n + i);
            self.elements[own]
        };
        Self { elements: (0..n).map(element).collect(), shape }
    }
}

/// What can be done to a tensor; numbers are reduced to what the tensor at hand has room for.
#[derive(Debug, Clone)]
enum View {
    Transpose(usize, usize),
    Permute(Vec<usize>),
    Narrow(usize, usize, usize),
    Select(usize, usize),
    Unsqueeze(usize),
    Squeeze(usize),
    Broadcast(usize),
    Reshape,
    Flip(usize),
}

impl View {
    fn apply(&self, x: &Tensor, model: &Model) -> Result<(Tensor, Model)> {
        let (rank, shape) = (x.rank(), model.shape.clone());
        let pick = |shape: Vec<usize>, from: &dyn Fn(&[usize]) -> Vec<usize>| model.pick(shape, from);
        let unchanged = || Ok((x.clone(), model.clone()));
        match *self {
            Self::Unsqueeze(at) => {
                let at = at % (rank + 1);
                let mut wide = shape.clone();
                wide.insert(at, 1);
                Ok((x.unsqueeze(at as isize)?, Model { shape: wide, elements: model.elements.clone() }))
            }
            Self::Reshape => {
                let flat = x.reshape([x.numel()])?;
                Ok((flat, Model { shape: vec![model.elements.len()], elements: model.elements.clone() }))
            }
            Self::Broadcast(times) if rank < 6 => {
                let mut wide = vec![times];
                wide.extend(&shape);
                Ok((x.broadcast_to(&wide)?, pick(wide, &|i| i[1..].to_vec())))
            }
            _ if rank == 0 => unchanged(),
            Self::Transpose(a, b) => {
                let (a, b) = (a % rank, b % rank);
                let swap = |list: &[usize]| {
                    let mut list = list.to_vec();
                    list.swap(a, b);
                    list
                };
                Ok((x.transpose(a as isize, b as isize - rank as isize)?, pick(swap(&shape), &swap)))
            }
            Self::Permute(ref keys) => {
                let mut order: Vec<usize> = (0..rank).collect();
                order.sort_by_key(|i| keys[*i]);
                let back =
                    |index: &[usize]| (0..rank).map(|i| index[order.iter().position(|o| *o == i).unwrap()]).collect();
                let turned = order.iter().map(|i| shape[*i]).collect();
                Ok((x.permute(&order.iter().map(|i| *i as isize).collect::<Vec<_>>())?, pick(turned, &back)))
            }
            Self::Narrow(dim, start, len) => {
                let dim = dim % rank;
                let start = start % (shape[dim] + 1);
                let len = len % (shape[dim] - start + 1);
                let mut short = shape.clone();
                short[dim] = len;
                let moved = |index: &[usize]| {
                    let mut index = index.to_vec();
                    index[dim] += start;
                    index
                };
                Ok((x.narrow(dim as isize, start, len)?, pick(short, &moved)))
            }
            Self::Select(dim, _) if shape[dim % rank] == 0 => unchanged(),
            Self::Select(dim, at) => {
                let dim = dim % rank;
                let at = at % shape[dim];
                let mut rest = shape.clone();
                rest.remove(dim);
                let with = |index: &[usize]| {
                    let mut index = index.to_vec();
                    index.insert(dim, at);
                    index
                };
                // From the end.
                Ok((x.select(dim as isize, at as isize - shape[dim] as isize)?, pick(rest, &with)))
            }
            Self::Squeeze(dim) if shape[dim % rank] == 1 => {
                let dim = dim % rank;
                let mut rest = shape.clone();
                rest.remove(dim);
                Ok((x.squeeze(dim as isize)?, Model { shape: rest, elements: model.elements.clone() }))
            }
            Self::Flip(dim) => {
                let dim = dim % rank;
                let turned = |index: &[usize]| {
                    let mut index = index.to_vec();
                    index[dim] = shape[dim] - 1 - index[dim];
                    index
                };
                Ok((x.flip(&[dim as isize])?, pick(shape.clone(), &turned)))
            }
            Self::Squeeze(_) | Self::Broadcast(..) => unchanged(),
        }
    }
}

fn any_view() -> impl Strategy<Value = View> {
    let n = || 0usize..8;
    prop_oneof![
        (n(), n()).prop_map(|(a, b)| View::Transpose(a, b)),
        prop::collection::vec(n(), 8).prop_map(View::Permute),
        (n(), n(), n()).prop_map(|(dim, start, len)| View::Narrow(dim, start, len)),
        (n(), n()).prop_map(|(dim, at)| View::Select(dim, at)),
        n().prop_map(View::Unsqueeze),
        n().prop_map(View::Squeeze),
        (1usize..4).prop_map(View::Broadcast),
        Just(View::Reshape),
        n().prop_map(View::Flip),
    ]
}

proptest! {
    #[test]
    fn views_of_views_show_the_right_elements(
        shape in prop::collection::vec(0usize..5, 0..=4),
        views in prop::collection::vec(any_view(), 0..8),
    ) {
        let mut model = Model::arange(&shape);
        let original = Tensor::from_slice(&model.elements, &shape).unwrap();
        let (mut x, before) = (original.clone(), model.elements.clone());
        for view in &views {
            if x.rank() == 8 || model.elements.len() > 5000 {
                break;
            }
            (x, model) = view.apply(&x, &model).unwrap();
            prop_assert_eq!(x.shape(), &model.shape[..]);
            prop_assert_eq!(x.numel(), model.elements.len());
            prop_assert_eq!(x.is_contiguous(), x.as_slice::<i64>().is_ok());
        }
        prop_assert_eq!(x.to_vec::<i64>().unwrap(), &model.elements[..]);
        let packed = x.contiguous();
        prop_assert_eq!(packed.as_slice::<i64>().unwrap(), &model.elements[..]);
        // Kernels see views as they look.
        let sums = x.add(&x).unwrap().to_vec::<i64>().unwrap();
        prop_assert_eq!(sums, model.elements.iter().map(|x| x + x).collect::<Vec<_>>());
        prop_assert_eq!(x.to_dtype(DType::F64).to_f64_vec(), model.elements.iter().map(|x| *x as f64).collect::<Vec<_>>());
        // Writing to a view changes nothing else.
        x.as_mut_slice::<i64>().unwrap().fill(-1);
        prop_assert_eq!(original.to_vec::<i64>().unwrap(), before);
    }

    #[test]
    fn every_tensor_can_be_printed(shape in prop::collection::vec(0usize..5, 0..=8), scale in -40i32..40) {
        let x = Tensor::full(&shape, 1.5 * 10f64.powi(scale)).unwrap();
        for dtype in [DType::F32, DType::F64, DType::BF16, DType::F16, DType::I64, DType::U8, DType::Bool] {
            let text = x.to_dtype(dtype).to_string();
            let last = format!("\n{shape:?} {dtype}");
            prop_assert!(text.ends_with(&last), "{}", text);
        }
    }
}

#[test]
fn a_tensor_knows_its_shape() -> Result<()> {
    let x = Tensor::zeros([2, 3, 4])?;
    assert_eq!((x.shape(), x.rank(), x.numel(), x.is_empty()), (&[2, 3, 4][..], 3, 24, false));
    assert_eq!((x.size(0)?, x.size(-1)?), (2, 4));
    assert_eq!(x.size(3).unwrap_err().message(), "size: dimension 3 is out of range for 3 dimensions (-3 ..= 2)");
    assert_eq!((x.strides(), x.transpose(0, 2)?.strides()), (&[12, 4, 1][..], &[1, 4, 12][..]));
    let scalar = Tensor::scalar(1.0);
    assert_eq!((scalar.rank(), scalar.numel(), scalar.is_contiguous()), (0, 1, true));
    assert!(Tensor::zeros([3, 0])?.is_empty());
    Ok(())
}

#[test]
fn views_share_memory_and_copies_do_not() -> Result<()> {
    let x = tensor![[1.0, 2.0], [3.0, 4.0]];
    for view in [x.clone(), x.t(), x.reshape([4])?, x.narrow(0, 1, 1)?, x.broadcast_to([3, 2, 2])?, x.detach()] {
        assert!(view.shares_storage(&x));
    }
    for copy in [x.t().contiguous(), x.t().reshape([4])?, x.add_scalar(0.0), x.full_like(1.0)] {
        assert!(!copy.shares_storage(&x));
    }
    Ok(())
}

#[test]
fn tensors_go_to_other_threads() {
    fn check<T: Send + Sync + Clone + std::fmt::Debug>() {}
    check::<Tensor>();
    let x = tensor![1.0, 2.0].tracked().unwrap();
    let y = std::thread::scope(|scope| scope.spawn(|| x.square().sum()).join().unwrap());
    assert_eq!(y.backward().unwrap().wrt(&x).unwrap().to_vec::<f32>().unwrap(), [2.0, 4.0]);
}
