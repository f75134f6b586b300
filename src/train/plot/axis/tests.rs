use super::*;

fn written(axis: &Axis) -> Vec<String> {
    axis.ticks.iter().map(|tick| axis.label(*tick)).collect()
}

const ALL: (f64, f64) = (f64::NEG_INFINITY, f64::INFINITY);

#[test]
fn logarithmic_axes_have_enough_numbers_at_every_range() {
    for (range, expected) in [
        ((1.0, 1e5), "1 10 100 1000 10,000 100,000"),
        ((0.08, 0.9), "0.1 0.15 0.2 0.3 0.5 0.7"),
        ((0.5, 40.0), "0.5 1 2 5 10 20"),
        ((3.0, 3.4), "3 3.05 3.1 3.15 3.2 3.25 3.3 3.35 3.4"),
        ((1e-20, 1e20), "10⁻²⁰ 10⁻¹⁵ 10⁻¹⁰ 10⁻⁵ 1 100,000 10¹⁰ 10¹⁵ 10²⁰"),
    ] {
        assert_eq!(written(&Axis::new(range, ALL, true, false)).join(" "), expected);
    }
    // Whatever the range is, from a hundredth of a decade to sixty decades.
    for width in [0.01, 0.1, 0.3, 0.7, 1.0, 2.0, 3.0, 5.0, 9.0, 20.0, 60.0] {
        for start in [-30.0, -3.3, -0.71, 0.0, 0.2, 4.9] {
            let (low, high) = (10f64.powf(start), 10f64.powf(start + width));
            let ticks = Axis::new((low, high), ALL, true, false).ticks;
            assert!((4..=14).contains(&ticks.len()), "{low} to {high}: {ticks:?}");
            assert!(ticks.windows(2).all(|pair| pair[0] < pair[1]), "{ticks:?}");
        }
    }
}

#[test]
fn linear_axes() {
    for (range, whole, expected) in [
        ((1.0, 57.0), true, "0 10 20 30 40 50"),
        ((1.0, 3.0), true, "1 2 3"),
        ((0.0, 1.0), false, "0 0.2 0.4 0.6 0.8 1"),
        ((-20000.0, 20000.0), false, "-20,000 -15,000 -10,000 -5000 0 5000 10,000 15,000 20,000"),
        ((2e6, 3e6), false, "2·10⁶ 2.2·10⁶ 2.4·10⁶ 2.6·10⁶ 2.8·10⁶ 3·10⁶"),
        ((7.0, 7.0), false, "4 5 6 7 8 9 10"),
    ] {
        assert_eq!(written(&Axis::new(range, ALL, false, whole)).join(" "), expected);
    }
    // Nothing to show, and numbers of which there are no others in between.
    assert!(!Axis::new((f64::INFINITY, f64::NEG_INFINITY), ALL, true, false).ticks.is_empty());
    for size in [1e-30, 1.0, 1e15, 1e30] {
        let axis = Axis::new((size, size * (1.0 + f64::EPSILON)), ALL, false, true);
        assert!(axis.ticks.len() <= 51 && axis.ends.0 < axis.ends.1, "{axis:?}");
    }
}

#[test]
fn limits_leave_no_room_beyond_them() {
    let axis = Axis::new((1.0, 100.0), (1.0, 100.0), true, false);
    assert_eq!(axis.ends, (0.0, 2.0));
    assert_eq!(axis.share(1.0), 0.5);
}
