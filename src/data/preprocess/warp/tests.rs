use super::*;

fn applied(warp: &Warp, x: &[f64]) -> Vec<f64> {
    let mut x = x.to_vec();
    warp.apply(&mut x).unwrap();
    x
}

#[test]
fn equal_numbers_have_the_share_in_their_middle() {
    let numbers = [0.0, 0.0, 1.0, 1.0, 1.0, 2.0].map(Wide::from).to_vec();
    let shares = applied(&Warp::quantile(numbers.clone(), false), &[-1.0, 0.0, 0.5, 1.0, 1.5, 2.0, 3.0]);
    let expected = [0.0, 0.0, 0.3, 0.6, 0.9, 1.0, 1.0];
    assert!(shares.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-15), "{shares:?}");
    let normal = applied(&Warp::quantile(numbers, true), &[-1.0, 1.0, 3.0]);
    // The quantiles of 10⁻⁷, 0.6 and 1 − 10⁻⁷, by SciPy.
    let expected = [-5.199337582605575, 0.2533471031357997, 5.19933758270342];
    assert!(normal.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-8), "{normal:?}");
}

#[test]
fn many_rows_have_a_thousand_quantiles() {
    let numbers: Vec<Wide> = (0..5001).map(|i| Wide::from(f64::from(i))).collect();
    let warp = Warp::quantile(numbers, false);
    let shares = applied(&warp, &[0.0, 1250.0, 2500.0, 5000.0]);
    assert!(shares.iter().zip([0.0, 0.25, 0.5, 1.0]).all(|(a, b)| (a - b).abs() < 1e-12), "{shares:?}");
    assert!((warp.invert(0.25) - 1250.0).abs() < 1e-9);
}

#[test]
fn what_has_no_power_is_no_number_and_comes_to_no_harm() {
    for warp in [Warp::Log, Warp::BoxCox { power: 0.5, unit: 1.0 }] {
        assert!(applied(&warp, &[0.0, -1.0, f64::NAN]).iter().all(|x| x.is_nan()));
    }
    for power in [-300.0, -2.0, 0.0, 1.0, 2.0, 300.0] {
        for x in [-1e300, -1.0, -1e-300, 0.0, 1e-300, 1.0, 1e300] {
            let y = applied(&Warp::YeoJohnson { power, unit: 1.0 }, &[x]);
            let _ = Warp::YeoJohnson { power, unit: 1.0 }.invert(y[0]);
        }
    }
    for numbers in [vec![1e300, 1.0], vec![-1e300, 1e300, 0.0], vec![1e-300, 2e-300]] {
        let Warp::YeoJohnson { power, .. } = Warp::yeo_johnson(&numbers) else { panic!() };
        assert!(power.is_finite());
    }
}
