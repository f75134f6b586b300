use super::*;

/// By `mpmath` with 30 digits: `erfinv(y)`, `psi(n, x)`.
#[test]
fn they_are_right_to_the_last_digits() {
    let close = |got: f64, want: f64| assert!((got - want).abs() <= 8.0 * f64::EPSILON * want.abs(), "{got} {want}");
    close(erfinv(1e-300), 8.86226925452758e-301);
    close(erfinv(1e-12), 8.86226925452758e-13);
    close(erfinv(0.001), 0.0008862271574665521);
    close(erfinv(0.25), 0.2253120550121781);
    close(erfinv(0.499), 0.47582428088309237);
    close(erfinv(0.5), 0.4769362762044699);
    close(erfinv(0.75), 0.8134198475976185);
    close(erfinv(0.99), 1.8213863677184494);
    close(erfinv(0.999999), 3.458910737275499);
    close(erfinv(0.9999999999990905), 5.05125408524939);
    close(erfinv(0.9999999999999999), 5.8635847487551676);
    close(polygamma(0.0, 0.001), -1000.5755719318103);
    close(polygamma(0.0, 0.3), -3.502524222200133);
    close(polygamma(0.0, 2.5), 0.7031566406452432);
    close(polygamma(0.0, 11.9), 2.4339335368825377);
    close(polygamma(0.0, 12.0), 2.442661679975812);
    close(polygamma(0.0, 150.0), 5.007298257075679);
    close(polygamma(0.0, -0.25), 2.9141391202135276);
    close(polygamma(0.0, -1.5), 0.7031566406452432);
    close(polygamma(0.0, -7.75), -1.0307688328309315);
    close(polygamma(0.0, -40.1), 13.372621332038497);
    close(polygamma(1.0, 0.001), 1000001.6425331958);
    close(polygamma(1.0, 0.3), 12.245364546107732);
    close(polygamma(1.0, 1.0), 1.6449340668482264);
    close(polygamma(1.0, 2.5), 0.49035775610023485);
    close(polygamma(1.0, 11.9), 0.08766320119000419);
    close(polygamma(1.0, 12.0), 0.08690187287176838);
    close(polygamma(1.0, 150.0), 0.006688938271165994);
    close(polygamma(1.0, -0.25), 18.541879647671607);
    close(polygamma(1.0, -1.5), 9.379246644989124);
    close(polygamma(1.0, -7.75), 19.61814433435229);
    close(polygamma(1.0, -40.1), 103.33120981333535);
    close(polygamma(2.0, 0.001), -2000000002.3976321);
    close(polygamma(2.0, 0.3), -75.27253658872604);
    close(polygamma(2.0, 1.0), -2.4041138063191885);
    close(polygamma(2.0, 2.5), -0.2362040516417274);
    close(polygamma(2.0, 11.9), -0.007679939159328307);
    close(polygamma(2.0, 12.0), -0.007547205368998912);
    close(polygamma(2.0, 150.0), -4.4741728380430464e-05);
    close(polygamma(2.0, -0.25), 122.69736678366236);
    close(polygamma(2.0, -1.5), -0.2362040516417274);
    close(polygamma(2.0, -7.75), -124.03974558822776);
    close(polygamma(2.0, -40.1), 1998.6590537628488);
    close(polygamma(3.0, 0.001), 6000000000006.469);
    close(polygamma(3.0, 0.3), 743.1417646550498);
    close(polygamma(3.0, 1.0), 6.493939402266829);
    close(polygamma(3.0, 2.5), 0.22390584881725206);
    close(polygamma(3.0, 11.9), 0.001344783923695912);
    close(polygamma(3.0, 12.0), 0.001310093231070826);
    close(polygamma(3.0, 150.0), 5.985448553818363e-07);
    close(polygamma(3.0, -0.25), 1555.7633125348507);
    close(polygamma(3.0, -1.5), 194.59427621918763);
    close(polygamma(3.0, -7.75), 1558.5419205916066);
    close(polygamma(3.0, -40.1), 60014.251861004785);
    close(polygamma(7.0, 0.001), 5.04e+27);
    close(polygamma(7.0, 0.3), 76818182.99849322);
    close(polygamma(7.0, 1.0), 5060.54987523764);
    close(polygamma(7.0, 2.5), 3.565236352523131);
    close(polygamma(7.0, 11.9), 2.826743889334084e-05);
    close(polygamma(7.0, 12.0), 2.6599144024323067e-05);
    close(polygamma(7.0, 150.0), 4.313192199018451e-13);
    close(polygamma(7.0, -0.25), 330351842.14649963);
    close(polygamma(7.0, -1.5), 2580876.8711348437);
    close(polygamma(7.0, -7.75), 330352695.8552455);
    close(polygamma(7.0, -40.1), 504000014104.14056);
}

#[test]
fn ends_and_poles_are_those_of_pytorch() {
    assert_eq!((erfinv(1.0), erfinv(-1.0)), (f64::INFINITY, f64::NEG_INFINITY));
    assert!(erfinv(1.5).is_nan() && erfinv(f64::NAN).is_nan());
    assert_eq!((erfinv(0.0), erfinv(-0.0).is_sign_negative()), (0.0, true));
    assert_eq!((polygamma(0.0, 0.0), polygamma(0.0, -0.0)), (f64::NEG_INFINITY, f64::INFINITY));
    assert!(polygamma(0.0, -3.0).is_nan() && polygamma(0.0, f64::NAN).is_nan());
    assert_eq!((polygamma(1.0, 0.0), polygamma(1.0, -2.0)), (f64::INFINITY, f64::INFINITY));
    assert_eq!((polygamma(0.0, f64::INFINITY), polygamma(1.0, f64::INFINITY)), (f64::INFINITY, 0.0));
    // However large, nothing takes long.
    for x in [-1e300, -1e17 - 0.5, -123_456_789.25, 1e300, f64::MIN_POSITIVE] {
        for n in [0, 1, 2, 5, 200] {
            let _ = polygamma(f64::from(n), x);
        }
    }
}
