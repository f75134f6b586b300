use super::*;
use crate::Rng;

/// The place of every element in row-major order: what a layout means.
fn places(layout: &Layout) -> Vec<usize> {
    let mut places = vec![layout.offset];
    for (n, stride) in layout.slices().0.iter().zip(layout.slices().1) {
        places = places.iter().flat_map(|place| (0..*n).map(move |i| place + i * stride)).collect();
    }
    places
}

fn dims(items: &[usize]) -> Dims {
    Dims::from_slice(items).unwrap()
}

fn shape(rng: &mut Rng) -> Vec<usize> {
    (0..rng.below(5)).map(|_| rng.below(4)).collect()
}

#[test]
fn row_major_layouts_count_upwards() {
    let mut rng = Rng::seed(1);
    for _ in 0..256 {
        let layout = Layout::new(dims(&shape(&mut rng)));
        assert_eq!(places(&layout), (0..layout.len()).collect::<Vec<_>>());
        assert!(layout == Layout::strided(layout.shape(), layout.strides(), 0));
    }
}

#[test]
fn a_view_is_contiguous_if_its_places_count_upwards() {
    let mut rng = Rng::seed(2);
    for _ in 0..2048 {
        let shape = shape(&mut rng);
        let strides: Vec<usize> = shape.iter().map(|_| rng.below(13)).collect();
        let view = Layout::strided(dims(&shape), dims(&strides), rng.below(5));
        let places = places(&view);
        assert_eq!(places.len(), view.len());
        let upwards = places.iter().enumerate().all(|(i, place)| *place == view.offset + i);
        assert_eq!(view.contiguous, upwards, "{view:?}");
        if let Some(last) = places.iter().max() {
            assert_eq!(view.extent(), last + 1 - view.offset);
        }
    }
}

/// NumPy's rule, said the other way round: a shape broadcasts to another if every index of the latter, with those
/// of size-1 dimensions set to 0, is one of the former.
#[test]
fn broadcasting_repeats_elements() {
    let mut rng = Rng::seed(3);
    for _ in 0..2048 {
        let (a, b) = (shape(&mut rng), shape(&mut rng));
        let pair = |i: usize| {
            let get = |s: &[usize]| s.len().checked_sub(i).map_or(1, |j| s[j]);
            (get(&a), get(&b))
        };
        let rank = a.len().max(b.len());
        let possible = (1..=rank).map(pair).all(|(a, b)| a == b || a == 1 || b == 1);
        let both = broadcast(&a, &b);
        assert_eq!(both.is_some(), possible);
        assert_eq!(both, broadcast(&b, &a));
        let Some(both) = both else { continue };
        let layout = Layout::new(dims(&a));
        let strides = expand_strides(&layout, &both).unwrap();
        let wide = Layout::strided(both, strides, 0);
        let index_of = |mut place: usize| {
            let mut index = vec![0; rank];
            for i in (0..rank).rev() {
                index[i] = place % both[i];
                place /= both[i];
            }
            index
        };
        let expected: Vec<usize> = (0..wide.len())
            .map(|i| {
                let index = index_of(i);
                let own = &index[rank - a.len()..];
                own.iter().zip(&a).zip(layout.slices().1).map(|((i, n), s)| if *n == 1 { 0 } else { i * s }).sum()
            })
            .collect();
        assert_eq!(places(&wide), expected);
    }
}

#[test]
fn negative_dimensions_count_from_the_end() {
    for rank in 1..=MAX_DIMS {
        let expected: Vec<isize> = (0..rank as isize).collect();
        for dim in -20isize..20 {
            let index = dim_index("op", dim, rank).ok();
            let wanted =
                if dim >= 0 { expected.get(dim as usize) } else { expected.iter().rev().nth(-(dim + 1) as usize) };
            assert_eq!(index.map(|i| i as isize), wanted.copied());
        }
    }
}

#[test]
fn wrong_dimensions_are_explained_word_for_word() {
    let message = |e: Error| e.message();
    let e = dim_index("sum", 2, 2).unwrap_err();
    assert_eq!(message(e), "sum: dimension 2 is out of range for 2 dimensions (-2 ..= 1)");
    assert_eq!(message(dim_index("sum", -1, 0).unwrap_err()), "sum: dimension -1 of a scalar, which has none");
    assert_eq!(message(dim_set("sum", &[1, -1], 2).unwrap_err()), "sum: dimension -1 is named twice");
    for dim in [isize::MIN, isize::MAX] {
        assert!(dim_index("sum", dim, MAX_DIMS).is_err());
    }
}

#[test]
fn no_dimensions_stand_for_all() {
    assert_eq!(dim_set("sum", &[], 3).unwrap()[..4], [true, true, true, false]);
    assert_eq!(dim_set("sum", &[-1, 0], 3).unwrap()[..4], [true, false, true, false]);
    assert_eq!(dim_set("sum", &[], 0).unwrap(), [false; MAX_DIMS]);
}

#[test]
fn lists_hold_eight_items() {
    let full = dims(&[1, 2, 3, 4, 5, 6, 7, 8]);
    assert_eq!(*full, [1, 2, 3, 4, 5, 6, 7, 8]);
    assert!(Dims::from_slice(&[0; 9]).is_none());
    let mut list = dims(&[1, 3]);
    list.insert(1, 2);
    list.push(4);
    list.remove(0);
    assert_eq!((&*list, format!("{list:?}").as_str()), (&[2, 3, 4][..], "[2, 3, 4]"));
}
