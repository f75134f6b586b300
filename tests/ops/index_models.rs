//! What moves elements, compared with models that find each element of the result by its indices, on random shapes,
//! arguments and strides.

#![expect(clippy::reversed_empty_ranges, reason = "`2..=-1` is a range of places that ends at the last one")]
#![expect(clippy::type_complexity, reason = "tables of cases with a model for each")]

use demotic::parallel::with_threads;
use demotic::tensor::index::{Ellipsis, Index, NewAxis, Places};
use demotic::{DType, Result, Tensor};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index as Pick, subsequence};

/// Every index into a shape, in row-major order.
fn places(shape: &[usize]) -> Vec<Vec<usize>> {
    let mut all = vec![vec![]];
    for &n in shape {
        all = all.into_iter().flat_map(|p| (0..n).map(move |i| [p.clone(), vec![i]].concat())).collect();
    }
    all
}

/// A tensor by its definition.
#[derive(Debug, Clone, PartialEq)]
struct Model {
    shape: Vec<usize>,
    values: Vec<f64>,
}

impl Model {
    fn new(shape: &[usize], value: impl Fn(&[usize]) -> f64) -> Self {
        Self { shape: shape.to_vec(), values: places(shape).iter().map(|p| value(p)).collect() }
    }

    fn of(x: &Tensor) -> Self {
        Self { shape: x.shape().to_vec(), values: x.to_f64_vec() }
    }

    fn place(&self, at: &[usize]) -> usize {
        assert_eq!(at.len(), self.shape.len());
        at.iter().zip(&self.shape).fold(0, |sum, (i, n)| sum * n + i)
    }

    fn at(&self, at: &[usize]) -> f64 {
        self.values[self.place(at)]
    }

    fn at_mut(&mut self, at: &[usize]) -> &mut f64 {
        let place = self.place(at);
        &mut self.values[place]
    }
}

fn with(at: &[usize], dim: usize, i: usize) -> Vec<usize> {
    let mut at = at.to_vec();
    at[dim] = i;
    at
}

/// Distinct whole numbers, as a view with or without gaps.
fn numbered(shape: &[usize], strided: bool) -> Tensor {
    let n: usize = shape.iter().product();
    let x = Tensor::arange(n).unwrap().to_dtype(DType::F64).reshape(shape).unwrap();
    if !strided {
        return x;
    }
    let reversed: Vec<isize> = (0..shape.len() as isize).rev().collect();
    let turned = x.permute(&reversed).unwrap();
    let pairs: Vec<f64> = turned.to_f64_vec().into_iter().flat_map(|value| [-1.0, value]).collect();
    let pairs = Tensor::from_vec(pairs, [turned.shape(), &[2]].concat()).unwrap();
    let view = pairs.select(-1, 1).unwrap().permute(&reversed).unwrap();
    assert_eq!(view.to_f64_vec(), x.to_f64_vec());
    view
}

fn tensors() -> impl Strategy<Value = Tensor> {
    (vec(0usize..5, 1..4), any::<bool>()).prop_map(|(shape, strided)| numbered(&shape, strided))
}

fn full_tensors() -> impl Strategy<Value = Tensor> {
    (vec(1usize..5, 1..4), any::<bool>()).prop_map(|(shape, strided)| numbered(&shape, strided))
}

fn indices(values: &[usize], shape: &[usize]) -> Tensor {
    Tensor::from_vec(values.iter().map(|i| *i as i64).collect(), shape).unwrap()
}

/// One item of a random index.
#[derive(Debug, Clone)]
enum Item {
    At(Pick, bool),
    Range(Option<isize>, Option<isize>, usize),
    NewAxis,
    Ellipsis,
    List(Vec<Pick>, bool),
    Mask(Vec<bool>),
}

fn items() -> impl Strategy<Value = Vec<Item>> {
    let bound = || proptest::option::of(-6isize..7);
    let item = prop_oneof![
        (any::<Pick>(), any::<bool>()).prop_map(|(i, negative)| Item::At(i, negative)),
        (bound(), bound(), 1usize..4).prop_map(|(a, b, step)| Item::Range(a, b, step)),
        Just(Item::NewAxis),
        Just(Item::Ellipsis),
        (vec(any::<Pick>(), 0..5), any::<bool>()).prop_map(|(list, negative)| Item::List(list, negative)),
        vec(any::<bool>(), 5).prop_map(Item::Mask),
    ];
    vec(item, 0..5).prop_filter("at most one ellipsis and one tensor", |items| {
        let count = |f: fn(&Item) -> bool| items.iter().filter(|item| f(item)).count();
        count(|i| matches!(i, Item::Ellipsis)) <= 1 && count(|i| matches!(i, Item::List(..) | Item::Mask(_))) <= 1
    })
}

/// Python's rule for the places of a range.
fn range(start: Option<isize>, end: Option<isize>, step: usize, size: usize) -> Vec<usize> {
    let size = size as isize;
    let bound = |i: isize| if i < 0 { (i + size).max(0) } else { i.min(size) };
    let (start, end) = (start.map_or(0, bound), end.map_or(size, bound));
    (start..end).step_by(step).map(|i| i as usize).collect()
}

/// An index as the places along each dimension, and whether the dimension stays (`None`: a new one).
struct Meaning {
    tensors: Vec<Tensor>,
    items: Vec<(Item, usize)>,
    dims: Vec<(Option<Vec<usize>>, bool)>,
}

impl Meaning {
    fn of(items: &[Item], shape: &[usize]) -> Option<Self> {
        let named = items.iter().filter(|item| !matches!(item, Item::NewAxis | Item::Ellipsis)).count();
        let rest = shape.len().checked_sub(named)?;
        let (mut left, mut dims, mut tensors, mut kept) = (shape.iter(), vec![], vec![], vec![]);
        let whole = |dims: &mut Vec<_>, left: &mut std::slice::Iter<'_, usize>, n| {
            dims.extend(left.take(n).map(|n| (Some((0..*n).collect::<Vec<_>>()), true)));
        };
        for item in items {
            let mut size = 0;
            match item {
                Item::NewAxis => dims.push((None, true)),
                Item::Ellipsis => whole(&mut dims, &mut left, rest),
                _ => {
                    size = *left.next()?;
                    dims.push(match item {
                        Item::At(i, _) if size > 0 => (Some(vec![i.index(size)]), false),
                        Item::Range(a, b, step) => (Some(range(*a, *b, *step, size)), true),
                        Item::List(list, _) if size > 0 => (Some(list.iter().map(|i| i.index(size)).collect()), true),
                        Item::Mask(mask) => (Some((0..size).filter(|i| mask[*i]).collect()), true),
                        _ => return None,
                    });
                }
            }
            tensors.extend(match item {
                Item::List(list, negative) => {
                    let back = if *negative { size as i64 } else { 0 };
                    let list: Vec<i64> = list.iter().map(|i| i.index(size) as i64 - back).collect();
                    let n = list.len();
                    Some(Tensor::from_vec(list, n).unwrap())
                }
                Item::Mask(mask) => Some(Tensor::from_slice(&mask[..size], size).unwrap()),
                _ => None,
            });
            kept.push((item.clone(), size));
        }
        whole(&mut dims, &mut left, usize::MAX);
        Some(Self { tensors, items: kept, dims })
    }

    fn arguments(&self) -> Vec<Index<'_>> {
        let item = |(item, size): &(Item, usize)| match item {
            Item::At(i, negative) => Index::At(i.index(*size) as isize - if *negative { *size as isize } else { 0 }),
            Item::Range(start, end, step) => Index::Range(Places { start: *start, end: *end, step: *step }),
            Item::NewAxis => Index::NewAxis,
            Item::Ellipsis => Index::Ellipsis,
            Item::List(..) | Item::Mask(_) => Index::Tensor(&self.tensors[0]),
        };
        self.items.iter().map(item).collect()
    }

    fn shape(&self) -> Vec<usize> {
        let size = |(places, _): &(Option<Vec<usize>>, bool)| places.as_ref().map_or(1, Vec::len);
        self.dims.iter().filter(|(_, stays)| *stays).map(size).collect()
    }

    /// Where an element of the result comes from.
    fn source(&self, at: &[usize]) -> Vec<usize> {
        let mut at = at.iter();
        let mut source = vec![];
        for (places, stays) in &self.dims {
            let i = if *stays { *at.next().unwrap() } else { 0 };
            source.extend(places.as_ref().map(|places| places[i]));
        }
        source
    }
}

proptest! {
    #[test]
    fn index_is_the_elements_at_its_places(x in tensors(), items in items()) {
        let Some(meaning) = Meaning::of(&items, x.shape()) else { return Ok(()) };
        let model = Model::of(&x);
        let want = Model::new(&meaning.shape(), |at| model.at(&meaning.source(at)));
        prop_assert_eq!(Model::of(&x.index(meaning.arguments()).unwrap()), want);
    }

    #[test]
    fn index_put_replaces_these_elements_in_order(x in tensors(), items in items()) {
        let Some(meaning) = Meaning::of(&items, x.shape()) else { return Ok(()) };
        let shape = meaning.shape();
        let values = numbered(&shape, false).add_scalar(100.0);
        let (mut want, source) = (Model::of(&x), Model::of(&values));
        for at in places(&shape) {
            *want.at_mut(&meaning.source(&at)) = source.at(&at);
        }
        let before = x.to_f64_vec();
        prop_assert_eq!(Model::of(&x.index_put(meaning.arguments(), &values).unwrap()), want);
        prop_assert_eq!(x.to_f64_vec(), before, "the operand itself must stay as it is");
    }

    #[test]
    fn slices_follow_python(x in tensors(), dim in any::<Pick>(), a in -9isize..9, b in -9isize..9, step in 1usize..4) {
        let dim = dim.index(x.rank());
        let kept = range(Some(a), Some(b), step, x.shape()[dim]);
        let model = Model::of(&x);
        let want = Model::new(&with(x.shape(), dim, kept.len()), |at| model.at(&with(at, dim, kept[at[dim]])));
        let got = x.slice(dim as isize, Places { start: Some(a), end: Some(b), step }).unwrap();
        prop_assert!(got.shares_storage(&x));
        prop_assert_eq!(Model::of(&got), want);
    }

    #[test]
    fn parts_put_together_give_the_whole(x in tensors(), dim in any::<Pick>(), size in 1usize..5) {
        let dim = dim.index(x.rank()) as isize;
        for parts in [x.split(size, dim).unwrap(), x.chunk(size, dim).unwrap()] {
            prop_assert!(parts.iter().all(|part| part.shares_storage(&x)));
            let parts: Vec<&Tensor> = parts.iter().collect();
            prop_assert_eq!(Model::of(&Tensor::cat(&parts, dim).unwrap()), Model::of(&x));
        }
    }

    #[test]
    fn cat_and_stack(x in tensors(), dim in any::<Pick>(), other in 0usize..4, count in 1usize..4, strided in any::<bool>()) {
        let model = Model::of(&x);
        let at_dim = dim.index(x.rank());
        let n = x.shape()[at_dim];
        let y = numbered(&with(x.shape(), at_dim, other), strided).add_scalar(500.0);
        let second = Model::of(&y);
        let want = Model::new(&with(x.shape(), at_dim, n + other), |at| match at[at_dim].checked_sub(n) {
            None => model.at(at),
            Some(i) => second.at(&with(at, at_dim, i)),
        });
        prop_assert_eq!(Model::of(&Tensor::cat(&[&x, &y], at_dim as isize).unwrap()), want);

        let new = dim.index(x.rank() + 1);
        let mut shape = x.shape().to_vec();
        shape.insert(new, count);
        let want = Model::new(&shape, |at| {
            let mut at = at.to_vec();
            let which = at.remove(new);
            model.at(&at) + which as f64
        });
        let parts: Vec<Tensor> = (0..count).map(|i| x.add_scalar(i as f64)).collect();
        prop_assert_eq!(Model::of(&Tensor::stack(&parts.iter().collect::<Vec<_>>(), new as isize).unwrap()), want);
    }

    #[test]
    fn repeat_flip_and_roll(x in tensors(), times in vec(0usize..4, 4), shifts in vec(-7isize..7, 4), chosen in any::<u8>()) {
        let (model, rank) = (Model::of(&x), x.rank());
        let shape: Vec<usize> = [1, 1, 1, 1][rank..].iter().chain(x.shape()).zip(&times).map(|(n, t)| n * t).collect();
        let want = Model::new(&shape, |at| {
            model.at(&at[4 - rank..].iter().zip(x.shape()).map(|(i, n)| i % n).collect::<Vec<_>>())
        });
        prop_assert_eq!(Model::of(&x.repeat(&times).unwrap()), want);

        let want = Model::new(&with(x.shape(), 0, x.shape()[0] * times[0]), |at| model.at(&with(at, 0, at[0] / times[0])));
        prop_assert_eq!(Model::of(&x.repeat_interleave(times[0], 0).unwrap()), want);

        let dims: Vec<isize> = (0..rank as isize).filter(|d| chosen >> d & 1 == 1).collect();
        let want = Model::new(x.shape(), |at| {
            let back = |(d, i): (usize, &usize)| if chosen >> d & 1 == 1 { x.shape()[d] - 1 - i } else { *i };
            model.at(&at.iter().enumerate().map(back).collect::<Vec<_>>())
        });
        prop_assert_eq!(Model::of(&x.flip(&dims).unwrap()), want);

        let want = Model::new(x.shape(), |at| {
            let back = |(d, i): (usize, &usize)| {
                let shift = if chosen >> d & 1 == 1 { shifts[d] } else { 0 };
                (*i as isize - shift).rem_euclid(x.shape()[d] as isize) as usize
            };
            model.at(&at.iter().enumerate().map(back).collect::<Vec<_>>())
        });
        let chosen: Vec<isize> = dims.iter().map(|d| shifts[*d as usize]).collect();
        prop_assert_eq!(Model::of(&x.roll(&chosen, &dims).unwrap()), want);
    }

    #[test]
    fn margins(x in full_tensors(), pairs in vec((-1isize..4, 0isize..4), 1..4)) {
        let unpadded = match x.rank().checked_sub(pairs.len()) { Some(n) => n, None => return Ok(()) };
        let model = Model::of(&x);
        let pair = |d: usize| d.checked_sub(unpadded).map_or((0, 0), |i| pairs[i]);
        let sizes: Vec<isize> = x.shape().iter().enumerate().map(|(d, n)| *n as isize + pair(d).0 + pair(d).1).collect();
        let shape: Vec<usize> = sizes.iter().map(|n| *n as usize).collect();
        // The places along each dimension of what is left after cropping, by the rule of a mode.
        let padded = |fit: &dyn Fn(isize, isize) -> Option<isize>| Model::new(&shape, |at| {
            let mut source = vec![];
            for (d, i) in at.iter().enumerate() {
                let cropped = (-pair(d).0).max(0);
                let size = x.shape()[d] as isize - cropped;
                match fit(*i as isize - pair(d).0.max(0), size) {
                    Some(i) => source.push((i + cropped) as usize),
                    None => return 7.5,
                }
            }
            model.at(&source)
        });
        let inside = |i: isize, size: isize| (0..size).contains(&i);
        prop_assert_eq!(Model::of(&x.pad(&pairs, 7.5).unwrap()), padded(&|i, size| inside(i, size).then_some(i)));

        let left: Vec<isize> = (0..x.rank()).map(|d| x.shape()[d] as isize + pair(d).0.min(0)).collect();
        let largest = |d: usize| pair(d).0.max(pair(d).1);
        let allowed = |limit: &dyn Fn(isize) -> isize| {
            (0..x.rank()).all(|d| largest(d) <= 0 || left[d] > 0 && largest(d) <= limit(left[d]))
        };
        let cases: [(Result<Tensor>, bool, &dyn Fn(isize, isize) -> Option<isize>); 3] = [
            (x.pad_replicate(&pairs), allowed(&|_| isize::MAX), &|i, size| Some(i.clamp(0, size - 1))),
            (x.pad_circular(&pairs), allowed(&|size| size), &|i, size| Some(i.rem_euclid(size))),
            (x.pad_reflect(&pairs), allowed(&|size| size - 1), &|i, size| {
                Some(if i < 0 { -i } else if i >= size { 2 * size - 2 - i } else { i })
            }),
        ];
        for (got, allowed, fit) in cases {
            prop_assert_eq!(got.is_ok(), allowed);
            if let Ok(got) = got {
                prop_assert_eq!(Model::of(&got), padded(fit));
            }
        }
    }

    #[test]
    fn rows_by_index(x in full_tensors(), dim in any::<Pick>(), picks in vec(any::<Pick>(), 0..6), strided in any::<bool>()) {
        let dim = dim.index(x.rank());
        let list: Vec<usize> = picks.iter().map(|i| i.index(x.shape()[dim])).collect();
        let index = indices(&list, &[list.len()]);
        let (model, shape) = (Model::of(&x), with(x.shape(), dim, list.len()));
        let want = Model::new(&shape, |at| model.at(&with(at, dim, list[at[dim]])));
        prop_assert_eq!(Model::of(&x.index_select(dim as isize, &index).unwrap()), want);

        let source = numbered(&shape, strided);
        let (mut want, values) = (model, Model::of(&source));
        for at in places(&shape) {
            *want.at_mut(&with(&at, dim, list[at[dim]])) += values.at(&at);
        }
        prop_assert_eq!(Model::of(&x.index_add(dim as isize, &index, &source).unwrap()), want);
    }

    #[test]
    fn elements_by_index(
        x in full_tensors(),
        dim in any::<Pick>(),
        sizes in vec(any::<Pick>(), 3),
        length in 0usize..6,
        picks in vec(any::<Pick>(), 6 * 16),
        strided in any::<bool>(),
    ) {
        let dim = dim.index(x.rank());
        // Any length along the indexed dimension, at most the tensor's along the others.
        let mut shape: Vec<usize> = x.shape().iter().zip(&sizes).map(|(n, size)| size.index(n + 1)).collect();
        shape[dim] = length;
        let count = shape.iter().product::<usize>();
        let list: Vec<usize> = picks[..count].iter().map(|i| i.index(x.shape()[dim])).collect();
        let (index, model) = (indices(&list, &shape), Model::of(&x));
        let places_of = Model { shape: shape.clone(), values: list.iter().map(|i| *i as f64).collect() };
        let target = |at: &[usize]| with(at, dim, places_of.at(at) as usize);
        let want = Model::new(&shape, |at| model.at(&target(at)));
        prop_assert_eq!(Model::of(&x.gather(dim as isize, &index).unwrap()), want);

        // A source that is larger than the index.
        let wide: Vec<usize> = shape.iter().map(|n| n + 1).collect();
        let source = numbered(&wide, strided).add_scalar(0.5);
        let values = Model::of(&source);
        let (mut put, mut added) = (model.clone(), model);
        for at in places(&shape) {
            *put.at_mut(&target(&at)) = values.at(&at);
            *added.at_mut(&target(&at)) += values.at(&at);
        }
        prop_assert_eq!(Model::of(&x.scatter(dim as isize, &index, &source).unwrap()), put);
        prop_assert_eq!(Model::of(&x.scatter_add(dim as isize, &index, &source).unwrap()), added);
    }

    #[test]
    fn triangles_and_diagonals(shape in vec(0usize..5, 2..4), strided in any::<bool>(), k in -6isize..7, order in Just(vec![0usize, 1, 2]).prop_shuffle()) {
        let x = numbered(&shape, strided).add_scalar(1.0);
        let (model, rank) = (Model::of(&x), x.rank());
        let above = |at: &[usize]| at[rank - 1] as isize - at[rank - 2] as isize;
        let lower = Model::new(&shape, |at| if above(at) <= k { model.at(at) } else { 0.0 });
        let upper = Model::new(&shape, |at| if above(at) >= k { model.at(at) } else { 0.0 });
        prop_assert_eq!(Model::of(&x.tril(k).unwrap()), lower);
        prop_assert_eq!(Model::of(&x.triu(k).unwrap()), upper);

        let dims: Vec<usize> = order.into_iter().filter(|d| *d < rank).collect();
        let (a, b) = (dims[0], dims[1]);
        let (down, right) = ((-k).max(0) as usize, k.max(0) as usize);
        let len = shape[a].saturating_sub(down).min(shape[b].saturating_sub(right));
        let mut kept: Vec<usize> = (0..rank).filter(|d| ![a, b].contains(d)).map(|d| shape[d]).collect();
        kept.push(len);
        let want = Model::new(&kept, |at| {
            let mut others = at.iter();
            let i = at[at.len() - 1];
            let place = |d| if d == a { i + down } else if d == b { i + right } else { *others.next().unwrap() };
            model.at(&(0..rank).map(place).collect::<Vec<_>>())
        });
        let diagonal = x.diagonal(k, a as isize, b as isize).unwrap();
        prop_assert!(diagonal.shares_storage(&x));
        prop_assert_eq!(Model::of(&diagonal), want);
        let back = diagonal.diag_embed(k, a as isize, b as isize).unwrap();
        prop_assert_eq!(Model::of(&back.diagonal(k, a as isize, b as isize).unwrap()), Model::of(&diagonal));
        prop_assert_eq!(back.sum().item().unwrap(), diagonal.sum().item().unwrap());
    }

    #[test]
    fn masks_choose_in_row_major_order(x in tensors(), mask in any::<u64>(), row in any::<bool>()) {
        let last = *x.shape().last().unwrap();
        let shape = if row { vec![last] } else { x.shape().to_vec() };
        let n = shape.iter().product::<usize>();
        let flags: Vec<bool> = (0..n).map(|i| mask >> (i % 64) & 1 == 1).collect();
        let tensor = Tensor::from_slice(&flags, shape).unwrap();
        let values = x.to_f64_vec();
        let want: Vec<f64> = (0..values.len()).filter(|i| flags[i % n]).map(|i| values[i]).collect();
        prop_assert_eq!(x.masked_select(&tensor).unwrap().to_f64_vec(), want);
    }

    #[test]
    fn reshape_keeps_the_order(x in tensors(), order in Just(vec![0isize, 1, 2]).prop_shuffle(), at in any::<Pick>()) {
        let order: Vec<isize> = order.into_iter().filter(|d| *d < x.rank() as isize).collect();
        let x = x.permute(&order).unwrap();
        let values = x.to_f64_vec();
        let mut shape = x.shape().to_vec();
        let merged = at.index(shape.len());
        let pair: Vec<usize> = shape.drain(merged..(merged + 2).min(shape.len())).collect();
        shape.insert(merged, pair.iter().product());
        let y = x.reshape(&shape).unwrap();
        prop_assert_eq!(y.shape(), &*shape);
        prop_assert_eq!(y.to_f64_vec(), values.clone());
        prop_assert_eq!(y.reshape(x.shape()).unwrap().to_f64_vec(), values);
    }

    /// Up to three operands with up to four letters, against the sum over all values of all letters.
    #[test]
    fn einsum_is_a_sum_of_products(
        sizes in vec(1usize..4, 4),
        terms in vec(vec(0usize..4, 0..4), 1..4),
        broadcast in any::<u16>(),
        result in subsequence(vec![0usize, 1, 2, 3], 0..=4).prop_shuffle(),
        ellipsis in vec(0usize..3, 3),
        strided in any::<bool>(),
    ) {
        let letter = |i: &usize| ['i', 'B', 'k', 'z'][*i];
        let result: Vec<usize> = result.into_iter().filter(|i| terms.iter().flatten().any(|j| i == j)).collect();
        let dots = *ellipsis[..terms.len()].iter().max().unwrap();
        let outer = &[2usize, 3][2 - dots..];
        let mut operands = vec![];
        let mut equation = vec![];
        for (i, term) in terms.iter().enumerate() {
            let own = &outer[dots - ellipsis[i]..];
            // Now and then a dimension of size 1 for all uses of a letter in a term.
            let one = |d: &usize| broadcast >> (4 * i + d) & 1 == 1;
            let shape: Vec<usize> = own.iter().copied().chain(term.iter().map(|d| if one(d) { 1 } else { sizes[*d] })).collect();
            operands.push(numbered(&shape, strided).add_scalar(1.0 + i as f64));
            equation.push(format!("...{}", term.iter().map(letter).collect::<String>()));
        }
        let equation = format!("{} -> ...{}", equation.join(", "), result.iter().map(letter).collect::<String>());
        // A letter that is 1 everywhere has that size.
        let size = |d: usize| {
            let uses = |i: &usize| terms[*i].contains(&d) && broadcast >> (4 * i + d) & 1 == 0;
            if (0..terms.len()).any(|i| uses(&i)) { sizes[d] } else { 1 }
        };
        let models: Vec<Model> = operands.iter().map(Model::of).collect();
        let shape: Vec<usize> = outer.iter().copied().chain(result.iter().map(|d| size(*d))).collect();
        let mut want = Model::new(&shape, |_| 0.0);
        for at in places(&[outer, &[size(0), size(1), size(2), size(3)]].concat()) {
            let (batch, letters) = at.split_at(dots);
            let mut product = 1.0;
            for ((term, model), n) in terms.iter().zip(&models).zip(&ellipsis) {
                let own = batch[dots - n..].iter().copied().chain(term.iter().map(|d| letters[*d]));
                let place: Vec<usize> = own.zip(&model.shape).map(|(i, n)| i.min(n - 1)).collect();
                product *= model.at(&place);
            }
            // Letters that occur nowhere do not count.
            *want.at_mut(&batch.iter().copied().chain(result.iter().map(|d| letters[*d])).collect::<Vec<_>>()) += product;
        }
        let got = Tensor::einsum(&equation, &operands.iter().collect::<Vec<_>>()).unwrap();
        prop_assert_eq!(Model::of(&got), want, "{}", equation);
    }
}

/// Large enough to be worked on by several threads: the same bits on one and on two, and what the small case gives.
#[test]
fn large_operands_give_the_same_bits_on_any_number_of_threads() {
    let x = Tensor::arange(300 * 400).unwrap().to_dtype(DType::F32).reshape([300, 400]).unwrap();
    let x = x.mul_scalar(1e-3).sin();
    let rows: Vec<usize> = (0..1000).map(|i| i * i % 300).collect();
    let rows = indices(&rows, &[1000]);
    let source = Tensor::arange(1000 * 400).unwrap().to_dtype(DType::F32).reshape([1000, 400]).unwrap().cos();
    let places = indices(&(0..300 * 400).map(|i| i * 7 % 300).collect::<Vec<_>>(), &[300, 400]);
    type Case<'a> = (&'a str, Box<dyn Fn() -> Result<Tensor> + Sync + Send + 'a>);
    let cases: [Case<'_>; 14] = [
        ("cat", Box::new(|| Tensor::cat(&[&x, &x.narrow(1, 3, 200)?, &x.t().contiguous().t()], 1))),
        ("stack", Box::new(|| Tensor::stack(&[&x, &x], 1))),
        ("pad", Box::new(|| x.pad(&[(2, 3), (5, 7)], 1.5))),
        ("index_put", Box::new(|| x.index_put((3..200, 5..), &source.index((..197, ..395))?))),
        ("flip rows", Box::new(|| x.flip(&[0]))),
        ("flip", Box::new(|| x.flip(&[0, 1]))),
        ("index_select", Box::new(|| x.index_select(0, &rows))),
        ("index_select columns", Box::new(|| x.index_select(1, &rows))),
        ("index_add", Box::new(|| x.index_add(0, &rows, &source))),
        ("gather", Box::new(|| x.t().contiguous().t().gather(0, &places))),
        ("scatter_add", Box::new(|| x.scatter_add(0, &places, &source))),
        ("tril", Box::new(|| x.tril(3))),
        ("repeat", Box::new(|| x.repeat(&[2, 3]))),
        ("roll", Box::new(|| x.roll(&[17, -5], &[0, 1]))),
    ];
    for (name, case) in &cases {
        let bits = |n| with_threads(n, || case().unwrap().to_vec::<f32>().unwrap()).unwrap();
        assert!(bits(1) == bits(2), "{name}");
    }

    let (model, values) = (Model::of(&x), Model::of(&source));
    let check = |got: Result<Tensor>, value: &dyn Fn(&[usize]) -> f64| {
        let got = Model::of(&got.unwrap());
        assert!(got == Model::new(&got.shape.clone(), value));
    };
    let at = |i: usize, j: usize| model.at(&[i, j]);
    check(cases[0].1(), &|p| {
        at(
            p[0],
            if p[1] < 400 {
                p[1]
            } else if p[1] < 600 {
                p[1] - 397
            } else {
                p[1] - 600
            },
        )
    });
    check(cases[1].1(), &|p| at(p[0], p[2]));
    check(cases[2].1(), &|p| match (p[0].wrapping_sub(2), p[1].wrapping_sub(5)) {
        (i, j) if i < 300 && j < 400 => at(i, j),
        _ => 1.5,
    });
    check(cases[3].1(), &|p| match (p[0].wrapping_sub(3), p[1].wrapping_sub(5)) {
        (i, j) if i < 197 && j < 395 => values.at(&[i, j]),
        _ => at(p[0], p[1]),
    });
    check(cases[4].1(), &|p| at(299 - p[0], p[1]));
    check(cases[5].1(), &|p| at(299 - p[0], 399 - p[1]));
    check(cases[6].1(), &|p| at(p[0] * p[0] % 300, p[1]));
    check(cases[7].1(), &|p| at(p[0], p[1] * p[1] % 300));
    check(cases[9].1(), &|p| at((p[0] * 400 + p[1]) * 7 % 300, p[1]));
    check(cases[11].1(), &|p| if p[1] <= p[0] + 3 { at(p[0], p[1]) } else { 0.0 });
    check(cases[12].1(), &|p| at(p[0] % 300, p[1] % 400));
    check(cases[13].1(), &|p| at((p[0] + 283) % 300, (p[1] + 5) % 400));
}

/// PyTorch's rule: a view where the strides allow it.
#[test]
fn reshape_copies_only_if_it_must() {
    let x = Tensor::zeros([2, 3, 4]).unwrap();
    let views = [
        x.reshape([6, 4]),
        x.narrow(2, 1, 2).unwrap().reshape([6, 2]),
        x.narrow(2, 1, 2).unwrap().reshape([3, 2, 2, 1]),
        x.narrow(0, 1, 1).unwrap().reshape([12]),
        x.transpose(0, 2).unwrap().reshape([2, 2, 3, 2]),
        x.permute(&[2, 0, 1]).unwrap().reshape([4, 6]),
        x.select(1, 0).unwrap().reshape([1, 2, 2, 2]),
        x.unsqueeze(0).unwrap().broadcast_to([5, 2, 3, 4]).unwrap().reshape([5, 24]),
    ];
    for (i, view) in views.into_iter().enumerate() {
        assert!(view.unwrap().shares_storage(&x), "case {i}");
    }
    assert!(!x.t().reshape([24]).unwrap().shares_storage(&x));
    assert!(!x.narrow(1, 0, 2).unwrap().reshape([16]).unwrap().shares_storage(&x));
}

/// Kinds of items that need no model.
#[test]
fn indices_of_every_kind() {
    let x = Tensor::arange(24).unwrap().reshape([2, 3, 4]).unwrap();
    let row = |y: Result<Tensor>| y.unwrap().to_vec::<i64>().unwrap();
    assert_eq!(row(x.index((1, 2, 3))), [23]);
    assert_eq!(row(x.index((1usize, 2i64, -1isize))), [23]);
    assert_eq!(row(x.index(1)), (12..24).collect::<Vec<_>>());
    assert_eq!(row(x.index((0, 0, 1..=2))), [1, 2]);
    assert_eq!(row(x.index((0, 0, ..=-2))), [0, 1, 2]);
    assert_eq!(row(x.index((0, 0, 2..=-1))), [2, 3]);
    assert_eq!(row(x.index((0, 0, ..2usize))), [0, 1]);
    assert_eq!(row(x.index((Ellipsis, 0, 0))), [0, 12]);
    assert_eq!(x.index(()).map(|y| y.shape().to_vec()).unwrap(), [2, 3, 4]);
    assert_eq!(x.index((NewAxis, .., NewAxis)).unwrap().shape(), [1, 2, 1, 3, 4]);

    let grid = Tensor::from_nested([[0i64, 2], [-1, 1]]).unwrap();
    let y = x.index((1, &grid)).unwrap();
    assert_eq!(y.shape(), [2, 2, 4]);
    assert_eq!(row(y.index((.., .., 0))), [12, 20, 20, 16]);

    let mask = x.slice(2, ..1).unwrap().squeeze(-1).unwrap().gt_scalar(7.0);
    assert_eq!(x.index(&mask).unwrap().shape(), [4, 4]);
    assert_eq!(row(x.index((&mask, -1))), [11, 15, 19, 23]);
    let all = Tensor::scalar(1.0).to_dtype(DType::Bool);
    assert_eq!(x.index(&all).unwrap().shape(), [1, 2, 3, 4]);
}

/// The kernels serve every type of element.
#[test]
fn every_type_of_element() {
    let x = Tensor::from_nested([[0.0f32, 1.0], [1.0, 0.0]]).unwrap();
    for dtype in [DType::F32, DType::F64, DType::BF16, DType::F16, DType::I64, DType::U8, DType::Bool] {
        let x = x.to_dtype(dtype);
        let index = Tensor::from_nested([1i64, 0, 1]).unwrap();
        let values = |y: Result<Tensor>| {
            let y = y.unwrap();
            assert_eq!(y.dtype(), dtype);
            y.to_f64_vec()
        };
        assert_eq!(values(Tensor::cat(&[&x, &x], 0)), [0., 1., 1., 0., 0., 1., 1., 0.]);
        assert_eq!(values(x.index_select(0, &index)), [1., 0., 0., 1., 1., 0.]);
        assert_eq!(values(x.pad(&[(0, 0), (0, 1)], 1.0)), [0., 1., 1., 1., 0., 1.]);
        assert_eq!(values(x.triu(1)), [0., 1., 0., 0.]);
        assert_eq!(values(x.flip(&[1])), [1., 0., 0., 1.]);
        assert_eq!(
            values(x.scatter(1, &index.reshape([1, 3]).unwrap().narrow(1, 0, 1).unwrap(), &x)),
            [0., 0., 1., 0.]
        );
        let sum = x.index_add(0, &Tensor::from_nested([0i64, 0]).unwrap(), &x);
        match dtype {
            DType::Bool => assert!(sum.is_err()),
            _ => assert_eq!(values(sum), [1., 2., 1., 0.]),
        }
    }
}
