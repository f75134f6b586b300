use super::*;

/// Expected values from SciPy: `scipy.special.ndtri`.
#[test]
fn quantiles() {
    for (p, want) in [
        (0.5, 0.0),
        (0.025, -1.959_963_984_540_054_5),
        (0.975, 1.959_963_984_540_054),
        (0.9, 1.281_551_565_544_600_4),
        (1e-10, -6.361_340_902_404_056),
        (0.3, -0.524_400_512_708_041),
    ] {
        assert!((quantile(p) - want).abs() < 1e-13 * want.abs().max(1.0), "{p}: {}", quantile(p));
    }
    assert_eq!((quantile(0.0), quantile(1.0)), (f64::NEG_INFINITY, f64::INFINITY));
    // `scipy.special.log_ndtr`.
    for (x, want) in [
        (-40.0, -804.608_442_013_753_9),
        (-29.0, -424.787_419_909_730_26),
        (-1.0, -1.841_021_645_009_263_6),
        (7.0, -1.279_812_543_886_654_5e-12),
    ] {
        assert!((ln_cdf(x) - want).abs() < 1e-12 * want.abs(), "{x}: {}", ln_cdf(x));
    }
    assert!((cdf(-1.0) - 0.158_655_253_931_457_05).abs() < 1e-16);
}
